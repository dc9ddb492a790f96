//! `evaluator metrics`: measures existing Python files, top to bottom.

mod table;

use anyhow::Context;
use serde::{Serialize, Serializer};
use slm_cli::Failure;
use slm_metrics::{FileMetrics, FileReport, Fstrings, Options, Rank};
use slm_report::code_metric::{CYCLOMATIC_COMPLEXITY, MAINTAINABILITY_INDEX};

use crate::arguments::{MetricsArguments, SortKey};
use crate::python_files::{FileError, FoundFile, each, find, report_errors};

/// Counts every file that the paths lead to, and prints a table or a document.
pub(crate) fn run(arguments: &MetricsArguments) -> Result<(), Failure> {
    let found = find(&arguments.paths)?;
    let fstrings = if arguments.legacy_fstrings {
        Fstrings::Legacy
    } else {
        Fstrings::Pep701
    };
    let mut measured = measure(found, Options { fstrings });
    let n_found = measured.len();
    arrange(&mut measured, arguments.sort, arguments.min);

    if arguments.json {
        let document = serde_json::to_string_pretty(&Document(&measured))
            .context("cannot write the metrics as JSON")?;
        slm_cli::document(&document);
    } else {
        slm_cli::result(&table::render(&measured, n_found));
    }

    let errors = measured
        .iter()
        .filter_map(|file| Some((file.name.as_str(), file.outcome.as_ref().err()?)));
    report_errors(errors, n_found, "counted")
}

/// A file with its metrics or error.
struct Measured {
    /// The path as displayed.
    name: String,
    outcome: Result<FileMetrics, FileError>,
}

/// Counts the files on all cores, and keeps their order.
fn measure(found: Vec<FoundFile>, options: Options) -> Vec<Measured> {
    each(found, |name, text| Measured {
        name,
        outcome: text.and_then(|text| Ok(slm_metrics::analyze_with(&text, options)?)),
    })
}

/// Keeps the files of rank `min` or worse, and sorts them by `sort`; without it they stay in the order of their
/// paths.
///
/// Files that could not be counted stay, after all others when sorted by a number.
fn arrange(measured: &mut Vec<Measured>, sort: Option<SortKey>, min: Option<Rank>) {
    if let Some(min) = min {
        measured.retain(|file| {
            file.outcome
                .as_ref()
                .map_or(true, |metrics| metrics.rank >= min)
        });
    }
    let Some(key) = sort else {
        return;
    };
    let metric = match key {
        SortKey::Mi => MAINTAINABILITY_INDEX,
        SortKey::Cc => CYCLOMATIC_COMPLEXITY,
    };
    let worst_first = |file: &Measured| match &file.outcome {
        Err(_) => f64::INFINITY,
        Ok(found) => {
            let value = metric.value(&found.into()).unwrap_or_default();
            if metric.shown.higher_is_better {
                value
            } else {
                -value
            }
        }
    };
    measured.sort_by(|a, b| worst_first(a).total_cmp(&worst_first(b)));
}

/// A JSON object that maps each path to metrics or an error.
struct Document<'a>(&'a [Measured]);

impl Serialize for Document<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap;

        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for Measured { name, outcome } in self.0 {
            match outcome {
                Ok(metrics) => map.serialize_entry(name, metrics)?,
                Err(error) => {
                    let error = error.to_string();
                    map.serialize_entry(name, &FileReport::Failed { error })?;
                }
            }
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    const PLAIN: &str = "x = 1\n";
    const BRANCHY: &str = "if a and b:\n    c = a + b * 2\n";

    fn counted(files: &[(&str, &str)]) -> Vec<Measured> {
        let count = |&(name, text): &(&str, &str)| Measured {
            name: name.to_owned(),
            outcome: slm_metrics::analyze(text).map_err(FileError::from),
        };
        files.iter().map(count).collect()
    }

    /// Asserts which files remain, and in which order.
    fn check(sort: Option<SortKey>, min: Option<Rank>, expected: &[&str]) {
        let mut files = counted(&[
            ("broken", "def f(:\n"),
            ("plain", PLAIN),
            ("branchy", BRANCHY),
            ("other", PLAIN),
        ]);
        arrange(&mut files, sort, min);
        let names: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
        assert_eq!(names, expected);
    }

    #[test]
    fn the_worst_stand_first_and_equals_keep_the_order_of_their_paths() {
        check(None, None, &["broken", "plain", "branchy", "other"]);
        for key in [SortKey::Mi, SortKey::Cc] {
            check(Some(key), None, &["branchy", "plain", "other", "broken"]);
        }
    }

    #[test]
    fn only_files_of_a_rank_or_worse_are_kept_but_every_failed_one() {
        check(
            None,
            Some(Rank::A),
            &["broken", "plain", "branchy", "other"],
        );
        check(None, Some(Rank::B), &["broken"]);
    }

    #[test]
    fn the_document_maps_each_path_to_metrics_or_an_error() {
        let files = counted(&[("b.py", PLAIN), ("a.py", "def f(:\n")]);
        let text = serde_json::to_string(&Document(&files)).expect("metrics serialise");
        assert!(text.starts_with(r#"{"b.py":{"raw":{"loc":1,"#), "{text}");
        let error = r#""a.py":{"error":"invalid syntax at line 1, column 7: "#;
        assert!(text.contains(error), "{text}");
    }

    #[test]
    fn an_error_is_told_with_its_place() {
        let error = |text| {
            slm_metrics::analyze(text)
                .map_err(FileError::from)
                .expect_err("no Python")
        };
        let line = error("x = 1\ny = )\n").at("a.py");
        assert!(line.starts_with("a.py:2:5: "), "{line}");
        let unreadable = FileError::from(io::Error::from(io::ErrorKind::PermissionDenied));
        assert_eq!(
            unreadable.at("a.py"),
            "a.py: cannot read: permission denied"
        );
    }
}
