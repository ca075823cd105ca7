//! `truenorth status`, `reload` and `txt`: show the state of the running node, and give it orders.

use std::io::IsTerminal;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use clap::{Args, Subcommand};
use reqwest::Method;

use super::ask::{Answer, Ask, AskError};
use super::log::has_colours;
use super::output;
use crate::duration;
use crate::name::Name;
use crate::report::{Question, Reload, Status, ToldFault, TxtChange, TxtList};

/// Moves to the upper left corner and clears the screen (ECMA-48, sections 8.3.21 and 8.3.39).
const CLEAR: &str = "\x1b[H\x1b[2J";

/// The arguments of `status`.
#[derive(Debug, Args)]
pub(super) struct StatusArguments {
    /// Show only this steered name and its pools
    #[arg(long, value_parser = Question::parse_name)]
    name: Option<Name>,
    /// Show only this pool, such as web/fra, or web for all of its datacenters
    #[arg(long)]
    pool: Option<String>,
    /// Show only the pools in this datacenter, and the names that use them
    #[arg(long)]
    datacenter: Option<String>,
    /// Show everything, as tables. By default only sums and problems are shown
    #[arg(long)]
    all: bool,
    /// Show it repeatedly, with this time between
    #[arg(long, value_name = "TIME", num_args = 0..=1, default_missing_value = "2s", value_parser = parse_interval)]
    watch: Option<Duration>,
    #[command(flatten)]
    ask: Ask,
}

/// The arguments of `reload`.
#[derive(Debug, Args)]
pub(super) struct ReloadArguments {
    /// Accept a configuration without a zone although zones are served now
    #[arg(long)]
    allow_empty: bool,
    #[command(flatten)]
    ask: Ask,
}

/// The commands of `txt`.
#[derive(Debug, Subcommand)]
pub(super) enum Txt {
    /// Sets a TXT record for a limited time, and waits until it is served
    Set {
        /// The owner. It is absolute, with or without a final dot
        #[arg(value_parser = Question::parse_name)]
        name: Name,
        /// The text
        value: String,
        /// How long the record is served: 1s to 168h
        #[arg(long = "for", value_name = "TIME", default_value = "10m", value_parser = parse_lifetime)]
        lifetime: String,
        #[command(flatten)]
        ask: Ask,
    },
    /// Removes a TXT record, or all that were set at a name
    Unset {
        /// The owner. It is absolute, with or without a final dot
        #[arg(value_parser = Question::parse_name)]
        name: Name,
        /// The text. By default all texts at the name
        value: Option<String>,
        #[command(flatten)]
        ask: Ask,
    },
    /// Lists the TXT records that were set
    List {
        #[command(flatten)]
        ask: Ask,
    },
}

pub(super) fn parse_lifetime(text: &str) -> Result<String, String> {
    match duration::parse(text) {
        Some(_) => Ok(text.to_owned()),
        None => Err("write a duration such as 30s, 10m or 2h".to_owned()),
    }
}

pub(super) fn parse_interval(text: &str) -> Result<Duration, String> {
    let parsed = duration::parse(text).filter(|time| !time.is_zero());
    parsed.ok_or_else(|| "write a duration such as 2s".to_owned())
}

/// Returns exit code 1 if no node answers.
pub(super) fn status(arguments: &StatusArguments) -> ExitCode {
    repeat(arguments.watch, &arguments.ask, |ask| show(arguments, ask))
}

/// Shows something of each node, once or with this time between. Returns the exit code.
pub(super) fn repeat(every: Option<Duration>, ask: &Ask, show: impl Fn(&Ask) -> ExitCode) -> ExitCode {
    let Some(interval) = every else { return ask.each(show) };
    loop {
        if std::io::stdout().is_terminal() {
            output::print(CLEAR, ExitCode::SUCCESS);
        }
        // If the node does not answer now, it may answer next time. But if the reader of the output is gone, this ends.
        ask.each(&show);
        if output::is_reader_gone() {
            return ExitCode::SUCCESS;
        }
        thread::sleep(interval);
    }
}

fn show(arguments: &StatusArguments, ask: &Ask) -> ExitCode {
    let StatusArguments { name, pool, datacenter, all, .. } = arguments;
    let mut query = Vec::new();
    query.extend(name.as_ref().map(|name| ("name", name.to_string())));
    query.extend(pool.as_ref().map(|pool| ("pool", pool.clone())));
    query.extend(datacenter.as_ref().map(|datacenter| ("datacenter", datacenter.clone())));
    let told: Result<Status, AskError> = ask.get("/v1/status", &query).and_then(Answer::shape);
    match told {
        Ok(status) => {
            // If a part was selected, all of it is shown, not only its problems.
            let is_first_screen = !all && query.is_empty();
            let text = |status: &Status| {
                let for_terminal = has_colours(&std::io::stdout());
                if is_first_screen { status.screen(for_terminal) } else { status.table(for_terminal) }
            };
            ask.print(&status, text, ExitCode::SUCCESS)
        }
        Err(error) => error.exit(),
    }
}

/// Returns exit code 1 if the old configuration stays in use.
pub(super) fn reload(ReloadArguments { allow_empty, ask }: &ReloadArguments) -> ExitCode {
    ask.each(|ask| reload_one(*allow_empty, ask))
}

fn reload_one(allow_empty: bool, ask: &Ask) -> ExitCode {
    let query = allow_empty.then(|| ("allow_empty", "true".to_owned()));
    let answer = ask.post("/v1/reload", query.as_slice());
    let told: Reload<Vec<ToldFault>> = match answer.and_then(Answer::shape_of_any) {
        Ok(told) => told,
        Err(error) => return error.exit(),
    };
    let code = if told.detail.is_none() { ExitCode::SUCCESS } else { ExitCode::from(super::BAD) };
    ask.print(&told, ToString::to_string, code)
}

/// Returns exit code 1 if the node refuses, or no node answers.
pub(super) fn txt(command: &Txt) -> ExitCode {
    let (Txt::Set { ask, .. } | Txt::Unset { ask, .. } | Txt::List { ask }) = command;
    ask.each(|ask| txt_one(command, ask))
}

fn txt_one(command: &Txt, ask: &Ask) -> ExitCode {
    let change = |name: &Name, value: Option<&String>, lifetime: Option<&String>| TxtChange {
        name: name.to_string(),
        value: value.cloned(),
        lifetime: lifetime.cloned(),
    };
    let answer = match command {
        Txt::Set { name, value, lifetime, .. } => {
            ask.order(Method::POST, "/v1/txt", &change(name, Some(value), Some(lifetime)))
        }
        Txt::Unset { name, value, .. } => ask.order(Method::DELETE, "/v1/txt", &change(name, value.as_ref(), None)),
        Txt::List { .. } => ask.get("/v1/txt", &[]),
    };
    ask.print_told::<TxtList>(answer.and_then(Answer::shape))
}
