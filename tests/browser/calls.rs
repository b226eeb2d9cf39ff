//! What the pages call, and how it should end.

use std::collections::BTreeMap;

use aws_credential_types::Credentials;
use http::{HeaderName, HeaderValue, Request};
use serde::Serialize;
use tower_client_auth::sigv4::{Signer, SigningCredentials, SigningOptions, SigningScope};
use tower_client_auth::{Clock, PayloadHash};

use crate::signature::{ACCESS_KEY_ID, SECRET_ACCESS_KEY};

pub(crate) const REGION: &str = "eu-west-1";
pub(crate) const KEY: &str = "da2-fakeApiId123456";
pub(crate) const POOL_TOKEN: &str = "eyJhbGciOiJSUzI1NiJ9.e30.c2ln";
pub(crate) const OIDC_TOKEN: &str = "Bearer mF_9.B5f-4.1JqM";
pub(crate) const LAMBDA_TOKEN: &str = "legacy-token-42";

const BODY: &str = r#"{"item":"tea"}"#;
const JSON: (&str, &str) = ("content-type", "application/json");
const POOL: (&str, &str) = ("authorization", POOL_TOKEN);

/// How a call ends.
#[derive(Clone, Copy)]
pub(crate) enum End {
    /// The page reads the handler's answer.
    Answer,
    /// The page reads the API's refusal: its status, and its `x-amzn-errortype`.
    Refusal(u16, &'static str),
    /// The page learns nothing, and the handler was not reached.
    Blocked,
    /// The page learns nothing, though the handler has done the work.
    Unreadable,
}

use End::{Answer, Blocked, Refusal, Unreadable};

const NO_SIGNATURE: End = Refusal(403, "InvalidSignatureException");
const NO_KEY: End = Refusal(403, "ForbiddenException");
const NO_TOKEN: End = Refusal(401, "UnauthorizedException");

/// A call, as the page is told of it, and what is to come of it.
#[derive(Serialize)]
pub(crate) struct Case {
    url: String,
    pub(crate) method: &'static str,
    headers: BTreeMap<String, String>,
    body: Option<&'static str>,
    /// What the Fetch standard calls so: cookies.
    credentials: &'static str,
    pub(crate) times: usize,

    #[serde(skip)]
    pub(crate) name: &'static str,
    #[serde(skip)]
    pub(crate) path: String,
    #[serde(skip)]
    pub(crate) end: End,
    #[serde(skip)]
    pub(crate) preflights: usize,
}

pub(crate) fn from_a_page_on_the_list(api: &str) -> Vec<Case> {
    let mut cases = Cases::new(api);
    modes(&mut cases);
    preflights(&mut cases);
    blocked(&mut cases);
    refused(&mut cases);
    cases.cases
}

/// From a page whose origin is not on the list.
pub(crate) fn from_a_stranger(api: &str) -> Vec<Case> {
    let mut cases = Cases::new(api);
    let foreign = "a foreign origin";
    cases.add(foreign, "pool", "GET", &[POOL], Blocked);
    cases.add(foreign, "pool", "POST", &[POOL, JSON], Blocked);
    cases.add(foreign, "key", "GET", &[("x-api-key", KEY)], Blocked);
    cases.add("its simple request", "none", "GET", &[], Unreadable);
    cases.add("any origin", "any-origin", "GET", &[POOL], Answer);
    cases.add("any origin, refused", "any-origin", "GET", &[], NO_TOKEN);
    cases.cases
}

/// What a page without any credential calls, of an upstream that a proxy has the key for.
pub(crate) fn without_a_credential(proxy: &str, upstream: &str, end: End) -> Vec<Case> {
    let tenant = ("x-tenant", "t1");
    let mut cases = Cases::new(proxy);
    cases.add("simple", upstream, "GET", &[], end);
    cases.add("simple, HEAD", upstream, "HEAD", &[], end);
    cases.add("with JSON", upstream, "POST", &[JSON], end);
    cases.add("another method", upstream, "DELETE", &[], end);
    cases.add("a token of its own", upstream, "GET", &[POOL], end);
    cases.add(
        "a header that is not allowed",
        upstream,
        "GET",
        &[tenant],
        Blocked,
    );
    cases.cases
}

/// Every mode, as Amplify's clients call it.
fn modes(cases: &mut Cases<'_>) {
    let key = ("x-api-key", KEY);
    let tenant = ("x-tenant", "t1");
    cases.add("NONE", "none", "GET", &[], Answer);
    cases.add("NONE, HEAD", "none", "HEAD", &[], Answer);
    cases.add("NONE, JSON", "none", "POST", &[JSON], Answer);
    cases.add("API_KEY", "key", "GET", &[key], Answer);
    cases.add("API_KEY, JSON", "key", "POST", &[key, JSON], Answer);
    cases.add_signed("AWS_IAM", "iam", "GET", &[], Answer, |_| {});
    cases.add_signed("AWS_IAM, JSON", "iam", "POST", &[JSON], Answer, |_| {});
    cases.add_signed("AWS_IAM, own", "iam", "DELETE", &[tenant], Answer, |_| {});
    cases.add("user pool", "pool", "GET", &[POOL], Answer);
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        cases.add("user pool, JSON", "pool", method, &[POOL, JSON], Answer);
    }
    let oidc = ("authorization", OIDC_TOKEN);
    cases.add("OpenID Connect", "oidc", "GET", &[oidc], Answer);
    let lambda = ("authorization", LAMBDA_TOKEN);
    cases.add("Lambda", "lambda", "GET", &[lambda], Answer);
    cases.add("an own header", "pool", "GET", &[POOL, tenant], Answer);
}

/// How often a browser asks.
fn preflights(cases: &mut Cases<'_>) {
    let twice = |case: &mut Case, preflights| {
        case.times = 2;
        case.preflights = preflights;
    };
    twice(cases.add("twice", "pool", "GET", &[POOL], Answer), 1);
    let forgotten = cases.add("twice, no age", "forgotten", "GET", &[POOL], Answer);
    twice(forgotten, 2);
}

/// What the browser does not let through.
fn blocked(cases: &mut Cases<'_>) {
    let key = ("x-api-key", KEY);
    let other = ("x-other", "1");
    cases.add("no such header", "none", "GET", &[other], Blocked);
    cases.add("no such header", "pool", "GET", &[POOL, other], Blocked);
    cases.add("no such method", "none", "LOCK", &[], Blocked);
    let cookies = cases.add("with cookies", "pool", "GET", &[POOL], Blocked);
    cookies.credentials = "include";
    // The layer inside of the check: it is the preflight that is refused.
    cases.add("inside", "inside-pool", "GET", &[POOL], Blocked);
    cases.add("inside", "inside-key", "GET", &[key], Blocked);
    cases.add_signed("inside", "inside-iam", "GET", &[], Blocked, |_| {});
    // And a refusal cannot be read.
    cases.add("inside, refused", "inside-pool", "GET", &[], Blocked);
    // `*` is for every header but one.
    cases.add("any header", "any-header-key", "GET", &[key], Answer);
    cases.add("any header", "any-header-pool", "GET", &[POOL], Blocked);
}

/// What the API refuses, and the page can read.
fn refused(cases: &mut Cases<'_>) {
    let wrong_key = ("x-api-key", "another");
    let wrong_token = ("authorization", "another");
    cases.add("no key", "key", "GET", &[], NO_KEY);
    cases.add("a wrong key", "key", "GET", &[wrong_key], NO_KEY);
    cases.add("no token", "pool", "GET", &[], NO_TOKEN);
    cases.add("a wrong token", "pool", "GET", &[wrong_token], NO_TOKEN);
    cases.add("no bearer", "oidc", "GET", &[wrong_token], NO_TOKEN);
    cases.add("no Lambda token", "lambda", "POST", &[JSON], NO_TOKEN);
    cases.add("no signature", "iam", "GET", &[], NO_SIGNATURE);
    let tampered = |case: &mut Case| {
        let signature = case.headers.get_mut("authorization").expect("signed");
        let last = if signature.ends_with('0') { "1" } else { "0" };
        signature.replace_range(signature.len() - 1.., last);
    };
    cases.add_signed(
        "a changed signature",
        "iam",
        "GET",
        &[],
        NO_SIGNATURE,
        tampered,
    );
    let other_body = |case: &mut Case| case.body = Some("{}");
    cases.add_signed(
        "another body",
        "iam",
        "PUT",
        &[JSON],
        NO_SIGNATURE,
        other_body,
    );
    let no_token = |case: &mut Case| {
        case.headers
            .remove("x-amz-security-token")
            .expect("a token");
    };
    cases.add_signed(
        "no session token",
        "iam",
        "GET",
        &[],
        NO_SIGNATURE,
        no_token,
    );
    let busy = Refusal(429, "TooManyRequestsException");
    cases.add("too many", "busy", "GET", &[POOL], busy);
    let broken = Refusal(500, "InternalServerErrorException");
    cases.add("a failure", "broken", "GET", &[POOL], broken);
}

struct Cases<'a> {
    api: &'a str,
    cases: Vec<Case>,
}

impl<'a> Cases<'a> {
    fn new(api: &'a str) -> Self {
        Self {
            api,
            cases: Vec::new(),
        }
    }

    /// Each call has a path of its own, so that none profits from what a browser knows of another.
    fn add(
        &mut self,
        name: &'static str,
        api: &str,
        method: &'static str,
        headers: &[(&str, &str)],
        end: End,
    ) -> &mut Case {
        let path = format!("/{api}/{}", self.cases.len());
        let has_body = headers.contains(&JSON);
        let is_simple = headers.is_empty() && matches!(method, "GET" | "HEAD");
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        self.cases.push(Case {
            url: format!("{}{path}", self.api),
            method,
            headers: headers.iter().map(owned).collect(),
            body: has_body.then_some(BODY),
            credentials: "same-origin",
            times: 1,
            name,
            path,
            end,
            preflights: usize::from(!is_simple),
        });
        self.cases.last_mut().expect("just added")
    }

    /// To an API that wants a signature; `change` comes after signing.
    fn add_signed(
        &mut self,
        name: &'static str,
        api: &str,
        method: &'static str,
        headers: &[(&str, &str)],
        end: End,
        change: impl FnOnce(&mut Case),
    ) {
        let case = self.add(name, api, method, headers, end);
        case.preflights = 1;
        case.url.push_str("?limit=2&after=a%20b");
        case.sign();
        change(case);
    }
}

impl Case {
    /// What a page would have of a signer of its own.
    fn sign(&mut self) {
        let request = Request::builder().method(self.method).uri(&self.url);
        let (mut head, ()) = request.body(()).expect("a request").into_parts();
        for (name, value) in &self.headers {
            let name: HeaderName = name.parse().expect("a name");
            let value = HeaderValue::try_from(value).expect("a value");
            head.headers.insert(name, value);
        }
        let scope = SigningScope::new(REGION, "execute-api").expect("a scope");
        let signer = Signer::new(scope, SigningOptions::for_service("execute-api"));
        let credentials = SigningCredentials::new(credentials()).expect("credentials");
        let payload = PayloadHash::of(self.body.unwrap_or_default().as_bytes());
        let now = Clock::system().now();
        let signed = signer.sign(&mut head, &credentials, &payload, now);
        signed.expect("a signature");
        for (name, value) in &head.headers {
            let value = value.to_str().expect("ASCII").to_owned();
            self.headers.insert(name.to_string(), value);
        }
    }
}

pub(crate) fn credentials() -> Credentials {
    let token = Some("a/session+token==".to_owned());
    Credentials::new(ACCESS_KEY_ID, SECRET_ACCESS_KEY, token, None, "tests")
}
