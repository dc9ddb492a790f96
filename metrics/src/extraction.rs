//! The program in a model's answer: out of its Markdown fence, without what its entry point does not need.

use std::collections::{HashMap, HashSet};

use serde::Serialize;

use crate::names::Names;
use crate::syntax::ast::{self, Stmt};
use crate::syntax::{Fstrings, Module, Ranged, TextSize, with_recovered_module};

/// Why an [`Extraction`] is complete or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The program parses and defines its entry point.
    Complete,
    /// The definition of the entry point does not parse; it may have been cut off.
    BrokenEntryPoint,
    /// Nothing defines the entry point.
    NoEntryPoint,
}

/// What [`extract_program`] found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Extraction {
    /// The program; the whole text if it is not complete, so that it counts as one that does not parse.
    pub program: String,
    /// Whether the program parses and defines the entry point.
    pub complete: bool,
    /// Why so.
    pub reason: Reason,
}

/// Takes the program that defines `entry_point`, a function or class, out of a model's answer.
///
/// The program is searched in the whole text if that parses, then in the fenced blocks (an open fence reaches to the
/// end), then outside of them. Of its top-level statements the module's docstring stays, all imports, also guarded
/// ones, and those that the entry point needs directly or through others; of functions or classes of one name the last
/// one stays. Prose, tests, prints and the main guard go. A definition of the entry point that does not parse is never mended.
pub fn extract_program(text: &str, entry_point: &str) -> Extraction {
    let mut reason = Reason::NoEntryPoint;
    for candidate in candidates(text) {
        match program_in(candidate, entry_point) {
            Ok(program) => {
                return Extraction {
                    program,
                    complete: true,
                    reason: Reason::Complete,
                };
            }
            Err(Reason::BrokenEntryPoint) => reason = Reason::BrokenEntryPoint,
            Err(_) => {}
        }
    }
    Extraction {
        program: text.to_owned(),
        complete: false,
        reason,
    }
}

/// The whole text, then what stands inside of fences, then what stands outside.
fn candidates(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut part_start = 0;
    let mut offset = 0;
    let mut open_fence: Option<&str> = None;
    for line in text.split_inclusive('\n') {
        let line_end = offset + line.len();
        if let Some((fence, info)) = fence(line) {
            let is_delimiter = match open_fence {
                None => true,
                Some(open) => fence.starts_with(open) && info.is_empty(),
            };
            if is_delimiter {
                parts.push((open_fence.is_some(), &text[part_start..offset]));
                part_start = line_end;
                open_fence = if open_fence.is_some() {
                    None
                } else {
                    Some(fence)
                };
            }
        }
        offset = line_end;
    }
    parts.push((open_fence.is_some(), &text[part_start..]));
    let part = |fenced: bool| {
        let of_kind = parts.iter().filter(move |part| part.0 == fenced);
        of_kind.map(|part| part.1)
    };
    // Without a fence the whole text is the one part that there is.
    let whole = (parts.len() > 1).then_some(text);
    whole
        .into_iter()
        .chain(part(true))
        .chain(part(false))
        .collect()
}

/// The fence that a line consists of, and what follows it: three backticks or tildes or more, indented by three
/// spaces at most (`CommonMark` 4.5).
fn fence(line: &str) -> Option<(&str, &str)> {
    let unindented = line.trim_start_matches(' ');
    if line.len() - unindented.len() > 3 {
        return None;
    }
    let mark = unindented
        .chars()
        .next()
        .filter(|c| matches!(c, '`' | '~'))?;
    let info = unindented.trim_start_matches(mark);
    let fence = &unindented[..unindented.len() - info.len()];
    let info = info.trim();
    (fence.len() >= 3 && !info.contains('`')).then_some((fence, info))
}

fn program_in(text: &str, entry_point: &str) -> Result<String, Reason> {
    // Prose is slow to parse, and what does not name the entry point cannot define it. Beyond ASCII one identifier has
    // several spellings (PEP 3131).
    if text.is_ascii() && !text.contains(entry_point) {
        return Err(Reason::NoEntryPoint);
    }
    let program = with_recovered_module(text, Fstrings::Pep701, |module| {
        let mut units = units(module);
        select(&mut units, entry_point)?;
        Ok(assemble(module, &units))
    })
    .map_err(|_| Reason::BrokenEntryPoint)??;
    // Errors can hide between statements; what was kept must stand alone.
    let defines = with_recovered_module(&program, Fstrings::Pep701, |module| {
        module.error().is_none()
            && module
                .body()
                .iter()
                .any(|stmt| Names::of(stmt).binds.contains(entry_point))
    });
    match defines {
        Ok(true) => Ok(program),
        _ => Err(Reason::BrokenEntryPoint),
    }
}

/// Top-level statements that share physical lines, with all that the selection asks of them.
struct Unit<'a> {
    stmts: &'a [Stmt],
    first_line: usize,
    last_line: usize,
    names: Names<'a>,
    /// The unit does not parse.
    broken: bool,
    kept: bool,
}

fn units<'a>(module: &'a Module<'a>) -> Vec<Unit<'a>> {
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
                kept: false,
            });
            first = at + 1;
        }
    }
    let mut errors: Vec<TextSize> = module.error_offsets().collect();
    errors.sort_unstable();
    for at in 0..units.len() {
        // An error after a statement is its own: it ended too early.
        let start = lines.start(units[at].first_line);
        let end = units
            .get(at + 1)
            .map_or(TextSize::new(u32::MAX), |next| lines.start(next.first_line));
        let next_error = errors.partition_point(|&error| error < start);
        units[at].broken = errors.get(next_error).is_some_and(|&error| error < end);
    }
    units
}

/// Marks the units to keep.
fn select(units: &mut [Unit<'_>], entry_point: &str) -> Result<(), Reason> {
    let Some(entry) = entry_unit(units, entry_point)? else {
        return Err(Reason::NoEntryPoint);
    };
    // Which units give a name its value; the last definition replaces the earlier ones.
    let mut givers: HashMap<&str, Vec<usize>> = HashMap::new();
    for (at, unit) in units.iter().enumerate() {
        if unit.broken || is_main_guard(unit.stmts) {
            continue;
        }
        // What calls the entry point for its own ends, `results.append(f(1))`, is a test and no part of it.
        let changes = unit.names.changes.iter().filter(|_| {
            !unit.names.uses.contains(entry_point) || unit.names.changes.contains(entry_point)
        });
        for name in unit.names.binds.iter().chain(changes) {
            let giving = givers.entry(name).or_default();
            if defines_only(unit.stmts, name) {
                giving.retain(|&earlier| !defines_only(units[earlier].stmts, name));
            }
            giving.push(at);
        }
    }
    let mut pending = vec![entry];
    for (at, unit) in units.iter().enumerate() {
        if unit.names.imports && !unit.broken && !is_main_guard(unit.stmts) {
            pending.push(at);
        }
    }
    if let Some(first) = units.first()
        && !first.broken
        && is_docstring(first.stmts)
    {
        pending.push(0);
    }
    let mut kept = vec![false; units.len()];
    let mut followed = HashSet::new();
    while let Some(at) = pending.pop() {
        if std::mem::replace(&mut kept[at], true) {
            continue;
        }
        let names = &units[at].names;
        // Statements that change what a kept one binds belong to it; those on a module that is only imported do not.
        let changed = names.binds.iter().filter(|_| !names.imports);
        for name in names.uses.iter().chain(changed) {
            if followed.insert(*name) {
                let giving = givers.get(name).map_or(&[][..], Vec::as_slice);
                pending.extend(giving.iter().filter(|&&giver| {
                    // An earlier definition of the entry point is not what it calls.
                    *name != entry_point || giver >= entry
                }));
            }
        }
    }
    for (unit, kept) in units.iter_mut().zip(kept) {
        unit.kept = kept;
    }
    Ok(())
}

/// The last unit that defines the entry point.
///
/// If that one is broken an earlier one may stand in, unless it is a stub: a prompt's signature and docstring is no
/// answer.
fn entry_unit(units: &[Unit<'_>], entry_point: &str) -> Result<Option<usize>, Reason> {
    let defining =
        |unit: &Unit<'_>| unit.names.binds.contains(entry_point) && !is_main_guard(unit.stmts);
    let Some(last) = units.iter().rposition(defining) else {
        return Ok(None);
    };
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

/// Whether nothing but a docstring, `pass` or `...` is in a function.
fn is_stub(stmt: &Stmt) -> bool {
    let Stmt::FunctionDef(function) = stmt else {
        return false;
    };
    function.body.iter().all(|stmt| match stmt {
        Stmt::Pass(_) => true,
        Stmt::Expr(expr) => {
            expr.value.is_string_literal_expr() || expr.value.is_ellipsis_literal_expr()
        }
        _ => false,
    })
}

/// Whether the statements are one plain definition of `name`, which replaces an earlier one.
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

/// `if __name__ == "__main__":`, or the same the other way round.
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

/// The lines of the kept units, each with the comments right above it.
fn assemble(module: &Module<'_>, units: &[Unit<'_>]) -> String {
    let lines: Vec<&str> = module.text.split_inclusive('\n').collect();
    let mut program = String::with_capacity(module.text.len());
    let mut previous_end = 0;
    for unit in units {
        if unit.kept {
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
