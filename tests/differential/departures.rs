//! The deviations of hickory-server from the RFCs, and the part of its answer that is compared nevertheless.
//!
//! Its answer is followed name by name along the chain of aliases: at each name it must give the same records as this
//! server. A departure excuses one deviation at one name, and no part of the answer may be left unexplained at the end.

use std::collections::{BTreeSet, HashMap};
use std::iter;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;

use crate::scene::Scene;
use crate::zones::Zone;
use crate::{Said, TYPES, question};

/// A behaviour of hickory-server 0.26 that differs from this server's, and the reason for this server's behaviour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Departure {
    /// It chooses another RRset for ANY: "a DNS responder can choose" (RFC 8482, section 4).
    AnyChoosesFreely,
    /// It adds the zone's nameservers to what it answers for SOA. Nothing asks for them, and nothing forbids them.
    NameserversBesideSoa,
    /// It sets AA in a referral, answers questions for NS or ANY with the cut's nameservers, and puts them into the
    /// answer section at the end of a chain. "Copy the NS RRs for the subzone into the authority section" (RFC 1034,
    /// section 4.3.2, step 3b), and they are not authoritative data (section 4.2.1).
    ReferralAsAnswer,
    /// It looks for a cut from the name upwards, and so finds one that lies below another. "Start matching down, label by
    /// label" (RFC 1034, section 4.3.2, step 3).
    LowestCut,
    /// It treats DNAME like any other data: names below the owner do not exist. RFC 6672, section 3.2, redirects them.
    NoDname,
    /// It looks for a wildcard at every name above the one that was asked for, even if that one exists. "Wildcard RRs do not
    /// apply when the query name or a name between the wildcard domain and the query name is known to exist" (RFC 1034,
    /// section 4.3.3; RFC 4592, section 3.3.1).
    WildcardBeyondEncloser,
    /// No wildcard answers for a name that begins with an asterisk itself. "When a wildcard domain name appears in a
    /// message's query section, no special processing occurs" (RFC 4592, section 2.3).
    AsteriskAskedFor,
    /// It denies a name that a wildcard answers for, if the wildcard has no data of the type. The name exists then (RFC
    /// 4592, section 2.2.1).
    WildcardWithoutData,
    /// It ends a chain to a name without data with no SOA, and never with NXDOMAIN (RFC 2308, section 2.1; RFC 6604,
    /// section 3).
    ChainEndsInSilence,
    /// The SOA record of its negative answers keeps its own TTL. "The TTL of this record is set from the minimum of the
    /// MINIMUM field of the SOA record and the TTL of the SOA itself" (RFC 2308, section 3).
    NegativeTtl,
}

impl Departure {
    /// The number of departures.
    pub(crate) const COUNT: usize = Self::NegativeTtl as usize + 1;
}

/// Nothing explains why the answers differ.
struct Unexplained;

/// One zone in this server, and the answers so far.
pub(crate) struct Ours<'a> {
    scene: &'a mut Scene,
    zone: &'a Zone,
    said: HashMap<(String, RecordType), Said>,
}

/// The part of an answer that is not accounted for yet.
struct Rest {
    said: Said,
    departures: BTreeSet<Departure>,
}

impl<'a> Ours<'a> {
    pub(crate) fn new(scene: &'a mut Scene, zone: &'a Zone) -> Self {
        Self { scene, zone, said: HashMap::new() }
    }

    /// This server's answer.
    pub(crate) fn ask(&mut self, name: &str, rtype: RecordType) -> Said {
        let scene = &mut *self.scene;
        let key = (name.trim_end_matches('.').to_owned(), rtype);
        self.said.entry(key).or_insert_with_key(|(name, rtype)| Said::ours(scene, &question(name, *rtype))).clone()
    }

    /// Returns why another answer than ours is accepted from hickory-server; `None` if nothing explains it.
    pub(crate) fn departures(&mut self, name: &str, rtype: RecordType, said: &Said) -> Option<BTreeSet<Departure>> {
        if let Ok(departures) = self.follow(name, rtype, said) {
            return Some(departures);
        }
        let chosen = TYPES.into_iter().filter(|_| rtype == RecordType::ANY);
        let mut departures = chosen.into_iter().find_map(|chosen| self.follow(name, chosen, said).ok())?;
        departures.insert(Departure::AnyChoosesFreely);
        Some(departures)
    }

    /// Follows the answer along its chain, and returns the departures on the way.
    fn follow(&mut self, name: &str, rtype: RecordType, said: &Said) -> Result<BTreeSet<Departure>, Unexplained> {
        let mut rest = Rest { said: said.clone(), departures: BTreeSet::new() };
        if rtype == RecordType::SOA {
            let nameservers = self.ask(&self.zone.origin, RecordType::NS).answer;
            if nameservers.is_subset(&rest.said.authority) {
                rest.said.authority.retain(|record| !nameservers.contains(record));
                rest.departures.insert(Departure::NameserversBesideSoa);
            }
        }
        let mut followed = BTreeSet::new();
        let mut next = Some(format!("{name}."));
        while let Some(at) = next {
            next = self.step(&at, followed.is_empty(), rtype, &mut rest)?;
            followed.insert(at);
            // A loop ends the chain, and so does a name outside of the zone.
            next = next.filter(|target| !followed.contains(target) && is_within(target, &self.zone.origin));
        }
        // hickory-server sets AA in every answer.
        let nothing = Said { rcode: 0, authoritative: true, answer: BTreeSet::new(), authority: BTreeSet::new() };
        if rest.said == nothing { Ok(rest.departures) } else { Err(Unexplained) }
    }

    /// Accounts for its records of one name, and returns the name that it follows next.
    fn step(
        &mut self,
        at: &str,
        is_first: bool,
        rtype: RecordType,
        rest: &mut Rest,
    ) -> Result<Option<String>, Unexplained> {
        let ours = self.ask(at, rtype);
        if ours.answer.is_empty() && !ours.authoritative {
            return self.referral(at, is_first, &ours, rest).map(|()| None);
        }
        let mut records = owned(&rest.said.answer, at);
        if records.iter().any(|record| alias(record).is_some()) {
            // The cut with the DS record that a wildcard's alias leads to may also be the end of the chain.
            records.retain(|record| alias(record).is_some());
        }
        let expected = owned(&ours.answer, at);
        let is_redirected = ours.answer.iter().any(|record| is_dname_above(record, at));
        if is_redirected {
            rest.departures.insert(Departure::NoDname);
        }
        if records.is_empty() {
            if !is_redirected && !expected.is_empty() {
                if !at.starts_with("*.") || !self.has_wildcard_with(at, rtype, &expected) {
                    return Err(Unexplained);
                }
                rest.departures.insert(Departure::AsteriskAskedFor);
            }
            if is_first {
                return self.denial(at, rtype, &ours, rest).map(|()| None);
            }
            rest.departures.insert(Departure::ChainEndsInSilence);
            return Ok(None);
        }
        if records != expected {
            let has_none = is_redirected || expected.is_empty();
            if !has_none || !self.has_wildcard_with(at, rtype, &records) {
                return Err(Unexplained);
            }
            rest.departures.insert(Departure::WildcardBeyondEncloser);
        }
        rest.said.answer.retain(|record| !records.contains(record));
        Ok(records.first().filter(|_| rtype != RecordType::CNAME).and_then(|record| alias(record)))
    }

    /// Accounts for a referral to a cut: this server refers to the same cut or to one above it.
    fn referral(&self, at: &str, is_first: bool, ours: &Said, rest: &mut Rest) -> Result<(), Unexplained> {
        let has_authority = is_first && !rest.said.authority.is_empty();
        let nameservers = if has_authority { &mut rest.said.authority } else { &mut rest.said.answer };
        if *nameservers != ours.authority {
            let [cut, ours] =
                [&*nameservers, &ours.authority].map(|records| records.first().map(|record| owner(record)));
            let (cut, ours) = cut.zip(ours).ok_or(Unexplained)?;
            if !is_within(at, cut) || !is_within(cut, ours) || *nameservers != self.hidden_cut(cut) {
                return Err(Unexplained);
            }
            rest.departures.insert(Departure::LowestCut);
        }
        nameservers.clear();
        rest.departures.insert(Departure::ReferralAsAnswer);
        Ok(())
    }

    /// The nameservers of a cut below a cut, which this server never gives.
    fn hidden_cut(&self, cut: &str) -> BTreeSet<String> {
        let nameserver = |line: &str| {
            let [owner, ttl, "NS", target] = line.split(' ').collect::<Vec<_>>()[..] else { return None };
            (owner == cut).then(|| format!("{owner} {ttl} in ns {target}"))
        };
        self.zone.text.lines().filter_map(nameserver).collect()
    }

    /// Accounts for NXDOMAIN or NODATA. If this server denies the name too, the codes must be the same.
    fn denial(&mut self, at: &str, rtype: RecordType, ours: &Said, rest: &mut Rest) -> Result<(), Unexplained> {
        if rest.said.authority != self.ask(&self.zone.origin, RecordType::SOA).answer {
            return Err(Unexplained);
        }
        rest.departures.insert(Departure::NegativeTtl);
        if ours.answer.is_empty() && rest.said.rcode != ours.rcode {
            let is_denied = rest.said.rcode == u16::from(ResponseCode::NXDomain);
            if !is_denied || !self.has_wildcard_without(at, rtype) {
                return Err(Unexplained);
            }
            rest.departures.insert(Departure::WildcardWithoutData);
        }
        rest.said.authority.clear();
        rest.said.rcode = 0;
        Ok(())
    }

    /// True if this server has these records at a wildcard above the name.
    fn has_wildcard_with(&mut self, at: &str, rtype: RecordType, records: &BTreeSet<String>) -> bool {
        wildcards(at, &self.zone.origin).any(|wildcard| {
            let there = owned(&self.ask(&wildcard, rtype).answer, &wildcard);
            there.iter().map(|record| record.replacen(&wildcard, at, 1)).collect::<BTreeSet<_>>() == *records
        })
    }

    /// True if a wildcard above the name exists and has no records of the type.
    fn has_wildcard_without(&mut self, at: &str, rtype: RecordType) -> bool {
        wildcards(at, &self.zone.origin).any(|wildcard| {
            let there = self.ask(&wildcard, rtype);
            there.rcode == 0 && there.answer.is_empty()
        })
    }
}

/// Returns the owner of a record.
fn owner(record: &str) -> &str {
    record.split(' ').next().unwrap_or_default()
}

/// The records of one owner.
fn owned(records: &BTreeSet<String>, at: &str) -> BTreeSet<String> {
    records.iter().filter(|record| owner(record) == at).cloned().collect()
}

/// Returns the target of a CNAME record.
fn alias(record: &str) -> Option<String> {
    let [_, _, _, "cname", target] = record.split(' ').collect::<Vec<_>>()[..] else { return None };
    Some(target.to_owned())
}

/// True if the record redirects the name.
fn is_dname_above(record: &str, at: &str) -> bool {
    record.split(' ').nth(3) == Some("dname") && at != owner(record) && is_within(at, owner(record))
}

/// True if the name is equal to the other or below it. The final dot does not matter.
fn is_within(name: &str, above: &str) -> bool {
    let rest = name.trim_end_matches('.').strip_suffix(above.trim_end_matches('.'));
    rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// The names of all wildcards above a name, within the zone.
fn wildcards(name: &str, origin: &str) -> impl Iterator<Item = String> {
    let parent = |name: &&str| name.split_once('.').map(|(_, parent)| parent.to_owned());
    let above = iter::successors(parent(&name), move |name| parent(&name.as_str()));
    let origin = origin.to_owned();
    above.take_while(move |above| is_within(above, &origin)).map(|above| format!("*.{above}"))
}
