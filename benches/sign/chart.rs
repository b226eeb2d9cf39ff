//! The ratios as a picture.

use std::fmt::Write as _;

use super::requests::Sample;

pub(crate) const OURS: &str = "this crate";
pub(crate) const NEW_HEADERS: &str = "this crate, new headers";
pub(crate) const FLOOR: &str = "floor";

/// Bars, grouped by request.
#[derive(Default)]
pub(crate) struct Chart {
    groups: Vec<(String, Vec<(&'static str, f64)>)>,
}

const WIDTH: usize = 760;
const LABELS: usize = 190;
const BAR: usize = 16;
const GROUP: usize = 34;

impl Chart {
    pub(crate) fn add(&mut self, sample: &Sample, name: &'static str, ratio: f64) {
        // Times of a megabyte's SHA-256 are all alike.
        if sample.body.len() > 4096 && sample.signed {
            return;
        }
        let title = format!("{}: {}", sample.name, sample.what);
        if self.groups.last().is_none_or(|(last, _)| *last != title) {
            self.groups.push((title, Vec::new()));
        }
        if let Some((_, bars)) = self.groups.last_mut() {
            bars.push((name, ratio));
        }
    }

    pub(crate) fn svg(&self) -> String {
        let bars = self.groups.iter().flat_map(|(_, bars)| bars);
        let longest = bars.clone().map(|(_, ratio)| *ratio).fold(1.0, f64::max);
        let height = GROUP * self.groups.len() + BAR * bars.count() + 40;
        let mut body = String::new();
        let mut y = 30;
        for (title, bars) in &self.groups {
            y += GROUP;
            // Writing to a string cannot fail.
            let _ = writeln!(
                body,
                r#"<text class="t" x="8" y="{}">{title}</text>"#,
                y - 10
            );
            for (name, ratio) in bars {
                let length = ((WIDTH - LABELS - 60) as f64 * ratio / longest).max(1.0);
                let class = match *name {
                    OURS => "o",
                    NEW_HEADERS => "n",
                    FLOOR => "f",
                    _ => "p",
                };
                let _ = writeln!(
                    body,
                    r#"<text x="{}" y="{}" text-anchor="end">{name}</text><rect class="{class}" x="{LABELS}" y="{y}" width="{length:.1}" height="{}"/><text x="{:.1}" y="{}">{ratio:.1}</text>"#,
                    LABELS - 8,
                    y + 12,
                    BAR - 3,
                    LABELS as f64 + length + 6.0,
                    y + 12,
                );
                y += BAR;
            }
        }
        format!(
            r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img">
<title>Time to sign a request, in multiples of what the hashing alone takes</title>
<style>text{{font:12px sans-serif;fill:#444}}.t{{font-weight:bold}}.h{{font-size:15px;font-weight:bold}}.o{{fill:#c2410c}}.n{{fill:#fb923c}}.f{{fill:#94a3b8}}.p{{fill:#60a5fa}}@media(prefers-color-scheme:dark){{text{{fill:#ccc}}}}</style>
<text class="h" x="8" y="22">Time to sign a request, in multiples of what the hashing alone takes</text>
{body}</svg>
"##
        )
    }
}
