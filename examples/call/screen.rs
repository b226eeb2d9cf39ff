//! Text that others wrote, at a terminal, which obeys control characters.

/// Shows a text that comes piece by piece: a character may be in two of them.
#[derive(Default)]
pub(crate) struct Screen {
    /// The beginning of a character.
    begun: Vec<u8>,
}

impl Screen {
    /// What can be shown of the text so far.
    pub(crate) fn show(&mut self, data: &[u8]) -> String {
        self.begun.extend_from_slice(data);
        let data = std::mem::take(&mut self.begun);
        let mut shown = String::with_capacity(data.len());
        let mut chunks = data.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            escape(chunk.valid(), &mut shown);
            let rest = chunk.invalid();
            match chunks.peek() {
                None if is_begun(rest) => self.begun = rest.to_vec(),
                _ if rest.is_empty() => {}
                _ => shown.push(char::REPLACEMENT_CHARACTER),
            }
        }
        shown
    }

    /// What is left of a text that ends within a character.
    pub(crate) fn end(&mut self) -> String {
        match std::mem::take(&mut self.begun).is_empty() {
            true => String::new(),
            false => char::REPLACEMENT_CHARACTER.to_string(),
        }
    }
}

/// Whether it may become a character.
fn is_begun(bytes: &[u8]) -> bool {
    matches!(std::str::from_utf8(bytes), Err(error) if error.error_len().is_none())
}

fn escape(text: &str, shown: &mut String) {
    for character in text.chars() {
        match character {
            '\n' | '\r' | '\t' => shown.push(character),
            control if control.is_control() => shown.extend(control.escape_default()),
            other => shown.push(other),
        }
    }
}
