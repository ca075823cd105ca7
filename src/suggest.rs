//! Suggestions: "did you mean".

/// Returns the candidate that is most similar to `written`, if at most a third of it differs, as in rustc. Case does
/// not count.
pub fn did_you_mean<'a>(written: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let limit = written.chars().count().max(3) / 3;
    let written = written.to_lowercase();
    candidates
        .map(|candidate| (strsim::damerau_levenshtein(&written, &candidate.to_lowercase()), candidate))
        .filter(|&(distance, _)| distance <= limit)
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, candidate)| candidate)
}
