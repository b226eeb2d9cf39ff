//! Promise 16: tenants are isolated. Each has a layer and a cache of its own; all of them share a
//! server, a runtime, and moments at which everything happens.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use http::{Request, Response, StatusCode, header};
use tokio::task::JoinSet;
use tokio::time::sleep;
use tower::{Layer, ServiceExt, service_fn};
use tower_client_auth::{
    AuthError, AuthErrorKind, BearerTokenLayer, Cached, CloneBody, Token, TokenSource,
};

use super::Random;
use crate::support::promise;

const ORIGIN: &str = "https://api.example.com";
const TENANTS: u64 = 1_000;
const REQUESTS: u64 = 100_000;

/// Requests that are under way within one minute, and wait for each other's end.
const AT_ONCE: u64 = 10_000;

/// A tenant as its issuer and the server know it.
#[derive(Default)]
struct Account {
    number: u64,
    issued: AtomicUsize,
    /// Tokens up to this one are not accepted any more.
    revoked: AtomicUsize,
}

/// Issues `token-<tenant>-<number>`, some of them for a few seconds, some of them late, some not.
struct Issuer(Arc<Account>);

impl TokenSource for Issuer {
    type Future = BoxFuture<'static, Result<Token, AuthError>>;

    fn token(&self) -> Self::Future {
        let number = self.0.issued.fetch_add(1, Ordering::SeqCst) + 1;
        let mut random = Random(self.0.number << 32 | number as u64);
        let text = format!("token-{}-{number}", self.0.number);
        async move {
            sleep(random.millis(800)).await;
            match random.below(8) {
                0 => Err(AuthError::transient("down")),
                1 | 2 => Ok(Token::from(text)),
                _ => Ok(Token::from(text).expires_in(Duration::from_secs(1 + random.below(20)))),
            }
        }
        .boxed()
    }
}

/// What the server counts.
#[derive(Default)]
struct Server {
    accounts: Vec<Arc<Account>>,
    asked: AtomicUsize,
    crossed: AtomicUsize,
    rejected: AtomicUsize,
}

impl Server {
    /// Answers a request to `/tenants/<tenant>`, and says to whom.
    fn answer(&self, request: &Request<String>, moody: bool) -> Response<String> {
        let tenant = request.uri().path().strip_prefix("/tenants/");
        let tenant: usize = tenant.expect("a path").parse().expect("a number");
        let values: Vec<_> = request
            .headers()
            .get_all(header::AUTHORIZATION)
            .iter()
            .collect();
        let [value] = values[..] else {
            panic!("one token was expected, not {}", values.len());
        };
        let token = value.to_str().expect("ASCII").strip_prefix("Bearer token-");
        let (owner, number) = token.expect("a token").split_once('-').expect("two parts");
        let (owner, number): (usize, usize) = (
            owner.parse().expect("a tenant"),
            number.parse().expect("a number"),
        );
        if owner != tenant || request.body() != &format!("of {tenant}") {
            self.crossed.fetch_add(1, Ordering::SeqCst);
        }
        let revoked = number <= self.accounts[tenant].revoked.load(Ordering::SeqCst);
        let status = if revoked || moody {
            self.rejected.fetch_add(1, Ordering::SeqCst);
            StatusCode::UNAUTHORIZED
        } else {
            StatusCode::OK
        };
        let answer = Response::builder().status(status);
        answer.body(format!("to {tenant}")).expect("a response")
    }
}

#[tokio::test(start_paused = true)]
async fn tenants_are_isolated() {
    let accounts: Vec<_> = (0..TENANTS)
        .map(|number| {
            Arc::new(Account {
                number,
                ..Account::default()
            })
        })
        .collect();
    let server = Arc::new(Server {
        accounts: accounts.clone(),
        ..Server::default()
    });
    let tenants: Vec<_> = accounts
        .iter()
        .map(|account| {
            let cache = Cached::new(Issuer(Arc::clone(account)));
            let layer = BearerTokenLayer::new(ORIGIN, cache.clone()).expect("a layer");
            let server = Arc::clone(&server);
            let below = service_fn(move |request: Request<String>| {
                let server = Arc::clone(&server);
                let mut random = Random(server.asked.fetch_add(1, Ordering::SeqCst) as u64);
                async move {
                    sleep(random.millis(300)).await;
                    Ok::<_, Infallible>(server.answer(&request, random.one_in(20)))
                }
            });
            (cache, layer.retry_rejected(CloneBody).layer(below))
        })
        .collect();

    let mut random = Random(16);
    let (mut ok, mut unauthorized, mut outages) = (0, 0, 0);
    for _ in 0..REQUESTS / AT_ONCE {
        let mut requests = JoinSet::new();
        for _ in 0..AT_ONCE {
            // A tenth of the tenants is busy.
            let bound = if random.one_in(2) {
                TENANTS / 10
            } else {
                TENANTS
            };
            let tenant = random.below(bound) as usize;
            let (cache, service) = tenants[tenant].clone();
            let arrival = random.millis(60_000);
            let account = Arc::clone(&accounts[tenant]);
            // Now and then the tokens of a tenant are rotated, and the cache may be told.
            let (rotated, told) = (random.one_in(10), random.one_in(3));
            requests.spawn(async move {
                sleep(arrival).await;
                if rotated {
                    let issued = account.issued.load(Ordering::SeqCst);
                    account.revoked.store(issued, Ordering::SeqCst);
                    if told {
                        cache.invalidate();
                    }
                }
                let request = Request::post(format!("{ORIGIN}/tenants/{tenant}"));
                let request = request.body(format!("of {tenant}")).expect("a request");
                (tenant, service.oneshot(request).await)
            });
        }
        while let Some(done) = requests.join_next().await {
            match done.expect("no panic") {
                (tenant, Ok(response)) => {
                    assert_eq!(response.body(), &format!("to {tenant}"));
                    match response.status() {
                        StatusCode::OK => ok += 1,
                        _ => unauthorized += 1,
                    }
                }
                (_, Err(error)) => {
                    let error = AuthError::find(&*error).expect("the cache's error");
                    assert_eq!(error.kind(), AuthErrorKind::Source, "{error}");
                    outages += 1;
                }
            }
        }
    }
    let count = |counter: &AtomicUsize| counter.load(Ordering::SeqCst);
    let issued: usize = accounts.iter().map(|account| count(&account.issued)).sum();
    promise(
        16,
        format!(
            "{TENANTS} tenants, {REQUESTS} requests ({ok} accepted, {unauthorized} rejected for \
             good, {outages} outages), {issued} loads, {} rejections: {} crossed",
            count(&server.rejected),
            count(&server.crossed),
        ),
    );
    assert_eq!(count(&server.crossed), 0);
    assert_eq!(ok + unauthorized + outages, REQUESTS);
    assert!(ok > REQUESTS * 3 / 4, "most get through: {ok}");
}
