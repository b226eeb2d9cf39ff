//! Takes the data out of what is around it: nothing for JSON, a string constant in a Dart file, an
//! object literal in a JavaScript or TypeScript one.

use zeroize::Zeroizing;

use super::problem::{Place, Problem};
use super::text::{Shift, Syntax};

/// What was found.
pub(super) struct Found {
    pub(super) data: Zeroizing<String>,
    pub(super) syntax: Syntax,
    pub(super) shifts: Vec<Shift>,
}

/// Takes the data out of a file's text.
pub(super) fn unwrap(file: &str) -> Result<Found, Problem> {
    let mut cursor = Cursor::new(file);
    cursor.skip_blank();
    match cursor.rest().chars().next() {
        None => Err(Problem::new("the file is empty")),
        Some('"') if cursor.rest().starts_with("\"use ") => program(cursor),
        // A list or another value is valid JSON, and is told what is wrong with it later.
        Some('{' | '[' | '"' | '-' | '0'..='9') => Ok(json(file)),
        _ if matches!(cursor.rest().trim_end(), "null" | "true" | "false") => Ok(json(file)),
        _ => program(cursor),
    }
}

/// The file is the data. Comments before it are left for the JSON parser to complain about.
fn json(file: &str) -> Found {
    let start = file.len() - file.trim_start_matches('\u{feff}').len();
    Found {
        data: Zeroizing::new(file[start..].to_owned()),
        syntax: Syntax::Json,
        shifts: vec![Shift {
            data: 0,
            file: start,
        }],
    }
}

/// Words that may come before the name of a constant, in either language.
const DECLARING: [&str; 9] = [
    "export", "declare", "const", "let", "var", "final", "static", "late", "String",
];

fn program(mut cursor: Cursor<'_>) -> Result<Found, Problem> {
    let start = cursor.at;
    let unknown = || {
        Problem::new(
            "this is neither JSON nor a Dart or JavaScript file with a configuration in it; a TOML or \
             YAML file is read with a serde crate for that format, into a `Config`",
        )
        .in_file(Place::of(cursor.file, start))
    };
    loop {
        cursor.skip_blank();
        match cursor.word() {
            "import" => cursor.skip_statement(),
            "module" | "exports" => {
                cursor.skip_to_assignment().ok_or_else(unknown)?;
                return object(cursor, "").ok_or_else(unknown)?;
            }
            "default" => return object(cursor, "").ok_or_else(unknown)?,
            word if DECLARING.contains(&word) && !matches!(word, "export" | "declare") => {
                let name = cursor.skip_to_assignment().ok_or_else(unknown)?;
                let mut string = cursor.clone();
                if let Some(found) = dart_string(&mut string) {
                    return found;
                }
                return object(cursor, name).ok_or_else(unknown)?;
            }
            "export" | "declare" => {}
            "" if cursor.skip_directive() => {}
            _ => return Err(unknown()),
        }
    }
}

/// An object literal, and nothing behind it that could change it, or export another than `name`.
fn object(mut cursor: Cursor<'_>, name: &str) -> Option<Result<Found, Problem>> {
    cursor.skip_blank();
    let start = cursor.at;
    if !cursor.rest().starts_with('{') {
        return None;
    }
    cursor.skip_object();
    let data = Zeroizing::new(cursor.file[start..cursor.at].to_owned());
    if let Some(at) = data.find(['\u{2028}', '\u{2029}']) {
        let problem =
            Problem::new("an invisible line separator is here, which ends a comment: take it out");
        return Some(Err(problem.in_file(Place::of(cursor.file, start + at))));
    }
    Some(cursor.expect_end(name).map(|()| Found {
        data,
        syntax: Syntax::JavaScript,
        shifts: vec![Shift {
            data: 0,
            file: start,
        }],
    }))
}

/// A string in triple quotes, as Amplify writes into Dart files. Another string is none of it.
fn dart_string(cursor: &mut Cursor<'_>) -> Option<Result<Found, Problem>> {
    cursor.skip_blank();
    let start = cursor.at;
    let raw = cursor.take("r");
    let quotes = ["'''", "\"\"\""]
        .into_iter()
        .find(|quotes| cursor.take(quotes))?;
    let unterminated = Problem::new(format!(
        "the string that begins here has no end: `{quotes}`"
    ))
    .in_file(Place::of(cursor.file, start));
    let content = match raw {
        true => raw_content(cursor, quotes),
        false => content(cursor, quotes),
    };
    Some(match content {
        Ok(Some((data, shifts))) => cursor.expect_end("").map(|()| Found {
            data,
            syntax: Syntax::Json,
            shifts,
        }),
        Ok(None) => Err(unterminated),
        Err(problem) => Err(problem),
    })
}

type Content = Result<Option<(Zeroizing<String>, Vec<Shift>)>, Problem>;

fn raw_content(cursor: &mut Cursor<'_>, quotes: &str) -> Content {
    let start = cursor.at;
    let Some(length) = cursor.rest().find(quotes) else {
        return Ok(None);
    };
    cursor.at += length + quotes.len();
    let data = Zeroizing::new(cursor.file[start..start + length].to_owned());
    let shift = Shift {
        data: 0,
        file: start,
    };
    Ok(Some((data, vec![shift])))
}

/// What a string that is not raw means, after "Strings" in the Dart language specification.
fn content(cursor: &mut Cursor<'_>, quotes: &str) -> Content {
    // Whole at once, so that growing leaves no copy behind.
    let mut data = Zeroizing::new(String::with_capacity(cursor.rest().len()));
    let mut shifts = vec![Shift {
        data: 0,
        file: cursor.at,
    }];
    loop {
        if cursor.take(quotes) {
            return Ok(Some((data, shifts)));
        }
        let start = cursor.at;
        let Some(next) = cursor.next() else {
            return Ok(None);
        };
        match next {
            '\\' => {
                let Some(escaped) = escape(cursor) else {
                    let problem = "an escape in this Dart string makes no character";
                    return Err(Problem::new(problem).in_file(Place::of(cursor.file, start)));
                };
                data.push(escaped);
                shifts.push(Shift {
                    data: data.len(),
                    file: cursor.at,
                });
            }
            '$' => {
                return Err(Problem::new(
                    "this Dart string inserts the value of an expression, which cannot be known here: \
                     write `\\$` for a dollar sign, or make it a raw string, `r'''…'''`",
                )
                .in_file(Place::of(cursor.file, start)));
            }
            other => data.push(other),
        }
    }
}

/// The character behind a backslash.
fn escape(cursor: &mut Cursor<'_>) -> Option<char> {
    Some(match cursor.next()? {
        'n' => '\n',
        'r' => '\r',
        'f' => '\u{c}',
        'b' => '\u{8}',
        't' => '\t',
        'v' => '\u{b}',
        'x' => cursor.hex(2)?,
        'u' if cursor.take("{") => {
            let length = cursor
                .rest()
                .find('}')
                .filter(|length| (1..=6).contains(length))?;
            let found = cursor.hex(length)?;
            cursor.take("}");
            found
        }
        'u' => cursor.hex(4)?,
        other => other,
    })
}

/// A place in a program's text.
#[derive(Clone)]
struct Cursor<'a> {
    file: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    fn new(file: &'a str) -> Self {
        Self { file, at: 0 }
    }

    fn rest(&self) -> &'a str {
        &self.file[self.at..]
    }

    fn next(&mut self) -> Option<char> {
        let next = self.rest().chars().next()?;
        self.at += next.len_utf8();
        Some(next)
    }

    fn take(&mut self, text: &str) -> bool {
        let found = self.rest().starts_with(text);
        if found {
            self.at += text.len();
        }
        found
    }

    fn hex(&mut self, length: usize) -> Option<char> {
        let digits = self.rest().get(..length)?;
        let all = digits.bytes().all(|b| b.is_ascii_hexdigit());
        self.at += length;
        all.then(|| {
            u32::from_str_radix(digits, 16)
                .ok()
                .and_then(char::from_u32)
        })?
    }

    /// White space and comments. Stops at a comment that ends in one place in Dart and in another in
    /// JavaScript: in Dart they nest.
    fn skip_blank(&mut self) {
        loop {
            let rest = self.rest();
            let trimmed = rest.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
            self.at += rest.len() - trimmed.len();
            match comment(trimmed) {
                Some(text) if !text[2..].contains("/*") => self.at += text.len(),
                _ => return,
            }
        }
    }

    /// The identifier here, stepped over; empty if there is none.
    fn word(&mut self) -> &'a str {
        let rest = self.rest();
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '$';
        let length = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    /// To behind the `=` of a declaration, on whose way nothing but a name and a type can be. Returns the
    /// name.
    fn skip_to_assignment(&mut self) -> Option<&'a str> {
        let rest = self.rest();
        let length = rest.find(['=', ';', '\'', '"', '`', '(', '/'])?;
        self.at += length;
        let behind = self.rest().as_bytes().get(1);
        if !self.take("=") || matches!(behind, Some(b'=' | b'>')) {
            return None;
        }
        let declared = rest[..length].split(':').next().unwrap_or_default();
        Some(declared.split_whitespace().next_back().unwrap_or_default())
    }

    /// `'use strict';` and its like.
    fn skip_directive(&mut self) -> bool {
        let Some(quote @ ('\'' | '"')) = self.rest().chars().next() else {
            return false;
        };
        let Some(length) = self.rest()[1..].find(quote) else {
            return false;
        };
        self.at += length + 2;
        self.take(";");
        true
    }

    fn skip_statement(&mut self) {
        let rest = self.rest();
        self.at += rest.find([';', '\n', '\r']).map_or(rest.len(), |at| at + 1);
    }

    /// To behind the brace that closes the one here, or to the end if there is none: the parser then
    /// says what is missing.
    fn skip_object(&mut self) {
        let mut depth = 0_usize;
        while let Some(next) = self.rest().chars().next() {
            match next {
                '/' => {
                    self.at += comment(self.rest()).map_or(1, str::len);
                    continue;
                }
                '"' | '\'' | '`' => {
                    self.next();
                    self.skip_string(next);
                    continue;
                }
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            self.next();
            if depth == 0 {
                return;
            }
        }
    }

    /// To behind the quote that ends a string.
    fn skip_string(&mut self, quote: char) {
        while let Some(next) = self.next() {
            match next {
                '\\' => drop(self.next()),
                _ if next == quote => return,
                _ => {}
            }
        }
    }

    /// Nothing may follow that could change the data.
    fn expect_end(&mut self, name: &str) -> Result<(), Problem> {
        /// In the order in which they may come.
        const TAIL: [&str; 7] = ["as", "satisfies", ";", "exports", "export", "module", ";"];
        for part in TAIL {
            self.skip_blank();
            let mut ahead = self.clone();
            let found = match part {
                ";" => ahead.take(part),
                _ => ahead.word() == part,
            };
            if !found {
                continue;
            }
            *self = ahead;
            let known = match part {
                ";" => true,
                // A type.
                "as" | "satisfies" => {
                    let rest = self.rest();
                    let length = rest
                        .find(';')
                        .into_iter()
                        .chain(rest.find(LINE_ENDS))
                        .min()
                        .unwrap_or(rest.len());
                    self.at += length;
                    !rest[..length].contains(['(', '=', '`'])
                }
                _ => self.skip_export() == name && !name.is_empty(),
            };
            if !known {
                break;
            }
        }
        self.skip_blank();
        match self.rest() {
            "" => Ok(()),
            _ => Err(Problem::new(
                "something follows the configuration here that might change it: only its export may",
            )
            .in_file(Place::of(self.file, self.at))),
        }
    }

    /// The rest of `export default name`, `module.exports = name` or `exports.default = name`: the name.
    fn skip_export(&mut self) -> &'a str {
        for part in ["default", ".exports", ".default", "="] {
            self.skip_blank();
            self.take(part);
        }
        self.skip_blank();
        self.word()
    }
}

/// The comment that a text begins with.
fn comment(text: &str) -> Option<&str> {
    let length = match text.strip_prefix("/*") {
        Some(rest) => rest.find("*/").map_or(text.len(), |end| end + 4),
        None if text.starts_with("//") => text.find(LINE_ENDS).unwrap_or(text.len()),
        None => return None,
    };
    Some(&text[..length])
}

/// What ends a line for JavaScript, and with it a comment.
const LINE_ENDS: [char; 4] = ['\n', '\r', '\u{2028}', '\u{2029}'];

#[cfg(test)]
mod tests {
    use super::*;

    fn data(file: &str) -> Result<String, String> {
        match unwrap(file) {
            Ok(found) => Ok(found.data.trim().to_owned()),
            Err(problem) => Err(problem.message),
        }
    }

    #[test]
    fn the_data_is_found_in_what_is_around_it() {
        for (file, expected) in [
            ("\u{feff} {\"a\": 1}", "{\"a\": 1}"),
            ("const amplifyconfig = ''' {\"a\": 1}\n''';", "{\"a\": 1}"),
            (
                "// c\nfinal String c = r\"\"\"{\"a\": \"$\\n\"}\"\"\";\n",
                "{\"a\": \"$\\n\"}",
            ),
            (
                "const c = '''{\"a\": \"\\$\\x41\\u0042\\u{43}\\\\n\"}''';",
                "{\"a\": \"$ABC\\n\"}",
            ),
            (
                "/* eslint-disable */\nconst a = {b: '}'};\n\nexport default a;\n",
                "{b: '}'}",
            ),
            ("export default { /* } */ a: 1 }", "{ /* } */ a: 1 }"),
            ("'use strict';\nmodule.exports = {};", "{}"),
            (
                "import x from 'y';\nexport const a: Record<string, unknown> = {} as const;",
                "{}",
            ),
            (
                "const a = {} as const satisfies X\nmodule.exports = a;",
                "{}",
            ),
            ("const a = {};\nexports.default = a;", "{}"),
            ("\"use strict\";\nconst a = {}\nexport default a", "{}"),
        ] {
            assert_eq!(data(file).as_deref(), Ok(expected), "{file}");
        }
    }

    #[test]
    fn what_might_change_the_data_is_an_error() {
        for file in [
            "const a = {}; a.b = 1;",
            "const a /*= {}; // */ = {b: 1};",
            "const a = {}; // \u{2028}a.b = 1",
            "import b from 'b';\nconst a = {};\nexport default b;",
            "/* /* */ const a = {b: 1}; // */ const a = {};",
            "const a = {};\nconst b = {};",
            "const a = ''' {} ''' + x;",
            "const a = Object.assign({}, b);",
            "export default f({})",
            "const a = ''' {\"a\": \"$b\"} ''';",
            "const a = ''' {}",
            "const a = '''\\u{110000}''';",
            "apis:\n  orders:\n",
            "[apis.orders]",
            "<html>",
            "",
        ] {
            let json = file.starts_with('[');
            assert_eq!(data(file).is_err(), !json, "{file}");
        }
    }
}
