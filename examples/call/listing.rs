//! `call apis`: what a file has.

use std::fmt::Write as _;

use tower_client_auth::Config;
use tower_client_auth::config::{AuthConfig, ConfigFormat};

use crate::exit::{Exit, Failure};
use crate::files::File;
use crate::output::{self, printable};
use crate::places;

pub(crate) fn run(file: &File) -> Result<Exit, Failure> {
    let mut text = format!("{}: {}\n\n", file.name, describe(&file.config));
    let apis = file.config.apis.iter();
    let mut rows = vec![["NAME", "KIND", "MODE", "REGION", "ENDPOINT"].map(str::to_owned)];
    rows.extend(apis.map(|(name, api)| {
        [
            printable(name),
            api.kind.to_string(),
            api.mode.to_string(),
            api.region
                .as_deref()
                .map_or_else(|| "-".to_owned(), printable),
            api.endpoint.to_string(),
        ]
    }));
    text.push_str(&table(&rows, screen_width()));
    let lines = auth(&file.config.auth);
    if !lines.is_empty() {
        text.push('\n');
        lines
            .iter()
            .for_each(|line| text.push_str(&format!("{line}\n")));
    }
    output::print(&text)?;
    Ok(Exit::Answered)
}

/// Rows under their headings; or, where those do not fit, a block for each.
fn table(rows: &[[String; 5]], available: Option<usize>) -> String {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.max().unwrap_or_default()
    };
    let widths = [0, 1, 2, 3, 4].map(width);
    let mut text = String::new();
    let whole = widths.iter().sum::<usize>() + 2 * (widths.len() - 1);
    if available.is_none_or(|available| whole <= available) {
        for row in rows {
            for (cell, width) in row.iter().zip(&widths[..4]) {
                let _ = write!(text, "{cell:width$}  ");
            }
            let _ = writeln!(text, "{}", row[4]);
        }
        return text;
    }
    let blocks = rows
        .iter()
        .skip(1)
        .map(|[name, kind, mode, region, endpoint]| {
            format!("{name}\n  {kind}  {mode}  {region}\n  {endpoint}\n")
        });
    blocks.collect::<Vec<_>>().join("\n")
}

/// How many columns the terminal has that this is printed to.
#[cfg(unix)]
fn screen_width() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok()?;
    // A terminal that does not know says 0.
    Some(usize::from(size.ws_col)).filter(|&columns| columns > 0)
}

#[cfg(not(unix))]
fn screen_width() -> Option<usize> {
    None
}

/// The format, and how many APIs there are.
pub(crate) fn describe(config: &Config) -> String {
    let format = match config.format() {
        ConfigFormat::Gen1 => "Amplify Gen 1",
        ConfigFormat::Gen2 => "Amplify Gen 2",
        ConfigFormat::AwsExports => "aws-exports",
        _ => "tower-client-auth's own format",
    };
    match config.apis.len() {
        1 => format!("{format}, 1 API"),
        count => format!("{format}, {count} APIs"),
    }
}

/// Who signs users in. No secrets: not even whether there is one.
pub(crate) fn auth(auth: &AuthConfig) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(pool) = &auth.user_pool {
        lines.push(format!("user pool      {}", printable(&pool.id)));
        lines.extend(pool.endpoint.as_deref().map(at));
        if let Some(oauth) = &pool.oauth {
            lines.push(format!("  web pages    {}", printable(&oauth.domain)));
        }
    }
    if let Some(pool) = &auth.identity_pool {
        let guests = if pool.allow_guests { "yes" } else { "no" };
        lines.push(format!("identity pool  {}", printable(&pool.id)));
        lines.extend(pool.endpoint.as_deref().map(at));
        lines.push(format!("  guests       {guests}"));
    }
    if let Some(oidc) = &auth.oidc {
        lines.push(format!("OpenID issuer  {}", printable(&oidc.issuer)));
    }
    lines
}

/// Not AWS's own, but what the file says.
fn at(endpoint: &str) -> String {
    format!("  is at        {}", places::host(endpoint))
}
