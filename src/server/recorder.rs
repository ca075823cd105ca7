//! Passes queries and answers to the query log, without waiting for it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::answer::{Transport, Worker};
use crate::tap::{Entry, Fate, Producer, SharedProducers};

/// The two ends of a query.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ends {
    pub(super) client: SocketAddr,
    /// `None` if the system does not report it.
    pub(super) server: Option<SocketAddr>,
}

/// A query and its answer, as octets.
#[derive(Clone, Copy, Debug)]
pub(super) struct Exchanged<'a> {
    /// When the query was read, since the Unix epoch.
    pub(super) received: Duration,
    pub(super) transport: Transport,
    pub(super) fate: Fate,
    pub(super) query: &'a [u8],
    pub(super) response: &'a [u8],
}

/// The access of a worker or a connection to the query log.
#[derive(Debug)]
pub(super) enum Recorder {
    /// A ring of its own.
    Alone(Producer),
    /// Rings that all connections share.
    Shared(Arc<SharedProducers>),
    /// There is no query log.
    Nobody,
}

impl Recorder {
    /// Records the last answer of this worker, if it is to be logged. If the ring has no room, the answer is counted as
    /// lost.
    #[inline]
    pub(super) fn record(&mut self, worker: &mut Worker, exchanged: &Exchanged<'_>, ends: impl FnOnce() -> Ends) {
        let Some(notes) = worker.take_notes() else { return };
        let Ends { client, server } = ends();
        let &Exchanged { received, transport, fate, query, response } = exchanged;
        let answered = crate::clock::wall();
        let entry =
            Entry { received, answered, transport: transport as u8, fate, client, server, notes, query, response };
        let is_recorded = match self {
            Self::Alone(producer) => producer.record(&entry),
            Self::Shared(producers) => producers.record(&entry),
            Self::Nobody => return,
        };
        if !is_recorded && let Some(tally) = worker.tally() {
            tally.unlogged();
        }
    }
}
