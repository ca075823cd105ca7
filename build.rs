//! Tells the program its version, with the commit if there is one: `0.1.0 (1a2b3c4d5e6f)`.

use std::path::Path;
use std::process::Command;

/// Set by whoever builds from an archive without a repository.
const COMMIT: &str = "TRUENORTH_COMMIT";

fn main() {
    println!("cargo::rerun-if-env-changed={COMMIT}");
    // Every commit would build everything anew, so only releases tell theirs.
    let is_release = std::env::var("PROFILE").is_ok_and(|profile| profile == "release");
    let commit = std::env::var(COMMIT).ok().or_else(|| if is_release { commit() } else { None });
    let commit = commit.filter(|commit| !commit.is_empty());
    let version = env!("CARGO_PKG_VERSION");
    let version = commit.map_or_else(|| version.to_owned(), |commit| format!("{version} ({commit})"));
    println!("cargo::rustc-env=TRUENORTH_VERSION={version}");
}

/// The commit that is checked out here; `None` outside of a repository, and without git.
fn commit() -> Option<String> {
    // A repository around the sources of another one has other commits.
    if !Path::new(".git").exists() {
        return None;
    }
    for name in ["HEAD", "logs/HEAD"] {
        println!("cargo::rerun-if-changed={}", git(&["rev-parse", "--git-path", name])?);
    }
    git(&["rev-parse", "--short=12", "HEAD"])
}

fn git(words: &[&str]) -> Option<String> {
    let ran = Command::new("git").args(words).output().ok().filter(|ran| ran.status.success())?;
    Some(String::from_utf8(ran.stdout).ok()?.trim().to_owned())
}
