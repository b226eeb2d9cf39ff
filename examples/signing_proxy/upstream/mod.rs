//! The upstreams: made of the command line and a configuration file, and the only ones there are.

pub(crate) mod connector;
pub(crate) mod credentials;
pub(crate) mod spec;
pub(crate) mod stack;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use http::uri::{Authority, PathAndQuery, Scheme};
use tower_client_auth::{ApiConfig, AuthError, AuthErrorKind, AuthorizationMode, BoxError, Config};

use self::connector::Connections;
use self::credentials::Probe;
use self::spec::{Payload, Route, Spec};
use self::stack::Stack;
use crate::args::Arguments;
use crate::metrics::Numbers;

/// Where requests may go, and how they get there.
pub(crate) struct Upstream {
    pub(crate) name: Arc<str>,
    pub(crate) authority: Authority,
    scheme: Scheme,
    /// Before every path; without a slash at its end.
    path: String,
    /// What requests are signed for, if they are.
    pub(crate) signed: Option<(String, Option<String>)>,
    mode: AuthorizationMode,
    pub(crate) payload: Payload,
    pub(crate) stack: Stack,
    pub(crate) numbers: Arc<Numbers>,
}

impl Upstream {
    /// Where a request goes whose path is below this upstream's own, or is that one and has nothing more.
    pub(crate) fn below(&self, path: &str, query: Option<&str>) -> Result<Uri, http::Error> {
        let mut text = format!("{}{path}", self.path);
        if text.is_empty() {
            text.push('/');
        }
        if let Some(query) = query {
            text.push('?');
            text.push_str(query);
        }
        self.at(text.parse()?)
    }

    /// Whether a whole path is one of this upstream's.
    pub(crate) fn covers(&self, path: &str) -> bool {
        let rest = path.strip_prefix(self.path.as_str());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// How far down its own path is.
    pub(crate) fn depth(&self) -> usize {
        self.path.len()
    }

    /// Where a request goes whose path is whole.
    pub(crate) fn at(&self, path: PathAndQuery) -> Result<Uri, http::Error> {
        Uri::builder()
            .scheme(self.scheme.clone())
            .authority(self.authority.clone())
            .path_and_query(path)
            .build()
    }
}

impl fmt::Display for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name,
            scheme,
            authority,
            path,
            ..
        } = self;
        write!(f, "{name}: {scheme}://{authority}{path}, {}", self.mode)?;
        match &self.signed {
            Some((service, Some(region))) => write!(f, " for {service} in {region}"),
            Some((service, None)) => write!(f, " for {service}"),
            None => Ok(()),
        }
    }
}

/// All of them.
pub(crate) struct Upstreams {
    pub(crate) all: Vec<Upstream>,
    /// By their place in the list.
    pub(crate) default: Option<usize>,
    pub(crate) probes: Vec<Probe>,
}

impl Upstreams {
    pub(crate) async fn new(args: &Arguments) -> Result<Self, BoxError> {
        let (config, routes) = gather(args)?;
        let limits = &args.limits;
        let connections = Connections::new(
            args.upstreams.ca.as_deref(),
            Duration::from_secs(limits.connect_timeout),
            Duration::from_secs(limits.upstream_idle),
        )?;
        let (selector, probes) = credentials::supply(&config, &args.credentials).await?;
        let mut all = Vec::new();
        for (name, api) in &config.apis {
            let route = routes.get(name).cloned().unwrap_or_default();
            let stack = match args.upstreams.without_layers {
                true => stack::bare(&route, &connections),
                false => {
                    let made = stack::authorized(
                        &selector,
                        (name, api),
                        &route,
                        limits.max_buffer,
                        &connections,
                    );
                    made.map_err(|error| unusable(name, &error))?
                }
            };
            all.push(upstream(name, api, &route, stack)?);
        }
        let default = default(&all, args.upstreams.default.as_deref())?;
        Ok(Self {
            all,
            default,
            probes,
        })
    }
}

/// In words of the command line.
fn unusable(name: &str, error: &AuthError) -> BoxError {
    match error.kind() {
        AuthErrorKind::PlainText => format!(
            "the upstream `{name}` is plain http, where anybody on the way could read the credential: type https, or \
             `,plain-http` behind it if the network is encrypted by other means"
        )
        .into(),
        _ => format!("the upstream `{name}`: {error}").into(),
    }
}

/// What the file and the command line name, as one configuration.
fn gather(args: &Arguments) -> Result<(Config, BTreeMap<String, Route>), BoxError> {
    let mut config = match &args.upstreams.config {
        Some(path) => Config::from_path(path)?,
        None => Config::default(),
    };
    let mut routes = BTreeMap::new();
    for Spec { name, api, route } in &args.upstreams.upstreams {
        if config.apis.insert(name.clone(), api.clone()).is_some() {
            return Err(format!(
                "there are two upstreams called `{name}`: give one of them another name"
            )
            .into());
        }
        routes.insert(name.clone(), route.clone());
    }
    if config.apis.is_empty() {
        return Err(
            "the file has no API, and there is no `--upstream`: requests have nowhere to go".into(),
        );
    }
    Ok((config, routes))
}

fn upstream(
    name: &str,
    api: &ApiConfig,
    route: &Route,
    stack: Stack,
) -> Result<Upstream, BoxError> {
    let endpoint = api.endpoint.uri();
    let (Some(scheme), Some(authority)) = (endpoint.scheme(), endpoint.authority()) else {
        return Err(format!("the upstream `{name}` has no host").into());
    };
    let region = api.region.clone();
    let signed =
        (api.mode == AuthorizationMode::AwsIam).then(|| (api.signing_name().to_owned(), region));
    Ok(Upstream {
        name: name.into(),
        authority: authority.clone(),
        scheme: scheme.clone(),
        path: endpoint.path().trim_end_matches('/').to_owned(),
        signed,
        mode: api.mode,
        payload: route.payload,
        stack,
        numbers: Arc::new(Numbers::new(name)),
    })
}

fn default(all: &[Upstream], name: Option<&str>) -> Result<Option<usize>, BoxError> {
    let Some(name) = name else {
        return Ok((all.len() == 1).then_some(0));
    };
    match all.iter().position(|upstream| *upstream.name == *name) {
        Some(at) => Ok(Some(at)),
        None => {
            let names: BTreeSet<&str> = all.iter().map(|upstream| &*upstream.name).collect();
            let names: Vec<&str> = names.into_iter().collect();
            Err(format!(
                "--default: there is no upstream `{name}`; there are {}",
                names.join(", ")
            )
            .into())
        }
    }
}
