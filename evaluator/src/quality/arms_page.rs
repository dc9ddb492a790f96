//! The tables of `evaluator quality` for runs.

use std::fmt::Write as _;

use slm_cli::text_table;

use super::cells::{CellQuality, Difference, MEASURES};

/// Renders the means of all cells, and below them each adapter's difference from the base model.
pub(super) fn render(cells: &[CellQuality]) -> String {
    let several_runs = cells.iter().any(|cell| cell.run != cells[0].run);
    let label = |cell: &CellQuality| {
        let own = format!("{} {} {}", cell.arm, cell.workflow, cell.decoding);
        if several_runs {
            format!("{} {own}", cell.run)
        } else {
            own
        }
    };
    let mut header = vec!["cell", "tasks", "programs"];
    header.extend(MEASURES.iter().map(|measure| measure.title));
    let rows: Vec<Vec<String>> = cells
        .iter()
        .map(|cell| {
            let mut row = vec![
                label(cell),
                cell.tasks.to_string(),
                cell.programs.to_string(),
            ];
            let means = MEASURES.iter().map(|measure| cell.means[measure.key]);
            row.extend(
                means.map(|mean| mean.map_or_else(String::new, |mean| format!("{mean:.1}"))),
            );
            row
        })
        .collect();
    let mut page = text_table(&header, &rows);
    page.push_str(
        "\nMeans over tasks. Findings (high, medium and low are security) per 100 programs that parse; debt in minutes per program, and per 100 logical lines without docstrings.",
    );
    for cell in cells.iter().filter(|cell| !cell.less_base.is_empty()) {
        let _ = writeln!(
            page,
            "\n\n{} less base, 95 % interval over tasks:",
            label(cell)
        );
        let rows: Vec<Vec<String>> = MEASURES
            .iter()
            .map(|measure| row(measure.title, &cell.less_base[measure.key]))
            .collect();
        page.push_str(&text_table(
            &["measure", "tasks", "difference", "interval"],
            &rows,
        ));
    }
    page
}

fn row(title: &str, found: &Difference) -> Vec<String> {
    let number = |value: f64| format!("{value:+.2}");
    vec![
        title.to_owned(),
        found.n.to_string(),
        found.mean.map_or_else(String::new, number),
        match (found.interval, found.mean) {
            (Some(interval), _) => {
                format!("{} to {}", number(interval.low), number(interval.high))
            }
            (None, Some(_)) => {
                "none: too few tasks, or the same difference on every one".to_owned()
            }
            (None, None) => String::new(),
        },
    ]
}
