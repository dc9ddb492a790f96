//! Functions after a sketch of a similar one, for `--to sketches`: what an adapter for the workflow `sketch` learns.
//!
//! As in `SkCoder` (<https://arxiv.org/abs/2302.06144>), the sketch to learn from is what both functions have in common:
//! the longest common subsequence of their tokens. The workflow's own sketch, by a rule, does not know the function.

use std::collections::{BTreeMap, HashSet};
use std::rc::Rc;

use anyhow::Result;
use serde_json::{Value, json};
use slm_artifacts::{RowSource, TaskFingerprint, Verdict};
use slm_benchmarks::{Evaluated, ScoringPhase, TaskView};
use slm_cli::{BaseModel, UserMistake};
use slm_config::{Api, Prompting, Recipe};
use slm_harvest::{Asks, Harvest, Reason, Row, Settings, Side};
use slm_metrics::syntax::{
    FunctionSource, function_fingerprints, normalised_hash, survey_functions, without_comments,
};
use slm_model::Message;
use slm_retrieval::{Corpus, Index, IndexedFile, Secret, Sources, query_of, sketch};
use slm_sandbox::Interpreter;

use super::gate::{self, shares};
use crate::dataset_arguments::DatasetArguments;
use crate::knowledge::{CountTokens, collect_sources, shown_sketch, working_directory};
use crate::workflow::convention::{Opening, opening, sketch_section};

/// The arm of a row whose answer is the user's own code.
const CODE: &str = "code";

/// The rows of a recipe's code.
pub(super) struct Sketched {
    pub(super) harvest: Harvest,
    /// The functions of the rows, as they would be tasks.
    pub(super) tasks: Vec<TaskFingerprint>,
    /// Rules beside the settings.
    pub(super) more: BTreeMap<String, Value>,
}

/// Makes the rows of a recipe's code.
///
/// # Errors
/// The recipe names no code or cannot be read, or no function becomes a row.
pub(super) fn make(arguments: &DatasetArguments, settings: &Settings) -> Result<Sketched> {
    let path = arguments.recipe.clone().unwrap_or_default();
    let recipe = slm_cli::load_recipe_without_data(&path, &[], slm_benchmarks::NAMES)?;
    let knowledge = &recipe.knowledge;
    if knowledge.code.is_empty() {
        return Err(UserMistake(format!(
            "{}: knowledge.code is empty, but its functions become the rows\nhint: knowledge: {{code: [src]}}",
            path.display()
        ))
        .into());
    }
    let python = Interpreter::resolve(recipe.evaluate.python.as_deref())
        .map_err(|error| UserMistake(error.to_string()))?;
    let sources = Sources {
        docs: Vec::new(),
        code: knowledge.code.clone(),
        root: working_directory(),
    };
    let collected = collect_sources(&sources, &python)?;
    let files = collected.files.clone();
    let index = Index::new(collected).map_err(|error| UserMistake(error.to_string()))?;
    // There are no answers, and solutions are compared by hashes alone.
    let (evaluated, names) = gate::evaluated(&recipe, &ScoringPhase::begin())?;
    let is_evaluated = |chunk: &slm_retrieval::Chunk| shares(&evaluated, &chunk.name, &chunk.text);
    let making = Making {
        evaluated_chunks: index.chunks().iter().map(is_evaluated).collect(),
        index: &index,
        evaluated: &evaluated,
        max_tokens: knowledge.max_tokens,
        count_tokens: count_tokens(&recipe)?,
        rule: settings.rule(),
    };
    let (harvest, tasks) = making.harvest(&files);
    if harvest.rows.is_empty() {
        let lines = harvest.left_out.iter();
        let lines: Vec<String> = lines.map(|(of, n)| format!("\n  {n} {of}")).collect();
        return Err(UserMistake(format!(
            "none of {} documented functions became a row{}\nhint: name more code in knowledge.code of {}",
            harvest.answers,
            lines.concat(),
            path.display()
        ))
        .into());
    }
    let more = BTreeMap::from([
        ("compared_with".to_owned(), json!(names)),
        ("index_sha256".to_owned(), json!(index.sha256())),
        ("max_tokens".to_owned(), json!(knowledge.max_tokens)),
    ]);
    Ok(Sketched {
        harvest,
        tasks,
        more,
    })
}

/// Returns what counts the tokens of a sketch, as a run of the workflow counts them.
fn count_tokens(recipe: &Recipe) -> Result<CountTokens> {
    let characters = |text: &str| text.chars().count().div_ceil(4);
    let endpoint = recipe.evaluate.endpoint.as_ref();
    if endpoint.is_some_and(|of| of.api == Api::Chat) {
        return Ok(Rc::new(characters));
    }
    let tokenizer = BaseModel::open_without_weights(&recipe.model)?.tokenizer()?;
    Ok(Rc::new(move |text| {
        let ids = tokenizer.encode_text(text);
        ids.map_or_else(|_| characters(text), |ids| ids.len())
    }))
}

/// Returns the request of a row, as the workflow `sketch` makes it, and the beginning of its answer.
pub(super) fn asking(row: &Row, before: &str) -> (Vec<Message>, String) {
    let view = TaskView {
        task_id: row.task_id.clone(),
        prompt: row.stub.clone(),
        entry_point: row.entry_point.clone(),
        method: None,
        public_examples: Vec::new(),
        setup: String::new(),
        instruction: None,
        few_shot: None,
        repository: None,
    };
    let Opening {
        messages, begun, ..
    } = opening(Prompting::Training, &view, before);
    (messages, begun)
}

struct Making<'a> {
    index: &'a Index,
    evaluated: &'a Evaluated,
    /// Whether a chunk shares text with a task, by its place.
    evaluated_chunks: Vec<bool>,
    max_tokens: usize,
    count_tokens: CountTokens,
    rule: &'static str,
}

impl Making<'_> {
    /// Makes a row of each documented function, in the order of the files.
    fn harvest(&self, files: &[IndexedFile]) -> (Harvest, Vec<TaskFingerprint>) {
        let mut harvest = Harvest {
            rows: Vec::new(),
            answers: 0,
            left_out: BTreeMap::new(),
        };
        let mut tasks = Vec::new();
        let mut programs = HashSet::new();
        for file in files {
            // Files that are no Python have no functions.
            let survey = survey_functions(&file.text).unwrap_or_default();
            harvest.answers += survey.functions.len() + survey.uncut.len();
            let mut leave_out = |reason, count| {
                if count > 0 {
                    *harvest.left_out.entry(reason).or_default() += count;
                }
            };
            leave_out(Reason::UncutFunction, survey.uncut.len());
            for function in &survey.functions {
                let row = self.row(file, function, &mut programs);
                match row {
                    Ok(row) => {
                        tasks.push(fingerprint(&row, function));
                        harvest.rows.push(row);
                    }
                    Err(reason) => leave_out(reason, 1),
                }
            }
        }
        (harvest, tasks)
    }

    fn row(
        &self,
        file: &IndexedFile,
        function: &FunctionSource,
        programs: &mut HashSet<u64>,
    ) -> Result<Row, Reason> {
        let program = format!("{}{}", function.prompt(), function.body);
        if program.contains("```") {
            return Err(Reason::Fence);
        }
        if shares(self.evaluated, &function.name, &function.source) {
            return Err(Reason::Evaluated);
        }
        let hash = normalised_hash(&function.source).ok_or(Reason::NoProgram)?;
        if !programs.insert(hash) {
            return Err(Reason::SameProgram);
        }
        let metrics = slm_metrics::analyze(&program).map_err(|_| Reason::NoProgram)?;
        let name = function.qualified_name();
        // As in a task of a repository: of a method, the class.
        let entry_point = function.class_name.as_ref().unwrap_or(&function.name);
        // A docstring is no secret: other functions may be documented in the same words.
        let solution = without_comments(&function.source, 0);
        let solution = solution.as_deref().unwrap_or(&function.source);
        let mask = self.index.mask(&Secret {
            solutions: &[solution],
            tests: &[],
            target: Some((&file.source, &name)),
        });
        let query = query_of(&function.prompt(), entry_point);
        let nearest = self
            .index
            .search(&query, Corpus::Functions, &mask, usize::MAX)
            .into_iter()
            .find(|hit| !self.evaluated_chunks[hit.chunk])
            .ok_or(Reason::NoNeighbour)?;
        let chunk = &self.index.chunks()[nearest.chunk];
        let sketch = sketch::oracle(&chunk.text, &function.source);
        if sketch.kept <= 0.0 {
            return Err(Reason::EmptySketch);
        }
        let shown = shown_sketch(chunk, &sketch.text, self.max_tokens, &*self.count_tokens);
        let task_id = format!("{}::{name}", file.source);
        Ok(Row {
            stub: function.prompt(),
            entry_point: entry_point.clone(),
            sides: vec![Side {
                body: function.body.trim_end().to_owned(),
                lloc: metrics.lloc_code,
                source: RowSource {
                    row: 0,
                    side: "completion".to_owned(),
                    rule: self.rule.to_owned(),
                    run: String::new(),
                    arm: CODE.to_owned(),
                    workflow: "sketch".to_owned(),
                    temperature: 0.0,
                    top_p: 1.0,
                    task_id: task_id.clone(),
                    sample: 0,
                    step: None,
                    verdict: Verdict::Untested,
                    tests_passed: 0,
                    tests_total: 0,
                    mi_code: Some(metrics.mi_code),
                },
            }],
            task_id,
            asks: Asks::ProgramBySketch(sketch_section(&shown)),
            label: None,
        })
    }
}

/// Identifies a function in an evaluation of the repository's tasks.
fn fingerprint(row: &Row, function: &FunctionSource) -> TaskFingerprint {
    TaskFingerprint {
        task_id: row.task_id.clone(),
        publisher_id: None,
        sentences: Vec::new(),
        functions: function_fingerprints(&function.source),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use slm_model::Role;

    use super::*;

    const TOTAL: &str = "def total_price(prices):\n    \"\"\"Add all prices.\"\"\"\n    total = 0\n    for price in prices:\n        if price > 0:\n            total = total + price * 2\n    return total\n";
    const LARGEST: &str = "def largest_price(prices):\n    \"\"\"Find the largest of all prices.\"\"\"\n    best = 0\n    for price in prices:\n        if price > best:\n            best = price\n    return best\n";

    /// Returns the rows of files and the task that is evaluated, whose solution is `solution`.
    fn harvested(files: &[(&str, &str)], solution: &str) -> (Harvest, Vec<TaskFingerprint>) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path();
        for (name, text) in files {
            fs::write(path.join(name), text).expect("a file");
        }
        let tasks = path.join("tasks.jsonl");
        let task = json!({
            "task_id": "own/1", "prompt": "def f(prices):\n    \"\"\"Evaluate something.\"\"\"\n", "entry_point": "f",
            "tests": ["assert f([]) == 0"], "canonical_solution": solution,
        });
        fs::write(&tasks, task.to_string() + "\n").expect("a file");
        let set = slm_benchmarks::load("custom", Some(&tasks)).expect("a task");
        let evaluated = Evaluated::new(&set.tasks, &ScoringPhase::begin());
        let sources = Sources {
            docs: Vec::new(),
            code: files.iter().map(|(name, _)| PathBuf::from(*name)).collect(),
            root: path.to_owned(),
        };
        let collected = slm_retrieval::collect(&sources, &|_| None).expect("sources");
        let files = collected.files.clone();
        let index = Index::new(collected).expect("an index");
        let chunks = index.chunks().iter();
        let making = Making {
            evaluated_chunks: chunks
                .map(|chunk| shares(&evaluated, &chunk.name, &chunk.text))
                .collect(),
            index: &index,
            evaluated: &evaluated,
            max_tokens: 600,
            count_tokens: Rc::new(|text: &str| text.split_whitespace().count()),
            rule: "nearest",
        };
        making.harvest(&files)
    }

    fn names(harvest: &Harvest) -> Vec<&str> {
        let rows = harvest.rows.iter();
        rows.map(|row| row.task_id.rsplit("::").next().unwrap_or_default())
            .collect()
    }

    #[test]
    fn a_row_is_task_and_sketch_to_body_in_the_words_of_the_workflow() {
        let (harvest, tasks) = harvested(&[("a.py", TOTAL), ("b.py", LARGEST)], "    return 0\n");
        assert_eq!(names(&harvest), ["total_price", "largest_price"]);
        assert_eq!(
            (harvest.answers, harvest.left_out.len(), tasks.len()),
            (2, 0, 2)
        );
        let row = &harvest.rows[0];
        let Asks::ProgramBySketch(before) = &row.asks else {
            panic!("{:?}", row.asks);
        };
        assert!(
            before.starts_with(
                "## Sketch\n\n### `largest_price` (b.py)\n\n```python\ndef ...(prices):\n"
            ),
            "{before}"
        );
        assert!(before.contains("for price in prices:"), "{before}");
        assert!(
            !before.contains("best") && !before.contains("total"),
            "{before}"
        );
        let (messages, begun) = asking(row, before);
        assert_eq!(begun, format!("```python\n{}", row.stub));
        let user = messages.last().expect("a message");
        assert_eq!(user.role, Role::User);
        let (plain, _) = asking(row, "");
        let expected = format!("{}\n\n{}", before.trim(), plain[0].content);
        assert_eq!(user.content, expected);
        let program = format!("{}{}\n", row.stub, row.sides[0].body);
        assert_eq!(program, TOTAL);
    }

    #[test]
    fn copies_and_functions_of_evaluated_tasks_are_no_neighbours_and_no_rows() {
        let copy = TOTAL
            .replace("total_price", "sum_of_prices")
            .replace("price in", "cost in")
            .replace("price > 0", "cost > 0")
            .replace("price * 2", "cost * 2");
        let body = LARGEST.split("\"\"\"\n").nth(1).expect("a body");
        let files = [("a.py", TOTAL), ("b.py", LARGEST), ("c.py", &copy)];
        let (harvest, _) = harvested(&files, body);
        // Of the three, one is evaluated, and the other two are copies of each other.
        assert!(harvest.rows.is_empty(), "{:?}", names(&harvest));
        assert_eq!(
            harvest.left_out,
            [(Reason::Evaluated, 1), (Reason::NoNeighbour, 2)].into()
        );
        let (harvest, _) = harvested(&files, "    return 0\n");
        assert_eq!(
            names(&harvest),
            ["total_price", "largest_price", "sum_of_prices"]
        );
        for row in [&harvest.rows[0], &harvest.rows[2]] {
            let Asks::ProgramBySketch(before) = &row.asks else {
                panic!("{:?}", row.asks);
            };
            assert!(before.contains("### `largest_price` (b.py)"), "{before}");
        }
    }

    #[test]
    fn functions_that_cannot_be_learned_are_counted() {
        let nested = "def outer():\n    def inner():\n        \"\"\"Documented.\"\"\"\n        return 1\n    return inner\n";
        let fence = "def fenced(prices):\n    \"\"\"Add all prices.\n\n    ```\n    \"\"\"\n    return sum(prices)\n";
        let alone = "def quux():\n    \"\"\"Zyxwv.\"\"\"\n    return lambda: None\n";
        let files = [
            ("a.py", TOTAL),
            ("b.py", LARGEST),
            ("c.py", nested),
            ("d.py", fence),
            ("e.py", alone),
            ("f.py", &TOTAL.replace("Add all prices.", "Sum them up.")),
        ];
        let (harvest, tasks) = harvested(&files, "    return 0\n");
        assert_eq!(harvest.answers, 6);
        assert_eq!(
            harvest.left_out,
            [
                (Reason::UncutFunction, 1),
                (Reason::Fence, 1),
                (Reason::NoNeighbour, 1),
                (Reason::SameProgram, 1)
            ]
            .into()
        );
        assert_eq!((harvest.rows.len(), tasks.len()), (2, 2));
    }
}
