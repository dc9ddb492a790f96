//! Rows of files of every format, valid and broken.

mod bounds;
mod field;
mod layouts;
mod pandas;

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Map, Value, json};
use slm_table::{Row, TableError, open, write_parquet};
use tempfile::TempDir;

/// Creates a folder with one file.
fn file(name: &str, bytes: &[u8]) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join(name);
    fs::write(&path, bytes).expect("file");
    (folder, path)
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

fn rows(path: &Path) -> Result<Vec<Row>, TableError> {
    open(path)?.collect()
}

fn fields(path: &Path) -> Vec<Value> {
    let rows = rows(path).unwrap_or_else(|error| panic!("{error}"));
    rows.into_iter()
        .map(|row| Value::Object(row.fields))
        .collect()
}

/// Checks the rows of a file, plain and gzipped.
fn check(name: &str, text: &str, expected: &Value) {
    let (_folder, path) = file(name, text.as_bytes());
    assert_eq!(Value::from(fields(&path)), *expected, "{name}: {text}");
    let (_folder, path) = file(&format!("{name}.gz"), &gzipped(text.as_bytes()));
    assert_eq!(Value::from(fields(&path)), *expected, "{name}.gz: {text}");
}

/// Checks the error message about a broken file, without its folder.
fn check_error(name: &str, bytes: &[u8], expected: &str) {
    let (folder, path) = file(name, bytes);
    let error = rows(&path).expect_err("a broken file").to_string();
    let error = error.replace(&format!("{}/", folder.path().display()), "");
    assert_eq!(error, expected, "{name}");
}

/// Reads the parquet files among the goldens.
fn golden_parquets() -> Vec<Vec<u8>> {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/golden");
    let mut paths: Vec<PathBuf> = ["field", "pandas"]
        .into_iter()
        .flat_map(|folder| fs::read_dir(golden.join(folder)).expect("a folder"))
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "parquet"))
        .collect();
    paths.sort();
    let bytes = paths.iter().map(|path| fs::read(path).expect("a golden"));
    bytes.collect()
}

#[test]
fn lines_of_json_are_rows() {
    check(
        "x.jsonl",
        "\u{feff}{\"a\": 1, \"b\": \"\u{e9}\"}\r\n\n  {\"b\": null}",
        &json!([{"a": 1, "b": "\u{e9}"}, {"b": null}]),
    );
    check("x.jsonl", "", &json!([]));
    // As written by Python.
    check(
        "x.ndjson",
        "{\"a\": NaN, \"b\": [-Infinity]}\n",
        &json!([{"a": null, "b": [null]}]),
    );
}

#[test]
fn a_json_array_is_rows_and_so_are_columns_and_objects_in_a_row() {
    let expected = json!([{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]);
    check(
        "x.json",
        "[\n {\"a\": 1, \"b\": \"x\"}\n,{\"a\": 2, \"b\": \"y\"}\n]\n",
        &expected,
    );
    check(
        "x.json",
        "{\"a\": [1, 2], \"b\": [\"x\", \"y\"]}",
        &expected,
    );
    check(
        "x.json",
        "{\"a\": {\"0\": 1, \"1\": 2}, \"b\": {\"0\": \"x\", \"1\": \"y\"}}",
        &expected,
    );
    check(
        "x.json",
        "{\"a\": 1, \"b\": \"x\"}\n{\"a\": 2, \"b\": \"y\"}\n",
        &expected,
    );
    check("x.json", " [ ] ", &json!([]));
    check("x.json", "", &json!([]));
}

#[test]
fn values_of_csv_are_texts_under_their_names() {
    check(
        "x.csv",
        "a,b\n1,\"x, \"\"y\"\"\nz\"\n2,\n",
        &json!([{"a": "1", "b": "x, \"y\"\nz"}, {"a": "2", "b": ""}]),
    );
    check("x.csv", "a,b\n", &json!([]));
}

#[test]
fn gzip_is_told_by_its_bytes_and_may_have_several_members() {
    let bytes = [gzipped(b"{\"a\": 1}\n"), gzipped(b"{\"a\": 2}\n")].concat();
    let (_folder, path) = file("x.jsonl", &bytes);
    assert_eq!(fields(&path), [json!({"a": 1}), json!({"a": 2})]);
}

#[test]
fn every_row_knows_its_place() {
    let places = |name: &str, text: &str| -> Vec<String> {
        let (folder, path) = file(name, text.as_bytes());
        let folder = format!("{}/", folder.path().display());
        let rows = rows(&path).expect("a sound file");
        rows.iter()
            .map(|row| row.place.to_string().replace(&folder, ""))
            .collect()
    };
    assert_eq!(
        places("x.jsonl", "\n{}\n\n{}\n"),
        ["x.jsonl:2", "x.jsonl:4"]
    );
    assert_eq!(
        places("x.json", "[\n{\"a\":\n1},\n\n{}]"),
        ["x.json:2", "x.json:5"]
    );
    assert_eq!(places("x.csv", "a\n\"1\n2\"\n3\n"), ["x.csv:2", "x.csv:4"]);
}

#[test]
fn what_is_broken_is_told_with_its_line() {
    let cases: [(&str, &str, &str); 14] = [
        (
            "x.jsonl",
            "{}\n[1]\n",
            "x.jsonl:2: an array, expected an object",
        ),
        (
            "x.jsonl",
            "{}\n{\"a\": 1\n",
            "x.jsonl:2: not JSON: the line is cut off: expected `,` or `}`, column 8",
        ),
        (
            "x.jsonl",
            "{}\n{\"a\": x}\n",
            "x.jsonl:2: not JSON: expected a value, column 7",
        ),
        (
            "x.json",
            "[{},\n{\"a\": }]",
            "x.json:2: not JSON: expected a value, column 7",
        ),
        ("x.json", "[{},\n", "x.json:2: the array is cut off"),
        ("x.json", "[{}\n", "x.json:2: the array is cut off"),
        (
            "x.json",
            "[{} {}]",
            "x.json:1: expected `,` or `]` after an element",
        ),
        ("x.json", "[1]", "x.json:1: a number, expected an object"),
        ("x.json", "[{},]", "x.json:1: expected an object"),
        (
            "x.json",
            "[{\"a\": \"b\n\"}]",
            "x.json:1: an unterminated string",
        ),
        (
            "x.json",
            "[]\n[]",
            "x.json:2: something follows the end of the array",
        ),
        (
            "x.json",
            "\"a\"",
            "x.json:1: not JSON rows: expected `[` or `{`",
        ),
        (
            "x.csv",
            "a,b\n1,2\n3\n",
            "x.csv:3: 1 values, expected 2 as in the first line",
        ),
        ("x.csv", "a,a\n1,2\n", "x.csv:1: two columns are called `a`"),
    ];
    for (name, text, expected) in cases {
        check_error(name, text.as_bytes(), expected);
    }
    check_error(
        "x.json",
        b"{\"a\": [1], \"b\": [1, 2]}",
        "x.json:1: column `b` has 2 values, the first column has 1",
    );
    check_error("x.csv", b"a\n\xff\n", "x.csv:2: `a` is not UTF-8");
    check_error(
        "x.parquet",
        b"{}",
        "x.parquet: not a parquet file, which would begin with PAR1",
    );
    check_error(
        "x.txt",
        b"{}",
        "x.txt: unknown kind of file\nhint: supported endings: .jsonl, .json and .csv (each may be followed by .gz), and .parquet",
    );
}

#[test]
fn a_broken_gzip_stream_and_a_broken_parquet_file_are_errors() {
    let whole = gzipped(&b"{\"a\": 1}\n".repeat(1000));
    let (_folder, path) = file("x.jsonl.gz", &whole[..whole.len() / 2]);
    assert!(matches!(rows(&path), Err(TableError::Unreadable { .. })));
    let (_folder, path) = file("x.parquet", b"PAR1 and then nothing of the kind");
    assert!(matches!(rows(&path), Err(TableError::Parquet { .. })));
}

#[test]
fn after_a_bad_row_come_the_others_and_after_any_other_error_none() {
    let outcomes = |name: &str, bytes: &[u8]| -> Vec<bool> {
        let (_folder, path) = file(name, bytes);
        open(&path)
            .expect("a file")
            .map(|row| row.is_ok())
            .collect()
    };
    assert_eq!(outcomes("x.jsonl", b"{}\nx\n{}\n"), [true, false, true]);
    assert_eq!(outcomes("x.json", b"[{}, 1, {}]"), [true, false, true]);
    assert_eq!(
        outcomes("x.csv", b"a,b\n1,2\n3\n4,5\n"),
        [true, false, true]
    );
    assert_eq!(outcomes("x.json", b"[{} {}]"), [true, false]);
}

#[test]
fn a_missing_file_and_a_folder_are_told_apart() {
    let folder = tempfile::tempdir().expect("folder");
    assert!(matches!(
        open(&folder.path().join("no.jsonl")),
        Err(TableError::NotFound { .. })
    ));
    assert!(matches!(
        open(folder.path()),
        Err(TableError::Unreadable { .. })
    ));
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        other => panic!("{other}"),
    }
}

#[test]
fn what_is_written_as_parquet_comes_back() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("records.parquet");
    let given = [
        json!({"text": "a\n\u{e9}", "int": 9_007_199_254_740_993_i64, "float": 0.1, "bool": true, "nested": [1, {"a": 2}], "mixed": 1, "none": null}),
        json!({"text": null, "int": -1, "float": 2, "bool": false, "nested": "x", "mixed": true, "late": 1.5}),
    ];
    let rows: Vec<_> = given.into_iter().map(object).collect();
    write_parquet(&path, &rows).expect("written");
    let expected = [
        json!({"text": "a\n\u{e9}", "int": 9_007_199_254_740_993_i64, "float": 0.1, "bool": true, "nested": "[1,{\"a\":2}]", "mixed": "1", "none": null, "late": null}),
        json!({"text": null, "int": -1, "float": 2.0, "bool": false, "nested": "x", "mixed": "true", "none": null, "late": 1.5}),
    ];
    assert_eq!(fields(&path), expected);
    let names: Vec<_> = fs::read_dir(folder.path())
        .expect("folder")
        .flatten()
        .collect();
    assert_eq!(names.len(), 1, "unexpected files: {names:?}");
}

#[test]
fn parquet_rows_stream_over_batches_and_keep_their_order() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("many.parquet");
    let rows: Vec<_> = (0..70_000).map(|i| object(json!({"i": i}))).collect();
    write_parquet(&path, &rows).expect("written");
    let mut n = 0;
    for row in open(&path).expect("a file") {
        let row = row.expect("a row");
        assert_eq!(row.fields["i"], json!(n));
        n += 1;
        assert_eq!(row.place.number(), n);
    }
    assert_eq!(n, 70_000);
}

#[test]
fn rows_without_fields_cannot_be_parquet() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("empty.parquet");
    let error = write_parquet(&path, &[]).expect_err("nothing to write");
    assert!(
        error
            .to_string()
            .ends_with("cannot write: there are no rows with fields"),
        "{error}"
    );
    assert!(File::open(&path).is_err());
}

#[test]
fn pandas_and_pyarrow_files_are_read() {
    // Written by golden/pandas/make.py, with nested and rarer types.
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/golden/pandas/data.parquet");
    let expected = fs::read_to_string(path.with_file_name("data.jsonl")).expect("the golden");
    let expected: Vec<Value> = expected
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(fields(&path), expected);
}
