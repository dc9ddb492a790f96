//! The rule that turns an estimate and its interval into a verdict, declared before any result is seen.

use serde::Serialize;
use statistics::Interval;

/// Below this many pairs nothing is concluded: a bootstrap over a handful of tasks knows no others, and even if all
/// of five differences agree, an exact two-sided test cannot go below p = 2 / 2^5 = 0.06.
pub(super) const MIN_PAIRS: usize = 6;

/// What the data say about a declared effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Outcome {
    /// The estimate is at least the declared effect and its interval lies wholly on that side of 0.
    Supported,
    /// Even the interval's better end is short of the declared effect.
    NotSupported,
    /// Neither.
    Inconclusive,
}

impl Outcome {
    /// Judges a change of `estimate`, found over `pairs` tasks, against a declared change; a declared fall is negative.
    ///
    /// Without an interval, or from fewer than [`MIN_PAIRS`], nothing is concluded.
    pub(super) fn judge(
        pairs: usize,
        estimate: Option<f64>,
        interval: Option<Interval>,
        declared: f64,
    ) -> Self {
        if declared < 0.0 {
            let mirrored = interval.map(|interval| Interval {
                low: -interval.high,
                high: -interval.low,
            });
            return Self::judge(
                pairs,
                estimate.map(|estimate| -estimate),
                mirrored,
                -declared,
            );
        }
        match (estimate, interval) {
            _ if pairs < MIN_PAIRS => Self::Inconclusive,
            (_, Some(interval)) if interval.high < declared => Self::NotSupported,
            (Some(estimate), Some(interval)) if estimate >= declared && interval.low > 0.0 => {
                Self::Supported
            }
            _ => Self::Inconclusive,
        }
    }

    /// Judges whether a change cost no more than `margin`: supported if the estimate says so, not supported if even the
    /// interval's better end says that it cost more.
    pub(super) fn judge_cost(
        estimate: Option<f64>,
        interval: Option<Interval>,
        margin: f64,
    ) -> Self {
        match (estimate, interval) {
            (Some(estimate), _) if estimate >= -margin => Self::Supported,
            (_, Some(interval)) if interval.high < -margin => Self::NotSupported,
            _ => Self::Inconclusive,
        }
    }

    /// The verdict on a claim that holds only if all its parts hold.
    pub(super) fn all(parts: &[Self]) -> Self {
        if parts.contains(&Self::NotSupported) {
            Self::NotSupported
        } else if parts.iter().all(|part| *part == Self::Supported) && !parts.is_empty() {
            Self::Supported
        } else {
            Self::Inconclusive
        }
    }

    /// The verdict in words.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Supported => "supported",
            Self::NotSupported => "not supported",
            Self::Inconclusive => "inconclusive",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Interval, Outcome};

    fn check(estimate: f64, low: f64, high: f64, expected: Outcome) {
        let found = Outcome::judge(40, Some(estimate), Some(Interval { low, high }), 3.0);
        assert_eq!(found, expected, "{estimate} ({low} to {high})");
    }

    #[test]
    fn a_large_estimate_clear_of_zero_is_supported() {
        check(4.0, 0.5, 7.5, Outcome::Supported);
        check(3.0, 0.1, 5.9, Outcome::Supported);
    }

    #[test]
    fn an_interval_short_of_the_declared_effect_is_not_supported() {
        check(1.0, -0.5, 2.9, Outcome::NotSupported);
        check(2.0, 1.1, 2.9, Outcome::NotSupported);
        check(-9.0, -12.0, -6.0, Outcome::NotSupported);
    }

    #[test]
    fn everything_else_is_inconclusive() {
        check(4.0, -0.1, 8.1, Outcome::Inconclusive);
        check(2.9, 0.1, 5.7, Outcome::Inconclusive);
        assert_eq!(
            Outcome::judge(40, Some(9.0), None, 3.0),
            Outcome::Inconclusive
        );
        assert_eq!(Outcome::judge(40, None, None, 3.0), Outcome::Inconclusive);
    }

    #[test]
    fn a_handful_of_tasks_concludes_nothing() {
        let interval = Some(Interval {
            low: 8.0,
            high: 9.0,
        });
        assert_eq!(
            Outcome::judge(5, Some(8.5), interval, 3.0),
            Outcome::Inconclusive
        );
        assert_eq!(
            Outcome::judge(6, Some(8.5), interval, 3.0),
            Outcome::Supported
        );
    }

    #[test]
    fn a_declared_fall_is_judged_as_a_rise_is() {
        for (estimate, low, high) in [
            (4.0, 0.5, 7.5),
            (2.9, 0.1, 5.7),
            (1.0, -0.5, 2.9),
            (4.0, -0.1, 8.1),
        ] {
            let rise = Outcome::judge(40, Some(estimate), Some(Interval { low, high }), 3.0);
            let mirrored = Interval {
                low: -high,
                high: -low,
            };
            let fall = Outcome::judge(40, Some(-estimate), Some(mirrored), -3.0);
            assert_eq!(rise, fall, "{estimate} ({low} to {high})");
        }
    }

    #[test]
    fn a_cost_within_the_margin_is_no_cost() {
        let cost = |estimate: f64, low: f64, high: f64| {
            Outcome::judge_cost(Some(estimate), Some(Interval { low, high }), 2.0)
        };
        assert_eq!(cost(-2.0, -9.0, 5.0), Outcome::Supported);
        assert_eq!(cost(-3.0, -9.0, 3.0), Outcome::Inconclusive);
        assert_eq!(cost(-6.0, -9.0, -3.0), Outcome::NotSupported);
        assert_eq!(Outcome::judge_cost(None, None, 2.0), Outcome::Inconclusive);
    }

    #[test]
    fn a_claim_in_two_parts_needs_both() {
        use Outcome::{Inconclusive, NotSupported, Supported};
        assert_eq!(Outcome::all(&[Supported, Supported]), Supported);
        assert_eq!(Outcome::all(&[Supported, Inconclusive]), Inconclusive);
        assert_eq!(Outcome::all(&[Supported, NotSupported]), NotSupported);
        assert_eq!(Outcome::all(&[]), Inconclusive);
    }
}
