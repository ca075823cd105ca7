//! The records of a zone, and changes of them.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::record::{Key, Record, null_as_none};
use super::render;
use crate::name::Name;

/// Maximum number of records of a zone.
const MAX_RECORDS: usize = 10_000;

/// The records of one zone, in the order in which they came.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Records(Vec<Record>);

/// `plan.Changes` of external-dns. Early versions write the first letters large.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Changes {
    /// Records to add.
    #[serde(alias = "Create", deserialize_with = "null_as_none")]
    pub create: Vec<Record>,
    /// Records to change, as they were.
    #[serde(alias = "UpdateOld", deserialize_with = "null_as_none")]
    pub update_old: Vec<Record>,
    /// The same, as they shall be.
    #[serde(alias = "UpdateNew", deserialize_with = "null_as_none")]
    pub update_new: Vec<Record>,
    /// Records to remove.
    #[serde(alias = "Delete", deserialize_with = "null_as_none")]
    pub delete: Vec<Record>,
}

/// One of the lists of changes.
type List = fn(&mut Changes) -> &mut Vec<Record>;

/// The reason why changes are not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfit(String);

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unfit {}

impl Changes {
    /// Reads what external-dns sends. Fails with the reason.
    pub fn from_json(text: &str) -> Result<Self, String> {
        let value: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let lists = value.as_object().ok_or("changes are an object")?;
        lists.values().try_for_each(check_objects)?;
        serde_json::from_value(value).map_err(|error| error.to_string())
    }

    /// Returns the changes by the zones that they belong to. Fails if one belongs to none of these.
    pub fn by_zone(self, zones: &[Name]) -> Result<Vec<(Name, Self)>, Unfit> {
        let mut parts: Vec<(Name, Self)> = zones.iter().map(|zone| (zone.clone(), Self::default())).collect();
        let Self { create, update_old, update_new, delete } = self;
        let lists: [(Vec<Record>, List); 4] = [
            (create, |part| &mut part.create),
            (update_old, |part| &mut part.update_old),
            (update_new, |part| &mut part.update_new),
            (delete, |part| &mut part.delete),
        ];
        for (records, list) in lists {
            for mut record in records {
                record.normalise();
                let name = Name::parse(&record.dns_name, &Name::root());
                let name = name.map_err(|_| Unfit(format!("{:?} is no name", record.dns_name)))?;
                // The longest zone that the name is in.
                let within = parts.iter_mut().filter(|(zone, _)| name.is_at_or_below(zone));
                let Some((_, part)) = within.max_by_key(|(zone, _)| zone.label_count()) else {
                    return Err(Unfit(format!("{} is in no zone of `[external_dns]`", record.dns_name)));
                };
                list(part).push(record);
            }
        }
        Ok(parts)
    }
}

impl Records {
    /// Reads what external-dns sends, or what [`to_json`](Self::to_json) wrote. Fails with the reason.
    pub fn from_json(text: &str) -> Result<Self, String> {
        let value: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
        check_objects(&value)?;
        // Go writes `null` for an empty list.
        let records: Option<Vec<Record>> = serde_json::from_value(value).map_err(|error| error.to_string())?;
        Ok(Self(records.unwrap_or_default()))
    }

    /// Returns them as JSON, as external-dns reads them.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("texts and numbers are JSON")
    }

    /// Returns them as they would be kept.
    #[must_use]
    pub fn normalised(mut self) -> Self {
        self.0.iter_mut().for_each(Record::normalise);
        self
    }

    /// Returns them one by one.
    pub fn iter(&self) -> impl Iterator<Item = &Record> {
        self.0.iter()
    }

    /// Returns these records after changes that were normalised. A record that is added twice is there once; one that is
    /// removed and not there is no error: external-dns repeats changes whose answers it did not get.
    pub fn apply(&self, changes: &Changes) -> Result<Self, Unfit> {
        let Changes { create, update_old, update_new, delete } = changes;
        let gone: HashSet<Key<'_>> = delete.iter().chain(update_old).map(Record::key).collect();
        let mut added: Vec<&Record> = Vec::new();
        let mut places: HashMap<Key<'_>, usize> = HashMap::new();
        for new in update_new.iter().chain(create) {
            new.check().map_err(|why| Unfit(format!("{} {}: {why}", new.dns_name, new.record_type)))?;
            match places.entry(new.key()) {
                Entry::Occupied(place) => added[*place.get()] = new,
                Entry::Vacant(place) => {
                    place.insert(added.len());
                    added.push(new);
                }
            }
        }
        // One that is there already is replaced where it stands.
        let stay = self.0.iter().filter(|record| !gone.contains(&record.key()));
        let mut records: Vec<Record> =
            stay.map(|record| places.remove(&record.key()).map_or(record, |place| added[place])).cloned().collect();
        records.extend(added.into_iter().filter(|new| places.contains_key(&new.key())).cloned());
        if records.len() > MAX_RECORDS {
            return Err(Unfit(format!("a zone has at most {MAX_RECORDS} records of external-dns")));
        }
        Ok(Self(records))
    }

    /// Returns the part of the zone's file that follows from the records, as TOML; empty if there are none.
    pub fn render(&self, zone: &Name) -> String {
        render::render(&self.0, zone)
    }
}

/// Fails if something in a list of records is written as a list where an object belongs, which serde would read too.
fn check_objects(records: &Value) -> Result<(), String> {
    let are_objects = |list: &Value| list.as_array().is_none_or(|list| list.iter().all(Value::is_object));
    let list = records.as_array().map_or(&[][..], Vec::as_slice);
    if are_objects(records) && list.iter().all(|record| are_objects(&record["providerSpecific"])) {
        return Ok(());
    }
    Err("a record and a property are objects".to_owned())
}

impl FromIterator<Record> for Records {
    fn from_iter<I: IntoIterator<Item = Record>>(records: I) -> Self {
        Self(records.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(texts: &[&str]) -> Vec<Record> {
        let record = |text: &&str| {
            let (name, target) = text.split_once(' ').unwrap();
            Record { dns_name: name.into(), record_type: "A".into(), targets: vec![target.into()], ..Record::default() }
        };
        texts.iter().map(record).collect()
    }

    #[test]
    fn changes_replace_add_and_remove_and_may_be_repeated() {
        let before = Records(records(&["a 10.0.0.1", "b 10.0.0.2", "c 10.0.0.3"]));
        let changes = Changes {
            create: records(&["d 10.0.0.4", "a 10.0.0.9", "d 10.0.0.5"]),
            update_old: records(&["b 10.0.0.2"]),
            update_new: records(&["b 10.0.0.8"]),
            delete: records(&["c 10.0.0.3", "x 10.0.0.1"]),
        };
        let after = before.apply(&changes).unwrap();
        let expected = records(&["a 10.0.0.9", "b 10.0.0.8", "d 10.0.0.5"]);
        assert_eq!(after.0, expected);
        assert_eq!(after.apply(&changes).unwrap().0.len(), expected.len());
        assert_eq!(Records::from_json(&after.to_json()), Ok(after));
    }

    #[test]
    fn names_belong_to_the_longest_zone_that_they_are_in() {
        let zones = ["example.com", "k8s.example.com"].map(|zone| Name::parse(zone, &Name::root()).unwrap());
        let changes = Changes {
            create: records(&["A.K8S.example.com. 10.0.0.1", "b.example.com 10.0.0.2"]),
            ..Changes::default()
        };
        let parts = changes.by_zone(&zones).unwrap();
        let names: Vec<&str> =
            parts.iter().flat_map(|(_, part)| &part.create).map(|record| &*record.dns_name).collect();
        assert_eq!(names, ["b.example.com", "a.k8s.example.com"]);
        let outside = Changes { delete: records(&["c.example.org 10.0.0.1"]), ..Changes::default() };
        assert!(outside.by_zone(&zones).is_err());
    }
}
