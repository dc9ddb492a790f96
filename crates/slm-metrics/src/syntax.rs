//! Python syntax: parsing, the functions of a file, programs in a model's answer, and equality of programs.

pub use crate::extraction::{Extraction, Form, Reason, Wanted, extract_program, without_reasoning};
pub use crate::functions::{
    FunctionSource, FunctionSurvey, Uncut, UncutFunction, documented_functions, survey_functions,
};
pub use crate::normalised::{adds_nothing, definition_hashes, normalised_hash};
pub use crate::parser::{Fstrings, SyntaxError, parses};
