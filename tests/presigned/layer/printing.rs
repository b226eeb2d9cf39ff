//! Promise 25 for layers that presign. The URLs that they make are secrets themselves.

use http::header::AUTHORIZATION;
use tower_client_auth::Existing;

use super::*;
use crate::schemes::CANARY;

/// All that is printed of layers that presign, of what they were made of, and of what fails.
#[tokio::test]
async fn nothing_that_is_printed_has_a_token_or_a_secret_in_it() {
    let mut printed = Vec::new();
    for (_, layer) in layers() {
        printed.push(format!("{layer:?} {layer:#?}"));
        printed.push(format!("{:?}", layer.layer(())));
        // The token has no room in it, a chosen header is missing, and the path is too long by itself.
        let chosen = lasting(MINUTE).signed_headers([AUTHORIZATION]);
        printed.push(format!("{:?}", chosen.expect_err("part of a signature")));
        let needs = lasting(MINUTE)
            .signed_headers([CONTENT_TYPE])
            .expect("names");
        let long = format!("{ORIGIN}/{}", "a".repeat(65_400));
        for (layer, uri) in [
            (layer.clone().presigned(needs), ORIGIN),
            (layer.clone(), long.as_str()),
            (
                layer.clone().existing(Existing::Reject),
                "https://api.example.com/?X-Amz-Signature=CANARY-1",
            ),
            (layer.clone(), "http://api.example.com/?secret=CANARY-2"),
        ] {
            let recorder = Recorder::new();
            let sent = layer
                .layer(recorder.clone())
                .oneshot(get(uri).map(Full::new));
            let error = sent.await.expect_err(uri);
            assert!(recorder.seen().is_empty());
            let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error.as_ref());
            while let Some(error) = cause {
                printed.push(format!("{error} {error:?} {error:#?}"));
                cause = error.source();
            }
        }
    }
    let signer = Signer::new(
        SigningScope::new(REGION, "s3").expect("a scope"),
        SigningOptions::for_service("s3"),
    );
    let credentials = SigningCredentials::new(layer_credentials()).expect("credentials");
    let mut head = get(&format!("{ORIGIN}/x")).into_parts().0;
    let presigned = signer.presign(
        &mut head,
        &credentials,
        &PayloadHash::Unsigned,
        signing_time(),
        &lasting(MINUTE),
    );
    printed.push(format!(
        "{signer:?} {credentials:?} {presigned:?} {:?}",
        lasting(MINUTE)
    ));
    // Or nothing would be found anywhere.
    assert!(head.uri.to_string().contains(CANARY));
    for text in &printed {
        // The id of a key has the canary's name as well, and is no secret.
        let text = text.replace("AKIDCANARY", "AKID");
        assert!(!text.contains(CANARY), "{text}");
    }
    promise(
        25,
        format!(
            "{} texts printed where the layer presigns, no secret in any",
            printed.len()
        ),
    );
}
