//! What listens: the proxy, and what is asked about it elsewhere.

use std::convert::Infallible;
use std::sync::Arc;

use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use tower::{Layer as _, ServiceExt as _, service_fn};
use tower_client_auth::{AuthError, cors};
use tower_http::cors::CorsLayer;

use crate::access_log::AccessLog;
use crate::forward::Proxy;
use crate::ops::Ops;
use crate::record::{Answer, Record};
use crate::refusal::Refusal;
use crate::server::Serve;

/// For callers.
#[derive(Clone)]
pub(crate) struct Inside {
    shared: Arc<Shared>,
}

struct Shared {
    proxy: Proxy,
    log: AccessLog,
    /// Where pages may call: answers to what their browsers ask first go around all checks.
    pages: Option<CorsLayer>,
}

impl Inside {
    pub(crate) fn new(proxy: Proxy, log: AccessLog, origins: &[String]) -> Result<Self, AuthError> {
        let pages = match origins {
            [] => None,
            origins => Some(cors::layer(origins)?),
        };
        Ok(Self {
            shared: Arc::new(Shared { proxy, log, pages }),
        })
    }
}

impl Serve for Inside {
    async fn serve(&self, peer: &Arc<str>, request: Request<Incoming>) -> Response<Answer> {
        let Shared { proxy, log, pages } = &*self.shared;
        let answer = |request: Request<Incoming>| async {
            let mut record = Record::new(log, peer, &request);
            let response = proxy.answer(request, &mut record).await;
            record.follow(response, proxy.limits.body_timeout)
        };
        let Some(pages) = pages else {
            return answer(request).await;
        };
        let inner = service_fn(|request| async { Ok::<_, Infallible>(answer(request).await) });
        let Ok(response) = pages.layer(inner).oneshot(request).await;
        response
    }
}

/// For whoever runs it, where that has an address of its own.
#[derive(Clone)]
pub(crate) struct Outside {
    ops: Arc<Ops>,
}

impl Outside {
    pub(crate) fn new(ops: Arc<Ops>) -> Self {
        Self { ops }
    }
}

impl Serve for Outside {
    async fn serve(&self, _peer: &Arc<str>, request: Request<Incoming>) -> Response<Answer> {
        let (head, _) = request.into_parts();
        let response = match self.ops.public(&head).await {
            Some(response) => response,
            None => self.ops.private(&head).unwrap_or_else(|| {
                let what = "here are /healthz, /readyz and /metrics";
                Refusal::new(StatusCode::NOT_FOUND, "not_found", what).answer()
            }),
        };
        response.map(Answer::from)
    }
}
