//! The six requests that signing is measured with, and the credentials.
//!
//! Shared with the tests that count allocations and instructions.

use aws_credential_types::Credentials;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Uri, request};
use tower_client_auth::PayloadHash;
use tower_client_auth::sigv4::{Signer, SigningCredentials, SigningOptions, SigningScope};

pub(crate) const ACCESS_KEY_ID: &str = "AKIDEXAMPLE";
pub(crate) const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
pub(crate) const REGION: &str = "us-east-1";

/// A request to be signed.
pub(crate) struct Sample {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    pub(crate) service: &'static str,
    pub(crate) head: request::Parts,
    pub(crate) body: Bytes,
    /// The session token, if there is one.
    pub(crate) token: Option<String>,
    /// Whether the body is signed.
    pub(crate) signed: bool,
}

impl Sample {
    pub(crate) fn credentials(&self) -> Credentials {
        Credentials::new(ACCESS_KEY_ID, SECRET, self.token.clone(), None, "bench")
    }

    pub(crate) fn signer(&self) -> (Signer, SigningCredentials) {
        let scope = SigningScope::new(REGION, self.service).expect("a scope");
        let options = SigningOptions::for_service(self.service);
        let credentials = SigningCredentials::new(self.credentials()).expect("credentials");
        (Signer::new(scope, options), credentials)
    }

    /// The same for SigV4a.
    #[cfg(feature = "sigv4a")]
    #[allow(dead_code, reason = "not everything that is measured needs it")]
    pub(crate) fn signer_v4a(&self) -> (Signer, SigningCredentials) {
        let scope = SigningScope::v4a("*", self.service).expect("a scope");
        let (_, credentials) = self.signer();
        let options = SigningOptions::for_service(self.service);
        (Signer::new(scope, options), credentials)
    }

    /// The hash of the body, computed if it is signed.
    pub(crate) fn payload(&self) -> PayloadHash {
        match self.signed {
            true => PayloadHash::of(&self.body),
            false => PayloadHash::Unsigned,
        }
    }

    /// As [`fresh`](Self::fresh), with the headers in the order of that number; there are as many as the
    /// factorial of how many headers there are.
    #[allow(dead_code, reason = "not everything that is measured needs it")]
    pub(crate) fn permuted(&self, mut number: usize) -> request::Parts {
        let mut head = self.fresh();
        let mut headers: Vec<_> = std::mem::take(&mut head.headers).into_iter().collect();
        while !headers.is_empty() {
            let (name, value) = headers.remove(number % headers.len());
            number /= headers.len() + 1;
            head.headers.insert(name.expect("every name once"), value);
        }
        head
    }

    /// A head as a client would build it, of memory of its own.
    pub(crate) fn fresh(&self) -> request::Parts {
        let mut head = Request::new(()).into_parts().0;
        head.method = self.head.method.clone();
        let uri = self.head.uri.to_string();
        head.uri = Uri::try_from(uri).expect("a URI");
        for (name, value) in &self.head.headers {
            let value = HeaderValue::from_bytes(value.as_bytes()).expect("a value");
            head.headers.insert(name.clone(), value);
        }
        head
    }
}

#[rustfmt::skip]
pub(crate) fn samples() -> Vec<Sample> {
    let token: String = (0..640).map(|at| char::from(b'A' + (at * 7 % 26) as u8)).collect();
    let body = |length| Bytes::from((0..length).map(|at| b'a' + (at % 26) as u8).collect::<Vec<_>>());
    let s3 = [
        ("content-type", "application/octet-stream"),
        ("content-length", "1048576"),
        ("user-agent", "bench/1.0"),
        ("x-amz-storage-class", "STANDARD"),
        ("x-amz-meta-owner", "orders"),
    ];
    let s3_uri = "https://bucket.s3.us-east-1.amazonaws.com/2026/11/report.bin";
    vec![
        Sample {
            name: "R1", what: "GET, API Gateway", service: "execute-api",
            head: head(Method::GET, "https://abcdef1234.execute-api.us-east-1.amazonaws.com/prod/v1/items/42", &[
                ("accept", "application/json"),
                ("accept-language", "en"),
                ("content-type", "application/json"),
                ("user-agent", "bench/1.0"),
                ("x-request-id", "8f14e45f-ceea-467f"),
            ]),
            body: Bytes::new(), token: None, signed: true,
        },
        Sample {
            name: "R2", what: "GET, 12 query pairs, token", service: "es",
            head: head(Method::GET, "https://search-orders-abcdef.us-east-1.es.amazonaws.com/orders/_search\
                ?q=status%3Aopen%20AND%20customer%3A42&size=100&from=0&sort=%2Fcreated%2Fat%3Adesc\
                &_source=id%2Ctotal%2CcreatedAt&city=M%C3%A9rida&title=red+green+blue&range=a%2bb%2bc\
                &size=200&Pretty=&routing=TenantA&filter_path=hits.hits%2C_shards", &[
                ("accept", "application/json"),
                ("user-agent", "bench/1.0"),
            ]),
            body: Bytes::new(), token: Some(token.clone()), signed: true,
        },
        Sample {
            name: "R3", what: "POST 1 KiB, DynamoDB, token", service: "dynamodb",
            head: head(Method::POST, "https://dynamodb.us-east-1.amazonaws.com/", &[
                ("content-type", "application/x-amz-json-1.0"),
                ("content-length", "1024"),
                ("x-amz-target", "DynamoDB_20120810.PutItem"),
                ("accept-encoding", "identity"),
                ("user-agent", "bench/1.0"),
            ]),
            body: body(1024), token: Some(token), signed: true,
        },
        Sample {
            name: "R4", what: "POST 64 KiB, Bedrock", service: "bedrock",
            head: head(Method::POST, "https://bedrock-runtime.us-east-1.amazonaws.com/model/anthropic.claude-v2%3A1/invoke", &[
                ("accept", "application/json"),
                ("content-type", "application/json"),
                ("content-length", "65536"),
                ("user-agent", "bench/1.0"),
            ]),
            body: body(64 * 1024), token: None, signed: true,
        },
        Sample {
            name: "R5", what: "PUT 1 MiB, S3", service: "s3",
            head: head(Method::PUT, s3_uri, &s3),
            body: body(1024 * 1024), token: None, signed: true,
        },
        Sample {
            name: "R6", what: "PUT 1 MiB, S3, payload unsigned", service: "s3",
            head: head(Method::PUT, s3_uri, &s3),
            body: body(1024 * 1024), token: None, signed: false,
        },
    ]
}

fn head(method: Method, uri: &str, headers: &[(&'static str, &str)]) -> request::Parts {
    let mut head = Request::new(()).into_parts().0;
    head.method = method;
    head.uri = uri.parse().expect("a URI");
    for (name, value) in headers {
        let value = HeaderValue::from_str(value).expect("a value");
        head.headers.insert(HeaderName::from_static(name), value);
    }
    head
}
