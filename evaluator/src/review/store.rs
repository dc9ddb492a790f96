//! The folder of a review: what is shown, the model's answers, and the rewritten functions as a data set.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use slm_artifacts::{
    BASE_ARM, DatasetFolder, DatasetInfo, DatasetKind, RowSource, SourceRun, TaskFingerprint,
    Verdict, atomic_folder, sha256,
};
use slm_benchmarks::{Evaluated, ScoringPhase};
use slm_cli::UserMistake;
use slm_config::Recipe;
use slm_harvest::{Asks, Harvest, Keep, Kind, Prefer, Reason, Row, Settings, Side, describe};
use slm_metrics::syntax::function_fingerprints;
use slm_model::Message;

use super::shown::{Review, ReviewModel};
use crate::dataset::gate::{evaluated, shares};

/// The review, as `--json` prints it.
const REVIEW: &str = "review.json";
/// The answers, one per line.
const ANSWERS: &str = "answers.jsonl";
/// The data set, if it has rows.
const DATASET: &str = "dataset";

/// The rule by which a row was selected.
const RULE: &str = "review";

/// A folder to be written.
pub(super) struct Store<'a> {
    folder: &'a Path,
    /// The tasks that the recipe evaluates, and the names of their benchmarks.
    evaluated: Option<(Evaluated, Vec<String>)>,
}

/// A request with its answer, and what of it is shown.
pub(super) struct Exchange<'a> {
    /// `FILE::NAME` of the function.
    pub(super) id: String,
    pub(super) messages: &'a [Message],
    pub(super) answer: &'a str,
    pub(super) finish_reason: slm_artifacts::FinishReason,
    /// The function before, at the left margin.
    pub(super) before: &'a str,
    /// The lines of the function and the texts about them.
    pub(super) findings: Vec<(usize, &'a str)>,
    /// The function afterwards at the left margin, and the tests that it passes.
    pub(super) rewrite: Option<(&'a str, usize)>,
}

impl<'a> Store<'a> {
    /// Checks that the folder may be replaced, and reads the tasks that the recipe evaluates.
    ///
    /// # Errors
    /// The path holds something else than a review, or a benchmark of the recipe cannot be read.
    pub(super) fn open(folder: &'a Path, recipe: Option<&Recipe>) -> Result<Self> {
        if folder.exists() && !is_review(folder) {
            return Err(UserMistake(format!(
                "{}: exists and is no review, or holds other files too\nhint: choose another folder with --output",
                folder.display()
            ))
            .into());
        }
        let evaluated = recipe.map(|recipe| evaluated(recipe, &ScoringPhase::begin()));
        Ok(Self {
            folder,
            evaluated: evaluated.transpose()?,
        })
    }

    /// Writes the folder; equal input gives equal bytes. Returns the number of rows of the data set.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub(super) fn write(&self, review: &Review, exchanges: &[Exchange]) -> Result<usize> {
        let description = serde_json::to_string_pretty(review)? + "\n";
        let answers = exchanges.iter().map(|of| {
            json!({
                "function": of.id,
                "messages": of.messages.iter().map(message).collect::<Vec<_>>(),
                "finish_reason": of.finish_reason,
                "text": of.answer,
            })
        });
        let answers = lines(answers);
        let dataset = match &review.model {
            Some(model) => self.dataset(model, exchanges, &answers)?,
            None => None,
        };
        let rows = dataset.as_ref().map_or(0, |(_, info)| info.rows);
        let written = atomic_folder::<std::io::Error>(self.folder, |part| {
            fs::write(part.join(REVIEW), &description)?;
            fs::write(part.join(ANSWERS), &answers)?;
            let Some(([rows, sources], info)) = &dataset else {
                return Ok(());
            };
            let folder = part.join(DATASET);
            fs::create_dir(&folder)?;
            fs::write(folder.join(DatasetFolder::ROWS), rows)?;
            fs::write(folder.join(DatasetFolder::SOURCES), sources)?;
            let info = serde_json::to_string_pretty(info)? + "\n";
            fs::write(folder.join(DatasetFolder::INFO), info)
        });
        written.with_context(|| format!("cannot write {}", self.folder.display()))?;
        Ok(rows)
    }

    /// Returns rows, sources and description of the data set; `None` without rows.
    fn dataset(
        &self,
        model: &ReviewModel,
        exchanges: &[Exchange],
        answers: &str,
    ) -> Result<Option<([String; 2], DatasetInfo)>> {
        let name = self.folder.file_name().unwrap_or_default();
        let name = name.to_string_lossy().into_owned();
        let mut harvest = Harvest {
            rows: Vec::new(),
            answers: exchanges.len(),
            left_out: BTreeMap::new(),
        };
        let (mut rows, mut tasks) = (Vec::new(), Vec::new());
        for exchange in exchanges {
            match self.row(exchange, model, &name) {
                Ok((row, line)) => {
                    rows.push(line);
                    tasks.push(TaskFingerprint {
                        task_id: row.task_id.clone(),
                        publisher_id: None,
                        sentences: Vec::new(),
                        functions: fingerprints(exchange),
                    });
                    harvest.rows.push(row);
                }
                Err(reason) => *harvest.left_out.entry(reason).or_default() += 1,
            }
        }
        if harvest.rows.is_empty() {
            return Ok(None);
        }
        let rows = lines(rows.into_iter());
        let sources = harvest.rows.iter().enumerate().flat_map(|(number, row)| {
            row.sides.iter().map(move |side| RowSource {
                row: number,
                ..side.source.clone()
            })
        });
        let sources: Vec<Value> = sources
            .map(serde_json::to_value)
            .collect::<Result<_, _>>()?;
        let sources = lines(sources.into_iter());
        let compared = self.evaluated.as_ref().map(|(_, names)| names.clone());
        let compared = compared.unwrap_or_default();
        let rules = BTreeMap::from([
            ("compared_with".to_owned(), json!(compared)),
            ("keep".to_owned(), json!(RULE)),
        ]);
        let runs = vec![SourceRun {
            name,
            config_sha256: sha256(serde_json::to_string(&(
                &model.base_model,
                &model.adapter,
                model.temperature,
                model.top_p,
            ))?),
            answers_sha256: sha256(answers),
        }];
        // The settings of sketches add no rules, and here the rules are given.
        let settings = Settings {
            kind: Kind::Sketches,
            keep: Keep::Passed,
            prefer: Prefer::MiCode,
            per_task: 1,
            max_rows: None,
            seed: 0,
        };
        let hashes = (sha256(&rows), sha256(&sources));
        let described = describe(&harvest, &settings, runs, &tasks, rules, hashes);
        let info = DatasetInfo {
            kind: DatasetKind::Sft,
            ..described
        };
        Ok(Some(([rows, sources], info)))
    }

    /// Returns the row of a rewritten function: the request, and an answer with what was shown of the model's.
    fn row(
        &self,
        exchange: &Exchange,
        model: &ReviewModel,
        run: &str,
    ) -> Result<(Row, Value), Reason> {
        let (rewritten, tests) = exchange.rewrite.ok_or(Reason::NoRewrite)?;
        if rewritten.contains("```") {
            return Err(Reason::Fence);
        }
        let is_shared = |code: &str| {
            let shared = self.evaluated.as_ref();
            shared.is_some_and(|(evaluated, _)| shares(evaluated, &exchange.id, code))
        };
        if is_shared(exchange.before) || is_shared(rewritten) {
            return Err(Reason::Evaluated);
        }
        let metrics = slm_metrics::analyze(rewritten).map_err(|_| Reason::NoProgram)?;
        let findings = exchange.findings.iter();
        let findings: Vec<String> = findings
            .map(|(line, text)| format!("{line}: {text}\n"))
            .collect();
        let findings = findings.concat();
        let answer = format!("{findings}```python\n{}\n```", rewritten.trim_end());
        let line = json!({
            "prompt": exchange.messages.iter().map(message).collect::<Vec<_>>(),
            "completion": [{"role": "assistant", "content": answer}],
            "prefill": "",
            "task_id": exchange.id,
        });
        let verdict = if tests == 0 {
            Verdict::Untested
        } else {
            Verdict::Passed
        };
        let source = RowSource {
            row: 0,
            side: "completion".to_owned(),
            rule: RULE.to_owned(),
            run: run.to_owned(),
            arm: model.adapter.clone().unwrap_or(BASE_ARM.to_owned()),
            workflow: RULE.to_owned(),
            temperature: model.temperature,
            top_p: model.top_p,
            task_id: exchange.id.clone(),
            sample: 0,
            step: None,
            verdict,
            tests_passed: tests,
            tests_total: tests,
            mi_code: Some(metrics.mi_code),
        };
        let row = Row {
            task_id: exchange.id.clone(),
            stub: exchange.before.to_owned(),
            entry_point: String::new(),
            sides: vec![Side {
                body: answer,
                lloc: metrics.lloc_code,
                source,
            }],
            asks: Asks::Program,
            label: None,
        };
        Ok((row, line))
    }
}

/// Whether a folder is empty or holds a review alone: it is replaced with all that it holds.
fn is_review(folder: &Path) -> bool {
    let names = |folder: &Path| -> Option<Vec<String>> {
        let entries = fs::read_dir(folder).ok()?;
        let names =
            entries.map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned()));
        names.collect()
    };
    let holds_only = |folder: &Path, own: &[&str]| {
        names(folder).is_some_and(|found| found.iter().all(|name| own.contains(&name.as_str())))
    };
    let dataset = folder.join(DATASET);
    let of_dataset = [
        DatasetFolder::INFO,
        DatasetFolder::ROWS,
        DatasetFolder::SOURCES,
    ];
    let is_empty = names(folder).is_some_and(|found| found.is_empty());
    is_empty
        || folder.join(REVIEW).is_file()
            && holds_only(folder, &[REVIEW, ANSWERS, DATASET])
            && (!dataset.exists() || holds_only(&dataset, &of_dataset))
}

/// Identifies the function before and afterwards.
fn fingerprints(exchange: &Exchange) -> Vec<String> {
    let mut all = function_fingerprints(exchange.before);
    let rewritten = exchange.rewrite.map(|(text, _)| text).unwrap_or_default();
    for fingerprint in function_fingerprints(rewritten) {
        if !all.contains(&fingerprint) {
            all.push(fingerprint);
        }
    }
    all
}

fn message(message: &Message) -> Value {
    json!({"role": message.role.name(), "content": message.content})
}

/// Returns values as JSON Lines.
fn lines(values: impl Iterator<Item = Value>) -> String {
    values
        .flat_map(|of| [of.to_string(), "\n".to_owned()])
        .collect()
}
