//! Raw sockets: callers that write what they like, and upstreams that keep what they got.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::{PATIENCE, Proxy};

/// What an upstream does with a connection, once it has a head.
pub(super) type Manner = fn(&mut TcpStream);

/// A server that keeps all it was sent, by connection.
pub(super) struct Upstream {
    pub(super) port: u16,
    got: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Upstream {
    /// One that answers each request with `ok`, and keeps the connection.
    pub(super) fn good() -> Self {
        Self::start(|stream| {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
        })
    }

    /// One that does this after each head, or each piece of what follows.
    pub(super) fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let got = Arc::<Mutex<Vec<Vec<u8>>>>::default();
        let all = Arc::clone(&got);
        std::thread::spawn(move || {
            for (number, stream) in listener.incoming().map_while(Result::ok).enumerate() {
                all.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(Vec::new());
                let all = Arc::clone(&all);
                std::thread::spawn(move || serve(stream, number, &all, manner));
            }
        });
        Self { port, got }
    }

    /// All bytes that came, of all connections.
    pub(super) fn got(&self) -> String {
        let got = self.got.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&got.concat()).into_owned()
    }

    /// How many requests came.
    pub(super) fn requests(&self) -> usize {
        self.lines().len()
    }

    /// Their first lines, as a server reads them that goes by what heads say of lengths.
    pub(super) fn lines(&self) -> Vec<String> {
        let got = self.got.lock().unwrap_or_else(PoisonError::into_inner);
        got.iter()
            .flat_map(|connection| lines_of(connection))
            .collect()
    }
}

/// Of all requests on one connection, the last of which may be under way.
fn lines_of(mut bytes: &[u8]) -> Vec<String> {
    let mut lines = Vec::new();
    while let Some((head, rest)) = split(bytes, b"\r\n\r\n") {
        let head = String::from_utf8_lossy(head).to_ascii_lowercase();
        let value = |name: &str| {
            let values = head.lines().filter_map(|line| line.split_once(':'));
            let values: Vec<&str> = values
                .filter(|(n, _)| *n == name)
                .map(|(_, v)| v.trim())
                .collect();
            assert!(values.len() < 2, "two of {name}: {head}");
            values.first().map(|value| (*value).to_owned())
        };
        let (length, coding) = (value("content-length"), value("transfer-encoding"));
        assert!(length.is_none() || coding.is_none(), "two framings: {head}");
        lines.push(head.lines().next().unwrap_or_default().to_owned());
        bytes = match (length, coding.as_deref()) {
            (Some(length), _) => rest
                .get(length.parse().expect("a length")..)
                .unwrap_or_default(),
            (None, None) => rest,
            (None, Some("chunked")) => behind_chunks(rest),
            (None, Some(other)) => panic!("{other}: {head}"),
        };
    }
    lines
}

fn behind_chunks(mut bytes: &[u8]) -> &[u8] {
    while let Some((size, rest)) = split(bytes, b"\r\n") {
        let size = std::str::from_utf8(size).expect("a size");
        match usize::from_str_radix(size, 16).expect("a size") {
            // No trailers are sent here.
            0 => return rest.get(2..).unwrap_or_default(),
            size => bytes = rest.get(size + 2..).unwrap_or_default(),
        }
    }
    &[]
}

fn split<'a>(bytes: &'a [u8], at: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let start = bytes.windows(at.len()).position(|window| window == at)?;
    Some((&bytes[..start], &bytes[start + at.len()..]))
}

fn serve(mut stream: TcpStream, number: usize, all: &Mutex<Vec<Vec<u8>>>, manner: Manner) {
    let mut buffer = [0; 64 * 1024];
    while let Ok(count @ 1..) = stream.read(&mut buffer) {
        let is_head = {
            let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
            all[number].extend_from_slice(&buffer[..count]);
            all[number].windows(4).any(|end| end == b"\r\n\r\n")
        };
        if is_head {
            manner(&mut stream);
        }
    }
}

/// A proxy to it, in mode NONE unless the settings say otherwise.
pub(super) fn proxy(upstream: &Upstream, settings: &str, arguments: &[&str]) -> Proxy {
    let upstream = format!("api=http://127.0.0.1:{}{settings}", upstream.port);
    let mut all = vec!["--upstream", &upstream];
    all.extend(arguments);
    Proxy::start(&all, ("AKIDEXAMPLE", "canary-secret"))
}

/// A caller's connection.
pub(super) fn connect(proxy: &Proxy) -> TcpStream {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port())).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream
}

/// Everything that comes until the connection ends; nothing more is written.
pub(super) fn rest(stream: &mut TcpStream) -> String {
    let mut all = Vec::new();
    let mut buffer = [0; 16 * 1024];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => all.extend_from_slice(&buffer[..count]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                panic!(
                    "the connection stays open: {}",
                    String::from_utf8_lossy(&all)
                );
            }
            Err(_) => break,
        }
    }
    String::from_utf8_lossy(&all).into_owned()
}

/// What comes back for these bytes, on a connection of their own.
pub(super) fn send(proxy: &Proxy, bytes: &[u8]) -> String {
    let mut stream = connect(proxy);
    // It may be closed while it is written to.
    let _ = stream.write_all(bytes);
    rest(&mut stream)
}

/// A request with these lines, to the proxy itself, which closes the connection behind it.
pub(super) fn ask(proxy: &Proxy, line: &str, headers: &[&str]) -> String {
    let mut text = format!("{line} HTTP/1.1\r\nconnection: close\r\n");
    if !headers
        .iter()
        .any(|header| header.to_ascii_lowercase().starts_with("host:"))
    {
        text.push_str(&format!("host: 127.0.0.1:{}\r\n", proxy.port()));
    }
    for header in headers {
        text.push_str(&format!("{header}\r\n"));
    }
    send(proxy, format!("{text}\r\n").as_bytes())
}

/// The status of an answer.
pub(super) fn status(answer: &str) -> u16 {
    let number = answer
        .strip_prefix("HTTP/1.1 ")
        .and_then(|rest| rest.get(..3));
    number
        .and_then(|number| number.parse().ok())
        .unwrap_or_default()
}

/// That it goes on as ever.
pub(super) fn is_well(proxy: &Proxy, upstream: &Upstream) {
    let before = upstream.requests();
    assert_eq!(status(&ask(proxy, "GET /healthz", &[])), 200);
    assert_eq!(
        status(&ask(proxy, "GET /good", &[])),
        200,
        "{:?}",
        proxy.lines().last()
    );
    assert_eq!(upstream.requests(), before + 1);
}

/// A pause between pieces, of those who are slow on purpose.
pub(super) const DRIP: Duration = Duration::from_millis(200);
