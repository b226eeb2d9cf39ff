//! As much of XML as AWS's error answers take: elements without attributes or children, and escapes.

use std::borrow::Cow;

/// The text of the first element of that name, if it has neither attributes nor children.
pub(crate) fn element(body: &str, name: &str) -> Option<String> {
    let (_, rest) = body.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once(&format!("</{name}>"))?;
    Some(unescape(text).into_owned())
}

/// XML's escapes, and Windows' ends of lines.
pub(crate) fn unescape(text: &str) -> Cow<'_, str> {
    if !text.contains(['&', '\r']) {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        plain.push_str(&rest[..at]);
        rest = &rest[at..];
        // The longest is `&#x10ffff;`. No further, or a body of ampersands would take forever.
        let end = rest.bytes().take(10).position(|byte| byte == b';');
        match end.and_then(|end| Some((character(&rest[1..end])?, end))) {
            Some((character, end)) => {
                plain.push(character);
                rest = &rest[end + 1..];
            }
            None => {
                plain.push('&');
                rest = &rest[1..];
            }
        }
    }
    plain.push_str(rest);
    Cow::Owned(plain.replace("\r\n", "\n"))
}

fn character(name: &str) -> Option<char> {
    let code = match name {
        "amp" => return Some('&'),
        "lt" => return Some('<'),
        "gt" => return Some('>'),
        "quot" => return Some('"'),
        "apos" => return Some('\''),
        name => name.strip_prefix('#')?,
    };
    let code = match code.strip_prefix(['x', 'X']) {
        Some(digits) => u32::from_str_radix(digits, 16),
        None => code.parse(),
    };
    char::from_u32(code.ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_undone() {
        assert_eq!(unescape("&#x10ffff;&#65;&lt;&amp;lt;"), "\u{10ffff}A<&lt;");
        assert_eq!(unescape("&#x110000;&;&nbsp;&é&"), "&#x110000;&;&nbsp;&é&");
        // In time that grows with the text, and not with its square.
        let many = "&".repeat(1 << 20);
        assert_eq!(unescape(&many), many);
    }

    #[test]
    fn an_element_is_found_whole_or_not_at_all() {
        let text = "<Error><Code>Slow&amp;Down</Code><Message/></Error>";
        assert_eq!(element(text, "Code").as_deref(), Some("Slow&Down"));
        assert_eq!(element(text, "Message"), None);
        assert_eq!(element("<Code>cut of", "Code"), None);
        assert_eq!(element("</Code><Code>", "Code"), None);
    }
}
