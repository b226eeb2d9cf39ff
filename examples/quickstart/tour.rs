//! Every layer against the stand-in, the way it should be and several ways it should not.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_credential_types::Credentials;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, Uri, header, request};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tower::{Service, ServiceBuilder, ServiceExt};
use tower_client_auth::sigv4::SigningCredentials;
use tower_client_auth::{
    ApiKeyLayer, AuthError, BearerTokenLayer, BoxError, Cached, Clock, CloneBody, SigV4Layer, Token,
};

use crate::gateway::{
    self, ACCESS_KEY_ID, API_KEY, OTHER_API_KEY, REGION, SECRET_ACCESS_KEY, SERVICE, TOKEN,
};
use crate::table::Table;
use crate::tamper::{Change, Tamper};

/// Runs it all; `true` if every answer was as expected.
pub(crate) async fn run() -> Result<bool, BoxError> {
    let origin = gateway::start().await?;
    println!("A stand-in for API Gateway listens on {origin}.\n");

    let mut table = Table::default();
    authorized(&mut table, &origin).await?;
    changed_on_the_way(&mut table, &origin).await?;
    wrong_credentials(&mut table, &origin).await?;
    no_credentials(&mut table, &origin).await?;
    kept_at_home(&mut table, &origin).await?;
    let good = table.print();
    if good {
        println!(
            "\nNext, an API of yours:\n  cargo run --example quickstart -- \
             --endpoint https://… --region … --service execute-api"
        );
    }
    Ok(good)
}

async fn authorized(table: &mut Table, origin: &str) -> Result<(), BoxError> {
    table.group("Authorized by a layer");

    let api = ServiceBuilder::new()
        .layer(signing(origin)?)
        .service(client());
    let answer = call(api.clone(), list_orders(origin)?).await;
    table.row("GET with a query", "SigV4", answer, "200 OK");
    let answer = call(api, place_order(origin)?).await;
    table.row("POST with a JSON body", "SigV4", answer, "200 OK");

    let api = ServiceBuilder::new()
        .layer(ApiKeyLayer::new(origin, API_KEY)?)
        .service(client());
    let answer = call(api, get(origin, "/key/orders")?).await;
    table.row("a key in a header", "ApiKey", answer, "200 OK");

    // Outside the signing layer, so that the key is part of what is signed.
    let api = ServiceBuilder::new()
        .layer(ApiKeyLayer::new(origin, API_KEY)?)
        .layer(signing(origin)?)
        .service(client());
    let answer = call(api, get(origin, "/both/orders")?).await;
    table.row(
        "a key, and a signature over it",
        "ApiKey + SigV4",
        answer,
        "200 OK",
    );

    static FETCHED: AtomicUsize = AtomicUsize::new(0);
    // In a real program the closure asks an issuer, over a client of its own.
    let tokens = Cached::new(|| async {
        FETCHED.fetch_add(1, Ordering::Relaxed);
        Ok(Token::new(TOKEN)?.expires_in(Duration::from_secs(3600)))
    });
    let api = ServiceBuilder::new()
        .layer(BearerTokenLayer::new(origin, tokens)?)
        .service(client());
    let mut ok = 0;
    for _ in 0..3 {
        let answer = call(api.clone(), get(origin, "/token/orders")?).await;
        ok += usize::from(answer == "200 OK");
    }
    let fetched = FETCHED.load(Ordering::Relaxed);
    table.row(
        "one token for three requests",
        "BearerToken",
        format!("{ok} times 200 OK, {fetched} token fetched"),
        "3 times 200 OK, 1 token fetched",
    );

    static REFETCHED: AtomicUsize = AtomicUsize::new(0);
    let tokens = Cached::new(|| async {
        let revoked = REFETCHED.fetch_add(1, Ordering::Relaxed) == 0;
        Ok(if revoked { "a-revoked-token" } else { TOKEN })
    });
    let api = ServiceBuilder::new()
        .layer(BearerTokenLayer::new(origin, tokens)?.retry_rejected(CloneBody))
        .service(client());
    let answer = call(api, get(origin, "/token/orders")?).await;
    let fetched = REFETCHED.load(Ordering::Relaxed);
    table.row(
        "a revoked token, then a new one",
        "BearerToken",
        format!("{answer}, {fetched} tokens fetched"),
        "200 OK, 2 tokens fetched",
    );
    Ok(())
}

async fn changed_on_the_way(table: &mut Table, origin: &str) -> Result<(), BoxError> {
    const REFUSED: &str = "403 The request signature we calculated does not match";
    table.group("Signed, then changed on the way");

    let changes: [(&str, Change, &str); 6] = [
        (
            "another path",
            |head, _| redirect(head, "/iam/invoices?dry-run=true"),
            REFUSED,
        ),
        (
            "another query",
            |head, _| redirect(head, "/iam/orders?dry-run=false"),
            REFUSED,
        ),
        (
            "another header value",
            |head, _| {
                let other = HeaderValue::from_static("green");
                head.headers.insert("x-tenant", other);
            },
            REFUSED,
        ),
        (
            "another body",
            |_, body| *body = Bytes::from_static(br#"{"item":"pear","amount":99}"#),
            REFUSED,
        ),
        (
            "another method",
            |head, _| head.method = Method::PUT,
            REFUSED,
        ),
        (
            // Proxies change this one for good reasons.
            "a User-Agent, which is not signed",
            |head, _| {
                let other = HeaderValue::from_static("a-proxy/1.0");
                head.headers.insert(header::USER_AGENT, other);
            },
            "200 OK",
        ),
    ];
    for (what, change, expected) in changes {
        let api = ServiceBuilder::new()
            .layer(signing(origin)?)
            .service(Tamper::new(client(), change));
        let answer = call(api, place_order(origin)?).await;
        table.row(what, "SigV4", answer, expected);
    }

    let swap: Change = |head, _| {
        let other = HeaderValue::from_static(OTHER_API_KEY);
        head.headers.insert("x-api-key", other);
    };
    let api = ServiceBuilder::new()
        .layer(ApiKeyLayer::new(origin, API_KEY)?)
        .layer(signing(origin)?)
        .service(Tamper::new(client(), swap));
    let answer = call(api, get(origin, "/both/orders")?).await;
    table.row("somebody else's API key", "ApiKey + SigV4", answer, REFUSED);
    Ok(())
}

async fn wrong_credentials(table: &mut Table, origin: &str) -> Result<(), BoxError> {
    table.group("With the wrong credentials");

    let credentials = |id, secret| Credentials::new(id, secret, None, None, "quickstart");
    let now = Clock::system();
    let slow = Clock::from_fn(move || now.now() - Duration::from_secs(6 * 60));
    let layers = [
        (
            "the wrong secret access key",
            SigV4Layer::new(REGION, SERVICE, credentials(ACCESS_KEY_ID, "a guess"))?,
            "403 The request signature we calculated does not match",
        ),
        (
            "an access key id nobody knows",
            SigV4Layer::new(
                REGION,
                SERVICE,
                credentials("AKIDSTRANGER", SECRET_ACCESS_KEY),
            )?,
            "403 The security token included in the request is invalid",
        ),
        (
            "another region",
            SigV4Layer::new(
                "us-east-1",
                SERVICE,
                credentials(ACCESS_KEY_ID, SECRET_ACCESS_KEY),
            )?,
            "403 Credential should be scoped to a valid region",
        ),
        (
            "a clock six minutes slow",
            signing(origin)?.clock(slow),
            "403 Signature expired",
        ),
    ];
    for (what, layer, expected) in layers {
        let api = ServiceBuilder::new().layer(layer).service(client());
        let answer = call(api, list_orders(origin)?).await;
        table.row(what, "SigV4", answer, expected);
    }

    let api = ServiceBuilder::new()
        .layer(ApiKeyLayer::new(origin, "da2-anotherKey")?)
        .service(client());
    let answer = call(api, get(origin, "/key/orders")?).await;
    table.row("the wrong key", "ApiKey", answer, "403 Forbidden");

    let api = ServiceBuilder::new()
        .layer(BearerTokenLayer::new(origin, Token::new("another-token")?)?)
        .service(client());
    let answer = call(api, get(origin, "/token/orders")?).await;
    table.row("the wrong token", "BearerToken", answer, "401 Unauthorized");
    Ok(())
}

async fn no_credentials(table: &mut Table, origin: &str) -> Result<(), BoxError> {
    table.group("With no credentials at all");

    for (what, path, expected) in [
        (
            "where a signature is due",
            "/iam/orders",
            "403 Missing Authentication Token",
        ),
        ("where a key is due", "/key/orders", "403 Forbidden"),
        ("where a token is due", "/token/orders", "401 Unauthorized"),
    ] {
        let answer = call(client(), get(origin, path)?).await;
        table.row(what, "none", answer, expected);
    }
    Ok(())
}

async fn kept_at_home(table: &mut Table, origin: &str) -> Result<(), BoxError> {
    table.group("Credentials that stay at home");

    // Would take the same key, and never sees it: the layer was told of the first origin only.
    let stranger = gateway::start().await?;
    let api = ServiceBuilder::new()
        .layer(ApiKeyLayer::new(origin, API_KEY)?)
        .service(client());
    let answer = call(api, get(&stranger, "/key/orders")?).await;
    table.row("sent to another origin", "ApiKey", answer, "403 Forbidden");

    let api = ServiceBuilder::new()
        .layer(ApiKeyLayer::new("https://api.invalid", API_KEY)?)
        .service(client());
    let answer = call(api, get("http://api.invalid", "/key/orders")?).await;
    table.row(
        "an https API called over http",
        "ApiKey",
        answer,
        "not sent: the request goes over plain http",
    );
    Ok(())
}

/// The layer for this API. Loopback is in scope by default; it is named to keep the credentials from
/// every other AWS host.
fn signing(origin: &str) -> Result<SigV4Layer<SigningCredentials>, AuthError> {
    let credentials = Credentials::new(ACCESS_KEY_ID, SECRET_ACCESS_KEY, None, None, "quickstart");
    SigV4Layer::new(REGION, SERVICE, credentials)?.scope(origin)
}

/// An HTTP client for whatever body the layer above it sends.
fn client<B>() -> Client<HttpConnector, B>
where
    B: Body + Send,
    B::Data: Send,
{
    Client::builder(TokioExecutor::new()).build_http()
}

/// Sends a request and puts the answer, or why there is none, in one line.
async fn call<S, B>(api: S, request: Request<Full<Bytes>>) -> String
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>>,
    S::Error: Into<BoxError>,
    B: Body,
    B::Error: Into<BoxError>,
{
    match exchange(api, request).await {
        Ok(line) => line,
        Err(error) => match AuthError::find(error.as_ref()) {
            // The promise that comes with an `AuthError`.
            Some(auth) => format!("not sent: {auth}"),
            None => format!("failed: {}", crate::with_causes(&error)),
        },
    }
}

async fn exchange<S, B>(api: S, request: Request<Full<Bytes>>) -> Result<String, BoxError>
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>>,
    S::Error: Into<BoxError>,
    B: Body,
    B::Error: Into<BoxError>,
{
    let response = api.oneshot(request).await.map_err(Into::into)?;
    let status = response.status();
    if status.is_success() {
        return Ok(status.to_string());
    }
    let body = response.into_body().collect().await.map_err(Into::into)?;
    let body: serde_json::Value = serde_json::from_slice(&body.to_bytes())?;
    let message = body["message"].as_str().unwrap_or("no message");
    Ok(format!("{} {message}", status.as_u16()))
}

fn get(origin: &str, path: &str) -> Result<Request<Full<Bytes>>, BoxError> {
    Ok(Request::get(format!("{origin}{path}")).body(Full::default())?)
}

fn list_orders(origin: &str) -> Result<Request<Full<Bytes>>, BoxError> {
    get(origin, "/iam/orders?limit=10&from=2026-01-01T00%3A00&q=a+b")
}

fn place_order(origin: &str) -> Result<Request<Full<Bytes>>, BoxError> {
    let request = Request::post(format!("{origin}/iam/orders?dry-run=true"))
        .header(header::CONTENT_TYPE, "application/json")
        .header("x-tenant", "blue")
        .body(Full::from(r#"{"item":"pear","amount":10}"#))?;
    Ok(request)
}

/// The same host, another path and query.
fn redirect(head: &mut request::Parts, target: &'static str) {
    let mut parts = head.uri.clone().into_parts();
    parts.path_and_query = Some(target.parse().expect("a path"));
    head.uri = Uri::from_parts(parts).expect("a URI");
}
