//! How a program is chosen from several: `evaluate.samples_select` and `evaluate.beam`.

use serde::{Deserialize, Serialize};

use crate::schema::{Kind, section, words};

words! {
/// How `best_of_n` chooses from its programs: `evaluate.samples_select`. Programs that cannot be run come last in all of
/// them, and of equal programs the earliest is taken.
pub enum SamplesSelect default Public {
    /// The program that passes most public examples.
    Public = "public",
    /// The program with the largest mean log-probability of its answer's tokens; public examples do not count.
    Likelihood = "likelihood",
    /// The programs with the same results in the public examples and in self-written tests are one answer, and the answer
    /// whose verifier's scores have the largest sum is taken, by its program with the largest score. Source: Li et al.
    /// 2023, arXiv:2206.02336.
    Weighted = "weighted",
    /// The program that the role `verifier` finds most likely to be right; public examples do not count. Source: Cobbe et
    /// al. 2021, arXiv:2110.14168.
    Verifier = "verifier",
}
}

impl SamplesSelect {
    /// Whether the role `verifier` is asked about each program.
    pub fn asks_verifier(self) -> bool {
        matches!(self, Self::Weighted | Self::Verifier)
    }
}

section! {
/// Settings of the workflow `beam`: `evaluate.beam`. The names are those of Beeching et al. 2024, "Scaling test-time compute
/// with open models".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beam {
    /// Partial programs that are kept after each statement; most programs that are run.
    n: usize = 4 => Kind::Int(1, 256);
    /// Continuations of each partial program that are sampled and compared.
    beam_width: usize = 4 => Kind::Int(1, 64);
    /// Groups into which the `n` partial programs are divided, and which do not compete; divides `n`. With 1 it is beam
    /// search, with `n` diverse verifier tree search (DVTS).
    subtrees: usize = 1 => Kind::Int(1, 256);
    /// Most statements of a program; one that has no end by then is dropped.
    num_iterations: usize = 40 => Kind::Int(1, 1000);
    /// What partial programs are compared by.
    score: BeamScore = BeamScore::Likelihood => Kind::Word(BeamScore::words);
}
}

words! {
/// What `beam` compares partial programs by: `evaluate.beam.score`.
pub enum BeamScore default Likelihood {
    /// The mean log-probability of their tokens.
    Likelihood = "likelihood",
    /// The role `verifier`, asked about each partial program.
    Verifier = "verifier",
}
}
