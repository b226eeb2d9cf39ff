//! What a program asks of its session beside tokens and credentials, and what happens to it in the meantime.

use std::time::Duration;

use tokio::time::sleep;
use tower_client_auth::cognito::Session;
use tower_client_auth::oauth::{MemoryStore, RefreshTokenStore, StoreFuture, TokenKind, Tokens};
use tower_client_auth::{AuthErrorKind, ManualClock, Secret, TokenSource as _};

use super::stand_in::{
    Call, Disk, Fault, SECOND, Said, StandIn, key_id, session_of, session_of_key,
};

/// Whose each of the three is.
async fn sessions(session: &Session) -> [u64; 3] {
    let token = async |kind| {
        let token = session.tokens(kind).token().await.expect("a token");
        session_of(token.expose())
    };
    let key = key_id(session).await.expect("credentials");
    [
        token(TokenKind::Access).await,
        token(TokenKind::Id).await,
        session_of_key(&key),
    ]
}

#[tokio::test(start_paused = true)]
async fn a_program_finds_out_whether_its_user_has_to_sign_in() {
    let stand_in = StandIn::new();
    let disk = Disk::default();
    let session = || stand_in.session().store(disk.clone());
    let first = session();
    assert!(first.needs_sign_in().await.expect("nobody has"));
    assert_eq!(first.username().await.expect("a store"), None);
    stand_in.sign_in(&first, "alice").await;
    assert!(!first.needs_sign_in().await.expect("alice has"));
    assert_eq!(stand_in.calls(Call::GetTokensFromRefreshToken), 0);

    // Another run of the program: it is asked about once, and that token is then used.
    let second = session();
    assert_eq!(
        second.username().await.expect("a store").as_deref(),
        Some("alice")
    );
    assert!(!second.needs_sign_in().await.expect("alice has"));
    assert!(!second.needs_sign_in().await.expect("alice has"));
    second
        .tokens(TokenKind::Access)
        .token()
        .await
        .expect("a token");
    assert_eq!(stand_in.calls(Call::GetTokensFromRefreshToken), 1);

    // Ended meanwhile: what is stored says nothing of that.
    stand_in.ends_sessions_of("alice");
    let third = session();
    assert!(third.is_signed_in().await.expect("stored"));
    assert!(third.needs_sign_in().await.expect("it has ended"));
    assert!(!third.is_signed_in().await.expect("known by now"));

    // An outage is no answer.
    stand_in.fails(Fault::Refused, None);
    let error = session().needs_sign_in().await.expect_err("nobody knows");
    assert!(error.is_transient());

    // Without a refresh token, for as long as the token lasts.
    stand_in.recovers();
    let only = stand_in.session();
    let issued = stand_in.issue("bob");
    let tokens = Tokens::new(issued.access_token().clone());
    only.sign_in(&tokens).await.expect("signed in");
    assert!(!only.needs_sign_in().await.expect("bob has"));
    assert_eq!(
        only.username().await.expect("a store").as_deref(),
        Some("bob")
    );
}

#[tokio::test(start_paused = true)]
async fn a_forced_refresh_renews_all_that_is_at_hand() {
    let stand_in = StandIn::new();
    let session = stand_in.session();
    let error = session.refresh().await.expect_err("nobody");
    assert_eq!(error.kind(), AuthErrorKind::SignInRequired);
    stand_in.sign_in(&session, "alice").await;
    let at_hand = async || {
        let access = session.tokens(TokenKind::Access).token().await;
        let id = session.tokens(TokenKind::Id).token().await;
        let texts = [access, id].map(|token| token.expect("a token").expose().to_owned());
        (texts, key_id(&session).await.expect("credentials"))
    };
    let before = at_hand().await;
    assert_eq!(at_hand().await, before);
    for refreshes in 1..4 {
        session.refresh().await.expect("tokens");
        let after = at_hand().await;
        assert!(after.0[0] != before.0[0] && after.0[1] != before.0[1]);
        assert_ne!(after.1, before.1);
        // One for both kinds.
        assert_eq!(stand_in.calls(Call::GetTokensFromRefreshToken), refreshes);
    }
}

#[tokio::test(start_paused = true)]
async fn another_programs_user_is_the_user_of_all_there_is() {
    let stand_in = StandIn::new();
    stand_in.lives(3600, 3600);
    let disk = Disk::default();
    let [one, other] = [(); 2].map(|()| stand_in.session().store(disk.clone()));
    stand_in.sign_in(&one, "alice").await;
    assert_eq!(sessions(&other).await, [1, 1, 1]);
    stand_in.sign_in(&one, "bob").await;
    // Nobody has told it.
    assert_eq!(sessions(&other).await, [1, 1, 1]);
    // One of the three is due, and the others are with it.
    for (kind, refreshes) in [(TokenKind::Id, 2), (TokenKind::Access, 3)] {
        other.tokens(kind).invalidate();
        let token = other.tokens(kind).token().await.expect("a token");
        assert_eq!(session_of(token.expose()), 2);
        assert_eq!(sessions(&other).await, [2, 2, 2]);
        assert_eq!(stand_in.calls(Call::GetTokensFromRefreshToken), refreshes);
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_login_costs_one_refresh() {
    let stand_in = StandIn::new();
    let session = stand_in.session();
    stand_in.sign_in(&session, "alice").await;
    let refusal = Said::refusal(
        "NotAuthorizedException",
        "Token is not from a supported provider.",
    );
    stand_in.says(Some(Call::GetId), refusal);
    for _ in 0..20 {
        let error = key_id(&session).await.expect_err("refused");
        assert_eq!(error.kind(), AuthErrorKind::Source);
        assert!(error.to_string().contains("trusts the provider"), "{error}");
        sleep(6 * SECOND).await;
    }
    assert_eq!(stand_in.calls(Call::GetTokensFromRefreshToken), 1);
    assert_eq!(stand_in.guest_calls(), 0);
    // The pool is corrected.
    stand_in.recovers();
    sleep(6 * SECOND).await;
    assert_eq!(session_of_key(&key_id(&session).await.expect("alice")), 1);
}

/// What an identity pool refuses is good still for whoever takes it.
#[tokio::test(start_paused = true)]
async fn a_refused_login_ends_no_session() {
    for has_refresh_token in [false, true] {
        let stand_in = StandIn::new();
        let session = stand_in.session().fall_back_to_guest();
        let issued = stand_in.issue("alice");
        let tokens = match has_refresh_token {
            true => issued,
            false => Tokens::new(issued.access_token().clone())
                .with_id_token(issued.id_token().expect("one").clone()),
        };
        session.sign_in(&tokens).await.expect("signed in");
        let refusal = Said::refusal("NotAuthorizedException", "No role for this login.");
        stand_in.says(Some(Call::GetCredentialsForIdentity), refusal);
        for _ in 0..5 {
            let error = key_id(&session).await.expect_err("refused");
            assert_eq!(error.kind(), AuthErrorKind::Source, "{error}");
            sleep(6 * SECOND).await;
        }
        assert_eq!(stand_in.guest_calls(), 0);
        assert!(session.is_signed_in().await.expect("known"));
        let id = session
            .tokens(TokenKind::Id)
            .token()
            .await
            .expect("alice's");
        assert_eq!(session_of(id.expose()), 1);
        stand_in.recovers();
        sleep(6 * SECOND).await;
        assert_eq!(session_of_key(&key_id(&session).await.expect("alice's")), 1);
    }
}

/// A store for which nothing is safe.
#[derive(Clone, Default)]
struct Panics(MemoryStore);

impl RefreshTokenStore for Panics {
    fn load<'a>(&'a self, key: &'a str) -> StoreFuture<'a, Option<Secret>> {
        self.0.load(key)
    }

    fn save<'a>(&'a self, key: &'a str, token: &'a Secret) -> StoreFuture<'a, ()> {
        self.0.save(key, token)
    }

    fn clear<'a>(&'a self, key: &'a str) -> StoreFuture<'a, ()> {
        // That of the identity, and not that of the session.
        if key.contains("cognito-identity") {
            return Box::pin(async { panic!("a bug") });
        }
        self.0.clear(key)
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_panics_keeps_nobody_from_being_another() {
    let stand_in = StandIn::new();
    let session = stand_in.session().store(Panics::default());
    assert_eq!(session_of_key(&key_id(&session).await.expect("a guest")), 0);
    for number in 1..4 {
        stand_in.sign_in(&session, "alice").await;
        assert_eq!(sessions(&session).await, [number; 3]);
    }
    session.sign_out().await.expect("signed out");
    assert_eq!(session_of_key(&key_id(&session).await.expect("a guest")), 0);
}

#[tokio::test(start_paused = true)]
async fn a_guest_who_is_refused_stays_the_same_guest() {
    for (call, code) in [
        (Call::GetCredentialsForIdentity, "NotAuthorizedException"),
        (Call::GetCredentialsForIdentity, "InvalidParameterException"),
        (Call::GetId, "NotAuthorizedException"),
    ] {
        let stand_in = StandIn::new();
        let disk = Disk::default();
        let session = stand_in.session().store(disk.clone());
        key_id(&session).await.expect("a guest");
        let known = disk.texts();
        let asked = stand_in.calls(Call::GetId);
        stand_in.says(Some(call), Said::refusal(code, "no role for you"));
        for _ in 0..10 {
            session.credentials().expect("a pool").invalidate();
            match call {
                Call::GetId => drop(key_id(&session).await.expect("it is not asked")),
                _ => drop(key_id(&session).await.expect_err("refused")),
            }
        }
        assert_eq!(stand_in.calls(Call::GetId), asked, "{code}");
        assert_eq!(disk.texts(), known);
    }

    // A store that cannot be read may have it: nothing is put in its place.
    let stand_in = StandIn::new();
    let disk = Disk::default();
    key_id(&stand_in.session().store(disk.clone()))
        .await
        .expect("a guest");
    let known = disk.texts();
    let guests = stand_in.identities().store(disk.clone());
    disk.fails_to_read(true);
    guests.identity_id().await.expect("another guest");
    disk.fails_to_read(false);
    assert_eq!(disk.texts(), known);

    // One that is gone is replaced.
    let session = stand_in.session().store(disk.clone());
    stand_in.says(
        Some(Call::GetCredentialsForIdentity),
        Said::refusal("ResourceNotFoundException", "Identity 'x' not found."),
    );
    let asked = stand_in.calls(Call::GetId);
    key_id(&session)
        .await
        .expect_err("there is no other either");
    assert_eq!(stand_in.calls(Call::GetId), asked + 1);
    assert_eq!(disk.texts(), known, "not before it has proved good");
    stand_in.recovers();
}

/// All that has a clock goes by the pool's: by one that is hours away from the system's as well.
#[tokio::test(start_paused = true)]
async fn a_pools_clock_is_the_sessions() {
    for hours in [-30_i64, -2, 2, 30] {
        let stand_in = StandIn::new();
        stand_in.lives(3600, 3600);
        let off = Duration::from_secs(hours.unsigned_abs() * 3600);
        let now = stand_in.clock().now();
        let time = match hours > 0 {
            true => now + off,
            false => now - off,
        };
        let clock = tower_client_auth::Clock::from(ManualClock::new(time));
        let session =
            Session::new(stand_in.users().clock(clock)).identity_pool(stand_in.identities());
        stand_in.sign_in(&session, "alice").await;
        assert_eq!(sessions(&session).await, [1, 1, 1], "{hours} h");
        sleep(Duration::from_secs(1800)).await;
        assert_eq!(sessions(&session).await, [1, 1, 1], "{hours} h");
        assert_eq!(
            stand_in.calls(Call::GetTokensFromRefreshToken),
            0,
            "{hours} h"
        );
        sleep(Duration::from_secs(1801)).await;
        assert_eq!(sessions(&session).await, [1, 1, 1], "{hours} h");
        assert_eq!(
            stand_in.calls(Call::GetTokensFromRefreshToken),
            1,
            "{hours} h"
        );
        assert_eq!(
            stand_in.calls(Call::GetCredentialsForIdentity),
            2,
            "{hours} h"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn another_identity_pool_leaves_the_session_what_it_is() {
    let stand_in = StandIn::new();
    let session = stand_in.session();
    stand_in.sign_in(&session, "alice").await;
    let other = session.clone().identity_pool(stand_in.identities());
    let fallen = session.clone().fall_back_to_guest();
    for session in [&session, &other, &fallen] {
        assert_eq!(sessions(session).await, [1, 1, 1]);
    }
    session.sign_out().await.expect("signed out");
    for session in [&session, &other, &fallen] {
        assert!(!session.is_signed_in().await.expect("known"));
        assert_eq!(session_of_key(&key_id(session).await.expect("a guest")), 0);
    }
    // Another store, or another account, has another session.
    stand_in.sign_in(&session, "alice").await;
    for other in [
        session.clone().store(MemoryStore::new()),
        session.clone().account("work"),
    ] {
        assert!(!other.is_signed_in().await.expect("known"));
        let token = other.tokens(TokenKind::Access).token().await;
        token.expect_err("nobody");
    }
}

/// As when a program starts whose user is signed in still.
#[tokio::test(start_paused = true)]
async fn both_kinds_of_token_come_of_one_refresh() {
    let stand_in = StandIn::new();
    stand_in.delays(1000);
    let disk = Disk::default();
    stand_in
        .sign_in(&stand_in.session().store(disk.clone()), "alice")
        .await;
    for starts in 1..10 {
        let session = stand_in.session().store(disk.clone());
        let access = session.tokens(TokenKind::Access);
        let id = session.tokens(TokenKind::Id);
        let (access, id, key) = tokio::join!(access.token(), id.token(), key_id(&session));
        let [access, id] = [access, id].map(|token| token.expect("a token"));
        assert_eq!(
            [session_of(access.expose()), session_of(id.expose())],
            [1, 1]
        );
        assert_eq!(session_of_key(&key.expect("credentials")), 1);
        assert_eq!(stand_in.calls(Call::GetTokensFromRefreshToken), starts);
    }
}
