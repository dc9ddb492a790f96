//! The request for the review of a function.

use std::fmt::Write as _;

use anyhow::Result;
use slm_config::{Evaluate, Role, RoleSpeaker};
use slm_metrics::rules::Finding;
use slm_model::Sampling;

use super::subject::Flagged;
use crate::backend::{Query, Speaker, Wanted};
use crate::digest::step_seed;
use crate::workflow::prompt::Template;

/// Renders requests as a recipe samples.
pub(super) struct Requests<'a> {
    template: Template,
    evaluate: &'a Evaluate,
    /// Whether the adapter answers.
    speaker: Speaker,
}

impl<'a> Requests<'a> {
    /// Takes the sampling and the roles of the adapter from a recipe.
    ///
    /// # Errors
    /// None for the built-in template.
    pub(super) fn new(evaluate: &'a Evaluate, has_adapter: bool) -> Result<Self> {
        Ok(Self {
            template: Template::parse(
                include_str!("review.md"),
                "review.md",
                &["code", "findings"],
            )?,
            evaluate,
            speaker: match evaluate.speaker(Role::Reviewer) {
                RoleSpeaker::Base => Speaker::Base,
                _ if has_adapter => Speaker::Arm,
                _ => Speaker::Base,
            },
        })
    }

    /// Returns the request for a function; `id` seeds its sampling.
    pub(super) fn of(&self, id: &str, flagged: &Flagged) -> Query {
        let code = numbered(&flagged.function.text);
        let findings = listed(&flagged.findings, flagged.function.first_line);
        let sampling = &self.evaluate.sampling;
        Query {
            messages: self
                .template
                .render(&[("code", &code), ("findings", &findings)]),
            begun: String::new(),
            stop: Vec::new(),
            sampling: Sampling {
                temperature: sampling.temperature,
                top_p: sampling.top_p,
                top_k: sampling.top_k,
            },
            max_new_tokens: self.evaluate.max_new_tokens,
            seed: step_seed(sampling.seed, id, 0, 0),
            speaker: self.speaker,
            wanted: Wanted::default(),
        }
    }
}

/// Returns code in a fence that it cannot close, its lines numbered from 1.
fn numbered(code: &str) -> String {
    let ticks = code.split(|c: char| c != '`').map(str::len).max();
    let fence = "`".repeat(ticks.unwrap_or(0).max(2) + 1);
    let mut text = format!("{fence}\n");
    for (number, line) in (1..).zip(code.lines()) {
        let _ = writeln!(text, "{number:>3} {line}");
    }
    text + &fence
}

fn listed(findings: &[Finding], first_line: usize) -> String {
    if findings.is_empty() {
        return "nothing".to_owned();
    }
    let lines = findings.iter().map(|of| {
        let line = of.line - first_line + 1;
        format!("{line}: {}", of.message)
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::review::subject::functions_of;

    #[test]
    fn a_request_shows_the_numbered_function_and_its_findings() {
        let text = "x = 1\n\nclass A:\n    def f(self, y=[]):\n        '''{{code}} ```'''\n        return y\n";
        let (_, functions) = functions_of(text).expect("Python");
        let evaluate = Evaluate::default();
        let requests = Requests::new(&evaluate, true).expect("the template");
        let query = requests.of("a.py::A.f", &functions[0]);
        let [system, user] = &query.messages[..] else {
            panic!("two messages");
        };
        assert_eq!(system.content, "You review Python code.");
        let shown =
            "````\n  1 def f(self, y=[]):\n  2     '''{{code}} ```'''\n  3     return y\n````";
        assert!(user.content.contains(shown), "{}", user.content);
        assert!(user.content.contains("\n\n1: "), "{}", user.content);
        assert_eq!(query.speaker, Speaker::Arm);
        assert_eq!(query, requests.of("a.py::A.f", &functions[0]));
        assert_ne!(query.seed, requests.of("b.py::A.f", &functions[0]).seed);
    }
}
