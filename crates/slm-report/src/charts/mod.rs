//! The report's charts: SVG on a card, light or dark as the reader's system prefers, so that they are readable on any
//! background.
//!
//! Only this folder imports plotters.

mod canvas;
mod differences;
mod forest;
mod heat_map;
mod loss;
mod palette;
mod rates;
mod rounds;
mod shape;
mod tradeoff;

pub use loss::{LossCurve, draw_loss_curve};
pub use rounds::{RoundCurves, draw_round_curves};

use crate::findings::Findings;
use crate::findings::all_contrasts;
use crate::findings::arms::Arms;
use crate::findings::h1::Comparison;
use crate::record::RunInfo;
use crate::sample_metric::{BONUS, CC, CC_OF_SOLVED, MI, MI_CODE, SampleMetric};

use canvas::Drawn;
use differences::Panel;

/// The chart of pass rate and other shares by arm.
pub(crate) const RATES_PICTURE: &str = "pictures/rates.svg";

/// The chart of the distributions of complexity and length.
pub(crate) const SHAPE_PICTURE: &str = "pictures/shape.svg";

/// The chart of complexity and pass rate over the grid.
pub(crate) const SWEEP_PICTURE: &str = "pictures/sweep.svg";

/// The chart of H2's contrast, task by task.
pub(crate) const H2_PICTURE: &str = "pictures/h2.svg";

/// The chart of H3's contrasts.
pub(crate) const H3_PICTURE: &str = "pictures/h3.svg";

/// Returns the metrics of H1 that are drawn task by task: those that were declared, then others that explain them.
pub(crate) fn metrics_of_h1(found: &Comparison) -> Vec<SampleMetric> {
    let declared = found.adapters.iter().flat_map(|adapter| &adapter.claims);
    let declared = declared.filter_map(|claim| SampleMetric::by_key(claim.metric));
    let mut metrics: Vec<SampleMetric> = Vec::new();
    for metric in declared.chain([MI, MI_CODE, BONUS, CC]) {
        if !found.adapters.is_empty() && metrics.iter().all(|of| of.key != metric.key) {
            metrics.push(metric);
        }
    }
    metrics
}

/// Returns the path of the chart of a metric's differences by task.
fn differences_picture(metric: &SampleMetric) -> String {
    let name = if metric.key == MI.key {
        "mi"
    } else {
        metric.key
    };
    format!("pictures/{name}.svg")
}

/// Returns the chart of pass rate against all tokens, of the arm with this number in the section on lookups.
fn lookups_picture(arm: usize) -> String {
    format!("pictures/lookups-{}.svg", arm + 1)
}

/// Returns the paths of the charts of the arm with this number in the section on all workflows: pass rate against cost, and
/// all contrasts.
fn workflow_pictures(arm: usize) -> [String; 2] {
    let number = if arm == 0 {
        String::new()
    } else {
        format!("-{}", arm + 1)
    };
    ["workflows", "contrasts"].map(|name| format!("pictures/{name}{number}.svg"))
}

/// Draws the charts of the tested hypotheses, of lookups and of all workflows, with their paths.
pub(crate) fn draw(run: &RunInfo, arms: &Arms, findings: &Findings) -> Vec<(String, String)> {
    let mut drawn = Vec::new();
    if let Some(comparison) = &findings.comparison {
        drawn.push((RATES_PICTURE.to_owned(), rates::draw(comparison)));
        drawn.extend(of_h1(comparison));
        drawn.push((SHAPE_PICTURE.to_owned(), shape::draw(arms)));
    }
    if let Some(found) = &findings.sweep {
        drawn.push((SWEEP_PICTURE.to_owned(), heat_map::draw(found)));
        if let Some(test) = &found.test {
            let panel = Panel {
                contrast: "chosen point less reference".to_owned(),
                found: &test.complexity,
                required: found.claim.as_ref().map(|claim| claim.effect),
            };
            let svg = differences::draw(&CC_OF_SOLVED, &[panel]);
            drawn.push((H2_PICTURE.to_owned(), svg));
        }
    }
    if let Some(found) = &findings.collaboration {
        let contrasts = all_contrasts::of_h3(found, run);
        drawn.push((H3_PICTURE.to_owned(), forest::draw(&[contrasts])));
    }
    let arms = findings.lookups.iter().flat_map(|found| &found.arms);
    for (at, arm) in arms.enumerate() {
        drawn.push((lookups_picture(at), tradeoff::draw_lookups(arm)));
    }
    let arms = findings.workflows.iter().flat_map(|found| &found.arms);
    for (at, arm) in arms.enumerate() {
        let [costs, contrasts] = workflow_pictures(at);
        drawn.push((costs, tradeoff::draw(arm)));
        drawn.push((contrasts, forest::draw(&arm.groups)));
    }
    let drawn = drawn.into_iter();
    drawn
        .map(|(name, svg)| (name, svg.expect("drawing to a string cannot fail")))
        .collect()
}

/// Draws the differences of each metric of H1, one panel per adapter.
fn of_h1(found: &Comparison) -> Vec<(String, Drawn<String>)> {
    let of_metric = |metric: SampleMetric| {
        let panels = found.adapters.iter().filter_map(|adapter| {
            Some(Panel {
                contrast: format!("{} less base", adapter.name),
                found: adapter.contrast_in(&metric)?,
                required: adapter.effect_on(&metric),
            })
        });
        let panels: Vec<Panel> = panels.collect();
        (
            differences_picture(&metric),
            differences::draw(&metric, &panels),
        )
    };
    metrics_of_h1(found).into_iter().map(of_metric).collect()
}
