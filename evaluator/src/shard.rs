//! A shard of a run's tasks, for one of several machines: `--shard 2/4`.

use std::fmt;
use std::str::FromStr;

use slm_cli::UserMistake;

/// A shard's number and the number of shards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shard {
    /// From 1 to `of`.
    pub(crate) index: usize,
    pub(crate) of: usize,
}

/// The maximum number of shards, more than any cluster has machines.
const MOST: usize = 100_000;

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str| text.trim().parse::<usize>().ok();
        let (index, of) = text
            .split_once('/')
            .and_then(|(index, of)| Some((number(index)?, number(of)?)))
            .ok_or("expected I/N, for example 2/4")?;
        if of == 0 || of > MOST {
            return Err(format!("expected 1 to {MOST} shards"));
        }
        if !(1..=of).contains(&index) {
            return Err(format!("expected a shard from 1/{of} to {of}/{of}"));
        }
        Ok(Self { index, of })
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.of)
    }
}

impl Shard {
    /// Returns the shard's tasks, dealt round-robin over all benchmarks, so that two shards differ by at most one
    /// task of any benchmark.
    ///
    /// # Errors
    /// There are fewer tasks than parts.
    pub(crate) fn take<T>(self, tasks: Vec<T>) -> Result<Vec<T>, UserMistake> {
        let n = tasks.len();
        if n < self.of {
            return Err(UserMistake(format!(
                "--shard {self}: {n} tasks cannot be divided among {} shards\nhint: at most --shard {}/{n}",
                self.of,
                self.index.min(n)
            )));
        }
        let dealt = tasks.into_iter().enumerate();
        Ok(dealt
            .filter(|(at, _)| at % self.of == self.index - 1)
            .map(|(_, task)| task)
            .collect())
    }

    /// Returns the name of a run's shard.
    pub(crate) fn name(self, run: &str) -> String {
        format!("{run}-shard-{}-of-{}", self.index, self.of)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// Returns tasks of benchmarks of these sizes, each as benchmark and number.
    fn tasks(sizes: &[(&'static str, usize)]) -> Vec<(&'static str, usize)> {
        let of = |&(benchmark, n): &(&'static str, usize)| (0..n).map(move |at| (benchmark, at));
        sizes.iter().flat_map(of).collect()
    }

    #[test]
    fn every_task_is_in_one_shard_and_benchmarks_are_spread_evenly() {
        for of in 1..=12 {
            let sizes = [("a", 10), ("b", 3), ("c", 17)];
            let mut seen = BTreeMap::new();
            let mut counts: BTreeMap<String, Vec<usize>> = BTreeMap::new();
            let mut totals = Vec::new();
            for index in 1..=of {
                let own = Shard { index, of }.take(tasks(&sizes)).expect("enough");
                totals.push(own.len());
                for task in &own {
                    *seen.entry(*task).or_insert(0) += 1;
                }
                for (name, _) in sizes {
                    let n = own.iter().filter(|(of, _)| *of == name).count();
                    counts.entry(name.to_owned()).or_default().push(n);
                }
            }
            assert_eq!(seen.len(), 30);
            assert!(seen.values().all(|&times| times == 1));
            for counts in counts.values().chain([&totals]) {
                let spread = counts.iter().max().zip(counts.iter().min());
                assert!(
                    spread.is_some_and(|(most, least)| most - least <= 1),
                    "{counts:?}"
                );
            }
        }
    }

    #[test]
    fn more_shards_than_tasks_are_refused() {
        let shard = Shard { index: 4, of: 5 };
        let error = shard.take(tasks(&[("a", 3)])).expect_err("too many");
        assert_eq!(
            error.0,
            "--shard 4/5: 3 tasks cannot be divided among 5 shards\nhint: at most --shard 3/3"
        );
    }

    #[test]
    fn a_shard_is_written_as_a_fraction_that_counts_from_1() {
        assert_eq!("2/4".parse(), Ok(Shard { index: 2, of: 4 }));
        for text in ["0/4", "5/4", "1/0", "1", "a/b", "1/-2", "", "1/999999999"] {
            assert!(text.parse::<Shard>().is_err(), "{text}");
        }
    }
}
