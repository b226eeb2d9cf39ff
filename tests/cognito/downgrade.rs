//! Never a guest by surprise: where a user has signed in, requests go out as that user, or not at all.

use tokio::time::sleep;
use tower_client_auth::cognito::Session;
use tower_client_auth::oauth::{TokenKind, Tokens};
use tower_client_auth::{AuthError, AuthErrorKind, TokenSource as _};

use super::stand_in::{Call, Disk, Fault, SECOND, StandIn, key_id, session_of, session_of_key};

/// What guests' credentials are of.
const GUEST: u64 = 0;

/// Longer than a cache gives an error again.
const HELD: u32 = 6;

async fn signed_in_as(session: &Session) -> Result<u64, AuthError> {
    key_id(session).await.map(|key| session_of_key(&key))
}

/// The name of the identity that requests are signed for.
async fn identity(session: &Session) -> String {
    let key = key_id(session).await.expect("credentials");
    key.rsplit('.').next().expect("a name").to_owned()
}

async fn check_sign_in_required(session: &Session) {
    let error = key_id(session).await.expect_err("somebody has to sign in");
    check(&error);
}

fn check(error: &AuthError) {
    assert_eq!(error.kind(), AuthErrorKind::SignInRequired, "{error}");
    assert!(!error.is_transient(), "{error}");
}

fn check_passes(error: &AuthError) {
    assert_eq!(error.kind(), AuthErrorKind::Source, "{error}");
    assert!(error.is_transient(), "{error}");
}

/// As if everything that is at hand were over.
fn forget(session: &Session) {
    session.tokens(TokenKind::Access).invalidate();
    session.tokens(TokenKind::Id).invalidate();
    session.credentials().expect("a pool").invalidate();
}

#[tokio::test(start_paused = true)]
async fn a_session_that_has_ended_is_no_guest() {
    // What ends first: all of it, or the credentials, so that a token is refused that seems good.
    for life in [60, 3600] {
        let stand_in = StandIn::new();
        stand_in.lives(life, 60);
        let session = stand_in.session();
        stand_in.sign_in(&session, "alice").await;
        assert_eq!(signed_in_as(&session).await.expect("alice"), 1);
        stand_in.ends_sessions_of("alice");
        for _ in 0..10 {
            sleep(61 * SECOND).await;
            check_sign_in_required(&session).await;
            match session.identity_id().await {
                // Nobody was asked: the token is good still, as far as is known here.
                Ok(id) => assert_eq!((id.as_str(), life), ("eu-west-1:of-alice", 3600)),
                Err(error) => check(&error),
            }
        }
        if life == 60 {
            for kind in [TokenKind::Access, TokenKind::Id] {
                let error = session.tokens(kind).token().await.expect_err("over");
                check(&error);
                assert!(error.to_string().contains("sign in again"), "{error}");
            }
        }
        assert!(!session.is_signed_in().await.expect("a store"));
        assert_eq!(stand_in.guest_calls(), 0);
        let refreshes = stand_in.calls(Call::GetTokensFromRefreshToken);
        assert!(refreshes <= 3, "a dead token was sent {refreshes} times");
        stand_in.sign_in(&session, "alice").await;
        assert_eq!(signed_in_as(&session).await.expect("alice"), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn only_a_program_that_wants_it_falls_back_to_a_guest() {
    let stand_in = StandIn::new();
    stand_in.lives(60, 60);
    let session = stand_in.session().fall_back_to_guest();
    stand_in.sign_in(&session, "alice").await;
    assert_eq!(signed_in_as(&session).await.expect("alice"), 1);
    // Not while it is unknown whether the session has ended.
    sleep(61 * SECOND).await;
    stand_in.fails(Fault::Unavailable, Some(Call::GetTokensFromRefreshToken));
    for _ in 0..10 {
        check_passes(&key_id(&session).await.expect_err("unknown"));
        sleep(HELD * SECOND).await;
    }
    assert_eq!(stand_in.guest_calls(), 0);
    stand_in.recovers();
    assert_eq!(signed_in_as(&session).await.expect("alice"), 1);
    stand_in.ends_sessions_of("alice");
    sleep(61 * SECOND).await;
    assert_eq!(signed_in_as(&session).await.expect("a guest"), GUEST);
    // A guest has no tokens.
    for kind in [TokenKind::Access, TokenKind::Id] {
        check(&session.tokens(kind).token().await.expect_err("over"));
    }
    stand_in.sign_in(&session, "bob").await;
    assert_eq!(signed_in_as(&session).await.expect("bob"), 2);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_makes_nobody_a_guest() {
    for falls_back in [false, true] {
        for signs_in in [false, true] {
            let stand_in = StandIn::new();
            let disk = Disk::default();
            let session = stand_in.session().store(disk.clone());
            let session = match falls_back {
                true => session.fall_back_to_guest(),
                false => session,
            };
            if signs_in {
                stand_in.sign_in(&session, "alice").await;
            }
            let expected = u64::from(signs_in);
            assert_eq!(signed_in_as(&session).await.expect("credentials"), expected);
            let before = stand_in.guest_calls();
            disk.fails_to_read(true);
            for _ in 0..3 {
                forget(&session);
                let error = key_id(&session).await.expect_err("nobody knows");
                check_passes(&error);
                let cause = std::error::Error::source(&error).expect("a cause");
                assert_eq!(cause.to_string(), "the disk cannot be read");
            }
            check_passes(&session.is_signed_in().await.expect_err("nobody knows"));
            assert_eq!(stand_in.guest_calls(), before);
            disk.fails_to_read(false);
            sleep(HELD * SECOND).await;
            assert_eq!(signed_in_as(&session).await.expect("credentials"), expected);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_sign_in_without_a_refresh_token_ends_with_its_tokens() {
    for by_the_pools_clock in [false, true] {
        let stand_in = StandIn::new();
        stand_in.lives(60, 30);
        let users = match by_the_pools_clock {
            true => stand_in.users().clock(stand_in.clock()),
            false => stand_in.users(),
        };
        let session = Session::new(users).identity_pool(stand_in.identities());
        let all = stand_in.issue("alice");
        let tokens = Tokens::new(all.access_token().clone())
            .with_id_token(all.id_token().expect("one").clone());
        session.sign_in(&tokens).await.expect("signed in");
        assert!(session.is_signed_in().await.expect("a store"));
        for _ in 0..2 {
            assert_eq!(signed_in_as(&session).await.expect("alice"), 1);
            let access = session.tokens(TokenKind::Access).token().await;
            assert!(access.expect("alice's").is_same(all.access_token()));
            sleep(29 * SECOND).await;
        }
        sleep(3 * SECOND).await;
        for _ in 0..10 {
            check_sign_in_required(&session).await;
            let access = session.tokens(TokenKind::Access).token().await;
            check(&access.expect_err("over"));
            sleep(HELD * SECOND).await;
        }
        assert!(!session.is_signed_in().await.expect("a store"));
        assert_eq!(stand_in.guest_calls(), 0);
        assert_eq!(stand_in.calls(Call::GetTokensFromRefreshToken), 0);
        session.sign_out().await.expect("signed out");
        assert_eq!(signed_in_as(&session).await.expect("a guest"), GUEST);
    }
}

#[tokio::test(start_paused = true)]
async fn who_signs_out_is_a_guest_and_who_signs_in_is_not() {
    let stand_in = StandIn::new();
    let session = stand_in.session();
    session.sign_out().await.expect("nobody to sign out");
    assert_eq!(signed_in_as(&session).await.expect("a guest"), GUEST);
    for (number, user) in (1..).zip(["alice", "bob", "alice"]) {
        stand_in.sign_in(&session, user).await;
        assert_eq!(identity(&session).await, format!("of-{user}"));
        assert_eq!(signed_in_as(&session).await.expect("credentials"), number);
        for kind in [TokenKind::Access, TokenKind::Id] {
            let token = session.tokens(kind).token().await.expect("a token");
            assert_eq!(session_of(token.expose()), number);
        }
        if user == "bob" {
            continue; // The next one takes bob's place.
        }
        session.sign_out().await.expect("signed out");
        assert_eq!(signed_in_as(&session).await.expect("a guest"), GUEST);
        for kind in [TokenKind::Access, TokenKind::Id] {
            check(&session.tokens(kind).token().await.expect_err("nobody"));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn guests_that_are_refused_have_to_sign_in() {
    for by_the_pool in [true, false] {
        let stand_in = StandIn::new();
        stand_in.refuses_guests();
        let identities = match by_the_pool {
            true => stand_in.identities(),
            false => stand_in.identities().refuse_guests(),
        };
        let session = Session::new(stand_in.users()).identity_pool(identities);
        check_sign_in_required(&session).await;
        assert_eq!(stand_in.guest_calls(), usize::from(by_the_pool));
        stand_in.sign_in(&session, "alice").await;
        assert_eq!(signed_in_as(&session).await.expect("alice"), 1);
        session.sign_out().await.expect("signed out");
        check_sign_in_required(&session).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_sign_in_that_cannot_be_stored_changes_nothing() {
    let stand_in = StandIn::new();
    let disk = Disk::default();
    let session = stand_in.session().store(disk.clone());
    let guest = identity(&session).await;
    let alice = stand_in.issue("alice");
    disk.fails_to_write(true);
    check_passes(&session.sign_in(&alice).await.expect_err("a full disk"));
    assert!(!session.is_signed_in().await.expect("a store"));
    forget(&session);
    assert_eq!(identity(&session).await, guest, "the same guest as before");

    disk.fails_to_write(false);
    session.sign_in(&alice).await.expect("signed in");
    assert_eq!(identity(&session).await, "of-alice");
    disk.fails_to_write(true);
    let bob = stand_in.issue("bob");
    check_passes(&session.sign_in(&bob).await.expect_err("a full disk"));
    for _ in 0..2 {
        assert_eq!(signed_in_as(&session).await.expect("alice"), 1);
        for kind in [TokenKind::Access, TokenKind::Id] {
            let token = session.tokens(kind).token().await.expect("alice's");
            assert_eq!(session_of(token.expose()), 1);
        }
        assert!(session.is_signed_in().await.expect("a store"));
        forget(&session);
    }
}

#[tokio::test(start_paused = true)]
async fn a_sign_out_that_cannot_be_stored_changes_nothing() {
    let stand_in = StandIn::new();
    let disk = Disk::default();
    let session = stand_in.session().store(disk.clone());
    stand_in.sign_in(&session, "alice").await;
    disk.fails_to_clear(true);
    check_passes(&session.sign_out().await.expect_err("a read-only disk"));
    assert_eq!(stand_in.calls(Call::RevokeToken), 0);
    forget(&session);
    assert_eq!(signed_in_as(&session).await.expect("alice"), 1);
    disk.fails_to_clear(false);
    session.sign_out().await.expect("signed out");
    assert_eq!(stand_in.calls(Call::RevokeToken), 1);
    assert_eq!(signed_in_as(&session).await.expect("a guest"), GUEST);
}

#[tokio::test(start_paused = true)]
async fn another_programs_sign_out_is_noticed_when_what_is_held_ends() {
    let stand_in = StandIn::new();
    stand_in.lives(60, 60);
    let disk = Disk::default();
    let [one, other] = [(); 2].map(|()| stand_in.session().store(disk.clone()));
    stand_in.sign_in(&one, "alice").await;
    assert_eq!(signed_in_as(&other).await.expect("alice"), 1);
    one.sign_out().await.expect("signed out");
    assert_eq!(signed_in_as(&other).await.expect("held"), 1);
    sleep(61 * SECOND).await;
    check(&other.tokens(TokenKind::Id).token().await.expect_err("over"));
    // Who is to say that it was a sign-out, and not a file that was lost?
    check_sign_in_required(&other).await;
    assert_eq!(stand_in.guest_calls(), 0);
    other.sign_out().await.expect("signed out here too");
    assert_eq!(signed_in_as(&other).await.expect("a guest"), GUEST);
}

/// A guest's identity is not the user's, nor is a user's the next one's.
#[tokio::test(start_paused = true)]
async fn no_identity_is_kept_for_longer_than_its_session() {
    let stand_in = StandIn::new();
    let disk = Disk::default();
    let session = stand_in.session().store(disk.clone());
    assert_eq!(identity(&session).await, "guest-1");
    forget(&session);
    assert_eq!(identity(&session).await, "guest-1", "it is remembered");
    stand_in.sign_in(&session, "alice").await;
    assert_eq!(disk.texts().len(), 1, "the refresh token alone");
    assert_eq!(identity(&session).await, "of-alice");
    session.sign_out().await.expect("signed out");
    assert_eq!(disk.texts(), Vec::<String>::new());
    assert_eq!(identity(&session).await, "guest-2");
}

#[tokio::test(start_paused = true)]
async fn accounts_forget_their_own_identity_only() {
    let stand_in = StandIn::new();
    let identities = stand_in.identities().store(Disk::default());
    let first = Session::new(stand_in.users()).identity_pool(identities);
    let second = first.clone().account("second");
    assert_eq!(identity(&first).await, "guest-1");
    assert_eq!(identity(&second).await, "guest-2");
    stand_in.sign_in(&second, "alice").await;
    forget(&first);
    assert_eq!(identity(&first).await, "guest-1");
    assert_eq!(identity(&second).await, "of-alice");
}
