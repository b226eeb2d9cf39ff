//! Which tool wrote a file, told from its content.

use jsonc_parser::ast::{Object, Value};

use super::problem::Problem;
use crate::suggest;

/// The generations of files that are told apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConfigFormat {
    /// This crate's own, which any serde format can hold. The default.
    #[default]
    Own,
    /// Amplify Gen 1: `amplifyconfiguration.json`, `amplifyconfiguration.dart`.
    Gen1,
    /// Amplify Gen 2: `amplify_outputs.json`, `amplify_outputs.dart`.
    Gen2,
    /// Amplify for JavaScript before Gen 2: `aws-exports.js`, or the same object as JSON.
    AwsExports,
}

impl ConfigFormat {
    fn name(self) -> &'static str {
        match self {
            Self::Own => "this crate's own format (it has `apis`)",
            Self::Gen1 => "Amplify Gen 1 (it has `api` or `auth` with `plugins`)",
            Self::Gen2 => "Amplify Gen 2 (it has `version`, and `auth`, `data` or `custom`)",
            Self::AwsExports => "aws-exports (its members begin with `aws_`)",
        }
    }

    /// Members at the top of a file that only this format has.
    fn marks(self) -> &'static [&'static str] {
        match self {
            Self::Own => &["apis"],
            Self::Gen1 => &[
                "UserAgent",
                "Version",
                "plugins",
                "awsAPIPlugin",
                "awsCognitoAuthPlugin",
                "CognitoUserPool",
                "CredentialsProvider",
            ],
            Self::Gen2 => &["version", "data", "rest_api", "custom"],
            Self::AwsExports => &["aws_project_region"],
        }
    }
}

const ALL: [ConfigFormat; 4] = [
    ConfigFormat::Own,
    ConfigFormat::Gen1,
    ConfigFormat::Gen2,
    ConfigFormat::AwsExports,
];

/// Tells the format of a file, or why it cannot be told: a broken file of one must not be taken for an
/// empty one of another.
pub(super) fn detect(file: &Object<'_>) -> Result<ConfigFormat, Problem> {
    let marked: Vec<ConfigFormat> = ALL
        .into_iter()
        .filter(|format| marks(*format, file))
        .collect();
    match marked[..] {
        [format] => Ok(format),
        [] => Err(unknown(file)),
        _ => {
            let names: Vec<_> = marked.iter().map(|format| format.name()).collect();
            Err(Problem::new(format!(
                "the file has members of several formats: {}; take out what does not belong",
                names.join("; ")
            ))
            .at(file.range.start))
        }
    }
}

fn marks(format: ConfigFormat, file: &Object<'_>) -> bool {
    let mut marks = format.marks().iter();
    if marks.any(|name| file.get(name).is_some()) {
        return true;
    }
    let object = |name| file.get(name).and_then(|member| member.value.as_object());
    let auth = object("auth");
    match format {
        ConfigFormat::Gen1 => [object("api"), auth]
            .iter()
            .flatten()
            .any(|category| category.get("plugins").is_some()),
        ConfigFormat::Gen2 => auth.is_some_and(|auth| {
            ["aws_region", "user_pool_id", "identity_pool_id"]
                .iter()
                .any(|name| auth.get(name).is_some())
        }),
        ConfigFormat::AwsExports => file
            .properties
            .iter()
            .any(|member| member.name.as_str().starts_with("aws_")),
        ConfigFormat::Own => false,
    }
}

fn unknown(file: &Object<'_>) -> Problem {
    let marks = || ALL.iter().flat_map(|format| format.marks()).copied();
    let slip = file.properties.iter().find_map(|member| {
        let meant = suggest::nearest(member.name.as_str(), marks())?;
        Some((member, meant))
    });
    if let Some(api) = file.get("api") {
        // Amplify's own `amplify-meta.json` has one, too.
        return Problem::new(
            "in Amplify Gen 1 there is `plugins` in it, and this crate's own format has `apis` in its \
             place; of `amplify-meta.json` nothing can be read: take `amplifyconfiguration.json`",
        )
        .at(api.range.start)
        .about(|| "api".to_owned());
    }
    if let Some((member, meant)) = slip {
        return Problem::new(format!("did you mean `{meant}`?"))
            .at(member.range.start)
            .about(|| {
                let mut path = String::new();
                super::problem::push_member(&mut path, member.name.as_str());
                path
            });
    }
    let names: Vec<_> = ALL.iter().map(|format| format.name()).collect();
    let found = match file.properties.is_empty() {
        true => "the file has nothing in it",
        false => "the file is no configuration that this crate knows",
    };
    Problem::new(format!("{found}: expected {}", names.join(", or "))).at(file.range.start)
}

/// The top of a file, which is an object in every format.
pub(super) fn top<'a>(value: &'a Value<'a>) -> Result<&'a Object<'a>, Problem> {
    use jsonc_parser::common::Ranged as _;

    value.as_object().ok_or_else(|| {
        Problem::new("expected an object, `{ … }`, at the top of the file").at(value.range().start)
    })
}
