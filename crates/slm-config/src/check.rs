//! Values against their ranges, and keys against each other. All mistakes are reported together.
//!
//! `table` compares each value with its row in the table of keys. The other files hold the rules that involve several keys
//! or the form of a text.

mod data;
mod endpoint;
mod evaluate;
mod experiment;
mod improve;
mod knowledge;
mod model;
mod table;
mod train;

use std::fmt::Debug;

use crate::node::{KeyPath, Step};
use crate::recipe::{NAME_FORM, Recipe};
use crate::yaml;

/// Whether a command reads the recipe's data sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needs {
    /// At least one must be given.
    Data,
    /// None need be given.
    NoData,
}

/// A value outside its range; `found` is the value in the struct, which may be a default.
pub(crate) struct Finding {
    pub(crate) path: KeyPath,
    pub(crate) found: String,
    pub(crate) allowed: String,
    /// Whether the value may be a secret, so that neither it nor the argument that holds it is shown.
    pub(crate) hidden: bool,
}

/// All values of `recipe` that are outside their ranges or contradict another key, in reading order, one for each key.
pub(crate) fn findings(recipe: &Recipe, needs: Needs) -> Vec<Finding> {
    let Recipe {
        name,
        model,
        lora,
        data,
        train,
        output: _,
        evaluate,
        improve: _,
        knowledge: _,
        costs: _,
    } = recipe;
    // Rules that hide a secret come first: the first finding of a key is shown.
    let mut hidden = Check::default();
    if let Some(of) = &evaluate.endpoint {
        hidden.secrets_of_server("evaluate.endpoint", &of.url, of.api_key_env.as_deref());
    }
    if let Some(of) = &evaluate.teacher {
        hidden.secrets_of_server("evaluate.teacher", &of.url, of.api_key_env.as_deref());
    }
    let mut check = Check(hidden.0);
    check
        .0
        .extend(table::findings(Recipe::KEYS, &yaml::to_node(recipe)));
    check.require(is_file_name(name), "name", name, NAME_FORM);
    check.model(model);
    check.lora(lora);
    check.data(data, needs);
    check.train(train);
    check.objective(recipe);
    check.evaluate(evaluate);
    check.workflows(recipe);
    check.improve(recipe);
    check.knowledge(recipe);
    in_reading_order(check.0)
}

/// The first finding of each key, in the order of a recipe: sections and keys as in the table, items by their index.
fn in_reading_order(findings: Vec<Finding>) -> Vec<Finding> {
    let mut first: Vec<Finding> = Vec::new();
    for finding in findings {
        if first.iter().all(|before| before.path != finding.path) {
            first.push(finding);
        }
    }
    first.sort_by_key(|finding| place_of(&finding.path));
    first
}

/// The place of each step of a path among its neighbours.
fn place_of(path: &KeyPath) -> Vec<usize> {
    let mut keys = Recipe::KEYS;
    let mut place = Vec::new();
    for step in &path.0 {
        match step {
            Step::Index(index) => place.push(*index),
            Step::Key(name) => {
                let at = keys.iter().position(|key| key.name == name);
                place.push(at.unwrap_or(keys.len()));
                keys = at.map_or(&[], |at| keys[at].kind.keys_below());
            }
        }
    }
    place
}

#[derive(Default)]
struct Check(Vec<Finding>);

impl Check {
    /// Whether a key has a finding already.
    fn has(&self, key: &str) -> bool {
        let path = KeyPath::parse(key);
        self.0
            .iter()
            .any(|finding| Some(&finding.path) == path.as_ref())
    }

    fn require(&mut self, holds: bool, key: &str, found: impl Debug, allowed: impl Into<String>) {
        if !holds {
            self.report(key, format!("{found:?}"), allowed.into());
        }
    }

    fn missing(&mut self, key: &str, allowed: &str) {
        self.report(key, "missing".to_owned(), allowed.to_owned());
    }

    fn report(&mut self, key: &str, found: String, allowed: String) {
        let path = KeyPath::parse(key).expect("the keys in this file have no empty step");
        self.0.push(Finding {
            path,
            found,
            allowed,
            hidden: false,
        });
    }

    /// A mistake whose value may be a secret.
    fn report_hidden(&mut self, key: &str, allowed: &str) {
        self.report(key, "something else".to_owned(), allowed.to_owned());
        if let Some(finding) = self.0.last_mut() {
            finding.hidden = true;
        }
    }
}

/// Whether a name can be a file name on every system.
fn is_file_name(name: &str) -> bool {
    !name.is_empty() && !name.starts_with('.') && name.chars().all(is_plain)
}

/// Whether a character means nothing special in a file's name.
pub(crate) fn is_plain(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '.' | '-' | '_')
}
