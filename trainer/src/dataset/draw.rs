//! Uniform sample of a data set of which only `max_examples` are wanted.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::sample::Sample;

/// A uniform sample of fixed size from a stream of unknown length.
///
/// # Source
/// Vitter 1985, "Random sampling with a reservoir", algorithm R.
pub(super) struct Draw {
    wanted: usize,
    seen: usize,
    /// With their positions in the stream.
    taken: Vec<(usize, Sample)>,
    rng: ChaCha8Rng,
}

impl Draw {
    pub(super) fn new(wanted: usize, seed: u64, dataset: usize) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream((1 << 61) + dataset as u64);
        Self {
            wanted,
            seen: 0,
            taken: Vec::new(),
            rng,
        }
    }

    /// Offers a sample to the draw; returns whether a sample, this one or an earlier one, is left out in consequence.
    pub(super) fn offer(&mut self, sample: Sample) -> bool {
        let place = self.seen;
        self.seen += 1;
        if self.taken.len() < self.wanted {
            self.taken.push((place, sample));
            return false;
        }
        let seat = self.rng.random_range(0..self.seen);
        if seat < self.wanted {
            self.taken[seat] = (place, sample);
        }
        true
    }

    /// Returns the drawn samples in the order of the stream.
    pub(super) fn in_order(mut self) -> impl Iterator<Item = Sample> {
        self.taken.sort_by_key(|(place, _)| *place);
        self.taken.into_iter().map(|(_, sample)| sample)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draw_is_fair_and_keeps_the_order_of_the_stream() {
        let mut chosen = [0; 10];
        for seed in 0..600 {
            let mut draw = Draw::new(3, seed, 0);
            let left_out = (0..10)
                .filter(|i| draw.offer(Sample::of_text(&i.to_string())))
                .count();
            assert_eq!(left_out, 7);
            let places: Vec<usize> = draw
                .in_order()
                .map(|sample| sample.text().parse().expect("a number"))
                .collect();
            assert!(places.is_sorted() && places.len() == 3, "{places:?}");
            for place in places {
                chosen[place] += 1;
            }
        }
        // 180 each are expected; five standard deviations are 56.
        assert!(chosen.iter().all(|n| (124..=236).contains(n)), "{chosen:?}");
    }
}
