//! Decontamination: keeps the evaluation tasks of a recipe out of its training data.

use std::collections::HashMap;
use std::path::Path;

use anyhow::Result;
use slm_benchmarks::{Overlap, ScoringPhase, Selection, Task};
use slm_cli::UserMistake;
use slm_config::{Benchmark, BenchmarkSplit, Recipe};
use slm_metrics::syntax::{definition_hashes, documented_functions, nameless_function_hashes};

use super::content::Content;
use super::counts::Reason;
use super::sample::Sample;

/// Mark around code in a text.
const FENCE: &str = "```";

/// Search for tasks in training examples, by their words and by the syntax trees of their solutions.
#[derive(Debug)]
pub(super) struct Decontamination {
    overlap: Overlap,
    /// Normalised hashes of the functions and classes in the tasks' solutions, with the id of the task.
    solutions: HashMap<u64, String>,
    /// Normalised hashes, without their names, of the functions of repositories that are tasks, with the id of the task: a
    /// code base often has copies of a function under other names.
    own_functions: HashMap<u64, String>,
}

impl Decontamination {
    /// Prepares the search for the tasks of `evaluate.benchmarks`; `None` if the recipe disables it.
    ///
    /// # Errors
    /// The data file of a benchmark is missing or broken, so that its tasks could not be found in the examples.
    pub(super) fn of(recipe: &Recipe) -> Result<Option<Self>> {
        if !recipe.data.decontaminate {
            return Ok(None);
        }
        let tasks = evaluated_tasks(recipe, SEARCHED)?;
        // The solutions are only compared; no example, log or message shows them.
        let phase = ScoringPhase::begin();
        let (mut solutions, mut own_functions) = (HashMap::new(), HashMap::new());
        for task in &tasks {
            let prompt = &task.view().prompt;
            let named = |hash| (hash, task.view().task_id.clone());
            let solution = task.canonical_solution(&phase);
            let whole = format!("{prompt}{solution}");
            if task.view().repository.is_some() {
                // The prompt shows a part of the class, which other methods of it share.
                own_functions.extend(own_hashes(&whole).into_iter().map(named));
                continue;
            }
            let hashes = definition_hashes(&whole).or_else(|| definition_hashes(solution));
            if !solution.trim().is_empty() {
                solutions.extend(hashes.unwrap_or_default().into_iter().map(named));
            }
        }
        Ok(Some(Self {
            overlap: Overlap::new(&tasks, &phase),
            solutions,
            own_functions,
        }))
    }

    /// Returns the reason to leave a sample out, if there is one, with the id of the task.
    ///
    /// `text` is the sample's, which of a tokenised one only the tokenizer knows.
    pub(super) fn reason_against(&self, sample: &Sample, text: &str) -> Option<(Reason, &str)> {
        let mut parts = sample.content.parts().iter();
        parts.find_map(|part| self.reason_against_part(part, text))
    }

    fn reason_against_part(&self, part: &Content, whole: &str) -> Option<(Reason, &str)> {
        // Imports and classes are shown to several functions: what they share is no overlap.
        let text = match part {
            Content::Code { definition, .. } => definition.clone(),
            Content::Tokens { .. } => whole.to_owned(),
            other => other.text(),
        };
        if let Some(task) = self.overlap.find(&text) {
            return Some((Reason::SharesText, task));
        }
        let solved = |code: &str| {
            let hashes = definition_hashes(code).unwrap_or_default();
            let mut tasks = hashes.iter().filter_map(|hash| self.solutions.get(hash));
            let own = || {
                let hashes = nameless_function_hashes(code).unwrap_or_default();
                hashes.iter().find_map(|hash| self.own_functions.get(hash))
            };
            let has_own = !self.own_functions.is_empty();
            tasks.next().or_else(|| has_own.then(own).flatten())
        };
        let solved_in = |text: &str| code_in(text).find_map(solved);
        let task = match part {
            // Messages are parsed separately: their texts do not form a program together.
            Content::Conversation(messages) | Content::WithTools { messages, .. } => messages
                .iter()
                .find_map(|message| solved_in(&message.text())),
            Content::Begun {
                messages,
                begun,
                answer,
            } => {
                let answer = format!("{begun}{answer}");
                let before = messages.iter().map(|message| message.content.as_str());
                before.chain([answer.as_str()]).find_map(solved_in)
            }
            _ => solved_in(&text),
        };
        Some((Reason::SharesCode, task?))
    }
}

/// Returns the hashes of the documented functions and methods of a program, each as if it were alone.
fn own_hashes(program: &str) -> Vec<u64> {
    let functions = documented_functions(program).unwrap_or_default();
    let hashes = functions
        .iter()
        .filter_map(|f| nameless_function_hashes(&f.source));
    hashes.flatten().collect()
}

/// Returns the parts of a text that may be Python with a definition: the fenced blocks, or the whole text without
/// fences.
fn code_in(text: &str) -> impl Iterator<Item = &str> {
    let is_fenced = text.contains(FENCE);
    text.split(FENCE)
        .enumerate()
        .filter(move |(index, _)| !is_fenced || index % 2 == 1)
        .map(move |(_, part)| match part.split_once('\n') {
            // The line of the fence names the language.
            Some((_, code)) if is_fenced => code,
            _ => part,
        })
        .filter(|code| code.contains("def ") || code.contains("class "))
}

/// Why the tasks are loaded, and how to do without them.
const SEARCHED: &str = "training examples are searched for the tasks of `evaluate.benchmarks`; \
                        --set data.decontaminate=false skips this";

/// Loads the tasks of `evaluate.benchmarks`; `hint` goes with the error about a benchmark that cannot be loaded.
///
/// # Errors
/// The data file of a benchmark is missing or broken.
pub(super) fn evaluated_tasks(recipe: &Recipe, hint: &str) -> Result<Vec<Task>> {
    let mut tasks = Vec::new();
    for benchmark in &recipe.evaluate.benchmarks {
        tasks.extend(load(benchmark, hint)?);
    }
    Ok(tasks)
}

/// Loads the tasks that a recipe selects from a benchmark by their split or ids, even if a run evaluates only some of
/// them.
pub(super) fn load(benchmark: &Benchmark, hint: &str) -> Result<Vec<Task>> {
    let name = benchmark.name.as_str();
    let default = slm_benchmarks::data_of(name).map(|data| data.file);
    let (data, _) = slm_cli::benchmark_data(
        benchmark.path.as_deref(),
        default,
        slm_benchmarks::subset_of(name),
        &slm_table::ENDINGS,
    )?;
    let task_ids = benchmark.read_task_ids().map_err(|error| {
        let path = benchmark.task_ids.as_deref().unwrap_or(Path::new(""));
        UserMistake(format!(
            "{}: cannot read the ids of tasks: {error}\nhint: write one id per line",
            path.display()
        ))
    })?;
    let split = benchmark.split.map(BenchmarkSplit::name);
    let selection = Selection::named(split, task_ids);
    let set = slm_benchmarks::load_selected(name, data.as_deref(), &selection)
        .map_err(|error| UserMistake(format!("{error}\nhint: {hint}")))?;
    Ok(set.tasks)
}

#[cfg(test)]
mod tests {
    use super::*;
    use slm_config::SpecialTokens;
    use slm_model::{Message, Role};

    const SOLUTION: &str = "    best = xs[0]\n    for x in xs:\n        best = x if x < best else best\n    return best\n";

    fn search(folder: &Path) -> Decontamination {
        let task = serde_json::json!({
            "task_id": "own/least",
            "prompt": "def least(xs):\n    \"\"\"Weigh.\"\"\"\n",
            "entry_point": "least",
            "canonical_solution": SOLUTION,
            "tests": ["assert least([2, 1]) == 1"],
        });
        let file = folder.join("own.jsonl");
        std::fs::write(&file, format!("{task}\n")).expect("a file");
        let text = format!(
            "model: {{name_or_path: x.gguf}}\ndata: {{datasets: [{{path: a, format: text}}]}}\n\
             evaluate: {{benchmarks: [{{name: custom, path: '{}'}}]}}",
            file.display()
        );
        let recipe =
            Recipe::parse(&text, Path::new("r.yaml"), &[], slm_benchmarks::NAMES).expect("recipe");
        Decontamination::of(&recipe)
            .expect("tasks")
            .expect("wanted")
    }

    fn sample(content: Content) -> Sample {
        Sample {
            content,
            origin: "a:1".to_owned(),
            special_tokens: SpecialTokens::Auto,
            group: None,
        }
    }

    fn answer(text: &str) -> Sample {
        sample(Content::Conversation(vec![
            Message::new(Role::User, "The least of some numbers?"),
            Message::new(Role::Assistant, text),
        ]))
    }

    #[test]
    fn a_solution_is_found_by_its_words_and_in_other_layout_by_its_tree() {
        let folder = tempfile::tempdir().expect("a folder");
        let search = search(folder.path());
        let check = |sample: &Sample, expected: Option<Reason>| {
            let text = sample.text();
            let found = search.reason_against(sample, &text);
            assert_eq!(found.map(|(reason, _)| reason), expected, "{sample:?}");
            assert!(
                found.is_none_or(|(_, task)| task == "own/least"),
                "{found:?}"
            );
        };
        let prompt = "def other(ys):\n    \"\"\"Doc.\"\"\"\n".to_owned();
        let body = SOLUTION.to_owned();
        let definition = format!("{prompt}{body}");
        check(
            &sample(Content::Code {
                prompt,
                body,
                definition,
            }),
            Some(Reason::SharesText),
        );
        // With comments and brackets between the words, no thirteen words of the solution are consecutive.
        let broken = "def least(xs):\n    # the first one\n    best = (xs[0])\n    # go on\n    for x in xs:\n        \
                      # choose\n        best = (x if x < best\n            # keep\n            else best)\n    # done\n    \
                      return best\n";
        let code = Some(Reason::SharesCode);
        check(
            &answer(&format!("Here:\n```python\n{broken}```\nDone.")),
            code,
        );
        check(&answer(broken), code);
        check(
            &answer(&format!("```py\nimport os\n{broken}\nx = 1\n```")),
            code,
        );
        check(&answer(&broken.replace("best", "low")), None);
        check(&answer("No code at all, but a class of its own."), None);
    }

    #[test]
    fn a_benchmark_without_its_file_is_a_mistake_that_names_the_way_out() {
        let text = "model: {name_or_path: x.gguf}\ndata: {datasets: [{path: a, format: text}]}\n\
                    evaluate: {benchmarks: [{name: mbpp, path: nowhere.jsonl}]}";
        let mut recipe =
            Recipe::parse(text, Path::new("r.yaml"), &[], slm_benchmarks::NAMES).expect("recipe");
        let error = Decontamination::of(&recipe).expect_err("no file");
        assert!(error.is::<UserMistake>());
        let text = error.to_string();
        for part in ["no data file nowhere.jsonl", "data.decontaminate=false"] {
            assert!(text.contains(part), "{text}");
        }
        recipe.data.decontaminate = false;
        assert!(
            Decontamination::of(&recipe)
                .expect("not searched")
                .is_none()
        );
    }
}
