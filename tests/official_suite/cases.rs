//! The suite's cases, read.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use http::HeaderName;
use serde_json::Value;
use tower_client_auth::sigv4::PathEncoding;

use super::raw::Raw;
use super::{Placement, Version};

/// Two cases of version 4 come without a `context.json`. These are what their signatures were made with:
/// the first with the AWS SDK's well-known test credentials, the second with the suite's own.
///
/// They are older than the suite, which was given them by the SDK, and have no signature in a query.
pub(super) const CONTEXTS: [(&str, &str); 2] = [
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

#[derive(Clone)]
pub(super) struct Case {
    pub(super) name: String,
    pub(super) version: Version,
    pub(super) placement: Placement,
    pub(super) request: Raw,
    pub(super) context: Value,
    pub(super) secret: String,
    pub(super) token: Option<String>,
    pub(super) encoding: PathEncoding,
    /// The headers that a presigned URL is to cover; all, if there is no word of it.
    pub(super) chosen: Option<Vec<HeaderName>>,
    pub(super) signed: Raw,
    /// A signature of its own: those of version 4a differ each time.
    pub(super) signature: Option<String>,
    pub(super) canonical_request: String,
    pub(super) string_to_sign: Option<String>,
    /// Of version 4a.
    pub(super) public_key: Option<Vec<u8>>,
}

/// The cases of a version that have a signature in this place.
pub(super) fn suite(version: Version, placement: Placement) -> Vec<Case> {
    let cases = directories(version).into_iter();
    cases
        .filter_map(|path| Case::read(&path, version, placement))
        .collect()
}

pub(super) fn directories(version: Version) -> Vec<PathBuf> {
    let root = manifest_of_aws_sigv4();
    let root = root.parent().expect("a directory");
    let version = match version {
        Version::V4 => "v4",
        Version::V4a => "v4a",
    };
    let entries = fs::read_dir(root.join("aws-signing-test-suite").join(version));
    let entries = entries.expect("the test suite");
    let mut directories: Vec<PathBuf> = entries.map(|e| e.expect("an entry").path()).collect();
    directories.sort();
    directories
}

pub(super) fn name(directory: &Path) -> String {
    let name = directory.file_name().expect("a name");
    name.to_string_lossy().into_owned()
}

impl Case {
    fn read(directory: &Path, version: Version, placement: Placement) -> Option<Self> {
        let name = name(directory);
        let place = match placement {
            Placement::Headers => "header",
            Placement::Query => "query",
        };
        let own = |file: &str| fs::read_to_string(directory.join(file)).ok();
        let needed = |file: &str| own(file).unwrap_or_else(|| panic!("{name}/{file} is gone"));
        let context = match CONTEXTS.iter().find(|(case, _)| *case == name) {
            Some((_, context)) => (*context).to_owned(),
            None => needed("context.json"),
        };
        let context: Value = serde_json::from_str(&context).expect("JSON");
        let signed = Raw::parse(&own(&format!("{place}-signed-request.txt"))?);
        let trimmed = |text: String| text.trim_end_matches('\n').to_owned();
        let credentials = &context["credentials"];
        Some(Self {
            request: Raw::parse(&needed("request.txt")),
            secret: text(&credentials["secret_access_key"]).to_owned(),
            token: credentials["token"].as_str().map(str::to_owned),
            encoding: PathEncoding::Double,
            chosen: None,
            signature: own(&format!("{place}-signature.txt")).map(trimmed),
            canonical_request: trimmed(needed(&format!("{place}-canonical-request.txt"))),
            string_to_sign: own(&format!("{place}-string-to-sign.txt")).map(trimmed),
            public_key: (version == Version::V4a).then(|| point(&needed("public-key.json"))),
            version,
            placement,
            signed,
            context,
            name,
        })
    }

    pub(super) fn uri(&self) -> String {
        let headers = self.request.headers.iter();
        let host = headers.filter(|(name, _)| name.eq_ignore_ascii_case("host"));
        let hosts: Vec<&str> = host.map(|(_, value)| value.as_str()).collect();
        assert_eq!(hosts.len(), 1, "{}: {hosts:?}", self.name);
        format!("https://{}{}", hosts[0], self.request.target)
    }

    pub(super) fn text(&self, name: &str) -> &str {
        text(&self.context[name])
    }

    pub(super) fn flag(&self, name: &str, default: bool) -> bool {
        self.context[name].as_bool().unwrap_or(default)
    }

    /// `2015-08-30T12:36:00Z`
    pub(super) fn time(&self) -> SystemTime {
        let text = self.text("timestamp");
        let number = |from: usize, to: usize| text[from..to].parse::<u16>().expect("digits");
        let small = |from, to| u8::try_from(number(from, to)).expect("two digits");
        let month = time::Month::try_from(small(5, 7)).expect("a month");
        let at = time::Date::from_calendar_date(number(0, 4).into(), month, small(8, 10))
            .and_then(|date| date.with_hms(small(11, 13), small(14, 16), small(17, 19)))
            .expect("a time");
        let seconds = u64::try_from(at.assume_utc().unix_timestamp()).expect("after 1970");
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }
}

/// An uncompressed point, as others want it.
fn point(json: &str) -> Vec<u8> {
    let key: Value = serde_json::from_str(json).expect("JSON");
    let coordinate = |name: &str| hex::decode(text(&key[name])).expect("digits");
    [vec![4], coordinate("X"), coordinate("Y")].concat()
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a string")
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
