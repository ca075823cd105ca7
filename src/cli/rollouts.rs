//! `truenorth switch` and `truenorth rollout`: the pools that a name's clients are sent to.

use std::fmt::Write;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use reqwest::Method;

use super::ask::{Answer, Ask, AskError};
use super::assent::Assent;
use super::overrides::who;
use crate::report::{RolloutList, RolloutOrder};
use crate::rollout::Action;

const PATH: &str = "/v1/rollouts";

/// The arguments of `switch`.
#[derive(Debug, Args)]
pub(super) struct SwitchArguments {
    /// A steered name with `active`
    name: String,
    /// The pool that is to answer, as it is written in the name's `pools`
    #[arg(required_unless_present = "back", conflicts_with = "back")]
    pool: Option<String>,
    /// Switch to the pool that answered before the last switch
    #[arg(long)]
    back: bool,
    /// The reason, for people who see the switch later
    #[arg(long, default_value = "")]
    reason: String,
    #[command(flatten)]
    assent: Assent,
    #[command(flatten)]
    ask: Ask,
}

/// The arguments of `rollout`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct RolloutArguments {
    #[command(subcommand)]
    action: Option<RolloutAction>,
    /// A steered name with `canary` or `active`. By default all of them
    name: Option<String>,
    #[command(flatten)]
    ask: Ask,
}

#[derive(Debug, Subcommand)]
enum RolloutAction {
    /// Stays at the present step
    Pause(ActionArguments),
    /// Continues; after a rollback, from the first step
    Resume(ActionArguments),
    /// Takes the next step now
    Advance(ActionArguments),
    /// Rolls back: sends no more clients to the new pool
    Back(ActionArguments),
}

#[derive(Debug, Args)]
struct ActionArguments {
    /// A steered name with `canary`
    name: String,
    /// The reason, for people who see the change later
    #[arg(long, default_value = "")]
    reason: String,
    #[command(flatten)]
    assent: Assent,
    #[command(flatten)]
    ask: Ask,
}

/// Returns exit code 1 if the node refuses, or no node answers.
pub(super) fn switch(arguments: &SwitchArguments) -> ExitCode {
    let SwitchArguments { name, pool, back, reason, assent, ask } = arguments;
    let action = back.then(|| Action::Back.as_str().to_owned());
    let order = RolloutOrder { active: pool.clone(), action, reason: reason.clone(), who: who(), dry_run: false };
    ask.each(|ask| ask.print_told(give(assent, ask, name, &order)))
}

/// Returns exit code 1 if the node refuses, or no node answers.
pub(super) fn rollout(RolloutArguments { action, name, ask }: &RolloutArguments) -> ExitCode {
    let (action, arguments) = match action {
        None => {
            let path = name.as_ref().map_or_else(|| PATH.to_owned(), |name| path(name));
            return ask.each(|ask| ask.print_told::<RolloutList>(ask.get(&path, &[]).and_then(Answer::shape)));
        }
        Some(RolloutAction::Pause(arguments)) => (Action::Pause, arguments),
        Some(RolloutAction::Resume(arguments)) => (Action::Resume, arguments),
        Some(RolloutAction::Advance(arguments)) => (Action::Advance, arguments),
        Some(RolloutAction::Back(arguments)) => (Action::Back, arguments),
    };
    let ActionArguments { name, reason, assent, ask } = arguments;
    let action = Some(action.as_str().to_owned());
    let order = RolloutOrder { active: None, action, reason: reason.clone(), who: who(), dry_run: false };
    ask.each(|ask| ask.print_told(give(assent, ask, name, &order)))
}

fn give(assent: &Assent, ask: &Ask, name: &str, order: &RolloutOrder) -> Result<RolloutList, AskError> {
    let order = |dry_run| RolloutOrder { dry_run, ..order.clone() };
    assent.give(|dry_run| ask.order(Method::POST, &path(name), &order(dry_run)).and_then(Answer::shape))
}

/// Returns the path of a name's roll-out. Percent-encodes the characters that have a meaning in URLs (RFC 3986, section
/// 2.1).
fn path(name: &str) -> String {
    let mut path = format!("{PATH}/");
    for &octet in name.as_bytes() {
        if octet.is_ascii_alphanumeric() || b"-._~*".contains(&octet) {
            path.push(char::from(octet));
        } else {
            let _ = write!(path, "%{octet:02X}");
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_written_into_paths_so_that_they_come_out_again() {
        assert_eq!(path("*.apps.example.com"), "/v1/rollouts/*.apps.example.com");
        assert_eq!(path("a\\046b/c.example.com"), "/v1/rollouts/a%5C046b%2Fc.example.com");
    }
}
