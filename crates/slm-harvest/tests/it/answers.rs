//! Answers made by hand.

use slm_artifacts::{FinishReason, StopReason, Verdict};
use slm_harvest::{Answer, Keep, Kind, LearnableTask, Prefer, Settings};
use slm_report::{Decoding, ProgramMetrics, RECORD_VERSION, SampleRecord, Spending};

/// Hidden tests of every task.
pub(crate) const TESTS: usize = 10;

/// Returns the task `own/NUMBER`: add the number.
pub(crate) fn task(number: usize) -> LearnableTask {
    LearnableTask {
        run: "run".to_owned(),
        name: format!("own/{number}"),
        id: format!("own/{number}"),
        prompt: stub(number),
        entry_point: format!("add_{number}"),
        examples: vec![
            format!("assert add_{number}(1) == {}", 1 + number),
            format!("assert add_{number}(2) == {}", 2 + number),
        ],
        is_of_test_split: false,
        is_of_repository: false,
        solution: format!("    return x + {number}\n"),
    }
}

pub(crate) fn stub(number: usize) -> String {
    format!("def add_{number}(x):\n    \"\"\"Add {number} to x.\"\"\"\n")
}

/// Returns an answer to a task that continues its stub, and passes this number of the ten tests.
pub(crate) fn answer(number: usize, sample: u32, body: &str, passed: usize) -> Answer {
    whole(number, sample, &format!("{}{body}", stub(number)), passed)
}

/// Returns an answer with a whole program.
pub(crate) fn whole(number: usize, sample: u32, program: &str, passed: usize) -> Answer {
    let metrics = ProgramMetrics::measure(program, &stub(number));
    let verdict = match (&metrics, passed == TESTS) {
        (None, _) => Verdict::Unparsable,
        (_, true) => Verdict::Passed,
        (_, false) => Verdict::Failed,
    };
    Answer {
        run: "run".to_owned(),
        step: Some(0),
        likelihood: None,
        record: SampleRecord {
            version: RECORD_VERSION,
            arm: "base".to_owned(),
            workflow: "single".to_owned(),
            decoding: Decoding {
                temperature: 1.0,
                top_p: 0.95,
            },
            benchmark: "custom".to_owned(),
            task_id: format!("own/{number}"),
            sample,
            seed: 7,
            prompt_tokens: 40,
            completion_tokens: 20,
            calls: 1,
            executions: 0,
            lookups: 0,
            masked: 0,
            recall: None,
            copied: None,
            sketch_kept: None,
            rounds: 0,
            attempts: None,
            tokens_to_program: None,
            seconds_to_program: None,
            phases: Vec::new(),
            stop: StopReason::Finished,
            phase: None,
            complete: None,
            routed_to: None,
            format_failures: 0,
            unspent: Spending {
                completion_tokens: 0,
                calls: 0,
                executions: 0,
                lookups: 0,
            },
            finish_reason: FinishReason::Stop,
            generation_s: 0.5,
            reused_s: 0.0,
            retries: 0,
            tokens_estimated: false,
            completion: program.to_owned(),
            program: program.to_owned(),
            parsable: metrics.is_some(),
            metrics,
            verdict,
            tests_passed: passed,
            tests_total: TESTS,
            executable: None,
            detail: None,
            cpu_s: 0.01,
            same_signature: None,
            similarity: None,
            reference_loss: None,
            bleu: None,
            line_use: None,
        },
    }
}

pub(crate) fn settings(kind: Kind) -> Settings {
    Settings {
        kind,
        keep: Keep::Passed,
        prefer: Prefer::MiCode,
        per_task: 4,
        max_rows: None,
        seed: 0,
    }
}

/// Short, long and poorly maintainable ways to add `n` to `x`.
pub(crate) fn bodies(n: usize) -> Vec<String> {
    vec![
        format!("    return x + {n}\n"),
        format!("    # Add it.\n    return x + {n}\n"),
        format!("    result = x + {n}\n    return result\n"),
        format!("    total = x\n    for _ in range({n}):\n        total += 1\n    return total\n"),
        format!(
            "    a, b, c = x * 1, {n} * 1, 0 * x + 0\n    return (a + b + c - 0 * a) if a == a and b == b or c == c else a + b\n"
        ),
        format!(
            "    if x > 0 and x < 100 or x == 7 and x != 8:\n        return (x * 2 + {n} * 2) // 2\n    return (x * 3 + {n} * 3 - x + x) // 3\n"
        ),
        format!(
            "    def inner(y):\n        \"\"\"Inner.\"\"\"\n        return y + {n}\n    return inner(x)\n"
        ),
    ]
}
