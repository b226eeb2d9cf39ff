//! Refresh tokens that rotate: none is used twice, none is lost, and a thief is noticed. At the stand-in, which follows
//! AWS's words for it.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::future::join;
use tower_client_auth::cognito::{CognitoError, Session, SignIn};
use tower_client_auth::oauth::{FileStore, MemoryStore, RefreshTokenStore, TokenKind, Tokens};
use tower_client_auth::{AuthError, AuthErrorKind, Token, TokenSource as _};

use super::stand_in::{CODE, Call, Disk, First, PASSWORD, SECOND, Said, StandIn, key_id};
use crate::support::promise;

/// No grace period at all: what is used twice is noticed.
const NONE: Duration = Duration::ZERO;

/// The longest that there is.
const LONGEST: Duration = Duration::from_secs(60);

/// A new folder under the target directory.
fn folder(name: &str) -> PathBuf {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let name = format!("cognito-{name}-{}-{number}", std::process::id());
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("a folder");
    folder
}

fn stand_in(grace: Duration) -> StandIn {
    let stand_in = StandIn::new();
    stand_in.rotates(grace);
    stand_in
}

fn over(stand_in: &StandIn, store: impl RefreshTokenStore) -> Session {
    stand_in.session().store(store)
}

/// Has the session refreshed, as if its access token were over.
async fn refresh(session: &Session) -> Result<Token, AuthError> {
    let tokens = session.tokens(TokenKind::Access);
    tokens.invalidate();
    tokens.token().await
}

/// The first access token is the one of the sign-in.
async fn signed_in(stand_in: &StandIn, session: &Session) {
    stand_in.sign_in(session, "alice").await;
    let tokens = session.tokens(TokenKind::Access);
    tokens.token().await.expect("that of the sign-in");
    assert_eq!(stand_in.calls(Call::GetTokensFromRefreshToken), 0);
}

/// The session has ended, and Cognito said so.
fn check_ended(error: &AuthError, code: &str) {
    assert_eq!(error.kind(), AuthErrorKind::SignInRequired, "{error}");
    assert!(!error.is_transient());
    let cognito = CognitoError::of(error).expect("Cognito's words");
    assert_eq!(cognito.code(), code, "{error}");
}

/// Refreshes so many times, with somebody who wants both kinds of token at once.
async fn refreshes(stand_in: &StandIn, session: &Session, count: usize) {
    let (access, id) = (
        session.tokens(TokenKind::Access),
        session.tokens(TokenKind::Id),
    );
    while stand_in.calls(Call::GetTokensFromRefreshToken) < count {
        access.invalidate();
        id.invalidate();
        let (access, id) = join(access.token(), id.token()).await;
        access.expect("an access token");
        id.expect("an ID token");
    }
}

#[tokio::test(start_paused = true)]
async fn a_thousand_refreshes_use_no_token_twice() {
    const REFRESHES: usize = 1_000;
    let stand_in = stand_in(NONE);
    stand_in.delays(50);
    let store = MemoryStore::new();
    let session = over(&stand_in, store.clone());
    signed_in(&stand_in, &session).await;
    refreshes(&stand_in, &session, REFRESHES).await;
    assert_eq!(stand_in.reuses(), 0);
    assert!(stand_in.refresh_tokens() > REFRESHES, "each was replaced");
    // Another run of the program goes on where this one stopped.
    session.settled().await;
    let other = over(&stand_in, store);
    refresh(&other).await.expect("signed in");
    assert_eq!(stand_in.reuses(), 0);
    promise(
        35,
        format!("{REFRESHES} refreshes at a pool that rotates: each refresh token used once"),
    );
}

#[tokio::test]
async fn a_file_keeps_what_rotates() {
    const REFRESHES: usize = 200;
    let stand_in = stand_in(NONE);
    let path = folder("rotates").join("session.json");
    let session = over(&stand_in, FileStore::new(&path));
    signed_in(&stand_in, &session).await;
    refreshes(&stand_in, &session, REFRESHES).await;
    let other = over(&stand_in, FileStore::new(&path));
    assert!(other.is_signed_in().await.expect("a store"));
    refresh(&other).await.expect("signed in");
    assert_eq!(stand_in.reuses(), 0);
    promise(
        35,
        format!("{REFRESHES} refreshes with the token in a file: each refresh token used once"),
    );
}

#[tokio::test]
async fn programs_that_share_a_file_both_stay_signed_in() {
    const ROUNDS: usize = 30;
    let stand_in = stand_in(NONE);
    let path = folder("shared").join("session.json");
    // Each with a store of its own, as programs have.
    let [one, other] = [(); 2].map(|()| over(&stand_in, FileStore::new(&path)));
    signed_in(&stand_in, &one).await;
    for _ in 0..ROUNDS {
        let (mine, yours) = join(refresh(&one), refresh(&other)).await;
        mine.expect("signed in");
        yours.expect("signed in");
    }
    let refreshes = stand_in.calls(Call::GetTokensFromRefreshToken);
    assert_eq!((refreshes, stand_in.reuses()), (2 * ROUNDS, 0));
    for session in [one, other] {
        assert!(session.is_signed_in().await.expect("a store"));
    }
}

/// What the lock is for: without one, only a grace period helps.
#[tokio::test(start_paused = true)]
async fn programs_that_share_a_store_without_a_lock_need_the_grace_period() {
    for grace in [NONE, LONGEST] {
        let stand_in = stand_in(grace);
        let disk = Disk::default();
        let [one, other] = [(); 2].map(|()| over(&stand_in, disk.clone()));
        signed_in(&stand_in, &one).await;
        let answers = join(refresh(&one), refresh(&other)).await;
        assert_eq!(stand_in.reuses(), 1, "both used the one that was stored");
        let (mine, yours) = answers;
        if grace == LONGEST {
            mine.expect("signed in");
            yours.expect("signed in");
        } else {
            assert!(mine.is_err() || yours.is_err(), "one was taken for a thief");
            for session in [one, other] {
                let error = refresh(&session).await.expect_err("over");
                assert_eq!(error.kind(), AuthErrorKind::SignInRequired);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_loses_no_session() {
    let stand_in = stand_in(NONE);
    let disk = Disk::default();
    let session = Session::new(stand_in.users()).store(disk.clone());
    signed_in(&stand_in, &session).await;
    let first = disk.texts();
    assert_eq!(first.len(), 1, "the refresh token, and what belongs to it");
    disk.fails_to_write(true);
    for _ in 0..3 {
        refresh(&session)
            .await
            .expect("from a refresh token that is in memory only");
        assert_eq!(disk.texts(), first, "nothing could be saved");
        assert!(session.is_signed_in().await.expect("a store"));
    }
    disk.fails_to_write(false);
    refresh(&session).await.expect("a token");
    assert_ne!(disk.texts(), first, "the next refresh saves it");
    // It is the one that counts, in another run of the program too.
    let other = Session::new(stand_in.users()).store(disk);
    refresh(&other).await.expect("signed in");
    assert_eq!(stand_in.reuses(), 0);
}

/// What counts is what is in memory, also of a session that has ended.
#[tokio::test(start_paused = true)]
async fn a_session_that_ended_before_it_was_saved_has_ended() {
    let stand_in = stand_in(NONE);
    let disk = Disk::default();
    let session = Session::new(stand_in.users()).store(disk.clone());
    signed_in(&stand_in, &session).await;
    disk.fails_to_write(true);
    refresh(&session).await.expect("a token");
    stand_in.ends_sessions_of("alice");
    refresh(&session).await.expect_err("ended");
    assert!(!session.is_signed_in().await.expect("a store"));
}

/// The program is killed before it can save: what the pool says to the older token decides.
#[tokio::test(start_paused = true)]
async fn what_was_not_saved_is_lost_unless_there_is_a_grace_period() {
    for grace in [NONE, LONGEST] {
        let stand_in = stand_in(grace);
        let disk = Disk::default();
        let session = Session::new(stand_in.users()).store(disk.clone());
        signed_in(&stand_in, &session).await;
        disk.fails_to_write(true);
        refresh(&session).await.expect("a token");
        drop(session);
        disk.fails_to_write(false);
        let next_run = Session::new(stand_in.users()).store(disk);
        let answer = refresh(&next_run).await;
        match grace == LONGEST {
            true => drop(answer.expect("the older token is good still")),
            false => check_ended(&answer.expect_err("over"), "RefreshTokenReuseException"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_gets_lost_ends_the_session_only_without_a_grace_period() {
    for grace in [NONE, LONGEST] {
        let stand_in = stand_in(grace);
        let session = stand_in.session();
        signed_in(&stand_in, &session).await;
        stand_in.loses_next(Call::GetTokensFromRefreshToken);
        let error = refresh(&session).await.expect_err("lost");
        assert!(error.is_transient(), "{error}");
        assert!(session.is_signed_in().await.expect("a store"));
        let next = refresh(&session).await;
        assert_eq!(stand_in.reuses(), 1, "there was no other token to use");
        match grace == LONGEST {
            true => drop(next.expect("a token")),
            false => check_ended(&next.expect_err("over"), "RefreshTokenReuseException"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_thief_is_noticed_and_ends_the_session() {
    for grace in [NONE, 10 * SECOND] {
        let stand_in = stand_in(grace);
        let session = stand_in.session();
        let tokens = stand_in.issue("alice");
        session.sign_in(&tokens).await.expect("signed in");
        refresh(&session).await.expect("that of the sign-in");
        key_id(&session).await.expect("alice's credentials");
        // Stolen, and used when its owner has used it already.
        let stolen = tokens.refresh_token().expect("one").clone();
        refresh(&session).await.expect("a token");
        tokio::time::sleep(grace).await;
        let thief = stand_in.session();
        let loot = Tokens::new(Token::from("none")).with_refresh_token(stolen);
        thief.sign_in(&loot).await.expect("stored");
        refresh(&thief).await.expect("what it brought itself");
        let error = refresh(&thief).await.expect_err("noticed");
        check_ended(&error, "RefreshTokenReuseException");
        // Nobody knows which of the two is the thief.
        let error = refresh(&session).await.expect_err("ended");
        check_ended(&error, "NotAuthorizedException");
        assert!(!session.is_signed_in().await.expect("a store"));
        session.credentials().expect("a pool").invalidate();
        session.tokens(TokenKind::Id).invalidate();
        let error = key_id(&session).await.expect_err("ended");
        assert_eq!(error.kind(), AuthErrorKind::SignInRequired);
        assert_eq!(stand_in.guest_calls(), 0, "nobody becomes a guest by that");
        // Whoever has the password gets in again.
        stand_in.sign_in(&session, "alice").await;
        refresh(&session).await.expect("that of the sign-in");
        refresh(&session).await.expect("a token");
    }
}

#[tokio::test(start_paused = true)]
async fn without_rotation_one_token_is_used_for_as_long_as_it_lasts() {
    let stand_in = StandIn::new();
    let disk = Disk::default();
    let session = Session::new(stand_in.users()).store(disk.clone());
    signed_in(&stand_in, &session).await;
    let stored = disk.texts();
    for _ in 0..100 {
        refresh(&session).await.expect("a token");
    }
    assert_eq!(stand_in.refresh_tokens(), 1);
    assert_eq!(disk.texts(), stored);
    session.sign_out().await.expect("signed out");
    assert_eq!(stand_in.calls(Call::RevokeToken), 1);
    let error = refresh(&session).await.expect_err("nobody");
    assert_eq!(error.kind(), AuthErrorKind::SignInRequired);
    assert!(disk.texts().is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_older_call_is_for_servers_that_know_no_other() {
    for rotates in [false, true] {
        let stand_in = StandIn::new();
        let session = stand_in.session();
        signed_in(&stand_in, &session).await;
        if rotates {
            stand_in.rotates(NONE);
        }
        let newer = Some(Call::GetTokensFromRefreshToken);
        stand_in.says(newer, Said::refusal("UnknownOperationException", ""));
        let sign_ins = stand_in.calls(Call::InitiateAuth);
        let answer = refresh(&session).await;
        assert_eq!(stand_in.calls(Call::InitiateAuth), sign_ins + 1);
        match rotates {
            false => drop(answer.expect("a token")),
            // Such a server there is not. Nobody is signed out by it.
            true => {
                let error = answer.expect_err("not with rotation");
                assert_eq!(error.kind(), AuthErrorKind::Source);
                assert!(!error.is_transient());
            }
        }
        assert!(session.is_signed_in().await.expect("a store"));
    }
}

/// The way of the sign-in makes no difference.
#[tokio::test(start_paused = true)]
async fn what_a_challenge_brings_rotates_too() {
    let stand_in = stand_in(NONE);
    stand_in.asks("bob", First::Code);
    stand_in.asks("carol", First::NewPassword);
    for user in ["bob", "carol"] {
        let session = stand_in.session();
        let users = stand_in.users();
        let step = users.sign_in_with_password(user, PASSWORD).await;
        let step = match step.expect("a challenge") {
            SignIn::Code(code) => {
                let error = code.answer("c4nary-wrong").await.expect_err("wrong");
                assert_eq!(error.kind(), AuthErrorKind::SignInRequired);
                code.answer(CODE).await
            }
            SignIn::NewPassword(new) => new.answer("c4nary-new").await,
            other => panic!("{other:?}"),
        };
        let tokens = step.expect("answered").tokens().expect("tokens");
        session.sign_in(&tokens).await.expect("signed in");
        for _ in 0..10 {
            refresh(&session).await.expect("a token");
        }
    }
    assert_eq!(stand_in.reuses(), 0);
}
