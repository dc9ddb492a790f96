//! Tokenised examples in a temporary file, so that memory hardly grows with their number.

use std::fs::File;
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;

use anyhow::{Context, Result};
use slm_artifacts::Sha256;

use crate::batch::Example;

/// Bit that marks a supervised token; no vocabulary is large enough to use it for ids.
const LEARNED: u32 = 1 << 31;

/// Maximum length of an origin in bytes; longer ones are truncated.
const ORIGIN_BYTES: usize = u16::MAX as usize;

/// Position of an example in the file.
#[derive(Clone, Copy, Debug)]
struct Extent {
    /// Offset in bytes.
    start: u64,
    n_tokens: u32,
    n_supervised: u32,
}

/// A store opened for writing.
#[derive(Debug)]
pub(crate) struct StoreWriter {
    file: BufWriter<File>,
    extents: Vec<Extent>,
    hasher: Sha256,
    end: u64,
}

/// The examples that were written, in the same order.
#[derive(Debug)]
pub(crate) struct Store {
    file: File,
    extents: Vec<Extent>,
    fingerprint: String,
}

fn full() -> &'static str {
    "cannot write the examples to a temporary file\nhint: free space under the output folder"
}

impl StoreWriter {
    /// Creates an empty store; its file in `folder` has no name and is deleted with the process.
    ///
    /// # Errors
    /// The folder is not writable.
    pub(crate) fn new(folder: &Path) -> Result<Self> {
        let file = tempfile::tempfile_in(folder).with_context(full)?;
        Ok(Self {
            file: BufWriter::with_capacity(1 << 20, file),
            extents: Vec::new(),
            hasher: Sha256::new(),
            end: 0,
        })
    }

    /// Appends an example, with the file and line or row of its origin.
    ///
    /// # Errors
    /// The disk is full.
    pub(crate) fn push(&mut self, example: &Example, origin: &str) -> Result<()> {
        let Example { tokens, supervised } = example;
        let mut bytes = Vec::with_capacity(4 * tokens.len());
        for (&id, &learned) in tokens.iter().zip(supervised) {
            let word = if learned { id | LEARNED } else { id };
            bytes.extend(word.to_le_bytes());
        }
        self.hasher.update((tokens.len() as u64).to_le_bytes());
        self.hasher.update(&bytes);
        // The origin stays on disk, as only error messages need it.
        let origin = &origin.as_bytes()[..origin.len().min(ORIGIN_BYTES)];
        bytes.extend((origin.len() as u16).to_le_bytes());
        bytes.extend(origin);
        self.file.write_all(&bytes).with_context(full)?;
        self.extents.push(Extent {
            start: self.end,
            n_tokens: tokens.len() as u32,
            n_supervised: example.n_supervised() as u32,
        });
        self.end += bytes.len() as u64;
        Ok(())
    }

    /// Adds the label of the last example to the fingerprint.
    pub(crate) fn push_label(&mut self, label: bool) {
        self.hasher.update([u8::from(label)]);
    }

    /// Flushes the file and makes the store readable.
    ///
    /// # Errors
    /// The disk is full.
    pub(crate) fn finish(self) -> Result<Store> {
        let file = self
            .file
            .into_inner()
            .map_err(std::io::IntoInnerError::into_error);
        Ok(Store {
            file: file.with_context(full)?,
            extents: self.extents,
            fingerprint: self.hasher.hex(),
        })
    }
}

impl Store {
    /// The number of examples.
    pub(crate) fn len(&self) -> usize {
        self.extents.len()
    }

    /// The SHA-256 of all examples, by which a resumed training verifies that its data are unchanged.
    pub(crate) fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// The number of tokens of an example.
    pub(crate) fn n_tokens(&self, index: usize) -> usize {
        self.extents[index].n_tokens as usize
    }

    /// The number of supervised tokens of an example.
    pub(crate) fn n_supervised(&self, index: usize) -> usize {
        self.extents[index].n_supervised as usize
    }

    /// Reads an example.
    ///
    /// # Errors
    /// Reading the file fails.
    pub(crate) fn get(&self, index: usize) -> Result<Example> {
        let extent = self.extents[index];
        let bytes = self.read(extent.start, 4 * extent.n_tokens as usize)?;
        let words = bytes
            .chunks_exact(4)
            .map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]));
        let (tokens, supervised) = words.map(|w| (w & !LEARNED, w & LEARNED != 0)).unzip();
        Ok(Example { tokens, supervised })
    }

    /// Returns the SHA-256 of an example: its tokens, and which of them are learned.
    ///
    /// # Errors
    /// Reading the file fails.
    pub(crate) fn sha256(&self, index: usize) -> Result<String> {
        let extent = self.extents[index];
        let bytes = self.read(extent.start, 4 * extent.n_tokens as usize)?;
        Ok(Sha256::new().chain(bytes).hex())
    }

    /// Returns the file and line or row of an example's origin.
    ///
    /// # Errors
    /// Reading the file fails.
    pub(crate) fn origin(&self, index: usize) -> Result<String> {
        let Extent {
            start, n_tokens, ..
        } = self.extents[index];
        let start = start + 4 * u64::from(n_tokens);
        let length = self.read(start, 2)?;
        let length = u16::from_le_bytes([length[0], length[1]]);
        let origin = self.read(start + 2, length.into())?;
        Ok(String::from_utf8_lossy(&origin).into_owned())
    }

    fn read(&self, start: u64, n_bytes: usize) -> Result<Vec<u8>> {
        let mut bytes = vec![0; n_bytes];
        let mut file = &self.file;
        file.seek(SeekFrom::Start(start))
            .and_then(|_| file.read_exact(&mut bytes))
            .context("cannot read the examples' temporary file")?;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(examples: &[Example]) -> Store {
        let mut writer = StoreWriter::new(&std::env::temp_dir()).expect("a store");
        for (index, example) in examples.iter().enumerate() {
            let origin = format!("a.jsonl:{index}");
            writer.push(example, &origin).expect("room");
        }
        writer.finish().expect("room")
    }

    #[test]
    fn examples_come_back_as_they_went_in_in_any_order() {
        let examples = [
            Example::new(vec![1, 2, 3], vec![false, true, true]),
            Example::new(vec![], vec![]),
            Example::new(vec![70_000, 5], vec![false, true]),
        ];
        let store = store(&examples);
        for index in [2, 0, 1, 2] {
            assert_eq!(store.get(index).expect("read"), examples[index]);
            let origin = store.origin(index).expect("read");
            assert_eq!(origin, format!("a.jsonl:{index}"));
        }
        assert_eq!(
            (store.len(), store.n_tokens(2), store.n_supervised(0)),
            (3, 2, 2)
        );
    }

    #[test]
    fn the_fingerprint_knows_every_token_what_is_learned_and_where_examples_end() {
        let of = |examples: &[(&[u32], &[bool])]| {
            let examples = examples
                .iter()
                .map(|(t, s)| Example::new(t.to_vec(), s.to_vec()));
            store(&examples.collect::<Vec<_>>())
                .fingerprint()
                .to_owned()
        };
        let first = of(&[(&[1, 2], &[false, true])]);
        assert_eq!(first, of(&[(&[1, 2], &[false, true])]));
        assert_ne!(first, of(&[(&[1, 3], &[false, true])]));
        let twice = [(&[1, 2][..], &[false, true][..]); 2];
        assert_ne!(first, of(&twice));
        let joined: (&[u32], &[bool]) = (&[1, 2, 1, 2], &[false, true, false, true]);
        assert_ne!(of(&twice), of(&[joined]));
        assert_ne!(
            of(&[(&[1, 2], &[false, true])]),
            of(&[(&[1, 2, 3], &[false, true, false])])
        );
    }
}
