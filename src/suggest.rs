//! Suggestions: "did you mean".

/// Maximum number of characters of a text that is compared. Domain names have at most 255 octets; comparing takes time
/// and memory in proportion to the product of two lengths.
const LONGEST: usize = 255;

/// Returns the candidate that is most similar to `written`, if at most a third of it differs, as in rustc. Case does
/// not count. Returns `None` for texts that no operator mistypes, above 255 characters.
pub fn did_you_mean<'a>(written: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let length = written.chars().count();
    if length > LONGEST {
        return None;
    }
    let written = written.to_lowercase();
    let (mut limit, mut best) = (length.max(3) / 3, None);
    for candidate in candidates {
        // Two texts differ at least by the difference of their lengths.
        if candidate.chars().take(LONGEST + 1).count().abs_diff(length) > limit {
            continue;
        }
        let lower = candidate.to_lowercase();
        let (one, other) = apart(&written, &lower);
        let distance = strsim::osa_distance(one, other);
        if distance > limit {
            continue;
        }
        best = Some(candidate);
        match distance.checked_sub(1) {
            // From here on only a better one counts.
            Some(less) => limit = less,
            None => break,
        }
    }
    best
}

/// Returns two texts without what they begin and end with alike. The cost of a comparison grows with the product of
/// the lengths, and the names of a zone end alike.
fn apart<'t>(one: &'t str, other: &'t str) -> (&'t str, &'t str) {
    let alike = |(one, other): &(char, char)| one == other;
    let octets = |(one, _): (char, char)| one.len_utf8();
    let prefix: usize = one.chars().zip(other.chars()).take_while(alike).map(octets).sum();
    let (one, other) = (&one[prefix..], &other[prefix..]);
    let suffix: usize = one.chars().rev().zip(other.chars().rev()).take_while(alike).map(octets).sum();
    (&one[..one.len() - suffix], &other[..other.len() - suffix])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_third_may_differ() {
        let known = ["web", "webmail", "Straße"];
        let mean = |written| did_you_mean(written, known.into_iter());
        assert_eq!(mean("wbe"), Some("web"));
        assert_eq!(mean("WEBMIAL"), Some("webmail"));
        assert_eq!(mean("strase"), Some("Straße"));
        assert_eq!((mean("wxy"), mean("webmails2345")), (None, None));
    }

    #[test]
    fn long_texts_are_not_compared() {
        let long = "a".repeat(60_000);
        let known: Vec<String> = (0..1000).map(|number| format!("{long}{number}")).collect();
        assert_eq!(did_you_mean(&long, known.iter().map(String::as_str)), None);
        assert_eq!(did_you_mean("aaa", known.iter().map(String::as_str)), None);
    }

    #[test]
    fn of_equally_similar_texts_the_first_is_suggested_and_a_better_one_before_it() {
        assert_eq!(did_you_mean("webb", ["weba", "webc", "WEBB"].into_iter()), Some("WEBB"));
        assert_eq!(did_you_mean("webb", ["weba", "webc"].into_iter()), Some("weba"));
        assert_eq!(did_you_mean("abcdef", ["abdcfe", "abcdfe"].into_iter()), Some("abcdfe"));
    }

    proptest! {
        #[test]
        fn what_is_alike_at_both_ends_makes_no_difference(one in "[abß]{0,9}", other in "[abß]{0,9}") {
            let (left, right) = apart(&one, &other);
            prop_assert_eq!(strsim::osa_distance(left, right), strsim::osa_distance(&one, &other));
        }
    }
}
