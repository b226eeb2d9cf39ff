//! The server's half of the Secure Remote Password protocol, as Cognito has it. Of a password it knows a number
//! that follows from it and does not lead back to it.

use std::sync::LazyLock;

use crypto_bigint::modular::{FixedMontyForm, FixedMontyParams};
use crypto_bigint::{Odd, U256, U3072};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

use super::random;

/// The modulus: group 15 of RFC 3526.
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
const G: u8 = 2;

/// A number modulo `N`.
type Number = FixedMontyForm<{ U3072::LIMBS }>;

static GROUP: LazyLock<FixedMontyParams<{ U3072::LIMBS }>> =
    LazyLock::new(|| FixedMontyParams::new_vartime(Odd::<U3072>::from_be_hex(N)));

/// What is kept of a password.
pub(super) struct Verifier {
    salt: [u8; 16],
    /// `v = g^x`
    value: Number,
}

impl Verifier {
    pub(super) fn new(pool: &str, user: &str, password: &str) -> Self {
        let salt = random();
        let identity = hash(&[pool, user, ":", password].map(str::as_bytes));
        let x = hash(&[&padded(&salt), &identity]);
        Self {
            salt,
            value: generator().pow(&U256::from_be_slice(&x)),
        }
    }

    /// In hexadecimal.
    pub(super) fn salt(&self) -> String {
        hex::encode(self.salt)
    }
}

/// A proof that is waited for.
pub(super) struct Exchange {
    /// `A`
    client: U3072,
    /// `b`
    private: U256,
    /// `B`
    public: U3072,
    verifier: Number,
}

impl Exchange {
    /// Answers to `A`. `None` if that is no number, or one from which anybody could prove anything.
    pub(super) fn begin(verifier: &Verifier, client: &str) -> Option<Self> {
        let client = parse(client)?;
        let private = U256::from_be_slice(&random::<32>());
        // B = k v + g^b
        let public = multiplier() * verifier.value + generator().pow(&private);
        Some(Self {
            client,
            private,
            public: public.retrieve(),
            verifier: verifier.value,
        })
    }

    /// `B`, in hexadecimal.
    pub(super) fn public(&self) -> String {
        hex::encode(self.public.to_be_bytes())
    }

    /// Whether whoever signed the message knows the password.
    pub(super) fn proves(&self, message: &[&[u8]], signature: &[u8]) -> bool {
        let u = hash(&[
            &padded(&self.client.to_be_bytes()),
            &padded(&self.public.to_be_bytes()),
        ]);
        // S = (A v^u)^b
        let base = number(&self.client) * self.verifier.pow(&U256::from_be_slice(&u));
        let secret = base.pow(&self.private).retrieve();

        let derived = mac(&padded(&u), &[&padded(&secret.to_be_bytes())]);
        let derived: [u8; 32] = derived.finalize().into_bytes().into();
        let key = mac(&derived, &[b"Caldera Derived Key\x01"]);
        let key: [u8; 32] = key.finalize().into_bytes().into();
        mac(&key[..16], message).verify_slice(signature).is_ok()
    }
}

fn number(value: &U3072) -> Number {
    FixedMontyForm::new(value, &GROUP)
}

fn generator() -> Number {
    number(&U3072::from_u8(G))
}

/// `k`
fn multiplier() -> Number {
    let modulus = GROUP.modulus().get();
    let k = hash(&[&padded(&modulus.to_be_bytes()), &padded(&[G])]);
    number(&U256::from_be_slice(&k).resize())
}

fn hash(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    parts.iter().for_each(|part| hash.update(part));
    hash.finalize().into()
}

fn mac(key: &[u8], parts: &[&[u8]]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key, which may have any length");
    parts.iter().for_each(|part| mac.update(part));
    mac
}

/// A number as it is hashed, which is as Java writes it: no longer than it is, with a zero byte before a set top
/// bit.
fn padded(bytes: &[u8]) -> Vec<u8> {
    let start = bytes.iter().position(|&byte| byte != 0);
    let bytes = &bytes[start.unwrap_or(bytes.len() - 1)..];
    let sign: &[u8] = if bytes[0] >= 0x80 { &[0] } else { &[] };
    [sign, bytes].concat()
}

/// A number of the group other than zero, from hexadecimal.
fn parse(text: &str) -> Option<U3072> {
    let digits = hex::decode(text).ok()?;
    let start = digits.iter().position(|&byte| byte != 0)?;
    let digits = &digits[start..];
    let mut bytes = [0; U3072::BYTES];
    let zeros = U3072::BYTES.checked_sub(digits.len())?;
    bytes[zeros..].copy_from_slice(digits);
    let number = U3072::from_be_slice(&bytes);
    (number < GROUP.modulus().get()).then_some(number)
}
