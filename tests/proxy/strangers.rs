//! Requests for hosts that are not on the list, of pages, and without the key.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Proxy;
use super::raw::{Upstream, ask, is_well, proxy, send, status};

#[test]
fn no_other_host_is_reached() {
    let (upstream, other) = (Upstream::good(), Upstream::good());
    let proxy = proxy(&upstream, ",mode=none", &["--name", "signing-proxy"]);
    let at_other = format!("127.0.0.1:{}", other.port);
    let at_upstream = format!("127.0.0.1:{}", upstream.port);
    let mut refused = 0;
    for (line, headers, expected) in [
        ("GET http://example.com/", vec![], 421),
        ("GET http://example.com:80/", vec![], 421),
        (
            "GET http://169.254.169.254.example.com/latest/meta-data/",
            vec![],
            421,
        ),
        ("GET https://example.com/", vec!["host: 127.0.0.1"], 421),
        ("GET /", vec!["host: example.com"], 421),
        ("GET /", vec!["host: localhost.example.com"], 421),
        ("GET /", vec!["host: 127.0.0.1.example.com"], 421),
        ("GET /", vec!["host: localhost@example.com"], 400),
        ("GET http://localhost@example.com/", vec![], 400),
        ("GET /", vec!["host: 127.0.0.1", "host: example.com"], 400),
        ("GET /", vec!["host:"], 400),
        (
            "CONNECT example.com:443",
            vec!["host: example.com:443"],
            405,
        ),
        ("OPTIONS *", vec![], 400),
    ] {
        let answer = ask(&proxy, line, &headers);
        assert_eq!(status(&answer), expected, "{line} {headers:?}: {answer}");
        refused += 1;
    }
    let none = "GET / HTTP/1.1\r\nconnection: close\r\n\r\n";
    assert_eq!(status(&send(&proxy, none.as_bytes())), 400);
    assert_eq!(upstream.got(), "");

    // An address is no name that somebody can have made to lead here: it is taken for the proxy's own.
    let target = format!("GET http://{at_other}/");
    assert_eq!(status(&ask(&proxy, &target, &[])), 200);
    assert_eq!(other.got(), "");
    for headers in [
        vec!["host: localhost"],
        vec!["host: signing-proxy:8080"],
        vec!["host: [::1]:80"],
    ] {
        assert_eq!(status(&ask(&proxy, "GET /", &headers)), 200, "{headers:?}");
    }
    let before = upstream.requests();
    let target = format!("GET http://{at_upstream}/by-url");
    assert_eq!(status(&ask(&proxy, &target, &["host: example.com"])), 200);
    assert_eq!(upstream.requests(), before + 1);
    assert!(
        !upstream.got().contains("example.com"),
        "{}",
        upstream.got()
    );
    is_well(&proxy, &upstream);
    println!(
        "proxy: {} of {} requests for other hosts were refused",
        refused + 1,
        refused + 1
    );
}

#[test]
fn a_path_does_not_lead_out_of_its_upstream() {
    let upstream = Upstream::good();
    let proxy = proxy(&upstream, "/prod,mode=none", &[]);
    let at = format!("host: 127.0.0.1:{}", upstream.port);
    for (path, headers) in [
        ("/../admin", vec![]),
        ("/api/../../admin", vec![]),
        ("/%2e%2e/admin", vec![]),
        ("/.%2E/admin", vec![]),
        ("/a/..%2fadmin", vec![]),
        ("/..%5cadmin", vec![]),
        ("/..\\admin", vec![]),
        ("/prod/../admin", vec![&*at]),
        ("/admin", vec![&*at]),
        ("/production", vec![&*at]),
    ] {
        let answer = ask(&proxy, &format!("GET {path}"), &headers);
        assert!([400, 403].contains(&status(&answer)), "{path}: {answer}");
    }
    assert_eq!(upstream.got(), "");
    for (path, headers, expected) in [
        ("/api/items?a=1", vec![], "GET /prod/items?a=1 "),
        ("/api", vec![], "GET /prod "),
        ("/items", vec![], "GET /prod/items "),
        ("/prod/items", vec![&*at], "GET /prod/items "),
    ] {
        assert_eq!(
            status(&ask(&proxy, &format!("GET {path}"), &headers)),
            200,
            "{path}"
        );
        assert!(
            upstream.got().contains(expected),
            "{path}: {}",
            upstream.got()
        );
    }
}

#[test]
fn pages_of_other_origins_are_kept_out() {
    let upstream = Upstream::good();
    let proxy = proxy(
        &upstream,
        ",mode=none",
        &["--allow-origin", "https://app.example.com"],
    );
    for headers in [
        vec!["origin: https://evil.example"],
        vec!["origin: null"],
        vec!["origin: https://app.example.com.evil.example"],
        vec!["sec-fetch-site: cross-site"],
        vec!["sec-fetch-site: same-site"],
    ] {
        let answer = ask(&proxy, "GET /", &headers);
        assert_eq!(status(&answer), 403, "{headers:?}: {answer}");
    }
    assert_eq!(upstream.got(), "");
    for headers in [
        vec![
            "origin: https://app.example.com",
            "sec-fetch-site: cross-site",
        ],
        vec!["sec-fetch-site: none"],
        vec!["sec-fetch-site: same-origin"],
    ] {
        assert_eq!(status(&ask(&proxy, "GET /", &headers)), 200, "{headers:?}");
    }
    assert!(!upstream.got().contains("origin"), "{}", upstream.got());
}

#[test]
fn callers_need_the_key_and_it_goes_no_further() {
    let upstream = Upstream::good();
    let target = format!("api=http://127.0.0.1:{},mode=none", upstream.port);
    let proxy = Proxy::with(
        &["--upstream", &target, "--caller-key", "env:CALLER_KEY"],
        &[("CALLER_KEY", "canary-key")],
    );
    let basic = |key: &str| {
        let coded = STANDARD.encode(format!("anybody:{key}"));
        format!("proxy-authorization: Basic {coded}")
    };
    let by_url = format!("GET http://127.0.0.1:{}/", upstream.port);
    for (line, header, expected) in [
        ("GET /", String::new(), 401),
        ("GET /", "x-api-key: canary".to_owned(), 401),
        ("GET /", "x-api-key: canary-keys".to_owned(), 401),
        ("GET /", basic("other"), 401),
        ("GET /metrics", String::new(), 401),
        (&*by_url, String::new(), 407),
        (&*by_url, basic("other"), 407),
    ] {
        let headers: Vec<&str> = Some(&*header)
            .into_iter()
            .filter(|text| !text.is_empty())
            .collect();
        let answer = ask(&proxy, line, &headers);
        assert_eq!(status(&answer), expected, "{line} {header}: {answer}");
    }
    assert_eq!(upstream.got(), "");
    for path in ["GET /healthz", "GET /readyz"] {
        assert_eq!(status(&ask(&proxy, path, &[])), 200);
    }
    for (line, header) in [
        ("GET /", "x-api-key: canary-key".to_owned()),
        ("GET /", basic("canary-key")),
        (&*by_url, basic("canary-key")),
        ("GET /metrics", "x-api-key: canary-key".to_owned()),
    ] {
        let answer = ask(&proxy, line, &[&header]);
        assert_eq!(status(&answer), 200, "{line} {header}: {answer}");
        assert!(!answer.contains("canary"), "{answer}");
    }
    let coded = STANDARD.encode("anybody:canary-key");
    for secret in ["canary", &coded] {
        assert!(!upstream.got().contains(secret), "{}", upstream.got());
    }
    assert!(!format!("{:?}{}", proxy.lines(), proxy.messages()).contains("canary"));
}

#[test]
fn an_upstream_sees_the_proxys_signature_and_no_other_credential() {
    let upstream = Upstream::good();
    let proxy = proxy(
        &upstream,
        ",service=execute-api,region=eu-west-1",
        &[
            "--strip-header",
            "x-internal-*",
            "--strip-param",
            "debug",
            "--pass-header",
            "x-forwarded-for",
            "--set-header",
            "x-tenant: blue",
            "--copy-header",
            "authorization",
        ],
    );
    let answer = ask(
        &proxy,
        "GET /a?debug=1&b=2&X-Amz-Signature=strangers&X-Amz-Credential=AKIDSTRANGER%2F20260101%2Fus-east-1%2Fs3%2Faws4_request",
        &[
            "authorization: Bearer strangers-token",
            "x-amz-security-token: strangers",
            "x-amz-date: 20200101T000000Z",
            "x-api-key: strangers",
            "cookie: strangers=1",
            "x-internal-user: strangers",
            "x-tenant: strangers",
            "x-forwarded-for: 192.0.2.1",
            "x-forwarded-host: strangers.example",
            "x-hop: strangers",
            "connection: x-hop",
            "te: trailers",
            "x-kept: kept",
        ],
    );
    assert_eq!(status(&answer), 200, "{answer}");
    let got = upstream.got();
    for expected in [
        "GET /a?b=2 ",
        "x-kept: kept",
        "x-tenant: blue",
        "x-forwarded-for: 192.0.2.1",
        "x-original-authorization: Bearer strangers-token",
        "authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/",
        "SignedHeaders=host;x-amz-date;x-kept;x-original-authorization;x-tenant",
    ] {
        assert!(got.contains(expected), "no `{expected}`: {got}");
    }
    // Once, where it was asked for.
    assert_eq!(got.matches("strangers").count(), 1, "{got}");
    assert_eq!(
        got.to_ascii_lowercase()
            .matches("\r\nauthorization:")
            .count(),
        1,
        "{got}"
    );
    let metrics = ask(&proxy, "GET /metrics", &[]);
    let said = format!("{:?}{}{metrics}", proxy.until_lines(1), proxy.messages());
    assert!(
        !said.contains("canary") && !said.contains("strangers"),
        "{said}"
    );
    assert!(
        metrics.contains("signing_proxy_requests_total{upstream=\"api\",status=\"2xx\"} 1"),
        "{metrics}"
    );
}
