//! One record, as external-dns sends it.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Deserializer, Serialize};

use crate::name::Name;

/// The longest set identifier in octets.
const MAX_SET: usize = 128;

/// The longest property, and the longest value of a TXT record, in octets.
const MAX_TEXT: usize = 4096;

/// The highest TTL in seconds (RFC 2181, section 8).
const MAX_TTL: i64 = i32::MAX as i64;

/// The prefix of the properties that mean something here. external-dns makes them from annotations:
/// `external-dns.alpha.kubernetes.io/webhook-truenorth-weight` becomes `webhook/truenorth-weight`.
const OWN: &str = "webhook/truenorth-";

/// The properties, without their prefix.
const PROPERTIES: [&str; 7] = ["datacenter", "fallback", "monitor", "pool", "region", "steer", "weight"];

/// The types of records that are taken.
const TYPES: [&str; 4] = ["A", "AAAA", "CNAME", "TXT"];

/// An `endpoint.Endpoint` of external-dns: all data of one type and one set at a name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Record {
    /// The owner.
    pub dns_name: String,
    /// The data: addresses, a name, or texts in quotes.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "null_as_none")]
    pub targets: Vec<String>,
    /// `A`, `AAAA`, `CNAME` or `TXT`.
    pub record_type: String,
    /// Tells records of the same name and type apart.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub set_identifier: String,
    /// In seconds; 0 for the default.
    #[serde(rename = "recordTTL", skip_serializing_if = "is_zero")]
    pub record_ttl: i64,
    /// Labels of external-dns.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "null_as_none")]
    pub labels: BTreeMap<String, String>,
    /// Annotations for providers.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "null_as_none")]
    pub provider_specific: Vec<Property>,
}

/// Name, type and set identifier of a record.
pub(super) type Key<'a> = (&'a str, &'a str, &'a str);

/// A property of a record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Property {
    /// Such as `webhook/truenorth-weight`.
    pub name: String,
    /// Its value.
    pub value: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(ttl: &i64) -> bool {
    *ttl == 0
}

/// Go writes `null` for a list or a map that is not there.
pub(super) fn null_as_none<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(from: D) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(from)?.unwrap_or_default())
}

impl Record {
    /// Writes it as it is kept: names in lower case and without a final dot, addresses in their usual form, each once.
    pub fn normalise(&mut self) {
        let bare = |text: &str| text.trim().trim_end_matches('.').to_ascii_lowercase();
        self.dns_name = bare(&self.dns_name);
        self.record_type = self.record_type.trim().to_ascii_uppercase();
        for target in &mut self.targets {
            match self.record_type.as_str() {
                "A" => target.parse::<Ipv4Addr>().into_iter().for_each(|address| *target = address.to_string()),
                "AAAA" => target.parse::<Ipv6Addr>().into_iter().for_each(|address| *target = address.to_string()),
                "CNAME" => *target = bare(target),
                _ => {}
            }
        }
        let mut seen: Vec<String> = Vec::new();
        self.targets.retain(|target| {
            !seen.contains(target) && {
                seen.push(target.clone());
                true
            }
        });
        self.record_ttl = self.record_ttl.clamp(0, MAX_TTL);
    }

    /// Fails with the reason why the record cannot be served in a zone.
    pub(super) fn check(&self) -> Result<(), String> {
        let Self { targets, record_type, .. } = self;
        if !TYPES.contains(&record_type.as_str()) {
            return Err(format!("its type is {record_type:?}: A, AAAA, CNAME and TXT are taken"));
        }
        if targets.is_empty() {
            return Err("it has no targets".to_owned());
        }
        for target in targets {
            let is_fit = match record_type.as_str() {
                "A" => target.parse::<Ipv4Addr>().is_ok(),
                "AAAA" => target.parse::<Ipv6Addr>().is_ok(),
                "CNAME" => Name::parse(target, &Name::root()).is_ok(),
                _ => target.len() <= MAX_TEXT,
            };
            if !is_fit {
                return Err(format!("{target:?} is no target of type {record_type}"));
            }
        }
        if record_type == "CNAME" && targets.len() > 1 {
            return Err("a CNAME has one target".to_owned());
        }
        if self.set_identifier.len() > MAX_SET {
            return Err(format!("its set identifier is longer than {MAX_SET} octets"));
        }
        for property in &self.provider_specific {
            if property.value.len() > MAX_TEXT || property.name.len() > MAX_TEXT {
                return Err(format!("a property is longer than {MAX_TEXT} octets"));
            }
            if let Some(own) = property.name.strip_prefix(OWN)
                && !PROPERTIES.contains(&own)
            {
                return Err(format!("there is no property {:?}: there are {}", property.name, PROPERTIES.join(", ")));
            }
        }
        match self.weight() {
            Some(Err(())) => Err("`truenorth-weight` is a number from 0 to 65535".to_owned()),
            _ => Ok(()),
        }
    }

    /// The parts by which external-dns knows it.
    pub(super) fn key(&self) -> Key<'_> {
        (&self.dns_name, &self.record_type, &self.set_identifier)
    }

    /// The value of one of our properties, `weight` for example.
    pub(super) fn own(&self, property: &str) -> Option<&str> {
        let is_meant = |name: &str| name.strip_prefix(OWN) == Some(property);
        self.provider_specific.iter().find(|one| is_meant(&one.name)).map(|one| one.value.as_str())
    }

    /// The weight of its set; an error if it is no weight.
    pub(super) fn weight(&self) -> Option<Result<u16, ()>> {
        self.own("weight").map(|text| text.trim().parse().map_err(|_| ()))
    }

    /// True if it is a part of a steered name.
    pub(super) fn is_steered(&self) -> bool {
        let has_property = || PROPERTIES.iter().any(|property| self.own(property).is_some());
        self.record_type != "TXT" && (!self.set_identifier.is_empty() || has_property())
    }
}
