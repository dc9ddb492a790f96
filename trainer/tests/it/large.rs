//! Data sets larger than the memory that reading them may take.

use serde_json::{Map, Value};

use crate::peak_memory;
use crate::support::Project;

/// Rows of the large file: a million with `LARGE_DATA=1`, as in the project's gate.
fn n_rows() -> usize {
    if std::env::var_os("LARGE_DATA").is_some() {
        1_000_000
    } else {
        100_000
    }
}

/// Builds a row that shares no text with another.
fn row(n: usize) -> Map<String, Value> {
    let text = format!("def f{n}(x):\n    return {n} * x\n");
    Map::from_iter([("text".to_owned(), Value::String(text))])
}

/// Returns the examples that a training kept of a parquet file, and its peak memory.
fn read(project: &Project, rows: usize) -> (u64, u64) {
    let rows: Vec<Map<String, Value>> = (0..rows).map(row).collect();
    slm_table::write_parquet(&project.path("rows.parquet"), &rows).expect("written");
    drop(rows);
    let words = [
        "data",
        "tiny.yaml",
        "--json",
        "--set",
        "data.datasets=[{path: rows.parquet, format: text}]",
        "--set",
        "data.val_size=0.01",
    ];
    let (finished, peak) = peak_memory(project, &words);
    let report: Value = serde_json::from_str(&finished.result()).expect("JSON");
    let count = |part: &str| report[part]["examples"].as_u64().expect("a number");
    (count("training") + count("validation"), peak)
}

#[expect(
    clippy::print_stderr,
    reason = "the number behind the verdict, with --nocapture"
)]
#[test]
fn memory_stays_flat_however_many_rows_a_parquet_file_has() {
    let project = Project::new();
    let (few, small) = read(&project, 2_000);
    let (many, large) = read(&project, n_rows());
    assert_eq!((few, many), (2_000, n_rows() as u64));
    let grown = large.saturating_sub(small);
    eprintln!("{many} rows: {:.1} MB more than {few}", grown as f64 / 1e6);
    // Each example keeps its position in the file, its lengths and its group; the rest is the reader's buffers.
    let most = 20_000_000 + 80 * many;
    assert!(grown < most, "{grown} bytes more for {many} rows");
}
