//! Whether two programs are the same apart from layout, comments and docstrings.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::code_lines::without_docstring;
use crate::syntax::ast::Stmt;
use crate::syntax::ast::comparable::ComparableStmt;
use crate::syntax::ast::visitor::transformer::{self, Transformer};
use crate::syntax::{Fstrings, with_module};

/// Hash of the syntax tree of `source` without docstrings, or `None` if it does not parse.
///
/// Layout, comments, redundant brackets and the spelling of literals do not matter, names do. The value holds within
/// one build of this crate only: it is no key to store.
pub fn normalised_hash(source: &str) -> Option<u64> {
    with_module(source, Fstrings::Pep701, |module| {
        let mut hasher = DefaultHasher::new();
        for stmt in without_docstring(module.body()) {
            let mut stmt = stmt.clone();
            DocstringRemoval.visit_stmt(&mut stmt);
            ComparableStmt::from(&stmt).hash(&mut hasher);
        }
        hasher.finish()
    })
    .ok()
}

/// The same of every function and class at the top level of `source` by itself; decorators count.
///
/// A definition has the hash that [`normalised_hash`] gives for a source of nothing else.
pub fn definition_hashes(source: &str) -> Option<Vec<u64>> {
    let hash = |stmt: &Stmt| {
        let mut stmt = stmt.clone();
        DocstringRemoval.visit_stmt(&mut stmt);
        let mut hasher = DefaultHasher::new();
        ComparableStmt::from(&stmt).hash(&mut hasher);
        hasher.finish()
    };
    with_module(source, Fstrings::Pep701, |module| {
        let defines = |stmt: &&Stmt| matches!(stmt, Stmt::FunctionDef(_) | Stmt::ClassDef(_));
        module.body().iter().filter(defines).map(hash).collect()
    })
    .ok()
}

struct DocstringRemoval;

impl Transformer for DocstringRemoval {
    fn visit_stmt(&self, stmt: &mut Stmt) {
        let body = match stmt {
            Stmt::FunctionDef(function) => Some(&mut function.body),
            Stmt::ClassDef(class) => Some(&mut class.body),
            _ => None,
        };
        if let Some(body) = body {
            let n_strings = body.len() - without_docstring(body).len();
            body.drain(..n_strings);
        }
        transformer::walk_stmt(self, stmt);
    }
}
