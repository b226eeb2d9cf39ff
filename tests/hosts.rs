//! Which host a request names: in its URI, in its `Host` header, in its signature, and on the wire.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sigv4::http_request::{
    SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign as reference_sign,
};
use aws_sigv4::sign::v4::SigningParams;
use bytes::Bytes;
use http::header::HOST;
use http::{HeaderValue, Request, Uri};
use http_body_util::Full;
use tower::{Layer, ServiceExt};
use tower_client_auth::{
    AuthBody, AuthError, AuthErrorKind, BearerTokenLayer, OutOfScope, Scope, Token,
};

use crate::schemes::{
    CANARY, REGION, SERVICE, Scheme, Setup, has_credential, layer_credentials, own_credentials,
    send, signing_time,
};
use crate::support::Recorder;
use crate::wire::{Exchange, World};

const HOME: &str = "https://api.example.com";

/// URIs that mean an origin of [`homes`], and the host that each must be signed and sent with.
const SPELLINGS: [(&str, &str); 18] = [
    ("https://api.example.com", "api.example.com"),
    ("https://api.example.com/x?y=1", "api.example.com"),
    ("https://api.example.com:443/x", "api.example.com"),
    ("https://api.example.com:0443/x", "api.example.com"),
    ("https://api.example.com:/x", "api.example.com"),
    ("https://API.example.COM/x", "API.example.COM"),
    ("https://user:password@api.example.com/x", "api.example.com"),
    ("https://user@api.example.com:443/x", "api.example.com"),
    ("https://other.example@api.example.com/x", "api.example.com"),
    ("https://api.example.com:8443/x", "api.example.com:8443"),
    ("https://api.example.com:08443/x", "api.example.com:8443"),
    ("https://api.example.com:+8443/x", "api.example.com:8443"),
    ("https://u:p@api.example.com:8443/x", "api.example.com:8443"),
    ("https://[2001:db8::1]/x", "[2001:db8::1]"),
    ("https://[2001:DB8::1]:443/x", "[2001:DB8::1]"),
    ("http://localhost:80/x", "localhost"),
    ("http://localhost/x", "localhost"),
    ("http://localhost:443/x", "localhost:443"),
];

fn homes() -> Setup {
    let origins = [
        HOME,
        "https://api.example.com:8443",
        "https://[2001:db8::1]",
        "http://localhost",
        "http://localhost:443",
    ];
    Setup::of(Scope::origins(origins).expect("origins"))
}

#[tokio::test]
async fn the_signed_host_is_the_one_on_the_wire() {
    for scheme in [Scheme::SigV4, Scheme::Presigned, Scheme::Bearer] {
        for (uri, host) in SPELLINGS {
            let world = World::new(HOME, Vec::new());
            let client = world.client::<AuthBody<Full<Bytes>>>();
            let client = scheme.layer(&homes(), client).expect("a layer");
            client.oneshot(scheme.request(uri)).await.expect(uri);
            let log = world.log();
            assert_eq!(header(&log[0], "host"), [host], "{uri}");
            assert!(!log[0].holds("password"), "{uri}");
            if scheme.signs() {
                assert_good_signature(&log[0], uri);
            }
        }
    }
}

/// HTTP/2 has no `Host`: it sends the authority of the URI as it stands.
#[tokio::test]
async fn the_signed_host_is_the_authority_that_goes_down() {
    for (uri, host) in SPELLINGS {
        let parsed: Uri = uri.parse().expect(uri);
        let scheme = parsed.scheme_str().expect(uri);
        let authority = parsed.authority().expect(uri).as_str();
        let authority = authority.rsplit('@').next().expect(uri);
        // A scope that is spelled like the URI must not make a difference.
        let spelled = Setup::at(&format!("{scheme}://{authority}"));
        for setup in [homes(), spelled] {
            let request = Scheme::SigV4.request(uri);
            let (outcome, recorder) = send(Scheme::SigV4, &setup, request).await;
            assert_eq!(outcome, Ok(()), "{uri}");
            let seen = recorder.only();
            let sent = seen.head.uri.authority().expect("an authority");
            assert_eq!(sent.as_str(), host, "{uri}");
        }
    }
}

#[tokio::test]
async fn a_host_header_that_means_the_uri_is_sent_as_it_is_signed() {
    for (uri, host) in [
        (HOME, "api.example.com"),
        (HOME, "API.Example.com"),
        (HOME, "api.example.com:443"),
        (HOME, "api.example.com:0443"),
        (HOME, "api.example.com:"),
        ("https://api.example.com:443", "api.example.com"),
        ("https://API.example.com", "api.example.com"),
        ("https://u:p@api.example.com", "api.example.com"),
        ("https://api.example.com:8443", "Api.example.com:8443"),
        ("http://localhost", "localhost:80"),
    ] {
        for scheme in Scheme::ALL {
            let world = World::new(HOME, Vec::new());
            let client = world.client::<AuthBody<Full<Bytes>>>();
            let client = scheme.layer(&homes(), client).expect("a layer");
            let mut request = scheme.request(uri);
            add_host(&mut request, host);
            client.oneshot(request).await.expect(host);
            let log = world.log();
            assert!(log[0].holds(CANARY), "{scheme:?} {uri} {host}");
            assert_eq!(header(&log[0], "host").len(), 1, "{scheme:?} {uri} {host}");
            if scheme.signs() {
                assert_good_signature(&log[0], host);
            }
        }
    }
}

#[tokio::test]
async fn a_host_header_that_differs_is_an_error() {
    for host in [
        "evil.example",
        "",
        " ",
        "example.com",
        "api.example.com.",
        "api.example.com:8443",
        "api.example.com:80",
        "api.example.com:99999",
        "user@api.example.com",
        "api.example.com@evil.example",
        "api.example.com, evil.example",
        "api.example.com evil.example",
        "https://api.example.com",
        "api.example.com/x",
        "api.example.com\u{e4}",
    ] {
        for scheme in Scheme::ALL {
            // With the same userinfo in the URI too: that is no part of a host.
            for uri in [HOME, "https://user@api.example.com"] {
                let mut request = scheme.request(uri);
                add_host(&mut request, host);
                let (outcome, _) = send(scheme, &homes(), request).await;
                assert_eq!(outcome, Err(AuthErrorKind::Request), "{scheme:?} {host:?}");
            }
        }
    }
}

#[tokio::test]
async fn several_host_headers_are_an_error_even_if_they_agree() {
    for second in ["api.example.com", "evil.example"] {
        for scheme in Scheme::ALL {
            let mut request = scheme.request(HOME);
            add_host(&mut request, "api.example.com");
            add_host(&mut request, second);
            let (outcome, _) = send(scheme, &homes(), request).await;
            assert_eq!(outcome, Err(AuthErrorKind::Request), "{scheme:?}");
        }
    }
}

#[tokio::test]
async fn an_allowed_host_header_is_sent_and_signed() {
    let setup = Setup {
        allow_host_header: true,
        ..Setup::of(Scope::aws())
    };
    let uri = "https://vpce-1.execute-api.eu-west-1.vpce.amazonaws.com/x";
    let host = "abc123.execute-api.eu-west-1.amazonaws.com";
    for scheme in Scheme::ALL {
        let world = World::new(HOME, Vec::new());
        let client = world.client::<AuthBody<Full<Bytes>>>();
        let client = scheme.layer(&setup, client).expect("a layer");
        let mut request = scheme.request(uri);
        add_host(&mut request, host);
        client.oneshot(request).await.expect("an answer");
        let log = world.log();
        assert_eq!(header(&log[0], "host"), [host], "{scheme:?}");
        assert!(log[0].holds(CANARY), "{scheme:?}");
        if scheme.signs() {
            assert_good_signature(&log[0], host);
        }
    }
    // Two of them cannot both be signed as the host.
    let mut request = Scheme::SigV4.request(uri);
    add_host(&mut request, host);
    add_host(&mut request, host);
    let (outcome, _) = send(Scheme::SigV4, &setup, request).await;
    assert_eq!(outcome, Err(AuthErrorKind::Request));
}

#[tokio::test]
async fn a_host_header_never_satisfies_a_scope() {
    for allow_host_header in [false, true] {
        let setup = Setup {
            allow_host_header,
            ..homes()
        };
        for scheme in Scheme::ALL {
            let mut request = scheme.request("https://evil.example/x");
            add_host(&mut request, "api.example.com");
            let (outcome, recorder) = send(scheme, &setup, request).await;
            assert_eq!(outcome, Ok(()), "{scheme:?}");
            assert!(!has_credential(&recorder.only()), "{scheme:?}");

            let mut request = scheme.request("/x");
            add_host(&mut request, "api.example.com");
            let (outcome, _) = send(scheme, &setup, request).await;
            assert_eq!(outcome, Err(AuthErrorKind::Request), "{scheme:?}");
        }
    }
}

fn add_host(request: &mut Request<Full<Bytes>>, host: &str) {
    let value = HeaderValue::from_bytes(host.as_bytes()).expect(host);
    request.headers_mut().append(HOST, value);
}

fn header<'a>(exchange: &'a Exchange, name: &str) -> Vec<&'a str> {
    let lines = exchange.text().lines().filter_map(|l| l.split_once(": "));
    lines.filter(|(n, _)| *n == name).map(|(_, v)| v).collect()
}

/// Signs what came over the wire once more, with the reference, and compares.
fn assert_good_signature(exchange: &Exchange, name: &str) {
    let (line, _) = exchange.text().split_once("\r\n").expect("a request line");
    let [method, target, _] = line.split(' ').collect::<Vec<_>>()[..] else {
        panic!("{line}");
    };
    // In the query, or else in a header.
    let presigned = target.split_once("X-Amz-Algorithm=");
    let authorization = match presigned {
        Some((_, parameters)) => parameters,
        None => header(exchange, "authorization")[0],
    };
    let field = |name: &str| {
        let (_, rest) = authorization.split_once(name).expect(name);
        rest.split([',', '&']).next().expect("a field")
    };
    // The reference adds these two by itself.
    let own = ["x-amz-date", "x-amz-security-token"];
    let headers: BTreeMap<&str, &str> = field("SignedHeaders=")
        .split(';')
        .filter(|name| !own.contains(name))
        .map(|name| (name, header(exchange, name)[0]))
        .collect();
    assert!(headers.contains_key("host"), "{name}: {authorization}");

    let identity = if authorization.contains("AKIDCANARYOWN") {
        own_credentials()
    } else {
        layer_credentials()
    };
    let identity = identity.into();
    let mut settings = SigningSettings::default();
    let target = match presigned {
        Some((own, _)) => {
            settings.signature_location = SignatureLocation::QueryParams;
            settings.expires_in = Some(Duration::from_secs(60));
            own.trim_end_matches(['?', '&'])
        }
        None => target,
    };
    let params = SigningParams::builder()
        .identity(&identity)
        .region(REGION)
        .name(SERVICE)
        .time(signing_time())
        .settings(settings)
        .build()
        .expect("parameters")
        .into();
    let uri = format!("https://{}{target}", headers["host"]);
    let headers = headers.into_iter();
    let request = SignableRequest::new(method, uri, headers, SignableBody::Bytes(b""));
    let signed = reference_sign(request.expect("a request"), &params).expect("a signature");
    assert_eq!(field("Signature="), signed.signature(), "{name}");
}

#[tokio::test]
async fn text_after_an_address_is_not_taken_for_a_port() {
    let layer = BearerTokenLayer::new("https://[2001:db8::1]", Token::from("t")).expect("a layer");
    let server = Recorder::new();
    let service = layer.layer(server.clone());
    let request = Request::get("https://[2001:db8::1]/")
        .header("host", "[2001:db8::1]internal.example:443")
        .body(Full::<Bytes>::default())
        .expect("a request");
    let error = service.oneshot(request).await.expect_err("another host");
    let error = AuthError::find(error.as_ref()).expect("ours");
    assert_eq!(error.kind(), AuthErrorKind::Request);
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn a_request_out_of_scope_is_an_error_if_the_layer_was_told_so() {
    let layer = BearerTokenLayer::new("https://api.example.com", Token::from("t"))
        .expect("a layer")
        .out_of_scope(OutOfScope::Reject);
    let server = Recorder::new();
    let service = layer.layer(server.clone());
    let request = |uri| {
        let request = Request::get(uri).body(Full::<Bytes>::default());
        request.expect("a request")
    };
    let abroad = service.clone().oneshot(request("https://api.exmaple.com/"));
    let error = abroad.await.expect_err("a typo");
    let error = AuthError::find(error.as_ref()).expect("ours");
    assert_eq!(error.kind(), AuthErrorKind::Request);
    assert!(error.to_string().contains("api.exmaple.com"), "{error}");
    assert!(server.seen().is_empty());
    let home = service.oneshot(request("https://api.example.com/"));
    home.await.expect("an answer");
    assert_eq!(server.only().one("authorization"), "Bearer t");
}
