//! Which calls of a run ask for probabilities.

use slm_artifacts::Expects;
use slm_benchmarks::TaskView;
use slm_config::{BeamScore, Evaluate, SamplesSelect, Workflow};

use super::partial::body_indent;
use super::step_queue::ModelCall;
use crate::backend::Wanted;

/// The probabilities that a workflow compares programs by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Scores {
    /// Those of the programs' own tokens.
    pub(crate) likelihood: bool,
    /// Those of the verifier's yes and no.
    pub(crate) verifier: bool,
}

impl Scores {
    /// Returns what a workflow compares programs by in a recipe.
    pub(crate) fn of(workflow: Workflow, evaluate: &Evaluate) -> Self {
        match workflow {
            Workflow::BestOfN => Self {
                likelihood: evaluate.samples_select == SamplesSelect::Likelihood,
                verifier: evaluate.samples_select.asks_verifier(),
            },
            Workflow::Beam => Self {
                likelihood: evaluate.beam.score == BeamScore::Likelihood,
                verifier: evaluate.beam.score == BeamScore::Verifier,
            },
            _ => Self::default(),
        }
    }
}

/// Returns what a call asks beyond a text.
pub(super) fn wanted(
    call: &ModelCall,
    workflow: Workflow,
    evaluate: &Evaluate,
    task: &TaskView,
) -> Wanted {
    let writes = matches!(call.expects, Expects::Program | Expects::Statement);
    let is_statement = call.expects == Expects::Statement;
    Wanted {
        log_probability: writes && Scores::of(workflow, evaluate).likelihood,
        judgement: call.expects == Expects::Judgement,
        one_statement: is_statement.then(|| body_indent(&task.prompt)),
    }
}
