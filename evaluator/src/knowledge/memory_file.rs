//! Reads the file of a memory, which may come from anyone.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;
use slm_artifacts::{MEMORY_VERSION, MemoryEntry, MemoryHeader, sha256};
use slm_cli::UserMistake;
use slm_metrics::syntax::normalised_hash;

/// Largest file, in bytes.
const MOST_BYTES: u64 = 64 << 20;

/// Most entries: each is compared with each task before a run.
const MOST_ENTRIES: usize = 10_000;

/// Most general lines.
pub(crate) const MOST_LINES: usize = 7;

/// Most characters of a general line.
pub(crate) const MOST_LINE_CHARS: usize = 300;

/// A memory as its file has it.
#[derive(Clone, Debug)]
pub(crate) struct MemoryFile {
    /// Hash of the file's bytes, in hex.
    pub(super) sha256: String,
    pub(super) header: MemoryHeader,
    pub(super) entries: Vec<MemoryEntry>,
}

/// The fields of a header of any version.
#[derive(Deserialize)]
struct AnyHeader {
    version: Option<u64>,
    kind: Option<String>,
}

/// Reads a file.
///
/// # Errors
/// The file cannot be read; or it is a [`UserMistake`] that it is no memory of [`MEMORY_VERSION`], is too large, or
/// contradicts itself.
pub(crate) fn read(path: &Path) -> Result<MemoryFile> {
    let cannot = || format!("cannot read the memory {}", path.display());
    let bytes = fs::metadata(path).with_context(cannot)?.len();
    if bytes > MOST_BYTES {
        return Err(refusal(
            path,
            None,
            &format!("{bytes} bytes, but at most {MOST_BYTES} are read"),
        )
        .into());
    }
    let bytes = fs::read(path).with_context(cannot)?;
    let parsed = parse(&bytes).map_err(|(line, problem)| refusal(path, line, &problem))?;
    Ok(parsed)
}

fn refusal(path: &Path, line: Option<usize>, problem: &str) -> UserMistake {
    let line = line.map_or_else(String::new, |line| format!(":{line}"));
    UserMistake(format!(
        "{}{line}: {problem}\nhint: make the memory again: evaluator memory RUN... -o {}",
        path.display(),
        path.display()
    ))
}

/// What is wrong with a file, and in which line, counted from 1.
type Problem = (Option<usize>, String);

fn parse(bytes: &[u8]) -> Result<MemoryFile, Problem> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let before = &bytes[..error.valid_up_to()];
        let line = before.split(|&byte| byte == b'\n').count();
        (Some(line), "not UTF-8".to_owned())
    })?;
    let Some(text) = text.strip_suffix('\n') else {
        let found = if text.is_empty() {
            "an empty file, expected a memory"
        } else {
            "the last line is cut off"
        };
        return Err((None, found.to_owned()));
    };
    let mut lines = text.split('\n');
    let header = header(lines.next().unwrap_or_default()).map_err(|problem| (Some(1), problem))?;
    let mut entries: Vec<MemoryEntry> = Vec::new();
    let mut seen = HashMap::new();
    let tasks: HashSet<&str> = header.tasks.iter().map(|of| of.task_id.as_str()).collect();
    for (number, line) in (2..).zip(lines) {
        let at = |problem: String| (Some(number), problem);
        if entries.len() == MOST_ENTRIES {
            return Err(at(format!("more than {MOST_ENTRIES} entries")));
        }
        let entry: MemoryEntry = serde_json::from_str(line)
            .map_err(|error| at(format!("not an entry of a memory: {error}")))?;
        let hash = check(&entry, &tasks).map_err(at)?;
        if let Some(earlier) = seen.insert(hash, number) {
            return Err(at(format!("the same program as in line {earlier}")));
        }
        entries.push(entry);
    }
    let (expected, found) = (header.counts.entries, entries.len());
    if expected != found {
        let problem = format!("{found} entries, but the first line counts {expected}");
        return Err((None, problem));
    }
    if entries.is_empty() && !header.general.is_empty() {
        return Err((
            Some(1),
            "general lines without an entry that they come from".to_owned(),
        ));
    }
    Ok(MemoryFile {
        sha256: sha256(bytes),
        header,
        entries,
    })
}

/// Parses the first line.
pub(crate) fn header(line: &str) -> Result<MemoryHeader, String> {
    let broken = |error: serde_json::Error| format!("not the first line of a memory: {error}");
    // Checked first, since other versions have other fields.
    let any: AnyHeader = serde_json::from_str(line).map_err(broken)?;
    if any.kind.as_deref() != Some("memory") {
        return Err("not a memory: its first line has no `kind` \"memory\"".to_owned());
    }
    if any.version != Some(u64::from(MEMORY_VERSION)) {
        let found = any
            .version
            .map_or("no version".to_owned(), |of| format!("version {of}"));
        return Err(format!(
            "{found}, but this program reads version {MEMORY_VERSION}"
        ));
    }
    let header: MemoryHeader = serde_json::from_str(line).map_err(broken)?;
    let long = |line: &String| line.chars().count() > MOST_LINE_CHARS || line.contains('\n');
    if header.general.len() > MOST_LINES || header.general.iter().any(long) {
        return Err(format!(
            "`general` exceeds {MOST_LINES} lines of {MOST_LINE_CHARS} characters"
        ));
    }
    Ok(header)
}

/// Checks an entry, and returns the hash of its program.
fn check(entry: &MemoryEntry, tasks: &HashSet<&str>) -> Result<u64, String> {
    if !tasks.contains(entry.task_id.as_str()) {
        return Err(format!(
            "the task {} is not among `tasks` of the first line, so that it could not be recognised in an evaluation",
            entry.task_id
        ));
    }
    if !(0.0..=1.0).contains(&entry.importance) {
        return Err(format!(
            "`importance` is {}, expected 0 to 1",
            entry.importance
        ));
    }
    normalised_hash(&entry.program).ok_or_else(|| "`program` is not Python".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::knowledge::memory_for_tests::{entry, lines};

    #[track_caller]
    fn refused(text: &[u8], expected: &str) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("memory.jsonl");
        fs::write(&path, text).expect("a file");
        let error = read(&path).expect_err("a refusal");
        assert!(error.is::<UserMistake>(), "{error:#}");
        let error = error.to_string();
        assert!(error.contains(expected), "{error}");
        assert!(error.contains("\nhint: make the memory again"), "{error}");
    }

    #[test]
    fn what_is_no_memory_is_refused_with_its_line() {
        let sound = lines(&[entry(1, 0.5), entry(2, 0.25)], &[]);
        assert_eq!(parse(sound.as_bytes()).expect("a memory").entries.len(), 2);
        let line = |number: usize| sound.lines().nth(number).expect("a line").to_owned() + "\n";
        let replaced = |from: &str, to: &str| {
            let changed = sound.replacen(from, to, 1);
            assert_ne!(changed, sound, "{from}");
            changed.into_bytes()
        };
        refused(b"", "an empty file");
        refused(b"\n", "memory.jsonl:1: not the first line of a memory");
        refused(b"[]\n", "memory.jsonl:1: ");
        refused(b"{\"version\": 1}\n", "no `kind` \"memory\"");
        refused(b"\xff\n", "memory.jsonl:1: not UTF-8");
        refused(
            &replaced("\"version\":1", "\"version\":2"),
            "version 2, but this program reads version 1",
        );
        refused(&replaced("\"version\":1,", ""), "no version");
        refused(&replaced("\"runs\"", "\"rums\""), "unknown field `rums`");
        refused(&sound.as_bytes()[..sound.len() - 1], "cut off");
        refused(
            (line(0) + &line(1)).as_bytes(),
            "1 entries, but the first line counts 2",
        );
        refused(
            (line(0) + &line(1) + &line(1)).as_bytes(),
            "memory.jsonl:3: the same program as in line 2",
        );
        refused(
            &replaced("\"importance\":0.5", "\"importance\":1.5"),
            "memory.jsonl:2: `importance` is 1.5",
        );
        refused(
            &replaced("return x + 1", "return ("),
            "memory.jsonl:2: `program` is not Python",
        );
        refused(
            &replaced(
                "\"task_id\":\"own/2\",\"entry",
                "\"task_id\":\"own/7\",\"entry",
            ),
            "memory.jsonl:3: the task own/7 is not among `tasks`",
        );
        let general = vec!["Test the edges.".to_owned(); MOST_LINES + 1];
        refused(
            lines(&[entry(1, 0.5)], &general).as_bytes(),
            "`general` exceeds 7 lines",
        );
        refused(
            lines(&[], &general[..1]).as_bytes(),
            "general lines without an entry",
        );
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = read(Path::new("no/memory.jsonl")).expect_err("a refusal");
        assert_eq!(error.to_string(), "cannot read the memory no/memory.jsonl");
    }
}
