//! Finds the position of a key: a reader reports positions only in errors, so this walks to the key and fails
//! there.

use std::cell::Cell;
use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::node::Step;

/// The error that a reader makes of a failure at the last step of `path`; `None` if the path leads
/// nowhere. Keys are compared in the text's own spelling.
pub(crate) fn fail_at<'de, D: Deserializer<'de>>(reader: D, path: &[Step]) -> Option<D::Error> {
    let reached = Cell::new(false);
    let error = Probe {
        path,
        reached: &reached,
    }
    .deserialize(reader)
    .err()?;
    reached.get().then_some(error)
}

/// Walks along a path and fails at its end.
#[derive(Clone, Copy)]
struct Probe<'p> {
    path: &'p [Step],
    reached: &'p Cell<bool>,
}

impl Probe<'_> {
    fn stop<E: de::Error>(self) -> E {
        self.reached.set(true);
        E::custom("reached")
    }
}

impl<'de> DeserializeSeed<'de> for Probe<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Probe<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("the end of a path")
    }

    // A path ends here in an item of a list: its keys are caught by `KeyProbe`.
    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        Err(self.stop())
    }
    fn visit_bool<E: de::Error>(self, _: bool) -> Result<(), E> {
        Err(self.stop())
    }
    fn visit_i64<E: de::Error>(self, _: i64) -> Result<(), E> {
        Err(self.stop())
    }
    fn visit_u64<E: de::Error>(self, _: u64) -> Result<(), E> {
        Err(self.stop())
    }
    fn visit_f64<E: de::Error>(self, _: f64) -> Result<(), E> {
        Err(self.stop())
    }
    fn visit_str<E: de::Error>(self, _: &str) -> Result<(), E> {
        Err(self.stop())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<(), A::Error> {
        let Some((Step::Index(index), rest)) = self.path.split_first() else {
            return Err(self.stop());
        };
        for _ in 0..*index {
            access.next_element::<de::IgnoredAny>()?;
        }
        access.next_element_seed(Probe { path: rest, ..self })?;
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<(), A::Error> {
        let Some((Step::Key(key), rest)) = self.path.split_first() else {
            return Err(self.stop());
        };
        let seed = KeyProbe {
            key,
            last: rest.is_empty(),
            probe: self,
        };
        while let Some(found) = access.next_key_seed(seed)? {
            if found {
                return access.next_value_seed(Probe { path: rest, ..self });
            }
            access.next_value::<de::IgnoredAny>()?;
        }
        Ok(())
    }
}

/// Whether a key is the wanted one; fails at it if the path ends there.
#[derive(Clone, Copy)]
struct KeyProbe<'p> {
    key: &'p str,
    last: bool,
    probe: Probe<'p>,
}

impl<'de> DeserializeSeed<'de> for KeyProbe<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for KeyProbe<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a plain key")
    }
    fn visit_str<E: de::Error>(self, key: &str) -> Result<bool, E> {
        if key == self.key && self.last {
            Err(self.probe.stop())
        } else {
            Ok(key == self.key)
        }
    }
}
