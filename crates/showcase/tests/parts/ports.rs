//! Ports for programs that cannot be asked to take a free one and say which.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

/// A port of loopback that is free, and that this process gives out once. It lies below the range from which
/// systems take the ports of outgoing connections, so that no such connection can take it before the program does.
pub(crate) fn free_port() -> u16 {
    const FIRST: u16 = 12_000;
    const COUNT: u16 = 18_000;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Test binaries that run at the same time begin at different places.
    let start = (std::process::id().wrapping_mul(97) % u32::from(COUNT)) as u16;
    let found = (0..COUNT).find_map(|_| {
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = FIRST + start.wrapping_add(next) % COUNT;
        TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok()?;
        Some(port)
    });
    found.expect("a port is free")
}
