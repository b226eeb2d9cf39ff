//! s3s-fs in this process, which says why it refuses an upload.

use std::future::Future;
use std::pin::Pin;

use http::HeaderValue;
use http::header::{CONTENT_LENGTH, HOST};
use http_body_util::Full;
use s3s::auth::SimpleAuth;
use s3s::dto::{GetObjectInput, GetObjectOutput, PutObjectInput, PutObjectOutput, StreamingBlob};
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{S3, S3Request, S3Response, S3Result, s3_error};
use s3s_fs::FileSystem;
use tempfile::TempDir;

use super::fs_server;
use super::*;

#[derive(Clone)]
pub(super) struct InProcess(S3Service);

impl InProcess {
    /// It keeps objects for as long as the folder is there.
    pub(super) fn new() -> (Self, TempDir) {
        let folder = fs_server::folder();
        let files = FileSystem::new(folder.path()).expect("a folder");
        let mut builder = S3ServiceBuilder::new(Outspoken(files));
        builder.set_auth(SimpleAuth::from_single(KEY, SECRET));
        (Self(builder.build()), folder)
    }

    /// What it answers to a request as it would come over HTTP/1.
    pub(super) async fn ask(&self, request: Request<impl Into<Bytes>>) -> (StatusCode, Bytes) {
        let mut request = request.map(Into::into);
        let uri = request.uri().clone();
        let authority = uri.authority().expect("absolute").as_str();
        let path = uri.path_and_query().expect("a path").as_str();
        *request.uri_mut() = path.parse().expect("a path");
        let length = request.body().len().into();
        let headers = request.headers_mut();
        headers.insert(HOST, HeaderValue::from_str(authority).expect("a host"));
        headers.insert(CONTENT_LENGTH, length);
        let answer = self.0.clone().oneshot(request.map(Full::new)).await;
        let (head, body) = answer.expect("an answer").into_parts();
        let body = body.collect().await.expect("a body").to_bytes();
        (head.status, body)
    }
}

/// s3s-fs says "InternalError" whatever is wrong with the body it reads.
struct Outspoken(FileSystem);

type Pending<'a, T> = Pin<Box<dyn Future<Output = S3Result<S3Response<T>>> + Send + 'a>>;

/// Written out the way `async_trait` would.
impl S3 for Outspoken {
    fn get_object<'a, 'f>(
        &'a self,
        request: S3Request<GetObjectInput>,
    ) -> Pending<'f, GetObjectOutput>
    where
        'a: 'f,
        Self: 'f,
    {
        self.0.get_object(request)
    }

    fn put_object<'a, 'f>(
        &'a self,
        mut request: S3Request<PutObjectInput>,
    ) -> Pending<'f, PutObjectOutput>
    where
        'a: 'f,
        Self: 'f,
    {
        Box::pin(async move {
            let body = request.input.body.take();
            let body = body.map(s3s::Body::from).unwrap_or_default();
            let body = match body.collect().await {
                Ok(body) => body.to_bytes(),
                Err(e) => return Err(s3_error!(AccessDenied, "{e}")),
            };
            request.input.body = Some(StreamingBlob::from(s3s::Body::from(body)));
            self.0.put_object(request).await
        })
    }
}
