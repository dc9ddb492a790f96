//! The files of a review: their static findings, and the functions that a model is to see.

use std::collections::HashMap;

use slm_metrics::rules::{self, Finding};
use slm_metrics::syntax::{FunctionText, function_texts, parses};
use slm_metrics::{SyntaxError, cognitive_by_function};

use crate::python_files::FileError;

/// A function with at most this cognitive complexity and no finding is not shown to the model.
pub(super) const MOST_COMPLEXITY: usize = 10;

/// A file with its path as displayed.
pub(super) struct Subject {
    pub(super) name: String,
    pub(super) outcome: Result<Parsed, FileError>,
}

/// A file that parses.
pub(super) struct Parsed {
    pub(super) text: String,
    pub(super) findings: Vec<Finding>,
    /// The functions with a finding or a cognitive complexity above [`MOST_COMPLEXITY`], in the order of the text.
    pub(super) functions: Vec<Flagged>,
}

/// A function for the model.
#[derive(Debug, Clone)]
pub(super) struct Flagged {
    pub(super) function: FunctionText,
    pub(super) complexity: usize,
    /// The findings in its lines.
    pub(super) findings: Vec<Finding>,
    /// Whether its text at the left margin parses.
    pub(super) is_movable: bool,
}

impl Parsed {
    pub(super) fn of(text: String) -> Result<Self, SyntaxError> {
        let (findings, all) = functions_of(&text)?;
        let is_flagged = |of: &Flagged| !of.findings.is_empty() || of.complexity > MOST_COMPLEXITY;
        Ok(Self {
            functions: all.into_iter().filter(is_flagged).collect(),
            text,
            findings,
        })
    }
}

/// Returns the findings in a file, and its functions that are not inside another.
///
/// # Errors
/// [`SyntaxError`] if it does not parse.
pub(super) fn functions_of(text: &str) -> Result<(Vec<Finding>, Vec<Flagged>), SyntaxError> {
    let findings = rules::findings(text)?;
    let complexities: HashMap<usize, usize> = cognitive_by_function(text)?
        .into_iter()
        .map(|of| (of.line, of.complexity))
        .collect();
    let flagged = |function: FunctionText| {
        let lines = function.first_line..=function.last_line;
        let inside = findings.iter().filter(|of| lines.contains(&of.line));
        Flagged {
            complexity: complexities
                .get(&function.keyword_line)
                .copied()
                .unwrap_or(0),
            findings: inside.cloned().collect(),
            is_movable: parses(&function.text),
            function,
        }
    };
    let functions = function_texts(text)?.into_iter().map(flagged).collect();
    Ok((findings, functions))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_with_a_finding_or_much_complexity_are_for_the_model() {
        let numbers = 2..8;
        let nested: Vec<String> = numbers
            .map(|n| format!("        if x > {n}:\n            x -= {n}\n"))
            .collect();
        let nested = nested.concat();
        let text = format!(
            "import os\n\ndef plain(x):\n    return x\n\nclass A:\n    def weak(self, x=[]):\n        os.system(x)\n\n\
             def winding(x):\n    for _ in x:\n{nested}    return x\n"
        );
        let parsed = Parsed::of(text).expect("Python");
        let names: Vec<(&str, usize, bool)> = parsed
            .functions
            .iter()
            .map(|of| {
                let name = of.function.qualified_name.as_str();
                (name, of.complexity, of.findings.is_empty())
            })
            .collect();
        assert_eq!(names, [("A.weak", 0, false), ("winding", 13, true)]);
        assert!(parsed.functions[0].findings.iter().all(|of| of.line >= 7));
        assert!(Parsed::of("def f(:".to_owned()).is_err());
    }
}
