//! What all security rules have in common.

use super::super::finding::{Category, Minutes, Rule};

/// Returns a security rule whose repair takes `minutes`; `known_as` is its name in bandit.
pub(super) const fn rule(
    id: &'static str,
    known_as: &'static str,
    title: &'static str,
    minutes: f64,
) -> Rule {
    Rule {
        id,
        category: Category::Security,
        title,
        known_as,
        minutes: Minutes::Constant(minutes),
    }
}
