//! The metrics of a program's code: one table, used by records, by tables of samples and files, and by reports.
//!
//! To add a metric, compute it in `slm-metrics` and add a row here; records, samples and reports follow it.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use slm_metrics::FileMetrics;
use slm_metrics::rules::{Category, Finding, Severity, debt_minutes};

/// A metric and its display.
#[derive(Debug, Clone, Copy)]
pub struct CodeMetric {
    /// Its key in records, in tables of samples and in a report's summary.
    pub key: &'static str,
    /// Its value as stored in a record.
    pub json: fn(&ProgramMetrics) -> Value,
    /// Its display.
    pub shown: Shown,
}

impl CodeMetric {
    /// Returns its value; `None` if a record has none, or no finite one.
    pub fn value(&self, program: &ProgramMetrics) -> Option<f64> {
        (self.json)(program).as_f64()
    }
}

/// The display of a metric.
#[derive(Debug, Clone, Copy)]
pub struct Shown {
    /// Its name in a report.
    pub label: &'static str,
    /// Its decimals in a report.
    pub digits: usize,
    /// Whether a higher value is better, which decides the order of a table with the worst first.
    pub higher_is_better: bool,
    /// Its position among the columns of a table of samples.
    pub column: usize,
    /// Its column in a table of files, if it has one.
    pub listed: Option<Listed>,
    /// Its position among a report's paired differences; `None` if it is not compared.
    pub paired: Option<usize>,
    /// Whether a report lists it by task.
    pub by_task: bool,
}

/// A column in a table of files.
#[derive(Debug, Clone, Copy)]
pub struct Listed {
    /// Its title.
    pub title: &'static str,
    /// Its decimals.
    pub digits: usize,
    /// How the last row aggregates it.
    pub total: Total,
}

/// The aggregate over all files in the last row of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Total {
    /// The sum of a count.
    Sum,
    /// The mean of an index.
    Mean,
}

/// The default display: a count without a table column.
const COUNT: Shown = Shown {
    label: "",
    digits: 1,
    higher_is_better: false,
    column: 0,
    listed: None,
    paired: None,
    by_task: false,
};

/// What the metrics of a program are computed from.
#[derive(Clone, Copy)]
pub(crate) struct Measured<'a> {
    /// Its counts.
    pub(crate) file: &'a FileMetrics,
    /// The findings of the static rules without those in the prompt's text; `None` if they were not searched.
    pub(crate) findings: Option<&'a [Finding]>,
    /// What the prompt gives of its comments and docstrings; `None` if that is unknown.
    pub(crate) given: Option<Given>,
}

/// The comments and docstrings of a program that its prompt contains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Given {
    /// Comments.
    pub(crate) comments: usize,
    /// Lines of strings that span several lines.
    pub(crate) multi: usize,
    /// Strings that are statements by themselves, each a logical line.
    pub(crate) docstrings: usize,
}

impl Measured<'_> {
    fn security(&self, severity: Severity) -> Option<usize> {
        let of = |finding: &&Finding| {
            finding.rule.category == Category::Security && finding.severity == severity
        };
        Some(self.findings?.iter().filter(of).count())
    }

    fn count(&self, category: Category) -> Option<usize> {
        let of = |finding: &&Finding| finding.rule.category == category;
        Some(self.findings?.iter().filter(of).count())
    }

    fn debt(&self) -> Option<f64> {
        // Added to 0, since a sum without terms is -0.0, which would print its sign.
        self.findings.map(|findings| 0.0 + debt_minutes(findings))
    }
}

/// Generates the table, and [`ProgramMetrics`] with a field per row.
macro_rules! code_metrics {
    ($(
        $(#[doc = $doc:literal])* $(#[serde($($serde:tt)*)])?
        $name:ident $key:ident: $kind:ty = $of:expr, $shown:expr;
    )*) => {
        /// Static metrics of one program: counts by radon's definitions, and findings of this project's rules.
        #[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct ProgramMetrics {
            $($(#[doc = $doc])* $(#[serde($($serde)*)])? pub $key: $kind,)*
        }

        impl From<Measured<'_>> for ProgramMetrics {
            fn from(measured: Measured<'_>) -> Self {
                $(let $key: fn(&Measured<'_>) -> $kind = $of;)*
                Self { $($key: $key(&measured),)* }
            }
        }

        impl From<&FileMetrics> for ProgramMetrics {
            fn from(file: &FileMetrics) -> Self {
                Self::from(Measured { file, findings: None, given: None })
            }
        }

        $(
            $(#[doc = $doc])*
            pub const $name: CodeMetric = CodeMetric {
                key: stringify!($key),
                json: |program| json!(program.$key),
                shown: $shown,
            };
        )*

        /// Every metric, in the order of a record's fields.
        pub const CODE_METRICS: &[CodeMetric] = &[$($name),*];
    };
}

code_metrics! {
    /// Number of all lines.
    LOC loc: usize = |of| of.file.raw.loc, Shown {
        label: "LOC",
        column: 5,
        listed: Some(Listed { title: "LOC", digits: 0, total: Total::Sum }),
        ..COUNT
    };
    /// Logical lines: statements, roughly.
    LLOC lloc: usize = |of| of.file.raw.lloc, Shown {
        label: "LLOC",
        column: 6,
        listed: Some(Listed { title: "LLOC", digits: 0, total: Total::Sum }),
        paired: Some(3),
        by_task: true,
        ..COUNT
    };
    /// Source lines: neither blank, comment nor docstring.
    SLOC sloc: usize = |of| of.file.raw.sloc, Shown { label: "SLOC", column: 7, ..COUNT };
    /// Comment tokens, those behind code included.
    COMMENTS comments: usize = |of| of.file.raw.comments, Shown { label: "comments", column: 8, ..COUNT };
    /// Lines of string expressions that span several lines.
    MULTI multi: usize = |of| of.file.raw.multi, Shown { label: "lines of docstrings", column: 9, ..COUNT };
    /// Blank lines.
    BLANK blank: usize = |of| of.file.raw.blank, Shown { label: "blank lines", column: 10, ..COUNT };
    /// Lines with only a comment or a one-line docstring.
    SINGLE_COMMENTS single_comments: usize = |of| of.file.raw.single_comments, Shown {
        label: "comment lines",
        column: 11,
        ..COUNT
    };
    /// Total cyclomatic complexity of the module, as it enters the maintainability index.
    CYCLOMATIC_COMPLEXITY cyclomatic_complexity: f64 = |of| of.file.cyclomatic_complexity as f64, Shown {
        label: "CC",
        digits: 2,
        column: 3,
        listed: Some(Listed { title: "CC", digits: 0, total: Total::Sum }),
        paired: Some(2),
        by_task: true,
        ..COUNT
    };
    /// Halstead volume, in bits; 0 for a program without operators.
    HALSTEAD_VOLUME halstead_volume: f64 = |of| of.file.halstead.total.volume, Shown {
        label: "Halstead volume V",
        digits: 0,
        column: 4,
        listed: Some(Listed { title: "V", digits: 1, total: Total::Sum }),
        paired: Some(4),
        ..COUNT
    };
    /// Maintainability index, 0 to 100, of the program as extracted, comments and docstrings included.
    MAINTAINABILITY_INDEX maintainability_index: f64 = |of| of.file.maintainability_index, Shown {
        label: "MI",
        higher_is_better: true,
        column: 0,
        listed: Some(Listed { title: "MI", digits: 2, total: Total::Mean }),
        paired: Some(0),
        by_task: true,
        ..COUNT
    };
    /// Maintainability index, 0 to 100, of the same program without comments and docstrings.
    MI_CODE mi_code: f64 = |of| of.file.mi_code, Shown {
        label: "mi_code",
        higher_is_better: true,
        column: 1,
        listed: Some(Listed { title: "mi_code", digits: 2, total: Total::Mean }),
        paired: Some(1),
        by_task: true,
        ..COUNT
    };
    /// Logical lines of the same program without comments and docstrings; missing before version 4.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    LLOC_CODE lloc_code: Option<usize> = |of| Some(of.file.lloc_code), Shown {
        label: "LLOC of the code",
        column: 2,
        ..COUNT
    };
    /// Cognitive complexity, by Campbell's rules; missing before version 5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    COGNITIVE_COMPLEXITY cognitive_complexity: Option<usize> = |of| Some(of.file.cognitive_complexity), Shown {
        label: "cognitive complexity",
        digits: 2,
        column: 12,
        ..COUNT
    };
    /// Findings of the security rules outside the prompt's text; missing before version 5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    SECURITY_FINDINGS security_findings: Option<usize> = |of| of.count(Category::Security), Shown {
        label: "security findings",
        column: 13,
        ..COUNT
    };
    /// Security findings of high severity; missing before version 5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    SECURITY_HIGH security_high: Option<usize> = |of| of.security(Severity::High), Shown {
        label: "security findings, high",
        column: 20,
        ..COUNT
    };
    /// Security findings of medium severity; missing before version 5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    SECURITY_MEDIUM security_medium: Option<usize> = |of| of.security(Severity::Medium), Shown {
        label: "security findings, medium",
        column: 21,
        ..COUNT
    };
    /// Security findings of low severity; missing before version 5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    SECURITY_LOW security_low: Option<usize> = |of| of.security(Severity::Low), Shown {
        label: "security findings, low",
        column: 22,
        ..COUNT
    };
    /// Findings of the reliability rules outside the prompt's text; missing before version 5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    RELIABILITY_FINDINGS reliability_findings: Option<usize> = |of| of.count(Category::Reliability), Shown {
        label: "reliability findings",
        column: 14,
        ..COUNT
    };
    /// Findings of the rules on smells outside the prompt's text; missing before version 5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    SMELLS smells: Option<usize> = |of| of.count(Category::Smell), Shown {
        label: "smells",
        column: 15,
        ..COUNT
    };
    /// Estimated minutes to repair these findings; missing before version 5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    DEBT_MINUTES debt_minutes: Option<f64> = |of| of.debt(), Shown {
        label: "debt, minutes",
        column: 16,
        ..COUNT
    };
    /// Comments that the prompt contains; `None` if unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    GIVEN_COMMENTS given_comments: Option<usize> = |of| of.given.map(|given| given.comments), Shown {
        label: "comments of the prompt",
        column: 17,
        ..COUNT
    };
    /// Lines of string expressions over several lines that the prompt contains; `None` if unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    GIVEN_MULTI given_multi: Option<usize> = |of| of.given.map(|given| given.multi), Shown {
        label: "lines of docstrings of the prompt",
        column: 18,
        ..COUNT
    };
    /// String expressions that the prompt contains, each a logical line; `None` if unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    GIVEN_DOCSTRINGS given_docstrings: Option<usize> = |of| of.given.map(|given| given.docstrings), Shown {
        label: "docstrings of the prompt",
        column: 19,
        ..COUNT
    };
}
