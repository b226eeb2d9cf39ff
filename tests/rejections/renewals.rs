//! Promise 17: a rejection is answered by one refresh and one resend at most.

use aws_credential_types::provider::{ProvideCredentials, future};
use futures::future::join_all;
use tokio::time::{Instant, sleep_until};
use tower::Layer;
use tower_client_auth::{
    AuthOverride, BearerTokenLayer, Buffer, Cached, CloneBody, SigV4Layer, Token, TokenSource,
};

use super::*;
use crate::support::promise;

/// Ten requests a second, for a thousand seconds.
const REQUESTS: u32 = 10_000;
const PAUSE: Duration = Duration::from_millis(100);

/// How long the issuer takes.
const FETCH: Duration = Duration::from_millis(50);

/// Hands out `token-1`, `token-2` and so on, and counts them.
fn issuer(fetches: &Arc<AtomicUsize>) -> impl TokenSource<Future: Send> + Send + Sync + use<> {
    let fetches = Arc::clone(fetches);
    move || {
        let number = fetches.fetch_add(1, Ordering::SeqCst) + 1;
        async move {
            sleep(FETCH).await;
            Ok::<_, BoxError>(format!("token-{number}"))
        }
    }
}

/// The same for AWS credentials.
#[derive(Debug)]
struct Provider {
    fetches: Arc<AtomicUsize>,
}

impl ProvideCredentials for Provider {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        let number = self.fetches.fetch_add(1, Ordering::SeqCst) + 1;
        future::ProvideCredentials::new(async move {
            sleep(FETCH).await;
            Ok(keys(number))
        })
    }
}

fn bearer(fetches: &Arc<AtomicUsize>) -> BearerTokenLayer<impl TokenSource + use<>, CloneBody> {
    let layer = BearerTokenLayer::new(ORIGIN, Cached::new(issuer(fetches)));
    layer.expect("a layer").retry_rejected(CloneBody)
}

fn sigv4(fetches: &Arc<AtomicUsize>) -> SigV4Layer<Cached<Provider, SigningCredentials>> {
    let fetches = Arc::clone(fetches);
    let layer = SigV4Layer::from_provider(REGION, SERVICE, Provider { fetches });
    let layer = layer.expect("a layer").scope(ORIGIN).expect("an origin");
    layer.retry_rejected(Buffer::default())
}

/// How often each request was sent.
type Tally = Arc<[AtomicUsize]>;

/// A server that always answers the same. It takes its time: others come before an answer is there.
fn refuses(refusal: Response<Full<Bytes>>) -> (Server, Tally) {
    let tally: Tally = (0..REQUESTS).map(|_| AtomicUsize::default()).collect();
    let sends = Arc::clone(&tally);
    let server = Server::new(move |head| {
        let number = head.headers["x-number"].to_str().expect("ASCII");
        let number: usize = number.parse().expect("a number");
        sends[number].fetch_add(1, Ordering::SeqCst);
        refusal.clone()
    });
    let server = server.taking(PAUSE, PAUSE + FETCH);
    (server, tally)
}

/// Sends all requests, each in its turn, whether or not those before it have been answered.
async fn storm<S, R>(service: &S, status: u16)
where
    S: Service<Request<Full<Bytes>>, Response = Response<R>, Error = BoxError> + Clone,
    R: Body,
    R::Error: Debug,
{
    let start = Instant::now();
    let requests = (0..REQUESTS).map(|number| async move {
        sleep_until(start + PAUSE * number).await;
        let mut request = post(URL);
        let number = HeaderValue::from(number);
        request.headers_mut().insert("x-number", number);
        let answer = send(service, request).await;
        assert_eq!(answer.status(), status);
        assert_eq!(answer.body(), "no");
    });
    join_all(requests).await;
}

/// How many fetches there may be in that time, by the documentation of the cache: one, another when what
/// it brought is rejected, and one each time that a hold is over, of 1 s, then 2, and so on up to 60.
fn most_fetches(span: Duration) -> usize {
    let (mut fetches, mut over, mut hold) = (2, 1, 1);
    while over <= span.as_secs() {
        fetches += 1;
        hold = (hold * 2).min(60);
        over += hold;
    }
    fetches
}

fn report(what: &str, tally: &Tally, fetches: usize) {
    let sends = tally.iter().map(|sends| sends.load(Ordering::SeqCst));
    let (most, total) = (sends.clone().max().expect("some"), sends.sum::<usize>());
    let span = PAUSE * REQUESTS;
    let allowed = most_fetches(span);
    // Something was renewed at all.
    assert!((10..=allowed).contains(&fetches), "{what}: {fetches}");
    assert_eq!(most, 2, "{what}");
    promise(
        17,
        format_args!(
            "{REQUESTS} requests in {} s, {what}: sent {most} times at most, {total} times in all; \
             {fetches} fetches, of {allowed} that the back-off allows",
            span.as_secs()
        ),
    );
}

#[tokio::test(start_paused = true)]
async fn a_server_that_rejects_every_token_is_asked_twice_and_the_issuer_left_alone() {
    let fetches = Arc::default();
    let (server, tally) = refuses(answer(401, &[], "no"));
    storm(&bearer(&fetches).layer(server), 401).await;
    report(
        "every token rejected",
        &tally,
        fetches.load(Ordering::SeqCst),
    );
}

#[tokio::test(start_paused = true)]
async fn a_server_that_finds_all_credentials_expired_is_asked_twice_and_the_provider_left_alone() {
    let fetches = Arc::default();
    let expired = [(ERROR_TYPE, "ExpiredTokenException")];
    let (server, tally) = refuses(answer(403, &expired, "no"));
    storm(&sigv4(&fetches).layer(server), 403).await;
    report(
        "all credentials expired",
        &tally,
        fetches.load(Ordering::SeqCst),
    );
}

/// Refuses what carries the first credential, and nothing else.
fn refuses_first(refusal: Response<Full<Bytes>>) -> Server {
    Server::new(move |head| {
        let authorization = head.headers["authorization"].to_str().expect("ASCII");
        match authorization.ends_with("token-1") || authorization.contains("AKID1/") {
            true => refusal.clone(),
            false => answer(200, &[], ""),
        }
    })
}

#[tokio::test(start_paused = true)]
async fn a_request_whose_token_was_replaced_meanwhile_is_sent_again_without_a_fetch() {
    const CROWD: usize = 50;
    let fetches = Arc::default();
    // All of them are sent with the first token before the first of them is answered.
    let server = refuses_first(answer(401, &[], "")).taking(Duration::ZERO, PAUSE * 100);
    let service = bearer(&fetches).layer(server.clone());
    let service = &service;
    let crowd = (0..CROWD).map(|number| async move {
        sleep(PAUSE * number as u32).await;
        assert_eq!(send(service, post(URL)).await.status(), 200);
    });
    join_all(crowd).await;
    assert_eq!(server.sends(), 2 * CROWD);
    assert_eq!(fetches.load(Ordering::SeqCst), 2);
}

/// How a request ends that is refused as long as it carries the first credential, and how often it is
/// sent.
async fn outcome<L>(layer: L, refusal: Response<Full<Bytes>>) -> (u16, usize)
where
    L: Layer<Server>,
    L::Service: Service<Request<Full<Bytes>>, Response = Response<Full<Bytes>>, Error = BoxError>,
    L::Service: Clone,
{
    let server = refuses_first(refusal);
    let answer = send(&layer.layer(server.clone()), post(URL)).await;
    (answer.status().as_u16(), server.sends())
}

#[tokio::test(start_paused = true)]
async fn a_token_is_renewed_only_where_another_one_may_do() {
    const INVALID: &str = "Bearer realm=\"orders\", error=\"invalid_token\"";
    const SCOPE: &str = "Bearer error=\"insufficient_scope\", scope=\"orders:write\"";
    const REQUEST: &str = "Bearer error=\"invalid_request\"";
    const BASIC: &str = "Basic realm=\"orders\"";
    let [beside_invalid, beside_scope] = [INVALID, SCOPE].map(|other| format!("{BASIC}, {other}"));
    for (status, challenges, renews) in [
        (401, &[][..], true),
        (401, &["Bearer"], true),
        (401, &["Bearer realm=\"orders\""], true),
        (401, &[INVALID], true),
        (401, &["bearer ERROR=invalid_token"], true),
        (401, &[BASIC], true),
        (401, &[BASIC, INVALID], true),
        (401, &[&beside_invalid], true),
        // One of them may do.
        (401, &[SCOPE, INVALID], true),
        (401, &[SCOPE], false),
        (401, &["bearer ERROR=insufficient_scope"], false),
        (401, &[REQUEST], false),
        (401, &[SCOPE, REQUEST], false),
        (401, &[BASIC, SCOPE], false),
        (401, &[SCOPE, BASIC], false),
        (401, &[&beside_scope], false),
        (403, &[], false),
        (403, &[SCOPE], false),
        (403, &[INVALID], false),
        (400, &[REQUEST], false),
        (407, &[], false),
        (500, &[INVALID], false),
    ] {
        let headers = challenges.iter().map(|value| ("www-authenticate", *value));
        let refusal = answer(status, &headers.collect::<Vec<_>>(), "");
        let fetches = Arc::default();
        let ended = outcome(bearer(&fetches), refusal).await;
        let expected = match renews {
            true => ((200, 2), 2),
            false => ((status, 1), 1),
        };
        let fetches = fetches.load(Ordering::SeqCst);
        assert_eq!((ended, fetches), expected, "{status} {challenges:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn credentials_are_renewed_only_where_others_may_do() {
    for (status, code, renews) in [
        (403, "ExpiredTokenException", true),
        (400, "ExpiredToken", true),
        (400, "com.amazonaws.dynamodb#ExpiredTokenException", true),
        (403, "UnrecognizedClientException:http://internal/", true),
        (403, "InvalidClientTokenId", true),
        (401, "TokenRefreshRequired", true),
        // By services that say the same of credentials and of clocks.
        (400, "RequestExpired", true),
        (403, "AccessDeniedException", false),
        (403, "InvalidSignatureException", false),
        (403, "SignatureDoesNotMatch", false),
        (403, "IncompleteSignatureException", false),
        (403, "MissingAuthenticationTokenException", false),
        (403, "ForbiddenException", false),
        (401, "UnauthorizedException", false),
        (400, "ThrottlingException", false),
        (403, "", false),
        (404, "ExpiredTokenException", false),
        (500, "ExpiredTokenException", false),
    ] {
        let fetches = Arc::default();
        let ended = outcome(sigv4(&fetches), typed(status, code)).await;
        let expected = match renews {
            true => ((200, 2), 2),
            false => ((status, 1), 1),
        };
        let fetches = fetches.load(Ordering::SeqCst);
        assert_eq!((ended, fetches), expected, "{status} {code}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_caller_brought_is_the_callers_to_renew() {
    const TIMES: usize = 100;
    let fetches = Arc::default();
    let own = AuthOverride::new().token(Token::from("own"));
    let own = own.credentials(keys(7)).expect("good credentials");
    let rejects = Server::new(|_| answer(401, &[], ""));
    let expired = Server::new(|_| typed(403, "ExpiredTokenException"));
    let tokens = bearer(&fetches).layer(rejects.clone());
    let signatures = sigv4(&fetches).layer(expired.clone());
    for _ in 0..TIMES {
        let mut request = post(URL);
        request.extensions_mut().insert(own.clone());
        assert_eq!(send(&tokens, request.clone()).await.status(), 401);
        assert_eq!(send(&signatures, request).await.status(), 403);
    }
    assert_eq!((rejects.sends(), expired.sends()), (TIMES, TIMES));
    assert_eq!(fetches.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn the_same_text_once_more_is_no_other_credential() {
    let server = Server::new(|_| answer(401, &[], ""));
    let same = || async { Ok::<_, BoxError>("the-same") };
    let layer = BearerTokenLayer::new(ORIGIN, same).expect("a layer");
    let layer = layer.retry_rejected(CloneBody).layer(server.clone());
    assert_eq!(send(&layer, post(URL)).await.status(), 401);
    assert_eq!(server.sends(), 1);

    /// Made anew for every request, of the same text.
    struct Same;
    impl CredentialsSource for Same {
        type Future = Ready<Result<SigningCredentials, AuthError>>;

        fn credentials(&self) -> Self::Future {
            ready(SigningCredentials::new(keys(1)))
        }
    }
    let server = Server::new(|_| typed(403, "ExpiredTokenException"));
    let layer = SigV4Layer::new(REGION, SERVICE, Same).expect("a layer");
    let layer = layer.scope(ORIGIN).expect("an origin");
    let layer = layer
        .retry_rejected(Buffer::default())
        .layer(server.clone());
    assert_eq!(send(&layer, post(URL)).await.status(), 403);
    assert_eq!(server.sends(), 1);
}
