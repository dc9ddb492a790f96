//! What a prompt shows of a file besides the function itself: imports, the header of the class, attributes.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;

use crate::ast::token::TokenKind;
use crate::ast::visitor::{self, Visitor};
use crate::ast::{self, Expr, ExprContext, Ranged, Stmt, TextRange, TextSize};
use crate::parser::Module;

/// A statement of more lines, or of more bytes, is shown with `...` as its value.
const MOST_LINES: usize = 3;
const MOST_BYTES: usize = 300;
/// Attributes in one prompt; further ones are not shown.
const MOST_ATTRIBUTES: usize = 40;
/// A longer class header is shown without bases and decorators, and after a longer signature of `__init__` nothing of
/// `__init__` is shown.
const MOST_HEADER_BYTES: usize = 2_000;

/// The imports of a file, by the names that they bind.
pub(crate) struct Imports<'a> {
    /// In file order.
    statements: Vec<&'a Stmt>,
    /// Name, and the places of its bindings: statement and alias.
    by_name: HashMap<&'a str, Vec<(usize, usize)>>,
}

impl<'a> Imports<'a> {
    /// Collects the imports at the top level of a module, and in its top-level `if` and `try` blocks.
    pub(crate) fn of(module: &'a Module<'a>) -> Self {
        let mut imports = Self {
            statements: Vec::new(),
            by_name: HashMap::new(),
        };
        for stmt in module.body() {
            imports.add(stmt);
            match stmt {
                Stmt::If(stmt) => {
                    imports.add_all(&stmt.body);
                    for clause in &stmt.elif_else_clauses {
                        imports.add_all(&clause.body);
                    }
                }
                Stmt::Try(stmt) => {
                    imports.add_all(&stmt.body);
                    for ast::ExceptHandler::ExceptHandler(handler) in &stmt.handlers {
                        imports.add_all(&handler.body);
                    }
                    imports.add_all(&stmt.orelse);
                }
                _ => {}
            }
        }
        imports
    }

    fn add_all(&mut self, body: &'a [Stmt]) {
        for stmt in body {
            self.add(stmt);
        }
    }

    fn add(&mut self, stmt: &'a Stmt) {
        let (aliases, is_plain) = match stmt {
            Stmt::Import(import) => (&import.names, true),
            Stmt::ImportFrom(import) => (&import.names, false),
            _ => return,
        };
        let place = self.statements.len();
        self.statements.push(stmt);
        for (i, alias) in aliases.iter().enumerate() {
            let (bound, is_dotted) = match &alias.asname {
                Some(name) => (name.as_str(), false),
                None if is_plain => match alias.name.split_once('.') {
                    Some((package, _)) => (package, true),
                    None => (alias.name.as_str(), false),
                },
                None => (alias.name.as_str(), false),
            };
            let bindings = self.by_name.entry(bound).or_default();
            // The alternative of a fallback (`except ImportError`) adds nothing; submodules of a package do.
            if bindings.is_empty() || is_dotted {
                bindings.push((place, i));
            }
        }
    }

    /// Returns the context of a function, or of a method of `class`.
    pub(crate) fn context_of(
        &self,
        function: &ast::StmtFunctionDef,
        class: Option<&ClassContext<'_>>,
    ) -> String {
        let mut names = Names::default();
        names.visit_function(function);
        let class = class.map(|class| class.shown_for(function, &mut names));
        let places: BTreeSet<(usize, usize)> = names
            .found
            .iter()
            .filter_map(|name| self.by_name.get(*name))
            .flatten()
            .copied()
            .collect();
        let places: Vec<(usize, usize)> = places.into_iter().collect();
        let mut context = String::new();
        for group in places.chunk_by(|a, b| a.0 == b.0) {
            let aliases = group.iter().map(|&(_, alias)| alias);
            write_import(&mut context, self.statements[group[0].0], aliases);
        }
        if !context.is_empty() {
            context.push_str("\n\n");
        }
        context.push_str(class.as_deref().unwrap_or_default());
        context
    }
}

/// Writes those aliases of an import that are used.
fn write_import(text: &mut String, stmt: &Stmt, aliases: impl Iterator<Item = usize>) {
    let written = |alias: &ast::Alias| match &alias.asname {
        Some(name) => format!("{} as {name}", alias.name),
        None => alias.name.to_string(),
    };
    let names = |all: &[ast::Alias]| {
        let used: Vec<String> = aliases.map(|i| written(&all[i])).collect();
        used.join(", ")
    };
    let _ = match stmt {
        Stmt::Import(import) => writeln!(text, "import {}", names(&import.names)),
        Stmt::ImportFrom(import) => {
            let dots = ".".repeat(import.level as usize);
            let module = import.module.as_ref().map_or("", ast::Identifier::as_str);
            writeln!(text, "from {dots}{module} import {}", names(&import.names))
        }
        _ => Ok(()),
    };
}

/// What the prompts of a class's methods show of the class.
pub(crate) struct ClassContext<'a> {
    /// The name of the class.
    pub(crate) name: &'a str,
    header: Shown<'a>,
    /// Assignments in the class body.
    own: Attributes<'a>,
    /// Assignments in `__init__`, with its signature.
    init: Option<(&'a ast::StmtFunctionDef, Shown<'a>, Attributes<'a>)>,
}

/// A part of a context, and the names that it uses.
struct Shown<'a> {
    text: String,
    names: BTreeSet<&'a str>,
}

/// Assignments to attributes, in the order of the file.
#[derive(Default)]
struct Attributes<'a> {
    lines: Vec<Shown<'a>>,
    by_name: HashMap<&'a str, usize>,
}

impl<'a> Attributes<'a> {
    fn add(&mut self, name: &'a str, line: impl FnOnce() -> Shown<'a>) {
        if !self.by_name.contains_key(name) {
            self.by_name.insert(name, self.lines.len());
            self.lines.push(line());
        }
    }

    /// Returns the lines of those attributes that are read, each once, in order.
    fn read(&self, names: &BTreeSet<&str>) -> Vec<&Shown<'a>> {
        let places = names.iter().filter_map(|name| self.by_name.get(name));
        let places: BTreeSet<usize> = places.copied().collect();
        let mut lines: Vec<&Shown> = places.iter().map(|&i| &self.lines[i]).collect();
        // A statement that assigns two attributes is shown once.
        lines.dedup_by(|a, b| a.text == b.text);
        lines.truncate(MOST_ATTRIBUTES);
        lines
    }
}

impl<'a> ClassContext<'a> {
    /// Collects the attributes of a top-level class.
    pub(crate) fn of(module: &'a Module<'a>, class: &'a ast::StmtClassDef) -> Self {
        let after_name = [
            Some(class.name.end()),
            class.type_params.as_ref().map(|params| params.end()),
            class.arguments.as_ref().map(|arguments| arguments.end()),
        ];
        let header_end = after_name.into_iter().flatten().max();
        let header = header(module, class.start(), header_end.unwrap_or(class.start()));
        let header = match header.filter(|header| header.len() <= MOST_HEADER_BYTES) {
            Some(text) => {
                let mut names = Names::default();
                for decorator in &class.decorator_list {
                    names.visit_decorator(decorator);
                }
                if let Some(arguments) = &class.arguments {
                    names.visit_arguments(arguments);
                }
                Shown {
                    text,
                    names: names.found,
                }
            }
            None => Shown {
                text: format!("class {}:\n", class.name),
                names: BTreeSet::new(),
            },
        };
        let mut own = Attributes::default();
        let mut init = None;
        for stmt in &class.body {
            if let Stmt::FunctionDef(function) = stmt {
                if function.name.as_str() == "__init__" {
                    init = init_of(module, function);
                }
                continue;
            }
            for target in targets(stmt) {
                if let Expr::Name(name) = target {
                    own.add(&name.id, || {
                        shown(module, stmt, stmt, || name.id.to_string())
                    });
                }
            }
        }
        Self {
            name: &class.name,
            header,
            own,
            init,
        }
    }

    /// Returns what a method's prompt shows; adds the names that it uses to `names`.
    fn shown_for<'b>(&'b self, method: &'b ast::StmtFunctionDef, names: &mut Names<'b>) -> String
    where
        'a: 'b,
    {
        let mut text = String::new();
        let mut show = |part: &Shown<'a>, end: &str| {
            text.push_str(&part.text);
            text.push_str(end);
            names.found.extend(&part.names);
        };
        show(&self.header, "");
        let read = attributes_read(method);
        let own = self.own.read(&read.names);
        for (line, rest) in own.iter().zip((0..own.len()).rev()) {
            show(line, if rest == 0 { "\n" } else { "" });
        }
        if let Some((init, signature, attributes)) = &self.init
            && read.of_instance
            && !std::ptr::eq(*init, method)
        {
            let lines = attributes.read(&read.names);
            if !lines.is_empty() {
                show(signature, "");
            }
            for (line, rest) in lines.iter().zip((0..lines.len()).rev()) {
                show(line, if rest == 0 { "\n" } else { "" });
            }
        }
        text
    }
}

/// Returns `__init__`'s signature and the attributes that it assigns; `None` if it shares a line with its body.
fn init_of<'a>(
    module: &'a Module<'a>,
    init: &'a ast::StmtFunctionDef,
) -> Option<(&'a ast::StmtFunctionDef, Shown<'a>, Attributes<'a>)> {
    let end = init
        .returns
        .as_ref()
        .map_or(init.parameters.end(), |returns| returns.end());
    let signature = header(module, init.start(), end)?;
    if signature.len() > MOST_HEADER_BYTES {
        return None;
    }
    let this = first_parameter(init)?;
    let first = init.body.first()?;
    module.blank_before(first.start())?;
    let mut found = Assignments {
        this,
        found: Vec::new(),
    };
    found.visit_body(&init.body);
    let mut attributes = Attributes::default();
    for (name, stmt) in found.found {
        let line = || shown(module, stmt, first, || format!("{this}.{name}"));
        attributes.add(name, line);
    }
    let mut names = Names::default();
    names.visit_parameters(&init.parameters);
    let signature = Shown {
        text: signature,
        names: names.found,
    };
    Some((init, signature, attributes))
}

/// Finds the assignments to attributes of `this`, in nested blocks too.
struct Assignments<'a> {
    this: &'a str,
    found: Vec<(&'a str, &'a Stmt)>,
}

impl<'a> Visitor<'a> for Assignments<'a> {
    fn visit_stmt(&mut self, stmt: &'a Stmt) {
        for target in targets(stmt) {
            if let Some(name) = attribute_of(target, self.this) {
                self.found.push((name, stmt));
            }
        }
        match stmt {
            // Their `self` is another one.
            Stmt::FunctionDef(_) | Stmt::ClassDef(_) => {}
            _ => visitor::walk_stmt(self, stmt),
        }
    }

    fn visit_expr(&mut self, _: &'a Expr) {}
}

/// Returns the targets of an assignment.
fn targets(stmt: &Stmt) -> Vec<&Expr> {
    match stmt {
        Stmt::Assign(assign) => assign
            .targets
            .iter()
            .flat_map(|target| match target {
                Expr::Tuple(tuple) => tuple.elts.iter().collect::<Vec<_>>(),
                other => vec![other],
            })
            .collect(),
        Stmt::AnnAssign(assign) => vec![&*assign.target],
        _ => Vec::new(),
    }
}

fn attribute_of<'a>(expr: &'a Expr, this: &str) -> Option<&'a str> {
    let Expr::Attribute(attribute) = expr else {
        return None;
    };
    let Expr::Name(name) = &*attribute.value else {
        return None;
    };
    (name.id.as_str() == this).then_some(attribute.attr.as_str())
}

/// Returns the line of an assignment in a context, with the indentation of `sibling`: the statement itself if it has
/// that indentation and few lines, else its target with `...` as the value.
fn shown<'a>(
    module: &Module<'_>,
    stmt: &'a Stmt,
    sibling: &Stmt,
    target: impl FnOnce() -> String,
) -> Shown<'a> {
    let indent = module.blank_before(sibling.start()).unwrap_or_default();
    let end = module.line_end(stmt.end());
    let start = module.lines.line_start(stmt.start());
    let text = &module.text[TextRange::new(start, end)];
    let after = module.text[TextRange::new(stmt.end(), end)].trim_start();
    let is_alone = after.is_empty() || after.starts_with('#');
    let is_same = module.blank_before(stmt.start()) == Some(indent);
    let is_short = text.len() <= MOST_BYTES && text.lines().count() <= MOST_LINES;
    if is_same && is_alone && is_short {
        let mut names = Names::default();
        names.visit_stmt(stmt);
        return Shown {
            text: format!("{}\n", text.trim_end()),
            names: names.found,
        };
    }
    Shown {
        text: format!("{indent}{} = ...\n", target()),
        names: BTreeSet::new(),
    }
}

/// Returns the text from the line of `start` to the colon after `end`; `None` if other code precedes it on its line.
fn header(module: &Module<'_>, start: TextSize, end: TextSize) -> Option<String> {
    module.blank_before(start)?;
    let tokens = module.tokens();
    let first_after = tokens.partition_point(|token| token.start() < end);
    let colon = tokens[first_after..]
        .iter()
        .find(|token| token.kind() == TokenKind::Colon)?;
    let start = module.lines.line_start(start);
    Some(format!(
        "{}\n",
        &module.text[TextRange::new(start, colon.end())]
    ))
}

fn first_parameter(function: &ast::StmtFunctionDef) -> Option<&str> {
    let parameters = &function.parameters;
    let first = parameters
        .posonlyargs
        .iter()
        .chain(&parameters.args)
        .next()?;
    Some(first.parameter.name.as_str())
}

/// The attributes that a method reads.
struct AttributesRead<'a> {
    names: BTreeSet<&'a str>,
    /// Whether they are those of an instance: not in a class method.
    of_instance: bool,
}

fn attributes_read(method: &ast::StmtFunctionDef) -> AttributesRead<'_> {
    let is_decorated_with = |wanted: &str| {
        method.decorator_list.iter().any(|decorator| {
            matches!(&decorator.expression, Expr::Name(name) if name.id.as_str() == wanted)
        })
    };
    let this = first_parameter(method).filter(|_| !is_decorated_with("staticmethod"));
    let mut reads = Reads {
        this,
        names: BTreeSet::new(),
    };
    reads.visit_body(&method.body);
    AttributesRead {
        names: reads.names,
        of_instance: !is_decorated_with("classmethod"),
    }
}

struct Reads<'a> {
    this: Option<&'a str>,
    names: BTreeSet<&'a str>,
}

impl<'a> Visitor<'a> for Reads<'a> {
    fn visit_stmt(&mut self, stmt: &'a Stmt) {
        if let (Stmt::AugAssign(assign), Some(this)) = (stmt, self.this) {
            self.names.extend(attribute_of(&assign.target, this));
        }
        visitor::walk_stmt(self, stmt);
    }

    fn visit_expr(&mut self, expr: &'a Expr) {
        if let (Expr::Attribute(attribute), Some(this)) = (expr, self.this)
            && attribute.ctx == ExprContext::Load
        {
            self.names.extend(attribute_of(expr, this));
        }
        visitor::walk_expr(self, expr);
    }
}

/// The names that occur in a part of a program.
#[derive(Default)]
struct Names<'a> {
    found: BTreeSet<&'a str>,
}

impl<'a> Names<'a> {
    fn visit_function(&mut self, function: &'a ast::StmtFunctionDef) {
        for decorator in &function.decorator_list {
            self.visit_decorator(decorator);
        }
        if let Some(params) = &function.type_params {
            self.visit_type_params(params);
        }
        self.visit_parameters(&function.parameters);
        if let Some(returns) = &function.returns {
            self.visit_annotation(returns);
        }
        self.visit_body(&function.body);
    }
}

impl<'a> Visitor<'a> for Names<'a> {
    fn visit_expr(&mut self, expr: &'a Expr) {
        if let Expr::Name(name) = expr {
            self.found.insert(name.id.as_str());
        }
        visitor::walk_expr(self, expr);
    }
}
