//! Amounts of what a workflow may spend on one sample of one task.

use serde::{Deserialize, Serialize};

/// An amount of everything that is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spending {
    /// Tokens that the model wrote.
    pub completion_tokens: usize,
    /// Calls to the model.
    pub calls: usize,
    /// Runs of a program.
    pub executions: usize,
}

impl From<&slm_config::Budget> for Spending {
    fn from(budget: &slm_config::Budget) -> Self {
        let slm_config::Budget {
            completion_tokens,
            calls,
            executions,
        } = *budget;
        Self {
            completion_tokens,
            calls,
            executions,
        }
    }
}
