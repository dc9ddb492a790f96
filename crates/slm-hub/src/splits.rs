//! Splits and subsets of data sets, by the names of files and folders.
//!
//! The layouts are those of the hub: `data/train-00000-of-00002.parquet`, `SUBSET/test.jsonl`, and `SUBSET/SPLIT/0000.parquet`
//! of the conversion to parquet.

/// A part of a data set.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Part<'a> {
    /// Its split, such as `test`; `None` for the training split.
    pub split: Option<&'a str>,
    /// Its subset; `None` for a data set without subsets.
    pub subset: Option<&'a str>,
}

impl Part<'_> {
    /// Whether a split or a subset is named.
    pub fn is_named(&self) -> bool {
        self.split.is_some() || self.subset.is_some()
    }
}

/// Names that mean one split.
const SAME: [&[&str]; 2] = [&["validation", "valid", "val", "dev"], &["test", "eval"]];

/// Whether a file is of a subset: in a folder of this name, or with a file name that begins with it.
pub(crate) fn is_of_subset(path: &str, subset: &str) -> bool {
    let (folders, file) = path.rsplit_once('/').unwrap_or(("", path));
    let begins = file
        .strip_prefix(subset)
        .is_some_and(|rest| rest.starts_with(['.', '-', '_']));
    begins || folders.split('/').any(|folder| folder == subset)
}

/// Whether a file is of a split: its name, without number and ending, or a folder of it is this name, or contains it between
/// dots and hyphens.
pub(crate) fn is_of_split(path: &str, split: &str) -> bool {
    let same = SAME.iter().find(|names| names.contains(&split));
    let is_it = |word: &str| word == split || same.is_some_and(|names| names.contains(&word));
    let parts = || path.split('/');
    parts().any(is_it) || parts().flat_map(|part| part.split(['.', '-'])).any(is_it)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_of_the_split_that_its_name_or_folder_names() {
        for (path, split, expected) in [
            ("data/train-00000-of-00002.parquet", "train", true),
            ("data/train_sft-00000-of-00002.parquet", "train_sft", true),
            ("data/train_sft-00000-of-00002.parquet", "train", false),
            ("main/test/0000.parquet", "test", true),
            ("latest.jsonl", "test", false),
            ("dev.jsonl", "validation", true),
            ("SQuAD.dev.json", "validation", true),
            ("train.jsonl", "test", false),
        ] {
            assert_eq!(is_of_split(path, split), expected, "{path} {split}");
        }
    }

    #[test]
    fn a_file_is_of_the_subset_that_its_folder_or_the_beginning_of_its_name_names() {
        for (path, subset, expected) in [
            ("main/train.parquet", "main", true),
            ("data/main/train.parquet", "main", true),
            ("main-train.jsonl", "main", true),
            ("mainly/train.parquet", "main", false),
            ("train.main", "main", false),
        ] {
            assert_eq!(is_of_subset(path, subset), expected, "{path} {subset}");
        }
    }
}
