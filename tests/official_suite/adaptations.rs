//! Cases that cannot be sent, or are not signed, as they are written: what is tried instead, and which
//! part of it must still come out.

use aws_sigv4::sign::v4::{calculate_signature, generate_signing_key};
use http::header::HOST;
use sha2::{Digest, Sha256};
use tower_client_auth::sigv4::PathEncoding;

use super::cases::Case;
use super::{Version, header_name};

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Adaptation {
    Unfold,
    EscapeSpaces,
    TokenSigned,
    ContentLengthUnsigned,
    ContentLengthChosen,
}

pub(super) const UNFOLDED: &str = "folding a header over lines is obsolete (RFC 9112, section 5.2), and \
    the http crate holds no line breaks: unfolded, the official signature";

pub(super) const SPACES: &str = "the suite encodes a raw space once, and a URI cannot hold one: sent as \
    %20 and encoded once, the official signature";

pub(super) const TOKEN_SIGNED: &str = "in headers every session token is signed: without a token, the \
    official signature; with it, that of the official canonical request with one line more";

pub(super) const LENGTH_UNSIGNED: &str = "content-length is not signed, because clients set it and \
    proxies change it: the signature of the official canonical request with one line less";

pub(super) const LENGTH_CHOSEN: &str = "content-length is signed if it is chosen to be: chosen, the \
    official signature";

impl Adaptation {
    pub(super) async fn check(self, case: &Case) -> Result<(), String> {
        self.check_with(case, |_| ()).await
    }

    /// The same where something else is changed as well, once it is known what is expected.
    pub(super) async fn check_with(
        self,
        case: &Case,
        change: impl Fn(&mut Case),
    ) -> Result<(), String> {
        for mut case in self.adapt(case) {
            change(&mut case);
            case.check().await?;
        }
        Ok(())
    }

    fn adapt(self, case: &Case) -> Vec<Case> {
        let mut case = case.clone();
        match self {
            Self::Unfold => {
                case.request.unfold();
                case.signed.unfold();
            }
            Self::EscapeSpaces => {
                case.request.escape_spaces();
                case.signed.escape_spaces();
                case.encoding = PathEncoding::Single;
            }
            Self::TokenSigned => {
                let mut without = case.clone();
                without.token = None;
                let is_token = |name: &str| name.eq_ignore_ascii_case("x-amz-security-token");
                without.signed.headers.retain(|(name, _)| !is_token(name));
                case.sign_token();
                return vec![without, case];
            }
            Self::ContentLengthUnsigned => case.leave_length_unsigned(),
            Self::ContentLengthChosen => {
                let names = case.request.headers.iter();
                let names = names.map(|(name, _)| header_name(name));
                case.chosen = Some(names.filter(|name| name != HOST).collect());
            }
        }
        vec![case]
    }
}

impl Case {
    fn sign_token(&mut self) {
        let token = self.token.clone().expect("a token");
        let text = self.canonical_request.clone();
        let (head, rest) = text.split_once("\n\n").expect("headers, if no query");
        let (head, rest) = match rest.split_once("\n\n") {
            // There is no query, and its line is empty.
            Some((headers, rest)) => (format!("{head}\n\n{headers}"), rest),
            None => (head.to_owned(), rest),
        };
        let (names, payload) = rest.split_once('\n').expect("a payload");
        // The last of all in the order of their names.
        let signed = format!("{names};x-amz-security-token");
        self.expect(
            &format!("{head}\nx-amz-security-token:{token}\n\n{signed}\n{payload}"),
            (names, &signed),
        );
    }

    fn leave_length_unsigned(&mut self) {
        let text = self.canonical_request.clone();
        let lines: Vec<&str> = text.split('\n').collect();
        let kept = lines
            .iter()
            .filter(|line| !line.starts_with("content-length:"));
        let kept: Vec<&str> = kept.copied().collect();
        assert_eq!(kept.len() + 1, lines.len(), "{}", self.name);
        let names = lines[lines.len() - 2];
        let signed = names.replace("content-length;", "");
        self.expect(&kept.join("\n").replace(names, &signed), (names, &signed));
    }

    /// Expects the signature of another canonical request, which signs other headers.
    fn expect(&mut self, canonical_request: &str, (names, signed): (&str, &str)) {
        let hash = |text: &str| hex::encode(Sha256::digest(text.as_bytes()));
        let official = self.string_to_sign.as_deref().expect("a string to sign");
        let known = hash(&self.canonical_request);
        assert!(official.ends_with(&known), "{}: {official}", self.name);
        let text = official.replace(&known, &hash(canonical_request));

        let (_, value) = self.signed.headers.last_mut().expect("authorization");
        let (start, _) = value.rsplit_once('=').expect("a signature");
        let start = start.replace(
            &format!("SignedHeaders={names},"),
            &format!("SignedHeaders={signed},"),
        );
        assert!(!value.starts_with(&start), "{}: {start}", self.name);
        *value = format!("{start}=");
        if self.version == Version::V4 {
            let (region, service) = (self.text("region"), self.text("service"));
            let key = generate_signing_key(&self.secret, self.time(), region, service);
            let signature = calculate_signature(key, text.as_bytes());
            self.signed.headers.last_mut().expect("it").1 += &signature;
            self.signature = Some(signature);
        }
        self.canonical_request = canonical_request.to_owned();
        self.string_to_sign = Some(text);
    }
}
