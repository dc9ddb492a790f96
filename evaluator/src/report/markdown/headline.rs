//! What a reader learns who reads nothing else.

use std::fmt::Write as _;

use crate::experiment::plan::Experiment;
use crate::record::RunInfo;

use super::super::claim::Claim;
use super::super::number::{count, grouped, number, p_value, signed, signed_interval};
use super::super::verdict::MIN_PAIRS;
use super::Content;
use super::text::{name, table};
use super::verdicts;

/// Title, one sentence a hypothesis, the table of what was declared and found, and what was measured.
pub(super) fn section(content: &Content) -> String {
    let Content { run, findings, .. } = content;
    let title = match run.plan.experiment {
        Experiment::Compare => "Base model against adapter",
        Experiment::Sweep => "Temperature and top-p",
        Experiment::Workflows => "Workflows",
        Experiment::Hypotheses => "Three hypotheses",
    };
    let mut page = format!("# {title}: {}\n\n", name(&run.name));
    for sentence in verdicts::sentences(findings, run) {
        let _ = writeln!(page, "> {sentence}\n");
    }
    let claims: Vec<&Claim> = findings.claims().collect();
    if !claims.is_empty() {
        page.push_str(&summary(&claims));
        page.push('\n');
    }
    page.push_str(&measured(content));
    if findings.comparison.is_some() {
        page.push_str(
            "\n**Maintainability index (MI):** 0 to 100, higher is easier to maintain; falls with Halstead volume (V), \
             cyclomatic complexity (CC) and logical lines (LLOC), rises with comments and docstrings. **`mi_code`** is \
             the same index with comments and docstrings removed, so it shows the code alone.\n",
        );
    }
    page
}

/// What was declared before the run and what became of it, a row a contrast.
fn summary(claims: &[&Claim]) -> String {
    let header = [
        "",
        "contrast",
        "metric",
        "verdict",
        "declared",
        "found",
        "95 % interval",
        "tasks",
        "p",
        "p (Holm)",
    ];
    let rows: Vec<Vec<String>> = claims
        .iter()
        .map(|claim| {
            let metric = claim.metric();
            let relation = if claim.declared < 0.0 { "≤" } else { "≥" };
            vec![
                claim.hypothesis.name().to_uppercase(),
                name(&claim.contrast),
                metric.label.to_owned(),
                format!("**{}**", claim.outcome.words()),
                format!("{relation} {}", signed(claim.declared, 1)),
                signed(claim.estimate, metric.digits),
                signed_interval(claim.interval, metric.digits, 1.0),
                claim.n.to_string(),
                p_value(claim.p),
                p_value(claim.holm_p),
            ]
        })
        .collect();
    let mut tests: Vec<&str> = claims.iter().map(|claim| claim.test).collect();
    tests.sort_unstable();
    tests.dedup();
    format!(
        "{}\nDeclared before the run, in the recipe. *Supported*: the mean difference is at least what was declared and \
         its interval lies on that side of 0. *Not supported*: even the interval's better end is short of it. \
         *Inconclusive*: neither, or fewer than {MIN_PAIRS} tasks. p: {}, two-sided; Holm: adjusted for {} of this \
         run. The verdict rests on estimate and interval, never on p alone.\n",
        table(&header, 4, &rows),
        tests.join(", "),
        count(claims.len(), "declared contrast"),
    )
}

fn measured(content: &Content) -> String {
    let Content { run, cells, .. } = content;
    let benchmarks: Vec<String> = run
        .benchmarks
        .iter()
        .map(|benchmark| {
            format!(
                "{} ({})",
                name(&benchmark.name),
                count(benchmark.tasks, "task")
            )
        })
        .collect();
    format!(
        "{} on {}{}; {} of {} in {}; {}; {}.\n",
        name(&run.base_model.name),
        benchmarks.join(", "),
        part(run),
        grouped(cells.iter().map(|cell| cell.samples).sum()),
        count(run.n_answers(), "answer"),
        count(run.plan.cells.len(), "cell"),
        sampling(run),
        run.created.split('T').next().map_or_else(String::new, name),
    )
}

/// Which part of the benchmarks' tasks this is about, if not all.
fn part(run: &RunInfo) -> String {
    run.shard.as_ref().map_or_else(String::new, |shard| {
        format!(
            ", of which this is shard {} of {} with {}",
            shard.index,
            shard.of,
            count(shard.tasks.len(), "task")
        )
    })
}

fn sampling(run: &RunInfo) -> String {
    let sampling = &run.sampling;
    if sampling.temperature <= 0.0 {
        return "greedy decoding unless said otherwise".to_owned();
    }
    format!(
        "temperature {}, top-p {} and {} a task unless said otherwise",
        number(sampling.temperature, 2),
        number(sampling.top_p.unwrap_or(1.0), 2),
        count(sampling.samples_per_task as usize, "sample"),
    )
}
