//! `truenorth fleet`: shows the fleet as the running node sees it.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use super::ask::{Answer, Ask, AskError};
use super::log::has_colours;
use super::status::{parse_interval, repeat};
use crate::report::{FleetView, ZonesList};

/// The arguments of `fleet`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Show it repeatedly, with this time between
    #[arg(long, value_name = "TIME", num_args = 0..=1, default_missing_value = "2s", value_parser = parse_interval)]
    watch: Option<Duration>,
    /// Show the versions of the zones: those that are current, and those that can be rolled back to
    #[arg(long, conflicts_with = "watch")]
    versions: bool,
    #[command(flatten)]
    ask: Ask,
}

/// Returns exit code 1 if no node answers, or the node has no fleet.
pub(super) fn run(arguments: &Arguments) -> ExitCode {
    if arguments.versions {
        let shown = |ask: &Ask| ask.print_told::<ZonesList>(ask.get("/v1/zones", &[]).and_then(Answer::shape));
        return arguments.ask.each(shown);
    }
    repeat(arguments.watch, &arguments.ask, |ask| {
        let told: Result<FleetView, AskError> = ask.get("/v1/fleet", &[]).and_then(Answer::shape);
        match told {
            Ok(view) => ask.print(&view, |view| view.text(has_colours(&std::io::stdout())), ExitCode::SUCCESS),
            Err(error) => error.exit(),
        }
    })
}
