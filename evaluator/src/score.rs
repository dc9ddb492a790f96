//! `evaluator score`: scores a file of samples against a benchmark's hidden tests, top to bottom.

mod against;
mod document;

use std::path::Path;

use anyhow::Result;
use slm_artifacts::counted;
use slm_benchmarks::{ScoringPhase, TaskSet};
use slm_cli::{Failure, Progress, UserMistake};
use slm_sandbox::{Limits, Sandbox};
use slm_scoring::{
    ExpectedOutputCache, Sample, SampleFormat, SampleOptions, Samples, SamplesError, Score,
    ScoreCache, Scorer, ScoringProgress,
};

use crate::arguments::{SampleFormatName, ScoreArguments};
use crate::benchmark_file::load_tasks;
use crate::repositories;
use document::Document;

/// Scores a file of samples, and prints the scores in the file's order; with another file to compare with, also the
/// paired differences.
pub(crate) fn run(arguments: &ScoreArguments) -> Result<(), Failure> {
    let document = score(arguments)?;
    if arguments.json {
        let text = serde_json::to_string_pretty(&document).map_err(anyhow::Error::from)?;
        slm_cli::document(&text);
    } else {
        slm_cli::result(&document.table());
    }
    for (missing, tasks) in document.missing_tasks() {
        slm_cli::note(&format!(
            "{missing} of {tasks} tasks have no sample; the rates are over the others"
        ));
    }
    if !arguments.extract
        && let Some(hint) = document.hint()
    {
        slm_cli::note(&hint);
    }
    let unscored = document.n_unscored();
    if unscored == 0 {
        return Ok(());
    }
    for (reason, n) in document.reasons_unscored() {
        slm_cli::note(&format!("unscored: {}: {reason}", counted(n, "sample")));
    }
    Err(Failure::Incomplete(format!(
        "{} could not be scored\nhint: choose an interpreter that has the tasks' packages with --python",
        counted(unscored, "sample")
    )))
}

fn score(arguments: &ScoreArguments) -> Result<Document> {
    let (cache_dir, name) = (slm_cli::cache_dir(), &arguments.benchmark);
    let (set, _) = load_tasks(name, arguments.data.as_deref())?;
    let options = SampleOptions {
        extract: arguments.extract,
        format: arguments.format.map(SampleFormat::from),
        limit_start: arguments.limit_start,
    };
    let samples = read_samples(&arguments.samples, &set, options)?;
    let base = match &arguments.against {
        Some(path) => {
            let options = options_of_base(path, arguments);
            Some((path, read_samples(path, &set, options)?))
        }
        None => None,
    };

    let mut sandbox = arguments
        .sandbox
        .open(arguments.python.as_deref(), Limits::default())?;
    if let Some(workers) = arguments.workers {
        sandbox = sandbox.with_workers(workers);
    }
    let mut cache = ScoreCache::open(&cache_dir.join("scores").join(format!("{name}.jsonl")))?;
    slm_cli::saved_so_far("all finished verdicts are kept in the score cache");
    if cache.damaged() > 0 {
        let lines = counted(cache.damaged(), "damaged line");
        slm_cli::note(&format!("skipped {lines} in the score cache"));
    }
    // All samples were written before this command started: their generation is over.
    let phase = ScoringPhase::begin();
    let scores = run_tests(&set, &samples.samples, &sandbox, &phase, &mut cache)?;
    let level = sandbox.level().to_string();
    let python = &sandbox.interpreter().version;
    let document = Document::new(&set, &samples, &scores, python, &level, &phase);
    let Some((path, base)) = base else {
        return Ok(document);
    };
    let base_scores = run_tests(&set, &base.samples, &sandbox, &phase, &mut cache)?;
    let of_base = Document::new(&set, &base, &base_scores, python, &level, &phase);
    let names = [path, &arguments.samples].map(|path| path.display().to_string());
    let comparison = against::compare(
        &set,
        (&names[0], &base.samples, &base_scores),
        (&names[1], &samples.samples, &scores),
    );
    Ok(document.compared(of_base, comparison))
}

/// The options of `--against`: the format follows from its contents, and an offset is one of lists.
fn options_of_base(path: &Path, arguments: &ScoreArguments) -> SampleOptions {
    let is_lists = matches!(SampleFormat::detect(path), Ok(SampleFormat::BigCode));
    SampleOptions {
        extract: arguments.extract,
        format: None,
        limit_start: arguments.limit_start.filter(|_| is_lists),
    }
}

fn read_samples(path: &Path, set: &TaskSet, options: SampleOptions) -> Result<Samples> {
    let read = slm_scoring::read_samples(path, set, options).map_err(|error| match error {
        SamplesError::Invalid(problem) => UserMistake(problem).into(),
        other => anyhow::Error::from(other),
    })?;
    if read.passed_over > 0 {
        slm_cli::note(&format!(
            "entries skipped, since they are no file TASK/NUMBER.py: {} of {}",
            read.passed_over,
            path.display()
        ));
    }
    for (reason, n) in &read.odd {
        slm_cli::note(&format!("{}: {n} times: {reason}", path.display()));
    }
    Ok(read)
}

impl From<SampleFormatName> for SampleFormat {
    fn from(name: SampleFormatName) -> Self {
        match name {
            SampleFormatName::Evalplus => Self::EvalPlus,
            SampleFormatName::Folder => Self::Folder,
            SampleFormatName::Livecodebench => Self::LiveCodeBench,
            SampleFormatName::Bigcode => Self::BigCode,
            SampleFormatName::LmEval => Self::LmEval,
        }
    }
}

/// Scores the samples that have no cached score, with a progress bar for each of the two phases.
fn run_tests(
    set: &TaskSet,
    samples: &[Sample],
    sandbox: &Sandbox,
    phase: &ScoringPhase,
    cache: &mut ScoreCache,
) -> Result<Vec<Score>> {
    let expected_outputs =
        ExpectedOutputCache::new(slm_cli::cache_dir().join("answers"), slm_cli::note);
    let scorer = Scorer {
        sandbox,
        expected_outputs: &expected_outputs,
        phase,
        trees: &slm_scoring::TreePools::new(),
    };
    // Before the cache is read: it knows neither the repository's files nor the interpreter's packages.
    let tasks: Vec<&slm_benchmarks::Task> = set.tasks.iter().collect();
    repositories::check(&tasks, &scorer)?;
    let mut bar: Option<(&str, Progress)> = None;
    let scores = scorer.score_samples(set, samples, cache, &mut |progress| {
        let (label, done, total, unit, message) = match progress {
            ScoringProgress::ExpectedOutputs { done, total } => {
                ("expected outputs", done, total, "tasks", String::new())
            }
            ScoringProgress::Samples {
                done,
                total,
                passed,
            } => (
                "scoring",
                done,
                total,
                "samples",
                format!("{passed} passed"),
            ),
        };
        if bar.as_ref().is_none_or(|(of, _)| *of != label) {
            let next = Progress::new(label, total as u64, unit);
            if let Some((_, before)) = bar.replace((label, next)) {
                before.finish();
            }
        }
        if let Some((_, bar)) = bar.as_mut().filter(|_| done > 0) {
            bar.set(done as u64, message);
        }
    })?;
    if let Some((_, last)) = bar {
        last.finish();
    }
    Ok(scores)
}
