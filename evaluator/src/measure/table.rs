//! Metrics as a table: a line a file, and a last one for all.

use slm_metrics::FileMetrics;

use super::Measured;

/// Titles of the columns of numbers. The path comes last: however long, it moves no number out of its column.
const TITLES: [&str; 7] = ["LOC", "LLOC", "CC", "V", "MI", "rank", "mi_code"];

type Row = ([String; 7], String);

/// The table of the files that were counted, of `n_found` in all.
pub(super) fn render(measured: &[Measured], n_found: usize) -> String {
    let counted: Vec<(&str, &FileMetrics)> = measured
        .iter()
        .filter_map(|file| Some((file.name.as_str(), file.outcome.as_ref().ok()?)))
        .collect();
    let mut rows: Vec<Row> = vec![(TITLES.map(str::to_owned), "file".to_owned())];
    rows.extend(counted.iter().map(|(name, metrics)| row(name, metrics)));
    rows.push(summary(&counted, n_found));

    let width = |column: usize| {
        let widths = rows.iter().map(|(cells, _)| cells[column].len());
        widths.max().unwrap_or(0)
    };
    let widths: [usize; 7] = std::array::from_fn(width);
    let line = |(cells, name): &Row| {
        let cells: Vec<String> = cells
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:>width$}"))
            .collect();
        format!("{}  {name}", cells.join("  "))
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn row(name: &str, metrics: &FileMetrics) -> Row {
    let cells = [
        metrics.raw.loc.to_string(),
        metrics.raw.lloc.to_string(),
        metrics.cyclomatic_complexity.to_string(),
        format!("{:.1}", metrics.halstead.total.volume),
        format!("{:.2}", metrics.maintainability_index),
        metrics.rank.to_string(),
        format!("{:.2}", metrics.mi_code),
    ];
    (cells, name.to_owned())
}

/// Sums of what adds up, means of the two indices.
fn summary(counted: &[(&str, &FileMetrics)], n_found: usize) -> Row {
    let sum = |count: fn(&FileMetrics) -> usize| {
        let sum: usize = counted.iter().map(|(_, metrics)| count(metrics)).sum();
        sum.to_string()
    };
    let mean = |index: fn(&FileMetrics) -> f64| {
        let sum: f64 = counted.iter().map(|(_, metrics)| index(metrics)).sum();
        if counted.is_empty() {
            "-".to_owned()
        } else {
            format!("{:.2}", sum / counted.len() as f64)
        }
    };
    // Not `sum`, which begins at minus zero and shows it.
    let volume = counted
        .iter()
        .fold(0.0, |sum, (_, metrics)| sum + metrics.halstead.total.volume);
    let cells = [
        sum(|metrics| metrics.raw.loc),
        sum(|metrics| metrics.raw.lloc),
        sum(|metrics| metrics.cyclomatic_complexity),
        format!("{volume:.1}"),
        mean(|metrics| metrics.maintainability_index),
        String::new(),
        mean(|metrics| metrics.mi_code),
    ];
    let all = files_text(n_found);
    let of = if counted.len() == n_found {
        all
    } else {
        format!("{} of {all}", counted.len())
    };
    (cells, format!("{of}: sums, means of MI and mi_code"))
}

/// A number of files in words.
pub(super) fn files_text(n: usize) -> String {
    if n == 1 {
        "1 file".to_owned()
    } else {
        format!("{n} files")
    }
}

#[cfg(test)]
mod tests {
    use super::super::Trouble;
    use super::*;

    fn measured(name: &str, text: &str) -> Measured {
        Measured {
            name: name.to_owned(),
            outcome: slm_metrics::analyze(text).map_err(Trouble::from),
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
