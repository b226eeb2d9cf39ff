//! Other services of MiniStack, which hash the payload of a presigned request as that of any other.

use http::header::CONTENT_TYPE;

use super::changes::MISMATCH;
use super::*;
use crate::ministack::{MiniStack, REGION, Who};
use crate::servers;
use crate::support::promise;

struct Call {
    name: &'static str,
    service: &'static str,
    request: Request<Bytes>,
}

fn calls(stack: &MiniStack) -> Vec<Call> {
    let call = |name, service, method, uri: Uri, headers: &[(&'static str, &str)], body: &str| {
        let body = Bytes::from(body.to_owned());
        Call {
            name,
            service,
            request: request(method, &uri, headers).map(|_| body),
        }
    };
    let at = |path: &str| stack.uri("localhost", path);
    let encoded = |name| stack.text(name).replace(':', "%3A").replace('/', "%2F");
    let (queue, topic) = (encoded("/queue"), encoded("/topic"));
    let json = "application/json";
    let form = "application/x-www-form-urlencoded";
    let note = ("x-signed", "as  it was");
    vec![
        call(
            "STS",
            "sts",
            Method::GET,
            at("/?Action=GetCallerIdentity&Version=2011-06-15"),
            &[note],
            "",
        ),
        call(
            "STS, post",
            "sts",
            Method::POST,
            at("/"),
            &[("content-type", form)],
            "Action=GetCallerIdentity&Version=2011-06-15",
        ),
        call(
            "SQS",
            "sqs",
            Method::GET,
            at(&format!(
                "/?Action=SendMessage&QueueUrl={queue}&MessageBody=hello&Version=2012-11-05"
            )),
            &[],
            "",
        ),
        call(
            "SNS",
            "sns",
            Method::GET,
            at(&format!(
                "/?Action=Publish&TopicArn={topic}&Message=hello%20%2B%20&Version=2010-03-31"
            )),
            &[],
            "",
        ),
        call(
            "DynamoDB",
            "dynamodb",
            Method::POST,
            at("/"),
            &[
                ("content-type", "application/x-amz-json-1.0"),
                ("x-amz-target", "DynamoDB_20120810.PutItem"),
            ],
            r#"{"TableName":"tests","Item":{"id":{"S":"1"}}}"#,
        ),
        call(
            "Lambda, control plane",
            "lambda",
            Method::GET,
            at("/2015-03-31/functions/?MaxItems=10"),
            &[],
            "",
        ),
        call(
            "API Gateway, IAM",
            "execute-api",
            Method::GET,
            stack.rest_api("/prod/iam?b=2&a=1&a=%2F"),
            &[note],
            "",
        ),
        call(
            "API Gateway, IAM, post",
            "execute-api",
            Method::POST,
            stack.rest_api("/prod/iam"),
            &[("content-type", json), note],
            r#"{"order":1}"#,
        ),
    ]
}

#[tokio::test]
async fn a_signature_in_the_query_is_accepted_by_other_services_too() {
    if servers::skipped("ministack, other services by presigned URLs") {
        return;
    }
    let stack = MiniStack::shared();
    let holder = Holder::new();
    let mut tally = Tally::default();
    for call in calls(stack) {
        for who in [Who::User, Who::Role] {
            for by in [By::Signer, By::Layer] {
                let signing = Signing::new(REGION, call.service, stack.key_pair(who, None));
                let sent = signing.presigned(by, &call.request).await;
                if !sent.body().is_empty() {
                    // Of the same meaning: nothing but the signature tells.
                    let more = if call.service == "sts" { "&" } else { " " };
                    let body = [sent.body(), more.as_bytes()].concat();
                    let other = sent.clone().map(|_| body.into());
                    let what = format!("{}, another body", call.name);
                    holder.refused(&what, &other, MISMATCH, &mut tally).await;
                }
                holder.accepted_untouched_alone(&sent, &mut tally).await;

                let hasty = signing.clone().made(signing.time - 20 * MINUTE, MINUTE);
                let sent = hasty.presigned(by, &call.request).await;
                let reasons = ["RequestTimeTooSkewed", "Signature expired"];
                holder
                    .refused("the time", &sent, &reasons, &mut tally)
                    .await;
            }
        }
    }
    promise(
        30,
        format!(
            "MiniStack's other services accept {} requests with the signature in the query, and refuse all {} changes to them",
            tally.accepted, tally.refused
        ),
    );
}

/// A URL that is good for one service is not for another.
#[tokio::test]
async fn a_signature_for_another_service_is_refused() {
    if servers::skipped("ministack, another service") {
        return;
    }
    let stack = MiniStack::shared();
    let holder = Holder::new();
    let mut tally = Tally::default();
    let uri = stack.rest_api("/prod/iam");
    let get = request(Method::GET, &uri, &[(CONTENT_TYPE.as_str(), "text/plain")]);
    for who in [Who::User, Who::Role] {
        for by in [By::Signer, By::Layer] {
            let signed = |service| Signing::new(REGION, service, stack.key_pair(who, None));
            let sent = signed("execute-api").presigned(by, &get).await;
            holder.accepted(&sent, &mut tally).await;
            let sent = signed("s3").presigned(by, &get).await;
            let reasons = ["correct service"];
            holder
                .refused("the service", &sent, &reasons, &mut tally)
                .await;
        }
    }
}
