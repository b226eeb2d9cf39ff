//! The Secure Remote Password protocol as Cognito speaks it: the password is proved, and never sent.
//!
//! It is SRP-6a over group 15 of [RFC 3526] with SHA-256, and a proof of Cognito's own. Numbers are hashed as
//! Java writes them: big-endian, no longer than they are, with a zero byte before a set top bit.
//!
//! [RFC 3526]: https://www.rfc-editor.org/rfc/rfc3526#section-5

use std::sync::OnceLock;
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crypto_bigint::modular::{FixedMontyForm, FixedMontyParams};
use crypto_bigint::{Odd, U256, U1024, U3072};
use ring::rand::{SecureRandom as _, SystemRandom};
use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;
use zeroize::{Zeroize as _, Zeroizing};

use super::mac::mac;
use crate::error::AuthError;
use crate::secret::Secret;

/// The modulus.
const N: &str = "\
    FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DD\
    EF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED\
    EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE45B3DC2007CB8A163BF0598DA48361C55D39A69163FA8FD24CF5F\
    83655D23DCA3AD961C62F356208552BB9ED529077096966D670C354E4ABC9804F1746C08CA18217C32905E462E36CE3B\
    E39E772C180E86039B2783A2EC07A28FB5C55DF06F4C52C9DE2BCBF6955817183995497CEA956AE515D2261898FA0510\
    15728E5A8AAAC42DAD33170D04507A33A85521ABDF1CBA64ECFB850458DBEF0A8AEA71575D060C7DB3970F85A6E1E4C7\
    ABF5AE8CDB0933D71E8C94E04A25619DCEE3D2261AD2EE6BF12FFA06D98A0864D87602733EC86A64521F2B18177B200C\
    BBE117577A615D6C770988C0BAD946E208E24FA074E5AB3143DB5BFCE0FD108E4B82D120A93AD2CAFFFFFFFFFFFFFFFF";

/// The generator.
const G: u64 = 2;

const BYTES: usize = U3072::BYTES;

/// What the key is derived for.
const INFO: &[u8] = b"Caldera Derived Key\x01";

type Number = FixedMontyForm<{ U3072::LIMBS }>;

/// One sign-in: the client's private number, and the public one that belongs to it.
pub(super) struct Srp {
    a: Zeroizing<U256>,
    /// `A`, in hexadecimal.
    public: String,
}

/// What Cognito answers to `A`.
pub(super) struct Challenge<'a> {
    pub(super) b: &'a str,
    pub(super) salt: &'a str,
    pub(super) secret_block: &'a str,
    /// The user's name, as it is in the verifier.
    pub(super) user: &'a str,
}

/// The proof that the password is known.
pub(super) struct Proof {
    pub(super) signature: Zeroizing<String>,
    pub(super) timestamp: String,
}

impl Srp {
    /// With a private number that nobody guesses: as many bits as twice the strength of the group, see
    /// RFC 5054, section 3.1.
    pub(super) fn new() -> Result<Self, AuthError> {
        let mut bytes = Zeroizing::new([0; U256::BYTES]);
        SystemRandom::new()
            .fill(&mut *bytes)
            .map_err(|_| AuthError::passing("the system has no random numbers to give"))?;
        Ok(Self::with(U256::from_be_slice(&*bytes)))
    }

    fn with(a: U256) -> Self {
        let a = Zeroizing::new(a);
        let public = number(&U3072::from_u64(G)).pow_bounded_exp(&*a, U256::BITS);
        let bytes = public.retrieve().to_be_bytes();
        Self {
            public: hex(&padded(bytes.as_ref())),
            a,
        }
    }

    pub(super) fn public(&self) -> &str {
        &self.public
    }

    /// Proves that `password` is the one that the challenge is about.
    ///
    /// An error if the challenge is none: from a `B` of zero or a `u` of zero, anybody could prove anything.
    pub(super) fn prove(
        &self,
        pool: &str,
        challenge: &Challenge<'_>,
        password: &Secret,
        now: SystemTime,
    ) -> Result<Proof, AuthError> {
        let odd = |what: &str| {
            AuthError::refused(format!(
                "the user pool sent {what}: nothing was proved to it"
            ))
        };
        let b = parse(challenge.b).ok_or_else(|| odd("no number `SRP_B`"))?;
        if b == U3072::ZERO || b >= *modulus().modulus().as_ref() {
            return Err(odd("an `SRP_B` that is out of range"));
        }
        let salt = parse(challenge.salt).ok_or_else(|| odd("no number `SALT`"))?;
        let block = STANDARD.decode(challenge.secret_block);
        let block = block.map_err(|_| odd("no `SECRET_BLOCK`"))?;
        let public = parse(&self.public).ok_or_else(|| odd("no number"))?;
        let u = scalar(&[&padded(be(&public).as_ref()), &padded(be(&b).as_ref())]);
        if *u == U256::ZERO {
            return Err(odd("an `SRP_B` that makes no secret"));
        }

        let pool = pool.split_once('_').map_or(pool, |(_, name)| name);
        let inner = hash(&[
            pool.as_bytes(),
            challenge.user.as_bytes(),
            b":",
            password.expose().as_bytes(),
        ]);
        let x = scalar(&[&padded(be(&salt).as_ref()), &*inner]);

        // S = (B - k g^x) ^ (a + u x)
        let mut verifier = number(&U3072::from_u64(G)).pow_bounded_exp(&*x, U256::BITS);
        let mut base = number(&b) - number(&multiplier()) * verifier;
        let product = Zeroizing::new(u.concatenating_mul(&*x));
        let product = Zeroizing::new(product.resize::<{ U1024::LIMBS }>());
        let a = Zeroizing::new(self.a.resize::<{ U1024::LIMBS }>());
        let exponent = Zeroizing::new(product.wrapping_add(&a));
        // One more bit than the product has, for what is added to it.
        let mut shared = base.pow_bounded_exp(&*exponent, 2 * U256::BITS + 1);
        let secret = Zeroizing::new(shared.retrieve());
        verifier.zeroize();
        base.zeroize();
        shared.zeroize();

        let bytes = Zeroizing::new(be(&secret));
        let derived = mac(
            &padded(u.to_be_bytes().as_ref()),
            &[&padded(bytes.as_ref())],
        )?;
        let key = mac(&derived[..], &[INFO])?;
        let timestamp = timestamp(now)?;
        let message = [
            pool.as_bytes(),
            challenge.user.as_bytes(),
            &block,
            timestamp.as_bytes(),
        ];
        let signature = mac(&key[..16], &message)?;
        Ok(Proof {
            signature: Zeroizing::new(STANDARD.encode(*signature)),
            timestamp,
        })
    }
}

/// What arithmetic modulo `N` takes, computed once.
fn modulus() -> &'static FixedMontyParams<{ U3072::LIMBS }> {
    static MODULUS: OnceLock<FixedMontyParams<{ U3072::LIMBS }>> = OnceLock::new();
    MODULUS.get_or_init(|| FixedMontyParams::new_vartime(Odd::<U3072>::from_be_hex(N)))
}

fn number(value: &U3072) -> Number {
    FixedMontyForm::new(value, modulus())
}

/// `k`, which binds the verifier to the group.
fn multiplier() -> U3072 {
    let modulus = be(modulus().modulus().as_ref());
    let k = scalar(&[&padded(modulus.as_ref()), &padded(&G.to_be_bytes())]);
    k.resize()
}

fn be(number: &U3072) -> [u8; BYTES] {
    let mut bytes = [0; BYTES];
    bytes.copy_from_slice(number.to_be_bytes().as_ref());
    bytes
}

/// A hash as a number.
fn scalar(parts: &[&[u8]]) -> Zeroizing<U256> {
    Zeroizing::new(U256::from_be_slice(&*hash(parts)))
}

fn hash(parts: &[&[u8]]) -> Zeroizing<[u8; 32]> {
    let mut hash = Sha256::new();
    parts.iter().for_each(|part| hash.update(part));
    let mut digest = Zeroizing::new([0; 32]);
    hash.finalize_into((&mut *digest).into());
    digest
}

/// A number as it is hashed: without zero bytes at its beginning, but for one that keeps it positive.
fn padded(bytes: &[u8]) -> Zeroizing<Vec<u8>> {
    let start = bytes.iter().position(|&byte| byte != 0);
    let bytes = &bytes[start.unwrap_or(bytes.len().saturating_sub(1))..];
    let mut padded = Zeroizing::new(Vec::with_capacity(bytes.len() + 1));
    if bytes.first().is_some_and(|&first| first >= 0x80) {
        padded.push(0);
    }
    padded.extend_from_slice(bytes);
    padded
}

/// A number in hexadecimal, of any length that fits.
fn parse(text: &str) -> Option<U3072> {
    if text.is_empty() || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let digits = text.trim_start_matches('0');
    if digits.len() > 2 * BYTES {
        return None;
    }
    let mut bytes = [0; BYTES];
    for (at, digit) in digits.bytes().rev().enumerate() {
        let value = char::from(digit).to_digit(16)?;
        bytes[BYTES - 1 - at / 2] |= u8::try_from(value).ok()? << (4 * (at % 2));
    }
    Some(U3072::from_be_slice(&bytes))
}

/// Of what is public.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `Thu Jan 1 00:00:00 UTC 1970`: Java's words for a time, in English.
fn timestamp(now: SystemTime) -> Result<String, AuthError> {
    let unusable = || AuthError::refused("this machine's clock has no usable time: set it");
    let since = now
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_err(|_| unusable())?;
    let seconds = i64::try_from(since.as_secs()).map_err(|_| unusable())?;
    let time = OffsetDateTime::from_unix_timestamp(seconds).map_err(|_| unusable())?;
    let (weekday, month) = (time.weekday().to_string(), time.month().to_string());
    Ok(format!(
        "{} {} {} {:02}:{:02}:{:02} UTC {}",
        &weekday[..3],
        &month[..3],
        time.day(),
        time.hour(),
        time.minute(),
        time.second(),
        time.year()
    ))
}

#[cfg(test)]
mod tests;
