//! Shared probing: each endpoint is probed by a few of the nodes, and all follow what those agree on.
//!
//! ```text
//!   candidates: the nodes that are heard, count, and ask the same ── best k by rendezvous hash ──► assigned
//!
//!   assigned, does not probe ──► probes at once
//!   not assigned, probes     ──► stops as soon as all assigned ones have said what they see
//!   does not probe           ──► probes if they fall silent about it: they may hear others than this node does
//! ```
//!
//! The hash depends on the question and on the node's name, and never changes. So nodes that hear the same assign the same,
//! and when a node comes or goes, only its own part of the endpoints moves. Of two nodes at one site the second one comes
//! after the best of all other sites.
//!
//! A node knows which others ask the same questions by digests: the questions are divided in 16 parts, and each report has
//! the digest of each part. While files are being replaced, only the parts that they change are shared among fewer nodes.
//!
//! A node that hears nobody is the only candidate, and probes everything itself.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hasher;
use std::num::NonZeroU16;
use std::time::Duration;

use siphasher::sip::SipHasher24;

use super::{Changed, NodeName, Place, QuestionId, Vantages};
use crate::health::Weight;
use crate::mix::mix;

/// Number of parts of the questions.
pub const PARTS: usize = 16;

/// The digests of the parts: nodes with equal ones share the part.
pub type Parts = [u32; PARTS];

/// The key of the hashes. It is not secret: it is fixed so that nodes agree.
const KEY: &[u8; 16] = b"truenorth probes";

/// A node that is heard for this number of intervals gets endpoints to probe: one that comes and goes moves none.
pub(super) const MATURES_AFTER: u32 = 2;

/// A node looks for questions about which the assigned ones say nothing after this number of intervals, and asks those that
/// it finds twice in a row.
const LOOKS_AFTER: u32 = 2;

/// The questions that are shared.
#[derive(Debug, Default)]
pub(super) struct Sharing {
    duties: BTreeMap<QuestionId, Duty>,
    parts: Parts,
    /// The nodes that share each part, this one included, by name.
    candidates: [Vec<Candidate>; PARTS],
    /// The questions that this node probes although others are assigned.
    surplus: BTreeSet<QuestionId>,
    /// The questions that this node begins or ceases to ask.
    turned: BTreeMap<QuestionId, bool>,
    /// The questions that this node does not ask and about which not all assigned ones had said what they see at the last
    /// look.
    unsaid: BTreeSet<QuestionId>,
    look_at: Duration,
    /// True if the candidates may have changed.
    pub(super) is_stale: bool,
    /// True if there were others to agree with when they were determined.
    is_settled: bool,
}

/// One shared question.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Duty {
    vantages: NonZeroU16,
    /// The nodes that are to ask it, the best first.
    assigned: Vec<NodeName>,
    /// True if this node asks it.
    is_asked: bool,
    /// True if the others are told the opinion of this node.
    is_told: bool,
}

/// A node that can ask questions.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Candidate {
    name: NodeName,
    site: Box<str>,
    key: u64,
}

impl Candidate {
    fn new(name: &NodeName, site: &str) -> Self {
        let mut hasher = SipHasher24::new_with_key(KEY);
        hasher.write(name.as_str().as_bytes());
        Self { name: name.clone(), site: site.into(), key: hasher.finish() }
    }
}

impl Sharing {
    /// The digests of what is shared; `None` if nothing is.
    pub(super) fn parts(&self) -> Option<Parts> {
        (!self.duties.is_empty()).then_some(self.parts)
    }

    /// The nodes that are assigned to a question; `None` if all ask it.
    pub(super) fn assigned(&self, id: QuestionId) -> Option<&[NodeName]> {
        self.duties.get(&id).map(|duty| &*duty.assigned)
    }

    /// True if the others are told the opinion of this node on a question.
    pub(super) fn is_told(&self, id: QuestionId) -> bool {
        self.duties.get(&id).is_none_or(|duty| duty.is_told)
    }

    /// Takes in the questions that are shared from now on. New ones are asked until others do.
    fn set<'a>(&mut self, shared: impl Iterator<Item = (QuestionId, &'a Place)>) {
        let mut before = std::mem::take(&mut self.duties);
        self.parts = Parts::default();
        for (id, place) in shared {
            let Some(vantages) = place.vantages else { continue };
            let duty =
                before.remove(&id).unwrap_or(Duty { vantages, assigned: Vec::new(), is_asked: true, is_told: false });
            self.duties.insert(id, Duty { vantages, assigned: Vec::new(), ..duty });
            let part = &mut self.parts[part_of(id)];
            *part = part.wrapping_add(hash(id, vantages));
        }
        // All nodes ask what is no longer shared.
        let resumed = before.into_iter().filter(|(_, duty)| !duty.is_asked);
        self.turned.extend(resumed.map(|(id, _)| (id, true)));
        self.surplus.retain(|id| self.duties.contains_key(id));
        self.candidates = Default::default();
        self.is_stale = true;
    }
}

impl Vantages {
    /// Takes in which of the questions are shared.
    pub(super) fn set_shared(&mut self) {
        self.sharing.set(self.places.iter().map(|(&id, place)| (id, place)));
    }

    /// The questions that this node begins (`true`) or ceases to ask since the last call. It begins with all of them. One
    /// that it asks already may be among them: its opinion is to be told again.
    pub fn take_duties(&mut self) -> BTreeMap<QuestionId, bool> {
        let turned = std::mem::take(&mut self.sharing.turned);
        // Who asks a question alone decides alone, as soon as it asks.
        self.changed.add(Changed::Some(turned.keys().copied().collect()));
        turned
    }

    /// The nodes that are to ask a question, the best first; `None` if all are.
    pub fn assigned(&self, id: QuestionId) -> Option<&[NodeName]> {
        self.sharing.assigned(id)
    }

    /// True if this node asks a question.
    pub fn is_asked(&self, id: QuestionId) -> bool {
        self.sharing.duties.get(&id).is_none_or(|duty| duty.is_asked)
    }

    /// Assigns anew what may have changed, and ceases to ask what others ask by now.
    pub(super) fn share(&mut self, now: Duration) {
        if self.sharing.duties.is_empty() && self.sharing.turned.is_empty() {
            return;
        }
        if std::mem::take(&mut self.sharing.is_stale) {
            let is_settled = self.is_settled();
            // From now on the others are told, or no longer.
            let is_turned = std::mem::replace(&mut self.sharing.is_settled, is_settled) != is_settled;
            for part in 0..PARTS {
                let candidates = self.candidates(part, now);
                if is_turned || self.sharing.candidates[part] != candidates {
                    self.sharing.candidates[part] = candidates;
                    self.assign(part);
                }
            }
        }
        if self.sharing.look_at <= now {
            self.sharing.look_at = now + self.me.interval * LOOKS_AFTER;
            self.look();
        }
        self.relieve(now);
    }

    /// When a node becomes a candidate by time alone.
    pub(super) fn matures_at(&self, now: Duration) -> Option<Duration> {
        if self.sharing.duties.is_empty() {
            return None;
        }
        self.peers.values().map(|peer| peer.matures_at).filter(|at| *at > now).min()
    }

    /// The nodes that share a part, as this one hears them. Whether it counts itself is for the others to say: they take
    /// its place if it does not.
    fn candidates(&self, part: usize, now: Duration) -> Vec<Candidate> {
        let is_candidate = |peer: &super::peer::Peer| {
            peer.counts()
                && peer.left.is_none()
                && peer.matures_at <= now
                && peer.parts.is_some_and(|parts| parts[part] == self.sharing.parts[part])
        };
        let peers = self.peers.iter().filter(|(_, peer)| self.is_settled() && is_candidate(peer));
        let mut all: Vec<_> = peers.map(|(name, peer)| Candidate::new(name, &peer.site)).collect();
        all.push(Candidate::new(&self.me.node, &self.me.site));
        all.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        all
    }

    fn assign(&mut self, part: usize) {
        let is_settled = self.is_settled();
        let Sharing { duties, candidates, surplus, turned, .. } = &mut self.sharing;
        let mut changed = Vec::new();
        for (&id, duty) in duties.range_mut(first_of(part)..).take_while(|(id, _)| part_of(**id) == part) {
            let assigned = choose(id, duty.vantages, &candidates[part]);
            let is_mine = assigned.contains(&self.me.node);
            if assigned != duty.assigned {
                changed.push(id);
                duty.assigned = assigned;
            }
            if !is_mine {
                if duty.is_asked {
                    surplus.insert(id);
                }
                continue;
            }
            surplus.remove(&id);
            let tells = is_settled && !duty.is_told;
            duty.is_told |= is_settled;
            if tells || !duty.is_asked {
                duty.is_asked = true;
                turned.insert(id, true);
            }
        }
        self.changed.add(Changed::Some(changed));
    }

    /// Asks the questions about which the assigned nodes are silent for long. A node that hears others than this one does may
    /// have left them to those.
    fn look(&mut self) {
        let left = self.sharing.duties.iter().filter(|(_, duty)| !duty.is_asked).map(|(&id, _)| id);
        let unsaid: BTreeSet<QuestionId> = left.filter(|&id| !self.have_said(id)).collect();
        let Sharing { duties, surplus, turned, unsaid: before, .. } = &mut self.sharing;
        for &id in unsaid.intersection(before) {
            if let Some(duty) = duties.get_mut(&id) {
                duty.is_asked = true;
                surplus.insert(id);
                turned.insert(id, true);
            }
        }
        *before = unsaid;
    }

    /// Ceases to ask questions about which all assigned nodes have said what they see.
    fn relieve(&mut self, now: Duration) {
        let is_relieved = |id: &&QuestionId| self.have_said(**id);
        let relieved: Vec<QuestionId> = self.sharing.surplus.iter().filter(is_relieved).copied().collect();
        for id in relieved {
            self.sharing.surplus.remove(&id);
            self.sharing.turned.insert(id, false);
            if let Some(duty) = self.sharing.duties.get_mut(&id) {
                duty.is_asked = false;
                duty.is_told = false;
            }
            if self.own.table.remove(id) {
                self.changed.add(Changed::Some(vec![id]));
                self.tell(id, now);
            }
        }
    }

    /// True if the nodes that are assigned to a question have all said what they see: then they alone decide.
    pub(super) fn have_said(&self, id: QuestionId) -> bool {
        let Some(assigned) = self.sharing.assigned(id) else { return false };
        let has_said = |node: &NodeName| match self.peers.get(node) {
            Some(peer) => peer.table.get(id).is_some(),
            // If this node does not count, the others have put another one in its place.
            None => self.own.table.get(id).is_some() && self.own_weight() == Weight::Counts,
        };
        !assigned.is_empty() && assigned.iter().all(has_said)
    }
}

/// The part of a question. Questions are hashes, so that the parts are equally large.
fn part_of(id: QuestionId) -> usize {
    (id.0 >> (u128::BITS - PARTS.ilog2())) as usize
}

/// The first question that a part can have.
fn first_of(part: usize) -> QuestionId {
    QuestionId((part as u128) << (u128::BITS - PARTS.ilog2()))
}

fn hash(id: QuestionId, vantages: NonZeroU16) -> u32 {
    let mut hasher = SipHasher24::new_with_key(KEY);
    hasher.write(&id.0.to_be_bytes());
    hasher.write(&vantages.get().to_be_bytes());
    (hasher.finish() >> 32) as u32
}

/// Returns the best of the candidates, each from another site as long as there are any.
fn choose(id: QuestionId, vantages: NonZeroU16, candidates: &[Candidate]) -> Vec<NodeName> {
    let wanted = usize::from(vantages.get()).min(candidates.len());
    let question = mix((id.0 >> 64) as u64 ^ mix(id.0 as u64));
    let mut ranked: Vec<(u64, &Candidate)> =
        candidates.iter().map(|candidate| (mix(candidate.key ^ question), candidate)).collect();
    ranked.sort_unstable_by(|one, other| other.0.cmp(&one.0).then_with(|| one.1.name.cmp(&other.1.name)));
    let mut chosen: Vec<&Candidate> = Vec::with_capacity(wanted);
    let mut others = Vec::new();
    for (_, candidate) in ranked {
        if chosen.len() == wanted {
            break;
        }
        // Nodes that do not tell where they stand are each at a site of their own.
        let is_near = !candidate.site.is_empty() && chosen.iter().any(|one| one.site == candidate.site);
        if is_near { others.push(candidate) } else { chosen.push(candidate) }
    }
    let left = wanted - chosen.len();
    chosen.into_iter().chain(others.into_iter().take(left)).map(|candidate| candidate.name.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const THREE: NonZeroU16 = NonZeroU16::new(3).unwrap();

    fn candidates(count: usize, sites: usize) -> Vec<Candidate> {
        let site = |number: usize| if sites == 0 { String::new() } else { format!("s{}", number % sites) };
        let name = |number: usize| NodeName::try_new(&format!("n{number}")).unwrap();
        (0..count).map(|number| Candidate::new(&name(number), &site(number))).collect()
    }

    fn questions() -> impl Iterator<Item = QuestionId> {
        (0..10_000_u128).map(|number| QuestionId(number.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)))
    }

    #[test]
    fn a_hundred_nodes_share_ten_thousand_endpoints_evenly_and_over_their_sites() {
        for sites in [0, 10] {
            let all = candidates(100, sites);
            let mut loads: BTreeMap<NodeName, usize> = BTreeMap::new();
            for id in questions() {
                let chosen = choose(id, THREE, &all);
                let places: BTreeSet<&str> = chosen
                    .iter()
                    .map(|node| all.iter().find(|candidate| candidate.name == *node).map_or("", |it| &*it.site))
                    .collect();
                assert!(chosen.len() == 3 && (sites == 0 || places.len() == 3), "{chosen:?}");
                for node in chosen {
                    *loads.entry(node).or_default() += 1;
                }
            }
            let (least, most) = (loads.values().min().unwrap(), loads.values().max().unwrap());
            println!("{sites} sites: from {least} to {most} endpoints a node");
            assert!(loads.len() == 100 && *least > 240 && *most < 360, "{least} {most}");
        }
    }

    #[test]
    fn who_goes_takes_only_its_own_part_along() {
        for sites in [0, 2, 10] {
            let all = candidates(20, sites);
            let gone = all[7].name.clone();
            let left: Vec<Candidate> = all.iter().filter(|candidate| candidate.name != gone).cloned().collect();
            for id in questions().take(1_000) {
                let (before, after) = (choose(id, THREE, &all), choose(id, THREE, &left));
                assert!(before.iter().all(|node| *node == gone || after.contains(node)), "{before:?} {after:?}");
                assert_eq!(before.contains(&gone), before != after);
            }
        }
    }

    #[test]
    fn the_choice_is_the_same_in_every_version() {
        let chosen: Vec<Vec<String>> = questions()
            .take(4)
            .map(|id| choose(id, THREE, &candidates(9, 4)).iter().map(ToString::to_string).collect())
            .collect();
        assert_eq!(chosen, GOLDEN);
        assert_eq!(choose(QuestionId(1), THREE, &candidates(2, 1)).len(), 2, "there are no more");
    }

    /// It must never change: nodes of two versions would leave endpoints to each other.
    const GOLDEN: [[&str; 3]; 4] = [["n0", "n7", "n1"], ["n6", "n3", "n1"], ["n5", "n3", "n0"], ["n5", "n2", "n4"]];
}
