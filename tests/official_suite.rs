//! AWS's own signing test suite through the layer: versions 4 and 4a, in headers and in the query.
//!
//! The suite ships inside the `aws-sigv4` package, so that is where it is read from.

use http::HeaderName;

use crate::support::promise;

mod adaptations;
mod cases;
mod raw;
mod sending;
mod signed;
mod v4;
mod v4a;

use adaptations::Adaptation;
use cases::Case;

/// Where a signature is.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Placement {
    Headers,
    Query,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Version {
    V4,
    V4a,
}

/// Checks every case as it is written, and those that are listed as they are adapted: how many there are
/// of each.
async fn check(cases: &[Case], adapted: &[(&str, Adaptation, &str)]) -> (usize, usize) {
    for (name, ..) in adapted {
        assert!(
            cases.iter().any(|case| case.name == *name),
            "{name} is gone"
        );
    }
    let mut wrong = Vec::new();
    let mut verbatim = 0;
    for case in cases {
        match (case.check().await, listed(&case.name, adapted)) {
            (Ok(()), None) => verbatim += 1,
            (Err(problem), None) => wrong.push(format!("{}: {problem}", case.name)),
            (Ok(()), Some(_)) => wrong.push(format!("{} passes: unlist it", case.name)),
            (Err(_), Some(adaptation)) => {
                if let Err(problem) = adaptation.check(case).await {
                    wrong.push(format!("{}, {adaptation:?}: {problem}", case.name));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(verbatim + adapted.len(), cases.len());
    (verbatim, adapted.len())
}

/// What the suite's verdict is worth: nothing of it survives a wrong secret or a wrong minute.
async fn check_that_wrong_ones_are_noticed(cases: &[Case], adapted: &[(&str, Adaptation, &str)]) {
    for case in cases {
        let adaptation = listed(&case.name, adapted);
        let mut other = case.clone();
        other.secret.push('x');
        assert!(
            other.check().await.is_err(),
            "{}: another secret",
            case.name
        );
        if let Some(adaptation) = adaptation {
            let checked = adaptation
                .check_with(case, |case| case.secret.push('x'))
                .await;
            assert!(checked.is_err(), "{}: another secret", case.name);
        }
        let mut other = case.clone();
        other.context["timestamp"] = "2015-08-30T12:37:00Z".into();
        assert!(other.check().await.is_err(), "{}: another time", case.name);
    }
}

fn listed(name: &str, adapted: &[(&str, Adaptation, &str)]) -> Option<Adaptation> {
    let mut listed = adapted.iter().filter(|(case, ..)| *case == name);
    listed.next().map(|(_, adaptation, _)| *adaptation)
}

fn report(what: &str, (verbatim, changed): (usize, usize), adapted: &[(&str, Adaptation, &str)]) {
    let all = verbatim + changed;
    promise(
        28,
        format_args!("{verbatim} of {all} {what}, as they are written, and {changed} adapted"),
    );
    for (name, _, reason) in adapted {
        promise(28, format_args!("{name}: {reason}"));
    }
}

fn header_name(name: &str) -> HeaderName {
    HeaderName::from_bytes(name.as_bytes()).expect("a name")
}
