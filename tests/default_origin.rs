//! Requests that do not say where they go, and requests that say how they want to be authorized.

use bytes::Bytes;
use http::header::HOST;
use http::{HeaderValue, Method, Request, Uri};
use http_body_util::Full;
use tower_client_auth::{AuthErrorKind, AuthOverride, Existing};

use crate::schemes::{Scheme, Setup, has_credential, send};
use crate::support::Recorder;

const HOME: &str = "https://api.example.com";

#[tokio::test]
async fn a_relative_uri_goes_to_the_default_origin() {
    for (path, complete) in [
        ("/", "https://api.example.com/"),
        ("/x%2F?a=%ff&b", "https://api.example.com/x%2F?a=%ff&b"),
        // A path, in spite of its looks.
        (
            "//evil.example/x",
            "https://api.example.com//evil.example/x",
        ),
    ] {
        for scheme in Scheme::ALL {
            let (outcome, _) = send(scheme, &home(), scheme.request(path)).await;
            assert_eq!(outcome, Err(AuthErrorKind::Request), "{scheme:?} {path}");

            let (outcome, recorder) = send(scheme, &at_home(), scheme.request(path)).await;
            assert_eq!(outcome, Ok(()), "{scheme:?} {path}");
            let seen = recorder.only();
            let uri = seen.head.uri.to_string();
            assert!(uri.starts_with(complete), "{scheme:?} {uri}");
            assert!(has_credential(&seen), "{scheme:?} {path}");

            let mut request = scheme.request(path);
            add_host(&mut request, "evil.example");
            let (outcome, _) = send(scheme, &at_home(), request).await;
            assert_eq!(outcome, Err(AuthErrorKind::Request), "{scheme:?} {path}");
        }
    }
}

#[tokio::test]
async fn an_absolute_uri_has_no_use_for_the_default_origin() {
    for scheme in Scheme::ALL {
        let request = scheme.request("https://evil.example/x");
        let (outcome, recorder) = send(scheme, &at_home(), request).await;
        assert_eq!(outcome, Ok(()), "{scheme:?}");
        assert_eq!(recorder.only().head.uri, "https://evil.example/x");
        assert!(!has_credential(&recorder.only()), "{scheme:?}");
    }
}

#[tokio::test]
async fn what_names_neither_path_nor_origin_is_an_error() {
    for (method, uri) in [
        (Method::OPTIONS, "*"),
        (Method::CONNECT, "api.example.com:443"),
        (Method::CONNECT, "api.example.com"),
        (Method::GET, "api.example.com"),
        (Method::GET, "ftp://api.example.com/x"),
        (Method::GET, "https://api.example.com:99999/x"),
    ] {
        for scheme in Scheme::ALL {
            for setup in [home(), at_home()] {
                let mut request = scheme.request(uri);
                *request.method_mut() = method.clone();
                let (outcome, _) = send(scheme, &setup, request).await;
                assert_eq!(outcome, Err(AuthErrorKind::Request), "{scheme:?} {uri}");
            }
        }
    }
}

#[tokio::test]
async fn a_default_origin_must_be_an_origin_in_scope() {
    for (origin, kind) in [
        ("https://evil.example", AuthErrorKind::Configuration),
        ("https://api.example.com:444", AuthErrorKind::Configuration),
        ("https://api.example.com/v1", AuthErrorKind::Configuration),
        ("https://u@api.example.com", AuthErrorKind::Configuration),
        ("api.example.com", AuthErrorKind::Configuration),
        (
            "https://api.example.com:99999",
            AuthErrorKind::Configuration,
        ),
        ("http://api.example.com", AuthErrorKind::PlainText),
    ] {
        for scheme in Scheme::ALL {
            let setup = Setup {
                default_origin: Some(origin),
                ..home()
            };
            let built = scheme.layer(&setup, Recorder::new());
            let error = built.expect_err(origin);
            assert_eq!(error.kind(), kind, "{scheme:?} {origin}");
        }
    }
}

#[tokio::test]
async fn a_skipped_request_goes_out_as_it_came() {
    for existing in [Existing::Keep, Existing::Replace, Existing::Reject] {
        for (method, uri) in [
            (
                Method::GET,
                "https://user@API.example.com:443/x?key=1&key=2",
            ),
            (Method::GET, "http://api.example.com/x?X-Amz-Signature=1"),
            (Method::GET, "https://evil.example/x"),
            (Method::GET, "ftp://api.example.com:99999/"),
            (Method::GET, "/x"),
            (Method::OPTIONS, "*"),
            (Method::CONNECT, "api.example.com:443"),
        ] {
            for scheme in Scheme::ALL {
                let setup = Setup { existing, ..home() };
                let mut request = scheme.request(uri);
                *request.method_mut() = method.clone();
                request.extensions_mut().insert(AuthOverride::skip());
                add_host(&mut request, "one.example");
                add_host(&mut request, "two.example");
                for name in ["authorization", "x-api-key", "x-amz-date", "x-id-token"] {
                    let value = HeaderValue::from_static("mine");
                    request.headers_mut().append(name, value.clone());
                    request.headers_mut().append(name, value);
                }
                let before = request.headers().clone();
                let (outcome, recorder) = send(scheme, &setup, request).await;
                assert_eq!(outcome, Ok(()), "{scheme:?} {uri}");
                let seen = recorder.only();
                assert_eq!(seen.head.headers, before, "{scheme:?} {uri}");
                assert_eq!(seen.head.uri, uri.parse::<Uri>().expect(uri));
            }
        }
    }
    // It would get nowhere otherwise.
    let mut request = Scheme::Bearer.request("/x");
    request.extensions_mut().insert(AuthOverride::skip());
    let (_, recorder) = send(Scheme::Bearer, &at_home(), request).await;
    assert_eq!(recorder.only().head.uri, "https://api.example.com/x");
    assert!(recorder.only().head.headers.is_empty());
}

#[tokio::test]
async fn what_a_request_brings_along_stays_in_scope_too() {
    for scheme in [Scheme::OwnToken, Scheme::OwnCredentials] {
        for (uri, expected) in [
            ("https://api.example.com/x", Ok(true)),
            ("https://evil.example/x", Ok(false)),
            ("https://api.example.com:444/x", Ok(false)),
            ("http://api.example.com/x", Err(AuthErrorKind::PlainText)),
        ] {
            let (outcome, recorder) = send(scheme, &home(), scheme.request(uri)).await;
            let sent = outcome.map(|()| has_credential(&recorder.only()));
            assert_eq!(sent, expected, "{scheme:?} {uri}");
        }
    }
}

fn home() -> Setup {
    Setup::at(HOME)
}

fn at_home() -> Setup {
    Setup {
        default_origin: Some(HOME),
        ..home()
    }
}

fn add_host(request: &mut Request<Full<Bytes>>, host: &'static str) {
    request
        .headers_mut()
        .append(HOST, HeaderValue::from_static(host));
}
