//! A real client, for which every name is this machine.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::rt::TokioExecutor;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tower::Service;

/// A body of any kind, so that tests can change what was signed.
pub(crate) type AnyBody = BoxBody<Bytes, Infallible>;

pub(crate) type LoopbackClient = Client<HttpsConnector<HttpConnector<Loopback>>, AnyBody>;

/// Which HTTP the client speaks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Http {
    One,
    Two,
}

/// A client for plain http, or for https with servers that have this certificate.
pub(crate) fn client(http: Http, certificate: Option<&Path>) -> LoopbackClient {
    let mut roots = RootCertStore::empty();
    if let Some(file) = certificate {
        let certificate = CertificateDer::from_pem_file(file).expect("a certificate");
        roots.add(certificate).expect("a root");
    }
    let provider = rustls::crypto::ring::default_provider();
    let config = ClientConfig::builder_with_provider(provider.into())
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mut connector = HttpConnector::new_with_resolver(Loopback);
    connector.enforce_http(false);
    // Small frames one after another would each wait for an acknowledgement.
    connector.set_nodelay(true);
    let builder = HttpsConnectorBuilder::new()
        .with_tls_config(config)
        .https_or_http();
    let mut client = Client::builder(TokioExecutor::new());
    match http {
        Http::One => client.build(builder.enable_http1().wrap_connector(connector)),
        Http::Two => client
            .http2_only(true)
            .build(builder.enable_http2().wrap_connector(connector)),
    }
}

/// Resolves every name to this machine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Loopback;

impl Service<Name> for Loopback {
    type Response = std::iter::Once<SocketAddr>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _name: Name) -> Self::Future {
        // The connector puts in the URI's port.
        ready(Ok(std::iter::once(SocketAddr::from((
            Ipv4Addr::LOCALHOST,
            0,
        )))))
    }
}
