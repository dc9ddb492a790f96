//! How well a training separates preferred answers from others.

use serde::{Deserialize, Serialize};

/// Figures of a preference objective over some pairs, or over some wanted and unwanted answers.
///
/// The reward of an answer is the objective's scale times its log-probability under the adapter minus that under the base
/// model; of an objective without reference, times its mean log-probability per token.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PreferenceFigures {
    /// Share of the pairs whose chosen answer has the higher reward. Of single answers, share of those whose reward is on
    /// their side of the mean reward of mismatched answers. A tie counts one half.
    pub accuracy: f64,
    /// Mean reward of the chosen or wanted answers minus that of the others; `None` where one of them is missing.
    pub reward_margin: Option<f64>,
    /// The chosen or wanted answers; `None` without any.
    pub chosen: Option<AnswerFigures>,
    /// The rejected or unwanted answers; `None` without any.
    pub rejected: Option<AnswerFigures>,
}

/// Means over answers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct AnswerFigures {
    /// Log-probability of an answer: the sum over its tokens, in nats.
    pub log_p: f64,
    /// The number of tokens of an answer.
    pub tokens: f64,
}

/// How often an adapter prefers the right answer of pairs that were held out: `preferences` of `training.json`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct HeldOutPreferences {
    /// The number of pairs, or of single answers.
    pub units: usize,
    /// The number of tasks, or of different prompts, that they belong to; 0 in the files of earlier versions.
    #[serde(default)]
    pub tasks: usize,
    /// Those on which the adapter is right, see [`PreferenceFigures::accuracy`].
    pub right: usize,
    /// Those on which it prefers neither side; each adds one half to the accuracy.
    #[serde(default)]
    pub ties: usize,
    /// The accuracy of the same answer to all: of pairs 0.5, of single answers the share of the more frequent label.
    #[serde(default = "half")]
    pub guessing: f64,
    /// Lower end of the 95 % confidence interval of the accuracy: Wilson's, or with several units of a task that of
    /// clusters. An interval that contains `guessing` does not exclude it.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
    /// Figures over them.
    #[serde(flatten)]
    pub figures: PreferenceFigures,
}

impl HeldOutPreferences {
    /// Describes how often the adapter is right, with the interval of the accuracy. `units` is the word for them.
    pub fn text(&self, units: &str) -> String {
        let Self {
            tasks,
            right,
            ties,
            low,
            high,
            figures,
            ..
        } = *self;
        let of_tasks = match tasks {
            0 => String::new(),
            1 => " of 1 task".to_owned(),
            tasks => format!(" of {tasks} tasks"),
        };
        let with_ties = match ties {
            0 => String::new(),
            1 => ", 1 tie counted as half".to_owned(),
            ties => format!(", {ties} ties counted as half"),
        };
        format!(
            "right on {right} of {} {units}{of_tasks}{with_ties}: {:.1} %, 95 % interval {:.1} to {:.1} %",
            self.units,
            100.0 * figures.accuracy,
            100.0 * low,
            100.0 * high
        )
    }

    /// Compares the interval with guessing, as a clause; `None` if every comparison is a tie.
    pub fn verdict(&self) -> Option<String> {
        let guessing = format!("the {:.1} % of guessing", 100.0 * self.guessing);
        if self.ties == self.units {
            None
        } else if self.low > self.guessing {
            Some(format!("excludes {guessing}"))
        } else if self.high < self.guessing {
            Some(format!("is below {guessing}"))
        } else {
            Some(format!("does not exclude {guessing}"))
        }
    }
}

fn half() -> f64 {
    0.5
}
