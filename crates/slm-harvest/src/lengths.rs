//! Lengths of the sides of rows: a preference may teach length alone.

use std::collections::BTreeMap;

use slm_artifacts::LengthStatistics;

use crate::row::{Row, Side};

/// Returns the lengths of each side of the rows, by its name.
pub(crate) fn lengths(rows: &[Row]) -> BTreeMap<String, LengthStatistics> {
    let mut sides: BTreeMap<String, Vec<&Side>> = BTreeMap::new();
    for side in rows.iter().flat_map(|row| &row.sides) {
        sides
            .entry(side.source.side.clone())
            .or_default()
            .push(side);
    }
    sides
        .into_iter()
        .map(|(name, sides)| (name, statistics(&sides)))
        .collect()
}

fn statistics(sides: &[&Side]) -> LengthStatistics {
    let mut characters: Vec<usize> = sides.iter().map(|of| of.body.chars().count()).collect();
    characters.sort_unstable();
    let n = characters.len();
    let middle = characters[(n - 1) / 2] + characters[n / 2];
    let mean = |sum: usize| sum as f64 / n as f64;
    LengthStatistics {
        mean_characters: mean(characters.iter().sum()),
        median_characters: middle as f64 / 2.0,
        max_characters: characters[n - 1],
        mean_lloc: mean(sides.iter().map(|of| of.lloc).sum()),
    }
}
