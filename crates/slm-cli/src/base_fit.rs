//! Whether an adapter belongs to a base model, by hash and by name.

/// What hash and name show about the base model of an adapter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BaseFit {
    /// It is the recipe's, as far as is known.
    Same,
    /// Probably the recipe's; the text is a warning.
    Doubtful(&'static str),
    /// It is another one.
    Other,
}

impl BaseFit {
    /// Compares the base model that an adapter names (`theirs`) with the recipe's (`ours`). `is_same_file` is whether the hash that
    /// the adapter's training recorded is that of the recipe's files, if both are known.
    pub fn of(is_same_file: Option<bool>, theirs: &str, ours: &str) -> Self {
        let is_same_name = last_part(theirs) == last_part(ours);
        match is_same_file {
            Some(true) => Self::Same,
            Some(false) if is_same_name => {
                Self::Doubtful("the files differ, as those of another format or quantisation do")
            }
            Some(false) => Self::Other,
            None if is_same_name || theirs == "unknown" => Self::Same,
            None if is_hub_name(theirs) && is_hub_name(ours) => Self::Other,
            None => Self::Doubtful("a path does not show which model it is"),
        }
    }
}

/// The last part of a model's name or path without its revision, in lower case.
fn last_part(name: &str) -> String {
    let name = name.trim_end_matches('/');
    let name = name.rsplit(['/', '\\', ':']).next().unwrap_or(name);
    name.split(['@', '#']).next().unwrap_or(name).to_lowercase()
}

/// Whether a name has the form `OWNER/NAME` of the hub and not that of a path.
fn is_hub_name(name: &str) -> bool {
    let parts: Vec<&str> = name.split('/').collect();
    let is_plain = |part: &&str| !part.is_empty() && !part.starts_with('.') && !part.contains(':');
    parts.len() == 2 && parts.iter().all(is_plain) && !name.to_lowercase().ends_with(".gguf")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_decides_before_the_name() {
        for (is_same_file, theirs, ours, expected) in [
            (Some(true), "a/b", "/models/x.gguf", "same"),
            (Some(false), "a/b", "c/B@main", "doubtful"),
            (Some(false), "a/b", "/models/x.gguf", "other"),
            (None, "a/b", "./models/b/", "same"),
            (None, "unknown", "a/b", "same"),
            (None, "a/b", "a/c", "other"),
            (None, "/home/me/b", "a/c", "doubtful"),
            (None, "a/b", "pip:package==1#b/c.gguf", "doubtful"),
        ] {
            let found = match BaseFit::of(is_same_file, theirs, ours) {
                BaseFit::Same => "same",
                BaseFit::Doubtful(_) => "doubtful",
                BaseFit::Other => "other",
            };
            assert_eq!(found, expected, "{is_same_file:?}, {theirs}, {ours}");
        }
    }
}
