//! What was meant by a name that is not quite right.

/// The one of `valid` that `given` was probably meant to be: the same but for case, dashes and
/// underscores, or a slip of the fingers away.
pub(crate) fn nearest<'a>(
    given: &str,
    valid: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let plain = plain(given);
    valid
        .into_iter()
        .filter_map(|name| distance(&plain, name).map(|distance| (distance, name)))
        .min()
        .map(|(_, name)| name)
}

/// As [`nearest`], and a part of a valid name counts too if it is a part of one only: `IAM` is
/// `AWS_IAM`.
pub(crate) fn nearest_or_part<'a>(given: &str, valid: &[&'a str]) -> Option<&'a str> {
    /// Two letters are a part of almost anything.
    const PART: usize = 3;
    nearest(given, valid.iter().copied()).or_else(|| {
        let part = plain(given);
        let mut hits = valid.iter().filter(|name| plain_contains(name, &part));
        match (hits.next(), hits.next()) {
            (Some(hit), None) if part.len() >= PART => Some(*hit),
            _ => None,
        }
    })
}

/// Whether two names differ in case, dashes and underscores only, if at all.
pub(crate) fn is_like(given: &str, name: &str) -> bool {
    plain(given) == plain(name)
}

fn plain_contains(name: &str, part: &str) -> bool {
    plain(name).contains(part)
}

/// How far apart they are, if that is near enough for a slip.
fn distance(plain_given: &str, name: &str) -> Option<usize> {
    let name = plain(name);
    let most = match name.chars().count() {
        0..=3 => 0,
        4..=7 => 1,
        _ => 2,
    };
    // What is much longer or shorter need not be compared, which takes time.
    if plain_given.len().abs_diff(name.len()) > 4 * most {
        return None;
    }
    let distance = strsim::osa_distance(plain_given, &name);
    (distance <= most).then_some(distance)
}

fn plain(name: &str) -> String {
    name.chars()
        .filter(|c| !matches!(c, '-' | '_' | ' ' | '.'))
        .flat_map(char::to_lowercase)
        .collect()
}

/// `` `a`, `b` and `c` ``.
pub(crate) fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let quoted: Vec<_> = names.into_iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        None => String::new(),
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_and_spellings_are_recognised() {
        let modes = ["NONE", "API_KEY", "AWS_IAM", "AMAZON_COGNITO_USER_POOLS"];
        let near = |given| nearest_or_part(given, &modes);
        assert_eq!(near("AWS-IAM"), Some("AWS_IAM"));
        assert_eq!(near("apiKey"), Some("API_KEY"));
        assert_eq!(near("AWS_IMA"), Some("AWS_IAM"));
        assert_eq!(near("none "), Some("NONE"));
        assert_eq!(near("IAM"), Some("AWS_IAM"));
        assert_eq!(near("COGNITO"), Some("AMAZON_COGNITO_USER_POOLS"));
        assert_eq!(near("da2-fakeApiId123456"), None);
        assert_eq!(near("A"), None);
        assert_eq!(near(""), None);
        assert_eq!(
            nearest("authorisationType", ["endpoint", "authorizationType"]),
            Some("authorizationType")
        );
        assert_eq!(nearest("name", ["mode"]), None);
    }

    #[test]
    fn lists_read_as_english() {
        assert_eq!(list([]), "");
        assert_eq!(list(["a"]), "`a`");
        assert_eq!(list(["a", "b", "c"]), "`a`, `b` and `c`");
    }
}
