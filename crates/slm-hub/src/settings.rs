//! What a user of the hub can set.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// Where the hub is, where its files go, and how patient a download is.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Address of the hub or of a mirror, such as `https://huggingface.co`.
    pub endpoint: String,
    /// The shared folder of repositories; made if it is not there.
    pub cache_dir: PathBuf,
    /// Folder of the notes on which files were checked.
    pub notes_dir: PathBuf,
    /// Who asks, for private and gated repositories.
    pub token: Option<Token>,
    /// Whether only files that are here already may be used.
    pub offline: bool,
    /// Longest silence of a server, while connecting and between two pieces of a body.
    pub timeout: Duration,
    /// Pause before the second try of a request; each further one is twice as long.
    pub first_wait: Duration,
}

/// A user's access token. It is sent to [`Settings::endpoint`] alone, and never shown.
#[derive(Clone)]
pub struct Token(String);

impl Token {
    /// The token in `text`, less the white space around it; `None` if there is nothing else.
    pub fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        (!text.is_empty()).then(|| Self(text.to_owned()))
    }

    /// The value of the header `Authorization`.
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
