//! The transport at hand: hyper-util's client with rustls.

use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::Transport;
use crate::error::{AuthError, AuthErrorKind};

impl Transport {
    /// A transport of its own: hyper-util's client with rustls, HTTP/1.1 and HTTP/2, and the operating
    /// system's root certificates. Clones of it share their connections.
    ///
    /// Feature `hyper-client`. Connections that are not used are kept for 90 seconds; they are driven by
    /// tasks of the tokio runtime that opened them. Proxies (`HTTPS_PROXY`) are not heeded: where one is
    /// needed, make a client that does, and give it to [`Transport::new`].
    ///
    /// # Errors
    ///
    /// [`AuthErrorKind::Configuration`] if the system has no root certificates.
    pub fn hyper() -> Result<Self, AuthError> {
        let https = HttpsConnectorBuilder::new()
            .with_provider_and_native_roots(rustls::crypto::ring::default_provider())
            .map_err(|error| {
                AuthError::new(
                    AuthErrorKind::Configuration,
                    "the system's root certificates cannot be read, without which no server can be \
                     trusted: install them (on Debian: `ca-certificates`)",
                )
                .with_source(error)
            })?
            // Plain http goes no further than this machine: the transport sees to that itself.
            .https_or_http()
            .enable_http1()
            .enable_http2()
            .build();
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .build(https);
        Ok(Self::new(client))
    }
}
