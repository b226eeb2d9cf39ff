//! What a request goes through on its way to an upstream: this crate's layer, and a client.

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::BodyExt as _;
use http_body_util::combinators::UnsyncBoxBody;
use tower::util::BoxCloneSyncService;
use tower::{Layer as _, Service, ServiceExt as _};
use tower_client_auth::{
    ApiConfig, AuthError, AuthSelector, AuthorizationMode, BoxError, Buffer, Chunked, Existing,
    OutOfScope, ReplayBody,
};

use super::connector::Connections;
use super::spec::{Payload, Route};
use crate::body::Metered;
use crate::chunks::Unchunked;
use crate::linger::Lingering;

/// What callers send.
pub(crate) type Inbound = Unchunked<Metered<Lingering>>;

/// What upstreams answer.
pub(crate) type Outbound = UnsyncBoxBody<Bytes, BoxError>;

pub(crate) type Stack = BoxCloneSyncService<Request<Inbound>, Response<Outbound>, BoxError>;

/// How much of an answer that refuses the credential is looked into, for what it says.
const LOOK_INTO: usize = 64 * 1024;

/// How much of an upload is kept, so that it can be sent again where the first attempt is refused.
const KEEP: usize = 64 * 1024;

/// From which length on a body is hashed where it keeps nobody else waiting.
const HASH_ELSEWHERE: usize = 256 * 1024;

/// With the layer of one API.
pub(crate) fn authorized(
    selector: &AuthSelector,
    (name, api): (&str, &ApiConfig),
    route: &Route,
    buffer: usize,
    connections: &Connections,
) -> Result<Stack, AuthError> {
    let layer = selector
        .layer(name)?
        // What callers send of this is nobody's.
        .existing(Existing::Replace)
        .out_of_scope(OutOfScope::Reject);
    let is_s3 = api.mode == AuthorizationMode::AwsIam && api.signing_name() == "s3";
    Ok(match route.payload {
        Payload::Auto if is_s3 => {
            let chunked = Chunked::signed().keeping(ReplayBody::new(KEEP));
            let layer = layer.retry_rejected(chunked).inspect_errors(LOOK_INTO);
            boxed(layer.layer(connections.client(route)))
        }
        _ => {
            let buffered = Buffer::new(buffer).hash_elsewhere_from(HASH_ELSEWHERE);
            let layer = layer.retry_rejected(buffered).inspect_errors(LOOK_INTO);
            boxed(layer.layer(connections.client(route)))
        }
    })
}

/// Without any.
pub(crate) fn bare(route: &Route, connections: &Connections) -> Stack {
    boxed(connections.client::<Inbound>(route))
}

fn boxed<S, B>(service: S) -> Stack
where
    S: Service<Request<Inbound>, Response = Response<B>> + Clone + Send + Sync + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    let service = service.map_err(Into::into);
    BoxCloneSyncService::new(
        service
            .map_response(|response| response.map(|body| body.map_err(Into::into).boxed_unsync())),
    )
}
