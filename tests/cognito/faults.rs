//! What goes wrong on the wire, and every exception that there is, at every call: an error that says so, a session that
//! stays, and never a guest in a user's place.

use tokio::time::{Instant, sleep};
use tower_client_auth::cognito::{CognitoError, Session, SignIn};
use tower_client_auth::oauth::TokenKind;
use tower_client_auth::{AuthError, AuthErrorKind, TokenSource as _};

use super::stand_in::{
    CALLS, CODE, Call, FAULTS, Fault, First, PASSWORD, SECOND, Said, StandIn, key_id,
    session_of_key,
};
use crate::support::promise;

/// What the API references of both services list for these calls.
const CODES: [&str; 38] = [
    "AliasExistsException",
    "CodeDeliveryFailureException",
    "CodeMismatchException",
    "ConcurrentModificationException",
    "EnableSoftwareTokenMFAException",
    "ExpiredCodeException",
    "ExternalServiceException",
    "ForbiddenException",
    "InternalErrorException",
    "InvalidEmailRoleAccessPolicyException",
    "InvalidIdentityPoolConfigurationException",
    "InvalidLambdaResponseException",
    "InvalidParameterException",
    "InvalidPasswordException",
    "InvalidSmsRoleAccessPolicyException",
    "InvalidSmsRoleTrustRelationshipException",
    "InvalidUserPoolConfigurationException",
    "LimitExceededException",
    "MFAMethodNotFoundException",
    "NotAuthorizedException",
    "PasswordHistoryPolicyViolationException",
    "PasswordResetRequiredException",
    "RefreshTokenReuseException",
    "ResourceConflictException",
    "ResourceNotFoundException",
    "SoftwareTokenMFANotFoundException",
    "ThrottlingException",
    "TokenRevokedException",
    "TooManyFailedAttemptsException",
    "TooManyRequestsException",
    "UnauthorizedException",
    "UnexpectedLambdaException",
    "UnknownOperationException",
    "UnsupportedOperationException",
    "UnsupportedTokenTypeException",
    "UserLambdaValidationException",
    "UserNotConfirmedException",
    "UserNotFoundException",
];

/// Those that end a session.
const ENDING: [&str; 6] = [
    "NotAuthorizedException",
    "PasswordResetRequiredException",
    "RefreshTokenReuseException",
    "TokenRevokedException",
    "UserNotConfirmedException",
    "UserNotFoundException",
];

/// Those that only a user can do something about, but for sessions that are refreshed.
const FOR_THE_USER: [&str; 11] = [
    "AliasExistsException",
    "CodeMismatchException",
    "EnableSoftwareTokenMFAException",
    "ExpiredCodeException",
    "InvalidPasswordException",
    "PasswordHistoryPolicyViolationException",
    "PasswordResetRequiredException",
    "RefreshTokenReuseException",
    "TokenRevokedException",
    "UserNotConfirmedException",
    "UserNotFoundException",
];

const PASSING: [&str; 8] = [
    "ConcurrentModificationException",
    "ExternalServiceException",
    "InternalErrorException",
    "LimitExceededException",
    "ThrottlingException",
    "TooManyFailedAttemptsException",
    "TooManyRequestsException",
    "UnexpectedLambdaException",
];

/// The kind of error that an exception becomes, and whether it passes.
fn meaning(code: &str, call: Call) -> (AuthErrorKind, bool) {
    let is_for_user = match call {
        Call::GetTokensFromRefreshToken => ENDING.contains(&code),
        Call::RevokeToken => is_told_by(code),
        Call::GetId | Call::GetCredentialsForIdentity => FOR_THE_USER.contains(&code),
        _ => FOR_THE_USER.contains(&code) || code == "NotAuthorizedException",
    };
    match is_for_user {
        true => (AuthErrorKind::SignInRequired, false),
        false => (AuthErrorKind::Source, PASSING.contains(&code)),
    }
}

/// Whether there is nothing left to be told of a session, by what a pool says that is told of its end.
fn is_told_by(code: &str) -> bool {
    FOR_THE_USER.contains(&code)
        || ["NotAuthorizedException", "UnauthorizedException"].contains(&code)
}

/// A session of alice's, or of nobody's; carol is asked for a code when she signs in.
async fn world(signs_in: bool) -> (StandIn, Session) {
    let stand_in = StandIn::new();
    stand_in.asks("carol", First::Code);
    let session = stand_in.session();
    if signs_in {
        stand_in.sign_in(&session, "alice").await;
        // From here on it takes a refresh to have another.
        let access = session.tokens(TokenKind::Access).token().await;
        access.expect("that of the sign-in");
    }
    (stand_in, session)
}

/// Does something that takes this call. The others go well.
async fn attempt(session: &Session, call: Call) -> Result<(), AuthError> {
    let users = session.user_pool().expect("a user pool");
    match call {
        Call::InitiateAuth => users.sign_in_with_password("bob", PASSWORD).await.map(drop),
        Call::RespondToAuthChallenge => {
            let step = users.sign_in_with_password("carol", PASSWORD).await;
            match step.expect("a challenge") {
                SignIn::Code(code) => code.answer(CODE).await.map(drop),
                other => panic!("{other:?}"),
            }
        }
        Call::GetTokensFromRefreshToken => {
            let access = session.tokens(TokenKind::Access);
            access.invalidate();
            access.token().await.map(drop)
        }
        Call::RevokeToken => session.sign_out().await,
        _ => {
            session.credentials().expect("a pool").invalidate();
            key_id(session).await.map(drop)
        }
    }
}

/// The error as a whole, without anything that was sent or that came.
fn printed(error: &AuthError) -> String {
    let mut next: Option<&dyn std::error::Error> = Some(error);
    let mut printed = String::new();
    while let Some(error) = next {
        printed.push_str(&format!("{error}\n{error:?}\n{error:#?}\n"));
        next = error.source();
    }
    assert!(!printed.contains("c4nary"), "{printed}");
    printed
}

/// What a sign-out ends in that the pool could not be told of: what it says itself, and what happened.
fn untold(error: &AuthError) -> &AuthError {
    assert!(error.to_string().starts_with("signed out here"), "{error}");
    assert_eq!(error.kind(), AuthErrorKind::Source);
    let cause = std::error::Error::source(error).expect("a cause");
    let cause = AuthError::find(cause).expect("an error of this crate");
    assert_eq!(error.is_transient(), cause.is_transient());
    cause
}

#[tokio::test(start_paused = true)]
async fn every_fault_is_an_error_that_says_so_and_signs_nobody_out() {
    let mut cases = 0;
    for fault in FAULTS {
        for call in CALLS {
            let context = format!("{fault:?}, {call:?}");
            let (stand_in, session) = world(true).await;
            stand_in.fails(fault, Some(call));
            let start = Instant::now();
            let answer = attempt(&session, call).await;
            let took = match (fault.stalls(), call) {
                (false, _) => 0,
                // That is how long a cache's callers wait: behind them it goes on for a minute.
                (true, Call::GetTokensFromRefreshToken) => 30,
                (true, _) => 10,
            };
            assert_eq!(start.elapsed(), took * SECOND, "{context}");
            let is_sign_out = call == Call::RevokeToken;
            if is_sign_out && fault.looks_well() {
                // What is whole and has a good status is an answer: there is nothing in it to read.
                answer.expect("taken for an answer");
            } else {
                let error = answer.expect_err(&context);
                let text = printed(&error);
                let says_who = text.contains("amazonaws.com") || text.contains("30 seconds");
                assert!(says_who, "{context}: {text}");
                let cause = match is_sign_out {
                    true => untold(&error),
                    false => &error,
                };
                assert_eq!(cause.kind(), AuthErrorKind::Source, "{context}: {text}");
                assert_eq!(cause.is_transient(), fault.passes(), "{context}: {text}");
            }
            let is_signed_in = session.is_signed_in().await.expect("a store");
            assert_eq!(is_signed_in, !is_sign_out, "{context}");
            assert_eq!(stand_in.guest_calls(), 0, "{context}");

            stand_in.recovers();
            if fault.stalls() || !fault.passes() {
                // What is under way comes to its end, or a refusal is forgotten.
                sleep(61 * SECOND).await;
            }
            if is_sign_out {
                // What could not be told, and may be the next time, is told then.
                let told = stand_in.calls(Call::RevokeToken);
                session.sign_out().await.expect(&context);
                let more = usize::from(fault.passes() && !fault.looks_well());
                assert_eq!(stand_in.calls(Call::RevokeToken) - told, more, "{context}");
                stand_in.sign_in(&session, "alice").await;
            }
            attempt(&session, call).await.expect(&context);
            if !is_sign_out {
                let key = key_id(&session).await.expect(&context);
                assert_eq!(session_of_key(&key), 1, "{context}");
            }
            cases += 1;
        }
    }
    promise(
        9,
        format!(
            "{cases} faults, {} kinds at each of Cognito's calls: clear, nobody signed out, nobody a guest",
            FAULTS.len()
        ),
    );
}

#[tokio::test(start_paused = true)]
async fn a_guest_waits_for_the_end_of_a_fault_too() {
    for fault in FAULTS {
        for call in [Call::GetId, Call::GetCredentialsForIdentity] {
            let (stand_in, session) = world(false).await;
            stand_in.fails(fault, Some(call));
            let error = attempt(&session, call).await.expect_err("a fault");
            printed(&error);
            assert_eq!(error.kind(), AuthErrorKind::Source, "{fault:?}: {error}");
            assert_eq!(error.is_transient(), fault.passes(), "{fault:?}: {error}");
            stand_in.recovers();
            sleep(6 * SECOND).await;
            let key = key_id(&session).await.expect("a guest");
            assert_eq!(session_of_key(&key), 0);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_one_is_taken_whatever_it_is_called() {
    let (stand_in, session) = world(true).await;
    stand_in.mislabels();
    for call in CALLS {
        attempt(&session, call).await.expect("an answer");
    }
}

#[tokio::test(start_paused = true)]
async fn every_exception_means_something_at_every_call() {
    let mut cases = 0;
    for code in CODES {
        for call in CALLS {
            let context = format!("{code}, {call:?}");
            let (stand_in, session) = world(true).await;
            stand_in.says(Some(call), Said::refusal(code, "c4nary words"));
            let answer = attempt(&session, call).await;
            let older_call_helps = call == Call::GetTokensFromRefreshToken
                && ["UnknownOperationException", "UnsupportedOperationException"].contains(&code);
            if older_call_helps {
                answer.expect(&context);
                continue;
            }
            if call == Call::RevokeToken && is_told_by(code) {
                answer.expect(&context);
                cases += 1;
                continue;
            }
            let error = answer.expect_err(&context);
            let text = printed(&error);
            assert!(text.contains(code), "{context}: {text}");
            let cognito = CognitoError::of(&error).expect(&context);
            assert_eq!((cognito.code(), cognito.status().as_u16()), (code, 400));
            assert_eq!(cognito.message(), Some("c4nary words"));
            let is_sign_out = call == Call::RevokeToken;
            let cause = match is_sign_out {
                true => untold(&error),
                false => &error,
            };
            let (kind, passes) = meaning(code, call);
            assert_eq!(
                (cause.kind(), cause.is_transient()),
                (kind, passes),
                "{text}"
            );

            // Only what a refresh is answered with can end a session.
            let ends =
                call == Call::GetTokensFromRefreshToken && kind == AuthErrorKind::SignInRequired;
            let is_signed_in = session.is_signed_in().await.expect("a store");
            assert_eq!(is_signed_in, !ends && !is_sign_out, "{context}");
            assert_eq!(stand_in.guest_calls(), 0, "{context}");
            stand_in.recovers();
            sleep(6 * SECOND).await;
            if ends {
                let error = attempt(&session, call).await.expect_err("ended");
                assert_eq!(error.kind(), AuthErrorKind::SignInRequired, "{context}");
            }
            if ends || is_sign_out {
                stand_in.sign_in(&session, "alice").await;
            }
            attempt(&session, call).await.expect(&context);
            cases += 1;
        }
    }
    promise(
        9,
        format!("{cases} exceptions, all that are listed at each of Cognito's calls"),
    );
}

/// Some exceptions mean several things, which only their words tell apart.
#[tokio::test(start_paused = true)]
async fn words_tell_apart_what_has_one_name() {
    for (call, signs_in, words, kind) in [
        (
            Call::InitiateAuth,
            true,
            "Unable to verify secret hash for client 1example23456789",
            AuthErrorKind::Source,
        ),
        (
            Call::RespondToAuthChallenge,
            true,
            "Client 1example23456789 is configured with secret but SECRET_HASH was not received",
            AuthErrorKind::Source,
        ),
        (
            Call::GetTokensFromRefreshToken,
            true,
            "Client 1example23456789 is configured with secret but secret was not received",
            AuthErrorKind::Source,
        ),
        (
            Call::InitiateAuth,
            true,
            "User is disabled.",
            AuthErrorKind::SignInRequired,
        ),
        (
            Call::GetId,
            false,
            "Unauthenticated access is not supported for this identity pool.",
            AuthErrorKind::SignInRequired,
        ),
        (
            Call::GetCredentialsForIdentity,
            false,
            "Access to Identity 'eu-west-1:0' is forbidden.",
            AuthErrorKind::Source,
        ),
        (
            Call::GetId,
            true,
            "Invalid login token. Incorrect token audience.",
            AuthErrorKind::Source,
        ),
    ] {
        let (stand_in, session) = world(signs_in).await;
        stand_in.says(Some(call), Said::refusal("NotAuthorizedException", words));
        let error = attempt(&session, call).await.expect_err(words);
        assert_eq!(
            (error.kind(), error.is_transient()),
            (kind, false),
            "{words}"
        );
        assert_eq!(session.is_signed_in().await.expect("a store"), signs_in);
        if signs_in {
            assert_eq!(stand_in.guest_calls(), 0);
        }
    }
}

/// A server that is down, or has had enough, may call that what it likes.
#[tokio::test(start_paused = true)]
async fn a_status_that_is_about_the_moment_goes_before_the_exception() {
    for status in [408, 429, 500, 502, 503, 504] {
        for call in CALLS {
            let (stand_in, session) = world(true).await;
            let said = Said {
                status,
                ..Said::refusal("NotAuthorizedException", "c4nary words")
            };
            stand_in.says(Some(call), said);
            let error = attempt(&session, call).await.expect_err("later");
            printed(&error);
            let cause = match call == Call::RevokeToken {
                true => untold(&error),
                false => &error,
            };
            assert_eq!(cause.kind(), AuthErrorKind::Source, "{status}: {error}");
            assert!(cause.is_transient(), "{status}: {error}");
            let is_signed_in = session.is_signed_in().await.expect("a store");
            assert_eq!(is_signed_in, call != Call::RevokeToken);
        }
    }
}

/// Some servers name it in a header, and some with a namespace, or a link behind it.
#[tokio::test(start_paused = true)]
async fn an_exception_is_known_however_it_is_written() {
    let plain = Said::json(400, &serde_json::json!({ "message": "User is disabled." }));
    let named = |name: &str| Said {
        error_type: Some(name.to_owned()),
        ..plain.clone()
    };
    for said in [
        Said::refusal("NotAuthorizedException", ""),
        Said::refusal("com.amazonaws.cognito.identity#NotAuthorizedException", ""),
        named("NotAuthorizedException:http://internal.amazon.com/coral/"),
        named("NotAuthorizedException"),
    ] {
        let (stand_in, session) = world(true).await;
        stand_in.says(Some(Call::InitiateAuth), said);
        let error = attempt(&session, Call::InitiateAuth).await;
        let error = error.expect_err("refused");
        assert_eq!(error.kind(), AuthErrorKind::SignInRequired, "{error}");
        let cognito = CognitoError::of(&error).expect("Cognito's words");
        assert_eq!(cognito.code(), "NotAuthorizedException");
    }
    // Without a name it may be anything: a proxy's, for one.
    for said in [plain, Said::json(400, &serde_json::json!({ "__type": 7 }))] {
        let (stand_in, session) = world(true).await;
        stand_in.says(Some(Call::GetTokensFromRefreshToken), said);
        let error = attempt(&session, Call::GetTokensFromRefreshToken).await;
        assert!(error.expect_err("refused").is_transient());
        assert!(session.is_signed_in().await.expect("a store"));
    }
}

/// However long it lasts, it ends no session.
#[tokio::test(start_paused = true)]
async fn an_outage_of_an_hour_is_over_when_it_ends() {
    for fault in [Fault::Refused, Fault::Stalled, Fault::Unavailable] {
        let (stand_in, session) = world(true).await;
        stand_in.lives(600, 600);
        stand_in.fails(fault, None);
        let start = Instant::now();
        let mut failures = 0;
        while start.elapsed() < 3600 * SECOND {
            for call in [Call::GetTokensFromRefreshToken, Call::GetId] {
                let error = attempt(&session, call).await.expect_err("an outage");
                assert!(error.is_transient(), "{fault:?}: {error}");
                failures += 1;
            }
            assert!(session.is_signed_in().await.expect("a store"));
            sleep(60 * SECOND).await;
        }
        assert!(failures > 40, "{failures}");
        stand_in.recovers();
        sleep(61 * SECOND).await;
        let key = key_id(&session).await.expect("alice's");
        assert_eq!(session_of_key(&key), 1, "{fault:?}");
        assert_eq!(stand_in.guest_calls(), 0);
    }
}
