//! Split of the examples into training and validation, with repetition by weight.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

/// Random number streams apart from those of the epochs' orders, which count from 1.
const VALIDATION_STREAM: u64 = u64::MAX;
const WEIGHT_STREAM: u64 = 1 << 62;

/// The examples for training and for validation, by index in the store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Split {
    /// The examples of one epoch; an index may occur several times.
    pub(crate) train: Vec<u32>,
    /// The examples to validate on.
    pub(crate) validation: Vec<u32>,
}

/// The properties of an example that the split depends on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin {
    /// Examples of one group stay on the same side: functions of one Python file, equal rows of other formats.
    pub(crate) group: u64,
    /// Index of its data set in the recipe.
    pub(crate) dataset: u16,
}

/// Holds out whole groups, chosen by the seed, until they contain `val_size` of the examples; the others are trained
/// on, repeated by their data set's weight.
///
/// A group with more examples than are missing is skipped as long as there are others, and at least one group remains
/// for training.
pub(crate) fn split(origins: &[Origin], val_size: f64, weights: &[f64], seed: u64) -> Split {
    let wanted = (val_size * origins.len() as f64).round() as usize;
    let validation = if wanted == 0 {
        Vec::new()
    } else {
        kept_out(origins, wanted, seed)
    };

    let mut train = Vec::with_capacity(origins.len() - validation.len());
    for (dataset, &weight) in weights.iter().enumerate() {
        let mut members: Vec<u32> = (0..origins.len() as u32)
            .filter(|&index| usize::from(origins[index as usize].dataset) == dataset)
            .filter(|index| validation.binary_search(index).is_err())
            .collect();
        for _ in 0..weight as usize {
            train.extend(&members);
        }
        let rest = (weight.fract() * members.len() as f64).round() as usize;
        if rest > 0 {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            rng.set_stream(WEIGHT_STREAM + dataset as u64);
            members.shuffle(&mut rng);
            members.truncate(rest);
            members.sort_unstable();
            train.extend(members);
        }
    }
    Split { train, validation }
}

/// Returns the indices of the examples of whole groups, at most `wanted`, in ascending order.
fn kept_out(origins: &[Origin], wanted: usize, seed: u64) -> Vec<u32> {
    // Groups are runs of one sorted list: a map with a list for each of a million rows would take ten times as much
    // memory.
    let group_of = |index: u32| origins[index as usize].group;
    let mut by_group: Vec<u32> = (0..origins.len() as u32).collect();
    by_group.sort_unstable_by_key(|&index| (group_of(index), index));
    let mut groups: Vec<&[u32]> = by_group
        .chunk_by(|&a, &b| group_of(a) == group_of(b))
        .collect();
    groups.sort_unstable_by_key(|members| members[0]);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(VALIDATION_STREAM);
    groups.shuffle(&mut rng);
    let (mut left, mut validation) = (groups.len(), Vec::new());
    for members in groups {
        if left > 1 && validation.len() + members.len() <= wanted {
            validation.extend(members);
            left -= 1;
        }
    }
    validation.sort_unstable();
    validation
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A hundred examples in groups of five, every other group from the second data set.
    fn origins() -> Vec<Origin> {
        let origin = |index: u64| Origin {
            group: index / 5,
            dataset: (index / 5 % 2) as u16,
        };
        (0..100).map(origin).collect()
    }

    #[test]
    fn no_group_stands_on_both_sides_and_the_share_is_kept() {
        let split = split(&origins(), 0.2, &[1.0, 1.0], 7);
        assert_eq!((split.train.len(), split.validation.len()), (80, 20));
        let group = |index: &u32| index / 5;
        let held: Vec<u32> = split.validation.iter().map(group).collect();
        assert!(
            split
                .train
                .iter()
                .all(|index| !held.contains(&group(index)))
        );
    }

    #[test]
    fn without_a_share_everything_is_trained_on_once_and_in_order() {
        let split = split(&origins(), 0.0, &[1.0, 1.0], 7);
        let mut sorted = split.train.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..100).collect::<Vec<u32>>());
        assert!(split.validation.is_empty());
    }

    #[test]
    fn a_weight_repeats_or_thins_out_its_data_set() {
        let origins = origins();
        let split = split(&origins, 0.0, &[2.5, 0.5], 7);
        let of = |dataset: u16| {
            let members = split.train.iter();
            members
                .filter(|&&i| origins[i as usize].dataset == dataset)
                .count()
        };
        assert_eq!((of(0), of(1)), (125, 25));
    }

    #[test]
    fn the_seed_decides_and_one_group_is_always_left() {
        let of = |seed| split(&origins(), 0.2, &[1.0, 1.0], seed).validation;
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
        let one = vec![
            Origin {
                group: 0,
                dataset: 0
            };
            4
        ];
        assert_eq!(split(&one, 0.5, &[1.0], 1).train.len(), 4);
    }
}
