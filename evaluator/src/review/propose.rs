//! What of a model's answer about a function is shown.

use std::collections::BTreeMap;

use slm_artifacts::FinishReason;
use slm_metrics::cognitive_by_function;
use slm_metrics::rules::{self, Finding};
use slm_metrics::syntax::{moved_right, rewrite_fault, with_function};

use super::answer::{ReadAnswer, read};
use super::left_out::LeftOut;
use super::shown::ShownRewrite;
use super::subject::{Flagged, Parsed};
use crate::backend::Answer;

/// The findings of an answer, and a rewritten function that is better by the rules; its tests have not run.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Proposal {
    /// Lines of the file, each with the text about it.
    pub(super) findings: Vec<(usize, String)>,
    pub(super) rewrite: Option<Rewrite>,
    pub(super) left_out: Vec<LeftOut>,
}

/// A rewritten function.
#[derive(Debug, PartialEq)]
pub(super) struct Rewrite {
    /// The function at the left margin.
    pub(super) text: String,
    pub(super) shown: ShownRewrite,
}

/// Reads an answer about a function of a file, and checks what it contains.
pub(super) fn proposed(file: &Parsed, flagged: &Flagged, answer: &Answer) -> Proposal {
    let function = &flagged.function;
    if answer.finish_reason == FinishReason::NoRoom {
        return Proposal {
            left_out: vec![LeftOut::NoRoom],
            ..Proposal::default()
        };
    }
    let n_lines = function.last_line - function.first_line + 1;
    let is_cut = answer.finish_reason == FinishReason::Length;
    let ReadAnswer {
        findings,
        rewrite,
        mut left_out,
    } = read(&answer.text, is_cut, n_lines);
    let rewrite = rewrite.and_then(|text| match better(file, flagged, &text) {
        Ok(shown) => Some(Rewrite { text, shown }),
        Err(reason) => {
            left_out.push(reason);
            None
        }
    });
    Proposal {
        findings: findings
            .into_iter()
            .map(|(line, text)| (function.first_line + line - 1, text))
            .collect(),
        rewrite,
        left_out,
    }
}

/// Compares the file with the one that has the rewritten function.
fn better(file: &Parsed, flagged: &Flagged, rewritten: &str) -> Result<ShownRewrite, LeftOut> {
    let function = &flagged.function;
    if let Some(fault) = rewrite_fault(&function.text, rewritten) {
        return Err(LeftOut::Fault(fault));
    }
    let unparsable = LeftOut::Fault(slm_metrics::syntax::RewriteFault::Unparsable);
    let spliced = with_function(&file.text, function, rewritten).ok_or(unparsable)?;
    let after = rules::findings(&spliced).map_err(|_| unparsable)?;
    let (before, after) = (by_rule(&file.findings), by_rule(&after));
    let complexity = (complexity(&function.text), complexity(rewritten));
    let count = |of: &BTreeMap<_, usize>, rule| of.get(rule).copied().unwrap_or(0);
    if complexity.1 > complexity.0 || after.iter().any(|(rule, n)| *n > count(&before, rule)) {
        return Err(LeftOut::Raises);
    }
    let lowers: BTreeMap<&'static str, (usize, usize)> = before
        .iter()
        .map(|(rule, n)| (*rule, (*n, count(&after, rule))))
        .filter(|(_, (before, after))| after < before)
        .collect();
    if lowers.is_empty() && complexity.1 == complexity.0 {
        return Err(LeftOut::LowersNothing);
    }
    let lines = file.text.replace("\r\n", "\n").replace('\r', "\n");
    let lines = lines.lines().skip(function.first_line - 1);
    let lines = lines.take(function.last_line - function.first_line + 1);
    Ok(ShownRewrite {
        function: function.qualified_name.clone(),
        first_line: function.first_line,
        last_line: function.last_line,
        before: lines.flat_map(|line| [line, "\n"]).collect(),
        text: moved_right(rewritten, &function.indent).ok_or(unparsable)?,
        lowers,
        cognitive_complexity: complexity,
        tests_passed: 0,
    })
}

fn by_rule(findings: &[Finding]) -> BTreeMap<&'static str, usize> {
    let mut counts = BTreeMap::new();
    for finding in findings {
        *counts.entry(finding.rule.id).or_default() += 1;
    }
    counts
}

/// Returns the cognitive complexity of a text that is one function.
fn complexity(function: &str) -> usize {
    let found = cognitive_by_function(function).unwrap_or_default();
    found.iter().map(|of| of.complexity).sum()
}

#[cfg(test)]
mod tests {
    use slm_metrics::syntax::RewriteFault;

    use super::*;

    const FILE: &str = "import os\n\nclass A:\n    @cached\n    def run(self, command, seen=[]):\n        \"\"\"Run.\"\"\"\n        if command == None:\n            return seen\n        return os.system(command)\n";

    /// Returns the proposal of an answer about `A.run`.
    fn proposal(answer: &str, finish_reason: FinishReason) -> Proposal {
        let file = Parsed::of(FILE.to_owned()).expect("Python");
        let answer = Answer {
            text: answer.to_owned(),
            prompt_tokens: 1,
            completion_tokens: 1,
            finish_reason,
            seconds: 0.0,
            reused: false,
            retries: 0,
            tokens_estimated: false,
            log_probability: None,
            judgement: None,
        };
        proposed(&file, &file.functions[0], &answer)
    }

    fn rewritten(code: &str) -> Proposal {
        proposal(&format!("```python\n{code}\n```"), FinishReason::Stop)
    }

    const BETTER: &str = "@cached\ndef run(self, command, seen=None):\n    \"\"\"Run.\"\"\"\n    if command == None:\n        return seen\n    return os.system(command)";

    #[test]
    fn lines_are_those_of_the_file() {
        let found = proposal("1: decorator\n6: shell\n7: none\n", FinishReason::Stop);
        assert_eq!(
            found.findings,
            [(4, "decorator".to_owned()), (9, "shell".to_owned())]
        );
        assert_eq!(found.left_out, [LeftOut::NoSuchLine]);
        let none = proposal("", FinishReason::NoRoom);
        assert_eq!(none.left_out, [LeftOut::NoRoom]);
    }

    #[test]
    fn a_rewritten_function_that_lowers_a_finding_is_shown_in_its_place() {
        let found = rewritten(BETTER);
        assert_eq!(found.left_out, []);
        let shown = found.rewrite.expect("a rewritten function").shown;
        assert_eq!((shown.first_line, shown.last_line), (4, 9));
        assert_eq!(shown.lowers, BTreeMap::from([("mutable-default", (1, 0))]));
        assert!(shown.before.starts_with("    @cached\n    def run("));
        assert!(
            shown
                .text
                .starts_with("    @cached\n    def run(self, command, seen=None):\n")
        );
    }

    #[test]
    fn hostile_rewrites_are_counted_by_their_fault() {
        for (code, reason) in [
            (
                BETTER.replace("def run", "def stop"),
                LeftOut::Fault(RewriteFault::OtherName),
            ),
            (
                BETTER.replace("command,", "command=None,"),
                LeftOut::Fault(RewriteFault::OtherParameters),
            ),
            (
                BETTER.replace("seen=None", "seen=None, *more"),
                LeftOut::Fault(RewriteFault::OtherParameters),
            ),
            (
                BETTER.replace("@cached\n", ""),
                LeftOut::Fault(RewriteFault::OtherDecorators),
            ),
            (
                BETTER.replace("    \"\"\"Run.\"\"\"\n", ""),
                LeftOut::Fault(RewriteFault::OtherDocstring),
            ),
            (
                format!("import sys\n{BETTER}"),
                LeftOut::Fault(RewriteFault::NotOneFunction),
            ),
            (
                format!("{BETTER}\ndef other(): pass"),
                LeftOut::Fault(RewriteFault::NotOneFunction),
            ),
            (
                BETTER.replace("if command", "if if"),
                LeftOut::Fault(RewriteFault::Unparsable),
            ),
            (
                BETTER.replace("seen=None", "seen=[]").replace("# ", ""),
                LeftOut::Fault(RewriteFault::Same),
            ),
            (
                BETTER
                    .replace("seen=None", "seen=[]")
                    .replace("return seen", "return list(seen)"),
                LeftOut::LowersNothing,
            ),
            (
                BETTER.replace("return os.system(command)", "return eval(command)"),
                LeftOut::Raises,
            ),
            (
                BETTER.replace(
                    "        return seen\n",
                    "        if seen:\n            if command:\n                return seen\n",
                ),
                LeftOut::Raises,
            ),
        ] {
            let found = rewritten(&code);
            assert_eq!(found.left_out, [reason], "{code}");
            assert_eq!(found.rewrite, None);
        }
    }
}
