//! Hostile files: reading ends soon, in little memory, with an error.

#![cfg(target_os = "linux")]

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use slm_table::{Reading, TableError};

use crate::{file, golden_parquets, gzipped};

/// Set for the process that reads, whose memory is measured.
const READ: &str = "TABLE_READ_FILE";
/// Set for the process that reads damaged files.
const DAMAGE: &str = "TABLE_READ_DAMAGED";
const N_DAMAGED: usize = 1000;
const MOST_BYTES: u64 = 200 << 20;
const MOST_TIME: Duration = Duration::from_secs(2);

/// Not a test by itself: reads the file in the environment variable, and prints the result.
#[test]
fn reader_process() {
    let Some(path) = std::env::var_os(READ) else {
        return;
    };
    let (mut good, mut bad, mut last) = (0, 0, String::new());
    match Reading::columns(["text".to_owned()]).open(Path::new(&path)) {
        Err(error) => last = error.to_string(),
        Ok(rows) => {
            for row in rows {
                match row {
                    Ok(_) => good += 1,
                    Err(error) => {
                        bad += usize::from(matches!(error, TableError::BadRow { .. }));
                        last = error.to_string();
                    }
                }
            }
        }
    }
    let peak = peak_memory();
    let found = format!(
        "{good}\t{bad}\t{}\t{}\t{last}",
        peak,
        cpu_time().as_millis()
    );
    fs::write(Path::new(&path).with_extension("found"), found).expect("written");
}

/// Returns the peak memory of this process, in bytes.
fn peak_memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("proc");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = peak.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    1024 * kib.expect("a number")
}

/// Returns the CPU time of this process, which other processes on the machine do not increase.
fn cpu_time() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").expect("proc");
    let (_, after_name) = stat.rsplit_once(')').expect("a name in brackets");
    let ticks = after_name.split_whitespace().skip(11).take(2);
    let ticks: u64 = ticks.map(|n| n.parse::<u64>().expect("a number")).sum();
    Duration::from_millis(10 * ticks)
}

/// Reads a file in a separate process; returns the numbers of good and bad rows, and the last error.
fn read(path: &Path) -> (usize, usize, String) {
    let program = std::env::current_exe().expect("this program");
    let output = Command::new(program)
        .args(["bounds::reader_process", "--exact"])
        .env(READ, path)
        .output()
        .expect("it starts");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {complaint}", path.display());
    let found = fs::read_to_string(path.with_extension("found")).expect("what was found");
    let parts: Vec<&str> = found.splitn(5, '\t').collect();
    let number = |at: usize| parts[at].parse::<u64>().expect("a number");
    let name = path.display();
    assert!(number(2) < MOST_BYTES, "{name} takes {} bytes", number(2));
    assert!(
        Duration::from_millis(number(3)) < MOST_TIME,
        "{name} takes {} ms",
        number(3)
    );
    (number(0) as usize, number(1) as usize, parts[4].to_owned())
}

/// Writes a gzipped file of `before`, `middle` repeated to about `bytes`, and `after`. One part of the middle is
/// compressed once and written many times.
fn gzip(path: &Path, before: &[u8], middle: &[u8], bytes: usize, after: &[u8]) {
    const PART: usize = 1 << 20;
    let part = gzipped(&middle.repeat(PART / middle.len()));
    let whole = [gzipped(before), part.repeat(bytes / PART), gzipped(after)].concat();
    fs::write(path, whole).expect("written");
}

#[test]
fn a_line_of_two_gigabytes_ends_reading_in_every_text_format() {
    let folder = tempfile::tempdir().expect("folder");
    for (name, before) in [
        ("x.jsonl.gz", &b"{\"text\": \""[..]),
        ("x.json.gz", b"[{\"text\": \""),
        ("array.jsonl.gz", b"[{\"text\": \""),
        ("open.jsonl.gz", b"{\n\"text\": \""),
        ("x.csv.gz", b"text\n\""),
        ("other.jsonl.gz", b"{\"other\": [[\""),
        ("name.csv.gz", b"\""),
    ] {
        let path = folder.path().join(name);
        gzip(&path, before, b"x", 2 << 30, b"");
        let (good, _, error) = read(&path);
        assert_eq!(good, 0, "{name}");
        assert!(
            error.contains("has not ended after 128 MiB"),
            "{name}: {error}"
        );
        fs::remove_file(&path).expect("removed");
    }
}

#[test]
fn a_row_beyond_the_bound_costs_itself_alone() {
    let folder = tempfile::tempdir().expect("folder");
    let long = 65 << 20;
    for (name, before, after) in [
        (
            "x.jsonl.gz",
            &b"{\"text\": \"a\"}\n{\"text\": \""[..],
            &b"\"}\n{\"text\": \"b\"}\n"[..],
        ),
        (
            "x.json.gz",
            b"[{\"text\": \"a\"}, {\"text\": \"",
            b"\"}, {\"text\": \"b\"}]",
        ),
        ("x.csv.gz", b"text\na\n", b"\nb\n"),
        // The first line determines the layout.
        (
            "first.jsonl.gz",
            b"{\"text\": \"",
            b"\"}\n{\"text\": \"a\"}\n{\"text\": \"b\"}\n",
        ),
    ] {
        let path = folder.path().join(name);
        gzip(&path, before, b"x", long, after);
        let (good, bad, error) = read(&path);
        assert_eq!((good, bad), (2, 1), "{name}: {error}");
        assert!(
            error.ends_with("a row of 65 MiB, at most 64 MiB are read"),
            "{name}: {error}"
        );
    }
}

#[test]
fn a_row_of_many_small_values_takes_no_more_than_its_bytes_allow() {
    let folder = tempfile::tempdir().expect("folder");
    for (name, before, after) in [
        (
            "x.jsonl.gz",
            &b"{\"text\": ["[..],
            &b"0]}\n{\"text\": \"b\"}\n"[..],
        ),
        ("x.json.gz", b"[{\"text\": [", b"0]}, {\"text\": \"b\"}]"),
    ] {
        let path = folder.path().join(name);
        gzip(&path, before, b"0,", 48 << 20, after);
        let (good, bad, error) = read(&path);
        assert_eq!((good, bad), (1, 1), "{name}: {error}");
        assert!(
            error.contains("too many values in one row"),
            "{name}: {error}"
        );
    }
    let path = folder.path().join("x.csv.gz");
    gzip(&path, b"text\n", b",", 48 << 20, b"\nb\n");
    let (good, bad, error) = read(&path);
    assert_eq!((good, bad), (1, 1), "{error}");
}

/// xorshift64, which is random enough for the choice of bytes.
fn draw(state: &mut u64, below: usize) -> usize {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    (*state % below as u64) as usize
}

/// Not a test by itself: reads damaged files, and writes the number of refusals to the file in the environment
/// variable.
#[test]
fn damage_process() {
    let Some(path) = std::env::var_os(DAMAGE) else {
        return;
    };
    let goldens = golden_parquets();
    let (mut seed, mut n_errors) = (0x9e37_79b9_7f4a_7c15_u64, 0);
    for round in 0..N_DAMAGED {
        let mut bytes = goldens[round % goldens.len()].clone();
        if round % 5 == 0 {
            bytes.truncate(draw(&mut seed, bytes.len()));
        } else {
            for _ in 0..=draw(&mut seed, 4) {
                let at = draw(&mut seed, bytes.len());
                bytes[at] = draw(&mut seed, 256) as u8;
            }
        }
        let (_folder, path) = file("x.parquet", &bytes);
        let rows = Reading::all()
            .open(&path)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>);
        n_errors += usize::from(rows.is_err());
    }
    fs::write(path, format!("{n_errors}\t{}", peak_memory())).expect("written");
}

#[test]
fn a_damaged_parquet_file_is_an_error_or_other_rows_but_never_a_panic() {
    let folder = tempfile::tempdir().expect("folder");
    let found = folder.path().join("found");
    let output = Command::new(std::env::current_exe().expect("this program"))
        .args(["bounds::damage_process", "--exact", "--nocapture"])
        .env(DAMAGE, &found)
        .output()
        .expect("it starts");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaint}");
    let found = fs::read_to_string(found).expect("what was found");
    let (n_errors, peak) = found.split_once('\t').expect("two numbers");
    let n_errors: usize = n_errors.parse().expect("a number");
    assert!(
        (N_DAMAGED / 3..N_DAMAGED).contains(&n_errors),
        "{n_errors} were refused"
    );
    assert!(
        peak.parse::<u64>().expect("a number") < MOST_BYTES,
        "{peak} bytes"
    );
}
