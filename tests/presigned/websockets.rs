//! MQTT over websockets, as AWS IoT takes it: the session token of a presigned URL is behind its signature.

use super::changes::{set, value};
use super::*;
use crate::ministack::{MiniStack, REGION, Who};
use crate::servers;
use crate::support::promise;

const SERVICE: &str = "iotdevicegateway";
const FORBIDDEN: [&str; 1] = ["Forbidden"];

fn uri(stack: &MiniStack) -> Uri {
    stack.uri(&format!("abc123-ats.iot.{REGION}.localhost"), "/mqtt")
}

/// With a connection of its own: MiniStack closes it after it has refused to upgrade it, and does not say so.
fn holder() -> Holder {
    Holder::new()
}

/// What a device sends to have its connection upgraded, of which the signature knows nothing.
fn upgrade(mut request: Request<Bytes>) -> Request<Bytes> {
    for (name, value) in [
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("sec-websocket-protocol", "mqtt"),
    ] {
        let value = value.parse().expect("a value");
        request.headers_mut().insert(name, value);
    }
    request
}

#[tokio::test]
async fn a_device_connects_by_a_presigned_url() {
    if servers::skipped("ministack, websockets") {
        return;
    }
    let stack = MiniStack::shared();
    let mut tally = Tally::default();
    let get = request(Method::GET, &uri(stack), &[]);
    for who in [Who::User, Who::Role] {
        for by in [By::Signer, By::Layer] {
            let signing = Signing::new(REGION, SERVICE, stack.key_pair(who, None));
            let sent = upgrade(signing.presigned(by, &get).await);
            let token = value(&sent, "X-Amz-Security-Token");
            assert_eq!(token.is_empty(), matches!(who, Who::User));
            let last = pairs(sent.uri()).pop().expect("a query");
            let behind = last.starts_with("X-Amz-Security-Token=");
            assert_eq!(behind, matches!(who, Who::Role), "{last}");
            for change in &CHANGES {
                // It is found by its host, and a websocket by its method.
                let is_way = ["another host", "another method"].contains(&change.what);
                let mut changed = sent.clone();
                if !is_way && (change.make)(&mut changed) {
                    holder()
                        .refused(change.what, &changed, &FORBIDDEN, &mut tally)
                        .await;
                }
            }
            let answer = holder().accepted(&sent, &mut tally).await;
            assert_eq!(answer.status, StatusCode::SWITCHING_PROTOCOLS);
            assert_eq!(answer.headers["sec-websocket-protocol"], "mqtt");
        }
    }
    // With the token among what is signed, as it is for every other service, it is refused.
    let role = stack.key_pair(Who::Role, None);
    let scope = SigningScope::new(REGION, SERVICE).expect("a scope");
    let time = Clock::system().now();
    for (appended, good) in [(true, true), (false, false)] {
        let options = SigningOptions::for_service(SERVICE).append_session_token(appended);
        let credentials = SigningCredentials::new(role.clone()).expect("credentials");
        let mut head = get.clone().into_parts().0;
        Signer::new(scope.clone(), options)
            .presign(
                &mut head,
                &credentials,
                &PayloadHash::EMPTY,
                time,
                &lasting(MINUTE),
            )
            .expect("presigned");
        let sent = upgrade(Request::from_parts(head, Bytes::new()));
        match good {
            true => drop(holder().accepted(&sent, &mut tally).await),
            false => {
                holder()
                    .refused("a signed token", &sent, &FORBIDDEN, &mut tally)
                    .await
            }
        }
        // A token that nobody signed is checked nevertheless.
        let mut other = sent;
        assert!(set(&mut other, "X-Amz-Security-Token", |token| format!(
            "{token}A"
        )));
        holder()
            .refused("another token", &other, &FORBIDDEN, &mut tally)
            .await;
    }
    promise(
        30,
        format!(
            "MiniStack's IoT opens {} websockets by presigned URLs, and refuses {}",
            tally.accepted, tally.refused
        ),
    );
}
