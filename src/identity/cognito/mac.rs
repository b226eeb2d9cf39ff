//! HMAC-SHA256.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::{Zeroize as _, Zeroizing};

use crate::error::AuthError;

pub(super) fn mac(key: &[u8], parts: &[&[u8]]) -> Result<Zeroizing<[u8; 32]>, AuthError> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).map_err(|_| {
        AuthError::refused("a key for a message authentication code has an odd length")
    })?;
    parts.iter().for_each(|part| mac.update(part));
    let mut bytes = mac.finalize().into_bytes();
    let mut code = Zeroizing::new([0; 32]);
    code.copy_from_slice(&bytes);
    bytes.as_mut_slice().zeroize();
    Ok(code)
}
