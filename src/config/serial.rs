//! The serial of a zone's SOA. If the operator gives none, truenorth increases it whenever the zone's contents change.
//!
//! Secondaries copy a zone when its serial is higher than theirs (RFC 1982). The serial therefore increases even if the
//! present file is older than the one before, or if an earlier one was dated in the future. If the operator gives the
//! serial, a serial that no secondary would follow is reported.

use std::hash::Hasher;

use siphasher::sip::SipHasher24;

use crate::name::Name;
use crate::serial::{is_later, later};
use crate::wire::Rtype;

use super::LastServed;
use super::code::Code;
use super::fault::{Fault, Faults};
use super::files::ZoneFiles;
use super::master::Located;
use super::source::Place;

/// Octets at the end of an SOA's RDATA from its serial on: five numbers of 32 bits (RFC 1035, section 3.3.13).
const SOA_NUMBERS: usize = 5 * size_of::<u32>();

/// Returns a number that differs if the records differ. It depends neither on their order nor on the serial.
pub(super) fn fingerprint(records: &[Located]) -> u64 {
    // A sum does not depend on the order.
    records.iter().fold(0, |sum: u64, Located { record, .. }| {
        let mut hasher = SipHasher24::new();
        hasher.write(&record.owner.to_key());
        hasher.write(&record.rtype.0.to_be_bytes());
        hasher.write(&record.ttl.to_be_bytes());
        let rdata = &record.rdata;
        match rdata.len().checked_sub(SOA_NUMBERS) {
            Some(at) if record.rtype == Rtype::SOA => {
                hasher.write(&rdata[..at]);
                hasher.write(&rdata[at + size_of::<u32>()..]);
            }
            _ => hasher.write(rdata),
        }
        sum.wrapping_add(hasher.finish())
    })
}

/// Like [`fingerprint`], but also covers the whole text of the zone file, so also what is steered.
pub(super) fn fingerprint_with(records: &[Located], files: &ZoneFiles) -> u64 {
    let mut hasher = SipHasher24::new();
    if let Some(file) = &files.toml {
        hasher.write(file.source.text().as_bytes());
    }
    fingerprint(records).wrapping_add(hasher.finish())
}

/// Returns the serial of a zone with these contents, based on the one that a version of the fleet gives, else on the time
/// when its files last changed. It never goes back: TXT records that were set count too.
pub(super) fn count(files: &ZoneFiles, contents: u64, last: Option<LastServed>, given: Option<u32>) -> u32 {
    let changed = [&files.toml, &files.master].into_iter().flatten().map(|file| file.changed);
    let changed = given.or_else(|| changed.reduce(later)).unwrap_or_default();
    match last {
        None => changed,
        Some(last) if last.contents == Some(contents) && given.is_some() => later(changed, last.serial),
        Some(last) if last.contents == Some(contents) => last.serial,
        Some(last) if last.contents.is_none() => later(changed, last.serial),
        Some(last) => later(changed, last.serial.wrapping_add(1)),
    }
}

/// Returns the serial from an SOA's RDATA; `None` if the RDATA is too short.
pub(super) fn of_soa(rdata: &[u8]) -> Option<u32> {
    let numbers: &[u8; SOA_NUMBERS] = rdata.last_chunk()?;
    numbers.first_chunk().map(|serial| u32::from_be_bytes(*serial))
}

/// Warns of a serial given by the operator that no secondary follows. `place` is the place of the SOA.
pub(super) fn check(
    origin: &Name,
    serial: u32,
    place: &Place,
    contents: u64,
    last: Option<LastServed>,
    faults: &mut Faults,
) {
    let Some(last) = last else { return };
    let message = if serial == last.serial {
        if last.contents.is_none_or(|before| before == contents) {
            return;
        }
        format!("the zone {origin} has changed, but still has the serial {serial}")
    } else if is_later(serial, last.serial) {
        return;
    } else {
        format!("the serial of {origin} is {serial}, but {} was served before, which is later (RFC 1982)", last.serial)
    };
    let fault = Fault::warning(place, message, "secondaries keep the zone that they have").code(Code::Serial);
    faults.push(fault.help(format!("give it the serial {} or a later one", last.serial.wrapping_add(1))));
}
