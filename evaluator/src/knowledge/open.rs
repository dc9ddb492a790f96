//! Reads the sources that a recipe names, and hides for each task what would give its solution away.

use std::collections::BTreeMap;
use std::env;
use std::path::PathBuf;

use anyhow::Result;
use slm_benchmarks::ScoringPhase;
use slm_cli::UserMistake;
use slm_config::Recipe;
use slm_report::KnowledgeInfo;
use slm_retrieval::{Collected, Index, Secret, Sources, collect};
use slm_sandbox::Interpreter;

use super::{CountTokens, Knowledge, TaskKnowledge, recall};
use crate::experiment::tasks::RunTask;

/// Builds the index of a recipe's documentation and code, in memory.
///
/// The tasks' solutions and hidden tests are opened for comparison alone: no text of them is kept.
///
/// # Errors
/// A source is missing, or nothing in the sources can be indexed.
pub(crate) fn open(
    recipe: &Recipe,
    tasks: &[RunTask],
    python: &Interpreter,
    count_tokens: CountTokens,
) -> Result<Knowledge> {
    let knowledge = &recipe.knowledge;
    let mut opened = Knowledge {
        top_k: knowledge.top_k,
        max_tokens: knowledge.max_tokens,
        count_tokens,
        ..Knowledge::none()
    };
    if !knowledge.has_sources() {
        return Ok(opened);
    }
    let sources = Sources {
        docs: knowledge.docs.clone(),
        code: knowledge.code.clone(),
        root: working_directory(),
    };
    let collected = collect_sources(&sources, python)?;
    let mut info = KnowledgeInfo {
        index_sha256: None,
        chunks: collected.chunks.len(),
        files: collected.files.len(),
        left_out: left_out(&collected),
        masked: 0,
        memory_sha256: None,
        entries: 0,
        top_k: knowledge.top_k,
    };
    let index = Index::new(collected).map_err(|error| UserMistake(error.to_string()))?;
    info.index_sha256 = Some(index.sha256().to_owned());
    let phase = ScoringPhase::begin();
    for task in tasks {
        let of = task_knowledge(task, &index, &phase);
        opened.tasks.insert(task.view.task_id.clone(), of);
    }
    let is_hidden = |chunk: &usize| opened.tasks.values().any(|task| task.mask.hides(*chunk));
    info.masked = (0..info.chunks).filter(is_hidden).count();
    opened.index = Some(index);
    opened.info = Some(info);
    Ok(opened)
}

/// Returns the folder that relative paths of sources start from.
pub(crate) fn working_directory() -> PathBuf {
    env::current_dir().unwrap_or_else(|_| PathBuf::from("."))
}

/// Reads sources; `pip:NAME` is a package that is installed for `python`.
pub(crate) fn collect_sources(sources: &Sources, python: &Interpreter) -> Result<Collected> {
    let package = |name: &str| installed(name, python);
    let collected = collect(sources, &package);
    Ok(collected.map_err(|error| UserMistake(error.to_string()))?)
}

/// Returns the number of files that were left out, by the reason.
fn left_out(collected: &Collected) -> BTreeMap<String, usize> {
    let reasons = collected.left_out.iter();
    reasons
        .map(|(reason, files)| (reason.phrase().to_owned(), files.len()))
        .collect()
}

/// Returns the folder or file of a package on the search path of an interpreter, which does not import it.
fn installed(name: &str, python: &Interpreter) -> Option<PathBuf> {
    let is_name =
        |part: &str| !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || c == '_');
    if !name.split('.').all(is_name) {
        return None;
    }
    let path = name.replace('.', "/");
    python.search_path.iter().find_map(|folder| {
        let package = folder.join(&path);
        let module = folder.join(format!("{path}.py"));
        [package.clone(), module]
            .into_iter()
            .find(|found| found.is_file() || package.is_dir() && found.is_dir())
    })
}

fn task_knowledge(task: &RunTask, index: &Index, phase: &ScoringPhase) -> TaskKnowledge {
    let secrets = task.task.secrets(phase);
    let solutions: Vec<&str> = secrets.solutions.iter().map(String::as_str).collect();
    let tests: Vec<&str> = secrets.tests.iter().map(String::as_str).collect();
    let target = task.view.repository.as_ref();
    let secret = Secret {
        solutions: &solutions,
        tests: &tests,
        target: target.map(|of| (of.file.as_str(), of.qualified_name.as_str())),
    };
    TaskKnowledge {
        mask: index.mask(&secret),
        references: recall::find(task.task.references(), index.chunks()),
    }
}
