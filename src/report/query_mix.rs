//! The clients of a simulation: the queries of a log, or the addresses of all countries.
//!
//! A query of a log is resolved as the server resolves it. There are too many addresses for that. They are counted by
//! their rankings in the map of the name: a resolution would look up the same.

use std::collections::BTreeMap;
use std::io::BufRead;
use std::sync::Arc;

use super::address_counts::{AddressCounts, Domicile};
use super::destinations::EITHER;
use super::owners::Owners;
use super::query_log::{self, Logged};
use crate::answer::{Client, Hop, Resolution, Rotation, Worker};
use crate::name::Name;
use crate::snapshot::{Family, Snapshot};
use crate::steering::Map;

/// Clients of steered names, counted by everything that their answers depend on.
pub struct QueryMix<'a> {
    pub(super) owners: Owners<'a>,
    pub(super) clients: BTreeMap<Asking, u64>,
    pub(super) source: Source,
}

/// A question by a class of clients: all of them get the same answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Asking {
    /// The index of the name in [`Owners`].
    pub(super) owner: usize,
    /// The families that they ask for, one after the other until one has an endpoint.
    pub(super) families: &'static [Family],
    /// The number of their ranking in the name's map.
    pub(super) ranking: u32,
}

/// The source of the clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// Each IPv4 address that the database has in a country is one client.
    Addresses,
    /// Each query of a log is one client, except the left-out ones for other names or types.
    Log { left_out: u64 },
}

impl<'a> QueryMix<'a> {
    /// Returns a mix in which each IPv4 address with a country asks once for each of these names, or for all steered
    /// names if the list is empty. Fails if a name is not steered here.
    pub fn of_addresses(snapshot: &'a Snapshot, names: &[Name]) -> Result<Self, String> {
        let owners = Owners::new(snapshot);
        let chosen = owners.choose(names)?;
        let address_counts = AddressCounts::new(snapshot.locations(), snapshot.world().ecs.caps());
        let mut counted: BTreeMap<*const Map, Vec<(u32, u64)>> = BTreeMap::new();
        let mut clients = BTreeMap::new();
        for owner in chosen {
            let map = &*owners.plan(owner).rule().map;
            let counted = counted.entry(map).or_insert_with(|| in_countries(&address_counts, map));
            for &(ranking, count) in counted.iter() {
                *clients.entry(Asking { owner, families: EITHER, ranking }).or_default() += count;
            }
        }
        Ok(Self { owners, clients, source: Source::Addresses })
    }

    /// Returns the queries of a log for these names, or for all steered names if the list is empty. Fails if a name is
    /// not steered here, or if the log cannot be read.
    pub fn of_log(snapshot: &'a Snapshot, names: &[Name], log: impl BufRead, log_name: &str) -> Result<Self, String> {
        let owners = Owners::new(snapshot);
        let chosen = owners.choose(names)?;
        let mut clients = BTreeMap::new();
        let mut left_out = 0;
        let mut worker = Worker::new(Arc::new(Rotation::default()));
        query_log::read(log, |logged| {
            let count = u64::from(logged.count.get());
            match asking(snapshot, &owners, &mut worker, &logged).filter(|asking| chosen.contains(&asking.owner)) {
                Some(asking) => *clients.entry(asking).or_default() += count,
                None => left_out += count,
            }
        })
        .map_err(|error| error.render(log_name))?;
        Ok(Self { owners, clients, source: Source::Log { left_out } })
    }
}

/// Returns the client class and the steered name of a line of a log; CNAME records are followed. `None` if the question
/// leads to no steered name.
fn asking(snapshot: &Snapshot, owners: &Owners<'_>, worker: &mut Worker, logged: &Logged) -> Option<Asking> {
    let address = logged.client.address;
    let client = match logged.client.prefix {
        Some(length) => Client::of_network(&snapshot.world().ecs, address, length),
        None => Client::of_host(address),
    };
    let mut resolution = Resolution::new((logged.name.as_wire(), logged.rtype), client, address);
    resolution.resolve(snapshot, worker);
    let steered = resolution.hops().iter().find_map(Hop::steered)?;
    let ranking = steered.plan.rule().map.number_of(steered.ranking)?;
    Some(Asking { owner: owners.of_id(steered.id.1)?, families: steered.families, ranking })
}

/// Returns the rankings of IPv4 addresses that the database has in a country, and the number of addresses with each.
fn in_countries(address_counts: &AddressCounts, map: &Map) -> Vec<(u32, u64)> {
    let cells = address_counts.cells(map, map).into_iter();
    let cells = cells.filter(|cell| matches!(cell.domicile, Domicile::Country(_)) && cell.count.v4 > 0);
    cells.map(|cell| (cell.before, cell.count.v4)).collect()
}
