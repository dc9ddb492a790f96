//! Files whose layout differs from their name, and the columns that are read.

use serde_json::{Value, json};
use slm_table::{Reading, RowFault, TableError};

use crate::{check, file, gzipped};

#[test]
fn an_array_and_an_object_of_many_lines_are_read_whatever_the_name_says() {
    let row = json!([{"prompt": "a", "completion": "b"}]);
    let two = json!([{"a": 1}, {"a": 2}]);
    for name in ["x.jsonl", "x.ndjson", "x.json"] {
        check(name, "[{\"prompt\": \"a\", \"completion\": \"b\"}]", &row);
        check(
            name,
            "{\n \"prompt\": \"a\",\n \"completion\": \"b\"\n}\n",
            &row,
        );
        check(name, "{\"prompt\": \"a\", \"completion\": \"b\"}", &row);
        check(name, "\n[\n  {\"a\": 1},\n  {\"a\": 2}\n]\n", &two);
        check(name, "{\n\"a\": 1\n}\n{\n\"a\": 2}\n", &two);
        check(name, "{\"a\": 1}\n{\"a\": 2}", &two);
    }
}

#[test]
fn one_object_of_a_document_is_a_row_unless_it_holds_columns() {
    let messages = json!({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]});
    check("x.json", &messages.to_string(), &json!([messages]));
    let mixed = json!({"prompt": "a", "tags": ["x", "y"]});
    check("x.json", &mixed.to_string(), &json!([mixed]));
    // Each line is a row.
    let columns = json!({"a": [1, 2]});
    check("x.jsonl", &columns.to_string(), &json!([columns]));
    check("x.json", &columns.to_string(), &json!([{"a": 1}, {"a": 2}]));
}

#[test]
fn two_fields_of_one_name_are_a_bad_row() {
    let (_folder, path) = file("x.jsonl", b"{\"a\": 1, \"a\": 2}\n{\"a\": 3}\n");
    for reading in [Reading::all(), Reading::columns(["a".to_owned()])] {
        let mut rows = reading.open(&path).expect("a file");
        let error = rows.next().expect("a row").expect_err("two").to_string();
        assert!(error.contains("x.jsonl:1"), "{error}");
        assert!(error.contains("two fields are called `a`"), "{error}");
        assert_eq!(rows.next().expect("a row").expect("good").fields["a"], 3);
    }
}

/// Reads the column `text`; returns the text of each row, or its fault.
fn texts(name: &str, bytes: &[u8]) -> Vec<Result<String, RowFault>> {
    let (_folder, path) = file(name, bytes);
    let rows = Reading::columns(["text".to_owned()])
        .open(&path)
        .expect("a file");
    rows.map(|row| match row {
        Ok(row) => {
            assert!(row.fields.keys().all(|name| name == "text"), "{row:?}");
            Ok(row.fields["text"].as_str().unwrap_or("no text").to_owned())
        }
        Err(TableError::BadRow { fault, .. }) => Err(fault),
        Err(error) => panic!("{name}: {error}"),
    })
    .collect()
}

/// Invalid fields that are not requested.
const OTHERS: [&[u8]; 6] = [
    b"NaN",
    b"1e999",
    br#""\ud83d""#,
    b"\"\xff\"",
    b"[[[]]]",
    br#"{"text": -Infinity}"#,
];

#[test]
fn what_is_in_other_columns_costs_nothing_in_any_layout() {
    let good = Ok("a".to_owned());
    for other in OTHERS {
        let row = [
            b"{\"x\": ",
            other,
            b", \"text\": \"a\", \"y\": ",
            other,
            b"}",
        ]
        .concat();
        let lines = [&row[..], &row].join(&b'\n');
        let array = [&b"["[..], &row[..], b",", &row, b"]"].concat();
        for (name, bytes) in [
            ("x.jsonl", &lines),
            ("x.json", &lines),
            ("x.jsonl", &array),
            ("x.json", &array),
        ] {
            let shown = String::from_utf8_lossy(bytes);
            assert_eq!(
                texts(name, bytes),
                [good.clone(), good.clone()],
                "{name}: {shown}"
            );
            let name = format!("{name}.gz");
            assert_eq!(
                texts(&name, &gzipped(bytes)),
                [good.clone(), good.clone()],
                "{name}: {shown}"
            );
        }
    }
    assert_eq!(texts("x.csv", b"x,text\n\xff,a\n"), [good]);
}

#[test]
fn a_fault_in_a_wanted_column_costs_its_row_alone() {
    let broken = Err(RowFault::Broken);
    let good = Ok("a".to_owned());
    for (bad, expected) in [
        (&b"{\"text\": }"[..], broken.clone()),
        (b"[1]", broken.clone()),
        (b"null", broken.clone()),
        (b"{\"text\": \"b\", \"text\": \"c\"}", broken.clone()),
        (b"{\"x\": 1 2, \"text\": \"b\"}", broken),
        (b"{\"text\": \"\xff\"}", Err(RowFault::NotUtf8)),
        (b"{\"text\": \"b \\ud83d\"}", Ok("b \u{fffd}".to_owned())),
        (b"{\"text\": NaN}", Ok("no text".to_owned())),
    ] {
        let row = &b"{\"text\": \"a\"}"[..];
        let array = [&b"["[..], row, b",", bad, b",", row, b"]"].concat();
        for (name, bytes) in [("x.jsonl", [row, bad, row].join(&b'\n')), ("x.json", array)] {
            let expected = [good.clone(), expected.clone(), good.clone()];
            assert_eq!(
                texts(name, &bytes),
                expected,
                "{}",
                String::from_utf8_lossy(&bytes)
            );
        }
        // Among the first lines, from which the layout is detected.
        let first = [bad, row, row].join(&b'\n');
        if !bad.starts_with(b"[") {
            let expected = [expected.clone(), good.clone(), good.clone()];
            assert_eq!(
                texts("x.jsonl", &first),
                expected,
                "{}",
                String::from_utf8_lossy(&first)
            );
        }
    }
    let cut = b"{\"text\": \"a\"}\n{\"text\": \"b\n{\"text\": \"a\"}\n{\"text\": \"a\", \n";
    let expected = [
        good.clone(),
        Err(RowFault::Broken),
        good,
        Err(RowFault::Broken),
    ];
    assert_eq!(texts("x.jsonl", cut), expected);
}

#[test]
fn a_row_names_all_its_columns_and_the_text_that_lost_a_surrogate() {
    let (_folder, path) = file("x.jsonl", br#"{"a": 1, "text": ["x", "\ud83d"], "b": 2}"#);
    let mut rows = Reading::columns(["text".to_owned()])
        .open(&path)
        .expect("a file");
    let row = rows.next().expect("a row").expect("a sound row");
    assert_eq!(row.columns[..], ["a", "text", "b"].map(str::to_owned));
    assert_eq!(row.lone_surrogate.as_deref(), Some("text"));
    assert_eq!(row.fields["text"], json!(["x", "\u{fffd}"]));
    // In an object of columns, the affected row is marked.
    let (_folder, path) = file("x.json", br#"{"text": ["x", "\ud83d"]}"#);
    let rows = Reading::columns(["text".to_owned()])
        .open(&path)
        .expect("a file");
    let lone: Vec<Option<String>> = rows.map(|row| row.expect("a row").lone_surrogate).collect();
    assert_eq!(lone, [None, Some("text".to_owned())]);
}

#[test]
fn a_csv_whose_last_quote_is_open_is_refused_and_places_are_lines() {
    let (folder, path) = file("x.csv", b"a\r\n1\r\n\r\n\"2\r\n3\r\n4");
    let mut rows = slm_table::open(&path).expect("a file");
    let first = rows.next().expect("a row").expect("a sound row");
    assert_eq!(
        (first.place.number(), &first.fields["a"]),
        (2, &Value::from("1"))
    );
    let error = rows
        .next()
        .expect("a row")
        .expect_err("an open quote")
        .to_string();
    let error = error.replace(&format!("{}/", folder.path().display()), "");
    assert_eq!(
        error,
        "x.csv:4: a quoted value is not closed before the end of the file"
    );
    assert!(rows.next().is_none());
}

#[test]
fn a_git_lfs_pointer_is_named_as_such_in_place_of_any_format() {
    let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 12\n";
    for name in ["x.jsonl", "x.json", "x.csv", "x.parquet", "x.jsonl.gz"] {
        let (_folder, path) = file(name, pointer);
        let error = slm_table::open(&path).expect_err("a pointer");
        assert!(matches!(error, TableError::LfsPointer { .. }), "{error}");
        assert!(
            error.to_string().contains("hint: `git lfs pull`"),
            "{error}"
        );
        assert!(matches!(
            slm_table::lines(&path),
            Err(TableError::LfsPointer { .. })
        ));
    }
}
