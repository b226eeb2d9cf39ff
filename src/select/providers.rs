//! Token sources and credentials of any type, behind one.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::clock::Clock;
use crate::error::AuthError;
use crate::identity::{CacheRef, Cached, Token, TokenSource};

/// A pending credential. Only a miss is boxed: what is at hand needs no future.
pub(super) type Pending<C> = Pin<Box<dyn Future<Output = Result<C, AuthError>> + Send>>;

/// A [`TokenSource`] of any type. Clones share it.
#[derive(Clone)]
pub struct Tokens {
    source: Arc<dyn AnyTokens>,
    /// Asked once: it is a property of the source's type, and every request needs it.
    checks_expiry: bool,
}

impl Tokens {
    /// Puts a source into a cache of that name, unless it is one, or needs none.
    pub(super) fn new<S>(source: S, name: &str) -> Self
    where
        S: TokenSource + Send + Sync + 'static,
        S::Future: Send + 'static,
    {
        let remembers = source.checks_expiry() || source.at_hand().is_some();
        match remembers {
            true => Self::of(source),
            false => Self::of(Cached::named(Self::of(source), name, Clock::system())),
        }
    }

    fn of<S>(source: S) -> Self
    where
        S: TokenSource + Send + Sync + 'static,
        S::Future: Send + 'static,
    {
        Self {
            checks_expiry: source.checks_expiry(),
            source: Arc::new(source),
        }
    }
}

trait AnyTokens: Send + Sync {
    fn token(&self) -> Pending<Token>;
    fn at_hand(&self) -> Option<Token>;
    fn must_finish(&self) -> bool;
    fn kept_by(&self, cache: CacheRef);
    fn rejected(&self, token: &Token);
}

impl<S> AnyTokens for S
where
    S: TokenSource + Send + Sync,
    S::Future: Send + 'static,
{
    fn token(&self) -> Pending<Token> {
        Box::pin(TokenSource::token(self))
    }

    fn at_hand(&self) -> Option<Token> {
        TokenSource::at_hand(self)
    }

    fn must_finish(&self) -> bool {
        TokenSource::must_finish(self)
    }

    fn kept_by(&self, cache: CacheRef) {
        TokenSource::kept_by(self, cache);
    }

    fn rejected(&self, token: &Token) {
        TokenSource::rejected(self, token);
    }
}

impl TokenSource for Tokens {
    type Future = Pending<Token>;

    fn token(&self) -> Self::Future {
        self.source.token()
    }

    #[inline]
    fn at_hand(&self) -> Option<Token> {
        self.source.at_hand()
    }

    fn checks_expiry(&self) -> bool {
        self.checks_expiry
    }

    fn must_finish(&self) -> bool {
        self.source.must_finish()
    }

    fn kept_by(&self, cache: CacheRef) {
        self.source.kept_by(cache);
    }

    fn rejected(&self, token: &Token) {
        self.source.rejected(token);
    }
}

#[cfg(feature = "sigv4")]
pub use aws::AwsCredentials;

#[cfg(feature = "sigv4")]
mod aws {
    use super::{Arc, Pending};
    use crate::identity::CredentialsSource;
    use crate::sigv4::SigningCredentials;

    /// A [`CredentialsSource`] of any type. Clones share it.
    #[derive(Clone)]
    pub struct AwsCredentials {
        source: Arc<dyn AnyCredentials>,
        checks_expiry: bool,
    }

    impl AwsCredentials {
        pub(in crate::select) fn new<S>(source: S) -> Self
        where
            S: CredentialsSource + Send + Sync + 'static,
            S::Future: Send + 'static,
        {
            Self {
                checks_expiry: source.checks_expiry(),
                source: Arc::new(source),
            }
        }
    }

    trait AnyCredentials: Send + Sync {
        fn credentials(&self) -> Pending<SigningCredentials>;
        fn at_hand(&self) -> Option<SigningCredentials>;
        fn rejected(&self, credentials: &SigningCredentials);
    }

    impl<S> AnyCredentials for S
    where
        S: CredentialsSource + Send + Sync,
        S::Future: Send + 'static,
    {
        fn credentials(&self) -> Pending<SigningCredentials> {
            Box::pin(CredentialsSource::credentials(self))
        }

        fn at_hand(&self) -> Option<SigningCredentials> {
            CredentialsSource::at_hand(self)
        }

        fn rejected(&self, credentials: &SigningCredentials) {
            CredentialsSource::rejected(self, credentials);
        }
    }

    impl CredentialsSource for AwsCredentials {
        type Future = Pending<SigningCredentials>;

        fn credentials(&self) -> Self::Future {
            self.source.credentials()
        }

        #[inline]
        fn at_hand(&self) -> Option<SigningCredentials> {
            self.source.at_hand()
        }

        fn checks_expiry(&self) -> bool {
            self.checks_expiry
        }

        fn rejected(&self, credentials: &SigningCredentials) {
            self.source.rejected(credentials);
        }
    }

    impl std::fmt::Debug for AwsCredentials {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.debug_struct("AwsCredentials").finish_non_exhaustive()
        }
    }
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens").finish_non_exhaustive()
    }
}
