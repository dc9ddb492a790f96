//! The figures of reviewers: recall at the line of a fault, and findings without a fault.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use slm_metrics::syntax::MutationKind;
use slm_statistics::{Interval, bootstrap_mean, mean, wilson};

use super::faults::{Faults, Subject};
use crate::review::shown::ReviewModel;
use crate::review::subject::MOST_COMPLEXITY;

/// The lines that reviewers name in one subject.
pub(super) struct Observed {
    pub(super) by_rules: Found,
    /// `None` without a model.
    pub(super) by_model: Option<Found>,
}

/// The lines that a reviewer names, each once.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Found(BTreeSet<usize>);

impl Found {
    pub(super) fn of(lines: impl Iterator<Item = usize>) -> Self {
        Self(lines.collect())
    }
}

/// All figures.
#[derive(Serialize)]
pub(super) struct Document {
    version: u32,
    pub(super) tasks: String,
    pub(super) seed: u64,
    /// Reference solutions that were reviewed.
    pub(super) functions: usize,
    /// Edited solutions that the hidden tests notice.
    pub(super) faults: usize,
    /// Faulty functions that a review of files would show to the model.
    pub(super) faults_flagged: usize,
    pub(super) candidates_tested: usize,
    pub(super) candidates_unnoticed: usize,
    /// Tasks without a subject, by reason.
    pub(super) left_out: BTreeMap<&'static str, usize>,
    pub(super) static_rules: Figures,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) model: Option<OfModel>,
}

/// The figures of a model.
#[derive(Serialize)]
pub(super) struct OfModel {
    #[serde(flatten)]
    pub(super) model: ReviewModel,
    #[serde(flatten)]
    pub(super) figures: Figures,
    /// Recall to be expected of as many distinct lines of each body, drawn at random.
    pub(super) random_lines_recall: Option<f64>,
    /// Recall less that, mean over tasks.
    pub(super) less_random_lines: Option<f64>,
    /// 95 %, bootstrap over tasks; `None` if the data give none.
    pub(super) less_random_lines_interval: Option<Interval>,
    /// What of the answers is not counted, by reason.
    pub(super) not_shown: BTreeMap<&'static str, usize>,
}

/// The figures of one reviewer.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Figures {
    /// Faults whose line is named.
    pub(super) recall: Rate,
    pub(super) recall_by_kind: BTreeMap<&'static str, Rate>,
    /// Functions without a fault in which a line is named.
    pub(super) false_alarms: Rate,
    /// Lines named in functions with a fault.
    pub(super) lines_named_with_fault: usize,
    /// Lines named in functions without one.
    pub(super) lines_named_without_fault: usize,
}

/// A rate with its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Rate {
    pub(super) count: usize,
    pub(super) of: usize,
    /// Wilson's; `None` without a trial.
    pub(super) interval: Option<Interval>,
}

impl Rate {
    fn new(hits: impl Iterator<Item = bool>) -> Self {
        let hits: Vec<bool> = hits.collect();
        let count = hits.iter().filter(|hit| **hit).count();
        Self {
            count,
            of: hits.len(),
            interval: wilson(count, hits.len()),
        }
    }
}

impl Document {
    pub(super) fn new(
        tasks: String,
        seed: u64,
        faults: &Faults,
        observed: &[Observed],
        model: Option<ReviewModel>,
        not_shown: BTreeMap<&'static str, usize>,
    ) -> Self {
        let subjects = &faults.subjects;
        let is_flagged = |of: &&Subject| {
            let function = &of.function;
            !function.findings.is_empty() || function.complexity > MOST_COMPLEXITY
        };
        let faulty = || subjects.iter().filter(|of| of.fault.is_some());
        let by_rules: Vec<&Found> = observed.iter().map(|of| &of.by_rules).collect();
        let by_model: Option<Vec<&Found>> =
            observed.iter().map(|of| of.by_model.as_ref()).collect();
        let model = model.zip(by_model).map(|(model, found)| {
            let control = Control::new(subjects, &found);
            OfModel {
                model,
                figures: Figures::new(subjects, &found),
                random_lines_recall: control.recall,
                less_random_lines: mean(&control.differences),
                less_random_lines_interval: bootstrap_mean(&control.differences, seed)
                    .ok()
                    .map(|both| both.bca),
                not_shown,
            }
        });
        Self {
            version: 1,
            tasks,
            seed,
            functions: subjects.len() - faulty().count(),
            faults: faulty().count(),
            faults_flagged: faulty().filter(is_flagged).count(),
            candidates_tested: faults.candidates,
            candidates_unnoticed: faults.survived,
            left_out: faults.left_out.clone(),
            static_rules: Figures::new(subjects, &by_rules),
            model,
        }
    }
}

impl Figures {
    fn new(subjects: &[Subject], found: &[&Found]) -> Self {
        let with = |kind: Option<MutationKind>| {
            let pairs = subjects.iter().zip(found);
            let hits = pairs.filter_map(|(subject, found)| {
                let fault = subject.fault?;
                let is_wanted = kind.is_none_or(|kind| kind == fault.kind);
                is_wanted.then(|| found.0.contains(&fault.line))
            });
            Rate::new(hits)
        };
        let lines = |has_fault: bool| {
            let pairs = subjects.iter().zip(found);
            let counted = pairs.filter(|(of, _)| of.fault.is_some() == has_fault);
            counted.map(|(_, found)| found.0.len()).sum()
        };
        let without = subjects.iter().zip(found);
        let without = without.filter(|(of, _)| of.fault.is_none());
        Self {
            recall: with(None),
            recall_by_kind: MutationKind::REVIEW
                .iter()
                .map(|kind| (kind.name(), with(Some(*kind))))
                .collect(),
            false_alarms: Rate::new(without.map(|(_, found)| !found.0.is_empty())),
            lines_named_with_fault: lines(true),
            lines_named_without_fault: lines(false),
        }
    }
}

/// Lines drawn at random, as many in each function as the model names: what is expected of them, without drawing.
struct Control {
    recall: Option<f64>,
    /// The model's recall less the expected one, by task.
    differences: Vec<f64>,
}

impl Control {
    fn new(subjects: &[Subject], found: &[&Found]) -> Self {
        let mut expected = Vec::new();
        let mut by_task: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
        for (subject, found) in subjects.iter().zip(found) {
            if let Some(fault) = subject.fault {
                let named = found.0.len().min(subject.code_lines) as f64;
                // The line of the fault is one of them.
                let chance = named / subject.code_lines.max(1) as f64;
                let hit = f64::from(u8::from(found.0.contains(&fault.line)));
                expected.push(chance);
                let of_task = by_task.entry(&subject.task_id).or_default();
                of_task.push(hit - chance);
            }
        }
        let means = by_task.values().filter_map(|of| mean(of));
        Self {
            recall: mean(&expected),
            differences: means.collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::faults::Fault;
    use super::*;
    use crate::review::subject::functions_of;

    const PROGRAM: &str = "def f(x):\n    y = x\n    z = y\n    return z\n";

    fn subject(task: &str, line: Option<usize>) -> Subject {
        let (_, mut functions) = functions_of(PROGRAM).expect("Python");
        Subject {
            task_id: task.to_owned(),
            function: functions.remove(0),
            fault: line.map(|line| Fault {
                kind: MutationKind::WrongVariable,
                line,
                number: 0,
            }),
            code_lines: 3,
        }
    }

    #[test]
    fn recall_counts_the_line_of_the_fault_alone_and_random_lines_are_expected_by_share() {
        let faults = Faults {
            subjects: vec![
                subject("a", None),
                subject("a", Some(2)),
                subject("a", Some(3)),
                subject("b", None),
                subject("b", Some(4)),
            ],
            left_out: BTreeMap::new(),
            candidates: 4,
            survived: 1,
        };
        let named: [&[usize]; 5] = [&[], &[2, 3], &[4], &[1], &[]];
        let observed: Vec<Observed> = named
            .iter()
            .map(|lines| Observed {
                by_rules: Found::default(),
                by_model: Some(Found::of(lines.iter().copied())),
            })
            .collect();
        let model = ReviewModel {
            base_model: "m".to_owned(),
            adapter: None,
            temperature: 0.0,
            top_p: 1.0,
            prompt_tokens: 0,
            completion_tokens: 0,
        };
        let document = Document::new(
            "t".to_owned(),
            0,
            &faults,
            &observed,
            Some(model),
            BTreeMap::new(),
        );
        assert_eq!((document.functions, document.faults), (2, 3));
        let of_model = document.model.expect("a model");
        let figures = &of_model.figures;
        assert_eq!((figures.recall.count, figures.recall.of), (1, 3));
        assert_eq!(figures.recall.interval, wilson(1, 3));
        let by_kind = &figures.recall_by_kind;
        assert_eq!(by_kind["wrong_variable"].of, 3);
        assert_eq!(by_kind["off_by_one"].of, 0);
        assert_eq!(
            (figures.false_alarms.count, figures.false_alarms.of),
            (1, 2)
        );
        assert_eq!(
            (
                figures.lines_named_with_fault,
                figures.lines_named_without_fault
            ),
            (3, 1)
        );
        // Two of three lines, one of three, none.
        let close = |a: Option<f64>, b: f64| (a.expect("a number") - b).abs() < 1e-12;
        assert!(close(of_model.random_lines_recall, 1.0 / 3.0));
        // Task a: (1 - 2/3 + 0 - 1/3) / 2 = 0, task b: 0.
        assert!(close(of_model.less_random_lines, 0.0));
        assert_eq!(document.static_rules.recall.count, 0);
    }
}
