//! One HTTP request to a server and its reply; the only module that uses the HTTP client.

use std::fmt;
use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::Result;
use serde_json::Value;
use slm_cli::UserMistake;
use ureq::{Agent, Proxy};

use super::first_reply::FirstReply;

/// Limit of a reply's body in bytes, far above any answer.
const MAX_BODY_BYTES: u64 = 64 << 20;

/// Timeout for establishing a connection.
const CONNECT: Duration = Duration::from_secs(30);

/// Replaces a key in texts.
const HIDDEN: &str = "***";

/// A server's API key. It is sent in one header and used nowhere else: it is never printed, and replies are searched
/// for it.
#[derive(Default)]
pub(super) struct ApiKey(Option<String>);

impl ApiKey {
    /// Reads the key from an environment variable.
    ///
    /// # Errors
    /// The variable is named, but it is not set, empty, or not fit for an HTTP header.
    pub(super) fn from_variable(name: Option<&str>) -> Result<Self> {
        let Some(name) = name else {
            return Ok(Self::default());
        };
        let key = std::env::var(name).unwrap_or_default();
        let key = key.trim();
        let fits = |c: char| c.is_ascii_graphic();
        if key.is_empty() || !key.chars().all(fits) {
            let problem = if key.is_empty() {
                "is not set"
            } else {
                "contains characters that an HTTP header cannot"
            };
            return Err(UserMistake(format!(
                "`evaluate.endpoint.api_key_env` names {name}, which {problem}\n\
                 hint: export {name}=..., or remove `api_key_env` from the recipe if the server needs no key"
            ))
            .into());
        }
        Ok(Self(Some(key.to_owned())))
    }

    fn hide(&self, text: String) -> String {
        match &self.0 {
            Some(key) if text.contains(key) => text.replace(key, HIDDEN),
            _ => text,
        }
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(if self.0.is_some() { HIDDEN } else { "none" })
    }
}

/// A server, by its URL up to `/v1`.
#[derive(Debug)]
pub(super) struct Http {
    agent: Agent,
    base: String,
    key: ApiKey,
    timeout: Duration,
    first_reply: FirstReply,
}

/// A server's reply.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    /// Without the API key, even if the server repeats it.
    pub(super) body: String,
    /// The wait that the server requests in `Retry-After`.
    pub(super) retry_after: Option<Duration>,
}

/// The reason why there was no reply.
#[derive(Debug)]
pub(super) struct Lost(pub(super) String);

impl Http {
    pub(super) fn new(base: String, key: ApiKey, timeout: Duration, connections: usize) -> Self {
        // A proxy cannot reach this machine's loopback addresses.
        let proxy = if is_loopback(&base) {
            None
        } else {
            Proxy::try_from_env()
        };
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_global(Some(timeout))
            .timeout_connect(Some(CONNECT.min(timeout)))
            .max_idle_connections(connections)
            .max_idle_connections_per_host(connections)
            .proxy(proxy)
            .user_agent(concat!("slm-lora/", env!("CARGO_PKG_VERSION")))
            .build()
            .new_agent();
        Self {
            agent,
            base,
            key,
            timeout,
            first_reply: FirstReply::default(),
        }
    }

    pub(super) fn base(&self) -> &str {
        &self.base
    }

    /// Whether a key is sent.
    pub(super) fn has_key(&self) -> bool {
        self.key.0.is_some()
    }

    pub(super) fn get(&self, route: &str) -> Result<Reply, Lost> {
        let mut request = self.agent.get(format!("{}{route}", self.base));
        if let Some(key) = &self.key.0 {
            request = request.header("Authorization", format!("Bearer {key}"));
        }
        self.watched(|| self.read(request.call()))
    }

    pub(super) fn post(&self, route: &str, body: &Value) -> Result<Reply, Lost> {
        let mut request = self.agent.post(format!("{}{route}", self.base));
        if let Some(key) = &self.key.0 {
            request = request.header("Authorization", format!("Bearer {key}"));
        }
        let request = request.content_type("application/json");
        let reply = self.watched(|| self.read(request.send(body.to_string())));
        if reply.is_ok() {
            self.first_reply.settle();
        }
        reply
    }

    fn watched<T>(&self, send: impl FnOnce() -> T) -> T {
        let say = || {
            slm_cli::note(&format!(
                "waiting for {}: no reply yet; a request may take {} s (evaluate.endpoint.timeout_s)",
                self.base,
                self.timeout.as_secs_f64()
            ));
        };
        self.first_reply.watch(say, send)
    }

    fn read(
        &self,
        response: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
    ) -> Result<Reply, Lost> {
        let lost = |error: &ureq::Error| Lost(self.key.hide(words(error)));
        let mut response = response.map_err(|error| lost(&error))?;
        let header = |name: &str| response.headers().get(name)?.to_str().ok();
        let retry_after = header("retry-after").and_then(waiting);
        let moved = header("location").map(|place| format!("moved to {place}"));
        let status = response.status().as_u16();
        let body = response.body_mut().with_config().limit(MAX_BODY_BYTES);
        let body = body.read_to_vec().map_err(|error| lost(&error))?;
        let body = String::from_utf8_lossy(&body).into_owned();
        let body = moved
            .filter(|_| (300..400).contains(&status))
            .unwrap_or(body);
        Ok(Reply {
            status,
            body: self.key.hide(body),
            retry_after,
        })
    }
}

/// Describes an error without naming a library.
fn words(error: &ureq::Error) -> String {
    match error {
        ureq::Error::Timeout(_) => "no answer in time".to_owned(),
        ureq::Error::HostNotFound => "no such host".to_owned(),
        ureq::Error::ConnectionFailed => "cannot connect".to_owned(),
        ureq::Error::Io(error) => match error.kind() {
            std::io::ErrorKind::ConnectionRefused => {
                "cannot connect: connection refused".to_owned()
            }
            std::io::ErrorKind::TimedOut => "no answer in time".to_owned(),
            _ => format!("the connection broke: {error}"),
        },
        other => format!("the connection broke: {other}"),
    }
}

/// Parses `Retry-After`: seconds, or a date.
fn waiting(header: &str) -> Option<Duration> {
    let header = header.trim();
    let seconds = header.parse::<f64>().ok();
    let seconds = seconds.or_else(|| slm_cli::seconds_until(header))?;
    seconds
        .is_finite()
        .then(|| Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX))
}

/// Whether a URL's host is a loopback address.
fn is_loopback(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = rest.split('/').next().unwrap_or("");
    host.starts_with("[::1]") || {
        let host = host.split(':').next().unwrap_or("");
        let is_ipv4 = |host: &str| host.parse().is_ok_and(|ip: Ipv4Addr| ip.is_loopback());
        host == "localhost" || is_ipv4(host)
    }
}

/// Extracts the message of a server's error, on one line of about 300 characters.
pub(super) fn error_message(body: &str) -> String {
    let value: Value = serde_json::from_str(body).unwrap_or(Value::Null);
    let places = ["/error/message", "/message", "/detail", "/error"];
    let text = places
        .iter()
        .find_map(|place| {
            let found = value.pointer(place)?;
            let text = found
                .as_str()
                .map_or_else(|| found.to_string(), str::to_owned);
            (!found.is_null()).then_some(text)
        })
        .unwrap_or_else(|| body.to_owned());
    let line: Vec<&str> = text.split_whitespace().collect();
    let line = line.join(" ");
    match line.char_indices().nth(300) {
        Some((end, _)) => format!("{} ...", &line[..end]),
        None if line.is_empty() => "no reason given".to_owned(),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_never_shown() {
        let key = ApiKey(Some("sk-secret".to_owned()));
        assert_eq!(format!("{key:?}"), HIDDEN);
        assert_eq!(key.hide("no key sk-secret!".to_owned()), "no key ***!");
        let http = Http::new("http://h/v1".to_owned(), key, CONNECT, 1);
        assert!(!format!("{http:?}").contains("sk-secret"));
    }

    #[test]
    fn this_machine_is_asked_without_a_proxy() {
        let own = [
            "http://localhost:1/v1",
            "http://127.0.0.1/v1",
            "https://[::1]:8/v1",
        ];
        assert!(own.iter().all(|url| is_loopback(url)));
        let others = [
            "http://gpu-7:8000/v1",
            "https://example.com/localhost",
            "http://127.example.com/v1",
        ];
        assert!(!others.iter().any(|url| is_loopback(url)));
    }

    #[test]
    fn a_wait_is_told_in_seconds_or_as_a_date() {
        assert_eq!(waiting("2"), Some(Duration::from_secs(2)));
        assert_eq!(waiting("0.25"), Some(Duration::from_millis(250)));
        assert_eq!(waiting("-3"), Some(Duration::ZERO));
        let past = "Wed, 21 Oct 2015 07:28:00 GMT";
        assert_eq!(waiting(past), Some(Duration::ZERO));
        assert_eq!(waiting("soon"), None);
    }

    #[test]
    fn what_a_server_says_is_found_wherever_it_puts_it() {
        for (body, expected) in [
            (
                r#"{"error": {"message": "no\n such model"}}"#,
                "no such model",
            ),
            (r#"{"object": "error", "message": "bad"}"#, "bad"),
            (r#"{"detail": "Not Found"}"#, "Not Found"),
            (r#"{"detail": [{"msg": "m"}]}"#, r#"[{"msg":"m"}]"#),
            (r#"{"error": "model missing"}"#, "model missing"),
            ("<h1>502</h1>", "<h1>502</h1>"),
            ("", "no reason given"),
        ] {
            assert_eq!(error_message(body), expected, "{body}");
        }
        assert!(error_message(&"x".repeat(1000)).len() < 310);
    }
}
