//! When to retry a request that failed for a transient reason, and how long to wait first.
//!
//! # Source
//! Exponential backoff with jitter: <https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/>;
//! `Retry-After`: RFC 9110, section 10.2.3.

use std::time::{Duration, Instant};

/// How often a request is retried, and with which waits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RetryPolicy {
    /// Total number of attempts, including the first.
    pub attempts: usize,
    /// Wait before the second attempt; it doubles with each further one.
    pub first_wait: Duration,
    /// Upper limit of each wait, unless the server requests a longer one.
    pub longest_wait: Duration,
    /// Randomized part of each wait, from 0 to 1, so that requests which failed together are not repeated together.
    pub jitter: f64,
    /// Longest `Retry-After` that is honoured; for a longer one no further attempt is made.
    pub longest_retry_after: Duration,
    /// Time since the first attempt after which no attempt begins; `None` for no limit.
    pub deadline: Option<Duration>,
}

/// Result of one attempt.
#[derive(Debug)]
pub enum Attempt<T, E> {
    /// It succeeded.
    Done(T),
    /// It failed, and may succeed later, not before `retry_after` if the server sent one.
    Passing {
        /// Why it failed.
        error: E,
        /// The server's `Retry-After`.
        retry_after: Option<Duration>,
    },
    /// It failed permanently.
    Failed(E),
}

/// Why no further attempt is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GiveUp {
    /// The last failure is permanent.
    Final,
    /// All attempts were used.
    Attempts,
    /// The server requests a longer wait than [`RetryPolicy::longest_retry_after`].
    RetryAfter(Duration),
    /// [`RetryPolicy::deadline`] would be exceeded.
    Deadline,
}

/// A request that did not succeed.
#[derive(Debug, PartialEq)]
pub struct GaveUp<E> {
    /// The error of the last attempt, or of `pause`.
    pub error: E,
    /// Number of attempts made.
    pub attempts: usize,
    /// Why no further attempt was made.
    pub why: GiveUp,
}

impl RetryPolicy {
    /// Starts counting the attempts of one request.
    pub fn start(&self) -> Retries {
        Retries {
            policy: *self,
            failed: 0,
            began: Instant::now(),
        }
    }

    /// Repeats `attempt` until it succeeds, and returns its value with the number of retries.
    ///
    /// `chance` returns numbers from 0 to 1 for the jitter. `pause` receives each transient failure, the number
    /// of failures and the wait before the next attempt, and waits; an error from it ends the retries.
    ///
    /// # Errors
    /// [`GaveUp`] with the last error.
    pub fn run<T, E>(
        &self,
        mut chance: impl FnMut() -> f64,
        mut attempt: impl FnMut() -> Attempt<T, E>,
        mut pause: impl FnMut(&E, usize, Duration) -> Result<(), E>,
    ) -> Result<(T, usize), GaveUp<E>> {
        let mut retries = self.start();
        loop {
            let (error, next) = match attempt() {
                Attempt::Done(value) => return Ok((value, retries.failed())),
                Attempt::Passing { error, retry_after } => {
                    (error, retries.next_wait(retry_after, chance()))
                }
                Attempt::Failed(error) => (error, Err(retries.fail())),
            };
            let gave_up = |error, why| GaveUp {
                error,
                attempts: retries.failed(),
                why,
            };
            match next {
                Ok(wait) => pause(&error, retries.failed(), wait)
                    .map_err(|error| gave_up(error, GiveUp::Final))?,
                Err(why) => return Err(gave_up(error, why)),
            }
        }
    }
}

/// Counts the failed attempts of one request.
#[derive(Clone, Debug)]
pub struct Retries {
    policy: RetryPolicy,
    failed: usize,
    began: Instant,
}

impl Retries {
    /// Returns the number of failed attempts since the start, or since [`Self::reset`].
    pub fn failed(&self) -> usize {
        self.failed
    }

    /// Restarts the count after progress.
    pub fn reset(&mut self) {
        self.failed = 0;
    }

    /// Counts a failed attempt and returns the wait before the next one. `retry_after` is the server's
    /// `Retry-After`, `chance` a number from 0 to 1 for the jitter.
    ///
    /// # Errors
    /// [`GiveUp`] if there is no next attempt.
    pub fn next_wait(
        &mut self,
        retry_after: Option<Duration>,
        chance: f64,
    ) -> Result<Duration, GiveUp> {
        let policy = &self.policy;
        self.failed += 1;
        if self.failed >= policy.attempts {
            return Err(GiveUp::Attempts);
        }
        if let Some(asked) = retry_after.filter(|&asked| asked > policy.longest_retry_after) {
            return Err(GiveUp::RetryAfter(asked));
        }
        let doubled = policy
            .first_wait
            .saturating_mul(1 << (self.failed - 1).min(16));
        let share = 1.0 - policy.jitter + policy.jitter * chance;
        let own = doubled.min(policy.longest_wait).mul_f64(share);
        let wait = match retry_after {
            Some(asked) if policy.jitter > 0.0 => asked + own.min(policy.first_wait),
            Some(asked) => asked,
            None => own,
        };
        let is_late = |deadline| self.began.elapsed() + wait > deadline;
        if policy.deadline.is_some_and(is_late) {
            return Err(GiveUp::Deadline);
        }
        Ok(wait)
    }

    /// Counts an attempt that failed permanently: there is no next one.
    pub fn fail(&mut self) -> GiveUp {
        self.failed += 1;
        GiveUp::Final
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: RetryPolicy = RetryPolicy {
        attempts: 3,
        first_wait: Duration::from_millis(500),
        longest_wait: Duration::from_mins(1),
        jitter: 0.5,
        longest_retry_after: Duration::from_mins(10),
        deadline: None,
    };

    /// Returns the waits after this number of failures in milliseconds, with the least and the greatest random part.
    fn waits(failures: usize, policy: RetryPolicy) -> [u128; 2] {
        [0.0, 1.0].map(|chance| {
            let mut retries = policy.start();
            retries.policy.attempts = usize::MAX;
            retries.failed = failures - 1;
            retries.next_wait(None, chance).expect("a wait").as_millis()
        })
    }

    #[test]
    fn waits_double_up_to_a_bound_and_leave_a_part_to_chance() {
        assert_eq!(waits(1, POLICY), [250, 500]);
        assert_eq!(waits(4, POLICY)[1], 4_000);
        assert_eq!(waits(7, POLICY)[1], 32_000);
        assert_eq!(waits(8, POLICY), [30_000, 60_000]);
        assert_eq!(waits(100, POLICY)[1], 60_000);
        let exact = RetryPolicy {
            jitter: 0.0,
            ..POLICY
        };
        assert_eq!(waits(3, exact), [2_000, 2_000]);
    }

    #[test]
    fn the_server_is_never_asked_sooner_than_it_wants() {
        let asked = Duration::from_secs(7);
        for chance in [0.0, 0.5, 1.0] {
            let mut retries = POLICY.start();
            let wait = retries.next_wait(Some(asked), chance).expect("a wait");
            assert!(wait >= asked && wait <= asked + POLICY.first_wait);
        }
        let mut exact = POLICY.start();
        exact.policy.jitter = 0.0;
        assert_eq!(exact.next_wait(Some(asked), 0.5), Ok(asked));
        let hours = Duration::from_hours(2);
        let refused = POLICY.start().next_wait(Some(hours), 0.5);
        assert_eq!(refused, Err(GiveUp::RetryAfter(hours)));
    }

    #[test]
    fn no_attempt_begins_after_the_deadline() {
        let mut retries = POLICY.start();
        retries.policy.deadline = Some(Duration::from_millis(100));
        assert_eq!(retries.next_wait(None, 0.0), Err(GiveUp::Deadline));
        retries.policy.deadline = Some(Duration::from_mins(1));
        assert!(retries.next_wait(None, 0.0).is_ok());
    }

    /// Returns the result of a script of attempts, and the number of waits.
    fn run(script: &[&str]) -> (Result<usize, GaveUp<String>>, usize) {
        let (mut attempts, mut waits) = (script.iter(), 0);
        let result = POLICY.run(
            || 0.5,
            || match *attempts.next().expect("no further attempt") {
                "ok" => Attempt::Done(()),
                "bad" => Attempt::Failed("bad".to_owned()),
                error => Attempt::Passing {
                    error: error.to_owned(),
                    retry_after: None,
                },
            },
            |error, failed, _| {
                waits += 1;
                assert_eq!(failed, waits);
                match error.as_str() {
                    "stop" => Err("stopped".to_owned()),
                    _ => Ok(()),
                }
            },
        );
        (result.map(|((), retries)| retries), waits)
    }

    #[test]
    fn what_passes_is_repeated_and_what_does_not_ends_at_once() {
        let gave_up = |error: &str, attempts, why| {
            Err(GaveUp {
                error: error.to_owned(),
                attempts,
                why,
            })
        };
        assert_eq!(run(&["ok"]), (Ok(0), 0));
        assert_eq!(run(&["busy", "busy", "ok"]), (Ok(2), 2));
        assert_eq!(run(&["busy", "bad"]), (gave_up("bad", 2, GiveUp::Final), 1));
        assert_eq!(
            run(&["busy", "busy", "down"]),
            (gave_up("down", 3, GiveUp::Attempts), 2)
        );
        assert_eq!(run(&["stop"]), (gave_up("stopped", 1, GiveUp::Final), 1));
    }

    #[test]
    fn a_gain_starts_the_count_again() {
        let mut retries = POLICY.start();
        for _ in 0..5 {
            assert!(retries.next_wait(None, 0.0).is_ok());
            retries.reset();
        }
        assert_eq!(retries.failed(), 0);
    }
}
