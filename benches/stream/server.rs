//! A server that throws away what it is sent, on threads of its own.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

/// As much as is read at once.
const BUFFER: usize = 256 * 1024;

/// Its origin.
pub(crate) fn start() -> io::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let origin = format!("http://{}", listener.local_addr()?);
    thread::spawn(move || {
        for stream in listener.incoming() {
            thread::spawn(|| serve(stream?));
        }
    });
    Ok(origin)
}

/// Answers one request after the other.
fn serve(mut stream: TcpStream) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    let mut filled = 0;
    loop {
        let (head, length) = loop {
            let found = buffer[..filled].windows(4).position(|at| at == b"\r\n\r\n");
            if let Some(end) = found {
                break (end + 4, content_length(&buffer[..end])?);
            }
            match stream.read(&mut buffer[filled..])? {
                0 => return Ok(()),
                read => filled += read,
            }
        };
        // A client that waits for its answer sends nothing after the body.
        let mut left = length - (filled - head) as u64;
        while left > 0 {
            match stream.read(&mut buffer)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => left -= read as u64,
            }
        }
        filled = 0;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")?;
    }
}

fn content_length(head: &[u8]) -> io::Result<u64> {
    let head = std::str::from_utf8(head).map_err(io::Error::other)?;
    let lengths = head.lines().filter_map(|line| line.split_once(": "));
    let mut lengths = lengths.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let (_, length) = lengths
        .next()
        .ok_or_else(|| io::Error::other("the client is to say how much it sends"))?;
    length.parse().map_err(io::Error::other)
}
