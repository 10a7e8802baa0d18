//! Requests, one after the other on one connection.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::Error;
use crate::setup::Sampling;

/// A connection that is kept.
pub struct Load {
    stream: TcpStream,
    address: SocketAddr,
    sampling: Sampling,
    sent: u64,
}

impl Load {
    pub fn new(address: SocketAddr, sampling: Sampling) -> Result<Self, Error> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            address,
            sampling,
            sent: 0,
        })
    }

    /// Sends so many, and waits for each answer.
    pub fn send(&mut self, count: u64) -> Result<(), Error> {
        let mut answer = [0; 1024];
        for _ in 0..count {
            self.stream
                .write_all(&self.sampling.request("/pong", self.address, self.sent, 0))?;
            self.sent += 1;
            let mut length = 0;
            while !answer[..length].ends_with(b"\r\n\r\npong") {
                match self.stream.read(&mut answer[length..])? {
                    0 => return Err("a server closed the connection".into()),
                    read => length += read,
                }
            }
            if !answer.starts_with(b"HTTP/1.1 200 ") {
                return Err("a server did not answer 200".into());
            }
        }
        Ok(())
    }
}
