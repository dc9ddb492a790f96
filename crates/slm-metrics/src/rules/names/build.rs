//! Builds the names of a module in one walk, with the bodies of functions last.

mod definitions;
mod exceptions;
mod imports;
mod type_strings;

use std::collections::VecDeque;

use crate::ast::visitor::{self, Visitor};
use crate::ast::{self, Expr, ExprContext, Ranged, Stmt, TextRange};
use crate::parser::Module;

use super::annotations::{is_named, names_in_type};
use super::model::{Binding, BindingKind, Lookup, Names, ScopeKind, Unresolved};

/// Returns the names of `module`.
pub(in crate::rules) fn names<'a>(module: &'a Module<'a>) -> Names<'a> {
    let mut names = Names::default();
    let scope = names.push_scope(ScopeKind::Module, None);
    let mut builder = Builder {
        names,
        at: Place {
            scope,
            ..Place::default()
        },
        n_branches: 0,
        defers_annotations: false,
        target: BindingKind::Assignment,
        deferred: VecDeque::new(),
        exports: Vec::new(),
        exported: TextRange::default(),
    };
    builder.visit_body(module.body());
    builder.run_deferred();
    for name in std::mem::take(&mut builder.exports) {
        if let Lookup::Found(binding) = builder.names.lookup(name, 0, false) {
            builder.names.mark_used(binding);
        }
    }
    builder.names.finish();
    builder.names
}

/// Where the walk is.
#[derive(Debug, Clone, Copy, Default)]
struct Place {
    scope: usize,
    branch: usize,
    /// Enclosing loops and branches within the scope.
    n_loops: usize,
    n_conditions: usize,
    /// Enclosing `try` statements that handle `NameError`.
    n_name_handlers: usize,
    is_annotation: bool,
}

/// Code that runs after the statements around it.
enum Deferred<'a> {
    Function(&'a ast::StmtFunctionDef),
    Lambda(&'a ast::ExprLambda),
    Annotation(&'a Expr),
    /// A type in a string; unless it is `certain` to be one, missing names are no finding.
    Type {
        text: &'a str,
        range: TextRange,
        certain: bool,
    },
}

struct Builder<'a> {
    names: Names<'a>,
    at: Place,
    n_branches: usize,
    defers_annotations: bool,
    /// The kind of the bindings that a stored name makes.
    target: BindingKind,
    deferred: VecDeque<(Place, Deferred<'a>)>,
    /// Names in `__all__`.
    exports: Vec<&'a str>,
    /// The last value whose strings were added to them.
    exported: TextRange,
}

impl<'a> Builder<'a> {
    fn run_deferred(&mut self) {
        while let Some((place, deferred)) = self.deferred.pop_front() {
            self.at = place;
            match deferred {
                Deferred::Function(function) => {
                    self.enter(ScopeKind::Function);
                    self.parameters(&function.parameters);
                    self.declare_foreign(&function.body);
                    self.visit_body(&function.body);
                }
                Deferred::Lambda(lambda) => {
                    self.enter(ScopeKind::Lambda);
                    if let Some(parameters) = &lambda.parameters {
                        self.parameters(parameters);
                    }
                    self.visit_expr(&lambda.body);
                }
                Deferred::Annotation(annotation) => self.visit_expr(annotation),
                Deferred::Type {
                    text,
                    range,
                    certain,
                } => {
                    for name in names_in_type(text) {
                        match self.names.lookup(&name, self.at.scope, true) {
                            Lookup::Found(binding) => {
                                let kind = self.names.bindings[binding].kind;
                                if certain || kind != BindingKind::Assignment {
                                    self.names.mark_used(binding);
                                }
                            }
                            Lookup::Missing if certain => self.unresolved(name, range),
                            Lookup::Missing | Lookup::Builtin => {}
                        }
                    }
                }
            }
        }
    }

    fn defer(&mut self, deferred: Deferred<'a>) {
        self.deferred.push_back((self.at, deferred));
    }

    /// Opens a scope in which loops and conditions count from zero.
    fn enter(&mut self, kind: ScopeKind) {
        self.at.scope = self.names.push_scope(kind, Some(self.at.scope));
        self.at.n_loops = 0;
        self.at.n_conditions = 0;
    }

    fn within(&mut self, kind: ScopeKind, visit: impl FnOnce(&mut Self)) {
        let place = self.at;
        self.enter(kind);
        visit(self);
        self.at = place;
    }

    fn branch(&mut self, visit: impl FnOnce(&mut Self)) -> usize {
        let place = self.at;
        self.n_branches += 1;
        self.at.branch = self.n_branches;
        self.at.n_conditions += 1;
        visit(self);
        self.at = place;
        self.n_branches
    }

    fn in_loop(&mut self, visit: impl FnOnce(&mut Self)) {
        self.at.n_loops += 1;
        visit(self);
        self.at.n_loops -= 1;
    }

    /// Stores into `expr` with bindings of `kind`.
    fn store(&mut self, expr: &'a Expr, kind: BindingKind) {
        let outer = std::mem::replace(&mut self.target, kind);
        self.visit_expr(expr);
        self.target = outer;
    }

    fn bind(&mut self, name: &'a str, kind: BindingKind, range: TextRange) -> usize {
        let mut scope = self.at.scope;
        if kind == BindingKind::Named {
            while self.names.scopes[scope].kind == ScopeKind::Comprehension
                && let Some(parent) = self.names.scopes[scope].parent
            {
                scope = parent;
            }
        }
        let mut is_exempt = false;
        if self.names.scopes[scope].foreign.contains(name) {
            is_exempt = true;
            match self.names.lookup(name, scope, false) {
                Lookup::Found(binding) => self.names.mark_used(binding),
                Lookup::Builtin | Lookup::Missing => {}
            }
            if !matches!(kind, BindingKind::Global | BindingKind::Nonlocal) {
                return self.push(name, kind, range, scope, None, is_exempt);
            }
        }
        let replaces = self.names.latest_in(scope, name);
        if kind == BindingKind::Annotation
            && let Some(before) = replaces
        {
            return before;
        }
        if replaces.is_none()
            && self.names.scopes[scope].kind == ScopeKind::Function
            && let Some(range) = self.names.scopes[scope].outer_reads.remove(name)
        {
            self.names.early_reads.push((name, range));
        }
        let binding = self.push(name, kind, range, scope, replaces, is_exempt);
        self.names.set_latest(scope, name, binding);
        binding
    }

    fn push(
        &mut self,
        name: &'a str,
        kind: BindingKind,
        range: TextRange,
        scope: usize,
        replaces: Option<usize>,
        is_exempt: bool,
    ) -> usize {
        let inherited = replaces
            .map(|before| &self.names.bindings[before])
            .filter(|before| !matches!(before.kind, BindingKind::Deleted))
            .map_or(0, |before| before.uses);
        self.names.bindings.push(Binding {
            name,
            kind,
            range,
            scope,
            uses: inherited,
            branch: self.at.branch,
            replaces,
            is_exempt,
            path: "",
        });
        self.names.bindings.len() - 1
    }

    fn load(&mut self, name: &'a str, range: TextRange) {
        let scope = self.at.scope;
        let is_outer = match self.names.lookup(name, scope, self.at.is_annotation) {
            Lookup::Found(binding) => {
                self.names.mark_used(binding);
                self.names.bindings[binding].scope != scope
            }
            Lookup::Builtin => {
                match name {
                    "locals" | "vars" | "eval" => self.names.scopes[scope].uses_locals = true,
                    "exec" | "globals" => self.names.is_dynamic = true,
                    _ => {}
                }
                true
            }
            Lookup::Missing => {
                self.unresolved(name.to_owned(), range);
                false
            }
        };
        let inner = &mut self.names.scopes[scope];
        if is_outer && self.at.n_loops == 0 && inner.kind == ScopeKind::Function {
            inner.outer_reads.entry(name).or_insert(range);
        }
    }

    fn unresolved(&mut self, name: String, range: TextRange) {
        if self.at.n_name_handlers == 0 {
            self.names.unresolved.push(Unresolved {
                name,
                range,
                scope: self.at.scope,
                is_in_loop: self.at.n_loops > 0,
            });
        }
    }

    fn delete(&mut self, name: &'a str, range: TextRange) {
        let scope = self.at.scope;
        // `del` makes the name local, so an outer one does not count.
        let local = self.names.latest_in(scope, name);
        match local.filter(|&local| self.names.bindings[local].kind != BindingKind::Deleted) {
            Some(local) => self.names.mark_used(local),
            None => self.unresolved(name.to_owned(), range),
        }
        let is_conditional = self.at.n_loops + self.at.n_conditions > 0;
        let kind = if is_conditional {
            BindingKind::PerhapsDeleted
        } else {
            BindingKind::Deleted
        };
        self.bind(name, kind, range);
    }

    /// Visits a comprehension, whose first iterable belongs to the enclosing scope.
    fn comprehension(&mut self, generators: &'a [ast::Comprehension], elements: &[&'a Expr]) {
        let Some((first, others)) = generators.split_first() else {
            return;
        };
        self.visit_expr(&first.iter);
        self.within(ScopeKind::Comprehension, |inner| {
            inner.store(&first.target, BindingKind::Loop);
            for condition in &first.ifs {
                inner.visit_expr(condition);
            }
            for generator in others {
                inner.visit_expr(&generator.iter);
                inner.store(&generator.target, BindingKind::Loop);
                for condition in &generator.ifs {
                    inner.visit_expr(condition);
                }
            }
            for element in elements {
                inner.visit_expr(element);
            }
        });
    }

    fn assign(&mut self, targets: &'a [Expr], value: &'a Expr) {
        self.visit_expr(value);
        for target in targets {
            // `a, b = 1, 2` could be two assignments.
            let is_unpacking = !value.is_tuple_expr() || targets.len() > 1;
            let kind = match target {
                Expr::Name(name) => {
                    if name.id == "__all__" {
                        self.export(value);
                    }
                    BindingKind::Assignment
                }
                _ if is_unpacking => BindingKind::Unpacked,
                _ => BindingKind::Assignment,
            };
            self.store(target, kind);
        }
    }

    fn type_alias(&mut self, alias: &'a ast::StmtTypeAlias) {
        self.store(&alias.name, BindingKind::Assignment);
        let place = self.at;
        self.at.scope = self
            .names
            .push_scope(ScopeKind::TypeParameters, Some(self.at.scope));
        if let Some(type_params) = &alias.type_params {
            self.visit_type_params(type_params);
        }
        self.at.is_annotation = true;
        self.defer(Deferred::Annotation(&alias.value));
        self.at = place;
    }

    fn names_of_pattern(&mut self, pattern: &'a ast::Pattern) {
        let captured = match pattern {
            ast::Pattern::MatchAs(pattern) => pattern.name.as_ref(),
            ast::Pattern::MatchStar(pattern) => pattern.name.as_ref(),
            ast::Pattern::MatchMapping(pattern) => pattern.rest.as_ref(),
            _ => None,
        };
        if let Some(name) = captured {
            self.bind(name, BindingKind::Assignment, name.range());
        }
    }
}

impl<'a> Visitor<'a> for Builder<'a> {
    fn visit_stmt(&mut self, stmt: &'a Stmt) {
        match stmt {
            Stmt::FunctionDef(function) => self.function(function),
            Stmt::ClassDef(class) => self.class(class),
            Stmt::Import(import) => self.import(import),
            Stmt::ImportFrom(import) => self.import_from(import),
            Stmt::Assign(assign) => self.assign(&assign.targets, &assign.value),
            Stmt::AnnAssign(assign) => {
                if let Some(value) = &assign.value {
                    self.visit_expr(value);
                    if is_named(&assign.target, "__all__") {
                        self.export(value);
                    }
                }
                self.visit_annotation(&assign.annotation);
                let kind = if assign.value.is_some() {
                    BindingKind::Assignment
                } else {
                    BindingKind::Annotation
                };
                self.store(&assign.target, kind);
            }
            Stmt::AugAssign(assign) => {
                self.visit_expr(&assign.value);
                if let Expr::Name(name) = &*assign.target {
                    if name.id == "__all__" {
                        self.export(&assign.value);
                    }
                    self.load(&name.id, name.range);
                }
                self.store(&assign.target, BindingKind::Assignment);
            }
            Stmt::For(stmt) => {
                self.visit_expr(&stmt.iter);
                self.in_loop(|inner| {
                    inner.store(&stmt.target, BindingKind::Loop);
                    inner.visit_body(&stmt.body);
                });
                self.visit_body(&stmt.orelse);
            }
            Stmt::While(stmt) => {
                self.in_loop(|inner| {
                    inner.visit_expr(&stmt.test);
                    inner.visit_body(&stmt.body);
                });
                self.visit_body(&stmt.orelse);
            }
            Stmt::If(stmt) => {
                self.visit_expr(&stmt.test);
                self.branch(|inner| inner.visit_body(&stmt.body));
                for clause in &stmt.elif_else_clauses {
                    self.branch(|inner| {
                        if let Some(test) = &clause.test {
                            inner.visit_expr(test);
                        }
                        inner.visit_body(&clause.body);
                    });
                }
            }
            Stmt::With(stmt) => {
                for item in &stmt.items {
                    self.visit_expr(&item.context_expr);
                    if let Some(vars) = &item.optional_vars {
                        let is_name = vars.is_name_expr();
                        self.store(
                            vars,
                            if is_name {
                                BindingKind::With
                            } else {
                                BindingKind::WithUnpacked
                            },
                        );
                    }
                }
                self.branch(|inner| inner.visit_body(&stmt.body));
            }
            Stmt::Match(stmt) => {
                self.visit_expr(&stmt.subject);
                for case in &stmt.cases {
                    self.branch(|inner| inner.visit_match_case(case));
                }
            }
            Stmt::Try(stmt) => self.try_stmt(stmt),
            Stmt::TypeAlias(alias) => self.type_alias(alias),
            _ => visitor::walk_stmt(self, stmt),
        }
    }

    fn visit_annotation(&mut self, annotation: &'a Expr) {
        let is_outer = std::mem::replace(&mut self.at.is_annotation, true);
        let is_local = self.names.scopes[self.at.scope].kind == ScopeKind::Function;
        if self.defers_annotations || is_local {
            self.defer(Deferred::Annotation(annotation));
        } else {
            self.visit_expr(annotation);
        }
        self.at.is_annotation = is_outer;
    }

    fn visit_expr(&mut self, expr: &'a Expr) {
        match expr {
            Expr::Name(name) => match name.ctx {
                ExprContext::Load | ExprContext::Invalid => self.load(&name.id, name.range),
                ExprContext::Store => {
                    self.bind(&name.id, self.target, name.range);
                }
                ExprContext::Del => self.delete(&name.id, name.range),
            },
            Expr::Named(named) => {
                self.visit_expr(&named.value);
                self.store(&named.target, BindingKind::Named);
            }
            Expr::Lambda(lambda) => {
                if let Some(parameters) = &lambda.parameters {
                    visitor::walk_parameters(self, parameters);
                }
                self.defer(Deferred::Lambda(lambda));
            }
            Expr::ListComp(comp) => self.comprehension(&comp.generators, &[&comp.elt]),
            Expr::SetComp(comp) => self.comprehension(&comp.generators, &[&comp.elt]),
            Expr::Generator(comp) => self.comprehension(&comp.generators, &[&comp.elt]),
            Expr::DictComp(comp) => match &comp.key {
                Some(key) => self.comprehension(&comp.generators, &[key, &comp.value]),
                None => self.comprehension(&comp.generators, &[&comp.value]),
            },
            Expr::StringLiteral(string) if self.at.is_annotation => self.string_type(string, true),
            Expr::Subscript(subscript) if is_named(&subscript.value, "Literal") => {
                self.visit_expr(&subscript.value);
                let is_annotation = std::mem::take(&mut self.at.is_annotation);
                self.visit_expr(&subscript.slice);
                self.at.is_annotation = is_annotation;
            }
            Expr::Subscript(subscript)
                if self.at.is_annotation && is_named(&subscript.value, "Annotated") =>
            {
                self.visit_expr(&subscript.value);
                let elts = match &*subscript.slice {
                    Expr::Tuple(tuple) => &tuple.elts[..],
                    slice => std::slice::from_ref(slice),
                };
                let Some((first, metadata)) = elts.split_first() else {
                    return;
                };
                self.visit_expr(first);
                self.at.is_annotation = false;
                for elt in metadata {
                    self.visit_expr(elt);
                }
                self.at.is_annotation = true;
            }
            Expr::Subscript(subscript) => {
                if !self.at.is_annotation {
                    self.perhaps_type(&subscript.slice);
                }
                visitor::walk_expr(self, expr);
            }
            Expr::Call(call) => {
                self.call(call);
                // The arguments of a call in an annotation are values.
                let is_annotation = std::mem::take(&mut self.at.is_annotation);
                visitor::walk_expr(self, expr);
                self.at.is_annotation = is_annotation;
            }
            _ => visitor::walk_expr(self, expr),
        }
    }

    fn visit_pattern(&mut self, pattern: &'a ast::Pattern) {
        visitor::walk_pattern(self, pattern);
        self.names_of_pattern(pattern);
    }

    fn visit_type_param(&mut self, type_param: &'a ast::TypeParam) {
        let name = type_param.name();
        self.bind(name, BindingKind::TypeParameter, name.range());
        visitor::walk_type_param(self, type_param);
    }
}
