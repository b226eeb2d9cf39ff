//! Version 4a. Its signatures differ each time, but the reference signer's, which has no random numbers in
//! it: that is of our string to sign if it is what the reference makes of this text, and so is ours if
//! the public key verifies it.

use aws_sigv4::http_request::{SigningParams, SigningSettings};
use aws_sigv4::sign::v4a::{self, calculate_signature, generate_signing_key};
use http::header::AUTHORIZATION;
use http::{HeaderMap, request};
use tower_client_auth::sigv4::{Signer, SigningCredentials, SigningScope};

use super::presigned::{Url, added};
use super::{Random, Setup, is_signed};
use crate::ecdsa;
use crate::support::promise;

const REQUESTS: usize = 2_000;

impl Setup {
    fn v4a_signer(&self) -> Signer {
        let scope = SigningScope::v4a(&self.region, &self.service);
        Signer::new(scope.expect("a scope"), self.options())
    }

    fn with_v4a_params<R>(
        &self,
        settings: SigningSettings,
        sign: impl FnOnce(&SigningParams<'_>) -> R,
    ) -> R {
        let identity = self.credentials().into();
        let params = v4a::SigningParams::builder()
            .identity(&identity)
            .region_set(&self.region)
            .name(&self.service)
            .time(self.time)
            .settings(settings);
        sign(&params.build().expect("complete").into())
    }

    /// Both are signatures of the string to sign that `signed` has.
    fn check(&self, signer: &Signer, signed: &request::Parts, (ours, theirs): (&str, &str)) {
        let text = ecdsa::string_to_sign(signer, signed, &self.payload);
        let key = generate_signing_key("AKIDEXAMPLE", &self.secret);
        assert_eq!(calculate_signature(key, text.as_bytes()), theirs, "{text}");
        let key = ecdsa::public_key("AKIDEXAMPLE", &self.secret);
        assert!(ecdsa::verifies(&key, &text, ours), "{text}");
        assert!(ecdsa::verifies(&key, &text, theirs), "{text}");
    }
}

impl Random {
    pub(super) fn region_set(&mut self) -> String {
        let sets = ["*", "us-east-1", "us-east-1,eu-*", "cn-*,X,a_b.c", "us-*"];
        self.pick(&sets).to_owned()
    }
}

/// The signature in `authorization`, which is taken out.
fn take_signature(headers: &mut HeaderMap) -> (String, String) {
    let value = headers.remove(AUTHORIZATION).expect("signed");
    let value = value.to_str().expect("ASCII");
    let (rest, signature) = value.split_once(", Signature=").expect("a signature");
    (rest.to_owned(), signature.to_owned())
}

#[test]
fn random_requests_are_signed_as_the_reference_does() {
    let mut random = Random(0x5eed_0000_0a4a_0029);
    let mut sessions = 0;
    for n in 0..REQUESTS {
        let mut setup = random.setup();
        setup.region = random.region_set();
        let head = random.request(setup.encoding);
        let signer = setup.v4a_signer();
        let credentials = SigningCredentials::new(setup.credentials()).expect("credentials");
        let mut signed = head.clone();
        let done = signer.sign(&mut signed, &credentials, &setup.payload, setup.time);
        done.expect("signed");

        let uri = head.uri.to_string();
        let mut theirs = http::Request::from_parts(head.clone(), ());
        let instructions = setup.with_v4a_params(setup.settings(), |params| {
            setup.instructions(&head, &uri, is_signed, params)
        });
        instructions.apply_to_request_http1x(&mut theirs);

        let mut ours = signed.headers.clone();
        let (our_rest, our_signature) = take_signature(&mut ours);
        let (their_rest, their_signature) = take_signature(theirs.headers_mut());
        assert_eq!(our_rest, their_rest, "request {n}: {setup:#?}\n{head:#?}");
        assert_eq!(
            &ours,
            theirs.headers(),
            "request {n}: {setup:#?}\n{head:#?}"
        );
        setup.check(&signer, &signed, (&our_signature, &their_signature));
        sessions += usize::from(setup.token.is_some());
    }
    assert!(sessions > REQUESTS / 10, "only {sessions}");
    promise(
        29,
        format_args!(
            "{REQUESTS} of {REQUESTS} random requests agree with aws-sigv4 in what SigV4a signs, \
             {sessions} with a session token"
        ),
    );
}

#[test]
fn random_urls_are_presigned_as_the_reference_does() {
    let mut random = Random(0x5eed_0000_0a4b_0029);
    let mut sessions = 0;
    for n in 0..REQUESTS {
        let (mut url, head): (Url, _) = random.presigned();
        url.setup.region = random.region_set();
        let setup = &url.setup;
        let scope = SigningScope::v4a(&setup.region, &setup.service).expect("a scope");
        let signer = url.signer(scope);
        let signed = url.presign(&signer, &head);
        let mut ours = added(&head, &signed);

        let settings = url.settings();
        let mut theirs = setup.with_v4a_params(settings, |params| url.theirs_by(&head, params));

        let take = |pairs: &mut Vec<(String, String)>| {
            let at = pairs.iter().position(|(name, _)| name == "X-Amz-Signature");
            pairs.remove(at.expect("a signature")).1
        };
        let signatures = (take(&mut ours), take(&mut theirs));
        assert_eq!(ours, theirs, "URL {n}: {url:#?}\n{head:#?}");
        setup.check(&signer, &signed, (&signatures.0, &signatures.1));
        sessions += usize::from(setup.token.is_some());
    }
    assert!(sessions > REQUESTS / 10, "only {sessions}");
    promise(
        29,
        format_args!(
            "{REQUESTS} of {REQUESTS} random presigned URLs agree with aws-sigv4 in what SigV4a signs, \
             {sessions} with a session token"
        ),
    );
}
