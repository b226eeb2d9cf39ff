//! MiniStack with the pools of `cognito_setup.py`, and what the tests reach it over.

use std::convert::Infallible;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{Request, Response, StatusCode, Uri};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy;
use serde_json::Value;
use tower::util::BoxCloneService;
use tower::{Layer, ServiceBuilder, ServiceExt, service_fn};
use tower_client_auth::cognito::{CognitoError, IdentityPool, Session, SignIn, UserPool};
use tower_client_auth::oauth::Tokens;
use tower_client_auth::{
    AuthError, AuthErrorKind, BearerTokenLayer, BoxError, CloneBody, TokenSource, TokenStyle,
    Transport,
};

use crate::loopback::{self, AnyBody, Http, LoopbackClient};
use crate::ministack::MiniStack;
use crate::servers;

/// What is called once for both kinds of token.
pub(super) const REFRESH: &str = "GetTokensFromRefreshToken";

/// The MiniStack that all tests share, with pools in it.
pub(crate) struct Pools {
    pub(crate) stack: &'static MiniStack,
    known: Value,
}

impl Pools {
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<Pools> = OnceLock::new();
        SHARED.get_or_init(|| {
            let stack = MiniStack::shared();
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/servers");
            let output = Command::new(servers::python())
                .arg(folder.join("cognito_setup.py"))
                .arg(format!("http://127.0.0.1:{}", stack.server.port))
                .output()
                .expect("a Python");
            let errors = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "cognito_setup.py: {errors}");
            Self {
                stack,
                known: serde_json::from_slice(&output.stdout).expect("what the script prints"),
            }
        })
    }

    /// Something that the setup script made.
    pub(crate) fn text(&self, path: &str) -> &str {
        let found = self.find(path);
        found.unwrap_or_else(|| panic!("the setup script made no {path}"))
    }

    fn find(&self, path: &str) -> Option<&str> {
        self.known.pointer(path).and_then(Value::as_str)
    }

    pub(crate) fn password(&self, user: &str) -> &str {
        self.text(&format!("/users/{user}/password"))
    }

    /// What the user signs in with as well.
    pub(super) fn alias(&self, user: &str) -> &str {
        self.text(&format!("/users/{user}/alias"))
    }

    pub(crate) fn client_id(&self, app: &str) -> &str {
        self.text(&format!("/clients/{app}/id"))
    }

    /// The user pool as any app client sees it, without a secret.
    pub(super) fn bare(&self, client_id: &str, wire: &Wire) -> UserPool {
        let pool = UserPool::new(self.text("/user_pool/id"), client_id, wire.transport());
        pool.expect("a pool")
    }

    /// The user pool as one of the setup script's app clients sees it.
    pub(super) fn users(&self, app: &str, wire: &Wire) -> UserPool {
        let pool = self.bare(self.client_id(app), wire);
        match self.find(&format!("/clients/{app}/secret")) {
            Some(secret) => pool.client_secret(secret),
            None => pool,
        }
    }

    /// The identity pool that takes guests, and users by the app clients `plain` and `secret`.
    pub(super) fn identities(&self, wire: &Wire) -> IdentityPool {
        let pool = IdentityPool::new(self.text("/identity_pools/with_guests"), wire.transport());
        pool.expect("a pool")
    }

    /// A session of both pools, in which nobody has signed in.
    pub(super) fn session(&self, app: &str, wire: &Wire) -> Session {
        Session::new(self.users(app, wire)).identity_pool(self.identities(wire))
    }

    /// Signs a user in whom nothing is asked but the password.
    pub(super) async fn tokens(&self, app: &str, user: &str, wire: &Wire) -> Tokens {
        let pool = self.users(app, wire);
        let step = pool.sign_in(user, self.password(user)).await;
        step.and_then(SignIn::tokens).expect("tokens")
    }

    /// The same, into a session.
    pub(super) async fn sign_in(&self, session: &Session, user: &str) {
        let pool = session.user_pool().expect("a user pool");
        let step = pool.sign_in(user, self.password(user)).await;
        let tokens = step.and_then(SignIn::tokens).expect("tokens");
        session.sign_in(&tokens).await.expect("a session");
    }

    /// A request to the REST API that the setup script made.
    pub(super) fn get(&self, path: &str) -> Request<Full<Bytes>> {
        let request = Request::get(self.api(path)).body(Full::default());
        request.expect("a request")
    }

    pub(super) fn api(&self, path: &str) -> Uri {
        let host = format!("{}.execute-api.localhost", self.text("/rest_api/id"));
        self.stack.uri(&host, path)
    }

    /// Sends tokens to the REST API. MiniStack counts lives in whole seconds: tokens end up to one sooner than they
    /// say.
    pub(super) fn bearing<T>(&self, source: T) -> Api
    where
        T: TokenSource + Send + Sync + 'static,
        T::Future: Send + 'static,
    {
        let origin = self.api("").to_string();
        let layer = BearerTokenLayer::new(origin.trim_end_matches('/'), source).expect("a layer");
        let layer = layer.style(TokenStyle::Raw).retry_rejected(CloneBody);
        layer.layer(client::<Full<Bytes>>()).boxed_clone()
    }
}

/// A client below a layer.
pub(super) type Api = BoxCloneService<Request<Full<Bytes>>, Response<Incoming>, BoxError>;

/// What happens to a request between the layer and the client: an extension of it.
#[derive(Clone, Copy)]
pub(super) struct Change(pub(super) fn(Request<AnyBody>) -> Request<AnyBody>);

/// What the layers are on.
pub(super) fn client<B>() -> BoxCloneService<Request<B>, Response<Incoming>, BoxError>
where
    B: Body<Data = Bytes, Error = Infallible> + Send + Sync + 'static,
{
    ServiceBuilder::new()
        .map_request(|request: Request<B>| {
            let request = request.map(BodyExt::boxed);
            match request.extensions().get::<Change>().copied() {
                Some(Change(change)) => change(request),
                None => request,
            }
        })
        .map_err(|error: legacy::Error| BoxError::from(error))
        .service(loopback::client(Http::One, None))
        .boxed_clone()
}

/// The status, and what is in the answer.
pub(super) async fn send(
    api: &Api,
    request: Request<Full<Bytes>>,
) -> Result<(StatusCode, String), AuthError> {
    match api.clone().oneshot(request).await {
        Ok(response) => {
            let (head, body) = response.into_parts();
            let body = body.collect().await.expect("a body").to_bytes();
            Ok((head.status, String::from_utf8_lossy(&body).into_owned()))
        }
        Err(error) => Err(AuthError::find(error.as_ref()).expect("ours").clone()),
    }
}

/// What the pools are asked over. AWS's hosts are MiniStack here, and it is noted what they are asked.
#[derive(Clone, Default)]
pub(super) struct Wire {
    asked: Arc<Mutex<Vec<String>>>,
    /// An operation, and the refusal that it gets in MiniStack's place.
    refused: Option<(&'static str, &'static str)>,
}

impl Wire {
    pub(super) fn refusing(operation: &'static str, answer: &'static str) -> Self {
        Self {
            refused: Some((operation, answer)),
            ..Self::default()
        }
    }

    /// How often an operation was called.
    pub(super) fn calls(&self, operation: &str) -> usize {
        let asked = self.all();
        asked.iter().filter(|asked| *asked == operation).count()
    }

    /// Every call so far.
    pub(super) fn all(&self) -> Vec<String> {
        self.asked.lock().expect("no panic").clone()
    }

    pub(super) fn transport(&self) -> Transport {
        let (wire, client) = (self.clone(), loopback::client(Http::One, None));
        Transport::new(service_fn(move |request| {
            wire.clone().exchange(client.clone(), request)
        }))
    }

    async fn exchange(
        self,
        client: LoopbackClient,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Full<Bytes>>, BoxError> {
        let name = match request.headers().get("x-amz-target") {
            Some(target) => target.to_str()?,
            None => request.uri().path(),
        };
        let operation = name.rsplit('.').next().unwrap_or(name).to_owned();
        let refused = self.refused.filter(|(refused, _)| *refused == operation);
        self.asked.lock().expect("no panic").push(operation);
        if let Some((_, answer)) = refused {
            let response = Response::builder().status(StatusCode::BAD_REQUEST);
            return Ok(response.body(Full::from(answer))?);
        }
        let response = client.request(to_ministack(request)).await?;
        let (head, body) = response.into_parts();
        let body = body.collect().await?.to_bytes();
        Ok(Response::from_parts(head, Full::new(body)))
    }
}

/// Over plain http to this machine's port, which is where the client finds every host.
fn to_ministack(request: Request<Full<Bytes>>) -> Request<AnyBody> {
    let mut request = request.map(BodyExt::boxed);
    let host = request.uri().host().expect("a host").to_owned();
    let path = request.uri().path_and_query().expect("a path").to_string();
    *request.uri_mut() = MiniStack::shared().uri(&host, &path);
    request
}

/// What an error says: its kind, whether it may pass, and Cognito's own name for it.
pub(super) type Verdict<'a> = (AuthErrorKind, bool, &'a str);

pub(super) fn verdict(error: &AuthError) -> Verdict<'_> {
    let code = CognitoError::of(error).map_or("", CognitoError::code);
    (error.kind(), error.is_transient(), code)
}

/// Only the user can help.
pub(super) fn needs_user(code: &str) -> Verdict<'_> {
    (AuthErrorKind::SignInRequired, false, code)
}

/// The program, its configuration or the pool is wrong.
pub(super) fn stays(code: &str) -> Verdict<'_> {
    (AuthErrorKind::Source, false, code)
}

/// What a token says.
pub(super) fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).expect("a JSON Web Token");
    let json = URL_SAFE_NO_PAD.decode(payload).expect("base64");
    serde_json::from_slice(&json).expect("claims")
}

/// Other letters at the end, where a token has its signature.
pub(super) fn forged(token: &str) -> String {
    format!("{}AAAA", &token[..token.len() - 4])
}

/// A file of a test's own, which is not there yet.
pub(super) fn file(name: &str) -> PathBuf {
    let name = format!("cognito-{name}-{}.json", std::process::id());
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_file(&file);
    file
}
