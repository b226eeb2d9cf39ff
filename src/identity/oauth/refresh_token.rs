//! The grant that keeps a user signed in.

use std::fmt;
use std::sync::Arc;

use super::client::OAuthClient;
use super::error::Asked;
use super::form::Form;
use super::future::GrantFuture;
use super::keeper::{Issuer, Keeper};
use super::options::{Options, option_setters};
use super::reply::TokenReply;
use super::state::Pair;
use super::store::{RefreshTokenStore, key};
use super::tokens::Tokens;
use crate::clock::Moment;
use crate::error::{AuthError, AuthErrorKind};
use crate::identity::cache::{CacheRef, Cached};
use crate::identity::source::TokenSource;
use crate::identity::token::Token;
use crate::identity::token_kind::TokenKind;
use crate::secret::Secret;

/// Tokens of a user who has signed in, for as long as the session lasts: the refresh token grant
/// ([RFC 6749, section 6]), with rotation.
///
/// ```no_run
/// # use tower_client_auth::{BearerTokenLayer, BoxError, Transport};
/// use tower_client_auth::oauth::{FileStore, OAuthClient, Provider};
///
/// # async fn send(_: http::Request<http_body_util::Full<bytes::Bytes>>)
/// #     -> Result<http::Response<http_body_util::Full<bytes::Bytes>>, tower_client_auth::BoxError> {
/// #     Ok(http::Response::default())
/// # }
/// # async fn example() -> Result<(), BoxError> {
/// # let transport = Transport::new(tower::service_fn(send));
/// let provider = Provider::discover("https://login.example.com", transport)?;
/// let client = OAuthClient::new(provider, "command-line");
///
/// let session = client.refresh_token(FileStore::new("/home/me/.config/my-program/sessions.json"));
/// let tokens = session.clone().cached();
/// if tokens.needs_sign_in().await? {
///     let login = client.device_authorization().scope("openid offline_access").begin().await?;
///     println!("open {} and enter {}", login.verification_uri(), login.user_code());
///     session.sign_in(&login.finish().await?).await?;
/// }
/// let layer = BearerTokenLayer::new("https://api.example.com", tokens)?;
/// # Ok(())
/// # }
/// ```
///
/// Clones are one session. One that is then given another setting is a source of its own, over the same store.
///
/// # What it calls, and when
///
/// The token endpoint, each time it is asked for a token: behind a [`Cached`], which
/// [`cached`](RefreshToken::cached) is, once for all requests and again before the token ends. The first time
/// after [`sign_in`](RefreshToken::sign_in) the access token that came along is handed out.
///
/// No caller stops a refresh half-way: it runs on a task of its own, and the answer is waited for up to six
/// times as long as the transport's timeout says, because a refresh token that was replaced and did not arrive
/// is lost. Requests do not wait for that long behind a cache. The end of the runtime does stop it: a program
/// that is about to exit awaits [`settled`](RefreshToken::settled).
///
/// # What it stores
///
/// The refresh token, in its [`RefreshTokenStore`], under the provider, the client's id and the
/// [`account`](RefreshToken::account). With every refresh it holds the store's lock, reads the token anew,
/// and saves the one that replaces it **before** the access token is used: so that programs which share a store
/// never use one twice, for which providers revoke the whole family. If it cannot be saved, after three
/// attempts, it is kept in memory and saved with the next refresh. Access tokens and ID tokens are not stored.
///
/// # What failures mean
///
/// | what | the error | |
/// |---|---|---|
/// | the provider cannot be reached, is slow, answers 5xx, 429, or with something else than a token | transient | the session stays: it is asked again after a pause |
/// | the store fails | transient, unless it says otherwise: [`FileStore`](super::FileStore) does of a file it cannot trust | as above |
/// | the connection breaks after the provider has replaced the token, or the program is killed then | whatever the provider says to the old token: [`SignInRequired`], if it has no grace period | |
/// | nobody has signed in | [`SignInRequired`] | |
/// | `invalid_grant`: the session has ended, or was revoked | [`SignInRequired`] | the token stays stored, and is not sent again for five minutes |
/// | `invalid_client`, `invalid_scope`, … | [`Source`](AuthErrorKind::Source) | the session stays: check the client's registration |
///
/// [RFC 6749, section 6]: https://www.rfc-editor.org/rfc/rfc6749#section-6
/// [`SignInRequired`]: AuthErrorKind::SignInRequired
#[derive(Clone)]
#[must_use = "a grant does nothing until it is asked for a token"]
pub struct RefreshToken {
    keeper: Keeper<Grant>,
    kind: TokenKind,
}

/// The grant itself.
#[derive(Clone)]
struct Grant {
    client: OAuthClient,
    options: Options,
}

impl OAuthClient {
    /// Tokens of the user whose refresh token is in `store`, or will be once the user has signed in.
    pub fn refresh_token(&self, store: impl RefreshTokenStore) -> RefreshToken {
        let grant = Grant {
            client: self.clone(),
            options: Options::default(),
        };
        let key = key(&self.provider().id(), &[self.id()]);
        RefreshToken {
            keeper: Keeper::new(grant, key, Arc::new(store)),
            kind: TokenKind::default(),
        }
    }
}

impl RefreshToken {
    option_setters!();

    /// Which account's session it is, for programs that hold several with one client.
    pub fn account(self, name: &str) -> Self {
        let client = self.client();
        let key = key(&client.provider().id(), &[client.id(), name]);
        self.change(|keeper| keeper.set_key(key))
    }

    /// Which token the API is sent. The access token by default.
    pub fn token_kind(mut self, kind: TokenKind) -> Self {
        self.kind = kind;
        self.change(|_| {})
    }

    fn set(self, change: impl FnOnce(&mut Options)) -> Self {
        self.change(|keeper| change(&mut keeper.issuer.options))
    }

    /// Nothing that another session, or a token of another kind, has in memory is this one's.
    fn change(mut self, change: impl FnOnce(&mut Keeper<Grant>)) -> Self {
        self.keeper = self.keeper.change(change);
        self
    }

    fn client(&self) -> &OAuthClient {
        &self.keeper.issuer.client
    }

    /// Keeps a token for all requests, and renews it before it ends.
    pub fn cached(self) -> Cached<Self> {
        Cached::new(self)
    }

    /// Stores what a sign-in brought, in place of an older session. Caches over this source forget the older
    /// session's token.
    ///
    /// # Errors
    ///
    /// Those of the store: the older session is then still the one. [`AuthErrorKind::Configuration`] for tokens of
    /// another provider or client.
    pub async fn sign_in(&self, tokens: &Tokens) -> Result<(), AuthError> {
        if tokens.is_of_another(self.client()) {
            return Err(AuthError::new(
                AuthErrorKind::Configuration,
                "these tokens were issued to another client, or by another provider: each session has its own",
            ));
        }
        let kept = tokens.refresh_token().cloned();
        let token = match self.kind {
            TokenKind::Access => Some(tokens.access_token()),
            TokenKind::Id => tokens.id_token(),
        };
        // What it is for was asked for at the sign-in, and is not known here.
        let fits = kept.is_none() || self.keeper.issuer.options.are_default();
        let token = token.filter(|_| fits).cloned();
        let tokens = Pair::default().with(self.kind, token);
        self.keeper.clone().replace(kept, tokens, async {}).await
    }

    /// Waits until no refresh is under way, so that the program can end without losing what it brings.
    pub async fn settled(&self) {
        self.keeper.settled().await;
    }

    /// Whether there is a session, as far as is known without asking the provider: one that has ended in the
    /// meantime is in its store still. [`Cached::needs_sign_in`] finds out.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub async fn is_signed_in(&self) -> Result<bool, AuthError> {
        self.keeper.is_signed_in().await
    }

    /// Ends the session: forgets it here, caches over this source included, and has the provider revoke the
    /// refresh token, if it is known to do that ([RFC 7009]).
    ///
    /// # Errors
    ///
    /// Those of the store: nothing has changed then. If only the provider could not be told, the error says so,
    /// and the session is forgotten here all the same.
    ///
    /// [RFC 7009]: https://www.rfc-editor.org/rfc/rfc7009#section-2
    pub async fn sign_out(&self) -> Result<(), AuthError> {
        self.keeper.sign_out(async {}).await
    }
}

impl Issuer for Grant {
    const BOTH_KINDS: bool = false;

    const NOBODY: &'static str = "nobody is signed in: there is no refresh token in the store, or the sign-in \
                                  brought none (many providers want the scope `offline_access` for one)";

    async fn refresh(&self, kept: &Secret) -> Result<TokenReply, AuthError> {
        let mut form = Form::of_grant("refresh_token").with_secret("refresh_token", kept);
        self.options.write(&mut form)?;
        self.client.grant(Asked::RefreshToken, form).await
    }

    async fn revoke(&self, kept: &Secret) -> Result<(), AuthError> {
        let metadata = self.client.provider().metadata().await?;
        let Some(endpoint) = metadata.revocation_endpoint.clone() else {
            return Ok(());
        };
        let form = Form::default()
            .with_secret("token", kept)
            .with("token_type_hint", "refresh_token");
        let asked = Asked::Revocation;
        let answer = self.client.ask(&metadata, &endpoint, asked, form).await;
        answer.map(drop)
    }

    fn moment(&self) -> Moment {
        self.client.moment()
    }
}

impl TokenSource for RefreshToken {
    type Future = GrantFuture;

    fn token(&self) -> Self::Future {
        GrantFuture::new(self.keeper.clone().token(self.kind))
    }

    fn must_finish(&self) -> bool {
        true
    }

    fn rejected(&self, token: &Token) {
        self.keeper.rejected(self.kind, token);
    }

    fn kept_by(&self, cache: CacheRef) {
        self.keeper.add_cache(cache);
    }
}

impl fmt::Debug for RefreshToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RefreshToken")
            .field("client", self.client())
            .field("options", &self.keeper.issuer.options)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}
