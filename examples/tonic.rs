//! A bearer token, and a signature, on the calls of a tonic client.
//!
//! ```sh
//! cargo run --example tonic
//! ```
//!
//! The client here is gRPC's health check, as `tonic-health` has generated it; any other that tonic
//! generates is used in the same way.

use aws_credential_types::Credentials;
use http::Request;
use tokio::net::TcpListener;
use tonic::body::Body;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Endpoint, Server};
use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tower::ServiceBuilder;
use tower_client_auth::{AuthBody, BearerTokenLayer, BoxError, SigV4Layer, Token};

const TOKEN: &str = "mF_9.B5f-4.1JqM";

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    // tonic's requests do not say which host they go to; `default_origin` does. The channel goes where
    // it is connected, whatever a URI says, so both have to come from this one variable: if they
    // differed, the layer would vouch for one host and the token go to the other.
    let endpoint = serve().await?;
    let channel = Endpoint::from_shared(endpoint.clone())?.connect_lazy();

    let request = HealthCheckRequest::default();
    let refused = HealthClient::new(channel.clone())
        .check(request.clone())
        .await;
    let code = refused.map_or_else(|status| status.code(), |_| Code::Ok);
    println!("without a token:   {code:?}");
    assert_eq!(code, Code::Unauthenticated);

    let bearer = BearerTokenLayer::new(&endpoint, Token::new(TOKEN)?)?.default_origin(&endpoint)?;
    let api = ServiceBuilder::new().layer(bearer).service(channel.clone());
    let answer = HealthClient::new(api).check(request.clone()).await?;
    println!("with a token:      {:?}", answer.get_ref().status());

    // Below a signing layer bodies are `AuthBody`s; `map_request` makes tonic's own of them again. VPC
    // Lattice takes no signature over a body, so calls stream. For every other service the layer reads
    // the body to its end first: a call that waits for answers between its messages would never start.
    let credentials = Credentials::new("AKIDEXAMPLE", "secret", None, None, "example");
    let signing = SigV4Layer::new("eu-west-1", "vpc-lattice-svcs", credentials)?
        .scope(&endpoint)?
        .default_origin(&endpoint)?;
    let api = ServiceBuilder::new()
        .layer(signing)
        .map_request(|request: Request<AuthBody<Body>>| request.map(Body::new))
        .service(channel);
    let answer = HealthClient::new(api).check(request).await?;
    println!("with a signature:  {:?}", answer.get_ref().status());
    Ok(())
}

/// Serves the health check until the program ends, on the origin that it returns.
async fn serve() -> Result<String, BoxError> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let origin = format!("http://{}", listener.local_addr()?);
    let (_, health) = tonic_health::server::health_reporter();
    let server = Server::builder()
        .add_service(InterceptedService::new(health, authenticate))
        .serve_with_incoming(TcpIncoming::from(listener));
    tokio::spawn(server);
    Ok(origin)
}

/// Takes the token, or anything that says it is a signature by the right key: checking one would take
/// the secret and the whole request.
fn authenticate(request: tonic::Request<()>) -> Result<tonic::Request<()>, Status> {
    let value = request.metadata().get("authorization");
    let value = value.and_then(|value| value.to_str().ok());
    match value.and_then(|value| value.split_once(' ')) {
        Some(("Bearer", TOKEN)) => Ok(request),
        Some(("AWS4-HMAC-SHA256", rest)) if rest.starts_with("Credential=AKIDEXAMPLE/") => {
            Ok(request)
        }
        _ => Err(Status::unauthenticated("a token or a signature is due")),
    }
}
