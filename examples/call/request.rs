//! One call: sent through the layer, and its answer printed.

use std::io::{self, IsTerminal as _};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Request, Response, header};
use http_body::Body as HttpBody;
use http_body_util::{BodyExt as _, Empty};
use tower::{Layer as _, Service, ServiceExt as _};
use tower_client_auth::{
    ApiConfig, AuthBody, AuthError, AuthErrorKind, AuthOverride, AuthorizationMode, BoxError,
    Buffer, OutOfScope, PayloadHash,
};

use crate::advice;
use crate::announce;
use crate::answer::{self, Asked};
use crate::args::Arguments;
use crate::auth::Auth;
use crate::body::{Body, IN_MEMORY, Meter, Payload};
use crate::client;
use crate::exit::{Exit, Failure};
use crate::explain::Explained;
use crate::files::File;
use crate::headers;
use crate::output;
use crate::sign_in;
use crate::sink::Sink;
use crate::slips;
use crate::tap::Tap;
use crate::target::{self, Target};
use crate::words::Goal;
use crate::world::World;

/// Why a server says no is in the first part of what it says.
const REASON: usize = 64 * 1024;

pub(crate) async fn run(args: &Arguments) -> Result<Exit, Failure> {
    let data = args
        .request
        .data
        .as_deref()
        .or(args.request.json.as_deref());
    let headers = headers::read(&args.request)?;
    let goal = match Goal::read(args, data.is_some()) {
        Ok(goal) => goal,
        Err(failure) => return Err(slips::api(args).await.unwrap_or(failure)),
    };
    let (world, file) = World::new(args).await?;
    let (file, target) = match (file, &args.api.region, &args.api.service) {
        (Some(mut file), ..) => {
            let target = Target::in_file(&mut file, goal, &args.api)?;
            (file, target)
        }
        (None, Some(region), Some(service)) => Target::of_aws(region, service, goal)?,
        (None, ..) => return Err(Failure::usage("`--region` and `--service` go together")),
    };
    let auth = Auth::of(&world, &file.config, &target.api, &args.credential).await?;
    let api = api(&file, &target)?;
    let sink = Sink::open(&args.output)?;
    let meter = Meter::new(args.output.silent);
    if args.output.verbose {
        announce::tell(&file, &target, api, &auth);
    }
    // Who signs in and what is sent come from the same keyboard.
    let is_typed = data == Some("@-") && io::stdin().is_terminal();
    if is_typed {
        sign_in::beforehand(&world, &auth, &file, args).await?;
    }
    let payload = match data {
        Some(data) => {
            let hashed = api.mode == AuthorizationMode::AwsIam;
            Some(Payload::read(data, hashed, &meter).await?)
        }
        None => None,
    };
    let call = Call {
        args,
        world: &world,
        file: &file,
        target,
        auth: &auth,
        headers,
        payload,
        meter,
    };
    let outcome = call.run(sink).await;
    if let Some(user) = &auth.user {
        user.settled().await;
    }
    outcome
}

struct Call<'a> {
    args: &'a Arguments,
    world: &'a World,
    file: &'a File,
    target: Target,
    auth: &'a Auth,
    headers: HeaderMap,
    payload: Option<Payload>,
    meter: Meter,
}

impl Call<'_> {
    async fn run(&self, sink: Sink) -> Result<Exit, Failure> {
        let args = &self.args.credential;
        if let Some(user) = &self.auth.user
            && args.asks_for_user()
            && !user.is_who_was_asked_for(args).await?
        {
            sign_in::run(self.world, user, self.file, self.args).await?;
        }
        let api = api(self.file, &self.target)?;
        let limit = match &self.payload {
            Some(Payload::Memory(_)) => Buffer::DEFAULT_LIMIT,
            // Hashed beforehand, or not at all.
            _ => IN_MEMORY,
        };
        let patience = Duration::from_secs(self.args.request.timeout);
        let verbose = self.args.output.verbose;
        let client = client::build::<AuthBody<Body>>(&self.world.connector);
        let tap = Tap::new(client, verbose, patience, self.meter.clone());
        let sent = tap.sent();
        let layer = self.auth.selector.layer(&self.target.api)?;
        let service = layer
            .retry_rejected(Buffer::new(limit).read_ahead())
            .inspect_errors(REASON)
            .out_of_scope(OutOfScope::Reject)
            .layer(tap);
        let own = self.own_credential(api);
        let asked = Asked {
            args: self.args,
            api,
            own: own.as_ref(),
            sent,
            payload: match &self.payload {
                None => Some(PayloadHash::EMPTY),
                Some(payload) => payload.hash(),
            },
        };
        let sent = self.send_as_somebody(&service).await;
        self.meter.end();
        if sent.is_err()
            && self.args.output.explain
            && let head @ Some(_) = asked.sent.take()
        {
            Explained::show(api, head, asked.payload);
        }
        let response = sent?;
        answer::show(response, &asked, sink).await
    }

    /// The header of the mode's credential, if the caller gave it.
    fn own_credential(&self, api: &ApiConfig) -> Option<HeaderName> {
        let name = advice::credential_header(api.mode)?;
        if !self.headers.contains_key(&name) {
            return None;
        }
        if !self.args.output.silent {
            output::remark(format_args!(
                "your own `-H {name}` is sent as it is, in place of the credential of mode {}",
                api.mode
            ));
        }
        Some(name)
    }

    /// Sends it; if somebody has to sign in first, and is there, once that is done.
    async fn send_as_somebody<S, B>(&self, service: &S) -> Result<Response<B>, Failure>
    where
        S: Service<Request<Body>, Response = Response<B>, Error = BoxError> + Clone,
        B: HttpBody<Data = Bytes>,
    {
        let error = match service.clone().oneshot(self.request().await?).await {
            Ok(response) => return Ok(response),
            Err(error) => error,
        };
        let kind = AuthError::find(error.as_ref()).map(AuthError::kind);
        let Some(user) = &self.auth.user else {
            return Err(self.unanswered(error));
        };
        if kind != Some(AuthErrorKind::SignInRequired) {
            return Err(self.unanswered(error));
        }
        sign_in::run(self.world, user, self.file, self.args).await?;
        let again = service.clone().oneshot(self.request().await?).await;
        again.map_err(|error| self.unanswered(error))
    }

    async fn request(&self) -> Result<Request<Body>, Failure> {
        let body = match &self.payload {
            Some(payload) => payload.body(&self.meter).await?,
            None => Empty::new().map_err(|never| match never {}).boxed_unsync(),
        };
        let mut request = Request::new(body);
        *request.method_mut() = self.target.method.clone();
        *request.uri_mut() = self.target.uri.clone();
        *request.headers_mut() = self.headers.clone();
        let data = &self.args.request;
        let (text, json) = (
            data.data.as_ref().or(data.json.as_ref()),
            data.json.is_some(),
        );
        if let (Some(payload), Some(text)) = (&self.payload, text) {
            let kind = || payload.content_type(text, json);
            request
                .headers_mut()
                .entry(header::CONTENT_TYPE)
                .or_insert_with(kind);
        }
        if let Some(Payload::File {
            hash: Some(hash), ..
        }) = &self.payload
        {
            let known = AuthOverride::new().payload_hash(*hash);
            request.extensions_mut().insert(known);
        }
        Ok(request)
    }

    fn host(&self) -> Option<String> {
        let uri = match self.target.uri.authority() {
            Some(_) => &self.target.uri,
            None => self.file.config.apis.get(&self.target.api)?.endpoint.uri(),
        };
        Some(format!(" from {}:{}", uri.host()?, target::port(uri)?))
    }

    fn unanswered(&self, error: BoxError) -> Failure {
        self.meter.end();
        if AuthError::find(error.as_ref()).is_none() {
            let words =
                advice::unreached(error.as_ref()).unwrap_or_else(|| Failure::from(error).message);
            let host = self.host().unwrap_or_default();
            return Failure::no_answer(format!("no answer{host}: {words}"));
        }
        let failure = Failure::from(error);
        match self.auth.tip {
            // What to do first: the chain has a line for each place it looked at.
            Some(tip) if failure.exit == Exit::NoCredential => {
                Failure::no_credential(tip).tip(&failure.message)
            }
            _ => failure,
        }
    }
}

fn api<'a>(file: &'a File, target: &Target) -> Result<&'a ApiConfig, Failure> {
    let api = file.config.apis.get(&target.api);
    api.ok_or_else(|| Failure::configuration("the API is gone"))
}
