//! What a hub's answers mean.

use std::time::Duration;

use ureq::Body;
use ureq::http::{HeaderMap, Response};

use crate::HubError;
use crate::client::Asked;
use crate::hash::ContentId;

/// Longest pause that a server may ask for; a longer one is told to the user.
const LONGEST_WAIT: Duration = Duration::from_mins(5);

/// A request that failed, and whether to try again.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) error: HubError,
    pub(crate) again: bool,
    /// Pause that the server asks for.
    pub(crate) wait: Option<Duration>,
}

impl Failure {
    pub(crate) fn last(error: HubError) -> Self {
        Self {
            error,
            again: false,
            wait: None,
        }
    }

    pub(crate) fn passing(error: HubError) -> Self {
        Self {
            error,
            again: true,
            wait: None,
        }
    }
}

/// What the hub says of a file in its own headers, before it sends the client elsewhere for the bytes.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Linked {
    /// The commit that the revision is.
    pub(crate) commit: Option<String>,
    /// Entity tag without quotes.
    pub(crate) etag: Option<String>,
    /// Size in bytes.
    pub(crate) bytes: Option<u64>,
}

impl Linked {
    /// Takes what these headers say; what was said before by an earlier answer of the hub stays.
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

    /// The content that the entity tag names, if it is a hash.
    pub(crate) fn content(&self) -> Option<ContentId> {
        ContentId::parse(self.etag.as_deref()?)
    }
}

/// Why an answer with an error status is no success.
pub(crate) fn failure(
    mut response: Response<Body>,
    asked: &Asked,
    host: &str,
    has_token: bool,
) -> Failure {
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
    let repository = asked.repository.to_owned();
    match (status, code.as_str()) {
        (_, "RevisionNotFound") => Failure::last(HubError::NoRevision {
            repository,
            revision: asked.revision.to_owned(),
        }),
        (_, "EntryNotFound") => Failure::last(HubError::NoFile {
            repository,
            file: asked.file.unwrap_or_default().to_owned(),
            candidates: Vec::new(),
        }),
        (_, "GatedRepo") => Failure::last(HubError::Gated {
            repository,
            url: asked.page.clone(),
            said,
        }),
        (401, _) if said.starts_with("Invalid credentials") => {
            Failure::last(HubError::WrongToken { host, said })
        }
        // The hub does not tell a private repository from none.
        (_, "RepoNotFound") | (401 | 404, _) => Failure::last(HubError::NoRepository {
            kind: asked.kind,
            repository,
            host,
            has_token,
        }),
        (429, _) => {
            let pause = wait.map(Duration::from_secs);
            Failure {
                error: HubError::TooMany {
                    host,
                    wait_s: wait,
                    attempts: 1,
                },
                again: pause.is_none_or(|pause| pause <= LONGEST_WAIT),
                wait: pause,
            }
        }
        (408 | 500..=599, _) => Failure {
            error: HubError::Server {
                host,
                status,
                said,
                attempts: 1,
            },
            again: wait.is_none_or(|wait| Duration::from_secs(wait) <= LONGEST_WAIT),
            wait: wait.map(Duration::from_secs),
        },
        _ => Failure::last(HubError::Refused {
            host,
            what: asked.to_string(),
            status,
            said,
        }),
    }
}

/// The words in the body of an error, which is `{"error": ...}` where the hub wrote it.
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

/// A server's words as part of a message: one line, no control characters, not endless.
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

    fn linked(headers: &[(&'static str, &str)], is_redirect: bool) -> Linked {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().expect("a header"));
        }
        let mut linked = Linked::default();
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
