//! Answers for askers that want signatures (RFC 4035, section 3.1).
//!
//! ```text
//!   records                 RRSIG                           the CNAME that a DNAME yields has none (RFC 6672, 5.3.1)
//!   a referral              DS and RRSIG, or NSEC and RRSIG: the zone below is not signed
//!   NODATA, NXDOMAIN        SOA, NSEC and an RRSIG of each  (RFC 9824)
//!   over the budget         SERVFAIL
//! ```
//!
//! Zones that their files have signed have [their own rules](super::presigned). Answers of all other zones are as for
//! everybody else. A chain may lead through zones of all three kinds.

use super::presigned::Proofs;
use super::resolution::{Hop, Resolution, Step};
use super::rrset::{HopNames, push};
use super::seal::{Seal, push_soa};
use super::write;
use super::{Exchange, Reply, ResponseClass, Worker};
use crate::dnssec::{Covered, Denial, Limits, Origin, Signer, Unsigned, ZoneKeys};
use crate::snapshot::{ServedZone, Snapshot};
use crate::wire::{
    CLASS_IN, ExtendedError, HEADER_LENGTH, InfoCode, MAX_MESSAGE, Message, NameOffset, Query, Question, Rcode, Rtype,
    Section, Truncated,
};
use crate::zone::{Dynamic, Found, Rrset};

const SPENT: &str = "the budget for signatures of this second is spent";
const FAILED: &str = "no signature can be made";

/// Writes the answer of a resolution, with signatures and proofs.
#[inline(never)]
pub(super) fn render(
    exchange: &Exchange<'_>,
    resolution: &Resolution<'_>,
    worker: &mut Worker,
    out: &mut [u8],
) -> Reply {
    let snapshot = exchange.snapshot();
    let signer = worker.signer();
    let mut message = exchange.begin(out);
    let mut signed = Signed::new(resolution, snapshot, signer, exchange.now());
    write::write(resolution, snapshot.world(), &mut signed, &mut message);
    let failure = signed.failure;
    let counts = signer.take_counts();
    let reply = match failure {
        None => {
            let (own, is_truncated) = (resolution.rcode(), message.is_truncated());
            let rcode = if denies_compactly(resolution) && !exchange.is_compact_ok() { Rcode::NoError } else { own };
            let (class, ttl) = (resolution.class(), resolution.ttl());
            Reply { length: message.finish(rcode), rcode, class, ttl, is_truncated }
        }
        Some(failure) => {
            let mut message = exchange.begin(out);
            let text = if failure == Unsigned::OverBudget { SPENT } else { FAILED };
            message.explain(ExtendedError { code: InfoCode::Other, text });
            let rcode = Rcode::ServFail;
            let class = ResponseClass::Error;
            Reply { length: message.finish(rcode), rcode, class, ttl: None, is_truncated: false }
        }
    };
    if let Some(tally) = worker.tally() {
        tally.signatures(counts.kept, counts.fresh, counts.refused);
        tally.foreseen(counts.foreseen);
    }
    reply
}

/// Signs what a resolution gives, for answers that may come, and writes it to `out`. `question` holds the whole question in wire
/// format, and the length of its name.
pub(super) fn sign_ahead(
    snapshot: &Snapshot,
    resolution: &Resolution<'_>,
    (question, name): (&[u8], usize),
    (signer, now): (&mut Signer, u64),
    out: &mut [u8],
) {
    let mut query = Query::new(&[0; HEADER_LENGTH]);
    let (name, rtype) = (&question[..name], resolution.rtype);
    query.question = Ok(Some(Question { octets: question, name, rtype, class: CLASS_IN }));
    let mut message = Message::begin(out, MAX_MESSAGE, &query, None);
    let mut signed = Signed::new(resolution, snapshot, signer, now);
    write::write(resolution, snapshot.world(), &mut signed, &mut message);
}

/// True if the answer denies a name of a signed zone. RFC 9824, section 3.1: the response code is NOERROR then, because
/// the proof says that the name exists without the type.
fn denies_compactly(resolution: &Resolution<'_>) -> bool {
    let last = resolution.hops().last();
    last.is_some_and(|hop| matches!(hop.step, Step::NxDomain) && hop.zone.keys.is_some())
}

/// Signs the answer to one question.
struct Signed<'a, 's> {
    resolution: &'a Resolution<'s>,
    snapshot: &'a Snapshot,
    limits: Limits,
    signer: &'a mut Signer,
    /// The time in Unix seconds.
    now: u64,
    /// The reason why no answer can be given, other than want of room.
    failure: Option<Unsigned>,
    /// The proofs of zones that their files have signed.
    proofs: Proofs<'s>,
}

impl<'a, 's> Signed<'a, 's> {
    fn new(resolution: &'a Resolution<'s>, snapshot: &'a Snapshot, signer: &'a mut Signer, now: u64) -> Self {
        let (limits, proofs) = (snapshot.world().protocol.signing, Proofs::default());
        Self { resolution, snapshot, limits, signer, now, failure: None, proofs }
    }
}

impl<'s> Seal<'s> for Signed<'_, 's> {
    fn answer(
        &mut self,
        message: &mut Message<'_>,
        hop: &Hop<'s>,
        place: HopNames<'s>,
        start: usize,
    ) -> Result<(), Truncated> {
        if hop.zone.zone.is_presigned() {
            return self.proofs.answer(message, self.resolution, hop, place, start);
        }
        let Some(keys) = hop.zone.keys.as_ref().filter(|_| message.len() > start) else { return Ok(()) };
        let covered = Covered { section: Section::Answer, start, origin: self.origin(hop), original_ttl: None };
        self.sign(keys, message, covered)
    }

    /// RFC 4035, section 3.1.1: "When placing a signed RRset in the Additional section, the name server MUST also place
    /// its RRSIG RRs in the Additional section. If space does not permit inclusion of both the RRset and its associated
    /// RRSIG RRs, the name server MAY retain the RRset while dropping the RRSIG RRs."
    fn additional(&mut self, message: &mut Message<'_>, hop: &Hop<'s>, start: usize) {
        if !hop.zone.is_signed() {
            return;
        }
        let (end, mut next) = (message.len(), start);
        while next < end {
            let start = next;
            let Some((owner, rtype, rrset_end)) = self.signer.look(message, start) else { return };
            next = rrset_end;
            let Some(keys) = &hop.zone.keys else {
                if Proofs::additional(message, hop.zone, (owner, rtype, start)).is_err() {
                    return;
                }
                continue;
            };
            // Records at and below a cut are glue, which is not signed (RFC 4035, section 2.2).
            if matches!(hop.zone.zone.look_up(owner, rtype), Found::Node { .. }) {
                let origin = self.origin(hop);
                let covered = Covered { section: Section::Additional, start, origin, original_ttl: None };
                if self.signer.sign(keys, self.limits, message, covered, self.now).is_err() {
                    return;
                }
            }
        }
    }

    /// RFC 4035, section 3.1.4: "If a DS RRset is present at the delegation point, the name server MUST return both the
    /// DS RRset and its associated RRSIG RR(s) in the Authority section along with the NS RRset." Without one, it must
    /// return the NSEC record that proves that.
    fn referral(
        &mut self,
        message: &mut Message<'_>,
        place: HopNames<'s>,
        (owner, cut): (NameOffset, &[u8]),
    ) -> Result<(), Truncated> {
        let ServedZone { zone, keys, .. } = place.zone;
        if zone.is_presigned() {
            return self.proofs.referral(message, place, (owner, cut));
        }
        let Some(keys) = keys else { return Ok(()) };
        if let Some(ds) = zone.node(cut).and_then(|node| node.rrset(Rtype::DS)) {
            let start = push(message, Section::Authority, place, owner, ds, u32::MAX)?;
            let covered = Covered { section: Section::Authority, start, origin: Origin::Known, original_ttl: None };
            return self.sign(keys, message, covered);
        }
        self.signer.types().push(Rtype::NS);
        let ttl = zone.negative_soa().ttl();
        let section = Section::Authority;
        let denial = Denial { section, owner, name: cut, origin: Origin::Known, ttl, with_record: true };
        self.deny(keys, message, denial)
    }

    fn negative(
        &mut self,
        message: &mut Message<'_>,
        hop: &Hop<'s>,
        place: HopNames<'s>,
        ttl: u32,
    ) -> Result<(), Truncated> {
        let (ServedZone { zone, keys, .. }, resolution) = (place.zone, self.resolution);
        if zone.is_presigned() {
            return self.proofs.negative(message, resolution, hop, place, ttl);
        }
        let Some(keys) = keys else { return push_soa(message, place, ttl).map(|_| ()) };
        let (name, asked, origin) = (resolution.name(hop), resolution.rtype, self.origin(hop));
        if let Some(cname) = self.list_types(hop, name, asked) {
            // KEY and other types stand beside a CNAME (RFC 2181, section 10.1), but no proof of their absence is valid
            // at an alias (RFC 6840, section 4.3). So the alias answers.
            let start = push(message, Section::Answer, place, place.owner, cname, u32::MAX)?;
            return self.answer(message, hop, place, start);
        }
        // RFC 9077, section 3: the TTL of NSEC is that of a negative answer's SOA.
        let ttl = zone.negative_soa().ttl().min(ttl);
        let denial = |section, with_record| Denial { section, owner: place.owner, name, origin, ttl, with_record };
        match asked {
            // The proof itself was asked for, or signatures: those of the proof stand for all.
            Rtype::NSEC | Rtype::RRSIG => self.deny(keys, message, denial(Section::Answer, asked == Rtype::NSEC)),
            _ => {
                let start = push_soa(message, place, ttl)?;
                let original_ttl = zone.apex_node().rrset(Rtype::SOA).map(Rrset::ttl);
                let section = Section::Authority;
                self.sign(keys, message, Covered { section, start, origin: Origin::Known, original_ttl })?;
                self.deny(keys, message, denial(section, true))
            }
        }
    }

    fn proofs(&mut self, message: &mut Message<'_>) -> Result<(), Truncated> {
        self.proofs.write(message)
    }
}

impl Signed<'_, '_> {
    /// Returns where the owner of a hop's records comes from.
    fn origin(&self, hop: &Hop<'_>) -> Origin {
        let is_made_up = hop.is_from_wildcard(self.resolution.name(hop).len())
            || matches!(hop.step, Step::NxDomain | Step::Reflect(_));
        if is_made_up { Origin::MadeUp } else { Origin::Known }
    }

    fn sign(&mut self, keys: &ZoneKeys, message: &mut Message<'_>, covered: Covered) -> Result<(), Truncated> {
        let signed = self.signer.sign(keys, self.limits, message, covered, self.now);
        self.settle(signed)
    }

    fn deny(&mut self, keys: &ZoneKeys, message: &mut Message<'_>, denial: Denial<'_>) -> Result<(), Truncated> {
        let denied = self.signer.deny(keys, self.limits, message, denial, self.now);
        self.settle(denied)
    }

    /// Ends the answer if it cannot be signed.
    fn settle(&mut self, signed: Result<(), Unsigned>) -> Result<(), Truncated> {
        signed.map_err(|unsigned| {
            if unsigned != Unsigned::Truncated {
                self.failure = Some(unsigned);
            }
            Truncated
        })
    }

    /// Lists the types that a name has, for a proof that it lacks the `asked` one. Returns the name's CNAME instead if it
    /// is an alias.
    fn list_types<'z>(&mut self, hop: &Hop<'z>, name: &[u8], asked: Rtype) -> Option<&'z Rrset> {
        let zone = &hop.zone.zone;
        // True if the question is for the proof itself.
        let is_itself = matches!(asked, Rtype::NSEC | Rtype::RRSIG);
        let types = self.signer.types();
        match zone.look_up(name, asked) {
            Found::Node { node, .. } => {
                if let Some(cname) = node.rrset(Rtype::CNAME).filter(|_| !is_itself) {
                    return Some(cname);
                }
                // RFC 4035, section 2.3: at a cut, NSEC names only the types for which this zone is authoritative, and NS.
                let is_cut = zone.delegates(name);
                let is_own = |rtype: &Rtype| !is_cut || matches!(*rtype, Rtype::NS | Rtype::DS);
                types.extend(node.rrsets().iter().map(Rrset::rtype).filter(is_own));
                match node.dynamic() {
                    Dynamic::Steered(plan, name) => {
                        let (plan, pools) = (self.snapshot.plan(plan, name), self.snapshot.pools());
                        types.extend(plan.types(pools));
                        // No proof of absence is valid with CNAME in it, and none is given while the name is an alias. But
                        // without it, this record would say that the alias has no records.
                        types.extend((is_itself && plan.may_be_cname(pools)).then_some(Rtype::CNAME));
                    }
                    Dynamic::Reflect => types.push(Rtype::TXT),
                    Dynamic::None => {}
                }
                types.retain(|&rtype| rtype != asked);
            }
            Found::Nothing { .. } => types.push(Rtype::NXNAME),
            Found::Cut { .. } | Found::Dname { .. } => {}
        }
        None
    }
}
