//! The range of every value. Nothing here stops at the first mistake.

mod data;
mod endpoint;
mod evaluate;
mod experiment;
mod model;
mod train;

use std::fmt::{Debug, Display};
use std::ops::{Bound, RangeBounds, RangeInclusive};

use crate::node::KeyPath;
use crate::recipe::Recipe;

/// Largest seed: every JSON reader takes whole numbers up to here.
const MAX_SEED: u64 = 1 << 53;

/// Whether a command reads the recipe's data sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needs {
    /// At least one has to be named.
    Data,
    /// None has to be.
    NoData,
}

/// A value outside its range; `found` is the value in the struct, which a default may have put there.
pub(crate) struct Finding {
    pub(crate) path: KeyPath,
    pub(crate) found: String,
    pub(crate) allowed: String,
    /// Whether the value may be a secret, so that neither it nor the argument that holds it is shown.
    pub(crate) hidden: bool,
}

/// All values of `recipe` that are outside their ranges, in reading order.
pub(crate) fn findings(recipe: &Recipe, needs: Needs) -> Vec<Finding> {
    let Recipe {
        name,
        model,
        lora,
        data,
        train,
        output,
        evaluate,
    } = recipe;
    let mut check = Check::default();
    check.require(
        is_file_name(name),
        "name",
        name,
        "letters, digits, `.`, `-` and `_`, no leading dot",
    );
    check.model(model);
    check.lora(lora);
    check.data(data, needs);
    check.train(train);
    check.output(output);
    check.evaluate(evaluate);
    check.0
}

#[derive(Default)]
struct Check(Vec<Finding>);

impl Check {
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

    fn int_in<N: PartialOrd + Debug + Display>(
        &mut self,
        key: &str,
        value: N,
        range: RangeInclusive<N>,
    ) {
        let allowed = format!("{} to {}", range.start(), range.end());
        self.require(range.contains(&value), key, &value, allowed);
    }

    /// Like [`Self::int_in`]; not-a-number is in no range.
    fn float_in(&mut self, key: &str, value: f64, range: impl RangeBounds<f64>) {
        let low = match range.start_bound() {
            Bound::Included(low) => format!("{low} or more"),
            Bound::Excluded(low) => format!("above {low}"),
            Bound::Unbounded => "any number".to_owned(),
        };
        let high = match range.end_bound() {
            Bound::Included(high) => format!(", at most {high}"),
            Bound::Excluded(high) => format!(", below {high}"),
            Bound::Unbounded => String::new(),
        };
        self.require(
            range.contains(&value) && value.is_finite(),
            key,
            value,
            low + &high,
        );
    }

    fn sha256(&mut self, key: &str, value: Option<&String>) {
        let Some(text) = value else { return };
        let holds = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        self.require(holds, key, text, "64 hexadecimal digits");
    }

    fn not_blank(&mut self, key: &str, value: &str, allowed: &str) {
        self.require(!value.trim().is_empty(), key, value, allowed);
    }

    /// A list with at least one item, none of them twice.
    fn choice<T: PartialEq + Debug>(&mut self, key: &str, items: &[T], of: &str) {
        self.require(!items.is_empty(), key, items, format!("at least one {of}"));
        for (index, item) in items.iter().enumerate() {
            let once = !items[..index].contains(item);
            self.require(
                once,
                &format!("{key}[{index}]"),
                item,
                format!("each {of} once"),
            );
        }
    }
}

/// Whether a name can stand as a file's name on every system.
fn is_file_name(name: &str) -> bool {
    !name.is_empty() && !name.starts_with('.') && name.chars().all(is_plain)
}

/// Whether a character means nothing special in a file's name.
pub(crate) fn is_plain(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '.' | '-' | '_')
}
