//! Identifiers of traces and spans, as W3C Trace Context has them: 16 and 8 bytes, not all zero, written as lower-case hex.

use std::{fmt, str::FromStr};

use serde::{Serialize, Serializer};

/// What is wrong with an identifier: its length, a character that is no hex digit, or nothing but zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a valid id: it must be {bytes} bytes, not all zero, as {} hex digits where it is text", bytes * 2)]
pub struct InvalidId {
    bytes: usize,
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $bytes:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; $bytes]);

        impl $name {
            /// The bytes, most significant first.
            pub fn to_bytes(self) -> [u8; $bytes] {
                self.0
            }
        }

        impl TryFrom<&[u8]> for $name {
            type Error = InvalidId;

            fn try_from(bytes: &[u8]) -> Result<Self, InvalidId> {
                match <[u8; $bytes]>::try_from(bytes) {
                    Ok(bytes) if bytes != [0; $bytes] => Ok(Self(bytes)),
                    _ => Err(InvalidId { bytes: $bytes }),
                }
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let invalid = InvalidId { bytes: $bytes };
                let digits = text.as_bytes();
                if digits.len() != $bytes * 2 {
                    return Err(invalid);
                }
                let mut bytes = [0; $bytes];
                for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
                    *byte = digit(pair[0]).ok_or(invalid)? << 4 | digit(pair[1]).ok_or(invalid)?;
                }
                Self::try_from(bytes.as_slice())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    };
}

id! {
    /// Identifier of a trace.
    TraceId, 16
}

id! {
    /// Identifier of a span, unique within its trace.
    SpanId, 8
}

/// Lower-case hex digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn digit(ascii: u8) -> Option<u8> {
    char::from(ascii)
        .to_digit(16)
        .and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_written_as_lower_case_hex_and_read_in_any_case() {
        let id: TraceId = "5B8EFFF798038103D269B633813FC60C".parse().unwrap();
        assert_eq!(id.to_string(), "5b8efff798038103d269b633813fc60c");
        assert_eq!(TraceId::try_from(id.to_bytes().as_slice()), Ok(id));
        assert_eq!(
            serde_json::to_string(&id).unwrap(),
            "\"5b8efff798038103d269b633813fc60c\""
        );
    }

    #[test]
    fn ids_of_zeros_of_a_wrong_length_or_with_foreign_characters_are_refused() {
        for text in [
            "",
            "00",
            "0000000000000000",
            "00f067aa0ba902b",
            "00f067aa0ba902b77",
            "00f067aa0ba902bg",
            "+0f067aa0ba902b7",
            "é0f067aa0ba902b",
        ] {
            assert!(text.parse::<SpanId>().is_err(), "{text}");
        }
        assert!(SpanId::try_from([1; 7].as_slice()).is_err());
        assert!(SpanId::try_from([0; 8].as_slice()).is_err());
    }
}
