//! The names that a top-level statement binds, changes and uses.

use std::collections::BTreeSet;

use crate::ast::visitor::{self, Visitor};
use crate::ast::{self, Expr, ExprContext, Stmt};

/// The names in one or more top-level statements.
#[derive(Debug, Default)]
pub(crate) struct Names<'a> {
    /// Names bound at the top level, including in branches of a compound statement.
    pub(crate) binds: BTreeSet<&'a str>,
    /// Names whose value is changed: the base of an assigned attribute or item, of a method call used as a
    /// statement, or of a decorator that is an attribute (which may register the function).
    pub(crate) changes: BTreeSet<&'a str>,
    /// Names read, including in functions unless they are local there.
    pub(crate) uses: BTreeSet<&'a str>,
    /// Whether it imports a module, or configures the interpreter.
    pub(crate) imports: bool,
}

impl<'a> Names<'a> {
    pub(crate) fn of(stmt: &'a Stmt) -> Self {
        let mut collector = Collector::default();
        collector.visit_stmt(stmt);
        collector.names
    }

    pub(crate) fn merge(mut self, other: Self) -> Self {
        self.binds.extend(other.binds);
        self.changes.extend(other.changes);
        self.uses.extend(other.uses);
        self.imports |= other.imports;
        self
    }
}

/// The names in a function, class, lambda or comprehension.
#[derive(Default)]
struct Scope<'a> {
    binds: BTreeSet<&'a str>,
    uses: BTreeSet<&'a str>,
    /// Names declared `global` or `nonlocal`.
    foreign: BTreeSet<&'a str>,
}

/// Walks one top-level statement; `names` collects module-level names, `scopes` those inside functions.
#[derive(Default)]
struct Collector<'a> {
    names: Names<'a>,
    scopes: Vec<Scope<'a>>,
}

impl<'a> Collector<'a> {
    fn is_module_level(&self) -> bool {
        self.scopes.is_empty()
    }

    fn bind(&mut self, name: &'a str) {
        match self.scopes.last_mut() {
            Some(scope) => scope.binds.insert(name),
            None => self.names.binds.insert(name),
        };
    }

    fn r#use(&mut self, name: &'a str) {
        match self.scopes.last_mut() {
            Some(scope) => scope.uses.insert(name),
            None => self.names.uses.insert(name),
        };
    }

    fn change(&mut self, expr: &'a Expr) {
        if self.is_module_level()
            && let Some(base) = base_name(expr)
        {
            self.names.changes.insert(base);
        }
    }

    /// Visits a nested scope; names that it reads and does not bind are read by the enclosing scope.
    fn scope(&mut self, visit: impl FnOnce(&mut Self)) {
        self.scopes.push(Scope::default());
        visit(self);
        let Some(inner) = self.scopes.pop() else {
            unreachable!("pushed above");
        };
        for name in inner.uses {
            if !inner.binds.contains(name) {
                self.r#use(name);
            }
        }
        for name in inner.foreign {
            self.r#use(name);
        }
    }

    fn function(&mut self, function: &'a ast::StmtFunctionDef) {
        self.bind(&function.name);
        self.decorators(&function.decorator_list);
        if let Some(returns) = &function.returns {
            self.visit_annotation(returns);
        }
        visitor::walk_parameters(self, &function.parameters);
        self.scope(|inner| {
            inner.bind_parameters(&function.parameters);
            if let Some(type_params) = &function.type_params {
                inner.visit_type_params(type_params);
            }
            inner.visit_body(&function.body);
        });
    }

    /// Visits a class. Methods do not see the names of their class, so these hide nothing.
    fn class(&mut self, class: &'a ast::StmtClassDef) {
        self.bind(&class.name);
        self.decorators(&class.decorator_list);
        if let Some(arguments) = &class.arguments {
            self.visit_arguments(arguments);
        }
        self.scope(|inner| {
            if let Some(type_params) = &class.type_params {
                inner.visit_type_params(type_params);
            }
            inner.visit_body(&class.body);
            if let Some(scope) = inner.scopes.last_mut() {
                scope.binds.clear();
            }
        });
    }

    fn decorators(&mut self, decorators: &'a [ast::Decorator]) {
        for decorator in decorators {
            let function = match &decorator.expression {
                Expr::Call(call) => &*call.func,
                expr => expr,
            };
            if function.is_attribute_expr() {
                self.change(function);
            }
            self.visit_decorator(decorator);
        }
    }

    fn bind_parameters(&mut self, parameters: &'a ast::Parameters) {
        for parameter in parameters {
            self.bind(parameter.name());
        }
    }

    /// Visits a comprehension, whose first iterable belongs to the enclosing scope.
    fn comprehension(&mut self, generators: &'a [ast::Comprehension], elements: &[&'a Expr]) {
        let Some((first, others)) = generators.split_first() else {
            return;
        };
        self.visit_expr(&first.iter);
        self.scope(|inner| {
            inner.visit_expr(&first.target);
            for condition in &first.ifs {
                inner.visit_expr(condition);
            }
            for generator in others {
                inner.visit_comprehension(generator);
            }
            for element in elements {
                inner.visit_expr(element);
            }
        });
    }
}

/// Returns `a` for `a.b[c].d`.
fn base_name(mut expr: &Expr) -> Option<&str> {
    loop {
        expr = match expr {
            Expr::Attribute(attribute) => &attribute.value,
            Expr::Subscript(subscript) => &subscript.value,
            Expr::Name(name) => return Some(&name.id),
            _ => return None,
        };
    }
}

/// Matches calls such as `sys.setrecursionlimit(...)`, which a recursive solution needs although it does not
/// name them.
fn is_interpreter_setup(call: &ast::ExprCall) -> bool {
    matches!(&*call.func, Expr::Attribute(attribute)
        if matches!(attribute.attr.as_str(), "setrecursionlimit" | "set_int_max_str_digits"))
}

impl<'a> Visitor<'a> for Collector<'a> {
    fn visit_stmt(&mut self, stmt: &'a Stmt) {
        match stmt {
            Stmt::FunctionDef(function) => return self.function(function),
            Stmt::ClassDef(class) => return self.class(class),
            Stmt::Import(ast::StmtImport { names, .. }) => {
                self.names.imports |= self.is_module_level();
                for alias in names {
                    let name = alias.asname.as_ref().unwrap_or(&alias.name).as_str();
                    self.bind(name.split('.').next().unwrap_or(name));
                }
            }
            Stmt::ImportFrom(ast::StmtImportFrom { names, .. }) => {
                self.names.imports |= self.is_module_level();
                for alias in names {
                    self.bind(alias.asname.as_ref().unwrap_or(&alias.name));
                }
            }
            Stmt::Global(ast::StmtGlobal { names, .. })
            | Stmt::Nonlocal(ast::StmtNonlocal { names, .. }) => {
                if let Some(scope) = self.scopes.last_mut() {
                    scope
                        .foreign
                        .extend(names.iter().map(ast::Identifier::as_str));
                }
            }
            Stmt::Expr(expr) => {
                if let Expr::Call(call) = &*expr.value {
                    if call.func.is_attribute_expr() {
                        self.change(&call.func);
                    }
                    self.names.imports |= self.is_module_level() && is_interpreter_setup(call);
                }
            }
            Stmt::Try(ast::StmtTry { handlers, .. }) => {
                for ast::ExceptHandler::ExceptHandler(handler) in handlers {
                    if let Some(name) = &handler.name {
                        self.bind(name);
                    }
                }
            }
            _ => {}
        }
        visitor::walk_stmt(self, stmt);
    }

    fn visit_expr(&mut self, expr: &'a Expr) {
        match expr {
            Expr::Name(ast::ExprName { id, ctx, .. }) => match ctx {
                ExprContext::Store | ExprContext::Del => self.bind(id),
                ExprContext::Load | ExprContext::Invalid => self.r#use(id),
            },
            Expr::Attribute(ast::ExprAttribute { ctx, .. })
            | Expr::Subscript(ast::ExprSubscript { ctx, .. })
                if matches!(ctx, ExprContext::Store | ExprContext::Del) =>
            {
                self.change(expr);
                visitor::walk_expr(self, expr);
            }
            Expr::Lambda(ast::ExprLambda {
                parameters, body, ..
            }) => {
                if let Some(parameters) = parameters {
                    visitor::walk_parameters(self, parameters);
                }
                self.scope(|inner| {
                    if let Some(parameters) = parameters {
                        inner.bind_parameters(parameters);
                    }
                    inner.visit_expr(body);
                });
            }
            Expr::ListComp(ast::ExprListComp {
                elt, generators, ..
            })
            | Expr::SetComp(ast::ExprSetComp {
                elt, generators, ..
            })
            | Expr::Generator(ast::ExprGenerator {
                elt, generators, ..
            }) => self.comprehension(generators, &[elt]),
            Expr::DictComp(ast::ExprDictComp {
                key,
                value,
                generators,
                ..
            }) => match key {
                Some(key) => self.comprehension(generators, &[key, value]),
                None => self.comprehension(generators, &[value]),
            },
            _ => visitor::walk_expr(self, expr),
        }
    }

    fn visit_pattern(&mut self, pattern: &'a ast::Pattern) {
        let captured = match pattern {
            ast::Pattern::MatchAs(pattern) => pattern.name.as_ref(),
            ast::Pattern::MatchStar(pattern) => pattern.name.as_ref(),
            ast::Pattern::MatchMapping(pattern) => pattern.rest.as_ref(),
            _ => None,
        };
        if let Some(name) = captured {
            self.bind(name);
        }
        visitor::walk_pattern(self, pattern);
    }

    fn visit_type_param(&mut self, type_param: &'a ast::TypeParam) {
        self.bind(type_param.name());
        visitor::walk_type_param(self, type_param);
    }
}
