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
    let limit = length.max(3) / 3;
    let written = written.to_lowercase();
    candidates
        // Two texts differ by the difference of their lengths, or by more.
        .filter(|candidate| candidate.chars().take(LONGEST + 1).count().abs_diff(length) <= limit)
        .map(|candidate| (strsim::damerau_levenshtein(&written, &candidate.to_lowercase()), candidate))
        .filter(|&(distance, _)| distance <= limit)
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
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
}
