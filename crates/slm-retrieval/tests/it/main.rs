//! Tests of the public interface.

#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

mod bm25;
mod collecting;
mod hostile;
mod masking;
mod planted;
mod reading;
mod sketches;
mod symbols;

use std::path::Path;

use slm_retrieval::{Chunk, ChunkKind, Collected, Index, IndexedFile, Sources, collect};

/// Returns the index of files of code and documents, given by name and text.
fn index_of(files: &[(&str, &str)]) -> Index {
    let folder = folder_of(files);
    Index::new(collected(folder.path(), &["."], &["."])).unwrap()
}

/// Writes files to a new folder.
fn folder_of(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    folder
}

/// Collects the documents and the code of a folder; of kinds without a file there, none.
fn collected(root: &Path, docs: &[&str], code: &[&str]) -> Collected {
    let mut all = Collected::default();
    let halves = [
        Sources {
            docs: docs.iter().map(|of| (*of).to_owned()).collect(),
            root: root.to_owned(),
            ..Sources::default()
        },
        Sources {
            code: code.iter().map(Into::into).collect(),
            root: root.to_owned(),
            ..Sources::default()
        },
    ];
    for half in halves {
        if let Ok(found) = collect(&half, &|_| None) {
            all.chunks.extend(found.chunks);
            all.files.extend(found.files);
            all.left_out.extend(found.left_out);
        }
    }
    all
}

/// Returns an index of chunks without files.
fn index_of_chunks(chunks: Vec<Chunk>) -> Index {
    Index::new(Collected {
        chunks,
        files: Vec::<IndexedFile>::new(),
        ..Collected::default()
    })
    .unwrap()
}

fn section(name: &str, text: &str) -> Chunk {
    Chunk::new("a.md", ChunkKind::Section, name, (1, 1), text)
}
