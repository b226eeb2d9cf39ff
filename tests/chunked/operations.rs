//! A multipart upload from its start to its end, and other requests with bodies that are not in chunks.

use http::Method;
use http_body_util::Full;

use super::fs_server::FsServer;
use super::*;
use crate::servers;

/// What stands between two tags of an answer.
fn between<'a>(text: &'a str, tag: &str) -> &'a str {
    let (_, rest) = text.split_once(&format!("<{tag}>")).expect(tag);
    rest.split_once('<').expect("an end").0
}

#[tokio::test]
async fn a_multipart_upload_ends_as_it_began() {
    if servers::skipped("a_multipart_upload_ends_as_it_began") {
        return;
    }
    let server = FsServer::started();
    for mode in [
        Mode::Signed,
        Mode::SignedAnd(Checksum::Crc32),
        Mode::Unsigned(Checksum::Crc64Nvme),
    ] {
        let layer = SigV4Layer::new(REGION, "s3", credentials()).expect("a layer");
        let service = ServiceBuilder::new()
            .layer(layer.payload(mode.chunked()))
            .map_request(|request: Request<ChunkedBody<Full<Bytes>>>| request.map(any))
            .service(client(Http::One));
        let ask = async |method: Method, path: &str, body: Vec<u8>| {
            let uri = format!("{}/{BUCKET}/{path}", server.origin());
            let request = Request::builder().method(method).uri(uri);
            let request = request.body(Full::from(body)).expect("a request");
            let answer = service.clone().oneshot(request).await.expect("an answer");
            let etag = answer.headers().get("etag").cloned();
            let (status, text) = read(answer).await;
            assert_eq!(status, StatusCode::OK, "{mode:?} {path}: {text}");
            (text, etag)
        };

        let (started, _) = ask(Method::POST, "object?uploads", Vec::new()).await;
        let id = between(&started, "UploadId");
        let parts = [vec![b'a'; 6_000_000], vec![b'b'; 100_001]];
        let mut listed = String::new();
        for (number, part) in (1..).zip(&parts) {
            let path = format!("object?partNumber={number}&uploadId={id}");
            let (_, etag) = ask(Method::PUT, &path, part.clone()).await;
            let etag = etag.expect("an entity tag");
            let etag = etag.to_str().expect("ASCII");
            listed += &format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>");
        }
        let end = format!("<CompleteMultipartUpload>{listed}</CompleteMultipartUpload>");
        ask(Method::POST, &format!("object?uploadId={id}"), end.into()).await;
        let (whole, _) = ask(Method::GET, "object", Vec::new()).await;
        assert!(whole.as_bytes() == parts.concat(), "{mode:?}: other bytes");

        let gone = "<Delete><Object><Key>object</Key></Object></Delete>";
        ask(Method::POST, "?delete", gone.into()).await;
        assert!(server.is_empty());
    }
}
