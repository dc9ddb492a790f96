//! A counter of energy that only grows, until it begins again at 0.

/// Where a counter's value comes from.
pub(super) trait Source: Send {
    /// Returns the value.
    ///
    /// # Errors
    /// It cannot be read, for this reason.
    fn read(&mut self) -> Result<u64, String>;
}

/// What is known of a counter before it is read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Scale {
    /// Joules of a unit of its value.
    pub(super) joules_per_unit: f64,
    /// The largest value, after which it begins again at 0; `None` for a counter that does not.
    pub(super) largest: Option<u64>,
    /// More power than its hardware can draw, in watts.
    pub(super) most_watts: f64,
}

/// A counter with its last value.
pub(super) struct Counter {
    source: Box<dyn Source>,
    scale: Scale,
    /// The last value, or why there is none.
    last: Result<u64, String>,
    /// Whether it has counted anything: until then, no energy in a short time is no measurement.
    has_moved: bool,
}

/// Seconds by which a value may be older than its reading.
const UPDATE_SECONDS: f64 = 1.0;

impl Counter {
    /// Begins to read a counter.
    pub(super) fn new(mut source: Box<dyn Source>, scale: Scale) -> Self {
        let last = source.read();
        Self {
            source,
            scale,
            last,
            has_moved: false,
        }
    }

    /// Reads the counter, and returns the energy since the last reading, `seconds` ago, in joules.
    ///
    /// # Errors
    /// It could not be read now or the last time, or the difference is not the energy: the counter may have passed 0 more
    /// than once, or was set back.
    pub(super) fn advance(&mut self, seconds: f64) -> Result<f64, String> {
        let now = self.source.read();
        let before = std::mem::replace(&mut self.last, now.clone())?;
        let now = now?;
        let Scale {
            joules_per_unit,
            largest,
            most_watts,
        } = self.scale;
        let most = most_watts * (seconds + UPDATE_SECONDS);
        if largest.is_some_and(|largest| most >= largest as f64 * joules_per_unit) {
            return Err(
                "it was read too seldom to notice each return of a counter to 0".to_owned(),
            );
        }
        let units = match largest {
            _ if now >= before => now - before,
            Some(largest) if before <= largest => largest - before + now,
            _ => return Err("a counter was set back".to_owned()),
        };
        // As in some virtual machines: hardware that runs draws power.
        self.has_moved |= units > 0;
        if units == 0 && (seconds > UPDATE_SECONDS || !self.has_moved) {
            return Err("a counter did not move".to_owned());
        }
        let joules = units as f64 * joules_per_unit;
        if joules > most {
            return Err("a counter jumped, as after a pause of the machine".to_owned());
        }
        Ok(joules)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns these values, one at each reading.
    struct Script(std::vec::IntoIter<Result<u64, String>>);

    impl Source for Script {
        fn read(&mut self) -> Result<u64, String> {
            self.0.next().expect("a value for each reading")
        }
    }

    /// A package of a processor as RAPL counts it: microjoules, 262 kJ until it begins again.
    const PACKAGE: Scale = Scale {
        joules_per_unit: 1e-6,
        largest: Some(262_143_328_850),
        most_watts: 1000.0,
    };

    fn readings(
        scale: Scale,
        values: Vec<Result<u64, &str>>,
        seconds: f64,
    ) -> Vec<Result<f64, String>> {
        let n = values.len();
        let values: Vec<Result<u64, String>> = values
            .into_iter()
            .map(|value| value.map_err(str::to_owned))
            .collect();
        let mut counter = Counter::new(Box::new(Script(values.into_iter())), scale);
        (1..n).map(|_| counter.advance(seconds)).collect()
    }

    #[test]
    fn a_counter_that_begins_again_at_0_loses_nothing() {
        let largest = 262_143_328_850;
        let values = vec![
            Ok(largest - 400_000_000),
            Ok(largest - 100_000_000),
            Ok(200_000_000),
        ];
        let found = readings(PACKAGE, values, 10.0);
        // 400 - 100 J, then the last 100 J up to the largest value and 200 J from 0.
        assert_eq!(found, [Ok(300.0), Ok(300.0)]);
    }

    #[test]
    fn a_counter_that_may_have_passed_0_twice_is_not_believed() {
        // At 1 kW a package counts 262 kJ in 262 seconds.
        let found = readings(PACKAGE, vec![Ok(5_000_000), Ok(9_000_000)], 260.0);
        assert_eq!(found, [Ok(4.0)]);
        let found = readings(PACKAGE, vec![Ok(5_000_000), Ok(9_000_000)], 262.0);
        let reason = found[0].as_ref().expect_err("too seldom");
        assert!(reason.starts_with("it was read too seldom"), "{reason}");
    }

    #[test]
    fn a_counter_that_was_set_back_is_no_return_to_0() {
        // A pause of the machine set it to 0: as a return to 0 these were 261 kJ in 10 seconds.
        let found = readings(PACKAGE, vec![Ok(1_000_000_000), Ok(0), Ok(7_000_000)], 10.0);
        let reason = found[0].as_ref().expect_err("a jump");
        assert!(reason.starts_with("a counter jumped"), "{reason}");
        assert_eq!(found[1], Ok(7.0), "it is read on from there");
        let gpu = Scale {
            joules_per_unit: 1e-3,
            largest: None,
            most_watts: 2000.0,
        };
        let found = readings(gpu, vec![Ok(9000), Ok(12_500), Ok(10)], 10.0);
        assert_eq!(found, [Ok(3.5), Err("a counter was set back".to_owned())]);
    }

    #[test]
    fn a_counter_that_does_not_move_is_no_energy_of_0() {
        let values = vec![Ok(7), Ok(7), Ok(9)];
        let found = readings(PACKAGE, values, 10.0);
        let still = Err("a counter did not move".to_owned());
        assert_eq!(found, [still, Ok(2e-6)]);
    }

    #[test]
    fn the_time_around_a_reading_that_failed_is_lost_with_its_reason() {
        let values = vec![
            Ok(0),
            Ok(5_000_000),
            Err("gone"),
            Ok(50_000_000),
            Ok(52_000_000),
        ];
        let found = readings(PACKAGE, values, 10.0);
        let gone = || Err("gone".to_owned());
        assert_eq!(found, [Ok(5.0), gone(), gone(), Ok(2.0)]);
    }
}
