//! What is said when a setting is refused or a request fails.

use tower::util::BoxCloneSyncService;
use tower_client_auth::{AuthError, AuthErrorKind};

use super::*;

pub(super) type Client = BoxCloneSyncService<Request<Body>, Response<Full<Bytes>>, BoxError>;

/// Writes failures down, and that they were some.
#[derive(Default)]
pub(super) struct Failures {
    pub(super) output: Output,
    pub(super) count: usize,
}

impl Failures {
    #[track_caller]
    pub(super) fn add<T>(&mut self, outcome: Result<T, impl Into<BoxError>>) -> BoxError {
        let Err(error) = outcome.map(drop) else {
            panic!("this should have failed");
        };
        let error = error.into();
        self.output.error(error.as_ref());
        self.count += 1;
        error
    }

    #[track_caller]
    pub(super) fn of_kind<T>(
        &mut self,
        kind: AuthErrorKind,
        outcome: Result<T, impl Into<BoxError>>,
    ) {
        let error = self.add(outcome);
        let found = AuthError::find(error.as_ref()).expect("an error of this crate");
        assert_eq!(found.kind(), kind, "{error}");
    }
}

/// A client whose transport fails.
#[derive(Clone)]
struct Broken;

impl<B> Service<Request<B>> for Broken {
    type Response = Response<Full<Bytes>>;
    type Error = std::io::Error;
    type Future = std::future::Ready<Result<Self::Response, std::io::Error>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), std::io::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _request: Request<B>) -> Self::Future {
        std::future::ready(Err(std::io::ErrorKind::ConnectionReset.into()))
    }
}

pub(super) fn client<L, S, E>(layer: L, inner: S) -> Client
where
    L: Layer<S>,
    L::Service: Service<Request<Body>, Response = Response<Full<Bytes>>, Error = E>,
    L::Service: Clone + Send + Sync + 'static,
    <L::Service as Service<Request<Body>>>::Future: Send,
    E: Into<BoxError> + 'static,
{
    BoxCloneSyncService::new(layer.layer(inner).map_err(Into::into))
}

pub(super) fn clock() -> Clock {
    Clock::from_fn(|| at(NOW))
}

pub(super) fn bearer<T: TokenSource>(source: T) -> BearerTokenLayer<T> {
    BearerTokenLayer::new(ORIGIN, source)
        .expect("a layer")
        .clock(clock())
}

pub(super) fn sigv4() -> SigV4Layer<SigningCredentials> {
    let layer = SigV4Layer::new("eu-west-1", "execute-api", credentials()).expect("a layer");
    layer.scope(ORIGIN).expect("an origin").clock(clock())
}

fn api_key() -> ApiKeyLayer {
    ApiKeyLayer::new(ORIGIN, API_KEY).expect("a layer")
}

/// One client per scheme, and the header or query its credential goes to.
fn schemes(existing: Existing, recorder: &Recorder) -> [(Client, &'static str); 4] {
    let query = api_key().query("key").expect("a name");
    let token = Token::from(jwt(NOW + 3600));
    [
        (
            client(bearer(token).existing(existing), recorder.clone()),
            "authorization",
        ),
        (
            client(api_key().existing(existing), recorder.clone()),
            "x-api-key",
        ),
        (client(query.existing(existing), recorder.clone()), "?"),
        (
            client(sigv4().existing(existing), recorder.clone()),
            "authorization",
        ),
    ]
}

#[test]
fn no_refused_setting_is_repeated() {
    let mut failures = Failures::default();
    let _tracing = failures.output.trace();

    let spoiled = |secret: &str| {
        ["\n", "\0", "\u{7f}", "ü", " "]
            .map(|end| format!("{secret}{end}"))
            .into_iter()
    };
    use AuthErrorKind::{Configuration, MalformedCredential, PlainText};
    for token in spoiled(TOKEN).chain([String::new(), format!("\r\n{TOKEN}")]) {
        failures.of_kind(MalformedCredential, Token::new(token));
    }
    for key in spoiled(API_KEY).chain([String::new(), format!(" {API_KEY}")]) {
        failures.of_kind(MalformedCredential, ApiKeyLayer::new(ORIGIN, key));
    }
    for secret in spoiled(SECRET_KEY)
        .filter(|s| !s.contains('ü'))
        .chain([String::new()])
    {
        let credentials = Credentials::new("AKID", secret, Some(SESSION.into()), None, "test");
        failures.of_kind(
            MalformedCredential,
            SigningCredentials::new(credentials.clone()),
        );
        failures.of_kind(
            MalformedCredential,
            AuthOverride::new().credentials(credentials),
        );
    }
    for session in spoiled(SESSION) {
        let credentials = Credentials::new("AKID", SECRET_KEY, Some(session), None, "test");
        failures.of_kind(MalformedCredential, SigV4Layer::new("r", "s", credentials));
    }
    for id in ["", "two words", "AKID\n", "AKID/20260101"] {
        let credentials = Credentials::new(id, SECRET_KEY, Some(SESSION.into()), None, "test");
        failures.of_kind(MalformedCredential, SigningCredentials::new(credentials));
    }

    let urls = [
        format!("https://user:{PASSWORD}@api.example.com"),
        format!("https://{PASSWORD}@api.example.com"),
        format!("https://api.example.com/{PASSWORD}"),
        format!("https://api.example.com?key={PASSWORD}"),
        format!("ftp://user:{PASSWORD}@api.example.com"),
        format!("https://user:{PASSWORD}@"),
        format!("user:{PASSWORD}@api.example.com:99999"),
        format!("https://api.example.com:{PASSWORD}"),
        format!("https://api.example.com\n{PASSWORD}"),
    ];
    for url in &urls {
        failures.of_kind(Configuration, Scope::origin(url));
        failures.of_kind(Configuration, api_key().default_origin(url));
        failures.of_kind(Configuration, sigv4().scope(url.as_str()));
    }
    failures.of_kind(
        PlainText,
        ApiKeyLayer::new("http://api.example.com", API_KEY),
    );
    failures.of_kind(PlainText, sigv4().scope("http://api.example.com"));
    failures.of_kind(
        PlainText,
        bearer(Token::from(TOKEN)).default_origin("http://api.example.com"),
    );
    failures.of_kind(
        Configuration,
        api_key().default_origin("https://elsewhere.example"),
    );

    // What belongs elsewhere gets pasted into the wrong place.
    failures.of_kind(Configuration, SigningScope::new(SECRET_KEY, "s3"));
    failures.of_kind(Configuration, SigningScope::new("eu-west-1", SECRET_KEY));
    failures.of_kind(Configuration, PayloadHash::from_hex(BARE));
    failures.of_kind(Configuration, api_key().query(""));
    for name in [http::header::HOST, http::header::CONTENT_LENGTH] {
        failures.of_kind(Configuration, api_key().header_name(name.clone()));
        failures.of_kind(Configuration, bearer(Token::from(TOKEN)).header_name(name));
    }
    failures.add(HeaderName::try_from(format!("{BARE}\n")));

    let Failures { output, count } = failures;
    assert!(count >= 50, "{count}");
    assert_eq!(detector().hits(&output.text()), []);
    promise(25, format!("{count} refused settings, 0 hits"));
}

#[tokio::test]
async fn no_failed_request_says_a_secret() {
    let mut failures = Failures::default();
    let _tracing = failures.output.trace();
    let recorder = Recorder::new();
    use AuthErrorKind::{PlainText, Request as Malformed};

    let with = |uri: &str, header: &str, value: &'static str| {
        let mut request = request(uri);
        if header != "?" {
            let name = HeaderName::try_from(header).expect("a name");
            request
                .headers_mut()
                .append(name, HeaderValue::from_static(value));
        }
        request
    };
    let good = "https://api.example.com/";
    for (client, place) in schemes(Existing::Reject, &recorder) {
        let mut two_hosts = with(good, "host", "api.example.com");
        two_hosts
            .headers_mut()
            .append("host", HeaderValue::from_static(CALLER_KEY));
        let taken = if place == "?" {
            format!("{good}?key={PASSWORD}")
        } else {
            good.into()
        };
        for (kind, request) in [
            (PlainText, request("http://api.example.com/")),
            (
                PlainText,
                request(&format!("http://u:{PASSWORD}@api.example.com/")),
            ),
            (Malformed, request(&format!("/{PASSWORD}"))),
            (
                Malformed,
                request(&format!("https://u:{PASSWORD}@api.example.com:99999/")),
            ),
            (
                Malformed,
                request(&format!("ftp://u:{PASSWORD}@api.example.com/")),
            ),
            (Malformed, with(good, "host", CALLER_KEY)),
            (Malformed, two_hosts),
            (Malformed, with(&taken, place, CALLER_TOKEN)),
        ] {
            failures.of_kind(kind, client.clone().oneshot(request).await);
        }
    }

    let query = api_key().query("key").expect("a name");
    let long = format!("{good}{}", "x".repeat(65_500));
    failures.of_kind(
        Malformed,
        client(query.clone(), recorder.clone())
            .oneshot(request(&long))
            .await,
    );
    for broken in [
        client(bearer(Token::from(TOKEN)), Broken),
        client(api_key(), Broken),
        client(query, Broken),
        client(sigv4(), Broken),
    ] {
        failures.add(broken.oneshot(request(good)).await);
    }
    assert!(recorder.seen().is_empty(), "nothing was sent");

    let Failures { output, count } = failures;
    assert_eq!(detector().hits(&output.text()), []);
    promise(25, format!("{count} failed requests, 0 hits"));
}
