//! Renders a lookup as text: the query, what it found, and what of it the prompt shows.

use std::fmt::Write as _;

use super::paint::{Paint, harmless};
use crate::workflow::event::{LookupResult, LookupTool};

impl LookupTool {
    /// The word for it in a page.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Knowledge => "documentation and code",
            Self::Docs => "documentation",
            Self::Code => "code",
            Self::Symbol => "symbol",
            Self::Read => "file",
            Self::Memory => "memory",
        }
    }
}

pub(super) fn title(found: &LookupResult) -> String {
    format!("lookup in {}", found.tool.text())
}

pub(super) fn facts(found: &LookupResult) -> Vec<String> {
    let mut facts = vec![match found.hits.len() {
        1 => "1 hit".to_owned(),
        n => format!("{n} hits"),
    }];
    if found.masked > 0 {
        facts.push(format!("{} hidden for this task", found.masked));
    }
    if let Some(kept) = found.sketch_kept {
        facts.push(format!("{:.0} % of the tokens kept", 100.0 * kept));
    }
    facts
}

pub(super) fn body(found: &LookupResult, paint: Paint) -> String {
    let mut text = format!("  query: {}\n", harmless(found.query.trim()));
    for hit in &found.hits {
        let lines = hit
            .lines
            .map(|(first, last)| format!(":{first}-{last}"))
            .unwrap_or_default();
        let mark = match (hit.shown, found.shown.is_empty()) {
            (true, _) => paint.good("shown"),
            (false, true) => paint.faint("found"),
            (false, false) => paint.faint("left out"),
        };
        let _ = writeln!(
            text,
            "  {mark} {:.3} {} {}{lines}",
            hit.score,
            harmless(&hit.name),
            harmless(&hit.source),
        );
    }
    if let Some(problem) = &found.problem {
        let _ = writeln!(text, "  {}", harmless(problem));
    }
    let shown = harmless(&found.shown);
    for line in shown.trim_end().lines() {
        let _ = writeln!(text, "{}", format!("  | {line}").trim_end());
    }
    text
}
