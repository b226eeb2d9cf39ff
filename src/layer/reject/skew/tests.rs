//! The edges of the rule, each as a case of its own.

use http::HeaderValue;

use super::*;

/// 2026-11-23 12:00:00, a whole second.
fn noon() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_435_200)
}

const MINUTE: i64 = 60;
const DAY: i64 = 24 * 3600;

fn later(time: SystemTime, seconds: i64) -> SystemTime {
    Skew(seconds * 1000).apply(time)
}

fn authority(host: &'static str) -> Authority {
    Authority::from_static(host)
}

/// Headers with the `Date` of a clock that is so many seconds ahead of ours.
fn date(ours: SystemTime, ahead: i64) -> HeaderMap {
    let date = httpdate::fmt_http_date(later(ours, ahead));
    let date = HeaderValue::from_str(&date).expect("a value");
    HeaderMap::from_iter([(header::DATE, date)])
}

/// An attempt at noon, and the skew it was made with.
fn attempt(skews: &Skews) -> (Attempt, i64) {
    let (attempt, time) = skews.attempt(true, &authority("api.example.com"), noon(), None);
    (attempt, Skew::between(time, noon()).seconds())
}

/// A second attempt, by that guess.
fn guessed(skews: &Skews, seconds: i64) -> Attempt {
    let guess = Some(Skew(seconds * 1000));
    let api = authority("api.example.com");
    skews.attempt(true, &api, noon(), guess).0
}

/// Whether a refusal with that `Date` has the request signed again.
fn is_corrected(skews: &Skews, reason: Option<Reason>, ahead: i64) -> bool {
    let (attempt, _) = attempt(skews);
    let corrected = skews.refused(&attempt, reason, &date(noon(), ahead), (noon(), TOLERANCE));
    corrected.is_some()
}

#[test]
fn more_than_four_minutes_count_and_no_more_than_a_day() {
    // Behind, a second more is needed to be certain: a `Date` is cut to whole seconds.
    for (ahead, expected) in [
        (0, false),
        (1, false),
        (-1, false),
        (4 * MINUTE, false),
        (-4 * MINUTE, false),
        (4 * MINUTE + 1, true),
        (-4 * MINUTE - 2, true),
        (10 * MINUTE, true),
        (DAY, true),
        (-DAY, true),
        (DAY + 1, false),
        (-DAY - 2, false),
        (400 * DAY, false),
    ] {
        for reason in [None, Some(Reason::Signature), Some(Reason::Clock)] {
            let skews = Skews::default();
            assert_eq!(
                is_corrected(&skews, reason, ahead),
                expected,
                "{ahead} {reason:?}"
            );
            let (_, skew) = attempt(&skews);
            // Without a word of the clock or the signature it is for the second attempt alone.
            let learned = if expected && reason.is_some() {
                ahead
            } else {
                0
            };
            assert_eq!(skew, learned, "{ahead}");
        }
    }
}

#[test]
fn a_date_that_may_not_be_the_servers_does_not_count() {
    let skews = Skews::default();
    let (attempt, _) = attempt(&skews);
    let refused = |headers: &HeaderMap| {
        let skew = skews.refused(&attempt, Some(Reason::Clock), headers, (noon(), TOLERANCE));
        skew.is_some()
    };
    let hour = date(noon(), 3600);
    let mut cached = hour.clone();
    cached.insert(header::AGE, HeaderValue::from_static("0"));
    let mut two = hour.clone();
    two.append(header::DATE, hour[header::DATE].clone());
    let mut odd = hour.clone();
    for value in ["", "soon", "Mon, 23 Nov 2026 25:00:00 GMT", "1795438800"] {
        odd.insert(header::DATE, HeaderValue::from_static(value));
        assert!(!refused(&odd), "{value}");
    }
    odd.insert(
        header::DATE,
        HeaderValue::from_bytes(b"\xff").expect("a value"),
    );
    for headers in [&HeaderMap::new(), &cached, &two, &odd] {
        assert!(!refused(headers), "{headers:?}");
    }
    assert!(refused(&hour));
}

#[test]
fn a_request_that_was_long_under_way_says_little() {
    let slow = 15 * MINUTE;
    for (ahead, when, expected) in [
        // A clock that is right, whether it was read when the request came or when the answer went.
        (0, 0, false),
        (0, slow, false),
        (0, slow / 2, false),
        (4 * MINUTE, slow, false),
        (-4 * MINUTE, 0, false),
        // One that is not, for certain.
        (12 * MINUTE, slow, true),
        (-12 * MINUTE, 0, true),
        (3600, slow / 2, true),
    ] {
        let skews = Skews::default();
        let (attempt, _) = attempt(&skews);
        let headers = date(later(noon(), when), ahead);
        let answered = later(noon(), slow);
        let skew = skews.refused(
            &attempt,
            Some(Reason::Clock),
            &headers,
            (answered, TOLERANCE),
        );
        assert_eq!(skew.is_some(), expected, "{ahead} {when}");
    }
}

#[test]
fn every_origin_has_a_clock_of_its_own() {
    let skews = Skews::default();
    let origins = [
        (true, "a.example.com", 3600),
        (true, "b.example.com", -3600),
        (true, "a.example.com:8443", 7200),
        (false, "a.example.com", 10_800),
    ];
    for (https, host, ahead) in origins {
        let (attempt, time) = skews.attempt(https, &authority(host), noon(), None);
        assert_eq!(time, noon());
        let skew = skews.refused(
            &attempt,
            Some(Reason::Clock),
            &date(noon(), ahead),
            (noon(), TOLERANCE),
        );
        assert_eq!(skew.expect("a skew").seconds(), ahead);
    }
    for (https, host, ahead) in origins {
        let (_, time) = skews.attempt(https, &authority(host), noon(), None);
        assert_eq!(Skew::between(time, noon()).seconds(), ahead, "{host}");
    }
    let (_, time) = skews.attempt(true, &authority("c.example.com"), noon(), None);
    assert_eq!(time, noon());

    // A clone shares what is known, and few are kept.
    let clone = skews.clone();
    for n in 0..1000 {
        let host: Authority = format!("h{n}.example.com").parse().expect("an authority");
        let (attempt, _) = clone.attempt(true, &host, noon(), None);
        clone.refused(
            &attempt,
            Some(Reason::Clock),
            &date(noon(), 3600),
            (noon(), TOLERANCE),
        );
    }
    assert_eq!(skews.shared.origins.load().len(), KEPT);
    let (_, time) = skews.attempt(true, &authority("h999.example.com"), noon(), None);
    assert_ne!(time, noon());
}

#[test]
fn a_denial_by_the_right_clock_is_no_reason_for_another() {
    let skews = Skews::default();
    assert!(is_corrected(&skews, None, 10 * MINUTE));
    skews.accepted(&guessed(&skews, 10 * MINUTE));
    // Another one that measured it a little later.
    skews.accepted(&guessed(&skews, 10 * MINUTE + 1));
    assert_eq!(attempt(&skews).1, 10 * MINUTE);
    for reason in [None, Some(Reason::Signature)] {
        for _ in 0..100 {
            assert!(!is_corrected(&skews, reason, 10 * MINUTE), "{reason:?}");
        }
    }
    assert_eq!(attempt(&skews).1, 10 * MINUTE);
}

#[test]
fn a_refusal_without_a_word_moves_the_clock_of_nobody_else() {
    let skews = Skews::default();
    assert!(is_corrected(&skews, None, 10 * MINUTE));
    assert_eq!(attempt(&skews).1, 0);
    // The second attempt is refused as well, by that clock or by another one.
    let second = guessed(&skews, 10 * MINUTE);
    for ahead in [10 * MINUTE, 0] {
        let headers = date(noon(), ahead);
        assert!(
            skews
                .refused(&second, None, &headers, (noon(), TOLERANCE))
                .is_none()
                || ahead == 0
        );
        assert_eq!(attempt(&skews).1, 0);
        // It is not tried again for every request.
        assert!(!is_corrected(&skews, None, 10 * MINUTE));
        assert!(!is_corrected(&skews, Some(Reason::Signature), 10 * MINUTE));
    }
    assert_eq!(attempt(&skews).1, 0);
    // Unless the server says that it is the clock.
    assert!(is_corrected(&skews, Some(Reason::Clock), 10 * MINUTE));
    assert_eq!(attempt(&skews).1, 10 * MINUTE);
}

#[test]
fn what_did_not_help_is_tried_again_after_a_while() {
    let skews = Skews::default();
    assert!(is_corrected(&skews, None, 3600));
    let second = guessed(&skews, 3600);
    assert!(
        skews
            .refused(&second, None, &date(noon(), 3600), (noon(), TOLERANCE))
            .is_none()
    );
    for (minutes, expected) in [(1, false), (9, false), (10, true)] {
        let now = later(noon(), minutes * MINUTE);
        let (attempt, _) = skews.attempt(true, &authority("api.example.com"), now, None);
        let skew = skews.refused(&attempt, None, &date(now, 3600), (now, TOLERANCE));
        assert_eq!(skew.is_some(), expected, "{minutes}");
    }
}

#[test]
fn a_signature_that_was_accepted_settles_it() {
    let skews = Skews::default();
    assert!(is_corrected(&skews, Some(Reason::Signature), 3600));
    let (good, skew) = attempt(&skews);
    assert_eq!(skew, 3600);
    // Another request was refused meanwhile, for reasons of its own.
    assert!(!is_corrected(&skews, None, 3600));
    assert_eq!(attempt(&skews).1, 0);
    skews.accepted(&good);
    assert_eq!(attempt(&skews).1, 3600);
    assert!(!is_corrected(&skews, None, 3600));
    assert_eq!(attempt(&skews).1, 3600);
}

#[test]
fn a_correction_that_the_server_calls_wrong_is_dropped_even_if_it_was_right_once() {
    let skews = Skews::default();
    assert!(is_corrected(&skews, Some(Reason::Clock), 3600));
    let (good, _) = attempt(&skews);
    skews.accepted(&good);
    // Our clock was set right, and the answers have no `Date` any more.
    let (corrected, skew) = attempt(&skews);
    assert_eq!(skew, 3600);
    let none = HeaderMap::new();
    assert_eq!(
        skews.refused(&corrected, None, &none, (noon(), TOLERANCE)),
        None
    );
    assert_eq!(attempt(&skews).1, 3600);
    let ours = skews.refused(&corrected, Some(Reason::Clock), &none, (noon(), TOLERANCE));
    assert_eq!(ours, Some(Skew::default()));
    assert_eq!(attempt(&skews).1, 0);
}

#[test]
fn a_clock_that_is_set_right_is_noticed() {
    let skews = Skews::default();
    assert!(is_corrected(&skews, Some(Reason::Clock), -3600));
    let (good, skew) = attempt(&skews);
    assert_eq!(skew, -3600);
    skews.accepted(&good);
    assert!(is_corrected(&skews, Some(Reason::Clock), 0));
    assert_eq!(attempt(&skews).1, 0);
    assert!(!is_corrected(&skews, Some(Reason::Clock), 0));
}
