//! Metrics as a table: one line per file, and a last one for all files.

use slm_metrics::Rank;
use slm_report::ProgramMetrics;
use slm_report::code_metric::{CODE_METRICS, CodeMetric, Listed, MAINTAINABILITY_INDEX, Total};

use super::Measured;

/// The cells of a row, and the file's path, which is last so that a long path shifts no column.
type Row = (Vec<String>, String);

/// Renders the table of the files that were counted, of `n_found` in all.
pub(super) fn render(measured: &[Measured], n_found: usize) -> String {
    let counted: Vec<(&str, Rank, ProgramMetrics)> = measured
        .iter()
        .filter_map(|file| {
            let found = file.outcome.as_ref().ok()?;
            Some((file.name.as_str(), found.rank, found.into()))
        })
        .collect();
    let titles = cells("rank", |_, listed| listed.title.to_owned());
    let mut rows: Vec<Row> = vec![(titles, "file".to_owned())];
    rows.extend(counted.iter().map(|(name, rank, program)| {
        let value = |metric: &CodeMetric, listed: Listed| {
            number(metric.value(program).unwrap_or_default(), listed)
        };
        (cells(&rank.to_string(), value), (*name).to_owned())
    }));
    rows.push(summary(&counted, n_found));

    let widths: Vec<usize> = (0..rows[0].0.len())
        .map(|column| {
            let widths = rows.iter().map(|(cells, _)| cells[column].len());
            widths.max().unwrap_or(0)
        })
        .collect();
    let line = |(cells, name): &Row| {
        let cells: Vec<String> = cells
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:>width$}"))
            .collect();
        format!("{}  {name}", cells.join("  "))
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Returns a cell for each listed metric; the maintainability index is followed by its rank.
fn cells(rank: &str, cell: impl Fn(&CodeMetric, Listed) -> String) -> Vec<String> {
    let mut cells = Vec::new();
    for metric in CODE_METRICS {
        let Some(listed) = metric.shown.listed else {
            continue;
        };
        cells.push(cell(metric, listed));
        if metric.key == MAINTAINABILITY_INDEX.key {
            cells.push(rank.to_owned());
        }
    }
    cells
}

fn number(value: f64, listed: Listed) -> String {
    format!("{value:.digits$}", digits = listed.digits)
}

/// Renders the last row: the sums of counts, and the means of the two indices.
fn summary(counted: &[(&str, Rank, ProgramMetrics)], n_found: usize) -> Row {
    let total = |metric: &CodeMetric, listed: Listed| {
        let values = counted.iter().filter_map(|(_, _, of)| metric.value(of));
        // Not `sum`, which starts at -0.0 and would print the sign.
        let sum = values.fold(0.0, |sum, value| sum + value);
        match listed.total {
            Total::Sum => number(sum, listed),
            Total::Mean if counted.is_empty() => "-".to_owned(),
            Total::Mean => number(sum / counted.len() as f64, listed),
        }
    };
    let cells = cells("", total);
    let all = slm_artifacts::counted(n_found, "file");
    let of = if counted.len() == n_found {
        all
    } else {
        format!("{} of {all}", counted.len())
    };
    (cells, format!("{of}: sums, means of MI and mi_code"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::python_files::FileError;

    fn measured(name: &str, text: &str) -> Measured {
        Measured {
            name: name.to_owned(),
            outcome: slm_metrics::analyze(text).map_err(FileError::from),
        }
    }

    #[test]
    fn numbers_stand_in_columns_and_the_last_line_sums_them_up() {
        let branchy = "# one comment\nif a and b:\n    c = a + b * 2\n".repeat(40);
        let files = [
            measured("plain.py", "x = 1\n"),
            measured("sub/branchy.py", &branchy),
            measured("broken.py", "x ="),
        ];
        let expected = "\
LOC  LLOC  CC       V      MI  rank  mi_code  file
  1     1   1     0.0  100.00     A   100.00  plain.py
120    80  81  1988.5   53.57     A    24.50  sub/branchy.py
121    81  82  1988.5   76.79          62.25  2 of 3 files: sums, means of MI and mi_code";
        assert_eq!(render(&files, 3), expected);
    }

    #[test]
    fn without_a_file_there_are_no_means() {
        let last = render(&[], 1).lines().last().map(str::to_owned);
        let expected =
            "  0     0   0  0.0   -              -  0 of 1 file: sums, means of MI and mi_code";
        assert_eq!(last.as_deref(), Some(expected));
    }
}
