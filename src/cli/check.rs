//! `truenorth check`: shows every fault of the configuration.

use std::path::Path;
use std::process::ExitCode;

use super::load::{Loaded, Loader};
use super::output;
use crate::config::{Fault, Faults, Severity};
use crate::disk::Disk;
use crate::report;

/// Returns exit code 1 if the configuration cannot be served.
pub(super) fn run(path: &Path, json: bool) -> ExitCode {
    let (faults, summary): (Faults, Option<report::Summary>) =
        match Loader::of_command(path).load(&Disk::new(), &|_| None, None) {
            Ok(Loaded { warnings, forbidden, blueprint, .. }) => {
                // The process that serves may have permissions that this one lacks, so these faults are only warnings.
                let forbidden = forbidden.0.into_iter().map(|fault| Fault { severity: Severity::Warning, ..fault });
                (
                    Faults(warnings.0.into_iter().chain(forbidden).collect()),
                    Some(report::Summary::of(blueprint.world())),
                )
            }
            Err(faults) => (faults, None),
        };
    let code = if summary.is_some() { ExitCode::SUCCESS } else { ExitCode::from(super::BAD) };
    if json {
        return output::print(report::to_json(&report::Check { faults, summary }), code);
    }
    super::print_faults(&faults);
    if let Some(summary) = summary {
        return output::print(summary, code);
    }
    output::complain(count(&faults));
    code
}

fn count(faults: &Faults) -> String {
    let (errors, warnings) = (faults.count(Severity::Error), faults.count(Severity::Warning));
    format!("\n{errors} error(s), {warnings} warning(s)")
}
