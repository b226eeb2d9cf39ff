//! A case sent through the layer, and what came out held against the suite.

use std::time::Duration;

use aws_credential_types::Credentials;
use bytes::Bytes;
use http::{Method, Request, Uri};
use http_body_util::Full;
use tower::{Layer, ServiceExt};
use tower_client_auth::sigv4::{Presigning, SigningOptions};
use tower_client_auth::{Clock, SigV4Layer};

use super::cases::Case;
use super::signed::Signed;
use super::{Placement, Version};
use crate::ecdsa;
use crate::support::{Recorder, Seen};

impl Case {
    /// Whether what was sent is the suite's signed request, and has its signature: of version 4a, one
    /// that the suite's key verifies over the suite's own string to sign.
    pub(super) async fn check(&self) -> Result<(), String> {
        let expected = Signed::new(&self.signed.headers()?, &self.signed.target)?;
        if let Some(signature) = &self.signature
            && self.version == Version::V4
        {
            assert_eq!(
                *signature, expected.signature,
                "{}: two signatures",
                self.name
            );
        }
        let seen = self.send().await?;
        if seen.body != self.request.body {
            return Err("the body was changed".to_owned());
        }
        let target = seen.head.uri.path_and_query();
        let target = target.map_or("", |target| target.as_str());
        let signed = Signed::new(&seen.head.headers, target)?;
        if signed.rest != expected.rest {
            return Err(format!(
                "{:#?}\nbut expected\n{:#?}",
                signed.rest, expected.rest
            ));
        }
        match &self.public_key {
            None if signed.signature == expected.signature => Ok(()),
            None => Err(format!("{signed:#?}\nbut expected\n{expected:#?}")),
            Some(key) => self.verify(key, &signed.signature),
        }
    }

    fn verify(&self, key: &[u8], signature: &str) -> Result<(), String> {
        let text = self.string_to_sign.as_deref().ok_or("no string to sign")?;
        let mut changed = text.to_owned();
        // The hash ends with another digit.
        let last = changed.pop().ok_or("no string to sign")?;
        changed.push(if last == '0' { '1' } else { '0' });
        match ecdsa::verifies(key, text, signature) {
            false => Err(format!("{signature} is not a signature of {text:?}")),
            true if ecdsa::verifies(key, &changed, signature) => {
                Err(format!("{signature} is one of {changed:?} as well"))
            }
            true => Ok(()),
        }
    }

    /// Sends the request through a layer set up as the case says.
    pub(super) async fn send(&self) -> Result<Seen, String> {
        let in_query = self.placement == Placement::Query;
        let options = SigningOptions::default()
            .normalize_path(self.flag("normalize", true))
            // In a query the suite tells no hash.
            .send_payload_hash(self.flag("sign_body", true) && !in_query)
            .append_session_token(self.flag("omit_session_token", false))
            .path_encoding(self.encoding);
        let (region, service, time) = (self.text("region"), self.text("service"), self.time());
        let key = self.context["credentials"]["access_key_id"].as_str();
        let credentials = Credentials::new(
            key.expect("a key"),
            &self.secret,
            self.token.clone(),
            None,
            "suite",
        );
        let mut layer = SigV4Layer::new(region, service, credentials)
            .expect("a layer")
            .options(options)
            .clock(Clock::from_fn(move || time));
        if self.version == Version::V4a {
            layer = layer.region_set(region).expect("a region set");
        }
        if in_query {
            let seconds = self.context["expiration_in_seconds"].as_u64();
            let lifetime = Duration::from_secs(seconds.expect("a number"));
            let mut presigning = Presigning::expires_in(lifetime).expect("less than a week");
            if let Some(chosen) = &self.chosen {
                let covering = presigning.signed_headers(chosen.iter().cloned());
                presigning = covering.expect("headers that can be signed");
            }
            layer = layer.presigned(presigning);
        }

        let uri: Uri = self.uri().parse().map_err(|e| format!("the URI: {e}"))?;
        let mut request = Request::new(Full::new(Bytes::from(self.request.body.clone())));
        *request.method_mut() = Method::from_bytes(self.request.method.as_bytes()).expect("method");
        *request.uri_mut() = uri;
        *request.headers_mut() = self.request.headers()?;
        let recorder = Recorder::new();
        let sent = layer.layer(recorder.clone()).oneshot(request).await;
        sent.map_err(|e| e.to_string())?;
        Ok(recorder.only())
    }
}
