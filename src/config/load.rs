//! From a file to a configuration.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use jsonc_parser::ast::Value;
use jsonc_parser::common::Ranged as _;
use jsonc_parser::errors::{ParseError, ParseErrorKind};
use jsonc_parser::{CollectOptions, ParseOptions, ParseStringErrorKind, parse_to_ast};
use serde::Deserialize as _;
use zeroize::Zeroizing;

use super::deserializer::{Note, Notes, Reader};
use super::detect::{self, ConfigFormat};
use super::endpoint::Endpoint;
use super::model::ApiConfig;
use super::parts::{Entry, Parts, Rules};
use super::problem::{ConfigWarning, Place, Problem, is_invisible, push_member};
use super::text::{Syntax, Text};
use super::{Config, exports, gen1, gen2};
use crate::error::{AuthError, AuthErrorKind};

/// The largest of Amplify's files, those with a GraphQL schema in them, stay well below.
const LARGEST_FILE: u64 = 16 * 1024 * 1024;

pub(super) fn from_path(path: &Path) -> Result<Config, AuthError> {
    from_text_of(read_text(path)?, path)
}

/// The text of a file, whatever is in it.
///
/// # Errors
///
/// Those of [`Config::from_path`], as far as they are not about what the file says.
pub(crate) fn read_text(path: &Path) -> Result<Zeroizing<String>, AuthError> {
    let name = path.display().to_string();
    let failed = |message: &str| failed(&name, message);
    let mut bytes = Zeroizing::new(Vec::new());
    File::open(path)
        .and_then(|file| {
            // Whole at once: growing would leave copies of keys behind.
            let length = file
                .metadata()
                .map_or(0, |data| data.len().min(LARGEST_FILE));
            bytes.reserve_exact(length as usize + 1);
            file.take(LARGEST_FILE + 1).read_to_end(&mut bytes)
        })
        .map_err(|error| {
            failed(&format!("the file cannot be read: {}", error.kind())).with_source(error)
        })?;
    if bytes.len() as u64 > LARGEST_FILE {
        return Err(failed(
            "the file is larger than 16 MiB, which no configuration is",
        ));
    }
    // With its mark at the beginning, or without.
    if bytes.starts_with(b"\xff\xfe")
        || bytes.starts_with(b"\xfe\xff")
        || matches!(bytes[..], [0, _, ..] | [_, 0, ..])
    {
        return Err(failed("the file is in UTF-16: save it as UTF-8"));
    }
    match std::str::from_utf8(&bytes) {
        Ok(text) => Ok(Zeroizing::new(text.to_owned())),
        Err(error) => {
            let before = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
            let place = Place::of(&before, before.len());
            let message = format!("{name}:{place}: the file is not UTF-8: save it as that");
            Err(AuthError::new(AuthErrorKind::Configuration, message))
        }
    }
}

/// Reads the text of a file, which errors and warnings name.
pub(super) fn from_text_of(text: Zeroizing<String>, path: &Path) -> Result<Config, AuthError> {
    let name = path.display().to_string();
    from_text(text, Some(&name)).map_err(|error| match language(path) {
        // The content decides, and it was not JSON.
        Some((language, crates)) => failed(
            &name,
            &format!("this seems to be {language}: read it with {crates}, into a `Config`"),
        )
        .with_source(error),
        None => error,
    })
}

fn failed(file: &str, message: &str) -> AuthError {
    AuthError::new(AuthErrorKind::Configuration, format!("{file}: {message}"))
}

/// What a file seems to be that this crate leaves to others.
fn language(path: &Path) -> Option<(&'static str, &'static str)> {
    match path.extension()?.to_str()? {
        "toml" => Some(("TOML", "the crate `toml`")),
        "yaml" | "yml" => Some(("YAML", "a crate for YAML such as `serde_yaml_ng`")),
        _ => None,
    }
}

pub(super) fn from_text(text: Zeroizing<String>, file: Option<&str>) -> Result<Config, AuthError> {
    let text = Text::new(text).map_err(|problem| {
        // Nothing is known to be data yet.
        problem.into_error(file, |_| Place { line: 1, column: 1 })
    })?;
    let (mut config, (notes, more)) =
        parse(&text).map_err(|problem| problem.into_error(file, |at| text.place(at)))?;
    let warn = |(path, at, message): (String, usize, &str)| {
        ConfigWarning::new(file, path, text.place(at), message.to_owned())
    };
    config.warnings = notes.into_iter().map(warn).collect();
    if more > 0 {
        let message = format!("and {more} more like these");
        let place = Place { line: 1, column: 1 };
        config
            .warnings
            .push(ConfigWarning::new(file, String::new(), place, message));
    }
    #[cfg(feature = "tracing")]
    for warning in &config.warnings {
        tracing::warn!(%warning, "a configuration file has something odd in it");
    }
    Ok(config)
}

/// Unknown members are errors, as they are in any serde format.
const OWN: Rules = Rules {
    strict: true,
    passed_over: &[],
    assumed: &[],
};

/// The warnings, and how many more there would have been.
type Notices = (Vec<Note>, usize);

fn parse(text: &Text) -> Result<(Config, Notices), Problem> {
    let parsed = parse_to_ast(
        text.data(),
        &CollectOptions::default(),
        &options(text.syntax()),
    )
    .map_err(|error| not_data(&error, text.syntax()))?;
    let value = parsed
        .value
        .ok_or_else(|| Problem::new("the file is empty").at(0))?;
    let format = detect::detect(detect::top(&value)?)?;
    read(&value, format).map_err(|problem| locate(problem, &value))
}

fn read(value: &Value<'_>, format: ConfigFormat) -> Result<(Config, Notices), Problem> {
    static OWN_RULES: Rules = OWN;
    static GEN1: Rules = gen1::RULES;
    static GEN2: Rules = gen2::RULES;
    static EXPORTS: Rules = exports::RULES;
    let notes = Notes::new(match format {
        ConfigFormat::Own => &OWN_RULES,
        ConfigFormat::Gen1 => &GEN1,
        ConfigFormat::Gen2 => &GEN2,
        ConfigFormat::AwsExports => &EXPORTS,
    });
    let reader = Reader::new(value, &notes);
    let parts = match format {
        ConfigFormat::Own => return own(reader).map(|config| (config, notes.into_warnings())),
        ConfigFormat::Gen1 => gen1::read(reader)?,
        ConfigFormat::Gen2 => gen2::read(reader)?,
        ConfigFormat::AwsExports => exports::read(reader)?,
    };
    let config = assemble(parts, format)?;
    Ok((config, notes.into_warnings()))
}

fn own(reader: Reader<'_>) -> Result<Config, Problem> {
    let config = Config::deserialize(reader)?;
    for (name, api) in &config.apis {
        check(name, api).map_err(|problem| problem.about_member(&["apis", name]))?;
    }
    if let Some(oidc) = &config.auth.oidc {
        check_issuer(&oidc.issuer)
            .map_err(|problem| problem.about_member(&["auth", "oidc", "issuer"]))?;
    }
    Ok(config)
}

/// Puts together what one of Amplify's files says.
fn assemble(parts: Parts, format: ConfigFormat) -> Result<Config, Problem> {
    let mut apis = BTreeMap::new();
    for Entry { name, api, path } in parts.apis {
        check(&name, &api).map_err(|problem| problem.about_member(&path))?;
        if apis.contains_key(&name) {
            let problem = Problem::new("the file has another API of this name: rename one of them");
            return Err(problem.about_member(&path));
        }
        apis.insert(name, api);
    }
    if apis.is_empty() && parts.auth.user_pool.is_none() && parts.auth.identity_pool.is_none() {
        return Err(Problem::new(
            "the file configures neither an API nor a user pool or identity pool: is it the right one, \
             and complete?",
        )
        .at(0));
    }
    Ok(Config {
        apis,
        auth: parts.auth,
        format,
        ..Config::default()
    })
}

/// What an API must be to be of any use.
fn check(name: &str, api: &ApiConfig) -> Result<(), Problem> {
    if name.trim().is_empty() {
        return Err(Problem::new("an API needs a name that is not empty"));
    }
    if name.chars().any(is_invisible) {
        return Err(Problem::new(
            "an API's name has an invisible character in it",
        ));
    }
    let is_name = |region: &str| {
        !region.is_empty()
            && region
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    if !api.region.as_deref().is_none_or(is_name) {
        return Err(Problem::new(
            "its region is no name of one: expected letters, digits and hyphens, such as `eu-west-1`",
        ));
    }
    let is_set = |regions: &str| {
        let mut regions = regions.split(',');
        regions.all(|region| is_name(&region.trim().replace('*', "x")))
    };
    if !api.region_set.as_deref().is_none_or(is_set) {
        return Err(Problem::new(
            "its region set is none: expected names of regions with commas between them, such as \
             `us-east-1,eu-*`, or `*` for every region",
        ));
    }
    if api.endpoint.is_plain_text() && !api.allow_plain_http {
        return Err(Problem::new(
            "the endpoint is plain http, where anybody on the way could read the credential: use https, or \
             this crate's own format with `allow_plain_http` if the network is encrypted by other means",
        ));
    }
    Ok(())
}

/// Tokens are asked for there, with a secret.
fn check_issuer(issuer: &str) -> Result<(), Problem> {
    let issuer: Endpoint = issuer.parse().map_err(|_| {
        Problem::new("expected the issuer's URL, such as `https://login.example.com`")
    })?;
    match issuer.is_plain_text() {
        true => Err(Problem::new(
            "the issuer is plain http, where anybody on the way could read the tokens: use https",
        )),
        false => Ok(()),
    }
}

fn options(syntax: Syntax) -> ParseOptions {
    let loose = syntax == Syntax::JavaScript;
    ParseOptions {
        allow_comments: loose,
        allow_loose_object_property_names: loose,
        allow_trailing_commas: loose,
        allow_missing_commas: false,
        allow_single_quoted_strings: loose,
        allow_hexadecimal_numbers: loose,
        allow_unary_plus_numbers: loose,
        allow_bare_decimal_point_numbers: loose,
        allow_non_finite_numbers: false,
        allow_extended_string_escapes: loose,
    }
}

/// What the parser found, in words that repeat none of the file's.
fn not_data(error: &ParseError, syntax: Syntax) -> Problem {
    use ParseErrorKind as Kind;

    const NO_LITERAL: &str = "this is no literal: only strings, numbers, `true`, `false`, `null`, lists \
                              and objects can be read from a JavaScript file";
    let what = match (error.kind(), syntax) {
        (Kind::UnterminatedObject, _) => "the object that begins here has no end",
        (Kind::UnterminatedArray, _) => "the list that begins here has no end",
        (Kind::UnterminatedCommentBlock, _) => "the comment that begins here has no end",
        (Kind::String(ParseStringErrorKind::UnterminatedStringLiteral), _) => {
            "the string that begins here has no end"
        }
        (Kind::String(_), _) => "the string here has an escape in it that means no character",
        (Kind::NestingDepthExceeded, _) => "the nesting is too deep here for a configuration",
        (Kind::MultipleRootJsonValues, _) => "something follows the end of the configuration here",
        (Kind::ExpectedColonAfterObjectKey, Syntax::Json) => "a colon is missing behind a name",
        (Kind::ExpectedComma, Syntax::Json) => "a comma is missing here, or a number begins with 0",
        (Kind::ExpectedComma, Syntax::JavaScript) => {
            "a comma is missing here, or what stands here is no literal but has to be computed"
        }
        (Kind::CommentsNotAllowed, _) => "JSON has no comments: take it out",
        (Kind::TrailingCommasNotAllowed, _) => {
            "JSON has no comma after the last member or element: take it out"
        }
        (Kind::SingleQuotedStringsNotAllowed, _) => "JSON has double quotes only",
        (Kind::ExpectedObjectValue, _) => "a value is missing here",
        (_, Syntax::JavaScript) => NO_LITERAL,
        (_, Syntax::Json) => "this is not valid JSON",
    };
    Problem::new(what).at(error.range().start)
}

/// Finds the member that a problem is about.
fn locate(mut problem: Problem, top: &Value<'_>) -> Problem {
    let members = std::mem::take(&mut problem.member);
    if members.is_empty() {
        return problem;
    }
    let mut path = String::new();
    let mut at = top.range().start;
    let mut value = Some(top);
    for name in &members {
        match value {
            Some(Value::Array(list)) => {
                path.push_str(&format!("[{name}]"));
                value = name
                    .parse()
                    .ok()
                    .and_then(|at: usize| list.elements.get(at));
                at = value.map_or(at, |value| value.range().start);
            }
            other => {
                push_member(&mut path, name);
                let member = other
                    .and_then(Value::as_object)
                    .and_then(|object| object.get(name));
                at = member.map_or(at, |member| member.range.start);
                value = member.map(|member| &member.value);
            }
        }
    }
    problem.at(at).about(|| path)
}
