//! The pools, places and names of a zone.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::answers::Answer;
use super::branches::Branches;
use crate::import::names::{Entries, Steered, Use};
use crate::import::tables::{Pool, Preference, Target, datacenter, regions};
use crate::import::text::Table;
use crate::import::{Locate, Report, word};

/// The datacenter without endpoints that clients prefer who get nothing.
const NOWHERE: &str = "nowhere";

/// A zone while its names are added.
pub(super) struct Zone<'a> {
    locate: Locate<'a>,
    /// The places of datacenters; `None` for those that only stand for a branch.
    datacenters: BTreeMap<String, Option<[f64; 2]>>,
    maps: Vec<Table>,
    pools: BTreeMap<String, Pool>,
}

impl<'a> Zone<'a> {
    pub(super) fn new(locate: Locate<'a>) -> Self {
        Self { locate, datacenters: BTreeMap::new(), maps: Vec::new(), pools: BTreeMap::new() }
    }

    /// Adds a name, and returns its table. Fails with the reason if it cannot be said here.
    pub(super) fn add(&mut self, owner: &str, ttl: Option<u32>, branches: &Branches) -> Result<Table, String> {
        let (pick, answers) = pick(branches)?;
        let entry = if owner == "@" { "apex".to_owned() } else { word(owner) };
        let mut steered = Steered { pick, answers, ttl, ..Steered::default() };
        let is_divided = !branches.places.is_empty();
        let mut preferences: Vec<Preference> = Vec::new();
        let mut default = vec![vec![NOWHERE.to_owned()]];
        let numbered = (1..).zip(branches.places.iter().map(|(clients, answer)| (Some(clients), answer)));
        let last = branches.last.iter().map(|answer| (0, (None, answer)));
        for (number, (clients, answer)) in numbered.chain(last) {
            let label = if number == 0 { format!("{entry}.else") } else { format!("{entry}.{number}") };
            let datacenters = self.answer(&mut steered, &label, (&entry, is_divided), answer)?;
            match clients {
                Some(clients) => preferences.push((clients.clone(), vec![datacenters])),
                None => default = vec![datacenters],
            }
        }
        if is_divided {
            let mut all: Vec<String> = preferences.iter().flat_map(|(_, tiers)| tiers.concat()).collect();
            all.extend(default.concat());
            if branches.last.is_none() {
                self.datacenters.insert(NOWHERE.to_owned(), None);
            }
            self.maps.extend(regions(Some(&entry), &all, &preferences, &default));
            steered.map = Some(entry);
            steered.steer.insert(0, "region");
        }
        if branches.answers().any(|answer| answer.is_closest) {
            steered.steer.push("distance");
        }
        if branches.answers().any(|answer| answer.tiers.len() > 1) {
            steered.steer.push("failover");
        }
        Ok(Entries::default().table(owner, &steered))
    }

    /// Adds the pools of an answer. Returns the datacenters that they are in.
    fn answer(
        &mut self,
        steered: &mut Steered,
        label: &str,
        (entry, is_divided): (&str, bool),
        answer: &Answer,
    ) -> Result<Vec<String>, String> {
        if answer.tiers.is_empty() {
            self.datacenters.insert(NOWHERE.to_owned(), None);
            return if is_divided { Ok(vec![NOWHERE.to_owned()]) } else { Err("it answers nothing".to_owned()) };
        }
        let mut datacenters = Vec::new();
        let base = if is_divided { label } else { entry };
        let count = answer.tiers.iter().map(Vec::len).sum::<usize>();
        let mut number = 0;
        for tier in &answer.tiers {
            let mut uses = Vec::new();
            for pool in tier {
                number += 1;
                let mut pool = pool.clone();
                if answer.is_closest {
                    let address = address(&pool).ok_or("the nearest of several canonical names")?;
                    let place = (self.locate)(address).ok_or_else(|| {
                        format!("where {address} is, which pickclosest needs: name databases with --geoip")
                    })?;
                    let at = word(&address.to_string());
                    self.datacenters.insert(at.clone(), Some(place));
                    pool.datacenter = Some(at);
                } else if is_divided {
                    self.datacenters.insert(label.to_owned(), None);
                    pool.datacenter = Some(label.to_owned());
                }
                datacenters.extend(pool.datacenter.clone());
                let draws_names = pool.is_cname() && pool.endpoints.len() > 1;
                if draws_names {
                    // A pool has one canonical name, so each is a pool of its own.
                    for (place, endpoint) in pool.endpoints.iter().enumerate() {
                        let name = format!("{base}.{}", place + 1);
                        let one = Pool { endpoints: vec![endpoint.clone()], draws: false, ..pool.clone() };
                        uses.push(Use::weighted(&name, endpoint.weight));
                        self.pools.insert(name, one);
                    }
                    continue;
                }
                let name = if count == 1 { base.to_owned() } else { format!("{base}.{number}") };
                self.pools.insert(name.clone(), pool);
                uses.push(Use::new(&name));
            }
            if uses.iter().any(|used| self.pools[&used.pool].is_cname()) && uses.len() > 1 {
                if answer.tiers.len() > 1 || is_divided {
                    return Err("several canonical names in an order or under conditions".to_owned());
                }
                steered.steer = vec![if answer.pick == Some("sticky") { "sticky" } else { "weight" }];
                steered.pick = None;
            }
            steered.tiers.push(uses);
        }
        datacenters.dedup();
        Ok(datacenters)
    }

    /// Returns the tables of datacenters, maps and pools.
    pub(super) fn tables(self, report: &mut Report) -> Vec<Table> {
        let mut tables: Vec<Table> = Vec::new();
        let mut is_told = false;
        for (name, place) in &self.datacenters {
            let mut table = datacenter(name, place.unwrap_or_default());
            if place.is_none() && !std::mem::replace(&mut is_told, true) {
                table.comment("PowerDNS has no datacenters: these stand for the conditions of LUA records.");
            }
            tables.push(table);
        }
        report.carried("pools", self.pools.len());
        tables.extend(self.maps);
        tables.extend(self.pools.iter().map(|(name, pool)| pool.table(name)));
        tables
    }
}

/// Returns the pick of a name. Fails if its branches have different ones.
fn pick(branches: &Branches) -> Result<(Option<&'static str>, Option<u32>), String> {
    // A single endpoint is picked in any way.
    let is_choice = |answer: &&Answer| answer.tiers.iter().flatten().any(|pool| pool.endpoints.len() > 1);
    let mut picks = branches.answers().filter(is_choice).map(|answer| (answer.pick, answer.answers));
    let first = picks.next().unwrap_or((None, None));
    if picks.any(|other| other != first) {
        return Err("its conditions pick endpoints in different ways".to_owned());
    }
    Ok(first)
}

/// The only address of a pool, or its first one.
fn address(pool: &Pool) -> Option<IpAddr> {
    pool.endpoints.iter().find_map(|endpoint| match endpoint.target {
        Target::Address(address) => Some(address),
        Target::Cname(_) => None,
    })
}
