//! The quantities a report compares, and how each is written.

use slm_metrics::{comment_points, length_points, percent_comments};

use crate::record::{ProgramMetrics, SampleRecord};

/// One quantity of a sample.
pub(super) struct Metric {
    /// Its key in the summary for machines.
    pub(super) key: &'static str,
    /// Its name in tables.
    pub(super) label: &'static str,
    /// Decimals that make sense for it.
    pub(super) digits: usize,
    /// Shares are shown in percent: 100, else 1.
    pub(super) scale: f64,
    /// The value of a sample; `None` leaves the sample out of every mean.
    pub(super) value: fn(&SampleRecord) -> Option<f64>,
}

/// The maintainability index of the program as extracted.
pub(super) const MI: Metric = Metric {
    key: "maintainability_index",
    label: "MI",
    digits: 1,
    scale: 1.0,
    value: |record| of_program(record, |m| m.maintainability_index),
};

/// The maintainability index without comments and docstrings.
pub(super) const MI_CODE: Metric = Metric {
    key: "mi_code",
    label: "mi_code",
    digits: 1,
    scale: 1.0,
    value: |record| of_program(record, |m| m.mi_code),
};

/// Total cyclomatic complexity.
pub(super) const CC: Metric = Metric {
    key: "cyclomatic_complexity",
    label: "CC",
    digits: 2,
    scale: 1.0,
    value: |record| of_program(record, |m| m.cyclomatic_complexity),
};

/// Total cyclomatic complexity of programs that pass all their tests; the others have none.
pub(super) const CC_OF_SOLVED: Metric = Metric {
    key: "cyclomatic_complexity_of_solved",
    label: "CC of solved programs",
    value: |record| (CC.value)(record).filter(|_| record.passed()),
    ..CC
};

/// Hidden tests passed out of all of a task.
pub(super) const TESTS_PASSED: Metric = Metric {
    key: "tests_passed_share",
    label: "Tests passed (%)",
    digits: 1,
    scale: 100.0,
    value: |record| {
        (record.tests_total > 0).then(|| record.tests_passed as f64 / record.tests_total as f64)
    },
};

/// Logical lines of code.
pub(super) const LLOC: Metric = Metric {
    key: "lloc",
    label: "LLOC",
    digits: 1,
    scale: 1.0,
    value: |record| of_program(record, |m| m.lloc as f64),
};

/// Natural logarithm of the logical lines of the code without docstrings; no value for an empty program.
pub(super) const LN_LLOC_CODE: Metric = Metric {
    key: "ln_lloc_code",
    label: "ln LLOC of the code",
    digits: 2,
    scale: 1.0,
    value: |record| lloc_code(record).filter(|&n| n > 0.0).map(f64::ln),
};

/// Logical lines of the code without docstrings.
pub(super) const LLOC_CODE: Metric = Metric {
    key: "lloc_code",
    label: "LLOC of the code",
    value: lloc_code,
    ..LLOC
};

/// What `mi_code` owes to its own term for length, in points.
pub(super) const LENGTH_TERM: Metric = Metric {
    key: "length_term",
    label: "length term of mi_code",
    value: |record| {
        let of_code = lloc_code(record).filter(|&n| n > 0.0)?;
        let counts = follows_the_formula(record.metrics.as_ref()?);
        Some(if counts { -length_points(of_code) } else { 0.0 })
    },
    ..MI
};

/// The comment bonus: MI less `mi_code` of the same program. [`BONUS_PARTS`] add up to it.
pub(super) const BONUS: Metric = Metric {
    key: "comment_bonus",
    label: "comment bonus: MI less mi_code",
    value: |record| of_program(record, |m| m.maintainability_index - m.mi_code),
    ..MI
};

/// The parts of [`BONUS`].
pub(super) const BONUS_PARTS: [Metric; 3] = [
    Metric {
        key: "comment_curve",
        label: "comment curve",
        value: |record| of_program(record, curve),
        ..MI
    },
    Metric {
        key: "docstring_lines",
        label: "docstrings as logical lines",
        value: |record| docstring_lines(record.metrics.as_ref()?),
        ..MI
    },
    Metric {
        key: "bounds",
        label: "cut at 0 and 100",
        value: |record| {
            let metrics = record.metrics.as_ref()?;
            let rest = (BONUS.value)(record)? - curve(metrics) - docstring_lines(metrics)?;
            // What rounding leaves where nothing is cut.
            Some(if rest.abs() < 1e-9 { 0.0 } else { rest })
        },
        ..MI
    },
];

/// Whether the index is computed from the program's counts: without operators or logical lines it is 100.
fn follows_the_formula(metrics: &ProgramMetrics) -> bool {
    metrics.halstead_volume > 0.0 && metrics.lloc > 0
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
    // From 0, so that no docstring gives 0 and not -0.
    Some(0.0 - length_points(metrics.lloc as f64 / of_code as f64))
}

fn lloc_code(record: &SampleRecord) -> Option<f64> {
    record.metrics.as_ref()?.lloc_code.map(|n| n as f64)
}

/// Comment lines per 100 source lines, as they enter the index.
pub(super) fn comments_per_100(metrics: &ProgramMetrics) -> f64 {
    percent_comments(metrics.comments, metrics.multi, metrics.sloc)
}

const HALSTEAD_VOLUME: Metric = Metric {
    key: "halstead_volume",
    label: "Halstead volume V",
    digits: 0,
    scale: 1.0,
    value: |record| of_program(record, |m| m.halstead_volume),
};

const COMMENT_SHARE: Metric = Metric {
    key: "comments_per_100_source_lines",
    label: "Comment lines per 100 source lines",
    digits: 0,
    scale: 1.0,
    value: |record| of_program(record, comments_per_100),
};

pub(super) const COMPLETION_TOKENS: Metric = Metric {
    key: "completion_tokens",
    label: "Completion tokens",
    digits: 0,
    scale: 1.0,
    value: |record| Some(record.completion_tokens as f64),
};

/// Whether a sample passes all its tests.
pub(super) const PASS_RATE: Metric = Metric {
    key: "pass_rate",
    label: "Pass rate (%)",
    digits: 1,
    scale: 100.0,
    value: |record| Some(f64::from(u8::from(record.passed()))),
};

/// What the table of paired differences shows, in its order.
pub(super) const PAIRED: [&Metric; 8] = [
    &MI,
    &MI_CODE,
    &CC,
    &LLOC,
    &HALSTEAD_VOLUME,
    &COMMENT_SHARE,
    &COMPLETION_TOKENS,
    &PASS_RATE,
];

/// What the table of tasks shows, in its order.
pub(super) const BY_TASK: [&Metric; 4] = [&MI, &MI_CODE, &CC, &LLOC];

/// MI and `mi_code` with their variants on subsets of the samples: both are primary, so both get every row.
pub(super) struct Subset {
    /// Its key in the summary for machines.
    pub(super) key: &'static str,
    /// Its name in tables.
    pub(super) label: &'static str,
    /// MI and `mi_code` restricted to it.
    pub(super) metrics: [Metric; 2],
}

/// The subsets, in the table's order. A pair takes part if each arm has at least one such sample of the task.
pub(super) const SUBSETS: [Subset; 4] = [
    Subset {
        key: "both_parse",
        label: "both programs parse, neither is empty (primary)",
        metrics: [MI, MI_CODE],
    },
    Subset {
        key: "both_pass",
        label: "both pass the tests",
        metrics: [
            Metric {
                value: |r| (MI.value)(r).filter(|_| r.passed()),
                ..MI
            },
            Metric {
                value: |r| (MI_CODE.value)(r).filter(|_| r.passed()),
                ..MI_CODE
            },
        ],
    },
    Subset {
        key: "both_have_operators",
        label: "both contain operators (V > 0)",
        metrics: [
            Metric {
                value: |r| (MI.value)(r).filter(|_| has_volume(r)),
                ..MI
            },
            Metric {
                value: |r| (MI_CODE.value)(r).filter(|_| has_volume(r)),
                ..MI_CODE
            },
        ],
    },
    Subset {
        key: "unparsable_as_zero",
        label: "all tasks, unparsable and empty counted as 0",
        metrics: [
            Metric {
                value: |r| (MI.value)(r).or(Some(0.0)),
                ..MI
            },
            Metric {
                value: |r| (MI_CODE.value)(r).or(Some(0.0)),
                ..MI_CODE
            },
        ],
    },
];

fn of_program(record: &SampleRecord, value: impl Fn(&ProgramMetrics) -> f64) -> Option<f64> {
    record
        .metrics
        .as_ref()
        .map(value)
        .filter(|value| value.is_finite())
}

fn has_volume(record: &SampleRecord) -> bool {
    record
        .metrics
        .is_some_and(|metrics| metrics.halstead_volume > 0.0)
}
