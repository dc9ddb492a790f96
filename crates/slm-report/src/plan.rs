//! The cells that a command needs; commands differ only in their cells.
//!
//! | command | question | cells |
//! |---|---|---|
//! | `compare` | H1 | base model and adapters, each in the recipe's workflows |
//! | `sweep` | H2 | one arm in one workflow at every point of a grid, and at the recipe's own sampling |
//! | `workflows` | H3 | one arm in reflection, multi-agent and their controls, and in the recipe's workflows beyond them |
//! | `workflows`, without H3 in the recipe | none | one arm in the recipe's workflows |
//! | `hypotheses` | all that the recipe declares | all of these; a cell that two hypotheses share is run once |
//!
//! With `evaluate.controls: auto`, the recipe's workflows are those that it lists and their controls.

use serde::{Deserialize, Serialize};
use slm_artifacts::BASE_ARM;
use slm_config::{Controls, Evaluate, Hypothesis, HypothesisId, Workflow};

use crate::cell::{Cell, Decoding};

/// Why a recipe gives no plan: the mistake, and a line `hint:`.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct PlanError(String);

/// The experiment, by its command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Experiment {
    /// H1.
    Compare,
    /// H2.
    Sweep,
    /// H3, and any other workflows.
    Workflows,
    /// All three hypotheses.
    Hypotheses,
}

impl Experiment {
    /// Returns the command's name.
    pub fn command(self) -> &'static str {
        match self {
            Self::Compare => "compare",
            Self::Sweep => "sweep",
            Self::Workflows => "workflows",
            Self::Hypotheses => "hypotheses",
        }
    }
}

/// The cells of a run, and the hypotheses that it declared in advance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// The command.
    pub experiment: Experiment,
    /// The hypotheses to test: those of the recipe that belong to the experiment.
    pub hypotheses: Vec<Hypothesis>,
    /// The recipe's own sampling setting.
    pub reference: Decoding,
    /// H1's workflows, if H1 is tested; the arms of the first one are compared in full.
    pub comparison: Option<Vec<Workflow>>,
    /// H2's grid, if H2 is tested.
    pub sweep: Option<SweepPlan>,
    /// H3's arm and workflows, if H3 is tested.
    pub collaboration: Option<CollaborationPlan>,
    /// All cells, without duplicates, in the order of execution.
    pub cells: Vec<Cell>,
}

/// H2: one arm, one workflow, many sampling settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SweepPlan {
    /// The base model or an adapter.
    pub arm: String,
    /// The workflow of every point.
    pub workflow: Workflow,
    /// The reference first.
    pub decodings: Vec<Decoding>,
}

/// H3: one arm, many workflows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CollaborationPlan {
    /// The base model or an adapter.
    pub arm: String,
    /// The workflows, those that H3 compares first.
    pub workflows: Vec<Workflow>,
}

impl Plan {
    /// Creates the plan of a command for these adapters, given by name.
    ///
    /// # Errors
    /// The recipe declares no hypothesis of the command, or a budget too small for one of its workflows.
    pub fn new(
        experiment: Experiment,
        evaluate: &Evaluate,
        adapters: &[&str],
    ) -> Result<Self, PlanError> {
        let declares = |id| evaluate.hypotheses.iter().any(|h| h.id == id);
        let all = experiment == Experiment::Hypotheses;
        // Without an adapter, a comparison declares no hypothesis.
        let asks_h1 = experiment == Experiment::Compare || all && declares(HypothesisId::H1);
        let asks_h2 = experiment == Experiment::Sweep || all && declares(HypothesisId::H2);
        let listed = listed(evaluate);
        let own = if experiment == Experiment::Workflows {
            own_workflows(&listed, declares(HypothesisId::H3))
        } else {
            &[]
        };
        let asks_h3 = match experiment {
            // A recipe that neither declares H3 nor lists workflows to compare is refused below.
            Experiment::Workflows => declares(HypothesisId::H3) || own.is_empty(),
            _ => all && declares(HypothesisId::H3),
        };
        let tests = |id| match id {
            HypothesisId::H1 => asks_h1 && !adapters.is_empty(),
            HypothesisId::H2 => asks_h2,
            HypothesisId::H3 => asks_h3,
        };
        let ids = [HypothesisId::H1, HypothesisId::H2, HypothesisId::H3];
        if let Some(id) = ids.into_iter().find(|&id| tests(id) && !declares(id)) {
            return Err(undeclared(experiment, id));
        }
        if tests(HypothesisId::H1) {
            check_workflows_of_h1(evaluate, &listed)?;
        }
        if !(asks_h1 || asks_h2 || asks_h3) && own.is_empty() {
            let text = "the recipe's `evaluate.hypotheses` is empty, so there is nothing to test\n\
                        hint: remove the key to use the defaults";
            return Err(PlanError(text.to_owned()));
        }
        let reference = Decoding::of(evaluate);
        // Several hypotheses are tested on the base model, which all of them share; a single one on the adapter that
        // is named.
        let one_arm = adapters.first().filter(|_| !all).unwrap_or(&BASE_ARM);
        let mut plan = Self {
            experiment,
            hypotheses: evaluate
                .hypotheses
                .iter()
                .filter(|hypothesis| tests(hypothesis.id))
                .cloned()
                .collect(),
            reference,
            comparison: asks_h1.then(|| listed.clone()),
            sweep: asks_h2.then(|| SweepPlan {
                arm: (*one_arm).to_owned(),
                workflow: evaluate.sweep.workflow,
                decodings: grid(evaluate),
            }),
            collaboration: asks_h3.then(|| CollaborationPlan {
                arm: (*one_arm).to_owned(),
                workflows: of_h3(&listed),
            }),
            cells: Vec::new(),
        };
        plan.fill(evaluate, adapters, one_arm, own);
        plan.check_budget(evaluate)?;
        Ok(plan)
    }

    /// Adds the cells of each part, and those of `arm` in the `own` workflows.
    fn fill(&mut self, evaluate: &Evaluate, adapters: &[&str], arm: &str, own: &[Workflow]) {
        let reference = self.reference;
        let at_reference = |arm: &str, workflow| Cell {
            arm: arm.to_owned(),
            workflow,
            decoding: reference,
            samples: evaluate.samples_per_task as u32,
        };
        let mut wanted = Vec::new();
        for arm in std::iter::once(&BASE_ARM).chain(adapters) {
            let workflows = self.comparison.iter().flatten();
            wanted.extend(workflows.map(|&workflow| at_reference(arm, workflow)));
        }
        if let Some(sweep) = &self.sweep {
            wanted.extend(sweep.decodings.iter().map(|&decoding| Cell {
                decoding,
                samples: if decoding == reference {
                    evaluate.samples_per_task as u32
                } else if decoding.is_greedy() {
                    1
                } else {
                    evaluate.sweep.samples_per_task as u32
                },
                ..at_reference(&sweep.arm, sweep.workflow)
            }));
        }
        if let Some(asked) = &self.collaboration {
            let workflows = asked.workflows.iter();
            wanted.extend(workflows.map(|&workflow| at_reference(&asked.arm, workflow)));
        }
        wanted.extend(own.iter().map(|&workflow| at_reference(arm, workflow)));
        for cell in wanted {
            if !self.cells.iter().any(|known| known.is_same_as(&cell)) {
                self.cells.push(cell);
            }
        }
    }

    fn check_budget(&self, evaluate: &Evaluate) -> Result<(), PlanError> {
        let calls = evaluate.budget.calls;
        let too_hungry = |cell: &&Cell| cell.workflow.calls_to_first_program() > calls;
        match self.cells.iter().find(too_hungry) {
            None => Ok(()),
            Some(cell) => Err(PlanError(format!(
                "`evaluate.budget.calls` is {calls}, but {} needs {} calls for its first program\n\
                 hint: --set evaluate.budget.calls={}",
                cell.workflow,
                cell.workflow.calls_to_first_program(),
                Evaluate::default().budget.calls,
            ))),
        }
    }

    /// Returns the declared effects of a hypothesis; none if the run does not test it.
    pub fn declared(&self, id: HypothesisId) -> impl Iterator<Item = &Hypothesis> {
        self.hypotheses
            .iter()
            .filter(move |hypothesis| hypothesis.id == id)
    }

    /// Returns the declared effects of H1 in a workflow; those that name none are about [`Self::compared_workflow`].
    pub fn declared_of_h1(&self, workflow: Option<Workflow>) -> impl Iterator<Item = &Hypothesis> {
        let first = self.compared_workflow();
        self.declared(HypothesisId::H1)
            .filter(move |hypothesis| hypothesis.workflow.or(first) == workflow)
    }

    /// Returns the workflow whose arms are compared in full.
    pub fn compared_workflow(&self) -> Option<Workflow> {
        self.comparison.as_ref()?.first().copied()
    }
}

/// Returns the recipe's workflows, with their controls if it asks for them.
fn listed(evaluate: &Evaluate) -> Vec<Workflow> {
    match evaluate.controls {
        Controls::None => evaluate.workflows.clone(),
        Controls::Auto => Workflow::with_controls(&evaluate.workflows),
    }
}

/// Returns the workflows of h3, and after them those of the `listed` ones that join it.
fn of_h3(listed: &[Workflow]) -> Vec<Workflow> {
    let joining = listed.iter().copied().filter(|of| of.joins_h3());
    Workflow::of_h3().into_iter().chain(joining).collect()
}

/// Returns the workflows that `workflows` runs besides those of H3: the `listed` ones if H3 lacks one of them; without
/// H3 if there are several, or one looks something up.
fn own_workflows(listed: &[Workflow], with_h3: bool) -> &[Workflow] {
    let runs = if with_h3 {
        let of_h3 = of_h3(listed);
        listed.iter().any(|workflow| !of_h3.contains(workflow))
    } else {
        listed.len() > 1 || listed.iter().any(|workflow| workflow.looks_up())
    };
    if runs { listed } else { &[] }
}

/// Returns the recipe's own sampling, then the points of the grid, row by row.
fn grid(evaluate: &Evaluate) -> Vec<Decoding> {
    let reference = Decoding::of(evaluate);
    let mut decodings = vec![reference];
    for &temperature in &evaluate.sweep.temperatures {
        for &top_p in &evaluate.sweep.top_p {
            let decoding = Decoding { temperature, top_p };
            // Greedy answers do not depend on top-p.
            let decoding = Decoding {
                top_p: if decoding.is_greedy() {
                    reference.top_p
                } else {
                    top_p
                },
                ..decoding
            };
            if !decodings.contains(&decoding) {
                decodings.push(decoding);
            }
        }
    }
    decodings
}

/// Checks that rows of H1 name `listed` workflows alone, and that the arms' full comparison, that of the first one, has a
/// required effect, and no metric two.
fn check_workflows_of_h1(evaluate: &Evaluate, listed: &[Workflow]) -> Result<(), PlanError> {
    let rows = evaluate.hypotheses.iter();
    let mut named = rows.clone().filter_map(|row| row.workflow);
    if let Some(workflow) = named.find(|workflow| !listed.contains(workflow)) {
        return Err(not_listed(workflow, listed));
    }
    let first = listed.first().copied();
    let rows: Vec<&Hypothesis> = rows
        .filter(|row| row.id == HypothesisId::H1 && row.workflow.or(first) == first)
        .collect();
    let first = first.map_or("", Workflow::name);
    if rows.is_empty() {
        return Err(PlanError(format!(
            "`evaluate.hypotheses` declares no effect of h1 in {first}, the first of `evaluate.workflows`\n\
             hint: list a workflow first that has one"
        )));
    }
    let twice =
        (1..rows.len()).find(|&at| rows[..at].iter().any(|row| row.metric == rows[at].metric));
    match twice {
        None => Ok(()),
        Some(at) => Err(PlanError(format!(
            "`evaluate.hypotheses` declares two effects of h1 on {} in {first}\n\
             hint: a row without `workflow` is about the first of `evaluate.workflows`",
            rows[at].metric.name()
        ))),
    }
}

fn not_listed(workflow: Workflow, listed: &[Workflow]) -> PlanError {
    let listed: Vec<&str> = listed.iter().map(|of| of.name()).collect();
    let listed = listed.join(", ");
    PlanError(format!(
        "`evaluate.hypotheses` declares an effect of h1 in {workflow}, but `evaluate.workflows` is {listed}\n\
         hint: add {workflow} to `evaluate.workflows`, or remove the row"
    ))
}

fn undeclared(experiment: Experiment, id: HypothesisId) -> PlanError {
    let (command, id) = (experiment.command(), id.name());
    let text = format!(
        "`evaluator {command}` tests {id}, but the recipe declares no effect for it\n\
         hint: add an item with `id: {id}` to `evaluate.hypotheses`, or remove the key to use the defaults"
    );
    PlanError(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(experiment: Experiment, evaluate: &Evaluate, adapters: &[&str]) -> Vec<String> {
        let plan = Plan::new(experiment, evaluate, adapters).expect("a plan");
        plan.cells
            .iter()
            .map(|cell| format!("{} x{}", cell.label(plan.reference), cell.samples))
            .collect()
    }

    fn small_grid() -> Evaluate {
        let mut evaluate = Evaluate::default();
        evaluate.sweep.temperatures = vec![0.0, 0.5];
        evaluate.sweep.top_p = vec![0.9, 1.0];
        evaluate.sweep.samples_per_task = 3;
        evaluate
    }

    #[test]
    fn a_comparison_has_every_arm_in_every_workflow() {
        let evaluate = Evaluate {
            workflows: vec![Workflow::Single, Workflow::Codet],
            ..Evaluate::default()
        };
        assert_eq!(
            labels(Experiment::Compare, &evaluate, &["a", "b"]),
            [
                "base single x1",
                "base codet x1",
                "a single x1",
                "a codet x1",
                "b single x1",
                "b codet x1"
            ]
        );
        assert_eq!(labels(Experiment::Compare, &evaluate, &[]).len(), 2);
    }

    #[test]
    fn a_sweep_has_the_reference_once_and_greedy_decoding_once() {
        let expected = [
            "single x1",
            "single temperature 0.5, top-p 0.9 x3",
            "single temperature 0.5, top-p 1 x3",
        ];
        let of_base = expected.map(|label| format!("base {label}"));
        assert_eq!(labels(Experiment::Sweep, &small_grid(), &[]), of_base);
        let of_adapter = expected.map(|label| format!("tuned {label}"));
        assert_eq!(
            labels(Experiment::Sweep, &small_grid(), &["tuned"]),
            of_adapter
        );
    }

    #[test]
    fn a_reference_on_the_grid_is_a_point_of_it() {
        let mut evaluate = small_grid();
        evaluate.sampling.temperature = 0.5;
        evaluate.samples_per_task = 5;
        let labels = labels(Experiment::Sweep, &evaluate, &[]);
        assert_eq!(
            labels,
            [
                "base single x5",
                "base single greedy x1",
                "base single temperature 0.5, top-p 0.9 x3"
            ]
        );
    }

    #[test]
    fn all_hypotheses_share_cells() {
        let labels = labels(Experiment::Hypotheses, &small_grid(), &["tuned"]);
        assert_eq!(labels.len(), 2 + 2 + 6, "{labels:?}");
        assert_eq!(
            labels
                .iter()
                .filter(|label| *label == "base single x1")
                .count(),
            1
        );
    }

    #[test]
    fn only_what_the_recipe_declares_is_asked() {
        let mut evaluate = small_grid();
        evaluate.hypotheses.retain(|h| h.id == HypothesisId::H3);
        assert_eq!(
            labels(Experiment::Hypotheses, &evaluate, &["tuned"]).len(),
            7
        );
        let error = Plan::new(Experiment::Sweep, &evaluate, &[]).expect_err("nothing declared");
        assert!(error.0.contains("tests h2"), "{}", error.0);
        evaluate.hypotheses.clear();
        assert!(Plan::new(Experiment::Hypotheses, &evaluate, &["tuned"]).is_err());
        assert!(Plan::new(Experiment::Compare, &evaluate, &[]).is_ok());
    }

    #[test]
    fn an_effect_of_h1_belongs_to_a_listed_workflow_by_default_the_first() {
        let mut evaluate = Evaluate {
            workflows: vec![Workflow::Single, Workflow::Reflection],
            ..Evaluate::default()
        };
        evaluate.hypotheses[1].workflow = Some(Workflow::Reflection);
        let plan = Plan::new(Experiment::Compare, &evaluate, &["tuned"]).expect("a plan");
        for (workflow, row) in [(Workflow::Single, 0), (Workflow::Reflection, 1)] {
            let declared: Vec<&Hypothesis> = plan.declared_of_h1(Some(workflow)).collect();
            assert_eq!(declared, [&evaluate.hypotheses[row]]);
        }
        let only_second = |row: usize| {
            let mut evaluate = evaluate.clone();
            evaluate.hypotheses[row].workflow = Some(Workflow::Reflection);
            Plan::new(Experiment::Compare, &evaluate, &["tuned"])
        };
        let error = only_second(0).expect_err("none in the first");
        assert!(error.0.contains("no effect of h1 in single"), "{}", error.0);
        let mut twice = evaluate.clone();
        twice.hypotheses[1] = Hypothesis {
            workflow: Some(Workflow::Single),
            ..twice.hypotheses[0].clone()
        };
        let error = Plan::new(Experiment::Compare, &twice, &["tuned"]).expect_err("two effects");
        assert!(
            error
                .0
                .contains("two effects of h1 on maintainability_index in single"),
            "{}",
            error.0
        );
        evaluate.workflows.pop();
        let error = Plan::new(Experiment::Compare, &evaluate, &["tuned"]).expect_err("not run");
        assert!(error.0.contains("h1 in reflection"), "{}", error.0);
        assert!(Plan::new(Experiment::Sweep, &evaluate, &[]).is_ok());
    }

    #[test]
    fn a_budget_too_small_for_a_workflow_is_told() {
        let mut evaluate = Evaluate::default();
        evaluate.budget.calls = 1;
        let error = Plan::new(Experiment::Workflows, &evaluate, &[]).expect_err("too small");
        assert!(error.0.contains("multi_agent"), "{}", error.0);
    }
}
