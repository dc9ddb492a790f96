//! The tables of `evaluator ratings import`.

use slm_cli::text_table;

use super::result::{ColumnResult, Comparison, PairedRating, SideRating};
use slm_artifacts::counted;

/// Renders a table of all sides in all columns, and one of the raters' agreement.
pub(super) fn render(found: &Comparison) -> String {
    let sides = || found.columns.iter().flat_map(|column| &column.sides);
    let several_runs = sides().any(|of| sides().any(|other| other.side.run != of.side.run));
    let label = |of: &SideRating| {
        let own = format!("{} {}", of.side.arm, of.side.workflow);
        if several_runs {
            format!("{} {own}", of.side.run)
        } else {
            own
        }
    };
    let rows: Vec<Vec<String>> = found
        .columns
        .iter()
        .flat_map(|column| {
            let row = |side| ratings_row(&column.column, label(side), side);
            column.sides.iter().map(row).collect::<Vec<_>>()
        })
        .collect();
    let header = [
        "rating",
        "of",
        "tasks",
        "mean",
        "pairs",
        "less the first",
        "95 % interval",
        "p",
    ];
    let ratings = text_table(&header, &rows);
    let rows: Vec<Vec<String>> = found.columns.iter().map(agreement_row).collect();
    let header = [
        "agreement",
        "ratings",
        "missing",
        "alpha, ordinal",
        "alpha, interval",
    ];
    let agreement = text_table(&header, &rows);
    format!(
        "{ratings}\n\nMeans over tasks, 1 (worst) to 5 (best). The difference is that of the same rater on the same task; its \
         interval is a BCa bootstrap over tasks, p a sign-flip permutation, unadjusted.\n\n{agreement}\n\nAlpha is \
         Krippendorff's, of {} on {}: 1 for complete agreement, 0 for chance.",
        counted(found.raters.len(), "rater"),
        counted(found.items, "program")
    )
}

fn ratings_row(column: &str, label: String, of: &SideRating) -> Vec<String> {
    let mut row = vec![
        column.to_owned(),
        label,
        of.tasks.to_string(),
        number(of.mean),
    ];
    row.extend(match &of.less_first {
        None => ["", "", "", ""].map(str::to_owned),
        Some(paired) => difference(paired),
    });
    row
}

fn difference(paired: &PairedRating) -> [String; 4] {
    let signed = |value: f64| format!("{value:+.2}");
    let interval = match (paired.interval, paired.difference) {
        (Some(interval), _) => format!("{} to {}", signed(interval.low), signed(interval.high)),
        (None, Some(_)) => "none: too few tasks, or all differ equally".to_owned(),
        (None, None) => String::new(),
    };
    [
        paired.tasks.to_string(),
        paired.difference.map_or_else(String::new, signed),
        interval,
        paired.p.map_or_else(String::new, |p| format!("{p:.3}")),
    ]
}

fn agreement_row(column: &ColumnResult) -> Vec<String> {
    vec![
        column.column.clone(),
        column.ratings.to_string(),
        column.missing.to_string(),
        number(column.alpha_ordinal),
        number(column.alpha_interval),
    ]
}

fn number(value: Option<f64>) -> String {
    value.map_or_else(|| "none".to_owned(), |value| format!("{value:.2}"))
}
