//! A body in chunks, taken apart by hand and put together again: what the tests change is one of its parts.

/// `SIZE[;chunk-signature=…]\r\n DATA\r\n` for each chunk, the last of which is empty and has no line for its data;
/// `NAME:VALUE\r\n` for each trailer, and an empty line.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct TakenApart {
    pub(super) chunks: Vec<Chunk>,
    pub(super) trailers: Vec<(String, String)>,
    pub(super) end: String,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Chunk {
    /// In hexadecimal digits, as it was written.
    pub(super) size: String,
    pub(super) signature: Option<String>,
    pub(super) data: Vec<u8>,
}

impl TakenApart {
    pub(super) fn of(body: &[u8]) -> Self {
        let mut rest = body;
        let mut chunks = Vec::new();
        loop {
            let line = line(&mut rest);
            let (size, signature) = match line.split_once(";chunk-signature=") {
                Some((size, signature)) => (size.to_owned(), Some(signature.to_owned())),
                None => (line, None),
            };
            let length = usize::from_str_radix(&size, 16).expect("a size");
            let mut data = Vec::new();
            if length > 0 {
                data.extend_from_slice(&rest[..length]);
                rest = &rest[length..];
                assert_eq!(self::line(&mut rest), "", "after a chunk");
            }
            chunks.push(Chunk {
                size,
                signature,
                data,
            });
            if length == 0 {
                break;
            }
        }
        let mut trailers = Vec::new();
        loop {
            let line = line(&mut rest);
            let Some((name, value)) = line.split_once(':') else {
                assert_eq!(line, "", "after the trailers");
                break;
            };
            trailers.push((name.to_owned(), value.to_owned()));
        }
        assert_eq!(rest, b"", "after the end");
        let taken_apart = Self {
            chunks,
            trailers,
            end: "\r\n".to_owned(),
        };
        assert_eq!(taken_apart.joined(), body);
        taken_apart
    }

    pub(super) fn joined(&self) -> Vec<u8> {
        let mut body = Vec::new();
        for chunk in &self.chunks {
            body.extend_from_slice(chunk.size.as_bytes());
            if let Some(signature) = &chunk.signature {
                body.extend_from_slice(b";chunk-signature=");
                body.extend_from_slice(signature.as_bytes());
            }
            body.extend_from_slice(b"\r\n");
            if !chunk.data.is_empty() {
                body.extend_from_slice(&chunk.data);
                body.extend_from_slice(b"\r\n");
            }
        }
        for (name, value) in &self.trailers {
            body.extend_from_slice(format!("{name}:{value}\r\n").as_bytes());
        }
        body.extend_from_slice(self.end.as_bytes());
        body
    }

    pub(super) fn data(&self) -> Vec<u8> {
        let data = self.chunks.iter().map(|chunk| &chunk.data[..]);
        data.collect::<Vec<_>>().concat()
    }

    /// The value of a trailer that is there once.
    pub(super) fn trailer(&mut self, name: &str) -> &mut String {
        let mut found = self.trailers.iter_mut().filter(|(n, _)| n == name);
        let trailer = found.next().expect("the trailer");
        assert!(found.next().is_none(), "{name}: twice");
        &mut trailer.1
    }
}

/// What comes before the next line break, and goes from `rest` with it.
fn line(rest: &mut &[u8]) -> String {
    let at = rest.windows(2).position(|two| two == b"\r\n");
    let at = at.expect("a line");
    let line = String::from_utf8(rest[..at].to_vec()).expect("ASCII");
    *rest = &rest[at + 2..];
    line
}
