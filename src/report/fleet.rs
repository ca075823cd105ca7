//! The fleet as one node sees it: its nodes, what they run, and what they differ about.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write;

use serde::{Deserialize, Serialize};

use super::status::{AgreementStatus, FleetStatus};
use super::table::{TextTable, YELLOW, span};
use crate::health::{ConditionProbe, Identity, Survey, Target, ZoneIdentity};
use crate::snapshot::World;

/// Most endpoints that are listed because vantage points differ about them.
const MAX_DISPUTED: usize = 1_000;

/// A node's view of its fleet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FleetView {
    /// The present Unix time in seconds. All other times can be compared with it.
    pub time: u64,
    /// The connection, and the nodes that are heard.
    pub fleet: FleetStatus,
    /// The zones of all nodes, by their names. Of each node 256 are known.
    pub zones: Vec<ZoneAgreement>,
    /// The endpoints about which vantage points differ.
    pub disputed: Vec<Disputed>,
    /// Number of further ones.
    pub more_disputed: usize,
}

/// A zone, and the nodes that serve it otherwise than this one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ZoneAgreement {
    /// Its name.
    pub zone: String,
    /// The serial on this node; absent if it does not have the zone.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub serial: Option<u32>,
    /// The tags of the keys that it publishes on this node; none if it is not signed.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub keys: Vec<u16>,
    /// The nodes that have another serial, other files or other keys, or not the zone at all.
    pub others: Vec<ZoneElsewhere>,
}

/// A zone on another node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ZoneElsewhere {
    /// The node.
    pub node: String,
    /// The serial there; absent if it does not have the zone.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub serial: Option<u32>,
    /// True if its files have the same text.
    pub same_files: bool,
    /// The tags of the keys that it publishes there; absent if they are those of this node.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub other_keys: Option<Vec<u16>>,
}

/// An endpoint about which vantage points differ.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Disputed {
    /// The address and port that are probed.
    pub target: String,
    /// The kind of the probe, such as `http`.
    pub check: String,
    /// The pools that hold it.
    pub pools: Vec<String>,
    /// The agreement, and the opinion of each vantage point with its age.
    pub agreement: AgreementStatus,
}

impl FleetView {
    /// Returns the view of the node with this survey; `None` if it has no fleet. Times of the survey count from the Unix
    /// epoch.
    pub fn new(world: &World, survey: &Survey, unix_time: u64) -> Option<Self> {
        let fleet = survey.fleet.as_ref()?;
        let identities: Vec<(&str, bool, &Identity)> = fleet
            .vantage_points
            .iter()
            .filter_map(|point| Some((&*point.node, point.heard.is_none(), &**point.identity.as_ref()?)))
            .collect();
        let mut disputed = disputed(world, survey);
        let more_disputed = disputed.len().saturating_sub(MAX_DISPUTED);
        disputed.truncate(MAX_DISPUTED);
        Some(Self {
            time: unix_time,
            fleet: FleetStatus::from(fleet),
            zones: zones(&identities),
            disputed,
            more_disputed,
        })
    }

    /// The view as text.
    pub fn text(&self, for_terminal: bool) -> String {
        let Self { time, fleet, zones, disputed, more_disputed } = self;
        let mut out = fleet.text(*time, true, for_terminal);
        let mut table = TextTable::new(&["ZONE", "SERIAL", "NODE", "THERE"]);
        let number = |serial: Option<u32>| serial.map_or_else(|| "none".to_owned(), |serial| serial.to_string());
        for ZoneAgreement { zone, serial, others, .. } in zones {
            for ZoneElsewhere { node, serial: there, same_files, other_keys } in others {
                let is_on_both = serial.is_some() && there.is_some();
                let files = if *same_files || !is_on_both { "" } else { ", other files" };
                let there = format!("{}{files}{}", number(*there), keys(other_keys.as_deref()));
                table.push(vec![zone.clone(), number(*serial), node.clone(), there], YELLOW);
            }
        }
        let table = table.text(for_terminal);
        if table.is_empty() {
            let _ = writeln!(out, "zones: all nodes serve the same {}\n", zones.len());
        } else {
            let _ = write!(out, "zones: nodes serve them differently\n{table}");
        }
        if disputed.is_empty() {
            out.push_str("endpoints: all vantage points see the same\n");
        } else {
            out.push_str("endpoints: vantage points differ\n");
        }
        for Disputed { target, check, pools, agreement } in disputed {
            let _ = writeln!(out, "{target} ({check}) of {}: {}", pools.join(", "), agreement.state);
            for witness in &agreement.witnesses {
                let since = span(time.saturating_sub(witness.since));
                let weight = if witness.weight == "counts" { "" } else { ", not counted" };
                let _ = writeln!(out, "  {}: {} for {since}{weight}", witness.node, witness.state);
            }
        }
        if *more_disputed > 0 {
            let _ = writeln!(out, "and {more_disputed} more");
        }
        out.push_str(&fleet.latency_lines(for_terminal));
        out
    }
}

/// The words on other keys.
fn keys(other: Option<&[u16]>) -> String {
    let tags = |tags: &[u16]| tags.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    match other {
        None => String::new(),
        Some([]) => ", not signed".to_owned(),
        Some(other) => format!(", keys {}", tags(other)),
    }
}

/// The zones of all nodes. Each node comes with its name, and with true if it is this one.
fn zones(identities: &[(&str, bool, &Identity)]) -> Vec<ZoneAgreement> {
    let own = identities.iter().find(|(_, is_own, _)| *is_own).map(|(.., identity)| *identity);
    let origins: BTreeSet<&str> =
        identities.iter().flat_map(|(.., identity)| &identity.zones).map(|zone| &*zone.origin).collect();
    let zone = |origin: &str| {
        let here = own.and_then(|own| own.zone(origin));
        let elsewhere = |&(node, is_own, identity): &(&str, bool, &Identity)| {
            let there = identity.zone(origin);
            // It may be one of those that are not told.
            let is_unknown = is_own || there.is_none() && identity.more_zones > 0;
            if is_unknown || there == here {
                return None;
            }
            let text = |zone: Option<&ZoneIdentity>| zone.map(|zone| zone.text);
            let same_files = text(there) == text(here);
            let keys = there.zip(here).filter(|(there, here)| there.keys != here.keys);
            let other_keys = keys.map(|(there, _)| there.keys.clone());
            Some(ZoneElsewhere { node: node.to_owned(), serial: there.map(|zone| zone.serial), same_files, other_keys })
        };
        ZoneAgreement {
            zone: origin.to_owned(),
            serial: here.map(|zone| zone.serial),
            keys: here.map(|zone| zone.keys.clone()).unwrap_or_default(),
            others: identities.iter().filter_map(elsewhere).collect(),
        }
    };
    origins.into_iter().map(zone).collect()
}

/// The endpoints about which vantage points differ, in the order of the pools.
fn disputed(world: &World, survey: &Survey) -> Vec<Disputed> {
    let mut places: HashMap<&Target, Option<usize>> = HashMap::new();
    let mut all: Vec<Disputed> = Vec::new();
    for spec in &world.pools {
        for (_, ConditionProbe { target, .. }) in (0..spec.members.len()).flat_map(|place| spec.probes(place)) {
            let place = *places.entry(target).or_insert_with(|| {
                let agreement = AgreementStatus::from(survey.agreements.get(target)?);
                agreement.is_disputed().then(|| {
                    let check = target.monitor.check.as_str().to_owned();
                    all.push(Disputed { target: target.address.to_string(), check, pools: Vec::new(), agreement });
                    all.len() - 1
                })
            });
            if let Some(place) = place
                && all[place].pools.last().is_none_or(|last| **last != *spec.name)
            {
                all[place].pools.push(spec.name.to_string());
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(zones: &[(&str, u32, u64)]) -> Identity {
        let zone = |&(origin, serial, text): &(&str, u32, u64)| ZoneIdentity {
            origin: origin.into(),
            serial,
            text,
            keys: Vec::new(),
        };
        Identity::new("0.1.0", zones.iter().map(zone).collect())
    }

    #[test]
    fn zones_that_differ_are_told_with_the_nodes_that_have_them_otherwise() {
        let own = identity(&[("a.", 7, 1), ("b.", 7, 2)]);
        let same = own.clone();
        let late = identity(&[("a.", 6, 1), ("b.", 6, 9)]);
        let other = identity(&[("b.", 7, 2), ("c.", 1, 3)]);
        let found = zones(&[("ns1", true, &own), ("ns2", false, &same), ("ns3", false, &late), ("ns4", false, &other)]);
        let there = |node: &str, serial, same_files| ZoneElsewhere {
            node: node.to_owned(),
            serial,
            same_files,
            other_keys: None,
        };
        let zone =
            |zone: &str, serial, others| ZoneAgreement { zone: zone.to_owned(), serial, keys: Vec::new(), others };
        let expected = [
            zone("a.", Some(7), vec![there("ns3", Some(6), true), there("ns4", None, false)]),
            zone("b.", Some(7), vec![there("ns3", Some(6), false)]),
            zone("c.", None, vec![there("ns4", Some(1), false)]),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_node_with_other_keys_is_told_with_their_tags() {
        let signed = |keys: &[u16]| {
            let mut identity = identity(&[("a.", 7, 1)]);
            identity.zones[0].keys = keys.into();
            identity
        };
        let (own, rolled, unsigned) = (signed(&[4711]), signed(&[9, 4711]), signed(&[]));
        let found = zones(&[("ns1", true, &own), ("ns2", false, &rolled), ("ns3", false, &unsigned)]);
        assert_eq!(found[0].keys, [4711]);
        let told: Vec<String> = found[0].others.iter().map(|other| keys(other.other_keys.as_deref())).collect();
        assert_eq!(told, [", keys 9 4711", ", not signed"]);
    }

    #[test]
    fn zones_beyond_those_that_are_told_are_not_missing() {
        let own = identity(&[("a.", 7, 1)]);
        let many = Identity { more_zones: 1, ..identity(&[("b.", 7, 2)]) };
        let found = zones(&[("ns1", true, &own), ("ns2", false, &many)]);
        assert_eq!(found[0].others, []);
    }
}
