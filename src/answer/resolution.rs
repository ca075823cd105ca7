//! The answer to one question for one client, as the value that [`resolve`](Resolution::resolve) fills.
//!
//! The value lies on the stack, borrows from the snapshot and the question, and holds no octet of a message. The writer
//! renders it. `explain`, `simulate`, the rate limiter and all other readers use the same value, so no decision is made
//! twice.
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
use crate::zone::{NameId, PlanId, Rrset, ZoneId};

/// TTL of the HINFO record that answers ANY, in seconds.
pub(super) const HINFO_TTL: u32 = 3600;

/// TTL of a reflecting name's record, in seconds: the answer is valid only for this query.
pub(super) const REFLECT_TTL: u32 = 0;

/// Maximum number of names that a resolution looks up. So it is also the maximum number of CNAME records in an answer,
/// synthesized ones included. It is more than a reasonable chain needs, and the records still fit in a datagram in most
/// cases.
const MAX_HOPS: usize = 17;

/// Addresses of one family in an answer, in order.
pub(super) type Picked<'s, T> = ArrayVec<&'s Member<T>, MAX_ANSWERS>;

/// The answer to one question: the hops of RFC 1034, section 4.3.2, in order, and the picks of the last one.
#[derive(Debug)]
pub struct Resolution<'s> {
    /// The question's name, in wire format.
    pub(super) question: &'s [u8],
    pub(super) rtype: Rtype,
    pub(super) source: IpAddr,
    pub(super) client: Client,
    pub(super) hops: ArrayVec<Hop<'s>, MAX_HOPS>,
    /// Lower-case names that neither the snapshot nor the question holds: the names that DNAME records make, and copies of
    /// names that have upper-case letters.
    pub(super) names: ArrayVec<u8, { MAX_HOPS * MAX_NAME_LENGTH }>,
    pub(super) v4: Picked<'s, [u8; 4]>,
    pub(super) v6: Picked<'s, [u8; 16]>,
    pub(super) scope: u8,
    /// The least TTL of the hops, in seconds; the greatest number while none has a TTL.
    pub(super) least_ttl: u32,
    /// True if the answer section holds a record of any hop.
    pub(super) has_answer: bool,
    /// The end of the last hop; `None` if there is none.
    pub(super) end: Option<End>,
}

/// How a look-up ends. That of the last name decides the response code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The answer section holds records of the name.
    Records,
    /// The name exists, but has no records of the asked type.
    Nodata,
    /// Another zone answers for the name.
    Referral,
    /// The name does not exist.
    NxDomain,
    /// A DNAME record makes a name that is too long.
    TooLong,
    /// The name cannot be answered.
    Failure,
}

/// One name that was looked up, and the result.
#[derive(Debug)]
pub struct Hop<'s> {
    pub(super) sname: Sname<'s>,
    /// The zone that answers for the name.
    pub zone: &'s ServedZone,
    /// Its id.
    pub zone_id: ZoneId,
    /// Length in octets of the closest encloser's name (RFC 4592, section 3.3.1); that of the whole name if it exists.
    /// For a referral it is the length of the cut's name, and for a DNAME record that of its owner's name.
    pub encloser: usize,
    /// The result of the look-up.
    pub step: Step<'s>,
}

/// The name of a hop, called SNAME in RFC 1034, section 4.3.2; in wire format and lower case.
#[derive(Clone, Copy, Debug)]
pub(super) enum Sname<'s> {
    /// The snapshot or the question holds it.
    Held(&'s [u8]),
    /// The resolution holds it, in `names`.
    Made { start: u16, length: u8 },
}

/// The result of a look-up.
#[derive(Debug)]
pub enum Step<'s> {
    /// A zone cut: its nameservers answer.
    Referral {
        /// The NS RRset of the cut.
        nameservers: &'s Rrset,
        /// Length in octets of the cut's name.
        cut: usize,
    },
    /// A DNAME record, which replaces the end of the name (RFC 6672, section 3.2).
    Dname {
        /// The DNAME RRset; it has one record.
        dname: &'s Rrset,
        /// Length in octets of its owner's name.
        owner: usize,
        /// True if an earlier hop used the same record.
        is_repeated: bool,
        /// The CNAME record that the DNAME record yields for this name.
        synthesis: Synthesis,
    },
    /// A static CNAME record.
    Cname(&'s Rrset),
    /// The static RRset of the asked type.
    Static(&'s Rrset),
    /// The one RRset that answers ANY, or `None` for the HINFO record of RFC 8482, section 4.2.
    Any(Option<&'s Rrset>),
    /// A steered name, with what steering chose for the client.
    Steered(Steered<'s>),
    /// A reflecting name: a TXT record with the facts that the node knows about the asker.
    Reflect(Reflection),
    /// The name exists, but has no records of the asked type.
    Nodata,
    /// The name does not exist.
    NxDomain,
}

/// The CNAME record that a DNAME record yields for a name below its owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Synthesis {
    /// A CNAME record to the name with its new end.
    Cname,
    /// The new name would be too long: YXDOMAIN.
    TooLong,
    /// The target is below the DNAME record's own owner, so each round makes the name longer. The chain ends here.
    Endless,
    /// The DNAME record holds no target.
    Broken,
}

/// The choice of steering for the client at a name.
#[derive(Debug)]
pub struct Steered<'s> {
    /// The name's plan, and the number of the name among all steered names of the snapshot.
    pub id: (PlanId, NameId),
    /// The plan by which the name is answered now.
    pub plan: &'s Plan,
    /// The address families that the question asks for.
    pub families: &'static [Family],
    /// The address that the ranking was looked up by: the client's own, the lowest one of its network, or its
    /// resolver's.
    pub ranked_by: IpAddr,
    /// The ranking for that address.
    pub ranking: &'s Ranking,
    /// The map's entry for the client's network; `None` without a Client Subnet option.
    pub placement: Option<Placement<'s>>,
    /// The client's hash for this name, if the rule uses one.
    pub key: Option<HashKey>,
    /// The choice for the first asked family.
    pub choice: Choice,
    /// The choice for the second family, for HTTPS records.
    pub second: Option<Choice>,
    /// TTL of the answer, in seconds.
    pub ttl: u32,
    /// The records of the answer.
    pub given: Given<'s>,
}

/// The records that a steered name gives.
#[derive(Clone, Copy, Debug)]
pub enum Given<'s> {
    /// The picked addresses.
    Addresses,
    /// An HTTPS record with the picked addresses as hints.
    Https(&'s SvcParams),
    /// A CNAME record to this name.
    Cname(&'s Name),
    /// No records: NODATA.
    Nodata,
    /// SERVFAIL.
    Servfail,
}

/// The facts that a reflecting name shows about the asker.
#[derive(Clone, Copy, Debug)]
pub struct Reflection {
    /// True if the Client Subnet option holds a network that tells no place, so that the packet's source was located
    /// instead.
    pub tells_no_place: bool,
    /// The location of the looked-up address in the databases.
    pub location: Location,
    /// The region of that address.
    pub region: RegionId,
}

impl<'s> Resolution<'s> {
    /// Returns the hops, in the order of the look-ups; none if no zone here answers for the question's name.
    pub fn hops(&self) -> &[Hop<'s>] {
        &self.hops
    }

    /// Returns the name of one of this resolution's hops, in wire format and lower case.
    pub fn name(&self, hop: &Hop<'s>) -> &[u8] {
        self.octets(hop.sname)
    }

    #[inline]
    pub(super) fn octets(&self, sname: Sname<'s>) -> &[u8] {
        match sname {
            Sname::Held(octets) => octets,
            Sname::Made { start, length } => &self.names[usize::from(start)..usize::from(start) + usize::from(length)],
        }
    }

    /// Returns the picked IPv4 addresses, in the order of the answer.
    pub fn v4(&self) -> &[&'s Member<[u8; 4]>] {
        &self.v4
    }

    /// Returns the picked IPv6 addresses, in the order of the answer.
    pub fn v6(&self) -> &[&'s Member<[u8; 16]>] {
        &self.v6
    }

    /// Returns the client that the answer is for.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Returns the scope prefix length for the Client Subnet option.
    pub fn scope(&self) -> u8 {
        self.scope
    }

    /// Returns the response code, which is that of the last name (RFC 6604, section 3). A chain may end with a CNAME
    /// record because no zone here holds its target, because it closes a loop, or because the chain is too long. That
    /// is no failure: the resolver goes on from there.
    #[inline]
    pub fn rcode(&self) -> Rcode {
        match self.end {
            None => Rcode::Refused,
            Some(End::Records | End::Nodata | End::Referral) => Rcode::NoError,
            Some(End::NxDomain) => Rcode::NxDomain,
            Some(End::TooLong) => Rcode::YxDomain,
            Some(End::Failure) => Rcode::ServFail,
        }
    }

    /// True if a zone here answers the question's name itself, rather than with a referral.
    pub fn is_authoritative(&self) -> bool {
        self.hops.first().is_some_and(|hop| !matches!(hop.step, Step::Referral { .. }))
    }

    /// True if a zone that answers is signed, with its keys or by its file.
    pub fn is_signed(&self) -> bool {
        self.hops.iter().any(|hop| hop.zone.is_signed())
    }

    /// True if a zone that answers is signed with its keys.
    pub(super) fn is_signed_here(&self) -> bool {
        self.hops.iter().any(|hop| hop.zone.keys.is_some())
    }

    /// Returns the class of the response for rate limiting.
    #[inline]
    pub(super) fn class(&self) -> ResponseClass {
        match self.end {
            Some(End::Records) => ResponseClass::Answer,
            Some(End::Nodata | End::Referral) if self.has_answer => ResponseClass::Answer,
            Some(End::Nodata | End::Referral) => ResponseClass::Empty,
            Some(End::NxDomain) => ResponseClass::NxDomain,
            None | Some(End::TooLong | End::Failure) => ResponseClass::Error,
        }
    }

    /// Returns how long the whole answer may be cached, in seconds. This is the least TTL in it, including that of a
    /// negative answer's SOA. `None` for failures and referrals.
    #[inline]
    pub(super) fn ttl(&self) -> Option<u32> {
        let is_failure = matches!(self.end, Some(End::TooLong | End::Failure));
        (self.least_ttl < u32::MAX && !is_failure).then_some(self.least_ttl)
    }
}

impl Hop<'_> {
    /// Returns how long this hop's records, or its negative answer, may be cached, in seconds. `None` for failures and
    /// referrals.
    pub fn ttl(&self) -> Option<u32> {
        let negative = || self.zone.zone.negative_soa().ttl();
        match &self.step {
            Step::Referral { .. } => None,
            Step::Dname { dname: rrset, .. } | Step::Cname(rrset) | Step::Static(rrset) | Step::Any(Some(rrset)) => {
                Some(rrset.ttl())
            }
            Step::Any(None) => Some(HINFO_TTL),
            Step::Steered(Steered { ttl, given, .. }) => match given {
                Given::Addresses | Given::Https(_) | Given::Cname(_) => Some(*ttl),
                Given::Nodata => Some(negative().min(*ttl)),
                Given::Servfail => None,
            },
            Step::Reflect(_) => Some(REFLECT_TTL),
            Step::Nodata | Step::NxDomain => Some(negative()),
        }
    }

    /// True if the name does not exist and a wildcard answers for it (RFC 4592, section 2.1.3). `length` is the number
    /// of octets of the name.
    pub fn is_from_wildcard(&self, length: usize) -> bool {
        let may_be = !matches!(self.step, Step::Referral { .. } | Step::Dname { .. } | Step::NxDomain);
        may_be && self.encloser < length
    }

    /// Returns the choice of steering; `None` if the name is not steered, or if steering does not decide the asked
    /// type.
    pub fn steered(&self) -> Option<&Steered<'_>> {
        match &self.step {
            Step::Steered(steered) => Some(steered),
            _ => None,
        }
    }
}

impl Step<'_> {
    /// Returns how the look-up ends.
    #[inline]
    pub(super) fn end(&self) -> End {
        match self {
            Self::Steered(Steered { given, .. }) => match given {
                Given::Addresses | Given::Https(_) | Given::Cname(_) => End::Records,
                Given::Nodata => End::Nodata,
                Given::Servfail => End::Failure,
            },
            Self::Cname(_) | Self::Static(_) | Self::Any(_) | Self::Reflect(_) => End::Records,
            Self::Nodata => End::Nodata,
            Self::NxDomain => End::NxDomain,
            Self::Referral { .. } => End::Referral,
            Self::Dname { synthesis, .. } => match synthesis {
                Synthesis::Cname | Synthesis::Endless => End::Records,
                Synthesis::TooLong => End::TooLong,
                Synthesis::Broken => End::Failure,
            },
        }
    }
}
