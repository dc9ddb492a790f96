//! Exception handlers and `finally`.

use std::collections::HashSet;

use crate::ast::{ExceptHandlerExceptHandler, Expr, Ranged, Stmt, StmtTry, TextRange};

use super::super::finding::{Category, Minutes, Rule, Severity};
use super::super::report::Report;

pub(super) static BARE_EXCEPT: Rule = Rule {
    id: "bare-except",
    category: Category::Reliability,
    title: "A handler without a type also catches interrupts and exits",
    known_as: "ruff E722",
    minutes: Minutes::Constant(5.0),
};

pub(super) static DUPLICATE_EXCEPTION: Rule = Rule {
    id: "duplicate-exception",
    category: Category::Reliability,
    title: "A `try` handles the same exception twice, so one handler never runs",
    known_as: "ruff B014, B025",
    minutes: Minutes::Constant(5.0),
};

pub(super) static UNREACHABLE_HANDLER: Rule = Rule {
    id: "unreachable-handler",
    category: Category::Reliability,
    title: "A handler follows one for a base class of its exception, so it never runs",
    known_as: "pylint E0701",
    minutes: Minutes::Constant(10.0),
};

pub(super) static JUMP_IN_FINALLY: Rule = Rule {
    id: "jump-in-finally",
    category: Category::Reliability,
    title: "`return`, `break` or `continue` in `finally` discards an exception",
    known_as: "ruff B012",
    minutes: Minutes::Constant(15.0),
};

pub(super) fn check_stmt(report: &mut Report<'_>, stmt: &Stmt) {
    if let Stmt::Try(stmt) = stmt {
        let handlers: Vec<_> = stmt
            .handlers
            .iter()
            .filter_map(|handler| handler.as_except_handler())
            .collect();
        for handler in &handlers {
            if handler.type_.is_none() && !raises_again(handler) {
                let range = TextRange::at(
                    handler.start(),
                    "except".len().try_into().unwrap_or_default(),
                );
                report.add(
                    &BARE_EXCEPT,
                    Severity::Medium,
                    range,
                    "this handler catches everything",
                );
            }
        }
        duplicates(report, &handlers);
        order(report, stmt, &handlers);
        jumps(report, &stmt.finalbody, false);
    }
}

/// Returns whether the handler's own statements raise the exception again.
fn raises_again(handler: &ExceptHandlerExceptHandler) -> bool {
    handler
        .body
        .iter()
        .any(|stmt| matches!(stmt, Stmt::Raise(raise) if raise.exc.is_none()))
}

/// Returns the exceptions of a handler that are written as names, such as `a.B`.
fn caught(handler: &ExceptHandlerExceptHandler) -> Vec<(String, &Expr)> {
    let exprs = match handler.type_.as_deref() {
        Some(Expr::Tuple(tuple)) => &tuple.elts[..],
        Some(expr) => std::slice::from_ref(expr),
        None => &[],
    };
    exprs
        .iter()
        .filter_map(|expr| Some((dotted(expr)?, expr)))
        .collect()
}

fn dotted(expr: &Expr) -> Option<String> {
    let mut parts = Vec::new();
    let mut expr = expr;
    while let Expr::Attribute(attribute) = expr {
        parts.push(attribute.attr.as_str());
        expr = &attribute.value;
    }
    parts.push(expr.as_name_expr()?.id.as_str());
    parts.reverse();
    Some(parts.join("."))
}

fn duplicates(report: &mut Report<'_>, handlers: &[&ExceptHandlerExceptHandler]) {
    let mut earlier = HashSet::new();
    for handler in handlers {
        let mut here = HashSet::new();
        let mut repeated = None;
        for (name, expr) in caught(handler) {
            if earlier.contains(&name) && !here.contains(&name) {
                let message = format!("`{name}` was handled before");
                report.add(
                    &DUPLICATE_EXCEPTION,
                    Severity::Medium,
                    expr.range(),
                    message,
                );
            }
            if !here.insert(name.clone()) {
                repeated = Some(name);
            }
        }
        if let Some(name) = repeated
            && let Some(type_) = &handler.type_
        {
            let message = format!("`{name}` is repeated in this handler");
            report.add(&DUPLICATE_EXCEPTION, Severity::Low, type_.range(), message);
        }
        earlier.extend(here);
    }
}

fn order(report: &mut Report<'_>, stmt: &StmtTry, handlers: &[&ExceptHandlerExceptHandler]) {
    // In `except*`, every handler may run.
    if stmt.is_star {
        return;
    }
    let mut earlier: HashSet<String> = HashSet::new();
    for handler in handlers {
        let names = caught(handler);
        for (name, expr) in &names {
            if let Some(base) = bases(name).find(|base| earlier.contains(*base)) {
                let message = format!("`{name}` is handled before as `{base}`");
                report.add(
                    &UNREACHABLE_HANDLER,
                    Severity::Medium,
                    expr.range(),
                    message,
                );
            }
        }
        earlier.extend(names.into_iter().map(|(name, _)| name));
    }
}

/// Returns the base classes of a builtin exception, the nearest first.
fn bases(name: &str) -> impl Iterator<Item = &'static str> {
    std::iter::successors(base(name), |name| base(name))
}

/// Returns the base class of a builtin exception, as in Python 3.13.
fn base(name: &str) -> Option<&'static str> {
    Some(match name {
        "GeneratorExit" | "KeyboardInterrupt" | "SystemExit" | "Exception"
        | "BaseExceptionGroup" => "BaseException",
        "FloatingPointError" | "OverflowError" | "ZeroDivisionError" => "ArithmeticError",
        "BrokenPipeError"
        | "ConnectionAbortedError"
        | "ConnectionRefusedError"
        | "ConnectionResetError" => "ConnectionError",
        "BlockingIOError" | "ChildProcessError" | "ConnectionError" | "FileExistsError"
        | "FileNotFoundError" | "InterruptedError" | "IsADirectoryError" | "NotADirectoryError"
        | "PermissionError" | "ProcessLookupError" | "TimeoutError" => "OSError",
        "IndexError" | "KeyError" => "LookupError",
        "ModuleNotFoundError" => "ImportError",
        "NotImplementedError" | "RecursionError" | "PythonFinalizationError" => "RuntimeError",
        "TabError" => "IndentationError",
        "IndentationError" => "SyntaxError",
        "UnboundLocalError" => "NameError",
        "UnicodeDecodeError" | "UnicodeEncodeError" | "UnicodeTranslateError" => "UnicodeError",
        "UnicodeError" => "ValueError",
        "ArithmeticError" | "AssertionError" | "AttributeError" | "BufferError" | "EOFError"
        | "ImportError" | "LookupError" | "MemoryError" | "NameError" | "OSError" | "IOError"
        | "EnvironmentError" | "ReferenceError" | "RuntimeError" | "StopAsyncIteration"
        | "StopIteration" | "SyntaxError" | "SystemError" | "TypeError" | "ValueError"
        | "Warning" | "ExceptionGroup" => "Exception",
        "BytesWarning"
        | "DeprecationWarning"
        | "EncodingWarning"
        | "FutureWarning"
        | "ImportWarning"
        | "PendingDeprecationWarning"
        | "ResourceWarning"
        | "RuntimeWarning"
        | "SyntaxWarning"
        | "UnicodeWarning"
        | "UserWarning" => "Warning",
        _ => return None,
    })
}

/// Adds the jumps that leave a `finally` block; those in a loop of the block stay inside.
fn jumps(report: &mut Report<'_>, body: &[Stmt], in_loop: bool) {
    for stmt in body {
        let name = match stmt {
            Stmt::Return(_) => "return",
            Stmt::Break(_) if !in_loop => "break",
            Stmt::Continue(_) if !in_loop => "continue",
            Stmt::For(stmt) => {
                jumps(report, &stmt.body, true);
                jumps(report, &stmt.orelse, in_loop);
                continue;
            }
            Stmt::While(stmt) => {
                jumps(report, &stmt.body, true);
                jumps(report, &stmt.orelse, in_loop);
                continue;
            }
            Stmt::If(stmt) => {
                jumps(report, &stmt.body, in_loop);
                for clause in &stmt.elif_else_clauses {
                    jumps(report, &clause.body, in_loop);
                }
                continue;
            }
            Stmt::With(stmt) => {
                jumps(report, &stmt.body, in_loop);
                continue;
            }
            Stmt::Match(stmt) => {
                for case in &stmt.cases {
                    jumps(report, &case.body, in_loop);
                }
                continue;
            }
            Stmt::Try(stmt) => {
                jumps(report, &stmt.body, in_loop);
                for handler in stmt
                    .handlers
                    .iter()
                    .filter_map(|handler| handler.as_except_handler())
                {
                    jumps(report, &handler.body, in_loop);
                }
                jumps(report, &stmt.orelse, in_loop);
                // Its own `finally` is checked when the walk gets there.
                continue;
            }
            _ => continue,
        };
        let message = format!("`{name}` in `finally` discards an exception");
        report.add(&JUMP_IN_FINALLY, Severity::High, stmt.range(), message);
    }
}
