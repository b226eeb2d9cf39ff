//! Presigned URLs: the signature in the query, good until it expires, for whoever has it.
//!
//! After [Authenticating requests: using query parameters][s3].
//!
//! [s3]: https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderName, Uri, header, request};
use sha2::{Digest, Sha256};
use smallvec::SmallVec;

use super::canonical::{
    self, Arranged, IN_QUERY, Parameter, Unsorted, Values, escape, is_unreserved, signed_host,
};
use super::credentials::SigningCredentials;
use super::date::second_of;
use super::key::Stamp;
use super::presigned::{
    ALGORITHM, CONTENT_SHA256, CREDENTIAL, DATE, EXPIRES, REGION_SET, SECURITY_TOKEN, SIGNATURE,
    SIGNED_HEADERS, is_of_presignature, without_presignature,
};
use super::scratch::{Scratch, Text};
use super::signer::{DIGITS, LONGEST_SIGNATURE, OWN_HEADERS, Signer};
use crate::error::{AuthError, AuthErrorKind};
use crate::hex::hex;
use crate::observe;
use crate::payload::{PayloadHash, UNSIGNED_PAYLOAD};
use crate::query;

/// How a URL is presigned: for how long, and which headers it covers.
///
/// ```
/// use std::time::Duration;
///
/// use http::header;
/// use tower_client_auth::sigv4::Presigning;
///
/// let download = Presigning::expires_in(Duration::from_secs(15 * 60))?;
/// // Whoever uploads must say that it is a picture, and how large it is.
/// let upload = download.clone().signed_headers([header::CONTENT_TYPE, header::CONTENT_LENGTH])?;
/// assert!(Presigning::expires_in(Duration::from_secs(8 * 24 * 60 * 60)).is_err());
/// # Ok::<(), tower_client_auth::AuthError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presigning {
    seconds: u32,
    /// The same in digits.
    digits: Arc<str>,
    chosen: Option<Arc<[HeaderName]>>,
}

/// What became of a [`Presigning`]: how long the URL is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Presigned {
    expires_in: Duration,
    expires_at: SystemTime,
    is_shortened: bool,
}

/// The longest that any service takes: a week.
const LONGEST: Duration = Duration::from_secs(7 * 24 * 60 * 60);

impl Presigning {
    /// A URL that is good for so long, in whole seconds, what is left over being dropped: for a second at
    /// least, and a week at most. It ends with the credentials that sign it, if these say that they end sooner: see
    /// [`Presigned::is_shortened`].
    ///
    /// # Errors
    ///
    /// [`AuthErrorKind::Configuration`] if it is shorter or longer.
    pub fn expires_in(time: Duration) -> Result<Self, AuthError> {
        let time = Duration::from_secs(time.as_secs());
        if time.is_zero() || time > LONGEST {
            return Err(AuthError::new(
                AuthErrorKind::Configuration,
                "a presigned URL is good for 1 s to 7 days (604,800 s): give a time within these",
            ));
        }
        // No more than a week has.
        let seconds = time.as_secs() as u32;
        Ok(Self {
            seconds,
            digits: seconds.to_string().into(),
            chosen: None,
        })
    }

    /// Covers these headers only, and the host: whoever uses the URL has to send them with the same values,
    /// and may send others. Without a call of this, the signature covers every header that the request has,
    /// but those that are [never signed](super#what-is-signed).
    ///
    /// Of the headers named here, any are signed: so `content-length` binds an upload to its size. Every one
    /// must be there when the URL is signed, or it is an error, since a header that is not there is not
    /// bound. S3 demands that all `x-amz-` headers of a request are signed.
    ///
    /// # Errors
    ///
    /// [`AuthErrorKind::Configuration`] for headers that are part of a signature themselves, such as
    /// `authorization`.
    pub fn signed_headers(
        mut self,
        names: impl IntoIterator<Item = HeaderName>,
    ) -> Result<Self, AuthError> {
        let names = names.into_iter().filter(|name| *name != header::HOST);
        let chosen: Arc<[HeaderName]> = names.collect();
        if let Some(name) = chosen.iter().find(|name| OWN_HEADERS.contains(name)) {
            return Err(AuthError::new(
                AuthErrorKind::Configuration,
                format!("`{name}` is part of a signature and cannot be signed: leave it out"),
            ));
        }
        self.chosen = Some(chosen);
        Ok(self)
    }

    /// As it was asked for.
    pub(crate) fn time(&self) -> Duration {
        Duration::from_secs(self.seconds.into())
    }

    /// How long a URL is good for that is signed with these credentials.
    fn lifetime(
        &self,
        credentials: &SigningCredentials,
        time: SystemTime,
    ) -> Result<(u32, Arc<str>), AuthError> {
        let Some(end) = credentials.expiry() else {
            return Ok((self.seconds, Arc::clone(&self.digits)));
        };
        // The signature says whole seconds of when it was made.
        let made = Duration::from_secs(second_of(time)?);
        let left = end.duration_since(SystemTime::UNIX_EPOCH + made);
        match left.unwrap_or_default().as_secs() {
            // Past their end, which is not believed then.
            0 if credentials.outlive_expiry() => Ok((self.seconds, Arc::clone(&self.digits))),
            0 => Err(AuthError::new(
                AuthErrorKind::Expired,
                "the AWS credentials have expired, and a URL signed with them would be no good",
            )),
            left if left < u64::from(self.seconds) => Ok((left as u32, left.to_string().into())),
            _ => Ok((self.seconds, Arc::clone(&self.digits))),
        }
    }
}

impl Presigned {
    /// How long the URL is good for, from when it was signed.
    pub fn expires_in(&self) -> Duration {
        self.expires_in
    }

    /// Until when the URL is good, by the time it was signed at.
    pub fn expires_at(&self) -> SystemTime {
        self.expires_at
    }

    /// Whether that is less than what was asked for, since the credentials end sooner: a URL is no good
    /// without them. A role's credentials often last for an hour. For a URL that is good for days, sign with
    /// those of an IAM user.
    pub fn is_shortened(&self) -> bool {
        self.is_shortened
    }
}

impl Signer {
    /// Signs `head` as of `time`, with the signature in the query of its URI: whoever has the URL can make
    /// this request without credentials, until it expires.
    ///
    /// ```
    /// use std::time::{Duration, SystemTime};
    ///
    /// use aws_credential_types::Credentials;
    /// use tower_client_auth::PayloadHash;
    /// use tower_client_auth::sigv4::{
    ///     Presigning, Signer, SigningCredentials, SigningOptions, SigningScope,
    /// };
    ///
    /// let scope = SigningScope::new("eu-west-1", "s3")?;
    /// let signer = Signer::new(scope, SigningOptions::for_service("s3"));
    /// let credentials = Credentials::new("AKIDEXAMPLE", "secret", None, None, "example");
    /// let credentials = SigningCredentials::new(credentials)?;
    ///
    /// let object = "https://bucket.s3.eu-west-1.amazonaws.com/report.pdf";
    /// let mut head = http::Request::get(object).body(())?.into_parts().0;
    /// let presigning = Presigning::expires_in(Duration::from_secs(15 * 60))?;
    /// let presigned = signer.presign(
    ///     &mut head,
    ///     &credentials,
    ///     &PayloadHash::Unsigned,
    ///     SystemTime::now(),
    ///     &presigning,
    /// )?;
    /// assert!(!presigned.is_shortened());
    /// println!("good until {:?}: {}", presigned.expires_at(), head.uri);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// Adds `X-Amz-Algorithm`, `X-Amz-Credential`, `X-Amz-Date`, `X-Amz-Expires`, `X-Amz-SignedHeaders` and
    /// `X-Amz-Signature` to the query, `X-Amz-Security-Token` if the credentials have a session token, and
    /// `X-Amz-Region-Set` for SigV4a; removes whatever the request had of these, there and in headers,
    /// `authorization` and `x-amz-content-sha256` among them. Everything else stays as it is.
    ///
    /// **The headers** that the request has are all signed, but those that are
    /// [never](super#what-is-signed): whoever uses the URL has to send the same ones. Make a new request for a URL
    /// to hand out, and not one of a head that came in at a server; or choose, with
    /// [`Presigning::signed_headers`]. `X-Amz-SignedHeaders` lists them. A `Host` header is signed in place of the
    /// URI's host, as [`sign`](Signer::sign) does it: leave it out, unless whoever uses the URL sends it.
    ///
    /// **The payload** of a presigned URL is not signed for S3, as a rule: give [`PayloadHash::Unsigned`]. A
    /// hash is sent along as `X-Amz-Content-Sha256`. Other services take the hash of the body, and
    /// [`PayloadHash::EMPTY`] is that of a request without one.
    ///
    /// **The URL is a secret** until it expires, and has the session token in it. Logs of URLs have it too.
    ///
    /// A warning is emitted, with feature `tracing`, if the URL ends sooner than it was asked to. Credentials that
    /// do not say when they end, as those of environment variables, cannot shorten it: it still ends with them.
    ///
    /// For S3's presigned POST, which is a form and a policy, and for directory buckets (`s3express`) there is
    /// nothing here.
    ///
    /// # Errors
    ///
    /// Those of [`sign`](Signer::sign); [`AuthErrorKind::Expired`] if the credentials have expired, and
    /// [`AuthErrorKind::Request`] if a header is missing that was
    /// [chosen to be signed](Presigning::signed_headers), if the URI has no room for the signature, or if
    /// the payload is to be signed in chunks. The head is then as it was.
    pub fn presign(
        &self,
        head: &mut request::Parts,
        credentials: &SigningCredentials,
        payload: &PayloadHash,
        time: SystemTime,
        presigning: &Presigning,
    ) -> Result<Presigned, AuthError> {
        let presigned = self.presign_quietly(head, credentials, payload, time, presigning)?;
        if presigned.is_shortened {
            observe::shortened(presigned.expires_in, presigning.seconds);
        }
        Ok(presigned)
    }

    /// The same for requests that are sent at once, and whose URLs nobody keeps.
    pub(crate) fn presign_quietly(
        &self,
        head: &mut request::Parts,
        credentials: &SigningCredentials,
        payload: &PayloadHash,
        time: SystemTime,
        presigning: &Presigning,
    ) -> Result<Presigned, AuthError> {
        if payload.has_signed_pieces() {
            return Err(AuthError::new(
                AuthErrorKind::Request,
                "a body in signed chunks or events has its signature in a header, and not in the URL: give the hash of \
                 the whole body, or `PayloadHash::Unsigned`",
            ));
        }
        let (seconds, expires) = presigning.lifetime(credentials, time)?;
        let second = second_of(time)?;

        let cleared;
        let uri = match query::pairs(&head.uri).any(is_of_presignature) {
            true => {
                cleared = without_presignature(&head.uri)?;
                &cleared
            }
            false => &head.uri,
        };
        let unsorted = Unsorted::new(&head.headers);
        let sign = |arranged: &Arranged| {
            let signed = credentials.with_stamp(second, self.scope(), |stamp| {
                let request = Unsigned {
                    head,
                    uri,
                    headers: unsorted.as_slice(),
                    arranged,
                };
                self.presigned(
                    &request,
                    stamp,
                    credentials.encoded_token(),
                    payload,
                    &expires,
                )
            });
            signed.map(|uri| (uri, arranged.has_leftovers))
        };
        let (uri, has_leftovers) = match &presigning.chosen {
            None => unsorted.arranged(&self.options().unsigned, IN_QUERY, sign)?,
            Some(chosen) => {
                check_chosen(chosen, head)?;
                sign(&Arranged::choosing(&unsorted, chosen))?
            }
        };

        // Nothing fails from here on.
        drop(unsorted);
        head.uri = uri;
        if has_leftovers {
            for name in &OWN_HEADERS {
                head.headers.remove(name);
            }
        }
        let expires_in = Duration::from_secs(seconds.into());
        Ok(Presigned {
            expires_in,
            // No time that could be signed is near the last there is.
            expires_at: SystemTime::UNIX_EPOCH + Duration::from_secs(second) + expires_in,
            is_shortened: seconds < presigning.seconds,
        })
    }

    fn presigned(
        &self,
        request: &Unsigned<'_>,
        stamp: &Stamp,
        token: Option<&[u8]>,
        payload: &PayloadHash,
        expires: &str,
    ) -> Result<Uri, AuthError> {
        let (uri, options) = (request.uri, self.options());
        let mut digits = [0; DIGITS];
        let payload = self.payload_text(payload, &mut digits);
        let host = request.arranged.host.and_then(|at| request.headers.get(at));
        let host = (request.arranged.hosts, host.map(|(_, value)| *value));
        let host = signed_host(host, uri)?;
        let names = encoded(request.arranged.layout.names());
        let (appended, token) = match options.append_token {
            true => (token, None),
            false => (None, token),
        };

        // In the order of their names, which is that of the canonical request.
        let mut parameters = SmallVec::<[Parameter<'_>; 8]>::new();
        parameters.push((ALGORITHM, stamp.algorithm().as_bytes()));
        if self.tells_payload(payload) {
            parameters.push((CONTENT_SHA256, payload));
        }
        parameters.push((CREDENTIAL, stamp.credential.as_bytes()));
        parameters.push((DATE, stamp.date_time.as_str().as_bytes()));
        parameters.push((EXPIRES, expires.as_bytes()));
        if let Some(regions) = self.scope().regions() {
            parameters.push((REGION_SET, regions.encoded.as_bytes()));
        }
        if let Some(token) = token {
            parameters.push((SECURITY_TOKEN, token));
        }
        parameters.push((SIGNED_HEADERS, &names));

        let source = canonical::Source {
            method: &request.head.method,
            uri,
            parameters: &parameters,
            layout: &request.arranged.layout,
            values: Values {
                added: [&host, b"", b"", b"", b""],
                request: request.headers,
            },
            payload,
        };
        let own = |(name, value): &Parameter<'_>| name.len() + value.len() + b"&=".len();
        let added = parameters.iter().map(own).sum::<usize>();
        let room = source.room()
            + uri.path_and_query().map_or(0, |text| text.as_str().len())
            + added
            + own(&(SIGNATURE, &[0; LONGEST_SIGNATURE]))
            + appended.map_or(0, |token| own(&(SECURITY_TOKEN, token)))
            + b"/?".len();
        let path_and_query = Scratch::new(room).write(|text| {
            source.write(text, options);
            let hash = hex(&Sha256::digest(text.written()).into());

            // Behind the canonical request.
            let start = text.len();
            text.extend(uri.path().as_bytes());
            text.push(b'?');
            match uri.query().unwrap_or_default().as_bytes() {
                [] => {}
                query @ [.., b'&'] => text.extend(query),
                query => {
                    text.extend(query);
                    text.push(b'&');
                }
            }
            for parameter in &parameters {
                write_parameter(text, parameter);
                text.push(b'&');
            }
            write_parameter(text, &(SIGNATURE, b""));
            stamp.sign(&hash, text)?;
            if let Some(token) = appended {
                text.push(b'&');
                write_parameter(text, &(SECURITY_TOKEN, token));
            }
            let whole = Bytes::copy_from_slice(text.written().get(start..).unwrap_or_default());
            PathAndQuery::from_maybe_shared(whole).map_err(|_| no_room())
        })?;
        let mut parts = uri.clone().into_parts();
        parts.path_and_query = Some(path_and_query);
        Uri::from_parts(parts).map_err(|_| no_room())
    }

    /// Whether a payload is told of in the query. S3 takes that of a presigned URL for unsigned, and other
    /// services hash it.
    fn tells_payload(&self, payload: &[u8]) -> bool {
        match payload.len() == DIGITS {
            true => self.options().send_payload_hash,
            false => payload != UNSIGNED_PAYLOAD.as_bytes() || !self.options().is_like_s3(),
        }
    }
}

/// What a signature is made for.
struct Unsigned<'a> {
    head: &'a request::Parts,
    /// That of the head, without an older signature.
    uri: &'a Uri,
    headers: &'a [(&'a str, &'a [u8])],
    arranged: &'a Arranged,
}

fn write_parameter(text: &mut Text<'_>, (name, value): &Parameter<'_>) {
    text.extend(name.as_bytes());
    text.push(b'=');
    text.extend(value);
}

/// Percent-encoded, as a value in a query.
fn encoded(names: &[u8]) -> SmallVec<[u8; 128]> {
    let mut text = SmallVec::new();
    for &byte in names {
        match is_unreserved(byte) {
            true => text.push(byte),
            false => text.extend_from_slice(&escape(byte)),
        }
    }
    text
}

/// A header that is not there would not be bound, and whoever has the URL could send any.
fn check_chosen(chosen: &[HeaderName], head: &request::Parts) -> Result<(), AuthError> {
    match chosen.iter().find(|name| !head.headers.contains_key(*name)) {
        None => Ok(()),
        Some(name) => Err(AuthError::new(
            AuthErrorKind::Request,
            format!("`{name}` is to be signed, and the request does not have it: set it first"),
        )),
    }
}

#[cold]
fn no_room() -> AuthError {
    // No source: the text may hold a session token.
    AuthError::new(
        AuthErrorKind::Request,
        "the request's URI is too long for a signature in it: sign in headers instead",
    )
}

#[cfg(test)]
mod tests;
