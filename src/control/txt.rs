//! TXT records that are set while the node runs and expire by themselves, as ACME's dns-01 needs them (RFC 8555,
//! section 8.4).
//!
//! They belong to names, not to a configuration: a reload keeps them, and a zone that is removed and comes back has
//! them again.

use std::fmt;
use std::time::Duration;

use crate::name::Name;
use crate::serial::is_later;
use crate::snapshot::{Blueprint, Unfit};
use crate::wire::Rtype;
use crate::zone::{Record, ZoneError};

/// Maximum number of values at a time, of all names. A certificate for a hundred names needs two hundred.
pub const MAX_VALUES: usize = 1024;

/// Maximum number of octets of a value. A value for dns-01 has 43.
const MAX_VALUE: usize = 1024;

/// The longest lifetime of a value.
pub const MAX_TXT_LIFETIME: Duration = Duration::from_secs(7 * 24 * 3600);

/// Seconds. A resolver that finds nothing can ask again soon and find a value that was set meanwhile.
const TTL: u32 = 5;

/// Maximum number of octets of a character string (RFC 1035, section 3.3).
const MAX_STRING: usize = 255;

/// A value at a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TxtValue {
    /// The owner.
    pub name: Name,
    /// The text.
    pub value: String,
    /// When it expires: Unix time in seconds.
    pub until: u64,
}

/// All values that are set.
#[derive(Clone, Debug, Default)]
pub struct DynamicTxt {
    values: Vec<TxtValue>,
}

/// The result of replacing the values of a name.
#[derive(Debug)]
pub struct Replaced {
    /// All values of the name now.
    pub set: Vec<TxtValue>,
    /// Those of them that were not set before.
    pub new: Vec<TxtValue>,
    /// The values that are no longer set.
    pub gone: Vec<TxtValue>,
}

/// Why a value cannot be set.
#[derive(Debug)]
pub enum TxtError {
    /// The name cannot hold it.
    Unfit(Unfit),
    /// All values of the name together do not fit into a message.
    Zone(ZoneError),
    /// The value is empty, or longer than a thousand octets. Holds its length.
    BadLength(usize),
    /// [`MAX_VALUES`] are set already.
    Full,
}

impl fmt::Display for TxtError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unfit(unfit) => unfit.fmt(f),
            Self::Zone(error) => error.fmt(f),
            Self::BadLength(length) => write!(f, "a value must have 1 to {MAX_VALUE} octets, this one has {length}"),
            Self::Full => write!(
                f,
                "{MAX_VALUES} values are set already, and a node holds no more: remove one, or wait until one expires"
            ),
        }
    }
}

impl std::error::Error for TxtError {}

impl DynamicTxt {
    /// Takes the values that an earlier run kept.
    pub fn new(values: Vec<TxtValue>) -> Self {
        Self { values }
    }

    /// All values, in the order in which they were set.
    pub fn values(&self) -> &[TxtValue] {
        &self.values
    }

    /// Sets a value, or changes the expiry of one that is set already. Returns true if it is new. Fails if its length
    /// is not allowed, or if too many values are set.
    pub fn set(&mut self, new: TxtValue) -> Result<bool, TxtError> {
        if !(1..=MAX_VALUE).contains(&new.value.len()) {
            return Err(TxtError::BadLength(new.value.len()));
        }
        if let Some(same) = self.values.iter_mut().find(|old| old.name == new.name && old.value == new.value) {
            same.until = new.until;
            return Ok(false);
        }
        if self.values.len() >= MAX_VALUES {
            return Err(TxtError::Full);
        }
        self.values.push(new);
        Ok(true)
    }

    /// Removes one value of a name, or all of its values. Returns the removed ones.
    pub fn unset(&mut self, name: &Name, value: Option<&str>) -> Vec<TxtValue> {
        self.take(|old| old.name == *name && value.is_none_or(|value| old.value == value))
    }

    /// Sets these values of a name until this Unix time in seconds, and removes all others of the name. Fails as
    /// [`Self::set`] does, and changes nothing then.
    pub fn replace(&mut self, name: &Name, values: &[String], until: u64) -> Result<Replaced, TxtError> {
        let mut after = self.clone();
        let gone = after.take(|old| old.name == *name && !values.contains(&old.value));
        let mut replaced = Replaced { set: Vec::new(), new: Vec::new(), gone };
        for value in values {
            let value = TxtValue { name: name.clone(), value: value.clone(), until };
            if after.set(value.clone())? {
                replaced.new.push(value.clone());
            }
            replaced.set.push(value);
        }
        *self = after;
        Ok(replaced)
    }

    /// The values of a name, in the order in which they were set.
    pub fn of<'a>(&'a self, name: &'a Name) -> impl Iterator<Item = &'a TxtValue> {
        self.values.iter().filter(move |value| value.name == *name)
    }

    /// Removes the values that have expired, and returns them.
    pub fn expire(&mut self, unix_time: u64) -> Vec<TxtValue> {
        self.take(|old| old.until <= unix_time)
    }

    /// When the next value expires.
    pub fn next_expiry(&self) -> Option<u64> {
        self.values.iter().map(|value| value.until).min()
    }

    /// Returns a configuration with all values in it, and the names whose values it cannot hold, each with the reason.
    pub fn apply(&self, blueprint: &Blueprint) -> (Blueprint, Vec<(Name, TxtError)>) {
        let mut left_out = Vec::new();
        let mut origins: Vec<&Name> = Vec::new();
        for value in &self.values {
            match blueprint.place_for_txt(&value.name) {
                Ok(origin) if origins.contains(&origin) => {}
                Ok(origin) => origins.push(origin),
                Err(unfit) => left_out.push((value.name.clone(), TxtError::Unfit(unfit))),
            }
        }
        let mut applied = blueprint.clone();
        for origin in origins {
            match applied.amended(origin, &self.records_in(blueprint, origin), None) {
                Ok(amended) => applied = amended,
                Err(error) => left_out.push((origin.clone(), TxtError::Zone(error))),
            }
        }
        (applied, left_out)
    }

    /// Returns a configuration after the values of these names changed. Zones that hold the names, and whose serial the
    /// node counts, get the next serial. Fails if a zone cannot hold the values.
    pub fn amend(&self, blueprint: &Blueprint, names: &[Name]) -> Result<Blueprint, TxtError> {
        let mut origins: Vec<&Name> = Vec::new();
        for zone in names.iter().filter_map(|name| blueprint.find_zone(&name.to_key())) {
            let origin = zone.zone.apex();
            if !origins.contains(&origin) {
                origins.push(origin);
            }
        }
        origins.into_iter().try_fold(blueprint.clone(), |amended, origin| {
            let records = self.records_in(blueprint, origin);
            amended.amended(origin, &records, next_serial(blueprint, origin)).map_err(TxtError::Zone)
        })
    }

    /// Returns a configuration in which a zone has a later serial, that of another node, and the records that it has. `None` if
    /// nothing changes: if there is no such zone, if it has this serial or a later one, or if the operator sets its serial.
    pub fn count_on(&self, blueprint: &Blueprint, origin: &Name, serial: u32) -> Option<Blueprint> {
        blueprint.spec(origin).filter(|spec| spec.counts_serial)?;
        let served = blueprint.zone_of(origin).filter(|served| served.zone.apex() == origin)?;
        is_later(serial, served.serial())
            .then(|| blueprint.amended(origin, &self.records_in(blueprint, origin), Some(serial)).ok())?
    }

    fn records_in(&self, blueprint: &Blueprint, origin: &Name) -> Vec<Record> {
        let is_there = |value: &&TxtValue| blueprint.place_for_txt(&value.name).is_ok_and(|place| place == origin);
        self.values.iter().filter(is_there).map(TxtValue::record).collect()
    }

    fn take(&mut self, is_meant: impl Fn(&TxtValue) -> bool) -> Vec<TxtValue> {
        let (gone, left) = std::mem::take(&mut self.values).into_iter().partition(is_meant);
        self.values = left;
        gone
    }
}

impl TxtValue {
    fn record(&self) -> Record {
        let strings = self.value.as_bytes().chunks(MAX_STRING);
        let rdata: Vec<u8> = strings.flat_map(|string| [&[string.len() as u8], string].concat()).collect();
        Record { owner: self.name.clone(), rtype: Rtype::TXT, ttl: TTL, rdata: rdata.into() }
    }
}

/// The serial after the one that is served; `None` if the operator sets serials.
fn next_serial(blueprint: &Blueprint, origin: &Name) -> Option<u32> {
    blueprint.spec(origin).filter(|spec| spec.counts_serial)?;
    Some(blueprint.find_zone(&origin.to_key())?.serial().wrapping_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(name: &str, value: &str, until: u64) -> TxtValue {
        TxtValue { name: Name::parse(name, &Name::root()).unwrap(), value: value.to_owned(), until }
    }

    #[test]
    fn a_value_is_set_once_and_stays_until_it_was_last_asked_to() {
        let mut txt = DynamicTxt::default();
        assert!(txt.set(value("a.example", "x", 10)).unwrap());
        assert!(!txt.set(value("A.example", "x", 20)).unwrap());
        assert!(txt.set(value("a.example", "X", 5)).unwrap());
        assert_eq!(txt.next_expiry(), Some(5));
        assert_eq!(txt.expire(10), [value("a.example", "X", 5)]);
        assert_eq!(txt.next_expiry(), Some(20));
        assert_eq!(txt.unset(&value("a.example", "", 0).name, Some("y")), []);
        assert_eq!(txt.unset(&value("a.example", "", 0).name, None).len(), 1);
        assert_eq!(txt.next_expiry(), None);
    }

    #[test]
    fn what_is_too_long_or_too_much_is_refused() {
        let mut txt = DynamicTxt::default();
        assert!(matches!(txt.set(value("a.example", "", 1)), Err(TxtError::BadLength(0))));
        assert!(matches!(txt.set(value("a.example", &"x".repeat(1025), 1)), Err(TxtError::BadLength(1025))));
        for number in 0..MAX_VALUES {
            txt.set(value("a.example", &number.to_string(), 1)).unwrap();
        }
        assert!(matches!(txt.set(value("a.example", "x", 1)), Err(TxtError::Full)));
        assert!(!txt.set(value("a.example", "0", 2)).unwrap());
    }

    #[test]
    fn values_of_a_name_are_replaced_together_or_not_at_all() {
        let mut txt = DynamicTxt::default();
        let of = |txt: &DynamicTxt, name: &str| -> Vec<(String, u64)> {
            txt.of(&value(name, "", 0).name).map(|value| (value.value.clone(), value.until)).collect()
        };
        for (name, text) in [("a.example", "x"), ("a.example", "y"), ("b.example", "x")] {
            txt.set(value(name, text, 1)).unwrap();
        }
        let name = value("A.example", "", 0).name;
        let Replaced { set, new, gone } = txt.replace(&name, &["y".to_owned(), "z".to_owned()], 5).unwrap();
        assert_eq!((set.len(), new, gone), (2, vec![value("a.example", "z", 5)], vec![value("a.example", "x", 1)]));
        assert_eq!(of(&txt, "a.example"), [("y".to_owned(), 5), ("z".to_owned(), 5)]);
        assert!(txt.replace(&name, &["new".to_owned(), String::new()], 9).is_err());
        assert_eq!(of(&txt, "a.example"), [("y".to_owned(), 5), ("z".to_owned(), 5)]);
        assert_eq!(of(&txt, "b.example"), [("x".to_owned(), 1)]);
    }

    #[test]
    fn a_long_value_is_several_strings_of_one_record() {
        let record = value("a.example", &"x".repeat(300), 1).record();
        assert_eq!((record.rdata.len(), record.rdata[0], record.rdata[256]), (302, 255, 45));
    }
}
