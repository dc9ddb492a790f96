//! Fuzzes the decoder, comparison and report code with hostile values and frames.
//!
//! `FUZZ_SECONDS=60 cargo test -p slm-sandbox fuzz`

#[path = "../tests/support/values.rs"]
mod values;

use values::{Random, broken, fuzz, text};

use crate::conduct::{Report, note};
use crate::value::{Budget, Value};
use crate::{Call, Job, Returned, Work};

#[test]
fn values_are_read_written_and_compared_without_harm() {
    let mut before = Value::parse("N").expect("None");
    fuzz("values", |random| {
        let mut text = text(random);
        if random.below(2) == 0 {
            text = broken(random, &text);
        }
        let Ok(value) = Value::parse(&text) else {
            return;
        };
        let equal =
            |a: &Value, b: &Value| a.equals(b, &mut Budget::for_parts(a.parts() + b.parts()));
        // Only one order may find a difference before the depth limit.
        let is_equal = equal(&value, &before) == Ok(true);
        assert_eq!(is_equal, equal(&before, &value) == Ok(true), "{text}");
        let of_itself = equal(&value, &value);
        let written = String::from(value.clone());
        // The contents of an object besides its name are dropped, and may have held what follows.
        if !text.contains('h') {
            let again = Value::parse(&written).unwrap_or_else(|error| panic!("{error}: {text}"));
            assert_eq!(String::from(again.clone()), written, "{text}");
            assert_eq!(equal(&again, &value), of_itself, "{text}");
        }
        before = value;
    });
}

fn jobs() -> [Job; 3] {
    let job = |work| Job {
        program: String::new(),
        preamble: String::new(),
        work,
        tree: None,
    };
    let tests = || vec![String::new(); 2];
    [
        job(Work::Asserts {
            setup: String::new(),
            entry_point: String::new(),
            tests: tests(),
        }),
        job(Work::SharedProcess {
            setup: String::new(),
            tests: tests(),
        }),
        job(Work::Calls {
            entry_point: String::new(),
            calls: vec![
                Call {
                    arguments: String::new(),
                    cpu_s: 1.0
                };
                2
            ],
        }),
    ]
}

/// A runner's message, with a hostile value in place of some parts.
fn frame(random: &mut Random) -> String {
    let forms: [&[&str]; 8] = [
        &["s5:begun"],
        &["s6:loaded"],
        &["s5:fault", "s5:error", "s1:x"],
        &["s4:test", "i0;", "N", "s0:", "f0.0;"],
        &["s6:output", "i1;", "f0.0;", "N"],
        &["s6:raised", "i0;", "f0.0;", "s5:error", "s1:x"],
        &["s3:end", "i0;", "f0.0;"],
        &["s4:lost", "i9;"],
    ];
    let form = forms[random.below(forms.len())];
    let mut parts: Vec<String> = form.iter().map(ToString::to_string).collect();
    if form[0] == "s6:output" || random.below(3) == 0 {
        let last = parts.len() - 1;
        let at = if random.below(4) == 0 {
            random.below(parts.len())
        } else {
            last
        };
        parts[at] = text(random);
    }
    if random.below(8) == 0 {
        let long = 5000 + random.below(5000);
        parts.push(format!("s{long}:{}", "x".repeat(long)));
    }
    let frame = format!("t{};{}", parts.len(), parts.concat());
    if random.below(3) == 0 {
        broken(random, &frame)
    } else {
        frame
    }
}

#[test]
fn frames_are_taken_without_harm() {
    let jobs = jobs();
    fuzz("frames", |random| {
        let job = &jobs[random.below(jobs.len())];
        let mut report = Report::default();
        for _ in 0..4 {
            let Ok(message) = Value::parse(&frame(random)) else {
                return;
            };
            if note(message, random.below(2) == 0, job, &mut report).is_none() {
                return;
            }
        }
        let texts = report.tests.values().map(|test| &test.message);
        let texts = texts.chain(report.fault.iter().map(|(_, text)| text));
        let raised = report
            .calls
            .values()
            .filter_map(|call| match &call.returned {
                Returned::Raised { message, .. } => Some(message),
                Returned::Value(value) => {
                    assert!(!String::from(value.clone()).is_empty());
                    None
                }
                Returned::Timeout | Returned::NotRun => None,
            });
        assert!(texts.chain(raised).all(|text| text.len() < 4200));
    });
}
