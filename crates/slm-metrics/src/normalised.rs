//! Compares programs ignoring layout, comments and docstrings.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::ast::Stmt;
use crate::ast::comparable::ComparableStmt;
use crate::ast::visitor::transformer::{self, Transformer};
use crate::code_lines::without_docstring;
use crate::parser::{Fstrings, with_module, with_recovered_module};

/// Returns a hash of the syntax tree of `source` without docstrings; `None` if it does not parse.
///
/// Layout, comments, redundant brackets and the spelling of literals do not matter, names do. The value is only
/// valid within one build of this crate and must not be stored.
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

/// Returns such a hash for each function and class at the top level of `source`; decorators count.
///
/// A definition has the hash that [`normalised_hash`] returns for a source with only this definition.
pub fn definition_hashes(source: &str) -> Option<Vec<u64>> {
    with_module(source, Fstrings::Pep701, |module| {
        let defines = |stmt: &&Stmt| matches!(stmt, Stmt::FunctionDef(_) | Stmt::ClassDef(_));
        module
            .body()
            .iter()
            .filter(defines)
            .map(stmt_hash)
            .collect()
    })
    .ok()
}

/// Returns such a hash for each function at the top level of `source`, as if all had the same name: copies of a function
/// under another name have the same.
pub fn nameless_function_hashes(source: &str) -> Option<Vec<u64>> {
    with_module(source, Fstrings::Pep701, |module| {
        let nameless = |stmt: &Stmt| match stmt {
            Stmt::FunctionDef(function) => {
                let mut function = function.clone();
                function.name.id = "_".into();
                Some(stmt_hash(&Stmt::FunctionDef(function)))
            }
            _ => None,
        };
        module.body().iter().filter_map(nameless).collect()
    })
    .ok()
}

fn stmt_hash(stmt: &Stmt) -> u64 {
    let mut stmt = stmt.clone();
    DocstringRemoval.visit_stmt(&mut stmt);
    let mut hasher = DefaultHasher::new();
    ComparableStmt::from(&stmt).hash(&mut hasher);
    hasher.finish()
}

/// Returns whether `program` parses and contains no statement beyond those of `prompt`, the text that it answers.
///
/// Comments, docstrings and signatures are not statements: neither is a function with only a docstring, nor a
/// class of such functions. `pass` is one.
pub fn adds_nothing(program: &str, prompt: &str) -> bool {
    let added = with_module(program, Fstrings::Pep701, |module| {
        let stmts = without_docstring(module.body()).iter();
        let hashes: Vec<u64> = stmts.filter(|stmt| !is_bare(stmt)).map(stmt_hash).collect();
        hashes
    });
    match added {
        Err(_) => false,
        Ok(added) if added.is_empty() => true,
        Ok(added) => {
            let given = with_recovered_module(prompt, Fstrings::Pep701, |module| {
                let hashes: HashSet<u64> = module.body().iter().map(stmt_hash).collect();
                hashes
            });
            given.is_ok_and(|given| added.iter().all(|hash| given.contains(hash)))
        }
    }
}

/// Returns whether a definition has no statement below its signature.
fn is_bare(stmt: &Stmt) -> bool {
    match stmt {
        Stmt::FunctionDef(function) => {
            function.decorator_list.is_empty() && without_docstring(&function.body).is_empty()
        }
        Stmt::ClassDef(class) => {
            let methods = without_docstring(&class.body);
            // A class with only a docstring may be a complete solution, such as an exception.
            !methods.is_empty() && class.decorator_list.is_empty() && methods.iter().all(is_bare)
        }
        _ => false,
    }
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
