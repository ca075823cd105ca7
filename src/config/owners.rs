//! Reads the domain names in zone files.

use std::collections::HashMap;

use crate::name::Name;

use super::code::Code;
use super::decode::{Placed, Value};
use super::fault::{Fault, Faults};
use super::source::Place;

/// Reads a domain name in presentation format. Reports a fault and returns `None` if it is not one.
pub(super) fn parse_name(text: &Placed<String>, origin: &Name, faults: &mut Faults) -> Option<Name> {
    match Name::parse(&text.value, origin) {
        Ok(name) => Some(name),
        Err(error) => {
            faults
                .push(Fault::error(&text.place, format!("this is not a domain name: {error}"), "").code(Code::BadName));
            None
        }
    }
}

/// Reads an owner name: it must be in the zone and occur only once in this section.
pub(super) fn read_owner(
    value: &Value<'_>,
    origin: &Name,
    defined: &mut HashMap<Name, Place>,
    faults: &mut Faults,
) -> Option<Name> {
    let name = parse_name(&value.name(), origin, faults)?;
    let place = value.anchor();
    if !name.is_at_or_below(origin) {
        let message = format!("{name} is not in the zone {origin}");
        faults.push(Fault::error(&place, message, "outside of the zone").code(Code::OutOfZone));
        return None;
    }
    if let Some(first) = defined.get(&name) {
        let message = format!("{name} is given twice");
        faults.push(Fault::error(&place, message, "again").code(Code::Duplicate).related(first, "first defined here"));
        return None;
    }
    defined.insert(name.clone(), place);
    Some(name)
}
