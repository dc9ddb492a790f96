//! Recognises a task that is learned from and evaluated on, under another id, name or wording.
//!
//! The three gates use it: making a data set, training on one, and evaluating an adapter.

use std::collections::{HashMap, HashSet};
use std::fmt;

use slm_artifacts::TaskFingerprint;
use slm_metrics::syntax::{FunctionSource, documented_functions, function_fingerprints};

use crate::overlap::{MOST_TASKS, Overlap, description_of, sentences_of};
use crate::{PARSONS_SUFFIX, ScoringPhase, Task};

/// Beginnings of the ids of published tasks, in lower case. Other ids are a file's own, and may repeat in another file.
const PUBLISHERS: [&str; 7] = [
    "mbpp/",
    "humaneval/",
    "leetcode/",
    "bigcodebench/",
    "classeval",
    "embedded/",
    "codesearchnet/",
];

/// Returns what identifies a task. Its solution is opened for comparison; only hashes are kept.
pub fn fingerprint(task: &Task, phase: &ScoringPhase) -> TaskFingerprint {
    let view = task.view();
    let id = view.task_id.to_lowercase();
    let is_own = view.repository.is_some();
    // A variant of a task is that task.
    let id = id
        .strip_suffix(PARSONS_SUFFIX)
        .map_or(id.clone(), str::to_owned);
    let is_published = PUBLISHERS.iter().any(|start| id.starts_with(start));
    let sentences = if is_own {
        // The docstrings of one code base resemble each other.
        Vec::new()
    } else {
        sentences_of(view)
    };
    let solution = task.canonical_solution(phase);
    let functions = if is_own {
        own_functions(&format!("{}{solution}", view.prompt))
    } else {
        functions_of(&view.prompt, solution)
    };
    TaskFingerprint {
        publisher_id: is_published.then_some(id),
        task_id: view.task_id.clone(),
        sentences: sentences.iter().map(|text| short_hash(text)).collect(),
        functions,
    }
}

/// Returns what identifies each task.
pub fn fingerprints(tasks: &[Task], phase: &ScoringPhase) -> Vec<TaskFingerprint> {
    tasks.iter().map(|task| fingerprint(task, phase)).collect()
}

/// Returns the fingerprints of a solution's functions, without those that the prompt contains already.
fn functions_of(prompt: &str, solution: &str) -> Vec<String> {
    let given: HashSet<String> = function_fingerprints(prompt).into_iter().collect();
    let mut functions = function_fingerprints(&format!("{prompt}{solution}"));
    if functions.is_empty() {
        functions = function_fingerprints(solution);
    }
    functions.retain(|of| !given.contains(of));
    functions
}

/// Returns the fingerprints of a repository's function. The prompt shows a part of the class, which other methods of it
/// share.
fn own_functions(whole: &str) -> Vec<String> {
    let functions = documented_functions(whole).unwrap_or_default();
    let of_function = |function: &FunctionSource| function_fingerprints(&function.source);
    functions.iter().flat_map(of_function).collect()
}

fn short_hash(text: &str) -> String {
    slm_artifacts::sha256(text)[..16].to_owned()
}

/// The tasks that are about to be evaluated.
#[derive(Debug, Clone)]
pub struct Evaluated {
    ids: HashMap<String, String>,
    sentences: HashMap<String, String>,
    functions: HashMap<String, String>,
    overlap: Overlap,
}

/// A task that is learned from and evaluated on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedTask {
    /// The id of the task that is learned from.
    pub learned: String,
    /// The id of the evaluated task.
    pub evaluated: String,
    /// What both have.
    pub by: SharedBy,
}

/// What a learned and an evaluated task have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SharedBy {
    /// The publisher's id.
    Id,
    /// A sentence of the description.
    Sentence,
    /// A function of the solution, up to names.
    Function,
    /// Thirteen consecutive words of the request or the solution.
    Words,
}

impl fmt::Display for SharedTask {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let by = match self.by {
            SharedBy::Id => "by its publisher's id",
            SharedBy::Sentence => "by a sentence of its description",
            SharedBy::Function => "by a function of its solution",
            SharedBy::Words => "by thirteen consecutive words",
        };
        if self.learned == self.evaluated {
            return write!(f, "{}, {by}", self.learned);
        }
        write!(f, "{} is {} {by}", self.learned, self.evaluated)
    }
}

impl Evaluated {
    /// Prepares the search for these tasks.
    pub fn new(tasks: &[Task], phase: &ScoringPhase) -> Self {
        let mut found = Self {
            ids: HashMap::new(),
            sentences: HashMap::new(),
            functions: HashMap::new(),
            overlap: Overlap::of_descriptions(tasks, phase),
        };
        let all = fingerprints(tasks, phase);
        let common = common(
            all.iter()
                .flat_map(|of| of.sentences.iter().chain(&of.functions)),
        );
        for TaskFingerprint {
            task_id,
            publisher_id,
            sentences,
            functions,
        } in all
        {
            found
                .ids
                .extend(publisher_id.map(|id| (id, task_id.clone())));
            for sentence in sentences {
                if !common.contains(&sentence) {
                    found
                        .sentences
                        .entry(sentence)
                        .or_insert_with(|| task_id.clone());
                }
            }
            for function in functions {
                if !common.contains(&function) {
                    found
                        .functions
                        .entry(function)
                        .or_insert_with(|| task_id.clone());
                }
            }
        }
        found
    }

    /// Returns the learned tasks that are evaluated, in their order, each with the first thing in common.
    pub fn shared(&self, learned: &[TaskFingerprint]) -> Vec<SharedTask> {
        let shared = |task: &TaskFingerprint| {
            let first = |keys: &[String], of: &HashMap<String, String>| {
                keys.iter().find_map(|key| of.get(key)).cloned()
            };
            let id = task
                .publisher_id
                .as_ref()
                .and_then(|id| self.ids.get(id).cloned());
            let (evaluated, by) = None
                .or_else(|| Some((id?, SharedBy::Id)))
                .or_else(|| Some((first(&task.functions, &self.functions)?, SharedBy::Function)))
                .or_else(|| Some((first(&task.sentences, &self.sentences)?, SharedBy::Sentence)))?;
            Some(SharedTask {
                learned: task.task_id.clone(),
                evaluated,
                by,
            })
        };
        learned.iter().filter_map(shared).collect()
    }

    /// Returns the tasks that are evaluated, as [`Self::shared`], with those that share only consecutive words.
    pub fn shared_tasks(&self, learned: &[Task], phase: &ScoringPhase) -> Vec<SharedTask> {
        let by_fingerprint = self.shared(&fingerprints(learned, phase));
        let mut known: HashMap<&str, &SharedTask> = HashMap::new();
        for shared in &by_fingerprint {
            known.insert(&shared.learned, shared);
        }
        let shared = |task: &Task| {
            let view = task.view();
            if let Some(shared) = known.get(view.task_id.as_str()) {
                return Some((*shared).clone());
            }
            let description = if view.repository.is_some() {
                String::new()
            } else {
                description_of(view)
            };
            // Apart, so that no words span both.
            let texts = [description.as_str(), task.canonical_solution(phase)];
            let evaluated = texts.iter().find_map(|text| self.find_words(text))?;
            Some(SharedTask {
                learned: view.task_id.clone(),
                evaluated: evaluated.to_owned(),
                by: SharedBy::Words,
            })
        };
        learned.iter().filter_map(shared).collect()
    }

    /// Returns the id of an evaluated task that shares consecutive words or a sentence with a text.
    pub fn find_words(&self, text: &str) -> Option<&str> {
        self.overlap.find(text)
    }
}

/// Returns what more than [`MOST_TASKS`] tasks have: a common phrase or helper, which identifies none of them.
fn common<'a>(keys: impl Iterator<Item = &'a String>) -> HashSet<String> {
    let mut counts: HashMap<&String, u32> = HashMap::new();
    for key in keys {
        *counts.entry(key).or_default() += 1;
    }
    let common = counts.into_iter().filter(|(_, count)| *count > MOST_TASKS);
    common.map(|(key, _)| key.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Asserts, TaskView, Tests};

    const SOLUTION: &str = "    best = xs[0]\n    for x in xs:\n        if x < best:\n            best = x\n    return best\n";

    fn task(id: &str, prompt: &str, solution: &str) -> Task {
        let tests = Tests::Asserts(Asserts {
            preamble: String::new(),
            setup: String::new(),
            tests: Vec::new(),
        });
        let view = TaskView::new(id, prompt.to_owned(), "least");
        Task::new(view, tests, solution.to_owned())
    }

    fn evaluated() -> Task {
        task(
            "Mbpp/7",
            "def least(xs):\n    \"\"\"Find the least number of a list.\"\"\"\n",
            SOLUTION,
        )
    }

    #[track_caller]
    fn check(learned: &Task, expected: Option<SharedBy>) {
        let phase = ScoringPhase::begin();
        let gate = Evaluated::new(&[evaluated()], &phase);
        let found = gate.shared_tasks(std::slice::from_ref(learned), &phase);
        assert_eq!(found.first().map(|shared| shared.by), expected);
        if expected != Some(SharedBy::Words) {
            assert_eq!(
                gate.shared(&fingerprints(std::slice::from_ref(learned), &phase)),
                found
            );
        }
    }

    #[test]
    fn a_task_of_another_benchmark_is_known_by_its_publishers_id() {
        check(
            &task("mbpp/7", "\"\"\"Other words.\"\"\"\n", ""),
            Some(SharedBy::Id),
        );
        check(&task("own/7", "\"\"\"Other words.\"\"\"\n", ""), None);
    }

    #[test]
    fn a_shared_task_of_one_id_is_named_once() {
        let shared = |learned: &str| SharedTask {
            learned: learned.to_owned(),
            evaluated: "Mbpp/7".to_owned(),
            by: SharedBy::Id,
        };
        let text = shared("Mbpp/7").to_string();
        assert_eq!(text, "Mbpp/7, by its publisher's id");
        let text = shared("mbpp/7").to_string();
        assert_eq!(text, "mbpp/7 is Mbpp/7 by its publisher's id");
    }

    #[test]
    fn a_renamed_function_with_other_words_is_known_by_its_solution() {
        let prompt = "def smallest(values):\n    \"\"\"Give the minimum.\"\"\"\n";
        check(
            &task("own/1", prompt, &SOLUTION.replace("xs", "values")),
            Some(SharedBy::Function),
        );
        check(&task("own/1", prompt, "    return min(values)\n"), None);
    }

    #[test]
    fn equal_code_in_another_layout_is_known() {
        let solution = SOLUTION.replace("best = x\n", "best = (x)  # lower\n");
        check(
            &task("own/1", "def least(xs):\n", &solution),
            Some(SharedBy::Function),
        );
    }

    #[test]
    fn a_sentence_of_the_description_is_enough() {
        let prompt = "def f(a):\n    \"\"\"find the LEAST number of a list. Quickly.\"\"\"\n";
        check(
            &task("own/1", prompt, "    return min(a)\n"),
            Some(SharedBy::Sentence),
        );
    }

    #[test]
    fn many_learned_tasks_with_an_evaluated_sentence_do_not_hide_each_other() {
        let phase = ScoringPhase::begin();
        let gate = Evaluated::new(&[evaluated()], &phase);
        let prompt = "def f(a):\n    \"\"\"Find the least number of a list.\"\"\"\n";
        let many: Vec<Task> = (0..11)
            .map(|i| task(&format!("own/{i}"), prompt, ""))
            .collect();
        assert_eq!(gate.shared(&fingerprints(&many, &phase)).len(), 11);
    }

    #[test]
    fn what_many_evaluated_tasks_have_identifies_none() {
        let phase = ScoringPhase::begin();
        let preamble = format!("def least(xs):\n{SOLUTION}\n\"\"\"Use it for riddle number");
        let all: Vec<Task> = (0..11)
            .map(|i| {
                task(
                    &format!("own/{i}"),
                    &format!("{preamble} {i}.\"\"\"\n"),
                    "def f(): return 1\n",
                )
            })
            .collect();
        let gate = Evaluated::new(&all, &phase);
        let other = task(
            "other/1",
            &format!("{preamble} without a number.\"\"\"\n"),
            "def g(): return 2\n",
        );
        assert_eq!(gate.shared_tasks(&[other], &phase), []);
    }
}
