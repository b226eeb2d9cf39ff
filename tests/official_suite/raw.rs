//! Requests as the suite writes them.

use http::{HeaderMap, HeaderValue};

use super::header_name;

/// A request before anything is made of it.
#[derive(Clone)]
pub(super) struct Raw {
    pub(super) method: String,
    pub(super) target: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: String,
}

impl Raw {
    pub(super) fn parse(text: &str) -> Self {
        let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
        let mut lines = head.lines();
        let first = lines.next().expect("a request line");
        let (method, rest) = first.split_once(' ').expect("a method");
        let target = rest.strip_suffix(" HTTP/1.1").unwrap_or(rest);
        let mut headers: Vec<(String, String)> = Vec::new();
        for line in lines {
            if line.starts_with(' ') {
                let (_, value) = headers.last_mut().expect("a line to continue");
                value.push('\n');
                value.push_str(line);
            } else {
                let (name, value) = line.split_once(':').expect("a header");
                // One file has a space here where the others have none.
                let value = match name {
                    "Authorization" => value.trim_start(),
                    _ => value,
                };
                headers.push((name.to_owned(), value.to_owned()));
            }
        }
        Self {
            method: method.to_owned(),
            target: target.to_owned(),
            headers,
            body: body.to_owned(),
        }
    }

    pub(super) fn headers(&self) -> Result<HeaderMap, String> {
        let mut map = HeaderMap::new();
        for (name, value) in &self.headers {
            let value = HeaderValue::from_bytes(value.as_bytes())
                .map_err(|_| format!("the http crate refuses the value {value:?}"))?;
            map.append(header_name(name), value);
        }
        Ok(map)
    }

    pub(super) fn unfold(&mut self) {
        for (_, value) in &mut self.headers {
            *value = value.replace('\n', " ");
        }
    }

    pub(super) fn escape_spaces(&mut self) {
        self.target = self.target.replace(' ', "%20");
    }
}
