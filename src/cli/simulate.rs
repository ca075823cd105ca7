//! `truenorth simulate`: where clients go, and where they would go if something failed.

use std::io::BufReader;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;

use super::load::Loader;
use crate::disk::Disk;
use crate::name::Name;
use crate::overrides::TargetPattern;
use crate::report::{self, Demand, QueryMix, Simulation, endpoint_state_without, find_demands, with_demands};
use crate::snapshot::{Blueprint, EndpointState, Snapshot};

/// Octets of a log that are read at a time.
const PIECE: usize = 1 << 20;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The names to ask for, all steered ones by default; absolute whether they end with a dot or not
    #[arg(value_name = "NAME", value_parser = crate::report::Question::parse_name)]
    names: Vec<Name>,
    /// Queries to replay, a JSON object a line; by default each IPv4 address with a country asks once
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
    /// What fails: dc:NAME, pool:NAME or endpoint:ADDRESS; may be given several times
    #[arg(long, value_name = "TARGET")]
    down: Vec<TargetPattern>,
    /// What a pool's own clients use, where names go by load: POOL=NUMBER, in the unit of `capacity`; may be given several
    /// times
    #[arg(long, value_name = "POOL=NUMBER")]
    load: Vec<Demand>,
    #[command(flatten)]
    config: super::ConfigFile,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Exit code 1 if the configuration, the log or a name is bad.
pub(super) fn run(arguments: &Arguments) -> ExitCode {
    match Loader::new(&arguments.config.config).load(&Disk::new(), &|_| None, None) {
        Ok(loaded) => super::print(simulate(arguments, &loaded.blueprint)),
        Err(faults) => {
            super::print_faults(&faults);
            ExitCode::from(super::BAD)
        }
    }
}

fn simulate(arguments: &Arguments, blueprint: &Arc<Blueprint>) -> Result<String, String> {
    let Arguments { names, log, down, load, config: _, json } = arguments;
    let up = Snapshot::new(Arc::clone(blueprint), |_, _| EndpointState::CALM, None);
    let failing = Snapshot::new(Arc::clone(blueprint), endpoint_state_without(down, blueprint.world())?, Some(&up));
    let demands = find_demands(&up, load)?;
    let [up, failing] = [up, failing].map(|snapshot| with_demands(&snapshot, &demands));
    let query_mix = match log {
        Some(path) => {
            let disk = Disk::new();
            let file = disk.open(path).map_err(|error| format!("{}: {error}", path.display()))?;
            QueryMix::of_log(&up, names, BufReader::with_capacity(PIECE, file), &path.display().to_string())?
        }
        None => QueryMix::of_addresses(&up, names)?,
    };
    Ok(report::render(&Simulation::new(&up, &failing, &query_mix, down), *json))
}
