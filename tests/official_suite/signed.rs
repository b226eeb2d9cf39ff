//! A signed request, taken apart: its signature, and all the rest.

use http::HeaderMap;

/// What stands before the signature in `authorization`, and in a query.
const IN_HEADER: &str = ", Signature=";
const IN_QUERY: &str = "X-Amz-Signature=";

#[derive(Debug)]
pub(super) struct Signed {
    pub(super) rest: Rest,
    /// In digits.
    pub(super) signature: String,
}

/// A query is compared as a set: in which order signers write what they add to it is up to them.
#[derive(Debug, PartialEq)]
pub(super) struct Rest {
    pub(super) headers: Vec<(String, String)>,
    path: String,
    query: Vec<String>,
}

impl Signed {
    pub(super) fn new(headers: &HeaderMap, target: &str) -> Result<Self, String> {
        let mut signatures = Vec::new();
        let mut shown = Vec::new();
        for (name, value) in headers {
            let mut value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            if name == "authorization"
                && let Some((rest, signature)) = value.split_once(IN_HEADER)
            {
                signatures.push(signature.to_owned());
                value = rest.to_owned();
            }
            shown.push((name.as_str().to_owned(), value));
        }
        // A stable one: the values of a name stay in their order.
        shown.sort_by(|(name, _), (other, _)| name.cmp(other));

        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        let (signature, mut query): (Vec<&str>, Vec<&str>) =
            pairs.partition(|pair| pair.starts_with(IN_QUERY));
        signatures.extend(
            signature
                .iter()
                .map(|pair| pair[IN_QUERY.len()..].to_owned()),
        );
        query.sort_unstable();

        let [signature] = signatures.as_slice() else {
            return Err(format!("one signature was expected: {signatures:?}"));
        };
        Ok(Self {
            rest: Rest {
                headers: shown,
                path: path.to_owned(),
                query: query.into_iter().map(str::to_owned).collect(),
            },
            signature: signature.clone(),
        })
    }
}
