//! The table the tour prints.

/// Answers, compared with what was expected of them.
#[derive(Default)]
pub(crate) struct Table {
    groups: Vec<(&'static str, Vec<Row>)>,
}

struct Row {
    what: &'static str,
    layer: &'static str,
    answer: String,
    expected: &'static str,
}

/// The last column, which is not padded, is `as expected`.
const WIDTHS: [usize; 3] = [35, 16, 46];

impl Table {
    /// Starts a group of rows.
    pub(crate) fn group(&mut self, title: &'static str) {
        self.groups.push((title, Vec::new()));
    }

    /// One request, what came of it, and how that should begin.
    pub(crate) fn row(
        &mut self,
        what: &'static str,
        layer: &'static str,
        answer: String,
        expected: &'static str,
    ) {
        if self.groups.is_empty() {
            self.group("");
        }
        if let Some((_, rows)) = self.groups.last_mut() {
            rows.push(Row {
                what,
                layer,
                answer,
                expected,
            });
        }
    }

    /// Prints all rows and returns whether every answer was as expected.
    pub(crate) fn print(&self) -> bool {
        print_line("what", "layer", "answer", "as expected");
        for (title, rows) in &self.groups {
            println!("\n{title}");
            for row in rows {
                let verdict = if row.is_as_expected() { "yes" } else { "NO" };
                print_line(row.what, row.layer, &cut(&row.answer), verdict);
            }
        }

        let rows = || self.groups.iter().flat_map(|(_, rows)| rows);
        let good = rows().filter(|row| row.is_as_expected()).count();
        println!("\n{good} of {} as expected", rows().count());
        for row in rows().filter(|row| !row.is_as_expected()) {
            println!(
                "{}: expected `{}…`, got `{}`",
                row.what, row.expected, row.answer
            );
        }
        good == rows().count()
    }
}

impl Row {
    fn is_as_expected(&self) -> bool {
        self.answer.starts_with(self.expected)
    }
}

fn print_line(what: &str, layer: &str, answer: &str, verdict: &str) {
    let [a, b, c] = WIDTHS;
    println!("  {what:a$}{layer:b$}{answer:c$}{verdict}");
}

/// Long messages end after the last word that fits.
fn cut(answer: &str) -> String {
    let room = WIDTHS[2] - 2;
    if answer.chars().count() <= room {
        return answer.to_owned();
    }
    let mut short = String::new();
    for word in answer.split(' ') {
        if short.chars().count() + word.chars().count() + 2 > room {
            break;
        }
        if !short.is_empty() {
            short.push(' ');
        }
        short.push_str(word);
    }
    format!("{}…", short.trim_end_matches([',', ':']))
}
