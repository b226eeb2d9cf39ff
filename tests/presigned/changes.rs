//! What somebody who has a presigned URL may do to it.

use http::header::HOST;
use http::{HeaderName, HeaderValue};

use super::*;

pub(super) struct Change {
    pub(super) what: &'static str,
    /// Says whether there is such a thing to be changed.
    pub(super) make: fn(&mut Request<Bytes>) -> bool,
    /// The codes or texts of which a server's answer has one.
    pub(super) refusals: &'static [&'static str],
}

pub(super) const MISMATCH: &[&str] = &[
    "SignatureDoesNotMatch",
    "InvalidSignatureException",
    "signature we calculated does not match",
];

const UNKNOWN: &[&str] = &[
    "NotSignedUp",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "UnrecognizedClientException",
    "security token",
];

const TOKEN: &[&str] = &[
    "SignatureDoesNotMatch",
    "InvalidToken",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "UnrecognizedClientException",
    "security token",
];

/// Something of the signature is missing or has the wrong form.
const MALFORMED: &[&str] = &[
    "SignatureDoesNotMatch",
    "missing presigned url v4 fields",
    "AccessDenied",
    "NotImplemented",
    "AuthorizationHeaderMalformed",
    "AuthorizationQueryParametersError",
    "InvalidRequest",
    "MissingAuthorizationParameter",
    "MissingAuthenticationToken",
    "IncompleteSignature",
    "UnsupportedSignature",
    "InvalidSignatureException",
    "CredentialDateMismatch",
    "UnrecognizedClientException",
    "signature we calculated does not match",
];

pub(super) const CHANGES: [Change; 22] = [
    Change {
        what: "another path",
        make: |request| {
            let uri = request.uri();
            let text = format!("{}x?{}", uri.path(), uri.query().unwrap_or_default());
            let mut parts = uri.clone().into_parts();
            parts.path_and_query = Some(text.parse().expect(&text));
            *request.uri_mut() = Uri::from_parts(parts).expect("a URI");
            true
        },
        refusals: MISMATCH,
    },
    Change {
        what: "another method",
        make: |request| {
            *request.method_mut() = match *request.method() {
                Method::GET => Method::PUT,
                _ => Method::GET,
            };
            true
        },
        refusals: MISMATCH,
    },
    Change {
        what: "another host",
        make: |request| {
            let port = request.uri().port_u16().unwrap_or_default();
            let host = HeaderValue::try_from(format!("127.0.0.2:{port}")).expect("a host");
            request.headers_mut().insert(HOST, host);
            true
        },
        refusals: MISMATCH,
    },
    Change {
        what: "a parameter more",
        make: |request| edit(request, |pairs| pairs.push("added=1".to_owned())),
        refusals: MISMATCH,
    },
    Change {
        what: "another value of a parameter",
        make: |request| {
            edit_if(request, |pairs| {
                let at = own(pairs)?;
                pairs[at].push('x');
                Some(())
            })
        },
        refusals: MISMATCH,
    },
    Change {
        what: "a parameter left out",
        make: |request| {
            edit_if(request, |pairs| {
                let at = own(pairs)?;
                pairs.remove(at);
                Some(())
            })
        },
        refusals: MISMATCH,
    },
    Change {
        what: "another expiry",
        make: |request| set(request, "X-Amz-Expires", |value| format!("{value}0")),
        refusals: MISMATCH,
    },
    Change {
        what: "a second expiry",
        make: |request| {
            edit(request, |pairs| {
                pairs.push("X-Amz-Expires=86400".to_owned())
            })
        },
        refusals: MALFORMED,
    },
    Change {
        what: "another time",
        make: |request| {
            set(request, "X-Amz-Date", |value| {
                let (rest, second) = value.split_at(value.len() - 2);
                let other = if second == "0Z" { "1Z" } else { "0Z" };
                format!("{rest}{other}")
            })
        },
        refusals: MISMATCH,
    },
    Change {
        what: "another day in the scope",
        make: |request| set_scope(request, 1, "20150830"),
        refusals: MALFORMED,
    },
    Change {
        what: "another region in the scope",
        make: |request| {
            let signed = value(request, "X-Amz-Credential");
            // SigV4a has none.
            signed.split("%2F").count() == 5 && set_scope(request, 2, "ap-south-1")
        },
        refusals: MISMATCH,
    },
    Change {
        what: "another access key",
        make: |request| set_scope(request, 0, "AKIAZZZZZZZZZZZZZZZZ"),
        refusals: UNKNOWN,
    },
    Change {
        what: "another algorithm",
        make: |request| {
            set(request, "X-Amz-Algorithm", |value| match value {
                "AWS4-HMAC-SHA256" => "AWS4-ECDSA-P256-SHA256".to_owned(),
                _ => "AWS4-HMAC-SHA256".to_owned(),
            })
        },
        refusals: MALFORMED,
    },
    Change {
        what: "another region set",
        make: |request| {
            set(request, "X-Amz-Region-Set", |value| {
                format!("{value}%2C%2A")
            })
        },
        refusals: MISMATCH,
    },
    Change {
        what: "signed headers taken off the list",
        make: |request| {
            let more = value(request, "X-Amz-SignedHeaders") != "host";
            more && set(request, "X-Amz-SignedHeaders", |_| "host".to_owned())
        },
        refusals: MISMATCH,
    },
    Change {
        what: "another value of a signed header",
        make: |request| {
            let Some(name) = signed(request) else {
                return false;
            };
            let other = HeaderValue::from_static("another");
            request.headers_mut().insert(name, other);
            true
        },
        refusals: MISMATCH,
    },
    Change {
        what: "a signed header left out",
        make: |request| match signed(request) {
            Some(name) => request.headers_mut().remove(name).is_some(),
            None => false,
        },
        refusals: MISMATCH,
    },
    Change {
        what: "a flipped signature",
        make: |request| {
            set(request, "X-Amz-Signature", |value| {
                let (rest, last) = value.split_at(value.len() - 1);
                format!("{rest}{}", if last == "0" { "1" } else { "0" })
            })
        },
        refusals: MISMATCH,
    },
    Change {
        what: "a signature cut short",
        make: |request| {
            set(request, "X-Amz-Signature", |value| {
                value[..value.len() - 2].to_owned()
            })
        },
        refusals: MALFORMED,
    },
    Change {
        what: "no signature",
        make: |request| remove(request, "X-Amz-Signature"),
        refusals: MALFORMED,
    },
    Change {
        what: "another session token",
        make: |request| set(request, "X-Amz-Security-Token", |value| format!("{value}A")),
        refusals: TOKEN,
    },
    Change {
        what: "no session token",
        make: |request| remove(request, "X-Amz-Security-Token"),
        refusals: TOKEN,
    },
];

fn edit(request: &mut Request<Bytes>, change: impl FnOnce(&mut Vec<String>)) -> bool {
    edit_if(request, |pairs| {
        change(pairs);
        Some(())
    })
}

fn edit_if(
    request: &mut Request<Bytes>,
    change: impl FnOnce(&mut Vec<String>) -> Option<()>,
) -> bool {
    let mut pairs = pairs(request.uri());
    let changed = change(&mut pairs).is_some();
    *request.uri_mut() = with_pairs(request.uri(), &pairs);
    changed
}

/// The last parameter that is not the signature's.
fn own(pairs: &[String]) -> Option<usize> {
    pairs.iter().rposition(|pair| !pair.starts_with("X-Amz-"))
}

pub(super) fn value(request: &Request<Bytes>, name: &str) -> String {
    let all = pairs(request.uri());
    let mut values = all.iter().filter_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        (key == name).then(|| value.to_owned())
    });
    values.next().unwrap_or_default()
}

pub(super) fn set(
    request: &mut Request<Bytes>,
    name: &str,
    change: impl FnOnce(&str) -> String,
) -> bool {
    edit_if(request, |pairs| {
        let start = format!("{name}=");
        let pair = pairs.iter_mut().find(|pair| pair.starts_with(&start))?;
        *pair = format!("{start}{}", change(&pair[start.len()..]));
        Some(())
    })
}

pub(super) fn remove(request: &mut Request<Bytes>, name: &str) -> bool {
    edit_if(request, |pairs| {
        let start = format!("{name}=");
        let at = pairs.iter().position(|pair| pair.starts_with(&start))?;
        pairs.remove(at);
        Some(())
    })
}

/// A part of the credential: key, day, region, service.
fn set_scope(request: &mut Request<Bytes>, part: usize, other: &str) -> bool {
    set(request, "X-Amz-Credential", |value| {
        let mut parts: Vec<&str> = value.split("%2F").collect();
        parts[part] = other;
        parts.join("%2F")
    })
}

/// A signed header other than the host.
fn signed(request: &Request<Bytes>) -> Option<HeaderName> {
    let names = value(request, "X-Amz-SignedHeaders");
    let mut names = names.rsplit("%3B").filter(|name| *name != "host");
    names.next().map(|name| name.parse().expect("a name"))
}
