//! Signs the likely answers of steered names before anybody asks.
//!
//! ```text
//!   each plan ──► its rankings ──► choices ──► sets of endpoints ─┐
//!       │                                                         ├─► each name, both TTLs ──► the writer, with a signer
//!       └──► one change of health ──► the same ───────────────────┘                            that fills the table
//! ```
//!
//! The answers of the present state come first, for all names; then those that one change of health makes of it. They are written
//! as every answer is, so the signatures cover exactly the records that askers get.
//!
//! The work is cut into steps, and bounded by the limits below and by a share of the table. Names below a wildcard are not
//! foreseen, because their owners come from questions.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use super::candidates::Chosen;
use super::resolution::{Given, Resolution, Steered};
use super::{Client, Rotation, Worker, signed};
use crate::dnssec::Signatures;
use crate::name::Name;
use crate::snapshot::{Choice, Kind, Member, NameOrders, Plan, Pool, Snapshot, Verdict};
use crate::wire::{CLASS_IN, MAX_MESSAGE, Rtype};
use crate::zone::{Dynamic, NameId, Node, PlanId, ZoneId};

/// The part of the table that signatures made ahead may fill: one of this many. Its sets of four entries then hardly ever
/// overflow, and most of it is left for the answers that were asked for.
const SHARE: usize = 4;

/// Maximum number of rankings of a plan that are looked at. A name with eight datacenters by region has fewer.
const RANKINGS: usize = 256;

/// Maximum number of choices of pools for one ranking and type, over all draws.
const CHOICES: usize = 64;

/// Maximum number of sets of endpoints for one choice of pools. If there are more, none is signed ahead.
const SETS: usize = 64;

/// Maximum number of changes of health that are looked at for a plan.
const CHANGES: usize = 64;

/// Maximum number of answers of a name, over all states.
const ANSWERS: usize = 256;

/// The types that clients ask steered names for.
const TYPES: [Rtype; 3] = [Rtype::A, Rtype::AAAA, Rtype::HTTPS];

/// The asker of answers that nobody has asked for. It counts as none.
const NOBODY: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// Signs ahead for one snapshot after the other.
#[derive(Debug)]
pub struct Ahead {
    worker: Worker,
    out: Box<[u8]>,
    question: Vec<u8>,
    work: Option<Work>,
}

/// The work for one snapshot.
#[derive(Debug)]
struct Work {
    snapshot: Arc<Snapshot>,
    /// The steered names of signed zones: the zone, and the position among its steered names.
    names: Vec<(ZoneId, usize)>,
    phase: Phase,
    /// The number of names that are done in this phase.
    done: usize,
    /// The number of signatures that there may still be.
    left: usize,
    found: Found,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The answers of the present state.
    Present,
    /// The answers after one change of health.
    Next,
}

/// The likely answers of the names of one plan.
#[derive(Debug)]
struct Found {
    of: Option<(Phase, PlanId, NameOrders)>,
    answers: Vec<Likely>,
    /// The identities of all answers, those of the present state included.
    known: HashSet<Vec<u8>>,
    /// The pools of the snapshot, of which one at a time is replaced.
    pools: Vec<Arc<Pool>>,
}

/// An answer that a steered name may give.
#[derive(Clone, Debug)]
struct Likely {
    rtype: Rtype,
    /// The position of the ranking in the map.
    ranking: usize,
    choice: Choice,
    second: Option<Choice>,
    gives: Gives,
    v4: Vec<Member<[u8; 4]>>,
    v6: Vec<Member<[u8; 16]>>,
}

#[derive(Clone, Debug)]
enum Gives {
    Addresses,
    Https,
    Cname(Name),
    Nodata,
}

impl Ahead {
    /// Returns a value that fills these signatures. Without a snapshot it has nothing to do.
    pub fn new(rotation: Arc<Rotation>, signatures: Arc<Signatures>) -> Self {
        let worker = Worker::new(rotation).ahead(signatures);
        Self { worker, out: vec![0; MAX_MESSAGE].into(), question: Vec::new(), work: None }
    }

    /// Begins with a snapshot. Work for an earlier one ends.
    pub fn begin(&mut self, snapshot: Arc<Snapshot>) {
        let signed = snapshot.world().zones.iter().enumerate().filter(|(_, spec)| spec.keys.is_some());
        let names = signed.flat_map(|(zone, spec)| {
            let names = spec.names.iter().enumerate().filter(|(_, name)| !name.owner.is_wildcard());
            names.map(move |(number, _)| (ZoneId::from_index(zone), number))
        });
        let names: Vec<(ZoneId, usize)> = names.collect();
        let left = snapshot.world().protocol.signing.kept / SHARE;
        let pools = if names.is_empty() { Vec::new() } else { snapshot.pools().to_vec() };
        let found = Found { of: None, answers: Vec::new(), known: HashSet::new(), pools };
        self.work = Some(Work { snapshot, names, phase: Phase::Present, done: 0, left, found });
    }

    /// Does the next step: one name in one phase. `now` is the time since the Unix epoch. Returns the number of signatures that
    /// were made; `None` if nothing is left to do.
    pub fn step(&mut self, now: Duration) -> Option<u32> {
        let mut work = self.work.take()?;
        let Some(&place) = work.names.get(work.done).filter(|_| work.left > 0) else {
            if work.phase == Phase::Next || work.left == 0 {
                return None;
            }
            (work.phase, work.done) = (Phase::Next, 0);
            self.work = Some(work);
            return Some(0);
        };
        work.done += 1;
        self.sign_name(&mut work, place, now);
        let counts = self.worker.signer().take_counts();
        work.left = work.left.saturating_sub((counts.kept + counts.fresh) as usize);
        self.work = Some(work);
        Some(counts.fresh)
    }

    /// Signs the answers of one name.
    fn sign_name(&mut self, work: &mut Work, (zone_id, number): (ZoneId, usize), now: Duration) {
        let Work { snapshot, phase, found, .. } = work;
        let owner = snapshot.world().zones[zone_id.index()].names[number].owner.to_key();
        let node = snapshot.zones()[zone_id.index()].zone.node(&owner);
        let Some(Dynamic::Steered(plan_id, name)) = node.map(Node::dynamic) else { return };
        let plan = snapshot.plan(plan_id, name);
        let of = Some((*phase, plan_id, *plan.orders()));
        if found.of != of {
            found.look(*phase, snapshot, plan, now);
            found.of = of;
        }
        for likely in &found.answers {
            let ttls = plan.rule().ttls;
            self.sign(snapshot, &owner, (zone_id, (plan_id, name)), (likely, ttls.calm()), now);
            if ttls.unconfirmed() != ttls.calm() {
                self.sign(snapshot, &owner, (zone_id, (plan_id, name)), (likely, ttls.unconfirmed()), now);
            }
        }
        // Browsers ask every name for HTTPS records, and the same proof denies all other types that the name lacks.
        if *phase == Phase::Present && plan.rule().https.is_none() {
            let mut resolution = Resolution::new((&owner, Rtype::HTTPS), Client::of_host(NOBODY), NOBODY);
            resolution.resolve(snapshot, &mut self.worker);
            self.write(snapshot, &owner, &resolution, now);
        }
    }

    /// Signs one answer of a name with this TTL in seconds.
    fn sign(
        &mut self,
        snapshot: &Snapshot,
        owner: &[u8],
        (zone_id, id): (ZoneId, (PlanId, NameId)),
        (likely, ttl): (&Likely, u32),
        now: Duration,
    ) {
        let plan = snapshot.plan(id.0, id.1);
        let rule = plan.rule();
        let Some(ranking) = rule.map.rankings().get(likely.ranking) else { return };
        let given = match (&likely.gives, &rule.https) {
            (Gives::Https, Some(params)) => Given::Https(params),
            (Gives::Addresses | Gives::Https, _) => Given::Addresses,
            (Gives::Cname(target), _) => Given::Cname(target),
            (Gives::Nodata, _) => Given::Nodata,
        };
        let steered = Steered {
            id,
            plan,
            families: plan.families(likely.rtype, snapshot.pools()),
            ranked_by: NOBODY,
            ranking,
            placement: None,
            key: None,
            choice: likely.choice,
            second: likely.second,
            ttl,
            given,
        };
        let mut resolution = Resolution::new((owner, likely.rtype), Client::of_host(NOBODY), NOBODY);
        resolution.v4.extend(&likely.v4);
        resolution.v6.extend(&likely.v6);
        resolution.steer_as((snapshot, &mut self.worker), zone_id, steered);
        self.write(snapshot, owner, &resolution, now);
    }

    /// Writes the answer of a resolution, so that its signatures are kept.
    fn write(&mut self, snapshot: &Snapshot, owner: &[u8], resolution: &Resolution<'_>, now: Duration) {
        self.question.clear();
        self.question.extend_from_slice(owner);
        self.question.extend_from_slice(&resolution.rtype.0.to_be_bytes());
        self.question.extend_from_slice(&CLASS_IN.to_be_bytes());
        let signer = (self.worker.signer(), now.as_secs());
        signed::sign_ahead(snapshot, resolution, (&self.question, owner.len()), signer, &mut self.out);
    }
}

impl Found {
    /// Finds the answers of a plan in this phase. `now` is the time on the clock of control.
    fn look(&mut self, phase: Phase, snapshot: &Snapshot, plan: &Plan, now: Duration) {
        self.answers.clear();
        self.known.clear();
        self.add_state(plan, snapshot.pools());
        if phase == Phase::Present {
            return;
        }
        self.answers.clear();
        for change in snapshot.next_changes(plan.rule()).take(CHANGES) {
            let mut pools = std::mem::take(&mut self.pools);
            let place = change.pool().index();
            let before = std::mem::replace(&mut pools[place], snapshot.pool_after(change, now));
            self.add_state(&plan.with_pools(&pools), &pools);
            pools[place] = before;
            self.pools = pools;
        }
    }

    /// Adds the answers that a plan gives to all clients while the pools are in this state.
    fn add_state(&mut self, plan: &Plan, pools: &[Arc<Pool>]) {
        let mut seen = HashSet::new();
        for (number, ranking) in plan.rule().map.rankings().iter().enumerate().take(RANKINGS) {
            for rtype in TYPES {
                let both = match *plan.families(rtype, pools) {
                    [] => Vec::new(),
                    [family] => {
                        let choices = plan.choices(ranking, [family], CHOICES);
                        choices.into_iter().map(|[choice]| (choice, None)).collect()
                    }
                    [first, second, ..] => {
                        let choices = plan.choices(ranking, [first, second], CHOICES);
                        choices.into_iter().map(|[choice, second]| (choice, Some(second))).collect()
                    }
                };
                for (choice, second) in both {
                    if seen.insert((rtype.0, choice.verdict, second.map(|second| second.verdict))) {
                        self.add_choice(plan, pools, (rtype, number), choice, second);
                    }
                }
            }
        }
    }

    /// Adds the answers of one choice.
    fn add_choice(
        &mut self,
        plan: &Plan,
        pools: &[Arc<Pool>],
        (rtype, ranking): (Rtype, usize),
        choice: Choice,
        second: Option<Choice>,
    ) {
        let (first, other) =
            (Chosen::of(&choice, plan, pools), second.and_then(|second| Chosen::of(&second, plan, pools)));
        let likely = |gives| Likely { rtype, ranking, choice, second, gives, v4: Vec::new(), v6: Vec::new() };
        match (first.or(other), rtype) {
            (None, _) if choice.verdict == Verdict::Servfail => {}
            (None, _) => self.add(likely(Gives::Nodata)),
            (Some(chosen), _) if chosen.is_cname() => {
                for member in chosen.every(Kind::cname, SETS).into_iter().flatten() {
                    self.add(likely(Gives::Cname(member.value.clone())));
                }
            }
            (Some(chosen), Rtype::A) => {
                for v4 in chosen.every(Kind::v4, SETS) {
                    self.add(Likely { v4: copies(&v4), ..likely(Gives::Addresses) });
                }
            }
            (Some(chosen), Rtype::AAAA) => {
                for v6 in chosen.every(Kind::v6, SETS) {
                    self.add(Likely { v6: copies(&v6), ..likely(Gives::Addresses) });
                }
            }
            _ if plan.rule().https.is_some() => {
                for (v4, v6) in Chosen::every_hint(first.as_ref(), other.as_ref(), SETS) {
                    self.add(Likely { v4: copies(&v4), v6: copies(&v6), ..likely(Gives::Https) });
                }
            }
            // The name's static records answer.
            _ => {}
        }
    }

    fn add(&mut self, likely: Likely) {
        if self.known.len() < ANSWERS && self.known.insert(likely.identity()) {
            self.answers.push(likely);
        }
    }
}

impl Likely {
    /// Returns octets that are the same for answers with the same records. Only the order of hints matters.
    fn identity(&self) -> Vec<u8> {
        let mut v4: Vec<[u8; 4]> = self.v4.iter().map(|member| member.value).collect();
        let mut v6: Vec<[u8; 16]> = self.v6.iter().map(|member| member.value).collect();
        if self.rtype != Rtype::HTTPS {
            v4.sort_unstable();
            v6.sort_unstable();
        }
        let target = match &self.gives {
            Gives::Cname(target) => target.as_wire(),
            Gives::Addresses | Gives::Https | Gives::Nodata => &[],
        };
        let counts = [v4.len() as u8, v6.len() as u8];
        [&self.rtype.0.to_be_bytes(), &counts[..], v4.as_flattened(), v6.as_flattened(), target].concat()
    }
}

fn copies<T: Copy>(members: &[&Member<T>]) -> Vec<Member<T>> {
    members.iter().map(|&member| *member).collect()
}
