//! The charts of an evaluation, made of its findings.

use slm_config::HypothesisId;

use super::chart::{Bar, Chart, ForestGroup, ForestRow, GridCell, Point, TaskValue, ends};
use crate::cell::Decoding;
use crate::findings::Findings;
use crate::findings::all_contrasts::ContrastGroup;
use crate::findings::arm_summary::Rate;
use crate::findings::arms::{ArmSamples, Arms};
use crate::findings::cell_summary::CellSummary;
use crate::findings::claim::Claim;
use crate::findings::contrast::Contrast;
use crate::findings::h1::AdapterComparison;
use crate::findings::h2::SweepFindings;
use crate::number;
use crate::record::{RunInfo, SampleRecord};
use crate::sample_metric::{BONUS, MI, MI_CODE, PASS_RATE, SampleMetric};

/// Returns the charts, the deciding ones first.
pub(super) fn charts(
    run: &RunInfo,
    records: &[SampleRecord],
    arms: &Arms,
    findings: &Findings,
    cells: &[CellSummary],
) -> Vec<Chart> {
    let mut charts = Vec::new();
    charts.extend(forest(findings));
    if let Some(found) = &findings.comparison {
        for adapter in &found.adapters {
            charts.extend(differences(run, arms, adapter));
        }
    }
    charts.extend(pass_rates(run, records, cells));
    charts.extend(costs(run, cells));
    charts.extend(findings.sweep.as_ref().and_then(grid));
    charts
}

/// Returns a metric by its key.
fn metric(key: &str) -> Option<SampleMetric> {
    SampleMetric::all().find(|metric| metric.key == key)
}

/// The unit of a metric's differences.
fn unit(metric: &SampleMetric) -> &'static str {
    if metric.scale > 1.0 || [MI.key, MI_CODE.key, BONUS.key].contains(&metric.key) {
        "points"
    } else {
        "difference"
    }
}

/// Every contrast of the run, in groups of one unit.
fn forest(findings: &Findings) -> Option<Chart> {
    let mut groups: Vec<ForestGroup> = Vec::new();
    let claims: Vec<&Claim> = findings.claims().collect();
    if let Some(found) = &findings.comparison {
        for adapter in &found.adapters {
            let all = adapter.paired.iter().chain(&adapter.quality);
            for contrast in all.chain([&adapter.bonus]).filter(|of| of.n > 0) {
                let label = format!("{} less base", adapter.name);
                add(&mut groups, HypothesisId::H1, contrast, label, &claims);
            }
        }
        for other in &found.elsewhere {
            for contrast in other.contrasts().filter(|of| of.n > 0) {
                let label = other.label();
                add(&mut groups, HypothesisId::H1, contrast, label, &claims);
            }
        }
    }
    if let Some((found, test)) = findings
        .sweep
        .as_ref()
        .and_then(|of| Some((of, of.test.as_ref()?)))
    {
        let label = format!(
            "{} less the recipe's sampling",
            found.points[test.point].decoding
        );
        for contrast in [&test.complexity, &test.complexity_of_all, &test.pass_rate] {
            if contrast.n > 0 {
                add(
                    &mut groups,
                    HypothesisId::H2,
                    contrast,
                    label.clone(),
                    &claims,
                );
            }
        }
    }
    for arm in findings.workflows.iter().flat_map(|found| &found.arms) {
        let title = |group: &ContrastGroup| format!("{}, {}: pass rate", group.title, arm.arm);
        groups.extend(
            arm.groups
                .iter()
                .map(|group| of_workflows(title(group), group)),
        );
    }
    groups.retain(|group| !group.rows.is_empty());
    (!groups.is_empty()).then(|| Chart::Forest {
        title: "All contrasts, with 95 % intervals".to_owned(),
        note: Some(
            "Only the contrasts in colour have a required effect and decide; the others explain, and with many of them \
             some intervals exclude 0 by chance."
                .to_owned(),
        ),
        groups,
    })
}

/// Adds a contrast to the group of its hypothesis and metric.
fn add(
    groups: &mut Vec<ForestGroup>,
    hypothesis: HypothesisId,
    contrast: &Contrast,
    label: String,
    claims: &[&Claim],
) {
    let Some(metric) = metric(contrast.metric) else {
        return;
    };
    let is_of = |claim: &&&Claim| {
        claim.metric == contrast.metric
            && claim.hypothesis == hypothesis
            && (hypothesis != HypothesisId::H1 || claim.contrast == label)
    };
    let claim = claims.iter().find(is_of);
    let title = format!("{}: {}", hypothesis.name().to_uppercase(), metric.label);
    let (low, high) = ends(contrast.interval, metric.scale);
    let row = ForestRow {
        label,
        value: contrast.difference.map(|of| of * metric.scale),
        low,
        high,
        required: claim.map(|claim| claim.effect),
        decides: claim.is_some(),
        n: contrast.n,
        note: None,
    };
    match groups.iter_mut().find(|group| group.title == title) {
        Some(group) => group.rows.push(row),
        None => groups.push(ForestGroup {
            title,
            unit: unit(&metric).to_owned(),
            digits: metric.digits,
            rows: vec![row],
        }),
    }
}

fn of_workflows(title: String, group: &ContrastGroup) -> ForestGroup {
    let rows = group.rows.iter().map(|row| {
        let (low, high) = ends(row.interval, PASS_RATE.scale);
        let assisted = row.is_mixed.then_some("; a teacher assisted one of them");
        ForestRow {
            label: format!("{} less {}", row.workflow, row.less),
            value: row.difference.map(|of| of * PASS_RATE.scale),
            low,
            high,
            required: row.required,
            decides: row.is_declared,
            n: row.tasks,
            note: Some(format!("{}{}", row.effect_of, assisted.unwrap_or_default())),
        }
    });
    ForestGroup {
        title,
        unit: unit(&PASS_RATE).to_owned(),
        digits: 1,
        rows: rows.collect(),
    }
}

/// The differences of each task in every declared metric, and in MI.
fn differences(run: &RunInfo, arms: &Arms, adapter: &AdapterComparison) -> Vec<Chart> {
    let declared = adapter.claims.iter().map(|claim| claim.metric);
    let mut keys: Vec<&str> = declared.collect();
    for key in [MI.key, MI_CODE.key] {
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    let Some(samples) = arms.adapters.iter().find(|arm| arm.name == adapter.name) else {
        return Vec::new();
    };
    let workflow = run.plan.compared_workflow();
    let of = (
        adapter.name.clone(),
        workflow.map_or_else(String::new, |of| of.name().to_owned()),
        run.plan.reference.to_string(),
    );
    let chart = |key: &str| {
        let metric = metric(key)?;
        let mut all = adapter.paired.iter().chain(&adapter.quality);
        let contrast = all.find(|of| of.metric == key)?;
        let mut points: Vec<TaskValue> = arms
            .pairs(samples, &metric)
            .into_iter()
            .map(|(task, pair)| TaskValue {
                task: task.to_owned(),
                value: pair.difference() * metric.scale,
            })
            .collect();
        points.sort_by(|a, b| a.value.total_cmp(&b.value));
        let (low, high) = ends(contrast.interval, metric.scale);
        (!points.is_empty()).then(|| Chart::Dots {
            title: format!("{}: {} less base, by task", metric.label, adapter.name),
            unit: format!("{}, {}", metric.label, unit(&metric)),
            digits: metric.digits,
            mean: contrast.difference.map(|of| of * metric.scale),
            low,
            high,
            of: of.clone(),
            points,
        })
    };
    keys.into_iter().filter_map(chart).collect()
}

/// The arms of cells, in their order, as series.
fn series(cells: &[CellSummary]) -> Vec<(String, usize)> {
    let mut arms: Vec<(String, usize)> = Vec::new();
    for cell in cells {
        if !arms.iter().any(|(arm, _)| *arm == cell.arm) {
            arms.push((cell.arm.clone(), arms.len()));
        }
    }
    arms
}

fn label(run: &RunInfo, cell: &CellSummary) -> String {
    if cell.decoding == run.plan.reference {
        format!("{} {}", cell.arm, cell.workflow)
    } else {
        let Decoding { temperature, top_p } = cell.decoding;
        format!(
            "{} {} T {temperature}, top-p {top_p}",
            cell.arm, cell.workflow
        )
    }
}

fn series_of(legend: &[(String, usize)], cell: &CellSummary) -> usize {
    let found = legend.iter().find(|(arm, _)| *arm == cell.arm);
    found.map_or(0, |(_, at)| *at)
}

fn pass_rates(run: &RunInfo, records: &[SampleRecord], cells: &[CellSummary]) -> Option<Chart> {
    let legend = series(cells);
    let rows: Vec<Bar> = cells
        .iter()
        .filter(|cell| cell.tested > 0)
        .map(|cell| {
            let own = records.iter().filter(|record| {
                record.arm == cell.arm
                    && record.workflow == cell.workflow
                    && record.decoding == cell.decoding
            });
            let samples = ArmSamples::new(&cell.arm, own);
            let tested = SampleRecord::is_tested;
            let rate = Rate::new(
                &samples,
                run.statistics_seed(),
                tested,
                SampleRecord::passed,
            );
            let (low, high) = ends(rate.interval, 100.0);
            Bar {
                label: label(run, cell),
                value: rate.share.map(|share| 100.0 * share),
                low,
                high,
                note: Some(format!("{} of {}", cell.passed, cell.tested)),
                series: series_of(&legend, cell),
            }
        })
        .collect();
    (!rows.is_empty()).then(|| Chart::Bars {
        title: "Answers that pass all hidden tests, with 95 % intervals".to_owned(),
        unit: "%".to_owned(),
        digits: 1,
        rows,
        legend,
    })
}

fn costs(run: &RunInfo, cells: &[CellSummary]) -> Option<Chart> {
    let legend = series(cells);
    let points: Vec<Point> = cells
        .iter()
        .filter(|cell| cell.tested > 0)
        .filter_map(|cell| {
            let tokens = cell.completion_tokens? + cell.prompt_tokens?;
            let calls = cell
                .calls
                .map(|calls| format!("{} calls", number::number(calls, 1)));
            Some(Point {
                label: label(run, cell),
                x: tokens,
                y: 100.0 * cell.passed as f64 / cell.tested as f64,
                note: calls,
                series: series_of(&legend, cell),
            })
        })
        .collect();
    (points.len() > 1).then(|| Chart::Scatter {
        title: "Pass rate against tokens".to_owned(),
        x: "tokens of prompts and answers, for each answer".to_owned(),
        y: "answers that pass (%)".to_owned(),
        digits: 1,
        points,
        legend,
    })
}

/// The grid of H2, if it has several points.
fn grid(found: &SweepFindings) -> Option<Chart> {
    let settings = |of: fn(&Decoding) -> f64| -> Vec<f64> {
        let mut values: Vec<f64> = found
            .points
            .iter()
            .map(|point| of(&point.decoding))
            .collect();
        values.sort_by(f64::total_cmp);
        values.dedup();
        values
    };
    let temperatures = settings(|of| of.temperature);
    let top_p = settings(|of| of.top_p);
    let place = |values: &[f64], value: f64| {
        let at = values.iter().position(|of| of.to_bits() == value.to_bits());
        at.unwrap_or_default()
    };
    let cells: Vec<GridCell> = found
        .points
        .iter()
        .map(|point| GridCell {
            label: point.decoding.to_string(),
            row: place(&temperatures, point.decoding.temperature),
            column: place(&top_p, point.decoding.top_p),
            value: point.cyclomatic_complexity_of_solved,
            note: Some(format!(
                "pass rate {}, MI {}",
                number::percent(point.pass_rate.share),
                number::number(point.maintainability_index, 1)
            )),
        })
        .collect();
    (cells.len() > 1).then(|| Chart::Grid {
        title: "Cyclomatic complexity of solved programs by sampling".to_owned(),
        unit: "mean CC of programs that pass".to_owned(),
        digits: 2,
        row_name: "temperature".to_owned(),
        rows: temperatures.iter().map(f64::to_string).collect(),
        column_name: "top-p".to_owned(),
        columns: top_p.iter().map(f64::to_string).collect(),
        cells,
    })
}
