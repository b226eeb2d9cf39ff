//! Users sign in at MiniStack's user pool in every way, and are refused for every reason, each by its own name.

use std::net::{Ipv4Addr, TcpListener};
use std::time::UNIX_EPOCH;

use ring::hmac::{HMAC_SHA1_FOR_LEGACY_USE_ONLY, Key, sign};
use tower_client_auth::cognito::{Challenge, Factor, SignIn, UserPool};
use tower_client_auth::oauth::Tokens;
use tower_client_auth::{AuthError, AuthErrorKind, Clock, Transport};

use super::pools::{Pools, Wire, claims, needs_user, stays, verdict};
use crate::servers;

/// Whether the password is proved, or sent.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    Srp,
    Password,
}

type Step = Result<SignIn, AuthError>;

const WAYS: [Way; 2] = [Way::Srp, Way::Password];

const INVALID_PARAMETER: &str = "InvalidParameterException";
const NOT_AUTHORIZED: &str = "NotAuthorizedException";
const NOT_CONFIRMED: &str = "UserNotConfirmedException";
const RESET_REQUIRED: &str = "PasswordResetRequiredException";

const NEW_PASSWORD: &str = "An0ther!one that lasts";

impl Way {
    async fn sign_in(self, pool: &UserPool, user: &str, password: &str) -> Step {
        match self {
            Self::Srp => pool.sign_in(user, password).await,
            Self::Password => pool.sign_in_with_password(user, password).await,
        }
    }

    async fn succeeds(self, pool: &UserPool, user: &str, password: &str) -> Tokens {
        let step = self.sign_in(pool, user, password).await;
        let tokens = step.and_then(SignIn::tokens);
        tokens.unwrap_or_else(|error| panic!("{pool:?}, {user}, {self:?}: {error:?}"))
    }

    async fn fails(self, pool: &UserPool, user: &str, password: &str) -> AuthError {
        let step = self.sign_in(pool, user, password).await;
        step.expect_err(user)
    }
}

/// The tokens are this user's, from this app client.
fn check(tokens: &Tokens, user: &str, client_id: &str) {
    let access = claims(tokens.access_token().expose());
    assert_eq!(access["username"], user);
    assert_eq!(access["client_id"], client_id);
    let id = claims(tokens.id_token().expect("an ID token").expose());
    assert_eq!(id["cognito:username"], user);
    assert_eq!(id["aud"], client_id);
    assert!(tokens.refresh_token().is_some());
}

/// A program whose users are never asked anything is told what was asked.
fn names(step: &SignIn, challenge: &str) {
    let error = step.clone().tokens().expect_err("a challenge");
    assert_eq!(verdict(&error), needs_user(""));
    assert!(error.to_string().contains(challenge), "{error}");
}

#[tokio::test]
async fn passwords_are_taken_and_wrong_ones_refused() {
    if servers::skipped("cognito, passwords") {
        return;
    }
    let (pools, wire) = (Pools::shared(), Wire::default());
    let (mut accepted, mut refused) = (0, 0);
    for app in ["plain", "secret", "srp_only"] {
        let pool = pools.users(app, &wire);
        for user in ["alice", "bob"] {
            for named in [user, pools.alias(user)] {
                for way in WAYS {
                    if (app, way) == ("srp_only", Way::Password) {
                        continue;
                    }
                    let tokens = way.succeeds(&pool, named, pools.password(user)).await;
                    check(&tokens, user, pools.client_id(app));
                    accepted += 1;
                }
            }
        }
    }
    let own = |user| pools.password(user);
    let (unsaid, cut) = ("Passw0rd!of-nobody", own("bob").trim_end_matches('!'));
    for (app, user, password, code) in [
        ("plain", "alice", "wrong", NOT_AUTHORIZED),
        ("plain", "alice", own("bob"), NOT_AUTHORIZED),
        ("plain", "bob", cut, NOT_AUTHORIZED),
        ("plain", "nobody", unsaid, "UserNotFoundException"),
        // This client does not tell which of the two was wrong.
        ("secret", "nobody", unsaid, NOT_AUTHORIZED),
        ("plain", "banned", own("banned"), NOT_AUTHORIZED),
        ("plain", "unconfirmed", own("unconfirmed"), NOT_CONFIRMED),
        ("plain", "reset", own("reset"), RESET_REQUIRED),
        ("plain", "reset", "wrong", NOT_AUTHORIZED),
    ] {
        let pool = pools.users(app, &wire);
        for way in WAYS {
            let error = way.fails(&pool, user, password).await;
            assert_eq!(verdict(&error), needs_user(code), "{app}, {user}, {way:?}");
            refused += 1;
        }
    }
    println!("user pool, passwords: {accepted} accepted, {refused} refused");
}

#[tokio::test]
async fn what_is_wrong_with_a_client_is_not_the_users_fault() {
    if servers::skipped("cognito, app clients") {
        return;
    }
    let (pools, wire) = (Pools::shared(), Wire::default());
    let client = |id| pools.bare(id, &wire);
    let (plain, secret) = (pools.client_id("plain"), pools.client_id("secret"));
    let password = pools.password("alice");
    for (pool, code) in [
        // Its secret is missing, another, or one too many.
        (client(secret), NOT_AUTHORIZED),
        (client(secret).client_secret("wrong"), NOT_AUTHORIZED),
        (client(plain).client_secret("wrong"), INVALID_PARAMETER),
        (client("4h57k1l5jm2o1aexample"), "ResourceNotFoundException"),
    ] {
        for way in WAYS {
            let error = way.fails(&pool, "alice", password).await;
            assert_eq!(verdict(&error), stays(code), "{pool:?}, {way:?}");
        }
    }
    let srp_only = pools.users("srp_only", &wire);
    let error = Way::Password.fails(&srp_only, "alice", password).await;
    assert_eq!(verdict(&error), stays(INVALID_PARAMETER));
    // The pool's id is part of the proof, and of nothing else.
    let another = UserPool::new("us-east-1_AbCdEfGhI", plain, wire.transport()).expect("a pool");
    let error = Way::Srp.fails(&another, "alice", password).await;
    assert_eq!(verdict(&error), needs_user(NOT_AUTHORIZED));
}

#[tokio::test]
async fn a_pool_is_reached_at_its_endpoint() {
    if servers::skipped("cognito, endpoint") {
        return;
    }
    let pools = Pools::shared();
    let (user, client_id) = ("alice", pools.client_id("plain"));
    let at = |port: u16| {
        let transport = Transport::hyper().expect("a transport");
        let pool = UserPool::new(pools.text("/user_pool/id"), client_id, transport);
        let pool = pool.and_then(|pool| pool.endpoint(&format!("http://127.0.0.1:{port}")));
        pool.expect("a pool")
    };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let nobody = at(listener.local_addr().expect("bound").port());
    drop(listener);
    let here = at(pools.stack.server.port);
    for way in WAYS {
        let tokens = way.succeeds(&here, user, pools.password(user)).await;
        check(&tokens, user, client_id);
        let error = way.fails(&nobody, user, pools.password(user)).await;
        assert_eq!(verdict(&error), (AuthErrorKind::Source, true, ""));
    }
}

#[tokio::test]
async fn a_temporary_password_is_replaced() {
    if servers::skipped("cognito, new passwords") {
        return;
    }
    let (pools, wire) = (Pools::shared(), Wire::default());
    let pool = pools.users("plain", &wire);
    for (user, way) in [("newcomer", Way::Password), ("newcomer-srp", Way::Srp)] {
        let temporary = pools.password(user);
        let error = way.fails(&pool, user, NEW_PASSWORD).await;
        assert_eq!(verdict(&error), needs_user(NOT_AUTHORIZED));
        let step = way.sign_in(&pool, user, temporary).await.expect("a step");
        names(&step, "NEW_PASSWORD_REQUIRED");
        let SignIn::NewPassword(challenge) = step else {
            panic!("{user}: {step:?}");
        };
        assert!(challenge.required_attributes().is_empty());
        let step = challenge.answer(NEW_PASSWORD).await;
        let tokens = step.and_then(SignIn::tokens).expect("tokens");
        check(&tokens, user, pools.client_id("plain"));

        for way in WAYS {
            let _ = way.succeeds(&pool, user, NEW_PASSWORD).await;
            let error = way.fails(&pool, user, temporary).await;
            assert_eq!(verdict(&error), needs_user(NOT_AUTHORIZED));
        }
    }
}

#[tokio::test]
async fn a_code_may_be_wrong_once() {
    if servers::skipped("cognito, TOTP") {
        return;
    }
    let (pools, wire) = (Pools::shared(), Wire::default());
    let pool = pools.users("plain", &wire);
    let password = pools.password("totp");
    let secret = pools.text("/users/totp/totp_secret");
    for way in WAYS {
        let error = way.fails(&pool, "totp", "wrong").await;
        assert_eq!(verdict(&error), needs_user(NOT_AUTHORIZED));
        let step = way.sign_in(&pool, "totp", password).await.expect("a step");
        names(&step, "SOFTWARE_TOKEN_MFA");
        let SignIn::Code(challenge) = step else {
            panic!("{step:?}");
        };
        assert_eq!(challenge.factor(), Factor::Totp);
        assert_eq!(challenge.sent_to(), Some("TOTP device"));

        // A pool takes the codes before and after as well.
        let now = half_minute();
        let near = [now - 1, now, now + 1, now + 2].map(|time| totp(secret, time));
        let mut codes = (0..).map(|number| format!("{number:06}"));
        let wrong = codes.find(|code| !near.contains(code));
        let wrong = wrong.expect("one of five");
        let error = challenge.answer(wrong).await.expect_err("a wrong code");
        assert_eq!(verdict(&error), needs_user("CodeMismatchException"));
        let step = challenge.answer(totp(secret, half_minute())).await;
        let tokens = step.and_then(SignIn::tokens).expect("tokens");
        check(&tokens, "totp", pools.client_id("plain"));
    }
}

/// How many of them it is since 1970.
fn half_minute() -> u64 {
    let now = Clock::system().now().duration_since(UNIX_EPOCH);
    now.expect("after 1970").as_secs() / 30
}

/// What an authenticator shows: RFC 6238.
fn totp(secret: &str, half_minute: u64) -> String {
    let key = Key::new(HMAC_SHA1_FOR_LEGACY_USE_ONLY, &base32(secret));
    let tag = sign(&key, &half_minute.to_be_bytes());
    let tag: &[u8] = tag.as_ref();
    let start = usize::from(tag[tag.len() - 1] & 15);
    let number: [u8; 4] = tag[start..start + 4].try_into().expect("four bytes");
    let number = u32::from_be_bytes(number) & 0x7fff_ffff;
    format!("{:06}", number % 1_000_000)
}

fn base32(text: &str) -> Vec<u8> {
    const LETTERS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let digit = |letter: char| LETTERS.find(letter).expect("base32");
    let bits: String = text
        .chars()
        .map(|letter| format!("{:05b}", digit(letter)))
        .collect();
    let octet = |at: usize| u8::from_str_radix(&bits[at..at + 8], 2).expect("bits");
    (0..bits.len()).step_by(8).map(octet).collect()
}

#[tokio::test]
async fn a_trigger_may_ask_what_it_likes() {
    if servers::skipped("cognito, custom challenges") {
        return;
    }
    let (pools, wire) = (Pools::shared(), Wire::default());
    let [question, right] =
        ["question", "answer"].map(|of| pools.text(&format!("/custom_auth/{of}")));
    for (app, named) in [("plain", "alice"), ("secret", pools.alias("alice"))] {
        let pool = pools.users(app, &wire);
        let challenge = asked(&pool, named).await;
        assert_eq!(challenge.name(), "CUSTOM_CHALLENGE");
        assert_eq!(challenge.parameter("question"), Some(question));
        assert_eq!(challenge.parameter("answer"), None);
        let step = challenge.answer(&[("ANSWER", right)]).await;
        let tokens = step.and_then(SignIn::tokens).expect("tokens");
        check(&tokens, "alice", pools.client_id(app));

        let challenge = asked(&pool, named).await;
        let error = challenge.answer(&[("ANSWER", "wrong")]).await;
        let error = error.expect_err("a wrong answer");
        assert_eq!(verdict(&error), needs_user(NOT_AUTHORIZED));
    }
    let plain = pools.users("plain", &wire);
    let error = plain.sign_in_custom("nobody").await.expect_err("nobody");
    assert_eq!(verdict(&error), needs_user("UserNotFoundException"));
    let secret = pools.bare(pools.client_id("secret"), &wire);
    let error = secret.sign_in_custom("alice").await.expect_err("no secret");
    assert_eq!(verdict(&error), stays(NOT_AUTHORIZED));
}

/// What the trigger asks.
async fn asked(pool: &UserPool, named: &str) -> Challenge {
    let step = pool.sign_in_custom(named).await.expect("a step");
    names(&step, "CUSTOM_CHALLENGE");
    match step {
        SignIn::Other(challenge) => challenge,
        other => panic!("{other:?}"),
    }
}
