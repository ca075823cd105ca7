//! `truenorth simulate`: the datacenters that clients are sent to, now or after a failure.

use std::io::BufReader;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;

use super::config_file::ConfigFile;
use super::load::Loader;
use crate::disk::Disk;
use crate::name::Name;
use crate::overrides::TargetPattern;
use crate::report::{self, Demand, QueryMix, Simulation, endpoint_state_without, find_demands, with_demands};
use crate::snapshot::{Blueprint, EndpointState, Snapshot};

/// Number of octets of a query log that are read at a time.
const PIECE: usize = 1 << 20;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The names to ask for. They are absolute, with or without a final dot. By default all steered names
    #[arg(value_name = "NAME", value_parser = crate::report::Question::parse_name)]
    names: Vec<Name>,
    /// The queries to replay: a file with one JSON object in each line. By default each IPv4 address with a country
    /// asks once
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
    /// Assume that this fails: dc:NAME, pool:NAME or endpoint:ADDRESS. May be given several times
    #[arg(long, value_name = "TARGET")]
    down: Vec<TargetPattern>,
    /// The load that a pool's own clients cause, for names that steer by load: POOL=NUMBER, in the unit of `capacity`.
    /// May be given several times
    #[arg(long, value_name = "POOL=NUMBER")]
    load: Vec<Demand>,
    #[command(flatten)]
    config: ConfigFile,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Returns exit code 1 if the configuration, the query log or a name is faulty.
pub(super) fn run(arguments: &Arguments) -> ExitCode {
    match Loader::of_command(&arguments.config.path()).load(&Disk::new(), &|_| None, None) {
        Ok(loaded) => super::print(simulate(arguments, &loaded.offline())),
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
