//! Whether workflows rank by solved samples for their tokens as they do by pass rate.

use serde::Serialize;

/// Two rankings that differ, the best first.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Rankings {
    pub(crate) by_pass_rate: Vec<String>,
    pub(crate) by_solved_per_1000_tokens: Vec<String>,
}

impl Rankings {
    /// Ranks (name, pass rate, solved per 1,000 tokens); `None` if no pair is ranked in opposite orders.
    pub(crate) fn new(workflows: &[(&str, f64, f64)]) -> Option<Self> {
        let opposite = |a: &(&str, f64, f64), b: &(&str, f64, f64)| a.1 > b.1 && a.2 < b.2;
        let differ = workflows
            .iter()
            .any(|a| workflows.iter().any(|b| opposite(a, b)));
        let ranked = |value: fn(&(&str, f64, f64)) -> f64| {
            let mut ranked = workflows.to_vec();
            // Stable: equal ones keep the order of the table.
            ranked.sort_by(|a, b| value(b).total_cmp(&value(a)));
            ranked.iter().map(|(name, ..)| (*name).to_owned()).collect()
        };
        differ.then(|| Self {
            by_pass_rate: ranked(|of| of.1),
            by_solved_per_1000_tokens: ranked(|of| of.2),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Rankings;

    #[test]
    fn only_a_pair_in_opposite_orders_makes_rankings_differ() {
        let same = [("a", 0.5, 2.0), ("b", 0.5, 3.0), ("c", 0.7, 3.0)];
        assert_eq!(Rankings::new(&same), None);
        assert_eq!(Rankings::new(&[]), None);
        let other = [("a", 0.5, 2.0), ("b", 0.5, 3.0), ("c", 0.7, 2.5)];
        let found = Rankings::new(&other).expect("c and b");
        assert_eq!(found.by_pass_rate, ["c", "a", "b"]);
        assert_eq!(found.by_solved_per_1000_tokens, ["b", "c", "a"]);
    }
}
