//! Decides whether an asker may copy a zone, for AXFR and IXFR, before any record is sent (RFC 5936, section 2.2.1).

use super::exchange::Rejection;
use super::{Asker, Transport};
use crate::name::{MAX_NAME_LENGTH, key_of};
use crate::snapshot::{ServedZone, Snapshot};
use crate::wire::{InfoCode, Query, Question, Rcode, Rtype};

/// The rejection over all transports but TCP and TLS. A transfer may need several messages. HTTPS carries one message
/// for each query (RFC 8484, section 4.1), and QUIC is limited to one message here too. UDP has a small maximum length.
const TRANSPORT: Rejection = Rejection::new(Rcode::Refused, InfoCode::NotSupported, "zone transfer");
const PROHIBITED: Rejection = Rejection::new(Rcode::Refused, InfoCode::Prohibited, "zone transfer");
/// RFC 5936, section 2.2.1: "If the server is not authoritative for the queried zone, the server SHOULD set the value
/// to NotAuth(9)."
const NO_APEX: Rejection = Rejection::new(Rcode::NotAuth, InfoCode::NotAuthoritative, "no zone here has this name");
const STEERED: Rejection = Rejection::new(
    Rcode::Refused,
    InfoCode::NotSupported,
    "the zone has steered or reflecting names, which no copy can hold",
);
const SIGNED: Rejection = Rejection::new(
    Rcode::Refused,
    InfoCode::NotSupported,
    "the zone is signed as it answers: a copy would hold no signatures",
);
/// RFC 1995, section 3: the authority section of an IXFR query contains the SOA record of the client's version.
const NO_SERIAL: Rejection =
    Rejection::new(Rcode::FormErr, InfoCode::Other, "IXFR without an SOA in the authority section");

/// Returns the zone that an AXFR or IXFR query asks for. Fails with the rejection if this asker may not have the zone.
pub(super) fn find_zone<'s>(
    snapshot: &'s Snapshot,
    query: &Query<'_>,
    question: &Question<'_>,
    asker: Asker,
) -> Result<&'s ServedZone, &'static Rejection> {
    if !matches!(asker.transport, Transport::Tcp | Transport::Tls) {
        return Err(&TRANSPORT);
    }
    // This check comes first, so that strangers learn nothing about the zones.
    if !snapshot.world().protocol.transfers.allows(asker.address) {
        return Err(&PROHIBITED);
    }
    let mut key = [0; MAX_NAME_LENGTH];
    let served = snapshot.zone_at(key_of(question.name, &mut key)).ok_or(&NO_APEX)?;
    if !served.zone.is_static() {
        return Err(&STEERED);
    }
    if served.keys.is_some() {
        return Err(&SIGNED);
    }
    if question.rtype == Rtype::IXFR && query.serial.is_none() {
        return Err(&NO_SERIAL);
    }
    Ok(served)
}
