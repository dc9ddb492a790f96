//! From differences to plain words.

use serde::Serialize;

use super::finding::{Finding, Grade};
use super::watch::{Ending, Examined};

/// Whether a device can be trusted.
#[derive(Debug, Serialize)]
pub(crate) struct Verdict {
    device: String,
    trusted: bool,
    /// In one sentence, why.
    sentence: String,
    seconds: f64,
    findings: Vec<Finding>,
    /// What went wrong inside the backend without ending the examination.
    panics: Vec<String>,
}

impl Verdict {
    /// The verdict on what was found.
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
        let said = panics.first().map_or_else(String::new, |said| {
            format!(", and the backend says: {said}")
        });
        let wrong: Vec<&Finding> = of_grade(&findings, Grade::Wrong);
        let broken = match ended {
            Ending::Whole => None,
            Ending::Refused(problem) | Ending::Failed(problem) => {
                Some(format!("it failed at `{last}`: {problem}{said}"))
            }
            Ending::Hung => Some(format!("no answer to `{last}` within {seconds:.0} s{said}")),
        };
        let broken = match (broken, wrong.first()) {
            (Some(problem), _) => Some(problem),
            (None, Some(first)) => Some(format!(
                "{} of {} probes differ from the CPU; `{}` on {} is off by {:.1e} of the largest value{said}",
                wrong.len(),
                findings.len(),
                first.probe,
                first.place,
                first.difference
            )),
            // A kernel that panicked on a thread of the backend's leaves its output as it was.
            (None, None) if !panics.is_empty() => Some(format!("its numbers are right{said}")),
            (None, None) => None,
        };
        let worst = findings.iter().map(|f| f.difference).fold(0.0, f64::max);
        let sentence = match &broken {
            Some(problem) => format!(
                "{device} cannot be trusted: {problem}\n\
                 hint: use --device cpu; or try another backend or driver, and examine it again"
            ),
            None if of_grade(&findings, Grade::Reduced).is_empty() => format!(
                "{device} can be trusted: it computes what the CPU does, but for rounding in single precision (at most {worst:.1e} \
                 of the largest value)"
            ),
            None => format!(
                "{device} can be trusted to train: it rounds its products to fewer digits than the CPU does (TF32 or 16 bits; \
                 differences of at most {worst:.1e} of the largest value), and is right otherwise"
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

    /// Whether nothing was wrong.
    pub(crate) fn is_trusted(&self) -> bool {
        self.trusted
    }

    /// The verdict in words.
    pub(crate) fn sentence(&self) -> &str {
        &self.sentence
    }

    /// A line for each probe.
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
                "failed at `gradients`: the backend panicked, and the backend says: bad kernel"
            ),
            "{failed}"
        );
        assert!(text(Ending::Hung, &[]).contains("no answer to `gradients` within 3 s"));
        // Right numbers beside a panic that was swallowed are luck.
        assert!(text(Ending::Whole, &["bad kernel"]).contains("bad kernel"));
    }
}
