//! Collects findings by their place in the text, and turns them into lines, columns and minutes.

use std::borrow::Cow;

use crate::ast::{TextRange, TextSize};
use crate::parser::Module;

use super::finding::{Finding, Minutes, Rule, Severity};

/// The findings in one module.
pub(super) struct Report<'a> {
    pub(super) module: &'a Module<'a>,
    places: Vec<Place>,
}

struct Place {
    rule: &'static Rule,
    severity: Severity,
    range: TextRange,
    /// What a rule with a limit counts; other rules have 0.
    size: usize,
    message: Cow<'static, str>,
}

impl<'a> Report<'a> {
    pub(super) fn new(module: &'a Module<'a>) -> Self {
        Self {
            module,
            places: Vec::new(),
        }
    }

    /// Adds a finding of a rule with constant minutes.
    pub(super) fn add(
        &mut self,
        rule: &'static Rule,
        severity: Severity,
        range: TextRange,
        message: impl Into<Cow<'static, str>>,
    ) {
        self.add_sized(rule, severity, range, 0, message);
    }

    /// Adds a finding of `size`, which determines the minutes of a rule with a limit.
    pub(super) fn add_sized(
        &mut self,
        rule: &'static Rule,
        severity: Severity,
        range: TextRange,
        size: usize,
        message: impl Into<Cow<'static, str>>,
    ) {
        self.places.push(Place {
            rule,
            severity,
            range,
            size,
            message: message.into(),
        });
    }

    /// Returns the findings, ordered by their start and then by rule.
    pub(super) fn into_findings(mut self) -> Vec<Finding> {
        self.places
            .sort_by_key(|place| (place.range.start(), place.rule.id));
        let mut columns = Columns::new(self.module);
        self.places
            .into_iter()
            .map(|place| {
                let (start, end) = (place.range.start(), place.range.end());
                let (line, column) = columns.at(start);
                // A range may end after the line end of its last line.
                let last = TextSize::new(end.to_u32().saturating_sub(1)).max(start);
                Finding {
                    rule: place.rule,
                    severity: place.severity,
                    line,
                    column,
                    end_line: self.module.lines.line(last),
                    message: place.message.into_owned(),
                    minutes: minutes(place.rule, place.size),
                }
            })
            .collect()
    }
}

fn minutes(rule: &Rule, size: usize) -> f64 {
    match rule.minutes {
        Minutes::Constant(minutes) => minutes,
        Minutes::PerUnitAbove { limit, each } => each * size.saturating_sub(limit) as f64,
    }
}

/// Converts increasing offsets to lines and columns in one pass over the text.
struct Columns<'a> {
    module: &'a Module<'a>,
    line_start: TextSize,
    at: TextSize,
    characters: usize,
}

impl<'a> Columns<'a> {
    fn new(module: &'a Module<'a>) -> Self {
        Self {
            module,
            line_start: TextSize::new(0),
            at: TextSize::new(0),
            characters: 0,
        }
    }

    /// Returns line and column of `offset`, both counted from 1; offsets must not decrease.
    fn at(&mut self, offset: TextSize) -> (usize, usize) {
        let line = self.module.lines.line(offset);
        let line_start = self.module.lines.start(line);
        if line_start != self.line_start {
            (self.line_start, self.at, self.characters) = (line_start, line_start, 0);
        }
        self.characters += self.module.text[TextRange::new(self.at, offset)]
            .chars()
            .count();
        self.at = offset;
        (line, self.characters + 1)
    }
}
