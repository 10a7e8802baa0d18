//! Bodies of requests: read whole, unpacked, within limits of size, of time, and of memory for all together.

use std::{
    fmt::Display,
    io::{self, Read as _, Write},
    sync::Arc,
    time::Duration,
};

use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, HeaderName, StatusCode, header},
};
use flate2::write::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use http_body_util::BodyExt;
use ruzstd::decoding::StreamingDecoder;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use crate::receive::answer::Failure;

/// Largest body, unpacked: a few packed kilobytes could otherwise fill the memory.
pub(crate) const LARGEST: usize = 16 << 20;

/// All bodies being read: many senders of large ones could do the same.
const ALL: usize = 64 << 20;

/// Longest time that a body may take: bytes of senders that never finish count too.
const TIME: Duration = Duration::from_secs(10);

/// What is still read of a body that is refused, and for how long. A connection closed over unread bytes is reset, and
/// then the sender may never see why.
const SWALLOWED: usize = 4 * LARGEST;
const SWALLOW_TIME: Duration = Duration::from_secs(5);

/// Packings that are understood, as `Accept-Encoding` lists them.
pub(crate) const PACKINGS: &str = "gzip, deflate, zstd";

/// What gRPC calls the packing of a message.
const GRPC_ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");

/// The room for bodies being read, shared by all clones.
#[derive(Clone)]
pub(crate) struct Bodies {
    room: Arc<Semaphore>, // a permit a byte
    time: Duration,
}

/// A body that was read. It takes its room until dropped.
pub(crate) struct Read {
    pub(crate) bytes: Vec<u8>,
    _room: Option<OwnedSemaphorePermit>,
}

impl Bodies {
    pub(crate) fn new() -> Self {
        Self {
            room: Arc::new(Semaphore::new(ALL)),
            time: TIME,
        }
    }

    /// The whole body, unpacked as `Content-Encoding` says.
    ///
    /// # Errors
    ///
    /// 400 not what it says it is, or broken off; 408, 413, 415, 503: see [`receiver`](crate::receiver).
    pub(crate) async fn read(&self, headers: &HeaderMap, body: &mut Body) -> Result<Read, Failure> {
        let mut unpacker = Unpacker::of(headers, &header::CONTENT_ENCODING)?;
        if announced(headers).is_some_and(|bytes| bytes > LARGEST) {
            return Err(too_large());
        }
        self.in_time(async {
            let mut room = None;
            while let Some(data) = next(body).await? {
                self.unpack(&data, &mut unpacker, &mut room)?;
            }
            self.finish(unpacker, room)
        })
        .await
    }

    /// The one message in the body of a unary gRPC request, unpacked: behind a byte that says whether it is packed, and
    /// four of its length.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub(crate) async fn read_message(
        &self,
        headers: &HeaderMap,
        body: &mut Body,
    ) -> Result<Read, Failure> {
        self.in_time(async {
            let mut head = Vec::new();
            while head.len() < 5 {
                let data = next(body).await?.ok_or_else(|| unreadable("no message"))?;
                head.extend_from_slice(&data);
            }
            let (mut unpacker, length) = match head[..5] {
                [0, ref length @ ..] => (Unpacker::plain(), length),
                [1, ref length @ ..] => (Unpacker::of(headers, &GRPC_ENCODING)?, length),
                _ => return Err(unreadable("neither packed nor not")),
            };
            let mut left = length
                .iter()
                .fold(0, |length, byte| length << 8 | usize::from(*byte));
            if left > LARGEST {
                return Err(too_large());
            }
            let mut room = None;
            let mut data = Bytes::from(head).slice(5..);
            loop {
                left = left
                    .checked_sub(data.len())
                    .ok_or_else(|| unreadable("more than one message"))?;
                self.unpack(&data, &mut unpacker, &mut room)?;
                match next(body).await? {
                    Some(more) => data = more,
                    None if left == 0 => break,
                    None => return Err(unreadable("the message is shorter than it says")),
                }
            }
            self.finish(unpacker, room)
        })
        .await
    }

    async fn in_time(
        &self,
        read: impl Future<Output = Result<Read, Failure>>,
    ) -> Result<Read, Failure> {
        timeout(self.time, read).await.unwrap_or_else(|_| {
            Err(Failure::new(
                StatusCode::REQUEST_TIMEOUT,
                "the body took too long",
            ))
        })
    }

    fn unpack(
        &self,
        data: &[u8],
        unpacker: &mut Unpacker,
        room: &mut Option<OwnedSemaphorePermit>,
    ) -> Result<(), Failure> {
        let before = unpacker.len();
        unpacker.write(data)?;
        self.take_room(unpacker.len() - before, room)
    }

    fn finish(
        &self,
        unpacker: Unpacker,
        mut room: Option<OwnedSemaphorePermit>,
    ) -> Result<Read, Failure> {
        let before = unpacker.len();
        let bytes = unpacker.finish()?;
        self.take_room(bytes.len().saturating_sub(before), &mut room)?;
        Ok(Read { bytes, _room: room })
    }

    fn take_room(
        &self,
        bytes: usize,
        room: &mut Option<OwnedSemaphorePermit>,
    ) -> Result<(), Failure> {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let more = self
            .room
            .clone()
            .try_acquire_many_owned(bytes)
            .map_err(|_| {
                Failure::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "too much is being received at once",
                )
            })?;
        match room {
            Some(room) => room.merge(more),
            None => *room = Some(more),
        }
        Ok(())
    }
}

/// The next bytes of a body; none at its end.
async fn next(body: &mut Body) -> Result<Option<Bytes>, Failure> {
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(unreadable)?;
        if let Ok(data) = frame.into_data() {
            return Ok(Some(data));
        }
    }
    Ok(None)
}

/// Reads on what nobody wants, so that the sender gets to read the answer. Not if it waits to be asked for the body.
pub(crate) async fn swallow(headers: &HeaderMap, mut body: Body) {
    if headers.contains_key(header::EXPECT) {
        return;
    }
    let swallowed = async {
        let mut bytes = 0;
        while let Some(Ok(frame)) = body.frame().await {
            bytes += frame.data_ref().map_or(0, |data| data.len());
            if bytes > SWALLOWED {
                break;
            }
        }
    };
    let _ = timeout(SWALLOW_TIME, swallowed).await;
}

fn announced(headers: &HeaderMap) -> Option<usize> {
    headers
        .get(header::CONTENT_LENGTH)?
        .to_str()
        .ok()?
        .parse()
        .ok()
}

fn too_large() -> Failure {
    Failure::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        format!("the body, unpacked, is larger than {LARGEST} bytes"),
    )
}

fn unreadable(error: impl Display) -> Failure {
    Failure::new(
        StatusCode::BAD_REQUEST,
        format!("the body cannot be read: {error}"),
    )
}

/// Takes a body piece by piece.
enum Unpacker {
    Plain(Limited),
    Gzip(Box<MultiGzDecoder<Limited>>),
    /// `deflate` is zlib's format (RFC 9110, section 8.4.1.2). Some senders leave out its head, so the first byte decides.
    Deflate(Limited),
    Zlib(Box<ZlibDecoder<Limited>>),
    Raw(Box<DeflateDecoder<Limited>>),
    /// Still packed: its decoder reads, so it needs the whole body.
    Zstd(Limited),
}

impl Unpacker {
    fn plain() -> Self {
        Self::Plain(Limited(Vec::new()))
    }

    /// As the header `encoding` says.
    fn of(headers: &HeaderMap, encoding: &HeaderName) -> Result<Self, Failure> {
        let unpacked = Limited(Vec::new());
        let packing = headers.get(encoding).map(|packing| packing.as_bytes());
        match packing.unwrap_or_default().to_ascii_lowercase().as_slice() {
            b"" | b"identity" => Ok(Self::Plain(unpacked)),
            b"gzip" | b"x-gzip" => Ok(Self::Gzip(Box::new(MultiGzDecoder::new(unpacked)))),
            b"deflate" | b"zlib" => Ok(Self::Deflate(unpacked)),
            b"zstd" => Ok(Self::Zstd(unpacked)),
            _ => Err(Failure::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                format!("{encoding} is one of {PACKINGS}, or absent"),
            )),
        }
    }

    fn len(&self) -> usize {
        let limited = match self {
            Self::Plain(limited) | Self::Deflate(limited) | Self::Zstd(limited) => limited,
            Self::Gzip(decoder) => decoder.get_ref(),
            Self::Zlib(decoder) => decoder.get_ref(),
            Self::Raw(decoder) => decoder.get_ref(),
        };
        limited.0.len()
    }

    fn write(&mut self, data: &[u8]) -> Result<(), Failure> {
        if let (Self::Deflate(_), Some(first)) = (&*self, data.first()) {
            let unpacked = Limited(Vec::new());
            *self = if first & 0x0f == 8 {
                Self::Zlib(Box::new(ZlibDecoder::new(unpacked)))
            } else {
                Self::Raw(Box::new(DeflateDecoder::new(unpacked)))
            };
        }
        let written = match self {
            Self::Plain(limited) | Self::Deflate(limited) | Self::Zstd(limited) => {
                limited.write_all(data)
            }
            Self::Gzip(decoder) => decoder.write_all(data).and_then(|()| decoder.flush()),
            Self::Zlib(decoder) => decoder.write_all(data).and_then(|()| decoder.flush()),
            Self::Raw(decoder) => decoder.write_all(data).and_then(|()| decoder.flush()),
        };
        written.map_err(|error| failure(&error))
    }

    fn finish(self) -> Result<Vec<u8>, Failure> {
        let unpacked = match self {
            Self::Plain(limited) | Self::Deflate(limited) => Ok(limited),
            Self::Gzip(decoder) => decoder.finish(),
            Self::Zlib(decoder) => decoder.finish(),
            Self::Raw(decoder) => decoder.finish(),
            Self::Zstd(packed) => unpack_zstd(&packed.0),
        };
        unpacked
            .map(|limited| limited.0)
            .map_err(|error| failure(&error))
    }
}

/// Unpacks frames that follow each other.
fn unpack_zstd(mut packed: &[u8]) -> io::Result<Limited> {
    let mut unpacked = Limited(Vec::new());
    while !packed.is_empty() {
        let window = LARGEST as u64;
        let decoder = StreamingDecoder::new_with_max_window_size(&mut packed, window);
        let mut decoder = decoder.map_err(io::Error::other)?;
        let mut piece = [0; 8 << 10];
        loop {
            match decoder.read(&mut piece)? {
                0 => break,
                read => unpacked.write_all(&piece[..read])?,
            }
        }
    }
    Ok(unpacked)
}

fn failure(error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::FileTooLarge => too_large(),
        _ => unreadable(error),
    }
}

/// Bytes in memory, [`LARGEST`] at most.
struct Limited(Vec<u8>);

impl Write for Limited {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        if self.0.len() + data.len() > LARGEST {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.0.extend_from_slice(data);
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::{
        convert::Infallible,
        pin::Pin,
        task::{Context, Poll},
    };

    use axum::{body::HttpBody, http::HeaderValue};
    use flate2::{
        Compression,
        read::{DeflateEncoder, GzEncoder, ZlibEncoder},
    };
    use hyper::body::Frame;
    use proptest::{collection::vec, prelude::*, sample::Index};
    use ruzstd::encoding::{CompressionLevel, compress_to_vec};

    use super::*;

    /// A sender that says something once and then nothing more.
    struct Silent(Option<Bytes>);

    impl HttpBody for Silent {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            match self.0.take() {
                Some(data) => Poll::Ready(Some(Ok(Frame::data(data)))),
                None => Poll::Pending,
            }
        }
    }

    async fn read(bodies: &Bodies, body: impl Into<Body>) -> Result<Vec<u8>, StatusCode> {
        let read = bodies.read(&HeaderMap::new(), &mut body.into()).await;
        read.map(|read| read.bytes)
            .map_err(|failure| failure.status)
    }

    fn packed(bytes: &[u8]) -> [(&'static str, Vec<u8>); 4] {
        let mut packed = [const { Vec::new() }; 4];
        let [gzip, zlib, raw, zstd] = &mut packed;
        let level = Compression::fast();
        GzEncoder::new(bytes, level).read_to_end(gzip).unwrap();
        ZlibEncoder::new(bytes, level).read_to_end(zlib).unwrap();
        DeflateEncoder::new(bytes, level).read_to_end(raw).unwrap();
        *zstd = compress_to_vec(bytes, CompressionLevel::Fastest);
        let [gzip, zlib, raw, zstd] = packed;
        [
            ("gzip", gzip),
            ("deflate", zlib),
            ("deflate", raw),
            ("zstd", zstd),
        ]
    }

    fn unpack(packing: &'static str, pieces: &[&[u8]]) -> Result<Vec<u8>, StatusCode> {
        let packing = HeaderValue::from_static(packing);
        let headers = HeaderMap::from_iter([(header::CONTENT_ENCODING, packing)]);
        let mut unpacker = Unpacker::of(&headers, &header::CONTENT_ENCODING).unwrap();
        let written = pieces.iter().try_for_each(|piece| unpacker.write(piece));
        let unpacked = written.and_then(|()| unpacker.finish());
        unpacked.map_err(|failure| failure.status)
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn packed_bodies_are_unpacked_whatever_their_pieces(
            parts in vec((vec(any::<u8>(), 0..20), 1..200_usize), 0..20),
            place in any::<Index>(),
        ) {
            let body: Vec<_> = parts.iter().flat_map(|(part, times)| part.repeat(*times)).collect();
            for (packing, packed) in packed(&body) {
                let (one, other) = packed.split_at(place.index(packed.len()));
                prop_assert_eq!(unpack(packing, &[one, other]), Ok(body.clone()));
            }
        }

        #[test]
        fn broken_packed_bodies_are_refused_or_unpacked_to_something(
            parts in vec((vec(any::<u8>(), 0..20), 1..200_usize), 1..20),
            changes in vec((any::<Index>(), any::<u8>()), 1..4),
        ) {
            let body: Vec<_> = parts.iter().flat_map(|(part, times)| part.repeat(*times)).collect();
            for (packing, mut packed) in packed(&body) {
                for (place, byte) in &changes {
                    let place = place.index(packed.len());
                    packed[place] = *byte;
                }
                let unpacked = unpack(packing, &[&packed]);
                let refusals = [StatusCode::BAD_REQUEST, StatusCode::PAYLOAD_TOO_LARGE];
                match unpacked {
                    Ok(bytes) => prop_assert!(bytes.len() <= LARGEST),
                    Err(status) => prop_assert!(refusals.contains(&status), "{}", status),
                }
            }
        }
    }

    #[tokio::test]
    async fn a_body_that_never_ends_is_408_and_its_room_is_free_again() {
        let bodies = Bodies {
            room: Arc::new(Semaphore::new(10)),
            time: Duration::from_millis(50),
        };
        let body = Body::new(Silent(Some(Bytes::from_static(b"{"))));
        assert_eq!(read(&bodies, body).await, Err(StatusCode::REQUEST_TIMEOUT));
        assert_eq!(bodies.room.available_permits(), 10);
    }

    #[tokio::test]
    async fn bodies_share_their_room_and_one_that_does_not_fit_is_503() {
        let bodies = Bodies {
            room: Arc::new(Semaphore::new(10)),
            ..Bodies::new()
        };
        let headers = HeaderMap::new();
        let other = bodies
            .read(&headers, &mut Body::from("123456789"))
            .await
            .unwrap();
        assert_eq!(
            read(&bodies, "12").await,
            Err(StatusCode::SERVICE_UNAVAILABLE)
        );
        assert_eq!(read(&bodies, "1").await, Ok(b"1".to_vec()));
        drop(other);
        assert_eq!(read(&bodies, "12").await, Ok(b"12".to_vec()));
        assert_eq!(bodies.room.available_permits(), 10);
    }
}
