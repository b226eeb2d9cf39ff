//! Promise 24: nothing crosses a network in plain text, unless told to.

use tower::{Layer, ServiceExt};
use tower_client_auth::{AuthError, AuthErrorKind, AuthOverride, PayloadHash, Scope, SigV4Layer};

use crate::schemes::{Scheme, Setup, has_credential, layer_credentials, send};
use crate::support::{Recorder, promise};

/// Hosts that never leave this machine.
const LOOPBACK: [&str; 9] = [
    "localhost",
    "LocalHost",
    "api.localhost",
    "a.b.localhost",
    "127.0.0.1",
    "127.0.0.53",
    "127.255.255.254",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
];

/// Hosts that look it, and are someone's to register, to route or to misread.
const ELSEWHERE: [&str; 22] = [
    "api.example.com",
    "localhost.evil.example",
    "evil-localhost",
    "evillocalhost",
    "localhost.",
    "localhost.localdomain",
    "127.0.0.1.evil.example",
    "127.evil.example",
    "127.0.0.1.",
    "127.1",
    "127.0.0.256",
    "127.0.0.01",
    "0127.0.0.1",
    "128.0.0.1",
    "2130706433",
    "0x7f000001",
    "0.0.0.0",
    "[::]",
    "[::2]",
    "[::ffff:127.0.0.1]",
    "[::127.0.0.1]",
    "10.0.0.1",
];

#[tokio::test]
async fn http_is_refused_when_a_layer_is_built() {
    let mut cases = 0;
    for scheme in Scheme::ALL {
        for host in ELSEWHERE {
            for origin in [format!("http://{host}"), format!("http://{host}:443")] {
                for scope in [
                    Scope::origin(&origin),
                    Scope::origins(["https://other.example", &origin]),
                ] {
                    let setup = Setup::of(scope.expect(&origin));
                    let built = scheme.layer(&setup, Recorder::new());
                    assert_eq!(kind(built), AuthErrorKind::PlainText, "{scheme:?} {origin}");
                    cases += 1;
                }
            }
        }
    }
    promise(24, format!("{cases} layers for plain http, none built"));
}

#[tokio::test]
async fn http_is_refused_for_a_host_in_scope_and_nothing_is_sent() {
    let mut cases = 0;
    for scheme in Scheme::ALL {
        for host in ELSEWHERE {
            for (scope, port) in [
                (Scope::any_https(), ""),
                (Scope::any_https(), ":443"),
                (Scope::origin(format!("https://{host}")).expect(host), ""),
                (
                    Scope::origin(format!("https://{host}")).expect(host),
                    ":443",
                ),
                (
                    Scope::origin(format!("https://{host}")).expect(host),
                    ":8080",
                ),
            ] {
                let uri = format!("http://{host}{port}/x");
                let (outcome, _) = send(scheme, &Setup::of(scope), scheme.request(&uri)).await;
                assert_eq!(outcome, Err(AuthErrorKind::PlainText), "{scheme:?} {uri}");
                cases += 1;
            }
        }
        let uri = "http://abc123.execute-api.eu-west-1.amazonaws.com/x";
        let (outcome, _) = send(scheme, &Setup::of(Scope::aws()), scheme.request(uri)).await;
        assert_eq!(outcome, Err(AuthErrorKind::PlainText), "{scheme:?}");
    }
    promise(24, format!("{cases} requests over plain http, none sent"));
}

#[tokio::test]
async fn loopback_needs_no_permission() {
    let mut cases = 0;
    for scheme in Scheme::ALL {
        for host in LOOPBACK {
            let origin = format!("http://{host}:8080");
            for scope in [
                Scope::origin(&origin).expect(&origin),
                Scope::any_https(),
                Scope::aws(),
            ] {
                let request = scheme.request(&format!("{origin}/x"));
                let (outcome, recorder) = send(scheme, &Setup::of(scope), request).await;
                assert_eq!(outcome, Ok(()), "{scheme:?} {origin}");
                assert!(has_credential(&recorder.only()), "{scheme:?} {origin}");
                cases += 1;
            }
        }
    }
    promise(
        24,
        format!("{cases} requests over loopback, all with a credential"),
    );
}

#[tokio::test]
async fn plain_http_works_for_those_who_ask_for_it() {
    for scheme in Scheme::ALL {
        for host in ELSEWHERE {
            let origin = format!("http://{host}");
            let named = Scope::origin(&origin).expect(&origin);
            for scope in [named, Scope::any_https()] {
                let setup = Setup::of(scope.allow_plain_http());
                let request = scheme.request(&format!("{origin}/x"));
                let (outcome, recorder) = send(scheme, &setup, request).await;
                assert_eq!(outcome, Ok(()), "{scheme:?} {origin}");
                assert!(has_credential(&recorder.only()), "{scheme:?} {origin}");
            }
        }
    }
}

#[tokio::test]
async fn an_https_origin_stays_https_when_plain_http_is_allowed() {
    let scope = Scope::origins(["https://api.example.com", "http://intranet:8080"]);
    let setup = Setup::of(scope.expect("origins").allow_plain_http());
    for scheme in Scheme::ALL {
        for port in ["", ":443", ":8080"] {
            let request = scheme.request(&format!("http://api.example.com{port}/x"));
            let (outcome, recorder) = send(scheme, &setup, request).await;
            assert_eq!(outcome, Ok(()));
            assert!(!has_credential(&recorder.only()), "{scheme:?} {port}");
        }
    }
}

/// The permission belongs to the scope it was given to: a mesh-internal service must not open the
/// way to all of AWS.
#[tokio::test]
async fn joined_scopes_do_not_share_the_permission() {
    let plain = || {
        let scope = Scope::origin("http://intranet:8080").expect("an origin");
        scope.allow_plain_http()
    };
    for scheme in Scheme::ALL {
        for (scope, host) in [
            (plain().union(Scope::any_https()), "api.example.com"),
            (Scope::any_https().union(plain()), "api.example.com"),
            (plain().union(Scope::aws()), "s3.amazonaws.com"),
            (Scope::aws().union(plain()), "s3.amazonaws.com"),
        ] {
            let setup = Setup::of(scope);
            let request = scheme.request(&format!("http://{host}/x"));
            let (outcome, _) = send(scheme, &setup, request).await;
            assert_eq!(outcome, Err(AuthErrorKind::PlainText), "{scheme:?} {host}");

            let request = scheme.request("http://intranet:8080/x");
            let (outcome, recorder) = send(scheme, &setup, request).await;
            assert_eq!(outcome, Ok(()), "{scheme:?}");
            assert!(has_credential(&recorder.only()), "{scheme:?}");
        }
    }
    let unasked = Scope::origin("http://other:8080").expect("an origin");
    let built = Scheme::Bearer.layer(&Setup::of(plain().union(unasked)), Recorder::new());
    assert_eq!(kind(built), AuthErrorKind::PlainText);
}

#[tokio::test]
async fn an_unsigned_payload_needs_encryption_whatever_was_allowed() {
    let mut cases = 0;
    let hosts = ELSEWHERE.map(|host| (host, false));
    for (host, local) in hosts.into_iter().chain(LOOPBACK.map(|host| (host, true))) {
        for by_request in [false, true] {
            let origin = format!("http://{host}");
            let scope = Scope::origin(&origin).expect(&origin).allow_plain_http();
            let mut layer = SigV4Layer::new("eu-west-1", "s3", layer_credentials())
                .and_then(|layer| layer.scope(scope))
                .expect("a layer");
            let mut request = Scheme::SigV4.request(&format!("{origin}/x"));
            if by_request {
                let hash = AuthOverride::new().payload_hash(PayloadHash::Unsigned);
                request.extensions_mut().insert(hash);
            } else {
                layer = layer.unsigned_payload();
            }
            let recorder = Recorder::new();
            let outcome = layer.layer(recorder.clone()).oneshot(request).await;
            cases += 1;
            if local {
                outcome.expect("an answer");
                let seen = recorder.only();
                assert_eq!(seen.one("x-amz-content-sha256"), "UNSIGNED-PAYLOAD");
                continue;
            }
            let error = outcome.expect_err(host);
            let error = AuthError::find(error.as_ref()).expect(host);
            assert_eq!(error.kind(), AuthErrorKind::PlainText, "{host}");
            assert!(recorder.seen().is_empty(), "{host}");
        }
    }
    promise(
        24,
        format!("{cases} unsigned payloads, none over a network in plain text"),
    );
}

#[tokio::test]
async fn a_relative_request_does_not_slip_through() {
    for scheme in Scheme::ALL {
        let setup = Setup {
            default_origin: Some("http://api.example.com"),
            ..Setup::of(Scope::any_https())
        };
        let built = scheme.layer(&setup, Recorder::new());
        assert_eq!(kind(built), AuthErrorKind::PlainText, "{scheme:?}");
    }
}

fn kind<T>(built: Result<T, AuthError>) -> AuthErrorKind {
    built.err().expect("plain text").kind()
}
