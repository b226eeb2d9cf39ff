use super::*;

fn reach(scope: &Scope, uri: &str) -> Reach {
    let uri: Uri = uri.parse().expect(uri);
    let target = Target::of(&uri).expect("a target").expect("absolute");
    scope.judge(&target)
}

#[test]
fn origins_compare_scheme_host_and_effective_port() {
    let scope = Scope::origin("https://api.example.com").expect("an origin");
    for inside in [
        "https://api.example.com/x",
        "https://API.example.COM/",
        "https://api.example.com:443/",
        "https://api.example.com:/",
        "https://user:pass@api.example.com/",
    ] {
        assert_eq!(reach(&scope, inside), Reach::Within, "{inside}");
    }
    for outside in [
        "https://api.example.com:8443/",
        "https://example.com/",
        "https://x.api.example.com/",
        "https://api.example.com./",
        "https://api.example.com.evil.example/",
        "https://api.example.com@evil.example/",
        "http://evil.example/",
    ] {
        assert_eq!(reach(&scope, outside), Reach::Outside, "{outside}");
    }
    assert_eq!(reach(&scope, "http://api.example.com/"), Reach::PlainText);
    assert_eq!(
        reach(&scope, "http://api.example.com:443/"),
        Reach::PlainText
    );
}

#[test]
fn addresses_compare_as_addresses() {
    let scope = Scope::origin("https://[2001:db8::1]:8443").expect("an origin");
    assert_eq!(
        reach(&scope, "https://[2001:DB8:0:0:0:0:0:1]:8443/"),
        Reach::Within
    );
    assert_eq!(reach(&scope, "https://[2001:db8::2]:8443/"), Reach::Outside);
}

#[test]
fn text_beside_a_host_is_no_port() {
    for odd in [
        "https://[::1]evil.example:443/",
        "https://[::1]evil.example/",
        "https://api.example.com:[x]:8443/",
    ] {
        // The parser may come to refuse these.
        if let Ok(uri) = odd.parse::<Uri>() {
            assert!(Target::of(&uri).is_err(), "{odd}");
        }
    }
}

#[test]
fn aws_means_its_own_domains() {
    let scope = Scope::aws();
    for inside in [
        "https://abc.execute-api.eu-west-1.amazonaws.com/",
        "https://s3.cn-north-1.amazonaws.com.cn/",
        "https://x.lambda-url.eu-west-1.on.aws/",
        "http://127.0.0.1:4566/",
        "http://[::1]:4566/",
        "http://s3.localhost:4566/",
    ] {
        assert_eq!(reach(&scope, inside), Reach::Within, "{inside}");
    }
    for outside in [
        "https://evilamazonaws.com/",
        "https://amazonaws.com.evil.example/",
        "https://.amazonaws.com/",
        "https://amazonaws.com.eu/",
        "https://127.0.0.1.evil.example/",
        "http://notlocalhost/",
        "http://0x7f.1/",
    ] {
        assert_eq!(reach(&scope, outside), Reach::Outside, "{outside}");
    }
    assert_eq!(
        reach(&scope, "http://abc.execute-api.eu-west-1.amazonaws.com/"),
        Reach::PlainText
    );
    assert_eq!(
        reach(
            &scope.allow_plain_http(),
            "http://abc.execute-api.eu-west-1.amazonaws.com/"
        ),
        Reach::Within
    );
}

#[test]
fn what_is_no_origin_is_refused() {
    for bad in [
        "",
        "api.example.com",
        "https://",
        "https://user@api.example.com",
        "https://api.example.com/v1",
        "https://api.example.com?x",
        "https://api.example.com:99999",
        "ftp://api.example.com",
        "*",
        "/",
    ] {
        let error = Scope::origin(bad).expect_err(bad);
        assert_eq!(error.kind(), AuthErrorKind::Configuration, "{bad}");
    }
    assert!(Scope::origins::<&str>([]).is_err());
}

#[test]
fn plain_http_must_be_asked_for() {
    let plain = Scope::origin("http://intranet:8080").expect("an origin");
    let error = plain.check().expect_err("plain text");
    assert_eq!(error.kind(), AuthErrorKind::PlainText);
    assert!(plain.clone().allow_plain_http().check().is_ok());
    assert_eq!(
        reach(&plain.allow_plain_http(), "http://intranet:8080/"),
        Reach::Within
    );
    assert!(
        Scope::origin("http://localhost")
            .expect("o")
            .check()
            .is_ok()
    );
}

#[test]
fn what_is_spelled_out_is_within() {
    let origin = Scope::origin("https://api.example.com:8443").expect("an origin");
    let mut spelled = Vec::new();
    for scope in [Scope::aws(), Scope::any_https(), origin] {
        for scheme in ["https", "http"] {
            for authority in [
                "abc.execute-api.eu-west-1.amazonaws.com",
                "S3.AMAZONAWS.COM",
                ".amazonaws.com",
                "evilamazonaws.com",
                "amazonaws.com.evil.example",
                "abc.amazonaws.com:443",
                "a@s3.amazonaws.com",
                "s3.amazonaws.com@evil.example",
                "api.example.com:8443",
                "API.example.com:8443",
                "[::1]",
                "localhost",
            ] {
                let text = format!("{scheme}://{authority}/path");
                let uri: Uri = text.parse().expect("a URI");
                if scope.spells(&uri) {
                    assert_eq!(reach(&scope, &text), Reach::Within, "{text}");
                    spelled.push(text);
                }
            }
        }
    }
    assert_eq!(spelled.len(), 2 + 6 + 1, "{spelled:#?}");
}
