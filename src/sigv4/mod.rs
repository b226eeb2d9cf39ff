//! Ground floor: AWS Signature Version 4 over the head of a request, without async and without I/O.
//!
//! [`SigV4Layer`](crate::SigV4Layer) is this plus credentials, bodies and a scope. [`Signer`] is for
//! programs without tower: it takes [`http::request::Parts`], a [`PayloadHash`](crate::PayloadHash)
//! and a time.
//!
//! ```
//! use std::time::SystemTime;
//!
//! use aws_credential_types::Credentials;
//! use tower_client_auth::PayloadHash;
//! use tower_client_auth::sigv4::{Signer, SigningCredentials, SigningOptions, SigningScope};
//!
//! let scope = SigningScope::new("eu-west-1", "execute-api")?;
//! let signer = Signer::new(scope, SigningOptions::default());
//! let credentials = Credentials::new("AKIDEXAMPLE", "secret", None, None, "example");
//! let credentials = SigningCredentials::new(credentials)?;
//!
//! let (mut head, body) = http::Request::get("https://api.example.com/orders?limit=10")
//!     .body("")?
//!     .into_parts();
//! signer.sign(
//!     &mut head,
//!     &credentials,
//!     &PayloadHash::of(body.as_bytes()),
//!     SystemTime::now(),
//! )?;
//! assert!(head.headers.contains_key("authorization"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is signed
//!
//! The URI is the authority: method, path and query are signed as they will be sent, and the host as
//! the client will send it, without userinfo and without a port that is the scheme's own. Every
//! header is signed except those that intermediaries and clients change on the way:
//!
//! `accept-encoding`, `authorization`, `baggage`, `connection`, `content-length`, `expect`,
//! `forwarded`, `keep-alive`, `te`, `traceparent`, `tracestate`, `trailer`, `transfer-encoding`,
//! `upgrade`, `user-agent`, `via`, `x-amzn-trace-id`, and all that begin with `proxy-`,
//! `sec-websocket-` or `x-forwarded-`.
//!
//! # Beside `aws-sigv4`
//!
//! Key derivation and the signature itself are the `aws-sigv4` crate's. The canonical request is
//! this crate's own, because `aws_sigv4::http_request::sign`
//!
//! - writes every header of the request into a TRACE event, API keys and cookies included;
//! - decodes the query as text, so that `?a=%FF` and `?a=%FE` get one and the same signature;
//! - takes userinfo into the signed host, panics on a relative URI, and refuses header values that
//!   are not UTF-8;
//! - takes the path of single-encoding services as it stands, so that `/a(b)`, `/%c3%a9` and
//!   `/a%2Fb` are signed so, where S3 decodes the path and computes `/a%28b%29`, `/%C3%A9` and `/a/b`;
//! - signs tabs around a header's value, which HTTP takes off on the way.
//!
//! Everywhere else the two agree, and the tests hold them to that.
//!
//! # Beside botocore
//!
//! botocore, below the AWS CLI and boto3, signs requests that it has built itself, and takes much
//! for granted that does not hold for the requests of others:
//!
//! - The query is taken as it stands. Here it is decoded and encoded strictly, as the service will
//!   do: `+` is a space, and `=` in a value, lower-case escapes, characters that need escaping and
//!   empty pairs (`a&&b`) do not matter.
//! - So is the path for S3, whereas S3 decodes it: see `/a(b)`, `/%c3%a9` and `/a%2Fb` above.
//! - A path that ends in `/.` or `/..` loses its last slash. RFC 3986, which AWS's documentation
//!   refers to, keeps it: `/a/b/..` is `/a/`.
//! - The host is signed in lower case. Here it is signed as it will be sent.
//! - The method is signed in upper case. Methods are case-sensitive, and sent as they are.
//! - All kinds of white space inside a header's value are folded. Here, as the documentation has it,
//!   only spaces are.
//! - Fewer headers are left unsigned. Not among them are `accept-encoding`, `baggage`,
//!   `content-length`, `forwarded`, `traceparent`, `tracestate`, `via`, and those that begin with
//!   `x-forwarded-`, `sec-websocket-` or `proxy-`, other than `proxy-authenticate` and
//!   `proxy-authorization`: proxies and tracing add or change them.
//! - `Date`, if there is one, is set anew and stands in for `x-amz-date`. Here it is a header like
//!   any other.
//! - Outside S3 an `x-amz-content-sha256` that the request has is believed, and so is an
//!   `x-amz-security-token` where the credentials have none. Here they are taken for what is left of
//!   an older signature.
//!
//! Here, too, the tests show each difference, and hold the two together everywhere else.

mod canonical;
mod credentials;
mod date;
mod explain;
mod key;
mod options;
mod scratch;
mod signer;

pub use credentials::SigningCredentials;
pub use explain::Explanation;
pub use options::{PathEncoding, SigningOptions, SigningScope};
pub use signer::Signer;

pub(crate) use signer::X_AMZ_SECURITY_TOKEN;
