//! The command line.

mod ask;
mod check;
mod demo;
mod descriptors;
mod diff;
mod explain;
mod kept_latency;
mod load;
mod log;
mod output;
mod overrides;
mod rollouts;
mod serve;
mod simulate;
mod status;
mod watch_files;

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use tracing::{error, warn};

use crate::config::{Fault, Faults, Position, Severity};
use crate::overrides::Mode;

/// An authoritative DNS server that sends every client to the best datacenter that is alive.
#[derive(Debug, Parser)]
#[command(name = "truenorth", version, disable_help_subcommand = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serves the zones
    Serve(ConfigFile),
    /// Serves a sample zone and plays its datacenters, to be broken and mended
    Demo(demo::Arguments),
    /// Tells every fault of the configuration with its file, line and column
    Check {
        #[command(flatten)]
        config: ConfigFile,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Tells why a client gets the answer it gets
    Explain(explain::Arguments),
    /// Tells which share of the clients a change moves from which datacenter to which
    Diff(diff::Arguments),
    /// Tells which share of the clients goes where, and where it would go if something failed
    Simulate(simulate::Arguments),
    /// Tells how the running node, its names, its pools and their endpoints stand
    Status(status::StatusArguments),
    /// Has the running node read its files again
    Reload(status::ReloadArguments),
    /// Gives no answers with what a target means while another is left
    Drain(overrides::DrainArguments),
    /// Keeps what a target means in service although something less specific takes it out
    Open(overrides::PlaceArguments),
    /// Takes what a target means for up, whatever probes say
    ForceUp(overrides::PlaceArguments),
    /// Takes what a target means for down, whatever probes say
    ForceDown(overrides::PlaceArguments),
    /// Takes overrides back
    Lift(overrides::LiftArguments),
    /// Lists overrides, and the windows of the server file
    Overrides(ask::Ask),
    /// Has another pool of a blue-green name answer
    Switch(rollouts::SwitchArguments),
    /// Tells how clients move to new pools, and moves them on or back
    Rollout(rollouts::RolloutArguments),
    /// Sets and takes away TXT records of the running node, for ACME's dns-01
    #[command(subcommand)]
    Txt(status::Txt),
}

/// Where the configuration begins.
#[derive(Debug, Args)]
struct ConfigFile {
    /// The server file
    #[arg(long, value_name = "FILE", default_value = "truenorth.toml")]
    config: PathBuf,
}

/// The thing asked about is bad.
const BAD: u8 = 1;

/// Runs the command that the arguments name.
pub fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(usage) => return tell_usage(&usage),
    };
    match cli.command {
        Command::Serve(file) => serve::run(&file.config),
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Check { config, json } => check::run(&config.config, json),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Diff(arguments) => diff::run(&arguments),
        Command::Simulate(arguments) => simulate::run(&arguments),
        Command::Status(arguments) => status::status(&arguments),
        Command::Reload(arguments) => status::reload(&arguments),
        Command::Drain(arguments) => overrides::drain(&arguments),
        Command::Open(arguments) => overrides::place(Mode::Open, &arguments),
        Command::ForceUp(arguments) => overrides::place(Mode::ForceUp, &arguments),
        Command::ForceDown(arguments) => overrides::place(Mode::ForceDown, &arguments),
        Command::Lift(arguments) => overrides::lift(&arguments),
        Command::Overrides(ask) => overrides::list(&ask),
        Command::Switch(arguments) => rollouts::switch(&arguments),
        Command::Rollout(arguments) => rollouts::rollout(&arguments),
        Command::Txt(command) => status::txt(&command),
    }
}

/// Prints what was found out, or why nothing can be.
fn print(report: Result<String, String>) -> ExitCode {
    match report {
        Ok(report) => output::print(report, ExitCode::SUCCESS),
        Err(why) => {
            output::complain(format_args!("truenorth: {why}"));
            ExitCode::from(BAD)
        }
    }
}

/// Prints the help or the version that was asked for, or how the arguments are wrong.
fn tell_usage(usage: &clap::Error) -> ExitCode {
    let code = ExitCode::from(u8::try_from(usage.exit_code()).unwrap_or(BAD));
    let styled = usage.render();
    let text = |is_terminal| if is_terminal { styled.ansi().to_string() } else { styled.to_string() };
    if usage.use_stderr() {
        output::complain(text(std::io::stderr().is_terminal()).trim_end());
        return code;
    }
    output::print(text(std::io::stdout().is_terminal()).trim_end(), code)
}

/// Writes faults to the log, one line each.
fn log_faults(faults: &Faults) {
    for fault in &faults.0 {
        let Fault { severity, code: _, message, place, label, related: _, help, count: _ } = fault;
        let at = place.as_ref().map_or_else(String::new, |place| {
            let Position { line, column } = place.start();
            format!("{}:{line}:{column}: ", place.source.path.display())
        });
        let label = if label.is_empty() { String::new() } else { format!(" ({label})") };
        let help = help.as_ref().map_or_else(String::new, |help| format!("; help: {help}"));
        match severity {
            Severity::Error => error!("{at}{message}{label}{help}"),
            Severity::Warning => warn!("{at}{message}{label}{help}"),
        }
    }
}

/// Faults as a person reads them on standard error.
fn draw_faults(faults: &Faults) -> String {
    faults.render(std::io::stderr().is_terminal()).trim_end().to_owned()
}

/// Draws faults for a person.
fn print_faults(faults: &Faults) {
    if !faults.0.is_empty() {
        output::complain(draw_faults(faults));
    }
}
