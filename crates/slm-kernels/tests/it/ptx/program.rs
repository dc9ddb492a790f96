//! Reads the entry point of a module of PTX.

use std::collections::HashMap;

/// An operand of an instruction.
#[derive(Clone, Debug)]
pub(super) enum Operand {
    Register(usize),
    /// A constant, or the address of shared memory.
    Constant(u64),
    Special(String),
    /// Registers in braces.
    List(Vec<Operand>),
    /// A register's address and an offset.
    Memory {
        base: Option<usize>,
        offset: i64,
    },
    /// An argument of the kernel.
    Parameter(usize),
    /// The index of an instruction.
    Label(usize),
}

#[derive(Debug)]
pub(super) struct Instruction {
    /// The predicate, and the value with which the instruction runs.
    pub(super) guard: Option<(usize, bool)>,
    pub(super) name: String,
    pub(super) operands: Vec<Operand>,
}

/// The entry point of a module.
pub(crate) struct Program {
    pub(super) instructions: Vec<Instruction>,
    pub(super) registers: usize,
    /// Units of a cube.
    pub(super) units: usize,
    /// Shared memory of a cube.
    pub(super) shared_bytes: usize,
}

/// Names of registers and labels.
#[derive(Default)]
struct Names {
    registers: HashMap<String, usize>,
    labels: HashMap<String, usize>,
}

impl Program {
    pub(crate) fn parse(ptx: &str, shared_bytes: usize) -> Self {
        let entry = &ptx[ptx.find(".entry").expect("an entry point")..];
        let units = entry.split(".reqntid ").nth(1).expect("a number of units");
        let units = units
            .split(',')
            .next()
            .and_then(|n| n.trim().parse().ok())
            .expect("a number");
        let body = &entry[entry.find("\n{").expect("a body") + 2..];
        let body = &body[..body.find("\n}").expect("the end of the body")];
        let body: String = body
            .lines()
            .map(|line| line.split("//").next().unwrap_or_default())
            .filter(|line| !line.trim_start().starts_with('.'))
            .collect::<Vec<_>>()
            .join("\n");
        let mut names = Names::default();
        let mut statements = Vec::new();
        for statement in body.split(';') {
            let mut statement = statement.trim();
            while let Some((label, rest)) = statement
                .split_once(':')
                .filter(|(label, _)| label.starts_with('$'))
            {
                names.labels.insert(label.to_string(), statements.len());
                statement = rest.trim();
            }
            if !statement.is_empty() {
                statements.push(statement);
            }
        }
        let instructions = statements
            .iter()
            .map(|text| names.instruction(text))
            .collect();
        Self {
            instructions,
            registers: names.registers.len(),
            units,
            shared_bytes,
        }
    }
}

impl Names {
    fn register(&mut self, name: &str) -> usize {
        let next = self.registers.len();
        *self.registers.entry(name.to_string()).or_insert(next)
    }

    fn instruction(&mut self, text: &str) -> Instruction {
        let mut text = text;
        let mut guard = None;
        if let Some(rest) = text.strip_prefix('@') {
            let (predicate, rest) = rest
                .split_once(char::is_whitespace)
                .expect("a guarded instruction");
            let negated = predicate.starts_with('!');
            guard = Some((self.register(predicate.trim_start_matches('!')), !negated));
            text = rest.trim();
        }
        let (name, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        // Shuffles and votes name a second result after a bar only in forms that these kernels do not use.
        let operands = split(rest)
            .into_iter()
            .map(|operand| self.operand(operand))
            .collect();
        Instruction {
            guard,
            name: name.to_string(),
            operands,
        }
    }

    fn operand(&mut self, text: &str) -> Operand {
        let text = text.trim();
        if let Some(inside) = text.strip_prefix('{') {
            let parts = split(inside.trim_end_matches('}'));
            return Operand::List(parts.into_iter().map(|part| self.operand(part)).collect());
        }
        if let Some(inside) = text.strip_prefix('[') {
            return self.memory(inside.trim_end_matches(']'));
        }
        if text.starts_with("%tid") || text.starts_with("%ctaid") {
            return Operand::Special(text.to_string());
        }
        if text.starts_with('%') {
            return Operand::Register(self.register(text));
        }
        if text.starts_with('$') {
            return Operand::Label(self.labels[text]);
        }
        Operand::Constant(constant(text))
    }

    fn memory(&mut self, text: &str) -> Operand {
        if let Some((_, index)) = text.rsplit_once("_param_") {
            return Operand::Parameter(index.parse().expect("the index of an argument"));
        }
        let (base, offset) = text.split_once('+').unwrap_or((text, "0"));
        let offset = offset.parse().expect("an offset");
        let base = (base != "cube_shared").then(|| self.register(base));
        Operand::Memory { base, offset }
    }
}

/// Splits at commas outside of braces.
fn split(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut depth, mut start) = (0, 0);
    for (at, letter) in text.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts.retain(|part| !part.trim().is_empty());
    parts
}

fn constant(text: &str) -> u64 {
    let hexadecimal = text.strip_prefix("0f").or_else(|| text.strip_prefix("0x"));
    match hexadecimal {
        Some(digits) => u64::from_str_radix(digits, 16).expect("a hexadecimal constant"),
        None if text == "cube_shared" => 0,
        None => text
            .parse::<i64>()
            .unwrap_or_else(|_| panic!("operand {text}")) as u64,
    }
}
