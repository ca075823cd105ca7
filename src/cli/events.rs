//! `truenorth events`: the events on the running node, also those before its last start.

use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use clap::Args;

use super::ask::{Answer, Ask, AskError};
use super::output;
use super::status::parse_lifetime;
use crate::config::EVENTS;
use crate::report::EventList;

/// Interval at which `--follow` asks for new events.
const INTERVAL: Duration = Duration::from_secs(1);

/// The arguments of `events`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// How far to look back
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = parse_lifetime)]
    since: String,
    /// Show only events of this kind. May be given several times
    #[arg(long = "event", value_name = "KIND", value_parser = EVENTS.map(|(word, _)| word))]
    kinds: Vec<String>,
    /// Then show new events as they happen
    #[arg(long, short)]
    follow: bool,
    #[command(flatten)]
    ask: Ask,
}

/// Returns exit code 1 if no node answers.
pub(super) fn run(arguments: &Arguments) -> ExitCode {
    arguments.ask.each(|ask| show(arguments, ask))
}

fn show(Arguments { since, kinds, follow, .. }: &Arguments, ask: &Ask) -> ExitCode {
    let mut since = since.clone();
    let mut last = None;
    loop {
        let told: Result<EventList, AskError> = ask.get("/v1/events", &[("since", since)]).and_then(Answer::shape);
        let mut list = match told {
            Ok(list) => list,
            Err(error) => return error.exit(),
        };
        let is_new = |id: u64| last.is_none_or(|last| id > last);
        list.events.retain(|notice| is_new(notice.id));
        last = list.events.last().map(|notice| notice.id).or(last);
        // Further events may happen in the same second in which this list was made.
        since = list.time.saturating_sub(1).to_string();
        list.events.retain(|notice| kinds.is_empty() || kinds.iter().any(|kind| kind == notice.kind.kind()));
        if !follow || !list.events.is_empty() {
            let code = ask.print(&list, ToString::to_string, ExitCode::SUCCESS);
            if !follow || code != ExitCode::SUCCESS {
                return code;
            }
        }
        if output::is_reader_gone() {
            return ExitCode::SUCCESS;
        }
        thread::sleep(INTERVAL);
    }
}
