//! `evaluator show --diff`: the programs of the base model and of an adapter for the same task.

use std::fmt::Write as _;

use serde_json::{Value, json};
use slm_artifacts::BASE_ARM;
use slm_cli::UserMistake;
use slm_report::SampleRecord;
use slm_report::diff::{DiffLine, program_diff, unified};

use super::answers::{Answer, Answers};
use super::outcome;
use super::paint::{Paint, harmless};
use crate::workflow::event::Key;

/// The answers of two arms in one workflow, with one sampling setting.
pub(super) struct Pair<'a> {
    key: &'a Key,
    base: &'a SampleRecord,
    adapter: &'a SampleRecord,
}

impl<'a> Pair<'a> {
    /// Returns the base model's answers beside those of each adapter.
    ///
    /// # Errors
    /// Only one arm answered the task, or no answer of an adapter has one of the base model beside it.
    pub(super) fn all(answers: &'a Answers) -> Result<Vec<Self>, UserMistake> {
        let arms: Vec<&str> = answers.by_key.keys().map(|key| &*key.arm).collect();
        if !arms.contains(&BASE_ARM) || arms.iter().all(|arm| *arm == BASE_ARM) {
            let of = arms.first().copied().unwrap_or_default();
            return Err(UserMistake(format!(
                "{}: --diff compares the base model with an adapter, but only `{of}` is there\n\
                 hint: leave --diff out, name another arm, or evaluate an adapter with `evaluator compare ADAPTER`",
                answers.task
            )));
        }
        let scored = |answer: &'a Answer| answer.record.as_ref();
        let pairs: Vec<Self> = answers
            .by_key
            .iter()
            .filter(|(key, _)| key.arm != BASE_ARM)
            .filter_map(|(key, answer)| {
                let of_base = Key {
                    arm: BASE_ARM.to_owned(),
                    ..key.clone()
                };
                Some(Self {
                    key,
                    base: scored(answers.by_key.get(&of_base)?)?,
                    adapter: scored(answer)?,
                })
            })
            .collect();
        if pairs.is_empty() {
            return Err(UserMistake(format!(
                "{}: no scored answers of the base model and of an adapter in the same workflow, with the same sampling\n\
                 hint: `evaluator show` without --diff shows what is there",
                answers.task
            )));
        }
        Ok(pairs)
    }

    /// Renders both outcomes and what differs between the programs.
    pub(super) fn page(&self, paint: Paint) -> String {
        let mut page = paint.heading(&harmless(&super::page::title(
            &format!("{BASE_ARM} against {}", self.key.arm),
            self.key,
        )));
        page.push('\n');
        for record in [self.base, self.adapter] {
            let _ = write!(
                page,
                "{}: {} · {}\n{}",
                harmless(&record.arm),
                outcome::verdict(record, paint),
                outcome::metrics(record),
                outcome::failure(record)
            );
        }
        page.push('\n');
        let lines = self.lines();
        if lines.is_empty() {
            page += "the same program\n";
            for line in harmless(&self.base.program).trim_end().lines() {
                let _ = writeln!(page, " {line}");
            }
            return page;
        }
        let _ = writeln!(
            page,
            "{}\n{}",
            paint.bad(&format!("--- {BASE_ARM}")),
            paint.good(&harmless(&format!("+++ {}", self.key.arm)))
        );
        for line in &lines {
            let _ = match line {
                DiffLine::Hunk(header) => writeln!(page, "{}", paint.faint(header)),
                DiffLine::Both(line) => writeln!(page, "{}", format!(" {line}").trim_end()),
                DiffLine::Removed(line) => writeln!(page, "{}", paint.bad(&format!("-{line}"))),
                DiffLine::Added(line) => writeln!(page, "{}", paint.good(&format!("+{line}"))),
            };
        }
        page
    }

    /// Returns both outcomes with their programs, and the difference as a unified diff; empty if they are the same.
    pub(super) fn document(&self) -> Value {
        let side = |record: &SampleRecord| {
            json!({
                "arm": record.arm,
                "verdict": record.verdict,
                "tests_passed": record.tests_passed,
                "tests_total": record.tests_total,
                "detail": record.detail,
                "metrics": record.metrics,
                "program": record.program,
            })
        };
        let lines = program_diff(&self.base.program, &self.adapter.program);
        let names = (!lines.is_empty()).then_some([BASE_ARM, &*self.key.arm]);
        json!({
            "task_id": self.key.task_id,
            "workflow": self.key.workflow,
            "decoding": self.key.decoding,
            "sample": self.key.sample,
            "base": side(self.base),
            "adapter": side(self.adapter),
            "diff": unified(names, &lines),
        })
    }

    /// The lines of the difference without what controls a terminal.
    fn lines(&self) -> Vec<DiffLine> {
        let [base, adapter] = [self.base, self.adapter].map(|of| harmless(&of.program));
        program_diff(&base, &adapter)
    }
}
