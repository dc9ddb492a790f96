//! Extracts the program from a model's answer: removes the reasoning before it, the prose and Markdown around
//! it, and statements that the entry point does not need.

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

/// Maximum number of blocks that are tried as the rest of a prompt.
const MAX_BODIES: usize = 16;
/// Maximum number of blocks that supply names which a program lacks.
const MAX_GIVING: usize = 16;

/// Why an [`Extraction`] is complete or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The program parses and defines its entry point, or makes a call if no entry point is required.
    Complete,
    /// The definition of the entry point does not parse; it may have been cut off.
    BrokenEntryPoint,
    /// Nothing defines the entry point.
    NoEntryPoint,
    /// No entry point is required, and no text that parses makes a call.
    NoScript,
}

/// The result of [`extract_program`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Extraction {
    /// The program. If incomplete, the whole text without reasoning, so that it counts as one that does not parse.
    pub program: String,
    /// Whether the program parses and defines the entry point.
    pub complete: bool,
    /// The reason.
    pub reason: Reason,
}

/// What an answer should define.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted<'a> {
    /// Name of a function, class or variable; empty for a program that reads its input and prints.
    pub entry_point: &'a str,
    /// The method to call, if the entry point is a class. A program without such a class may define a function
    /// of this name instead.
    pub method: Option<&'a str>,
    /// The prompt of the answer. If it is Python code that defines the entry point as a stub, its imports and
    /// other definitions are kept, since tests may use them.
    pub prompt: &'a str,
}

impl<'a> Wanted<'a> {
    /// Requires a program with this entry point, without a prompt.
    pub fn entry_point(entry_point: &'a str) -> Self {
        Self {
            entry_point,
            method: None,
            prompt: "",
        }
    }
}

/// Relation of an answer to its prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form<'a> {
    /// A whole program.
    Whole,
    /// The rest of a program that begins with this text. A whole program is accepted as well.
    RestOf(&'a str),
    /// A whole program. The rest of one that begins with this text is accepted as well.
    WholeOrRestOf(&'a str),
}

impl<'a> Form<'a> {
    fn begun(self) -> Option<&'a str> {
        match self {
            Self::Whole => None,
            Self::RestOf(begun) | Self::WholeOrRestOf(begun) => Some(begun),
        }
    }

    /// Returns the answer appended to the text that it may continue.
    pub fn joined(self, answer: &str) -> String {
        format!("{}{answer}", self.begun().unwrap_or_default())
    }

    /// Returns the possible texts of an answer, most likely first, and whether each includes the prompt's text.
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

/// Extracts the program that defines the entry point from a model's answer.
///
/// Reasoning is not part of an answer ([`without_reasoning`]). A text that parses unchanged is the program;
/// otherwise the fenced blocks are searched (an unclosed fence extends to the end), then the whole text, then
/// the text outside the blocks. The first program is used whose entry point has statements, and its method if
/// one is required. Of its top-level statements these are kept: the module's docstring, all imports, including
/// guarded ones, and those that the entry point needs directly or indirectly; of several functions or classes
/// with one name the last one. Missing names are supplied from other blocks or from the prompt. Prose, tests,
/// prints and the main guard are removed. A definition of the entry point that does not parse is never
/// repaired.
///
/// Without an entry point the program is the first text or block that parses and makes a call, with all its
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

/// Returns an answer without its reasoning; reasoning marks in the strings of a program do not count.
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

/// A search for the program with a required entry point.
struct Search<'a> {
    wanted: &'a Wanted<'a>,
    markdown: &'a fences::Markdown<'a>,
    /// Names that the prompt defines besides the entry point.
    given: BTreeSet<String>,
    reason: Reason,
    /// A program whose entry point has no statement, or lacks the method: used if nothing better is found.
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
        // Fences inside a docstring do not count.
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

    /// Tries blocks that contain only the body of the begun function.
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

    /// Returns the program in a text, unless it is a stub. `joined`: the text begins with the prompt.
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

    /// Adds what a program lacks, from other blocks and from the prompt.
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

/// Adds the statements of other blocks that bind names which a program lacks.
fn with_blocks(mut program: String, blocks: &[Block<'_>], entry_point: &str) -> String {
    if blocks.len() < 2 {
        return program;
    }
    // Statements from one block may in turn need another block.
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
