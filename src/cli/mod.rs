//! The command line.

mod ask;
mod assent;
mod check;
mod completions;
mod config_file;
mod copies;
mod database;
mod demo;
mod descriptors;
mod diff;
mod dnssec;
mod events;
mod explain;
mod fleet;
mod import;
mod init;
mod kept_latency;
mod load;
mod log;
mod manual;
mod output;
mod overrides;
mod privileges;
mod push;
mod register;
mod rollouts;
mod schema;
mod serve;
mod simulate;
mod status;
mod systemd;
mod version;
mod watch_files;

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tracing::{error, warn};

use crate::config::{Fault, Faults, LogFormat, Position, Severity};
use crate::overrides::Mode;
use crate::printable::Printable;
use crate::server;
use config_file::ConfigFile;

/// An authoritative DNS server that sends every client to the best datacenter that is alive.
#[derive(Debug, Parser)]
#[command(name = "truenorth", version = version::VERSION, disable_help_subcommand = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serves the zones
    Serve {
        #[command(flatten)]
        config: ConfigFile,
        /// Take over from the running process without losing a query. If none runs, start as usual
        #[arg(long)]
        replace: bool,
        /// The format of log lines: text or json. By default the server file decides
        #[arg(long, value_name = "FORMAT")]
        log: Option<LogFormat>,
    },
    /// Probes endpoints and tells the fleet what it sees, without answering DNS
    Probe {
        #[command(flatten)]
        config: ConfigFile,
        /// The format of log lines: text or json. By default the server file decides
        #[arg(long, value_name = "FORMAT")]
        log: Option<LogFormat>,
    },
    /// Serves a sample zone with simulated datacenters, which you can break and mend
    Demo(demo::Arguments),
    /// Asks five questions, and writes a server file and a zone file
    Init(init::Arguments),
    /// Writes the files of another server as files of truenorth
    Import(import::Arguments),
    /// Reports every fault of the configuration with its file, line and column
    Check {
        #[command(flatten)]
        config: ConfigFile,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Explains why a client gets its answer
    Explain(explain::Arguments),
    /// Shows the share of clients that a change moves from one datacenter to another
    Diff(diff::Arguments),
    /// Shows the share of clients at each datacenter, now or after a failure
    Simulate(simulate::Arguments),
    /// Shows the state of the running node, its names, its pools and their endpoints
    Status(status::StatusArguments),
    /// Shows the fleet as the running node sees it: the nodes, what they run, and what they differ about
    Fleet(fleet::Arguments),
    /// Gives all nodes of the fleet the same zones: checks a folder, and makes its files the version that is current
    Push(push::Arguments),
    /// Lists the events on the running node, such as failures, orders and reloads
    Events(events::Arguments),
    /// Makes the running node read its files again
    Reload(status::ReloadArguments),
    /// Takes a target out of the answers, as long as others are left
    Drain(overrides::DrainArguments),
    /// Keeps a target in service, although a less specific override takes it out
    Open(overrides::PlaceArguments),
    /// Treats a target as up, whatever its probes say
    ForceUp(overrides::PlaceArguments),
    /// Treats a target as down, whatever its probes say
    ForceDown(overrides::PlaceArguments),
    /// Removes overrides
    Lift(overrides::LiftArguments),
    /// Lists the overrides, and the windows of the server file
    Overrides(ask::Ask),
    /// Runs a service, and registers it as an endpoint for as long as it runs
    Register(register::Arguments),
    /// Switches a blue-green name to another pool
    Switch(rollouts::SwitchArguments),
    /// Shows the roll-outs of names, and moves them forward or back
    Rollout(rollouts::RolloutArguments),
    /// Sets and removes TXT records of the running node, for ACME's dns-01
    #[command(subcommand)]
    Txt(status::Txt),
    /// Makes and shows the keys that zones are signed with
    #[command(subcommand)]
    Dnssec(dnssec::Dnssec),
    /// Prints the JSON Schema of a file, for editors
    Schema(schema::Arguments),
    /// Prints the completions of a shell
    Completions(completions::Arguments),
    /// Prints the manual page, or writes the pages of all commands
    #[command(hide = true)]
    Manual(manual::Arguments),
}

/// The exit code if the command failed, or if the thing that it examined has errors.
const BAD: u8 = 1;

/// Runs the command that the arguments name.
pub fn run() -> ExitCode {
    // A thread that already has a heap keeps it, so this comes before all threads.
    server::share_heap();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(usage) => return tell_usage(&usage),
    };
    match cli.command {
        Command::Serve { config, replace, log } => serve::run(&config.path(), replace, log),
        Command::Probe { config, log } => serve::observe(&config.path(), log),
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Init(arguments) => init::run(&arguments),
        Command::Import(arguments) => import::run(&arguments),
        Command::Check { config, json } => check::run(&config.path(), json),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Diff(arguments) => diff::run(&arguments),
        Command::Simulate(arguments) => simulate::run(&arguments),
        Command::Status(arguments) => status::status(&arguments),
        Command::Fleet(arguments) => fleet::run(&arguments),
        Command::Push(arguments) => push::run(&arguments),
        Command::Events(arguments) => events::run(&arguments),
        Command::Reload(arguments) => status::reload(&arguments),
        Command::Drain(arguments) => overrides::drain(&arguments),
        Command::Open(arguments) => overrides::place(Mode::Open, &arguments),
        Command::ForceUp(arguments) => overrides::place(Mode::ForceUp, &arguments),
        Command::ForceDown(arguments) => overrides::place(Mode::ForceDown, &arguments),
        Command::Lift(arguments) => overrides::lift(&arguments),
        Command::Overrides(ask) => overrides::list(&ask),
        Command::Register(arguments) => register::run(&arguments),
        Command::Switch(arguments) => rollouts::switch(&arguments),
        Command::Rollout(arguments) => rollouts::rollout(&arguments),
        Command::Txt(command) => status::txt(&command),
        Command::Dnssec(command) => dnssec::run(&command),
        Command::Schema(arguments) => schema::run(&arguments),
        Command::Completions(arguments) => completions::run(&arguments),
        Command::Manual(arguments) => manual::run(&arguments),
    }
}

/// Prints a report to standard output, or the reason why there is none to standard error.
fn print(report: Result<String, String>) -> ExitCode {
    match report {
        Ok(report) => output::print(report, ExitCode::SUCCESS),
        Err(why) => {
            // The reason may contain text from the arguments or from the node.
            output::complain(format_args!("truenorth: {}", Printable(why)));
            ExitCode::from(BAD)
        }
    }
}

/// Prints the help or the version, or the error in the arguments. Returns the exit code.
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

/// Logs faults, one line each.
fn log_faults(faults: &Faults) {
    for fault in &faults.0 {
        let Fault { severity, code: _, message, place, label, related: _, help, certificate_of: _, count: _ } = fault;
        let at = place.as_ref().map_or_else(String::new, |place| {
            let Position { line, column } = place.start();
            format!("{}:{line}:{column}: ", place.source.path.display())
        });
        let label = if label.is_empty() { String::new() } else { format!(" ({label})") };
        let help = help.as_ref().map_or_else(String::new, |help| format!("; help: {help}"));
        match severity {
            Severity::Error => error!("{}", Printable(format_args!("{at}{message}{label}{help}"))),
            Severity::Warning => warn!("{}", Printable(format_args!("{at}{message}{label}{help}"))),
        }
    }
}

/// Returns the faults as text for a person who reads standard error.
fn draw_faults(faults: &Faults) -> String {
    faults.render(std::io::stderr().is_terminal()).trim_end().to_owned()
}

/// Prints faults to standard error.
fn print_faults(faults: &Faults) {
    if !faults.0.is_empty() {
        output::complain(draw_faults(faults));
    }
}
