//! When a run ends, and which round is kept: rules on numbers, fixed before the run.

use std::fmt;

/// Points by which pass@k may fall below the base model's.
const MOST_FALL: f64 = 2.0;

/// Share by which answers may become shorter than the base model's.
const MOST_SHORTENING: f64 = 0.2;

/// Rounds in a row without the wanted gain that end a run.
const ROUNDS_WITHOUT_GAIN: usize = 2;

/// The numbers of a judged model by which rounds are compared.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Judged {
    /// Dev tasks whose one greedy answer passes, in percent.
    pub(super) pass_1: f64,
    /// Chance that one of the most sampled answers passes, in percent.
    pub(super) pass_k: f64,
    /// Mean characters of the sampled programs; `None` if none was scored.
    pub(super) characters: Option<f64>,
}

/// Why a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// All rounds of the recipe are done.
    Rounds,
    /// Two rounds in a row gained too little.
    NoGain,
    /// The answers lost variety.
    LostVariety,
    /// The answers became shorter.
    Shortened,
    /// A round solved no task that no earlier round had solved.
    NothingNew,
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Self::Rounds => "all rounds of the recipe are done",
            Self::NoGain => {
                "two rounds in a row gained less than `improve.min_gain` over the best before them"
            }
            Self::LostVariety => {
                "pass@k fell more than 2 points below the base model's, so the answers lose variety"
            }
            Self::Shortened => {
                "the programs are more than 20 % shorter than the base model's on average"
            }
            Self::NothingNew => "the round solved no task that no earlier round had solved",
        })
    }
}

/// Returns the index of the best model by pass@1, the earlier of equals: 0 is the base model.
pub(super) fn best(judged: &[Judged]) -> usize {
    let mut best = 0;
    for (index, model) in judged.iter().enumerate() {
        if model.pass_1 > judged[best].pass_1 {
            best = index;
        }
    }
    best
}

/// Returns the round with the best adapter by pass@1, the earlier of equals; `None` before the first round.
pub(super) fn best_round(judged: &[Judged]) -> Option<usize> {
    let rounds = judged.get(1..).filter(|rounds| !rounds.is_empty())?;
    Some(best(rounds) + 1)
}

/// Returns why no further round follows the last one of `judged`, whose first entry is the base model.
pub(super) fn after_judge(judged: &[Judged], min_gain: f64, rounds: usize) -> Option<Stop> {
    let (base, last) = (judged.first()?, judged.last()?);
    if judged.len() < 2 {
        return None;
    }
    if last.pass_k < base.pass_k - MOST_FALL {
        return Some(Stop::LostVariety);
    }
    let least = base.characters.map(|base| base * (1.0 - MOST_SHORTENING));
    if let (Some(last), Some(least)) = (last.characters, least)
        && last < least
    {
        return Some(Stop::Shortened);
    }
    let gained = |at: usize| judged[at].pass_1 - judged[best(&judged[..at])].pass_1;
    let recent = (1..judged.len()).rev().take(ROUNDS_WITHOUT_GAIN);
    let is_small = |at: usize| gained(at) < min_gain;
    if judged.len() > ROUNDS_WITHOUT_GAIN && recent.into_iter().all(is_small) {
        return Some(Stop::NoGain);
    }
    (judged.len() > rounds).then_some(Stop::Rounds)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(rows: &[(f64, f64, f64)]) -> Vec<Judged> {
        let model = |&(pass_1, pass_k, characters): &(f64, f64, f64)| Judged {
            pass_1,
            pass_k,
            characters: Some(characters),
        };
        rows.iter().map(model).collect()
    }

    fn of_pass_1(values: &[f64]) -> Vec<Judged> {
        let rows: Vec<_> = values.iter().map(|&value| (value, 50.0, 100.0)).collect();
        judged(&rows)
    }

    #[test]
    fn two_small_gains_in_a_row_end_a_run_and_one_does_not() {
        let after = |values: &[f64]| after_judge(&of_pass_1(values), 1.0, 20);
        assert_eq!(after(&[10.0]), None);
        assert_eq!(after(&[10.0, 10.5]), None);
        assert_eq!(after(&[10.0, 10.5, 11.0]), Some(Stop::NoGain));
        assert_eq!(after(&[10.0, 10.5, 11.5]), None);
        // A gain is measured over the best before it, not over the last.
        assert_eq!(after(&[10.0, 15.0, 9.0, 14.0]), Some(Stop::NoGain));
        assert_eq!(after(&[10.0, 15.0, 9.0, 16.0]), None);
        assert_eq!(after(&[10.0, 9.0, 12.0, 12.5]), None);
    }

    #[test]
    fn a_run_ends_with_its_last_round() {
        let values = of_pass_1(&[10.0, 12.0, 14.0]);
        assert_eq!(after_judge(&values, 1.0, 2), Some(Stop::Rounds));
        assert_eq!(after_judge(&values, 1.0, 3), None);
    }

    #[test]
    fn lost_variety_and_short_answers_end_a_run() {
        let after = |last| after_judge(&judged(&[(10.0, 40.0, 100.0), last]), 1.0, 5);
        assert_eq!(after((20.0, 38.0, 80.0)), None);
        assert_eq!(after((20.0, 37.9, 80.0)), Some(Stop::LostVariety));
        assert_eq!(after((20.0, 38.0, 79.9)), Some(Stop::Shortened));
    }

    #[test]
    fn the_earliest_of_equally_good_rounds_is_kept() {
        let values = of_pass_1(&[10.0, 12.0, 14.0, 14.0, 13.0]);
        assert_eq!((best(&values), best_round(&values)), (2, Some(2)));
        let worse = of_pass_1(&[20.0, 12.0, 14.0]);
        assert_eq!((best(&worse), best_round(&worse)), (0, Some(2)));
        assert_eq!(best_round(&of_pass_1(&[20.0])), None);
        // A round with the rate of the base model does not beat it.
        assert_eq!(best(&of_pass_1(&[20.0, 20.0])), 0);
    }
}
