//! Links to objects in S3 that need nothing but `curl`, for as long as they are good.
//!
//! ```sh
//! cargo run --example presign
//! ```
//!
//! The server is s3s, an S3 that others wrote, on this machine. Each link is tried with `curl`; started in a
//! terminal, the server waits for you to try them, too.

#[path = "upload/store.rs"]
mod store;

use std::io::{self, IsTerminal as _};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use http::{Request, Uri, header};
use tokio::process::Command;
use tower_client_auth::sigv4::{
    Presigning, Signer, SigningCredentials, SigningOptions, SigningScope,
};
use tower_client_auth::{BoxError, Clock, PayloadHash};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let folder = tempfile::tempdir()?;
    let origin = store::start(folder.path()).await?;
    let bucket = folder.path().join(store::BUCKET);
    std::fs::write(bucket.join("report.txt"), "the report")?;
    let report = format!("{origin}/{}/report.txt", store::BUCKET);
    let notes = format!("{origin}/{}/notes.txt", store::BUCKET);

    let links = Links::new()?;
    let now = Clock::system().now();
    let minute = Presigning::expires_in(MINUTE)?;

    let link = links.make(Request::get(&report), &minute, now)?;
    println!("A link to download, good for a minute:\n  {link}");
    let downloaded = curl(&[&link.to_string()]).await?;

    let old = links.make(Request::get(&report), &minute, now - HOUR)?;
    println!("One that was good for a minute, an hour ago:\n  {old}");
    let expired = curl(&[&old.to_string()]).await?;

    println!("The first one, for another object:");
    let other = link.to_string().replace("report.txt", "notes.txt");
    let changed = curl(&[&other]).await?;

    // Whoever uploads must send these two as they are here.
    let request = Request::put(&notes)
        .header(header::CONTENT_TYPE, "text/plain")
        .header(header::CONTENT_LENGTH, "5");
    let bound = minute.signed_headers([header::CONTENT_TYPE, header::CONTENT_LENGTH])?;
    let upload = links.make(request, &bound, now)?.to_string();
    println!("A link to upload 5 bytes of plain text:\n  {upload}");
    let text = "content-type: text/plain";
    let put = |body| ["-X", "PUT", "-H", text, "-d", body, &upload];
    let uploaded = curl(&put("hello")).await?;
    println!("And more than 5 bytes:");
    let too_much = curl(&put("hello, hello")).await?;

    if io::stdin().is_terminal() {
        println!("\nThe server is there until you press Enter.");
        io::stdin().read_line(&mut String::new())?;
    }
    match [downloaded, expired, changed, uploaded, too_much] {
        [200, 403, 403, 200, 403] => Ok(()),
        answers => Err(format!("that was not expected: {answers:?}").into()),
    }
}

/// What makes links.
struct Links {
    signer: Signer,
    credentials: SigningCredentials,
}

impl Links {
    fn new() -> Result<Self, BoxError> {
        let scope = SigningScope::new("eu-west-1", "s3")?;
        let (id, secret) = (store::ACCESS_KEY_ID, store::SECRET_ACCESS_KEY);
        Ok(Self {
            signer: Signer::new(scope, SigningOptions::for_service("s3")),
            credentials: Credentials::new(id, secret, None, None, "example").try_into()?,
        })
    }

    /// A link with which others can make this request.
    fn make(
        &self,
        request: http::request::Builder,
        presigning: &Presigning,
        time: SystemTime,
    ) -> Result<Uri, BoxError> {
        let (mut head, ()) = request.body(())?.into_parts();
        let payload = PayloadHash::Unsigned;
        self.signer
            .presign(&mut head, &self.credentials, &payload, time, presigning)?;
        Ok(head.uri)
    }
}

/// Lets `curl` make a request, and tells how it went; the status of the answer.
async fn curl(arguments: &[&str]) -> Result<u16, BoxError> {
    let mut curl = Command::new("curl");
    curl.args(["-sS", "-w", "\n%{http_code}"]).args(arguments);
    let output = curl.output().await;
    let output = output.map_err(|e| format!("curl cannot be started, install it: {e}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    let text = String::from_utf8(output.stdout)?;
    let (body, status) = text.rsplit_once('\n').ok_or("curl said nothing")?;
    println!(
        "  curl: {}\n",
        format!("{status} {}", said(body)).trim_end()
    );
    Ok(status.parse()?)
}

/// What an error says, or is called, and anything else as it is.
fn said(body: &str) -> &str {
    let element = |start: &str, end: &str| {
        let (_, rest) = body.split_once(start)?;
        rest.split_once(end).map(|(text, _)| text)
    };
    element("<Message>", "</Message>")
        .or_else(|| element("<Code>", "</Code>"))
        .unwrap_or(body)
}
