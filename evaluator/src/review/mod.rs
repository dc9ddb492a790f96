//! `evaluator review`: findings of static rules in Python files, and those of a model on the functions that have some.
//!
//! Which functions the model sees is decided in `subject`, what it is asked in `request`, what of its answer is shown in
//! `answer` and `propose`, and which rewritten functions pass their tests in `own_tests`. `bench` measures the reviewer.

mod answer;
mod bench;
mod left_out;
mod model;
mod own_tests;
mod page;
mod propose;
mod request;
mod sarif;
mod shown;
mod store;
mod subject;
#[cfg(test)]
mod tests;

use std::path::Path;

use anyhow::{Context, Result};
use slm_artifacts::FinishReason;
use slm_cli::{Failure, UserMistake};

use crate::backend::{Answer, Backend, Query};
use crate::dataset::calls::ask;
use crate::python_files::{each, find, report_errors};
use crate::review_arguments::ReviewArguments;
use left_out::{Counts, LeftOut};
use model::Model;
use own_tests::{Candidate, OwnTests};
use propose::{Proposal, proposed};
use request::Requests;
use shown::{Review, ShownFile};
use store::{Exchange, Store};
use subject::{Flagged, Parsed, Subject};

/// The version of the document.
const VERSION: u32 = 1;

/// Reviews files, or measures the reviewer, and prints a page or a document.
pub(crate) fn run(arguments: &ReviewArguments) -> Result<(), Failure> {
    check(arguments).map_err(anyhow::Error::from)?;
    if let Some(tasks) = &arguments.bench {
        return Ok(bench::run(tasks, arguments)?);
    }
    let found = find(&arguments.paths)?;
    let model = Model::open(arguments)?;
    let recipe = model.as_ref().map(|of| &of.recipe);
    let store = arguments.output.as_deref();
    let store = store
        .map(|folder| Store::open(folder, recipe))
        .transpose()?;
    let tests = recipe.map(|of| OwnTests::open(arguments, of)).transpose()?;
    let subjects = each(found, |name, text| Subject {
        name,
        outcome: text.and_then(|text| Ok(Parsed::of(text)?)),
    });
    let mut review = statically(&subjects);
    let mut asked = Vec::new();
    if let (Some(model), Some(tests)) = (&model, &tests) {
        let requests = Requests::new(&model.recipe.evaluate, model.has_adapter())?;
        asked = answered(&subjects, &requests, &*model.backend(), &mut review)?;
        checked(&subjects, &mut asked, tests)?;
        show(&asked, &mut review);
        let answers: Vec<&Answer> = asked.iter().map(|of| &of.answer).collect();
        review.model = Some(model.described(&answers));
    }
    if let Some(store) = &store {
        let exchanges: Vec<Exchange> = asked.iter().map(Asked::exchange).collect();
        let rows = store.write(&review, &exchanges)?;
        slm_cli::note(&stored(arguments, rows));
    }
    print(&review, arguments)?;
    let failed = subjects.iter().zip(&review.files);
    let failed = failed.filter(|(_, file)| file.error.is_some());
    report_errors(
        failed.filter_map(|(subject, _)| Some((&*subject.name, subject.outcome.as_ref().err()?))),
        subjects.len(),
        "reviewed",
    )
}

/// Refuses options of a model without one.
fn check(arguments: &ReviewArguments) -> Result<(), UserMistake> {
    let given = [
        ("--set", !arguments.overrides.is_empty()),
        ("--endpoint", arguments.endpoint.is_some()),
        ("--tests", arguments.tests.is_some()),
    ];
    let without_model = given.iter().find(|(_, is_given)| *is_given);
    match without_model.filter(|_| !arguments.has_model()) {
        None => Ok(()),
        Some((option, _)) => Err(UserMistake(format!(
            "{option} is for a model that reviews, and none is named\nhint: name one with --recipe RECIPE or --adapter FOLDER"
        ))),
    }
}

/// Returns the static findings.
fn statically(subjects: &[Subject]) -> Review {
    let functions = |subject: &Subject| subject.outcome.as_ref().map_or(0, |of| of.functions.len());
    Review {
        version: VERSION,
        model: None,
        files: subjects.iter().map(ShownFile::of).collect(),
        functions_flagged: subjects.iter().map(functions).sum(),
        functions_reviewed: 0,
        not_shown: Counts::default().by_text(),
    }
}

/// A function that the model was asked about.
struct Asked<'a> {
    /// Place of its file.
    at: usize,
    /// `FILE::NAME`.
    id: String,
    flagged: &'a Flagged,
    query: Query,
    answer: Answer,
    proposal: Proposal,
}

/// Asks the model about all functions, and checks what the answers contain.
fn answered<'a>(
    subjects: &'a [Subject],
    requests: &Requests,
    model: &dyn Backend,
    review: &mut Review,
) -> Result<Vec<Asked<'a>>> {
    let mut counts = Counts::default();
    let mut functions = Vec::new();
    for (at, subject) in subjects.iter().enumerate() {
        let Ok(file) = &subject.outcome else {
            continue;
        };
        for flagged in &file.functions {
            if flagged.is_movable {
                let id = format!("{}::{}", subject.name, flagged.function.qualified_name);
                let query = requests.of(&id, flagged);
                functions.push((at, id, file, flagged, query));
            } else {
                counts.add(LeftOut::Immovable);
            }
        }
    }
    let queries: Vec<Query> = functions.iter().map(|of| of.4.clone()).collect();
    let answers = if queries.is_empty() {
        Vec::new()
    } else {
        ask(model, queries, "review")?
    };
    let asked = functions.into_iter().zip(answers);
    let asked = asked.map(|((at, id, file, flagged, query), answer)| Asked {
        proposal: proposed(file, flagged, &answer),
        at,
        id,
        flagged,
        query,
        answer,
    });
    review.not_shown = counts.by_text();
    Ok(asked.collect())
}

/// Runs the tests of the rewritten functions.
fn checked(subjects: &[Subject], asked: &mut [Asked], tests: &OwnTests) -> Result<()> {
    let candidates = asked.iter_mut().map(|of| Candidate {
        path: Path::new(&subjects[of.at].name),
        rewrite: &mut of.proposal.rewrite,
        left_out: &mut of.proposal.left_out,
    });
    tests.check(candidates.collect())
}

/// Adds what is shown of the answers.
fn show(asked: &[Asked], review: &mut Review) {
    let mut counts = Counts::default();
    for of in asked {
        counts.extend(of.proposal.left_out.iter().copied());
        let rewrite = of.proposal.rewrite.as_ref().map(|of| of.shown.clone());
        review.files[of.at].add(of.proposal.findings.clone(), rewrite);
    }
    for (reason, n) in counts.by_text() {
        *review.not_shown.entry(reason).or_default() += n;
    }
    let is_answered = |of: &&Asked| of.answer.finish_reason != FinishReason::NoRoom;
    review.functions_reviewed = asked.iter().filter(is_answered).count();
}

impl Asked<'_> {
    fn exchange(&self) -> Exchange<'_> {
        let first = self.flagged.function.first_line;
        let findings = self.proposal.findings.iter();
        let rewrite = self.proposal.rewrite.as_ref();
        Exchange {
            id: self.id.clone(),
            messages: &self.query.messages,
            answer: &self.answer.text,
            finish_reason: self.answer.finish_reason,
            before: &self.flagged.function.text,
            findings: findings
                .map(|(line, text)| (line + 1 - first, text.as_str()))
                .collect(),
            rewrite: rewrite.map(|of| (of.text.as_str(), of.shown.tests_passed)),
        }
    }
}

/// Returns where the review is, in words.
fn stored(arguments: &ReviewArguments, rows: usize) -> String {
    let folder = arguments.output.as_deref().unwrap_or(Path::new(""));
    let folder = folder.display();
    match rows {
        0 => {
            format!("review written to {folder}; no rewritten function became a row of a data set")
        }
        n => format!(
            "review written to {folder}; {n} rewritten functions as a data set in {folder}/dataset"
        ),
    }
}

fn print(review: &Review, arguments: &ReviewArguments) -> Result<()> {
    if arguments.sarif {
        slm_cli::document(&sarif::document(review)?);
    } else if arguments.json {
        let document = serde_json::to_string_pretty(review);
        slm_cli::document(&document.context("cannot write the review as JSON")?);
    } else {
        slm_cli::result(&page::page(review));
    }
    Ok(())
}
