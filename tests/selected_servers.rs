//! Every mode through the selector, from one configuration file and over one client, to APIs that
//! check: MiniStack's, with tokens of its own user pool and of npm's `oidc-provider`.

mod modes;
pub(crate) mod world;

use futures::future::join_all;
use http::{Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use tower::ServiceExt;
use tower_client_auth::{
    ApiName, AuthError, AuthErrorKind, AuthOverride, AuthorizationMode, BoxError,
};

use crate::loopback::Http;
use crate::servers;
use modes::Mode;
use world::{Body, Caller, Change, World};

/// How often each good call is sent, all at once.
const REPEATS: usize = 3;

/// A request, however it is then sent.
#[derive(Clone)]
struct Call {
    api: &'static str,
    /// Whom [`ApiName`] names, if that is not the way anyway.
    named: Option<&'static str>,
    caller: Caller,
    method: Method,
    /// What follows the API's endpoint.
    below: &'static str,
    headers: Vec<(&'static str, String)>,
    body: &'static str,
    wishes: Option<AuthOverride>,
    /// What happens to it after it was authorized.
    change: Option<Change>,
}

/// A call that must be refused, and how.
struct Twin {
    what: &'static str,
    call: Call,
    ways: &'static [Way],
    refusal: Refusal,
}

/// The status, and what is in the error's type or text.
type Refusal = (StatusCode, &'static str);

/// How a request says which API it is for.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    /// By its whole URL, through the layer for all APIs.
    Absolute,
    /// By an [`ApiName`] and a path, through that same layer.
    Named,
    /// By its whole URL, through the API's own layer.
    OwnAbsolute,
    /// By its path, through the API's own layer.
    OwnRelative,
}

impl Way {
    const ALL: [Self; 4] = [
        Self::Absolute,
        Self::Named,
        Self::OwnAbsolute,
        Self::OwnRelative,
    ];
}

#[tokio::test]
async fn every_mode_is_accepted_and_its_twins_are_refused() {
    if servers::skipped("every mode, HTTP/1") {
        return;
    }
    every_mode(Http::One).await;
}

#[tokio::test]
async fn every_mode_holds_over_http_2() {
    if servers::skipped("every mode, HTTP/2") {
        return;
    }
    every_mode(Http::Two).await;
}

async fn every_mode(http: Http) {
    let world = World::new(http).await;
    let modes = modes::all(&world);
    for Mode { name, good, twins } in &modes {
        let accepted = accepted(&world, name, good).await;
        // Before a refusal makes it fetch another.
        let tokens = match *name {
            "OPENID_CONNECT" => {
                assert_eq!(world.fetched(), 1, "one token must do for all requests");
                ", 1 token fetched"
            }
            _ => "",
        };
        let refused = refused(&world, name, twins).await;
        assert!(accepted > 0 && refused > 0, "{name}");
        println!(
            "{name}: {accepted} accepted, {refused} twins refused{tokens} ({:?})",
            world.version
        );
        // What was refused has left nothing behind.
        self::accepted(&world, name, good).await;
    }
    unsent(&world).await;
}

/// Sends good calls in every way, all at once. Returns how many there were.
async fn accepted(world: &World, mode: &str, good: &[Call]) -> usize {
    let calls = good
        .iter()
        .flat_map(|call| Way::ALL.map(|way| (call, way)))
        .flat_map(|each| [each; REPEATS]);
    let sent = calls.map(|(call, way)| async move {
        let (status, answer) = call.send(world, way).await.expect("an answer");
        let ok = status == StatusCode::OK && answer.contains("ok");
        assert!(ok, "{mode}, {}, {way:?}: {status} {answer}", call.api);
    });
    join_all(sent).await.len()
}

/// Sends calls that must be refused, one after another. Returns how many there were.
async fn refused(world: &World, mode: &str, twins: &[Twin]) -> usize {
    let mut refused = 0;
    let mut otherwise = Vec::new();
    for Twin {
        what,
        call,
        ways,
        refusal,
    } in twins
    {
        for way in *ways {
            let (status, answer) = call.send(world, *way).await.expect("an answer");
            match status == refusal.0 && answer.contains(refusal.1) {
                true => refused += 1,
                false => {
                    otherwise.push(format!("{}, {what}, {way:?}: {status} {answer}", call.api))
                }
            }
        }
    }
    assert!(otherwise.is_empty(), "{mode}: {otherwise:#?}");
    refused
}

/// Calls that are known to be hopeless, and never leave.
async fn unsent(world: &World) {
    let no_key = world
        .call("lambda")
        .wishing(AuthOverride::new().mode(AuthorizationMode::ApiKey));
    let expired = world
        .call("jwt")
        .wishing(AuthOverride::new().token(world.expired.as_str().into()));
    for (call, kind) in [
        (no_key, AuthErrorKind::Configuration),
        (expired, AuthErrorKind::Expired),
    ] {
        let call = call.changed(|_| panic!("it was sent"));
        for way in Way::ALL {
            let error = call.send(world, way).await.expect_err("no request");
            let ours = AuthError::find(error.as_ref()).map(AuthError::kind);
            assert_eq!(ours, Some(kind), "{}, {way:?}: {error}", call.api);
        }
    }
}

impl Call {
    /// The status; the error's type, where there is one, and the body.
    async fn send(&self, world: &World, way: Way) -> Result<(StatusCode, String), BoxError> {
        let service = match way {
            Way::Absolute | Way::Named => self.caller.all.clone(),
            Way::OwnAbsolute | Way::OwnRelative => world.own_service(&self.caller, self.api),
        };
        let (head, body) = service.oneshot(self.request(way)).await?.into_parts();
        assert_eq!(head.version, world.version);
        let error = head.headers.get("x-amzn-errortype");
        let error = error.map_or("", |error| error.to_str().expect("ASCII"));
        let body = body.collect().await?.to_bytes();
        let answer = format!("{error} {}", String::from_utf8_lossy(&body));
        Ok((head.status, answer))
    }

    fn request(&self, way: Way) -> Request<Body> {
        let mut request = Request::new(Full::from(self.body));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uri(way);
        for (name, value) in &self.headers {
            let value = value.parse().expect("a value");
            request.headers_mut().insert(*name, value);
        }
        let extensions = request.extensions_mut();
        if let Some(name) = self.named.or((way == Way::Named).then_some(self.api)) {
            extensions.insert(ApiName::new(name));
        }
        if let Some(wishes) = self.wishes.clone() {
            extensions.insert(wishes);
        }
        if let Some(change) = self.change {
            extensions.insert(change);
        }
        request
    }

    fn uri(&self, way: Way) -> Uri {
        let endpoint = &self.caller.selector.config().apis[self.api].endpoint;
        let uri = match way {
            Way::Absolute | Way::OwnAbsolute => format!("{endpoint}{}", self.below),
            Way::Named | Way::OwnRelative if self.below.starts_with('/') => self.below.to_owned(),
            Way::Named | Way::OwnRelative => format!("/{}", self.below),
        };
        uri.parse().expect("a URI")
    }

    /// Through layers of another selector.
    fn by(mut self, caller: &Caller) -> Self {
        self.caller = caller.clone();
        self
    }

    fn wishing(mut self, wishes: AuthOverride) -> Self {
        self.wishes = Some(wishes);
        self
    }

    fn changed(mut self, change: fn(Request<world::AnyBody>) -> Request<world::AnyBody>) -> Self {
        self.change = Some(Change(change));
        self
    }
}
