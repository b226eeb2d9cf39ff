//! How upstreams are reached: TCP, TLS where the URL says so, HTTP/2 where both sides know it.

use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use std::vec;

use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use std::net::SocketAddr;
use tower::Service;
use tower_client_auth::BoxError;

use super::spec::Route;

pub(crate) type Connector = HttpsConnector<HttpConnector<Resolver>>;

/// What connections to all upstreams have in common.
pub(crate) struct Connections {
    tls: ClientConfig,
    connect_timeout: Duration,
    idle_timeout: Duration,
}

impl Connections {
    pub(crate) fn new(
        ca: Option<&Path>,
        connect_timeout: Duration,
        idle_timeout: Duration,
    ) -> Result<Self, BoxError> {
        let mut roots = RootCertStore::empty();
        // What cannot be read of a system's is left out, as by other programs.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if let Some(path) = ca {
            let cannot = |problem: String| format!("--ca {}: {problem}", path.display());
            let found =
                CertificateDer::pem_file_iter(path).map_err(|error| cannot(error.to_string()))?;
            let mut count = 0;
            for certificate in found {
                let certificate = certificate.map_err(|error| cannot(error.to_string()))?;
                roots
                    .add(certificate)
                    .map_err(|error| cannot(error.to_string()))?;
                count += 1;
            }
            if count == 0 {
                return Err(cannot("there is no certificate in it".to_owned()).into());
            }
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self {
            tls,
            connect_timeout,
            idle_timeout,
        })
    }

    /// A client for one upstream. It follows no redirects: they are the caller's to follow.
    pub(crate) fn client<B>(&self, route: &Route) -> Client<Connector, B>
    where
        B: http_body::Body + Send,
        B::Data: Send,
    {
        let mut http = HttpConnector::new_with_resolver(Resolver {
            instead: route.connect.as_deref().map(Arc::from),
        });
        http.enforce_http(false);
        http.set_nodelay(true);
        http.set_connect_timeout(Some(self.connect_timeout));
        http.set_keepalive(Some(Duration::from_secs(60)));
        let https = HttpsConnectorBuilder::new()
            .with_tls_config(self.tls.clone())
            .https_or_http() // http to loopback, or where it was allowed: the layers see to that
            .enable_http1()
            .enable_http2()
            .wrap_connector(http);
        let mut client = Client::builder(TokioExecutor::new());
        client
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(self.idle_timeout)
            .http2_keep_alive_interval(Duration::from_secs(20))
            .http2_adaptive_window(true)
            .http2_only(route.http2);
        client.build(https)
    }
}

/// Finds the addresses of a host, or of what stands in its place.
#[derive(Clone)]
pub(crate) struct Resolver {
    instead: Option<Arc<str>>,
}

impl Service<Name> for Resolver {
    type Response = vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let instead = self.instead.clone();
        Box::pin(async move {
            let found = match instead {
                Some(address) => tokio::net::lookup_host(&*address).await?.collect(),
                // The port is filled in later, where it is 0.
                None => tokio::net::lookup_host((name.as_str(), 0))
                    .await?
                    .collect::<Vec<_>>(),
            };
            Ok(found.into_iter())
        })
    }
}
