//! The answer in the making: RFC 1034, section 4.3.2, over as many zones as a chain of CNAME and DNAME records leads
//! through.
//!
//! The message itself is the memory of a chain: a name that is looked up is one that the message holds, be it the
//! question's or the target of the CNAME record before.

use super::chain::Chain;
use super::{Asker, Client, Worker, reflect, steered};
use crate::name::{MAX_NAME_LENGTH, Name, suffixes};
use crate::snapshot::{ServedZone, Snapshot};
use crate::wire::{Message, Owner, Rcode, RrsetWriter, Rtype, Section, Truncated};
use crate::zone::{FIXED_FIELDS, Found, Node, POINTER_LENGTH, Rrset, Special, TTL_OFFSET, below};

/// What ANY is answered with where there is no static RRset to give (RFC 8482, section 4.2).
const HINFO_RFC8482: &[u8] = b"\x07RFC8482\x00";

/// Seconds that it may be kept.
const HINFO_TTL: u32 = 3600;

/// An answer in the making.
pub(super) struct Response<'a, 's> {
    pub(super) snapshot: &'s Snapshot,
    pub(super) worker: &'a mut Worker,
    pub(super) message: Message<'a>,
    pub(super) rtype: Rtype,
    pub(super) client: &'a Client,
    pub(super) asker: Asker,
}

/// The name that is looked up now: the question's, or the target of the last CNAME record.
pub(super) struct Subject<'s> {
    /// The zone that answers for it.
    pub(super) zone: &'s ServedZone,
    /// Where the message holds the name.
    pub(super) owner: Owner,
    /// Where the message holds the zone's apex.
    pub(super) apex: Owner,
    key: [u8; MAX_NAME_LENGTH],
    length: usize,
}

impl Subject<'_> {
    /// The name in wire format and lower case.
    pub(super) fn key(&self) -> &[u8] {
        &self.key[..self.length]
    }
}

/// What a look-up led to.
pub(super) enum Next {
    /// The answer is complete.
    Done(Rcode),
    /// It goes on with the target of a CNAME record, which the message holds there.
    Follow(Owner),
}

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

    /// A name that the message holds, if it is for one of our zones to answer.
    fn subject(&self, owner: Owner, zone: impl FnOnce(&[u8]) -> Option<&'s ServedZone>) -> Option<Subject<'s>> {
        let mut key = [0; MAX_NAME_LENGTH];
        let length = self.message.read_name(owner, &mut key);
        let zone = zone(&key[..length])?;
        let apex = self.message.ancestor(owner, length - zone.zone.apex().as_wire().len());
        Some(Subject { zone, owner: self.message.ancestor(owner, 0), apex, key, length })
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

    fn node(&mut self, subject: &Subject<'s>, node: &'s Node) -> Result<Next, Truncated> {
        if let Some(cname) = node.rrset(Rtype::CNAME).filter(|_| !matches!(self.rtype, Rtype::CNAME | Rtype::ANY)) {
            return self.cname(subject, cname);
        }
        match node.special() {
            Special::Steered(plan) => {
                if let Some(next) = steered::answer(self, subject, self.snapshot.plan(plan))? {
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
        self.push(Section::Answer, subject.owner, subject.apex, rrset, rrset.ttl())?;
        if matches!(self.rtype, Rtype::NS | Rtype::MX | Rtype::SRV) {
            for target in rrset.targets() {
                // Addresses of nameservers, mail hosts and services save a question; nothing is lost without them.
                let _ = self.push_addresses(subject, target);
            }
        }
        Ok(Next::Done(Rcode::NoError))
    }

    /// A CNAME record, and on to its target.
    fn cname(&mut self, subject: &Subject<'s>, cname: &'s Rrset) -> Result<Next, Truncated> {
        let target = self.push(Section::Answer, subject.owner, subject.apex, cname, cname.ttl())?;
        Ok(target.map_or(Next::Done(Rcode::NoError), Next::Follow))
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
        let Some(target) = dname.targets().first() else { return Ok(Next::Done(Rcode::ServFail)) };
        let prefix = subject.length - length;
        if !is_given {
            let owner = self.message.ancestor(subject.owner, prefix);
            self.push(Section::Answer, owner, subject.apex, dname, dname.ttl())?;
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

    /// A CNAME record to a name of so many octets of labels and what follows them, and on to it.
    pub(super) fn push_cname(
        &mut self,
        subject: &Subject<'s>,
        ttl: u32,
        (prefix, labels): (usize, impl Fn(&mut RrsetWriter<'_, '_>) -> Result<(), Truncated>),
        target: &Name,
    ) -> Result<Next, Truncated> {
        let (rest, pointer) = match below(target.as_wire(), subject.zone.zone.apex()) {
            Some(labels) => (labels, Some(subject.apex)),
            None => (target.as_wire(), None),
        };
        let length = prefix + rest.len() + pointer.map_or(0, |_| POINTER_LENGTH);
        let mut target_at = None;
        self.message.push_rrset(Section::Answer, |rrset| {
            rrset.fields(subject.owner, Rtype::CNAME, ttl, length)?;
            target_at = rrset.here();
            labels(rrset)?;
            rrset.octets(rest)?;
            pointer.map_or(Ok(()), |apex| rrset.pointer(apex))
        })?;
        // Who asks for CNAME has the answer.
        let target = target_at.filter(|_| self.rtype != Rtype::CNAME);
        Ok(target.map_or(Next::Done(Rcode::NoError), Next::Follow))
    }

    /// ANY gets one RRset, as RFC 8482, section 4.1, allows.
    fn any(&mut self, subject: &Subject<'s>, node: &'s Node) -> Result<Next, Truncated> {
        match (node.rrsets().first(), node.special()) {
            (Some(rrset), _) => _ = self.push(Section::Answer, subject.owner, subject.apex, rrset, rrset.ttl())?,
            (None, Special::None) => return self.negative(subject, Rcode::NoError, u32::MAX),
            (None, Special::Steered(_) | Special::Reflect) => self.message.push_rrset(Section::Answer, |rrset| {
                rrset.record(subject.owner, Rtype::HINFO, HINFO_TTL, HINFO_RFC8482)
            })?,
        }
        Ok(Next::Done(Rcode::NoError))
    }

    /// NXDOMAIN, or an empty answer: the SOA tells for how long (RFC 2308, section 3), but not longer than `ttl`.
    pub(super) fn negative(&mut self, subject: &Subject<'s>, rcode: Rcode, ttl: u32) -> Result<Next, Truncated> {
        let soa = subject.zone.zone.negative_soa();
        self.push(Section::Authority, subject.apex, subject.apex, soa, soa.ttl().min(ttl))?;
        Ok(Next::Done(rcode))
    }

    /// A referral to the nameservers of a cut, whose name has `length` octets.
    fn refer(&mut self, subject: &Subject<'s>, nameservers: &'s Rrset, length: usize) -> Result<Next, Truncated> {
        let cut = self.message.ancestor(subject.owner, subject.length - length);
        self.push(Section::Authority, cut, subject.apex, nameservers, nameservers.ttl())?;
        let cut = &subject.key()[subject.length - length..];
        let is_in_domain = |name: &&Name| suffixes(name.as_wire()).any(|suffix| suffix == cut);
        // RFC 9471, section 3.1: in-domain glue must fit, or TC is set; so it comes first.
        for target in nameservers.targets().iter().filter(is_in_domain) {
            self.push_addresses(subject, target)?;
        }
        for target in nameservers.targets().iter().filter(|target| !is_in_domain(target)) {
            let _ = self.push_addresses(subject, target);
        }
        Ok(Next::Done(Rcode::NoError))
    }

    /// The static addresses of a name in the subject's zone, in the additional section.
    fn push_addresses(&mut self, subject: &Subject<'s>, name: &Name) -> Result<(), Truncated> {
        let Some(node) = subject.zone.zone.node(name.as_wire()) else { return Ok(()) };
        let Some(labels) = below(name.as_wire(), subject.zone.zone.apex()) else { return Ok(()) };
        for rtype in [Rtype::A, Rtype::AAAA] {
            let Some(addresses) = node.rrset(rtype) else { continue };
            self.message.push_rrset(Section::Additional, |rrset| {
                let mut owner = None;
                addresses.records().try_for_each(|(record, _)| {
                    match owner {
                        Some(owner) => rrset.owner(owner)?,
                        None => owner = rrset.written_owner(labels, subject.apex)?,
                    }
                    rrset.octets(record)
                })
            })?;
        }
        Ok(())
    }

    /// A static RRset with this owner and TTL, in a message that holds the zone's apex there. Gives where the RDATA of the
    /// last record stands.
    fn push(
        &mut self,
        section: Section,
        owner: Owner,
        apex: Owner,
        rrset: &Rrset,
        ttl: u32,
    ) -> Result<Option<Owner>, Truncated> {
        let mut rdata = None;
        self.message.push_rrset(section, |writer| {
            for (record, pointers) in rrset.records() {
                writer.owner(owner)?;
                writer.octets(&record[..TTL_OFFSET])?;
                writer.octets(&ttl.to_be_bytes())?;
                writer.octets(&record[TTL_OFFSET + size_of::<u32>()..FIXED_FIELDS])?;
                rdata = writer.here();
                push_rdata(writer, record, pointers, apex)?;
            }
            Ok(())
        })?;
        Ok(rdata)
    }
}

/// Writes RDATA with pointers to the apex put in where they belong.
pub(super) fn push_rdata(
    writer: &mut RrsetWriter<'_, '_>,
    record: &[u8],
    pointers: impl Iterator<Item = usize>,
    apex: Owner,
) -> Result<(), Truncated> {
    let mut written = FIXED_FIELDS;
    for at in pointers {
        writer.octets(&record[written..at])?;
        writer.pointer(apex)?;
        written = at + POINTER_LENGTH;
    }
    writer.octets(&record[written..])
}
