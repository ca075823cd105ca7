//! Zones that come signed by another program: `dnssec-signzone`, `ldns-signzone`, Knot's and others.
//!
//! Such a zone is one whose SOA record has a signature of the zone. Its signatures are served with the records as they are, so
//! it must hold everything that an answer can hold: nothing is steered, set or generated there. Resolvers would reject
//! answers of a zone with gaps, so a gap is an error, and a running node goes on with the zone that it has.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::code::Code;
use super::fault::{Fault, Faults};
use super::master::Located;
use super::source::Place;
use super::zone::ZoneDraft;
use crate::clock::unix_time;
use crate::dnssec::{Flaw, FlawKind, audit};
use crate::name::Name;
use crate::timestamp::rfc3339;
use crate::wire::Rtype;
use crate::zone::{Chain, Signature, Tree};

/// The end of the first signature is warned of this long before, in seconds. Signers renew them days before.
const SOON: i64 = 3 * 86_400;

/// The help about names that a signed file cannot have.
const INSTEAD: &str = "remove the signatures from the file and let `[dnssec]` sign the zone, or keep such names in a zone of \
                       their own, which this one delegates";

const AGAIN: &str = "sign the zone again";

/// The records of a signed zone that its tree does not hold, and where the zone says that it is signed.
pub(super) struct Presigned {
    /// The signature of the SOA record.
    place: Place,
    /// NSEC3 records and the signatures that cover them.
    hashed: Vec<Located>,
}

/// Splits off the records that are for hashes of names. `None` if the zone is not signed by its file.
pub(super) fn split(origin: &Name, records: Vec<Located>) -> (Vec<Located>, Option<Presigned>) {
    let is_of_soa = |located: &&Located| {
        located.record.owner == *origin
            && signature(located).is_some_and(|signature| {
                signature.covered == Rtype::SOA && signature.signer.eq_ignore_ascii_case(origin.as_wire())
            })
    };
    let Some(place) = records.iter().find(is_of_soa).map(|located| located.place.clone()) else {
        return (records, None);
    };
    let is_hashed = |located: &Located| {
        located.record.rtype == Rtype::NSEC3
            || signature(located).is_some_and(|signature| signature.covered == Rtype::NSEC3)
    };
    let (hashed, own) = records.into_iter().partition(is_hashed);
    (own, Some(Presigned { place, hashed }))
}

/// Returns the contents of an RRSIG record.
fn signature(located: &Located) -> Option<Signature<'_>> {
    Signature::read(&located.record.rdata).filter(|_| located.record.rtype == Rtype::RRSIG)
}

impl Presigned {
    /// Reports names and records that no signature of the file covers. `draft` has the records that are not split off.
    pub(super) fn check_alone(&self, draft: &ZoneDraft, records: &[Located], faults: &mut Faults) {
        let mut refuse = |place: &Place, what: String, label: &str| {
            let message = format!("{what}, but the zone {} is signed by its file", draft.origin);
            let fault = Fault::error(place, message, label).code(Code::Signed);
            faults.push(fault.related(&self.place, "signed here").help(INSTEAD));
        };
        if let Some(owner) = draft.owners.first() {
            refuse(&owner.place, format!("{} is answered by choice", owner.name), "no signature covers that");
        }
        // A zone file in TOML has the place of the zone.
        let is_of_toml = |place: &Place| draft.sections.is_some() && Arc::ptr_eq(&place.source, &draft.place.source);
        if let Some(located) = records.iter().find(|located| is_of_toml(&located.place)) {
            let what = format!("this file adds {} records of {}", located.record.rtype, located.record.owner);
            refuse(&located.place, what, "not in the signed file");
        }
        let is_generated = |place: &&Place| {
            let text = place.source.text();
            let text = text.get(place.span.clone()).unwrap_or_default();
            text.get(.."$GENERATE".len()).is_some_and(|word| word.eq_ignore_ascii_case("$GENERATE"))
        };
        if let Some(place) = records.iter().map(|located| &located.place).find(is_generated) {
            refuse(place, "records are generated".to_owned(), "signers write each record");
        }
    }

    /// Returns the tree of the zone with its chain. Reports whatever resolvers would reject.
    pub(super) fn check(&self, tree: Tree, records: &[Located], faults: &mut Faults) -> Option<Tree> {
        let origin = tree.apex().clone();
        let hashed: Vec<_> = self.hashed.iter().map(|located| &located.record).collect();
        let tree = match tree.chained(&hashed) {
            Ok(tree) => tree,
            Err(why) => {
                let message = format!("the zone {origin} is signed, and cannot prove what does not exist: {why}");
                faults.push(Fault::error(&self.place, message, "signed here").code(Code::Signed).help(AGAIN));
                return None;
            }
        };
        let param = records.iter().find(|located| located.record.rtype == Rtype::NSEC3PARAM);
        let iterations = tree.chain().and_then(|chain| Some(chain.hashing()?.iterations())).unwrap_or_default();
        if let Some(param) = param.filter(|_| iterations > 0) {
            let message = format!("names are hashed with {iterations} additional iterations (RFC 9276, section 3.1)");
            let fault = Fault::warning(&param.place, message, "must be 0").code(Code::DoubtfulData);
            faults.push(fault.help("some resolvers take the zone as unsigned: sign it again without iterations"));
        }
        let flaws = audit(&tree);
        if !flaws.is_empty() {
            let places = Places::of(records.iter().chain(&self.hashed));
            for flaw in &flaws {
                let fault = Fault::error(places.of_flaw(flaw).unwrap_or(&self.place), told(flaw), "");
                let fault =
                    if flaw.kind.is_fatal() { fault } else { Fault { severity: super::Severity::Warning, ..fault } };
                faults.push(fault.code(Code::Signed).help(AGAIN));
            }
        }
        (!flaws.iter().any(|flaw| flaw.kind.is_fatal())).then_some(tree)
    }
}

/// The places of records: by owner, type, and whether it is the type that a signature covers.
struct Places<'a>(HashMap<(Box<[u8]>, Rtype, bool), &'a Place>);

impl<'a> Places<'a> {
    fn of(records: impl Iterator<Item = &'a Located>) -> Self {
        let mut places = HashMap::new();
        for located in records {
            let Located { record, place } = located;
            let covered = signature(located);
            let (rtype, is_covered) = covered.map_or((record.rtype, false), |signature| (signature.covered, true));
            places.entry((record.owner.to_key(), rtype, is_covered)).or_insert(place);
            // A flaw of a name as a whole is told at its first record.
            places.entry((record.owner.to_key(), Rtype(0), false)).or_insert(place);
        }
        Self(places)
    }

    fn of_flaw(&self, flaw: &Flaw) -> Option<&'a Place> {
        let key = flaw.owner.to_key();
        let exact = (key.clone(), flaw.rtype, matches!(flaw.kind, FlawKind::Stray | FlawKind::Forged(_)));
        self.0.get(&exact).or_else(|| self.0.get(&(key, Rtype(0), false))).copied()
    }
}

fn told(Flaw { owner, rtype, kind }: &Flaw) -> String {
    match kind {
        FlawKind::NoKey => format!("the zone {owner} is signed, and has no DNSKEY record of a key that signs"),
        FlawKind::Unsigned => format!("no key of the zone has signed the {rtype} records of {owner}"),
        FlawKind::LacksAlgorithm(number) => {
            format!(
                "no key of algorithm {number} has signed the {rtype} records of {owner}, and the zone has such keys"
            )
        }
        FlawKind::Forged(tag) => {
            format!(
                "the signature by key {tag} is not that of these {rtype} records of {owner}: they have changed since"
            )
        }
        FlawKind::Stray => format!("a signature covers {rtype} records of {owner}, and none are to be signed there"),
        FlawKind::Missing => format!("{owner} has no {rtype} record"),
        FlawKind::Types => format!("the {rtype} record of {owner} names other types than the name has"),
        FlawKind::Broken => format!("the {rtype} record of {owner} does not lead to the next one"),
        FlawKind::Unmatched => format!("the {rtype} record of {owner} is for a name that the zone does not have"),
    }
}

/// Warns of zones whose signatures end soon, have ended, or are not valid yet.
pub(super) fn warn_of_ends(zones: &[ZoneDraft], faults: &mut Faults) {
    let now = unix_time();
    for zone in zones {
        let Some((place, tree)) = zone.presigned.as_ref().zip(zone.tree.as_ref()) else { continue };
        let Some(validity) = tree.chain().map(Chain::validity) else { continue };
        let (origin, end) = (&zone.origin, rfc3339(Duration::from_secs(validity.end_at(now))));
        let mut warn = |message: String| {
            faults.push(Fault::warning(place, message, "").code(Code::Signed).help(AGAIN));
        };
        match validity.left(now) {
            ..0 => warn(format!("signatures of {origin} have expired, the first at {end}: resolvers reject answers")),
            0..SOON => warn(format!("the first signature of {origin} expires at {end}")),
            _ => {}
        }
        if validity.is_early(now) {
            warn(format!(
                "signatures of {origin} are not valid yet: the clock of the signer or of this machine is wrong"
            ));
        }
    }
}
