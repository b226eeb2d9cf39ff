//! Version 4, in headers and in the query.

use super::adaptations::{
    Adaptation, LENGTH_CHOSEN, LENGTH_UNSIGNED, SPACES, TOKEN_SIGNED, UNFOLDED,
};
use super::cases::{CONTEXTS, directories, name, suite};
use super::{Placement, Version, check, check_that_wrong_ones_are_noticed, report};
use crate::support::promise;

pub(super) const IN_HEADERS: [(&str, Adaptation, &str); 6] = [
    ("get-header-value-multiline", Adaptation::Unfold, UNFOLDED),
    ("get-space-normalized", Adaptation::EscapeSpaces, SPACES),
    ("get-space-unnormalized", Adaptation::EscapeSpaces, SPACES),
    (
        "post-sts-header-after",
        Adaptation::TokenSigned,
        TOKEN_SIGNED,
    ),
    (
        "post-x-www-form-urlencoded",
        Adaptation::ContentLengthUnsigned,
        LENGTH_UNSIGNED,
    ),
    (
        "post-x-www-form-urlencoded-parameters",
        Adaptation::ContentLengthUnsigned,
        LENGTH_UNSIGNED,
    ),
];

pub(super) const IN_QUERY: [(&str, Adaptation, &str); 5] = [
    ("get-header-value-multiline", Adaptation::Unfold, UNFOLDED),
    ("get-space-normalized", Adaptation::EscapeSpaces, SPACES),
    ("get-space-unnormalized", Adaptation::EscapeSpaces, SPACES),
    (
        "post-x-www-form-urlencoded",
        Adaptation::ContentLengthChosen,
        LENGTH_CHOSEN,
    ),
    (
        "post-x-www-form-urlencoded-parameters",
        Adaptation::ContentLengthChosen,
        LENGTH_CHOSEN,
    ),
];

#[tokio::test]
async fn the_official_suite_passes_in_headers() {
    let cases = suite(Version::V4, Placement::Headers);
    assert!(cases.len() >= 40, "only {} cases were found", cases.len());
    let checked = check(&cases, &IN_HEADERS).await;
    report("v4 cases in headers", checked, &IN_HEADERS);
}

#[tokio::test]
async fn the_official_suite_passes_in_the_query() {
    let cases = suite(Version::V4, Placement::Query);
    assert!(cases.len() >= 38, "only {} cases were found", cases.len());
    let checked = check(&cases, &IN_QUERY).await;
    report("v4 cases in the query", checked, &IN_QUERY);

    let left: Vec<String> = directories(Version::V4)
        .iter()
        .map(|directory| name(directory))
        .filter(|name| cases.iter().all(|case| case.name != *name))
        .collect();
    assert_eq!(left, CONTEXTS.map(|(name, _)| name), "left out");
    for name in left {
        promise(
            28,
            format_args!("{name}: in headers only, since the suite has no presigned URL of it"),
        );
    }
}

#[tokio::test]
async fn the_suite_notices_what_is_wrong() {
    let cases = suite(Version::V4, Placement::Headers);
    check_that_wrong_ones_are_noticed(&cases, &IN_HEADERS).await;
    let cases = suite(Version::V4, Placement::Query);
    check_that_wrong_ones_are_noticed(&cases, &IN_QUERY).await;
}
