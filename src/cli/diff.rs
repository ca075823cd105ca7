//! `truenorth diff`: the clients that a change of the configuration moves.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;

use clap::Args;

use super::load::Loader;
use crate::config::Faults;
use crate::disk::Disk;
use crate::name::Name;
use crate::report::{self, Diff};
use crate::snapshot::{EndpointState, Snapshot};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The old server file
    #[arg(value_name = "OLD")]
    old: PathBuf,
    /// The new server file
    #[arg(value_name = "NEW")]
    new: PathBuf,
    /// Compare only this name. It is absolute, with or without a final dot
    #[arg(long, value_name = "NAME", value_parser = crate::report::Question::parse_name)]
    name: Option<Name>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Returns exit code 1 if one of the two configurations cannot be served, or if neither steers the name.
pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let (old, new) = thread::scope(|scope| {
        let old = scope.spawn(|| snapshot(&arguments.old));
        let new = snapshot(&arguments.new);
        (old.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)), new)
    });
    let (old, new) = match (old, new) {
        (Ok(old), Ok(new)) => (old, new),
        (old, new) => {
            [old.err(), new.err()].iter().flatten().for_each(super::print_faults);
            return ExitCode::from(super::BAD);
        }
    };
    let diff = Diff::new(&old, &new, arguments.name.as_ref());
    super::print(diff.map(|diff| report::render(&diff, arguments.json)))
}

/// Returns the snapshot of a configuration with every endpoint up.
fn snapshot(path: &Path) -> Result<Snapshot, Faults> {
    let loaded = Loader::of_command(path).load(&Disk::new(), &|_| None, None)?;
    Ok(Snapshot::new(loaded.offline(), |_, _| EndpointState::CALM, None))
}
