//! SigV4a by a configuration, for a Multi-Region Access Point, and for services other than S3.

use serde_json::json;
use tower_client_auth::{AuthSelector, Config, Scope};

use super::*;

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

/// In headers: of those in the query it knows S3's alone.
#[tokio::test]
async fn other_services_take_them_too() {
    if servers::skipped("ministack, SigV4a for other services") {
        return;
    }
    let stack = MiniStack::shared();
    let holder = Holder::new();
    let mut tally = Tally::default();
    let json = [
        ("content-type", "application/x-amz-json-1.0"),
        ("x-amz-target", "DynamoDB_20120810.ListTables"),
    ];
    let identity = stack.uri("localhost", "/?Action=GetCallerIdentity&Version=2011-06-15");
    let tables = request(Method::POST, &stack.uri("localhost", "/"), &json);
    for (service, unsigned) in [
        ("sts", request(Method::GET, &identity, &[])),
        ("dynamodb", tables.map(|_| Bytes::from_static(b"{}"))),
        (
            "execute-api",
            request(Method::GET, &stack.rest_api("/prod/iam?b=2&a=1"), &[]),
        ),
    ] {
        for who in [Who::User, Who::Role] {
            let sent = async |regions| {
                let signing = Signing::new(REGION, service, stack.key_pair(who, None));
                sent_by(signing.in_regions(regions).layer(), &unsigned).await
            };
            for regions in ["*", "us-east-1", "eu-*,us-*"] {
                let sent = sent(regions).await;
                for (what, changed) in changed(&sent) {
                    let what = format!("{service}, {what}");
                    holder.refused(&what, &changed, MISMATCH, &mut tally).await;
                }
                holder.accepted(&sent, &mut tally).await;
            }
            // One region by its name would be where the request is for.
            for regions in ["eu-*", "eu-west-1,us-west-2"] {
                let reasons = ["security token", "InvalidClientTokenId"];
                let what = format!("{service}, {regions}");
                holder
                    .refused(&what, &sent(regions).await, &reasons, &mut tally)
                    .await;
            }
        }
    }
    promise(
        30,
        format!(
            "MiniStack's other services accept {} SigV4a signatures in headers, and refuse {} with changes or for \
             other regions",
            tally.accepted, tally.refused
        ),
    );
}
