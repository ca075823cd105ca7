//! RFC 1034, section 4.3.2, over as many zones as a chain of CNAME and DNAME records leads through.

use super::chain::Chain;
use super::response::{Next, Response, Subject};
use super::{reflect, steered};
use crate::name::{MAX_NAME_LENGTH, suffixes};
use crate::snapshot::ServedZone;
use crate::wire::{Owner, Rcode, RrsetWriter, Rtype, Section, Truncated};
use crate::zone::{FIXED_FIELDS, Found, Node, Rrset, Special, Target};

/// What ANY is answered with where there is no static RRset to give (RFC 8482, section 4.2).
const HINFO_RFC8482: &[u8] = b"\x07RFC8482\x00";

/// The name of the root in wire format.
const ROOT: &[u8] = &[0];

/// Seconds that it may be kept.
const HINFO_TTL: u32 = 3600;

impl<'s> Response<'_, 's> {
    /// Answers for the question's name and whatever its chain leads to. Gives the message's length and code.
    pub(super) fn resolve(mut self, zone: &'s ServedZone) -> (usize, Rcode) {
        let rcode = self.follow(zone).unwrap_or_else(|Truncated| {
            self.message.set_truncated();
            Rcode::NoError
        });
        (self.message.finish(rcode), rcode)
    }

    /// Gives the code of the last name (RFC 6604, section 3).
    fn follow(&mut self, zone: &'s ServedZone) -> Result<Rcode, Truncated> {
        let mut chain = Chain::default();
        let mut subject = self.subject(Owner::QUESTION, |_| Some(zone));
        while let Some(name) = subject {
            let (next, dname) = self.look_up(&name, &chain)?;
            let target = match next {
                Next::Done(rcode) => return Ok(rcode),
                Next::Follow(target) => target,
            };
            // What was gathered is given, and the resolver goes on from there if it likes.
            if chain.is_full() {
                break;
            }
            chain.push(name.owner, dname);
            let (snapshot, rtype) = (self.snapshot, self.rtype);
            subject = self.subject(target, |key| snapshot.authority(key, rtype));
            // A loop ends where it closes.
            subject = subject.filter(|subject| !chain.has_name(&self.message, subject.key()));
        }
        // What lies elsewhere is for the resolver to ask there.
        Ok(Rcode::NoError)
    }

    /// One step of the chain, and the DNAME record that it led through.
    fn look_up(&mut self, subject: &Subject<'s>, chain: &Chain<'s>) -> Result<(Next, Option<&'s Rrset>), Truncated> {
        let found = subject.zone.zone.look_up(subject.key(), self.rtype);
        if !matches!(found, Found::Cut { .. }) {
            self.message.set_authoritative();
        }
        let next = match found {
            Found::Cut { nameservers, length } => self.refer(subject, nameservers, length)?,
            Found::Dname { dname, length } => {
                let is_given = chain.has_dname(dname);
                return Ok((self.redirect(subject, dname, length, is_given)?, Some(dname)));
            }
            Found::Nothing => self.negative(subject, Rcode::NxDomain, u32::MAX)?,
            Found::Node(node) => self.node(subject, node)?,
        };
        Ok((next, None))
    }

    fn node(&mut self, subject: &Subject<'s>, node: Node<'s>) -> Result<Next, Truncated> {
        let stays = matches!(self.rtype, Rtype::CNAME | Rtype::ANY) || self.rtype.stands_beside_cname();
        if let Some(cname) = node.rrset(Rtype::CNAME).filter(|_| !stays) {
            return self.cname(subject, cname);
        }
        match node.special() {
            Special::Steered(plan, name) => {
                if let Some(next) = steered::answer(self, subject, self.snapshot.plan(plan, name))? {
                    return Ok(next);
                }
            }
            Special::Reflect if self.rtype == Rtype::TXT => return reflect::answer(self, subject),
            Special::Reflect | Special::None => {}
        }
        if self.rtype == Rtype::ANY {
            return self.any(subject, node);
        }
        let Some(rrset) = node.rrset(self.rtype) else {
            return self.negative(subject, Rcode::NoError, u32::MAX);
        };
        let pushed = self.push(Section::Answer, subject.owner, subject.apex, rrset, u32::MAX)?;
        if self.rtype.is_service_binding() {
            self.push_service_targets(subject, rrset, pushed.start);
        } else if self.rtype.has_additional() {
            self.push_additional(subject, rrset, pushed.start);
        }
        Ok(Next::Done(Rcode::NoError))
    }

    /// RFC 9460, section 4.1: "authoritative DNS servers SHOULD return A, AAAA, and SVCB RRs in the Additional section for any
    /// TargetNames that are in the zone."
    fn push_service_targets(&mut self, subject: &Subject<'s>, rrset: &'s Rrset, start: usize) {
        for target in rrset.targets() {
            // A TargetName of "." is the owner, and in AliasMode that there is no service (sections 2.5.1 and 2.5.2).
            if target.name.as_wire() == ROOT {
                if rrset.records().nth(target.record).is_some_and(|(record, _)| !is_alias(record)) {
                    let _ = self.push_addresses(subject, subject.key(), Some(subject.owner));
                }
                continue;
            }
            let name = target.name.as_wire();
            let owner = Owner::at(start + rrset.target_offset(target));
            let node = subject.zone.zone.node_or_wildcard(name).filter(|_| name != subject.key());
            if let Some(further) = node.and_then(|node| node.rrset(self.rtype)) {
                let _ = self.push_additional_rrset(subject, name, owner, further);
            }
            let _ = self.push_addresses(subject, name, owner);
        }
    }

    /// A CNAME record, and on to its target.
    fn cname(&mut self, subject: &Subject<'s>, cname: &'s Rrset) -> Result<Next, Truncated> {
        let pushed = self.push(Section::Answer, subject.owner, subject.apex, cname, u32::MAX)?;
        Ok(pushed.rdata.map_or(Next::Done(Rcode::NoError), Next::Follow))
    }

    /// A DNAME record, whose owner has `length` octets, and the CNAME record that it makes for the subject (RFC 6672,
    /// section 3.1).
    fn redirect(
        &mut self,
        subject: &Subject<'s>,
        dname: &'s Rrset,
        length: usize,
        is_given: bool,
    ) -> Result<Next, Truncated> {
        let Some(target) = dname.targets().first().map(|target| &target.name) else {
            return Ok(Next::Done(Rcode::ServFail));
        };
        let prefix = subject.key().len() - length;
        if !is_given {
            let owner = self.message.ancestor(subject.owner, prefix);
            self.push(Section::Answer, owner, subject.apex, dname, u32::MAX)?;
        } else if suffixes(target.as_wire()).any(|suffix| suffix == &subject.key()[prefix..]) {
            // It redirects to names below itself, each longer than the one before: a loop that never closes.
            return Ok(Next::Done(Rcode::NoError));
        }
        // "If substitution of its <target> for its <owner> in QNAME would overflow the legal size for a <domain-name>, set
        // RCODE to YXDOMAIN [RFC2136] and exit" (section 3.2).
        if prefix + target.as_wire().len() > MAX_NAME_LENGTH {
            return Ok(Next::Done(Rcode::YxDomain));
        }
        let labels = |rrset: &mut RrsetWriter<'_, '_>| rrset.labels(subject.owner, prefix);
        // "A CNAME RR with Time to Live (TTL) equal to the corresponding DNAME RR is synthesized".
        self.push_cname(subject, dname.ttl(), (prefix, labels), target)
    }

    /// ANY gets one RRset, as RFC 8482, section 4.1, allows.
    fn any(&mut self, subject: &Subject<'s>, node: Node<'s>) -> Result<Next, Truncated> {
        match (node.rrsets().first(), node.special()) {
            (Some(rrset), _) => _ = self.push(Section::Answer, subject.owner, subject.apex, rrset, u32::MAX)?,
            (None, Special::None) => return self.negative(subject, Rcode::NoError, u32::MAX),
            (None, Special::Steered(..) | Special::Reflect) => self.message.push_rrset(Section::Answer, |rrset| {
                rrset.record(subject.owner, Rtype::HINFO, HINFO_TTL, HINFO_RFC8482)
            })?,
        }
        Ok(Next::Done(Rcode::NoError))
    }

    /// A referral to the nameservers of a cut, whose name has `length` octets.
    fn refer(&mut self, subject: &Subject<'s>, nameservers: &'s Rrset, length: usize) -> Result<Next, Truncated> {
        let cut = self.message.ancestor(subject.owner, subject.key().len() - length);
        let start = self.push(Section::Authority, cut, subject.apex, nameservers, u32::MAX)?.start;
        let cut = &subject.key()[subject.key().len() - length..];
        let is_in_domain = |target: &&Target| suffixes(target.name.as_wire()).any(|suffix| suffix == cut);
        let place = |target: &Target| Owner::at(start + nameservers.target_offset(target));
        // RFC 9471, section 3.1: in-domain glue must fit, or TC is set; so it comes first.
        for target in nameservers.targets().iter().filter(is_in_domain) {
            self.push_addresses(subject, target.name.as_wire(), place(target))?;
        }
        for target in nameservers.targets().iter().filter(|target| !is_in_domain(target)) {
            let _ = self.push_addresses(subject, target.name.as_wire(), place(target));
        }
        Ok(Next::Done(Rcode::NoError))
    }
}

/// Whether a rendered SVCB record is in AliasMode: its SvcPriority is 0 (RFC 9460, section 2.4.1).
fn is_alias(record: &[u8]) -> bool {
    record[FIXED_FIELDS..].starts_with(&[0; 2])
}
