//! Random texts that nobody guesses: state, code verifiers, the ids of assertions.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::{SecureRandom as _, SystemRandom};
use zeroize::Zeroizing;

use crate::error::AuthError;

/// `N` random bytes as base64url, whose characters may stand anywhere in a URL.
pub(super) fn random_text<const N: usize>() -> Result<Zeroizing<String>, AuthError> {
    let mut bytes = Zeroizing::new([0; N]);
    SystemRandom::new()
        .fill(&mut *bytes)
        .map_err(|_| AuthError::passing("the system has no random numbers to give"))?;
    Ok(Zeroizing::new(URL_SAFE_NO_PAD.encode(*bytes)))
}
