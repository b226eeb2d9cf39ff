//! Where tokens, keys and AWS credentials come from, if not from the file.

use std::env::{self, VarError};

use aws_config::{BehaviorVersion, Region};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_http_client::tls::{self, rustls_provider::CryptoMode};
use tower_client_auth::identity::cognito::UserTokens;
use tower_client_auth::oauth::RefreshToken;
use tower_client_auth::{
    AuthError, AuthErrorKind, BoxError, Cached, Secret, Token, TokenFile, TokenSource,
};

use crate::args::CredentialArgs;
use crate::commands;
use crate::exit::Failure;

/// A source of tokens.
#[derive(Clone)]
pub(crate) enum Source {
    Variable(Secret),
    File(TokenFile),
    /// Run for each token.
    Command(String),
    Oidc(RefreshToken),
    User(Cached<UserTokens>),
}

impl Source {
    /// The one of the command line, and what it is in words.
    pub(crate) fn given(args: &CredentialArgs) -> Result<Option<(Self, String)>, Failure> {
        if let Some(name) = &args.token_env {
            let token = Secret::new(variable("--token-env", name)?);
            let words = format!("the token in the variable {name}");
            return Ok(Some((Self::Variable(token), words)));
        }
        if let Some(path) = &args.token_file {
            let words = format!("the token in {}", path.display());
            return Ok(Some((Self::File(TokenFile::new(path)), words)));
        }
        let command = args.token_command.clone();
        let words = "what the command of `--token-command` prints".to_owned();
        Ok(command.map(|command| (Self::Command(command), words)))
    }

    /// What a layer takes. Tokens go out verbatim, so `Bearer` is a part of them.
    pub(crate) fn tokens(self, bearer: bool) -> impl TokenSource<Future: Send> + Send + Sync {
        move || {
            let source = self.clone();
            async move {
                let token = source.token().await?;
                Ok(match bearer {
                    true => Token::from(format!("Bearer {}", token.expose())),
                    false => token,
                })
            }
        }
    }

    async fn token(&self) -> Result<Token, BoxError> {
        Ok(match self {
            Self::Variable(token) => Token::new(token.expose())?,
            // Whoever replaces the file does not do it while this runs: it is not worth another try.
            Self::File(file) => file.token().await.map_err(|error| {
                lasting("there is no token in the file of `--token-file`").with_source(error)
            })?,
            Self::Command(command) => commands::run(command).await?,
            Self::Oidc(session) => session.token().await?,
            Self::User(tokens) => tokens.token().await?,
        })
    }
}

fn lasting(message: impl Into<String>) -> AuthError {
    AuthError::new(AuthErrorKind::Source, message.into())
}

/// What is in an environment variable; nothing is as good as none.
pub(crate) fn variable(option: &str, name: &str) -> Result<String, Failure> {
    let problem = match env::var(name) {
        Ok(value) if !value.is_empty() => return Ok(value),
        Ok(_) | Err(VarError::NotPresent) => "is not set",
        Err(VarError::NotUnicode(_)) => "is no text",
    };
    // Not the name: it may be the secret itself, by mistake.
    Err(Failure::no_credential(format!(
        "the environment variable that `{option}` names {problem}: type `read -rs NAME && export NAME`, then the \
         secret, and then `{option} NAME`"
    )))
}

/// AWS's default chain: the environment, a profile, a web identity, a container's or an instance's metadata.
pub(crate) async fn aws(
    region: Option<&str>,
    profile: Option<&str>,
) -> Result<SharedCredentialsProvider, Failure> {
    let https = aws_smithy_http_client::Builder::new()
        .tls_provider(tls::Provider::Rustls(CryptoMode::Ring))
        .build_https();
    let mut loader = aws_config::defaults(BehaviorVersion::latest()).http_client(https);
    if let Some(region) = region {
        // Else it would be looked up too, at the metadata service if need be.
        loader = loader.region(Region::new(region.to_owned()));
    }
    if let Some(profile) = profile {
        loader = loader.profile_name(profile);
    }
    let chain = loader.load().await.credentials_provider();
    chain.ok_or_else(|| Failure::no_credential("there is no AWS credentials chain"))
}
