//! The verdict on a device, from the findings of its probes.

use serde::Serialize;

use super::finding::{Finding, Grade};
use super::watch::{Ending, Examined};

/// The verdict on a device: whether it can be trusted.
#[derive(Debug, Serialize)]
pub(crate) struct Verdict {
    device: String,
    trusted: bool,
    /// The reason, in one sentence.
    sentence: String,
    seconds: f64,
    findings: Vec<Finding>,
    /// Messages of the panics during the examination.
    panics: Vec<String>,
}

impl Verdict {
    /// Derives the verdict from the findings.
    pub(crate) fn of(examined: Examined) -> Self {
        let Examined {
            device,
            findings,
            ended,
            last,
            panics,
            seconds,
        } = examined;
        let device = if device.is_empty() {
            "the device".to_owned()
        } else {
            device
        };
        let reported = panics.first().map_or_else(String::new, |reported| {
            format!(", and the backend reports: {reported}")
        });
        let wrong: Vec<&Finding> = of_grade(&findings, Grade::Wrong);
        let broken = match ended {
            Ending::Whole => None,
            Ending::Refused(problem) | Ending::Failed(problem) => {
                Some(format!("it failed at `{last}`: {problem}{reported}"))
            }
            Ending::Hung => Some(format!(
                "no answer to `{last}` within {seconds:.0} s{reported}"
            )),
        };
        let broken = match (broken, wrong.first()) {
            (Some(problem), _) => Some(problem),
            (None, Some(first)) => Some(format!(
                "{} of {} probes differ from the CPU; `{}` on {} is off by {:.1e} of the largest value{reported}",
                wrong.len(),
                findings.len(),
                first.probe,
                first.place,
                first.difference
            )),
            // A kernel that panicked on a thread of the backend may leave its output buffer unchanged.
            (None, None) if !panics.is_empty() => {
                Some(format!("its numbers are correct{reported}"))
            }
            (None, None) => None,
        };
        let worst = findings.iter().map(|f| f.difference).fold(0.0, f64::max);
        let sentence = match &broken {
            Some(problem) => format!(
                "{device} cannot be trusted: {problem}\n\
                 hint: use --device cpu; or try another backend or driver, and run the check again"
            ),
            None if of_grade(&findings, Grade::Reduced).is_empty() => format!(
                "{device} can be trusted: it computes what the CPU does, up to rounding in single precision \
                 (at most {worst:.1e} of the largest value)"
            ),
            None => format!(
                "{device} can be trusted for training: it rounds matrix products to fewer digits than the CPU does \
                 (TF32 or 16 bits; differences of at most {worst:.1e} of the largest value), and is otherwise correct"
            ),
        };
        Self {
            trusted: broken.is_none(),
            device,
            sentence,
            seconds,
            findings,
            panics,
        }
    }

    /// Whether no fault was found.
    pub(crate) fn is_trusted(&self) -> bool {
        self.trusted
    }

    /// Returns the verdict in words.
    pub(crate) fn sentence(&self) -> &str {
        &self.sentence
    }

    /// Formats one line per probe.
    pub(crate) fn table(&self) -> String {
        let lines = self.findings.iter().map(|finding| {
            let grade = match finding.grade {
                Grade::Single => "same",
                Grade::Reduced => "rounded",
                Grade::Wrong => "WRONG",
            };
            let Finding {
                probe,
                place,
                difference,
                ..
            } = finding;
            format!("{grade:8} {difference:8.1e}  {probe}: {place}")
        });
        lines.collect::<Vec<_>>().join("\n")
    }
}

fn of_grade(findings: &[Finding], grade: Grade) -> Vec<&Finding> {
    let of_grade = findings.iter().filter(|finding| finding.grade == grade);
    of_grade.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(differences: &[f64], ended: Ending, panics: &[&str]) -> Verdict {
        let findings = differences
            .iter()
            .map(|&difference| Finding::of("logits", "tiny", difference));
        Verdict::of(Examined {
            device: "toy:0".to_owned(),
            findings: findings.collect(),
            ended,
            last: "gradients".to_owned(),
            panics: panics.iter().map(|&text| text.to_owned()).collect(),
            seconds: 3.0,
        })
    }

    #[test]
    fn rounding_is_told_from_error() {
        let check = |differences: &[f64], trusted: bool, words: &str| {
            let verdict = verdict(differences, Ending::Whole, &[]);
            assert_eq!(verdict.is_trusted(), trusted, "{differences:?}");
            assert!(verdict.sentence().contains(words), "{}", verdict.sentence());
        };
        check(&[0.0, 1e-6], true, "toy:0 can be trusted: it computes");
        check(&[1e-6, 4e-3], true, "fewer digits");
        check(&[1e-6, 0.2], false, "1 of 2 probes differ");
        check(&[f64::NAN], false, "off by NaN");
        check(&[f64::INFINITY], false, "off by inf");
    }

    #[test]
    fn whatever_ends_an_examination_is_named() {
        let text = |ended, panics: &[&str]| {
            let verdict = verdict(&[0.0], ended, panics);
            assert!(!verdict.is_trusted());
            verdict.sentence().to_owned()
        };
        let failed = text(
            Ending::Failed("the backend panicked".to_owned()),
            &["bad kernel"],
        );
        assert!(
            failed.contains(
                "failed at `gradients`: the backend panicked, and the backend reports: bad kernel"
            ),
            "{failed}"
        );
        assert!(text(Ending::Hung, &[]).contains("no answer to `gradients` within 3 s"));
        // Correct numbers beside a swallowed panic are luck.
        assert!(text(Ending::Whole, &["bad kernel"]).contains("bad kernel"));
    }
}
