//! Divides files into those for training and those for evaluation.

use std::collections::BTreeMap;

use slm_artifacts::Sha256;

/// The part of a split to which a task belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// For training.
    Train,
    /// For evaluation.
    Eval,
}

/// Decides the part of each file: by a hash of its path, so that further files change nothing. Files that contain the
/// same function share the part of the one with the smallest path.
#[derive(Debug, Clone)]
pub(crate) struct Split {
    fraction: f64,
    seed: u64,
    /// File, and another of its group with a smaller path.
    smaller: BTreeMap<String, String>,
}

impl Split {
    /// Creates a split with this share of files for training.
    pub(crate) fn new(fraction: f64, seed: u64, shared: &[(String, String)]) -> Self {
        let mut split = Self {
            fraction,
            seed,
            smaller: BTreeMap::new(),
        };
        for (a, b) in shared {
            let (a, b) = (split.leader(a).to_owned(), split.leader(b).to_owned());
            match a.cmp(&b) {
                std::cmp::Ordering::Less => split.smaller.insert(b, a),
                std::cmp::Ordering::Greater => split.smaller.insert(a, b),
                std::cmp::Ordering::Equal => None,
            };
        }
        split
    }

    /// Returns the smallest path of a file's group.
    fn leader<'a>(&'a self, file: &'a str) -> &'a str {
        let mut leader = file;
        while let Some(smaller) = self.smaller.get(leader) {
            leader = smaller;
        }
        leader
    }

    pub(crate) fn part(&self, file: &str) -> Part {
        let hash = Sha256::new()
            .chain(self.seed.to_le_bytes())
            .chain(self.leader(file))
            .digest();
        let [a, b, c, d, ..] = hash;
        let place = f64::from(u32::from_be_bytes([a, b, c, d])) / (f64::from(u32::MAX) + 1.0);
        if place < self.fraction {
            Part::Train
        } else {
            Part::Eval
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_is_close_to_the_fraction_and_the_extremes_are_exact() {
        let n_train = |fraction| {
            let split = Split::new(fraction, 1, &[]);
            let files = (0..1000).map(|i| format!("a/{i}.py"));
            files.filter(|file| split.part(file) == Part::Train).count()
        };
        assert!((650..750).contains(&n_train(0.7)), "{}", n_train(0.7));
        assert_eq!((n_train(0.0), n_train(1.0)), (0, 1000));
    }

    #[test]
    fn files_with_the_same_function_are_on_one_side() {
        let pair = |a: usize, b: usize| (format!("{a}.py"), format!("{b}.py"));
        let shared: Vec<_> = (0..50)
            .map(|i| pair(i, i + 1))
            .chain([pair(40, 3)])
            .collect();
        let split = Split::new(0.5, 7, &shared);
        let parts: Vec<Part> = (0..51).map(|i| split.part(&format!("{i}.py"))).collect();
        assert!(parts.iter().all(|part| *part == parts[0]), "{parts:?}");
        let alone = Split::new(0.5, 7, &[]);
        assert!((0..51).any(|i| alone.part(&format!("{i}.py")) != parts[0]));
    }
}
