//! Decides which failures of a server are transient, and retries with backoff.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::anyhow;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use slm_artifacts::{Attempt, GaveUp, GiveUp, RetryPolicy};
use slm_cli::UserMistake;

use super::http::{Lost, Reply, error_message};

/// Minimum time between two notes about retries.
const NOTE_EVERY: Duration = Duration::from_secs(10);

/// How often a waiting thread checks whether its work is still wanted.
const GLANCE: Duration = Duration::from_millis(50);

/// The outcome of an attempt.
pub(super) type Try<T> = Attempt<T, anyhow::Error>;

/// Retries requests that fail transiently, and counts the retries of all requests.
pub(super) struct Retrier {
    policy: RetryPolicy,
    retries: AtomicUsize,
    noted: Mutex<Option<Instant>>,
}

impl Retrier {
    /// Allows at most `max_retries` retries per request. Waits double up to a minute; half of each is random jitter.
    pub(super) fn new(max_retries: usize) -> Self {
        Self {
            policy: RetryPolicy {
                attempts: max_retries.saturating_add(1),
                first_wait: Duration::from_millis(500),
                longest_wait: Duration::from_mins(1),
                jitter: 0.5,
                longest_retry_after: Duration::from_mins(10),
                deadline: None,
            },
            retries: AtomicUsize::new(0),
            noted: Mutex::new(None),
        }
    }

    /// Repeats `attempt` until it succeeds; returns its value with the number of retries. `seed` spreads the waits of
    /// requests that failed together. `halt` ends the retries early.
    pub(super) fn run<T>(
        &self,
        seed: u64,
        halt: &AtomicBool,
        attempt: impl Fn() -> Try<T>,
    ) -> anyhow::Result<(T, usize)> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let wait = |why: &anyhow::Error, _, length| {
            self.note(why);
            pause(length, halt)
        };
        let done = self.policy.run(|| rng.random(), attempt, wait);
        done.map_err(|GaveUp { error, attempts, why }| match why {
            GiveUp::Final => error,
            GiveUp::Attempts | GiveUp::Deadline => {
                let times = match attempts {
                    1 => String::new(),
                    n => format!(" (tried {n} times)"),
                };
                anyhow!(
                    "{error}{times}\n\
                     hint: finished answers are kept; repeat the command once the server has recovered"
                )
            }
            GiveUp::RetryAfter(asked) => anyhow!(
                "{error}, and the server requests a wait of {} s\n\
                 hint: finished answers are kept; repeat the command after that time",
                asked.as_secs()
            ),
        })
    }

    fn note(&self, why: &anyhow::Error) {
        let retries = self.retries.fetch_add(1, Ordering::Relaxed) + 1;
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        if noted.is_none_or(|last| last.elapsed() >= NOTE_EVERY) {
            *noted = Some(Instant::now());
            slm_cli::note(&format!("retry {retries}: {why}"));
        }
    }
}

fn pause(length: Duration, halt: &AtomicBool) -> anyhow::Result<()> {
    let until = Instant::now() + length;
    while let Some(left) = until.checked_duration_since(Instant::now()) {
        anyhow::ensure!(!halt.load(Ordering::Relaxed), "another request has failed");
        std::thread::sleep(left.min(GLANCE));
    }
    Ok(())
}

/// Classifies a reply that is not a success; `base` is the server's URL.
pub(super) fn classify<T>(base: &str, has_key: bool, reply: &Reply) -> Try<T> {
    let Reply { status, body, .. } = reply;
    let text = format!("{base}: HTTP {status}: {}", error_message(body));
    let mistake = |hint: &str| Try::Failed(UserMistake(format!("{text}\nhint: {hint}")).into());
    match status {
        408 | 425 | 429 | 500..=599 => Try::Passing {
            error: anyhow!(text),
            retry_after: reply.retry_after,
        },
        401 | 403 if has_key => {
            mistake("is the key in `evaluate.endpoint.api_key_env` this server's?")
        }
        401 | 403 => mistake(
            "name the variable that holds the server's key: --set evaluate.endpoint.api_key_env=NAME",
        ),
        404 => mistake(
            "check `evaluate.endpoint.url`, and that `evaluate.endpoint.model` is the server's name for the model",
        ),
        300..=399 => mistake("set `evaluate.endpoint.url` to the address without the redirect"),
        _ => Try::Failed(anyhow!("{text}")),
    }
}

/// Returns a transient failure.
pub(super) fn again<T>(why: String) -> Try<T> {
    Try::Passing {
        error: anyhow!(why),
        retry_after: None,
    }
}

/// Classifies a request without a reply.
pub(super) fn lost<T>(base: &str, Lost(why): Lost) -> Try<T> {
    again(format!("{base}: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    fn run(max_retries: usize, script: &[&str]) -> (Result<usize, String>, usize) {
        let tries = Cell::new(0);
        let result = Retrier::new(max_retries).run(1, &AtomicBool::new(false), || {
            let word = script[tries.get().min(script.len() - 1)];
            tries.set(tries.get() + 1);
            match word {
                "ok" => Try::Done(()),
                "bad" => Try::Failed(anyhow!("bad")),
                "tomorrow" => Try::Passing {
                    error: anyhow!("busy"),
                    retry_after: Some(Duration::from_hours(20)),
                },
                _ => Try::Passing {
                    error: anyhow!("busy"),
                    retry_after: Some(Duration::ZERO),
                },
            }
        });
        let result = result.map(|((), retries)| retries);
        (result.map_err(|error| error.to_string()), tries.get())
    }

    #[test]
    fn what_passes_is_tried_again_and_counted_and_what_does_not_is_told_at_once() {
        assert_eq!(run(3, &["ok"]), (Ok(0), 1));
        assert_eq!(run(3, &["busy", "busy", "ok"]), (Ok(2), 3));
        assert_eq!(run(3, &["busy", "bad"]), (Err("bad".to_owned()), 2));
        let (error, tries) = run(2, &["busy"]);
        assert_eq!(tries, 3);
        let error = error.expect_err("always busy");
        assert!(
            error.starts_with("busy (tried 3 times)\nhint: finished answers are kept"),
            "{error}"
        );
        let (error, tries) = run(2, &["tomorrow"]);
        assert!(error.expect_err("too long").contains("a wait of 72000 s"));
        assert_eq!(tries, 1);
    }

    #[test]
    fn a_wait_ends_when_the_work_is_not_wanted_any_more() {
        let result = pause(Duration::from_hours(1), &AtomicBool::new(true));
        assert!(result.is_err());
    }
}
