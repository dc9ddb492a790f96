//! Parquet files written here, read by pandas with the interpreter in `PANDAS_PYTHON`, else `python3`; skipped without
//! pandas.

#![allow(clippy::print_stderr, reason = "a skipped test must be visible")]

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use slm_table::write_parquet;

use crate::object;

/// Rows of all types, enough for a second row group.
const N_ROWS: usize = 70_000;

/// Exit code of the script if Python has no pandas.
const NO_PANDAS: i32 = 9;

#[test]
fn pandas_reads_what_is_written_as_parquet() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("records.parquet");
    let mut rows = vec![
        object(json!({
            "i": 0, "text": "a\n\u{e9}\u{1f40d}", "whole": 9_007_199_254_740_993_i64, "part": 0.1,
            "is_right": true, "nested": [1, {"a": "b"}], "none": null,
        })),
        object(
            json!({"i": 1, "text": "", "whole": -1, "part": 2, "is_right": false, "nested": "x"}),
        ),
        object(
            json!({"i": 2, "text": null, "whole": 7, "part": 1e300, "is_right": true, "late": 1.5}),
        ),
    ];
    rows.extend((3..N_ROWS).map(|i| object(json!({"i": i, "whole": 1, "is_right": false}))));
    write_parquet(&path, &rows).expect("written");

    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/read_parquet.py");
    let python = std::env::var_os("PANDAS_PYTHON").unwrap_or_else(|| "python3".into());
    let output = match Command::new(&python).arg(script).arg(&path).output() {
        Ok(output) => output,
        Err(error) => {
            eprintln!("skipped: {}: {error}", python.display());
            return;
        }
    };
    let said = String::from_utf8_lossy(&output.stdout);
    if output.status.code() == Some(NO_PANDAS) {
        eprintln!("skipped: {}: {}", python.display(), said.trim());
        return;
    }
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaint}");
    let found: Value = serde_json::from_str(&said).expect("one JSON document");
    eprintln!("read by {}", found["versions"]);

    assert_eq!(
        found["types"],
        json!({
            "i": "int64", "text": "string", "whole": "int64", "part": "double", "is_right": "bool",
            "nested": "string", "none": "null", "late": "double",
        })
    );
    assert_eq!(
        found["first"],
        json!([
            {
                "i": 0, "text": "a\n\u{e9}\u{1f40d}", "whole": 9_007_199_254_740_993_i64, "part": 0.1,
                "is_right": true, "nested": "[1,{\"a\":\"b\"}]", "none": null, "late": null,
            },
            {
                "i": 1, "text": "", "whole": -1, "part": 2.0, "is_right": false, "nested": "x",
                "none": null, "late": null,
            },
            {
                "i": 2, "text": null, "whole": 7, "part": 1e300, "is_right": true, "nested": null,
                "none": null, "late": 1.5,
            },
        ])
    );
    assert_eq!(
        (&found["rows"], &found["last"]),
        (&json!(N_ROWS), &json!(N_ROWS - 1))
    );
}
