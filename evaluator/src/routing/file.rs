//! Reads the file of routes, which may come from anyone.

use std::collections::HashSet;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;
use slm_artifacts::{ROUTES_FILE, ROUTES_VERSION, RouteTask, RoutesHeader, sha256};
use slm_cli::UserMistake;
use slm_config::Workflow;

/// Largest file, in bytes.
const MOST_BYTES: u64 = 64 << 20;

/// Routes as their file has them.
#[derive(Debug)]
pub(super) struct RoutesFile {
    /// Hash of the file's bytes, in hex.
    pub(super) sha256: String,
    pub(super) header: RoutesHeader,
    pub(super) tasks: Vec<RouteTask>,
}

/// The fields of a header of any version.
#[derive(Deserialize)]
struct AnyHeader {
    version: Option<u64>,
    kind: Option<String>,
}

/// Reads the file, or that of a data set's folder.
///
/// # Errors
/// The file cannot be read; or it is a [`UserMistake`] that there is none, it is no file of routes of [`ROUTES_VERSION`], is too large, or
/// contradicts itself.
pub(super) fn read(named: &Path) -> Result<RoutesFile> {
    let is_folder = named.is_dir();
    let path = if is_folder {
        named.join(ROUTES_FILE)
    } else {
        named.to_owned()
    };
    let cannot = || format!("cannot read the routes {}", path.display());
    let found = match fs::metadata(&path) {
        Ok(found) => found,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            let problem = if is_folder {
                format!("a folder without {ROUTES_FILE}")
            } else {
                "no such file or folder".to_owned()
            };
            return Err(misnamed(named, &problem).into());
        }
        Err(error) => return Err(error).with_context(cannot),
    };
    // Reading a pipe would wait for its writer.
    if !found.is_file() {
        return Err(misnamed(&path, "no regular file").into());
    }
    let bytes = found.len();
    if bytes > MOST_BYTES {
        let problem = format!("{bytes} bytes, but at most {MOST_BYTES} are read");
        return Err(refusal(&path, None, &problem).into());
    }
    let bytes = fs::read(&path).with_context(cannot)?;
    parse(&bytes).map_err(|(line, problem)| refusal(&path, line, &problem).into())
}

/// A path that the recipe names and that is no place of routes.
fn misnamed(path: &Path, problem: &str) -> UserMistake {
    UserMistake(format!(
        "`evaluate.adaptive.routes` names {}: {problem}\n\
         hint: name the folder of routes; this makes one: evaluator dataset RUN... --to routes -o FOLDER",
        path.display()
    ))
}

fn refusal(path: &Path, line: Option<usize>, problem: &str) -> UserMistake {
    let line = line.map_or_else(String::new, |line| format!(":{line}"));
    UserMistake(format!(
        "{}{line}: {problem}\nhint: make the routes again: evaluator dataset RUN... --to routes -o FOLDER",
        path.display()
    ))
}

/// What is wrong with a file, and in which line, counted from 1.
type Problem = (Option<usize>, String);

fn parse(bytes: &[u8]) -> Result<RoutesFile, Problem> {
    let text = std::str::from_utf8(bytes).map_err(|_| (None, "not UTF-8".to_owned()))?;
    let Some(text) = text.strip_suffix('\n') else {
        let found = if text.is_empty() {
            "an empty file, expected routes"
        } else {
            "the last line is cut off"
        };
        return Err((None, found.to_owned()));
    };
    let mut lines = text.split('\n');
    let header = header(lines.next().unwrap_or_default()).map_err(|problem| (Some(1), problem))?;
    let known: HashSet<&str> = header.tasks.iter().map(|of| of.task_id.as_str()).collect();
    let mut tasks: Vec<RouteTask> = Vec::new();
    for (number, line) in (2..).zip(lines) {
        let at = |problem: String| (Some(number), problem);
        let task: RouteTask = serde_json::from_str(line)
            .map_err(|error| at(format!("not a task of routes: {error}")))?;
        check(&task, &known).map_err(at)?;
        tasks.push(task);
    }
    if tasks.is_empty() {
        return Err((
            None,
            "no task, so that nothing can be chosen by them".to_owned(),
        ));
    }
    let (expected, found) = (header.tasks_counted, tasks.len());
    if expected != found {
        let problem = format!("{found} tasks, but the first line counts {expected}");
        return Err((None, problem));
    }
    Ok(RoutesFile {
        sha256: sha256(bytes),
        header,
        tasks,
    })
}

/// Parses the first line.
fn header(line: &str) -> Result<RoutesHeader, String> {
    let broken = |error: serde_json::Error| format!("not the first line of routes: {error}");
    // Checked first, since other versions have other fields.
    let any: AnyHeader = serde_json::from_str(line).map_err(broken)?;
    if any.kind.as_deref() != Some("routes") {
        return Err("not routes: its first line has no `kind` \"routes\"".to_owned());
    }
    if any.version != Some(u64::from(ROUTES_VERSION)) {
        let found = any
            .version
            .map_or("no version".to_owned(), |of| format!("version {of}"));
        return Err(format!(
            "{found}, but this program reads version {ROUTES_VERSION}"
        ));
    }
    serde_json::from_str(line).map_err(broken)
}

fn check(task: &RouteTask, known: &HashSet<&str>) -> Result<(), String> {
    if !known.contains(task.task_id.as_str()) {
        return Err(format!(
            "the task {} is not among `tasks` of the first line, so that it could not be recognised in an evaluation",
            task.task_id
        ));
    }
    if task.cells.is_empty() {
        return Err(format!("no workflow answered {}", task.task_id));
    }
    let labels = task.label.iter();
    let mut named = labels.chain(task.cells.iter().map(|cell| &cell.workflow));
    let is_workflow = |name: &str| Workflow::ALL.iter().any(|of| of.name() == name);
    if let Some(name) = named.find(|name| !is_workflow(name)) {
        return Err(format!("`{name}` is no workflow"));
    }
    let is_sound = |tokens: f64| tokens.is_finite() && tokens >= 0.0;
    let mut cells = task.cells.iter();
    let broken = cells
        .find(|of| of.answers == 0 || of.passed > of.answers || !is_sound(of.completion_tokens));
    match broken {
        None => Ok(()),
        Some(cell) => Err(format!(
            "{}: {} of {} answers pass, with {} tokens each",
            cell.workflow, cell.passed, cell.answers, cell.completion_tokens
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = r#"{"version":1,"kind":"routes","runs":[],"arm":"base","tasks_counted":1,"offline":{"calls":1,"completion_tokens":9,"executions":1},"tasks":[{"task_id":"own/1"}]}"#;
    const TASK: &str = r#"{"task_id":"own/1","words":"add","label":"single","cells":[{"workflow":"single","answers":2,"passed":1,"completion_tokens":9.5}]}"#;

    #[track_caller]
    fn refused(text: &str, expected: &str) {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join(ROUTES_FILE), text).expect("a file");
        let error = read(folder.path()).expect_err("a refusal");
        assert!(error.is::<UserMistake>(), "{error:#}");
        let error = error.to_string();
        assert!(error.contains(expected), "{error}");
        assert!(error.contains("\nhint: make the routes again"), "{error}");
    }

    #[test]
    fn routes_are_read_from_their_file_and_from_its_folder() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(ROUTES_FILE);
        fs::write(&path, format!("{HEADER}\n{TASK}\n")).expect("a file");
        for named in [folder.path(), &path] {
            let found = read(named).expect("routes");
            assert_eq!((found.tasks.len(), found.sha256.len()), (1, 64));
            assert_eq!(found.header.offline.completion_tokens, 9);
        }
    }

    #[test]
    fn a_place_without_routes_is_refused_by_the_name_of_the_key() {
        let folder = tempfile::tempdir().expect("a folder");
        for (named, problem) in [
            (
                folder.path().join("no.jsonl"),
                "no.jsonl: no such file or folder\n",
            ),
            (
                folder.path().to_owned(),
                ": a folder without routes.jsonl\n",
            ),
            #[cfg(unix)]
            ("/dev/null".into(), "/dev/null: no regular file\n"),
        ] {
            let error = read(&named).expect_err("no routes");
            assert!(error.is::<UserMistake>(), "{error:#}");
            let error = error.to_string();
            let start = format!("`evaluate.adaptive.routes` names {}", named.display());
            assert!(
                error.starts_with(&start) && error.contains(problem),
                "{error}"
            );
            assert!(error.ends_with("--to routes -o FOLDER"), "{error}");
        }
    }

    #[test]
    fn what_is_no_file_of_routes_is_refused_with_its_line() {
        let changed = |from: &str, to: &str| {
            let sound = format!("{HEADER}\n{TASK}\n");
            let changed = sound.replacen(from, to, 1);
            assert_ne!(changed, sound, "{from}");
            changed
        };
        refused("", "an empty file, expected routes");
        refused(
            &format!("{HEADER}\n"),
            "no task, so that nothing can be chosen",
        );
        refused("[]\n", "routes.jsonl:1: not the first line of routes");
        refused("{\"version\":1}\n", "no `kind` \"routes\"");
        refused(
            &changed("\"version\":1", "\"version\":2"),
            "version 2, but this program reads version 1",
        );
        refused(&changed("\"arm\"", "\"amr\""), "unknown field `amr`");
        refused(format!("{HEADER}\n{TASK}\n").trim_end(), "cut off");
        refused(
            &format!("{HEADER}\n{TASK}\n{TASK}\n"),
            "2 tasks, but the first line counts 1",
        );
        refused(
            &changed(
                "\"task_id\":\"own/1\",\"words\"",
                "\"task_id\":\"own/2\",\"words\"",
            ),
            "routes.jsonl:2: the task own/2 is not among `tasks`",
        );
        refused(
            &changed("\"label\":\"single\"", "\"label\":\"fast\""),
            "`fast` is no workflow",
        );
        refused(
            &changed("\"workflow\":\"single\"", "\"workflow\":\"solo\""),
            "`solo` is no workflow",
        );
        refused(
            &changed("\"passed\":1", "\"passed\":3"),
            "3 of 2 answers pass",
        );
        refused(&changed("9.5", "-1"), "with -1 tokens each");
        refused(
            &changed(
                "[{\"workflow\":\"single\",\"answers\":2,\"passed\":1,\"completion_tokens\":9.5}]",
                "[]",
            ),
            "no workflow answered own/1",
        );
    }
}
