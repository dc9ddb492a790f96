//! The metrics of samples that a report compares: those of their code, and others.

use serde::Serialize;
use slm_metrics::{comment_points, length_points, maintainability_index, percent_comments};

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

    /// Returns a metric of samples that no table shows by its label.
    pub(crate) const fn of_sample(
        key: &'static str,
        label: &'static str,
        value: fn(&SampleRecord) -> Option<f64>,
    ) -> Self {
        Self {
            key,
            label,
            digits: 0,
            scale: 1.0,
            source: Source::Sample(value),
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

    /// Returns the value of a program without a sample; `None` if the metric is one of samples.
    pub(crate) fn of_program(&self, program: &ProgramMetrics) -> Option<f64> {
        let value = match self.source {
            Source::Code(metric) => metric.value(program),
            Source::Program(value) => value(program),
            Source::Sample(_) => None,
        };
        value.filter(|value| value.is_finite())
    }

    /// Returns the metric with this key, if a contrast or a claim may use it.
    pub(crate) fn by_key(key: &str) -> Option<Self> {
        Self::all().find(|metric| metric.key == key)
    }

    /// Returns every metric that a contrast or a claim may use.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        let others = [CC_OF_SOLVED, TESTS_PASSED, LLOC_CODE, LENGTH_TERM, BONUS];
        let others = others.into_iter().chain(BONUS_PARTS).chain(BONUS_WRITERS);
        paired()
            .into_iter()
            .chain(others)
            .chain(QUALITY)
            .chain(BESIDE_HUMAN)
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

/// `PassRatio`: share of a task's hidden tests that passed.
///
/// # Source
/// Dong et al. 2023, `CodeScore`, arXiv:2301.09043.
pub(crate) const TESTS_PASSED: SampleMetric = SampleMetric {
    key: "tests_passed_share",
    label: "PassRatio (%)",
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

/// [`BONUS`] by who wrote the comments and docstrings. They add up to it.
///
/// The task's part is the bonus that the program would have with only those of its comments and docstrings that its
/// prompt contains; the model's part is the rest. No value without the counts of what the prompt gives.
pub(crate) const BONUS_WRITERS: [SampleMetric; 2] = [
    SampleMetric {
        key: "bonus_of_task",
        label: "given by the task",
        source: Source::Program(|program| Some(with_given_only(program)? - program.mi_code)),
        ..MI
    },
    SampleMetric {
        key: "bonus_of_model",
        label: "written by the model",
        source: Source::Program(|program| {
            Some(program.maintainability_index - with_given_only(program)?)
        }),
        ..MI
    },
];

/// Returns MI of the program if only what the prompt gives of its comments and docstrings counted.
fn with_given_only(metrics: &ProgramMetrics) -> Option<f64> {
    let of_code = metrics.lloc_code?;
    let comments = metrics.given_comments?.min(metrics.comments);
    let multi = metrics.given_multi?.min(metrics.multi);
    // A program without comments by the model has exactly its MI.
    let lloc = metrics.lloc.min(of_code + metrics.given_docstrings?);
    if !follows_the_formula(metrics) {
        return Some(metrics.maintainability_index);
    }
    let share = percent_comments(comments, multi, metrics.sloc);
    let complexity = metrics.cyclomatic_complexity as usize;
    let volume = metrics.halstead_volume;
    Some(maintainability_index(volume, complexity, lloc, share))
}

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

/// Tokens of prompts and completions.
pub(crate) const TOTAL_TOKENS: SampleMetric =
    SampleMetric::of_sample("total_tokens", "Prompt and completion tokens", |record| {
        Some((record.prompt_tokens + record.completion_tokens) as f64)
    });

/// Calls to the model.
pub(crate) const CALLS: SampleMetric =
    SampleMetric::of_sample("calls", "Calls", |record| Some(record.calls as f64));

/// 1 if a sample passes all its tests, else 0; a sample of a task without tests has no value.
pub(crate) const PASS_RATE: SampleMetric = SampleMetric {
    key: "pass_rate",
    label: "Pass rate (%)",
    digits: 1,
    scale: 100.0,
    source: Source::Sample(|record| {
        let passed = f64::from(u8::from(record.passed()));
        record.is_tested().then_some(passed)
    }),
};

/// Cognitive complexity.
pub(crate) const COGNITIVE: SampleMetric = SampleMetric {
    label: "cognitive complexity",
    ..SampleMetric::of_code(code_metric::COGNITIVE_COMPLEXITY)
};

/// Estimated minutes to repair the findings of a program.
pub(crate) const DEBT: SampleMetric = SampleMetric {
    label: "debt, minutes per program",
    ..SampleMetric::of_code(code_metric::DEBT_MINUTES)
};

/// Findings of the security rules.
pub(crate) const SECURITY: SampleMetric = SampleMetric {
    label: "security findings per 100 programs",
    scale: 100.0,
    ..SampleMetric::of_code(code_metric::SECURITY_FINDINGS)
};

/// Findings of the reliability rules.
pub(crate) const RELIABILITY: SampleMetric = SampleMetric {
    label: "reliability findings per 100 programs",
    scale: 100.0,
    ..SampleMetric::of_code(code_metric::RELIABILITY_FINDINGS)
};

/// Findings of the rules on smells.
pub(crate) const SMELLS: SampleMetric = SampleMetric {
    label: "smells per 100 programs",
    scale: 100.0,
    ..SampleMetric::of_code(code_metric::SMELLS)
};

/// The metrics of the table on quality, in its order.
pub(crate) const QUALITY: [SampleMetric; 6] = [
    COGNITIVE,
    SECURITY,
    RELIABILITY,
    SMELLS,
    DEBT,
    SampleMetric {
        key: "debt_minutes_per_100_lloc",
        label: "debt, minutes per 100 logical lines of the code",
        source: Source::Program(|program| {
            let lines = lloc_code(program).filter(|&n| n > 0.0)?;
            Some(program.debt_minutes? * 100.0 / lines)
        }),
        ..DEBT
    },
];

/// Similarity of the program to the publisher's own solution.
pub(crate) const SIMILARITY: SampleMetric = SampleMetric {
    key: "similarity",
    label: "Similarity to the human body (%)",
    digits: 1,
    scale: 100.0,
    source: Source::Sample(|record| record.similarity),
};

/// Loss of the publisher's own solution under the arm, in nats per token.
pub(crate) const REFERENCE_LOSS: SampleMetric = SampleMetric {
    key: "reference_loss",
    label: "Loss of the human body, nats per token",
    digits: 3,
    scale: 1.0,
    source: Source::Sample(|record| record.reference_loss),
};

/// The metrics that compare an arm with the publisher's own solution.
pub(crate) const BESIDE_HUMAN: [SampleMetric; 3] = [
    SIMILARITY,
    SampleMetric {
        key: "same_signature",
        label: "Same signature as the human's (%)",
        source: Source::Sample(|record| {
            record.same_signature.map(|same| f64::from(u8::from(same)))
        }),
        ..SIMILARITY
    },
    REFERENCE_LOSS,
];

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
