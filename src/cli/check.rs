//! `truenorth check`: every fault, drawn.

use std::path::Path;
use std::process::ExitCode;

use super::load::{Loaded, Loader};
use crate::config::{Fault, Faults, Severity};
use crate::report;

/// Exit code 1 if the configuration cannot be served.
pub(super) fn run(path: &Path, json: bool) -> ExitCode {
    let (faults, summary): (Faults, Option<report::Summary>) = match Loader::new(path).load(&|_| None, None) {
        Ok(Loaded { warnings, forbidden, blueprint, .. }) => {
            // The process that serves may be allowed what this one is not.
            let forbidden = forbidden.0.into_iter().map(|fault| Fault { severity: Severity::Warning, ..fault });
            (Faults(warnings.0.into_iter().chain(forbidden).collect()), Some(report::Summary::of(blueprint.world())))
        }
        Err(faults) => (faults, None),
    };
    let good = summary.is_some();
    if json {
        println!("{}", report::to_json(&report::Check { faults, summary }));
    } else {
        super::print_faults(&faults);
        match &summary {
            Some(summary) => println!("{summary}"),
            None => eprintln!("{}", count(&faults)),
        }
    }
    if good { ExitCode::SUCCESS } else { ExitCode::from(super::BAD) }
}

fn count(faults: &Faults) -> String {
    let (errors, warnings) = (faults.count(Severity::Error), faults.count(Severity::Warning));
    format!("\n{errors} error(s), {warnings} warning(s)")
}
