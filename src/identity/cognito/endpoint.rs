//! The two services of Cognito, and how they are called: JSON 1.1, unsigned, since these calls are public.

use std::fmt;
use std::io;

use bytes::Bytes;
use http::{Method, Request, Uri, header};
use http_body_util::Full;
use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use super::error::{Asked, judge};
use crate::error::{AuthError, AuthErrorKind};
use crate::identity::oauth::is_plain_url;
use crate::identity::transport::{Reply, Transport, append, check_url};

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Service {
    UserPools,
    IdentityPools,
}

impl Service {
    fn subdomain(self) -> &'static str {
        match self {
            Self::UserPools => "cognito-idp",
            Self::IdentityPools => "cognito-identity",
        }
    }

    fn target(self) -> &'static str {
        match self {
            Self::UserPools => "AWSCognitoIdentityProviderService",
            Self::IdentityPools => "AWSCognitoIdentityService",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::UserPools => "user pool",
            Self::IdentityPools => "identity pool",
        }
    }

    /// What stands between the region and the rest in the id of a pool.
    fn separator(self) -> char {
        match self {
            Self::UserPools => '_',
            Self::IdentityPools => ':',
        }
    }
}

/// Where a service is, and over what it is reached.
#[derive(Clone)]
pub(super) struct Endpoint {
    service: Service,
    url: Uri,
    pub(super) transport: Transport,
}

impl Endpoint {
    /// The service of the region that the pool's id begins with.
    pub(super) fn of_pool(
        service: Service,
        pool: &str,
        transport: Transport,
    ) -> Result<Self, AuthError> {
        let region = region(service, pool)?;
        let url = format!("https://{}/", host(service, region));
        Ok(Self {
            service,
            url: url.parse().map_err(|_| not_a_pool(service))?,
            transport,
        })
    }

    /// Somewhere else: a URL, or a host that is reached over https.
    pub(super) fn at(self, place: &str) -> Result<Self, AuthError> {
        let what = format!("the endpoint of the {}", self.service.name());
        let url = match place.contains("://") {
            true => place.to_owned(),
            false => format!("https://{place}/"),
        };
        let url = Some(url).filter(|url| is_plain_url(url) && !url.contains('?'));
        let url = url.and_then(|url| url.parse::<Uri>().ok());
        let url = url.ok_or_else(|| {
            AuthError::new(
                AuthErrorKind::Configuration,
                format!("{what} is no URL: expected `https://host` or a host"),
            )
        })?;
        check_url(&url, &what)?;
        Ok(Self { url, ..self })
    }

    /// Who is asked, for errors.
    fn what(&self) -> String {
        let host = self.url.host().unwrap_or_default();
        format!("the {} service at {host}", self.service.name())
    }

    /// What tells it from others, for the keys of a store.
    pub(super) fn id(&self) -> String {
        self.url.to_string()
    }

    /// Calls an operation, and reads what it answers. Whatever cannot be read may be a proxy's doing, and passes.
    pub(super) async fn call<T: DeserializeOwned>(
        &self,
        asked: Asked,
        operation: &str,
        parameters: &impl Serialize,
    ) -> Result<T, AuthError> {
        let reply = self.ask(asked, operation, parameters).await?;
        self.read(&reply)
    }

    pub(super) fn read<T: DeserializeOwned>(&self, reply: &Reply) -> Result<T, AuthError> {
        // Errors of the parser may repeat what was there: they end here.
        serde_json::from_slice(&reply.body).map_err(|_| self.unreadable())
    }

    pub(super) fn unreadable(&self) -> AuthError {
        AuthError::passing(format!(
            "{} sent an answer that cannot be read: is there a proxy in between?",
            self.what()
        ))
    }

    /// Calls an operation. The answer is a success.
    pub(super) async fn ask(
        &self,
        asked: Asked,
        operation: &str,
        parameters: &impl Serialize,
    ) -> Result<Reply, AuthError> {
        let what = self.what();
        let mut body = Body::default();
        // Nothing of this can fail but the parameters, which are texts.
        serde_json::to_writer(&mut body, parameters)
            .map_err(|_| AuthError::refused("the call cannot be written as JSON"))?;
        let request = Request::builder()
            .method(Method::POST)
            .uri(&self.url)
            .header(header::CONTENT_TYPE, "application/x-amz-json-1.1")
            .header(
                "x-amz-target",
                format!("{}.{operation}", self.service.target()),
            )
            .body(Full::new(Bytes::from_owner(body.0)));
        let request =
            request.map_err(|_| AuthError::refused("the call cannot be written as a request"))?;
        let reply = self
            .transport
            .send(&what, request, asked.patience())
            .await?;
        judge(reply, asked, &what)
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the path, which is the place's own business.
        f.write_str(self.url.host().unwrap_or_default())
    }
}

/// AWS's host for a service in a region.
pub(super) fn host(service: Service, region: &str) -> String {
    let suffix = match region.split('-').next() {
        Some("cn") => "amazonaws.com.cn",
        Some("eusc") => "amazonaws.eu",
        _ => "amazonaws.com",
    };
    format!("{}.{region}.{suffix}", service.subdomain())
}

/// The region in which a pool is.
pub(super) fn region(service: Service, pool: &str) -> Result<&str, AuthError> {
    let parts = pool.split_once(service.separator());
    parts
        .filter(|(region, name)| {
            let is_plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
            !name.is_empty() && region.contains('-') && region.bytes().all(is_plain)
        })
        .map(|(region, _)| region)
        .ok_or_else(|| not_a_pool(service))
}

fn not_a_pool(service: Service) -> AuthError {
    let example = match service {
        Service::UserPools => "eu-west-1_AbCdEfGhI",
        Service::IdentityPools => "eu-west-1:01234567-89ab-cdef-0123-456789abcdef",
    };
    AuthError::new(
        AuthErrorKind::Configuration,
        format!(
            "expected the id of {} {}, which begins with its region: `{example}`",
            match service {
                Service::UserPools => "a",
                Service::IdentityPools => "an",
            },
            service.name()
        ),
    )
}

/// A body that leaves nothing behind, also where it grew.
#[derive(Default)]
struct Body(Zeroizing<Vec<u8>>);

impl io::Write for Body {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        append(&mut self.0, bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_says_where_it_is() {
        let region = |service, pool| super::region(service, pool).ok();
        let users = Service::UserPools;
        let identities = Service::IdentityPools;
        assert_eq!(region(users, "eu-west-1_AbCdEfGhI"), Some("eu-west-1"));
        assert_eq!(region(users, "us-gov-west-1_A"), Some("us-gov-west-1"));
        assert_eq!(region(identities, "cn-north-1:0"), Some("cn-north-1"));
        for bad in [
            "",
            "_",
            "eu-west-1",
            "eu-west-1_",
            "AbCdEfGhI",
            "eu_west_1_A",
            "evil.example/-_A",
            "EU-WEST-1_A",
            "evil@-_A",
        ] {
            assert_eq!(region(users, bad), None, "{bad}");
        }
        assert_eq!(region(identities, "eu-west-1_AbCdEfGhI"), None);
    }
}
