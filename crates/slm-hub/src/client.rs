//! Requests to a hub: redirects, the token, timeouts, retries.

use std::cell::Cell;
use std::io;
use std::thread;
use std::time::Duration;

use slm_artifacts::{Attempt, Retries, RetryPolicy};
use ureq::Agent;
use ureq::Body;
use ureq::http::Response;

use crate::error::HubError;
use crate::progress::Progress;
use crate::response::{FileHeaders, RequestError, Target, refusal};
use crate::settings::Settings;

/// Maximum number of attempts of a request.
const ATTEMPTS: usize = 5;
/// Longest `Retry-After` that is respected; a longer one is reported to the user.
const LONGEST_RETRY_AFTER: Duration = Duration::from_mins(5);
/// Maximum number of redirects.
const MOST_REDIRECTS: usize = 10;
/// Maximum size of a listing in bytes.
const LONGEST_LISTING: u64 = 256 << 20;

/// The method of a request.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    /// Requests only the headers.
    Head,
    /// Requests the bytes from this offset on.
    GetFrom(u64),
}

/// A successful response.
pub(crate) struct Reply {
    /// The headers of the hub's own responses.
    pub(crate) headers: FileHeaders,
    /// The host that sends the content.
    pub(crate) host: String,
    pub(crate) response: Response<Body>,
}

/// A client of the hub in the settings.
pub(crate) struct Client {
    pub(crate) settings: Settings,
    agent: Agent,
    /// Whether a server has responded before. Until then, a refused connection most likely means no network, and a
    /// retry would only delay the error.
    answered: Cell<bool>,
}

impl Client {
    pub(crate) fn new(settings: Settings) -> Self {
        let timeout = Some(settings.timeout);
        let config = Agent::config_builder()
            .http_status_as_error(false)
            // Redirects are followed in `send`, because the token must not be sent along and the hub's headers are
            // needed.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_resolve(timeout)
            .timeout_connect(timeout)
            .timeout_recv_response(timeout)
            // The body has no total timeout, only one for each read.
            .timeout_per_read(timeout)
            .timeout_per_write(timeout)
            // A compressed body would have another length and other ranges.
            .accept_encoding("identity")
            .user_agent(concat!("slm-lora/", env!("CARGO_PKG_VERSION")))
            .build();
        Self {
            settings,
            agent: config.into(),
            answered: Cell::new(false),
        }
    }

    /// Sends a request and follows redirects.
    pub(crate) fn send(
        &self,
        method: Method,
        url: &str,
        target: &Target,
    ) -> Result<Reply, RequestError> {
        let endpoint = origin(&self.settings.endpoint);
        let mut url = url.to_owned();
        let mut headers = FileHeaders::default();
        for _ in 0..MOST_REDIRECTS {
            let is_hub = origin(&url) == endpoint;
            let host = host(&url).to_owned();
            let token = self.settings.token.as_ref().filter(|_| is_hub);
            let mut request = match method {
                Method::Head => self.agent.head(&url),
                Method::GetFrom(_) => self.agent.get(&url),
            };
            if let Method::GetFrom(first @ 1..) = method {
                request = request.header("range", format!("bytes={first}-"));
            }
            if let Some(token) = token {
                request = request.header("authorization", token.authorization());
            }
            let response = request
                .call()
                .map_err(|error| self.transport_error(&error, &host, &target.to_string(), 0))?;
            self.answered.set(true);
            let status = response.status();
            let next = status
                .is_redirection()
                .then(|| response.headers().get("location"))
                .flatten()
                .map(|location| {
                    let location = location.to_str().unwrap_or_default();
                    resolve(&url, location).ok_or_else(|| no_hub(&url, "an unusable redirect"))
                })
                .transpose()
                .map_err(RequestError::permanent)?;
            if is_hub {
                headers.take(response.headers(), next.is_some());
            }
            match next {
                // Only the hub's headers are needed, not those of another host.
                Some(next) if method == Method::Head && origin(&next) != endpoint => {
                    return Ok(Reply {
                        headers,
                        host,
                        response,
                    });
                }
                Some(next) => url = next,
                None if status.is_success() || status.as_u16() == 416 => {
                    return Ok(Reply {
                        headers,
                        host,
                        response,
                    });
                }
                None => return Err(refusal(response, target, &host, token.is_some())),
            }
        }
        Err(RequestError::permanent(no_hub(
            &url,
            "redirects without end",
        )))
    }

    /// Requests a JSON document.
    pub(crate) fn json(
        &self,
        url: &str,
        target: &Target,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<serde_json::Value, HubError> {
        self.with_retries(progress, || {
            let mut reply = self.send(Method::GetFrom(0), url, target)?;
            let body = reply.response.body_mut();
            let text = body
                .with_config()
                .limit(LONGEST_LISTING)
                .read_to_vec()
                .map_err(|error| match error {
                    ureq::Error::BodyExceedsLimit(_) => {
                        RequestError::permanent(no_hub(url, "an endless listing"))
                    }
                    error => self.transport_error(&error, &reply.host, "the list of files", 0),
                })?;
            serde_json::from_slice(&text)
                .map_err(|error| RequestError::permanent(no_hub(url, &format!("no JSON: {error}"))))
        })
    }

    /// Returns the retry policy of requests: exponential backoff, unless the server sends `Retry-After`.
    pub(crate) fn retry_policy(&self) -> RetryPolicy {
        RetryPolicy {
            attempts: ATTEMPTS,
            first_wait: self.settings.first_wait,
            longest_wait: Duration::MAX,
            jitter: 0.0,
            longest_retry_after: LONGEST_RETRY_AFTER,
            deadline: None,
        }
    }

    /// Repeats a request that fails for a transient reason.
    pub(crate) fn with_retries<T>(
        &self,
        progress: &mut dyn FnMut(Progress),
        mut request: impl FnMut() -> Result<T, RequestError>,
    ) -> Result<T, HubError> {
        let attempt = || match request() {
            Ok(value) => Attempt::Done(value),
            Err(failure) if failure.is_transient => Attempt::Passing {
                error: failure.error,
                retry_after: failure.retry_after,
            },
            Err(failure) => Attempt::Failed(failure.error),
        };
        let pause = |error: &HubError, failed, wait| {
            pause(error, failed, wait, progress);
            Ok(())
        };
        let done = self.retry_policy().run(|| 0.0, attempt, pause);
        let (value, _) = done.map_err(|gave_up| gave_up.error.after(gave_up.attempts))?;
        Ok(value)
    }

    /// Converts an error of the HTTP client; `bytes` of `what` have arrived.
    pub(crate) fn transport_error(
        &self,
        error: &ureq::Error,
        host: &str,
        what: &str,
        bytes: u64,
    ) -> RequestError {
        let host = host.to_owned();
        let seconds = self.settings.timeout.as_secs_f64();
        let attempts = 1;
        let broken_off = |host| {
            RequestError::transient(HubError::BrokenOff {
                host,
                what: what.to_owned(),
                bytes,
                attempts,
            })
        };
        match error {
            ureq::Error::Timeout(ureq::Timeout::Connect | ureq::Timeout::Resolve) => RequestError {
                error: HubError::Unreachable {
                    host,
                    reason: format!("no connection within {seconds} s"),
                    attempts,
                },
                is_transient: self.answered.get(),
                retry_after: None,
            },
            ureq::Error::Timeout(_) => RequestError::transient(HubError::Silent {
                host,
                seconds,
                attempts,
            }),
            ureq::Error::Io(source) => match source.kind() {
                io::ErrorKind::UnexpectedEof
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionAborted
                | io::ErrorKind::BrokenPipe => broken_off(host),
                io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => {
                    RequestError::transient(HubError::Silent {
                        host,
                        seconds,
                        attempts,
                    })
                }
                _ => self.unreachable(host, source.to_string()),
            },
            ureq::Error::HostNotFound => self.unreachable(host, "no such host".to_owned()),
            ureq::Error::Protocol(_) | ureq::Error::BodyStalled => broken_off(host),
            error => self.unreachable(host, error.to_string()),
        }
    }

    fn unreachable(&self, host: String, reason: String) -> RequestError {
        RequestError {
            error: HubError::Unreachable {
                host,
                reason,
                attempts: 1,
            },
            is_transient: self.answered.get(),
            retry_after: None,
        }
    }
}

/// Waits after a failed attempt of a download, which counts its attempts itself because progress resets them.
///
/// # Errors
/// The failure, if it is permanent or the last attempt.
pub(crate) fn wait_to_retry(
    retries: &mut Retries,
    failure: RequestError,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), HubError> {
    let RequestError {
        error,
        is_transient,
        retry_after,
    } = failure;
    let next = if is_transient {
        retries.next_wait(retry_after, 0.0)
    } else {
        Err(retries.fail())
    };
    match next {
        Ok(wait) => {
            pause(&error, retries.failed(), wait, progress);
            Ok(())
        }
        Err(_) => Err(error.after(retries.failed())),
    }
}

fn pause(error: &HubError, failed: usize, wait: Duration, progress: &mut dyn FnMut(Progress)) {
    progress(Progress::Retrying {
        reason: &error.summary(),
        attempt: failed as u32 + 1,
        attempts: ATTEMPTS as u32,
        wait,
    });
    thread::sleep(wait);
}

pub(crate) fn no_hub(url: &str, problem: &str) -> HubError {
    // The query may contain a signature.
    let url = url.split('?').next().unwrap_or(url);
    HubError::NoHub {
        url: url.to_owned(),
        problem: problem.to_owned(),
    }
}

/// Returns scheme, host and port of an address.
fn origin(url: &str) -> &str {
    let start = url.find("://").map_or(0, |at| at + 3);
    let end = url[start..]
        .find(['/', '?', '#'])
        .map_or(url.len(), |at| start + at);
    &url[..end]
}

/// Returns host and port of an address.
pub(crate) fn host(url: &str) -> &str {
    let origin = origin(url);
    origin.split_once("://").map_or(origin, |(_, host)| host)
}

/// Resolves a redirect; `None` if it is invalid, or leads from https to an insecure address.
fn resolve(from: &str, location: &str) -> Option<String> {
    let scheme = from.split_once("://")?.0;
    let to = if location.contains("://") && !location.starts_with(['/', '?']) {
        location.to_owned()
    } else if location.starts_with("//") {
        format!("{scheme}:{location}")
    } else if location.starts_with('/') {
        format!("{}{location}", origin(from))
    } else if location.is_empty() {
        return None;
    } else {
        let path = from.split(['?', '#']).next()?;
        let folder = &path[..=path.rfind('/')?];
        format!("{folder}{location}")
    };
    let is_web = to.starts_with("https://") || to.starts_with("http://");
    let is_downgrade = scheme == "https" && !to.starts_with("https://");
    (is_web && !is_downgrade).then_some(to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_lead_where_they_say() {
        let from = "https://hub.example/a/b?c";
        for (location, to) in [
            (
                "https://cdn.example/x?sig=1",
                Some("https://cdn.example/x?sig=1"),
            ),
            ("//cdn.example/x", Some("https://cdn.example/x")),
            ("/x/y", Some("https://hub.example/x/y")),
            ("y", Some("https://hub.example/a/y")),
            ("http://cdn.example/x", None),
            ("ftp://cdn.example/x", None),
            ("", None),
        ] {
            assert_eq!(resolve(from, location).as_deref(), to, "{location}");
        }
    }

    #[test]
    fn another_port_or_scheme_is_another_origin() {
        assert_eq!(origin("http://a:1/b"), "http://a:1");
        assert_eq!(origin("http://a?b"), "http://a");
        assert_ne!(origin("http://a/b"), origin("https://a/b"));
        assert_eq!(host("http://a:1/b"), "a:1");
    }
}
