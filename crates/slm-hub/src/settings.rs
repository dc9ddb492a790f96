//! Settings of the hub client.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// The hub's address, the cache folder, and the timeouts of downloads.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Address of the hub or of a mirror, such as `https://huggingface.co`.
    pub endpoint: String,
    /// The shared folder of repositories; created if missing.
    pub cache_dir: PathBuf,
    /// Folder of the records of verified files.
    pub notes_dir: PathBuf,
    /// The user's token, for private and gated repositories.
    pub token: Option<Token>,
    /// Whether only cached files may be used.
    pub offline: bool,
    /// Timeout for connecting, for response headers, and between two pieces of a body.
    pub timeout: Duration,
    /// Pause before the second attempt of a request; it doubles with each further attempt.
    pub first_wait: Duration,
}

/// A user's access token. It is sent only to [`Settings::endpoint`], and never shown.
#[derive(Clone)]
pub struct Token(String);

impl Token {
    /// Creates a token from `text` without surrounding white space; `None` if nothing remains.
    pub fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        (!text.is_empty()).then(|| Self(text.to_owned()))
    }

    /// Returns the value of the header `Authorization`.
    pub(crate) fn authorization(&self) -> String {
        format!("Bearer {}", self.0)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_never_shown() {
        let token = Token::new(" hf_secret\n").expect("a token");
        assert_eq!(token.authorization(), "Bearer hf_secret");
        assert_eq!(format!("{token:?}"), "Token(hidden)");
        assert!(Token::new(" \n").is_none());
    }
}
