//! Pairs of task values: the results of two arms on the same task.

use crate::mean;

/// The values of two arms on one task, each averaged over the arm's samples.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pair {
    /// The base model's value.
    pub base: f64,
    /// The adapter's value.
    pub adapter: f64,
}

impl Pair {
    /// Returns adapter minus base.
    pub fn difference(&self) -> f64 {
        self.adapter - self.base
    }
}

/// Returns the differences of all pairs, adapter minus base.
pub fn differences(pairs: &[Pair]) -> Vec<f64> {
    pairs.iter().map(Pair::difference).collect()
}

/// Returns one task's value: the mean over the samples that have one; `None` if none has.
pub fn task_mean<S>(samples: &[S], value: impl Fn(&S) -> Option<f64>) -> Option<f64> {
    let values: Vec<f64> = samples.iter().filter_map(value).collect();
    mean(&values)
}

#[cfg(test)]
mod tests {
    use super::{Pair, differences, task_mean};

    #[test]
    fn samples_without_a_value_are_left_out_and_not_counted_as_zero() {
        assert_eq!(task_mean(&[Some(4.0), None, Some(8.0)], |s| *s), Some(6.0));
        assert_eq!(task_mean(&[None, None], |s: &Option<f64>| *s), None);
        assert_eq!(task_mean(&[], |s: &Option<f64>| *s), None);
    }

    #[test]
    fn a_difference_is_adapter_less_base() {
        assert_eq!(
            differences(&[Pair {
                base: 1.0,
                adapter: 4.0
            }]),
            [3.0]
        );
    }
}
