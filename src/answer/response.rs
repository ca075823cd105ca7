//! The answer in the making: RFC 1034, section 4.3.2, over as many zones as a chain of CNAME records leads through.

use super::{Asker, Client, Worker, reflect, steered};
use crate::name::{MAX_NAME_LENGTH, Name};
use crate::snapshot::{ServedZone, Snapshot};
use crate::wire::{Message, Owner, Rcode, RrsetWriter, Rtype, Section, Truncated};
use crate::zone::{FIXED_FIELDS, Found, Node, POINTER_LENGTH, Rrset, Special, TTL_OFFSET, below};

/// CNAME records that an answer follows at most.
const MAX_CHAIN: usize = 16;

/// What ANY is answered with where there is no static RRset to give (RFC 8482, section 4.2).
const HINFO: Rtype = Rtype(13);
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

/// What a look-up led to.
pub(super) enum Next<'s> {
    /// The answer is complete.
    Done(Rcode),
    /// It goes on with the target of a CNAME record, which the message holds there.
    Follow(&'s Name, Owner),
}

impl<'s> Subject<'s> {
    /// A name at or below the zone's apex; the message holds it there with at least its labels below the apex written out.
    fn new(zone: &'s ServedZone, name: &[u8], owner: Owner) -> Self {
        let mut key = [0; MAX_NAME_LENGTH];
        for (to, from) in key.iter_mut().zip(name) {
            *to = from.to_ascii_lowercase();
        }
        let apex = owner.skip(name.len() - zone.zone.apex().as_wire().len());
        Self { zone, owner, apex, key, length: name.len() }
    }

    /// The target of this name's CNAME record. It is written out whole, or up to the apex of this zone; the apex of any other
    /// zone that holds it lies below this one's then, and so among the labels that are written out.
    fn follow(&self, zone: &'s ServedZone, target: &Name, owner: Owner) -> Self {
        let mut subject = Self::new(zone, target.as_wire(), owner);
        if std::ptr::eq(self.zone, zone) {
            subject.apex = self.apex;
        }
        subject
    }

    /// The name in wire format and lower case.
    pub(super) fn key(&self) -> &[u8] {
        &self.key[..self.length]
    }
}

impl<'s> Response<'_, 's> {
    /// Answers for the question's name and whatever its chain leads to. Gives the message's length and code.
    pub(super) fn resolve(mut self, zone: &'s ServedZone, key: &[u8]) -> (usize, Rcode) {
        let rcode = self.follow(zone, key).unwrap_or_else(|Truncated| {
            self.message.set_truncated();
            Rcode::NoError
        });
        (self.message.finish(rcode), rcode)
    }

    fn follow(&mut self, zone: &'s ServedZone, key: &[u8]) -> Result<Rcode, Truncated> {
        let mut subject = Subject::new(zone, key, Owner::QUESTION);
        for _ in 0..=MAX_CHAIN {
            match self.look_up(&subject)? {
                Next::Done(rcode) => return Ok(rcode),
                Next::Follow(target, owner) => match self.snapshot.find_zone_for(target) {
                    Some(zone) => subject = subject.follow(zone, target, owner),
                    // What lies elsewhere is for the resolver to ask there.
                    None => return Ok(Rcode::NoError),
                },
            }
        }
        // A loop, or a chain too long: what was gathered is given, and the resolver goes on from there if it likes.
        Ok(Rcode::NoError)
    }

    fn look_up(&mut self, subject: &Subject<'s>) -> Result<Next<'s>, Truncated> {
        match subject.zone.zone.look_up(subject.key(), self.rtype) {
            Found::Cut { nameservers, length } => self.refer(subject, nameservers, length),
            Found::Nothing => {
                self.message.set_authoritative();
                self.negative(subject, Rcode::NxDomain, u32::MAX)
            }
            Found::Node(node) => {
                self.message.set_authoritative();
                self.node(subject, node)
            }
        }
    }

    fn node(&mut self, subject: &Subject<'s>, node: &'s Node) -> Result<Next<'s>, Truncated> {
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
        for target in rrset.targets() {
            // Addresses of nameservers and mail hosts save a question; nothing is lost without them.
            let _ = self.push_addresses(subject, target);
        }
        Ok(Next::Done(Rcode::NoError))
    }

    /// A CNAME record, and on to its target.
    fn cname(&mut self, subject: &Subject<'s>, cname: &'s Rrset) -> Result<Next<'s>, Truncated> {
        let rdata = self.push(Section::Answer, subject.owner, subject.apex, cname, cname.ttl())?;
        Ok(match (cname.targets().first(), rdata) {
            (Some(target), Some(owner)) => Next::Follow(target, owner),
            _ => Next::Done(Rcode::NoError),
        })
    }

    /// ANY gets one RRset, as RFC 8482, section 4.1, allows.
    fn any(&mut self, subject: &Subject<'s>, node: &'s Node) -> Result<Next<'s>, Truncated> {
        match (node.rrsets().first(), node.special()) {
            (Some(rrset), _) => _ = self.push(Section::Answer, subject.owner, subject.apex, rrset, rrset.ttl())?,
            (None, Special::None) => return self.negative(subject, Rcode::NoError, u32::MAX),
            (None, Special::Steered(_) | Special::Reflect) => self
                .message
                .push_rrset(Section::Answer, |rrset| rrset.record(subject.owner, HINFO, HINFO_TTL, HINFO_RFC8482))?,
        }
        Ok(Next::Done(Rcode::NoError))
    }

    /// NXDOMAIN, or an empty answer: the SOA tells for how long (RFC 2308, section 3), but not longer than `ttl`.
    pub(super) fn negative(&mut self, subject: &Subject<'s>, rcode: Rcode, ttl: u32) -> Result<Next<'s>, Truncated> {
        let soa = subject.zone.zone.negative_soa();
        self.push(Section::Authority, subject.apex, subject.apex, soa, soa.ttl().min(ttl))?;
        Ok(Next::Done(rcode))
    }

    /// A referral to the nameservers of a cut, whose name has `length` octets.
    fn refer(&mut self, subject: &Subject<'s>, nameservers: &'s Rrset, length: usize) -> Result<Next<'s>, Truncated> {
        let cut = subject.owner.skip(subject.length - length);
        self.push(Section::Authority, cut, subject.apex, nameservers, nameservers.ttl())?;
        let cut = &subject.key()[subject.length - length..];
        for target in nameservers.targets() {
            let added = self.push_addresses(subject, target);
            // RFC 9471, section 3.1: in-domain glue must fit, or TC is set; other glue may be left out.
            if target.as_wire().ends_with(cut) {
                added?;
            }
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
                addresses.records().try_for_each(|(record, _)| {
                    rrset.written_owner(labels, subject.apex)?;
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
fn push_rdata(
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
