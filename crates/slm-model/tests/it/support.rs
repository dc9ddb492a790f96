//! Test helpers: goldens, tiny models, the real model.

use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor, TensorData};
use safetensors::SafeTensors;
use slm_model::{Decoder, Weights};
use tempfile::TempDir;

/// A file or folder under `golden/`.
pub(crate) fn golden(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/it/golden")
        .join(path)
}

/// The families with a golden that includes a tokenizer; the others are in `families.rs`.
pub(crate) const FULL_GOLDENS: [&str; 2] = ["llama", "qwen2"];

/// A golden model on the CPU.
pub(crate) fn tiny(path: &str) -> (Weights, Decoder) {
    let weights = Weights::open(&golden(path)).expect("golden model");
    let decoder = Decoder::load(&weights, &Device::flex(), |_, _| ()).expect("golden weights");
    (weights, decoder)
}

/// A copy of a golden folder, to be modified.
pub(crate) fn copy_of(name: &str) -> TempDir {
    let copy = tempfile::tempdir().expect("a temporary folder");
    for entry in std::fs::read_dir(golden(name)).expect("a golden folder") {
        let entry = entry.expect("readable");
        std::fs::copy(entry.path(), copy.path().join(entry.file_name())).expect("writable");
    }
    copy
}

/// An `expected.safetensors`.
pub(crate) struct Expected(Vec<u8>);

impl Expected {
    pub(crate) fn read(path: &str) -> Self {
        Self(std::fs::read(golden(path)).expect("golden file"))
    }

    fn file(&self) -> SafeTensors<'_> {
        SafeTensors::deserialize(&self.0).expect("golden safetensors")
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.file().names().contains(&name)
    }

    pub(crate) fn shape(&self, name: &str) -> Vec<usize> {
        self.file()
            .tensor(name)
            .expect("golden tensor")
            .shape()
            .to_vec()
    }

    pub(crate) fn floats(&self, name: &str) -> Vec<f32> {
        let file = self.file();
        let data = file.tensor(name).expect("golden tensor").data();
        data.chunks_exact(4)
            .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
            .collect()
    }

    pub(crate) fn integers(&self, name: &str) -> Vec<i64> {
        let file = self.file();
        let data = file.tensor(name).expect("golden tensor").data();
        data.chunks_exact(8)
            .map(|b| i64::from_le_bytes(b.try_into().expect("eight bytes")))
            .collect()
    }

    pub(crate) fn ids(&self, name: &str) -> Vec<u32> {
        self.integers(name)
            .into_iter()
            .map(|id| u32::try_from(id).expect("token id"))
            .collect()
    }

    /// A tensor of three dimensions with the first two merged.
    pub(crate) fn rows(&self, name: &str) -> Tensor<2> {
        let shape = self.shape(name);
        let (rows, width) = (
            shape[..shape.len() - 1].iter().product(),
            shape[shape.len() - 1],
        );
        Tensor::from_data(
            TensorData::new(self.floats(name), [rows, width]),
            &Device::flex(),
        )
    }
}

/// Largest difference between two tensors of the same shape.
pub(crate) fn max_difference(a: &Tensor<2>, b: &Tensor<2>) -> f32 {
    assert_eq!(a.dims(), b.dims());
    (a.clone() - b.clone()).abs().max().into_scalar::<f32>()
}

/// The real SmolLM2 file: `SLM_MODEL`, or the quickstart's download.
///
/// Without it a test prints a note and skips; with `REQUIRE_MODEL=1` it fails instead.
#[expect(clippy::print_stderr, reason = "a skipped test must be reported")]
pub(crate) fn real_model() -> Option<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let cache =
        variable("SLM_CACHE").or_else(|| Some(variable("HOME")?.join(".cache/slm-lora/models")));
    let named = variable("SLM_MODEL").filter(|path| path.is_file());
    let found = named.or_else(|| find_file(&cache?, "SmolLM2-135M-Instruct.Q4_1.gguf"));
    if found.is_none() {
        assert!(
            std::env::var_os("REQUIRE_MODEL").is_none(),
            "REQUIRE_MODEL is set, but SmolLM2 is not in the cache: run ./quickstart once, or set SLM_MODEL"
        );
        eprintln!("SKIPPED: needs the real SmolLM2 file; run ./quickstart once, or set SLM_MODEL");
    }
    found
}

fn find_file(folder: &Path, name: &str) -> Option<PathBuf> {
    let entries = std::fs::read_dir(folder).ok()?;
    entries.filter_map(Result::ok).find_map(|entry| {
        let path = entry.path();
        if path.is_dir() {
            find_file(&path, name)
        } else {
            (entry.file_name() == name).then_some(path)
        }
    })
}
