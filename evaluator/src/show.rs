//! `evaluator show`: prints the answers to a task, from the verdict over the request to the program.

mod answers;
mod compared;
mod lookup;
mod outcome;
mod page;
mod paint;
mod snippet;

use std::io::IsTerminal;

use anyhow::Result;
use serde_json::{Value, json};
use slm_cli::Failure;

use crate::arguments::ShowArguments;

use answers::Answers;
use compared::Pair;
use paint::Paint;

/// Prints the answers to a task.
pub(crate) fn run(arguments: &ShowArguments) -> Result<(), Failure> {
    Ok(show(arguments)?)
}

fn show(arguments: &ShowArguments) -> Result<()> {
    let answers = Answers::read(arguments)?;
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let paint = Paint::new(std::io::stdout().is_terminal() && !no_color);
    let (pages, document): (Vec<String>, Vec<Value>) = if arguments.diff {
        let pairs = Pair::all(&answers)?;
        let pages = pairs.iter().map(|pair| pair.page(paint)).collect();
        (pages, pairs.iter().map(Pair::document).collect())
    } else {
        let all = answers.by_key.iter();
        let pages = all.map(|(key, answer)| page::answer(key, answer, answers.has_log, paint));
        (pages.collect(), steps(&answers)?)
    };
    if arguments.json {
        slm_cli::document(&serde_json::to_string_pretty(&document)?);
    } else {
        slm_cli::painted_result(pages.join("\n").trim_end());
    }
    Ok(())
}

/// Returns the record and the steps of each answer; a record has the form of a step.
fn steps(answers: &Answers) -> Result<Vec<Value>> {
    let mut all = Vec::new();
    for (key, answer) in &answers.by_key {
        if let Some(record) = &answer.record {
            all.push(json!({"trajectory": key, "what": {"record": record}}));
        }
        for step in &answer.steps {
            all.push(serde_json::to_value(step)?);
        }
    }
    Ok(all)
}
