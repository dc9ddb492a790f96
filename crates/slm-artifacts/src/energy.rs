//! The energy that a work took, as far as counters could be read: part of `training.json` and `run.json`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Joules of a kilowatt-hour.
pub const JOULES_PER_KWH: f64 = 3.6e6;

/// Why the time of a start by an earlier version of this program has no energy.
pub const NOT_RECORDED: &str = "an earlier version of this program did not measure it";

/// A part of the machine whose energy is counted separately.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EnergyPart {
    /// All processor packages of the machine with all that ran on them.
    Processors,
    /// The NVIDIA GPU that computed with all that ran on it.
    Gpu,
    /// Another machine whose model answered.
    Server,
}

/// The energy of one part during a work, over all its starts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeasuredEnergy {
    /// Energy while counters could be read, in joules; `None` if none could.
    pub joules: Option<f64>,
    /// Wall time in which all counters of the part could be read, in seconds.
    pub seconds: f64,
    /// Wall time in which a counter could not be read, in seconds, by the reason; omitted if there was none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unread: BTreeMap<String, f64>,
}

impl MeasuredEnergy {
    /// A time in which nothing was read.
    pub fn unread(seconds: f64, reason: &str) -> Self {
        let mut unread = Self::default();
        unread.lose(seconds, reason);
        unread
    }

    /// Adds energy to what was read, in joules.
    pub fn gain(&mut self, joules: f64) {
        *self.joules.get_or_insert(0.0) += joules;
    }

    /// Adds a time in which a counter could not be read.
    pub fn lose(&mut self, seconds: f64, reason: &str) {
        *self.unread.entry(reason.to_owned()).or_default() += seconds;
    }

    /// Adds another time of the same part.
    pub fn add(&mut self, other: &Self) {
        if let Some(joules) = other.joules {
            self.gain(joules);
        }
        self.seconds += other.seconds;
        for (reason, seconds) in &other.unread {
            self.lose(*seconds, reason);
        }
    }

    /// Returns what was added since an earlier state of the same sum.
    fn since(&self, earlier: &Self) -> Self {
        let seconds = self.seconds - earlier.seconds;
        let mut unread = BTreeMap::new();
        for (reason, now) in &self.unread {
            let added = now - earlier.unread.get(reason).unwrap_or(&0.0);
            if added > 0.0 {
                unread.insert(reason.clone(), added);
            }
        }
        let joules = self.joules.unwrap_or(0.0) - earlier.joules.unwrap_or(0.0);
        let is_read = seconds > 0.0 || joules > 0.0;
        Self {
            joules: is_read.then_some(joules),
            seconds,
            unread,
        }
    }

    /// The energy in joules.
    fn amount(&self) -> Amount {
        match self.joules {
            Some(joules) if self.unread.is_empty() => Amount::Known(joules),
            Some(joules) => Amount::AtLeast(joules),
            None => Amount::Unknown,
        }
    }
}

/// The energy of a work by parts of the machine. A part that the work did not use is missing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Energy(pub BTreeMap<EnergyPart, MeasuredEnergy>);

impl Energy {
    /// The processors' part of a time in which nothing was measured.
    pub fn unread(seconds: f64, reason: &str) -> Self {
        let unread = MeasuredEnergy::unread(seconds, reason);
        Self([(EnergyPart::Processors, unread)].into())
    }

    /// Adds the energy of another time.
    pub fn add(&mut self, other: &Self) {
        for (part, measured) in &other.0 {
            self.0.entry(*part).or_default().add(measured);
        }
    }

    /// Returns what was added since an earlier state of the same sum.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let nothing = MeasuredEnergy::default();
        let since = |(part, now): (&EnergyPart, &MeasuredEnergy)| {
            (*part, now.since(earlier.0.get(part).unwrap_or(&nothing)))
        };
        Self(self.0.iter().map(since).collect())
    }

    /// The energy of all parts together, in joules.
    pub fn joules(&self) -> Amount {
        let parts = self.0.values().map(MeasuredEnergy::amount);
        parts.reduce(Amount::plus).unwrap_or(Amount::Unknown)
    }

    /// The reasons why a counter could not be read, each once, with the part's seconds.
    pub fn unread_by_reason(&self) -> BTreeMap<String, f64> {
        let mut all = MeasuredEnergy::default();
        self.0.values().for_each(|part| all.add(part));
        all.unread
    }
}

/// Adds the energy of one more time of a work to that of the times before it, of which either may have none because an
/// earlier version recorded it; `seconds` are the lengths of both.
pub fn add_energy(
    (before, before_seconds): (Option<&Energy>, f64),
    (more, more_seconds): (Option<&Energy>, f64),
) -> Option<Energy> {
    if before.is_none() && more.is_none() {
        return None;
    }
    let of = |energy: Option<&Energy>, seconds: f64| match energy {
        Some(energy) => energy.clone(),
        None if seconds > 0.0 => Energy::unread(seconds, NOT_RECORDED),
        None => Energy::default(),
    };
    let mut sum = of(before, before_seconds);
    sum.add(&of(more, more_seconds));
    Some(sum)
}

/// An amount that may be known in part only.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Amount {
    /// All of it was measured.
    Known(f64),
    /// A part of it was measured, and it is at least this.
    AtLeast(f64),
    /// Nothing of it was measured.
    Unknown,
}

impl Amount {
    /// The sum of two amounts.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        match (self, other) {
            (Self::Known(a), Self::Known(b)) => Self::Known(a + b),
            (Self::Unknown, Self::Unknown) => Self::Unknown,
            (Self::Unknown, Self::Known(known) | Self::AtLeast(known))
            | (Self::Known(known) | Self::AtLeast(known), Self::Unknown) => {
                // That something costs at least nothing is no information.
                if known > 0.0 {
                    Self::AtLeast(known)
                } else {
                    Self::Unknown
                }
            }
            (Self::Known(a) | Self::AtLeast(a), Self::Known(b) | Self::AtLeast(b)) => {
                Self::AtLeast(a + b)
            }
        }
    }

    /// The amount times a factor that is not negative.
    #[must_use]
    pub fn times(self, factor: f64) -> Self {
        match self {
            Self::Known(amount) => Self::Known(amount * factor),
            Self::AtLeast(amount) => Self::AtLeast(amount * factor),
            Self::Unknown => Self::Unknown,
        }
    }

    /// The amount, or as much of it as was measured; `None` if nothing was.
    pub fn least(self) -> Option<f64> {
        match self {
            Self::Known(amount) | Self::AtLeast(amount) => Some(amount),
            Self::Unknown => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(joules: f64, seconds: f64) -> MeasuredEnergy {
        MeasuredEnergy {
            joules: Some(joules),
            seconds,
            unread: BTreeMap::new(),
        }
    }

    fn processors(part: MeasuredEnergy) -> Energy {
        Energy([(EnergyPart::Processors, part)].into())
    }

    #[test]
    fn a_start_that_could_not_be_read_makes_the_sum_a_lower_bound_with_its_reason() {
        let mut sum = processors(read(500.0, 10.0));
        assert_eq!(sum.joules(), Amount::Known(500.0));
        sum.add(&processors(read(250.0, 5.0)));
        assert_eq!(sum.joules(), Amount::Known(750.0));
        sum.add(&Energy::unread(8.0, "no counter"));
        assert_eq!(sum.joules(), Amount::AtLeast(750.0));
        assert_eq!(
            sum.unread_by_reason(),
            [("no counter".to_owned(), 8.0)].into()
        );
        assert_eq!(Energy::unread(8.0, "no counter").joules(), Amount::Unknown);
        assert_eq!(Energy::default().joules(), Amount::Unknown);
    }

    #[test]
    fn a_part_that_is_unknown_makes_the_whole_a_lower_bound() {
        let mut both = processors(read(500.0, 10.0));
        let gpu = MeasuredEnergy::unread(10.0, "no counter of the GPU");
        both.0.insert(EnergyPart::Gpu, gpu);
        assert_eq!(both.joules(), Amount::AtLeast(500.0));
    }

    #[test]
    fn the_energy_of_a_phase_is_the_difference_of_two_states_of_the_sum() {
        let mut sum = processors(read(500.0, 10.0));
        let before = sum.clone();
        sum.add(&processors(read(40.0, 2.0)));
        assert_eq!(sum.since(&before), processors(read(40.0, 2.0)));
        let before = sum.clone();
        sum.add(&Energy::unread(3.0, "gone"));
        assert_eq!(sum.since(&before), Energy::unread(3.0, "gone"));
        assert_eq!(sum.since(&before).joules(), Amount::Unknown, "and not 0");
    }

    #[test]
    fn time_of_an_earlier_version_is_named_and_not_counted_as_free() {
        let measured = processors(read(90.0, 3.0));
        assert_eq!(add_energy((None, 7.0), (None, 3.0)), None);
        let sum = add_energy((None, 7.0), (Some(&measured), 3.0)).expect("a sum");
        assert_eq!(sum.joules(), Amount::AtLeast(90.0));
        assert_eq!(
            sum.unread_by_reason(),
            [(NOT_RECORDED.to_owned(), 7.0)].into()
        );
        let first = add_energy((None, 0.0), (Some(&measured), 3.0));
        assert_eq!(first, Some(measured));
    }

    #[test]
    fn amounts_keep_what_is_known_of_them() {
        let (known, least) = (Amount::Known(2.0), Amount::AtLeast(3.0));
        assert_eq!(known.plus(least), Amount::AtLeast(5.0));
        assert_eq!(known.plus(Amount::Unknown), Amount::AtLeast(2.0));
        assert_eq!(Amount::Known(0.0).plus(Amount::Unknown), Amount::Unknown);
        assert_eq!(least.times(0.5), Amount::AtLeast(1.5));
        assert_eq!(Amount::Unknown.times(0.0), Amount::Unknown);
        assert_eq!((known.least(), Amount::Unknown.least()), (Some(2.0), None));
    }

    #[test]
    fn the_files_name_parts_and_reasons() {
        let mut both = processors(read(1.5, 2.0));
        let gpu = MeasuredEnergy::unread(2.0, "no counter");
        both.0.insert(EnergyPart::Gpu, gpu);
        let json = serde_json::to_string(&both).expect("JSON");
        assert_eq!(
            json,
            r#"{"processors":{"joules":1.5,"seconds":2.0},"gpu":{"joules":null,"seconds":0.0,"unread":{"no counter":2.0}}}"#
        );
        let back: Energy = serde_json::from_str(&json).expect("read");
        assert_eq!(back, both);
    }
}
