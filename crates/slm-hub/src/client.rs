//! Requests to a hub: redirects, the token, silence, further tries.

use std::cell::Cell;
use std::fmt;
use std::io;
use std::thread;

use ureq::Agent;
use ureq::Body;
use ureq::http::Response;

use crate::answer::{Failure, Linked, failure};
use crate::error::ATTEMPTS;
use crate::fetch::Progress;
use crate::{HubError, Kind, Settings};

/// More redirects than this lead nowhere.
const MOST_REDIRECTS: usize = 10;
/// A listing longer than this is no listing.
const LONGEST_LISTING: u64 = 256 << 20;

/// What a request is about, for messages.
pub(crate) struct Asked<'a> {
    pub(crate) kind: Kind,
    pub(crate) repository: &'a str,
    pub(crate) revision: &'a str,
    /// `None` for the repository as a whole.
    pub(crate) file: Option<&'a str>,
    /// The repository's page.
    pub(crate) page: String,
}

impl fmt::Display for Asked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.file {
            Some(file) => write!(f, "{file} of {}", self.repository),
            None => f.write_str(self.repository),
        }
    }
}

/// The method of a request.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    /// Headers alone.
    Head,
    /// The bytes from this one on.
    GetFrom(u64),
}

/// A successful answer.
pub(crate) struct Answer {
    /// What the hub itself said of the file on the way.
    pub(crate) linked: Linked,
    /// Who sends the bytes.
    pub(crate) host: String,
    pub(crate) response: Response<Body>,
}

/// A connection to the hub of the settings.
pub(crate) struct Client {
    pub(crate) settings: Settings,
    agent: Agent,
    /// Whether anybody has answered yet: before, a refused connection is most likely no network, and waiting idle.
    answered: Cell<bool>,
}

impl Client {
    pub(crate) fn new(settings: Settings) -> Self {
        let timeout = Some(settings.timeout);
        let config = Agent::config_builder()
            .http_status_as_error(false)
            // Followed here, because the token must not go along and the hub's headers are needed.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_resolve(timeout)
            .timeout_connect(timeout)
            .timeout_recv_response(timeout)
            // The body has no limit in all, only every pause in it.
            .timeout_per_read(timeout)
            .timeout_per_write(timeout)
            // A compressed body would have another length and other ranges.
            .accept_encoding("identity")
            .user_agent(concat!(
                env!("CARGO_PKG_NAME"),
                "/",
                env!("CARGO_PKG_VERSION")
            ))
            .build();
        Self {
            settings,
            agent: config.into(),
            answered: Cell::new(false),
        }
    }

    /// Makes a request, and follows where it leads.
    pub(crate) fn send(&self, method: Method, url: &str, asked: &Asked) -> Result<Answer, Failure> {
        let endpoint = origin(&self.settings.endpoint);
        let mut url = url.to_owned();
        let mut linked = Linked::default();
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
                .map_err(|error| self.trouble(&error, &host, &asked.to_string(), 0))?;
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
                .map_err(Failure::last)?;
            if is_hub {
                linked.take(response.headers(), next.is_some());
            }
            match next {
                // The headers wanted are the hub's; another host's are its own.
                Some(next) if method == Method::Head && origin(&next) != endpoint => {
                    return Ok(Answer {
                        linked,
                        host,
                        response,
                    });
                }
                Some(next) => url = next,
                None if status.is_success() || status.as_u16() == 416 => {
                    return Ok(Answer {
                        linked,
                        host,
                        response,
                    });
                }
                None => return Err(failure(response, asked, &host, token.is_some())),
            }
        }
        Err(Failure::last(no_hub(&url, "redirects without end")))
    }

    /// A JSON document.
    pub(crate) fn json(
        &self,
        url: &str,
        asked: &Asked,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<serde_json::Value, HubError> {
        self.again_and_again(progress, || {
            let mut answer = self.send(Method::GetFrom(0), url, asked)?;
            let body = answer.response.body_mut();
            let text = body
                .with_config()
                .limit(LONGEST_LISTING)
                .read_to_vec()
                .map_err(|error| match error {
                    ureq::Error::BodyExceedsLimit(_) => {
                        Failure::last(no_hub(url, "an endless listing"))
                    }
                    error => self.trouble(&error, &answer.host, "the list of files", 0),
                })?;
            serde_json::from_slice(&text)
                .map_err(|error| Failure::last(no_hub(url, &format!("no JSON, {error}"))))
        })
    }

    /// Repeats what fails in passing, with growing pauses.
    pub(crate) fn again_and_again<T>(
        &self,
        progress: &mut dyn FnMut(Progress),
        mut request: impl FnMut() -> Result<T, Failure>,
    ) -> Result<T, HubError> {
        let mut attempts = Attempts::default();
        loop {
            match request() {
                Ok(value) => return Ok(value),
                Err(failure) => attempts.wait(failure, &self.settings, progress)?,
            }
        }
    }

    /// What a failure of the transport means; `bytes` of `what` are here.
    pub(crate) fn trouble(
        &self,
        error: &ureq::Error,
        host: &str,
        what: &str,
        bytes: u64,
    ) -> Failure {
        let host = host.to_owned();
        let seconds = self.settings.timeout.as_secs_f64();
        let attempts = 1;
        let broken_off = |host| {
            Failure::passing(HubError::BrokenOff {
                host,
                what: what.to_owned(),
                bytes,
                attempts,
            })
        };
        match error {
            ureq::Error::Timeout(ureq::Timeout::Connect | ureq::Timeout::Resolve) => Failure {
                error: HubError::Unreachable {
                    host,
                    reason: format!("no connection within {seconds} s"),
                    attempts,
                },
                again: self.answered.get(),
                wait: None,
            },
            ureq::Error::Timeout(_) => Failure::passing(HubError::Silent {
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
                    Failure::passing(HubError::Silent {
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

    fn unreachable(&self, host: String, reason: String) -> Failure {
        Failure {
            error: HubError::Unreachable {
                host,
                reason,
                attempts: 1,
            },
            again: self.answered.get(),
            wait: None,
        }
    }
}

/// Counts the tries of one request.
#[derive(Default)]
pub(crate) struct Attempts {
    made: u32,
}

impl Attempts {
    /// Begins to count anew: something was gained since.
    pub(crate) fn renew(&mut self) {
        self.made = 0;
    }

    /// Waits before the next try.
    ///
    /// # Errors
    /// There is none: the failure is final, or there were enough.
    pub(crate) fn wait(
        &mut self,
        failure: Failure,
        settings: &Settings,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(), HubError> {
        self.made += 1;
        let Failure { error, again, wait } = failure;
        if !again || self.made >= ATTEMPTS {
            return Err(error.after(self.made));
        }
        let wait = wait.unwrap_or(settings.first_wait * 2_u32.pow(self.made - 1));
        progress(Progress::Retrying {
            reason: &error.summary(),
            attempt: self.made + 1,
            attempts: ATTEMPTS,
            wait,
        });
        thread::sleep(wait);
        Ok(())
    }
}

pub(crate) fn no_hub(url: &str, problem: &str) -> HubError {
    // What follows a question mark may be a signature.
    let url = url.split('?').next().unwrap_or(url);
    HubError::NoHub {
        url: url.to_owned(),
        problem: problem.to_owned(),
    }
}

/// Scheme, host and port of an address.
fn origin(url: &str) -> &str {
    let start = url.find("://").map_or(0, |at| at + 3);
    let end = url[start..]
        .find(['/', '?', '#'])
        .map_or(url.len(), |at| start + at);
    &url[..end]
}

/// Host and port of an address.
pub(crate) fn host(url: &str) -> &str {
    let origin = origin(url);
    origin.split_once("://").map_or(origin, |(_, host)| host)
}

/// Where a redirect leads; `None` if nowhere, or from a secure address to one that is not.
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
