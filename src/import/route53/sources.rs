//! The sets of one name: what each answers with, and which policy chooses among them.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::records::{RecordSet, unescaped};

/// How one of several sets is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Policy {
    Simple,
    Weighted,
    Failover,
    Multivalue,
    Latency,
    Geolocation,
    Geoproximity,
}

/// One set of a name, of both families.
#[derive(Clone, Debug)]
pub(super) struct Source<'a> {
    /// Its identifier; empty without a policy.
    pub(super) id: &'a str,
    /// One of its record sets, for the settings of the policy.
    pub(super) set: &'a RecordSet,
    /// Its addresses or canonical names.
    pub(super) values: Vec<String>,
    /// The name that it is an alias of, with its final dot.
    pub(super) alias: Option<String>,
}

impl Source<'_> {
    /// Its addresses. Fails if it has something else.
    pub(super) fn addresses(&self) -> Option<Vec<IpAddr>> {
        self.values.iter().map(|value| value.trim().parse().ok()).collect()
    }
}

/// Returns the sets of a name, A and AAAA together, and their policy. Fails with the reason if they do not fit together.
pub(super) fn of<'a>(sets: &[&'a RecordSet]) -> Result<(Policy, Vec<Source<'a>>), String> {
    let mut sources: BTreeMap<&str, Source<'a>> = BTreeMap::new();
    let mut policy = None;
    for set in sets {
        let own = policy_of(set)?;
        if *policy.get_or_insert(own) != own {
            return Err("A, AAAA and CNAME have different policies".to_owned());
        }
        let id = set.set_identifier.as_deref().unwrap_or_default();
        let alias = set.alias_target.as_ref().map(|target| unescaped(&target.name));
        let values = set.resource_records.iter().map(|record| record.value.clone());
        match sources.get_mut(id) {
            Some(source) if source.alias != alias || !is_same_choice(source.set, set) => {
                let what = if id.is_empty() { "it".to_owned() } else { format!("the set {id}") };
                return Err(format!(
                    "{what} has different settings for A and AAAA, and a name here answers both from one place"
                ));
            }
            Some(source) => source.values.extend(values),
            None => _ = sources.insert(id, Source { id, set, values: values.collect(), alias }),
        }
    }
    Ok((policy.unwrap_or(Policy::Simple), sources.into_values().collect()))
}

fn policy_of(set: &RecordSet) -> Result<Policy, String> {
    if set.cidr_routing_config.is_some() {
        return Err("the networks of its CIDR collection are not in the file: name them in regions".to_owned());
    }
    Ok(match set {
        RecordSet { weight: Some(_), .. } => Policy::Weighted,
        RecordSet { failover: Some(_), .. } => Policy::Failover,
        RecordSet { region: Some(_), .. } => Policy::Latency,
        RecordSet { geo_location: Some(_), .. } => Policy::Geolocation,
        RecordSet { geo_proximity_location: Some(_), .. } => Policy::Geoproximity,
        RecordSet { multi_value_answer: Some(true), .. } => Policy::Multivalue,
        _ => Policy::Simple,
    })
}

/// True if both families of a set are chosen in the same way.
fn is_same_choice(one: &RecordSet, other: &RecordSet) -> bool {
    let choice = |set: &RecordSet| {
        (set.weight, set.failover.clone(), set.region.clone(), set.geo_location.clone(), set.health_check_id.clone())
    };
    choice(one) == choice(other)
}
