//! `foreign_keys` of `[dnssec]`: the keys of other providers that sign a zone, too.

use std::sync::Arc;

use crate::config::code::Code;
use crate::config::decode::{Placed, Value};
use crate::config::fault::{Fault, Faults};
use crate::config::records;
use crate::config::source::Place;
use crate::dnssec::{ForeignKey, ZoneKeys};
use crate::name::Name;
use crate::wire::Rtype;

const HELP: &str = "write the data of a DNSKEY record, as in \"256 3 13 oJMRESz5E4gYzS/q6XDr...\"";

/// Reads the keys: the data of DNSKEY records, or whole records. Reports what is none, and what is given twice.
pub(super) fn read(value: &Value<'_>, zone: &Name, faults: &mut Faults) -> Arc<[ForeignKey]> {
    let mut keys: Vec<ForeignKey> = Vec::new();
    for Placed { value: key, place } in value.each(faults, |item, faults| read_key(item, zone, faults)) {
        if keys.contains(&key) {
            let message = format!("key {} is given twice", key.tag());
            faults.push(Fault::error(&place, message, "again").code(Code::Duplicate));
        } else {
            keys.push(key);
        }
    }
    keys.into()
}

fn read_key(item: &Value<'_>, zone: &Name, faults: &mut Faults) -> Option<Placed<ForeignKey>> {
    let text = item.string(faults)?;
    let read = data(&text.value, zone).and_then(|data| {
        let rdata = records::parse_rdata(Rtype::DNSKEY, data, zone).map_err(|error| error.message)?;
        let key = ForeignKey::try_new(&rdata).map_err(|error| error.to_string())?;
        // In a zone's records these are doubts.
        records::doubt(Rtype::DNSKEY, &rdata).map_or(Ok(key), Err)
    });
    match read {
        Ok(value) => Some(Placed { value, place: text.place }),
        Err(why) => {
            let message = format!("this is no key of another provider: {why}");
            faults.push(Fault::error(&text.place, message, "").code(Code::BadData).help(HELP));
            None
        }
    }
}

/// Returns the data of a record, which may be written as a whole: its owner must be the zone.
fn data<'t>(text: &'t str, zone: &Name) -> Result<&'t str, String> {
    let Some((before, data)) = text.split_once("DNSKEY") else { return Ok(text) };
    let owner = before.split_ascii_whitespace().next().unwrap_or_default();
    match Name::parse(owner, zone) {
        Ok(owner) if owner == *zone => Ok(data),
        Ok(owner) => Err(format!("{owner} is not the zone {zone}")),
        Err(error) => Err(error.to_string()),
    }
}

/// Reports foreign keys that do not fit the zone's own keys.
pub(super) fn check(keys: &ZoneKeys, place: &Place, faults: &mut Faults) {
    let zone = keys.apex();
    let own = || keys.parts().map(|(key, _)| key.public());
    for foreign in keys.foreign() {
        let (tag, algorithm) = (foreign.tag(), foreign.algorithm());
        if own().any(|key| key.rdata() == foreign.rdata()) {
            let message = format!("key {tag} of {zone} is among `foreign_keys`, and is a key of this zone's files");
            let fault = Fault::error(place, message, "").code(Code::Duplicate);
            faults.push(fault.help("take it out of `foreign_keys`"));
        } else if !own().any(|key| key.algorithm().number() == algorithm) {
            let message =
                format!("key {tag} of another provider of {zone} has algorithm {algorithm}, and no key here has it");
            let fault = Fault::warning(place, message, "").code(Code::Signed);
            faults.push(fault.help(
                "some resolvers want a signature with each algorithm of the zone: let all providers use the same one (RFC 8901, section 4)",
            ));
        }
    }
}
