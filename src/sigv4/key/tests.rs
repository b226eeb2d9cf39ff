use super::*;

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const IDENTITY: (&str, &str) = ("AKIDEXAMPLE", SECRET);

fn scope(service: &str) -> SigningScope {
    SigningScope::new("us-east-1", service).expect("a scope")
}

/// Several threads sign for more days and services than are kept: every key is the derived one.
#[test]
fn a_kept_key_is_the_derived_one() {
    let keys = SigningKeys::new();
    std::thread::scope(|threads| {
        for thread in 0..4_u64 {
            let keys = &keys;
            threads.spawn(move || {
                for turn in 0..500_u64 {
                    let day = (turn + thread) % 7;
                    let service = ["s3", "es", "sqs", "sns", "iam"][(turn % 5) as usize];
                    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(day * 86_400);
                    let derived = generate_signing_key(SECRET, time, "us-east-1", service);
                    let second = day * 86_400 + turn % 3;
                    let hash = [b'0'; 64];
                    let text = format!(
                        "AWS4-HMAC-SHA256\n1970010{day}T00000{}Z\n\
                         1970010{day}/us-east-1/{service}/aws4_request\n{}",
                        turn % 3,
                        "0".repeat(64),
                        day = day + 1,
                    );
                    let expected =
                        aws_sigv4::sign::v4::calculate_signature(derived, text.as_bytes());
                    keys.with(IDENTITY, second, &scope(service), |stamp| {
                        let mut room = [0; 64];
                        let mut text = Text::new(&mut room);
                        stamp.sign(&hash, &mut text)?;
                        assert_eq!(text.written(), expected.as_bytes());
                        Ok(())
                    })
                    .expect("a stamp");
                }
            });
        }
    });
    assert_eq!(keys.recent.load().len(), KEPT);
}

/// Seconds come and go, and the key stays.
#[test]
fn a_key_is_derived_once_for_all_seconds_of_a_day() {
    let keys = SigningKeys::new();
    let use_at = |second, service| {
        keys.with(IDENTITY, second, &scope(service), |stamp| {
            Ok(Arc::as_ptr(&stamp.key))
        })
        .expect("a stamp")
    };
    let (rare, often) = (use_at(0, "s3"), use_at(0, "es"));
    for second in 0..100 {
        assert_eq!(use_at(second, "es"), often);
    }
    assert_eq!(use_at(86_399, "s3"), rare);
    assert!(keys.recent.load().len() <= 2 * KEPT_OF_A_KEY);
    assert_ne!(use_at(86_400, "s3"), rare, "another day");
}

#[test]
fn a_time_that_cannot_be_written_derives_no_key() {
    let keys = SigningKeys::new();
    for second in [253_402_300_800, u64::MAX] {
        let error = keys.with(IDENTITY, second, &scope("s3"), |_| Ok(()));
        assert_eq!(
            error.expect_err("out of range").kind(),
            AuthErrorKind::Request
        );
    }
    assert!(keys.recent.load().is_empty());
}

/// The key itself is not kept, only the two states that HMAC makes of it, and a buffer. `Hmac` lacks
/// the marker, its parts have it.
#[test]
fn what_is_made_of_a_key_is_wiped() {
    use hmac::EagerHash;
    use hmac::digest::block_api::{Buffer, CoreProxy};

    const fn is_wiped<T: zeroize::ZeroizeOnDrop>() {}
    const {
        is_wiped::<<Sha256 as EagerHash>::Core>();
        is_wiped::<Buffer<<Hmac<Sha256> as CoreProxy>::Core>>();
        is_wiped::<Sha256>();
    }
}
