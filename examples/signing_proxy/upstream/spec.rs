//! An upstream, as it is typed: `orders=https://api.example.com/prod,mode=api-key`.

use std::str::FromStr;

use tower_client_auth::{ApiConfig, AuthorizationMode};

use crate::hosts;

/// One upstream of the command line.
#[derive(Clone, Debug)]
pub(crate) struct Spec {
    pub(crate) name: String,
    pub(crate) api: ApiConfig,
    pub(crate) route: Route,
}

/// How requests get to an upstream, and not what they are authorized with.
#[derive(Clone, Debug, Default)]
pub(crate) struct Route {
    pub(crate) payload: Payload,
    /// Where to connect to in place of the URL's host, as through a tunnel: `host:port`.
    pub(crate) connect: Option<String>,
    /// HTTP/2 without TLS. With TLS the two sides agree on it.
    pub(crate) http2: bool,
}

/// What is signed of bodies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Payload {
    /// What the caller's own hash says; else chunks for S3's uploads, and the hash for all else.
    #[default]
    Auto,
    /// The hash, of the whole body.
    Hash,
    /// Nothing.
    Unsigned,
}

const MODES: [(&str, AuthorizationMode); 6] = [
    ("iam", AuthorizationMode::AwsIam),
    ("api-key", AuthorizationMode::ApiKey),
    ("user-pools", AuthorizationMode::CognitoUserPools),
    ("oidc", AuthorizationMode::OpenIdConnect),
    ("lambda", AuthorizationMode::AwsLambda),
    ("none", AuthorizationMode::None),
];

impl FromStr for Spec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.split(',');
        let target = parts.next().unwrap_or_default();
        // A URL's own `=` can only be in a query, which an endpoint does not have.
        let (name, url) = match target.split_once('=') {
            Some((name, url)) => (Some(name), url),
            None => (None, target),
        };
        let mut api =
            ApiConfig::new(url, AuthorizationMode::AwsIam).map_err(|error| error.to_string())?;
        let mut route = Route::default();
        for part in parts {
            set(&mut api, &mut route, part)?;
        }
        let host = api.endpoint.uri().host().unwrap_or_default().to_owned();
        if api.mode == AuthorizationMode::AwsIam {
            fill(&mut api, &host)?;
        }
        let name = name.map_or(host, str::to_owned);
        if name.is_empty() || name.contains(['/', '?', '#', '%']) {
            return Err("the name before `=` is to be one that a path can begin with".to_owned());
        }
        Ok(Self { name, api, route })
    }
}

fn set(api: &mut ApiConfig, route: &mut Route, part: &str) -> Result<(), String> {
    let (key, value) = part.split_once('=').unwrap_or((part, ""));
    match (key, value) {
        ("service" | "region" | "region-set" | "connect" | "mode" | "payload", "") => {
            return Err(format!("`{key}` needs a value: `{key}=…`"));
        }
        ("service", service) => api.service = Some(service.to_owned()),
        ("region", region) => api.region = Some(region.to_owned()),
        // A comma separates settings.
        ("region-set", regions) => api.region_set = Some(regions.replace('+', ",")),
        ("connect", address) => route.connect = Some(address.to_owned()),
        ("mode", word) => {
            let known = MODES.iter().find(|(name, _)| *name == word);
            api.mode = known
                .ok_or_else(|| one_of("mode", &MODES.map(|(name, _)| name)))?
                .1;
        }
        ("payload", "auto") => route.payload = Payload::Auto,
        ("payload", "hash") => route.payload = Payload::Hash,
        ("payload", "unsigned") => route.payload = Payload::Unsigned,
        ("payload", _) => return Err(one_of("payload", &["auto", "hash", "unsigned"])),
        ("http2", "") => route.http2 = true,
        ("plain-http", "") => api.allow_plain_http = true,
        _ => {
            return Err(format!(
                "`{key}` is no setting of an upstream; those are service=, region=, region-set=, mode=, payload=, \
                 connect=, http2 and plain-http"
            ));
        }
    }
    Ok(())
}

fn one_of(key: &str, words: &[&str]) -> String {
    format!("`{key}` is one of {}", words.join(", "))
}

/// What to sign for, where it is not said.
fn fill(api: &mut ApiConfig, host: &str) -> Result<(), String> {
    let inferred = hosts::infer(host);
    let (service, region) = match inferred {
        Some(signed) => (Some(signed.service), Some(signed.region)),
        None => (None, None),
    };
    if api.service.is_none() {
        api.service = service;
    }
    if api.region.is_none() && api.region_set.is_none() {
        api.region = region;
    }
    match (
        &api.service,
        api.region.as_ref().or(api.region_set.as_ref()),
    ) {
        (Some(_), Some(_)) => Ok(()),
        _ => Err(format!(
            "the host `{host}` does not tell what to sign for: add `,service=execute-api,region=eu-west-1` or the \
             like, or a mode: `,mode=api-key`"
        )),
    }
}
