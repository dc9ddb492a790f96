//! What a reader learns who reads nothing else.

use std::fmt::Write as _;

use slm_config::Declared;

use crate::plan::Experiment;
use crate::record::RunInfo;

use super::super::claim::{Asked, Claim};
use super::super::number::{count, grouped, number, p_value, signed, signed_interval};
use super::super::verdict::{MIN_PAIRS, Outcome};
use super::Content;
use super::text::{name, table};
use super::verdicts;

/// Title, one sentence a hypothesis, the table of what was asked for and found, and what was measured.
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
        page.push('\n');
        page.push_str(MAINTAINABILITY);
    }
    page
}

/// What the index is, with the comment term as radon has it.
const MAINTAINABILITY: &str = "**Maintainability index (MI)**, as radon computes it: 0 to 100, higher is meant to be \
easier to maintain. It falls with Halstead volume (V), cyclomatic complexity (CC) and logical lines (LLOC). Comments change \
it by 50 sin(√(2.46 c)) · 100/171 points, where c is the number of comment lines (those of docstrings over several lines \
included) per 100 source lines, taken as degrees: at most 29.2 points at c = 57.5, 0 at c = 229.9, and negative beyond. \
**`mi_code`** is the index of the same program without comments and docstrings. The **comment bonus** is MI less \
`mi_code`.\n";

/// What was asked for before the run and what became of it, a row a contrast.
fn summary(claims: &[&Claim]) -> String {
    let header = [
        "",
        "contrast",
        "metric",
        "verdict",
        "asked for",
        "found",
        "95 % interval",
        "tasks",
        "differ",
        "p",
        "p (Holm)",
    ];
    let asked = Asked::of(claims.iter().copied());
    let rows: Vec<Vec<String>> = claims
        .iter()
        .map(|claim| {
            let metric = claim.metric();
            let relation = if claim.effect < 0.0 { "≤" } else { "≥" };
            let default = match claim.declared {
                Some(Declared::Default) => " (default)",
                None if asked == Some(Asked::Mixed) => " (unrecorded)",
                _ => "",
            };
            vec![
                claim.hypothesis.name().to_uppercase(),
                name(&claim.contrast),
                metric.label.to_owned(),
                format!("**{}**", claim.outcome.words()),
                format!("{relation} {}{default}", signed(claim.effect, 1)),
                signed(claim.estimate, metric.digits),
                signed_interval(claim.interval, metric.digits, 1.0),
                claim.n.to_string(),
                claim.differing.to_string(),
                p_value(claim.p),
                p_value(claim.holm_p),
            ]
        })
        .collect();
    let rule = format!(
        "*Supported*: the mean difference is at least what was asked for, and its interval lies on that side of 0. *Not \
         supported*: even the interval's better end is short of it. *Inconclusive*: neither, no interval, or fewer than \
         {MIN_PAIRS} tasks on which the sides differ.{by_comments}{several} {p}\n",
        by_comments = by_comments(claims),
        several = several(claims),
        p = p_values(claims),
    );
    format!(
        "{}\n{} {rule}",
        table(&header, 4, &rows),
        asked.map_or("", who_asked)
    )
}

/// Who set the effects of the table.
fn who_asked(asked: Asked) -> &'static str {
    match asked {
        Asked::All(Some(Declared::Recipe)) => {
            "*Asked for*: declared before the run, in the recipe."
        }
        Asked::All(Some(Declared::Default)) => {
            "*Asked for*: this program's default effects; the recipe declares none."
        }
        Asked::All(None) => {
            "*Asked for*: these are this program's default effects, and the run did not record whether its recipe declared \
             them."
        }
        Asked::Mixed => {
            "*Asked for*: declared before the run, in the recipe, but for effects that are this program's defaults, and for \
             unrecorded ones: they equal its defaults, and the run did not record whether its recipe declared them."
        }
    }
}

fn by_comments(claims: &[&Claim]) -> &'static str {
    let has = claims
        .iter()
        .any(|claim| claim.outcome == Outcome::ByComments);
    if has {
        " *By comments*: MI alone is supported, `mi_code` is not, so what comments and docstrings add carries it."
    } else {
        ""
    }
}

/// Which hypotheses need several rows.
fn several(claims: &[&Claim]) -> &'static str {
    let same = |a: &Claim, b: &Claim| a.hypothesis == b.hypothesis && a.contrast == b.contrast;
    let has = claims
        .iter()
        .enumerate()
        .any(|(at, claim)| claims[..at].iter().any(|other| same(claim, other)));
    if has {
        " A hypothesis with several rows for one contrast is supported only if each of them is."
    } else {
        ""
    }
}

fn p_values(claims: &[&Claim]) -> String {
    let tested: Vec<&&Claim> = claims.iter().filter(|claim| claim.p.is_some()).collect();
    let mut tests: Vec<&str> = tested.iter().map(|claim| claim.test).collect();
    tests.sort_unstable();
    tests.dedup();
    if tests.is_empty() {
        return "No p-value: nothing differs, so there is nothing to test.".to_owned();
    }
    format!(
        "p: {}, two-sided, of no difference at all, so it may be small beside *inconclusive* and *not supported*; Holm: \
         adjusted for {} of this run. The verdict rests on estimate and interval, never on p alone.",
        tests.join(", "),
        count(tested.len(), "tested contrast"),
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
