//! SigV4a at MiniStack's S3: a signature holds in the regions that it names, and in no others.

use std::collections::BTreeMap;

use http::HeaderValue;
use http::header::AUTHORIZATION;
use serde_json::json;
use tower_client_auth::{AuthSelector, Config, Scope};

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
    change(
        "payload hash",
        &edit("x-amz-content-sha256", |_| {
            PayloadHash::of(b"another").to_string()
        }),
    );
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

/// A configuration says it as well as a program.
#[tokio::test]
async fn a_configuration_names_the_regions_of_an_api() {
    if servers::skipped("ministack, SigV4a by a configuration") {
        return;
    }
    let stack = MiniStack::shared();
    let holder = Holder::new();
    let mut tally = Tally::default();
    let endpoint = object(stack, "configured").to_string();
    for who in [Who::User, Who::Role] {
        for (regions, good) in [("*", true), ("us-*", true), ("eu-*,us-west-2", false)] {
            let config = json!({ "apis": { "objects": {
                "endpoint": endpoint,
                "mode": "AWS_IAM",
                "service": "s3",
                "region_set": regions,
            } } });
            let config: Config = config.to_string().parse().expect("a configuration");
            let selector: AuthSelector = config
                .selector()
                .aws_credentials(stack.key_pair(who, None))
                .expect("a selector");
            for layer in [
                selector.layer_for_all().expect("a layer"),
                selector.layer("objects").expect("a layer"),
            ] {
                let uri = format!("{endpoint}/a%20b").parse().expect("a URI");
                for unsigned in requests(&uri) {
                    let recorder = Recorder::new();
                    let service = layer.clone().layer(recorder.clone());
                    let sent = service.oneshot(unsigned.map(Full::new)).await;
                    sent.expect("an answer");
                    let seen = recorder.only();
                    let sent = Request::from_parts(seen.head, seen.body);
                    assert_eq!(sent.headers()["x-amz-region-set"], regions);
                    match good {
                        true => drop(holder.accepted(&sent, &mut tally).await),
                        false => {
                            holder
                                .refused(regions, &sent, OTHER_REGIONS, &mut tally)
                                .await;
                        }
                    }
                }
            }
        }
    }
    assert_eq!((tally.accepted, tally.refused), (32, 16));
}

/// By its own host name, which all regions share, and which the test has lead to MiniStack.
#[tokio::test]
async fn a_multi_region_access_point_takes_them() {
    if servers::skipped("ministack, Multi-Region Access Point") {
        return;
    }
    let stack = MiniStack::shared();
    let holder = Holder::new();
    let mut tally = Tally::default();
    let alias = access_point(stack, &holder).await;
    let host = format!("{alias}.accesspoint.s3-global.amazonaws.com");
    let uri = stack.uri(&host, "/a%20b/c");
    let origin = format!("http://{}", uri.authority().expect("an authority"));
    for who in [Who::User, Who::Role] {
        for regions in ["*", "us-east-1", "us-*"] {
            let signing = signing(stack, who, regions);
            for unsigned in requests(&uri) {
                let scope = Scope::origin(&origin).expect("an origin");
                let layer = signing.layer().scope(scope.allow_plain_http());
                let sent = sent_by(layer.expect("a layer"), &unsigned).await;
                for (what, changed) in changed(&sent) {
                    holder.refused(what, &changed, MISMATCH, &mut tally).await;
                }
                holder.accepted(&sent, &mut tally).await;
            }
            for unsigned in requests(&uri) {
                let sent = signing.by_signer(&unsigned);
                holder.accepted_untouched_alone(&sent, &mut tally).await;
            }
        }
        let [upload, ..] = requests(&uri);
        let sent = signing(stack, who, "eu-*").by_signer(&upload);
        holder
            .refused("the regions", &sent, OTHER_REGIONS, &mut tally)
            .await;
    }
    promise(
        30,
        format!(
            "a Multi-Region Access Point of MiniStack's accepts {} SigV4a signatures, and refuses {} that were changed",
            tally.accepted, tally.refused
        ),
    );
}

/// Makes one in front of the tests' bucket, and returns its alias.
async fn access_point(stack: &MiniStack, holder: &Holder) -> String {
    // Where AWS serves their control plane.
    let signing = Signing::new("us-west-2", "s3", stack.key_pair(Who::User, None));
    let account = stack.text("/topic").split(':').nth(4).expect("an account");
    let headers = [("x-amz-account-id", account)];
    let ask = async |method: Method, path: &str, body: &'static str| {
        let request = request(method, &stack.uri("localhost", path), &headers);
        let request = request.map(|_| Bytes::from_static(body.as_bytes()));
        let sent = sent_by(signing.layer(), &request).await;
        holder.accepted(&sent, &mut Tally::default()).await.text
    };
    ask(
        Method::POST,
        "/v20180820/async-requests/mrap/create",
        "<CreateMultiRegionAccessPointRequest><ClientToken>a</ClientToken><Details><Name>everywhere</Name>\
         <Regions><Region><Bucket>tests</Bucket></Region></Regions></Details>\
         </CreateMultiRegionAccessPointRequest>",
    )
    .await;
    let made = ask(Method::GET, "/v20180820/mrap/instances/everywhere", "").await;
    let alias = made
        .split_once("<Alias>")
        .and_then(|(_, rest)| rest.split_once("</Alias>"));
    alias.expect("an alias").0.to_owned()
}
