//! `truenorth drain`, `open`, `force-up`, `force-down`, `lift` and `overrides`: overrides of the state that probes
//! find.

use std::process::ExitCode;

use clap::Args;
use reqwest::Method;

use super::ask::{Answer, Ask};
use super::assent::Assent;
use super::status::parse_lifetime;
use crate::overrides::{Mode, OverrideId, TargetPattern};
use crate::report::{OverrideList, OverrideOrder, OverrideSelector};

const PATH: &str = "/v1/overrides";

/// The arguments of `drain`, `open`, `force-up` and `force-down`.
#[derive(Debug, Args)]
pub(super) struct PlaceArguments {
    /// dc:fra, pool:web/fra, pool:web, endpoint:192.0.2.10 or name:www.example.com. An asterisk matches any text
    target: TargetPattern,
    /// How long it lasts. By default until it is lifted
    #[arg(long = "for", value_name = "TIME", value_parser = parse_lifetime)]
    lifetime: Option<String>,
    /// The reason, for people who see the override later
    #[arg(long, default_value = "")]
    reason: String,
    #[command(flatten)]
    assent: Assent,
    #[command(flatten)]
    ask: Ask,
}

/// The arguments of `drain`.
#[derive(Debug, Args)]
pub(super) struct DrainArguments {
    /// How long the drain takes until no client is left. By default it is immediate
    #[arg(long, value_name = "TIME", value_parser = parse_lifetime)]
    over: Option<String>,
    #[command(flatten)]
    place: PlaceArguments,
}

/// The arguments of `lift`.
#[derive(Debug, Args)]
pub(super) struct LiftArguments {
    /// The number of an override, or a target: all overrides placed on exactly that target
    #[arg(value_name = "OVERRIDE|TARGET")]
    which: Which,
    #[command(flatten)]
    assent: Assent,
    #[command(flatten)]
    ask: Ask,
}

#[derive(Clone, Debug)]
enum Which {
    Number(OverrideId),
    Target(TargetPattern),
}

impl std::str::FromStr for Which {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse() {
            Ok(number) => Ok(Self::Number(number)),
            Err(_) => {
                text.parse().map(Self::Target).map_err(|error: crate::overrides::TargetPatternError| error.to_string())
            }
        }
    }
}

/// Returns exit code 1 if the node refuses, or no node answers.
pub(super) fn drain(DrainArguments { over, place }: &DrainArguments) -> ExitCode {
    order(Mode::Drain, place, over.as_ref())
}

/// Returns exit code 1 if the node refuses, or no node answers.
pub(super) fn place(mode: Mode, arguments: &PlaceArguments) -> ExitCode {
    order(mode, arguments, None)
}

fn order(mode: Mode, arguments: &PlaceArguments, over: Option<&String>) -> ExitCode {
    let PlaceArguments { target, lifetime, reason, assent, ask } = arguments;
    let order = |dry_run| OverrideOrder {
        mode: mode.to_string(),
        target: target.to_string(),
        lifetime: lifetime.clone(),
        from: None,
        over: over.cloned(),
        reason: reason.clone(),
        who: who(),
        dry_run,
    };
    ask.each(|ask| {
        let give = |dry_run| ask.order(Method::POST, PATH, &order(dry_run)).and_then(Answer::shape);
        ask.print_told::<OverrideList>(assent.give(give))
    })
}

/// Returns exit code 1 if there is no such override, or no node answers.
pub(super) fn lift(LiftArguments { which, assent, ask }: &LiftArguments) -> ExitCode {
    let (number, target) = match which {
        Which::Number(number) => (Some(number.to_string()), None),
        Which::Target(target) => (None, Some(target.to_string())),
    };
    let order = |dry_run| OverrideSelector { number: number.clone(), target: target.clone(), who: who(), dry_run };
    ask.each(|ask| {
        let give = |dry_run| ask.order(Method::DELETE, PATH, &order(dry_run)).and_then(Answer::shape);
        ask.print_told::<OverrideList>(assent.give(give))
    })
}

/// Returns exit code 1 if no node answers.
pub(super) fn list(ask: &Ask) -> ExitCode {
    ask.each(|ask| ask.print_told::<OverrideList>(ask.get(PATH, &[]).and_then(Answer::shape)))
}

/// Returns the name of the logged-in user, from the environment; empty if it is unknown.
pub(super) fn who() -> String {
    let named = ["SUDO_USER", "USER", "LOGNAME"].into_iter().filter_map(|key| std::env::var(key).ok());
    named.into_iter().find(|name| !name.is_empty()).unwrap_or_default()
}
