//! A signing layer and a bearer layer over hyper-util's client, kept in a struct.
//!
//! ```sh
//! cargo run --example hyper_util
//! ```

// A stand-in for API Gateway that checks what arrives. There is nothing to copy from it.
#[allow(dead_code, reason = "each example needs a part of it")]
#[path = "stand_in/gateway.rs"]
mod gateway;
#[allow(dead_code, reason = "each example needs a part of it")]
#[path = "stand_in/signature.rs"]
mod signature;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_credential_types::Credentials;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tower::util::BoxCloneSyncService;
use tower::{Layer, ServiceExt};
use tower_client_auth::layer::SigV4;
use tower_client_auth::sigv4::SigningCredentials;
use tower_client_auth::{
    AuthBody, AuthError, Authorize, BearerTokenLayer, BoxError, Buffer, Cached, SigV4Layer, Token,
};

type Body = Full<Bytes>;

/// A client of two APIs. Clone it freely: clones share connections, credentials and tokens.
#[derive(Clone)]
struct Shop {
    origin: String,
    /// A type that can be written down: the HTTP client, the scheme, what becomes of bodies.
    orders: Authorize<Client<HttpConnector, AuthBody<Body>>, SigV4<SigningCredentials>, Buffer>,
    /// A closure's type cannot, so this service is in a box.
    account: BoxCloneSyncService<Request<Body>, Response<Incoming>, BoxError>,
}

impl Shop {
    fn new(origin: String, issuer: Arc<Issuer>) -> Result<Self, AuthError> {
        let credentials = Credentials::new(
            gateway::ACCESS_KEY_ID,
            gateway::SECRET_ACCESS_KEY,
            None,
            None,
            "example",
        );
        let signing =
            SigV4Layer::new(gateway::REGION, gateway::SERVICE, credentials)?.scope(&origin)?;

        // The closure owns the issuer, and each future needs a share of its own.
        let tokens = Cached::new(move || {
            let issuer = Arc::clone(&issuer);
            async move { Ok(issuer.issue().await?) }
        });
        let bearer = BearerTokenLayer::new(&origin, tokens)?;

        // For an API on the internet, put a TLS connector here: the README has one.
        let http = || Client::builder(TokioExecutor::new());
        Ok(Self {
            origin,
            orders: signing.layer(http().build_http()),
            account: BoxCloneSyncService::new(bearer.layer(http().build_http())),
        })
    }

    async fn order(&self, item: &'static str) -> Result<StatusCode, BoxError> {
        let request = Request::post(format!("{}/iam/orders", self.origin)).body(item.into())?;
        // A service is called by `&mut self`; cloning one is cheap, a lock would be a queue.
        let response = self.orders.clone().oneshot(request).await?;
        Ok(response.status())
    }

    async fn account(&self) -> Result<StatusCode, BoxError> {
        let request = Request::get(format!("{}/token/me", self.origin)).body(Body::default())?;
        let response = self.account.clone().oneshot(request).await?;
        Ok(response.status())
    }
}

/// Where tokens come from. A real one asks a server, over an HTTP client of its own.
#[derive(Default)]
struct Issuer {
    issued: AtomicUsize,
}

impl Issuer {
    async fn issue(&self) -> Result<Token, AuthError> {
        self.issued.fetch_add(1, Ordering::Relaxed);
        Ok(Token::new(gateway::TOKEN)?.expires_in(Duration::from_secs(3600)))
    }
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let issuer = Arc::new(Issuer::default());
    let shop = Shop::new(gateway::start().await?, Arc::clone(&issuer))?;

    let ordered = shop.order("pear").await?;
    println!("an order, signed:             {ordered}");
    assert_eq!(ordered, StatusCode::OK);

    let (one, other) = tokio::try_join!(shop.account(), shop.account())?;
    println!("the account, with a token:    {one}, {other}");
    assert_eq!((one, other), (StatusCode::OK, StatusCode::OK));

    let issued = issuer.issued.load(Ordering::Relaxed);
    println!("tokens issued for those two:  {issued}");
    assert_eq!(issued, 1);
    Ok(())
}
