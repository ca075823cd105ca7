//! `truenorth status`, `reload` and `txt`: state of the running node, and orders to it.

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use reqwest::Method;

use super::ask::{Answer, Ask, AskError};
use crate::duration;
use crate::name::Name;
use crate::report::{Question, Reload, Status, ToldFault, TxtChange, TxtList};

/// The arguments of `status`.
#[derive(Debug, Args)]
pub(super) struct StatusArguments {
    /// Only this steered name and its pools
    #[arg(long, value_parser = Question::parse_name)]
    name: Option<Name>,
    /// Only this pool, such as web/fra, or web for all of its datacenters
    #[arg(long)]
    pool: Option<String>,
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
    /// Sets a TXT record for a limited time; returns when it is served
    Set {
        /// The owner. It is absolute, with or without a final dot
        #[arg(value_parser = Question::parse_name)]
        name: Name,
        /// The text
        value: String,
        /// How long the record stays: 1s to 168h
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

/// Returns exit code 1 if no node answers.
pub(super) fn status(arguments: &StatusArguments) -> ExitCode {
    let mut query = Vec::new();
    query.extend(arguments.name.as_ref().map(|name| ("name", name.to_string())));
    query.extend(arguments.pool.as_ref().map(|pool| ("pool", pool.clone())));
    let told: Result<Status, AskError> = arguments.ask.get("/v1/status", &query).and_then(Answer::shape);
    match told {
        Ok(status) => {
            let table = |status: &Status| status.table(std::io::stdout().is_terminal());
            arguments.ask.print(&status, table, ExitCode::SUCCESS)
        }
        Err(error) => error.exit(),
    }
}

/// Returns exit code 1 if the old configuration stays in use.
pub(super) fn reload(ReloadArguments { allow_empty, ask }: &ReloadArguments) -> ExitCode {
    let path = if *allow_empty { "/v1/reload?allow_empty=true" } else { "/v1/reload" };
    let body: Option<&()> = None;
    let answer = ask.order(Method::POST, path, body);
    let told: Reload<Vec<ToldFault>> = match answer.and_then(Answer::shape_of_any) {
        Ok(told) => told,
        Err(error) => return error.exit(),
    };
    let code = if told.error.is_none() { ExitCode::SUCCESS } else { ExitCode::from(super::BAD) };
    ask.print(&told, ToString::to_string, code)
}

/// Returns exit code 1 if the node refuses, or no node answers.
pub(super) fn txt(command: &Txt) -> ExitCode {
    let change = |name: &Name, value: Option<&String>, lifetime: Option<&String>| TxtChange {
        name: name.to_string(),
        value: value.cloned(),
        lifetime: lifetime.cloned(),
    };
    let (ask, answer) = match command {
        Txt::Set { name, value, lifetime, ask } => {
            (ask, ask.order(Method::POST, "/v1/txt", Some(&change(name, Some(value), Some(lifetime)))))
        }
        Txt::Unset { name, value, ask } => {
            (ask, ask.order(Method::DELETE, "/v1/txt", Some(&change(name, value.as_ref(), None))))
        }
        Txt::List { ask } => (ask, ask.get("/v1/txt", &[])),
    };
    let told: Result<TxtList, AskError> = answer.and_then(Answer::shape);
    match told {
        Ok(list) => ask.print(&list, ToString::to_string, ExitCode::SUCCESS),
        Err(error) => error.exit(),
    }
}
