//! Selection of the data files of a repository.

use std::collections::BTreeMap;

use crate::error::HubError;
use crate::listing::Listing;
use crate::name::HubName;
use crate::splits::{Part, is_of_split, is_of_subset};

/// Files that describe data and contain none.
const DESCRIPTIONS: [&str; 4] = [
    "dataset_infos.json",
    "dataset_info.json",
    "state.json",
    "dataset_dict.json",
];
/// Words in a path that mark data for validation or tests.
const NOT_TRAINING: [&str; 7] = [
    "test",
    "validation",
    "valid",
    "val",
    "dev",
    "eval",
    "heldout",
];

/// The data files of a folder or repository, by split.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrainingPart {
    /// The files for training, by path.
    pub files: Vec<String>,
    /// The files for validation or tests.
    pub others: Vec<String>,
}

/// The selection of data files is ambiguous or incomplete.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct Unclear {
    /// Why it is not clear.
    pub problem: String,
    /// Files that may be meant.
    pub candidates: Vec<String>,
}

/// Selects the training split among `paths`, which are relative to a folder or repository.
///
/// `endings` are the endings of readable files. Files that describe data, and hidden files, are ignored.
///
/// # Errors
/// [`Unclear`] if all files are for validation or tests, if files of several folders or formats would be mixed or
/// counted twice, or if a numbered series has gaps.
pub fn training_part(paths: &[&str], endings: &[&str]) -> Result<TrainingPart, Unclear> {
    part_of(paths, endings, Part::default())
}

/// Selects a split of a subset among `paths`, as [`training_part`] does for the training split.
///
/// # Errors
/// As [`training_part`]; also if there is no such split or subset.
pub fn part_of(paths: &[&str], endings: &[&str], part: Part<'_>) -> Result<TrainingPart, Unclear> {
    let mut readable: Vec<&str> = paths
        .iter()
        .copied()
        .filter(|path| is_data(path, endings))
        .collect();
    let all = readable.clone();
    if let Some(subset) = part.subset {
        readable.retain(|path| is_of_subset(path, subset));
    }
    let is_training = |path: &&str| !words(path).any(|word| NOT_TRAINING.contains(&word.as_str()));
    let is_wanted = |path: &&str| match part.split {
        Some(split) => is_of_split(path, split),
        None => is_training(path),
    };
    let has_named = readable.iter().any(is_wanted);
    let (training, others): (Vec<&str>, Vec<&str>) = match part.split {
        // Files without the name of a split are for training.
        Some("train") if !has_named => readable.into_iter().partition(is_training),
        Some(_) => (readable.into_iter().filter(is_wanted).collect(), Vec::new()),
        None => readable.into_iter().partition(is_training),
    };
    if part.is_named() && training.is_empty() {
        let named = [("subset", part.subset), ("split", part.split)];
        let named = named
            .iter()
            .filter_map(|(what, name)| Some(format!("{what} `{}`", name.as_ref()?)));
        let named: Vec<String> = named.collect();
        return Err(Unclear {
            problem: format!("has no data of {}", named.join(", ")),
            candidates: all.into_iter().map(str::to_owned).collect(),
        });
    }
    let owned = |paths: &[&str]| paths.iter().map(|path| (*path).to_owned()).collect();
    // Which of several subsets is meant is the user's choice.
    let mut groups: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    for path in &training {
        groups
            .entry((folder(path), format(path, endings)))
            .or_default()
            .push(path);
    }
    match groups.len() {
        0 if others.is_empty() => return Ok(TrainingPart::default()),
        0 => {
            return Err(Unclear {
                problem: "has no data for training".to_owned(),
                candidates: owned(&others),
            });
        }
        1 => {}
        n => {
            return Err(Unclear {
                problem: format!("holds data of {n} folders or formats"),
                candidates: owned(&training),
            });
        }
    }
    check_shards(&training)?;
    Ok(TrainingPart {
        files: owned(&training),
        others: owned(&others),
    })
}

/// Selects the training split, or the files that match `pattern`; `None` if the repository has no readable file.
///
/// # Errors
/// [`HubError::NoFile`] if `pattern` matches no readable file; [`HubError::NoData`] if the selection without a pattern
/// is not clear, see [`training_part`].
pub(crate) fn choose(
    listing: &Listing,
    repository: &str,
    pattern: Option<&str>,
    part: Part<'_>,
    endings: &[&str],
) -> Result<Option<Vec<String>>, HubError> {
    let readable = readable(listing, endings);
    if readable.is_empty() {
        return Ok(None);
    }
    if let Some(pattern) = pattern {
        return named(&readable, repository, pattern).map(Some);
    }
    match part_of(&readable, endings, part) {
        Ok(part) => Ok(Some(part.files)),
        Err(error) => Err(error.of(repository)),
    }
}

impl Unclear {
    fn of(self, repository: &str) -> HubError {
        let candidates: Vec<&str> = self.candidates.iter().map(String::as_str).collect();
        unclear(repository, &self.problem, &candidates)
    }
}

/// Selects a single file: the named one, or the only readable one.
///
/// # Errors
/// As [`choose`]; also if there are several.
pub(crate) fn single(
    listing: &Listing,
    name: &HubName,
    endings: &[&str],
) -> Result<String, HubError> {
    let readable = readable(listing, endings);
    let files = match &name.file {
        Some(pattern) => named(&readable, &name.repository, pattern)?,
        None => readable.iter().map(|path| (*path).to_owned()).collect(),
    };
    match &files[..] {
        [file] => Ok(file.clone()),
        [] => Err(unclear(
            &name.repository,
            "has no file that can be read here",
            &[],
        )),
        several => {
            let problem = format!("holds {} files, but one is expected", several.len());
            let names: Vec<&str> = several.iter().map(String::as_str).collect();
            Err(unclear(&name.repository, &problem, &names))
        }
    }
}

fn readable<'l>(listing: &'l Listing, endings: &[&str]) -> Vec<&'l str> {
    listing
        .paths()
        .filter(|path| is_data(path, endings))
        .collect()
}

/// Whether a file contains readable data, judged by its name.
fn is_data(path: &str, endings: &[&str]) -> bool {
    let file = path.rsplit('/').next().unwrap_or(path);
    !ending(path, endings).is_empty() && !file.starts_with('.') && !DESCRIPTIONS.contains(&file)
}

fn named(readable: &[&str], repository: &str, pattern: &str) -> Result<Vec<String>, HubError> {
    let folder = format!("{}/", pattern.trim_end_matches('/'));
    let found: Vec<&str> = readable
        .iter()
        .copied()
        .filter(|path| path.starts_with(&folder) || matches(pattern, path))
        .collect();
    if found.is_empty() {
        return Err(HubError::NoFile {
            repository: repository.to_owned(),
            file: format!("{pattern} that can be read here"),
            candidates: readable.iter().map(|path| (*path).to_owned()).collect(),
        });
    }
    // One part of a series may be selected by its full name.
    if found != [pattern] {
        check_shards(&found).map_err(|error| error.of(repository))?;
    }
    Ok(found.into_iter().map(str::to_owned).collect())
}

fn unclear(repository: &str, problem: &str, files: &[&str]) -> HubError {
    HubError::NoData {
        repository: repository.to_owned(),
        problem: problem.to_owned(),
        candidates: files
            .iter()
            .map(|path| format!("hf:{repository}#{path}"))
            .collect(),
    }
}

/// Whether a pattern matches a whole path; `*` matches any characters but `/`.
fn matches(pattern: &str, path: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == path,
        Some((before, after)) => path.strip_prefix(before).is_some_and(|rest| {
            let run = rest.find('/').unwrap_or(rest.len());
            rest.char_indices()
                .map(|(at, _)| at)
                .chain([rest.len()])
                .take_while(|at| *at <= run)
                .any(|at| matches(after, &rest[at..]))
        }),
    }
}

/// Checks numbered series such as `train-00000-of-00003.parquet` for gaps, which occur if the listing was made from the
/// cache folder.
fn check_shards(files: &[&str]) -> Result<(), Unclear> {
    let mut series: BTreeMap<(String, usize), usize> = BTreeMap::new();
    for path in files {
        if let Some((before, of)) = shard(path) {
            *series.entry((before, of)).or_default() += 1;
        }
    }
    match series.into_iter().find(|((_, of), n)| n < of) {
        Some(((before, of), n)) => Err(Unclear {
            problem: format!("is incomplete: it has {n} of {of} files of {before}"),
            candidates: Vec::new(),
        }),
        None => Ok(()),
    }
}

/// Returns the part before `-00001-of-00003`, and the 3.
fn shard(path: &str) -> Option<(String, usize)> {
    let (before, after) = path.rsplit_once("-of-")?;
    let (stem, number) = before.rsplit_once('-')?;
    number.parse::<usize>().ok()?;
    let digits: String = after.chars().take_while(char::is_ascii_digit).collect();
    Some((stem.to_owned(), digits.parse().ok()?))
}

fn folder(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// Returns the longest of `endings` that `path` has, or an empty string.
fn ending<'e>(path: &str, endings: &[&'e str]) -> &'e str {
    let path = path.to_lowercase();
    let found = endings.iter().filter(|ending| path.ends_with(**ending));
    found
        .max_by_key(|ending| ending.len())
        .copied()
        .unwrap_or("")
}

/// Returns the format of a file by its ending, ignoring compression; `.ndjson` is the same as `.jsonl`.
fn format<'e>(path: &str, endings: &[&'e str]) -> &'e str {
    let ending = ending(path, endings);
    match ending.strip_suffix(".gz").unwrap_or(ending) {
        ".ndjson" => ".jsonl",
        plain => plain,
    }
}

/// Returns the words of a path, in lower case.
fn words(path: &str) -> impl Iterator<Item = String> {
    path.split(|c: char| !c.is_ascii_alphabetic())
        .map(str::to_lowercase)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listing::Entry;

    const ENDINGS: [&str; 4] = [".jsonl", ".jsonl.gz", ".json", ".parquet"];

    fn listing(paths: &[&str]) -> Listing {
        let entry = |path: &&str| Entry::found((*path).to_owned(), 1, None);
        Listing::new("c".repeat(40), paths.iter().map(entry).collect())
    }

    fn chosen(paths: &[&str], pattern: Option<&str>) -> Result<Option<Vec<String>>, String> {
        choose(&listing(paths), "a/b", pattern, Part::default(), &ENDINGS)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn without_a_pattern_it_is_the_training_part() {
        let train = [
            "data/train-00000-of-00002.parquet",
            "data/train-00001-of-00002.parquet",
        ];
        let paths = [
            train[0],
            train[1],
            "data/test-00000-of-00001.parquet",
            "data/validation-00000-of-00001.parquet",
            "README.md",
            "dataset_infos.json",
            ".gitattributes",
        ];
        let files = chosen(&paths, None).expect("clear").expect("files");
        assert_eq!(files, train);
        let one = ["data-oss_instruct-decontaminated.jsonl", "README.md"];
        assert_eq!(
            chosen(&one, None).expect("clear").expect("a file"),
            [one[0]]
        );
        // A word inside another does not count.
        let contest = ["contests.jsonl"];
        assert_eq!(
            chosen(&contest, None).expect("clear").expect("a file"),
            contest
        );
    }

    #[test]
    fn what_would_be_mixed_is_asked_for() {
        let folders = ["main/train.parquet", "socratic/train.parquet"];
        let text = chosen(&folders, None).expect_err("unclear");
        assert!(
            text.contains("2 folders or formats")
                && text.contains(
                    "hint: name a file, a folder or a pattern: hf:a/b#main/train.parquet"
                ),
            "{text}"
        );
        let formats = ["train.jsonl", "train.parquet"];
        assert!(chosen(&formats, None).is_err());
        assert!(chosen(&["test.jsonl"], None).is_err());
        assert_eq!(chosen(&["README.md", "x.zip"], None), Ok(None));
    }

    #[test]
    fn compression_makes_no_other_format() {
        let paths = ["a.jsonl", "b.jsonl.gz"];
        let files = chosen(&paths, None).expect("clear").expect("files");
        assert_eq!(files, paths);
    }

    #[test]
    fn the_rest_of_a_folder_is_named() {
        let paths = ["train.jsonl", "test.jsonl", "README.md", "state.json"];
        let part = training_part(&paths, &ENDINGS).expect("clear");
        assert_eq!(
            (part.files, part.others),
            (
                vec!["train.jsonl".to_owned()],
                vec!["test.jsonl".to_owned()]
            )
        );
        assert_eq!(
            training_part(&["a.txt"], &ENDINGS),
            Ok(TrainingPart::default())
        );
    }

    #[test]
    fn a_split_and_a_subset_are_selected_by_name() {
        let paths = [
            "main/test-00000-of-00001.parquet",
            "main/train-00000-of-00001.parquet",
            "socratic/train-00000-of-00001.parquet",
        ];
        let part = |split, subset| {
            let part = part_of(&paths, &ENDINGS, Part { split, subset });
            part.map(|part| part.files).map_err(|error| error.problem)
        };
        assert_eq!(part(None, Some("main")).expect("clear"), [paths[1]]);
        assert_eq!(part(Some("test"), Some("main")).expect("clear"), [paths[0]]);
        assert_eq!(part(Some("test"), None).expect("clear"), [paths[0]]);
        assert!(
            part(Some("train"), None)
                .expect_err("two")
                .contains("2 folders")
        );
        assert_eq!(
            part(Some("test"), Some("socratic")).expect_err("none"),
            "has no data of subset `socratic`, split `test`"
        );
        assert_eq!(
            part(None, Some("x")).expect_err("none"),
            "has no data of subset `x`"
        );
        let plain = part_of(
            &["a.jsonl"],
            &ENDINGS,
            Part {
                split: Some("train"),
                subset: None,
            },
        );
        assert_eq!(plain.expect("clear").files, ["a.jsonl"]);
    }

    #[test]
    fn a_pattern_names_a_file_a_folder_or_several() {
        let paths = [
            "a/x-1.parquet",
            "a/x-2.parquet",
            "a/b/x-3.parquet",
            "y.jsonl",
        ];
        for (pattern, expected) in [
            ("y.jsonl", &paths[3..]),
            ("a/x-*.parquet", &paths[..2]),
            ("a/b", &paths[2..3]),
            ("a/b/", &paths[2..3]),
            ("*.jsonl", &paths[3..]),
            ("a/*/*.parquet", &paths[2..3]),
        ] {
            let files = chosen(&paths, Some(pattern)).expect(pattern);
            let mut expected = expected.to_vec();
            expected.sort_unstable();
            assert_eq!(files.expect("files"), expected, "{pattern}");
        }
        let text = chosen(&paths, Some("z.jsonl")).expect_err("not there");
        assert!(text.contains("hint: its files: a/b/x-3.parquet"), "{text}");
    }

    #[test]
    fn a_series_with_a_gap_is_refused() {
        let paths = [
            "data/train-00000-of-00003.parquet",
            "data/train-00002-of-00003.parquet",
        ];
        let text = chosen(&paths, None).expect_err("one is missing");
        assert!(text.contains("2 of 3 files"), "{text}");
        let one = Some("data/train-00002-of-00003.parquet");
        assert!(chosen(&paths, one).is_ok());
    }

    #[test]
    fn one_file_is_wanted_and_found() {
        let single = |paths: &[&str], text: &str| {
            let name = HubName::parse(text).expect("hf:").expect("a name");
            super::single(&listing(paths), &name, &ENDINGS).map_err(|error| error.to_string())
        };
        let paths = ["full/test.parquet", "full/train.parquet"];
        assert_eq!(
            single(&paths, "hf:a/b#full/test.parquet").as_deref(),
            Ok("full/test.parquet")
        );
        assert!(
            single(&paths, "hf:a/b")
                .expect_err("two")
                .contains("2 files")
        );
        assert_eq!(
            single(&["x.jsonl", "README.md"], "hf:a/b").as_deref(),
            Ok("x.jsonl")
        );
        assert!(single(&["README.md"], "hf:a/b").is_err());
    }
}
