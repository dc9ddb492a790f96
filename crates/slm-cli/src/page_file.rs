//! Writes an HTML page to a file that a user named.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;

use anyhow::{Context, Result};
use slm_artifacts::atomic_write;

use crate::exit::UserMistake;

/// How every page begins.
const BEGINNING: &[u8] = b"<!doctype html>";

/// Writes a page, in place of an earlier page.
///
/// # Errors
/// [`UserMistake`] if the path is that of a folder, a device or another file than a page, which is left as it is; else the
/// file cannot be written.
pub fn write_page(path: &Path, page: &str) -> Result<()> {
    if let Ok(found) = fs::symlink_metadata(path) {
        let kept = |what: &str| {
            let text = format!(
                "{}: {what}, and is not replaced by a page\nhint: choose another file with -o",
                path.display()
            );
            UserMistake(text)
        };
        if !found.is_file() {
            let what = if found.is_dir() {
                "is a folder"
            } else {
                "is no regular file"
            };
            return Err(kept(what).into());
        }
        if found.len() > 0 && !begins_a_page(path) {
            return Err(kept("is no HTML page").into());
        }
    }
    atomic_write(path, page).with_context(|| {
        format!(
            "cannot write {}\nhint: choose another file with -o",
            path.display()
        )
    })
}

fn begins_a_page(path: &Path) -> bool {
    let mut beginning = Vec::new();
    let read = File::open(path).and_then(|file| {
        file.take(BEGINNING.len() as u64)
            .read_to_end(&mut beginning)
    });
    read.is_ok() && beginning.eq_ignore_ascii_case(BEGINNING)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_replaces_a_page_and_nothing_but_a_page() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let page = folder.path().join("page.html");
        let text = "<!doctype html>\n<p>1</p>\n";
        for text in [text, "<!doctype html>\n<p>2</p>\n"] {
            write_page(&page, text).expect("written");
            assert_eq!(fs::read_to_string(&page).expect("a page"), text);
        }
        let records = folder.path().join("records.jsonl");
        fs::write(&records, "{}\n").expect("written");
        for (path, what) in [
            (records.as_path(), "is no HTML page"),
            (folder.path(), "is a folder"),
            (Path::new("/dev/null"), "is no regular file"),
        ] {
            let error = write_page(path, text).expect_err("refused");
            let error = error.downcast::<UserMistake>().expect("a mistake");
            assert!(error.0.contains(what), "{}", error.0);
            assert!(error.0.contains("\nhint: choose another file"));
        }
        assert_eq!(fs::read_to_string(&records).expect("records"), "{}\n");
    }
}
