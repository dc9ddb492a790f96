//! Section `costs`: prices, with which reports show what a work cost.

use serde::{Deserialize, Serialize};

use crate::schema::{Kind, section};

section! {
/// Section `costs`: prices, with which reports show what a training, a run and a solved task cost. They change no result: a
/// run with another price is the same run. Without prices, reports show energy and hours alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Costs {
    /// Price of a kilowatt-hour of the energy that is measured.
    price_per_kwh: Option<f64> = None => Kind::from_to(0.0, 1_000_000.0), absent "no price";
    /// Price of an hour of the machine, for example its rent. It is added to that of the energy.
    price_per_hour: Option<f64> = None => Kind::from_to(0.0, 1_000_000.0), absent "no price";
    /// Currency of both prices, as reports name it.
    currency: Option<String> = None => Kind::Text("a currency, such as `EUR`"), absent "no name";
}
}

impl Costs {
    /// Whether there is a price.
    pub fn has_price(&self) -> bool {
        self.price_per_kwh.is_some() || self.price_per_hour.is_some()
    }
}

/// Returns the text of a resolved recipe without its section `costs`: what identifies a run or a stage.
///
/// Reads what [`Recipe::to_yaml`](crate::Recipe::to_yaml) writes, whose sections begin at the margin.
pub fn without_costs(yaml: &str) -> String {
    let mut kept = String::with_capacity(yaml.len());
    let mut is_inside = false;
    for line in yaml.split_inclusive('\n') {
        if !line.starts_with([' ', '\n', '-']) {
            is_inside = line.starts_with("costs:");
        }
        if !is_inside {
            kept.push_str(line);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::Recipe;

    fn recipe(costs: &str) -> Recipe {
        let text = format!("model: {{name_or_path: m.gguf}}\n{costs}");
        Recipe::parse_without_data(&text, Path::new("r.yaml"), &[], &["embedded"])
            .expect("a recipe")
    }

    #[test]
    fn prices_are_no_part_of_what_identifies_a_recipe() {
        let free = recipe("");
        let priced = recipe(
            "costs: {price_per_kwh: 0.3, price_per_hour: 2, currency: \"a\\nevaluate: b\"}\n",
        );
        assert_ne!(priced.to_yaml(), free.to_yaml());
        let identity = without_costs(&priced.to_yaml());
        assert_eq!(identity, without_costs(&free.to_yaml()));
        assert!(!identity.contains("price_per"), "{identity}");
        for section in ["model:", "train:", "evaluate:", "knowledge:"] {
            let is_there = identity.lines().any(|line| line.starts_with(section));
            assert!(is_there, "{section} in\n{identity}");
        }
        let before_costs = "model:\n  a: 1\nevaluate:\n  b:\n  - 2\n";
        assert_eq!(without_costs(before_costs), before_costs);
        let between = "model:\n  a: 1\ncosts:\n  price_per_kwh: 1\nevaluate:\n  b: 2\n";
        assert_eq!(
            without_costs(between),
            "model:\n  a: 1\nevaluate:\n  b: 2\n"
        );
    }

    #[test]
    fn a_price_is_a_number_from_0() {
        assert!(!recipe("").costs.has_price());
        assert!(recipe("costs: {price_per_hour: 0}").costs.has_price());
        let text = "model: {name_or_path: m.gguf}\ncosts: {price_per_kwh: -1, currency: ' '}\n";
        let error = Recipe::parse_without_data(text, Path::new("r.yaml"), &[], &["embedded"]);
        let error = error.expect_err("refused").to_string();
        assert!(error.contains("costs.price_per_kwh"), "{error}");
        assert!(error.contains("costs.currency"), "{error}");
    }
}
