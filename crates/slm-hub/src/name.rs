//! Names of repositories on the hub.

use std::fmt;
use std::path::{Component, Path};

use hf_hub::{Repo, RepoType};
use slm_artifacts::Kind;

use crate::error::HubError;

/// The default branch.
pub(crate) const MAIN: &str = "main";

/// A repository, optionally with a revision and with files in it: `hf:OWNER/NAME@REVISION#FILE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubName {
    /// `OWNER/NAME`.
    pub repository: String,
    /// A branch, a tag or a commit; `None` means `main`.
    pub revision: Option<String>,
    /// A file, a folder, or a pattern in which `*` matches anything but `/`.
    pub file: Option<String>,
}

impl HubName {
    /// Parses `hf:OWNER/NAME[@REVISION][#FILE]`; `None` if the text does not begin with `hf:`.
    ///
    /// # Errors
    /// [`HubError::NoName`] if the rest does not have that form.
    pub fn parse(text: &str) -> Option<Result<Self, HubError>> {
        let rest = text.strip_prefix("hf:")?;
        Some(Self::parse_rest(rest).ok_or_else(|| HubError::NoName {
            text: text.to_owned(),
        }))
    }

    /// Parses a bare `OWNER/NAME`; `None` if the text does not have that form.
    pub fn bare(text: &str) -> Option<Self> {
        is_repository(text).then(|| Self {
            repository: text.to_owned(),
            revision: None,
            file: None,
        })
    }

    fn parse_rest(rest: &str) -> Option<Self> {
        let (rest, file) = split(rest, '#');
        let (repository, revision) = split(rest, '@');
        let holds = is_repository(repository)
            && revision.is_none_or(is_revision)
            && file.is_none_or(is_inside);
        holds.then(|| Self {
            repository: repository.to_owned(),
            revision: revision.map(str::to_owned),
            file: file.map(str::to_owned),
        })
    }

    /// Returns the branch, tag or commit.
    pub fn revision(&self) -> &str {
        self.revision.as_deref().unwrap_or(MAIN)
    }

    /// Returns the repository at this revision as a type of `hf-hub`.
    pub(crate) fn repo_at(&self, kind: Kind, revision: &str) -> Repo {
        let kind = match kind {
            Kind::Model => RepoType::Model,
            Kind::Dataset => RepoType::Dataset,
        };
        Repo::with_revision(self.repository.clone(), kind, revision.to_owned())
    }
}

impl fmt::Display for HubName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "hf:{}", self.repository)?;
        if let Some(revision) = &self.revision {
            write!(f, "@{revision}")?;
        }
        if let Some(file) = &self.file {
            write!(f, "#{file}")?;
        }
        Ok(())
    }
}

fn split(text: &str, at: char) -> (&str, Option<&str>) {
    match text.split_once(at) {
        Some((before, after)) => (before, Some(after)),
        None => (text, None),
    }
}

fn is_repository(text: &str) -> bool {
    text.split_once('/')
        .is_some_and(|(owner, name)| is_plain(owner) && is_plain(name))
}

/// Checks a part of a name by the hub's own rules.
fn is_plain(text: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    (1..=96).contains(&text.len())
        && text.chars().all(is_plain)
        && !text.starts_with(['.', '-'])
        && !text.ends_with(['.', '-'])
        && !text.contains("--")
        && !text.contains("..")
}

/// Checks a revision, which becomes a part of an address and of a path in the cache folder.
fn is_revision(text: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/' | '+');
    text.chars().all(is_plain) && !text.starts_with('-') && is_inside(text)
}

/// Whether a path stays inside a repository; paths listed by a server are checked, too.
pub(crate) fn is_inside(text: &str) -> bool {
    let parts = || text.trim_end_matches('/').split('/');
    !text.is_empty()
        && !text.contains(['\\', '\0', '\n', '\r'])
        && parts().all(|part| !part.is_empty() && part != ".")
        && Path::new(text)
            .components()
            .all(|part| matches!(part, Component::Normal(_)))
}

/// Whether a revision is a commit hash, whose files never change.
pub(crate) fn is_commit(text: &str) -> bool {
    text.len() == 40
        && text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_a_name_is_read() {
        let parts = |text: &str| {
            let name = HubName::parse(text).expect("hf:").expect(text);
            assert_eq!(name.to_string(), text);
            (name.repository, name.revision, name.file)
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(parts("hf:a/b"), ("a/b".to_owned(), None, None));
        assert_eq!(
            parts("hf:a-1/b_2.3@refs/convert/parquet#default/train"),
            (
                "a-1/b_2.3".to_owned(),
                some("refs/convert/parquet"),
                some("default/train")
            )
        );
        assert_eq!(
            parts("hf:a/b#data/train-*.parquet"),
            ("a/b".to_owned(), None, some("data/train-*.parquet"))
        );
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for text in [
            "hf:",
            "hf:a",
            "hf:a/",
            "hf:/b",
            "hf:a/b/c",
            "hf:a/b@",
            "hf:a/b#",
            "hf:a/b@../main",
            "hf:a/b@x y",
            "hf:a/b@x?y",
            "hf:a/b#../up",
            "hf:a/b#/etc/passwd",
            "hf:a/b#x//y",
            "hf:a/..",
            "hf:a--b/c",
            "hf:.a/b",
        ] {
            let error = HubName::parse(text).expect("hf:").expect_err(text);
            assert!(error.to_string().contains("hint: "), "{error}");
        }
        assert!(HubName::parse("a/b").is_none());
    }

    #[test]
    fn a_bare_name_is_owner_and_name() {
        assert!(HubName::bare("Qwen/Qwen2.5-Coder-1.5B-Instruct").is_some());
        for text in ["a", "a/b/c", "./a", "../a", "/a/b", "a/b@main", "a /b"] {
            assert_eq!(HubName::bare(text), None, "{text}");
        }
    }
}
