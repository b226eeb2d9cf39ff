//! What is sent in each mode, and what of it must be refused.

use std::time::Duration;

use http::{HeaderValue, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use tower_client_auth::{AuthOverride, AuthorizationMode, Token};

use super::world::{AnyBody, World};
use super::{Call, Refusal, Twin, Way};
use crate::ministack::{self, Who};

pub(super) struct Mode {
    pub(super) name: &'static str,
    pub(super) good: Vec<Call>,
    pub(super) twins: Vec<Twin>,
}

const NO_KEY: Refusal = (StatusCode::FORBIDDEN, "Forbidden");
const NO_SIGNATURE: Refusal = (StatusCode::FORBIDDEN, "MissingAuthenticationTokenException");
const NO_TOKEN: Refusal = (StatusCode::UNAUTHORIZED, "Unauthorized");
const NO_ACCESS: Refusal = (StatusCode::UNAUTHORIZED, "UnauthorizedException");
const BAD_SIGNATURE: Refusal = (StatusCode::FORBIDDEN, "InvalidSignatureException");
const BAD_SESSION: Refusal = (StatusCode::FORBIDDEN, "UnrecognizedClientException");
const BAD_SIGNATURE_TO_APPSYNC: Refusal = (StatusCode::BAD_REQUEST, "BadRequestException");
const DENIED: Refusal = (StatusCode::FORBIDDEN, "explicit deny");
const NO_SUCH_PATH: Refusal = (StatusCode::FORBIDDEN, "Missing Authentication Token");

pub(super) fn all(world: &World) -> Vec<Mode> {
    vec![
        none(world),
        api_key(world),
        iam(world),
        user_pools(world),
        open_id_connect(world),
        lambda(world),
        graphql_with_key(world),
        graphql_with_iam(world),
        graphql_with_lambda(world),
    ]
}

fn none(world: &World) -> Mode {
    let twin = |api, refusal| {
        let call = world.call(api);
        twin(
            "mode NONE",
            in_mode(call, AuthorizationMode::None).changed(bare),
            refusal,
        )
    };
    Mode {
        name: "NONE",
        good: vec![world.call("open").changed(bare)],
        twins: vec![
            twin("key", NO_KEY),
            twin("iam", NO_SIGNATURE),
            twin("pool", NO_TOKEN),
            twin("jwt", NO_TOKEN),
            twin("lambda", NO_TOKEN),
            twin("graphql", NO_ACCESS),
            twin("graphql-lambda", NO_ACCESS),
            elsewhere(world.call("open"), NO_SUCH_PATH),
            misnamed(world.call("key").changed(bare), "open", NO_KEY),
        ],
    }
}

fn api_key(world: &World) -> Mode {
    let call = || world.call("key");
    Mode {
        name: "API_KEY",
        good: vec![call()],
        twins: vec![
            twin("another key", call().by(&world.wrong), NO_KEY),
            twin("skipped", skipped(call()), NO_KEY),
            twin(
                "mode AWS_IAM",
                in_mode(call(), AuthorizationMode::AwsIam),
                NO_KEY,
            ),
            twin(
                "mode AMAZON_COGNITO_USER_POOLS",
                in_mode(call(), AuthorizationMode::CognitoUserPools),
                NO_KEY,
            ),
            twin("the key changed", call().changed(other_key), NO_KEY),
            elsewhere(call(), NO_SUCH_PATH),
            misnamed(call(), "iam", NO_KEY),
        ],
    }
}

fn iam(world: &World) -> Mode {
    let call = || world.call("iam");
    let both = || world.call("iam-and-key");
    let role = world.stack.key_pair(Who::Role, None);
    let role = world.but(|good| good.aws_credentials_for("iam", role));
    let no_session = world
        .stack
        .key_pair(Who::Role, Some(ministack::Twin::MissingToken));
    let no_session = world.but(|good| good.aws_credentials_for("iam", no_session));
    let mut without_key = both();
    without_key.headers.retain(|(name, _)| *name != "x-api-key");
    // The own layer of `/prod/iam` is not that of `/prod/iam-and-key`.
    let mut neighbour = call().changed(bare);
    neighbour.below = "-and-key";
    let mut twins = vec![
        twin("another secret", call().by(&world.wrong), BAD_SIGNATURE),
        twin("another session", both().by(&world.wrong), BAD_SESSION),
        twin("no session", call().by(&no_session), BAD_SESSION),
        twin("skipped", skipped(call()), NO_SIGNATURE),
        twin(
            "mode API_KEY",
            in_mode(call(), AuthorizationMode::ApiKey),
            NO_SIGNATURE,
        ),
        twin("no key", without_key, NO_KEY),
        twin("the key changed", both().changed(other_key), BAD_SIGNATURE),
        Twin {
            ways: &[Way::OwnAbsolute],
            ..twin("a neighbour's path", neighbour, NO_SIGNATURE)
        },
        elsewhere(call(), NO_SUCH_PATH),
    ];
    twins.extend(tampered(&call(), BAD_SIGNATURE));
    twins.extend(tampered(&both(), BAD_SIGNATURE));
    Mode {
        name: "AWS_IAM",
        good: vec![call(), call().by(&role), both()],
        twins,
    }
}

fn user_pools(world: &World) -> Mode {
    let call = || world.call("pool");
    let access = Token::new(world.stack.text("/access_token")).expect("a token");
    Mode {
        name: "AMAZON_COGNITO_USER_POOLS",
        good: vec![call(), call().wishing(AuthOverride::new().token(access))],
        twins: token_twins(world, "pool")
            .into_iter()
            .chain([
                twin(
                    "mode API_KEY",
                    in_mode(call(), AuthorizationMode::ApiKey),
                    NO_TOKEN,
                ),
                elsewhere(call(), NO_SUCH_PATH),
                // Of this origin, and of another, where its token must not go.
                misnamed(call(), "key", NO_TOKEN),
                misnamed(call().changed(bare), "jwt", NO_TOKEN),
            ])
            .collect(),
    }
}

fn open_id_connect(world: &World) -> Mode {
    // Its source takes it to be good for an hour yet.
    let expired = Token::from(world.expired.as_str()).expires_in(Duration::from_secs(3600));
    let mode = AuthorizationMode::OpenIdConnect;
    let expired = world.but(|good| good.tokens_for("jwt", mode, expired));
    let expired = world.call("jwt").by(&expired);
    let mut twins = token_twins(world, "jwt");
    twins.push(twin("an expired token", expired, NO_TOKEN));
    Mode {
        name: "OPENID_CONNECT",
        good: vec![world.call("jwt")],
        twins,
    }
}

fn lambda(world: &World) -> Mode {
    let call = || world.call("lambda");
    let deny = AuthOverride::new().token(Token::from("deny"));
    let mut twins = token_twins(world, "lambda");
    twins.push(twin("a token that is denied", call().wishing(deny), DENIED));
    twins.push(elsewhere(call(), NO_SUCH_PATH));
    Mode {
        name: "AWS_LAMBDA",
        good: vec![call()],
        twins,
    }
}

/// What every mode with tokens refuses.
fn token_twins(world: &World, api: &'static str) -> Vec<Twin> {
    let call = || world.call(api);
    vec![
        twin("another token", call().by(&world.wrong), NO_TOKEN),
        twin("another API's token", call().by(&world.crossed), NO_TOKEN),
        twin("skipped", skipped(call()), NO_TOKEN),
        twin(
            "mode AWS_IAM",
            in_mode(call(), AuthorizationMode::AwsIam),
            NO_TOKEN,
        ),
        twin("the token changed", call().changed(other_token), NO_TOKEN),
    ]
}

fn graphql_with_key(world: &World) -> Mode {
    let call = || world.call("graphql");
    Mode {
        name: "GraphQL, API_KEY",
        good: vec![call()],
        twins: vec![
            twin("another key", call().by(&world.wrong), NO_ACCESS),
            twin("skipped", skipped(call()), NO_ACCESS),
            twin(
                "mode AWS_LAMBDA",
                in_mode(call(), AuthorizationMode::AwsLambda),
                NO_ACCESS,
            ),
            twin("the key changed", call().changed(other_key), NO_ACCESS),
        ],
    }
}

fn graphql_with_iam(world: &World) -> Mode {
    let call = || in_mode(world.call("graphql"), AuthorizationMode::AwsIam);
    let wrong = call().by(&world.wrong);
    let mut twins = vec![twin("another secret", wrong, BAD_SIGNATURE_TO_APPSYNC)];
    let changes = tampered(&call(), BAD_SIGNATURE_TO_APPSYNC).into_iter();
    // Other paths and methods are nothing there, and other bodies must be GraphQL.
    twins.extend(changes.filter(|twin| ["query", "header"].contains(&twin.what)));
    let other_query = call().changed(other_query);
    twins.push(twin("body", other_query, BAD_SIGNATURE_TO_APPSYNC));
    Mode {
        name: "GraphQL, AWS_IAM",
        good: vec![call()],
        twins,
    }
}

fn graphql_with_lambda(world: &World) -> Mode {
    let call = || world.call("graphql-lambda");
    let deny = AuthOverride::new().token(Token::from("deny"));
    Mode {
        name: "GraphQL, AWS_LAMBDA",
        good: vec![call()],
        twins: vec![
            twin("another token", call().by(&world.wrong), NO_ACCESS),
            twin("a token that is denied", call().wishing(deny), NO_ACCESS),
            twin("skipped", skipped(call()), NO_ACCESS),
            twin("the token changed", call().changed(other_token), NO_ACCESS),
        ],
    }
}

fn twin(what: &'static str, call: Call, refusal: Refusal) -> Twin {
    Twin {
        what,
        call,
        ways: &Way::ALL,
        refusal,
    }
}

/// Beside the API's path and not below it, which is none of the APIs': it gets no credential.
fn elsewhere(mut call: Call, refusal: Refusal) -> Twin {
    call.below = "-not";
    Twin {
        ways: &[Way::Absolute, Way::OwnAbsolute],
        ..twin("a path of no API", call.changed(bare), refusal)
    }
}

/// For one API by its URL, and for another by its name.
fn misnamed(mut call: Call, name: &'static str, refusal: Refusal) -> Twin {
    call.named = Some(name);
    Twin {
        ways: &[Way::Absolute],
        ..twin("the name of another API", call, refusal)
    }
}

/// Whatever can be changed after signing.
fn tampered(call: &Call, refusal: Refusal) -> Vec<Twin> {
    let changed = |what, change| twin(what, call.clone().changed(change), refusal);
    vec![
        changed("path", |request| ministack::Twin::Path.change(request)),
        changed("query", |request| ministack::Twin::Query.change(request)),
        changed("header", |request| ministack::Twin::Header.change(request)),
        changed("method", |request| ministack::Twin::Method.change(request)),
        changed("body", |request| ministack::Twin::Body.change(request)),
    ]
}

fn in_mode(call: Call, mode: AuthorizationMode) -> Call {
    call.wishing(AuthOverride::new().mode(mode))
}

fn skipped(call: Call) -> Call {
    call.wishing(AuthOverride::skip()).changed(bare)
}

fn bare(request: Request<AnyBody>) -> Request<AnyBody> {
    for name in ["authorization", "x-api-key", "x-amz-date"] {
        assert!(!request.headers().contains_key(name), "{name}");
    }
    request
}

fn other_key(mut request: Request<AnyBody>) -> Request<AnyBody> {
    let other = HeaderValue::from_static("another");
    assert!(request.headers_mut().insert("x-api-key", other).is_some());
    request
}

/// Other letters at the end, where a JWT has its signature.
fn other_token(mut request: Request<AnyBody>) -> Request<AnyBody> {
    let token = request.headers_mut().get_mut(header::AUTHORIZATION);
    let token = token.expect("a token");
    let text = token.to_str().expect("ASCII");
    let forged = format!("{}AAAA", &text[..text.len() - 4]);
    *token = forged.parse().expect("a value");
    request
}

/// Asks for the same in other words, and not to be held to the hash of the first ones: the hash is all
/// that MiniStack looks at where there is one, as it is for AppSync.
fn other_query(request: Request<AnyBody>) -> Request<AnyBody> {
    let mut request = request.map(|_| Full::from(r#"{"query":"{  ok}"}"#).boxed());
    let headers = request.headers_mut();
    let unsigned = HeaderValue::from_static("UNSIGNED-PAYLOAD");
    let before = headers.insert("x-amz-content-sha256", unsigned);
    assert!(before.is_some(), "AppSync is told the hash");
    request
}
