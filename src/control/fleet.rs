//! This node in its fleet: what its probes see goes out, and what the vantage points agree on comes in.
//!
//! Control drives the state machine of [`Vantages`]. Its own observations enter it in [`Control::sight`], the messages of
//! others in [`Control::hear_fleet`]. After each event the targets whose verdict may have changed are decided anew.
//!
//! ```text
//!   fleet     the connection, and what is due     agreement  from opinions to states
//!   identity  what this node runs                 duties     what it probes, and what others probe
//!   orders    what operators say anywhere         survey     for display
//!   zones     the version of the zones
//! ```

mod agreement;
mod duties;
mod identity;
mod orders;
mod survey;
mod zones;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::{Control, Effect};
use crate::counters::NodeCounters;
use crate::health::{Identity, KeptAgreement, Opinion, Outcome, State, Target, ZonesSight};
use crate::latency::{Sample, VantageRtts};
use crate::ledger::{self, Book, Ledger, LedgerNews};
use crate::vantage::{Body, FleetEvent, Ignored, Letter, Me, News, QuestionId, Vantages};
use crate::watch::TargetId;

pub use zones::{Proposed, ProposedReply, ZonesNews};

/// Something about the fleet that operators are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FleetTurn {
    /// The node is connected to this server.
    Connected(Box<str>),
    /// The connection is lost, or cannot be made, for this reason.
    Disconnected(Box<str>),
    /// Something about other nodes.
    News(News),
    /// Something about the orders that the fleet shares.
    Orders(LedgerNews),
    /// Something about the version of the zones.
    Zones(ZonesNews),
}

/// The opinion of this node's own probes changed, and answers do not follow it.
#[derive(Clone, Debug)]
pub struct Overruled {
    /// The target.
    pub target: Arc<Target>,
    /// The state that the node's own probes found.
    pub own: State,
    /// The last outcome.
    pub seen: Outcome,
    /// The opinions of the vantage points, as a sentence.
    pub witnesses: Box<str>,
}

/// The connection to the others.
#[derive(Debug)]
struct Link {
    is_up: bool,
    /// The server, or why there is no connection.
    text: Box<str>,
    since: Duration,
}

/// This node's part in its fleet.
#[derive(Debug)]
pub(super) struct Fleet {
    vantages: Vantages,
    link: Link,
    counters: Arc<NodeCounters>,
    /// The targets that ask each question. They differ in the times of their monitors only.
    questions: BTreeMap<QuestionId, Vec<TargetId>>,
    /// The agreements before this process began, by the target's fingerprint. They count until the process has agreed
    /// with others, or there was time for it.
    recalled: HashMap<u128, Opinion>,
    /// When the agreements are written to the state folder again.
    confirm_at: Duration,
    /// The orders of the fleet; `None` if this node reads none.
    ledger: Option<Ledger>,
    /// Number of words on TXT records and leases that were taken in.
    words: u64,
    /// Those who wait for the decisions about versions of the zones that they proposed.
    proposed: VecDeque<ProposedReply>,
    /// The identity of this node that the others were told last.
    identity: Option<Identity>,
    /// True if the serials of this node or of another one may have changed.
    compares_serials: bool,
    /// The version of the zones that this node serves; `None` if it does not take any from the fleet.
    zones: Option<ZonesSight>,
}

impl Fleet {
    /// Takes in round trips that clients pushed to this node.
    pub(super) fn push(&mut self, samples: Vec<Sample>) {
        self.counters.fleet.pushed_samples.fetch_add(samples.len() as u64, Relaxed);
        self.vantages.push(samples);
        self.counters.fleet.thinned_samples.fetch_add(self.vantages.take_thinned(), Relaxed);
    }

    /// Round trips that clients pushed to other nodes.
    pub(super) fn take_samples(&mut self) -> Vec<Sample> {
        let samples = self.vantages.take_samples();
        self.counters.fleet.heard_samples.fetch_add(samples.len() as u64, Relaxed);
        samples
    }

    /// Takes in the round trips of this node's probes.
    pub(super) fn measure(&mut self, rtts: VantageRtts, now: Duration) {
        self.vantages.measure(rtts, now);
    }

    /// The round trips of all vantage points, if they changed.
    pub(super) fn take_matrix(&mut self) -> Option<Vec<(Arc<str>, Arc<VantageRtts>)>> {
        self.vantages.take_matrix()
    }

    /// The orders of the fleet; `None` if this node reads none.
    pub(super) fn sleep(&mut self, pause: Duration) {
        self.vantages.sleep(pause);
    }

    pub(super) fn ledger(&self) -> Option<&Ledger> {
        self.ledger.as_ref()
    }

    fn count_nodes(&self) {
        let counters = &self.counters.fleet;
        counters.peers.store(self.vantages.peers() as u64, Relaxed);
        counters.uncounted.store(self.vantages.uncounted() as u64, Relaxed);
    }
}

impl Control {
    /// Makes this node part of a fleet. A later run of the process has a greater `incarnation`. With `takes_zones` it serves the
    /// versions of the zones that are pushed to the fleet.
    pub fn join(&mut self, me: Me, incarnation: u64, takes_zones: bool, counters: Arc<NodeCounters>) {
        counters.fleet.is_on.store(true, Relaxed);
        let link = Link { is_up: false, text: "not connected yet".into(), since: Duration::ZERO };
        self.overrides.set_tag(ledger::tag(&me.node));
        let reads = Book::read_by(me.observes, takes_zones);
        let ledger = (!reads.is_empty()).then(|| Ledger::new(me.node.clone(), incarnation, reads));
        self.fleet = Some(Fleet {
            vantages: Vantages::new(me, incarnation),
            link,
            counters,
            questions: BTreeMap::new(),
            recalled: HashMap::new(),
            confirm_at: Duration::ZERO,
            ledger,
            words: 0,
            proposed: VecDeque::new(),
            identity: None,
            compares_serials: false,
            zones: takes_zones.then(ZonesSight::default),
        });
    }

    /// Takes in what the fleet had agreed on when the last run ended.
    pub(super) fn recall(&mut self, kept: HashMap<u128, KeptAgreement>, now: Duration) {
        let recalled = self.keeping.restore_agreements(kept, now);
        if let Some(fleet) = &mut self.fleet {
            fleet.recalled = recalled;
        }
    }

    /// Lets what others see count from now on if it is time: before a configuration is served for which that matters.
    pub(super) fn settle_fleet(&mut self, now: Duration) {
        if let Some(fleet) = &mut self.fleet {
            fleet.vantages.settle(now);
        }
    }

    /// True if nothing is known of what the fleet agreed on, and it is about to be heard.
    pub(super) fn awaits_fleet(&self, now: Duration) -> bool {
        self.fleet.as_ref().is_some_and(|fleet| fleet.recalled.is_empty() && fleet.vantages.expects_others(now))
    }

    /// True if it is known what the fleet had agreed on about a target when the last run ended: others may have probed it.
    pub(super) fn is_recalled(&self, target: TargetId) -> bool {
        let (Some(fleet), Some(watched)) = (&self.fleet, self.watch.target(target)) else { return false };
        fleet.recalled.contains_key(&watched.fingerprint())
    }

    /// When the fleet has something to do by itself.
    pub(super) fn fleet_wakes_at(&self) -> Option<Duration> {
        let fleet = self.fleet.as_ref()?;
        let confirm_at = fleet.vantages.is_settled().then_some(fleet.confirm_at);
        let resend_at = fleet.ledger.as_ref().and_then(Ledger::wake_at);
        [fleet.vantages.wake_at(self.now.elapsed), confirm_at, resend_at].into_iter().flatten().min()
    }

    /// Takes in an event of the connection.
    pub(super) fn hear_fleet(&mut self, event: FleetEvent, now: Duration, effects: &mut Vec<Effect>) {
        let Some(fleet) = &mut self.fleet else { return };
        let counters = &fleet.counters.fleet;
        match event {
            FleetEvent::Connected(server) => {
                counters.is_connected.store(true, Relaxed);
                fleet.vantages.connect(now);
                fleet.link = Link { is_up: true, text: server.clone(), since: now };
                effects.push(Effect::FleetTurn(FleetTurn::Connected(server)));
            }
            FleetEvent::Disconnected(why) => {
                counters.is_connected.store(false, Relaxed);
                counters.is_sharing.store(false, Relaxed);
                fleet.vantages.disconnect();
                if let Some(ledger) = &mut fleet.ledger {
                    ledger.disconnect();
                }
                let since = if fleet.link.is_up || fleet.link.since.is_zero() { now } else { fleet.link.since };
                fleet.link = Link { is_up: false, text: why.clone(), since };
                effects.push(Effect::FleetTurn(FleetTurn::Disconnected(why)));
            }
            FleetEvent::Heard(from, message) => {
                fleet.compares_serials |= matches!(message.body, Body::Identity(_));
                let ignored = fleet.vantages.hear(&from, *message, now, self.now.wall).err();
                match ignored {
                    Some(Ignored::TooMuch) => _ = counters.excessive.fetch_add(1, Relaxed),
                    Some(Ignored::OwnName | Ignored::TooMany | Ignored::Unknown) => {
                        counters.foreign.fetch_add(1, Relaxed);
                    }
                    Some(Ignored::Stale) => _ = counters.stale.fetch_add(1, Relaxed),
                    None => {}
                }
            }
        }
    }

    /// Decides what may have changed, and sends what is due.
    pub(super) fn advance_fleet(&mut self, now: Duration, effects: &mut Vec<Effect>) {
        self.share_latency(now);
        let doubts = self.watch.held_until().is_some();
        let wall = self.now.wall;
        let Some(fleet) = &mut self.fleet else { return };
        fleet.vantages.doubt(doubts, now);
        let letters = fleet.vantages.advance(now, wall);
        if !letters.is_empty() {
            effects.push(Effect::Letters(letters));
        }
        let news = fleet.vantages.take_news();
        if !news.is_empty() {
            fleet.count_nodes();
        }
        effects.extend(news.into_iter().map(|news| Effect::FleetTurn(FleetTurn::News(news))));
        self.agree(now, effects);
        // Targets that change hands keep the state that is agreed on: those that other nodes probe from now on, and those
        // that this node begins to probe.
        if self.follow_duties(now) {
            self.agree(now, effects);
        }
        self.confirm_agreements(now);
        self.compare_serials(effects);
    }

    /// The last message, so that the others do not wait for this node.
    pub(super) fn farewell(&mut self) -> Option<Letter> {
        let wall = self.now.wall;
        self.fleet.as_mut()?.vantages.farewell(wall)
    }
}
