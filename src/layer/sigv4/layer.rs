//! The layer, and its settings.

use std::sync::Arc;

use super::{Date, PayloadMode, SigV4};
use crate::clock::Clock;
use crate::error::AuthError;
use crate::identity::{CredentialsSource, IntoCredentialsSource};
use crate::layer::body::Buffer;
use crate::layer::guard::{Guard, Setting};
use crate::layer::reject::Skews;
use crate::layer::scope::Scope;
use crate::layer::{AuthorizeLayer, Guarded, HeadOnly};
#[cfg(feature = "cache")]
use crate::sigv4::SigningCredentials;
use crate::sigv4::{Presigning, Signer, SigningOptions, SigningScope};

/// Signs every request with AWS Signature Version 4, for IAM-protected APIs.
///
/// ```
/// use aws_credential_types::Credentials;
/// use tower::ServiceBuilder;
/// use tower_client_auth::{AuthBody, SigV4Layer};
///
/// # fn client() -> impl Clone { tower::service_fn(|_: http::Request<AuthBody<String>>| async {
/// #     Ok::<_, std::io::Error>(http::Response::new(String::new())) }) }
/// let credentials = Credentials::new("AKIDEXAMPLE", "secret", None, None, "example");
/// let service = ServiceBuilder::new()
///     .layer(SigV4Layer::new("eu-west-1", "execute-api", credentials)?)
///     .service(client());
/// # Ok::<(), tower_client_auth::AuthError>(())
/// ```
///
/// With credentials that rotate, for an API with a domain of its own, and smaller bodies:
///
/// ```
/// use aws_credential_types::Credentials;
/// use tower_client_auth::{Buffer, SigV4Layer};
///
/// # #[cfg(feature = "cache")] {
/// # let provider = Credentials::new("AKIDEXAMPLE", "secret", None, None, "example");
/// // `provider` is any `ProvideCredentials`, `aws_config`'s default chain for one
/// let layer = SigV4Layer::from_provider("eu-west-1", "execute-api", provider)?
///     .scope("https://api.example.com")?
///     .payload(Buffer::new(64 * 1024));
/// # }
/// # Ok::<(), tower_client_auth::AuthError>(())
/// ```
///
/// - **Where it signs**: [AWS's own domains](Scope::aws) and loopback; name a custom domain with
///   [`scope`](AuthorizeLayer::scope). Requests to anywhere else go out unsigned.
/// - **What it signs**: everything but the headers [listed here](crate::sigv4#what-is-signed); the
///   service's quirks come from [`SigningOptions::for_service`].
/// - **Bodies** are read and hashed first, up to 10 MiB ([`Buffer`]), because most services check the
///   hash. Hashing takes about 0.6 ms per MiB on the executor: for large bodies hand over a known
///   hash ([`AuthOverride::payload_hash`](crate::AuthOverride::payload_hash)), have them hashed
///   [on other threads](Buffer::hash_elsewhere_from), or leave them [unsigned](AuthorizeLayer::unsigned_payload)
///   where the service allows it. VPC Lattice demands that, and always gets it. To S3, bodies of any size stream
///   [in chunks](crate::Chunked).
/// - **A request that is signed already**, by `Authorization` header or as a presigned URL, is left
///   alone, unless [`existing`](AuthorizeLayer::existing) says otherwise. Leftovers of a signature
///   without one (`x-amz-date` and its like, in headers or the query) are replaced.
///
/// The difference to calling `aws_sigv4` by hand: this layer knows the service's quirks, fetches and
/// renews credentials, reads the clock at the last moment, keeps the host it signed and the host it
/// sends the same, and signs nothing that goes to strangers.
///
/// See `examples/hyper_util.rs` for the service in a struct, `examples/aws_config.rs` for AWS's default
/// credentials chain, `examples/axum_proxy.rs` for a proxy that signs, and `examples/reqwest.rs`.
///
/// # Over tonic
///
/// The body that goes out is an [`AuthBody`](crate::AuthBody), and a tonic `Channel` takes a body of
/// tonic's. One line below the layer turns the first into the second, as in `examples/tonic.rs`:
///
/// ```text
/// .map_request(|request: Request<AuthBody<tonic::body::Body>>| request.map(tonic::body::Body::new))
/// ```
///
/// # Errors
///
/// [`AuthErrorKind::PayloadTooLarge`](crate::AuthErrorKind::PayloadTooLarge) and [`AuthErrorKind::Payload`](crate::AuthErrorKind::Payload) for bodies that cannot be read
/// into memory, [`AuthErrorKind::Expired`](crate::AuthErrorKind::Expired) for credentials that are over, the source's own errors,
/// and those of [`Signer::sign`].
pub type SigV4Layer<C, P = Buffer, I = HeadOnly> = AuthorizeLayer<SigV4<C>, P, I>;

impl<C: CredentialsSource> AuthorizeLayer<SigV4<C>, Buffer> {
    /// Signs for `service` (its signing name: `execute-api` for API Gateway) in `region`, with
    /// [`Credentials`](aws_credential_types::Credentials) or any [`CredentialsSource`].
    ///
    /// # Errors
    ///
    /// Those of [`SigningScope::new`] and [`SigningCredentials::new`].
    pub fn new<S>(region: &str, service: &str, credentials: S) -> Result<Self, AuthError>
    where
        S: IntoCredentialsSource<Source = C>,
    {
        Self::for_scope(SigningScope::new(region, service)?, credentials)
    }

    pub(crate) fn for_scope<S>(scope: SigningScope, credentials: S) -> Result<Self, AuthError>
    where
        S: IntoCredentialsSource<Source = C>,
    {
        let options = SigningOptions::for_service(scope.service());
        Ok(Self::from_parts(
            SigV4 {
                source: Arc::new(credentials.into_credentials_source()?),
                signer: Signer::new(scope, options),
                payload: PayloadMode::Signed,
                presigning: None,
                guard: Guard::new(Scope::aws())?,
                clock: Clock::system(),
                skews: Skews::default(),
                date: Date::Https,
            },
            Buffer::default(),
        ))
    }
}

#[cfg(feature = "cache")]
impl<P> AuthorizeLayer<SigV4<crate::Cached<P, SigningCredentials>>, Buffer>
where
    P: aws_credential_types::provider::ProvideCredentials + 'static,
{
    /// Signs with the credentials of any AWS provider, kept in a cache of its own. To share a cache
    /// between layers, make one with [`Cached::credentials`](crate::Cached::credentials) and pass
    /// clones to [`SigV4Layer::new`](crate::SigV4Layer).
    ///
    /// # Errors
    ///
    /// Those of [`SigningScope::new`].
    pub fn from_provider(region: &str, service: &str, provider: P) -> Result<Self, AuthError> {
        Self::new(region, service, crate::Cached::credentials(provider))
    }
}

impl<C, P, I> AuthorizeLayer<SigV4<C>, P, I> {
    /// Signing options in place of the service's preset.
    pub fn options(mut self, options: SigningOptions) -> Self {
        let scope = self.authorizer_mut().signer.scope().clone();
        self.authorizer_mut().signer = Signer::new(scope, options);
        self
    }

    /// Signs with SigV4a, for all of these regions at once, with commas between them: `us-east-1,eu-*`, or `*`
    /// for every one. The region that the layer was made for is then of no account.
    ///
    /// S3's Multi-Region Access Points and EventBridge's global endpoints take no other signatures. Bodies
    /// are not sent in signed chunks: [`Chunked`](crate::Chunked) reads them into memory as
    /// [`Buffer`] does.
    ///
    /// ```
    /// use aws_credential_types::Credentials;
    /// use tower_client_auth::SigV4Layer;
    ///
    /// let credentials = Credentials::new("AKIDEXAMPLE", "secret", None, None, "example");
    /// let layer = SigV4Layer::new("us-east-1", "s3", credentials)?.region_set("*")?;
    /// # Ok::<(), tower_client_auth::AuthError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`SigningScope::v4a`].
    #[cfg(feature = "sigv4a")]
    pub fn region_set(mut self, regions: &str) -> Result<Self, AuthError> {
        let signer = &mut self.authorizer_mut().signer;
        let scope = SigningScope::v4a(regions, signer.scope().service())?;
        *signer = signer.for_scope(scope);
        Ok(self)
    }

    /// Puts the signature into the query of the URL, as that of a presigned URL, in place of headers: for
    /// what lies on the way and takes `authorization` for its own, or for servers that only look there.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use aws_credential_types::Credentials;
    /// use tower_client_auth::SigV4Layer;
    /// use tower_client_auth::sigv4::Presigning;
    ///
    /// let credentials = Credentials::new("AKIDEXAMPLE", "secret", None, None, "example");
    /// let layer = SigV4Layer::new("eu-west-1", "s3", credentials)?
    ///     .unsigned_payload()
    ///     .presigned(Presigning::expires_in(Duration::from_secs(60))?);
    /// # Ok::<(), tower_client_auth::AuthError>(())
    /// ```
    ///
    /// The URL is a secret until it expires, and has the session token in it: layers below this one must not
    /// log it. It is for this request; [`Signer::presign`] makes URLs to hand out.
    ///
    /// The payload is signed as it is otherwise, and S3 is told its hash in the query. What only speaks
    /// like S3 may know presigned URLs without it alone, which [`unsigned_payload`](Self::unsigned_payload)
    /// makes. Bodies are not sent in chunks: [`Chunked`](crate::Chunked) reads them into memory as [`Buffer`]
    /// does.
    ///
    /// Credentials that end sooner than the URL make it end with them, which is no error while a second of them
    /// is left.
    ///
    /// A short time asks for a clock that is as exact: a URL for a minute is over when it is made by a clock that is a
    /// minute behind. As with other signatures, a refusal for it teaches the layer the server's clock.
    pub fn presigned(mut self, presigning: Presigning) -> Self {
        self.authorizer_mut().presigning = Some(Arc::new(presigning));
        self
    }

    /// Does not sign the body, so that it streams: `UNSIGNED-PAYLOAD`.
    ///
    /// TLS is all that protects the body then, so plain http is refused except to loopback. S3
    /// accepts it; API Gateway and most other services do not. VPC Lattice accepts nothing else,
    /// and needs no call of this.
    pub fn unsigned_payload(mut self) -> Self {
        self.authorizer_mut().payload = PayloadMode::Unsigned;
        self
    }
}

/// Settings of the layers that sign: [`SigV4Layer`], and those of a configuration.
impl<A: Signs, P, I> AuthorizeLayer<A, P, I> {
    /// Lets servers on loopback correct the clock as well, which takes https otherwise: for tests against
    /// local ones, whose `Date` nobody else can change on its way.
    pub fn heed_loopback_date(mut self) -> Self {
        self.authorizer_mut().set(&Setting::HeedLoopbackDate);
        self
    }

    /// Goes by its own clock alone, whatever servers say.
    ///
    /// Otherwise a server over https that refuses a signature can move the time of later ones for its own
    /// origin, by a day at most. Whoever ends TLS in front of the service could collect signatures so that
    /// are good for another day.
    pub fn ignore_date(mut self) -> Self {
        self.authorizer_mut().set(&Setting::IgnoreDate);
        self
    }
}

/// A scheme that signs, by a clock that servers can correct.
pub trait Signs: Guarded {}

impl<C> Signs for SigV4<C> {}
