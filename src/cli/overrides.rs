//! `truenorth drain`, `open`, `force-up`, `force-down`, `lift` and `overrides`: what is to answer, whatever probes say.

use std::process::ExitCode;

use clap::Args;
use reqwest::Method;

use super::ask::{Answer, Ask, AskError};
use super::status::parse_lifetime;
use crate::overrides::{Mode, OverrideId, TargetPattern};
use crate::report::{OverrideList, OverrideOrder, OverrideSelector};

const PATH: &str = "/v1/overrides";

/// `drain` and the others.
#[derive(Debug, Args)]
pub(super) struct PlaceArguments {
    /// dc:fra, pool:web/fra, pool:web, endpoint:192.0.2.10 or name:www.example.com; * stands for any text
    target: TargetPattern,
    /// How long; until it is lifted without it
    #[arg(long = "for", value_name = "TIME", value_parser = parse_lifetime)]
    lifetime: Option<String>,
    /// Why, for those who find it
    #[arg(long, default_value = "")]
    reason: String,
    #[command(flatten)]
    ask: Ask,
}

/// `drain`.
#[derive(Debug, Args)]
pub(super) struct DrainArguments {
    /// How long it takes until nothing is left; at once without it
    #[arg(long, value_name = "TIME", value_parser = parse_lifetime)]
    over: Option<String>,
    #[command(flatten)]
    place: PlaceArguments,
}

/// `lift`.
#[derive(Debug, Args)]
pub(super) struct LiftArguments {
    /// An override's number, or a target: all that were placed on exactly that
    #[arg(value_name = "OVERRIDE|TARGET")]
    which: Which,
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

/// Exit code 1 if it cannot be, or no node answers.
pub(super) fn drain(DrainArguments { over, place }: &DrainArguments) -> ExitCode {
    order(Mode::Drain, place, over.clone())
}

/// Exit code 1 if it cannot be, or no node answers.
pub(super) fn place(mode: Mode, arguments: &PlaceArguments) -> ExitCode {
    order(mode, arguments, None)
}

fn order(mode: Mode, arguments: &PlaceArguments, over: Option<String>) -> ExitCode {
    let PlaceArguments { target, lifetime, reason, ask } = arguments;
    let order = OverrideOrder {
        mode: mode.to_string(),
        target: target.to_string(),
        lifetime: lifetime.clone(),
        from: None,
        over,
        reason: reason.clone(),
        who: who(),
    };
    tell(ask, ask.order(Method::POST, PATH, Some(&order)))
}

/// Exit code 1 if there is no such override, or no node answers.
pub(super) fn lift(LiftArguments { which, ask }: &LiftArguments) -> ExitCode {
    let (number, target) = match which {
        Which::Number(number) => (Some(number.to_string()), None),
        Which::Target(target) => (None, Some(target.to_string())),
    };
    tell(ask, ask.order(Method::DELETE, PATH, Some(&OverrideSelector { number, target, who: who() })))
}

/// Exit code 1 if no node answers.
pub(super) fn list(ask: &Ask) -> ExitCode {
    tell(ask, ask.get(PATH, &[]))
}

fn tell(ask: &Ask, answer: Result<Answer, AskError>) -> ExitCode {
    match answer.and_then(Answer::shape::<OverrideList>) {
        Ok(list) => ask.print(&list, ToString::to_string, ExitCode::SUCCESS),
        Err(error) => error.exit(),
    }
}

/// Whoever is logged in, as far as the environment says.
pub(super) fn who() -> String {
    let named = ["SUDO_USER", "USER", "LOGNAME"].into_iter().filter_map(|key| std::env::var(key).ok());
    named.into_iter().find(|name| !name.is_empty()).unwrap_or_default()
}
