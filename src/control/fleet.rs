//! This node in its fleet: what its probes see goes out, and what the vantage points agree on comes in.
//!
//! Control drives the state machine of [`Vantages`]. Its own observations enter it in [`Control::sight`], the messages of
//! others in [`Control::hear_fleet`]. After each event the targets whose verdict may have changed are decided anew.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::{Control, Effect};
use crate::counters::NodeCounters;
use crate::health::{Agreement, FleetSurvey, Health, Means, Opinion, Outcome, Quorum, Share, State, Target, Weight};
use crate::vantage::{Changed, FleetEvent, Ignored, Letter, Me, News, Place, QuestionId, Vantages};
use crate::watch::{TargetId, Watched};

/// With more opinions than this, a survey leaves out those about targets that everybody sees up.
const MAX_SURVEYED: usize = 100_000;

/// Something about the fleet that operators are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FleetTurn {
    /// The node is connected to this server.
    Connected(Box<str>),
    /// The connection is lost, or cannot be made, for this reason.
    Disconnected(Box<str>),
    /// Something about other nodes.
    News(News),
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
}

impl Fleet {
    fn count_nodes(&self) {
        let counters = &self.counters.fleet;
        counters.peers.store(self.vantages.peers() as u64, Relaxed);
        counters.uncounted.store(self.vantages.uncounted() as u64, Relaxed);
    }
}

impl Control {
    /// Makes this node part of a fleet. A later run of the process has a greater `incarnation`.
    pub fn join(&mut self, me: Me, incarnation: u64, counters: Arc<NodeCounters>) {
        counters.fleet.is_on.store(true, Relaxed);
        let link = Link { is_up: false, text: "not connected yet".into(), since: Duration::ZERO };
        self.fleet =
            Some(Fleet { vantages: Vantages::new(me, incarnation), link, counters, questions: BTreeMap::new() });
    }

    /// When the fleet has something to do by itself.
    pub(super) fn fleet_wakes_at(&self) -> Option<Duration> {
        self.fleet.as_ref()?.vantages.wake_at()
    }

    /// Sets the questions of the world that is served from now on, and what its probes have seen so far.
    pub(super) fn adopt_fleet(&mut self, now: Duration) {
        let (Some(fleet), Some(serving)) = (&mut self.fleet, &self.serving) else { return };
        let mut places: HashMap<QuestionId, Place> = HashMap::new();
        fleet.questions.clear();
        for id in serving.dependents.targets() {
            let Some(watched) = self.watch.target(id).filter(|watched| is_shared(watched)) else { continue };
            let question = QuestionId(watched.question());
            let place = places.entry(question).or_default();
            place.address = Some(watched.target().address.ip());
            for datacenter in serving.datacenters(id) {
                if !place.datacenters.contains(&datacenter) {
                    place.datacenters.push(datacenter);
                }
            }
            fleet.questions.entry(question).or_default().push(id);
        }
        fleet.vantages.set_places(places, now);
        let targets: Vec<TargetId> = serving.dependents.targets().collect();
        for target in targets {
            let seen = self.last_probes.get(target).and_then(|last_probe| last_probe.seen.clone());
            if let Some((seen, _)) = seen {
                self.sight(target, &seen, now);
            }
        }
    }

    /// Tells the fleet the state that this node's own probes confirmed. Of several targets with the same question the
    /// worst state counts.
    pub(super) fn sight(&mut self, target: TargetId, seen: &Outcome, now: Duration) {
        let (Some(fleet), Some(watched)) = (&mut self.fleet, self.watch.target(target)) else { return };
        let question = QuestionId(watched.question());
        let Some(targets) = fleet.questions.get(&question) else { return };
        let known = targets.iter().map(|&id| self.watch.health(id)).filter(|health| health.state() != State::Unknown);
        let Some(opinion) = known.map(Health::share).min() else { return };
        let took = match seen {
            Outcome::Success(finding) => Some(finding.took),
            Outcome::Failure(_) => None,
        };
        fleet.vantages.see(question, opinion, took, now);
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
                fleet.vantages.disconnect();
                let since = if fleet.link.is_up || fleet.link.since.is_zero() { now } else { fleet.link.since };
                fleet.link = Link { is_up: false, text: why.clone(), since };
                effects.push(Effect::FleetTurn(FleetTurn::Disconnected(why)));
            }
            FleetEvent::Heard(from, message) => {
                let ignored = fleet.vantages.hear(&from, message, now, self.now.wall).err();
                match ignored {
                    Some(Ignored::OwnName | Ignored::TooMany) => _ = counters.foreign.fetch_add(1, Relaxed),
                    Some(Ignored::Stale) => _ = counters.stale.fetch_add(1, Relaxed),
                    None => {}
                }
            }
        }
    }

    /// Decides what may have changed, and sends what is due.
    pub(super) fn advance_fleet(&mut self, now: Duration, effects: &mut Vec<Effect>) {
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
    }

    /// Follows what the vantage points agree on.
    pub(super) fn agree(&mut self, now: Duration, effects: &mut Vec<Effect>) {
        let (Some(fleet), Some(serving)) = (&mut self.fleet, &self.serving) else { return };
        let of_fleet = serving.snapshot.world().probing.quorum;
        let changed = fleet.vantages.take_changed();
        if changed.is_empty() {
            return;
        }
        let ids: Vec<QuestionId> = match changed {
            Changed::Some(mut ids) => {
                ids.sort_unstable();
                ids.dedup();
                ids.retain(|id| fleet.questions.contains_key(id));
                ids
            }
            Changed::All => fleet.questions.keys().copied().collect(),
        };
        let opinions = fleet.vantages.opinions(&ids);
        let targets: Vec<(usize, TargetId)> = (ids.iter().enumerate())
            .flat_map(|(place, id)| fleet.questions[id].iter().map(move |&target| (place, target)))
            .collect();
        for (place, target) in targets {
            let Some(watched) = self.watch.target(target) else { continue };
            let verdict = quorum(watched, of_fleet).agree(&mut opinions[place].clone());
            let from = self.watch.decided(target);
            if !self.watch.agree(target, verdict, now) {
                continue;
            }
            let to = self.watch.decided(target);
            if let Some(serving) = &mut self.serving {
                serving.dirty.pools.extend(serving.dependents.pools(target));
                serving.publish_at.get_or_insert(now + super::PUBLISH_WINDOW);
            }
            let seen = self.last_probes.get(target).and_then(|last_probe| last_probe.seen.clone());
            if let Some((seen, _)) = seen.filter(|_| from.state() != to.state()) {
                self.turn(target, [from.state(), to.state()], &seen, now, effects);
            }
        }
        if let Some(fleet) = &self.fleet {
            fleet.count_nodes();
            fleet.counters.fleet.overruled.store(self.watch.overruled() as u64, Relaxed);
        }
    }

    /// Returns the opinions of the vantage points on a target, as a sentence. `None` if this node decides about it alone.
    pub(super) fn opinions(&self, target: TargetId) -> Option<Box<str>> {
        let fleet = self.fleet.as_ref()?;
        self.watch.agreed_since(target)?;
        let witnesses = fleet.vantages.witnesses(QuestionId(self.watch.target(target)?.question()));
        Some(crate::health::Opinions(&witnesses).to_string().into())
    }

    /// The last message, so that the others do not wait for this node.
    pub(super) fn farewell(&mut self) -> Option<Letter> {
        let wall = self.now.wall;
        self.fleet.as_mut()?.vantages.farewell(wall)
    }

    /// This node's place in its fleet, on control's clock.
    pub(super) fn fleet_survey(&self) -> Option<FleetSurvey> {
        let fleet = self.fleet.as_ref()?;
        Some(FleetSurvey {
            node: fleet.vantages.me().node.shared(),
            is_connected: fleet.link.is_up,
            link: fleet.link.text.clone(),
            since: fleet.link.since,
            vantage_points: fleet.vantages.vantage_points(),
            overruled: self.watch.overruled(),
        })
    }

    /// Returns the agreement of the vantage points on each target about which this node does not decide alone.
    pub(super) fn agreements(&self) -> HashMap<Arc<Target>, Agreement> {
        let (Some(fleet), Some(serving)) = (&self.fleet, &self.serving) else { return HashMap::new() };
        let of_fleet = serving.snapshot.world().probing.quorum;
        let ids: Vec<QuestionId> = fleet.questions.keys().copied().collect();
        let is_large = ids.len() * (fleet.vantages.peers() + 1) > MAX_SURVEYED;
        let told: Vec<QuestionId> = if is_large {
            let is_of_note = |opinions: &Vec<Opinion>| opinions.iter().any(|opinion| *opinion != Some(Share::FULL));
            let opinions = fleet.vantages.opinions(&ids);
            ids.into_iter().zip(opinions).filter(|(_, opinions)| is_of_note(opinions)).map(|(id, _)| id).collect()
        } else {
            ids
        };
        let agreement = |(question, target): (QuestionId, TargetId)| {
            let watched = self.watch.target(target)?;
            let agreed = self.watch.agreed_since(target)?;
            let witnesses = fleet.vantages.witnesses(question);
            let counted = witnesses.iter().filter(|it| it.weight == Weight::Counts).count();
            let health = self.watch.decided(target);
            let own = self.last_probes.get(target).filter(|own| own.health.state() == health.state());
            let agreement = Agreement {
                health,
                since: own.map_or(agreed, |own| own.since),
                needed: quorum(watched, of_fleet).of(counted),
                witnesses,
            };
            Some((watched.target().clone(), agreement))
        };
        let targets = told.into_iter().flat_map(|id| fleet.questions[&id].iter().map(move |&target| (id, target)));
        targets.filter_map(agreement).collect()
    }
}

/// The quorum for a target.
fn quorum(watched: &Watched, of_fleet: Quorum) -> Quorum {
    watched.target().monitor.quorum.unwrap_or(of_fleet)
}

/// True if vantage points agree about a target. Reports come to one node, so the others' silence says nothing.
fn is_shared(watched: &Watched) -> bool {
    watched.target().means() != Means::Reports
}
