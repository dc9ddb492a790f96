//! Passes the commit of a release build to the compiler, as `SLM_COMMIT`.
//!
//! The variable can also be set by the caller where there is no git, as in an unpacked archive. Development builds have
//! no commit: each commit would recompile both binaries.

#![allow(clippy::print_stdout)]

use std::env;
use std::path::PathBuf;
use std::process::Command;

/// Returns the output of git; `None` without git or a repository.
fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

/// Returns the file of the repository with this name, if it exists: a missing one would rerun the script in every
/// build.
fn file(name: &str) -> Option<PathBuf> {
    let path = PathBuf::from(git(&["rev-parse", "--git-path", name])?);
    path.is_file().then_some(path)
}

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=SLM_COMMIT");
    let is_release = env::var("PROFILE").is_ok_and(|profile| profile == "release");
    if env::var_os("SLM_COMMIT").is_some() || !is_release {
        return;
    }
    // An archive unpacked inside another repository must not take that one's commit.
    let is_ours = || git(&["ls-files", "--error-unmatch", "build.rs"]);
    let Some(commit) = is_ours().and_then(|_| git(&["rev-parse", "--short=7", "HEAD"])) else {
        return;
    };
    println!("cargo::rustc-env=SLM_COMMIT={commit}");
    let reference = git(&["symbolic-ref", "--quiet", "HEAD"]);
    let reference = reference.and_then(|name| file(&name).or_else(|| file("packed-refs")));
    for path in file("HEAD").into_iter().chain(reference) {
        println!("cargo::rerun-if-changed={}", path.display());
    }
}
