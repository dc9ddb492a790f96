//! Runs the driver in a box: its job, and its results, which hostile code in the same process may have written.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::Path;

use serde_json::Value;
use slm_benchmarks::{RepositoryTest, RepositoryTestKind};
use slm_sandbox::{Job, Limits, Sandbox, Verdict, Work};

use crate::error::RepositoryError;
use crate::roots::ImportRoots;

/// The Python program.
const DRIVER: &str = include_str!("python/driver.py");

/// Bytes of results of one box: some thousand tests with the functions that they call.
const OUTPUT_BYTES: u64 = 16 << 20;
/// Bytes of an id or another text in a result.
const TEXT_BYTES: usize = 2_000;

/// What the driver does in one box.
#[derive(Debug, Clone, Default)]
pub(crate) struct DriverJob<'a> {
    /// Functions whose bodies are looked for.
    pub(crate) targets: &'a [TracedTarget],
    /// A file of the copy that contains `targets` as JSON, so that they are not part of each job; `None` if they are.
    pub(crate) targets_file: Option<&'a str>,
    /// A file that is only imported.
    pub(crate) import: Option<&'a str>,
    /// A test file whose tests are found and run.
    pub(crate) collect: Option<&'a str>,
    /// The tests of that file to run; `None` for all.
    pub(crate) only: Option<Vec<TestName>>,
    /// Tests of that file that are not run.
    pub(crate) skip: Vec<TestName>,
    /// Ids of tests that pytest does not run, since another kind passed them or ended a box with them.
    pub(crate) closed: Vec<String>,
    /// Tests to run if no file is given.
    pub(crate) tests: &'a [RepositoryTest],
}

/// Kind and id of a test.
pub(crate) type TestName = (RepositoryTestKind, String);

/// File, name, first line with decorators, and first line of the body of a function.
pub(crate) type TracedTarget = (String, String, usize, usize);

/// The driver's results.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct DriverRun {
    /// Why a file could not be imported: class and text of the exception.
    pub(crate) import: Option<(String, String)>,
    /// Tests in the order of their ends.
    pub(crate) ends: Vec<TestEnd>,
    /// The test that had begun when the box ended.
    pub(crate) open: Option<TestName>,
    /// Number of tests whose ids are too long or not printable, which are not run.
    pub(crate) unusable_ids: usize,
    /// The driver ran to its end.
    pub(crate) is_done: bool,
    /// Verdict and detail of the box.
    pub(crate) verdict: Verdict,
    pub(crate) detail: String,
    pub(crate) cpu_s: f64,
}

/// The result of one test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TestEnd {
    pub(crate) name: TestName,
    pub(crate) verdict: TestVerdict,
    /// Class of the exception, and the first line of its text.
    pub(crate) class: String,
    pub(crate) text: String,
    pub(crate) needs: Option<Need>,
    /// Indices of the targets whose bodies it entered, ascending.
    pub(crate) hits: Vec<u32>,
}

/// The verdict of one test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TestVerdict {
    Passed,
    Failed,
    Error,
    Skipped,
}

/// What a test needs that a box denies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Need {
    /// Connections to other hosts.
    Network,
    /// Other programs.
    Subprocess,
    /// Files outside the box, or files that it would write.
    Files,
    /// System calls that the sandbox forbids.
    Forbidden,
}

/// Runs the driver in a box that reads the folder `tree`.
pub(crate) fn run(
    sandbox: &Sandbox,
    tree: &Path,
    roots: &ImportRoots,
    job: &DriverJob<'_>,
) -> Result<DriverRun, RepositoryError> {
    let nonce = format!("{:016x} ", RandomState::new().build_hasher().finish());
    let below = |roots: &[String]| -> Vec<String> {
        let paths = roots.iter().map(|root| match root.as_str() {
            "" => tree.to_owned(),
            root => tree.join(root),
        });
        paths
            .map(|path| path.to_string_lossy().into_owned())
            .collect()
    };
    let tests: Vec<(RepositoryTestKind, &str, &str)> = job
        .tests
        .iter()
        .map(|test| (test.kind, test.id.as_str(), test.text.as_str()))
        .collect();
    let input = serde_json::json!({
        "nonce": nonce,
        "tree": tree.to_string_lossy(),
        "first": below(&roots.first),
        "loose": below(&roots.loose),
        "targets": if job.targets_file.is_none() { job.targets } else { &[] },
        "targets_file": job.targets_file,
        "import": job.import,
        "collect": job.collect,
        "only": job.only,
        "skip": job.skip,
        "closed": job.closed,
        "tests": tests,
    });
    let limits = Limits {
        output_bytes: OUTPUT_BYTES.max(sandbox.limits().output_bytes),
        ..sandbox.limits().clone()
    };
    let outcome = sandbox.run(
        &Job {
            program: DRIVER.to_owned(),
            preamble: String::new(),
            work: Work::Script {
                stdin: input.to_string(),
            },
            tree: Some(tree.to_owned()),
        },
        &limits,
    )?;
    let mut run = DriverRun {
        import: None,
        ends: Vec::new(),
        open: None,
        unusable_ids: 0,
        is_done: false,
        verdict: outcome.verdict,
        detail: outcome.detail,
        cpu_s: outcome.cpu_s,
    };
    // The path of the copy differs between runs.
    let folder = tree.to_string_lossy();
    for line in outcome.output.split(|&byte| byte == b'\n') {
        let fields = line
            .strip_prefix(nonce.as_bytes())
            .and_then(|line| serde_json::from_slice::<Vec<Value>>(line).ok());
        if let Some(fields) = fields {
            // A line that no honest driver writes is ignored.
            let _ = take(&mut run, &fields, &folder, job.targets.len());
        }
    }
    Ok(run)
}

/// Adds a line of results to a run; `None` if no honest driver writes it.
fn take(run: &mut DriverRun, fields: &[Value], folder: &str, n_targets: usize) -> Option<()> {
    let raw = |i: usize| {
        let text = fields.get(i)?.as_str()?;
        (text.len() <= TEXT_BYTES).then_some(text)
    };
    let text = |i: usize| raw(i).map(|text| stable(text, folder));
    let name = || Some((RepositoryTestKind::of_word(raw(1)?)?, raw(2)?.to_owned()));
    match raw(0)? {
        "import" => run.import = Some((text(2)?, text(3)?)),
        "begin" => run.open = Some(name()?),
        "end" => {
            let name = name()?;
            let verdict = match raw(3)? {
                "passed" => TestVerdict::Passed,
                "failed" => TestVerdict::Failed,
                "error" => TestVerdict::Error,
                "skipped" => TestVerdict::Skipped,
                _ => return None,
            };
            let needs = match raw(6)? {
                "network" => Some(Need::Network),
                "subprocess" => Some(Need::Subprocess),
                "files" => Some(Need::Files),
                _ => None,
            };
            let mut hits = Vec::new();
            for hit in fields.get(7)?.as_array()? {
                let hit = hit.as_u64().filter(|&hit| hit < n_targets as u64)?;
                hits.push(hit as u32);
            }
            hits.sort_unstable();
            hits.dedup();
            (run.open.take()? == name).then_some(())?;
            run.ends.push(TestEnd {
                name,
                verdict,
                class: text(4)?,
                text: text(5)?,
                needs,
                hits,
            });
        }
        "unusable" => run.unusable_ids = usize::try_from(fields.get(1)?.as_u64()?).ok()?,
        "done" => run.is_done = true,
        _ => return None,
    }
    Some(())
}

/// Removes from a message what differs between runs: the folder of the copy and addresses.
fn stable(text: &str, folder: &str) -> String {
    let text = text.replace(folder, ".");
    let mut parts = text.split("0x");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.trim_start_matches(|c: char| c.is_ascii_hexdigit());
        out.push_str("0x..");
        out.push_str(rest);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(lines: &[&str]) -> DriverRun {
        let mut run = DriverRun {
            import: None,
            ends: Vec::new(),
            open: None,
            unusable_ids: 0,
            is_done: false,
            verdict: Verdict::Passed,
            detail: String::new(),
            cpu_s: 0.0,
        };
        for line in lines {
            let fields: Vec<Value> = serde_json::from_str(line).expect("JSON");
            let _ = take(&mut run, &fields, "/tmp/copy", 3);
        }
        run
    }

    #[test]
    fn results_are_read_and_forgeries_ignored() {
        let run = taken(&[
            r#"["begin", "plain", "a::b"]"#,
            r#"["end", "plain", "a::b", "error", "OSError", "no /tmp/copy/x at 0x7f12", "files", [2, 0, 2]]"#,
            r#"["end", "plain", "a::b", "passed", "", "", "", []]"#,
            r#"["begin", "plain", "a::c"]"#,
            r#"["end", "plain", "a::c", "passed", "", "", "", [3]]"#,
            r#"["end", "plain", "a::c", "great", "", "", "", []]"#,
            r#"["end", "other", "a::c", "passed", "", "", "", []]"#,
            r#"["end", 1]"#,
            r#"["unusable", 2]"#,
            r#"["unusable", -1]"#,
            "[]",
            r#"["done"]"#,
        ]);
        assert_eq!(run.ends.len(), 1);
        assert_eq!(run.unusable_ids, 2);
        assert_eq!(run.ends[0].hits, [0, 2]);
        assert_eq!(run.ends[0].text, "no ./x at 0x..");
        assert_eq!(run.ends[0].needs, Some(Need::Files));
        assert_eq!(
            run.open,
            Some((RepositoryTestKind::Plain, "a::c".to_owned()))
        );
        assert!(run.is_done);
    }
}
