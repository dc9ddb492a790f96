//! The name that was probably meant by one that does not exist.

/// Returns the candidate that differs least from `name`, if it differs in at most a third of its characters.
pub(crate) fn nearest<'a>(name: &str, candidates: &[&'a str]) -> Option<&'a str> {
    let distance = |candidate: &str| strsim::damerau_levenshtein(name, candidate);
    let most = name.chars().count().div_ceil(3);
    candidates
        .iter()
        // The distance takes time proportional to both lengths.
        .filter(|candidate| candidate.len().abs_diff(name.len()) <= most && name.len() < 200)
        .map(|candidate| (distance(candidate), *candidate))
        .filter(|(distance, _)| *distance <= most)
        .min()
        .map(|(_, candidate)| candidate)
}
