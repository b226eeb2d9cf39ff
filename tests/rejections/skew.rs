//! Promises 19 and 20: a clock that is off heals in one retry, and a denial is not retried, whatever the
//! clock says.

use std::sync::LazyLock;

use http::header::{AGE, AUTHORIZATION, DATE};
use jiff::Timestamp;
use tower::Layer;
use tower_client_auth::layer::{InspectErrors, SigV4};
use tower_client_auth::sigv4::{Signer, SigningOptions, SigningScope};
use tower_client_auth::{AuthHint, Authorize, Buffer, ManualClock, PayloadHash, Scope, SigV4Layer};

use super::*;
use crate::support::promise;

const OTHER_URL: &str = "https://other.example.com/orders";
const LOCAL_URL: &str = "http://127.0.0.1:8080/orders";

// In milliseconds, since there are times before and after.
const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// How far off AWS lets a signature be.
const MOST_OFF: Duration = Duration::from_secs(5 * 60);

static CREDENTIALS: LazyLock<SigningCredentials> =
    LazyLock::new(|| SigningCredentials::new(keys(1)).expect("credentials"));

static SIGNER: LazyLock<Signer> = LazyLock::new(|| {
    let scope = SigningScope::new(REGION, SERVICE).expect("a scope");
    Signer::new(scope, SigningOptions::for_service(SERVICE))
});

fn shifted(time: SystemTime, by: i64) -> SystemTime {
    let distance = Duration::from_millis(by.unsigned_abs());
    match by < 0 {
        true => time - distance,
        false => time + distance,
    }
}

/// The time that a request says it was signed at, once it is certain that it was.
fn signed_at(head: &request::Parts) -> SystemTime {
    let date = head.headers["x-amz-date"].to_str().expect("ASCII");
    let time: Timestamp = date.parse().expect("a time");
    let time = SystemTime::from(time);
    let mut again = head.clone();
    let signed = SIGNER.sign(&mut again, &CREDENTIALS, &PayloadHash::of(b"hello"), time);
    signed.expect("a signature");
    assert_eq!(again.headers[AUTHORIZATION], head.headers[AUTHORIZATION]);
    time
}

/// How a service says that a signature is too old, or too early.
#[derive(Clone, Copy, Debug)]
enum Wording {
    Header,
    HeaderAndText,
    Xml,
    Json,
    /// It says nothing at all.
    Silence,
}

impl Wording {
    const ALL: [Self; 5] = [
        Self::Header,
        Self::HeaderAndText,
        Self::Xml,
        Self::Json,
        Self::Silence,
    ];

    fn refusal(self) -> Response<Full<Bytes>> {
        let expired = "Signature expired: 20261123T110000Z is now earlier than 20261123T115500Z \
            (20261123T120000Z - 5 min.)";
        match self {
            Self::Header => typed(403, "InvalidSignatureException"),
            Self::HeaderAndText => {
                let body = format!(r#"{{"message":"{expired}"}}"#);
                answer(403, &[(ERROR_TYPE, "InvalidSignatureException")], &body)
            }
            Self::Xml => xml(
                "RequestTimeTooSkewed",
                "The difference between the request time and the current time is too large.",
            ),
            Self::Json => {
                let kind = "com.amazon.coral.service#InvalidSignatureException";
                let body = format!(r#"{{"__type":"{kind}","message":"{expired}"}}"#);
                answer(400, &[], &body)
            }
            Self::Silence => answer(403, &[], ""),
        }
    }
}

/// A server that goes by its own clock, and answers what was signed in time with `then`.
fn server(
    clock: &ManualClock,
    wording: Wording,
    then: impl Fn() -> Response<Full<Bytes>> + Send + Sync + 'static,
) -> Server {
    let clock = clock.clone();
    Server::new(move |head| {
        let (signed, now) = (signed_at(head), clock.now());
        let off = signed.duration_since(now);
        let off = off.unwrap_or_else(|before| before.duration());
        let mut answer = match off <= MOST_OFF {
            true => then(),
            false => wording.refusal(),
        };
        answer.headers_mut().insert(DATE, date(now));
        answer
    })
}

fn accepted() -> Response<Full<Bytes>> {
    answer(200, &[], "")
}

/// Without retries.
fn sigv4(clock: &ManualClock) -> SigV4Layer<SigningCredentials> {
    let scope = Scope::origins([ORIGIN, "https://other.example.com", "http://127.0.0.1:8080"]);
    let layer = SigV4Layer::new(REGION, SERVICE, CREDENTIALS.clone()).expect("a layer");
    let layer = layer.scope(scope.expect("origins")).expect("a scope");
    layer.clock(clock.clone())
}

type Client = Authorize<Server, SigV4<SigningCredentials>, Buffer, InspectErrors>;

fn client(clock: &ManualClock, server: &Server) -> Client {
    let layer = sigv4(clock).retry_rejected(Buffer::default());
    layer.inspect_errors(64 * 1024).layer(server.clone())
}

/// Two clocks: ours at noon, and one that is ahead of it by so many milliseconds.
fn clocks(ahead: i64) -> (ManualClock, ManualClock) {
    let theirs = shifted(noon(), ahead);
    (ManualClock::new(noon()), ManualClock::new(theirs))
}

/// Either way.
const EDGES: [i64; 7] = [
    SECOND,
    4 * MINUTE,
    4 * MINUTE + SECOND,
    5 * MINUTE,
    5 * MINUTE + SECOND,
    DAY - SECOND,
    DAY,
];

fn either_way(random: &mut Random, most: i64) -> i64 {
    let most = usize::try_from(most).expect("no more than 32 bits");
    random.below(2 * most + 1) as i64 - most as i64
}

/// How often requests are sent once more to a server whose clock is ahead by so many milliseconds, where
/// each takes that long there and back.
async fn retries(random: &mut Random, ahead: i64, trip: [u64; 2]) -> usize {
    const REQUESTS: usize = 4;
    let ours = shifted(noon(), random.below(1_000) as i64);
    let (clock, theirs) = (ManualClock::new(ours), shifted(ours, ahead));
    let wording = random.pick(&Wording::ALL);
    let [there, back] = trip.map(Duration::from_millis);
    let server = server(&ManualClock::new(theirs), wording, accepted).taking(there, back);
    let client = client(&clock, &server);
    for _ in 0..REQUESTS {
        let answer = send(&client, post(URL)).await;
        assert_eq!(answer.status(), 200, "{ahead} {wording:?}");
        sleep(Duration::from_millis(random.below(5_000) as u64)).await;
    }
    server.sends() - REQUESTS
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_off_heals_in_one_retry() {
    const OFFSETS: usize = 2_000;
    /// What whole seconds and the way there may add.
    const SLACK: i64 = 3 * SECOND;
    let mut random = Random(0x5eed_0000_0000_0019);
    let (mut healed, mut untouched) = (0, 0);
    for case in 0..OFFSETS {
        let (ahead, trip) = match EDGES.get(case / 2) {
            Some(edge) if case % 2 == 0 => (*edge, [0, 0]),
            Some(edge) => (-edge, [0, 0]),
            None => {
                let most = random.pick(&[10 * MINUTE, DAY - 10 * SECOND]);
                let ahead = either_way(&mut random, most);
                let trip = [random.below(1_000) as u64, random.below(1_000) as u64];
                (ahead, trip)
            }
        };
        let retries = retries(&mut random, ahead, trip).await;
        assert!(retries <= 1, "{ahead} {trip:?}");
        if ahead.abs() <= 4 * MINUTE {
            assert_eq!(retries, 0, "{ahead} {trip:?}");
            untouched += 1;
        }
        if ahead.abs() > 5 * MINUTE + SLACK {
            assert_eq!(retries, 1, "{ahead} {trip:?}");
        }
        healed += retries;
    }
    assert!(healed > OFFSETS / 4 && untouched > OFFSETS / 10);
    promise(
        19,
        format_args!(
            "{OFFSETS} clocks up to 24 h off: every request accepted, {healed} of the clocks at the \
             price of one retry; {untouched} up to 4 min off, without any"
        ),
    );
}

#[tokio::test(start_paused = true)]
async fn a_clock_more_than_a_day_off_is_not_believed() {
    for ahead in [DAY + 2 * SECOND, -DAY - 2 * SECOND, 400 * DAY, -400 * DAY] {
        let (ours, theirs) = clocks(ahead);
        let server = server(&theirs, Wording::Header, accepted);
        let client = client(&ours, &server);
        for sends in 1..4 {
            assert_eq!(send(&client, post(URL)).await.status(), 403);
            assert_eq!(server.sends(), sends, "{ahead}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_date_that_may_be_somebody_elses_changes_nothing() {
    type Change = fn(&mut HeaderMap);
    let changes: [(&str, Change); 4] = [
        ("no date", |headers| {
            headers.remove(DATE);
        }),
        ("a cache's", |headers| {
            headers.insert(AGE, HeaderValue::from_static("0"));
        }),
        ("two of them", |headers| {
            let twice = headers[DATE].clone();
            headers.append(DATE, twice);
        }),
        ("no time at all", |headers| {
            headers.insert(DATE, HeaderValue::from_static("soon"));
        }),
    ];
    for (what, change) in changes {
        for wording in Wording::ALL {
            let (ours, theirs) = clocks(HOUR);
            let honest = server(&theirs, wording, accepted);
            let server = Server::new(move |head| {
                let mut answer = (honest.answer)(head);
                change(answer.headers_mut());
                answer
            });
            let client = client(&ours, &server);
            for sends in 1..4 {
                let answer = send(&client, post(URL)).await;
                let refusal = wording.refusal();
                assert_eq!(answer.status(), refusal.status(), "{what} {wording:?}");
                let text = refusal.into_body().into_inner().unwrap_or_default();
                assert_eq!(*answer.body(), text);
                assert_eq!(server.sends(), sends, "{what} {wording:?}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn plain_http_heals_where_it_is_told_to() {
    for wording in Wording::ALL {
        let (ours, theirs) = clocks(-HOUR);
        let server = server(&theirs, wording, accepted);
        let retrying = sigv4(&ours).retry_rejected(Buffer::default());
        let retrying = retrying.inspect_errors(64 * 1024);
        let deaf = retrying.clone().layer(server.clone());
        for sends in 1..4 {
            let answer = send(&deaf, post(LOCAL_URL)).await;
            assert_eq!(answer.status(), wording.refusal().status());
            assert_eq!(server.sends(), sends, "{wording:?}");
        }
        let heeding = retrying.heed_loopback_date().layer(server.clone());
        for sends in 5..8 {
            assert_eq!(send(&heeding, post(LOCAL_URL)).await.status(), 200);
            assert_eq!(server.sends(), sends, "{wording:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn two_origins_heal_each_by_its_own_clock() {
    let (ours, ahead) = clocks(HOUR);
    let (_, behind) = clocks(-HOUR);
    let (first, second) = (
        server(&ahead, Wording::Json, accepted),
        server(&behind, Wording::Xml, accepted),
    );
    let both = Server::new(move |head| match head.uri.host() {
        Some("other.example.com") => (second.answer)(head),
        _ => (first.answer)(head),
    });
    let client = client(&ours, &both);
    let mut expected = 0;
    for round in 0..10 {
        for uri in [URL, OTHER_URL] {
            assert_eq!(send(&client, post(uri)).await.status(), 200);
            expected += if round == 0 { 2 } else { 1 };
            assert_eq!(both.sends(), expected, "{round} {uri}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn without_retries_the_first_is_refused_and_the_second_accepted() {
    let (ours, theirs) = clocks(HOUR);
    let server = server(&theirs, Wording::Header, accepted);
    let client = sigv4(&ours).layer(server.clone());
    let answer = send(&client, post(URL)).await;
    assert_eq!(answer.status(), 403);
    let hint = AuthHint::of(&answer);
    assert_eq!(
        hint,
        Some(&AuthHint::ClockSkew {
            seconds: Some(3600)
        })
    );
    for sends in 2..5 {
        assert_eq!(send(&client, post(URL)).await.status(), 200);
        assert_eq!(server.sends(), sends);
    }
}

/// How a service says that somebody may not.
fn denials() -> [(&'static str, Response<Full<Bytes>>); 4] {
    let denied = "User: arn:aws:sts::123456789012:assumed-role/guest/x is not authorized to perform: \
        execute-api:Invoke";
    let body = format!(
        r#"{{"__type":"com.amazon.coral.service#AccessDeniedException","Message":"{denied}"}}"#
    );
    [
        ("by a header", typed(403, "AccessDeniedException")),
        ("in XML", xml("AccessDenied", "Access Denied")),
        ("in JSON", answer(400, &[], &body)),
        ("without a word", answer(403, &[], "")),
    ]
}

/// How often requests are sent that are all refused, and how often once more.
async fn denied(client: &Client, server: &Server, every: Duration) -> (usize, usize) {
    const REQUESTS: usize = 10_000;
    let before = server.sends();
    for _ in 0..REQUESTS {
        let answer = send(client, post(URL)).await;
        assert!(answer.status().is_client_error());
        sleep(every).await;
    }
    (REQUESTS, server.sends() - before - REQUESTS)
}

#[tokio::test(start_paused = true)]
async fn a_denial_is_not_retried_by_a_clock_that_was_corrected() {
    for (what, denial) in denials() {
        let (ours, theirs) = clocks(10 * MINUTE);
        let first = AtomicUsize::default();
        let then = move || match first.fetch_add(1, Ordering::SeqCst) {
            0 => accepted(),
            _ => denial.clone(),
        };
        let server = server(&theirs, Wording::Header, then);
        let client = client(&ours, &server);
        assert_eq!(send(&client, post(URL)).await.status(), 200);
        assert_eq!(server.sends(), 2, "corrected");
        let (requests, retries) = denied(&client, &server, Duration::from_millis(100)).await;
        assert!(retries <= 1, "{what}: {retries}");
        promise(
            20,
            format_args!("{requests} denials {what}, a clock 10 min off: {retries} retries"),
        );
    }
}

/// By a firewall, perhaps, that stands before whoever looks at signatures: the clock may be why, and turns
/// out not to be.
#[tokio::test(start_paused = true)]
async fn a_denial_that_may_be_the_clocks_doing_is_retried_once() {
    for ahead in [10 * MINUTE, -10 * MINUTE, 23 * HOUR] {
        let (ours, theirs) = clocks(ahead);
        let server = Server::new(move |_| {
            let mut answer = answer(403, &[], "");
            answer.headers_mut().insert(DATE, date(theirs.now()));
            answer
        });
        let client = client(&ours, &server);
        // Within the ten minutes after which it might be tried again.
        let (requests, retries) = denied(&client, &server, Duration::from_millis(50)).await;
        assert_eq!(retries, 1, "{ahead}");
        promise(
            20,
            format_args!(
                "{requests} denials that nobody explains, a clock {} min off: {retries} retries",
                ahead / MINUTE
            ),
        );
    }
}
