//! Downloads from the hub with the settings of the user's environment, and with progress.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use slm_hub::{Fetched, Hub, HubError, HubName, ModelParts, Part, Provenance, Settings, Token};

use crate::environment::{cache_dir, expanded, is_on, set, text};
use crate::interrupt::saved_meanwhile;
use crate::progress::{Steps, duration_text};
use crate::{bytes_text, note};

/// Default address of the hub.
const ENDPOINT: &str = "https://huggingface.co";
/// Default timeout in seconds, as in the Python client.
const TIMEOUT_S: f64 = 10.0;
/// Pause before the second attempt of a request.
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// Returns the repository in a recipe's text, unless it is a local path: `hf:OWNER/NAME...`, or a bare `OWNER/NAME` if
/// no such file or folder exists and the text has none of `endings`.
pub(crate) fn hub_name(text: &str, endings: &[&str]) -> Result<Option<HubName>, HubError> {
    if let Some(name) = HubName::parse(text) {
        return name.map(Some);
    }
    let lower = text.to_lowercase();
    let is_file = endings.iter().any(|ending| lower.ends_with(ending));
    if is_file || Path::new(text).exists() {
        return Ok(None);
    }
    Ok(HubName::bare(text))
}

/// Fetches a model; `text` is its name in the recipe.
pub(crate) fn fetch_model(text: &str, name: &HubName, parts: ModelParts) -> Result<Fetched> {
    fetch(text, |hub, progress| hub.fetch_model(name, parts, progress))
}

/// Fetches the data set `text` of a recipe, if it is on the hub: `hf:OWNER/NAME[@REVISION][#FILES]`, or `OWNER/NAME` if
/// no such file or folder exists. Returns `None` for a local data set.
///
/// `part` is the split and the subset; `endings` are the endings of readable files.
///
/// # Errors
/// As [`slm_hub::Hub::fetch_dataset`].
pub fn fetch_dataset(text: &str, part: Part<'_>, endings: &[&str]) -> Result<Option<Fetched>> {
    let Some(name) = hub_name(text, endings)? else {
        return Ok(None);
    };
    fetch(text, |hub, progress| {
        hub.fetch_dataset(&name, part, endings, progress)
    })
    .map(Some)
}

/// Fetches the data of a benchmark, if `path` is `hf:OWNER/NAME[@REVISION][#FILE]`: a single file, or else all files of the
/// folder in the name, or of the folder `subset`. Returns `None` for a local file.
///
/// # Errors
/// As [`slm_hub::Hub::fetch_file`] and [`slm_hub::Hub::fetch_dataset`].
pub fn fetch_benchmark(
    path: &Path,
    subset: Option<&str>,
    endings: &[&str],
) -> Result<Option<Fetched>> {
    let text = path.to_string_lossy();
    let Some(name) = HubName::parse(&text) else {
        return Ok(None);
    };
    let mut name = name?;
    fetch(&text, |hub, progress| {
        let error = match hub.fetch_file(&name, endings, progress) {
            Err(error @ HubError::NoData { .. }) => error,
            fetched => return fetched,
        };
        if name.file.is_none() {
            name.file = subset.map(str::to_owned);
        }
        // The files of a pattern may be in several folders, or among others.
        if name.file.as_ref().is_none_or(|file| file.contains('*')) {
            return Err(error);
        }
        match hub.fetch_dataset(&name, Part::default(), endings, progress) {
            Err(HubError::NoFile { .. }) => Err(error),
            fetched => fetched,
        }
    })
    .map(Some)
}

/// Returns the path of a benchmark's fetched data: of its file, or of the folder with its files.
pub fn data_path(fetched: &Fetched) -> Option<PathBuf> {
    let mut paths = fetched.paths();
    if paths.len() > 1 {
        return paths[0].parent().map(Path::to_owned);
    }
    paths.pop()
}

/// Returns the default path of a benchmark's data file, in the cache folder.
pub fn cached_data_file(name: &str) -> PathBuf {
    cache_dir().join("data").join(name)
}

/// Returns the data file of a benchmark: `named`, fetched from the hub if necessary, or else the file `default` in the
/// cache folder, which may not exist; also returns the provenance of a file from the hub. `None` without either.
///
/// `subset` is the benchmark's folder in its data set, see [`fetch_benchmark`].
///
/// # Errors
/// As [`fetch_benchmark`].
pub fn benchmark_data(
    named: Option<&Path>,
    default: Option<&str>,
    subset: Option<&str>,
    endings: &[&str],
) -> Result<(Option<PathBuf>, Option<Provenance>)> {
    let fetched = match named {
        Some(path) => fetch_benchmark(path, subset, endings)?,
        None => None,
    };
    let Some(fetched) = fetched else {
        let cached = || default.map(cached_data_file);
        return Ok((named.map(Path::to_owned).or_else(cached), None));
    };
    Ok((data_path(&fetched), Some(fetched.provenance)))
}

fn fetch(
    text: &str,
    what: impl FnOnce(&Hub, &mut dyn FnMut(slm_hub::Progress)) -> Result<Fetched, HubError>,
) -> Result<Fetched> {
    let mut steps = Steps::default();
    let _guard = saved_meanwhile("complete and partial downloads are kept");
    let fetched = what(&Hub::new(settings()), &mut |event| show(&mut steps, event));
    steps.finish();
    let fetched = fetched.map_err(anyhow::Error::from);
    let fetched = if text.starts_with("hf:") {
        fetched?
    } else {
        // A path may have been meant.
        fetched.with_context(|| {
            format!("there is no file or folder {text} here; tried as a repository on the hub")
        })?
    };
    let record = &fetched.provenance;
    let bytes = record.files.iter().map(|file| file.bytes).sum();
    note(&format!(
        "from the hub       {}@{} ({}), {} in {} {}",
        record.repository,
        record.commit.get(..12).unwrap_or(&record.commit),
        record.revision,
        bytes_text(bytes),
        record.files.len(),
        if record.files.len() == 1 {
            "file"
        } else {
            "files"
        },
    ));
    Ok(fetched)
}

fn show(steps: &mut Steps, event: slm_hub::Progress) {
    match event {
        slm_hub::Progress::Waiting { file } => steps.show("waiting for lock", file, 0, None),
        slm_hub::Progress::Downloading {
            file,
            bytes,
            total_bytes,
        } => steps.show("downloading", file, bytes, total_bytes),
        slm_hub::Progress::Verifying {
            file,
            bytes,
            total_bytes,
        } => steps.show("verifying", file, bytes, Some(total_bytes)),
        slm_hub::Progress::Retrying {
            reason,
            attempt,
            attempts,
            wait,
        } => steps.note(&format!(
            "retrying           {reason}; attempt {attempt} of {attempts} in {}",
            duration_text(wait)
        )),
        slm_hub::Progress::FromCache {
            repository,
            commit,
            reason,
        } => steps.note(&format!(
            "warning: {reason}; using the cached commit {commit} of {repository}"
        )),
    }
}

/// Reads the environment variables of the Python client, with its defaults.
fn settings() -> Settings {
    let home = set("HF_HOME").unwrap_or_else(|| {
        let user = set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache")));
        user.unwrap_or_else(std::env::temp_dir).join("huggingface")
    });
    let home = expanded(home);
    let cache = set("HF_HUB_CACHE").or_else(|| set("HUGGINGFACE_HUB_CACHE"));
    let endpoint = text("HF_ENDPOINT").unwrap_or_else(|| ENDPOINT.to_owned());
    let timeout = text("HF_HUB_DOWNLOAD_TIMEOUT")
        .and_then(|text| text.parse().ok())
        .filter(|seconds: &f64| (0.01..=1e6).contains(seconds))
        .unwrap_or(TIMEOUT_S);
    Settings {
        endpoint: endpoint.trim_end_matches('/').to_owned(),
        cache_dir: cache.map_or_else(|| home.join("hub"), expanded),
        notes_dir: cache_dir().join("checked"),
        token: token(&home),
        offline: is_on("HF_HUB_OFFLINE") || is_on("TRANSFORMERS_OFFLINE"),
        timeout: Duration::from_secs_f64(timeout),
        first_wait: FIRST_WAIT,
    }
}

/// Returns `HF_TOKEN`, else the token stored by `hf auth login`.
fn token(home: &Path) -> Option<Token> {
    let named = text("HF_TOKEN").or_else(|| text("HUGGING_FACE_HUB_TOKEN"));
    if let Some(token) = named.as_deref().and_then(Token::new) {
        return Some(token);
    }
    if is_on("HF_HUB_DISABLE_IMPLICIT_TOKEN") {
        return None;
    }
    let path = set("HF_TOKEN_PATH").map_or_else(|| home.join("token"), expanded);
    Token::new(&std::fs::read_to_string(path).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_a_repository_only_if_it_can_be_no_path() {
        let name = |text: &str| hub_name(text, &[".jsonl"]).expect(text);
        assert!(name("hf:some/data#a.jsonl").is_some());
        assert!(name("some/data").is_some());
        for path in [
            "data/rows.jsonl",
            "rows",
            "./some/data",
            "a/b/c",
            "src/lib.rs",
        ] {
            assert_eq!(name(path), None, "{path}");
        }
        assert!(hub_name("hf:nothing", &[]).is_err());
    }
}
