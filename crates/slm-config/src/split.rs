//! Splits of data sets with a range of rows: `train[:5%]`.

/// What `split` may be.
pub(crate) const SPLIT_FORM: &str =
    "SPLIT, SPLIT[FROM:TO] or SPLIT[FROM%:TO%], where FROM or TO may be missing or negative";

/// A part of a data set: `data.datasets[].split`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    /// Its name, such as `train`.
    pub name: String,
    /// The first row, and the row after the last.
    from: Option<Bound>,
    to: Option<Bound>,
}

/// An end of a range; a negative number counts from the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bound {
    Row(i64),
    Percent(i64),
}

impl Split {
    /// Reads a split; `None` if the text has another form.
    pub fn parse(text: &str) -> Option<Self> {
        let (name, range) = match text.split_once('[') {
            Some((name, rest)) => (name, Some(rest.strip_suffix(']')?)),
            None => (text, None),
        };
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        if name.is_empty() || name.starts_with('.') || !name.chars().all(is_plain) {
            return None;
        }
        let (from, to) = match range {
            Some(range) => {
                let (from, to) = range.split_once(':')?;
                (bound(from)?, bound(to)?)
            }
            None => (None, None),
        };
        Some(Self {
            name: name.to_owned(),
            from,
            to,
        })
    }

    /// Whether it is a range of rows.
    pub fn is_range(&self) -> bool {
        self.from.is_some() || self.to.is_some()
    }

    /// Returns the rows of a split with `n` rows: the first, and the one after the last. Percentages are rounded to the
    /// nearest row, halves to the even one.
    ///
    /// # Source
    /// `ReadInstruction` of the library `datasets`, with its rounding `closest`.
    pub fn rows(&self, n: usize) -> std::ops::Range<usize> {
        let place = |bound: Option<Bound>, missing: usize| {
            let at = match bound {
                None => return missing,
                Some(Bound::Row(row)) => row,
                Some(Bound::Percent(percent)) => {
                    (percent as f64 * n as f64 / 100.0).round_ties_even() as i64
                }
            };
            let at = if at < 0 { at + n as i64 } else { at };
            at.clamp(0, n as i64) as usize
        };
        let from = place(self.from, 0);
        from..place(self.to, n).max(from)
    }
}

/// Reads an end of a range, which may be missing.
#[expect(clippy::option_option, reason = "of three answers the third is an end")]
fn bound(text: &str) -> Option<Option<Bound>> {
    let text = text.trim();
    if text.is_empty() {
        return Some(None);
    }
    let (digits, is_percent) = match text.strip_suffix('%') {
        Some(digits) => (digits, true),
        None => (text, false),
    };
    let number: i64 = digits.parse().ok()?;
    let most = if is_percent { 100 } else { 1 << 40 };
    (number.abs() <= most).then_some(Some(if is_percent {
        Bound::Percent(number)
    } else {
        Bound::Row(number)
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_of_rows_is_that_of_the_library_datasets() {
        // Made with datasets 5.2.0: ReadInstruction.from_spec(text).to_absolute({"train": n}).
        for (text, n, rows) in [
            ("train", 10, 0..10),
            ("train[:5%]", 30, 0..2),
            ("train[:5%]", 50, 0..2),
            ("train[:50%]", 3, 0..2),
            ("train[50%:]", 3, 2..3),
            ("train[2:4]", 10, 2..4),
            ("train[-2:]", 10, 8..10),
            ("train[:-10%]", 10, 0..9),
            ("train[5:]", 3, 3..3),
            ("train[4:2]", 10, 4..4),
        ] {
            let split = Split::parse(text).expect("a split");
            assert_eq!(split.rows(n), rows, "{text} of {n}");
            assert_eq!(split.name, "train");
        }
    }

    #[test]
    fn another_form_is_no_split() {
        for text in [
            "",
            "[:5%]",
            "train[",
            "train[5%]",
            "train[:101%]",
            "train[a:]",
            "train+test",
            "a/b",
            "..",
            "train[:99999999999999999999]",
        ] {
            assert_eq!(Split::parse(text), None, "{text}");
        }
    }
}
