//! The rows of the table.

use std::sync::atomic::{AtomicUsize, Ordering};

use aws_credential_types::Credentials;
use bytes::Bytes;
use http::{HeaderValue, Request, Uri, header, request};
use http_body_util::Full;
use tower::{Layer, ServiceBuilder};
use tower_client_auth::AuthorizationMode::{self, AwsLambda, CognitoUserPools, OpenIdConnect};
use tower_client_auth::{
    ApiAuthLayer, ApiName, AuthError, AuthOverride, AuthSelector, BoxError, CloneBody, Config,
    Token,
};

use crate::call::call;
use crate::gateway::USER_TOKEN;
use crate::reroute::{Change, Reroute};
use crate::signature::ACCESS_KEY_ID;
use crate::table::{Columns, Table};
use crate::tour::{FETCHED, FILE};

/// What a row's API answered.
const ANSWERS: Columns = Columns {
    columns: &[("what", 31), ("API", 10), ("answer", 42)],
    wrap: false,
};

/// What the rows are made with.
pub(crate) struct Tour {
    /// Reaches the stand-in, without a layer.
    pub(crate) client: Reroute,
    pub(crate) config: Config,
    pub(crate) auth: AuthSelector,
    /// The client under the layer for all APIs.
    pub(crate) api: <ApiAuthLayer as Layer<Reroute>>::Service,
}

impl Tour {
    /// Each API, with the credential that its mode calls for.
    pub(crate) async fn every_api(&self, table: &mut Table) -> Result<(), BoxError> {
        const COLUMNS: Columns = Columns {
            columns: &[
                ("API", 10),
                ("mode", 27),
                ("credential that arrived", 36),
                ("answer", 10),
            ],
            wrap: false,
        };
        table.group("What the file says, and what the API answered", COLUMNS);

        let mut apis: Vec<_> = self.config.apis.iter().collect();
        apis.sort_by_key(|(_, api)| api.mode);
        for (name, api) in apis {
            let credential = match api.mode {
                AuthorizationMode::None => "nothing",
                AuthorizationMode::ApiKey => "x-api-key: da2-",
                AuthorizationMode::AwsIam => "authorization: AWS4-HMAC-SHA256",
                AuthorizationMode::OpenIdConnect => "authorization: Bearer ",
                _ => "authorization: ",
            };
            let answer = call(self.api.clone(), self.get(name)?).await;
            let outcomes = [(answer.credential, credential), (answer.line, "200 OK")];
            table.row([name, api.mode.as_str()], outcomes);
        }
        Ok(())
    }

    /// Paths alone, more to sign, and tokens over several requests.
    pub(crate) async fn other_ways(&self, table: &mut Table) -> Result<(), BoxError> {
        table.group("The same, asked in other ways", ANSWERS);
        let relative = || Request::get("/items?limit=10").body(Full::default());

        let orders = ServiceBuilder::new()
            .layer(self.auth.layer("orders")?)
            .service(self.client.clone());
        let answer = call(orders, relative()?).await;
        let line = format!("{} from {}", answer.line, answer.api);
        let what = "/items, to its API's layer";
        table.row([what, "orders"], [(line, "200 OK from orders")]);

        let mut request = relative()?;
        request.extensions_mut().insert(ApiName::new("orders"));
        let answer = call(self.api.clone(), request).await;
        let line = format!("{} from {}", answer.line, answer.api);
        let what = "/items, with an ApiName";
        table.row([what, "orders"], [(line, "200 OK from orders")]);

        let answer = call(self.api.clone(), self.place_order()?).await;
        let is_signed = answer.signed.iter().any(|name| name == "x-tenant");
        let signed = if is_signed { "signed" } else { "not signed" };
        let line = format!("{}, x-tenant {signed}", answer.line);
        let what = "POST, with a header and JSON";
        table.row([what, "orders"], [(line, "200 OK, x-tenant signed")]);

        let mut good = 0;
        for _ in 0..3 {
            let answer = call(self.api.clone(), self.get("profile")?).await;
            good += usize::from(answer.line == "200 OK");
        }
        let fetched = FETCHED.load(Ordering::Relaxed);
        let line = format!("{good} times 200 OK, {fetched} token fetched");
        let expected = "3 times 200 OK, 1 token fetched";
        table.row(["three requests", "profile"], [(line, expected)]);

        static REFETCHED: AtomicUsize = AtomicUsize::new(0);
        let auth = self.auth.clone().tokens(CognitoUserPools, || async {
            let revoked = REFETCHED.fetch_add(1, Ordering::Relaxed) == 0;
            Ok(if revoked {
                "a-revoked-token"
            } else {
                USER_TOKEN
            })
        })?;
        let api = ServiceBuilder::new()
            .layer(auth.layer("profile")?.retry_rejected(CloneBody))
            .service(self.client.clone());
        let answer = call(api, self.get("profile")?).await;
        let fetched = REFETCHED.load(Ordering::Relaxed);
        let line = format!("{}, {fetched} tokens fetched", answer.line);
        let expected = "200 OK, 2 tokens fetched";
        table.row(["a token that was revoked", "profile"], [(line, expected)]);
        Ok(())
    }

    pub(crate) async fn changed_on_the_way(&self, table: &mut Table) -> Result<(), BoxError> {
        const REFUSED: &str = "403 The request signature we calculated does not match";
        table.group("Signed, then changed on the way", ANSWERS);

        let changes: [(&str, Change); 4] = [
            ("another path", |head, _| {
                aim(head, "/prod/invoices?dry-run=true")
            }),
            ("another query", |head, _| {
                aim(head, "/prod/items?dry-run=false")
            }),
            ("another header value", |head, _| {
                let other = HeaderValue::from_static("green");
                head.headers.insert("x-tenant", other);
            }),
            ("another body", |_, body| {
                *body = Bytes::from_static(br#"{"item":"pear","amount":99}"#);
            }),
        ];
        for (what, change) in changes {
            let api = ServiceBuilder::new()
                .layer(self.auth.layer_for_all()?)
                .service(self.client.clone().tampering(change));
            let answer = call(api, self.place_order()?).await;
            table.row([what, "orders"], [(answer.line, REFUSED)]);
        }
        Ok(())
    }

    pub(crate) async fn wrong_credentials(&self, table: &mut Table) -> Result<(), BoxError> {
        table.group("With the wrong credentials", ANSWERS);
        let auth = || self.auth.clone();
        let guess = Credentials::new(ACCESS_KEY_ID, "a guess", None, None, "quickstart");
        let wrong = || Token::new("another-token");
        for (what, auth, name, expected) in [
            (
                "the wrong key",
                auth().api_key_for("catalog", "da2-anotherKey")?,
                "catalog",
                "403 Forbidden",
            ),
            (
                "the wrong secret access key",
                auth().aws_credentials(guess)?,
                "orders",
                "403 The request signature we calculated does not match",
            ),
            (
                "the wrong token",
                auth().tokens(CognitoUserPools, wrong()?)?,
                "profile",
                "401 Unauthorized",
            ),
            (
                "the wrong token",
                auth().tokens(OpenIdConnect, wrong()?)?,
                "partners",
                "401 Unauthorized",
            ),
            (
                "the wrong token",
                auth().tokens(AwsLambda, wrong()?)?,
                "legacy",
                "403 User is not authorized",
            ),
        ] {
            let api = ServiceBuilder::new()
                .layer(auth.layer_for_all()?)
                .service(self.client.clone());
            let answer = call(api, self.get(name)?).await;
            table.row([what, name], [(answer.line, expected)]);
        }

        let mut request = self.get("orders")?;
        let user = AuthOverride::new().mode(CognitoUserPools);
        request.extensions_mut().insert(user);
        let answer = call(self.api.clone(), request).await;
        let expected = "403 The authorization header is not a complete AWS4-HMAC-SHA256 signature";
        table.row(
            ["a user's token instead", "orders"],
            [(answer.line, expected)],
        );
        Ok(())
    }

    pub(crate) async fn no_credentials(&self, table: &mut Table) -> Result<(), BoxError> {
        table.group("Without a credential", ANSWERS);
        for (what, name, expected) in [
            ("no key", "catalog", "403 Forbidden"),
            ("no signature", "orders", "403 Missing Authentication Token"),
            ("no token", "profile", "401 Unauthorized"),
            ("no token", "partners", "401 Unauthorized"),
            ("no token", "legacy", "401 Unauthorized"),
        ] {
            let mut request = self.get(name)?;
            request.extensions_mut().insert(AuthOverride::skip());
            let answer = call(self.api.clone(), request).await;
            table.row([what, name], [(answer.line, expected)]);
        }
        Ok(())
    }

    pub(crate) async fn kept_at_home(&self, table: &mut Table) -> Result<(), BoxError> {
        table.group("Credentials that stay at home", ANSWERS);
        // No API of the file is there. The stand-in tells what it got all the same.
        for (what, url) in [
            ("another host", "https://api.example.net/catalog/items"),
            (
                "another path of the host",
                "https://api.example.com/catalogue/items",
            ),
        ] {
            let request = Request::get(url).body(Full::default())?;
            let answer = call(self.api.clone(), request).await;
            let line = format!("{}, and got {}", answer.line, answer.credential);
            table.row([what, "none"], [(line, "404 Not Found, and got nothing")]);
        }

        let mut request = self.get("catalog")?;
        let plain = request.uri().to_string().replacen("https:", "http:", 1);
        *request.uri_mut() = plain.parse()?;
        let catalog = ServiceBuilder::new()
            .layer(self.auth.layer("catalog")?)
            .service(self.client.clone());
        let answer = call(catalog, request).await;
        let expected = "not sent: the request goes over plain http";
        table.row(
            ["http instead of https", "catalog"],
            [(answer.line, expected)],
        );
        Ok(())
    }

    pub(crate) fn slips(&self, table: &mut Table) -> Result<(), BoxError> {
        const COLUMNS: Columns = Columns {
            columns: &[("slip", 31), ("error", 52)],
            wrap: true,
        };
        table.group("Slips, found before a request is sent", COLUMNS);
        let error = |error: Option<AuthError>| {
            error.map_or_else(|| "none".to_owned(), |error| error.to_string())
        };

        let file = std::fs::read_to_string(FILE)?;
        let file = file.replacen(
            "authorizationType\": \"AWS_IAM",
            "authorisationType\": \"AWS_IAM",
            1,
        );
        let message = error(file.parse::<Config>().err());
        let expected = "…orders.authorisationType: did you mean `authorizationType`?";
        table.row(["authorisationType in the file"], [(message, expected)]);

        let without_tokens = self.config.selector().layer_for_all();
        let expected = "…mode `AWS_LAMBDA`, and there is no token source for it";
        table.row(
            ["no token source is given"],
            [(error(without_tokens.err()), expected)],
        );
        Ok(())
    }

    /// Asks an API for its items, under the endpoint that is in the file.
    fn get(&self, name: &str) -> Result<Request<Full<Bytes>>, BoxError> {
        let request = Request::get(format!("{}/items?limit=10", self.endpoint(name)?));
        Ok(request.body(Full::default())?)
    }

    fn place_order(&self) -> Result<Request<Full<Bytes>>, BoxError> {
        let url = format!("{}/items?dry-run=true", self.endpoint("orders")?);
        let request = Request::post(url)
            .header(header::CONTENT_TYPE, "application/json")
            .header("x-tenant", "blue")
            .body(Full::from(r#"{"item":"pear","amount":10}"#))?;
        Ok(request)
    }

    fn endpoint(&self, name: &str) -> Result<String, BoxError> {
        let api = self.config.apis.get(name);
        let api = api.ok_or_else(|| format!("there is no API `{name}` in {FILE}"))?;
        Ok(api.endpoint.to_string())
    }
}

/// The same host, another path and query.
fn aim(head: &mut request::Parts, target: &'static str) {
    let mut parts = head.uri.clone().into_parts();
    parts.path_and_query = Some(target.parse().expect("a path"));
    head.uri = Uri::from_parts(parts).expect("a URI");
}
