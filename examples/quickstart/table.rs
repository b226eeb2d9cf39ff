//! The table the tour prints.

/// Outcomes, compared with what was expected of them.
#[derive(Default)]
pub(crate) struct Table {
    groups: Vec<Group>,
}

struct Group {
    title: &'static str,
    columns: Columns,
    rows: Vec<Row>,
}

/// Headings and widths. The column after them, which is not padded, is `as expected`.
#[derive(Clone, Copy, PartialEq)]
pub(crate) struct Columns {
    pub(crate) columns: &'static [(&'static str, usize)],
    /// Whether what does not fit goes on in the next line. It ends in `…` otherwise.
    pub(crate) wrap: bool,
}

/// What was tried, and each outcome with how it should begin, or, after a `…`, what should be in it.
/// Together they fill the columns.
struct Row {
    what: Vec<String>,
    outcomes: Vec<(String, &'static str)>,
}

impl Table {
    /// Starts a group of rows.
    pub(crate) fn group(&mut self, title: &'static str, columns: Columns) {
        self.groups.push(Group {
            title,
            columns,
            rows: Vec::new(),
        });
    }

    /// Adds a row to the last group.
    pub(crate) fn row<const W: usize, const O: usize>(
        &mut self,
        what: [&str; W],
        outcomes: [(String, &'static str); O],
    ) {
        let row = Row {
            what: what.map(str::to_owned).into(),
            outcomes: outcomes.into(),
        };
        if let Some(group) = self.groups.last_mut() {
            group.rows.push(row);
        }
    }

    /// Prints all rows and returns whether everything was as expected.
    pub(crate) fn print(&self) -> bool {
        let mut headed = None;
        for group in &self.groups {
            println!("\n{}", group.title);
            if headed != Some(group.columns) {
                headed = Some(group.columns);
                let headings = group.columns.columns.iter();
                let headings: Vec<_> = headings.map(|(heading, _)| *heading).collect();
                group.columns.print_line(&headings, "as expected");
            }
            for row in &group.rows {
                row.print(group.columns);
            }
        }

        let rows = || self.groups.iter().flat_map(|group| &group.rows);
        let good = rows().filter(|row| row.is_as_expected()).count();
        println!("\n{good} of {} as expected", rows().count());
        for row in rows().filter(|row| !row.is_as_expected()) {
            for (got, expected) in &row.outcomes {
                println!(
                    "{}: expected `{expected}…`, got `{got}`",
                    row.what.join(", ")
                );
            }
        }
        good == rows().count()
    }
}

impl Row {
    fn is_as_expected(&self) -> bool {
        let mut outcomes = self.outcomes.iter();
        outcomes.all(|(got, expected)| match expected.strip_prefix('…') {
            Some(part) => got.contains(part),
            None => got.starts_with(expected),
        })
    }

    fn print(&self, columns: Columns) {
        let got = self.outcomes.iter().map(|(got, _)| got);
        let cells = self.what.iter().chain(got).zip(columns.columns);
        let cells: Vec<Vec<String>> = cells
            .map(|(cell, (_, width))| match columns.wrap {
                true => wrap(cell, width - 2),
                false => vec![cut(cell, width - 2)],
            })
            .collect();
        let mut verdict = if self.is_as_expected() { "yes" } else { "NO" };
        for line in 0..cells.iter().map(Vec::len).max().unwrap_or_default() {
            let part = |cell: &Vec<String>| cell.get(line).cloned().unwrap_or_default();
            let parts: Vec<String> = cells.iter().map(part).collect();
            columns.print_line(&parts, verdict);
            verdict = "";
        }
    }
}

impl Columns {
    fn print_line(self, cells: &[impl AsRef<str>], verdict: &str) {
        let mut line = String::from("  ");
        for (cell, (_, width)) in cells.iter().zip(self.columns) {
            line.push_str(&format!("{:width$}", cell.as_ref()));
        }
        println!("{}", format!("{line}{verdict}").trim_end());
    }
}

/// Lines of whole words.
fn wrap(text: &str, room: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.chars().count() + 1 + word.chars().count() <= room => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// Long messages end after the last word that fits.
fn cut(answer: &str, room: usize) -> String {
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
