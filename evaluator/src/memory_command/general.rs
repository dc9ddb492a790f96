//! General lines of a memory: lessons that a model draws from the entries, kept if they do no harm.

use std::collections::HashMap;

use anyhow::Result;
use slm_artifacts::{FinishReason, GeneralCheck, MemoryCost, Verdict};
use slm_benchmarks::ScoringPhase;
use slm_config::Prompting;
use slm_harvest::KeptAnswer;
use slm_metrics::syntax::without_reasoning;
use slm_model::Sampling;
use slm_sandbox::Limits;

use crate::backend::{Query, Speaker, Wanted};
use crate::dataset::calls::{ask, spent};
use crate::dataset::models::Models;
use crate::dataset::runs::HarvestedRun;
use crate::dataset::verdicts::verdicts;
use crate::digest::step_seed;
use crate::experiment::tasks::RunTask;
use crate::knowledge::memory_file::{MOST_LINE_CHARS, MOST_LINES};
use crate::memory_arguments::MemoryArguments;
use crate::workflow::convention::{Opening, opening};
use crate::workflow::prompt::Template;

/// Entries that the model sees at once.
const AT_ONCE: usize = 20;

/// Maximum tokens of the lines.
const MAX_TOKENS: usize = 384;

/// The lines, and what they cost.
pub(super) struct General {
    /// Empty if they were dropped.
    pub(super) lines: Vec<String>,
    pub(super) check: GeneralCheck,
    pub(super) cost: MemoryCost,
}

/// Asks a model for the lines, and the base model of the runs to solve the tasks of the entries with them and without.
///
/// # Errors
/// A model or the sandbox fails.
pub(super) fn make(
    runs: &[HarvestedRun],
    kept: &[KeptAnswer],
    arguments: &MemoryArguments,
    phase: &ScoringPhase,
) -> Result<General> {
    let models = Models::open(&runs[0], arguments.teacher.as_deref(), arguments.device)?;
    let evaluate = &models.recipe.evaluate;
    let limits = Limits::default().with_cpu_s(evaluate.timeout_s);
    let sandbox = arguments.sandbox.open(evaluate.python.as_deref(), limits)?;
    let mut cost = MemoryCost::default();
    let lines = written(&models, kept, &mut cost)?;
    let tasks = tasks(runs, kept);
    let mut solved = |lines: &[String], label: &str| -> Result<usize> {
        let queries = tasks
            .iter()
            .map(|of| draft(of, lines, evaluate.max_new_tokens));
        let answers = ask(&*models.coder(), queries.collect(), label)?;
        let (calls, tokens) = spent(&answers);
        cost.calls += calls;
        cost.completion_tokens += tokens;
        cost.executions += answers.len();
        let items: Vec<(&RunTask, &str)> = tasks
            .iter()
            .copied()
            .zip(answers.iter().map(|of| of.text.as_str()))
            .collect();
        let verdicts = verdicts(&items, &sandbox, phase)?;
        let passed = verdicts.iter().filter(|of| **of == Some(Verdict::Passed));
        Ok(passed.count())
    };
    let solved_without = solved(&[], "answers without lessons")?;
    let solved_with = match lines.as_slice() {
        [] => solved_without,
        lines => solved(lines, "answers with lessons")?,
    };
    let check = GeneralCheck {
        speaker: models.teacher_name().to_owned(),
        lines: lines.len(),
        tasks: tasks.len(),
        solved_with,
        solved_without,
        kept: !lines.is_empty() && solved_with >= solved_without,
    };
    Ok(General {
        lines: if check.kept { lines } else { Vec::new() },
        check,
        cost,
    })
}

/// Asks for the lines, some entries at a time; each request revises the lines of the one before.
fn written(models: &Models, kept: &[KeptAnswer], cost: &mut MemoryCost) -> Result<Vec<String>> {
    let template = Template::parse(
        include_str!("general_lines.md"),
        "general_lines.md",
        &["entries", "lines"],
    )?;
    let teacher = models.teacher();
    let mut lines: Vec<String> = Vec::new();
    for (number, entries) in (0..).zip(kept.chunks(AT_ONCE)) {
        let programs: Vec<String> = entries
            .iter()
            .map(|of| format!("```python\n{}\n```", of.program.trim_end()))
            .collect();
        let earlier = if lines.is_empty() {
            "none".to_owned()
        } else {
            lines.join("\n")
        };
        let values = [("entries", programs.join("\n\n")), ("lines", earlier)];
        let values: Vec<(&str, &str)> =
            values.iter().map(|(key, of)| (*key, of.as_str())).collect();
        let query = Query {
            messages: template.render(&values),
            begun: String::new(),
            stop: Vec::new(),
            sampling: Sampling::GREEDY,
            max_new_tokens: MAX_TOKENS,
            seed: step_seed(0, "general", 0, number),
            speaker: Speaker::Base,
            wanted: Wanted::default(),
        };
        let answers = ask(&*teacher, vec![query], "lessons")?;
        let (calls, tokens) = spent(&answers);
        cost.calls += calls;
        cost.completion_tokens += tokens;
        // Of a cut answer, the last line is incomplete; an answer without a line leaves the earlier ones.
        for answer in answers {
            let is_cut = answer.finish_reason != FinishReason::Stop;
            let revised = read(&answer.text, is_cut);
            if !revised.is_empty() {
                lines = revised;
            }
        }
    }
    Ok(lines)
}

/// Returns the lessons in an answer, without bullets and numbers.
fn read(answer: &str, is_cut: bool) -> Vec<String> {
    let text = without_reasoning(answer).trim();
    if text.contains("```") {
        return Vec::new();
    }
    let mut lines: Vec<String> = text
        .lines()
        .map(|line| {
            let line = line.trim().trim_start_matches(['-', '*', ' ']);
            let rest = line.trim_start_matches(|c: char| c.is_ascii_digit());
            let numbered = rest.strip_prefix(['.', ')']).filter(|_| rest != line);
            numbered.unwrap_or(line).trim().to_owned()
        })
        .collect();
    if is_cut {
        lines.pop();
    }
    lines.retain(|line| !line.is_empty() && line.chars().count() <= MOST_LINE_CHARS);
    lines.truncate(MOST_LINES);
    lines
}

/// Returns the tasks of the entries.
fn tasks<'a>(runs: &'a [HarvestedRun], kept: &[KeptAnswer]) -> Vec<&'a RunTask> {
    let mut all: HashMap<(&str, &str), &RunTask> = HashMap::new();
    for run in runs {
        let of_run = run.tasks.iter();
        all.extend(of_run.map(|of| ((run.info.name.as_str(), of.view.task_id.as_str()), of)));
    }
    let sources = kept.iter().filter_map(|of| of.row.sides.first());
    sources
        .filter_map(|side| {
            let name = (side.source.run.as_str(), side.source.task_id.as_str());
            all.get(&name).copied()
        })
        .collect()
}

/// Returns the request for a program, as the workflow `memory` makes it in its mode `static`.
fn draft(of: &RunTask, lines: &[String], max_new_tokens: usize) -> Query {
    let list = lines
        .iter()
        .flat_map(|line| ["- ", line, "\n"])
        .collect::<String>();
    let before = if list.is_empty() {
        list
    } else {
        format!("## Lessons from earlier tasks\n\n{list}")
    };
    let Opening {
        messages,
        begun,
        stop,
    } = opening(Prompting::Training, &of.view, &before);
    Query {
        messages,
        begun,
        stop,
        sampling: Sampling::GREEDY,
        max_new_tokens,
        seed: step_seed(0, &of.view.task_id, 0, 0),
        speaker: Speaker::Base,
        wanted: Wanted::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(answer: &str, is_cut: bool, expected: &[&str]) {
        assert_eq!(read(answer, is_cut), expected);
    }

    #[test]
    fn lessons_are_read_without_bullets_and_within_the_limits() {
        check(
            "1. Check the edges.\n\n2) Sort first.\n- Use a set.\n",
            false,
            &["Check the edges.", "Sort first.", "Use a set."],
        );
        check("3 is odd.\n", false, &["3 is odd."]);
        check("Check the edges.\nSort fi", true, &["Check the edges."]);
        check("```python\nx = 1\n```", false, &[]);
        check("", false, &[]);
        let many = "Think.\n".repeat(9);
        check(&many, false, &["Think."; 7]);
        check(&"x".repeat(301), false, &[]);
    }
}
