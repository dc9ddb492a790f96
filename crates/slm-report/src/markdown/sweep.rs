//! H2's tables: the points of the grid, the test of the chosen one, and whether any point differs at all.

use crate::record::RunInfo;

use super::super::contrast::Contrast;
use super::super::hypotheses::h2::{Overall, Point, SweepFindings};
use super::super::metric::{CC, Metric, PASS_RATE};
use super::super::number::{count, number, p_value, percent, signed, signed_interval};
use super::super::verdict::Outcome;
use super::text::{name, table};

/// What was done, and the three tables.
pub(super) fn section(found: &SweepFindings, run: &RunInfo) -> String {
    format!(
        "Arm {}, workflow {}. The recipe's own sampling ({}) is the reference. With seed {} the {} were cut in two: on \
         {} the point was chosen whose solved programs are least complex against the reference's, on tasks that both \
         solve and at no higher loss of pass rate than {} points; on the other {} it was tested. All points draw with \
         the same random numbers.\n\n{}\n{}\n{}",
        name(&found.arm),
        name(&found.workflow),
        run.plan.reference,
        run.statistics_seed(),
        count(found.tasks, "task"),
        found.choosing_tasks,
        number(found.pass_rate_margin, 1),
        found.testing_tasks,
        points(found),
        test(found),
        overall(found),
    )
}

fn points(found: &SweepFindings) -> String {
    let header = [
        "point",
        "",
        "samples",
        "pass@1",
        "CC of solved",
        "CC of all",
        "MI",
        "mi_code",
        "parses",
        "choosing: tasks",
        "ΔCC",
    ];
    let chosen = found.test.as_ref().map(|test| test.point);
    let row = |(at, point): (usize, &Point)| {
        let role = match at {
            0 => "reference",
            at if Some(at) == chosen => "**chosen**",
            _ => "",
        };
        vec![
            point.decoding.to_string(),
            role.to_owned(),
            point.samples.to_string(),
            percent(point.pass_rate.share),
            number(point.cyclomatic_complexity_of_solved, 2),
            number(point.cyclomatic_complexity, 2),
            number(point.maintainability_index, 1),
            number(point.mi_code, 1),
            percent(point.parsable.share),
            point.choosing_pairs.to_string(),
            signed(point.choosing_difference, 2),
        ]
    };
    let rows: Vec<Vec<String>> = found.points.iter().enumerate().map(row).collect();
    format!(
        "{}\nMeans over all tasks; *choosing* is the choosing half alone, against the reference.\n",
        table(&header, 2, &rows)
    )
}

fn test(found: &SweepFindings) -> String {
    let Some(test) = &found.test else {
        return "No point could be chosen: none solves a task of the choosing half that the reference solves too.\n"
            .to_owned();
    };
    let header = [
        "testing half, chosen less reference",
        "tasks",
        "reference",
        "chosen",
        "difference",
        "95 % interval",
        "p",
    ];
    let row = |label: &str, metric: &Metric, contrast: &Contrast| {
        let scaled = |value: Option<f64>| value.map(|value| value * metric.scale);
        vec![
            label.to_owned(),
            contrast.n.to_string(),
            number(scaled(contrast.reference_mean), metric.digits),
            number(scaled(contrast.mean), metric.digits),
            signed(scaled(contrast.difference), metric.digits),
            signed_interval(contrast.interval, metric.digits, metric.scale),
            p_value(contrast.sign_flip_p),
        ]
    };
    let rows = [
        row(
            "CC, tasks that both solve (decides H2)",
            &CC,
            &test.complexity,
        ),
        row(
            "CC, tasks with programs from both",
            &CC,
            &test.complexity_of_all,
        ),
        row("pass@1 (%)", &PASS_RATE, &test.pass_rate),
    ];
    format!(
        "{}\nThe pass rate may fall by {} points at most, and {}. H2 needs less complex programs at no higher \
         cost than that.\n",
        table(&header, 1, &rows),
        number(found.pass_rate_margin, 1),
        match test.cost {
            Outcome::Supported | Outcome::ByComments => "by the estimate it stayed within that",
            Outcome::NotSupported => "even the interval's better end fell further",
            Outcome::Inconclusive =>
                "by the estimate it did not stay within that, which may be chance",
        },
    )
}

fn overall(found: &SweepFindings) -> String {
    let header = [
        "Friedman's test over all points",
        "tasks",
        "χ²",
        "p",
        "p by permutation",
        "Kendall's W",
    ];
    let labels = [
        "CC, tasks that every point solves",
        "CC, tasks with a program at every point",
    ];
    let row = |(label, overall): (&str, &Overall)| {
        vec![
            label.to_owned(),
            overall.tasks.to_string(),
            number(overall.chi_squared, 2),
            p_value(overall.p),
            p_value(overall.permutation_p),
            number(overall.kendalls_w, 3),
        ]
    };
    let rows: Vec<Vec<String>> = labels.into_iter().zip(&found.overall).map(row).collect();
    table(&header, 1, &rows)
}
