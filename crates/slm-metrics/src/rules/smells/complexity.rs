//! Functions that are hard to follow.

use crate::ast::{TextRange, TextSize};
use crate::cognitive;

use super::super::finding::{Category, Minutes, Rule, Severity};
use super::super::report::Report;

/// Cognitive complexity of a function, `SonarPython`'s default for S3776.
const MAX_COMPLEXITY: usize = 15;

pub(super) static COGNITIVE_COMPLEXITY: Rule = Rule {
    id: "cognitive-complexity",
    category: Category::Smell,
    title: "A function has a cognitive complexity of more than 15",
    known_as: "complexipy, SonarPython S3776",
    minutes: Minutes::PerUnitAbove {
        limit: MAX_COMPLEXITY,
        each: 2.0,
    },
};

pub(super) fn check(report: &mut Report<'_>) {
    for function in cognitive::of_functions(report.module) {
        if function.complexity <= MAX_COMPLEXITY {
            continue;
        }
        let start = report.module.lines.start(function.line);
        let line = report.module.text[start.to_usize()..].lines().next();
        let line = line.unwrap_or_default();
        let indent = line.len() - line.trim_start().len();
        let range = TextRange::at(
            start + TextSize::new(indent as u32),
            TextSize::new((line.len() - indent) as u32),
        );
        let name = function.name.rsplit('.').next().unwrap_or_default();
        let message = format!(
            "`{name}` has a cognitive complexity of {}",
            function.complexity
        );
        report.add_sized(
            &COGNITIVE_COMPLEXITY,
            Severity::Low,
            range,
            function.complexity,
            message,
        );
    }
}
