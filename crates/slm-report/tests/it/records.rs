//! Records and run descriptions of earlier versions, as they were written.

use serde_json::Value;
use slm_artifacts::Verdict;
use slm_report::{RECORD_VERSION, RunInfo, SampleRecord};

use crate::synthetic::sample;

const LINES: &str = include_str!("golden/version-5/records.jsonl");
const RUN: &str = include_str!("golden/version-5/run.json");

/// Parses a text of JSON.
fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

#[test]
fn records_of_version_5_open_with_every_field_and_need_no_upgrade() {
    for line in LINES.lines() {
        let record: SampleRecord = serde_json::from_str(line).expect("a record");
        assert_eq!(record.version, 5);
        assert_eq!(record.clone().upgraded(), record);
        let again = serde_json::to_value(&record).expect("JSON");
        assert_eq!(again, json(line));
    }
    let first: SampleRecord =
        serde_json::from_str(LINES.lines().next().expect("a line")).expect("a record");
    let mut expected = sample("base", 0);
    (expected.version, expected.unspent.lookups) = (5, 0);
    expected.executable = None;
    // The rules on findings may have changed since.
    expected.metrics = first.metrics;
    assert_eq!(first, expected);
}

#[test]
fn a_run_of_version_5_opens_with_every_field_and_changes_its_version_alone() {
    let run: RunInfo = serde_json::from_str(RUN).expect("a run");
    assert_eq!(run.version, 5);
    let again = serde_json::to_value(&run).expect("JSON");
    assert_eq!(again, json(RUN));
    let upgraded = run.clone().upgraded();
    let expected = RunInfo {
        version: RECORD_VERSION,
        ..run
    };
    assert_eq!(upgraded, expected);
    assert_eq!((upgraded.knowledge, upgraded.offline.len()), (None, 0));
}

#[test]
fn only_version_3_has_empty_answers_that_are_called_unparsable() {
    for (version, verdict) in [
        (3, Verdict::Empty),
        (4, Verdict::Unparsable),
        (5, Verdict::Unparsable),
        (6, Verdict::Unparsable),
    ] {
        let mut record = sample("base", 0);
        record.version = version;
        (record.verdict, record.parsable) = (Verdict::Unparsable, false);
        record.detail = Some("adds no statement to the prompt".to_owned());
        record.metrics = None;
        let found = record.upgraded();
        assert_eq!((found.version, found.verdict), (version, verdict));
        assert_eq!(found.parsable, verdict == Verdict::Empty);
    }
}

#[test]
fn a_record_and_a_run_without_lookups_write_none_of_their_fields() {
    let line = serde_json::to_value(sample("base", 3)).expect("JSON");
    for key in [
        "lookups",
        "masked",
        "recall",
        "copied",
        "sketch_kept",
        "attempts",
        "phases",
    ] {
        assert_eq!(line.get(key), None, "{key}");
    }
    let run = serde_json::to_value(crate::synthetic::run(&["adapter"])).expect("JSON");
    for key in ["knowledge", "offline", "short_budgets", "assisted"] {
        assert_eq!(run.get(key), None, "{key}");
    }
}
