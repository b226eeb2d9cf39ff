//! Signs with what AWS's default credentials chain finds: the environment, a profile, a web identity,
//! the metadata service of a container or an instance.
//!
//! ```sh
//! cargo run --example aws_config
//! ```
//!
//! Without `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY` in the environment, which is where the chain
//! looks first, it signs with made-up credentials instead. The request goes to a server in this process.

use std::io;

use aws_config::BehaviorVersion;
use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_smithy_http_client::tls::{self, rustls_provider::CryptoMode};
use axum::Router;
use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tokio::net::TcpListener;
use tower::{ServiceBuilder, ServiceExt};
use tower_client_auth::{BoxError, SigV4Layer};

const REGION: &str = "eu-west-1";

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let variables = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];
    let provider = if variables
        .iter()
        .all(|name| std::env::var_os(name).is_some())
    {
        default_chain().await?
    } else {
        println!("no credentials in the environment: made-up ones stand in for the chain");
        let credentials = Credentials::new("AKIDEXAMPLE", "secret", None, None, "example");
        SharedCredentialsProvider::new(credentials)
    };
    let expected = provider
        .provide_credentials()
        .await?
        .access_key_id()
        .to_owned();

    // The chain does not remember what it found; the layer does, until that expires.
    let origin = serve().await?;
    let api = ServiceBuilder::new()
        .layer(SigV4Layer::from_provider(REGION, "execute-api", provider)?.scope(&origin)?)
        .service(Client::builder(TokioExecutor::new()).build_http());
    let request = Request::get(format!("{origin}/orders")).body(Full::<Bytes>::default())?;
    let body = api.oneshot(request).await?.into_body().collect().await?;
    let signed_by = String::from_utf8(body.to_bytes().into())?;
    println!("the request was signed by {signed_by}");
    assert_eq!(signed_by, expected);
    Ok(())
}

/// The default chain. With `aws-config`'s default features a program leaves `http_client` out; this one
/// shares a TLS library with the rest of the build.
async fn default_chain() -> Result<SharedCredentialsProvider, BoxError> {
    let https = aws_smithy_http_client::Builder::new()
        .tls_provider(tls::Provider::Rustls(CryptoMode::Ring))
        .build_https();
    let config = aws_config::defaults(BehaviorVersion::latest())
        .http_client(https)
        // Else it would be looked up too, at the metadata service if need be.
        .region(REGION)
        .load()
        .await;
    let provider = config.credentials_provider();
    Ok(provider.ok_or("no chain was built")?)
}

/// Serves until the program ends, on the origin that it returns. Answers with the access key id that
/// a request says it is signed by.
async fn serve() -> io::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let origin = format!("http://{}", listener.local_addr()?);
    let answer = async |headers: HeaderMap| {
        let authorization = headers["authorization"].to_str().unwrap_or_default();
        let credential = authorization
            .split("Credential=")
            .nth(1)
            .unwrap_or_default();
        credential.split('/').next().unwrap_or_default().to_owned()
    };
    let server = axum::serve(listener, Router::new().fallback(answer));
    tokio::spawn(async move { server.await });
    Ok(origin)
}
