use std::time::Duration;

use serde::Deserialize;

use super::*;

/// Proofs by pycognito 2024.5.1 (PyPI), which nobody of this crate has written: of random numbers, and of those at
/// the edges. One JSON object a line.
const VECTORS: &str = include_str!("vectors.jsonl");

#[derive(Deserialize)]
struct Vector {
    pool: String,
    user: String,
    password: String,
    a: String,
    #[serde(rename = "A")]
    public: String,
    #[serde(rename = "B")]
    b: String,
    salt: String,
    secret_block: String,
    seconds: u64,
    timestamp: String,
    signature: String,
}

impl Vector {
    fn all() -> Vec<Self> {
        let lines = VECTORS.lines();
        lines
            .map(|line| serde_json::from_str(line).expect("a vector"))
            .collect()
    }

    fn srp(&self) -> Srp {
        Srp::with(parse(&self.a).expect("a number").resize())
    }

    fn prove(&self, password: &str) -> Result<Proof, AuthError> {
        let challenge = Challenge {
            b: &self.b,
            salt: &self.salt,
            secret_block: &self.secret_block,
            user: &self.user,
        };
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(self.seconds);
        let password = Secret::new(password);
        self.srp().prove(&self.pool, &challenge, &password, now)
    }
}

#[test]
fn proofs_are_those_of_another_implementation() {
    let vectors = Vector::all();
    for vector in &vectors {
        assert_eq!(vector.srp().public().trim_start_matches('0'), vector.public);
        let proof = vector.prove(&vector.password).expect("a proof");
        assert_eq!(proof.timestamp, vector.timestamp);
        assert_eq!(*proof.signature, vector.signature, "{}", vector.b);
        let other = vector.prove("Passw0rd?").expect("a proof");
        assert_ne!(*other.signature, vector.signature);
    }
    println!(
        "SRP: {} of {} proofs equal to pycognito's",
        vectors.len(),
        vectors.len()
    );
}

#[test]
fn nothing_is_proved_to_a_server_that_cheats() {
    let n = N.to_owned();
    let beyond = "F".repeat(2 * BYTES);
    let too_long = "1".repeat(2 * BYTES + 1);
    for b in [
        "", "0", "00", &n, &beyond, &too_long, "g", "-1", "0x1", "1 ",
    ] {
        let vector = Vector {
            b: b.to_owned(),
            ..Vector::all().remove(0)
        };
        let error = vector.prove("Passw0rd!").err().expect("no proof");
        assert!(error.to_string().contains("SRP_B"), "{b}: {error}");
        assert!(!error.is_transient());
    }
    for (salt, secret_block) in [
        ("", "AA=="),
        ("xyz", "AA=="),
        ("1", "*"),
        (too_long.as_str(), "AA=="),
    ] {
        let vector = Vector {
            salt: salt.to_owned(),
            secret_block: secret_block.to_owned(),
            ..Vector::all().remove(0)
        };
        assert!(vector.prove("Passw0rd!").is_err(), "{salt} {secret_block}");
    }
}

#[test]
fn each_sign_in_has_a_number_of_its_own() {
    let first = Srp::new().expect("random numbers");
    let second = Srp::new().expect("random numbers");
    assert_ne!(first.public(), second.public());
    assert!(first.public().len() > 700);
}

#[test]
fn numbers_are_read_as_they_are() {
    for (text, expected) in [
        ("0", Some(0)),
        ("000", Some(0)),
        ("f", Some(15)),
        ("0F", Some(15)),
        ("0123456789abcdef", Some(0x0123_4567_89ab_cdef)),
        ("", None),
        ("+1", None),
    ] {
        assert_eq!(parse(text), expected.map(U3072::from_u64), "{text}");
    }
    assert_eq!(parse(N), Some(*modulus().modulus().as_ref()));
}
