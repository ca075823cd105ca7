//! The algorithm of RFC 1034, section 4.3.2, over all zones that a chain of CNAME and DNAME records leads through.

use std::net::IpAddr;

use arrayvec::ArrayVec;

use super::resolution::{Given, Hop, Resolution, Sname, Steered, Step, Synthesis};
use super::resolver::Resolver;
use super::{Client, Worker, reflect, steered};
use crate::name::{MAX_NAME_LENGTH, suffixes};
use crate::snapshot::{ServedZone, Snapshot};
use crate::wire::Rtype;
use crate::zone::{Dynamic, Found, Node, Rrset};

impl<'s> Resolution<'s> {
    /// Returns an empty resolution, to be filled by [`resolve`](Self::resolve). `name` is in wire format and lower
    /// case; `source` is the source address of the packet.
    pub fn new((name, rtype): (&'s [u8], Rtype), client: Client, source: IpAddr) -> Self {
        Self {
            question: name,
            rtype,
            source,
            client,
            hops: ArrayVec::new(),
            names: ArrayVec::new(),
            v4: ArrayVec::new(),
            v6: ArrayVec::new(),
            scope: 0,
        }
    }

    /// Resolves the question. `worker` draws random numbers and counts turns.
    ///
    /// The value is filled in place: it has thousands of octets, of which most answers use few.
    pub fn resolve(&mut self, snapshot: &'s Snapshot, worker: &mut Worker) {
        let name = Sname::Held(self.question);
        Resolver { snapshot, worker, resolution: self }.follow(name);
    }
}

impl<'s> Resolver<'_, 's> {
    /// Looks up a name, and then each name that it is an alias of.
    #[inline]
    fn follow(&mut self, name: Sname<'s>) {
        let mut next = Some(name);
        while let Some(sname) = next {
            // A name in no zone here is for the resolver to look up elsewhere.
            let Some((zone_id, zone)) = self.snapshot.authority(self.key(sname), self.rtype()) else { return };
            let (encloser, step) = self.look_up(zone, sname);
            next = self.target(sname, &step);
            self.resolution.hops.push(Hop { sname, zone, zone_id, encloser, step });
            // The chain ends when it is full or closes a loop. The answer holds the records up to there, and the
            // resolver can go on.
            next = next.filter(|&target| !self.resolution.hops.is_full() && !self.has_met(target));
        }
    }

    fn has_met(&self, sname: Sname<'s>) -> bool {
        self.resolution.hops.iter().any(|hop| self.key(hop.sname) == self.key(sname))
    }

    /// Looks up one name. Returns the length in octets of its closest encloser, cut or DNAME owner, and the step.
    fn look_up(&mut self, zone: &'s ServedZone, sname: Sname<'s>) -> (usize, Step<'s>) {
        match zone.zone.look_up(self.key(sname), self.rtype()) {
            Found::Cut { nameservers, length } => (length, Step::Referral { nameservers, cut: length }),
            Found::Dname { dname, length } => (length, self.redirect(sname, dname, length)),
            Found::Nothing { encloser } => (encloser, Step::NxDomain),
            Found::Node { node, encloser } => (encloser, self.node(zone, sname, node)),
        }
    }

    fn node(&mut self, zone: &'s ServedZone, sname: Sname<'s>, node: Node<'s>) -> Step<'s> {
        let rtype = self.rtype();
        let stays = matches!(rtype, Rtype::CNAME | Rtype::ANY) || rtype.stands_beside_cname();
        if let Some(cname) = node.rrset(Rtype::CNAME).filter(|_| !stays) {
            return Step::Cname(cname);
        }
        match node.dynamic() {
            Dynamic::Steered(plan, name) => {
                if let Some(steered) = steered::resolve(self, sname, (plan, name)) {
                    return Step::Steered(steered);
                }
            }
            Dynamic::Reflect if rtype == Rtype::TXT => return Step::Reflect(reflect::resolve(self, zone)),
            Dynamic::Reflect | Dynamic::None => {}
        }
        if rtype == Rtype::ANY {
            return match (node.rrsets().first(), node.dynamic()) {
                (None, Dynamic::None) => Step::Nodata,
                (first, _) => Step::Any(first),
            };
        }
        node.rrset(rtype).map_or(Step::Nodata, Step::Static)
    }

    /// Returns the step for a DNAME record whose owner has `owner` octets (RFC 6672, section 3.1).
    fn redirect(&self, sname: Sname<'s>, dname: &'s Rrset, owner: usize) -> Step<'s> {
        let is_same =
            |hop: &Hop<'_>| matches!(hop.step, Step::Dname { dname: other, .. } if std::ptr::eq(other, dname));
        let is_repeated = self.resolution.hops.iter().any(is_same);
        let key = self.key(sname);
        let prefix = key.len() - owner;
        let synthesis = match dname.targets().first().map(|target| target.name.as_wire()) {
            None => Synthesis::Broken,
            // The target is below the owner, so each name is longer than the one before: a loop that never closes.
            Some(target) if is_repeated && suffixes(target).any(|suffix| suffix == &key[prefix..]) => {
                Synthesis::Endless
            }
            // "If substitution of its <target> for its <owner> in QNAME would overflow the legal size for a <domain-name>, set
            // RCODE to YXDOMAIN [RFC2136] and exit" (section 3.2).
            Some(target) if prefix + target.len() > MAX_NAME_LENGTH => Synthesis::TooLong,
            Some(_) => Synthesis::Cname,
        };
        Step::Dname { dname, owner, is_repeated, synthesis }
    }

    /// Returns the canonical name that a step leads to. A question for CNAME records is answered already. ANY gets one
    /// RRset (RFC 8482, section 4.1), which is the CNAME record.
    fn target(&mut self, sname: Sname<'s>, step: &Step<'s>) -> Option<Sname<'s>> {
        match step {
            Step::Cname(cname) => Some(Sname::Held(cname.targets().first()?.name.as_wire())),
            Step::Dname { dname, owner, synthesis: Synthesis::Cname, .. } if self.rtype() != Rtype::CNAME => {
                self.resolution.make(sname, *owner, dname.targets().first()?.name.as_wire())
            }
            Step::Steered(Steered { given: Given::Cname(target), .. })
                if !matches!(self.rtype(), Rtype::CNAME | Rtype::ANY) =>
            {
                let target = target.as_wire();
                if target.iter().any(u8::is_ascii_uppercase) {
                    self.resolution.make(sname, self.key(sname).len(), target)
                } else {
                    Some(Sname::Held(target))
                }
            }
            _ => None,
        }
    }
}

impl<'s> Resolution<'s> {
    /// Returns a name whose last `old` octets are replaced by `end`, in lower case. `None` if there is no room; there
    /// is room for one name per hop.
    fn make(&mut self, sname: Sname<'s>, old: usize, end: &[u8]) -> Option<Sname<'s>> {
        let start = self.names.len();
        let prefix = self.octets(sname).len() - old;
        match sname {
            Sname::Held(octets) => self.names.try_extend_from_slice(&octets[..prefix]).ok()?,
            Sname::Made { start, .. } => {
                for at in usize::from(start)..usize::from(start) + prefix {
                    self.names.try_push(self.names[at]).ok()?;
                }
            }
        }
        self.names.try_extend_from_slice(end).ok()?;
        self.names[start..].make_ascii_lowercase();
        Some(Sname::Made { start: start as u16, length: (self.names.len() - start) as u8 })
    }
}
