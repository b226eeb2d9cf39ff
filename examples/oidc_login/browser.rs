//! Plays the user at a browser: opens pages, follows their links, fills in their forms. There is nothing to
//! copy from it.

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tower_client_auth::BoxError;
use url::Url;

/// Opens the page at `url`, follows its link, and goes where that leads: back to the program. Returns what
/// the program's own page says.
pub(crate) async fn sign_in(url: &str) -> Result<String, BoxError> {
    let url = Url::parse(url)?;
    let page = send(get(&url)?).await?;
    let link = url.join(page.between("href=\"", "\"")?)?;
    let answer = send(get(&link)?).await?;
    let back = answer.location.ok_or("the link leads nowhere")?;
    let page = send(get(&Url::parse(&back)?)?).await?;
    Ok(page.between("<p>", "</p>")?.to_owned())
}

/// Opens the page at `url`, and sends its form with `code` in it. Returns what the answer says.
pub(crate) async fn enter(url: &str, code: &str) -> Result<String, BoxError> {
    let url = Url::parse(url)?;
    let page = send(get(&url)?).await?;
    let field = page.between("name=\"", "\"")?;
    let form = form_urlencoded::Serializer::new(String::new())
        .append_pair(field, code)
        .finish();
    let request = Request::post(url.as_str())
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(form.into())?;
    let page = send(request).await?;
    Ok(page.between("<p>", "</p>")?.to_owned())
}

struct Page {
    location: Option<String>,
    text: String,
}

impl Page {
    fn between(&self, start: &str, end: &str) -> Result<&str, BoxError> {
        let rest = self.text.split_once(start).map(|(_, rest)| rest);
        let found = rest.and_then(|rest| rest.split_once(end));
        match found {
            Some((found, _)) => Ok(found),
            None => Err(format!("there is no {start}…{end} on the page").into()),
        }
    }
}

fn get(url: &Url) -> Result<Request<Full<Bytes>>, http::Error> {
    Request::get(url.as_str()).body(Full::default())
}

async fn send(request: Request<Full<Bytes>>) -> Result<Page, BoxError> {
    let client = Client::builder(TokioExecutor::new()).build_http();
    let (head, body) = client.request(request).await?.into_parts();
    let text = String::from_utf8(body.collect().await?.to_bytes().into())?;
    if head.status != StatusCode::OK && !head.status.is_redirection() {
        return Err(format!("a page answered {}", head.status).into());
    }
    let location = head.headers.get(header::LOCATION);
    Ok(Page {
        location: location
            .map(|url| url.to_str().map(str::to_owned))
            .transpose()?,
        text,
    })
}
