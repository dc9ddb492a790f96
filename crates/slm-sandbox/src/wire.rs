//! Encodes a job for the runners: a dict in the text form of python/link.py.

use std::fmt::Write as _;

use crate::{Call, Job, Work};

/// A dict under construction.
#[derive(Default)]
struct Dict {
    count: usize,
    entries: String,
}

impl Dict {
    fn text(&mut self, key: &str, value: &str) {
        self.key(key);
        put_text(&mut self.entries, value);
    }

    fn texts(&mut self, key: &str, values: &[String]) {
        self.key(key);
        let _ = write!(self.entries, "l{};", values.len());
        for value in values {
            put_text(&mut self.entries, value);
        }
    }

    fn calls(&mut self, key: &str, calls: &[Call]) {
        self.key(key);
        let _ = write!(self.entries, "l{};", calls.len());
        for call in calls {
            self.entries.push_str("t2;");
            put_text(&mut self.entries, &call.arguments);
            let _ = write!(self.entries, "f{:?};", call.cpu_s);
        }
    }

    fn key(&mut self, key: &str) {
        self.count += 1;
        put_text(&mut self.entries, key);
    }

    fn finish(self) -> Vec<u8> {
        format!("d{};{}", self.count, self.entries).into_bytes()
    }
}

fn put_text(out: &mut String, text: &str) {
    let _ = write!(out, "s{}:{text}", text.chars().count());
}

/// Returns whether the tests run in a separate process.
pub(crate) fn is_tested_apart(work: &Work) -> bool {
    matches!(work, Work::Asserts { .. }) && !work.is_empty()
}

/// Returns the job of the process that runs the program.
pub(crate) fn candidate_job(job: &Job, search_path: &[String]) -> Vec<u8> {
    let mut dict = Dict::default();
    dict.texts("search_path", search_path);
    dict.text("preamble", &job.preamble);
    dict.text("program", &job.program);
    let mode = match &job.work {
        Work::Asserts { .. } if is_tested_apart(&job.work) => "serve",
        Work::Asserts { .. } => "load",
        Work::Calls { entry_point, calls } => {
            dict.text("entry_point", entry_point);
            dict.calls("calls", calls);
            "calls"
        }
        Work::Script { stdin } => {
            dict.text("stdin", stdin);
            "script"
        }
        Work::SharedProcess { setup, tests } => {
            dict.text("setup", setup);
            dict.texts("tests", tests);
            "shared"
        }
    };
    dict.text("mode", mode);
    dict.finish()
}

/// Returns the job of the process that runs the tests; empty if there is none.
pub(crate) fn tester_job(job: &Job, search_path: &[String], cpu_s: f64) -> Vec<u8> {
    let mut dict = Dict::default();
    if let Work::Asserts {
        setup,
        entry_point,
        tests,
    } = &job.work
    {
        dict.texts("search_path", search_path);
        dict.text("preamble", &job.preamble);
        dict.text("setup", setup);
        dict.text("entry_point", entry_point);
        dict.texts("tests", tests);
        dict.text("cpu_s", &cpu_s.clamp(1.0, 1e9).ceil().to_string());
    }
    dict.finish()
}
