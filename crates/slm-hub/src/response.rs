//! Interpretation of a hub's responses.

use std::fmt;
use std::time::Duration;

use slm_artifacts::Kind;
use ureq::Body;
use ureq::http::{HeaderMap, Response};

use crate::error::HubError;
use crate::hash::ContentId;

/// The subject of a request, for messages.
pub(crate) struct Target<'a> {
    pub(crate) kind: Kind,
    pub(crate) repository: &'a str,
    pub(crate) revision: &'a str,
    /// `None` for the repository as a whole.
    pub(crate) file: Option<&'a str>,
    /// Address of the repository's web page.
    pub(crate) page: String,
}

impl fmt::Display for Target<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.file {
            Some(file) => write!(f, "{file} of {}", self.repository),
            None => f.write_str(self.repository),
        }
    }
}

/// A failed request, and whether it may be repeated.
#[derive(Debug)]
pub(crate) struct RequestError {
    pub(crate) error: HubError,
    pub(crate) is_transient: bool,
    /// The value of `Retry-After`.
    pub(crate) retry_after: Option<Duration>,
}

impl RequestError {
    pub(crate) fn permanent(error: HubError) -> Self {
        Self {
            error,
            is_transient: false,
            retry_after: None,
        }
    }

    pub(crate) fn transient(error: HubError) -> Self {
        Self {
            error,
            is_transient: true,
            retry_after: None,
        }
    }
}

/// What the hub's own headers state about a file, before it redirects to the host of the content.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct FileHeaders {
    /// The commit of the revision.
    pub(crate) commit: Option<String>,
    /// Entity tag without quotes.
    pub(crate) etag: Option<String>,
    /// Size in bytes.
    pub(crate) bytes: Option<u64>,
}

impl FileHeaders {
    /// Adds the values in these headers; values of an earlier response are kept.
    pub(crate) fn take(&mut self, headers: &HeaderMap, is_redirect: bool) {
        let text = |name: &str| Some(headers.get(name)?.to_str().ok()?.trim().to_owned());
        let linked = text("x-linked-etag");
        let etag = linked.or_else(|| text("etag")).map(|tag| {
            let tag = tag.strip_prefix("W/").unwrap_or(&tag);
            tag.trim_matches('"').to_owned()
        });
        let own_length = || text("content-length").filter(|_| !is_redirect);
        let bytes = text("x-linked-size").or_else(own_length);
        self.commit = self.commit.take().or_else(|| text("x-repo-commit"));
        self.etag = self.etag.take().or(etag);
        self.bytes = self.bytes.or_else(|| bytes?.parse().ok());
    }

    /// Returns the hash in the entity tag, if it is one.
    pub(crate) fn content(&self) -> Option<ContentId> {
        ContentId::parse(self.etag.as_deref()?)
    }
}

/// Converts a response with an error status into an error.
pub(crate) fn refusal(
    mut response: Response<Body>,
    target: &Target,
    host: &str,
    has_token: bool,
) -> RequestError {
    let status = response.status().as_u16();
    let header = |name: &str| {
        let value = response.headers().get(name)?.to_str().ok()?;
        Some(value.trim().to_owned())
    };
    let code = header("x-error-code").unwrap_or_default();
    let message = header("x-error-message");
    let wait = header("retry-after").and_then(|text| text.parse().ok());
    let said = message
        .clone()
        .or_else(|| said_in(&mut response))
        .map(|text| one_line(&text))
        .unwrap_or_default();
    let host = host.to_owned();
    let repository = target.repository.to_owned();
    match (status, code.as_str()) {
        (_, "RevisionNotFound") => RequestError::permanent(HubError::NoRevision {
            repository,
            revision: target.revision.to_owned(),
        }),
        (_, "EntryNotFound") => RequestError::permanent(HubError::NoFile {
            repository,
            file: target.file.unwrap_or_default().to_owned(),
            candidates: Vec::new(),
        }),
        (_, "GatedRepo") => RequestError::permanent(HubError::Gated {
            repository,
            url: target.page.clone(),
            said,
        }),
        (401, _) if said.starts_with("Invalid credentials") => {
            RequestError::permanent(HubError::WrongToken { host, said })
        }
        // The hub does not distinguish a private repository from a missing one.
        (_, "RepoNotFound") | (401 | 404, _) => RequestError::permanent(HubError::NoRepository {
            kind: target.kind,
            repository,
            host,
            has_token,
        }),
        (429, _) => RequestError {
            error: HubError::TooMany {
                host,
                wait_s: wait,
                attempts: 1,
            },
            is_transient: true,
            retry_after: wait.map(Duration::from_secs),
        },
        (408 | 500..=599, _) => RequestError {
            error: HubError::Server {
                host,
                status,
                said,
                attempts: 1,
            },
            is_transient: true,
            retry_after: wait.map(Duration::from_secs),
        },
        _ => RequestError::permanent(HubError::Refused {
            host,
            what: target.to_string(),
            status,
            said,
        }),
    }
}

/// Returns the message in the body of an error, which is `{"error": ...}` if the hub wrote it.
fn said_in(response: &mut Response<Body>) -> Option<String> {
    let text = response
        .body_mut()
        .with_config()
        .limit(1 << 16)
        .read_to_string()
        .ok()?;
    let value: serde_json::Value = serde_json::from_str(&text).ok()?;
    value["error"].as_str().map(str::to_owned)
}

/// Makes a server's message printable: one line without control characters, at most 300 characters.
fn one_line(text: &str) -> String {
    let words: Vec<&str> = text
        .split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|word| !word.is_empty())
        .collect();
    words.join(" ").chars().take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn linked(headers: &[(&'static str, &str)], is_redirect: bool) -> FileHeaders {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().expect("a header"));
        }
        let mut linked = FileHeaders::default();
        linked.take(&map, is_redirect);
        linked
    }

    #[test]
    fn the_linked_file_comes_before_the_answer_itself() {
        let sha = "a".repeat(64);
        let found = linked(
            &[
                ("x-repo-commit", "abc"),
                ("etag", "\"other\""),
                ("x-linked-etag", &format!("\"{sha}\"")),
                ("x-linked-size", "12"),
                ("content-length", "3"),
            ],
            true,
        );
        assert_eq!(found.commit.as_deref(), Some("abc"));
        assert_eq!(found.content(), Some(ContentId::Sha256(sha)));
        assert_eq!(found.bytes, Some(12));
    }

    #[test]
    fn a_weak_tag_loses_its_mark_and_a_redirects_length_is_not_the_files() {
        let found = linked(&[("etag", "W/\"x\""), ("content-length", "3")], true);
        assert_eq!((found.etag.as_deref(), found.bytes), (Some("x"), None));
        let found = linked(&[("content-length", "3")], false);
        assert_eq!(found.bytes, Some(3));
    }

    #[test]
    fn a_servers_words_become_one_line() {
        assert_eq!(one_line("a\n\x1b[31m b\t"), "a [31m b");
        assert_eq!(one_line(&"x".repeat(1000)).len(), 300);
    }
}
