//! Finds the files to index and cuts them into chunks.

mod package;
mod python;
mod text;
mod walk;

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::chunk::Chunk;
use crate::error::RetrievalError;
use crate::lines::module_name;
use crate::sections::{self, Format};
use package::Reexports;
use walk::{FoundFile, Rules, files_below, no_such_path};

/// Maximum bytes of a file that is indexed.
const MOST_BYTES: u64 = 1 << 20;

/// What to index.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sources {
    /// Documentation: files and folders, patterns of paths such as `docs/**/*.md`, and `pip:NAME` for an installed
    /// package. Files are Markdown (`.md`, `.markdown`), reStructuredText (`.rst`) and plain text (`.txt`).
    pub docs: Vec<String>,
    /// Folders and files of Python.
    pub code: Vec<PathBuf>,
    /// Where relative paths start.
    pub root: PathBuf,
}

/// The chunks and files of [`Sources`].
#[derive(Debug, Clone, Default)]
pub struct Collected {
    /// In the order of the sources, within a file in the order of the text.
    pub chunks: Vec<Chunk>,
    /// The files that were read, by name.
    pub files: Vec<IndexedFile>,
    /// The names of the files that were left out.
    pub left_out: BTreeMap<LeftOut, Vec<String>>,
}

/// A file whose lines can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexedFile {
    /// As in [`Chunk::source`].
    pub source: String,
    /// Its text; line ends are `\n`.
    pub text: String,
}

/// Why a file is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LeftOut {
    /// Its bytes are no text in its encoding.
    Undecodable,
    /// It is not valid Python.
    Unparsable,
    /// It contains tests.
    TestFile,
    /// It has more than 1 MiB.
    TooLarge,
    /// It is a symbolic link to a file or folder, which may lead out of the root.
    Link,
    /// It is named by `docs` and is no Markdown, reStructuredText or plain text.
    OtherFormat,
}

impl LeftOut {
    /// Returns the reason as a phrase after a number of files.
    pub fn phrase(self) -> &'static str {
        match self {
            Self::Undecodable => "not text in their encoding",
            Self::Unparsable => "not valid Python",
            Self::TestFile => "files of tests",
            Self::TooLarge => "larger than 1 MiB",
            Self::Link => "symbolic links",
            Self::OtherFormat => "not Markdown, reStructuredText or plain text",
        }
    }
}

impl Collected {
    /// Returns what was left out, as the rest of a sentence: `; left out: 2 files of tests`. Empty if nothing was.
    pub fn left_out_phrase(&self) -> String {
        let counts = self.left_out.iter().filter(|(_, files)| !files.is_empty());
        let parts: Vec<String> = counts
            .map(|(reason, files)| format!("{} {}", files.len(), reason.phrase()))
            .collect();
        if parts.is_empty() {
            String::new()
        } else {
            format!("; left out: {}", parts.join(", "))
        }
    }
}

/// Finds and cuts all files of `sources`.
///
/// `packages` returns the folder or the `.py` file of an installed package, by its import name. Packages are parsed,
/// never imported. Files that .gitignore names and hidden ones are not found; other files that are not indexed are
/// counted in [`Collected::left_out`].
///
/// # Errors
/// [`RetrievalError`] for a path or pattern without files, a package without source, and a file that cannot be read.
pub fn collect(
    sources: &Sources,
    packages: &dyn Fn(&str) -> Option<PathBuf>,
) -> Result<Collected, RetrievalError> {
    let mut collector = Collector {
        root: walk::plain(&sources.root),
        seen: HashSet::new(),
        names: HashSet::new(),
        collected: Collected::default(),
    };
    for entry in &sources.docs {
        match entry.strip_prefix("pip:") {
            Some(name) => collector.package(name.trim(), packages)?,
            None => collector.documents(entry)?,
        }
    }
    for entry in &sources.code {
        collector.code(entry)?;
    }
    let mut collected = collector.collected;
    collected.files.sort_by(|a, b| a.source.cmp(&b.source));
    Ok(collected)
}

/// Which kinds of files a folder holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holds {
    /// Documents, as in [`Sources::docs`].
    pub docs: bool,
    /// Python files.
    pub code: bool,
}

impl Holds {
    /// Looks for files below a folder, by the rules of [`collect`].
    ///
    /// # Errors
    /// [`RetrievalError::Read`] for a folder that cannot be read.
    pub fn below(folder: &Path) -> Result<Self, RetrievalError> {
        let files = files_below(folder, Rules::Project)?;
        let is_code = |file: &FoundFile| file.path.extension().is_some_and(|of| of == "py");
        Ok(Self {
            docs: files.iter().any(|file| Format::of(&file.below).is_some()),
            code: files.iter().any(is_code),
        })
    }
}

struct Collector {
    root: PathBuf,
    /// Files that were already read or left out.
    seen: HashSet<PathBuf>,
    /// The names of the sources.
    names: HashSet<String>,
    collected: Collected,
}

impl Collector {
    fn documents(&mut self, entry: &str) -> Result<(), RetrievalError> {
        let path = walk::plain(&self.root.join(entry));
        let pattern = if path.exists() {
            None
        } else {
            walk::Pattern::of(entry, &self.root)?
        };
        let mut files = match &pattern {
            Some(pattern) if pattern.folder.is_dir() => {
                files_below(&pattern.folder, Rules::Project)?
            }
            Some(pattern) => {
                let shown = walk::slashed(
                    pattern
                        .folder
                        .strip_prefix(&self.root)
                        .unwrap_or(&pattern.folder),
                );
                return Err(no_such_path(&pattern.folder, &shown, &self.root));
            }
            None => self.files_at(&path, entry)?,
        };
        if let Some(pattern) = &pattern {
            files.retain(|file| pattern.matches(file));
        } else if path.is_dir() {
            files.retain(|file| Format::of(&file.below).is_some());
        }
        if files.is_empty() {
            return Err(self.nothing_matches(entry, Format::ENDINGS));
        }
        for file in files {
            let Some(source) = self.start(&file, None) else {
                continue;
            };
            let Some(format) = Format::of(&source) else {
                self.leave_out(LeftOut::OtherFormat, source);
                continue;
            };
            if let Some(bytes) = self.bytes(&file.path, &source)? {
                match text::document(bytes) {
                    Some(text) => {
                        let chunks = sections::chunks(&source, &text, format);
                        self.add(source, text, chunks);
                    }
                    None => self.leave_out(LeftOut::Undecodable, source),
                }
            }
        }
        Ok(())
    }

    fn code(&mut self, entry: &Path) -> Result<(), RetrievalError> {
        let path = walk::plain(&self.root.join(entry));
        let given = walk::slashed(entry);
        let mut files = self.files_at(&path, &given)?;
        files.retain(|file| file.path.extension().is_some_and(|ending| ending == "py"));
        if files.is_empty() {
            return Err(self.nothing_matches(&given, ".py"));
        }
        for file in files {
            let Some(source) = self.start(&file, None) else {
                continue;
            };
            if is_test_file(&file) {
                self.leave_out(LeftOut::TestFile, source);
            } else if let Some(text) = self.python(&file.path, &source)? {
                match python::code_chunks(&source, &text) {
                    Ok(chunks) => self.add(source, text, chunks),
                    Err(_) => self.leave_out(LeftOut::Unparsable, source),
                }
            }
        }
        Ok(())
    }

    fn package(
        &mut self,
        name: &str,
        packages: &dyn Fn(&str) -> Option<PathBuf>,
    ) -> Result<(), RetrievalError> {
        let path = packages(name).filter(|path| path.exists());
        let path = path.ok_or_else(|| RetrievalError::NoSuchPackage {
            name: name.to_owned(),
        })?;
        let mut read = Vec::new();
        for file in package::source_files(name, &path)? {
            let source = if file.below.is_empty() {
                format!("pip:{name}.py")
            } else {
                format!("pip:{name}/{}", file.below)
            };
            let Some(source) = self.start(&file, Some(source)) else {
                continue;
            };
            if is_test_file(&file) {
                self.leave_out(LeftOut::TestFile, source);
            } else if let Some(text) = self.python(&file.path, &source)? {
                read.push((source, text));
            }
        }
        let texts = read.iter().map(|(source, text)| (&**source, &**text));
        let reexports = Reexports::of(texts);
        for (source, text) in read {
            let module = module_name(&source);
            let shows = |name: &str| reexports.shows(&module, name);
            match python::object_chunks(&source, &text, &shows) {
                Ok(chunks) => self.add(source, text, chunks),
                Err(_) => self.leave_out(LeftOut::Unparsable, source),
            }
        }
        Ok(())
    }

    /// Returns the files at a path that the user named: itself, or those below it.
    fn files_at(&self, path: &Path, given: &str) -> Result<Vec<FoundFile>, RetrievalError> {
        if path.is_dir() {
            files_below(path, Rules::Project)
        } else if path.exists() {
            let name = path.file_name().map_or(path, Path::new);
            Ok(vec![FoundFile {
                path: path.to_owned(),
                below: walk::slashed(name),
                is_link: false,
            }])
        } else {
            Err(no_such_path(path, given, &self.root))
        }
    }

    /// Returns the name of a file that is to be read; `None` if it was seen before or is a link.
    fn start(&mut self, file: &FoundFile, source: Option<String>) -> Option<String> {
        if !self.seen.insert(file.path.clone()) {
            return None;
        }
        let source = source.unwrap_or_else(|| match file.path.strip_prefix(&self.root) {
            Ok(below) => walk::slashed(below),
            Err(_) => self.outside(file),
        });
        if file.is_link {
            self.leave_out(LeftOut::Link, source);
            return None;
        }
        Some(source)
    }

    /// Returns the name of a file outside the root: its path below the folder that was named, with the folder's name.
    fn outside(&self, file: &FoundFile) -> String {
        let n_below = Path::new(&file.below).components().count();
        let folder = file.path.ancestors().nth(n_below);
        let folder = folder.and_then(Path::file_name).map(Path::new);
        let short = folder.map(|folder| walk::slashed(&folder.join(&file.below)));
        short
            .filter(|short| !self.names.contains(short))
            .unwrap_or_else(|| walk::slashed(&file.path))
    }

    /// Reads a file; `None` if it is too large.
    fn bytes(&mut self, path: &Path, source: &str) -> Result<Option<Vec<u8>>, RetrievalError> {
        let read = || -> io::Result<Option<Vec<u8>>> {
            let mut bytes = Vec::new();
            // Also of a file that grows while it is read.
            let mut file = File::open(path)?.take(MOST_BYTES + 1);
            file.read_to_end(&mut bytes)?;
            Ok((bytes.len() as u64 <= MOST_BYTES).then_some(bytes))
        };
        let bytes = read().map_err(|source| RetrievalError::Read {
            path: path.to_owned(),
            cause: source,
        })?;
        if bytes.is_none() {
            self.leave_out(LeftOut::TooLarge, source.to_owned());
        }
        Ok(bytes)
    }

    /// Reads a Python file; `None` if it is left out.
    fn python(&mut self, path: &Path, source: &str) -> Result<Option<String>, RetrievalError> {
        let Some(bytes) = self.bytes(path, source)? else {
            return Ok(None);
        };
        let text = text::python(&bytes);
        if text.is_none() {
            self.leave_out(LeftOut::Undecodable, source.to_owned());
        }
        Ok(text)
    }

    fn add(&mut self, source: String, text: String, chunks: Vec<Chunk>) {
        self.names.insert(source.clone());
        self.collected.chunks.extend(chunks);
        self.collected.files.push(IndexedFile { source, text });
    }

    fn leave_out(&mut self, reason: LeftOut, source: String) {
        let files = self.collected.left_out.entry(reason).or_default();
        files.push(source);
    }

    fn nothing_matches(&self, pattern: &str, wanted: &'static str) -> RetrievalError {
        RetrievalError::NothingMatches {
            pattern: pattern.to_owned(),
            wanted,
            root: self.root.clone(),
        }
    }
}

/// Returns whether a file contains tests, by its name and the folders below the one that was named.
fn is_test_file(file: &FoundFile) -> bool {
    let mut parts: Vec<&str> = file.below.split('/').collect();
    let name = parts.pop().unwrap_or_default();
    name == "conftest.py"
        || name.starts_with("test_")
        || name.ends_with("_test.py")
        || parts.iter().any(|part| matches!(*part, "tests" | "test"))
}
