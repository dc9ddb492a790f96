//! The default of a key, as a recipe would write it.

use crate::deserialize;
use crate::node::{KeyPath, Node, Origin, Value};
use crate::recipe::Recipe;
use crate::schema::Row;
use crate::yaml;

/// The keys without which there is no recipe.
const BARE: &str = "model: {name_or_path: x}";

/// The required keys of the items of each list, and of each section that may be left out.
const ITEMS: &str = "\
model: {name_or_path: x}
data: {datasets: [{path: x, format: fim, fim_tokens: {prefix: a, suffix: b, middle: c}}]}
evaluate:
  endpoint: {url: http://x}
  speakers: {reviewer: teacher}
  teacher: {url: http://x, model: x}
  benchmarks: [{name: x}]
  hypotheses: [{id: h2, metric: cyclomatic_complexity, effect: -1}]
improve: {tasks: [{name: x}]}
";

/// The defaults of all keys.
pub(super) struct Defaults {
    /// [`BARE`] and [`ITEMS`], each as given and with all defaults.
    recipes: [(Node, Node); 2],
}

impl Defaults {
    pub(super) fn new() -> Self {
        let read = |text| {
            let given = yaml::parse(text, Origin::File).expect("the text above is YAML");
            let (recipe, _) = deserialize::from_node::<Recipe>(&given, &["x"])
                .expect("the text above has all required keys");
            (given, yaml::to_node(&recipe))
        };
        Self {
            recipes: [BARE, ITEMS].map(read),
        }
    }

    /// Whether a recipe, or a section or item that is given, is refused without the key.
    pub(super) fn is_required(&self, row: &Row) -> bool {
        let path = first_item(&row.path);
        let [bare, items] = &self.recipes;
        // The items of a list need their keys even where the list has a default with items.
        let is_item = row.path.contains("[]") || bare.1.get(&path).is_none();
        let given = if is_item { &items.0 } else { &bare.0 };
        row.key.absent.is_none() && given.get(&path).is_some()
    }

    /// The value of a recipe that does not give the key.
    fn node(&self, row: &Row) -> Option<&Node> {
        let path = first_item(&row.path);
        self.recipes
            .iter()
            .find_map(|(_, resolved)| resolved.get(&path))
    }

    /// The default as a recipe writes it, or in words; `None` for a required key and for a section.
    pub(super) fn of(&self, row: &Row) -> Option<String> {
        if let Some(words) = row.key.absent {
            return Some(words.to_owned());
        }
        if self.is_required(row) {
            return None;
        }
        match &self.node(row)?.value {
            Value::Map(entries) if !entries.is_empty() => None,
            value => Some(format!("`{}`", flow(value))),
        }
    }

    /// The default as a value, if it is one.
    pub(super) fn value(&self, row: &Row) -> Option<&Value> {
        if row.key.absent.is_some() || self.is_required(row) {
            return None;
        }
        let value = &self.node(row)?.value;
        (!matches!(value, Value::Map(_) | Value::Null)).then_some(value)
    }
}

fn first_item(path: &str) -> KeyPath {
    KeyPath::parse(&path.replace("[]", "[0]")).expect("rows have no empty step")
}

/// A value in YAML's flow style.
fn flow(value: &Value) -> String {
    match value {
        Value::Text(text) => text.clone(),
        Value::List(items) => {
            let items: Vec<_> = items.iter().map(|item| flow(&item.value)).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Map(_) => "{}".to_owned(),
        other => other.to_string(),
    }
}
