//! RFC 1034, section 4.3.2, over as many zones as a chain of CNAME and DNAME records leads through.

use std::net::IpAddr;

use arrayvec::ArrayVec;

use super::resolution::{Given, Hop, Resolution, Sname, Steered, Step, Synthesis};
use super::{Client, Worker, reflect, steered};
use crate::name::{MAX_NAME_LENGTH, suffixes};
use crate::snapshot::{ServedZone, Snapshot};
use crate::wire::Rtype;
use crate::zone::{Dynamic, Found, Node, Rrset};

/// A resolution in the making.
pub(super) struct Resolver<'a, 's> {
    pub(super) snapshot: &'s Snapshot,
    pub(super) worker: &'a mut Worker,
    pub(super) resolution: &'a mut Resolution<'s>,
}

impl<'s> Resolution<'s> {
    /// A question that is to be [resolved](Self::resolve): a name in wire format and lower case, and a type, for a client whose packet
    /// came from `source`.
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

    /// Resolves the question. `worker` draws where chance decides, and knows whose turn it is.
    ///
    /// The value is filled where it lies: it has thousands of octets, of which an answer needs few.
    pub fn resolve(&mut self, snapshot: &'s Snapshot, worker: &mut Worker) {
        let name = Sname::Held(self.question);
        Resolver { snapshot, worker, resolution: self }.follow(name);
    }
}

impl<'s> Resolver<'_, 's> {
    /// Looks up a name, and then whatever its chain leads to.
    fn follow(&mut self, name: Sname<'s>) {
        let mut next = Some(name);
        while let Some(sname) = next {
            // What lies elsewhere is for the resolver to ask there.
            let Some(zone) = self.snapshot.authority(self.key(sname), self.rtype()) else { return };
            let (encloser, step) = self.look_up(zone, sname);
            next = self.target(sname, &step);
            self.resolution.hops.push(Hop { sname, zone, encloser, step });
            // What was gathered is given, and the resolver goes on from there if it likes. A loop ends where it closes.
            next = next.filter(|&target| !self.resolution.hops.is_full() && !self.has_met(target));
        }
    }

    fn rtype(&self) -> Rtype {
        self.resolution.rtype
    }

    pub(super) fn key(&self, sname: Sname<'s>) -> &[u8] {
        self.resolution.octets(sname)
    }

    fn has_met(&self, sname: Sname<'s>) -> bool {
        self.resolution.hops.iter().any(|hop| self.key(hop.sname) == self.key(sname))
    }

    /// Where a name leads, and how many octets the name has that the look-up came to.
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

    /// A DNAME record whose owner has `owner` octets, and what it makes of the name (RFC 6672, section 3.1).
    fn redirect(&self, sname: Sname<'s>, dname: &'s Rrset, owner: usize) -> Step<'s> {
        let is_same =
            |hop: &Hop<'_>| matches!(hop.step, Step::Dname { dname: other, .. } if std::ptr::eq(other, dname));
        let is_repeated = self.resolution.hops.iter().any(is_same);
        let key = self.key(sname);
        let prefix = key.len() - owner;
        let synthesis = match dname.targets().first().map(|target| target.name.as_wire()) {
            None => Synthesis::Broken,
            // It redirects to names below itself, each longer than the one before: a loop that never closes.
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

    /// The canonical name that a step leads on to. Who asks for CNAME records has the answer; ANY gets one RRset (RFC 8482,
    /// section 4.1), and a CNAME record is it.
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
    /// A name with its last `old` octets replaced by `end`, in lower case. `None` if there is no room for it, which there is for one
    /// name a hop.
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
