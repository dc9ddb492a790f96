//! How far a run is, and how long the rest takes.

use std::time::Duration;

use slm_cli::duration_text;

use super::state::{Kind, Line};

/// Returns the number of stages of a run with this many rounds.
pub(super) fn n_stages(rounds: usize) -> usize {
    1 + Kind::OF_ROUND.len() * rounds
}

/// Returns the stages of a run in their order, each with its round.
pub(super) fn stages(rounds: usize) -> impl Iterator<Item = (Kind, usize)> {
    let of_round = |round| Kind::OF_ROUND.into_iter().map(move |kind| (kind, round));
    std::iter::once((Kind::Judge, 0)).chain((1..=rounds).flat_map(of_round))
}

/// Returns the line that announces a stage.
pub(super) fn line(kind: Kind, round: usize, rounds: usize, finished: &[Line]) -> String {
    let number = stages(rounds).position(|stage| stage == (kind, round));
    let number = number.map_or(0, |at| at + 1);
    let left = time_left(number, rounds, finished).map_or_else(
        || "time left unknown".to_owned(),
        |left| format!("about {} left", duration_text(left)),
    );
    let n = n_stages(rounds);
    let name = kind.name();
    if round == 0 {
        return format!("base model: {name} (stage {number} of {n}), {left}");
    }
    format!("round {round} of {rounds}: {name} (stage {number} of {n}), {left}")
}

/// Returns the time of all stages from number `number` on, by the mean of the finished ones of each kind; `None` before
/// one of each kind is finished.
fn time_left(number: usize, rounds: usize, finished: &[Line]) -> Option<Duration> {
    let mean = |kind: Kind| {
        let of_kind = finished.iter().filter(|line| line.stage == kind);
        let seconds: Vec<f64> = of_kind.map(|line| line.seconds).collect();
        slm_statistics::mean(&seconds)
    };
    let rest = stages(rounds).skip(number.saturating_sub(1));
    let seconds: Option<Vec<f64>> = rest.map(|(kind, _)| mean(kind)).collect();
    Duration::try_from_secs_f64(seconds?.iter().sum()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finished(stage: Kind, round: usize, seconds: f64) -> Line {
        Line {
            stage,
            round,
            inputs: [].into(),
            outputs: [].into(),
            seconds,
            energy: None,
            command: String::new(),
        }
    }

    #[test]
    fn time_is_estimated_once_a_stage_of_each_kind_is_finished() {
        let mut lines = vec![finished(Kind::Judge, 0, 100.0)];
        let text = line(Kind::Sample, 1, 3, &lines);
        assert_eq!(
            text,
            "round 1 of 3: sample (stage 2 of 13), time left unknown"
        );
        lines.extend([
            finished(Kind::Sample, 1, 1000.0),
            finished(Kind::Data, 1, 10.0),
            finished(Kind::Fit, 1, 2000.0),
            finished(Kind::Judge, 1, 200.0),
        ]);
        // Fit and judge of round 2, and all of round 3.
        let text = line(Kind::Fit, 2, 3, &lines);
        assert_eq!(
            text,
            "round 2 of 3: fit (stage 8 of 13), about 1 h 28 min left"
        );
        let text = line(Kind::Judge, 0, 3, &[]);
        assert_eq!(text, "base model: judge (stage 1 of 13), time left unknown");
    }
}
