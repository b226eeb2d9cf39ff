//! MiniStack's S3, which knows users and the sessions of roles.

use aws_sigv4::http_request::{
    PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation, SigningSettings,
    UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};

use super::*;
use crate::ministack::{MiniStack, REGION, Twin, Who};
use crate::servers;
use crate::support::promise;

const WEEK: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// In the bucket that its tests have.
fn object(stack: &MiniStack, key: &str) -> Uri {
    stack.uri("localhost", &format!("/tests/{key}"))
}

fn signing(stack: &MiniStack, who: Who) -> Signing {
    Signing::new(REGION, "s3", stack.key_pair(who, None))
}

#[tokio::test]
async fn users_and_sessions_hand_out_urls_that_cannot_be_changed() {
    if servers::skipped("ministack, presigned URLs") {
        return;
    }
    let stack = MiniStack::shared();
    let holder = Holder::new();
    let mut tally = Tally::default();
    for (who, by) in [
        (Who::User, By::Signer),
        (Who::User, By::Layer),
        (Who::Role, By::Signer),
        (Who::Role, By::Layer),
    ] {
        let uri = object(
            stack,
            &format!("handed-out/{who:?}{by:?}/%28a%29%20b%27%C3%A9"),
        );
        let signing = signing(stack, who);
        let disposition = "response-content-disposition=attachment%3B%20filename%3D%22a%20b.pdf%22";
        let kept = [
            ("content-type", "image/png"),
            ("x-amz-meta-note", "two  spaces"),
        ];
        let upload = request(Method::PUT, &uri, &kept).map(|_| Bytes::from_static(b"stored"));
        for unsigned in [
            upload,
            request(Method::HEAD, &uri, &[]),
            request(Method::GET, &uri, &[("x-amz-checksum-mode", "ENABLED")]),
            request(
                Method::GET,
                &with_pairs(&uri, &[disposition.to_owned()]),
                &[],
            ),
            request(Method::DELETE, &uri, &[]),
        ] {
            let sent = signing.presigned(by, &unsigned).await;
            let has_token = sent.uri().to_string().contains("X-Amz-Security-Token=");
            assert_eq!(has_token, matches!(who, Who::Role));
            let answer = holder.accepted_untouched_alone(&sent, &mut tally).await;
            if unsigned.method() == Method::GET {
                assert_eq!(answer.text, "stored");
                assert_eq!(answer.headers[CONTENT_TYPE], "image/png");
            }
            if unsigned.uri().query().is_some() {
                let expected = "attachment; filename=\"a b.pdf\"";
                assert_eq!(answer.headers[CONTENT_DISPOSITION], expected);
            }
        }
        let gone = signing
            .presigned(by, &request(Method::GET, &uri, &[]))
            .await;
        assert_eq!(holder.send(&gone).await.status, StatusCode::NOT_FOUND);
    }
    promise(
        30,
        format!(
            "MiniStack's S3 accepts {} presigned URLs, and refuses all {} changes to them",
            tally.accepted, tally.refused
        ),
    );
}

#[tokio::test]
async fn a_chosen_header_has_to_come_along_as_it_was() {
    if servers::skipped("ministack, chosen headers") {
        return;
    }
    let stack = MiniStack::shared();
    let holder = Holder::new();
    let mut tally = Tally::default();
    let uri = object(stack, "chosen");
    for who in [Who::User, Who::Role] {
        for by in [By::Signer, By::Layer] {
            let kept = [("content-type", "image/png"), ("cache-control", "no-store")];
            let upload = request(Method::PUT, &uri, &kept).map(|_| Bytes::from_static(b"stored"));
            let signing = signing(stack, who).covering([CONTENT_TYPE]);
            let sent = signing.presigned(by, &upload).await;
            // Changes of the one that was not chosen are nobody's business.
            let mut other = sent.clone();
            assert!(other.headers_mut().remove("cache-control").is_some());
            holder.accepted(&other, &mut tally).await;
            holder.accepted_untouched_alone(&sent, &mut tally).await;
        }
    }
    assert_eq!(tally.accepted, 8);
}

#[tokio::test]
async fn a_url_is_good_until_it_expires_and_no_longer_than_a_week() {
    if servers::skipped("ministack, expiry") {
        return;
    }
    let stack = MiniStack::shared();
    let holder = Holder::new();
    let mut tally = Tally::default();
    let now = Clock::system().now();
    let uri = object(stack, "timed");
    let upload = request(Method::PUT, &uri, &[]);
    let upload = upload.map(|_| Bytes::from_static(b"stored"));
    let stored = signing(stack, Who::User).by_signer(&upload);
    holder.accepted(&stored, &mut tally).await;
    let get = request(Method::GET, &uri, &[]);
    for who in [Who::User, Who::Role] {
        for by in [By::Signer, By::Layer] {
            for (time, expires_in, refusal) in [
                (now - 20 * MINUTE, 30 * MINUTE, None),
                (now + 14 * MINUTE, MINUTE, None),
                (now - WEEK + 60 * MINUTE, WEEK, None),
                (now - 2 * MINUTE, MINUTE, Some("Request has expired")),
                (now - WEEK - MINUTE, WEEK, Some("Request has expired")),
                (now + 16 * MINUTE, MINUTE, Some("Request is not yet valid")),
            ] {
                let signing = signing(stack, who).made(time, expires_in);
                let sent = signing.presigned(by, &get).await;
                match refusal {
                    None => drop(holder.accepted(&sent, &mut tally).await),
                    Some(reason) => {
                        holder
                            .refused("the time", &sent, &[reason], &mut tally)
                            .await;
                        let status = holder.send(&sent).await.status;
                        assert_eq!(status, StatusCode::FORBIDDEN, "{reason}");
                    }
                }
            }
        }
    }
    // By the SDKs' signer, which takes any time. A week is the most for both.
    let long = ["must be less than a week"];
    for (expires_in, good) in [(WEEK, true), (WEEK + Duration::from_secs(1), false)] {
        let sent = lasting_any_time(stack, &get, now, expires_in);
        match good {
            true => drop(holder.accepted(&sent, &mut tally).await),
            false => holder.refused("the expiry", &sent, &long, &mut tally).await,
        }
    }
    promise(
        30,
        format!(
            "MiniStack's S3 accepts {} presigned URLs in their time, and refuses {} out of it",
            tally.accepted, tally.refused
        ),
    );
}

fn lasting_any_time(
    stack: &MiniStack,
    request: &Request<Bytes>,
    time: SystemTime,
    expires_in: Duration,
) -> Request<Bytes> {
    let mut settings = SigningSettings::default();
    settings.signature_location = SignatureLocation::QueryParams;
    settings.expires_in = Some(expires_in);
    settings.percent_encoding_mode = PercentEncodingMode::Single;
    settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    let identity = stack.key_pair(Who::User, None).into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(REGION)
        .name("s3")
        .time(time)
        .settings(settings)
        .build()
        .expect("complete");
    let mut request = request.clone();
    let uri = request.uri().to_string();
    let body = SignableBody::UnsignedPayload;
    let signable = SignableRequest::new(request.method().as_str(), uri, [].into_iter(), body);
    let signed = sign(signable.expect("a request"), &params.into()).expect("signed");
    signed.into_parts().0.apply_to_request_http1x(&mut request);
    request
}

#[tokio::test]
async fn a_url_by_the_wrong_secret_or_session_is_refused() {
    if servers::skipped("ministack, wrong credentials") {
        return;
    }
    let stack = MiniStack::shared();
    let holder = Holder::new();
    let mut tally = Tally::default();
    let uri = object(stack, "whose");
    let user = stack.key_pair(Who::User, None);
    let role = stack.key_pair(Who::Role, None);
    let mixed = |one: &Credentials, other: &Credentials| {
        let (key, secret) = (one.access_key_id(), other.secret_access_key());
        let token = one.session_token().map(str::to_owned);
        Credentials::new(key, secret, token, None, "tests")
    };
    let upload = request(Method::PUT, &uri, &[]);
    for (what, credentials, reasons) in [
        (
            "a wrong secret",
            stack.key_pair(Who::User, Some(Twin::WrongSecret)),
            changes::MISMATCH,
        ),
        (
            "a wrong secret of a session",
            stack.key_pair(Who::Role, Some(Twin::WrongSecret)),
            changes::MISMATCH,
        ),
        ("another's secret", mixed(&user, &role), changes::MISMATCH),
        ("another's secret", mixed(&role, &user), changes::MISMATCH),
        (
            "an unknown key",
            stack.key_pair(Who::User, Some(Twin::UnknownKey)),
            &["InvalidAccessKeyId"],
        ),
        (
            "a token that was changed and signed",
            stack.key_pair(Who::Role, Some(Twin::AlteredToken)),
            &["InvalidToken", "InvalidAccessKeyId"],
        ),
        (
            "a session without its token",
            stack.key_pair(Who::Role, Some(Twin::MissingToken)),
            &["InvalidToken", "InvalidAccessKeyId"],
        ),
    ] {
        for by in [By::Signer, By::Layer] {
            let signing = Signing::new(REGION, "s3", credentials.clone());
            let sent = signing.presigned(by, &upload).await;
            holder.refused(what, &sent, reasons, &mut tally).await;
        }
    }
    for who in [Who::User, Who::Role] {
        let sent = signing(stack, who).by_signer(&upload);
        holder.accepted(&sent, &mut tally).await;
    }
    assert_eq!((tally.accepted, tally.refused), (2, 14));
}
