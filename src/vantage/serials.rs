//! Serials that count on: nodes with the same files of a zone end with the same serial.
//!
//! Each node counts the serial of a zone on when a TXT record is set or removed. Orders that come together count once at one node
//! and twice at another, and a node that was away counts what it missed once. So whoever hears a later serial of the same
//! files takes it: then all have the latest.

use super::Vantages;
use crate::health::{Identity, ZoneIdentity};
use crate::serial::{self, is_later};

/// How far a serial may be ahead of this node's own, unless it is a time that has passed. More orders than that do not come
/// while a node is away, and a node that tells nonsense must not use up the serials of all.
const MOST_AHEAD: u32 = 1 << 16;

impl Vantages {
    /// Returns the zones of this node of which another one serves a later serial with the same files, and that serial. `now`
    /// is Unix time in seconds modulo 2^32: most serials are times.
    pub fn later_serials(&self, now: u32) -> Vec<(Box<str>, u32)> {
        let Some(own) = &self.identity else { return Vec::new() };
        let others: Vec<&Identity> = self.peers.values().filter_map(|peer| peer.identity.as_deref()).collect();
        own.zones.iter().filter_map(|zone| Some((zone.origin.clone(), later(zone, &others, now)?))).collect()
    }
}

/// Returns the latest serial that is later than that of this zone.
fn later(zone: &ZoneIdentity, others: &[&Identity], now: u32) -> Option<u32> {
    let of_same_files = others.iter().filter_map(|other| {
        // Zones are sorted by their names.
        let place = other.zones.binary_search_by(|other| other.origin.cmp(&zone.origin)).ok()?;
        Some(&other.zones[place]).filter(|other| other.text == zone.text)
    });
    let is_likely = |serial: &u32| serial.wrapping_sub(zone.serial) <= MOST_AHEAD || !is_later(*serial, now);
    let serials = of_same_files.map(|other| other.serial);
    let serials = serials.filter(|serial| is_later(*serial, zone.serial)).filter(is_likely);
    serials.reduce(serial::later)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_serial_of_the_same_files_counts() {
        let zone = |origin: &str, serial, text| ZoneIdentity { origin: origin.into(), serial, text, keys: Vec::new() };
        let node = |zones: &[ZoneIdentity]| Identity::new("1", zones.to_vec());
        let [a, b, c] = [
            node(&[zone("a.", 7, 1), zone("b.", 9, 1)]),
            node(&[zone("a.", 5, 1), zone("b.", 4, 1)]),
            node(&[zone("b.", 99, 2), zone("c.", 8, 1)]),
        ];
        let later_than = |serial, origin, now| later(&zone(origin, serial, 1), &[&a, &b, &c], now);
        assert_eq!([5, 6, 7, 8].map(|serial| later_than(serial, "a.", 0)), [Some(7), Some(7), None, None]);
        assert_eq!(later_than(3, "b.", 0), Some(9), "the later one has other files");
        assert_eq!([later_than(8, "c.", 0), later_than(1, "d.", 0)], [None, None]);
        // RFC 1982: 7 follows the greatest number.
        assert_eq!(later_than(u32::MAX, "a.", 0), Some(7));
        // So far ahead are only times that have passed; else the nearer one counts.
        let (own, far) = (7_u32.wrapping_sub(MOST_AHEAD + 1), 7 - 1);
        assert_eq!([later_than(own, "a.", far), later_than(own, "a.", 7)], [Some(5), Some(7)]);
    }
}
