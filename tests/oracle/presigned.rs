//! Presigned URLs.

use std::time::Duration;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    SessionTokenMode, SignatureLocation, SigningParams, SigningSettings,
};
use aws_sigv4::sign::v4;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, HOST};
use http::{HeaderName, HeaderValue, request};
use tower_client_auth::PayloadHash;
use tower_client_auth::sigv4::{
    PathEncoding, Presigning, Signer, SigningCredentials, SigningScope,
};
use url::form_urlencoded;

use super::{Random, Setup, get, is_signed, with_headers};
use crate::support::promise;

/// How a URL is presigned, by either.
#[derive(Clone, Debug)]
pub(super) struct Url {
    pub(super) setup: Setup,
    pub(super) seconds: u64,
    /// The session token behind the signature.
    pub(super) append_token: bool,
    /// The headers that are covered; every one, if there is no word of it.
    pub(super) chosen: Option<Vec<HeaderName>>,
}

impl Url {
    pub(super) fn new(service: &str) -> Self {
        Self {
            setup: Setup::new(service),
            seconds: 900,
            append_token: false,
            chosen: None,
        }
    }

    pub(super) fn signer(&self, scope: SigningScope) -> Signer {
        let options = self.setup.options();
        Signer::new(scope, options.append_session_token(self.append_token))
    }

    /// The head after our signer.
    pub(super) fn presign(&self, signer: &Signer, head: &request::Parts) -> request::Parts {
        let lifetime = Duration::from_secs(self.seconds);
        let mut presigning = Presigning::expires_in(lifetime).expect("a week at most");
        if let Some(chosen) = &self.chosen {
            let covering = presigning.signed_headers(chosen.iter().cloned());
            presigning = covering.expect("no headers of a signature");
        }
        let credentials = SigningCredentials::new(self.setup.credentials()).expect("credentials");
        let mut head = head.clone();
        let (payload, time) = (&self.setup.payload, self.setup.time);
        let presigned = signer.presign(&mut head, &credentials, payload, time, &presigning);
        assert!(!presigned.expect("signed").is_shortened());
        head
    }

    fn ours(&self, head: &request::Parts) -> Vec<(String, String)> {
        let scope = SigningScope::new(&self.setup.region, &self.setup.service);
        added(
            head,
            &self.presign(&self.signer(scope.expect("a scope")), head),
        )
    }

    pub(super) fn settings(&self) -> SigningSettings {
        let mut settings = self.setup.settings();
        settings.signature_location = SignatureLocation::QueryParams;
        settings.expires_in = Some(Duration::from_secs(self.seconds));
        if self.append_token {
            settings.session_token_mode = SessionTokenMode::Exclude;
        }
        if self.chosen.is_some() {
            // It leaves out some of its own accord, and here whoever chooses has the say.
            settings.excluded_headers = None;
        }
        settings
    }

    /// What the payload is told as. The reference signer does not tell it, so whoever calls it must.
    pub(super) fn told(&self) -> Option<String> {
        let setup = &self.setup;
        let tells = match setup.payload == PayloadHash::Unsigned {
            // By S3's rules it is what everybody assumes.
            true => !setup.send_payload_hash || setup.encoding != PathEncoding::Single,
            false => setup.send_payload_hash,
        };
        tells.then(|| setup.payload.to_string())
    }

    pub(super) fn theirs_by(
        &self,
        head: &request::Parts,
        params: &SigningParams<'_>,
    ) -> Vec<(String, String)> {
        let mut uri = head.uri.to_string();
        let mut pairs = Vec::new();
        if let Some(told) = self.told() {
            uri.push_str(if uri.contains('?') { "&" } else { "?" });
            uri.push_str(&format!("X-Amz-Content-Sha256={told}"));
            pairs.push(("X-Amz-Content-Sha256".to_owned(), told));
        }
        let is_signed = |name: &HeaderName| match &self.chosen {
            None => is_signed(name),
            Some(chosen) => *name == HOST || chosen.contains(name),
        };
        let instructions = self.setup.instructions(head, &uri, is_signed, params);
        let params = instructions.params().iter();
        pairs.extend(params.map(|(name, value)| ((*name).to_owned(), value.to_string())));
        pairs.sort();
        pairs
    }

    fn theirs(&self, head: &request::Parts) -> Vec<(String, String)> {
        let credentials = self.setup.credentials();
        self.with_params(credentials, |params| self.theirs_by(head, params))
    }

    fn with_params<R>(
        &self,
        credentials: Credentials,
        sign: impl FnOnce(&SigningParams<'_>) -> R,
    ) -> R {
        let identity = credentials.into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.setup.region)
            .name(&self.setup.service)
            .time(self.setup.time)
            .settings(self.settings());
        sign(&params.build().expect("complete").into())
    }
}

/// What a signature has added to the query, decoded and sorted. Nothing else may have changed.
pub(super) fn added(before: &request::Parts, after: &request::Parts) -> Vec<(String, String)> {
    assert_eq!(after.uri.scheme(), before.uri.scheme());
    assert_eq!(after.uri.authority(), before.uri.authority());
    assert_eq!(after.uri.path(), before.uri.path());
    for (name, value) in &before.headers {
        let kept = after.headers.get_all(name).iter().any(|kept| kept == value);
        assert_eq!(kept, *name != AUTHORIZATION, "{name}");
    }
    let query = after.uri.query().expect("a query");
    let added = query.strip_prefix(before.uri.query().unwrap_or_default());
    let added = added.expect("the query that was there");
    let pairs = form_urlencoded::parse(added.trim_start_matches('&').as_bytes());
    let mut pairs: Vec<(String, String)> = pairs.into_owned().collect();
    pairs.sort();
    pairs
}

impl Random {
    pub(super) fn presigned(&mut self) -> (Url, request::Parts) {
        let setup = self.setup();
        let mut head = self.request(setup.encoding);
        let mut chosen = None;
        if self.one_in(3) {
            if self.one_in(2) {
                let length = HeaderValue::from(self.below(1000));
                head.headers.insert(CONTENT_LENGTH, length);
            }
            let names = head.headers.keys().filter(|name| *name != "authorization");
            let names: Vec<HeaderName> = names.cloned().collect();
            chosen = Some(names.into_iter().filter(|_| self.one_in(2)).collect());
        }
        let seconds = match self.below(8) {
            0 => 1,
            1 => 604_800,
            _ => 1 + self.next() % 604_800,
        };
        let url = Url {
            setup,
            seconds,
            append_token: self.one_in(4),
            chosen,
        };
        (url, head)
    }
}

#[test]
fn random_urls_are_presigned_as_the_reference_does() {
    compare(20_000, 0x5eed_0000_0a11_0029);
}

#[test]
#[ignore = "soak: half a million URLs"]
fn random_urls_are_presigned_as_the_reference_does_soak() {
    compare(500_000, 0x5eed_0000_0a12_0029);
}

fn compare(urls: usize, seed: u64) {
    let mut random = Random(seed);
    let (mut sessions, mut single, mut chosen, mut told) = (0, 0, 0, 0);
    for n in 0..urls {
        let (url, head) = random.presigned();
        let (ours, theirs) = (url.ours(&head), url.theirs(&head));
        assert_eq!(ours, theirs, "URL {n}: {url:#?}\n{head:#?}");
        sessions += usize::from(url.setup.token.is_some());
        single += usize::from(url.setup.encoding == PathEncoding::Single);
        chosen += usize::from(url.chosen.is_some_and(|chosen| !chosen.is_empty()));
        told += usize::from(ours.iter().any(|(name, _)| name == "X-Amz-Content-Sha256"));
    }
    for (kind, count) in [
        ("session", sessions),
        ("S3", single),
        ("chosen", chosen),
        ("told", told),
    ] {
        assert!(count > urls / 10, "{kind}: only {count}");
    }
    promise(
        29,
        format_args!(
            "{urls} of {urls} random presigned URLs agree with aws-sigv4 in every parameter; {sessions} \
             with a session token, {single} for S3, {chosen} with headers chosen, {told} that tell of \
             their payload"
        ),
    );
}

fn value<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let found = pairs.iter().find(|(key, _)| key == name);
    found.map(|(_, value)| value.as_str())
}

#[test]
fn headers_that_an_sdk_adds_are_covered_like_others() {
    let url = Url::new("s3");
    for name in ["x-amz-user-agent", "x-amz-checksum-mode"] {
        let head = with_headers("https://x.example/", &[(name, b"stays")]);
        let signed = |pairs: &[(String, String)]| {
            let list = value(pairs, "X-Amz-SignedHeaders").expect("a list");
            list.split(';').any(|signed| signed == name)
        };
        assert!(signed(&url.ours(&head)), "{name}");
        assert!(!signed(&url.theirs(&head)), "{name}");
    }
}

#[test]
fn a_service_is_told_of_a_payload_that_it_does_not_expect() {
    let head = get("https://x.example/");
    for (service, payload, told) in [
        ("s3", PayloadHash::Unsigned, false),
        ("s3", PayloadHash::EMPTY, true),
        ("es", PayloadHash::Unsigned, true),
        ("es", PayloadHash::EMPTY, false),
    ] {
        let mut url = Url::new(service);
        url.setup.payload = payload;
        let ours = url.ours(&head);
        let sent = value(&ours, "X-Amz-Content-Sha256");
        let expected = payload.to_string();
        assert_eq!(sent, told.then_some(expected.as_str()), "{service}");

        let uri = head.uri.to_string();
        let theirs = url.with_params(url.setup.credentials(), |params| {
            url.setup.instructions(&head, &uri, is_signed, params)
        });
        let names: Vec<&str> = theirs.params().iter().map(|(name, _)| *name).collect();
        assert!(!names.contains(&"X-Amz-Content-Sha256"), "{names:?}");
    }
}

#[test]
fn a_url_ends_with_its_credentials() {
    let url = Url::new("es");
    let setup = &url.setup;
    let end = setup.time + Duration::from_secs(60);
    let credentials = Credentials::new("AKIDEXAMPLE", &setup.secret, None, Some(end), "oracle");
    let head = get("https://x.example/");

    let scope = SigningScope::new(&setup.region, &setup.service).expect("a scope");
    let signing = SigningCredentials::new(credentials.clone()).expect("credentials");
    let presigning = Presigning::expires_in(Duration::from_secs(900)).expect("a week at most");
    let (mut ours, payload) = (head.clone(), PayloadHash::EMPTY);
    let signer = url.signer(scope);
    let presigned = signer.presign(&mut ours, &signing, &payload, setup.time, &presigning);
    assert!(presigned.expect("signed").is_shortened());
    assert_eq!(value(&added(&head, &ours), "X-Amz-Expires"), Some("60"));

    let theirs = url.with_params(credentials, |params| url.theirs_by(&head, params));
    assert_eq!(value(&theirs, "X-Amz-Expires"), Some("900"));
}
