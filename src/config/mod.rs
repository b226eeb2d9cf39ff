//! The configuration: which APIs there are, and how their requests are authorized.
//!
//! A [`Config`] comes from one of Amplify's files ([`Config::from_path`]), from any format that serde
//! reads, or from code. `Config::selector` turns it into layers.
//!
//! ```text
//! text ── wrapper ── parser ── detect ─┬─ gen1 ────┐
//!                                      ├─ gen2 ────┤
//!                                      ├─ exports ─┼── Config
//!                                      └─ serde ───┘
//! ```

mod deserializer;
mod detect;
mod endpoint;
mod exports;
mod gen1;
mod gen2;
mod load;
mod model;
mod parts;
mod problem;
#[cfg(feature = "cognito")]
mod session;
mod text;
mod wrapper;

use std::collections::BTreeMap;
use std::path::Path;
use std::str::FromStr;

use serde::Deserialize;
use serde::de::IgnoredAny;
use zeroize::Zeroizing;

pub use detect::ConfigFormat;
pub use endpoint::Endpoint;
pub use model::{
    ApiConfig, ApiKind, AuthConfig, IdentityPoolConfig, OAuthConfig, OidcConfig, UserPoolConfig,
};
pub use problem::ConfigWarning;

pub(crate) use endpoint::has_dot_segment;
#[cfg(feature = "watch")]
pub(crate) use load::read_text;

use crate::error::AuthError;

/// Which APIs a program calls, and how the requests to each are authorized.
///
/// From one of Amplify's own files, of whatever generation:
///
/// ```no_run
/// use tower_client_auth::Config;
///
/// let config = Config::from_path("amplifyconfiguration.json")?;
/// for warning in config.warnings() {
///     eprintln!("{warning}");
/// }
/// # Ok::<(), tower_client_auth::AuthError>(())
/// ```
///
/// Or from a format of one's own choice, as part of a larger configuration if need be:
///
/// ```
/// use tower_client_auth::{AuthorizationMode, Config};
///
/// let config: Config = serde_json::from_str(
///     r#"{
///         "apis": {
///             "orders": {
///                 "endpoint": "https://abc123.execute-api.eu-west-1.amazonaws.com/prod",
///                 "region": "eu-west-1",
///                 "mode": "AWS_IAM"
///             }
///         }
///     }"#,
/// )?;
/// assert_eq!(config.apis["orders"].mode, AuthorizationMode::AwsIam);
/// # Ok::<(), serde_json::Error>(())
/// ```
///
/// # What is read
///
/// | file | REST APIs | the GraphQL API |
/// |---|---|---|
/// | this crate's own (JSON, TOML, YAML…) | `apis.<name>` | `apis.<name>` with `kind = "GraphQL"` |
/// | Amplify Gen 1, JSON or Dart | `api.plugins.awsAPIPlugin.<name>` | the same |
/// | Amplify Gen 2, JSON or Dart | `custom.API.<name>`, `rest_api.<name>` | `data`, under that name |
/// | aws-exports, JavaScript or JSON | `aws_cloud_logic_custom` | `aws_appsync_*`, under the name `data` |
///
/// The format is told from the content, not from the file's name; where it cannot be told, that is an
/// error. The fragments of Gen 1 files that Amplify's documentation shows are read as well. What Amplify
/// adds to its files, and this crate does not know, is passed over with a [warning](Config::warnings);
/// what looks like a slip (`authorisationType`) is an error, as everything is that this crate's own
/// format does not know. A schema of that one, `config.schema.json`, is in the repository, for editors.
///
/// # Errors
///
/// [`AuthErrorKind::Configuration`](crate::AuthErrorKind::Configuration), with file, line, column and
/// member, what would be valid, and what was probably meant. No message and no `Debug` output shows a
/// key.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[cfg_attr(
    feature = "schemars",
    schemars(
        title = "tower-client-auth",
        description = "Which APIs a program calls, and how the requests to each are authorized."
    )
)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Config {
    /// The APIs by their names.
    pub apis: BTreeMap<String, ApiConfig>,
    /// Who signs users in.
    #[serde(default)]
    pub auth: AuthConfig,
    /// Names the schema, for editors.
    #[serde(rename = "$schema", default)]
    #[cfg_attr(feature = "schemars", schemars(with = "Option<String>"))]
    _schema: Option<IgnoredAny>,
    #[serde(skip)]
    format: ConfigFormat,
    #[serde(skip)]
    warnings: Vec<ConfigWarning>,
}

impl Config {
    /// Reads a file: one of Amplify's, or this crate's own format as JSON. For the latter in TOML or
    /// YAML, hand its text to a serde crate for that.
    ///
    /// Reads the file at once, on the current thread: it is meant for start-up.
    ///
    /// # Errors
    ///
    /// [`AuthErrorKind::Configuration`](crate::AuthErrorKind::Configuration): the file cannot be read
    /// (the source is then the [`std::io::Error`]), or what it says cannot be used. See [`Config`].
    pub fn from_path(path: impl AsRef<Path>) -> Result<Self, AuthError> {
        load::from_path(path.as_ref())
    }

    /// The same for a file whose text is at hand.
    #[cfg(feature = "watch")]
    pub(crate) fn from_text_of(text: &str, path: &Path) -> Result<Self, AuthError> {
        load::from_text_of(Zeroizing::new(text.to_owned()), path)
    }

    /// What was passed over or assumed when the file was read. Empty for what came through serde or
    /// was put together in code.
    ///
    /// With feature `tracing` these are also events of level `WARN`.
    pub fn warnings(&self) -> &[ConfigWarning] {
        &self.warnings
    }

    /// The format of the file it was read from.
    pub fn format(&self) -> ConfigFormat {
        self.format
    }
}

/// As [`Config::from_path`], for a text that is at hand, such as one from `include_str!`.
impl FromStr for Config {
    type Err = AuthError;

    fn from_str(text: &str) -> Result<Self, AuthError> {
        load::from_text(Zeroizing::new(text.to_owned()), None)
    }
}
