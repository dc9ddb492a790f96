//! GGUF files that contain a vocabulary and no tensors.

use std::path::Path;

use serde_json::Value;

/// Builder of a file; nothing is checked.
#[derive(Clone)]
pub(crate) struct VocabularyFile {
    pairs: Vec<u8>,
    count: u64,
}

fn text(value: &str) -> Vec<u8> {
    let len = value.len() as u64;
    [&len.to_le_bytes()[..], value.as_bytes()].concat()
}

impl VocabularyFile {
    /// A file whose tokenizer model has this name.
    pub(crate) fn new(model: &str) -> Self {
        let empty = Self {
            pairs: Vec::new(),
            count: 0,
        };
        empty.pair("tokenizer.ggml.model", 8, &text(model))
    }

    fn pair(mut self, key: &str, kind: u32, value: &[u8]) -> Self {
        self.pairs.extend(text(key));
        self.pairs.extend(kind.to_le_bytes());
        self.pairs.extend(value);
        self.count += 1;
        self
    }

    fn array(self, key: &str, kind: u32, len: usize, values: &[u8]) -> Self {
        let head = [&kind.to_le_bytes()[..], &(len as u64).to_le_bytes()].concat();
        self.pair(key, 9, &[&head, values].concat())
    }

    pub(crate) fn tokens(self, tokens: &[&str]) -> Self {
        self.strings("tokenizer.ggml.tokens", tokens)
    }

    pub(crate) fn strings(self, key: &str, values: &[&str]) -> Self {
        let bytes: Vec<u8> = values.iter().flat_map(|value| text(value)).collect();
        self.array(key, 8, values.len(), &bytes)
    }

    pub(crate) fn integers(self, key: &str, values: &[i32]) -> Self {
        let bytes: Vec<u8> = values.iter().flat_map(|n| n.to_le_bytes()).collect();
        self.array(key, 5, values.len(), &bytes)
    }

    pub(crate) fn floats(self, key: &str, values: &[f32]) -> Self {
        let bytes: Vec<u8> = values.iter().flat_map(|n| n.to_le_bytes()).collect();
        self.array(key, 6, values.len(), &bytes)
    }

    /// Adds texts, booleans and integers.
    pub(crate) fn pairs(self, pairs: &Value) -> Self {
        let pairs = pairs.as_object().expect("an object");
        pairs.iter().fold(self, |file, (key, value)| match value {
            Value::Bool(value) => file.pair(key, 7, &[u8::from(*value)]),
            Value::Number(number) => {
                let number = number.as_u64().expect("an id") as u32;
                file.pair(key, 4, &number.to_le_bytes())
            }
            value => file.pair(key, 8, &text(value.as_str().expect("a text"))),
        })
    }

    /// Passes the path of the written file.
    pub(crate) fn with_path<T>(&self, read: impl FnOnce(&Path) -> T) -> T {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("vocabulary.gguf");
        let head = [
            &3_u32.to_le_bytes()[..],
            &0_u64.to_le_bytes(),
            &self.count.to_le_bytes(),
        ];
        let bytes = [&b"GGUF"[..], &head.concat(), &self.pairs].concat();
        std::fs::write(&path, bytes).expect("writable");
        read(&path)
    }
}
