//! What is called: the API, its mode, the method and the URL.

use http::{Method, Uri};
use tower_client_auth::{ApiConfig, ApiKind, AuthorizationMode, Config};

use crate::args::ApiArgs;
use crate::exit::Failure;
use crate::files::File;
use crate::words::Goal;

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
    pub(crate) fn in_file(file: &mut File, goal: Goal, args: &ApiArgs) -> Result<Self, Failure> {
        let apis = &file.config.apis;
        let api = match (&args.api, goal.whole()) {
            // What is wrong with a name, the selector says.
            (Some(name), _) => {
                check_below(file, name, goal.uri.as_ref())?;
                name.clone()
            }
            (None, Some(uri)) => api_of(&file.config, uri).ok_or_else(|| {
                Failure::usage(format!(
                    "the URL lies below no API of {}, so it would get no credential; there are\n{}",
                    file.name,
                    endpoints(&file.config)
                ))
                .tip(ELSEWHERE)
            })?,
            (None, None) => match (apis.keys().next(), apis.len()) {
                (Some(only), 1) => only.clone(),
                (None, _) => {
                    return Err(Failure::configuration(format!("{} has no APIs", file.name)));
                }
                _ if goal.uri.is_none() && goal.named.is_some() => return Err(goal.missing()),
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
        let uri = match file.config.apis.get(&api) {
            Some(config) if config.kind == ApiKind::GraphQl => of_graphql(&api, config, &goal)?,
            _ => goal.uri.clone().ok_or_else(|| goal.missing())?,
        };
        let method = goal.method();
        Ok(Self { method, uri, api })
    }

    /// A URL that is in no file, which is signed for a region and a service.
    pub(crate) fn of_aws(region: &str, service: &str, goal: Goal) -> Result<(File, Self), Failure> {
        let uri = goal.uri.clone().unwrap_or_default();
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
                method: goal.method(),
                uri,
                api: name,
            },
        ))
    }
}

const ELSEWHERE: &str =
    "for one of AWS's that is in no file: `--region eu-west-1 --service execute-api`";

/// A URL and `--api` say the same, or one of them is a slip.
fn check_below(file: &File, name: &str, uri: Option<&Uri>) -> Result<(), Failure> {
    let (Some(api), Some(uri)) = (file.config.apis.get(name), uri) else {
        return Ok(());
    };
    if uri.authority().is_none() || lies_below(api, uri) {
        return Ok(());
    }
    let endpoint = &api.endpoint;
    Err(match api_of(&file.config, uri) {
        Some(other) => Failure::usage(format!(
            "the URL does not lie below the API `{name}` ({endpoint}), but below `{other}`: leave `--api` out"
        )),
        None => Failure::usage(format!(
            "the URL does not lie below the API `{name}` ({endpoint}), nor below another of {}: type only the \
             path behind the endpoint",
            file.name
        ))
        .tip(ELSEWHERE),
    })
}

/// GraphQL has one URL, and a query for everything else.
fn of_graphql(name: &str, api: &ApiConfig, goal: &Goal) -> Result<Uri, Failure> {
    const QUERY: &str = r#"`--json '{"query":"{ __typename }"}'`"#;
    let uri = goal.uri.clone().unwrap_or_else(|| Uri::from_static("/"));
    let expected = match uri.authority() {
        Some(_) => api.endpoint.path(),
        None => "",
    };
    if uri.path().trim_end_matches('/') != expected.trim_end_matches('/') {
        return Err(Failure::usage(format!(
            "the API `{name}` is a GraphQL API, which has no paths: leave the path out, and type {QUERY}"
        )));
    }
    if !goal.has_body && goal.named.is_none() && uri.query().is_none() {
        return Err(Failure::usage(format!(
            "the API `{name}` is a GraphQL API, which answers a query: type {QUERY}"
        )));
    }
    Ok(uri)
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

/// The API that a URL lies below, with the longest path if there are several. That it really does, the layer
/// sees to.
fn api_of(config: &Config, uri: &Uri) -> Option<String> {
    let apis = config.apis.iter().filter(|(_, api)| lies_below(api, uri));
    let nearest = apis.max_by_key(|(_, api)| api.endpoint.path().len());
    nearest.map(|(name, _)| name.clone())
}

fn lies_below(api: &ApiConfig, uri: &Uri) -> bool {
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
}

/// The usual one, if none is named.
pub(crate) fn port(uri: &Uri) -> Option<u16> {
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
