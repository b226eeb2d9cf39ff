//! One body and its two attempts, of which one has it at a time.

use std::collections::VecDeque;
use std::mem;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf, Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};

use crate::error::BoxError;

/// A frame, as services below get it.
type Polled = Poll<Option<Result<Frame<Bytes>, BoxError>>>;

/// Pieces that are smaller are copied together, as a list of tiny ones would cost many times their bytes.
const SMALL: usize = 4 * 1024;

pub(super) struct Upload<B> {
    // Never contended but for the moment in which the second attempt takes over.
    state: Mutex<State<B>>,
}

struct State<B> {
    body: Pin<Box<B>>,
    /// `None` once there was too much of it, or the body has failed.
    kept: Option<Pieces>,
    limit: usize,
    /// It has been read to its end.
    is_over: bool,
    turn: Turn,
    /// Whoever polled the first attempt last.
    first: Option<Waker>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    First,
    /// It is not known yet whether there is a second.
    Paused,
    Second,
}

/// What has gone by.
#[derive(Default)]
struct Pieces {
    pieces: VecDeque<Bytes>,
    /// Of the latest, while they are small.
    tail: BytesMut,
    length: usize,
    trailers: Option<HeaderMap>,
}

impl<B> Upload<B> {
    pub(super) fn new(body: B, limit: usize) -> Self {
        let state = State {
            body: Box::pin(body),
            kept: Some(Pieces::default()),
            limit,
            is_over: false,
            turn: Turn::First,
            first: None,
        };
        Self {
            state: Mutex::new(state),
        }
    }

    fn state(&self) -> MutexGuard<'_, State<B>> {
        // A body that panics has not changed what was kept.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has the first attempt wait. `false` if the body cannot be had again.
    pub(super) fn pause(&self) -> bool {
        let mut state = self.state();
        let can = state.kept.is_some();
        if can {
            state.turn = Turn::Paused;
        }
        can
    }

    /// Has the first attempt go on, if there is no second.
    pub(super) fn go_on(&self) {
        self.pass_to(Turn::First);
    }

    /// Has the first attempt end in an error, and the second begin.
    pub(super) fn take_over(&self) {
        self.pass_to(Turn::Second);
    }

    fn pass_to(&self, turn: Turn) {
        let waker = {
            let mut state = self.state();
            if state.turn == Turn::Second {
                return;
            }
            state.turn = turn;
            state.first.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<B: Body> Upload<B>
where
    B::Error: Into<BoxError>,
{
    pub(super) fn poll_first(&self, cx: &mut Context<'_>) -> Polled {
        let mut state = self.state();
        match state.turn {
            Turn::First => {}
            Turn::Paused => {
                state.remember(cx);
                return Poll::Pending;
            }
            Turn::Second => return Poll::Ready(Some(Err(Superseded.into()))),
        }
        let Poll::Ready(frame) = state.poll_body(cx) else {
            // Whoever polls the body next takes its place there, and has to be told by this one then.
            state.remember(cx);
            return Poll::Pending;
        };
        match &frame {
            Some(Ok(frame)) => state.keep(frame),
            Some(Err(_)) => state.kept = None,
            None => state.is_over = true,
        }
        Poll::Ready(frame)
    }

    pub(super) fn poll_second(&self, cx: &mut Context<'_>) -> Polled {
        let mut state = self.state();
        if let Some(frame) = state.kept.as_mut().and_then(Pieces::next) {
            return Poll::Ready(Some(Ok(frame)));
        }
        match state.is_over {
            true => Poll::Ready(None),
            false => state.poll_body(cx),
        }
    }

    pub(super) fn first_is_at_end(&self) -> bool {
        let state = self.state();
        // Whoever is superseded has an error to come.
        state.turn != Turn::Second && state.body.is_end_stream()
    }

    pub(super) fn second_is_at_end(&self) -> bool {
        let state = self.state();
        let is_over = state.is_over || state.body.is_end_stream();
        is_over && state.kept.as_ref().is_none_or(Pieces::is_empty)
    }

    pub(super) fn size_hint_of_first(&self) -> SizeHint {
        self.state().body.size_hint()
    }

    pub(super) fn size_hint_of_second(&self) -> SizeHint {
        let state = self.state();
        let kept = state.kept.as_ref();
        let length = kept.map_or(0, |kept| kept.length as u64);
        let rest = state.body.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(length.saturating_add(rest.lower()));
        // HTTP/1 sends trailers only after a body whose length is not exact.
        let has_trailers = kept.is_some_and(|kept| kept.trailers.is_some());
        if let (false, Some(upper)) = (has_trailers, rest.upper()) {
            hint.set_upper(length.saturating_add(upper));
        }
        hint
    }
}

impl<B> State<B> {
    fn remember(&mut self, cx: &Context<'_>) {
        match &mut self.first {
            Some(waker) => waker.clone_from(cx.waker()),
            None => self.first = Some(cx.waker().clone()),
        }
    }

    fn keep(&mut self, frame: &Frame<Bytes>) {
        let Some(kept) = &mut self.kept else {
            return;
        };
        if let Some(data) = frame.data_ref() {
            match data.len() <= self.limit - kept.length {
                true => kept.push(data),
                false => self.kept = None,
            }
        } else if let Some(trailers) = frame.trailers_ref() {
            kept.trailers = Some(trailers.clone());
            // Nothing comes after them, whatever the body says.
            self.is_over = true;
        }
    }
}

impl<B: Body> State<B>
where
    B::Error: Into<BoxError>,
{
    fn poll_body(&mut self, cx: &mut Context<'_>) -> Polled {
        let frame = ready!(self.body.as_mut().poll_frame(cx));
        Poll::Ready(frame.map(|frame| match frame {
            Ok(frame) => Ok(frame.map_data(|mut data| data.copy_to_bytes(data.remaining()))),
            Err(error) => Err(error.into()),
        }))
    }
}

impl Pieces {
    fn push(&mut self, data: &Bytes) {
        self.length += data.len();
        if data.len() < SMALL {
            self.tail.extend_from_slice(data);
            return;
        }
        self.flush();
        self.pieces.push_back(data.clone());
    }

    fn flush(&mut self) {
        if !self.tail.is_empty() {
            self.pieces.push_back(mem::take(&mut self.tail).freeze());
        }
    }

    fn next(&mut self) -> Option<Frame<Bytes>> {
        self.flush();
        match self.pieces.pop_front() {
            Some(piece) => {
                self.length -= piece.len();
                Some(Frame::data(piece))
            }
            None => self.trailers.take().map(Frame::trailers),
        }
    }

    fn is_empty(&self) -> bool {
        self.length == 0 && self.trailers.is_none()
    }
}

/// Why the first upload is stopped.
#[derive(Debug)]
struct Superseded;

impl std::fmt::Display for Superseded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the server rejected the request, which is sent again: this upload is stopped")
    }
}

impl std::error::Error for Superseded {}
