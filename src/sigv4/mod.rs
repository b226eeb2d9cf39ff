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
//! # Presigned URLs, and several regions
//!
//! [`Signer::presign`] puts the signature into the query of a URL, which others can use until it expires. A
//! scope of SigV4a (feature `sigv4a`, `SigningScope::v4a`) makes signatures that hold in several regions, in either
//! place.
//!
//! # When a server says 403
//!
//! [`Signer::explain`] shows the canonical request and the string to sign of a signed request, without
//! its secrets. Most AWS services put what *they* computed into the body of their 403:
//! [`Explanation::first_difference`] reads it, and says in words what differs first and why that may be.
//! See its example.
//!
//! # What it costs
//!
//! Little more than SHA-256 of the canonical request and of the payload. The text is written once, into a
//! buffer that the signatures of a thread share, and that is wiped after each. Which headers are signed,
//! and in which order, follows from their names. A thread remembers it of the last eight requests that
//! differed in these, in the order they were added in, or in what the signature adds; only names are kept,
//! and no values. For others it looks again, which takes some 300 ns and may allocate. Signing keys, and
//! what the signatures of one second have in common, hang on the credentials and are read without a lock.
//! An ordinary signature allocates its header values, and what the header map needs to grow: three times
//! at most. What takes more: over 24 headers or 1 KiB of their names, over 16 query pairs, a path that must
//! be normalised, and a text of over 16 KiB, which no thread keeps room for.
//! A presigned URL takes half as long again, for the longer text, and an allocation for the URL. A signature of
//! SigV4a takes some 18 µs, nearly all of it for the curve. `cargo bench --bench sign` measures it beside other
//! signers.
//!
//! # Beside `aws-sigv4`
//!
//! Key derivation is the `aws-sigv4` crate's. All else is this crate's own, since
//! `aws_sigv4::http_request::sign` derives the key for every request and copies each part of it several
//! times. It differs on purpose in what follows; everywhere else the two agree, and the tests hold them to
//! that. What AWS says of it is in [Create a signed AWS API request][iam], [for S3][s3], and in
//! [RFC 3986][uri] where these refer to it.
//!
//! | | here | `aws-sigv4` | why |
//! |---|---|---|---|
//! | `+` in a query | a space, signed as `%20` | the same | services read forms so; AWS has a space encoded as `%20` and not as `+` ([S3][s3], `UriEncode`), so a plus sign must come as `%2B` |
//! | escapes that are no UTF-8 | `?a=%FF` and `?a=%FE` are signed as they stand | one and the same signature | AWS encodes bytes ([S3][s3], `UriEncode`); two requests that differ must not share a signature |
//! | `a=b=c`, `%2f`, `%41`, `a&&b` | decoded and encoded strictly: `a=b%3Dc`, `%2F`, `A`, `a=&b=` | the same | all bytes but the unreserved ones are encoded, in upper case ([RFC 3986][uri], section 2) |
//! | a `%` without two digits | stands for itself: `?a=%F` is signed as `%25F`, which is what `?a=%25F` is signed as | the same | it is no escape, and services take it so or refuse it |
//! | headers that are not signed | [those above](#what-is-signed) | `authorization`, `user-agent`, `x-amzn-trace-id`, `transfer-encoding` | AWS demands `host`, `content-type` and `x-amz-*` ([create][iam], canonical headers), and advises against those that are changed on the way |
//! | userinfo | never in the signed host | in the host | it is no part of the `host` header (RFC 9110, section 7.2) |
//! | a port that is the scheme's own | not in the signed host | the same | clients leave it out of the `host` header |
//! | a relative URI without a `Host` header | an error | a panic | the host would be missing, which must be signed |
//! | header values that are not UTF-8 | signed as bytes | cannot be given to it | HTTP allows them (RFC 9110, section 5.5) |
//! | tabs around a value | trimmed, as spaces are | signed | HTTP takes them off on the way (RFC 9110, section 5.5) |
//! | paths that are encoded once | decoded and encoded strictly: `/a(b)`, `/%c3%a9` and `/a%2Fb` are signed as `/a%28b%29`, `/%C3%A9` and `/a/b` | as they stand | S3 decodes the path and encodes the object key, all but its slashes ([S3][s3]) |
//! | events | none | every header in a TRACE event | API keys and cookies are among them |
//! | headers of a presigned URL | covered as they are otherwise, unless [chosen](Presigning::signed_headers) | not `x-amz-user-agent` and `x-amz-checksum-mode` | S3 demands that all `x-amz-` headers of a request are signed ([S3][s3]) |
//! | payload of a presigned URL | told as `X-Amz-Content-Sha256`, if it is not what the service expects | never told | S3 takes it for unsigned, and others hash it: neither can know |
//! | end of a presigned URL | that of the credentials, if they end sooner | not heeded | the URL is no good without them |
//!
//! [iam]: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
//! [s3]: https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
//! [uri]: https://www.rfc-editor.org/rfc/rfc3986
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
//! For presigned URLs it differs in more, since it takes them apart and puts them together again:
//!
//! - The query is decoded and encoded anew. Of parameters with the same name the first is kept, and
//!   escapes that are no UTF-8 become replacement characters. Here it is sent as it stands.
//! - What is in the body goes into the query, and no payload is told. Here the body stays. S3 is told its
//!   hash, if it has been given, and others that it is not signed, also over plain http, where botocore
//!   signs every payload but S3's.
//! - The session token is always signed. Here that for AWS IoT's websockets, `iotdevicegateway`, stands
//!   behind the signature.
//! - A `content-type` of `application/x-www-form-urlencoded; charset=utf-8` is dropped. Here it is a
//!   header like any other.
//! - An `authorization` header, or one that is left of an older signature, is covered, and parameters
//!   that are left of one are there twice. Here they are removed.
//!
//! Here, too, the tests show each difference, and hold the two together everywhere else.
//!
//! # Beside AWS's common runtime
//!
//! The C library under several of AWS's SDKs has SigV4a, too. Its differences are few, and are shown by
//! the tests like the others:
//!
//! - A `+` in a query is a plus sign. A `%` without two digits is an error, and so is a `:` before a `/`.
//! - A path that ends in `/.` or `/..` loses its last slash, and all kinds of white space inside a
//!   header's value are folded, as botocore has it.
//! - Fewer headers are left unsigned: of those above `expect`, `sec-websocket-key`, `transfer-encoding`,
//!   `upgrade`, `user-agent` and `x-amzn-trace-id`.
//! - What a request has of an older signature is an error.

mod canonical;
mod chunk;
mod credentials;
mod date;
#[cfg(feature = "event-stream")]
mod event;
mod explain;
mod key;
mod options;
mod presign;
pub(crate) mod presigned;
mod scratch;
mod signer;
#[cfg(feature = "sigv4a")]
mod v4a;

pub use chunk::ChunkSigner;
pub use credentials::SigningCredentials;
#[cfg(feature = "event-stream")]
pub use event::EventSigner;
pub use explain::Explanation;
pub use options::{PathEncoding, SigningOptions, SigningScope};
pub use presign::{Presigned, Presigning};
pub use signer::Signer;

#[cfg(feature = "event-stream")]
pub(crate) use event::crc32;
pub(crate) use signer::X_AMZ_SECURITY_TOKEN;
