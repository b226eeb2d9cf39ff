//! What an answer's hint says, by layer, status, headers and body.

use http::header::DATE;
use tower::Layer;
use tower_client_auth::{
    ApiKeyLayer, AuthHint, AuthOverride, BearerTokenLayer, Clock, SigV4Layer, Token,
};

use super::*;

const ELSEWHERE: &str = "https://elsewhere.example";
const LIMIT: usize = 64 * 1024;

/// A new one each time, since it learns of clocks.
fn sigv4() -> SigV4Layer<SigningCredentials> {
    let layer = SigV4Layer::new(REGION, SERVICE, keys(1)).expect("a layer");
    let layer = layer.scope(ORIGIN).expect("an origin");
    layer.clock(Clock::from_fn(noon))
}

fn bearer() -> BearerTokenLayer<Token> {
    BearerTokenLayer::new(ORIGIN, Token::from("token")).expect("a layer")
}

fn api_key() -> ApiKeyLayer {
    ApiKeyLayer::new(ORIGIN, "da2-fakeApiId123456").expect("a layer")
}

/// The hint that comes with an answer.
async fn hint<L, R>(
    layer: L,
    request: Request<Full<Bytes>>,
    refusal: &Response<Full<Bytes>>,
) -> Option<AuthHint>
where
    L: Layer<Server>,
    L::Service: Service<Request<Full<Bytes>>, Response = Response<R>, Error = BoxError> + Clone,
    R: Body,
    R::Error: Debug,
{
    let refusal = refusal.clone();
    let server = Server::new(move |_| refusal.clone());
    let answer = send(&layer.layer(server), request).await;
    AuthHint::of(&answer).cloned()
}

/// With the `Date` of a clock that is so many seconds ahead.
fn dated(mut refusal: Response<Full<Bytes>>, ahead: u64) -> Response<Full<Bytes>> {
    let time = noon() + Duration::from_secs(ahead);
    refusal.headers_mut().insert(DATE, date(time));
    refusal
}

/// A refusal that is named in a header, and told in a body of JSON.
fn told(status: u16, code: &str, message: &str) -> Response<Full<Bytes>> {
    let body = format!(r#"{{"message":"{message}"}}"#);
    answer(status, &[(ERROR_TYPE, code)], &body)
}

/// As behind a proxy that takes the header away.
fn said(status: u16, message: &str) -> Response<Full<Bytes>> {
    answer(status, &[], &format!(r#"{{"message":"{message}"}}"#))
}

const MISMATCH: &str =
    "The request signature we calculated does not match the signature you provided.";
const DENIED: &str = "User: arn:aws:sts::123456789012:assumed-role/guest-role/CognitoIdentityCredentials \
    is not authorized to perform: execute-api:Invoke";

#[tokio::test]
async fn signature_layers_tell_what_is_wrong_with_a_signature() {
    use AuthHint::*;
    let skew = |seconds: i64| {
        let seconds = (seconds != 0).then_some(seconds);
        Some(ClockSkew { seconds })
    };
    let scope = |expected: Option<&str>| {
        let expected = expected.map(Box::from);
        Some(WrongScope { expected })
    };
    let denied = |role: Option<&str>| {
        let role = role.map(Box::from);
        Some(AccessDenied {
            role,
            standing: None,
        })
    };
    let mis_scoped = |to: &str| {
        let message = format!("Credential should be scoped to {to}");
        told(403, "InvalidSignatureException", &message)
    };
    let mut behind = typed(403, "InvalidSignatureException");
    let time = noon() - Duration::from_secs(3600);
    behind.headers_mut().insert(DATE, date(time));
    for (expected, refusals) in [
        (
            Some(CredentialsExpired),
            vec![
                typed(403, "ExpiredTokenException"),
                xml("ExpiredToken", "The provided token has expired."),
            ],
        ),
        (
            Some(CredentialsUnknown),
            vec![
                typed(403, "UnrecognizedClientException"),
                answer(400, &[], r#"{"__type":"a#UnrecognizedClientException"}"#),
                xml("InvalidAccessKeyId", "It does not exist."),
            ],
        ),
        (
            skew(3600),
            vec![
                dated(typed(403, "InvalidSignatureException"), 3600),
                dated(xml("RequestTimeTooSkewed", "Too large."), 3600),
                dated(answer(403, &[], ""), 3600),
            ],
        ),
        (skew(-3600), vec![behind]),
        (
            skew(0),
            vec![
                xml("RequestTimeTooSkewed", "Too large."),
                told(403, "InvalidSignatureException", "Signature expired: …"),
            ],
        ),
        (
            Some(SignatureMismatch),
            vec![
                typed(403, "InvalidSignatureException"),
                dated(typed(403, "InvalidSignatureException"), 60),
                dated(told(403, "InvalidSignatureException", MISMATCH), 3600),
                dated(xml("SignatureDoesNotMatch", MISMATCH), 3600),
            ],
        ),
        (
            scope(Some("eu-west-1")),
            vec![xml(
                "AuthorizationHeaderMalformed",
                "The authorization header is malformed; the region 'us-east-1' is wrong; expecting \
                 'eu-west-1'",
            )],
        ),
        (
            scope(Some("execute-api")),
            vec![mis_scoped("correct service: 'execute-api'. ")],
        ),
        (scope(None), vec![mis_scoped("a valid region. ")]),
        (
            denied(Some("guest-role")),
            vec![told(403, "AccessDeniedException", DENIED)],
        ),
        (
            denied(None),
            vec![
                typed(403, "AccessDeniedException"),
                xml("AccessDenied", "Access Denied"),
            ],
        ),
        (
            Some(NoSuchRoute),
            vec![
                typed(403, "MissingAuthenticationTokenException"),
                said(403, "Missing Authentication Token"),
            ],
        ),
        (
            Some(WrongMode),
            vec![
                typed(403, "IncompleteSignatureException"),
                typed(401, "UnauthorizedException"),
                said(401, "Unauthorized"),
            ],
        ),
        (
            Some(Forbidden),
            vec![typed(403, "ForbiddenException"), said(403, "Forbidden")],
        ),
        (
            None,
            vec![
                answer(403, &[], ""),
                answer(401, &[], ""),
                dated(answer(403, &[], "<html>403</html>"), 60),
                dated(typed(400, "ValidationException"), 3600),
                dated(typed(404, "ExpiredTokenException"), 3600),
                dated(typed(500, "ExpiredTokenException"), 3600),
                dated(typed(302, "ExpiredTokenException"), 3600),
                dated(typed(200, "ExpiredTokenException"), 3600),
            ],
        ),
    ] {
        for refusal in refusals {
            let found = hint(sigv4().inspect_errors(LIMIT), post(URL), &refusal).await;
            assert_eq!(found, expected, "{refusal:?}");
        }
    }
}

#[tokio::test]
async fn bearer_layers_tell_what_is_wrong_with_a_token() {
    use AuthHint::*;
    let challenged = |status, challenge| answer(status, &[("www-authenticate", challenge)], "");
    let lacking = "Bearer error=\"insufficient_scope\", scope=\"orders:read orders:write\"";
    let insufficient = |scope: Option<&str>| {
        let scope = scope.map(Box::from);
        Some(InsufficientScope { scope })
    };
    for (expected, refusals) in [
        (
            Some(TokenRejected),
            vec![
                answer(401, &[], ""),
                challenged(401, "Bearer error=\"invalid_token\""),
                challenged(401, "Basic realm=\"orders\""),
                said(401, "Unauthorized"),
                said(401, "The incoming token has expired"),
            ],
        ),
        (
            insufficient(Some("orders:read orders:write")),
            vec![challenged(401, lacking), challenged(403, lacking)],
        ),
        (
            insufficient(None),
            vec![
                challenged(403, "Bearer error=\"insufficient_scope\""),
                said(403, "Forbidden"),
            ],
        ),
        (
            Some(NoSuchRoute),
            vec![typed(403, "MissingAuthenticationTokenException")],
        ),
        (
            Some(WrongMode),
            vec![
                typed(403, "IncompleteSignatureException"),
                told(403, "InvalidSignatureException", MISMATCH),
            ],
        ),
        // Roles are a matter of signatures.
        (
            Some(AccessDenied {
                role: None,
                standing: None,
            }),
            vec![told(403, "AccessDeniedException", DENIED)],
        ),
        (
            Some(Forbidden),
            vec![told(403, "ForbiddenException", "Forbidden")],
        ),
        (
            None,
            vec![
                answer(403, &[], ""),
                challenged(403, "Bearer error=\"invalid_token\""),
                challenged(400, "Bearer error=\"invalid_request\""),
                challenged(404, lacking),
                challenged(500, lacking),
                challenged(200, lacking),
            ],
        ),
    ] {
        for refusal in refusals {
            let found = hint(bearer().inspect_errors(LIMIT), post(URL), &refusal).await;
            assert_eq!(found, expected, "{refusal:?}");
        }
    }
}

#[tokio::test]
async fn api_key_layers_tell_what_is_wrong_with_a_key() {
    use AuthHint::*;
    for (expected, refusals) in [
        (
            Some(ApiKeyRejected),
            vec![
                answer(403, &[], ""),
                answer(401, &[], ""),
                said(403, "Forbidden"),
                told(403, "ForbiddenException", "Forbidden"),
                told(401, "UnauthorizedException", "You are not authorized."),
            ],
        ),
        (
            Some(NoSuchRoute),
            vec![
                typed(403, "MissingAuthenticationTokenException"),
                said(403, "Missing Authentication Token"),
            ],
        ),
        (
            Some(WrongMode),
            vec![typed(403, "IncompleteSignatureException")],
        ),
        (
            Some(AccessDenied {
                role: None,
                standing: None,
            }),
            vec![told(403, "AccessDeniedException", DENIED)],
        ),
        (
            None,
            vec![
                typed(403, "ExpiredTokenException"),
                typed(403, "ThrottlingException"),
                said(400, "Forbidden"),
                said(404, "Forbidden"),
                said(500, "Forbidden"),
                said(200, "Forbidden"),
            ],
        ),
    ] {
        for refusal in refusals {
            let found = hint(api_key().inspect_errors(LIMIT), post(URL), &refusal).await;
            assert_eq!(found, expected, "{refusal:?}");
        }
    }
}

#[tokio::test]
async fn without_a_look_into_the_body_status_and_headers_must_do() {
    let refusal = said(403, "Missing Authentication Token");
    let found = hint(api_key(), post(URL), &refusal).await;
    assert_eq!(found, Some(AuthHint::ApiKeyRejected));
    assert_eq!(hint(bearer(), post(URL), &refusal).await, None);
    assert_eq!(hint(sigv4(), post(URL), &refusal).await, None);
    let refusal = typed(403, "MissingAuthenticationTokenException");
    for found in [
        hint(api_key(), post(URL), &refusal).await,
        hint(bearer(), post(URL), &refusal).await,
        hint(sigv4(), post(URL), &refusal).await,
    ] {
        assert_eq!(found, Some(AuthHint::NoSuchRoute));
    }
}

#[tokio::test]
async fn a_request_that_was_left_alone_is_said_to_be() {
    let left_alone = || {
        let mut skipped = post(URL);
        skipped.extensions_mut().insert(AuthOverride::skip());
        [post(ELSEWHERE), skipped]
    };
    for (status, expected) in [
        (401, Some(AuthHint::SentWithoutCredential)),
        (403, Some(AuthHint::SentWithoutCredential)),
        (200, None),
        (400, None),
        (404, None),
        (500, None),
    ] {
        let refusal = dated(typed(status, "ExpiredTokenException"), 3600);
        for request in left_alone() {
            for found in [
                hint(sigv4(), request.clone(), &refusal).await,
                hint(sigv4().inspect_errors(LIMIT), request.clone(), &refusal).await,
                hint(bearer(), request.clone(), &refusal).await,
                hint(bearer().inspect_errors(LIMIT), request.clone(), &refusal).await,
                hint(api_key(), request.clone(), &refusal).await,
                hint(api_key().inspect_errors(LIMIT), request.clone(), &refusal).await,
            ] {
                assert_eq!(found, expected, "{status} {}", request.uri());
            }
        }
    }
    // A credential that the caller put there.
    let refusal = answer(403, &[], "");
    let mut own = post(URL);
    let value = HeaderValue::from_static("Bearer own");
    own.headers_mut().insert("authorization", value);
    for found in [
        hint(sigv4(), own.clone(), &refusal).await,
        hint(bearer(), own, &refusal).await,
    ] {
        assert_eq!(found, Some(AuthHint::SentWithoutCredential));
    }
}

#[tokio::test]
async fn a_layer_further_in_knows_better() {
    let skew = AuthHint::ClockSkew {
        seconds: Some(3600),
    };
    let server = Server::new(|_| dated(answer(403, &[], ""), 3600));
    let both = api_key().layer(sigv4().layer(server.clone()));
    let found = send(&both, post(URL)).await;
    assert_eq!(AuthHint::of(&found), Some(&skew));
    let both = sigv4().layer(api_key().layer(server.clone()));
    let found = send(&both, post(URL)).await;
    assert_eq!(AuthHint::of(&found), Some(&AuthHint::ApiKeyRejected));
    // And one further out, which left the request alone, takes none of it away.
    let elsewhere = ApiKeyLayer::new(ELSEWHERE, "da2-fakeApiId123456").expect("a layer");
    let both = elsewhere.layer(sigv4().layer(server.clone()));
    let found = send(&both, post(URL)).await;
    assert_eq!(AuthHint::of(&found), Some(&skew));
    let elsewhere = ApiKeyLayer::new(ELSEWHERE, "da2-fakeApiId123456").expect("a layer");
    let both = api_key().layer(elsewhere.layer(server));
    let found = send(&both, post(URL)).await;
    // One further in that left it alone knows nothing.
    assert_eq!(AuthHint::of(&found), Some(&AuthHint::ApiKeyRejected));
}
