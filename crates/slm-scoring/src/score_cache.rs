//! Cache of scores by content hash: one line for each score, appended as soon as it is known.
//!
//! The file survives any crash: a truncated or damaged line is skipped, and its program scored again.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::ScoringError;
use crate::score::Score;

/// A file of program scores, keyed by a hash of all inputs of the score.
pub struct ScoreCache {
    path: PathBuf,
    file: File,
    scores: HashMap<String, Score>,
    /// Number of lines that could not be parsed.
    damaged: usize,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    key: String,
    score: Score,
}

impl ScoreCache {
    /// Opens or creates the file and reads its scores.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub fn open(path: &Path) -> Result<Self, ScoringError> {
        let open = || -> std::io::Result<Self> {
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder)?;
            }
            let mut file = OpenOptions::new()
                .create(true)
                .append(true)
                .read(true)
                .open(path)?;
            let (mut scores, mut damaged) = (HashMap::new(), 0);
            for line in BufReader::new(&file).split(b'\n') {
                let line = line?;
                match serde_json::from_slice::<Line>(&line) {
                    Ok(Line { key, score }) => drop(scores.insert(key, score)),
                    Err(_) => damaged += usize::from(!line.is_empty()),
                }
            }
            if !ends_with_newline(&mut file)? {
                // The next line must not be appended to a truncated one.
                file.write_all(b"\n")?;
            }
            Ok(Self {
                path: path.to_owned(),
                file,
                scores,
                damaged,
            })
        };
        open().map_err(|source| ScoringError::OpenCache {
            path: path.to_owned(),
            source,
        })
    }

    /// Returns the number of lines that could not be parsed.
    pub fn damaged(&self) -> usize {
        self.damaged
    }

    /// Returns the score for a key, if any.
    pub fn get(&self, key: &str) -> Option<&Score> {
        self.scores.get(key)
    }

    /// Adds a score and appends its line to the file in one write.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn insert(&mut self, key: String, score: Score) -> Result<(), ScoringError> {
        let line = Line { key, score };
        let write = |file: &mut File| {
            let mut text = serde_json::to_vec(&line)?;
            text.push(b'\n');
            file.write_all(&text)
        };
        write(&mut self.file).map_err(|source| ScoringError::WriteCache {
            path: self.path.clone(),
            source,
        })?;
        self.scores.insert(line.key, line.score);
        Ok(())
    }
}

/// Returns whether the last byte is a newline; true for an empty file.
fn ends_with_newline(file: &mut File) -> std::io::Result<bool> {
    if file.metadata()?.len() == 0 {
        return Ok(true);
    }
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

#[cfg(test)]
mod tests {
    use slm_artifacts::Verdict;

    use super::*;
    use crate::score::SuiteResult;

    fn score(detail: &str) -> Score {
        Score {
            base: Some(SuiteResult {
                verdict: Verdict::Failed,
                tests: 2,
                failed: vec![1],
                detail: detail.to_owned(),
                cpu_s: 0.5,
                executable: Some(true),
            }),
            plus: None,
            unscored: None,
        }
    }

    #[test]
    fn scores_come_back_and_damaged_lines_are_passed_over() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("scores/x.jsonl");
        let mut cache = ScoreCache::open(&path).expect("a new file");
        cache.insert("a".to_owned(), score("one")).expect("written");
        cache.insert("b".to_owned(), score("two")).expect("written");
        drop(cache);

        // The second line is truncated, as by a kill in the middle of a write.
        let text = fs::read_to_string(&path).expect("text");
        fs::write(&path, &text[..text.len() - 10]).expect("written");
        let mut cache = ScoreCache::open(&path).expect("a damaged file");
        assert_eq!((cache.damaged(), cache.get("b")), (1, None));
        assert_eq!(cache.get("a"), Some(&score("one")));
        cache
            .insert("b".to_owned(), score("again"))
            .expect("written");
        drop(cache);

        let cache = ScoreCache::open(&path).expect("a mended file");
        assert_eq!(cache.get("a"), Some(&score("one")));
        assert_eq!(cache.get("b"), Some(&score("again")));
    }
}
