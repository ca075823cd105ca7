//! Finds the name in the data of each record type that points at another name.

use crate::name::Name;
use crate::wire::Rtype;

/// Types whose data contains the name of a host or zone, and the number of octets in front of that name: RFC 1035,
/// 1183, 2230, 2782, 6672, 6742 and 9460.
const POINTERS: [(Rtype, usize); 12] = [
    (Rtype::CNAME, 0),
    (Rtype::NS, 0),
    (Rtype::DNAME, 0),
    (Rtype::PTR, 0),
    (Rtype::MX, 2),
    (Rtype::AFSDB, 2),
    (Rtype::RT, 2),
    (Rtype::SRV, 6),
    (Rtype::KX, 2),
    (Rtype::SVCB, 2),
    (Rtype::HTTPS, 2),
    (LP, 2),
];

/// RFC 6742, section 2.4.
const LP: Rtype = Rtype(107);

/// NAPTR records hold a name after order, preference and three strings (RFC 3403, section 4.1).
const NAPTR: Rtype = Rtype(35);
const NAPTR_HEAD: usize = 4;
const NAPTR_STRINGS: usize = 3;

/// True if records of this type point at other names.
pub(super) fn leads(rtype: Rtype) -> bool {
    rtype == NAPTR || POINTERS.iter().any(|(pointer, _)| *pointer == rtype)
}

/// The name that a record points at; `None` for types without such a name, and for the root, which means none (RFC
/// 2782, 3403, 7505 and 9460).
pub(super) fn target(rtype: Rtype, rdata: &[u8]) -> Option<Name> {
    let offset = match POINTERS.iter().find(|(pointer, _)| *pointer == rtype) {
        Some(&(_, offset)) => offset,
        None if rtype == NAPTR => {
            (0..NAPTR_STRINGS).try_fold(NAPTR_HEAD, |at, _| Some(at + 1 + usize::from(*rdata.get(at)?)))?
        }
        None => return None,
    };
    let mut end = offset;
    while let Some(&length) = rdata.get(end).filter(|&&length| length > 0) {
        end += 1 + usize::from(length);
    }
    let wire = rdata.get(offset..=end).filter(|wire| wire.len() > 1)?;
    Some(Name::from_wire(wire))
}
