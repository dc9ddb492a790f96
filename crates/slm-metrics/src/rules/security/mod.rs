//! Rules about security: single-file rules of bandit 1.9.4, with equal findings.
//!
//! A finding has bandit's line and severity. Names are resolved as bandit does it: by the imports before a call, in the
//! order of `CPython`'s syntax tree, regardless of scopes and of later assignments. Comments `# nosec` are ignored,
//! since a program that a model wrote must not decide which of its findings count; compare with `bandit --ignore-nosec`.
//! Known differences are listed in `tests/it/golden/bandit/README.md`.

mod banned;
mod banned_calls;
mod banned_imports;
mod call;
mod crypto;
mod django;
mod files;
mod folded;
mod imports;
mod loading;
mod passwords;
mod processes;
mod rule;
mod sql;
mod statements;
mod strings;
mod tls;
mod walk;
mod web;

use super::finding::Rule;

pub(super) use walk::check;

/// Returns all rules, by subject.
pub(super) fn all() -> impl Iterator<Item = &'static Rule> {
    let banned = banned_calls::CALLS.iter().chain(&banned_imports::IMPORTS);
    let tables: [&[&'static Rule]; 11] = [
        &crypto::RULES,
        &django::RULES,
        &files::RULES,
        &loading::RULES,
        &passwords::RULES,
        &processes::RULES,
        &sql::RULES,
        &statements::RULES,
        &strings::RULES,
        &tls::RULES,
        &web::RULES,
    ];
    banned
        .map(|banned| &banned.rule)
        .chain(tables.into_iter().flatten().copied())
}
