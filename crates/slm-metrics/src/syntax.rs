//! Python syntax: parsing, the functions of a file, programs in a model's answer, equality and similarity of
//! programs, signatures, and mutants.

pub use crate::argument_comparisons::{
    ArgumentComparisons, argument_comparisons, literal_arguments,
};
pub use crate::bleu::{BleuCounts, body_tokens};
pub use crate::body_spans::body_spans;
pub use crate::code_tokens::{CodeToken, CodeTokenKind, code_tokens, is_builtin_name};
pub use crate::code_words::{CodeWords, code_words};
pub use crate::comment_lines::{CommentLines, StringLines, comment_lines};
pub use crate::definitions::{OutlineItem, OutlineKind, moved_definition, outline};
pub use crate::exports::{ImportedName, exported_names, imported_names};
pub use crate::extraction::{Extraction, Form, Reason, Wanted, extract_program, without_reasoning};
pub use crate::fingerprint::function_fingerprints;
pub use crate::function_traces::{FunctionTrace, function_traces, snippet_trace};
pub use crate::functions::{
    FunctionSource, FunctionSurvey, Uncut, UncutFunction, documented_functions, survey_functions,
};
pub use crate::literals::{is_call_with_literals, is_literal};
pub use crate::logical_lines::{LineUse, LogicalLine, line_use, logical_lines};
pub use crate::mutants::{Mutant, MutationKind, choose, mutants, mutants_of};
pub use crate::normalised::{
    adds_nothing, definition_hashes, nameless_function_hashes, normalised_hash,
};
pub use crate::parser::{Fstrings, SyntaxError, parses};
pub use crate::placeholders::{Placeholder, placeholders};
pub use crate::program_parts::{function_body, is_preamble, without_comments};
pub use crate::rewrites::{
    FunctionText, RewriteFault, function_texts, moved_right, rewrite_fault, with_function,
};
pub use crate::signature::same_signature;
pub use crate::similarity::{MAX_TOKENS, lcs_length, similarity};
pub use crate::symbols::{
    Definition, DefinitionKind, definitions, definitions_of_stub, lines_that_use, module_docstring,
};
