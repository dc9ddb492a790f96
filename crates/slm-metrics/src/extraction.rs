//! The program in a model's answer: without the reasoning before it, the words and the Markdown around it, and the
//! statements that its entry point does not need.

mod builtins;
mod fences;
mod names;
mod reasoning;
mod script;
mod selection;

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde::Serialize;

use crate::parser::parses;
use fences::{Block, Language};
use selection::{
    Selected, Target, bound_and_lacking, given_names, program_in, supplied, with_before,
};

pub use reasoning::without_reasoning;

/// Blocks that are tried as the rest of a prompt.
const MAX_BODIES: usize = 16;
/// Times that a block gives names which a program lacks.
const MAX_GIVING: usize = 16;

/// Why an [`Extraction`] is complete or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The program parses and defines its entry point, or does something if none is wanted.
    Complete,
    /// The definition of the entry point does not parse; it may have been cut off.
    BrokenEntryPoint,
    /// Nothing defines the entry point.
    NoEntryPoint,
    /// No entry point is wanted, and no text that parses calls anything.
    NoScript,
}

/// What [`extract_program`] found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Extraction {
    /// The program. If it is not complete, the whole text but for reasoning, so that it counts as one that does not parse.
    pub program: String,
    /// Whether the program parses and defines the entry point.
    pub complete: bool,
    /// Why so.
    pub reason: Reason,
}

/// What an answer should hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted<'a> {
    /// Name of a function, class or variable; empty for a program that reads its input and prints.
    pub entry_point: &'a str,
    /// The method that is called, where the entry point is a class. A program without such a class may have a function
    /// of this name instead.
    pub method: Option<&'a str>,
    /// The text that the answer was asked for with. Where it is Python that defines the entry point, a stub, its
    /// imports and what else it defines stay: tests may use it, too.
    pub prompt: &'a str,
}

impl<'a> Wanted<'a> {
    /// A program with this entry point, whatever it was asked for with.
    pub fn entry_point(entry_point: &'a str) -> Self {
        Self {
            entry_point,
            method: None,
            prompt: "",
        }
    }
}

/// How an answer relates to what it was asked for with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form<'a> {
    /// A whole program.
    Whole,
    /// The rest of a program that begins with this text. A whole program may come instead.
    RestOf(&'a str),
    /// A whole program. The rest of one that begins with this text may come instead.
    WholeOrRestOf(&'a str),
}

impl<'a> Form<'a> {
    fn begun(self) -> Option<&'a str> {
        match self {
            Self::Whole => None,
            Self::RestOf(begun) | Self::WholeOrRestOf(begun) => Some(begun),
        }
    }

    /// The answer behind what it may be the rest of.
    pub fn joined(self, answer: &str) -> String {
        format!("{}{answer}", self.begun().unwrap_or_default())
    }

    /// The texts that an answer may be, the likelier first; whether each begins with what was asked for.
    fn texts(self, answer: &str) -> Vec<(Cow<'_, str>, bool)> {
        let alone = (Cow::Borrowed(answer), false);
        let joined = (Cow::Owned(self.joined(answer)), true);
        match self {
            Self::Whole => vec![alone],
            Self::RestOf(_) => vec![joined, alone],
            Self::WholeOrRestOf(_) => vec![alone, joined],
        }
    }
}

/// Takes the program that defines the entry point out of a model's answer.
///
/// Reasoning is no part of an answer ([`without_reasoning`]). A text that parses as it stands is the program; else it is
/// searched in the fenced blocks (an open fence reaches to the end), then in the whole text, then outside of the blocks.
/// The first program counts whose entry point has statements, and its method if one is wanted. Of its top-level
/// statements the module's docstring stays, all imports, also guarded ones, and those that the entry point needs directly
/// or through others; of functions or classes of one name the last one stays. Names that it lacks come from other blocks
/// or from the prompt. Prose, tests, prints and the main guard go. A definition of the entry point that does not parse is
/// never mended.
///
/// Without an entry point the program is the first text or block that parses and calls something, with all its
/// statements.
pub fn extract_program(answer: &str, form: Form<'_>, wanted: &Wanted<'_>) -> Extraction {
    let spoken = spoken(answer);
    let found = if wanted.entry_point.is_empty() {
        script::find(spoken, form)
    } else {
        Search::new(wanted, &fences::split(spoken)).find(spoken, form)
    };
    match found {
        Ok(program) => Extraction {
            program,
            complete: true,
            reason: Reason::Complete,
        },
        Err(reason) => Extraction {
            program: form.joined(spoken),
            complete: false,
            reason,
        },
    }
}

/// An answer without its reasoning; marks of reasoning in the strings of a program are none.
fn spoken(answer: &str) -> &str {
    let spoken = without_reasoning(answer);
    if spoken.len() == answer.len() {
        return answer;
    }
    let holds_marks = |code: &str| reasoning::has_marks(code) && parses(code);
    let blocks = || fences::split(answer).blocks;
    if holds_marks(answer) || blocks().iter().any(|block| holds_marks(&block.code)) {
        answer
    } else {
        spoken
    }
}

/// A search for the program with a wanted entry point.
struct Search<'a> {
    wanted: &'a Wanted<'a>,
    markdown: &'a fences::Markdown<'a>,
    /// Names that the prompt defines beside the entry point.
    given: BTreeSet<String>,
    reason: Reason,
    /// A program whose entry point has no statement, or lacks the method: better than nothing.
    stub: Option<String>,
}

impl<'a> Search<'a> {
    fn new(wanted: &'a Wanted<'a>, markdown: &'a fences::Markdown<'a>) -> Self {
        Self {
            wanted,
            markdown,
            given: given_names(wanted.prompt, wanted.entry_point),
            reason: Reason::NoEntryPoint,
            stub: None,
        }
    }

    fn find(mut self, text: &str, form: Form<'_>) -> Result<String, Reason> {
        match self.best(text, form) {
            Some(program) => Ok(program),
            None => self.stub.ok_or(self.reason),
        }
    }

    fn best(&mut self, text: &str, form: Form<'_>) -> Option<String> {
        let texts = form.texts(text);
        let markdown = self.markdown;
        let in_any = |search: &mut Self, whole| {
            texts
                .iter()
                .find_map(|(text, joined)| search.attempt(text, whole, *joined))
        };
        if markdown.blocks.is_empty() {
            return in_any(self, false).or_else(|| {
                let parts = fences::indented(text);
                parts
                    .iter()
                    .find_map(|part| self.attempt(part, false, false))
            });
        }
        // Fences inside of a docstring are none.
        in_any(self, true)
            .or_else(|| self.in_blocks())
            .or_else(|| self.attempt(markdown.widest?, true, false))
            .or_else(|| self.in_bodies(form.begun()?))
            .or_else(|| in_any(self, false))
            .or_else(|| {
                let first = markdown.outside.first()?;
                self.attempt(&format!("{}{first}", form.begun()?), false, true)
            })
            .or_else(|| {
                let mut outside = markdown.outside.iter();
                outside.find_map(|part| self.attempt(part, false, false))
            })
    }

    fn in_blocks(&mut self) -> Option<String> {
        let of = |other: bool| {
            let blocks = self.markdown.blocks.iter();
            blocks.filter(move |block| (block.language == Language::Other) == other)
        };
        let ordered: Vec<&Block<'_>> = of(false).chain(of(true)).collect();
        ordered
            .into_iter()
            .find_map(|block| self.attempt(&block.code, false, false))
    }

    /// Blocks that hold the body alone of what was begun.
    fn in_bodies(&mut self, begun: &str) -> Option<String> {
        let is_body = |code: &str| {
            let first = code.lines().find(|line| !line.trim().is_empty());
            first.is_some_and(|line| line.starts_with([' ', '\t']))
        };
        let blocks = self.markdown.blocks.iter();
        let bodies: Vec<String> = blocks
            .filter(|block| block.language != Language::Other && is_body(&block.code))
            .take(MAX_BODIES)
            .map(|block| format!("{begun}{}", block.code))
            .collect();
        bodies
            .iter()
            .find_map(|text| self.attempt(text, true, true))
    }

    /// The program in a text, unless it is a stub. `joined` says that the text begins with what was asked for.
    fn attempt(&mut self, text: &str, whole: bool, joined: bool) -> Option<String> {
        let text = text.trim_start_matches('\u{feff}');
        match self.selected(text, whole) {
            Ok(Selected { program, stub }) => {
                let program = self.supplied(program, joined);
                if stub {
                    self.stub.get_or_insert(program);
                    None
                } else {
                    Some(program)
                }
            }
            Err(reason) => {
                if reason == Reason::BrokenEntryPoint && !whole {
                    self.reason = reason;
                }
                None
            }
        }
    }

    fn selected(&self, text: &str, whole: bool) -> Result<Selected, Reason> {
        let Wanted {
            entry_point,
            method,
            ..
        } = *self.wanted;
        let given = &self.given;
        let target = Target {
            entry_point,
            method,
            given,
        };
        let found = program_in(text, target, whole);
        match (&found, method) {
            (Err(Reason::NoEntryPoint), Some(method)) => {
                let function = Target {
                    entry_point: method,
                    method: None,
                    given,
                };
                program_in(text, function, whole)
            }
            _ => found,
        }
    }

    /// A program with what it lacks, from other blocks and from the prompt.
    fn supplied(&self, program: String, joined: bool) -> String {
        let program = with_blocks(program, &self.markdown.blocks, self.wanted.entry_point);
        let prompt = self.wanted.prompt;
        if joined || prompt.is_empty() {
            return program;
        }
        let (bound, mut lacking) = bound_and_lacking(&program);
        lacking.extend(self.given.difference(&bound).cloned());
        let given = supplied(prompt, &lacking, &bound, self.wanted.entry_point, true);
        with_before(&program, &given)
    }
}

/// A program with the statements of other blocks that bind names which it lacks.
fn with_blocks(mut program: String, blocks: &[Block<'_>], entry_point: &str) -> String {
    if blocks.len() < 2 {
        return program;
    }
    // What one block gives may lack what another has.
    for _ in 0..MAX_GIVING {
        let (bound, lacking) = bound_and_lacking(&program);
        let given = blocks
            .iter()
            .filter(|block| block.language != Language::Other)
            .filter(|block| {
                lacking
                    .iter()
                    .any(|name| block.code.contains(name.as_str()))
            })
            .map(|block| supplied(&block.code, &lacking, &bound, entry_point, false))
            .find(|given| !given.trim().is_empty());
        match given {
            Some(given) => program = with_before(&program, &given),
            None => break,
        }
    }
    program
}
