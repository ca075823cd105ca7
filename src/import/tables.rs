//! The tables that all imports make: datacenters, regions, pools.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::text::{Table, Value};
use super::word;

/// The longest name of a region that is made of its datacenters.
const MAX_REGION: usize = 40;

/// A pool.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Pool {
    pub(super) datacenter: Option<String>,
    pub(super) monitor: Option<String>,
    pub(super) min_healthy: Option<f64>,
    /// True if one endpoint is drawn, even if all weights are equal.
    pub(super) draws: bool,
    pub(super) endpoints: Vec<Endpoint>,
    pub(super) comments: Vec<String>,
}

/// An endpoint.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Endpoint {
    pub(super) target: Target,
    pub(super) weight: u16,
    /// Where it is probed, if that is not its own address.
    pub(super) check: Option<Check>,
}

/// Where an endpoint is probed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Check {
    Address(IpAddr, u16),
    Name(String, u16),
}

/// What an endpoint's answer is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Address(IpAddr),
    /// An absolute name, with its final dot.
    Cname(String),
}

impl Endpoint {
    pub(super) fn new(address: IpAddr) -> Self {
        Self { target: Target::Address(address), weight: 1, check: None }
    }

    fn value(&self) -> Value {
        let plain = self.weight == 1 && self.check.is_none();
        let mut keys = match &self.target {
            Target::Address(address) if plain => return address.to_string().into(),
            Target::Address(address) => vec![("address".to_owned(), address.to_string().into())],
            Target::Cname(name) => vec![("cname".to_owned(), name.as_str().into())],
        };
        if self.weight != 1 {
            keys.push(("weight".to_owned(), u32::from(self.weight).into()));
        }
        if let Some(check) = &self.check {
            let (key, place, port) = match check {
                Check::Address(address, port) => ("check_address", address.to_string(), port),
                Check::Name(name, port) => ("check_name", name.clone(), port),
            };
            keys.push((key.to_owned(), place.into()));
            keys.push(("check_port".to_owned(), u32::from(*port).into()));
        }
        Value::Inline(keys)
    }
}

impl Pool {
    /// True if it holds a canonical name.
    pub(super) fn is_cname(&self) -> bool {
        self.endpoints.iter().any(|endpoint| matches!(endpoint.target, Target::Cname(_)))
    }

    /// Adds an endpoint, unless the pool has the same address already.
    pub(super) fn add(&mut self, endpoint: Endpoint) {
        if !self.endpoints.iter().any(|other| other.target == endpoint.target) {
            self.endpoints.push(endpoint);
        }
    }

    fn list(&self) -> Value {
        Value::List(self.endpoints.iter().map(Endpoint::value).collect())
    }

    /// Sets the keys that pools of one table have in common. `is_several` is true if one of them has several endpoints.
    fn shared(&self, table: &mut Table, is_several: bool) {
        if let Some(monitor) = &self.monitor {
            table.set("monitor", monitor.as_str());
        }
        if let Some(share) = self.min_healthy.filter(|_| is_several && self.monitor.is_some()) {
            table.set("min_healthy", share);
        }
        // Different weights draw anyway.
        if self.draws && is_several && self.has_even_weights() {
            table.set("pick", "weighted");
        }
    }

    fn has_even_weights(&self) -> bool {
        self.endpoints.windows(2).all(|pair| pair[0].weight == pair[1].weight)
    }

    pub(super) fn table(&self, name: &str) -> Table {
        let mut table = Table { comments: self.comments.clone(), ..Table::new(&["pools", name]) };
        if let Some(datacenter) = &self.datacenter {
            table.set("datacenter", datacenter.as_str());
        }
        self.shared(&mut table, self.endpoints.len() > 1);
        table.set("endpoints", self.list());
        table
    }

    /// The table of a pool with a list for each datacenter. All of them have the same settings.
    pub(super) fn table_of_parts(name: &str, parts: &[(String, Self)]) -> Table {
        let comments = parts.iter().flat_map(|(_, pool)| pool.comments.clone()).collect();
        let mut table = Table { comments, ..Table::new(&["pools", name]) };
        if let Some((_, first)) = parts.first() {
            first.shared(&mut table, parts.iter().any(|(_, pool)| pool.endpoints.len() > 1));
        }
        for (datacenter, pool) in parts {
            table.set_part("endpoints", datacenter, pool.list());
        }
        table
    }

    /// True if both can be lists of one table.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        let settings = |pool: &Self| (pool.monitor.clone(), pool.min_healthy, pool.draws, pool.has_even_weights());
        settings(self) == settings(other) && !self.is_cname() && !other.is_cname()
    }
}

/// Returns the table of a datacenter at a latitude and a longitude.
pub(super) fn datacenter(name: &str, [latitude, longitude]: [f64; 2]) -> Table {
    Table::new(&["datacenters", name]).with("latitude", latitude).with("longitude", longitude)
}

/// Clients that are sent to the same datacenters: texts such as `continent:EU`, and tiers of datacenters.
pub(super) type Preference = (Vec<String>, Vec<Vec<String>>);

/// Returns the tables of regions, of a map if it has a name. Each list of datacenters becomes a region, named after them.
/// `datacenters` are all of the map; clients are never sent to those that their list lacks.
pub(super) fn regions(
    map: Option<&str>,
    datacenters: &[String],
    preferences: &[Preference],
    default: &[Vec<String>],
) -> Vec<Table> {
    let header = |name: &str| match map {
        Some(map) => Table::new(&["maps", map, name]),
        None => Table::new(&["regions", name]),
    };
    let finish = |mut table: Table, tiers: &[Vec<String>]| {
        let tier = |tier: &Vec<String>| match &tier[..] {
            [one] => one.as_str().into(),
            tied => tied.to_vec().into(),
        };
        table.set("prefer", Value::List(tiers.iter().map(tier).collect()));
        if !datacenters.iter().all(|datacenter| tiers.iter().flatten().any(|listed| listed == datacenter)) {
            table.set("only", true);
        }
        table
    };
    let mut lists: Vec<&Vec<Vec<String>>> = Vec::new();
    for (_, tiers) in preferences {
        if !lists.contains(&tiers) {
            lists.push(tiers);
        }
    }
    let mut names: BTreeMap<String, usize> = BTreeMap::from([("default".to_owned(), 1)]);
    let mut tables = Vec::new();
    for tiers in lists {
        let of_all: Vec<&str> = tiers.iter().flatten().map(String::as_str).collect();
        let mut name = word(&of_all.join("-"));
        if name.len() > MAX_REGION {
            name = format!("{}-first", word(of_all.first().unwrap_or(&"")));
        }
        let count = names.entry(name.clone()).or_default();
        *count += 1;
        if *count > 1 {
            name = format!("{name}-{count}");
        }
        let same = preferences.iter().filter(|(_, other)| other == tiers);
        let clients: Vec<String> = same.flat_map(|(clients, _)| clients.iter().cloned()).collect();
        tables.push(finish(header(&name).with("clients", clients), tiers));
    }
    tables.push(finish(header("default"), default));
    tables
}
