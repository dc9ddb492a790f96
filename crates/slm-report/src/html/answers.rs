//! The answers of runs as a page's data: a table of all, and their texts in blocks.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::Serialize;
use serde_json::{Map, Value, json};
use slm_artifacts::Verdict;

use super::payload::{HtmlError, encode};
use super::run_page::EvaluationPage;
use super::steps::Step;
use crate::code_metric::{CODE_METRICS, CodeMetric};
use crate::record::SampleRecord;

/// A block has about this many bytes of text before compression: the unit that a browser reads at once.
const BLOCK_BYTES: usize = 256 * 1024;

/// The answers of a page.
pub(super) struct Answers {
    /// The table of all answers and its words, by their keys in the index.
    pub(super) index: Map<String, Value>,
    /// The texts: the element's id, and the encoded text.
    pub(super) blocks: Vec<(String, String)>,
    /// Answers with steps that were left out to keep the page small.
    pub(super) without_steps: usize,
}

/// One answer and its place.
struct Answer<'a> {
    n: usize,
    run: usize,
    record: &'a SampleRecord,
    steps: Option<&'a [Step]>,
}

/// Words by number, in the order in which they first occur.
#[derive(Default)]
struct Words<'a> {
    numbers: HashMap<&'a str, usize>,
    words: Vec<&'a str>,
}

impl<'a> Words<'a> {
    fn number(&mut self, word: &'a str) -> usize {
        if let Some(&number) = self.numbers.get(word) {
            return number;
        }
        self.words.push(word);
        self.numbers.insert(word, self.words.len() - 1);
        self.words.len() - 1
    }
}

/// The table of all answers, a column each.
#[derive(Default, Serialize)]
struct Columns<'a> {
    run: Vec<usize>,
    task: Vec<usize>,
    arm: Vec<usize>,
    workflow: Vec<usize>,
    decoding: Vec<usize>,
    sample: Vec<u32>,
    verdict: Vec<usize>,
    passed: Vec<usize>,
    total: Vec<usize>,
    mi: Vec<Option<f64>>,
    cc: Vec<Option<f64>>,
    tokens: Vec<usize>,
    detail: Vec<Option<&'a str>>,
    block: Vec<usize>,
}

/// Collects the answers of runs. Steps are left out, first of tasks on which the arms agree, until all texts together are
/// below `limit` bytes.
pub(super) fn collect(pages: &[EvaluationPage], limit: usize) -> Result<Answers, HtmlError> {
    let answers = answers_of(pages);
    let blocks = in_blocks(&answers);
    let mut encoded = Vec::new();
    let mut steps = Vec::new();
    for (at, block) in blocks.iter().enumerate() {
        encoded.push((format!("answers-{at}"), encode(&texts_of(block))?));
        if block.iter().any(|answer| answer.steps.is_some()) {
            let id = format!("steps-{at}");
            let n = block.iter().filter(|of| of.steps.is_some()).count();
            steps.push((changes(block), at, n, (id, encode(&steps_of(block))?)));
        }
    }
    let mut size: usize = encoded.iter().map(|(_, text)| text.len()).sum();
    steps.sort_by(|a, b| (b.0, a.1).cmp(&(a.0, b.1)));
    let mut without_steps = 0;
    for (_, _, n, block) in steps {
        // After the first that does not fit, no other either: what matters more is never left out for less.
        if without_steps > 0 || size + block.1.len() > limit {
            without_steps += n;
        } else {
            size += block.1.len();
            encoded.push(block);
        }
    }
    Ok(Answers {
        index: index(pages, &answers, &blocks),
        blocks: encoded,
        without_steps,
    })
}

fn answers_of<'a>(pages: &'a [EvaluationPage]) -> Vec<Answer<'a>> {
    let all = pages.iter().enumerate().flat_map(|(run, page)| {
        let numbered = page.records.iter().enumerate();
        numbered.map(move |(at, record)| {
            let steps = page.steps.get(at).and_then(|steps| steps.as_deref());
            (run, record, steps)
        })
    });
    all.enumerate()
        .map(|(n, (run, record, steps))| Answer {
            n,
            run,
            record,
            steps,
        })
        .collect()
}

/// Groups the answers to a task, whose texts resemble each other, and small tasks with their neighbours.
fn in_blocks<'a, 'b>(answers: &'b [Answer<'a>]) -> Vec<Vec<&'b Answer<'a>>> {
    let mut order = Words::default();
    let mut by_task: Vec<Vec<&Answer>> = Vec::new();
    for answer in answers {
        let task = order.number(&answer.record.task_id);
        by_task.resize_with(by_task.len().max(task + 1), Vec::new);
        by_task[task].push(answer);
    }
    let mut blocks: Vec<Vec<&Answer>> = Vec::new();
    let mut room = 0;
    for task in by_task {
        let size: usize = task.iter().map(|answer| size(answer)).sum();
        if let Some(last) = blocks.last_mut().filter(|_| size <= room) {
            last.extend(task);
            room -= size;
        } else {
            blocks.push(task);
            room = BLOCK_BYTES.saturating_sub(size);
        }
    }
    blocks
}

fn size(answer: &Answer) -> usize {
    let parts = answer.steps.into_iter().flatten().flat_map(|of| &of.parts);
    let steps: usize = parts.map(|part| part.text.len()).sum();
    answer.record.program.len() + answer.record.completion.len() + steps
}

/// Number of tasks of a block on which some answers pass and others do not.
fn changes(block: &[&Answer]) -> usize {
    let mut outcomes: BTreeMap<&str, BTreeSet<bool>> = BTreeMap::new();
    for answer in block.iter().filter(|answer| answer.record.is_tested()) {
        let task = outcomes.entry(&answer.record.task_id).or_default();
        task.insert(answer.record.passed());
    }
    outcomes.values().filter(|of| of.len() > 1).count()
}

fn texts_of(block: &[&Answer]) -> Value {
    let mut texts = Words::default();
    let answers: Vec<Value> = block
        .iter()
        .map(|Answer { n, record, .. }| {
            let failure = record.detail.as_deref().unwrap_or_default();
            json!({
                "n": n,
                "program": texts.number(&record.program),
                "completion": texts.number(&record.completion),
                "failure": texts.number(failure),
                "metrics": metrics_of(record),
                "tokens": record.completion_tokens,
                "prompt_tokens": record.prompt_tokens,
                "calls": record.calls,
                "seconds": record.generation_s,
            })
        })
        .collect();
    json!({"texts": texts.words, "answers": answers})
}

fn metrics_of(record: &SampleRecord) -> Map<String, Value> {
    let metrics = record.metrics.as_ref();
    let values = shown_metrics().filter_map(|metric| {
        let value = metric.value(metrics?).filter(|value| value.is_finite())?;
        Some((metric.key.to_owned(), value.into()))
    });
    values.collect()
}

/// The metrics that a report shows by a name.
fn shown_metrics() -> impl Iterator<Item = &'static CodeMetric> {
    let all = CODE_METRICS.iter();
    all.filter(|metric| !metric.shown.label.is_empty())
}

fn steps_of(block: &[&Answer]) -> Value {
    let mut texts = Words::default();
    let mut answers = Vec::new();
    for answer in block {
        let Some(steps) = answer.steps else { continue };
        let steps: Vec<Value> = steps
            .iter()
            .map(|step| {
                let parts: Vec<Value> = (step.parts.iter())
                    .map(|part| {
                        let (name, text) = (texts.number(&part.name), texts.number(&part.text));
                        json!([name, text, part.tone.name(), u8::from(part.is_open)])
                    })
                    .collect();
                let kind = step.kind.name();
                json!([step.number, step.round, step.title, step.facts, parts, kind])
            })
            .collect();
        answers.push(json!({"n": answer.n, "steps": steps}));
    }
    json!({"texts": texts.words, "answers": answers})
}

/// The runs' names; those of equal names are numbered.
fn names(pages: &[EvaluationPage]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for (at, page) in pages.iter().enumerate() {
        let name = &page.info.name;
        let is_new = !pages[..at].iter().any(|of| of.info.name == *name);
        names.push(if is_new {
            name.clone()
        } else {
            format!("{name} ({})", at + 1)
        });
    }
    names
}

fn index(
    pages: &[EvaluationPage],
    answers: &[Answer],
    blocks: &[Vec<&Answer>],
) -> Map<String, Value> {
    let mut columns = Columns::default();
    let all = answers.iter().map(|answer| answer.record.verdict);
    let words_of: HashMap<Verdict, String> = all.map(|of| (of, of.to_string())).collect();
    let mut words: [Words; 3] = Default::default();
    let [arms, workflows, verdicts] = &mut words;
    let mut decodings: Vec<String> = Vec::new();
    let mut tasks: Vec<(&str, &str)> = Vec::new();
    let mut numbers: HashMap<(&str, &str), usize> = HashMap::new();
    columns.block = vec![0; answers.len()];
    for (at, block) in blocks.iter().enumerate() {
        for answer in block {
            columns.block[answer.n] = at;
        }
    }
    for answer in answers {
        let record = answer.record;
        let task = (record.task_id.as_str(), record.benchmark.as_str());
        let number = *numbers.entry(task).or_insert_with(|| {
            tasks.push(task);
            tasks.len() - 1
        });
        let decoding = record.decoding.to_string();
        let known = decodings.iter().position(|of| *of == decoding);
        let metric = |key: &str| {
            let of = CODE_METRICS.iter().find(|metric| metric.key == key)?;
            of.value(record.metrics.as_ref()?)
                .filter(|value| value.is_finite())
        };
        columns.run.push(answer.run);
        columns.task.push(number);
        columns.arm.push(arms.number(&record.arm));
        columns.workflow.push(workflows.number(&record.workflow));
        columns.decoding.push(known.unwrap_or_else(|| {
            decodings.push(decoding);
            decodings.len() - 1
        }));
        columns.sample.push(record.sample);
        columns
            .verdict
            .push(verdicts.number(words_of[&record.verdict].as_str()));
        columns.passed.push(record.tests_passed);
        columns.total.push(record.tests_total);
        columns.mi.push(metric("maintainability_index"));
        columns.cc.push(metric("cyclomatic_complexity"));
        columns.tokens.push(record.completion_tokens);
        columns.detail.push(record.detail.as_deref());
    }
    let tasks: Vec<Value> = tasks
        .into_iter()
        .map(|(id, benchmark)| json!({"id": id, "benchmark": benchmark}))
        .collect();
    let metrics: Vec<Value> = shown_metrics()
        .map(|metric| json!([metric.key, metric.shown.label, metric.shown.digits]))
        .collect();
    let [arms, workflows, verdicts] = words.map(|of| of.words);
    let index = json!({
        "kind": "evaluation",
        "runs": names(pages),
        "arms": arms,
        "workflows": workflows,
        "decodings": decodings,
        "verdicts": verdicts,
        "tasks": tasks,
        "metrics": metrics,
        "blocks": blocks.len(),
        "records": columns,
    });
    match index {
        Value::Object(index) => index,
        _ => Map::new(),
    }
}
