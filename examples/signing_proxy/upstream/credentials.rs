//! Where each mode's credential comes from, and how to ask whether there is one.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::time::Duration;

use aws_config::BehaviorVersion;
use aws_config::sts::AssumeRoleProvider;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_http_client::tls::{self, rustls_provider::CryptoMode};
use tokio::time::timeout;
use tower_client_auth::AuthorizationMode::{self, AwsIam};
use tower_client_auth::identity::{Cacheable, Load};
use tower_client_auth::oauth::{OAuthClient, Provider};
use tower_client_auth::{
    AuthError, AuthSelector, BoxError, CacheStatus, Cached, Config, Token, TokenFile, TokenSource,
    Transport,
};

use crate::args::CredentialArgs;
use crate::secrets::Place;

/// How often a token's file is read again, while there are requests.
const REREAD: Duration = Duration::from_secs(60);

/// How long whoever asks waits for a credential.
const PATIENCE: Duration = Duration::from_secs(2);

/// Asks how a cached credential is doing.
pub(crate) struct Probe {
    /// What it is, for whoever asks.
    pub(crate) what: String,
    prefetch: Box<dyn Fn() -> Prefetch + Send + Sync>,
    status: Box<dyn Fn() -> CacheStatus + Send + Sync>,
}

type Prefetch = Pin<Box<dyn Future<Output = Result<(), AuthError>> + Send>>;

impl Probe {
    fn new<S: Load<V>, V: Cacheable>(what: String, cached: Cached<S, V>) -> Self {
        let asked = cached.clone();
        Self {
            what,
            prefetch: Box::new(move || {
                let cached = cached.clone();
                Box::pin(async move { cached.prefetch().await })
            }),
            status: Box::new(move || asked.status()),
        }
    }

    /// How it is doing, after a try to get one where there is none: an idle cache has let its credential expire,
    /// and is as good as any.
    pub(crate) async fn ask(&self) -> CacheStatus {
        if !(self.status)().ready {
            let _ = timeout(PATIENCE, (self.prefetch)()).await;
        }
        (self.status)()
    }
}

/// Puts together what the file has, and what it does not.
pub(crate) async fn supply(
    config: &Config,
    args: &CredentialArgs,
) -> Result<(AuthSelector, Vec<Probe>), BoxError> {
    let mut supply = Supply {
        selector: config.selector(),
        probes: Vec::new(),
        given: BTreeSet::new(),
    };
    for typed in &args.api_keys {
        let (upstream, place) = typed.named("--api-key")?;
        let key = place
            .read()
            .map_err(|error| format!("--api-key {upstream}: {error}"))?;
        supply.selector = supply.selector.api_key_for(&upstream, key)?;
        supply.given.insert(upstream);
    }
    for typed in &args.tokens {
        let (upstream, place) = typed.named("--token")?;
        supply.token(config, &upstream, &place, args.bearer.contains(&upstream))?;
        supply.given.insert(upstream);
    }
    supply.client_credentials(config, args)?;
    supply.check(config)?;
    if config.apis.values().any(|api| api.mode == AwsIam) {
        match args.guest {
            true => supply.guest(config)?,
            false => supply.aws(args).await?,
        }
    }
    Ok((supply.selector, supply.probes))
}

struct Supply {
    selector: AuthSelector,
    probes: Vec<Probe>,
    /// The upstreams that have a secret of their own.
    given: BTreeSet<String>,
}

impl Supply {
    fn token(
        &mut self,
        config: &Config,
        upstream: &str,
        place: &Place,
        bearer: bool,
    ) -> Result<(), BoxError> {
        let mode = match config.apis.get(upstream) {
            Some(api) => api.mode,
            None => return Err(format!("--token: there is no upstream `{upstream}`").into()),
        };
        let selector = self.selector.clone();
        self.selector = match place {
            Place::Variable(_) => {
                let token = place
                    .read()
                    .map_err(|error| format!("--token {upstream}: {error}"))?;
                let token = written(Token::new(token.expose())?, bearer)?;
                selector.tokens_for(upstream, mode, token)?
            }
            Place::File(path) => {
                let file = TokenFile::new(path);
                let source = move || {
                    let token = file.token();
                    async move { Ok::<_, BoxError>(written(token.await?, bearer)?) }
                };
                let tokens = Cached::builder(source).refresh_every(REREAD).build()?;
                self.probe(format!("the token of {upstream}"), tokens.clone());
                selector.tokens_for(upstream, mode, tokens)?
            }
        };
        Ok(())
    }

    /// Where the file has a client and its secret, the proxy gets tokens by itself.
    fn client_credentials(
        &mut self,
        config: &Config,
        args: &CredentialArgs,
    ) -> Result<(), BoxError> {
        let Some(oidc) = &config.auth.oidc else {
            return Ok(());
        };
        let Some(secret) = &oidc.client_secret else {
            return Ok(());
        };
        let provider = Provider::discover(&oidc.issuer, Transport::hyper()?)?;
        let client = OAuthClient::new(provider, oidc.client_id.clone()).secret(secret.clone());
        let mut grant = client.client_credentials().scope(oidc.scopes.join(" "));
        if let Some(audience) = &oidc.audience {
            grant = grant.audience(audience.clone());
        }
        let tokens = grant.cached();
        for (name, api) in &config.apis {
            if api.mode != AuthorizationMode::OpenIdConnect || self.given.contains(name) {
                continue;
            }
            let (source, bearer) = (tokens.clone(), args.bearer.contains(name));
            let source = move || {
                let token = source.token();
                async move { Ok::<_, BoxError>(written(token.await?, bearer)?) }
            };
            self.selector =
                self.selector
                    .clone()
                    .tokens_for(name, AuthorizationMode::OpenIdConnect, source)?;
            self.given.insert(name.clone());
        }
        self.probe("the provider's token".to_owned(), tokens);
        Ok(())
    }

    /// The layers say so too, in words for programs.
    fn check(&self, config: &Config) -> Result<(), BoxError> {
        for (name, api) in &config.apis {
            let option = match api.mode {
                _ if self.given.contains(name) => continue,
                AuthorizationMode::ApiKey if api.api_key.is_none() => "--api-key",
                AuthorizationMode::ApiKey | AuthorizationMode::AwsIam | AuthorizationMode::None => {
                    continue;
                }
                _ => "--token",
            };
            let mode = api.mode;
            return Err(format!(
                "the upstream `{name}` has mode {mode}, and there is nothing to send to it: type `{option} \
                 {name}=env:VARIABLE` or `{option} {name}=file:PATH`"
            )
            .into());
        }
        Ok(())
    }

    fn guest(&mut self, config: &Config) -> Result<(), BoxError> {
        let session = config.session(Transport::hyper()?)?;
        let credentials = session.credentials()?;
        self.probe("the guest's AWS credentials".to_owned(), credentials);
        self.selector = self.selector.clone().session(session);
        Ok(())
    }

    /// AWS's usual chain: the environment, a profile, a web identity, a container's or an instance's metadata.
    async fn aws(&mut self, args: &CredentialArgs) -> Result<(), BoxError> {
        let https = aws_smithy_http_client::Builder::new()
            .tls_provider(tls::Provider::Rustls(CryptoMode::Ring))
            .build_https();
        let mut loader = aws_config::defaults(BehaviorVersion::latest()).http_client(https);
        if let Some(profile) = &args.profile {
            loader = loader.profile_name(profile);
        }
        let aws = loader.load().await;
        let chain = match &args.role_arn {
            None => aws.credentials_provider(),
            Some(role) => {
                let role = AssumeRoleProvider::builder(role)
                    .session_name("signing-proxy")
                    .configure(&aws);
                Some(SharedCredentialsProvider::new(role.build().await))
            }
        };
        let chain = chain.ok_or("there is no AWS credentials chain")?;
        let credentials = Cached::credentials(chain);
        self.probe("the AWS credentials".to_owned(), credentials.clone());
        self.selector = self.selector.clone().aws_credentials(credentials)?;
        Ok(())
    }

    fn probe<S: Load<V>, V: Cacheable>(&mut self, what: String, cached: Cached<S, V>) {
        self.probes.push(Probe::new(what, cached));
    }
}

fn written(token: Token, bearer: bool) -> Result<Token, AuthError> {
    match bearer {
        true => Token::new(format!("Bearer {}", token.expose())),
        false => Ok(token),
    }
}
