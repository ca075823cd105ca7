//! What the vantage points tell each other of latency.
//!
//! **The matrix.** Each node tells its settled round trips when one of them changes, and the digest of all of them in each
//! report, so that who missed a change asks for it. All nodes that hear the same hold the same matrix. A vantage point that
//! falls silent stays in it for a while: most nodes come back. A node that hears nobody keeps what it last knew for a day.
//!
//! **Samples.** Round trips that clients pushed to one node go to all others, with its regular reports. All nodes together
//! send at most [`MAX_SAMPLES`] an interval: a node's part of that is smaller the more nodes it hears. Of more samples it
//! draws as many as it may send, so that all networks have the same chance.

use std::collections::BTreeMap;
use std::hash::Hasher;
use std::sync::Arc;
use std::time::Duration;

use siphasher::sip::SipHasher24;

use super::message::{Body, Letter, MAX_ROWS, Message};
use super::{Ignored, MAX_PEERS, NodeName, Vantages};
use crate::latency::{Sample, VantageRtts};
use crate::mix::mix;

/// Most samples that all nodes of a fleet together send in an interval.
pub const MAX_SAMPLES: usize = 2048;

/// How long the round trips of a vantage point stay after it was forgotten.
const STAYS: Duration = Duration::from_secs(10 * 60);

/// The same while no other node is heard.
const STAYS_ALONE: Duration = Duration::from_secs(24 * 60 * 60);

/// What is known of latency.
#[derive(Debug, Default)]
pub(super) struct Latencies {
    own: Option<Arc<VantageRtts>>,
    /// True if not all others were told the own round trips yet.
    is_untold: bool,
    others: BTreeMap<NodeName, Told>,
    is_changed: bool,
    /// The samples to tell, a fair choice of all that were pushed since the last report.
    pending: Vec<Sample>,
    /// How many that were.
    pushed: u64,
    /// How many samples were not told since the last call of [`Vantages::take_thinned`].
    thinned: u64,
    heard: Vec<Sample>,
}

/// The round trips that another vantage point told.
#[derive(Debug)]
struct Told {
    rtts: Arc<VantageRtts>,
    /// When the node was forgotten; `None` while it is heard.
    gone: Option<Duration>,
}

/// The samples, or the reports, that a node sent lately.
#[derive(Debug, Default)]
pub(super) struct Allowance {
    /// The sequence number of the last message with samples.
    sequence: u64,
    since: Duration,
    count: usize,
}

impl Allowance {
    /// Takes in a message with this number of them, of which so many may come in an interval. Fails if it is not newer than
    /// the last one, or if the node sends more.
    pub(super) fn take(
        &mut self,
        sequence: u64,
        (count, most): (usize, usize),
        interval: Duration,
        now: Duration,
    ) -> Result<(), Ignored> {
        if sequence <= self.sequence {
            return Err(Ignored::Stale);
        }
        self.sequence = sequence;
        if self.since + interval <= now {
            *self = Self { sequence, since: now, count: 0 };
        }
        self.count = self.count.saturating_add(count);
        if self.count > most { Err(Ignored::TooMuch) } else { Ok(()) }
    }

    /// Takes in that another run of the node began, which counts anew.
    pub(super) fn restart(&mut self) {
        self.sequence = 0;
    }
}

impl Latencies {
    /// The digest of the round trips that are known of another node.
    pub(super) fn digest_of(&self, node: &NodeName) -> Option<u64> {
        self.others.get(node).map(|told| digest(&told.rtts))
    }
}

impl Vantages {
    /// Takes in the settled round trips of this node's own probes.
    pub fn measure(&mut self, rtts: VantageRtts, now: Duration) {
        if self.latencies.own.as_deref() != Some(&rtts) {
            self.latencies.own = Some(Arc::new(rtts));
            self.latencies.is_untold = true;
            self.latencies.is_changed = true;
            self.tell_soon(now);
        }
    }

    /// Takes in samples that clients pushed to this node, to tell the others.
    pub fn push(&mut self, samples: impl IntoIterator<Item = Sample>) {
        if !self.is_linked() {
            return;
        }
        let most = self.most_samples();
        let Latencies { pending, pushed, thinned, .. } = &mut self.latencies;
        for sample in samples {
            *pushed += 1;
            if pending.len() < most {
                pending.push(sample);
                continue;
            }
            // Each of those that were pushed has the same chance (Vitter: Random sampling with a reservoir, 1985).
            let drawn = mix(self.incarnation ^ mix(*pushed ^ self.sequence << 32)) % *pushed;
            if let Some(place) = usize::try_from(drawn).ok().and_then(|drawn| pending.get_mut(drawn)) {
                *place = sample;
            }
            *thinned += 1;
        }
    }

    /// The samples that others told since the last call.
    pub fn take_samples(&mut self) -> Vec<Sample> {
        std::mem::take(&mut self.latencies.heard)
    }

    /// Number of samples that the others were not told since the last call, because there were too many.
    pub fn take_thinned(&mut self) -> u64 {
        std::mem::take(&mut self.latencies.thinned)
    }

    /// All vantage points with their round trips, this node included, if anything changed since the last call.
    pub fn take_matrix(&mut self) -> Option<Vec<(Arc<str>, Arc<VantageRtts>)>> {
        if !std::mem::take(&mut self.latencies.is_changed) {
            return None;
        }
        let Latencies { own, others, .. } = &self.latencies;
        let own = own.iter().map(|rtts| (self.me.node.shared(), rtts.clone()));
        let others = others.iter().map(|(node, told)| (node.shared(), told.rtts.clone()));
        Some(own.chain(others).collect())
    }

    /// The round trips of this node, or of another one.
    pub(super) fn rtts_of(&self, node: &NodeName) -> Option<&VantageRtts> {
        if *node == self.me.node {
            return self.latencies.own.as_deref();
        }
        self.latencies.others.get(node).map(|told| &*told.rtts)
    }

    /// The digest of this node's round trips; `None` before the first are known.
    pub(super) fn own_rtts_digest(&self) -> Option<u64> {
        self.latencies.own.as_deref().map(digest)
    }

    /// The letter that tells one node, or all, the round trips of this node.
    pub(super) fn rtts_letter(&mut self, to: Option<NodeName>, wall: Duration) -> Option<Letter> {
        let rtts = VantageRtts::clone(self.latencies.own.as_deref()?);
        Some(Letter { to, message: self.message(Body::Rtts(rtts), wall) })
    }

    /// The letter with the round trips of this node if the others were not told yet. Then they have been.
    pub(super) fn untold_rtts(&mut self, wall: Duration) -> Option<Letter> {
        std::mem::take(&mut self.latencies.is_untold).then(|| self.rtts_letter(None, wall)).flatten()
    }

    /// Tells the others the samples that were pushed.
    pub(super) fn tell_samples(&mut self, wall: Duration, letters: &mut Vec<Letter>) {
        self.latencies.pushed = 0;
        let mut samples = std::mem::take(&mut self.latencies.pending);
        while !samples.is_empty() {
            let rest = samples.split_off(samples.len().min(MAX_ROWS));
            let message = self.message(Body::Samples(std::mem::replace(&mut samples, rest)), wall);
            letters.push(Letter { to: None, message });
        }
    }

    /// Takes in that the link is there, or not. What was pushed in between reaches nobody else.
    pub(super) fn relink_latencies(&mut self) {
        self.latencies.is_untold = self.latencies.own.is_some();
        self.latencies.pending.clear();
        self.latencies.pushed = 0;
    }

    /// Takes in the round trips of another node.
    pub(super) fn hear_rtts(&mut self, from: &NodeName, rtts: VantageRtts) {
        let Latencies { others, is_changed, .. } = &mut self.latencies;
        if others.len() >= MAX_PEERS && !others.contains_key(from) {
            return;
        }
        let told = others.entry(from.clone()).or_insert_with(|| Told { rtts: Arc::default(), gone: None });
        told.gone = None;
        if *told.rtts != rtts {
            told.rtts = Arc::new(rtts);
            *is_changed = true;
        }
    }

    /// Takes in samples of another node. Fails if it is not known, or sends too much.
    pub(super) fn hear_samples(&mut self, from: &NodeName, message: Message, now: Duration) -> Result<(), Ignored> {
        let Body::Samples(samples) = message.body else { return Ok(()) };
        let peer = self.peers.get_mut(from).filter(|peer| peer.is_run(message.incarnation));
        let peer = peer.ok_or(Ignored::Unknown)?;
        let interval = peer.interval();
        // Two reports may come within one interval.
        peer.allowance.take(message.sequence, (samples.len(), 2 * MAX_SAMPLES), interval, now)?;
        self.latencies.heard.extend(samples);
        Ok(())
    }

    /// Forgets the round trips of vantage points that are gone for long.
    pub(super) fn age_latencies(&mut self, now: Duration) {
        let stays = self.stays();
        let Latencies { others, is_changed, .. } = &mut self.latencies;
        let before = others.len();
        others.retain(|node, told| {
            if self.peers.contains_key(node) {
                told.gone = None;
                return true;
            }
            *told.gone.get_or_insert(now) + stays > now
        });
        *is_changed |= others.len() != before;
    }

    /// When the next vantage point that is gone is forgotten.
    pub(super) fn latencies_age_at(&self) -> Option<Duration> {
        let stays = self.stays();
        self.latencies.others.values().filter_map(|told| told.gone).min().map(|gone| gone + stays)
    }

    /// How long the round trips of vantage points that are gone stay. A node that comes back hears all others first.
    fn stays(&self) -> Duration {
        if self.is_settled() { STAYS } else { STAYS_ALONE }
    }

    /// Most samples that this node may tell in an interval.
    fn most_samples(&self) -> usize {
        (MAX_SAMPLES / (self.peers.len() + 1)).max(1)
    }
}

/// The digest of what a vantage point tells. It is the same in every version.
pub(super) fn digest(rtts: &VantageRtts) -> u64 {
    let mut hasher = SipHasher24::new();
    if let Some(country) = rtts.country() {
        hasher.write(country.as_str().as_bytes());
    }
    hasher.write_u8(0xff);
    if let Some(coordinates) = rtts.coordinates() {
        hasher.write(&coordinates.latitude().to_bits().to_be_bytes());
        hasher.write(&coordinates.longitude().to_bits().to_be_bytes());
    }
    for (datacenter, rtt) in rtts.rtts() {
        hasher.write(&(datacenter.len() as u64).to_be_bytes());
        hasher.write(datacenter.as_bytes());
        hasher.write(&rtt.to_tenths().to_be_bytes());
    }
    hasher.finish()
}
