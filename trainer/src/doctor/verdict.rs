//! The verdict on a device, from the findings of its probes.

use serde::Serialize;

use super::finding::{Finding, Grade, KernelFinding, Precision};
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
    /// The state of each fused kernel; empty on the CPU.
    kernels: Vec<KernelFinding>,
    /// Messages of the panics during the examination.
    panics: Vec<String>,
}

impl Verdict {
    /// Derives the verdict from the findings.
    pub(crate) fn of(examined: Examined) -> Self {
        let Examined {
            device,
            findings,
            kernels,
            ended,
            last,
            panics,
            seconds,
        } = examined;
        let kernels = merged(kernels);
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
        let worst = |dtype: Precision| {
            let of_dtype = findings.iter().filter(|finding| finding.dtype == dtype);
            of_dtype.map(|finding| finding.difference).reduce(f64::max)
        };
        let (single, bf16) = (worst(Precision::F32).unwrap_or(0.0), worst(Precision::Bf16));
        let in_bf16 = bf16.map_or_else(String::new, |bf16| {
            format!(", and in bf16 up to its rounding (at most {bf16:.1e})")
        });
        let rounded = of_grade(&findings, Grade::Reduced);
        let is_rounded = rounded
            .iter()
            .any(|finding| finding.dtype == Precision::F32);
        let sentence = match &broken {
            Some(problem) => format!(
                "{device} cannot be trusted: {problem}\n\
                 hint: use --device cpu; or try another backend or driver, and run the check again"
            ),
            None if !is_rounded => format!(
                "{device} can be trusted: it computes what the CPU does, up to rounding in single precision \
                 (at most {single:.1e} of the largest value){in_bf16}"
            ),
            None => format!(
                "{device} can be trusted for training: it rounds matrix products to fewer digits than the CPU does \
                 (TF32 or 16 bits; differences of at most {single:.1e} of the largest value){in_bf16}, and is otherwise \
                 correct"
            ),
        };
        let off = kernels.iter().filter(|kernel| kernel.off.is_some()).count();
        let sentence = match off {
            0 => sentence,
            n => format!(
                "{sentence}\nnote: {n} of its fused kernels are off, so that it is slower than it could be"
            ),
        };
        Self {
            trusted: broken.is_none(),
            device,
            sentence,
            seconds,
            findings,
            kernels,
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

    /// Formats one line per fused kernel and per probe.
    pub(crate) fn table(&self) -> String {
        let kernels = self.kernels.iter().map(|finding| {
            let KernelFinding { kernel, dtype, off } = finding;
            match off {
                None => format!("on                 kernel {kernel}, {}", dtype.name()),
                Some(reason) => format!(
                    "OFF                kernel {kernel}, {}: {reason}",
                    dtype.name()
                ),
            }
        });
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
        kernels.chain(lines).collect::<Vec<_>>().join("\n")
    }
}

/// Keeps one finding for each kernel and type: the first that is off, else the first.
fn merged(found: Vec<KernelFinding>) -> Vec<KernelFinding> {
    let mut kept: Vec<KernelFinding> = Vec::new();
    for finding in found {
        let is_same = |kept: &&mut KernelFinding| {
            kept.kernel == finding.kernel && kept.dtype == finding.dtype
        };
        match kept.iter_mut().find(is_same) {
            None => kept.push(finding),
            Some(kept) if kept.off.is_none() => *kept = finding,
            Some(_) => (),
        }
    }
    kept
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
            .map(|&difference| Finding::of("logits", "tiny", Precision::F32, difference));
        Verdict::of(Examined {
            device: "toy:0".to_owned(),
            findings: findings.collect(),
            kernels: Vec::new(),
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
    fn the_rounding_of_bf16_is_no_rounding_of_single_precision() {
        let finding = |dtype, difference| Finding::of("logits", "tiny", dtype, difference);
        let verdict = Verdict::of(Examined {
            device: "toy:0".to_owned(),
            findings: vec![
                finding(Precision::F32, 1e-6),
                finding(Precision::Bf16, 8e-3),
            ],
            kernels: Vec::new(),
            ended: Ending::Whole,
            last: "steps".to_owned(),
            panics: Vec::new(),
            seconds: 3.0,
        });
        let expected = "toy:0 can be trusted: it computes what the CPU does, up to rounding in single precision (at \
                        most 1.0e-6 of the largest value), and in bf16 up to its rounding (at most 8.0e-3)";
        assert_eq!(verdict.sentence(), expected);
    }

    #[test]
    fn a_kernel_that_is_off_costs_no_trust_and_is_named_once() {
        let kernel = |name: &str, off: Option<&str>| KernelFinding {
            kernel: name.to_owned(),
            dtype: Precision::Bf16,
            off: off.map(str::to_owned),
        };
        let verdict = Verdict::of(Examined {
            device: "toy:0".to_owned(),
            findings: vec![Finding::of("logits", "tiny", Precision::F32, 1e-6)],
            kernels: vec![
                kernel("norm", None),
                kernel("rotary", None),
                kernel("norm", None),
                kernel("rotary", Some("it differs")),
            ],
            ended: Ending::Whole,
            last: "steps".to_owned(),
            panics: Vec::new(),
            seconds: 3.0,
        });
        assert!(verdict.is_trusted());
        assert!(verdict.sentence().ends_with(
            "\nnote: 1 of its fused kernels are off, so that it is slower than it could be"
        ));
        let table = verdict.table();
        let lines: Vec<&str> = table.lines().take(2).collect();
        assert_eq!(
            lines,
            [
                "on                 kernel norm, bf16",
                "OFF                kernel rotary, bf16: it differs"
            ]
        );
        assert_eq!(table.lines().count(), 3);
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
