//! The query log of a node.

use std::num::NonZeroUsize;
use std::thread;
use std::time::Duration;

use super::files::Files;
use super::{ServeError, beside};
use crate::cli::version;
use crate::config::Server;
use crate::querylog::{QueryLog, Settings};
use crate::server::{Bound, Taps};
use crate::snapshot::Blueprint;
use crate::tap::{Rings, SharedProducers};

/// Maximum time that the process waits at its end for the last entries.
const LAST_ENTRIES: Duration = Duration::from_secs(1);

/// Starts the thread of the query log. It writes nothing before [`QueryLog::use_settings`]. Returns it, and the sockets
/// whose queries it gets. Fails if no thread can be started.
pub(super) fn start(
    bound: Bound,
    files: &Files,
    blueprint: &Blueprint,
    replaces: bool,
) -> Result<(QueryLog, Bound), ServeError> {
    // Connections are served by as many threads as there are processors.
    let connections = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let traffic = files.tallies.traffic();
    let workers = traffic.shards() - 1;
    let Rings { mut producers, consumers, memory } = Rings::new(workers + connections);
    let connections = SharedProducers::new(producers.split_off(workers));
    let log = QueryLog::start(consumers, memory, files.counters.clone(), traffic.clone(), replaces);
    let log = log.map_err(|error| ServeError::Other(format!("cannot start the thread of the query log: {error}")))?;
    log.prepare(settings(&files.server, blueprint).as_ref());
    Ok((log, bound.with_taps(Taps { workers: producers, connections })))
}

/// Returns the settings of a configuration; `None` without a query log.
pub(super) fn settings(server: &Server, blueprint: &Blueprint) -> Option<Settings> {
    let section = server.query_log.clone()?;
    Some(Settings { section, node: blueprint.world().node.clone(), program: version::PROGRAM })
}

/// Writes the last entries.
pub(super) async fn finish(log: QueryLog) {
    // If no thread can be started for it, the last entries are lost.
    let _ = beside(move || log.finish(LAST_ENTRIES)).await;
}
