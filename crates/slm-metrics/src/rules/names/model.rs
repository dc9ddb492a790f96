//! Scopes, bindings and lookup.

use std::collections::{HashMap, HashSet};

use crate::ast::TextRange;
use crate::builtins::is_builtin;

/// Nested scopes from one that keeps the results of lookups to the next, since lambdas can be nested thousands deep.
const DEEP: usize = 512;

/// What opens a scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::rules) enum ScopeKind {
    Module,
    Class,
    Function,
    Lambda,
    Comprehension,
    TypeParameters,
}

/// What binds a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::rules) enum BindingKind {
    /// `import a` or `import a as b`.
    Import,
    /// `import a.b`, which binds `a`.
    Submodule,
    /// `from a import b`.
    FromImport,
    /// An import that is kept without a use: `from __future__`, or an explicit re-export such as `import a as a`.
    KeptImport,
    Function,
    Class,
    Assignment,
    /// `:=`.
    Named,
    /// A part of an assigned tuple.
    Unpacked,
    Loop,
    With,
    WithUnpacked,
    Parameter,
    ExceptName,
    /// A declaration `x: int` without a value.
    Annotation,
    TypeParameter,
    /// A declaration `global` or `nonlocal`.
    Global,
    Nonlocal,
    Deleted,
    /// A deletion that may not have run.
    PerhapsDeleted,
}

impl BindingKind {
    pub(in crate::rules) fn is_import(self) -> bool {
        matches!(self, Self::Import | Self::Submodule | Self::FromImport)
    }
}

/// One binding of a name.
#[derive(Debug)]
pub(in crate::rules) struct Binding<'a> {
    pub(in crate::rules) name: &'a str,
    pub(in crate::rules) kind: BindingKind,
    pub(in crate::rules) range: TextRange,
    pub(in crate::rules) scope: usize,
    /// Uses of this binding, and of the one before it in the same scope.
    pub(in crate::rules) uses: usize,
    /// The innermost branch of an `if`, `try`, `match` or `with` around it.
    pub(in crate::rules) branch: usize,
    /// The binding of the same name in the same scope that it replaces.
    pub(in crate::rules) replaces: Option<usize>,
    /// Whether the name is declared `global` or `nonlocal`, or the definition is a typing overload.
    pub(in crate::rules) is_exempt: bool,
    /// The module path of an import.
    pub(in crate::rules) path: &'a str,
}

/// One scope.
#[derive(Debug)]
pub(in crate::rules) struct Scope<'a> {
    pub(in crate::rules) kind: ScopeKind,
    pub(super) parent: Option<usize>,
    /// Scopes around it.
    depth: usize,
    latest: HashMap<&'a str, usize>,
    /// Names declared `global` or `nonlocal`.
    pub(super) foreign: HashSet<&'a str>,
    /// Whether `locals()` is used, which reads every name.
    pub(in crate::rules) uses_locals: bool,
    /// The first read of each name that reached an outer scope, unless it is in a loop.
    pub(super) outer_reads: HashMap<&'a str, TextRange>,
}

/// A name that is used without a binding.
#[derive(Debug)]
pub(in crate::rules) struct Unresolved {
    pub(in crate::rules) name: String,
    pub(in crate::rules) range: TextRange,
    pub(super) scope: usize,
    pub(super) is_in_loop: bool,
}

/// The names of a module.
#[derive(Debug, Default)]
pub(in crate::rules) struct Names<'a> {
    pub(in crate::rules) scopes: Vec<Scope<'a>>,
    pub(in crate::rules) bindings: Vec<Binding<'a>>,
    /// Uses without a binding, by position.
    pub(in crate::rules) unresolved: Vec<Unresolved>,
    /// Reads of a local name before it is bound, where an outer scope has the name.
    pub(in crate::rules) early_reads: Vec<(&'a str, TextRange)>,
    /// Names of `except ... as NAME` that no use follows.
    pub(in crate::rules) unused_exceptions: Vec<(&'a str, TextRange)>,
    /// Whether names may be bound where the text does not show it: `import *`, `exec`, `globals()`.
    pub(in crate::rules) is_dynamic: bool,
    /// Names declared `global` in a function.
    pub(super) declared_global: HashSet<&'a str>,
    /// How often the latest binding of each name changed, in all scopes together.
    changes: HashMap<&'a str, usize>,
    /// Results of lookups from inside a scope, without and with declarations; each holds for a number of changes.
    known: HashMap<(usize, bool), HashMap<String, (usize, Lookup)>>,
}

/// The result of a lookup.
#[derive(Debug, Clone, Copy)]
pub(super) enum Lookup {
    Found(usize),
    Builtin,
    Missing,
}

impl<'a> Names<'a> {
    pub(super) fn push_scope(&mut self, kind: ScopeKind, parent: Option<usize>) -> usize {
        self.scopes.push(Scope {
            kind,
            parent,
            depth: parent.map_or(0, |parent| self.scopes[parent].depth + 1),
            latest: HashMap::new(),
            foreign: HashSet::new(),
            uses_locals: false,
            outer_reads: HashMap::new(),
        });
        self.scopes.len() - 1
    }

    /// Returns whether a binding is the last one of its name in its scope.
    pub(in crate::rules) fn is_latest(&self, at: usize) -> bool {
        let binding = &self.bindings[at];
        self.scopes[binding.scope].latest.get(binding.name) == Some(&at)
    }

    /// Returns the last binding of the same name in the same scope.
    pub(in crate::rules) fn latest(&self, binding: &Binding<'_>) -> Option<&Binding<'a>> {
        let at = self.scopes[binding.scope].latest.get(binding.name)?;
        Some(&self.bindings[*at])
    }

    /// Returns the last binding of a name in a scope.
    pub(super) fn latest_in(&self, scope: usize, name: &str) -> Option<usize> {
        self.scopes[scope].latest.get(name).copied()
    }

    /// Makes `binding` the last one of a name in a scope.
    pub(super) fn set_latest(&mut self, scope: usize, name: &'a str, binding: usize) {
        self.scopes[scope].latest.insert(name, binding);
        *self.changes.entry(name).or_default() += 1;
    }

    /// Looks a name up from `scope` outwards; annotations may also use declarations without a value.
    pub(super) fn lookup(&mut self, name: &str, scope: usize, is_annotation: bool) -> Lookup {
        let mut passed = Vec::new();
        let found = self.search(name, scope, is_annotation, &mut passed);
        let changes = self.changes_of(name);
        for scope in passed {
            let known = self.known.entry((scope, is_annotation)).or_default();
            known.insert(name.to_owned(), (changes, found));
        }
        found
    }

    fn changes_of(&self, name: &str) -> usize {
        self.changes.get(name).copied().unwrap_or(0)
    }

    /// Returns what an earlier search from inside `scope` found there and further out.
    fn known(&self, name: &str, scope: usize, is_annotation: bool) -> Option<Lookup> {
        let &(changes, found) = self.known.get(&(scope, is_annotation))?.get(name)?;
        (changes == self.changes_of(name)).then_some(found)
    }

    /// Searches a name, and adds the scopes on the way that should know the result.
    fn search(
        &self,
        name: &str,
        scope: usize,
        is_annotation: bool,
        passed: &mut Vec<usize>,
    ) -> Lookup {
        let mut at = Some(scope);
        let mut sees_class = true;
        let mut is_in_class = false;
        while let Some(current) = at {
            let inner = &self.scopes[current];
            let is_shared = current != scope && !sees_class && !is_in_class;
            if is_shared && inner.depth > 0 && inner.depth.is_multiple_of(DEEP) {
                if let Some(known) = self.known(name, current, is_annotation) {
                    return known;
                }
                passed.push(current);
            }
            at = inner.parent;
            let is_class = inner.kind == ScopeKind::Class;
            is_in_class |= is_class;
            if !is_class || sees_class {
                match inner
                    .latest
                    .get(name)
                    .map(|&binding| (binding, self.bindings[binding].kind))
                {
                    Some((_, BindingKind::Global)) => at = Some(0),
                    Some((_, BindingKind::Nonlocal)) | None => {}
                    Some((_, BindingKind::Annotation)) if !is_annotation => {}
                    // A function may have run before the outer name was deleted.
                    Some((_, BindingKind::Deleted)) if current != scope => return Lookup::Builtin,
                    Some((_, BindingKind::Deleted)) => return Lookup::Missing,
                    Some((binding, _)) => return Lookup::Found(binding),
                }
                if is_class && matches!(name, "__module__" | "__qualname__") {
                    return Lookup::Builtin;
                }
            }
            // The parameters of a generic method see the class, as the method's own header does.
            sees_class &= inner.kind == ScopeKind::TypeParameters;
        }
        if is_builtin(name) || is_special(name) || (is_in_class && name == "__class__") {
            Lookup::Builtin
        } else {
            Lookup::Missing
        }
    }

    /// Counts a use of a binding; the modules that `import a.b` and `import a.c` bind are used together.
    pub(super) fn mark_used(&mut self, binding: usize) {
        self.bindings[binding].uses += 1;
        let mut at = binding;
        while let Some(before) = self.bindings[at].replaces
            && self.bindings[at].kind == BindingKind::Submodule
            && matches!(
                self.bindings[before].kind,
                BindingKind::Submodule | BindingKind::Import
            )
            && self.bindings[before].uses == 0
        {
            self.bindings[before].uses += 1;
            at = before;
        }
    }

    /// Removes what is bound elsewhere after all: in a loop's earlier turn, or through `global`.
    pub(super) fn finish(&mut self) {
        let (scopes, globals) = (&self.scopes, &self.declared_global);
        self.unresolved.retain(|unresolved| {
            let name = unresolved.name.as_str();
            let is_bound_later =
                unresolved.is_in_loop && scopes[unresolved.scope].latest.contains_key(name);
            !is_bound_later && !globals.contains(name)
        });
        self.unresolved
            .sort_by_key(|unresolved| unresolved.range.start());
        self.early_reads.sort_by_key(|(_, range)| range.start());
    }
}

/// Names that only some platforms or kinds of files define.
fn is_special(name: &str) -> bool {
    matches!(name, "WindowsError" | "__path__" | "__cached__")
}
