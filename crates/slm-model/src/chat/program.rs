//! Execution of untrusted chat templates with bounded memory, time and stack.
//!
//! minijinja's fuel bounds the work and the text of a template, but not the expansion of shared values:
//! sixty times `[l, l]` is a list of 2^60 items, cheap to create and endless to print, compare or free. So
//! - the source is parsed with bounds on the tokens of an expression and on its nesting, on a thread with a large stack
//! - after each instruction that creates a value, the program measures it with all its content, and stops if it is
//!   too large or too deep; before each instruction that compares values, fuel is consumed for their size
//! - methods and filters whose text output can exceed their input are bounded where they are defined, in `jinja`
//!
//! The instructions are minijinja's own, from its unstable interface: the workspace pins its version.

use std::collections::{BTreeMap, BTreeSet};

use minijinja::machinery::{
    CodeGenerator, Instruction, Instructions, Token, eval, make_string_output, parse, tokenize,
};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::ValueKind;
use minijinja::{AutoEscape, Environment, Error, ErrorKind, State, Value};

/// Stack for parsing a source, whose recursion is as deep as its expressions nest.
const READER_STACK: usize = 256 << 20;
/// Maximum number of tokens between brackets and commas, ten times that of published templates: each operator nests.
const MAX_CHAIN: usize = 1000;
/// Maximum nesting of brackets.
const MAX_BRACKETS: usize = 200;
/// Maximum number of `elif`s of a template; each nests in the previous one.
const MAX_BRANCHES: usize = 500;
/// Maximum number of strings, numbers, lists and maps in a value. A conversation has about five per message.
pub(super) const MAX_VALUES: u64 = 200_000;
/// Maximum size of the text in a value, in bytes.
pub(super) const MAX_VALUE_BYTES: u64 = 16 << 20;
/// Maximum nesting of lists and maps in a value.
const MAX_DEPTH: usize = 32;
/// Number of values measured per unit of fuel.
pub(super) const VALUES_PER_FUEL: u64 = 32;

/// The filter that measures a value; templates cannot spell its name.
const MEASURE: &str = "%measure";
/// The filter that measures a value stored in a namespace.
const STORE: &str = "%store";
/// The filter that consumes fuel for a value's size.
const PAY: &str = "%pay";
const NAME: &str = "chat_template";
/// Tests that compare their value with their argument.
const COMPARISONS: [&str; 16] = [
    "eq",
    "equalto",
    "==",
    "ne",
    "!=",
    "lt",
    "lessthan",
    "<",
    "le",
    "<=",
    "gt",
    "greaterthan",
    ">",
    "ge",
    ">=",
    "in",
];

/// A compiled template.
pub(super) struct Program {
    instructions: Instructions<'static>,
    blocks: BTreeMap<&'static str, Instructions<'static>>,
}

impl Program {
    /// Compiles a source, which stays in memory for the lifetime of the process: there is one per model.
    ///
    /// # Errors
    /// The source is not valid Jinja, or exceeds the limits of length or nesting.
    pub(super) fn read(source: &str, syntax: &SyntaxConfig) -> Result<Self, Error> {
        check_tokens(source, syntax)?;
        let source: &'static str = Box::leak(source.to_owned().into_boxed_str());
        let syntax = syntax.clone();
        let reader = std::thread::Builder::new()
            .name(NAME.to_owned())
            .stack_size(READER_STACK)
            .spawn(move || {
                let tree = parse(source, NAME, syntax)?;
                let mut generator = CodeGenerator::new(NAME, source);
                generator.compile_stmt(&tree);
                Ok::<_, Error>(generator.finish())
            })
            .map_err(|error| refusal(format!("cannot start a thread to read it: {error}")))?;
        let (instructions, blocks) = reader
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        let blocks = blocks
            .iter()
            .map(|(name, block)| Ok((*name, bounded(block, source)?)));
        Ok(Self {
            blocks: blocks.collect::<Result<_, Error>>()?,
            instructions: bounded(&instructions, source)?,
        })
    }

    /// Runs the template.
    ///
    /// # Errors
    /// The template fails, refuses its input, or exceeds a limit.
    pub(super) fn run<'a>(
        &'a self,
        environment: &'a Environment<'static>,
        root: Value,
    ) -> Result<String, Error> {
        let mut text = String::new();
        let mut out = make_string_output(&mut text);
        eval(
            environment,
            &self.instructions,
            root,
            &self.blocks,
            &mut out,
            AutoEscape::None,
        )?;
        Ok(text)
    }
}

impl std::fmt::Debug for Program {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.instructions.source())
    }
}

fn refusal(reason: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::InvalidOperation, reason)
}

/// Refuses a source with long chains of operators or deep nesting: parsers recurse as deep.
fn check_tokens(source: &str, syntax: &SyntaxConfig) -> Result<(), Error> {
    // Number of tokens since the last comma, for each open bracket.
    let mut chains = vec![0];
    let mut branches = 0;
    for token in tokenize(source, false, syntax.clone()) {
        let (token, span) = token?;
        match &token {
            Token::VariableStart | Token::BlockStart => chains = vec![0],
            Token::ParenOpen | Token::BracketOpen | Token::BraceOpen => chains.push(0),
            Token::ParenClose | Token::BracketClose | Token::BraceClose if chains.len() > 1 => {
                chains.pop();
            }
            Token::Ident("elif") => branches += 1,
            _ => {}
        }
        let depth = chains.len();
        if let Some(chain) = chains.last_mut() {
            *chain = if matches!(token, Token::Comma) {
                0
            } else {
                *chain + 1
            };
            let line = span.start_line;
            let problem = if *chain > MAX_CHAIN {
                format!("an expression of more than {MAX_CHAIN} tokens in a row")
            } else if depth > MAX_BRACKETS {
                format!("more than {MAX_BRACKETS} brackets in each other")
            } else if branches > MAX_BRANCHES {
                format!("more than {MAX_BRANCHES} `elif`")
            } else {
                continue;
            };
            return Err(refusal(format!("{problem} (line {line})")));
        }
    }
    Ok(())
}

/// Returns the instructions with filters between them that measure values and consume fuel for them.
///
/// # Errors
/// A constant is too large, or a method cannot be bounded.
fn bounded<'a>(
    instructions: &Instructions<'a>,
    source: &'a str,
) -> Result<Instructions<'a>, Error> {
    let filter = |name| Instruction::ApplyFilter(name, Some(1), !0);
    let targets: BTreeSet<u32> = (0..)
        .map_while(|at| instructions.get(at).cloned())
        .filter_map(|mut instruction| target_of(&mut instruction).copied())
        .collect();
    // The instructions before and after each instruction, in order.
    let mut parts: Vec<(Vec<Instruction<'a>>, Instruction<'a>, Vec<Instruction<'a>>)> = Vec::new();
    let mut at = 0;
    while let Some(instruction) = instructions.get(at) {
        let (mut before, mut after) = (Vec::new(), Vec::new());
        match instruction {
            // It compares values that cannot be measured here; no published template uses it.
            Instruction::CallMethod("changed", _) => {
                return Err(refusal("`loop.changed` is not supported"));
            }
            Instruction::BuildMap(_)
            | Instruction::BuildList(_)
            | Instruction::BuildTuple(_)
            | Instruction::Add
            | Instruction::Mul
            | Instruction::StringConcat
            | Instruction::ApplyFilter(..)
            | Instruction::CallFunction(..)
            | Instruction::CallMethod(..)
            | Instruction::CallObject(_)
            | Instruction::EndCapture => after.push(filter(MEASURE)),
            Instruction::LoadConst(value) => {
                Size::of(value)?;
            }
            Instruction::Eq
            | Instruction::Ne
            | Instruction::Gt
            | Instruction::Gte
            | Instruction::Lt
            | Instruction::Lte
            | Instruction::In
            | Instruction::CompareAndPreserve(_)
            | Instruction::GetItem => {
                // Comparison with a number or a string of the source is cheap and common.
                let is_scalar = !targets.contains(&at)
                    && matches!(
                        at.checked_sub(1).and_then(|at| instructions.get(at)),
                        Some(Instruction::LoadConst(value)) if value.as_object().is_none()
                    );
                if !is_scalar {
                    before.push(filter(PAY));
                }
            }
            Instruction::PerformTest(name, _, _) if COMPARISONS.contains(name) => {
                before.push(filter(PAY));
            }
            // On the stack, the namespace is above the value to store.
            Instruction::SetAttr(_) => before.extend([
                Instruction::Swap,
                filter(STORE),
                Instruction::Swap,
                filter(MEASURE),
            ]),
            _ => {}
        }
        parts.push((before, instruction.clone(), after));
        at += 1;
    }
    let starts: Vec<u32> = parts
        .iter()
        .scan(0, |next, (before, _, after)| {
            let start = *next;
            *next += 1 + (before.len() + after.len()) as u32;
            Some(start)
        })
        .collect();
    let end = starts.last().map_or(0, |last| {
        let (before, _, after) = &parts[parts.len() - 1];
        last + 1 + (before.len() + after.len()) as u32
    });
    let moved = |target: &mut u32| {
        *target = starts.get(*target as usize).copied().unwrap_or(end);
    };
    let mut out = Instructions::new(instructions.name(), source);
    for (at, (before, mut instruction, after)) in parts.into_iter().enumerate() {
        if let Some(target) = target_of(&mut instruction) {
            moved(target);
        }
        let line = instructions.get_line(at as u32).unwrap_or(0);
        let line = u16::try_from(line).unwrap_or(u16::MAX);
        for instruction in before.into_iter().chain([instruction]).chain(after) {
            out.add_with_line(instruction, line);
        }
    }
    Ok(out)
}

/// The jump target of an instruction.
fn target_of<'a>(instruction: &'a mut Instruction<'_>) -> Option<&'a mut u32> {
    match instruction {
        Instruction::Iterate(target)
        | Instruction::Jump(target)
        | Instruction::JumpIfFalse(target)
        | Instruction::JumpIfFalseOrPop(target)
        | Instruction::JumpIfTrueOrPop(target)
        | Instruction::BuildMacro(_, target, _) => Some(target),
        _ => None,
    }
}

/// Adds the filters of bounded programs.
pub(super) fn add_filters(environment: &mut Environment<'static>) {
    environment.add_filter(MEASURE, |state: &State, value: Value| {
        let size = Size::of(&value)?;
        state.consume_fuel(size.values / VALUES_PER_FUEL)?;
        Ok::<_, Error>(value)
    });
    environment.add_filter(STORE, |state: &State, value: Value| {
        let size = Size::of_inner(&value)?;
        state.consume_fuel(size.values / VALUES_PER_FUEL)?;
        Ok::<_, Error>(value)
    });
    environment.add_filter(PAY, |state: &State, value: Value| {
        pay(state, &value)?;
        Ok::<_, Error>(value)
    });
}

/// Consumes fuel for visiting the content of a value once.
///
/// # Errors
/// The fuel is used up, or the value is too large.
pub(super) fn pay(state: &State, value: &Value) -> Result<Size, Error> {
    let size = if value.as_object().is_some() {
        Size::of(value)?
    } else {
        Size::default()
    };
    state.consume_fuel(size.values / VALUES_PER_FUEL)?;
    Ok(size)
}

/// The expanded size of a value: all its content, each part counted as often as it occurs.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Size {
    /// Number of strings, numbers, lists and maps.
    pub(super) values: u64,
    /// Size of the text in bytes.
    pub(super) bytes: u64,
}

impl Size {
    /// Measures a value.
    ///
    /// # Errors
    /// It is too large or too deep.
    pub(super) fn of(value: &Value) -> Result<Self, Error> {
        let mut size = Self::default();
        size.add(value, 0)?;
        Ok(size)
    }

    /// Measures a value inside another.
    ///
    /// # Errors
    /// As [`Self::of`], or it is a namespace.
    fn of_inner(value: &Value) -> Result<Self, Error> {
        let mut size = Self::default();
        size.add(value, 1)?;
        Ok(size)
    }

    fn add(&mut self, value: &Value, depth: usize) -> Result<(), Error> {
        self.values += 1;
        if let Some(bytes) = value.as_bytes() {
            self.bytes += bytes.len() as u64;
        }
        if self.values > MAX_VALUES || self.bytes > MAX_VALUE_BYTES {
            return Err(refusal(format!(
                "a value of more than {MAX_VALUES} parts or {MAX_VALUE_BYTES} bytes"
            )));
        }
        let kind = value.kind();
        if !matches!(kind, ValueKind::Seq | ValueKind::Iterable | ValueKind::Map) {
            return Ok(());
        }
        if depth == MAX_DEPTH {
            return Err(refusal(format!("lists nested more than {MAX_DEPTH} deep")));
        }
        // A value that changes later cannot be measured now, and could come to contain itself.
        if depth > 0 && is_namespace(value) {
            return Err(refusal("a namespace inside another value"));
        }
        for item in value.try_iter()? {
            if kind == ValueKind::Map {
                self.add(&value.get_item(&item)?, depth + 1)?;
            }
            self.add(&item, depth + 1)?;
        }
        Ok(())
    }
}

fn is_namespace(value: &Value) -> bool {
    value
        .as_object()
        .is_some_and(|object| object.type_name().ends_with("::Namespace"))
}
