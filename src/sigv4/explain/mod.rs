//! What a server computes for a signed request, in words, for when it says 403.

mod answer;
mod claims;
mod difference;
mod redact;

use std::fmt;

use http::{HeaderValue, header, request};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use self::claims::Claims;
use super::canonical::{self, Entry, HOST, Layout, REQUEST, Values, signed_host};
use super::scratch::Scratch;
use super::signer::Signer;
use crate::error::AuthError;
use crate::hex::hex;
use crate::payload::PayloadHash;

/// What [`Signer::explain`] found: the canonical request and the string to sign of a signed request,
/// without its secrets.
///
/// Values of headers that are marked sensitive, and of headers and query parameters whose names speak of
/// a secret, are left out here and wherever a difference is told. Everything else is in it: treat it as
/// the request itself. The string to sign ends with a hash of all of it, by which a short secret, a PIN
/// for one, could be guessed.
pub struct Explanation {
    /// With all that is secret.
    canonical: Zeroizing<String>,
    redacted: String,
    string_to_sign: String,
    secrets: redact::Secrets,
    notes: Vec<String>,
}

impl Signer {
    /// What a server computes for a signed request as it stands: for when it answers that the
    /// signature does not match.
    ///
    /// `signed` is the head as it was sent, below every layer that may have changed it, and `payload`
    /// what it was signed with; the signer tells how the path is encoded. The date, the scope and the
    /// signed headers are taken from the request, as the server does, be they in its headers or, presigned, in
    /// its query. So this also shows a header that
    /// was changed between signing and sending.
    ///
    /// ```
    /// use std::time::{Duration, SystemTime};
    ///
    /// use aws_credential_types::Credentials;
    /// use tower_client_auth::PayloadHash;
    /// use tower_client_auth::sigv4::{Signer, SigningCredentials, SigningOptions, SigningScope};
    ///
    /// let scope = SigningScope::new("us-east-1", "s3")?;
    /// let signer = Signer::new(scope, SigningOptions::for_service("s3"));
    /// let credentials = Credentials::new("AKIDEXAMPLE", "secret", None, None, "example");
    /// let credentials = SigningCredentials::new(credentials)?;
    /// let request = http::Request::get("https://bucket.s3.amazonaws.com/a%20key").body(())?;
    /// let mut head = request.into_parts().0;
    /// let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_440_938_160);
    /// signer.sign(&mut head, &credentials, &PayloadHash::EMPTY, time)?;
    ///
    /// let explanation = signer.explain(&head, &PayloadHash::EMPTY)?;
    /// assert!(explanation.canonical_request().starts_with("GET\n/a%20key\n"));
    ///
    /// // What S3 sends with its 403, shortened.
    /// let answer = "<Error><Code>SignatureDoesNotMatch</Code><CanonicalRequest>GET\n/another%20key\n\n\
    ///     </CanonicalRequest></Error>";
    /// let difference = explanation.first_difference(answer.as_bytes());
    /// let difference = difference.expect("the answer has the server's text");
    /// assert!(difference.starts_with("the path is `/a%20key` here and `/another%20key` at the server"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`AuthErrorKind::Request`](crate::AuthErrorKind::Request) if the request has a signature neither in an
    /// `Authorization` header nor in its query, or does not say which host it goes to.
    pub fn explain(
        &self,
        signed: &request::Parts,
        payload: &PayloadHash,
    ) -> Result<Explanation, AuthError> {
        let claims = Claims::of(signed, self.options())?;
        let mut notes = Vec::new();
        let expected = match self.signs_payload() {
            true => payload.to_string(),
            false => PayloadHash::Unsigned.to_string(),
        };
        let told = claims.payload.as_deref().or(claims.assumed_payload);
        let payload = match told {
            Some(told) if told != expected => {
                let [_, place] = claims.places;
                notes.push(match claims.payload {
                    Some(_) => format!("`{place}` says {told}, and the payload hash is {expected}"),
                    None => format!("without `{place}` the payload is taken for {told}"),
                });
                told.to_owned()
            }
            _ => expected,
        };

        let host = signed.headers.get(header::HOST).map(HeaderValue::as_bytes);
        let hosts = signed.headers.get_all(header::HOST).iter().count();
        let host = signed_host((hosts, host), &claims.uri)?;
        let names = claims.names(&mut notes);
        let (mut entries, mut values) = (Vec::new(), Vec::new());
        for name in &names {
            if name == header::HOST {
                entries.push(Entry::new("host", HOST, false));
                continue;
            }
            let present = values.len();
            let found = signed.headers.get_all(name).iter();
            values.extend(found.map(|value| (name.as_str(), value.as_bytes())));
            if values.len() == present {
                notes.push(format!(
                    "`{name}` is signed, and the request does not have it any more"
                ));
                values.push((name.as_str(), &b""[..]));
            }
            let places = (present..values.len()).map(|at| REQUEST + at);
            entries.extend(places.map(|place| Entry::new(name.as_str(), place, false)));
        }
        let mut layout = Layout::default();
        layout.arrange(&mut entries);
        let source = canonical::Source {
            method: &signed.method,
            uri: &claims.uri,
            parameters: &[],
            layout: &layout,
            values: Values {
                added: [&host, b"", b"", b"", b""],
                request: &values,
            },
            payload: payload.as_bytes(),
        };
        let (canonical, hash) = Scratch::new(source.room()).write(|text| {
            source.write(text, self.options());
            let hash = hex(&Sha256::digest(text.written()).into());
            // For people: bytes that are no text are not shown as they are. Each may take three, and a
            // string that grows leaves a copy behind.
            let mut shown = Zeroizing::new(String::with_capacity(3 * text.len()));
            for chunk in text.written().utf8_chunks() {
                shown.push_str(chunk.valid());
                if !chunk.invalid().is_empty() {
                    shown.push(char::REPLACEMENT_CHARACTER);
                }
            }
            Ok((shown, hash))
        })?;
        let string_to_sign = format!(
            "{}\n{}\n{}\n{}",
            claims.algorithm,
            claims.date.as_deref().unwrap_or_default(),
            claims.scope,
            String::from_utf8_lossy(&hash),
        );
        if claims.date.is_none() {
            notes.push(format!("the request has no `{}`", claims.places[0]));
        }
        let secrets = redact::Secrets::of(&signed.headers, &canonical);
        Ok(Explanation {
            redacted: secrets.redact(&canonical),
            canonical,
            string_to_sign,
            secrets,
            notes,
        })
    }
}

impl Explanation {
    /// The canonical request, with secrets left out. Header values are as they are sent, whatever characters
    /// they have; [`Display`](fmt::Display) shows them in a way that is safe to print.
    pub fn canonical_request(&self) -> &str {
        &self.redacted
    }

    /// The string to sign. Its last line is the hash of the canonical request with its secrets.
    pub fn string_to_sign(&self) -> &str {
        &self.string_to_sign
    }

    /// The first difference to what the server computed, in words, with a guess at the reason.
    ///
    /// `answer` is the body of a 403. S3, API Gateway and most other services put their own canonical
    /// request or string to sign into it; `None` if this one does not. No more than its first 256 KiB
    /// are looked at.
    pub fn first_difference(&self, answer: &[u8]) -> Option<String> {
        let server = answer::Answer::parse(answer)?;
        let here = (self.canonical.as_str(), self.string_to_sign.as_str());
        Some(difference::first(here, &server, &self.secrets))
    }
}

/// Both texts, and what is odd about the request. Characters that a terminal would obey, or not show, are
/// escaped.
impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "canonical request:\n{}\n", printable(&self.redacted))?;
        write!(f, "string to sign:\n{}", printable(&self.string_to_sign))?;
        for note in &self.notes {
            write!(f, "\n\nnote: {}", printable(note))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Explanation")
            .field("canonical_request", &self.redacted)
            .field("string_to_sign", &self.string_to_sign)
            .finish_non_exhaustive()
    }
}

/// As it may be printed, with its lines: a stranger may have written some of it, and a terminal obeys
/// control characters.
fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' | '\'' | '"' | '\\' => shown.push(character),
            other => shown.extend(other.escape_debug()),
        }
    }
    shown
}
