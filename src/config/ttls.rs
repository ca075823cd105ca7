//! `ttl` and `ttl_min`, of a zone and of a name.

use super::code::Code;
use super::decode::TomlTable;
use super::fault::{Fault, Faults};

/// The largest TTL in seconds (RFC 2181, section 8).
pub(super) const MAX_TTL: u32 = (1 << 31) - 1;

/// Takes both keys out of a table, and returns the TTL and the one while a state is unconfirmed, in seconds. A missing
/// one has its default; that of `ttl_min` is never above the TTL.
pub(super) fn read(table: &mut TomlTable<'_>, defaults: (u32, u32), faults: &mut Faults) -> (u32, u32) {
    let ttl = table.take("ttl").and_then(|value| value.integer(0..=MAX_TTL, faults));
    let ttl = ttl.map_or(defaults.0, |ttl| ttl.value);
    let Some(ttl_min) = table.take("ttl_min").and_then(|value| value.integer(0..=MAX_TTL, faults)) else {
        return (ttl, defaults.1.min(ttl));
    };
    if ttl_min.value > ttl {
        let message = format!("`ttl_min` ({}) is above `ttl` ({ttl})", ttl_min.value);
        faults.push(Fault::error(&ttl_min.place, message, "never above `ttl`").code(Code::Ttl));
    }
    (ttl, ttl_min.value.min(ttl))
}
