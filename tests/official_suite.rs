//! AWS's own signing test suite, version 4 with the signature in headers, through the layer.
//!
//! The suite ships inside the `aws-sigv4` package, so that is where it is read from.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, SignableBody, SignableRequest, SigningSettings, sign,
};
use aws_sigv4::sign::v4;
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HeaderName};
use http::{HeaderMap, HeaderValue, Method, Request, Uri};
use http_body_util::Full;
use serde_json::Value;
use tower::{Layer, ServiceExt};
use tower_client_auth::sigv4::{PathEncoding, SigningOptions};
use tower_client_auth::{Clock, SigV4Layer};

use crate::support::{Recorder, Seen, promise};

/// Cases that cannot be sent, or are not signed, as they are written: what is tried instead, why,
/// and which part of it must still come out.
const ADAPTED: [(&str, Adaptation, &str); 6] = [
    (
        "get-header-value-multiline",
        Adaptation::Unfold,
        "folding a header over lines is obsolete (RFC 9112, section 5.2), and the http crate holds \
         no line breaks: unfolded, the official signature",
    ),
    (
        "get-space-normalized",
        Adaptation::EscapeSpaces,
        "the suite encodes a raw space once, and a URI cannot hold one: sent as %20 and encoded \
         once, the official signature",
    ),
    (
        "get-space-unnormalized",
        Adaptation::EscapeSpaces,
        "as get-space-normalized",
    ),
    (
        "post-sts-header-after",
        Adaptation::WithoutToken,
        "the layer signs every session token it sends: without a token, the official signature; \
         with it, the reference signer's that covers it",
    ),
    (
        "post-x-www-form-urlencoded",
        Adaptation::ContentLengthUnsigned,
        "content-length is not signed, because clients set it and proxies change it: the reference \
         signer's when it leaves it out as well",
    ),
    (
        "post-x-www-form-urlencoded-parameters",
        Adaptation::ContentLengthUnsigned,
        "as post-x-www-form-urlencoded",
    ),
];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Adaptation {
    Unfold,
    EscapeSpaces,
    WithoutToken,
    ContentLengthUnsigned,
}

/// Two cases come without a `context.json`. These are what their signatures were made with: the
/// first with the AWS SDK's well-known test credentials, the second with the suite's own.
const CONTEXTS: [(&str, &str); 2] = [
    (
        "double-encode-path",
        r#"{
            "credentials": {
                "access_key_id": "ANOTREAL",
                "secret_access_key": "notrealrnrELgWzOk3IfjzDKtFBhDby"
            },
            "region": "us-east-1",
            "service": "service",
            "sign_body": false,
            "timestamp": "2015-08-30T12:36:00Z"
        }"#,
    ),
    (
        "double-url-encode",
        r#"{
            "credentials": {
                "access_key_id": "AKIDEXAMPLE",
                "secret_access_key": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
            },
            "region": "us-east-2",
            "service": "lambda",
            "sign_body": false,
            "timestamp": "2021-05-11T15:40:45Z"
        }"#,
    ),
];

/// A request as the suite writes it, before anything is made of it.
#[derive(Clone)]
struct Raw {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: String,
}

impl Raw {
    fn parse(text: &str) -> Self {
        let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
        let mut lines = head.lines();
        let first = lines.next().expect("a request line");
        let (method, rest) = first.split_once(' ').expect("a method");
        let target = rest.strip_suffix(" HTTP/1.1").unwrap_or(rest);
        let mut headers: Vec<(String, String)> = Vec::new();
        for line in lines {
            if line.starts_with(' ') {
                let (_, value) = headers.last_mut().expect("a line to continue");
                value.push('\n');
                value.push_str(line);
            } else {
                let (name, value) = line.split_once(':').expect("a header");
                // One file has a space here where the others have none.
                let value = match name {
                    "Authorization" => value.trim_start(),
                    _ => value,
                };
                headers.push((name.to_owned(), value.to_owned()));
            }
        }
        Self {
            method: method.to_owned(),
            target: target.to_owned(),
            headers,
            body: body.to_owned(),
        }
    }

    fn headers(&self) -> Result<HeaderMap, String> {
        let mut map = HeaderMap::new();
        for (name, value) in &self.headers {
            let value = HeaderValue::from_bytes(value.as_bytes())
                .map_err(|_| format!("the http crate refuses the value {value:?}"))?;
            map.append(
                HeaderName::from_bytes(name.as_bytes()).expect("a name"),
                value,
            );
        }
        Ok(map)
    }

    fn unfold(&mut self) {
        for (_, value) in &mut self.headers {
            *value = value.replace('\n', " ");
        }
    }
}

#[derive(Clone)]
struct Case {
    name: String,
    request: Raw,
    signed: Raw,
    context: Value,
    secret: String,
    token: Option<String>,
    encoding: PathEncoding,
}

impl Case {
    fn read(directory: &Path) -> Self {
        let name = directory.file_name().expect("a name").to_string_lossy();
        let read = |file: &str| {
            fs::read_to_string(directory.join(file))
                .unwrap_or_else(|e| panic!("{name}/{file}: {e}"))
        };
        let context = match CONTEXTS.iter().find(|(case, _)| *case == name) {
            Some((_, context)) => (*context).to_owned(),
            None => read("context.json"),
        };
        let context: Value = serde_json::from_str(&context).expect("JSON");
        let credentials = &context["credentials"];
        let signed = Raw::parse(&read("header-signed-request.txt"));
        if let Ok(signature) = fs::read_to_string(directory.join("header-signature.txt")) {
            let (_, authorization) = signed.headers.last().expect("authorization");
            assert!(
                authorization.ends_with(signature.trim()),
                "{name}: two signatures"
            );
        }
        Self {
            request: Raw::parse(&read("request.txt")),
            signed,
            secret: text(&credentials["secret_access_key"]).to_owned(),
            token: credentials["token"].as_str().map(str::to_owned),
            encoding: PathEncoding::Double,
            name: name.into_owned(),
            context,
        }
    }

    fn credentials(&self) -> Credentials {
        let key = text(&self.context["credentials"]["access_key_id"]);
        Credentials::new(key, &self.secret, self.token.clone(), None, "suite")
    }

    fn uri(&self) -> String {
        let headers = self.request.headers.iter();
        let host = headers.filter(|(name, _)| name.eq_ignore_ascii_case("host"));
        let hosts: Vec<&str> = host.map(|(_, value)| value.as_str()).collect();
        assert_eq!(hosts.len(), 1, "{}: {hosts:?}", self.name);
        format!("https://{}{}", hosts[0], self.request.target)
    }

    fn flag(&self, name: &str, default: bool) -> bool {
        self.context[name].as_bool().unwrap_or(default)
    }

    /// `2015-08-30T12:36:00Z`
    fn time(&self) -> SystemTime {
        let text = text(&self.context["timestamp"]);
        let number = |from: usize, to: usize| text[from..to].parse::<u16>().expect("digits");
        let small = |from, to| u8::try_from(number(from, to)).expect("two digits");
        let month = time::Month::try_from(small(5, 7)).expect("a month");
        let at = time::Date::from_calendar_date(number(0, 4).into(), month, small(8, 10))
            .and_then(|date| date.with_hms(small(11, 13), small(14, 16), small(17, 19)))
            .expect("a time");
        let seconds = u64::try_from(at.assume_utc().unix_timestamp()).expect("after 1970");
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    /// Sends the request through a layer set up as the case says.
    async fn send(&self) -> Result<Seen, String> {
        let options = SigningOptions::default()
            .normalize_path(self.flag("normalize", true))
            .send_payload_hash(self.flag("sign_body", true))
            .path_encoding(self.encoding);
        let (region, service) = (&self.context["region"], &self.context["service"]);
        let time = self.time();
        let layer = SigV4Layer::new(text(region), text(service), self.credentials())
            .expect("a layer")
            .options(options)
            .clock(Clock::from_fn(move || time));

        let uri: Uri = self.uri().parse().map_err(|e| format!("the URI: {e}"))?;
        let mut request = Request::new(Full::new(Bytes::from(self.request.body.clone())));
        *request.method_mut() = Method::from_bytes(self.request.method.as_bytes()).expect("method");
        *request.uri_mut() = uri;
        *request.headers_mut() = self.request.headers()?;
        let recorder = Recorder::new();
        let sent = layer.layer(recorder.clone()).oneshot(request).await;
        sent.map_err(|e| e.to_string())?;
        Ok(recorder.only())
    }

    /// Whether what was sent is, header for header, the suite's signed request.
    async fn check(&self) -> Result<(), String> {
        let seen = self.send().await?;
        let expected = self.signed.headers()?;
        if seen.head.headers != expected {
            return Err(format!("{:#?}\nbut expected\n{expected:#?}", shown(&seen)));
        }
        if seen.body != self.request.body {
            return Err("the body was changed".to_owned());
        }
        Ok(())
    }

    async fn check_adapted(mut self, adaptation: Adaptation) -> Result<(), String> {
        match adaptation {
            Adaptation::Unfold => {
                self.request.unfold();
                self.signed.unfold();
                self.check().await
            }
            Adaptation::EscapeSpaces => {
                self.request.target = self.request.target.replace(' ', "%20");
                self.encoding = PathEncoding::Single;
                self.check().await
            }
            Adaptation::WithoutToken => {
                self.compare_with_reference(&[]).await?;
                self.token = None;
                let is_token = |name: &str| name.eq_ignore_ascii_case("x-amz-security-token");
                self.signed.headers.retain(|(name, _)| !is_token(name));
                self.check().await
            }
            Adaptation::ContentLengthUnsigned => {
                let signature = self.compare_with_reference(&[CONTENT_LENGTH]).await?;
                // The official signed request, less the one header in the list.
                let (_, value) = self.signed.headers.last_mut().expect("authorization");
                let (official, _) = value.rsplit_once('=').expect("a signature");
                let official = official.replace("content-length;", "");
                *value = format!("{official}={signature}");
                self.check().await
            }
        }
    }

    /// Compares with the `aws-sigv4` crate, which leaves `excluded` out; the signature of both.
    async fn compare_with_reference(&self, excluded: &[HeaderName]) -> Result<String, String> {
        let mut settings = SigningSettings::default();
        if self.flag("sign_body", true) {
            settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        }
        let more = excluded.iter().map(|name| name.to_string().into());
        settings
            .excluded_headers
            .get_or_insert_default()
            .extend(more);
        let identity = self.credentials().into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(text(&self.context["region"]))
            .name(text(&self.context["service"]))
            .time(self.time())
            .settings(settings)
            .build()
            .expect("complete")
            .into();
        let headers = self.request.headers.iter();
        let headers = headers.map(|(name, value)| (name.as_str(), value.as_str()));
        let body = SignableBody::Bytes(self.request.body.as_bytes());
        let request = SignableRequest::new(&self.request.method, self.uri(), headers, body);
        let (_, expected) = sign(request.expect("a request"), &params)
            .expect("a signature")
            .into_parts();
        let sent = self.send().await?;
        if sent.one("authorization").ends_with(&expected) {
            Ok(expected)
        } else {
            Err(format!("{:#?}\nbut expected {expected}", shown(&sent)))
        }
    }
}

/// `HeaderMap`'s `Debug` hides what is sensitive, which is what these cases are about.
fn shown(seen: &Seen) -> Vec<(&str, String)> {
    let headers = seen.head.headers.iter();
    let shown = headers.map(|(k, v)| (k.as_str(), String::from_utf8_lossy(v.as_bytes()).into()));
    shown.collect()
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a string")
}

fn adaptation(name: &str) -> Option<Adaptation> {
    let mut listed = ADAPTED.iter().filter(|(case, ..)| *case == name);
    listed.next().map(|(_, adaptation, _)| *adaptation)
}

fn suite() -> Vec<Case> {
    let root = manifest_of_aws_sigv4();
    let root = root.parent().expect("a directory");
    let entries = fs::read_dir(root.join("aws-signing-test-suite/v4")).expect("the test suite");
    let mut directories: Vec<PathBuf> = entries.map(|e| e.expect("an entry").path()).collect();
    directories.sort();
    directories.iter().map(|path| Case::read(path)).collect()
}

fn manifest_of_aws_sigv4() -> PathBuf {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    // Everything was fetched for the build, so the network is only the second resort.
    let metadata = ["--offline", "--locked"].into_iter().find_map(|flag| {
        let output = Command::new(&cargo)
            .args(["metadata", "--format-version", "1", "--all-features", flag])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .expect("cargo runs");
        output.status.success().then_some(output.stdout)
    });
    let metadata: Value =
        serde_json::from_slice(&metadata.expect("cargo metadata succeeds")).expect("JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    let manifests = packages.iter().filter(|p| p["name"] == "aws-sigv4");
    let manifests: Vec<&Value> = manifests.map(|p| &p["manifest_path"]).collect();
    assert_eq!(
        manifests.len(),
        1,
        "one version of aws-sigv4: {manifests:?}"
    );
    PathBuf::from(text(manifests[0]))
}

#[tokio::test]
async fn the_official_suite_passes() {
    let cases = suite();
    assert!(cases.len() >= 40, "only {} cases were found", cases.len());
    for (name, ..) in ADAPTED {
        assert!(cases.iter().any(|case| case.name == name), "{name} is gone");
    }
    let mut wrong = Vec::new();
    let mut verbatim = 0;
    for case in &cases {
        match (case.check().await, adaptation(&case.name)) {
            (Ok(()), None) => verbatim += 1,
            (Err(problem), None) => wrong.push(format!("{}: {problem}", case.name)),
            (Ok(()), Some(_)) => wrong.push(format!("{} passes: unlist it", case.name)),
            (Err(_), Some(adaptation)) => {
                if let Err(problem) = case.clone().check_adapted(adaptation).await {
                    wrong.push(format!("{}, {adaptation:?}: {problem}", case.name));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    promise(
        28,
        format_args!(
            "{verbatim} of {} v4 cases, header placement, as they are written, and {} adapted",
            cases.len(),
            ADAPTED.len(),
        ),
    );
    for (name, _, reason) in ADAPTED {
        promise(28, format_args!("{name}: {reason}"));
    }
}

/// What the suite's verdict is worth: nothing of it survives a wrong secret or a wrong minute.
#[tokio::test]
async fn the_suite_notices_what_is_wrong() {
    for mut case in suite() {
        case.secret.push('x');
        assert!(case.check().await.is_err(), "{}: another secret", case.name);
        if let Some(adaptation) = adaptation(&case.name)
            && adaptation != Adaptation::ContentLengthUnsigned
        {
            let checked = case.clone().check_adapted(adaptation).await;
            assert!(checked.is_err(), "{}: another secret", case.name);
        }
    }
    for mut case in suite() {
        case.context["timestamp"] = "2015-08-30T12:37:00Z".into();
        assert!(case.check().await.is_err(), "{}: another time", case.name);
    }
}
