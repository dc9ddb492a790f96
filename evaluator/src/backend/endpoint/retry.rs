//! Which trouble with a server passes, and how long to wait for that.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use slm_cli::UserMistake;

use super::http::{Lost, Reply, told};

/// The wait before the second try; doubles with each further one.
const FIRST_WAIT: Duration = Duration::from_millis(500);

/// No wait of our own is longer.
const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// What a server may ask for; more than this is no matter of waiting.
const LONGEST_ASKED: Duration = Duration::from_mins(10);

/// Pause between two notes on trouble.
const NOTE_EVERY: Duration = Duration::from_secs(10);

/// How often a waiting thread looks whether its work is still wanted.
const GLANCE: Duration = Duration::from_millis(50);

/// What a try came to.
pub(super) enum Try<T> {
    Done(T),
    /// It may go better next time; how long the server wants to be left alone.
    Again(String, Option<Duration>),
    Failed(anyhow::Error),
}

/// Tries again, and counts.
pub(super) struct Retrier {
    max_retries: usize,
    /// Tries after the first, over all requests.
    retries: AtomicUsize,
    noted: Mutex<Option<Instant>>,
}

impl Retrier {
    pub(super) fn new(max_retries: usize) -> Self {
        Self {
            max_retries,
            retries: AtomicUsize::new(0),
            noted: Mutex::new(None),
        }
    }

    /// Tries until it is done, has failed for good, or was tried often enough; gives how often it was tried again.
    /// `seed` spreads the waits of requests that failed together. `halt` ends it early.
    pub(super) fn run<T>(
        &self,
        seed: u64,
        halt: &AtomicBool,
        attempt: impl Fn() -> Try<T>,
    ) -> anyhow::Result<(T, usize)> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        for retries in 0.. {
            let (why, asked) = match attempt() {
                Try::Done(result) => return Ok((result, retries)),
                Try::Failed(error) => return Err(error),
                Try::Again(why, asked) => (why, asked),
            };
            if retries >= self.max_retries {
                let times = match retries {
                    0 => String::new(),
                    n => format!(" (tried {} times)", n + 1),
                };
                anyhow::bail!(
                    "{why}{times}\n\
                     hint: what is answered is kept; give the same command again once the server is well"
                );
            }
            if let Some(asked) = asked.filter(|&asked| asked > LONGEST_ASKED) {
                anyhow::bail!(
                    "{why}, and the server asks to be left alone for {} s\n\
                     hint: what is answered is kept; give the same command again then",
                    asked.as_secs()
                );
            }
            self.note(&why);
            pause(wait(retries, asked, rng.random()), halt)?;
        }
        unreachable!("there is a last try")
    }

    fn note(&self, why: &str) {
        let retries = self.retries.fetch_add(1, Ordering::Relaxed) + 1;
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        if noted.is_none_or(|last| last.elapsed() >= NOTE_EVERY) {
            *noted = Some(Instant::now());
            slm_cli::note(&format!("trying again ({retries} so far): {why}"));
        }
    }
}

/// Exponential backoff, of which up to half is left to chance so that requests which failed together do not come back
/// together; never sooner than the server asked.
fn wait(retries: usize, asked: Option<Duration>, chance: f64) -> Duration {
    let doubled = FIRST_WAIT.saturating_mul(1 << retries.min(16));
    let own = doubled.min(LONGEST_WAIT).mul_f64(0.5 + 0.5 * chance);
    match asked {
        Some(asked) => asked + own.min(FIRST_WAIT),
        None => own,
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

/// What to make of a reply that is no success; `base` is the server's address.
pub(super) fn classify<T>(base: &str, has_key: bool, reply: &Reply) -> Try<T> {
    let Reply { status, body, .. } = reply;
    let text = format!("{base}: HTTP {status}: {}", told(body));
    let mistake = |hint: &str| Try::Failed(UserMistake(format!("{text}\nhint: {hint}")).into());
    match status {
        408 | 425 | 429 | 500..=599 => Try::Again(text, reply.retry_after),
        401 | 403 if has_key => {
            mistake("is the key in `evaluate.endpoint.api_key_env` this server's?")
        }
        401 | 403 => mistake(
            "name the variable that holds the server's key: --set evaluate.endpoint.api_key_env=NAME",
        ),
        404 => mistake(
            "is the address right, and `evaluate.endpoint.model` what the server calls the model?",
        ),
        300..=399 => mistake("name the address that the server itself answers at"),
        _ => Try::Failed(anyhow::anyhow!("{text}")),
    }
}

/// A request that no answer came to.
pub(super) fn lost<T>(base: &str, Lost(why): Lost) -> Try<T> {
    Try::Again(format!("{base}: {why}"), None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn waits_double_up_to_a_minute_and_leave_half_to_chance() {
        let millis = |retries, chance| wait(retries, None, chance).as_millis();
        assert_eq!([millis(0, 0.0), millis(0, 1.0)], [250, 500]);
        assert_eq!([millis(3, 1.0), millis(6, 1.0)], [4_000, 32_000]);
        assert_eq!([millis(7, 1.0), millis(99, 1.0)], [60_000, 60_000]);
    }

    #[test]
    fn the_server_is_never_asked_sooner_than_it_wants() {
        let asked = Duration::from_secs(7);
        for retries in 0..20 {
            let wait = wait(retries, Some(asked), 0.5);
            assert!(wait >= asked && wait <= asked + FIRST_WAIT, "{wait:?}");
        }
    }

    fn run(max_retries: usize, script: &[&str]) -> (Result<usize, String>, usize) {
        let tries = Cell::new(0);
        let result = Retrier::new(max_retries).run(1, &AtomicBool::new(false), || {
            let word = script[tries.get().min(script.len() - 1)];
            tries.set(tries.get() + 1);
            match word {
                "ok" => Try::Done(()),
                "bad" => Try::Failed(anyhow::anyhow!("bad")),
                "tomorrow" => Try::Again("busy".to_owned(), Some(Duration::from_hours(20))),
                _ => Try::Again("busy".to_owned(), Some(Duration::ZERO)),
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
        let error = error.expect_err("never well");
        assert!(
            error.starts_with("busy (tried 3 times)\nhint: what is answered is kept"),
            "{error}"
        );
        let (error, tries) = run(2, &["tomorrow"]);
        assert!(error.expect_err("too long").contains("for 72000 s"));
        assert_eq!(tries, 1);
    }

    #[test]
    fn a_wait_ends_when_the_work_is_not_wanted_any_more() {
        let result = pause(Duration::from_hours(1), &AtomicBool::new(true));
        assert!(result.is_err());
    }
}
