//! `truenorth explain`: why a client gets the answer it gets.

use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;
use std::sync::Arc;

use clap::Args;
use hickory_proto::rr::RecordType;

use super::load::Loader;
use crate::name::Name;
use crate::overrides::TargetPattern;
use crate::report::{self, Explanation, Network, Question};
use crate::snapshot::Snapshot;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The name to resolve; absolute whether it ends with a dot or not
    #[arg(value_parser = super::parse_name)]
    name: Name,
    /// The type to ask for
    #[arg(default_value = "A", value_parser = parse_type)]
    rtype: RecordType,
    /// The client's address, or its network as a resolver would tell it
    #[arg(long, value_name = "ADDR[/LEN]")]
    client: Network,
    /// What if this were down: dc:NAME, pool:NAME or endpoint:ADDRESS; may be given several times
    #[arg(long, value_name = "TARGET")]
    down: Vec<TargetPattern>,
    /// The server file
    #[arg(long, value_name = "FILE", default_value = "truenorth.toml")]
    config: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

fn parse_type(text: &str) -> Result<RecordType, String> {
    RecordType::from_str(&text.to_ascii_uppercase()).map_err(|_| format!("`{text}` is no record type"))
}

/// Exit code 1 if there is no answer to explain.
pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let loaded = match Loader::new(&arguments.config).load(&|_| None, None) {
        Ok(loaded) => loaded,
        Err(faults) => {
            super::print_faults(&faults);
            return ExitCode::from(super::BAD);
        }
    };
    let network = arguments.client;
    let (client, length) = (network.address, network.length());
    let question = Question { name: arguments.name.clone(), rtype: arguments.rtype, client, length };
    let explanation = report::standing_without(&arguments.down, loaded.blueprint.world()).and_then(|standing| {
        let snapshot = Snapshot::new(Arc::clone(&loaded.blueprint), standing, None);
        Explanation::new(&snapshot, &question, &arguments.down)
    });
    super::print(explanation.map(|explanation| report::render(&explanation, arguments.json)))
}
