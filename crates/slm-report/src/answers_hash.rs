//! A hash over what a run answered, which does not depend on how long anything took.

use slm_artifacts::sha256_of_texts;

use crate::record::SampleRecord;

/// Returns the SHA-256 over records without their measured times and repeated requests, in hex.
///
/// The records are sorted first: concurrent programs finish in any order. An interrupted and resumed run therefore has
/// the same hash as an uninterrupted one.
///
/// # Errors
/// A record contains a number that JSON cannot express.
pub fn answers_sha256(records: &[SampleRecord]) -> Result<String, serde_json::Error> {
    let untimed = |record: &SampleRecord| {
        serde_json::to_string(&SampleRecord {
            generation_s: 0.0,
            reused_s: 0.0,
            cpu_s: 0.0,
            seconds_to_program: None,
            retries: 0,
            ..record.clone()
        })
    };
    let mut lines = records
        .iter()
        .map(untimed)
        .collect::<Result<Vec<String>, _>>()?;
    lines.sort_unstable();
    Ok(sha256_of_texts(lines.iter().map(String::as_str)))
}
