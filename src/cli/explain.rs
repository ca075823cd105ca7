//! `truenorth explain`: explains why a client gets its answer. Asks the running node if there is one.

use std::process::ExitCode;

use clap::Args;
use hickory_proto::rr::RecordType;

use super::ask::{Answer, Ask, AskError};
use super::load::Loader;
use crate::disk::Disk;
use crate::name::Name;
use crate::overrides::TargetPattern;
use crate::report::{self, Explanation, Network, Question};
use crate::snapshot::Snapshot;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The name to resolve. It is absolute, with or without a final dot
    #[arg(value_parser = Question::parse_name)]
    name: Name,
    /// The record type to ask for
    #[arg(default_value = "A", value_parser = Question::parse_type)]
    rtype: RecordType,
    /// The client's network, as in the Client Subnet option, or the address of a resolver that sends no such option
    #[arg(long, value_name = "ADDR[/LEN]")]
    client: Network,
    /// Assume that this is down: dc:NAME, pool:NAME or endpoint:ADDRESS. May be given several times
    #[arg(long, value_name = "TARGET")]
    down: Vec<TargetPattern>,
    /// Read the files instead of asking a running node, and assume that every endpoint is up
    #[arg(long)]
    offline: bool,
    #[command(flatten)]
    ask: Ask,
}

/// Returns exit code 1 if there is no answer to explain.
pub(super) fn run(arguments: &Arguments) -> ExitCode {
    arguments.ask.each(|ask| {
        let live = if arguments.offline { None } else { ask_node(arguments, ask) };
        ask.print_told(live.unwrap_or_else(|| explain_offline(arguments)))
    })
}

/// Asks a running node. Returns `None` if no node answers.
fn ask_node(arguments: &Arguments, ask: &Ask) -> Option<Result<Explanation, AskError>> {
    let mut query = vec![
        ("name", arguments.name.to_string()),
        ("type", arguments.rtype.to_string()),
        ("client", arguments.client.to_string()),
    ];
    query.extend(arguments.down.iter().map(|down| ("down", down.to_string())));
    match ask.get("/v1/explain", &query).and_then(Answer::shape) {
        // If the files have faults, the offline explanation reports all of them.
        Err(AskError::NoNode(_) | AskError::Silent { .. } | AskError::Faults(_)) => None,
        told => Some(told),
    }
}

fn explain_offline(arguments: &Arguments) -> Result<Explanation, AskError> {
    let loaded =
        Loader::of_command(&arguments.ask.config()).load(&Disk::new(), &|_| None, None).map_err(AskError::Faults)?;
    let blueprint = loaded.offline();
    let question = Question { name: arguments.name.clone(), rtype: arguments.rtype, client: arguments.client };
    let endpoint_state =
        report::endpoint_state_without(&arguments.down, blueprint.world()).map_err(AskError::Refused)?;
    let snapshot = Snapshot::new(blueprint.clone(), endpoint_state, None);
    Explanation::offline(&snapshot, &question, &arguments.down).map_err(AskError::Refused)
}
