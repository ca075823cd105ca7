//! Runs the algorithm of RFC 1034, section 4.3.2, over all zones that a chain of CNAME and DNAME records leads through.

use std::net::IpAddr;

use arrayvec::ArrayVec;

use super::resolution::{End, Given, Hop, Resolution, Sname, Steered, Step, Synthesis};
use super::resolver::Resolver;
use super::{Client, Worker, reflect, steered};
use crate::name::{MAX_NAME_LENGTH, is_key, make_key, suffixes};
use crate::snapshot::{ServedZone, Snapshot};
use crate::wire::Rtype;
use crate::zone::{Dynamic, Found, NameId, Node, PlanId, Rrset, ZoneId};

impl<'s> Resolution<'s> {
    /// Returns an empty resolution, which [`resolve`](Self::resolve) fills. `name` is in wire format; `source` is the
    /// source address of the packet.
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
            least_ttl: u32::MAX,
            has_answer: false,
            end: None,
        }
    }

    /// Resolves the question. `worker` draws random numbers and counts turns.
    ///
    /// The value is filled in place, because it has thousands of octets and most answers use few of them.
    pub fn resolve(&mut self, snapshot: &'s Snapshot, worker: &mut Worker) {
        self.resolve_hashed(snapshot, worker, None);
    }

    /// The same for a question whose name has this [hash](Worker::hash), if that is known.
    #[inline]
    pub(super) fn resolve_hashed(&mut self, snapshot: &'s Snapshot, worker: &mut Worker, hash: Option<u64>) {
        if let Some(name) = self.keep(self.question) {
            Resolver { snapshot, worker, resolution: self, hash: 0 }.follow(name, hash);
        }
    }

    /// Resolves a question for a steered name that was looked up before, in the same snapshot. The name of the question is
    /// in lower case and has this [hash](Worker::hash). Returns false if the name's static records must answer.
    #[inline]
    pub(super) fn steer(
        &mut self,
        (snapshot, worker): (&'s Snapshot, &mut Worker),
        hash: u64,
        zone_id: ZoneId,
        name: (PlanId, NameId),
    ) -> bool {
        let (zone, sname, encloser) =
            (&*snapshot.zones()[zone_id.index()], Sname::Held(self.question), self.question.len());
        self.hops.push(Hop { sname, zone, zone_id, encloser, step: Step::Nodata });
        let mut resolver = Resolver { snapshot, worker, resolution: self, hash };
        if !steered::resolve(&mut resolver, sname, name) {
            return false;
        }
        if let Some(next) = resolver.next(sname) {
            resolver.follow(next, None);
        }
        true
    }

    /// Answers a question for a steered name as somebody else has chosen, and looks up the name that it is an alias of, if that
    /// is the choice. The name of the question is in lower case.
    pub(super) fn steer_as(
        &mut self,
        (snapshot, worker): (&'s Snapshot, &mut Worker),
        zone_id: ZoneId,
        steered: Steered<'s>,
    ) {
        let (zone, sname, encloser) =
            (&*snapshot.zones()[zone_id.index()], Sname::Held(self.question), self.question.len());
        self.hops.push(Hop { sname, zone, zone_id, encloser, step: Step::Steered(steered) });
        let mut resolver = Resolver { snapshot, worker, resolution: self, hash: 0 };
        if let Some(next) = resolver.next(sname) {
            resolver.follow(next, None);
        }
    }
}

impl<'s> Resolver<'_, 's> {
    /// Looks up a name, and then each name that it is an alias of. `hash` is the hash of the first name, if it is known.
    #[inline(never)]
    fn follow(&mut self, name: Sname<'s>, mut hash: Option<u64>) {
        let mut next = Some(name);
        while let Some(sname) = next {
            // If no zone here holds the name, the resolver looks it up elsewhere.
            if !self.visit(sname, hash.take()) {
                return;
            }
            next = self.next(sname);
        }
    }

    /// Adds up the last hop, whose name is `sname`, and returns the name to look up next.
    #[inline]
    fn next(&mut self, sname: Sname<'s>) -> Option<Sname<'s>> {
        self.add_up();
        // The chain ends when it is full or closes a loop. The answer holds the records up to there, and the resolver can
        // go on.
        self.target(sname).filter(|&target| !self.resolution.hops.is_full() && !self.has_met(target))
    }

    /// Looks up one name, and adds its hop. Returns false if no zone here holds the name.
    #[inline]
    fn visit(&mut self, sname: Sname<'s>, hash: Option<u64>) -> bool {
        let (snapshot, rtype, key) = (self.snapshot, self.rtype(), self.resolution.octets(sname));
        self.hash = hash.unwrap_or_else(|| self.worker.hash(key));
        // Which zone answers for a name depends on the type if that is DS.
        let known = if rtype == Rtype::DS { None } else { self.worker.recall(snapshot, self.hash, key) };
        if let Some((zone_id, node)) = known {
            let (zone, encloser) = (&*snapshot.zones()[zone_id.index()], key.len());
            self.resolution.hops.push(Hop { sname, zone, zone_id, encloser, step: Step::Nodata });
            self.node(zone, sname, node);
            return true;
        }
        let Some((zone_id, zone)) = snapshot.authority(key, rtype) else { return false };
        // The hop is filled in place, because it has hundreds of octets.
        self.resolution.hops.push(Hop { sname, zone, zone_id, encloser: 0, step: Step::Nodata });
        self.look_up((zone_id, zone), sname);
        true
    }

    /// Adds the TTL and the records of the last hop to the values of the whole answer.
    #[inline]
    fn add_up(&mut self) {
        let resolution = &mut *self.resolution;
        if let Some(hop) = resolution.hops.last() {
            let end = hop.step.end();
            resolution.least_ttl = resolution.least_ttl.min(hop.ttl().unwrap_or(u32::MAX));
            resolution.has_answer |= end == End::Records;
            resolution.end = Some(end);
        }
    }

    fn has_met(&self, sname: Sname<'s>) -> bool {
        self.resolution.hops.iter().any(|hop| self.key(hop.sname) == self.key(sname))
    }

    /// Looks up one name, and fills the last hop with its closest encloser, cut or DNAME owner, and with the step.
    #[inline(never)]
    fn look_up(&mut self, (zone_id, zone): (ZoneId, &'s ServedZone), sname: Sname<'s>) {
        let (encloser, node) = match zone.zone.look_up(self.key(sname), self.rtype()) {
            Found::Cut { nameservers, length } => {
                self.take(Step::Referral { nameservers, cut: length });
                (length, None)
            }
            Found::Dname { dname, length } => {
                self.take(self.redirect(sname, dname, length));
                (length, None)
            }
            Found::Nothing { encloser } => {
                self.take(Step::NxDomain);
                (encloser, None)
            }
            Found::Node { node, encloser, id } => {
                if encloser == self.key(sname).len() && self.rtype() != Rtype::DS {
                    self.worker.keep(self.snapshot, self.hash, (zone_id, id));
                }
                (encloser, Some(node))
            }
        };
        if let Some(hop) = self.resolution.hops.last_mut() {
            hop.encloser = encloser;
        }
        if let Some(node) = node {
            self.node(zone, sname, node);
        }
    }

    /// Sets the step of the last hop.
    #[inline]
    pub(super) fn take(&mut self, step: Step<'s>) {
        if let Some(hop) = self.resolution.hops.last_mut() {
            hop.step = step;
        }
    }

    #[inline]
    fn node(&mut self, zone: &'s ServedZone, sname: Sname<'s>, node: Node<'s>) {
        let (rtype, rrsets) = (self.rtype(), node.rrsets());
        let of_type = |rtype| rrsets.iter().find(|rrset| rrset.rtype() == rtype);
        let stays = matches!(rtype, Rtype::CNAME | Rtype::ANY) || rtype.stands_beside_cname();
        if let Some(cname) = of_type(Rtype::CNAME).filter(|_| !stays) {
            return self.take(Step::Cname(cname));
        }
        match node.dynamic() {
            Dynamic::Steered(plan, name) => {
                if steered::resolve(self, sname, (plan, name)) {
                    return;
                }
            }
            Dynamic::Reflect if rtype == Rtype::TXT => {
                let reflection = reflect::resolve(self, zone);
                return self.take(Step::Reflect(reflection));
            }
            Dynamic::Reflect | Dynamic::None => {}
        }
        self.take(if rtype == Rtype::ANY {
            // RFC 8482, section 4.1, leaves the choice: signatures and proofs say least of the name.
            let says_more = |rrset: &&Rrset| !matches!(rrset.rtype(), Rtype::RRSIG | Rtype::NSEC);
            match (rrsets.iter().find(says_more).or(rrsets.first()), node.dynamic()) {
                (None, Dynamic::None) => Step::Nodata,
                (first, _) => Step::Any(first),
            }
        } else {
            of_type(rtype).map_or(Step::Nodata, Step::Static)
        });
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
            // The target is below the owner, so each name is longer than the one before. Such a loop never closes.
            Some(target) if is_repeated && suffixes(target).any(|suffix| suffix == &key[prefix..]) => {
                Synthesis::Endless
            }
            // "If substitution of its <target> for its <owner> in QNAME would overflow the legal size for a
            // <domain-name>, set RCODE to YXDOMAIN [RFC2136] and exit" (section 3.2).
            Some(target) if prefix + target.len() > MAX_NAME_LENGTH => Synthesis::TooLong,
            Some(_) => Synthesis::Cname,
        };
        Step::Dname { dname, owner, is_repeated, synthesis }
    }

    /// Returns the name that the last hop leads to. `sname` is the last hop's own name. A question for CNAME records is
    /// already answered at that hop. So is ANY at a CNAME record, because ANY gets one RRset (RFC 8482, section 4.1).
    #[inline]
    fn target(&mut self, sname: Sname<'s>) -> Option<Sname<'s>> {
        let rtype = self.rtype();
        match self.resolution.hops.last()?.step {
            Step::Cname(cname) => Some(Sname::Held(cname.targets().first()?.name.as_wire())),
            Step::Dname { dname, owner, synthesis: Synthesis::Cname, .. } if rtype != Rtype::CNAME => {
                self.resolution.make(sname, owner, dname.targets().first()?.name.as_wire())
            }
            Step::Steered(Steered { given: Given::Cname(target), .. })
                if !matches!(rtype, Rtype::CNAME | Rtype::ANY) =>
            {
                self.resolution.keep(target.as_wire())
            }
            _ => None,
        }
    }
}

impl<'s> Resolution<'s> {
    /// Returns a name in lower case: the name itself, or a copy. Returns `None` if there is no room for a copy; there is
    /// room for one per hop.
    #[inline]
    fn keep(&mut self, name: &'s [u8]) -> Option<Sname<'s>> {
        if is_key(name) { Some(Sname::Held(name)) } else { self.keep_lower(name) }
    }

    #[inline(never)]
    fn keep_lower(&mut self, name: &[u8]) -> Option<Sname<'s>> {
        let start = self.names.len();
        self.names.try_extend_from_slice(name).ok()?;
        Some(self.made(start))
    }

    /// Keeps a copy of a name in which `end` replaces the last `old` octets. Returns `None` if there is no room.
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
        Some(self.made(start))
    }

    /// Turns the last name, which begins at `start`, into lower case and returns it.
    #[inline]
    fn made(&mut self, start: usize) -> Sname<'s> {
        make_key(&mut self.names[start..]);
        Sname::Made { start: start as u16, length: (self.names.len() - start) as u8 }
    }
}
