//! Selects the top-level statements of a program, starting from its entry point.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::Reason;
use super::names::Names;
use crate::ast::{self, Stmt};
use crate::ast::{Ranged, TextSize};
use crate::parser::{Fstrings, Module, with_recovered_module};

/// What a program must define.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target<'a> {
    pub(super) entry_point: &'a str,
    /// A method that the entry point, a class, should define.
    pub(super) method: Option<&'a str>,
    /// Names whose definitions are kept even if the entry point does not need them.
    pub(super) given: &'a BTreeSet<String>,
}

/// A program that defines its entry point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Selected {
    pub(super) program: String,
    /// Whether the entry point has no statement, or lacks the method: another candidate may be better.
    pub(super) stub: bool,
}

/// Extracts the program in a text: the statements that the entry point needs. Statements that do not parse are
/// dropped if they are not needed, unless `whole` requires the whole text to parse.
///
/// # Errors
/// Nothing defines the entry point, or its definition does not parse.
pub(super) fn program_in(text: &str, target: Target<'_>, whole: bool) -> Result<Selected, Reason> {
    // Prose is slow to parse, and a text without the entry point's name cannot define it. A non-ASCII
    // identifier has several spellings (PEP 3131).
    if text.is_ascii() && !text.contains(target.entry_point) {
        return Err(Reason::NoEntryPoint);
    }
    let selected = with_recovered_module(text, Fstrings::Pep701, |module| {
        if whole && module.error().is_some() {
            return Err(Reason::BrokenEntryPoint);
        }
        let units = units(module);
        let (kept, entry) = select(&units, target)?;
        let lacks_method = target
            .method
            .is_some_and(|method| !has_method(units[entry].stmts, method));
        Ok(Selected {
            program: assemble(module, &units, &kept),
            stub: lacks_method || units[entry].stmts.iter().any(is_stub),
        })
    })
    .map_err(|_| Reason::BrokenEntryPoint)??;
    // Errors can hide between statements, so the kept ones must parse by themselves.
    let defines = with_recovered_module(&selected.program, Fstrings::Pep701, |module| {
        module.error().is_none()
            && module
                .body()
                .iter()
                .any(|stmt| Names::of(stmt).binds.contains(target.entry_point))
    });
    match defines {
        Ok(true) => Ok(selected),
        _ => Err(Reason::BrokenEntryPoint),
    }
}

/// Top-level statements that share physical lines, with the data needed for the selection.
pub(super) struct Unit<'a> {
    pub(super) stmts: &'a [Stmt],
    first_line: usize,
    last_line: usize,
    pub(super) names: Names<'a>,
    /// Whether the unit does not parse.
    pub(super) broken: bool,
}

pub(super) fn units<'a>(module: &'a Module<'a>) -> Vec<Unit<'a>> {
    let body = module.body();
    let lines = &module.lines;
    let mut units: Vec<Unit<'a>> = Vec::new();
    let mut first = 0;
    for (at, stmt) in body.iter().enumerate() {
        let ends_here = body
            .get(at + 1)
            .is_none_or(|next| lines.line(next.start()) > lines.line(stmt.end()));
        if ends_here {
            let stmts = &body[first..=at];
            units.push(Unit {
                stmts,
                first_line: lines.line(stmts[0].start()),
                last_line: lines.line(stmt.end()),
                names: stmts
                    .iter()
                    .map(Names::of)
                    .fold(Names::default(), Names::merge),
                broken: false,
            });
            first = at + 1;
        }
    }
    let mut errors: Vec<TextSize> = module.error_offsets().collect();
    errors.sort_unstable();
    for at in 0..units.len() {
        // An error after a statement belongs to it: the statement ended too early.
        let start = lines.start(units[at].first_line);
        let end = units
            .get(at + 1)
            .map_or(TextSize::new(u32::MAX), |next| lines.start(next.first_line));
        let next_error = errors.partition_point(|&error| error < start);
        units[at].broken = errors.get(next_error).is_some_and(|&error| error < end);
    }
    units
}

/// Selects the units to keep, and returns the index of the entry point's unit.
fn select(units: &[Unit<'_>], target: Target<'_>) -> Result<(Vec<bool>, usize), Reason> {
    let entry_point = target.entry_point;
    let Some(entry) = entry_unit(units, target)? else {
        return Err(Reason::NoEntryPoint);
    };
    // A statement that uses the entry point, such as `results.append(f(1))`, is a test and not part of the program.
    let givers = givers(units, |unit| {
        !unit.names.uses.contains(entry_point) || unit.names.changes.contains(entry_point)
    });
    let mut seeds = vec![entry];
    for (at, unit) in units.iter().enumerate() {
        if unit.names.imports && !unit.broken && !is_main_guard(unit.stmts) {
            seeds.push(at);
        }
    }
    if let Some(first) = units.first()
        && !first.broken
        && is_docstring(first.stmts)
    {
        seeds.push(0);
    }
    for name in target.given {
        seeds.extend(givers.get(name.as_str()).into_iter().flatten());
    }
    let kept = reach(
        units,
        seeds,
        |name, giver| {
            // A call of the entry point by name does not refer to another definition of it.
            name != entry_point
                || giver == entry
                || (giver > entry && !defines_only(units[giver].stmts, entry_point))
        },
        &givers,
    );
    Ok((kept, entry))
}

/// Maps each name to the units that give it its value; the last plain definition replaces the earlier ones.
/// `changes` selects the units whose changes to names bound elsewhere count.
fn givers<'a>(
    units: &[Unit<'a>],
    changes: impl Fn(&Unit<'a>) -> bool,
) -> HashMap<&'a str, Vec<usize>> {
    let mut givers: HashMap<&str, Vec<usize>> = HashMap::new();
    for (at, unit) in units.iter().enumerate() {
        if unit.broken || is_main_guard(unit.stmts) {
            continue;
        }
        let changed = unit.names.changes.iter().filter(|_| changes(unit));
        for name in unit.names.binds.iter().chain(changed) {
            let giving = givers.entry(name).or_default();
            if defines_only(unit.stmts, name) {
                giving.retain(|&earlier| !defines_only(units[earlier].stmts, name));
            }
            giving.push(at);
        }
    }
    givers
}

/// Returns `seeds` and the units that they need, directly or indirectly.
fn reach<'a>(
    units: &[Unit<'a>],
    seeds: Vec<usize>,
    follows: impl Fn(&str, usize) -> bool,
    givers: &HashMap<&'a str, Vec<usize>>,
) -> Vec<bool> {
    let mut pending = seeds;
    let mut kept = vec![false; units.len()];
    let mut followed = HashSet::new();
    while let Some(at) = pending.pop() {
        if std::mem::replace(&mut kept[at], true) {
            continue;
        }
        let names = &units[at].names;
        // Statements that change a name bound by a kept unit belong to it, except changes to an imported module.
        let changed = names.binds.iter().filter(|_| !names.imports);
        for name in names.uses.iter().chain(changed) {
            if followed.insert(*name) {
                let giving = givers.get(name).map_or(&[][..], Vec::as_slice);
                pending.extend(giving.iter().filter(|&&giver| follows(name, giver)));
            }
        }
    }
    kept
}

/// Returns the last unit that defines the entry point, preferably one with its method.
///
/// If that unit is broken, an earlier one is used, unless it is a stub: a prompt's signature and docstring are
/// not an answer.
fn entry_unit(units: &[Unit<'_>], target: Target<'_>) -> Result<Option<usize>, Reason> {
    let defining = |unit: &Unit<'_>| {
        unit.names.binds.contains(target.entry_point) && !is_main_guard(unit.stmts)
    };
    let Some(last) = units.iter().rposition(defining) else {
        return Ok(None);
    };
    if let Some(method) = target.method {
        let complete = |unit: &Unit<'_>| {
            defining(unit)
                && !unit.broken
                && has_method(unit.stmts, method)
                && !unit.stmts.iter().any(is_stub)
        };
        if let Some(at) = units.iter().rposition(complete) {
            return Ok(Some(at));
        }
    }
    if !units[last].broken {
        return Ok(Some(last));
    }
    let stands_in =
        |unit: &Unit<'_>| defining(unit) && !unit.broken && !unit.stmts.iter().any(is_stub);
    match units.iter().rposition(stands_in) {
        Some(earlier) => Ok(Some(earlier)),
        None => Err(Reason::BrokenEntryPoint),
    }
}

/// Returns the other names that a prompt with a stub of the entry point defines: the task's tests may use them.
pub(super) fn given_names(prompt: &str, entry_point: &str) -> BTreeSet<String> {
    with_recovered_module(prompt, Fstrings::Pep701, |module| {
        let units = units(module);
        let is_entry = |unit: &&Unit<'_>| unit.names.binds.contains(entry_point);
        if !units.iter().any(|unit| is_entry(&unit)) {
            return BTreeSet::new();
        }
        let others = units.iter().filter(|unit| {
            !is_entry(unit) && !unit.broken && !unit.names.imports && !is_main_guard(unit.stmts)
        });
        let names = others.flat_map(|unit| unit.names.binds.iter());
        names.map(|name| (*name).to_owned()).collect()
    })
    .unwrap_or_default()
}

/// Returns the statements of a source that supply missing names to a program: the units that bind them, and
/// those that these need. Units that define the entry point are excluded.
///
/// A prompt, which the program completes, also supplies all of its imports whose names the program does not
/// bind, but supplies nothing if it has no stub of the entry point.
pub(super) fn supplied(
    source: &str,
    lacking: &BTreeSet<String>,
    bound: &BTreeSet<String>,
    entry_point: &str,
    is_prompt: bool,
) -> String {
    with_recovered_module(source, Fstrings::Pep701, |module| {
        let units = units(module);
        let mut names = units.iter().map(|unit| &unit.names);
        if is_prompt && !names.any(|names| names.binds.contains(entry_point)) {
            return String::new();
        }
        let gives = |unit: &Unit<'_>| {
            !unit.broken
                && !is_main_guard(unit.stmts)
                && !unit.names.binds.contains(entry_point)
                && !unit.names.uses.contains(entry_point)
        };
        let seeds: Vec<usize> = (0..units.len())
            .filter(|&at| gives(&units[at]))
            .filter(|&at| {
                let names = &units[at].names;
                let is_new = |name: &&str| *name == "*" || !bound.contains(*name);
                let imported = is_prompt && names.imports && names.binds.iter().any(is_new);
                imported || names.binds.iter().any(|name| lacking.contains(*name))
            })
            .collect();
        if seeds.is_empty() {
            return String::new();
        }
        let givers = givers(&units, |unit| !unit.names.uses.contains(entry_point));
        let kept = reach(
            &units,
            seeds,
            |name, giver| !bound.contains(name) && gives(&units[giver]),
            &givers,
        );
        assemble(module, &units, &kept)
    })
    .unwrap_or_default()
}

/// Returns the names that a program binds at its top level, and those that it reads although nothing binds them.
pub(super) fn bound_and_lacking(program: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    with_recovered_module(program, Fstrings::Pep701, |module| {
        let names = module
            .body()
            .iter()
            .map(Names::of)
            .fold(Names::default(), Names::merge);
        let owned = |names: BTreeSet<&str>| names.into_iter().map(str::to_owned).collect();
        let lacking = names.uses.difference(&names.binds).copied();
        let lacking = lacking.filter(|name| !crate::builtins::is_builtin(name));
        let lacking: BTreeSet<&str> = lacking.collect();
        (owned(names.binds), owned(lacking))
    })
    .unwrap_or_default()
}

/// Inserts statements into a program, after its docstring and its imports from `__future__`.
pub(super) fn with_before(program: &str, statements: &str) -> String {
    if statements.trim().is_empty() {
        return program.to_owned();
    }
    let head_lines = with_recovered_module(program, Fstrings::Pep701, |module| {
        let units = units(module);
        let stays = |unit: &&Unit<'_>| is_docstring(unit.stmts) || is_future_import(unit.stmts);
        units
            .iter()
            .take_while(stays)
            .last()
            .map_or(0, |unit| unit.last_line)
    });
    let head_lines = head_lines.unwrap_or_default();
    let split: usize = program
        .split_inclusive('\n')
        .take(head_lines)
        .map(str::len)
        .sum();
    let (head, rest) = program.split_at(split);
    format!(
        "{head}{}\n\n\n{}",
        statements.trim_end(),
        rest.trim_start_matches('\n')
    )
}

/// Returns whether a function contains only a docstring, `pass`, `...` or `raise NotImplementedError`, or a
/// class only such methods.
fn is_stub(stmt: &Stmt) -> bool {
    let is_nothing = |stmt: &Stmt| match stmt {
        Stmt::Pass(_) => true,
        Stmt::Expr(expr) => {
            expr.value.is_string_literal_expr() || expr.value.is_ellipsis_literal_expr()
        }
        Stmt::Raise(raise) => raise.exc.as_deref().is_some_and(is_not_implemented),
        _ => false,
    };
    match stmt {
        Stmt::FunctionDef(function) => function.body.iter().all(is_nothing),
        Stmt::ClassDef(class) => {
            class.body.iter().any(Stmt::is_function_def_stmt)
                && class
                    .body
                    .iter()
                    .all(|stmt| is_nothing(stmt) || is_stub(stmt))
        }
        _ => false,
    }
}

fn is_not_implemented(expr: &ast::Expr) -> bool {
    match expr {
        ast::Expr::Name(name) => name.id == "NotImplementedError",
        ast::Expr::Call(call) => is_not_implemented(&call.func),
        _ => false,
    }
}

/// Returns whether one of the statements is a class with this method, even a stub, or may have it: a class with
/// bases, or no class at all.
fn has_method(stmts: &[Stmt], method: &str) -> bool {
    stmts.iter().any(|stmt| match stmt {
        Stmt::ClassDef(class) => {
            let inherits = class
                .arguments
                .as_ref()
                .is_some_and(|bases| !bases.is_empty());
            inherits
                || class
                    .body
                    .iter()
                    .any(|stmt| Names::of(stmt).binds.contains(method))
        }
        _ => true,
    })
}

/// Returns whether the statements are one plain definition of `name`, which replaces an earlier one.
fn defines_only(stmts: &[Stmt], name: &str) -> bool {
    match stmts {
        [Stmt::FunctionDef(function)] => function.name.as_str() == name,
        [Stmt::ClassDef(class)] => class.name.as_str() == name,
        _ => false,
    }
}

fn is_docstring(stmts: &[Stmt]) -> bool {
    matches!(stmts, [Stmt::Expr(expr)] if expr.value.is_string_literal_expr())
}

fn is_future_import(stmts: &[Stmt]) -> bool {
    matches!(stmts, [Stmt::ImportFrom(import)]
        if import.module.as_ref().is_some_and(|module| module.as_str() == "__future__"))
}

/// Matches `if __name__ == "__main__":`, also with the operands swapped.
fn is_main_guard(stmts: &[Stmt]) -> bool {
    let [Stmt::If(stmt)] = stmts else {
        return false;
    };
    let ast::Expr::Compare(compare) = &*stmt.test else {
        return false;
    };
    std::iter::once(&*compare.left)
        .chain(&compare.comparators)
        .any(|side| matches!(side, ast::Expr::Name(name) if name.id == "__name__"))
}

/// Returns the lines of the kept units, each with the comments directly above it.
fn assemble(module: &Module<'_>, units: &[Unit<'_>], kept: &[bool]) -> String {
    let lines: Vec<&str> = module.text.split_inclusive('\n').collect();
    let mut program = String::with_capacity(module.text.len());
    let mut previous_end = 0;
    for (unit, kept) in units.iter().zip(kept) {
        if *kept {
            let above = lines[previous_end..unit.first_line - 1]
                .iter()
                .rev()
                .take_while(|line| line.trim().is_empty() || line.starts_with('#'))
                .count();
            for line in &lines[unit.first_line - 1 - above..unit.last_line] {
                program.push_str(line);
            }
            if !program.ends_with('\n') {
                program.push('\n');
            }
        }
        previous_end = unit.last_line;
    }
    let body = program.trim_start_matches('\n').trim_end();
    format!("{body}\n")
}
