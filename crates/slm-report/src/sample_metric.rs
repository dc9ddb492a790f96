//! The metrics of samples that a report compares: those of their code, and others.

use serde::Serialize;
use slm_metrics::{comment_points, length_points, percent_comments};

use crate::code_metric::{self, CODE_METRICS, CodeMetric, ProgramMetrics};
use crate::record::SampleRecord;

/// A metric of a sample.
#[derive(Clone, Copy, Serialize)]
pub(crate) struct SampleMetric {
    /// Its key in the summary for machines.
    pub(crate) key: &'static str,
    /// Its name in tables.
    pub(crate) label: &'static str,
    /// Number of decimals to display.
    pub(crate) digits: usize,
    /// Factor for display: 100 for shares, which are shown in percent, else 1.
    pub(crate) scale: f64,
    #[serde(skip)]
    source: Source,
}

/// The source of a sample's value.
#[derive(Clone, Copy)]
enum Source {
    Code(CodeMetric),
    Program(fn(&ProgramMetrics) -> Option<f64>),
    Sample(fn(&SampleRecord) -> Option<f64>),
}

impl SampleMetric {
    const fn of_code(metric: CodeMetric) -> Self {
        Self {
            key: metric.key,
            label: metric.shown.label,
            digits: metric.shown.digits,
            scale: 1.0,
            source: Source::Code(metric),
        }
    }

    /// Returns the value of a sample; `None` excludes the sample from every mean.
    pub(crate) fn of(&self, record: &SampleRecord) -> Option<f64> {
        let program = record.metrics.as_ref();
        let value = match self.source {
            Source::Code(metric) => metric.value(program?),
            Source::Program(value) => value(program?),
            Source::Sample(value) => value(record),
        };
        value.filter(|value| value.is_finite())
    }

    /// Returns every metric that a contrast or a claim may use.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        let others = [CC_OF_SOLVED, TESTS_PASSED, LLOC_CODE, LENGTH_TERM, BONUS];
        paired().into_iter().chain(others).chain(BONUS_PARTS)
    }
}

/// The maintainability index of the program as extracted.
pub(crate) const MI: SampleMetric = SampleMetric::of_code(code_metric::MAINTAINABILITY_INDEX);

/// The maintainability index without comments and docstrings.
pub(crate) const MI_CODE: SampleMetric = SampleMetric::of_code(code_metric::MI_CODE);

/// Total cyclomatic complexity.
pub(crate) const CC: SampleMetric = SampleMetric::of_code(code_metric::CYCLOMATIC_COMPLEXITY);

/// Total cyclomatic complexity of programs that pass all their tests; other programs have no value.
pub(crate) const CC_OF_SOLVED: SampleMetric = SampleMetric {
    key: "cyclomatic_complexity_of_solved",
    label: "CC of solved programs",
    source: Source::Sample(|record| CC.of(record).filter(|_| record.passed())),
    ..CC
};

/// Share of a task's hidden tests that passed.
pub(crate) const TESTS_PASSED: SampleMetric = SampleMetric {
    key: "tests_passed_share",
    label: "Tests passed (%)",
    digits: 1,
    scale: 100.0,
    source: Source::Sample(|record| {
        (record.tests_total > 0).then(|| record.tests_passed as f64 / record.tests_total as f64)
    }),
};

/// Logical lines of code.
pub(crate) const LLOC: SampleMetric = SampleMetric::of_code(code_metric::LLOC);

/// Natural logarithm of the logical lines of the code without docstrings; `None` for an empty program.
pub(crate) const LN_LLOC_CODE: SampleMetric = SampleMetric {
    key: "ln_lloc_code",
    label: "ln LLOC of the code",
    digits: 2,
    scale: 1.0,
    source: Source::Program(|program| lloc_code(program).filter(|&n| n > 0.0).map(f64::ln)),
};

/// Logical lines of the code without docstrings.
pub(crate) const LLOC_CODE: SampleMetric = SampleMetric::of_code(code_metric::LLOC_CODE);

/// The length term of `mi_code`, in points.
pub(crate) const LENGTH_TERM: SampleMetric = SampleMetric {
    key: "length_term",
    label: "length term of mi_code",
    source: Source::Program(|program| {
        let of_code = lloc_code(program).filter(|&n| n > 0.0)?;
        let counts = follows_the_formula(program);
        Some(if counts { -length_points(of_code) } else { 0.0 })
    }),
    ..MI
};

/// The comment bonus: MI less `mi_code` of the same program. [`BONUS_PARTS`] add up to it.
pub(crate) const BONUS: SampleMetric = SampleMetric {
    key: "comment_bonus",
    label: "comment bonus: MI less mi_code",
    source: Source::Program(|program| Some(bonus(program))),
    ..MI
};

/// The parts of [`BONUS`].
pub(crate) const BONUS_PARTS: [SampleMetric; 3] = [
    SampleMetric {
        key: "comment_curve",
        label: "comment curve",
        source: Source::Program(|program| Some(curve(program))),
        ..MI
    },
    SampleMetric {
        key: "docstring_lines",
        label: "docstrings as logical lines",
        source: Source::Program(docstring_lines),
        ..MI
    },
    SampleMetric {
        key: "bounds",
        label: "cut at 0 and 100",
        source: Source::Program(|program| {
            let rest = bonus(program) - curve(program) - docstring_lines(program)?;
            // Rounding error if nothing is cut.
            Some(if rest.abs() < 1e-9 { 0.0 } else { rest })
        }),
        ..MI
    },
];

/// Whether the index follows from the program's counts: without operators or logical lines it is 100.
fn follows_the_formula(metrics: &ProgramMetrics) -> bool {
    metrics.halstead_volume > 0.0 && metrics.lloc > 0
}

fn bonus(metrics: &ProgramMetrics) -> f64 {
    metrics.maintainability_index - metrics.mi_code
}

fn curve(metrics: &ProgramMetrics) -> f64 {
    if follows_the_formula(metrics) {
        comment_points(comments_per_100(metrics))
    } else {
        0.0
    }
}

fn docstring_lines(metrics: &ProgramMetrics) -> Option<f64> {
    let of_code = metrics.lloc_code?;
    if of_code == 0 || !follows_the_formula(metrics) {
        return Some(0.0);
    }
    // Subtracted from 0, so that a program without docstrings gives 0, not -0.
    Some(0.0 - length_points(metrics.lloc as f64 / of_code as f64))
}

fn lloc_code(metrics: &ProgramMetrics) -> Option<f64> {
    metrics.lloc_code.map(|n| n as f64)
}

/// Returns the comment lines per 100 source lines, as the index uses them.
pub(crate) fn comments_per_100(metrics: &ProgramMetrics) -> f64 {
    percent_comments(metrics.comments, metrics.multi, metrics.sloc)
}

const COMMENT_SHARE: SampleMetric = SampleMetric {
    key: "comments_per_100_source_lines",
    label: "Comment lines per 100 source lines",
    digits: 0,
    scale: 1.0,
    source: Source::Program(|program| Some(comments_per_100(program))),
};

pub(crate) const COMPLETION_TOKENS: SampleMetric = SampleMetric {
    key: "completion_tokens",
    label: "Completion tokens",
    digits: 0,
    scale: 1.0,
    source: Source::Sample(|record| Some(record.completion_tokens as f64)),
};

/// 1 if a sample passes all its tests, else 0.
pub(crate) const PASS_RATE: SampleMetric = SampleMetric {
    key: "pass_rate",
    label: "Pass rate (%)",
    digits: 1,
    scale: 100.0,
    source: Source::Sample(|record| Some(f64::from(u8::from(record.passed())))),
};

/// Returns the metrics of the table of paired differences, in its order: MI and `mi_code` first.
pub(crate) fn paired() -> Vec<SampleMetric> {
    let mut of_code: Vec<&CodeMetric> = CODE_METRICS.iter().collect();
    of_code.retain(|metric| metric.shown.paired.is_some());
    of_code.sort_by_key(|metric| metric.shown.paired);
    let of_code = of_code.into_iter().copied().map(SampleMetric::of_code);
    let others = [COMMENT_SHARE, COMPLETION_TOKENS, PASS_RATE];
    of_code.chain(others).collect()
}

/// Returns the metrics of the table of tasks, in the same order.
pub(crate) fn by_task() -> Vec<SampleMetric> {
    let is_shown = |metric: &SampleMetric| match metric.source {
        Source::Code(metric) => metric.shown.by_task,
        Source::Program(_) | Source::Sample(_) => false,
    };
    paired().into_iter().filter(is_shown).collect()
}

/// MI and `mi_code` on a subset of the samples. Both are primary metrics, so both get every row.
pub(crate) struct Subset {
    /// Its key in the summary for machines.
    pub(crate) key: &'static str,
    /// MI and `mi_code` restricted to the subset.
    pub(crate) metrics: [SampleMetric; 2],
}

/// The subsets, in the table's order. A pair is included if each arm has at least one such sample of the task.
pub(crate) const SUBSETS: [Subset; 4] = [
    Subset {
        key: "both_parse",
        metrics: [MI, MI_CODE],
    },
    Subset {
        key: "both_pass",
        metrics: [
            SampleMetric {
                source: Source::Sample(|r| MI.of(r).filter(|_| r.passed())),
                ..MI
            },
            SampleMetric {
                source: Source::Sample(|r| MI_CODE.of(r).filter(|_| r.passed())),
                ..MI_CODE
            },
        ],
    },
    Subset {
        key: "both_have_operators",
        metrics: [
            SampleMetric {
                source: Source::Sample(|r| MI.of(r).filter(|_| has_volume(r))),
                ..MI
            },
            SampleMetric {
                source: Source::Sample(|r| MI_CODE.of(r).filter(|_| has_volume(r))),
                ..MI_CODE
            },
        ],
    },
    Subset {
        key: "unparsable_as_zero",
        metrics: [
            SampleMetric {
                source: Source::Sample(|r| MI.of(r).or(Some(0.0))),
                ..MI
            },
            SampleMetric {
                source: Source::Sample(|r| MI_CODE.of(r).or(Some(0.0))),
                ..MI_CODE
            },
        ],
    },
];

fn has_volume(record: &SampleRecord) -> bool {
    record
        .metrics
        .is_some_and(|metrics| metrics.halstead_volume > 0.0)
}
