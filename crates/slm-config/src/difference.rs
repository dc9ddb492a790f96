//! What changed between two recipes, key by key.

use crate::node::{KeyPath, Node, Step, Value};
use crate::recipe::Recipe;
use crate::yaml;

/// A key whose value is not the same in two recipes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The key, such as `train.learning_rate` or `data.datasets[0].path`.
    pub key: String,
    /// Its value in the first recipe, short and on one line; `nothing` where it has none.
    pub first: String,
    /// Its value in the second.
    pub second: String,
}

impl Recipe {
    /// The keys in which two recipes differ, in reading order; defaults count as written out.
    pub fn differences(&self, other: &Self) -> Vec<Difference> {
        let mut found = Vec::new();
        let (first, second) = (self.written(), other.written());
        compare(&KeyPath::default(), Some(&first), Some(&second), &mut found);
        found
    }

    /// The recipe as a tree, without the keys that follow another adapter.
    fn written(&self) -> Node {
        let mut root = yaml::to_node(self);
        let following = self.following();
        if let Value::Map(sections) = &mut root.value {
            for section in sections {
                if let Value::Map(entries) = &mut section.value.value {
                    entries.retain(|entry| !following.contains(&(&*section.key, &*entry.key)));
                }
            }
        }
        root
    }
}

fn compare(path: &KeyPath, first: Option<&Node>, second: Option<&Node>, out: &mut Vec<Difference>) {
    let values = (
        first.map(|node| &node.value),
        second.map(|node| &node.value),
    );
    match values {
        (Some(Value::Map(_)), Some(Value::Map(_)))
        | (Some(Value::List(_)), Some(Value::List(_))) => {
            for step in steps(values.0, values.1) {
                let mut below = path.clone();
                below.0.push(step.clone());
                let child = |node: Option<&Node>| node.and_then(|node| node.child(&step)).cloned();
                compare(&below, child(first).as_ref(), child(second).as_ref(), out);
            }
        }
        (first, second) if first == second => {}
        (first, second) => {
            let shown = |value: Option<&Value>| {
                value.map_or_else(|| "nothing".to_owned(), ToString::to_string)
            };
            out.push(Difference {
                key: path.to_string(),
                first: shown(first),
                second: shown(second),
            });
        }
    }
}

/// The keys or places of two mappings or lists, those of the first before those that only the second has.
fn steps(first: Option<&Value>, second: Option<&Value>) -> Vec<Step> {
    let mut steps = Vec::new();
    for value in [first, second].into_iter().flatten() {
        let found: Vec<Step> = match value {
            Value::Map(entries) => entries.iter().map(|e| Step::Key(e.key.clone())).collect(),
            Value::List(items) => (0..items.len()).map(Step::Index).collect(),
            _ => Vec::new(),
        };
        steps.extend(
            found
                .into_iter()
                .filter(|step| !steps.contains(step))
                .collect::<Vec<_>>(),
        );
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn recipe(set: &[&str]) -> Recipe {
        let text =
            "model: {name_or_path: m.gguf}\ndata: {datasets: [{path: a, format: python_source}]}";
        let set: Vec<String> = set.iter().map(|&text| text.to_owned()).collect();
        Recipe::parse(text, Path::new("r.yaml"), &set, &[]).expect("a recipe")
    }

    fn check(first: &[&str], second: &[&str], expected: &[(&str, &str, &str)]) {
        let found = recipe(first).differences(&recipe(second));
        let found: Vec<_> = found
            .iter()
            .map(|d| (d.key.as_str(), d.first.as_str(), d.second.as_str()))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn equal_recipes_differ_in_nothing_even_where_one_writes_out_a_default() {
        check(&[], &["lora.r=8", "train.epochs=1"], &[]);
    }

    #[test]
    fn every_changed_key_is_named_with_both_values() {
        check(
            &["train.lr=1e-3", "data.datasets.0.path=b"],
            &["lora.target_modules=[q_proj]"],
            &[
                ("lora.target_modules", "\"all-linear\"", "a list of 1"),
                ("data.datasets[0].path", "\"b\"", "\"a\""),
                ("train.learning_rate", "0.001", "0.0002"),
            ],
        );
    }

    #[test]
    fn a_data_set_more_is_a_difference() {
        let two =
            "data.datasets=[{path: a, format: python_source}, {path: b, format: python_source}]";
        check(&[], &[two], &[("data.datasets[1]", "nothing", "a mapping")]);
    }
}
