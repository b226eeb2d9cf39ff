//! Where a request goes: to an upstream that it names, and to no other host.

use std::net::{Ipv4Addr, Ipv6Addr};

use http::uri::{Authority, Uri};
use http::{StatusCode, Version, header, request};

use crate::callers::Scope;
use crate::refusal::Refusal;
use crate::upstream::{Upstream, Upstreams};

pub(crate) struct Routes {
    upstreams: Upstreams,
    /// Names by which callers know this proxy.
    names: Vec<String>,
}

/// Where a request wants to go.
pub(crate) struct Target {
    pub(crate) authority: Option<Authority>,
    /// Whether that is this proxy.
    pub(crate) is_own: bool,
}

impl Routes {
    pub(crate) fn new(upstreams: Upstreams, names: &[String]) -> Self {
        Self {
            upstreams,
            names: names.to_vec(),
        }
    }

    /// Which host is meant: by the URI if it is whole, as those of HTTP/2 and those for proxies are, else by
    /// `Host` (RFC 9112, section 3.2).
    pub(crate) fn target(&self, head: &request::Parts) -> Result<Target, Refusal> {
        let authority = match head.uri.authority() {
            Some(authority) => Some(authority.clone()),
            None => host(head)?,
        };
        let is_own = match &authority {
            None => true,
            Some(authority) if authority.as_str().contains('@') => {
                return Err(Refusal::bad_request("bad_host", "a host has no `@` in it"));
            }
            Some(authority) => {
                self.is_own(authority.host())
                    && !self.upstreams.all.iter().any(|one| is_at(one, authority))
            }
        };
        Ok(Target { authority, is_own })
    }

    /// Names of one's own only: a page in a browser can have any other name lead here. An address leads to
    /// itself.
    fn is_own(&self, host: &str) -> bool {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let is_address = host.parse::<Ipv4Addr>().is_ok() || bare.parse::<Ipv6Addr>().is_ok();
        let names = self.names.iter().map(String::as_str);
        is_address
            || names
                .chain(["localhost"])
                .any(|name| host.eq_ignore_ascii_case(name))
    }

    /// The upstream a request is for, and the URI that it has there.
    pub(crate) fn find(
        &self,
        target: &Target,
        head: &request::Parts,
    ) -> Result<(&Upstream, Uri), Refusal> {
        let path = head.uri.path();
        if !path.starts_with('/') {
            return Err(Refusal::bad_request("bad_path", "a path begins with `/`"));
        }
        let (upstream, uri) = match (&target.authority, target.is_own) {
            (Some(authority), false) => {
                let upstream = self.by_host(authority, head)?;
                (upstream, whole(upstream, &head.uri))
            }
            _ => {
                let (upstream, rest) = self.by_path(head)?;
                (upstream, upstream.below(rest, head.uri.query()))
            }
        };
        let uri = uri.map_err(|_| Refusal::bad_request("bad_path", "the path is too long"))?;
        if upstream.depth() > 0 && has_dot_segments(path) {
            return Err(Refusal::bad_request(
                "dot_segments",
                "with `.` and `..` in it, a path could lead out of this upstream's own",
            ));
        }
        Ok((upstream, uri))
    }

    /// Several may be at one host: services behind one endpoint, stages of one API.
    fn by_host(&self, authority: &Authority, head: &request::Parts) -> Result<&Upstream, Refusal> {
        let at_host: Vec<&Upstream> = self
            .upstreams
            .all
            .iter()
            .filter(|one| is_at(one, authority))
            .collect();
        if at_host.is_empty() {
            return Err(Refusal::new(
                StatusCode::MISDIRECTED_REQUEST,
                "host_not_listed",
                "no upstream has this host, and requests go to no other: start the proxy with `--upstream \
                 https://…` for it, or with `--name …` if the proxy itself is meant",
            ));
        }
        let path = head.uri.path();
        let covering = at_host.iter().copied().filter(|one| one.covers(path));
        let covering: Vec<&Upstream> = covering.collect();
        if let Some(upstream) = by_scope(&covering, head) {
            return Ok(upstream);
        }
        let deepest = covering.iter().map(|one| one.depth()).max();
        let mut deepest = covering
            .into_iter()
            .filter(|one| Some(one.depth()) == deepest);
        match (deepest.next(), deepest.next()) {
            (None, _) => Err(Refusal::forbidden(
                "path_not_listed",
                "the upstreams at this host are at other paths",
            )),
            (Some(only), None) => Ok(only),
            (Some(_), Some(_)) => Err(no_choice()),
        }
    }

    /// By what the caller's own signature is for, which need not be a good one; by the path's beginning; or there
    /// is no choice.
    fn by_path<'a>(&self, head: &'a request::Parts) -> Result<(&Upstream, &'a str), Refusal> {
        let path = head.uri.path();
        let all: Vec<&Upstream> = self.upstreams.all.iter().collect();
        if let Some(upstream) = by_scope(&all, head) {
            return Ok((upstream, path));
        }
        let first = path[1..].split('/').next().unwrap_or_default();
        if let Some(upstream) = all.iter().find(|one| *one.name == *first) {
            return Ok((upstream, &path[1 + first.len()..]));
        }
        match self.upstreams.default {
            Some(at) => Ok((all[at], path)),
            None => Err(no_choice()),
        }
    }
}

fn has_dot_segments(path: &str) -> bool {
    path.split(['/', '\\']).any(|segment| {
        let plain = segment.to_ascii_lowercase().replace("%2e", ".");
        plain == "." || plain == ".." || plain.contains("%2f") || plain.contains("%5c")
    })
}

fn no_choice() -> Refusal {
    Refusal::new(
        StatusCode::NOT_FOUND,
        "no_upstream",
        "this could be for several upstreams: begin the path with `/` and the name of one, send its host as `Host`, or \
         start the proxy with `--default NAME`",
    )
}

/// With HTTP/1.1 there is exactly one (RFC 9112, section 3.2).
fn host(head: &request::Parts) -> Result<Option<Authority>, Refusal> {
    let mut hosts = head.headers.get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(host), None) => {
            let authority = Authority::try_from(host.as_bytes());
            let bad = |_| Refusal::bad_request("bad_host", "the `Host` header names no host");
            authority.map(Some).map_err(bad)
        }
        (None, _) if head.version < Version::HTTP_11 => Ok(None),
        _ => Err(Refusal::bad_request(
            "bad_host",
            "a request has exactly one `Host` header",
        )),
    }
}

/// Whoever leaves the port out means the usual one, be it that of http or of https: callers speak plain http
/// with this proxy, whatever it speaks with the upstream.
fn is_at(upstream: &Upstream, authority: &Authority) -> bool {
    let port = |authority: &Authority| {
        authority
            .port_u16()
            .filter(|port| ![80, 443].contains(port))
    };
    upstream
        .authority
        .host()
        .eq_ignore_ascii_case(authority.host())
        && port(&upstream.authority) == port(authority)
}

fn whole(upstream: &Upstream, uri: &Uri) -> Result<Uri, http::Error> {
    let path = uri.path_and_query().cloned();
    upstream.at(path.unwrap_or_else(|| http::uri::PathAndQuery::from_static("/")))
}

fn by_scope<'a>(upstreams: &[&'a Upstream], head: &request::Parts) -> Option<&'a Upstream> {
    // Mostly there is no choice, and nothing to look for.
    let [_, _, ..] = upstreams else {
        return None;
    };
    let scope = Scope::of(head)?;
    let fitting = |one: &&&Upstream| {
        one.signed
            .as_ref()
            .is_some_and(|(service, _)| *service == scope.service)
    };
    let of_region = |one: &&&Upstream| {
        let signed = one.signed.as_ref();
        signed.is_some_and(|(_, region)| region.as_deref() == Some(&*scope.region))
    };
    let fitting: Vec<&&Upstream> = upstreams.iter().filter(fitting).collect();
    match fitting[..] {
        [only] => Some(only),
        _ => fitting.into_iter().find(of_region).copied(),
    }
}
