//! The tasks of a run, from all its benchmarks, each under a unique name.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use slm_benchmarks::{
    PARSONS_SUFFIX, PARSONS_WORDINGS, Parsons, ScoringPhase, TOO_FEW_WRONG_LINES, Task, TaskSet,
};
use slm_cli::{Provenance, UserMistake};
use slm_config::{Benchmark, Evaluate, ParsonsIndent, Prompting};
use slm_report::BenchmarkInfo;

use super::describe;
use crate::benchmark_file::load_selected_tasks;
pub(crate) use crate::run_task::RunTask;

/// Loads the tasks of all benchmarks, in the recipe's order, with the benchmarks' descriptions and the hub's record
/// of those that came from there.
///
/// # Errors
/// A benchmark's file is missing, or belongs to another benchmark.
pub(crate) fn load(
    evaluate: &Evaluate,
) -> Result<(Vec<RunTask>, Vec<BenchmarkInfo>, Vec<Provenance>)> {
    let few_shot = evaluate.prompting == Prompting::FewShot;
    let (mut tasks, mut infos, mut sources) = (Vec::new(), Vec::new(), Vec::new());
    for benchmark in &evaluate.benchmarks {
        let (mut set, source) = load_selected_tasks(benchmark, few_shot)?;
        sources.extend(source);
        if let Some(n) = evaluate.max_tasks {
            draw(&mut set.tasks, n, evaluate.sampling.seed);
        }
        let name = variant_name(benchmark, set.benchmark);
        if let Some(settings) = parsons(benchmark, evaluate.sampling.seed) {
            set = into_parsons(set, &settings, &name, evaluate.max_tasks)?;
        }
        infos.push(describe::benchmark(&name, &set.tasks, &set.left_out));
        tasks.extend(set.tasks.into_iter().map(|task| RunTask {
            benchmark: name.clone(),
            view: task.view().clone(),
            task,
        }));
    }
    tell_apart(&mut tasks);
    let mut names = BTreeSet::new();
    if let Some(twice) = tasks.iter().find(|task| !names.insert(&task.view.task_id)) {
        return Err(UserMistake(format!(
            "`evaluate.benchmarks` selects the task {} twice\n\
             hint: change `split` or `task_ids`, so that no two items of one benchmark share a task",
            twice.view.task_id
        ))
        .into());
    }
    Ok((tasks, infos, sources))
}

/// Returns the name of a benchmark in records: that of a variant differs from that of its control.
fn variant_name(item: &Benchmark, name: &str) -> String {
    match item.parsons() {
        Some(_) => format!("{name}{PARSONS_SUFFIX}"),
        None => name.to_owned(),
    }
}

/// Returns how the recipe makes Parsons problems of a benchmark; `None` for the tasks as published.
fn parsons(item: &Benchmark, seed: u64) -> Option<Parsons> {
    let (distractors, indent, wording) = item.parsons()?;
    Some(Parsons {
        distractors,
        keeps_indent: indent == ParsonsIndent::Kept,
        wording: u8::try_from(wording).unwrap_or(PARSONS_WORDINGS),
        seed,
    })
}

/// Turns tasks into Parsons problems. Their lines are opened for the prompt, which shows them on purpose.
///
/// # Errors
/// No task is left. `max_tasks` tasks were drawn before, if it is given.
fn into_parsons(
    set: TaskSet,
    settings: &Parsons,
    name: &str,
    max_tasks: Option<usize>,
) -> Result<TaskSet> {
    let before = set.left_out.clone();
    let set = set.into_parsons(settings, &ScoringPhase::begin());
    if set.tasks.is_empty() {
        // What was left out before is no reason of this.
        let reasons = set.left_out.iter().filter_map(|(reason, n)| {
            let own = n - before.get(reason).unwrap_or(&0);
            (own > 0).then_some((*reason, own))
        });
        let reasons: Vec<(&str, usize)> = reasons.collect();
        let counts = reasons.iter().map(|(reason, n)| format!("{n} {reason}"));
        return Err(UserMistake(format!(
            "no task of {name} is a Parsons problem: {}\nhint: {}",
            counts.collect::<Vec<_>>().join(", "),
            parsons_hint(&reasons, max_tasks)
        ))
        .into());
    }
    Ok(set)
}

/// Returns what helps against the reasons for which no task is a Parsons problem.
fn parsons_hint(reasons: &[(&str, usize)], max_tasks: Option<usize>) -> String {
    let mut ways = Vec::new();
    if reasons
        .iter()
        .any(|(reason, _)| *reason == TOO_FEW_WRONG_LINES)
    {
        ways.push("lower `distractors`".to_owned());
    }
    if let Some(n) = max_tasks {
        ways.push(format!(
            "raise `evaluate.max_tasks` ({n}), which drew these tasks before"
        ));
    }
    ways.push("choose a benchmark with canonical solutions of several lines".to_owned());
    ways.join(", or ")
}

/// Keeps a random sample of `n` tasks, in their order.
fn draw(tasks: &mut Vec<Task>, n: usize, seed: u64) {
    let mut places: Vec<usize> = (0..tasks.len()).collect();
    places.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    let kept: BTreeSet<usize> = places.into_iter().take(n).collect();
    let mut place = 0..;
    tasks.retain(|_| place.next().is_some_and(|place| kept.contains(&place)));
}

/// Prefixes every name that two benchmarks use with the benchmark: one often is the other with more tests.
fn tell_apart(tasks: &mut [RunTask]) {
    let mut uses: BTreeMap<String, usize> = BTreeMap::new();
    for task in &*tasks {
        *uses.entry(task.view.task_id.clone()).or_default() += 1;
    }
    for task in tasks {
        if uses[&task.view.task_id] > 1 {
            task.view.task_id = format!("{}:{}", task.benchmark, task.view.task_id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hint_for_no_parsons_problem_fits_its_reasons() {
        let short = ("with fewer than 3 lines", 2);
        let benchmark = "choose a benchmark with canonical solutions of several lines";
        assert_eq!(parsons_hint(&[short], None), benchmark);
        let both = parsons_hint(&[short, (TOO_FEW_WRONG_LINES, 1)], Some(3));
        assert_eq!(
            both,
            format!(
                "lower `distractors`, or raise `evaluate.max_tasks` (3), which drew these tasks before, or {benchmark}"
            )
        );
    }

    #[test]
    fn tasks_are_drawn_by_the_seed_and_keep_their_order() {
        let all = slm_benchmarks::load("embedded", None)
            .expect("embedded tasks")
            .tasks;
        let drawn = |n, seed| {
            let mut tasks = all.clone();
            draw(&mut tasks, n, seed);
            let place = |task: &Task| all.iter().position(|other| other == task);
            tasks.iter().filter_map(place).collect::<Vec<_>>()
        };
        assert_eq!(drawn(10, 1).len(), 10);
        assert!(drawn(10, 1).is_sorted());
        assert_eq!(drawn(10, 1), drawn(10, 1));
        assert_ne!(drawn(10, 1), drawn(10, 2));
        assert_eq!(drawn(1000, 1).len(), all.len());
    }

    #[test]
    fn tasks_of_one_name_are_told_apart_by_their_benchmark() {
        let set = slm_benchmarks::load("embedded", None).expect("embedded tasks");
        let task = |benchmark: &str, at: usize| RunTask {
            benchmark: benchmark.to_owned(),
            view: set.tasks[at].view().clone(),
            task: set.tasks[at].clone(),
        };
        let mut tasks = [task("few", 0), task("few", 1), task("more", 0)];
        tell_apart(&mut tasks);
        let (shared, own) = (set.tasks[0].view(), set.tasks[1].view());
        let names: Vec<&str> = tasks
            .iter()
            .map(|task| task.view.task_id.as_str())
            .collect();
        let expected = [
            format!("few:{}", shared.task_id),
            own.task_id.clone(),
            format!("more:{}", shared.task_id),
        ];
        assert_eq!(names, expected);
    }
}
