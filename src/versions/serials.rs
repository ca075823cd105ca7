//! The serials of a version's zones.
//!
//! The node that pushes a version gives each zone its serial, so that all nodes serve the same one. A serial never goes back
//! (RFC 1982): a zone with other contents than before gets a later one than any that was served, also when an earlier
//! version comes back.

use crate::serial::later;

/// A zone as it is or was served somewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    /// The serial.
    pub serial: u32,
    /// The fingerprint of its contents; `None` if that is unknown.
    pub contents: Option<u64>,
}

/// Returns the serial of a zone with these contents. `current` is what the versions say of it that are served now, `served`
/// what nodes serve or served apart from that. `now` is Unix time in seconds modulo 2^32.
pub fn assign(contents: u64, current: &[Counted], served: &[Counted], now: u32) -> u32 {
    if let Some((first, others)) = current.split_first()
        && first.contents == Some(contents)
        && others.iter().all(|other| other == first)
    {
        return first.serial;
    }
    let all = current.iter().chain(served);
    all.fold(now, |serial, counted| later(serial, counted.serial.wrapping_add(1)))
}
