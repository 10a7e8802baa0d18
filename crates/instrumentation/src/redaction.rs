//! Removes secrets from URLs before they become attributes: credentials, and values of query keys that grant access.
//!
//! The conventions ask for both (attribute registry, *URL*). Without it a signed link in a trace would open the document
//! to everybody who can read the trace.

use std::borrow::Cow;

#[cfg(feature = "client")]
use url::Url;

/// The placeholder that the conventions write.
const REDACTED: &str = "REDACTED";

/// The keys in the conventions' list, for `url.full` and for `url.query`. They are case-sensitive.
const SENSITIVE_KEYS: [&str; 7] = [
    "AWSAccessKeyId",
    "Signature",
    "X-Amz-Credential",
    "X-Amz-Security-Token",
    "X-Amz-Signature",
    "X-Goog-Signature",
    "sig",
];

/// Value of `url.query`: all keys, in their order, without the values of the sensitive ones.
pub(crate) fn query(query: &str) -> Cow<'_, str> {
    if !query.split('&').any(|pair| sensitive_key(pair).is_some()) {
        return Cow::Borrowed(query);
    }
    let pairs = query.split('&').map(|pair| match sensitive_key(pair) {
        Some(key) => Cow::Owned(format!("{key}={REDACTED}")),
        None => Cow::Borrowed(pair),
    });
    pairs.collect::<Vec<_>>().join("&").into()
}

fn sensitive_key(pair: &str) -> Option<&str> {
    let (key, _) = pair.split_once('=')?;
    SENSITIVE_KEYS.contains(&key).then_some(key)
}

/// Value of `url.full`: the URL with its query as by [`query`], and a placeholder for its user and password.
#[cfg(feature = "client")]
pub(crate) fn url(url: &Url) -> Cow<'_, str> {
    let redacted_query = url.query().map(query);
    let has_credentials = !url.username().is_empty() || url.password().is_some();
    let is_clean = !has_credentials && !matches!(redacted_query, Some(Cow::Owned(_)));
    if is_clean {
        return Cow::Borrowed(url.as_str());
    }
    let mut redacted = url.clone();
    redacted.set_query(redacted_query.as_deref());
    if has_credentials {
        // Only a URL without a host refuses credentials, and it has none.
        let _ = redacted.set_username(REDACTED);
        let _ = redacted.set_password(Some(REDACTED));
    }
    Cow::Owned(redacted.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_sensitive_keys_are_redacted_and_nothing_else() {
        for (received, recorded) in [
            ("", ""),
            ("q=OpenTelemetry", "q=OpenTelemetry"),
            ("q=OpenTelemetry&sig=abc", "q=OpenTelemetry&sig=REDACTED"),
            ("sig=abc&color=blue", "sig=REDACTED&color=blue"),
            ("sig=", "sig=REDACTED"),
            ("sig=a=b&&x", "sig=REDACTED&&x"),
            ("sig=1&sig=2", "sig=REDACTED&sig=REDACTED"),
            ("sig", "sig"),
            (
                "Sig=1&SIG=2&signature=3&xsig=4&sigx=5",
                "Sig=1&SIG=2&signature=3&xsig=4&sigx=5",
            ),
            (
                "AWSAccessKeyId=1&Signature=2&X-Amz-Credential=3&X-Amz-Security-Token=4",
                "AWSAccessKeyId=REDACTED&Signature=REDACTED&X-Amz-Credential=REDACTED&X-Amz-Security-Token=REDACTED",
            ),
            (
                "X-Amz-Signature=5&X-Goog-Signature=6&X-Amz-Date=7",
                "X-Amz-Signature=REDACTED&X-Goog-Signature=REDACTED&X-Amz-Date=7",
            ),
        ] {
            assert_eq!(query(received), recorded);
        }
    }

    #[cfg(feature = "client")]
    #[test]
    fn url_is_recorded_without_credentials() {
        for (requested, recorded) in [
            ("http://example.com", "http://example.com/"),
            (
                "http://example.com:80/a?b=c#d",
                "http://example.com/a?b=c#d",
            ),
            (
                "https://user:secret@example.com/",
                "https://REDACTED:REDACTED@example.com/",
            ),
            (
                "https://user@example.com/",
                "https://REDACTED:REDACTED@example.com/",
            ),
            (
                "https://:secret@example.com/",
                "https://REDACTED:REDACTED@example.com/",
            ),
            (
                "https://[::1]:8443/?sig=x%26y&z#f",
                "https://[::1]:8443/?sig=REDACTED&z#f",
            ),
            (
                "https://u:p@example.com/?sig=1",
                "https://REDACTED:REDACTED@example.com/?sig=REDACTED",
            ),
            (
                "https://example.com/?q=a%20b+c'",
                "https://example.com/?q=a%20b+c%27",
            ),
        ] {
            assert_eq!(url(&Url::parse(requested).unwrap()), recorded);
        }
    }
}
