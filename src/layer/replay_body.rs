//! Bodies that stream, and of which what has gone by is kept, so that they can be sent twice.

mod body;
mod upload;

use std::fmt;
use std::future::Pending;
use std::sync::Arc;

use http::request;
use http_body::Body;

pub use self::body::ReplayedBody;
use self::upload::Upload;
use super::body::{PreparePayload, Readied, Step, unread};
use super::{Need, Sealing};
use crate::error::BoxError;

/// Bodies stream, and what has gone by is kept up to a limit, so that a request can be sent twice if the server rejects
/// it before more of it has gone.
///
/// ```
/// use tower_client_auth::{BearerTokenLayer, ReplayBody, Token};
///
/// let token = Token::new("mF_9.B5f-4.1JqM")?;
/// let layer = BearerTokenLayer::new("https://api.example.com", token)?
///     .retry_rejected(ReplayBody::new(256 * 1024));
/// # Ok::<(), tower_client_auth::AuthError>(())
/// ```
///
/// For bodies of any length that can be had once: uploads, and what a proxy passes on. Nothing waits for it: the first
/// attempt is under way while it is kept, and a server that rejects it early, as most do that look at the head first, has
/// the second attempt begin with what was kept and go on with what is still to come. Beyond the limit there is no second
/// attempt, nothing is kept any more, and the server's own answer is the caller's.
///
/// | | reads first | keeps | can be sent again |
/// |---|---|---|---|
/// | [`CloneBody`](crate::CloneBody) | nothing | a clone | bodies with cheap and complete clones |
/// | [`Buffer`](crate::Buffer) | all, if it is hashed | all | bodies within its limit |
/// | `ReplayBody` | nothing | what has gone by, up to its limit | any, if rejected before more has gone |
///
/// - **An upload that is rejected is stopped** where it is, with an error to the connection: no server takes a part for the
///   whole. Over HTTP/1 this closes the connection, over HTTP/2 it resets the stream.
/// - **While the next credential is awaited** the first upload pauses. If there is none, it goes on, and its answer is the
///   caller's.
/// - **Schemes that hash the body** read it first anyway: use [`Buffer`](crate::Buffer) with these, or give the hash
///   ([`AuthOverride::payload_hash`](crate::AuthOverride::payload_hash)). Where it is hashed in chunks, to S3, this goes below
///   them: `Chunked::signed().keeping(ReplayBody::default())`.
/// - It allocates twice for each request that has a body, and keeps small pieces together.
#[derive(Clone, Copy, Debug)]
pub struct ReplayBody {
    limit: usize,
}

impl ReplayBody {
    /// 64 KiB: what is on its way, in buffers of sockets and HTTP/2's windows, when a server answers at once.
    pub const DEFAULT_LIMIT: usize = 64 * 1024;

    /// Keeps up to `limit` bytes of each body.
    pub fn new(limit: usize) -> Self {
        Self { limit }
    }
}

impl Default for ReplayBody {
    fn default() -> Self {
        Self::new(Self::DEFAULT_LIMIT)
    }
}

impl<B: Body> PreparePayload<B> for ReplayBody
where
    B::Error: Into<BoxError>,
{
    type Prepared = Attempt<B>;
    type Spare = Kept<B>;
    type Body = ReplayedBody<B>;
    type Future = Pending<Readied<Attempt<B>>>;

    fn stream(&self, body: B) -> Attempt<B> {
        Attempt(match body.is_end_stream() {
            // That of a GET, for one: nothing has to be kept.
            true => Which::Empty(body),
            false => Which::First(Arc::new(Upload::new(body, self.limit))),
        })
    }

    fn prepare(
        &self,
        _head: &mut request::Parts,
        need: Need,
        body: B,
    ) -> Step<Readied<Attempt<B>>, Self::Future> {
        Step::Now(unread(need, self.stream(body)))
    }

    fn keep(&self, prepared: &Attempt<B>) -> Option<Kept<B>> {
        match &prepared.0 {
            Which::Empty(_) | Which::Nothing => Some(Kept(None)),
            Which::First(upload) => Some(Kept(Some(Arc::clone(upload)))),
            Which::Second(_) => None,
        }
    }

    fn replay(&self, spare: Kept<B>) -> Option<Attempt<B>> {
        Some(Attempt(match spare.0 {
            None => Which::Nothing,
            Some(upload) => Which::Second(Pause::of(upload)?),
        }))
    }

    fn seal(&self, prepared: Attempt<B>, _sealing: Sealing) -> ReplayedBody<B> {
        match prepared.0 {
            Which::Empty(body) => ReplayedBody::plain(body),
            Which::First(upload) => ReplayedBody::first(upload),
            Which::Second(pause) => ReplayedBody::second(pause.take_over()),
            Which::Nothing => ReplayedBody::nothing(),
        }
    }

    fn bypass(&self, body: B) -> ReplayedBody<B> {
        ReplayedBody::plain(body)
    }
}

/// A body that is about to be sent, for the first time or for the second.
pub struct Attempt<B>(Which<B>);

enum Which<B> {
    Empty(B),
    First(Arc<Upload<B>>),
    Second(Pause<B>),
    /// What was empty, once more.
    Nothing,
}

/// What brings a body back: the upload, or nothing if there was nothing in it.
pub struct Kept<B>(Option<Arc<Upload<B>>>);

/// The first upload waits while this is there, and goes on afterwards, unless it was taken over.
struct Pause<B>(Arc<Upload<B>>);

impl<B> Pause<B> {
    /// `None` if the body cannot be had again.
    fn of(upload: Arc<Upload<B>>) -> Option<Self> {
        upload.pause().then(|| Self(upload))
    }

    /// Stops the first upload for good.
    fn take_over(self) -> Arc<Upload<B>> {
        self.0.take_over();
        Arc::clone(&self.0)
    }
}

impl<B> Drop for Pause<B> {
    fn drop(&mut self) {
        self.0.go_on();
    }
}

impl<B> fmt::Debug for Attempt<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attempt").finish_non_exhaustive()
    }
}

impl<B> fmt::Debug for Kept<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept").finish_non_exhaustive()
    }
}
