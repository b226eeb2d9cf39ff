//! The path of a canonical request.

use super::super::options::{PathEncoding, SigningOptions};
use super::super::scratch::Text;
use super::escape::{is_unreserved, unescape, write_encoded, write_escape};

/// How much room `path` takes at most: every byte is escaped, or there is none.
pub(super) fn room(path: &str) -> usize {
    3 * path.len() + 1
}

#[inline(always)]
pub(super) fn write_path(text: &mut Text<'_>, path: &str, options: &SigningOptions) {
    if path.is_empty() {
        text.push(b'/');
        return;
    }
    // Most are written as they are.
    let start = text.len();
    text.extend(path.as_bytes());
    if !text.may_have(start, |byte, next| {
        !stays(byte) | is_odd_segment(byte, next)
    }) {
        return;
    }
    text.elsewhere(|text| rewrite_path(text, start, path, options));
}

/// `path` was written as it is, at `start`.
#[inline(always)]
fn rewrite_path(text: &mut Text<'_>, start: usize, path: &str, options: &SigningOptions) {
    let has_odd_segment = text.may_have(start, is_odd_segment);
    text.truncate(start);
    let normalized;
    let path = if has_odd_segment && options.normalize {
        normalized = normalize(path);
        normalized.as_bytes()
    } else {
        path.as_bytes()
    };
    // Double encoding escapes the `%` of an escape. Encoding once writes what the service gets by
    // decoding the path and encoding the object key strictly; a slash in a key is never encoded, so
    // `%2F` and `/` are the same to it.
    let decode = options.encoding == PathEncoding::Single;
    let mut rest = path;
    loop {
        rest = text.extend_while(rest, |byte| is_unreserved(byte) || byte == b'/');
        let Some((&byte, after)) = rest.split_first() else {
            return;
        };
        rest = after;
        let decoded = match byte {
            b'%' if decode => unescape(after),
            _ => None,
        };
        match decoded {
            Some((b'/', after)) => {
                text.push(b'/');
                rest = after;
            }
            Some((byte, after)) => {
                write_encoded(text, byte);
                rest = after;
            }
            None => write_escape(text, byte),
        }
    }
}

/// Whether a byte of a path is written as it is. Reckoned and not looked up, so that many can be asked at
/// a time. So is a zero, which is in no path.
#[inline(always)]
fn stays(byte: u8) -> bool {
    let is_letter = (byte | 0x20).wrapping_sub(b'a') < 26;
    // These are neighbours.
    let is_dash_dot_slash_or_digit = byte.wrapping_sub(b'-') < 13;
    is_letter | is_dash_dot_slash_or_digit | (byte == b'_') | (byte == b'~') | (byte == 0)
}

/// Whether a byte of a path and the next begin a segment that is empty or begins with a dot.
#[inline(always)]
fn is_odd_segment(byte: u8, next: u8) -> bool {
    (byte == b'/') & ((next == b'/') | (next == b'.'))
}

/// RFC 3986, section 5.2.4, and empty segments go as well, as AWS has it.
pub(in super::super) fn normalize(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut directory = true;
    for segment in path.split('/') {
        directory = true;
        match segment {
            "" | "." => {}
            ".." => {
                kept.pop();
            }
            name => {
                kept.push(name);
                directory = false;
            }
        }
    }
    let mut normalized = String::with_capacity(path.len() + 1);
    for segment in &kept {
        normalized.push('/');
        normalized.push_str(segment);
    }
    if directory {
        normalized.push('/');
    }
    normalized
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(path: &str, service: &str) -> String {
        let mut buffer = vec![0; room(path)];
        let mut text = Text::new(&mut buffer);
        write_path(&mut text, path, &SigningOptions::for_service(service));
        String::from_utf8(text.written().to_vec()).expect("ASCII")
    }

    #[test]
    fn paths_are_encoded_as_the_service_does() {
        assert_eq!(path("", "execute-api"), "/");
        assert_eq!(path("/a%3Ab/(c)", "execute-api"), "/a%253Ab/%28c%29");
        assert_eq!(path("/a%3ab/(c)/%41", "s3"), "/a%3Ab/%28c%29/A");
        assert_eq!(path("/a//b/../c/.", "execute-api"), "/a/c/");
        assert_eq!(path("/a//b/../c/.", "s3"), "/a//b/../c/.");
        assert_eq!(path("/..", "execute-api"), "/");
    }

    #[test]
    fn every_byte_is_what_it_is() {
        for byte in 1..=u8::MAX {
            let expected = is_unreserved(byte) || byte == b'/';
            assert_eq!(stays(byte), expected, "{byte}");
            for next in 0..=u8::MAX {
                let expected = [[b'/', b'/'], [b'/', b'.']].contains(&[byte, next]);
                assert_eq!(is_odd_segment(byte, next), expected, "{byte} {next}");
            }
        }
        // Behind a path stands what is left in the buffer: zeros, when nothing was written there before.
        assert!(stays(0));
    }

    #[test]
    fn a_model_id_is_encoded_twice() {
        assert_eq!(
            path("/model/anthropic.claude-v2%3A1/invoke", "bedrock"),
            "/model/anthropic.claude-v2%253A1/invoke"
        );
    }

    #[test]
    fn an_escaped_slash_is_a_slash_to_s3_and_to_nobody_else() {
        assert_eq!(path("/bucket/a%2Fb%2f", "s3"), "/bucket/a/b/");
        assert_eq!(path("/bucket/a%252Fb", "s3"), "/bucket/a%252Fb");
        assert_eq!(path("/a%2Fb", "execute-api"), "/a%252Fb");
    }
}
