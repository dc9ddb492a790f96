//! `lora.init_from`: an adapter that is trained further, and the keys of section `lora` that follow it.

use std::path::PathBuf;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::node::{KeyPath, Node, Value};

/// Keys of section `lora` that describe an adapter's shape. With `init_from` they follow the adapter.
pub(crate) const FOLLOWING: [&str; 9] = [
    "r",
    "lora_alpha",
    "target_modules",
    "use_rslora",
    "use_dora",
    "init_lora_weights",
    "modules_to_save",
    "rank_pattern",
    "alpha_pattern",
];

/// The adapter that a training starts from: `lora.init_from`, written as its path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InitFrom {
    /// The adapter's folder, or the folder or the name of its training.
    pub path: PathBuf,
    named: Vec<&'static str>,
}

impl InitFrom {
    /// The keys of section `lora` that the recipe itself names although they follow the adapter, in reading order.
    pub fn named(&self) -> &[&'static str] {
        &self.named
    }

    /// The keys of section `lora` that follow the adapter. Their values in the recipe are defaults without a meaning.
    pub(crate) fn following(&self) -> impl Iterator<Item = &'static str> {
        let all = FOLLOWING.into_iter();
        all.filter(|key| !self.named.contains(key))
    }

    /// Notes which keys the recipe names in its own text or in a `--set` argument.
    pub(crate) fn note_named(&mut self, tree: &Node) {
        let Some(Value::Map(entries)) = tree
            .get(&KeyPath::default().child("lora"))
            .map(|node| &node.value)
        else {
            return;
        };
        let is_named = |key: &&str| entries.iter().any(|entry| entry.key == **key);
        self.named = FOLLOWING.into_iter().filter(is_named).collect();
    }
}

impl Serialize for InitFrom {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.path.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for InitFrom {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self {
            path: PathBuf::deserialize(deserializer)?,
            named: Vec::new(),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::recipe::{Lora, Recipe};

    /// The benchmark of a recipe that names none.
    const BENCHMARKS: &[&str] = &["embedded"];

    fn recipe(lora: &str, set: &[&str]) -> Recipe {
        let text = format!("model: {{name_or_path: m.gguf}}\nlora: {lora}\n");
        let set: Vec<String> = set.iter().map(|&text| text.to_owned()).collect();
        Recipe::parse_without_data(&text, Path::new("r.yaml"), &set, BENCHMARKS).expect("a recipe")
    }

    #[test]
    fn every_following_key_is_one_of_the_section() {
        for key in FOLLOWING {
            assert!(Lora::KEYS.iter().any(|row| row.name == key), "{key}");
        }
    }

    #[test]
    fn keys_that_a_recipe_names_are_known_in_every_spelling() {
        let found = recipe(
            "{init_from: a, lora_rank: 8, lora_dropout: 0.1}",
            &["lora.use_dora=false"],
        );
        let init_from = found.lora.init_from.expect("an adapter");
        assert_eq!(init_from.path, Path::new("a"));
        assert_eq!(init_from.named(), ["r", "use_dora"]);
        assert_eq!(recipe("{rank: 8}", &[]).lora.init_from, None);
    }

    #[test]
    fn a_resolved_copy_leaves_out_the_keys_that_follow_the_adapter() {
        let given = recipe("{init_from: a, alpha: 4}", &[]);
        let text = given.to_yaml();
        for (line, is_there) in [
            ("  init_from: a\n", true),
            ("  lora_alpha: 4\n", true),
            ("  lora_dropout: 0.0\n", true),
            ("  r: ", false),
            ("  target_modules: ", false),
            ("  rank_pattern: ", false),
        ] {
            assert_eq!(text.contains(line), is_there, "{line} in\n{text}");
        }
        let read = Recipe::parse_without_data(&text, Path::new("r.yaml"), &[], BENCHMARKS);
        assert_eq!(read.expect("the copy"), given);
        assert!(recipe("{}", &[]).to_yaml().contains("  r: 8\n"));
    }

    #[test]
    fn a_key_that_one_recipe_names_and_another_does_not_is_a_difference() {
        let (first, second) = (
            recipe("{init_from: a, r: 8}", &[]),
            recipe("{init_from: a}", &[]),
        );
        let found = first.differences(&second);
        let found: Vec<_> = found
            .iter()
            .map(|d| (&*d.key, &*d.first, &*d.second))
            .collect();
        assert_eq!(found, [("lora.r", "8", "nothing")]);
    }
}
