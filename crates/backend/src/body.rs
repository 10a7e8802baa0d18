//! Bodies of requests: read whole, unpacked, within limits of size, of time, and of memory for all together.

use std::{
    fmt::Display,
    io::{self, Write},
    sync::Arc,
    time::Duration,
};

use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, HeaderName, StatusCode, header},
};
use flate2::write::MultiGzDecoder;
use http_body_util::BodyExt;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use crate::answer::Failure;

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
            Ok(Read {
                bytes: unpacker.finish()?,
                _room: room,
            })
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
            Ok(Read {
                bytes: unpacker.finish()?,
                _room: room,
            })
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
        let grown = u32::try_from(unpacker.len() - before).unwrap_or(u32::MAX);
        let more = self
            .room
            .clone()
            .try_acquire_many_owned(grown)
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
}

impl Unpacker {
    fn plain() -> Self {
        Self::Plain(Limited(Vec::new()))
    }

    /// As the header `encoding` says.
    fn of(headers: &HeaderMap, encoding: &HeaderName) -> Result<Self, Failure> {
        match headers.get(encoding).map(|encoding| encoding.as_bytes()) {
            None | Some(b"identity") => Ok(Self::plain()),
            Some(b"gzip") => Ok(Self::Gzip(Box::new(MultiGzDecoder::new(Limited(
                Vec::new(),
            ))))),
            Some(_) => Err(Failure::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                format!("{encoding} is gzip, or absent"),
            )),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Plain(limited) => limited.0.len(),
            Self::Gzip(decoder) => decoder.get_ref().0.len(),
        }
    }

    fn write(&mut self, data: &[u8]) -> Result<(), Failure> {
        let written = match self {
            Self::Plain(limited) => limited.write_all(data),
            Self::Gzip(decoder) => decoder.write_all(data).and_then(|()| decoder.flush()),
        };
        written.map_err(|error| failure(&error))
    }

    fn finish(self) -> Result<Vec<u8>, Failure> {
        match self {
            Self::Plain(limited) => Ok(limited.0),
            Self::Gzip(decoder) => decoder
                .finish()
                .map(|limited| limited.0)
                .map_err(|error| failure(&error)),
        }
    }
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

    use axum::body::HttpBody;
    use hyper::body::Frame;

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
