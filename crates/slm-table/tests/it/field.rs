//! Parquet files as found in practice, written by golden/field/make.py, with the values that `datasets` and pyarrow
//! read.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use slm_table::{Reading, RowFault, TableError};

use crate::fields;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/it/golden/field")
        .join(name)
}

fn texts(name: &str) -> Result<Vec<Value>, TableError> {
    let rows = Reading::columns(["text".to_owned()]).open(&golden(name))?;
    rows.map(|row| Ok(row?.fields["text"].clone())).collect()
}

#[test]
fn a_wanted_column_is_read_whatever_its_type_codec_and_neighbours_are() {
    let expected = fs::read_to_string(golden("field.jsonl")).expect("the golden");
    for line in expected.lines() {
        let line: Value = serde_json::from_str(line).expect("JSON");
        let name = line["file"].as_str().expect("a name");
        let found = texts(name).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(Value::from(found), line["text"], "{name}");
    }
}

#[test]
fn all_columns_can_be_read_as_well() {
    for name in ["utc.parquet", "zone.parquet"] {
        let rows = fields(&golden(name));
        assert_eq!(rows[0]["text"], "a b", "{name}");
    }
    let rows = fields(&golden("types.parquet"));
    assert_eq!(
        rows,
        [
            json!({
                "utc": null, "zone": "1970-01-01T00:00:00Z", "decimal": null, "map": {"k": 1},
                "nested": [{"role": "user", "n": 1.0}], "date": null,
            }),
            json!({
                "utc": "1970-01-01T00:00:00Z", "zone": "1970-01-01T00:00:00.001Z", "decimal": 1.0, "map": null,
                "nested": null, "date": "1970-01-02",
            }),
        ]
    );
}

#[test]
fn two_columns_of_one_name_are_refused_where_one_is_wanted() {
    let error = texts("twice.parquet").expect_err("two columns").to_string();
    assert!(error.ends_with("two columns are called `text`"), "{error}");
    let other = Reading::columns(["other".to_owned()]).open(&golden("twice.parquet"));
    assert_eq!(other.expect("one column").count(), 2);
}

#[test]
fn bytes_that_are_no_text_cost_their_row() {
    let reading = Reading::columns(["text".to_owned()]);
    let rows = reading
        .clone()
        .open(&golden("not_utf8.parquet"))
        .expect("a file");
    let found: Vec<_> = rows
        .map(|row| match row {
            Ok(row) => Ok(row.fields["text"].clone()),
            Err(TableError::BadRow { fault, place, .. }) => Err((fault, place.number())),
            Err(error) => panic!("{error}"),
        })
        .collect();
    assert_eq!(
        found,
        [Ok(json!("a")), Err((RowFault::NotUtf8, 2)), Ok(json!("b"))]
    );
    // A text column with invalid UTF-8 is refused by the decoder; the error names the file.
    let error = texts("broken_string.parquet")
        .expect_err("no text")
        .to_string();
    assert!(error.contains("broken_string.parquet: "), "{error}");
}
