//! Promise 18, on the way back: an answer that was looked into is handed on as it came.

use std::collections::VecDeque;
use std::pin::Pin;

use futures::{FutureExt, stream};
use http::StatusCode;
use http_body::{Frame, SizeHint};
use http_body_util::StreamBody;
use tower::{Layer, service_fn};
use tower_client_auth::layer::PeekBody;
use tower_client_auth::{BearerTokenLayer, CloneBody, Token};

use super::*;
use crate::support::promise;

#[derive(Clone, Debug, PartialEq)]
enum Piece {
    Data(Bytes),
    Trailers(HeaderMap),
    Broken,
}

#[derive(Debug)]
struct Broken;

impl From<Result<Frame<Bytes>, Broken>> for Piece {
    fn from(frame: Result<Frame<Bytes>, Broken>) -> Self {
        match frame.map(Frame::into_data) {
            Ok(Ok(data)) => Self::Data(data),
            Ok(Err(frame)) => Self::Trailers(frame.into_trailers().expect("trailers")),
            Err(Broken) => Self::Broken,
        }
    }
}

/// What comes after the pieces.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Then {
    End,
    /// The same over and over.
    Forever(&'static [u8]),
    /// Nothing, and no end either.
    Silence,
}

/// What a body says beforehand of its length.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Says {
    Nothing,
    AtLeast,
    Between,
    Exactly,
}

/// A body that does as it is told, and counts how often it is asked.
#[derive(Clone, Debug)]
struct Script {
    pieces: VecDeque<Piece>,
    then: Then,
    says: Says,
    knows_its_end: bool,
    /// Whether it is never ready when it is asked for the first time.
    stutters: bool,
    polls: Arc<AtomicUsize>,
}

impl Script {
    fn new(data: &[u8], then: Then) -> Self {
        Self {
            pieces: [Piece::Data(Bytes::copy_from_slice(data))].into(),
            then,
            says: Says::Nothing,
            knows_its_end: false,
            stutters: false,
            polls: Arc::default(),
        }
    }

    fn random(random: &mut Random, most: usize) -> Self {
        let length = random.below(most + 1);
        let data = random_bytes(random, length);
        let pieces = cut(random, &data).into_iter().map(Piece::Data);
        let mut pieces: VecDeque<_> = pieces.collect();
        let then = match random.one_in(8) {
            true => Then::Forever(b"more"),
            false => Then::End,
        };
        if then == Then::End && random.one_in(3) {
            pieces.push_back(Piece::Trailers(trailers(random.next())));
        }
        if random.one_in(4) {
            let at = random.below(pieces.len() + 1);
            pieces.insert(at, Piece::Broken);
        }
        Self {
            pieces,
            then,
            says: random.pick(&[Says::Nothing, Says::AtLeast, Says::Between, Says::Exactly]),
            knows_its_end: random.one_in(2),
            stutters: random.one_in(2),
            polls: Arc::default(),
        }
    }

    fn polls(&self) -> usize {
        self.polls.load(Ordering::SeqCst)
    }

    /// How much data there is from piece `at` on, without what comes after the pieces.
    fn left(&self, at: usize) -> u64 {
        let lengths = self.pieces.iter().skip(at).map(|piece| match piece {
            Piece::Data(data) => data.len() as u64,
            Piece::Trailers(_) | Piece::Broken => 0,
        });
        lengths.sum()
    }
}

impl Body for Script {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let before = self.polls.fetch_add(1, Ordering::SeqCst);
        if self.stutters && before.is_multiple_of(2) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(match (self.pieces.pop_front(), self.then) {
            (Some(Piece::Data(data)), _) => Some(Ok(Frame::data(data))),
            (Some(Piece::Trailers(map)), _) => Some(Ok(Frame::trailers(map))),
            (Some(Piece::Broken), _) => Some(Err(Broken)),
            (None, Then::End) => None,
            (None, Then::Forever(data)) => Some(Ok(Frame::data(Bytes::from_static(data)))),
            (None, Then::Silence) => return Poll::Pending,
        })
    }

    fn is_end_stream(&self) -> bool {
        self.knows_its_end && self.pieces.is_empty() && self.then == Then::End
    }

    fn size_hint(&self) -> SizeHint {
        let (left, mut hint) = (self.left(0), SizeHint::new());
        if self.then != Then::End {
            return hint;
        }
        match self.says {
            Says::Nothing => {}
            Says::AtLeast => hint.set_lower(left / 2),
            Says::Between => {
                hint.set_lower(left / 2);
                hint.set_upper(left * 2);
            }
            Says::Exactly => hint.set_exact(left),
        }
        hint
    }
}

/// The answer to a request, through a layer that looks into it.
async fn ask(limit: usize, status: u16, script: &Script) -> Response<PeekBody<Script>> {
    let status = StatusCode::from_u16(status).expect("a status");
    let script = script.clone();
    let server = service_fn(move |_: Request<Full<Bytes>>| {
        let mut answer = Response::new(script.clone());
        *answer.status_mut() = status;
        ready(Ok::<_, Infallible>(answer))
    });
    // It asks for another token after a 401, gets the same, and goes on with the answer.
    let layer = BearerTokenLayer::new(ORIGIN, Token::from("token")).expect("a layer");
    let layer = layer.retry_rejected(CloneBody).inspect_errors(limit);
    let answer = layer.layer(server).oneshot(post(URL)).await;
    answer.expect("an answer")
}

/// What is said of the length is true before piece `at`.
fn check_hint(script: &Script, at: usize, hint: &SizeHint) {
    let left = script.left(at);
    if script.then != Then::End {
        assert_eq!(hint.upper(), None);
        return;
    }
    let is_true = hint.lower() <= left && hint.upper().is_none_or(|upper| left <= upper);
    assert!(is_true, "{left} at {at}: {hint:?}");
    if script.says == Says::Exactly {
        assert_eq!(hint.exact(), Some(left), "{at}");
    }
}

/// The caller gets all of it, piece by piece, as far as a body goes that breaks off.
async fn check(mut body: PeekBody<Script>, script: &Script) {
    for (at, piece) in script.pieces.iter().enumerate() {
        check_hint(script, at, &body.size_hint());
        assert!(!body.is_end_stream(), "{at}");
        let frame = body.frame().await.expect("a piece");
        assert_eq!(Piece::from(frame), *piece, "{at}");
        if *piece == Piece::Broken {
            return;
        }
    }
    check_hint(script, script.pieces.len(), &body.size_hint());
    match script.then {
        Then::End => assert!(body.frame().await.is_none()),
        Then::Forever(data) => {
            let data = Bytes::from_static(data);
            for _ in 0..100 {
                let frame = body.frame().await.expect("a piece");
                assert_eq!(Piece::from(frame), Piece::Data(data.clone()));
            }
        }
        Then::Silence => assert!(body.frame().now_or_never().is_none()),
    }
}

#[tokio::test]
async fn an_answer_that_was_looked_into_is_handed_on_as_it_came() {
    const ANSWERS: usize = 1_000;
    let mut random = Random(0x5eed_0000_0003_0018);
    let (mut broken, mut endless, mut with_trailers) = (0, 0, 0);
    for round in 0..ANSWERS {
        let limit = random.pick(&[0, 1, 10, 64]);
        let status = random.pick(&[400, 401, 403]);
        let script = Script::random(&mut random, 3 * limit);
        let answer = ask(limit, status, &script).await;
        assert_eq!(answer.status(), status);
        check(answer.into_body(), &script).await;
        let ends = |piece: &Piece| matches!(piece, Piece::Trailers(_));
        broken += usize::from(script.pieces.contains(&Piece::Broken));
        endless += usize::from(script.then != Then::End);
        with_trailers += usize::from(script.pieces.iter().any(ends));
        assert!(script.polls() > 0, "{round}: read by the caller at least");
    }
    for (kind, count) in [
        ("broken", broken),
        ("endless", endless),
        ("trailers", with_trailers),
    ] {
        assert!(count > ANSWERS / 20, "{kind}: only {count}");
    }
    promise(
        18,
        format_args!(
            "{ANSWERS} of {ANSWERS} answers handed on as they came after a look into them; {broken} \
             broke off, {endless} had no end, {with_trailers} had trailers"
        ),
    );
}

#[tokio::test]
async fn answers_that_refuse_nothing_are_not_looked_into() {
    let mut random = Random(0x5eed_0000_0004_0018);
    for status in [200, 201, 204, 206, 301, 304, 404, 409, 413, 429, 500, 503] {
        for _ in 0..20 {
            let script = Script::random(&mut random, 200);
            let answer = ask(64, status, &script).await;
            assert_eq!(script.polls(), 0, "{status}");
            check(answer.into_body(), &script).await;
        }
    }
}

#[tokio::test]
async fn no_more_is_read_than_it_takes() {
    const TEN: &[u8] = b"0123456789";
    for (limit, pieces) in [(0, 0), (1, 1), (10, 1), (11, 2), (64, 7)] {
        let script = Script::new(TEN, Then::Forever(TEN));
        let answer = ask(limit, 403, &script).await;
        assert_eq!(script.polls(), pieces, "{limit}");
        check(answer.into_body(), &script).await;
    }
    // Nor is there an end to a body with nothing in it.
    let script = Script::new(b"", Then::Forever(b""));
    let answer = ask(64, 403, &script).await;
    assert!(script.polls() < 1_000);
    check(answer.into_body(), &script).await;
}

#[tokio::test]
async fn a_body_that_stops_in_the_middle_is_waited_for_up_to_the_limit() {
    let script = Script::new(&[7; 64], Then::Silence);
    let answer = ask(64, 403, &script).now_or_never();
    check(answer.expect("enough of it is there").into_body(), &script).await;
    let script = Script::new(&[7; 63], Then::Silence);
    assert!(ask(64, 403, &script).now_or_never().is_none());
}

/// `http_body` has bodies that ended say so again. Those over some streams panic instead.
#[tokio::test]
async fn a_body_that_has_ended_is_not_asked_again() {
    let server = service_fn(|_: Request<Full<Bytes>>| {
        let frames = stream::unfold(0, |at| async move {
            let frame = Frame::data(Bytes::from_static(b"no"));
            (at < 3).then_some((Ok::<_, Infallible>(frame), at + 1))
        });
        let mut answer = Response::new(StreamBody::new(frames));
        *answer.status_mut() = StatusCode::FORBIDDEN;
        ready(Ok::<_, Infallible>(answer))
    });
    let layer = BearerTokenLayer::new(ORIGIN, Token::from("token")).expect("a layer");
    let layer = layer.inspect_errors(64);
    let answer = send(&layer.layer(server), post(URL)).await;
    assert_eq!(answer.body(), "nonono");
}
