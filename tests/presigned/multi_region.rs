//! SigV4a at MiniStack's S3: a signature holds in the regions that it names, and in no others.

mod elsewhere;

use std::collections::BTreeMap;

use http::HeaderValue;
use http::header::AUTHORIZATION;

use super::changes::{MISMATCH, set};
use super::*;
use crate::ministack::{MiniStack, REGION, Twin, Who};
use crate::servers;
use crate::support::promise;

const GOOD: [&str; 6] = [
    "*",
    "us-east-1",
    "eu-west-1,us-east-1",
    "us-*",
    "eu-*, us-*",
    "*-1",
];
const WRONG: [&str; 5] = [
    "eu-west-1",
    "eu-*",
    "us-west-*",
    "us-east-2,eu-west-1",
    "us-east",
];

const OTHER_REGIONS: &[&str] = &["RegionSetMismatch"];

fn object(stack: &MiniStack, key: &str) -> Uri {
    stack.uri("localhost", &format!("/tests/{key}"))
}

fn signing(stack: &MiniStack, who: Who, regions: &str) -> Signing {
    Signing::new(REGION, "s3", stack.key_pair(who, None)).in_regions(regions)
}

/// To be sent in this order.
fn requests(uri: &Uri) -> [Request<Bytes>; 4] {
    let kept = [
        ("content-type", "image/png"),
        ("x-amz-meta-note", "two  spaces"),
    ];
    let upload = request(Method::PUT, uri, &kept).map(|_| Bytes::from_static(b"stored"));
    let query = ["response-content-language=de".to_owned()];
    [
        upload,
        request(
            Method::GET,
            &with_pairs(uri, &query),
            &[("x-amz-meta-note", "a")],
        ),
        request(Method::HEAD, uri, &[]),
        request(Method::DELETE, uri, &[]),
    ]
}

/// What may be done to a request with the signature in headers.
fn changed(sent: &Request<Bytes>) -> BTreeMap<&'static str, Request<Bytes>> {
    let mut all = BTreeMap::new();
    let mut change = |what, make: &dyn Fn(&mut Request<Bytes>)| {
        let mut request = sent.clone();
        make(&mut request);
        all.insert(what, request);
    };
    let edit = |name: &'static str, edit: fn(&str) -> String| {
        move |request: &mut Request<Bytes>| {
            let value = request.headers()[name].to_str().expect("ASCII");
            let other = HeaderValue::try_from(edit(value)).expect("a value");
            request.headers_mut().insert(name, other);
        }
    };
    let at = |request: &mut Request<Bytes>, text: String| {
        let mut parts = request.uri().clone().into_parts();
        parts.path_and_query = Some(text.parse().expect(&text));
        *request.uri_mut() = Uri::from_parts(parts).expect("a URI");
    };
    change("path", &|request| {
        let uri = request.uri().clone();
        let query = uri
            .query()
            .map_or(String::new(), |query| format!("?{query}"));
        at(request, format!("{}x{query}", uri.path()));
    });
    change("query", &|request| {
        let text = format!("{}?added=1", request.uri().path());
        at(request, text);
    });
    change("method", &|request| {
        *request.method_mut() = match *request.method() {
            Method::GET => Method::PUT,
            _ => Method::GET,
        };
    });
    change(
        "region set",
        &edit("x-amz-region-set", |set| format!("{set},*")),
    );
    change(
        "signature",
        &edit("authorization", |value| {
            let (rest, last) = value.split_at(value.len() - 1);
            format!("{rest}{}", if last == "0" { "1" } else { "0" })
        }),
    );
    change(
        "time",
        &edit("x-amz-date", |value| {
            let (rest, second) = value.split_at(value.len() - 2);
            format!("{rest}{}", if second == "0Z" { "1Z" } else { "0Z" })
        }),
    );
    if sent.headers().contains_key("x-amz-content-sha256") {
        let other = |_: &str| PayloadHash::of(b"another").to_string();
        change("payload hash", &edit("x-amz-content-sha256", other));
    }
    if sent.headers().contains_key("x-amz-meta-note") {
        change("header", &edit("x-amz-meta-note", |_| "another".to_owned()));
    }
    all
}

#[tokio::test]
async fn a_signature_holds_in_the_regions_that_it_names() {
    if servers::skipped("ministack, SigV4a") {
        return;
    }
    let stack = MiniStack::shared();
    let holder = Holder::new();
    let mut headers = Tally::default();
    let mut query = Tally::default();
    for who in [Who::User, Who::Role] {
        for regions in GOOD {
            let name = format!("multi-region/{who:?}");
            let signing = signing(stack, who, regions);
            for unsigned in requests(&object(stack, &name)) {
                let sent = sent_by(signing.layer(), &unsigned).await;
                let authorization = sent.headers()[AUTHORIZATION].to_str().expect("ASCII");
                assert!(authorization.starts_with("AWS4-ECDSA-P256-SHA256 "));
                for (what, changed) in changed(&sent) {
                    holder.refused(what, &changed, MISMATCH, &mut headers).await;
                }
                holder.accepted(&sent, &mut headers).await;
            }
            for by in [By::Signer, By::Layer] {
                for unsigned in requests(&object(stack, &name)) {
                    let sent = signing.presigned(by, &unsigned).await;
                    holder.accepted_untouched_alone(&sent, &mut query).await;
                }
            }
        }
        for regions in WRONG {
            let signing = signing(stack, who, regions);
            let [upload, get, ..] = requests(&object(stack, "elsewhere"));
            for unsigned in [upload, get] {
                let sent = sent_by(signing.layer(), &unsigned).await;
                holder
                    .refused(regions, &sent, OTHER_REGIONS, &mut headers)
                    .await;
                for by in [By::Signer, By::Layer] {
                    let sent = signing.presigned(by, &unsigned).await;
                    holder
                        .refused(regions, &sent, OTHER_REGIONS, &mut query)
                        .await;
                }
            }
        }
    }
    promise(
        30,
        format!(
            "MiniStack's S3 accepts {} SigV4a signatures in headers and {} in the query, and refuses {} and {} \
             with changes or for other regions",
            headers.accepted, query.accepted, headers.refused, query.refused
        ),
    );
}

#[tokio::test]
async fn the_key_of_a_signature_is_that_of_the_credentials() {
    if servers::skipped("ministack, SigV4a by the wrong") {
        return;
    }
    let stack = MiniStack::shared();
    let holder = Holder::new();
    let mut tally = Tally::default();
    let [upload, ..] = requests(&object(stack, "whose-regions"));
    let token = &["InvalidToken", "InvalidAccessKeyId"][..];
    for (who, twin, reasons) in [
        (Who::User, Twin::WrongSecret, MISMATCH),
        (Who::Role, Twin::WrongSecret, MISMATCH),
        (Who::User, Twin::UnknownKey, token),
        (Who::Role, Twin::MissingToken, token),
        (Who::Role, Twin::AlteredToken, token),
    ] {
        let signing = Signing::new(REGION, "s3", stack.key_pair(who, Some(twin))).in_regions("*");
        let what = format!("{who:?}, {twin:?}");
        let sent = sent_by(signing.layer(), &upload).await;
        holder.refused(&what, &sent, reasons, &mut tally).await;
        for by in [By::Signer, By::Layer] {
            let sent = signing.presigned(by, &upload).await;
            holder.refused(&what, &sent, reasons, &mut tally).await;
        }
    }
    let now = Clock::system().now();
    for (time, expires_in, reason) in [
        (now - 2 * MINUTE, MINUTE, Some("Request has expired")),
        (now + 16 * MINUTE, MINUTE, Some("Request is not yet valid")),
        (now - 20 * MINUTE, 30 * MINUTE, None),
    ] {
        for who in [Who::User, Who::Role] {
            let sent = signing(stack, who, "*").made(time, expires_in);
            let sent = sent.by_signer(&upload);
            match reason {
                Some(reason) => {
                    holder
                        .refused("the time", &sent, &[reason], &mut tally)
                        .await
                }
                None => drop(holder.accepted(&sent, &mut tally).await),
            }
        }
    }
    // Another signature of the same request is as good, and that of another request is none.
    let signing = signing(stack, Who::User, "*");
    let [one, two] = [signing.by_signer(&upload), signing.by_signer(&upload)];
    assert_ne!(one.uri(), two.uri(), "ECDSA signs differently each time");
    holder.accepted(&one, &mut tally).await;
    holder.accepted(&two, &mut tally).await;
    let other = request(Method::PUT, &object(stack, "whose-others"), &[]);
    let other = changes::value(&signing.by_signer(&other), "X-Amz-Signature");
    let mut crossed = one;
    assert!(set(&mut crossed, "X-Amz-Signature", |_| other));
    holder
        .refused("another's signature", &crossed, MISMATCH, &mut tally)
        .await;
}
