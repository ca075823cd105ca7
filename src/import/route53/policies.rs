//! Policies as steps.

use std::collections::BTreeMap;

use super::health::Health;
use super::records::{GeoLocation, HealthCheck, RecordSet};
use super::sources::{self, Policy, Source};
use super::{ALIAS_TTL, entry, places};
use crate::import::names::{Entries, Steered, Use};
use crate::import::tables::{Endpoint, Pool, Preference, Target, datacenter, regions};
use crate::import::text::Table;
use crate::import::{Report, word};

/// Aliases of aliases, at most.
const MAX_DEPTH: usize = 3;

/// The datacenter without endpoints that clients prefer who get nothing.
const NOWHERE: &str = "nowhere";

/// The most addresses of a multivalue answer.
const MULTIVALUE: u32 = 8;

/// The names of a zone that policies choose for, and what they need.
pub(super) struct Policies<'a> {
    zone: &'a str,
    owners: &'a BTreeMap<String, Vec<&'a RecordSet>>,
    health: Health<'a>,
    datacenters: BTreeMap<String, Option<[f64; 2]>>,
    maps: Vec<Table>,
    pools: BTreeMap<String, Pool>,
}

/// The pools of one source: those of a tier are tied; and the step that chooses among them, if there are several.
type Part = (Vec<Vec<Use>>, Option<&'static str>);

impl<'a> Policies<'a> {
    pub(super) fn new(
        zone: &'a str,
        owners: &'a BTreeMap<String, Vec<&'a RecordSet>>,
        checks: &'a [HealthCheck],
    ) -> Self {
        let (datacenters, maps, pools) = Default::default();
        Self { zone, owners, health: Health::new(checks), datacenters, maps, pools }
    }

    /// Returns the table of a name. Fails with the reason if it cannot be said here.
    pub(super) fn name(&mut self, owner: &str, sets: &[&'a RecordSet], report: &mut Report) -> Result<Table, String> {
        let (policy, sources) = sources::of(sets)?;
        let ttl = sources.iter().find_map(|source| source.set.ttl).unwrap_or(ALIAS_TTL);
        let mut steered = Steered { ttl: Some(ttl), ..Steered::default() };
        let entry = entry(owner, self.zone);
        let mut inner = None;
        let mut preferences: Vec<(&GeoLocation, String)> = Vec::new();
        for source in in_order(policy, &sources) {
            let label = if source.id.is_empty() { entry.clone() } else { format!("{entry}.{}", word(source.id)) };
            let place = self.place(policy, source, &label, report)?;
            if let Some(location) = &source.set.geo_location {
                preferences.push((location, label.clone()));
            }
            let (tiers, step) = self.part(source, &label, place.as_deref(), 0, report)?;
            if step.is_some() && inner.is_some() && step != inner {
                return Err("its aliases lead to different policies".to_owned());
            }
            inner = inner.or(step);
            let weight = source.set.weight.filter(|_| policy == Policy::Weighted);
            for mut tier in tiers {
                for used in &mut tier {
                    used.weight = weight.unwrap_or(used.weight);
                }
                steered.tiers.push(tier);
            }
        }
        if inner.is_some() && [Policy::Weighted, Policy::Multivalue].contains(&policy) {
            return Err("its aliases lead to names with policies of their own".to_owned());
        }
        steered.steer = match policy {
            Policy::Simple | Policy::Multivalue => Vec::new(),
            Policy::Weighted => vec!["weight"],
            Policy::Failover => vec!["failover"],
            Policy::Latency => vec!["latency"],
            Policy::Geolocation => vec!["region"],
            Policy::Geoproximity => vec!["distance"],
        };
        if let Some(step) = inner.filter(|step| !steered.steer.contains(step)) {
            steered.steer.push(step);
        }
        if policy == Policy::Multivalue {
            (steered.pick, steered.answers) = (Some("random"), Some(MULTIVALUE));
        }
        if policy == Policy::Geolocation {
            self.regions(&entry, &preferences);
            steered.map = Some(entry);
        }
        self.settle_names(owner, policy, &mut steered)?;
        let owner = super::relative(owner, self.zone);
        Ok(Entries::default().table(&owner, &steered))
    }

    /// Returns the datacenter of a source, if the policy goes by place.
    fn place(
        &mut self,
        policy: Policy,
        source: &Source<'_>,
        label: &str,
        report: &mut Report,
    ) -> Result<Option<String>, String> {
        let unknown = |region: &str| format!("the region {region} is not known here");
        let (name, place) = match policy {
            Policy::Geolocation => (label.to_owned(), None),
            Policy::Latency => {
                let region = source.set.region.as_deref().unwrap_or_default();
                report.note("latencies: here they are those that you measure (docs/latency.md), until then estimates by distance");
                (word(region), Some(places::of(region).ok_or_else(|| unknown(region))?))
            }
            Policy::Geoproximity => {
                let Some(location) = &source.set.geo_proximity_location else { return Ok(None) };
                if location.bias != 0 {
                    report.note(format!("{label} has a bias of {}: distances have none here", location.bias));
                }
                match (&location.region, &location.coordinates) {
                    (Some(region), _) => (word(region), Some(places::of(region).ok_or_else(|| unknown(region))?)),
                    (None, Some(at)) => {
                        let degrees =
                            |text: &str| text.parse().map_err(|_| format!("`{text}` is not a number of degrees"));
                        (label.to_owned(), Some([degrees(&at.latitude)?, degrees(&at.longitude)?]))
                    }
                    (None, None) => return Err("its local zone group has no place here".to_owned()),
                }
            }
            _ => return Ok(None),
        };
        self.datacenters.insert(name.clone(), place);
        Ok(Some(name))
    }

    /// Makes the pools of a source. Fails with the reason if it has no equal.
    fn part(
        &mut self,
        source: &Source<'a>,
        label: &str,
        place: Option<&str>,
        depth: usize,
        report: &mut Report,
    ) -> Result<Part, String> {
        if depth > MAX_DEPTH {
            return Err("its aliases are aliases of others again and again".to_owned());
        }
        let mut pool = Pool { datacenter: place.map(str::to_owned), ..Pool::default() };
        if let Some(id) = &source.set.health_check_id {
            pool.monitor = self.health.monitor(id, &source.values, report);
        }
        match &source.alias {
            Some(target) => {
                let sets: Vec<&RecordSet> = self.owners.get(target).cloned().unwrap_or_default();
                let of_types: Vec<&RecordSet> =
                    sets.into_iter().filter(|set| super::STEERED.contains(&set.r#type.as_str())).collect();
                if !of_types.is_empty() {
                    return self.aliased(&of_types, label, place, depth, report);
                }
                if target.ends_with(&format!(".{}", self.zone)) {
                    return Err(format!("it is an alias of {target}, which has no addresses in the zone"));
                }
                pool.endpoints.push(Endpoint { target: Target::Cname(target.clone()), weight: 1, check: None });
            }
            None if source.set.r#type == "CNAME" => {
                let name = super::records::unescaped(source.values.first().map_or("", |name| name.as_str()));
                pool.endpoints.push(Endpoint { target: Target::Cname(name), weight: 1, check: None });
            }
            None => {
                for address in source.addresses().ok_or("one of its values is not an address")? {
                    pool.add(Endpoint::new(address));
                }
            }
        }
        self.pools.insert(label.to_owned(), pool);
        Ok((vec![vec![Use::new(label)]], None))
    }

    /// Makes the pools of a name that another one is an alias of.
    fn aliased(
        &mut self,
        sets: &[&'a RecordSet],
        label: &str,
        place: Option<&str>,
        depth: usize,
        report: &mut Report,
    ) -> Result<Part, String> {
        let (policy, sources) = sources::of(sets)?;
        let step = match policy {
            Policy::Simple => None,
            Policy::Weighted => Some("weight"),
            Policy::Failover => Some("failover"),
            _ => return Err("it is an alias of a name that goes by place itself".to_owned()),
        };
        let mut tiers: Vec<Vec<Use>> = Vec::new();
        for source in in_order(policy, &sources) {
            let label = if source.id.is_empty() { label.to_owned() } else { format!("{label}.{}", word(source.id)) };
            let (inner, inner_step) = self.part(source, &label, place, depth + 1, report)?;
            if inner_step.is_some() && step.is_some() {
                return Err("its aliases are three policies deep".to_owned());
            }
            if inner_step.is_some() {
                return Ok((inner, inner_step));
            }
            let weight = source.set.weight.unwrap_or(1);
            let uses = inner.into_iter().flatten().map(|used| Use { weight, ..used });
            match tiers.first_mut().filter(|_| policy == Policy::Weighted) {
                Some(tier) => tier.extend(uses),
                None => tiers.push(uses.collect()),
            }
        }
        Ok((tiers, step))
    }

    /// Makes the map of a name. If nothing in a place is healthy, the place around it answers, as in Route 53.
    fn regions(&mut self, entry: &str, preferences: &[(&GeoLocation, String)]) {
        let clients = |location: &GeoLocation| match location {
            GeoLocation { subdivision: Some(code), country, .. } => {
                Some(format!("subdivision:{}-{code}", country.as_deref().unwrap_or("US")))
            }
            GeoLocation { country: Some(code), .. } => (code != "*").then(|| format!("country:{code}")),
            GeoLocation { continent: Some(code), .. } => Some(format!("continent:{code}")),
            GeoLocation { .. } => None,
        };
        let default = preferences.iter().find(|(location, _)| clients(location).is_none()).map(|(_, label)| label);
        let around = |location: &GeoLocation| -> Vec<&String> {
            let code = location.country.as_deref().unwrap_or_default();
            let known = crate::geo::CountryCode::parse(code).and_then(crate::geo::countries::country);
            let of_country =
                |other: &GeoLocation| other.country.as_deref() == Some(code) && other.subdivision.is_none();
            let of_continent = |other: &GeoLocation| {
                known.as_ref().is_some_and(|country| other.continent.as_deref() == Some(country.continent.as_str()))
            };
            let wider = |holds: &dyn Fn(&GeoLocation) -> bool| {
                preferences.iter().find(|(other, _)| holds(other)).map(|(_, label)| label)
            };
            let country = wider(&of_country).filter(|_| location.subdivision.is_some());
            country.into_iter().chain(wider(&of_continent)).chain(default).collect()
        };
        let mut all: Vec<Preference> = Vec::new();
        for (location, label) in preferences {
            let Some(clients) = clients(location) else { continue };
            let tiers = [label].into_iter().chain(around(location)).map(|label| vec![label.clone()]);
            all.push((vec![clients], tiers.collect()));
        }
        let datacenters: Vec<String> = preferences.iter().map(|(_, label)| label.clone()).collect();
        let last = default.cloned().unwrap_or_else(|| {
            self.datacenters.insert(NOWHERE.to_owned(), None);
            NOWHERE.to_owned()
        });
        self.maps.extend(regions(Some(entry), &datacenters, &all, &[vec![last]]));
    }

    /// Makes a canonical name after addresses the fallback. Fails if names and addresses are mixed in another way.
    fn settle_names(&self, owner: &str, policy: Policy, steered: &mut Steered) -> Result<(), String> {
        let is_cname = |tier: &[Use]| tier.iter().any(|used| self.pools.get(&used.pool).is_some_and(Pool::is_cname));
        let kinds: Vec<bool> = steered.tiers.iter().map(|tier| is_cname(tier)).collect();
        if kinds.contains(&true) && owner == self.zone {
            return Err("it is an alias of a name elsewhere, which the apex cannot be here".to_owned());
        }
        match &kinds[..] {
            [false, true] if policy == Policy::Failover && steered.tiers[1].len() == 1 => {
                steered.fallback = steered.tiers.pop().and_then(|mut tier| tier.pop()).map(|used| used.pool);
                steered.steer.retain(|step| *step != "failover");
                Ok(())
            }
            kinds if kinds.iter().any(|kind| *kind != kinds[0]) => {
                Err("it has addresses in some sets and names elsewhere in others".to_owned())
            }
            _ => Ok(()),
        }
    }

    /// Returns the tables of datacenters, maps, monitors and pools.
    pub(super) fn tables(self, report: &mut Report) -> Vec<Table> {
        let mut tables = Vec::new();
        let mut is_told = false;
        for (name, place) in &self.datacenters {
            let mut table = datacenter(name, place.unwrap_or_default());
            if place.is_none() && !std::mem::replace(&mut is_told, true) {
                table.comment("Sets of geolocation records have no place: these datacenters stand for them.");
            }
            tables.push(table);
        }
        tables.extend(self.maps);
        let monitors = self.health.tables();
        report.carried("monitors", monitors.len());
        report.carried("pools", self.pools.len());
        tables.extend(monitors);
        tables.extend(self.pools.iter().map(|(name, pool)| pool.table(name)));
        tables
    }
}

/// Returns the sources in the order of their policy: the primary one first.
fn in_order<'s, 'a>(policy: Policy, sources: &'s [Source<'a>]) -> Vec<&'s Source<'a>> {
    let mut ordered: Vec<&Source<'a>> = sources.iter().collect();
    if policy == Policy::Failover {
        ordered.sort_by_key(|source| source.set.failover.as_deref() != Some("PRIMARY"));
    }
    ordered
}
