//! How one question is answered for one client: the value that [resolving](Resolution::resolve) fills.
//!
//! It lies on the stack, borrows from the snapshot and the question, and holds no octet of a message. The writer renders it,
//! `explain` and `simulate` read it, and so do all who count or limit answers: nobody finds out a second time what was decided.
//!
//! ```text
//!   question ──► hop: CNAME ──► hop: DNAME ──► hop: steered, 192.0.2.1 and 192.0.2.2      each with its zone, closest
//!                                                                                       encloser, TTL, rung, ...
//! ```

use std::net::IpAddr;

use arrayvec::ArrayVec;

use super::{Client, ResponseClass};
use crate::geo::{Location, RegionId};
use crate::name::{MAX_NAME_LENGTH, Name};
use crate::snapshot::{Choice, Family, Member, Plan, ServedZone};
use crate::steering::{HashKey, MAX_ANSWERS, Placement, Ranking};
use crate::wire::{Rcode, Rtype, SvcParams};
use crate::zone::{NameId, PlanId, Rrset};

/// CNAME records that an answer follows at most, synthesised ones included: more than a sane chain has, and what was
/// gathered still fits a datagram in most cases.
const MAX_CHAIN: usize = 16;

/// Names that a resolution looks up at most: the question's, and one for each CNAME record.
const MAX_HOPS: usize = MAX_CHAIN + 1;

/// Addresses of one family that an answer holds, first to last.
pub(super) type Picked<'s, T> = ArrayVec<&'s Member<T>, MAX_ANSWERS>;

/// How a question is answered: the hops of RFC 1034, section 4.3.2, in order, and what was picked at the last one.
#[derive(Debug)]
pub struct Resolution<'s> {
    /// The question's name, in wire format and lower case.
    pub(super) question: &'s [u8],
    pub(super) rtype: Rtype,
    pub(super) source: IpAddr,
    pub(super) client: Client,
    pub(super) hops: ArrayVec<Hop<'s>, MAX_HOPS>,
    /// Names that neither the question nor a zone holds in lower case.
    pub(super) names: ArrayVec<u8, { MAX_HOPS * MAX_NAME_LENGTH }>,
    pub(super) v4: Picked<'s, [u8; 4]>,
    pub(super) v6: Picked<'s, [u8; 16]>,
    pub(super) scope: u8,
}

/// A name that was looked up, and where that led.
#[derive(Debug)]
pub struct Hop<'s> {
    pub(super) sname: Sname<'s>,
    /// The zone that answers for the name.
    pub zone: &'s ServedZone,
    /// Octets of the closest encloser's name (RFC 4592, section 3.3.1): the whole name if that exists.
    pub encloser: usize,
    /// Where it led.
    pub step: Step<'s>,
}

/// The name that is looked up, which RFC 1034, section 4.3.2, calls SNAME: in wire format and lower case.
#[derive(Clone, Copy, Debug)]
pub(super) enum Sname<'s> {
    /// The question or a zone holds it.
    Held(&'s [u8]),
    /// The resolution itself holds it.
    Made { start: u16, length: u8 },
}

/// Where a name leads.
#[derive(Debug)]
pub enum Step<'s> {
    /// To the nameservers of a zone cut.
    Referral {
        /// The NS RRset of the cut.
        nameservers: &'s Rrset,
        /// Octets of the cut's name.
        cut: usize,
    },
    /// To a name with another end (RFC 6672, section 3.2).
    Dname {
        /// The only record of its type.
        dname: &'s Rrset,
        /// Octets of its owner's name.
        owner: usize,
        /// Whether a hop before went through the same record.
        is_repeated: bool,
        /// The CNAME record that it makes for the name.
        synthesis: Synthesis,
    },
    /// To the canonical name of a static CNAME record.
    Cname(&'s Rrset),
    /// To the static RRset that was asked for.
    Static(&'s Rrset),
    /// To one RRset for a question for all of them, or to the HINFO record of RFC 8482, section 4.2.
    Any(Option<&'s Rrset>),
    /// To what steering chose for the client.
    Steered(Steered<'s>),
    /// To a TXT record that tells the asker what is known of it.
    Reflect(Reflection),
    /// To a name that exists, but without records of the asked type.
    Nodata,
    /// To no name that exists.
    NxDomain,
}

/// What becomes of a name below a DNAME record's owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Synthesis {
    /// A CNAME record to the name with its new end.
    Cname,
    /// The new name would be too long: YXDOMAIN.
    TooLong,
    /// The record leads below itself again and again, to ever longer names. The chain ends.
    Endless,
    /// The record holds no name.
    Broken,
}

/// What steering chose for the client at a name.
#[derive(Debug)]
pub struct Steered<'s> {
    /// The name's plan, and the name among all steered ones of the snapshot.
    pub id: (PlanId, NameId),
    /// How the name is answered now.
    pub plan: &'s Plan,
    /// The families that were asked for.
    pub families: &'static [Family],
    /// The address that the client was ranked by: its own, its network's lowest one, or its resolver's.
    pub ranked_by: IpAddr,
    /// The order of places for that address.
    pub ranking: &'s Ranking,
    /// Where the map puts the client's network; `None` for a client that no Client Subnet option speaks of.
    pub placement: Option<Placement<'s>>,
    /// The client's hash for this name, if the rule uses one.
    pub key: Option<HashKey>,
    /// What was chosen for the first asked family.
    pub choice: Choice,
    /// For HTTPS records: what was chosen for the second one.
    pub second: Option<Choice>,
    /// Seconds that the answer may be kept.
    pub ttl: u32,
    /// What is given.
    pub given: Given<'s>,
}

/// What a steered name gives.
#[derive(Clone, Copy, Debug)]
pub enum Given<'s> {
    /// The addresses that were picked.
    Addresses,
    /// An HTTPS record with the addresses that were picked as hints.
    Https(&'s SvcParams),
    /// A CNAME record to this name.
    Cname(&'s Name),
    /// No records.
    Nodata,
    /// SERVFAIL.
    Servfail,
}

/// What a reflecting name tells.
#[derive(Clone, Copy, Debug)]
pub struct Reflection {
    /// Whether Client Subnet told a network that tells no place, so that the packet's source was located.
    pub tells_no_place: bool,
    /// What the databases know of the located address.
    pub location: Location,
    /// The region that it is in.
    pub region: RegionId,
}

impl<'s> Resolution<'s> {
    /// The hops, in the order in which names were looked up; none if no zone here answers for the question's name.
    pub fn hops(&self) -> &[Hop<'s>] {
        &self.hops
    }

    /// The name of a hop of this resolution, in wire format and lower case.
    pub fn name(&self, hop: &Hop<'s>) -> &[u8] {
        self.octets(hop.sname)
    }

    pub(super) fn octets(&self, sname: Sname<'s>) -> &[u8] {
        match sname {
            Sname::Held(octets) => octets,
            Sname::Made { start, length } => &self.names[usize::from(start)..usize::from(start) + usize::from(length)],
        }
    }

    /// The IPv4 addresses that answer, first to last.
    pub fn v4(&self) -> &[&'s Member<[u8; 4]>] {
        &self.v4
    }

    /// The IPv6 addresses that answer, first to last.
    pub fn v6(&self) -> &[&'s Member<[u8; 16]>] {
        &self.v6
    }

    /// Whom the answer is for.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The scope prefix length for the Client Subnet option.
    pub fn scope(&self) -> u8 {
        self.scope
    }

    /// The response code: that of the last name (RFC 6604, section 3). A chain that ends with a CNAME record, because its target
    /// lies elsewhere, closes a loop or is one too many, is no failure: the resolver goes on from there.
    pub fn rcode(&self) -> Rcode {
        match self.hops.last().map(|hop| &hop.step) {
            None => Rcode::Refused,
            Some(Step::NxDomain) => Rcode::NxDomain,
            Some(Step::Dname { synthesis: Synthesis::TooLong, .. }) => Rcode::YxDomain,
            Some(
                Step::Dname { synthesis: Synthesis::Broken, .. }
                | Step::Steered(Steered { given: Given::Servfail, .. }),
            ) => Rcode::ServFail,
            Some(_) => Rcode::NoError,
        }
    }

    /// Whether a zone here answers, and does not only refer to the nameservers of another.
    pub fn is_authoritative(&self) -> bool {
        self.hops.first().is_some_and(|hop| !matches!(hop.step, Step::Referral { .. }))
    }

    /// What a limit on rates takes the response for.
    pub fn class(&self) -> ResponseClass {
        match self.rcode() {
            Rcode::NoError if self.hops.iter().any(|hop| hop.step.has_answer()) => ResponseClass::Answer,
            Rcode::NoError => ResponseClass::Empty,
            Rcode::NxDomain => ResponseClass::NxDomain,
            _ => ResponseClass::Error,
        }
    }

    /// Seconds that all of the answer may be kept: the least TTL in it, that of a negative answer's SOA included. `None` for
    /// failures and referrals.
    pub fn ttl(&self) -> Option<u32> {
        let lasting = matches!(self.rcode(), Rcode::NoError | Rcode::NxDomain);
        self.hops.iter().filter(|_| lasting).filter_map(Hop::ttl).min()
    }
}

impl Hop<'_> {
    /// Seconds that what the hop gives may be kept, or that there is nothing; `None` for failures and referrals.
    pub fn ttl(&self) -> Option<u32> {
        let negative = self.zone.zone.negative_soa().ttl();
        match &self.step {
            Step::Referral { .. } => None,
            Step::Dname { dname: rrset, .. } | Step::Cname(rrset) | Step::Static(rrset) | Step::Any(Some(rrset)) => {
                Some(rrset.ttl())
            }
            Step::Any(None) => Some(super::write::HINFO_TTL),
            Step::Steered(Steered { ttl, given, .. }) => match given {
                Given::Addresses | Given::Https(_) | Given::Cname(_) => Some(*ttl),
                Given::Nodata => Some(negative.min(*ttl)),
                Given::Servfail => None,
            },
            Step::Reflect(_) => Some(super::reflect::TTL),
            Step::Nodata | Step::NxDomain => Some(negative),
        }
    }

    /// Whether the name does not exist and a wildcard answers for it (RFC 4592, section 2.1.3). `length` are the name's octets.
    pub fn is_from_wildcard(&self, length: usize) -> bool {
        let may_be = !matches!(self.step, Step::Referral { .. } | Step::Dname { .. } | Step::NxDomain);
        may_be && self.encloser < length
    }

    /// What steering chose, if the name is steered and that answers the question.
    pub fn steered(&self) -> Option<&Steered<'_>> {
        match &self.step {
            Step::Steered(steered) => Some(steered),
            _ => None,
        }
    }
}

impl Step<'_> {
    /// Whether there is a record for it in the answer section.
    fn has_answer(&self) -> bool {
        match self {
            Self::Referral { .. } | Self::Nodata | Self::NxDomain => false,
            Self::Steered(Steered { given, .. }) => !matches!(given, Given::Nodata | Given::Servfail),
            Self::Dname { .. } | Self::Cname(_) | Self::Static(_) | Self::Any(_) | Self::Reflect(_) => true,
        }
    }
}
