//! Layers over a `reqwest::Client`, through reqwest's own conversions to and from `http`'s types.
//!
//! ```sh
//! cargo run --example reqwest
//! ```

// A stand-in for API Gateway that checks what arrives. There is nothing to copy from it.
#[allow(dead_code, reason = "each example needs a part of it")]
#[path = "stand_in/gateway.rs"]
mod gateway;
#[allow(dead_code, reason = "each example needs a part of it")]
#[path = "stand_in/signature.rs"]
mod signature;

use std::future::Future;
use std::io;

use aws_credential_types::Credentials;
use axum::Router;
use axum::response::Redirect;
use axum::routing::{MethodRouter, get};
use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use reqwest::redirect::Policy;
use tokio::net::TcpListener;
use tower::{Layer, Service, ServiceBuilder, ServiceExt};
use tower_client_auth::{ApiKeyLayer, BoxError, SigV4Layer};
use tower_http::follow_redirect::FollowRedirectLayer;

/// A `reqwest::Client` as a tower service, for whatever body the layer above it sends.
fn service<B>(
    client: reqwest::Client,
) -> impl Service<
    Request<B>,
    Response = Response<reqwest::Body>,
    Error = reqwest::Error,
    Future: Future + Send,
> + Clone
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + Sync + 'static,
{
    tower::service_fn(move |request: Request<B>| {
        let client = client.clone();
        async move {
            let request = reqwest::Request::try_from(request.map(reqwest::Body::wrap))?;
            Ok(Response::from(client.execute(request).await?))
        }
    })
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    // reqwest follows redirects below the layers, out of their sight. It takes `authorization` and
    // `cookie` off a request to another host, and leaves `x-api-key` on. So it is not to follow any;
    // a redirect layer above, where each hop passes the scope again, does that instead.
    let client = reqwest::Client::builder()
        // `HTTP_PROXY` in the environment would send loopback requests over the network.
        .no_proxy()
        .redirect(Policy::none())
        .build()?;

    let origin = gateway::start().await?;
    let credentials = Credentials::new(
        gateway::ACCESS_KEY_ID,
        gateway::SECRET_ACCESS_KEY,
        None,
        None,
        "example",
    );
    let orders = ServiceBuilder::new()
        .layer(SigV4Layer::new(gateway::REGION, gateway::SERVICE, credentials)?.scope(&origin)?)
        .service(service(client.clone()));
    let request =
        Request::post(format!("{origin}/iam/orders")).body(Full::<Bytes>::from("pear"))?;
    let status = orders.oneshot(request).await?.status();
    println!("an order, signed:                     {status}");
    assert_eq!(status, StatusCode::OK);

    // A server that redirects to a stranger, who says whether he was sent the key.
    let stranger = serve(get(has_key)).await?;
    let origin = serve(get(async move || Redirect::temporary(&stranger))).await?;
    let key = ApiKeyLayer::new(&origin, "da2-fakeApiId123456")?;

    let right = ServiceBuilder::new()
        .layer(FollowRedirectLayer::new())
        .layer(key.clone())
        .service(service(client));
    let answer = fetch(right, &origin).await?;
    println!("redirects followed above the layer:   the stranger got {answer}");
    assert_eq!(answer, "no key");

    let wrong = key.layer(service(reqwest::Client::new()));
    let answer = fetch(wrong, &origin).await?;
    println!("redirects followed by reqwest itself: the stranger got {answer}");
    assert_eq!(answer, "the key");
    Ok(())
}

async fn has_key(headers: HeaderMap) -> &'static str {
    match headers.contains_key("x-api-key") {
        true => "the key",
        false => "no key",
    }
}

/// Serves until the program ends, on the origin that it returns.
async fn serve(answer: MethodRouter) -> io::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let origin = format!("http://{}", listener.local_addr()?);
    let server = axum::serve(listener, Router::new().route("/", answer));
    tokio::spawn(async move { server.await });
    Ok(origin)
}

async fn fetch<S>(api: S, origin: &str) -> Result<String, BoxError>
where
    S: Service<Request<Full<Bytes>>, Response = Response<reqwest::Body>, Error: Into<BoxError>>,
{
    let request = Request::get(origin).body(Full::default())?;
    let response = api.oneshot(request).await.map_err(Into::into)?;
    let body = response.into_body().collect().await?.to_bytes();
    Ok(String::from_utf8(body.into())?)
}
