//! The rule that turns an estimate and its interval into a verdict, fixed before any result is seen.

use serde::Serialize;
use slm_statistics::Interval;

/// With fewer pairs than this, or fewer pairs that differ, nothing is concluded: a bootstrap over a handful of tasks
/// covers no others, and even if all of five differences agree, an exact two-sided test cannot go below p = 2 / 2^5 =
/// 0.06.
pub(crate) const MIN_PAIRS: usize = 6;

/// The verdict on a required effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Conclusion {
    /// The estimate reaches the effect, and its whole interval is on the same side of 0.
    Supported,
    /// Supported for MI, but not for `mi_code`: the effect comes from comments and docstrings.
    ByComments,
    /// Even the favourable end of the interval falls short of the effect.
    NotSupported,
    /// None of these.
    Inconclusive,
    /// A teacher assisted one side of the contrast, so that nothing was tested.
    NotTested,
    /// Shards of the run are missing: a verdict before the declared number of tasks is wrong more often than it states.
    Withheld,
}

/// A mean difference and its evidence, in points of its metric.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Evidence {
    /// Pairs whose values differ; other pairs are no evidence for a direction.
    pub(crate) differing: usize,
    pub(crate) estimate: Option<f64>,
    /// `None` if the data give none, for example because all differences are equal.
    pub(crate) interval: Option<Interval>,
}

impl Evidence {
    /// Mirrors a fall to a rise.
    fn mirrored(self) -> Self {
        Self {
            estimate: self.estimate.map(|estimate| -estimate),
            interval: self.interval.map(|interval| Interval {
                low: -interval.high,
                high: -interval.low,
            }),
            ..self
        }
    }
}

impl Conclusion {
    /// Tests a change against the required `effect`; a required fall is negative.
    ///
    /// The verdict is [`Self::Inconclusive`] without an interval, if its width is 0, or if fewer than [`MIN_PAIRS`]
    /// pairs differ.
    pub(crate) fn judge(evidence: Evidence, effect: f64) -> Self {
        if effect < 0.0 {
            return Self::judge(evidence.mirrored(), -effect);
        }
        let Evidence {
            differing,
            estimate,
            interval,
        } = evidence;
        let interval = interval.filter(|interval| interval.low < interval.high);
        match (estimate, interval) {
            _ if differing < MIN_PAIRS => Self::Inconclusive,
            (_, Some(interval)) if interval.high < effect => Self::NotSupported,
            (Some(estimate), Some(interval)) if estimate >= effect && interval.low > 0.0 => {
                Self::Supported
            }
            _ => Self::Inconclusive,
        }
    }

    /// Combines the verdict on MI with that on `mi_code`, the same code without comments and docstrings.
    pub(crate) fn beside_code(self, code: Self) -> Self {
        match (self, code) {
            (Self::Supported, code) if code != Self::Supported => Self::ByComments,
            (own, _) => own,
        }
    }

    /// Tests whether a change cost at most `margin`: supported if the estimate is within it, not supported if even
    /// the favourable end of the interval is a larger loss.
    pub(crate) fn judge_cost(evidence: Evidence, margin: f64) -> Self {
        match (evidence.estimate, evidence.interval) {
            (Some(estimate), _) if estimate >= -margin => Self::Supported,
            (_, Some(interval)) if evidence.differing >= MIN_PAIRS && interval.high < -margin => {
                Self::NotSupported
            }
            _ => Self::Inconclusive,
        }
    }

    /// Tests whether a rate fell by at most `margin`: supported if its whole interval is within the margin, not
    /// supported if it is wholly beyond.
    pub(crate) fn judge_non_inferiority(interval: Option<Interval>, margin: f64) -> Self {
        match interval {
            Some(interval) if interval.low >= -margin => Self::Supported,
            Some(interval) if interval.high < -margin => Self::NotSupported,
            _ => Self::Inconclusive,
        }
    }

    /// Combines a verdict with that of a gate, without which nothing is supported.
    pub(crate) fn behind_gate(self, gate: Self) -> Self {
        match (self, gate) {
            (_, Self::NotSupported) => Self::NotSupported,
            (Self::Supported | Self::ByComments, Self::Inconclusive) => Self::Inconclusive,
            (own, _) => own,
        }
    }

    /// Returns the verdict on a claim that holds only if all its parts hold.
    pub(crate) fn all(parts: &[Self]) -> Self {
        let all_are = |outcome| parts.iter().all(|part| *part == outcome) && !parts.is_empty();
        if parts.contains(&Self::Withheld) {
            Self::Withheld
        } else if parts.contains(&Self::NotSupported) {
            Self::NotSupported
        } else if all_are(Self::Supported) {
            Self::Supported
        } else if all_are(Self::ByComments) {
            Self::ByComments
        } else {
            Self::Inconclusive
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Conclusion, Evidence, Interval, MIN_PAIRS};

    fn evidence(estimate: f64, low: f64, high: f64) -> Evidence {
        Evidence {
            differing: 40,
            estimate: Some(estimate),
            interval: Some(Interval { low, high }),
        }
    }

    fn check(estimate: f64, low: f64, high: f64, expected: Conclusion) {
        let found = Conclusion::judge(evidence(estimate, low, high), 3.0);
        assert_eq!(found, expected, "{estimate} ({low} to {high})");
        let fall = Conclusion::judge(evidence(-estimate, -high, -low), -3.0);
        assert_eq!(fall, expected, "a fall by {estimate} ({low} to {high})");
    }

    #[test]
    fn a_large_estimate_clear_of_zero_is_supported() {
        check(4.0, 0.5, 7.5, Conclusion::Supported);
        check(3.0, 0.1, 5.9, Conclusion::Supported);
    }

    #[test]
    fn an_interval_short_of_the_effect_is_not_supported() {
        check(1.0, -0.5, 2.9, Conclusion::NotSupported);
        check(2.0, 1.1, 2.9, Conclusion::NotSupported);
        check(-9.0, -12.0, -6.0, Conclusion::NotSupported);
    }

    #[test]
    fn everything_else_is_inconclusive() {
        check(4.0, -0.1, 8.1, Conclusion::Inconclusive);
        check(2.9, 0.1, 5.7, Conclusion::Inconclusive);
    }

    #[test]
    fn an_interval_without_width_or_none_concludes_nothing() {
        check(4.0, 4.0, 4.0, Conclusion::Inconclusive);
        check(0.0, 0.0, 0.0, Conclusion::Inconclusive);
        for estimate in [None, Some(0.0), Some(9.0)] {
            let evidence = Evidence {
                estimate,
                interval: None,
                ..evidence(0.0, 0.0, 0.0)
            };
            assert_eq!(Conclusion::judge(evidence, 3.0), Conclusion::Inconclusive);
        }
    }

    #[test]
    fn a_handful_of_pairs_that_differ_concludes_nothing_in_either_direction() {
        for (estimate, low, high, expected) in [
            (8.5, 8.0, 9.0, Conclusion::Supported),
            (0.1, 0.0, 0.4, Conclusion::NotSupported),
        ] {
            let of = |differing| Evidence {
                differing,
                ..evidence(estimate, low, high)
            };
            let few = Conclusion::judge(of(MIN_PAIRS - 1), 3.0);
            assert_eq!(few, Conclusion::Inconclusive);
            assert_eq!(Conclusion::judge(of(MIN_PAIRS), 3.0), expected);
        }
    }

    #[test]
    fn mi_without_mi_code_is_by_comments() {
        use Conclusion::{ByComments, Inconclusive, NotSupported, Supported};
        assert_eq!(Supported.beside_code(Supported), Supported);
        assert_eq!(Supported.beside_code(Inconclusive), ByComments);
        assert_eq!(Supported.beside_code(NotSupported), ByComments);
        assert_eq!(Inconclusive.beside_code(NotSupported), Inconclusive);
        assert_eq!(NotSupported.beside_code(Supported), NotSupported);
    }

    #[test]
    fn a_cost_within_the_margin_is_no_cost() {
        let cost = |estimate, low, high| Conclusion::judge_cost(evidence(estimate, low, high), 2.0);
        assert_eq!(cost(-2.0, -9.0, 5.0), Conclusion::Supported);
        assert_eq!(cost(-3.0, -9.0, 3.0), Conclusion::Inconclusive);
        assert_eq!(cost(-6.0, -9.0, -3.0), Conclusion::NotSupported);
        let none = Conclusion::judge_cost(Evidence::default(), 2.0);
        assert_eq!(none, Conclusion::Inconclusive);
    }

    #[test]
    fn a_pass_rate_is_non_inferior_only_with_its_whole_interval() {
        let judge =
            |low, high| Conclusion::judge_non_inferiority(Some(Interval { low, high }), 2.0);
        assert_eq!(judge(-2.0, 5.0), Conclusion::Supported);
        assert_eq!(judge(-2.1, 5.0), Conclusion::Inconclusive);
        assert_eq!(judge(-9.0, -2.0), Conclusion::Inconclusive);
        assert_eq!(judge(-9.0, -2.1), Conclusion::NotSupported);
        let none = Conclusion::judge_non_inferiority(None, 2.0);
        assert_eq!(none, Conclusion::Inconclusive);
    }

    #[test]
    fn behind_a_gate_nothing_is_supported_that_it_does_not_let_through() {
        use Conclusion::{ByComments, Inconclusive, NotSupported, Supported};
        let all = [Supported, ByComments, NotSupported, Inconclusive];
        let behind = |gate| all.map(|own: Conclusion| own.behind_gate(gate));
        assert_eq!(behind(Supported), all);
        assert_eq!(behind(NotSupported), [NotSupported; 4]);
        let open = [Inconclusive, Inconclusive, NotSupported, Inconclusive];
        assert_eq!(behind(Inconclusive), open);
    }

    #[test]
    fn a_claim_in_several_parts_needs_them_all() {
        use Conclusion::{ByComments, Inconclusive, NotSupported, Supported};
        assert_eq!(Conclusion::all(&[Supported, Supported]), Supported);
        assert_eq!(Conclusion::all(&[Supported, Inconclusive]), Inconclusive);
        assert_eq!(Conclusion::all(&[Supported, NotSupported]), NotSupported);
        assert_eq!(Conclusion::all(&[ByComments, Inconclusive]), Inconclusive);
        assert_eq!(Conclusion::all(&[ByComments, NotSupported]), NotSupported);
        assert_eq!(Conclusion::all(&[ByComments]), ByComments);
        assert_eq!(Conclusion::all(&[]), Inconclusive);
    }
}
