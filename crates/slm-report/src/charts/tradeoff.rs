//! Workflows: pass rate against tokens and calls.

use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

use super::canvas::{Area, Drawn, MARGINS, NAME_CHARS, card, clean, font, nothing, text};
use super::palette::{GRID, INK, MUTED, arm_color};
use crate::findings::arm_summary::Rate;
use crate::findings::lookups::LookupArm;
use crate::findings::workflows::{WorkflowArm, WorkflowCosts};

/// Width of the names at the right.
const NAME_WIDTH: u32 = 170;
const LINE_HEIGHT: i32 = 17;

/// Height of a panel.
const PANEL_HEIGHT: u32 = 340;

/// One workflow.
#[derive(Clone, Copy)]
struct Outcome<'a> {
    workflow: &'a str,
    pass_rate: &'a Rate,
    cost: Option<f64>,
}

/// A cost of a workflow.
type Cost = (&'static str, fn(&WorkflowCosts) -> Option<f64>);

/// The costs, in the order of the panels.
const COSTS: [Cost; 3] = [
    ("completion tokens", |of| of.completion_tokens),
    ("prompt and completion tokens", |of| of.total_tokens),
    ("calls", |of| of.calls),
];

/// Draws a panel for each cost, with one point per workflow and the interval of its pass rate.
pub(crate) fn draw(found: &WorkflowArm) -> Drawn<String> {
    let title = "Pass rate against cost, with 95 % intervals";
    let height = 44 + PANEL_HEIGHT * COSTS.len() as u32;
    card(height, MARGINS, title, |area| {
        let panels = area.split_evenly((COSTS.len(), 1));
        for (panel, (cost, value)) in panels.iter().zip(COSTS) {
            let outcomes = found.workflows.iter().map(|of| Outcome {
                workflow: &of.workflow,
                pass_rate: &of.pass_rate,
                cost: value(of),
            });
            draw_outcomes(panel, cost, outcomes.collect())?;
        }
        Ok(())
    })
}

/// Draws one point per workflow with lookups or beside them, against the tokens of its prompts too.
pub(crate) fn draw_lookups(found: &LookupArm) -> Drawn<String> {
    let outcomes = found.workflows.iter().map(|of| Outcome {
        workflow: &of.workflow,
        pass_rate: &of.pass_rate,
        cost: of.total_tokens,
    });
    let cost = "prompt and completion tokens";
    let title = format!("Pass rate against {cost}, with 95 % intervals");
    card(420, MARGINS, &title, |area| {
        draw_outcomes(area, cost, outcomes.collect())
    })
}

fn draw_outcomes(area: &Area, cost: &str, mut shown: Vec<Outcome>) -> Drawn<()> {
    shown.retain(|outcome| outcome.pass_rate.share.is_some());
    if shown.is_empty() {
        return nothing(area, "no samples");
    }
    shown.sort_by(|a, b| {
        let share = |outcome: &Outcome| outcome.pass_rate.share.unwrap_or_default();
        share(b).total_cmp(&share(a))
    });
    draw_points(area, &shown, &format!("{cost}, mean over tasks"))
}

fn draw_points(area: &Area, shown: &[Outcome], description: &str) -> Drawn<()> {
    let cost = |outcomes: &Outcome| outcomes.cost.unwrap_or_default();
    let most = shown.iter().map(cost).fold(1.0, f64::max);
    let highest = shown
        .iter()
        .filter_map(|outcomes| outcomes.pass_rate.interval)
        .map(|interval| interval.high)
        .fold(0.05, f64::max);
    let mut chart = ChartBuilder::on(area)
        .x_label_area_size(44)
        .y_label_area_size(58)
        .margin_top(8)
        .margin_right(NAME_WIDTH)
        .build_cartesian_2d(0.0..most * 1.06, 0.0..(highest * 1.06).min(1.0))?;
    let decimals = usize::from(highest < 0.1);
    // Seven labels over a few calls would repeat whole numbers.
    let cost_decimals = usize::from(most < 7.0);
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID)
        .axis_style(MUTED)
        .x_labels(7)
        .y_labels(6)
        .x_label_formatter(&|cost| format!("{cost:.cost_decimals$}"))
        .y_label_formatter(&|share| format!("{:.decimals$}", share * 100.0))
        .label_style(font(13.0, MUTED))
        .axis_desc_style(font(14.0, INK))
        .x_desc(description)
        .y_desc("tasks with all tests passed (%)")
        .draw()?;
    let base = area.get_base_pixel();
    let mut last = i32::MIN;
    for (at, outcomes) in shown.iter().enumerate() {
        let (x, share) = (cost(outcomes), outcomes.pass_rate.share.unwrap_or_default());
        let color = arm_color(at);
        if let Some(interval) = outcomes.pass_rate.interval {
            let whisker = vec![(x, interval.low), (x, interval.high)];
            chart.draw_series([PathElement::new(whisker, color.stroke_width(2))])?;
        }
        chart.draw_series([Circle::new((x, share), 6, color.filled())])?;
        // Names are in a column at the right, in the points' order, each with a line to its point.
        let point = chart.backend_coord(&(x, share));
        let (x, y) = (point.0 - base.0, point.1 - base.1);
        let row = y.max(last.saturating_add(LINE_HEIGHT));
        last = row;
        let left = area.dim_in_pixel().0 as i32 - NAME_WIDTH as i32 + 14;
        let leader = PathElement::new(
            vec![(x + 8, y), (left - 4, row)],
            color.mix(0.5).stroke_width(1),
        );
        area.draw(&leader)?;
        let label = clean(outcomes.workflow, NAME_CHARS);
        text(
            area,
            &label,
            (left, row - LINE_HEIGHT / 2),
            14.0,
            INK,
            HPos::Left,
        )?;
    }
    Ok(())
}
