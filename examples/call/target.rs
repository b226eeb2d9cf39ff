//! What is called: the API, its mode, the method and the URL.

use http::{Method, Uri};
use tower_client_auth::{ApiConfig, AuthorizationMode, Config};

use crate::args::{ApiArgs, Arguments};
use crate::exit::Failure;
use crate::files::File;

/// A request's goal.
pub(crate) struct Target {
    pub(crate) method: Method,
    /// A path, which is joined to the API's endpoint, or a whole URL.
    pub(crate) uri: Uri,
    /// As the configuration names it.
    pub(crate) api: String,
}

impl Target {
    /// Finds it in a file, whose API it may give another mode.
    pub(crate) fn in_file(
        file: &mut File,
        (method, uri): (Method, Uri),
        args: &ApiArgs,
    ) -> Result<Self, Failure> {
        let apis = &file.config.apis;
        let api = match &args.api {
            // What is wrong with a name, the selector says.
            Some(name) => name.clone(),
            None if uri.authority().is_some() => api_of(&file.config, &uri).ok_or_else(|| {
                Failure::usage(format!(
                    "the URL lies below no API of {}, so it would get no credential; there are\n{}",
                    file.name,
                    endpoints(&file.config)
                ))
                .tip("for one of AWS's that is in no file: `--region eu-west-1 --service execute-api`")
            })?,
            None => match (apis.keys().next(), apis.len()) {
                (Some(only), 1) => only.clone(),
                (None, _) => {
                    return Err(Failure::configuration(format!("{} has no APIs", file.name)));
                }
                _ => {
                    return Err(Failure::usage(format!(
                        "{} has several APIs: type `--api` with the name of one\n{}",
                        file.name,
                        endpoints(&file.config)
                    )));
                }
            },
        };
        set_mode(&mut file.config, &api, args)?;
        Ok(Self { method, uri, api })
    }

    /// A URL that is in no file, which is signed for a region and a service.
    pub(crate) fn of_aws(
        region: &str,
        service: &str,
        (method, uri): (Method, Uri),
    ) -> Result<(File, Self), Failure> {
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(Failure::usage(
                "`--region` and `--service` sign a whole URL: type one like \
                 `https://abc123.execute-api.eu-west-1.amazonaws.com/prod/items`, or leave both out",
            ));
        };
        let endpoint = format!("{scheme}://{authority}");
        let mut api = ApiConfig::new(endpoint.as_str(), AuthorizationMode::AwsIam)
            .map_err(|error| Failure::usage(error.to_string()))?;
        api.region = Some(region.to_owned());
        api.service = Some(service.to_owned());
        let name = authority.host().to_owned();
        let mut config = Config::default();
        config.apis.insert(name.clone(), api);
        let file = File {
            config,
            name: "the command line".to_owned(),
            is_found: false,
        };
        Ok((
            file,
            Self {
                method,
                uri,
                api: name,
            },
        ))
    }
}

/// Gives an API the mode that was asked for.
pub(crate) fn set_mode(config: &mut Config, api: &str, args: &ApiArgs) -> Result<(), Failure> {
    if let Some(text) = &args.mode {
        let mode = mode(text)?;
        if let Some(api) = config.apis.get_mut(api) {
            api.mode = mode;
        }
    }
    Ok(())
}

/// What people call the modes, beside their names.
const ALIASES: [(&str, AuthorizationMode); 16] = [
    ("none", AuthorizationMode::None),
    ("public", AuthorizationMode::None),
    ("api_key", AuthorizationMode::ApiKey),
    ("apikey", AuthorizationMode::ApiKey),
    ("key", AuthorizationMode::ApiKey),
    ("aws_iam", AuthorizationMode::AwsIam),
    ("iam", AuthorizationMode::AwsIam),
    ("aws", AuthorizationMode::AwsIam),
    (
        "amazon_cognito_user_pools",
        AuthorizationMode::CognitoUserPools,
    ),
    ("user_pools", AuthorizationMode::CognitoUserPools),
    ("user_pool", AuthorizationMode::CognitoUserPools),
    ("cognito", AuthorizationMode::CognitoUserPools),
    ("openid_connect", AuthorizationMode::OpenIdConnect),
    ("oidc", AuthorizationMode::OpenIdConnect),
    ("aws_lambda", AuthorizationMode::AwsLambda),
    ("lambda", AuthorizationMode::AwsLambda),
];

pub(crate) fn mode(text: &str) -> Result<AuthorizationMode, Failure> {
    let plain = text.to_ascii_lowercase().replace('-', "_");
    let known = ALIASES.iter().find(|(name, _)| *name == plain);
    known.map(|(_, mode)| *mode).ok_or_else(|| {
        Failure::usage(
            "`--mode` takes one of none, api-key, iam, user-pools, oidc, lambda, or a mode as files have it, \
             such as AMAZON_COGNITO_USER_POOLS",
        )
    })
}

/// The method and the URL, or the path, of the command line.
pub(crate) fn read(args: &Arguments, has_body: bool) -> Result<(Method, Uri), Failure> {
    // That there is one, the command line's reader has seen to.
    let target = args.target.as_deref().unwrap_or_default();
    let uri = uri(target)?;
    let method = match args.method.as_ref().or(args.request.request.as_ref()) {
        Some(text) => method(text)?,
        None if has_body => Method::POST,
        None => Method::GET,
    };
    Ok((method, uri))
}

const USUAL_METHODS: [&str; 7] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];

fn method(text: &str) -> Result<Method, Failure> {
    let upper = text.to_ascii_uppercase();
    // Methods are case-sensitive, and these are hardly ever meant in small letters.
    let known = USUAL_METHODS.contains(&upper.as_str());
    let problem = || {
        Failure::usage(format!(
            "`{}` is no HTTP method: type `POST /items`, the method first",
            text.escape_debug()
        ))
    };
    let name = if known { upper.as_str() } else { text };
    match name.parse() {
        Ok(method) if known || text.chars().all(|c| c.is_ascii_uppercase()) => Ok(method),
        _ => Err(problem()),
    }
}

fn uri(text: &str) -> Result<Uri, Failure> {
    if USUAL_METHODS.contains(&text.to_ascii_uppercase().as_str()) {
        return Err(Failure::usage(format!(
            "what to {text} is missing: type a path behind it, such as `{text} /items`"
        )));
    }
    let is_whole = text.contains("://") && !text.starts_with('/');
    if !is_whole && !text.starts_with('/') {
        let text = text.escape_debug();
        return Err(Failure::usage(format!(
            "`{text}` is neither a path nor a URL: type `/{text}`, or `https://…`"
        )));
    }
    if is_whole
        && text
            .split_once("://")
            .is_some_and(|(_, rest)| authority(rest).contains('@'))
    {
        return Err(Failure::usage(
            "a user name or password in a URL is never sent: leave out what is before the `@`",
        ));
    }
    let uri = text.parse::<Uri>().ok();
    uri.filter(|uri| !is_whole || uri.authority().is_some()).ok_or_else(|| {
        Failure::usage(format!(
            "`{}` cannot be sent as it stands: write what URLs do not hold in percent signs, a space as %20",
            text.escape_debug()
        ))
    })
}

fn authority(rest: &str) -> &str {
    rest.split(['/', '?', '#']).next().unwrap_or_default()
}

/// The API that a URL lies below, with the longest path if there are several. That it really does, the layer
/// sees to.
fn api_of(config: &Config, uri: &Uri) -> Option<String> {
    let lies_below = |api: &ApiConfig| {
        let endpoint = api.endpoint.uri();
        let rest = uri.path().strip_prefix(api.endpoint.path());
        let is_same = |a: Option<&str>, b: Option<&str>| match (a, b) {
            (Some(a), Some(b)) => a.eq_ignore_ascii_case(b),
            _ => false,
        };
        is_same(uri.scheme_str(), endpoint.scheme_str())
            && is_same(uri.host(), endpoint.host())
            && port(uri) == port(endpoint)
            && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let apis = config.apis.iter().filter(|(_, api)| lies_below(api));
    let nearest = apis.max_by_key(|(_, api)| api.endpoint.path().len());
    nearest.map(|(name, _)| name.clone())
}

fn port(uri: &Uri) -> Option<u16> {
    uri.port_u16().or(match uri.scheme_str() {
        Some("https") => Some(443),
        Some("http") => Some(80),
        _ => None,
    })
}

fn endpoints(config: &Config) -> String {
    let width = config
        .apis
        .keys()
        .map(String::len)
        .max()
        .unwrap_or_default();
    let apis = config.apis.iter();
    let lines = apis.map(|(name, api)| format!("  {name:width$}  {}", api.endpoint));
    lines.collect::<Vec<_>>().join("\n")
}
