//! Reads the sources that a recipe names, and hides for each task what would give its solution away.

use std::collections::BTreeMap;
use std::env;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use anyhow::Result;
use slm_benchmarks::{Evaluated, Reference, ScoringPhase, Task};
use slm_cli::UserMistake;
use slm_config::{Evaluate, Recipe, Workflow};
use slm_report::KnowledgeInfo;
use slm_retrieval::{Collected, Index, Mask, Secret, Sources, collect};
use slm_sandbox::Interpreter;

use super::memory::Memory;
use super::memory_file::{self, MemoryFile};
use super::{CountTokens, Knowledge, TaskKnowledge, recall};
use crate::leakage::listed;
use crate::run_task::RunTask;

/// Builds the index of a recipe's documentation and code, and reads its memory.
///
/// The tasks' solutions and hidden tests are opened for comparison alone: no text of them is kept.
///
/// # Errors
/// A source is missing, or nothing in the sources can be indexed; or the memory cannot be read, or has entries of the
/// tasks.
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
        bodies: knowledge.bodies,
        count_tokens,
        memory_mode: knowledge.memory_mode,
        ..Knowledge::none()
    };
    let phase = ScoringPhase::begin();
    let no_info = KnowledgeInfo {
        top_k: knowledge.top_k,
        ..KnowledgeInfo::default()
    };
    if knowledge.has_sources() {
        let sources = Sources {
            docs: knowledge.docs.clone(),
            code: knowledge.code.clone(),
            root: working_directory(),
        };
        let collected = collect_sources(&sources, python)?;
        let mut info = KnowledgeInfo {
            chunks: collected.chunks.len(),
            files: collected.files.len(),
            left_out: left_out(&collected),
            ..no_info.clone()
        };
        let index = Index::new(collected).map_err(|error| UserMistake(error.to_string()))?;
        info.index_sha256 = Some(index.sha256().to_owned());
        for task in tasks {
            let of = task_knowledge(task, &index, &phase);
            opened.tasks.insert(task.view.task_id.clone(), of);
        }
        check_references(recipe, tasks, &opened.tasks)?;
        let is_hidden = |chunk: &usize| opened.tasks.values().any(|task| task.mask.hides(*chunk));
        info.masked = (0..info.chunks).filter(is_hidden).count();
        opened.index = Some(index);
        opened.info = Some(info);
    }
    // Snippets of `tools` and its control print what they can import, whether there is an index or not.
    if opened.index.is_none() && uses_tools(recipe) {
        for task in tasks {
            let of = TaskKnowledge {
                mask: with_secret(task, &phase, Mask::guarding),
                references: Vec::new(),
            };
            opened.tasks.insert(task.view.task_id.clone(), of);
        }
    }
    if let Some(path) = &knowledge.memory {
        let file = memory_file::read(path)?;
        refuse_evaluated(path, &file, tasks, &phase)?;
        let info = opened.info.get_or_insert(no_info);
        info.memory_sha256 = Some(file.sha256.clone());
        info.entries = file.entries.len();
        let count_tokens = Rc::clone(&opened.count_tokens);
        let mut memory = Memory::new(file, knowledge.max_tokens, count_tokens);
        for task in tasks {
            with_secret(task, &phase, |secret| {
                memory.hide(&task.view.task_id, secret);
            });
        }
        opened.memory = Some(memory);
    }
    Ok(opened)
}

/// Refuses a memory with entries of tasks that are about to be evaluated, under any id, name or wording.
fn refuse_evaluated(
    path: &Path,
    file: &MemoryFile,
    tasks: &[RunTask],
    phase: &ScoringPhase,
) -> Result<(), UserMistake> {
    let evaluated: Vec<Task> = tasks.iter().map(|of| of.task.clone()).collect();
    let shared = Evaluated::new(&evaluated, phase).shared(&file.header.tasks);
    if shared.is_empty() {
        return Ok(());
    }
    Err(UserMistake(format!(
        "{}: {} of the memory's tasks are to be evaluated:{}\n\
         hint: evaluate other tasks, or make a memory of runs with other tasks: evaluator memory RUN... --recipe RECIPE",
        path.display(),
        shared.len(),
        listed(&shared)
    )))
}

/// Whether a workflow of the recipe may try snippets.
fn uses_tools(recipe: &Recipe) -> bool {
    let Evaluate {
        workflows, sweep, ..
    } = &recipe.evaluate;
    let choices = recipe.evaluate.adaptive.choices.iter().flatten();
    let mut all = workflows.iter().chain([&sweep.workflow]).chain(choices);
    all.any(|workflow| matches!(workflow, Workflow::Tools | Workflow::ToolsBlind))
}

/// Warns of references that are in no chunk: recall would never reach 1.
///
/// # Errors
/// The recipe lists `rag_oracle`, but no task names a reference.
fn check_references(
    recipe: &Recipe,
    tasks: &[RunTask],
    known: &BTreeMap<String, TaskKnowledge>,
) -> Result<(), UserMistake> {
    let all: Vec<(&Reference, bool)> = tasks
        .iter()
        .filter_map(|task| Some((task, known.get(&task.view.task_id)?)))
        .flat_map(|(task, of)| {
            let references = task.task.references().iter();
            references.zip(of.references.iter().map(|chunks| !chunks.is_empty()))
        })
        .collect();
    if all.is_empty() && recipe.evaluate.workflows.contains(&Workflow::RagOracle) {
        let text = "rag_oracle shows the references of tasks, but no task names any\n\
                    hint: remove rag_oracle from evaluate.workflows, or give each task `references`: \
                    [{\"source\": FILE, \"name\": QUALIFIED_NAME}]";
        return Err(UserMistake(text.to_owned()));
    }
    let missing: Vec<&Reference> = all
        .iter()
        .filter(|(_, is_found)| !is_found)
        .map(|(reference, _)| *reference)
        .collect();
    if let Some(first) = missing.first() {
        slm_cli::note(&format!(
            "warning: {} of {} references of tasks are in no chunk of the index, first `{}` of {}",
            missing.len(),
            all.len(),
            first.name,
            first.source
        ));
    }
    Ok(())
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
    TaskKnowledge {
        mask: with_secret(task, phase, |secret| index.mask(secret)),
        references: recall::find(task.task.references(), index.chunks()),
    }
}

/// Opens a task's solutions and hidden tests for a comparison.
fn with_secret<T>(task: &RunTask, phase: &ScoringPhase, compare: impl FnOnce(&Secret) -> T) -> T {
    let secrets = task.task.secrets(phase);
    let solutions: Vec<&str> = secrets.solutions.iter().map(String::as_str).collect();
    let tests: Vec<&str> = secrets.tests.iter().map(String::as_str).collect();
    let target = task.view.repository.as_ref();
    compare(&Secret {
        solutions: &solutions,
        tests: &tests,
        target: target.map(|of| (of.file.as_str(), of.qualified_name.as_str())),
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use slm_benchmarks::fingerprints;

    use super::*;
    use crate::knowledge::memory_for_tests::{entry, lines};

    fn tasks() -> Vec<RunTask> {
        let set = slm_benchmarks::load("embedded", None).expect("tasks");
        let tasks = set.tasks.into_iter().take(3);
        tasks
            .map(|task| RunTask {
                benchmark: "embedded".to_owned(),
                view: task.view().clone(),
                task,
            })
            .collect()
    }

    #[test]
    fn a_memory_with_an_entry_of_an_evaluated_task_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("memory.jsonl");
        let mut recipe = Recipe::parse_without_data(
            "model: {name_or_path: x}",
            Path::new("test.yaml"),
            &[],
            slm_benchmarks::NAMES,
        )
        .expect("a recipe");
        recipe.knowledge.memory = Some(path.clone());
        let python = Interpreter::resolve(None).expect("Python");
        let tasks = tasks();
        let open = |entry: &slm_artifacts::MemoryEntry, of: &Task| {
            let text = lines(std::slice::from_ref(entry), &[]);
            let own = format!("\"tasks\":[{{\"task_id\":\"{}\"}}]", entry.task_id);
            let phase = ScoringPhase::begin();
            let prints = fingerprints(std::slice::from_ref(of), &phase);
            let mut prints = serde_json::to_value(&prints).expect("JSON");
            prints[0]["task_id"] = entry.task_id.clone().into();
            let changed = text.replacen(&own, &format!("\"tasks\":{prints}"), 1);
            assert_ne!(changed, text);
            fs::write(&path, changed).expect("a file");
            let count: CountTokens = Rc::new(|text: &str| text.len());
            open(&recipe, &tasks, &python, count)
        };
        // Under its own name, and under another one.
        let mut same = entry(1, 0.5);
        same.task_id.clone_from(&tasks[0].view.task_id);
        for entry in [same, entry(1, 0.5)] {
            let error = open(&entry, &tasks[0].task).err().expect("a refusal");
            assert!(error.is::<UserMistake>());
            let error = error.to_string();
            let evaluated = &tasks[0].view.task_id;
            let expected = if entry.task_id == *evaluated {
                format!("{evaluated}, by its publisher's id")
            } else {
                format!("{} is {evaluated}", entry.task_id)
            };
            assert!(
                error.contains("1 of the memory's tasks are to be evaluated"),
                "{error}"
            );
            assert!(
                error.contains(&expected) && error.contains("\nhint: "),
                "{error}"
            );
        }
        let others = slm_benchmarks::load("embedded", None).expect("tasks").tasks;
        let other = others.last().expect("a task");
        let opened = open(&entry(1, 0.5), other).expect("a memory");
        let info = opened.info().expect("a description");
        assert_eq!((info.entries, info.chunks), (1, 0));
        assert_eq!(info.memory_sha256.as_ref().map(String::len), Some(64));
        let cost = &opened.offline()[0];
        assert_eq!(
            (
                cost.what.as_str(),
                cost.calls,
                cost.completion_tokens,
                cost.executions
            ),
            ("memory", 3, 60, 2)
        );
    }
}
