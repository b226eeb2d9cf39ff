//! From a file and the command line to a layer: where each mode's credential comes from.

use tower_client_auth::AuthorizationMode::{self, ApiKey, AwsIam, CognitoUserPools, OpenIdConnect};
use tower_client_auth::oauth::TokenKind;
use tower_client_auth::{ApiConfig, AuthSelector, Config, Secret};

use crate::args::CredentialArgs;
use crate::exit::Failure;
use crate::fits;
use crate::output::printable;
use crate::places;
use crate::sources::{self, Source};
use crate::user::User;
use crate::world::World;

/// How requests to one API are authorized.
pub(crate) struct Auth {
    pub(crate) selector: AuthSelector,
    /// Who can sign in for that.
    pub(crate) user: Option<User>,
    /// Whether it goes without anybody who signs in.
    pub(crate) takes_guests: bool,
    /// Where the credential comes from, in words.
    pub(crate) source: String,
    /// What to do if there is none.
    pub(crate) tip: Option<&'static str>,
}

impl Auth {
    fn new(selector: AuthSelector, source: impl Into<String>) -> Self {
        Self {
            selector,
            user: None,
            takes_guests: false,
            source: source.into(),
            tip: None,
        }
    }

    pub(crate) async fn of(
        world: &World,
        config: &Config,
        name: &str,
        args: &CredentialArgs,
    ) -> Result<Self, Failure> {
        if let Some(api) = config.apis.get(name) {
            fits::check(config, name, api.mode, args)?;
        }
        Self::by_any(world, config, name, args).await
    }

    /// The same, of options that may be for other APIs of the file.
    pub(crate) async fn by_any(
        world: &World,
        config: &Config,
        name: &str,
        args: &CredentialArgs,
    ) -> Result<Self, Failure> {
        let selector = config.selector();
        let Some(api) = config.apis.get(name) else {
            // The selector knows what was meant.
            let problem = selector.layer(name).err();
            let problem =
                problem.map_or_else(|| "no such API".to_owned(), |error| error.to_string());
            return Err(Failure::usage(format!("`--api`: {problem}")));
        };
        let mut auth = match api.mode {
            AuthorizationMode::None => Self::new(selector, "none is needed"),
            ApiKey => key(selector, name, api, args)?,
            AwsIam => iam(world, config, selector, (name, api), args).await?,
            mode => token(world, config, selector, (name, mode), args)?,
        };
        if places::is_in_plain_text(api) {
            auth.source.push_str("; ");
            auth.source.push_str(places::IN_PLAIN_TEXT);
        }
        Ok(auth)
    }
}

fn key(
    selector: AuthSelector,
    name: &str,
    api: &ApiConfig,
    args: &CredentialArgs,
) -> Result<Auth, Failure> {
    let Some(variable) = &args.api_key_env else {
        return match api.api_key {
            Some(_) => Ok(Auth::new(selector, "the key in the file")),
            None => Err(Failure::no_credential(format!(
                "the API `{name}` has mode API_KEY, and the file does not hold the key: put it into an \
                 environment variable, and type `--api-key-env NAME`"
            ))),
        };
    };
    let key = sources::variable("--api-key-env", variable)?;
    let selector = selector.api_key_for(name, Secret::new(key))?;
    Ok(Auth::new(
        selector,
        format!("the key in the variable {variable}"),
    ))
}

async fn iam(
    world: &World,
    config: &Config,
    selector: AuthSelector,
    (name, api): (&str, &ApiConfig),
    args: &CredentialArgs,
) -> Result<Auth, Failure> {
    // Those of whoever uses this machine are for no host of a file that they have not been told of.
    let is_aws = args.aws || args.profile.is_some() || !world.has_file;
    if !is_aws && config.auth.identity_pool.is_none() {
        let (host, region) = (api.endpoint.uri().host(), api.region.as_deref());
        return Err(Failure::no_credential(format!(
            "the API `{name}` wants a signature ({}), and the file names no identity pool: type `--aws`, or \
             `--profile NAME`, to sign with the AWS credentials of this machine, for {} and {}/{}",
            api.mode,
            host.unwrap_or_default(),
            printable(region.unwrap_or("no region")),
            printable(api.signing_name()),
        )));
    }
    if is_aws {
        let chain = sources::aws(api.region.as_deref(), args.profile.as_deref()).await?;
        let source = match &args.profile {
            Some(profile) => format!("AWS's default chain, with the profile {profile}"),
            None => "AWS's default chain".to_owned(),
        };
        return Ok(Auth {
            tip: Some(
                "there are no AWS credentials: export AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or type \
                 `--profile NAME`; sign-ins by AWS's SSO come by\n\
                 eval \"$(aws configure export-credentials --format env)\"",
            ),
            ..Auth::new(selector.aws_provider(chain), source)
        });
    }
    let session = world.session(config, args.guest)?;
    let can_sign_in = !args.guest && config.auth.user_pool.is_some();
    let pool = config.auth.identity_pool.as_ref();
    let takes_guests = pool.is_none_or(|pool| pool.allow_guests);
    let who = match (can_sign_in, takes_guests) {
        (true, true) => "as the user who is signed in, or as a guest",
        (true, false) => "as the user who is signed in",
        _ => "as a guest",
    };
    let places = places::of_pools(&config.auth, can_sign_in, true);
    let source = format!("the identity pool, {who}{places}");
    Ok(Auth {
        user: can_sign_in.then(|| User::of_pool(session.clone())),
        takes_guests,
        ..Auth::new(selector.session(session), source)
    })
}

fn token(
    world: &World,
    config: &Config,
    selector: AuthSelector,
    (name, mode): (&str, AuthorizationMode),
    args: &CredentialArgs,
) -> Result<Auth, Failure> {
    if let Some((source, words)) = Source::given(args)? {
        let selector = selector.tokens(mode, source.tokens(args.bearer))?;
        return Ok(Auth::new(selector, words));
    }
    if mode == CognitoUserPools && config.auth.user_pool.is_some() {
        let session = world.session(config, false)?;
        let api = config.apis.get(name);
        let kind = match args.id_token {
            true => TokenKind::Id,
            false => api.map_or_else(TokenKind::default, |api| api.user_pool_token),
        };
        let source = Source::User(session.tokens(kind)).tokens(args.bearer);
        let selector = match args.bearer {
            true => selector.tokens(mode, source)?,
            false => selector
                .session(session.clone())
                .user_pool_token_for(name, kind)?,
        };
        let places = places::of_pools(&config.auth, true, false);
        return Ok(Auth {
            user: Some(User::of_pool(session)),
            ..Auth::new(selector, format!("the user's {kind:?} token{places}"))
        });
    }
    if mode == OpenIdConnect
        && let Some(oidc) = &config.auth.oidc
    {
        let user = User::of_oidc(world, oidc)?;
        let selector = match &user {
            User::Oidc(login) => {
                let source = Source::Oidc(login.session.clone());
                selector.tokens(mode, source.tokens(args.bearer))?
            }
            User::Pool(_) => selector,
        };
        let source = format!(
            "the access token of the user who signs in at {}",
            printable(&oidc.issuer)
        );
        return Ok(Auth {
            user: Some(user),
            ..Auth::new(selector, source)
        });
    }
    let missing = match mode {
        CognitoUserPools => ", and the file names no user pool",
        OpenIdConnect => ", and the file names no provider to sign in at",
        _ => "",
    };
    Err(Failure::no_credential(format!(
        "the API `{name}` wants a token ({mode}){missing}: type `--token-env NAME`, `--token-file PATH` or \
         `--token-command 'COMMAND'`"
    )))
}
