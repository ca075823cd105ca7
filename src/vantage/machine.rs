//! The state machine of one node.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Duration;

use super::company::Company;
use super::latency::Latencies;
use super::message::{Body, Letter, Message, Report};
use super::peer::{Changed, Peer};
use super::reported::Reports;
use super::sharing::{MATURES_AFTER, Sharing};
use super::{MAX_PEERS, News, NodeName, QuestionId, Row, Table};
use crate::geo::DatacenterId;
use crate::health::{Identity, Opinion};

/// Changes within this time are told together.
const TELL_WINDOW: Duration = Duration::from_millis(10);

/// Most names in one question for all rows.
const MAX_ASKED: usize = 256;

/// This node in its fleet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Me {
    /// Its name, which no other node has.
    pub node: NodeName,
    /// Where it stands: a datacenter, or coordinates.
    pub site: Box<str>,
    /// Longest time between two of its reports.
    pub interval: Duration,
    /// True if it only observes, and answers nothing.
    pub observes: bool,
}

/// Where the endpoint of a question is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Its address.
    pub address: Option<IpAddr>,
    /// The datacenters of its pools.
    pub datacenters: Vec<DatacenterId>,
    /// How many nodes probe it; `None` if all do.
    pub vantages: Option<NonZeroU16>,
}

/// Why a message was ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ignored {
    /// It has this node's own name.
    OwnName,
    /// It is older than another one that came, or came twice.
    Stale,
    /// More nodes are heard than there may be.
    TooMany,
    /// No report of its sender came before.
    Unknown,
    /// Its sender sends more than a node may.
    TooMuch,
}

/// This node as a vantage point.
#[derive(Debug, Default)]
pub(super) struct Own {
    pub(super) table: Table,
    /// True if it distrusts its probes.
    pub(super) doubts: bool,
    /// True if it sees everything down, and others do not.
    pub(super) is_discounted: bool,
}

/// The fleet, as far as this node knows it.
#[derive(Debug)]
pub struct Vantages {
    pub(super) me: Me,
    pub(super) incarnation: u64,
    pub(super) sequence: u64,
    /// The observations of its own probes.
    pub(super) own: Own,
    pub(super) places: HashMap<QuestionId, Place>,
    pub(super) peers: BTreeMap<NodeName, Peer>,
    is_linked: bool,
    company: Company,
    pub(super) report_at: Duration,
    /// The last row of the last regular report.
    pub(super) told_up_to: Option<QuestionId>,
    pub(super) untold: BTreeSet<QuestionId>,
    /// The software and the configuration of this node; `None` while it serves nothing yet.
    pub(super) identity: Option<Arc<Identity>>,
    /// The same, until all others have been told.
    pub(super) untold_identity: Option<Arc<Identity>>,
    tell_at: Option<Duration>,
    /// When time was last let pass.
    advanced: Duration,
    to_ask: BTreeSet<NodeName>,
    pub(super) to_answer: BTreeSet<NodeName>,
    /// Nodes that got all rows are not answered again before this time.
    pub(super) answered_until: BTreeMap<NodeName, Duration>,
    /// No node is to be forgotten before this time.
    forget_from: Option<Duration>,
    is_name_taken: bool,
    /// True if all other nodes fell silent.
    is_alone: bool,
    pub(super) sharing: Sharing,
    pub(super) latencies: Latencies,
    pub(super) reports: Reports,
    pub(super) changed: Changed,
    pub(super) news: Vec<News>,
}

impl Vantages {
    /// A node without a link to the others. A later run of the process has a greater `incarnation`.
    pub fn new(me: Me, incarnation: u64) -> Self {
        Self {
            me,
            incarnation,
            sequence: 0,
            own: Own::default(),
            places: HashMap::new(),
            peers: BTreeMap::new(),
            is_linked: false,
            company: Company::default(),
            report_at: Duration::ZERO,
            told_up_to: None,
            untold: BTreeSet::new(),
            identity: None,
            untold_identity: None,
            tell_at: None,
            advanced: Duration::ZERO,
            to_ask: BTreeSet::new(),
            to_answer: BTreeSet::new(),
            answered_until: BTreeMap::new(),
            forget_from: None,
            is_name_taken: false,
            is_alone: false,
            sharing: Sharing::default(),
            latencies: Latencies::default(),
            reports: Reports::default(),
            changed: Changed::default(),
            news: Vec::new(),
        }
    }

    /// This node in its fleet.
    pub fn me(&self) -> &Me {
        &self.me
    }

    /// Sets the questions that this node asks from now on, and where their endpoints are. Rows of others are forgotten.
    pub fn set_places(&mut self, places: HashMap<QuestionId, Place>, now: Duration) {
        self.company.begin(now, self.me.interval);
        self.places = places;
        let gone: Vec<_> = self.own.table.iter().map(|(id, _)| id).filter(|id| !self.places.contains_key(id)).collect();
        for id in gone {
            self.own.table.remove(id);
            self.tell(id, now);
        }
        self.changed = Changed::All;
        self.set_shared();
        self.weigh();
        self.share(now);
    }

    /// Takes in what the probes of this node see: the confirmed state, how long the last probe took if it succeeded, and
    /// when it ended.
    pub fn see(&mut self, id: QuestionId, opinion: Opinion, took: Option<Duration>, seen: Duration, now: Duration) {
        if !self.sharing.is_told(id) {
            return;
        }
        let before = self.own.table.get(id).copied();
        let same = before.filter(|before| before.opinion == opinion);
        let turned = same.map_or(now, |before| before.turned);
        let took = took.or(before.and_then(|before| before.took));
        if self.own.table.put(id, Row { opinion, turned, seen, took }) {
            self.tell(id, now);
            self.changed.add(Changed::Some(vec![id]));
            self.weigh();
        }
    }

    /// Takes in whether this node distrusts its own probes.
    pub fn doubt(&mut self, doubts: bool, now: Duration) {
        if std::mem::replace(&mut self.own.doubts, doubts) != doubts {
            self.changed = Changed::All;
            self.tell_at.get_or_insert(now);
            self.weigh();
        }
    }

    /// Takes in what this node runs from now on.
    pub fn identify(&mut self, identity: Identity, now: Duration) {
        if self.identity.as_deref() != Some(&identity) {
            self.identity = Some(Arc::new(identity));
            self.untold_identity.clone_from(&self.identity);
            self.tell_at.get_or_insert(now + TELL_WINDOW);
        }
    }

    /// Takes in that messages can be sent and heard from now on.
    pub fn connect(&mut self, now: Duration) {
        self.untold_identity.clone_from(&self.identity);
        self.relink_latencies();
        self.is_linked = true;
        self.report_at = now;
        self.company.connect(now, self.me.interval);
        // Nobody could be heard in the meantime.
        self.peers.values_mut().for_each(|peer| peer.heard = now);
    }

    /// Takes in that the process was stopped for this long. Nobody could be heard during the pause, so the pause does not count
    /// as silence.
    pub fn sleep(&mut self, pause: Duration) {
        self.peers.values_mut().for_each(|peer| peer.heard += pause);
    }

    /// Takes in that messages can neither be sent nor heard.
    pub fn disconnect(&mut self) {
        self.is_linked = false;
        self.relink_latencies();
        self.company.disconnect();
        self.to_ask.clear();
        self.to_answer.clear();
    }

    /// Takes in a message of another node.
    pub fn hear(&mut self, from: &NodeName, message: Message, now: Duration, wall: Duration) -> Result<(), Ignored> {
        if *from == self.me.node {
            // A message of this process may come back late.
            if message.incarnation != self.incarnation && !std::mem::replace(&mut self.is_name_taken, true) {
                self.news.push(News::NameTaken(from.clone()));
            }
            return Err(Ignored::OwnName);
        }
        match message.body {
            Body::Ask(ref asked) => {
                if asked.contains(&self.me.node) && self.answered_until.get(from).is_none_or(|until| *until <= now) {
                    self.to_answer.insert(from.clone());
                }
                Ok(())
            }
            Body::Samples(_) => self.hear_samples(from, message, now),
            Body::Reported(_) => self.hear_reported(from, message, now),
            Body::Identity(_) | Body::Rtts(_) | Body::Report(_) => self.hear_of(from, message, now, wall),
        }
    }

    /// Takes in what a node says of itself.
    fn hear_of(&mut self, from: &NodeName, message: Message, now: Duration, wall: Duration) -> Result<(), Ignored> {
        let known = self.peers.get(from);
        if known.is_some_and(|peer| peer.is_stale(&message)) {
            return Err(Ignored::Stale);
        }
        if known.is_none() && self.peers.len() >= MAX_PEERS {
            return Err(Ignored::TooMany);
        }
        let is_last = matches!(&message.body, Body::Report(report) if report.leaves);
        if is_last {
            // It counts until it would be silent: most nodes that stop are restarted.
            if let Some(peer) = self.peers.get_mut(from) {
                peer.leave(&message, now);
                self.sharing.is_stale = true;
                self.news.push(News::Left(from.clone()));
            }
            return Ok(());
        }
        self.meet(from, &message, now);
        let Some(peer) = self.peers.get_mut(from) else { return Ok(()) };
        self.forget_from = self.forget_from.into_iter().chain([peer.forget_at()]).min();
        if peer.hear(&message, now, wall) {
            let milliseconds = peer.skew.milliseconds().unwrap_or_default();
            self.news.push(if peer.skew.is_wrong() {
                News::WrongClock(from.clone(), milliseconds)
            } else {
                News::RightClock(from.clone())
            });
        }
        if let Body::Identity(identity) = message.body {
            peer.identify(identity);
        } else if let Body::Rtts(rtts) = message.body {
            self.hear_rtts(from, rtts);
        } else if let Body::Report(report) = message.body {
            let rtts = self.latencies.digest_of(from);
            let is_part = report.part.is_some_and(|part| part.number + 1 < part.of);
            let is_other = peer.parts != report.parts || peer.site != report.site;
            let changed = peer.take_in(report, now);
            // It may be another candidate than before.
            self.sharing.is_stale |= is_other || changed == Changed::All;
            self.changed.add(changed.clone());
            if !is_part && peer.is_to_ask(rtts, self.me.interval, now) {
                self.to_ask.insert(from.clone());
            }
            if !changed.is_empty() {
                self.weigh();
            }
        }
        self.share(now);
        Ok(())
    }

    /// Takes in that a node is heard: for the first time, in a new run, or as before.
    fn meet(&mut self, from: &NodeName, message: &Message, now: Duration) {
        match self.peers.get_mut(from) {
            None => {
                self.peers.insert(from.clone(), Peer::new(message.incarnation, now));
                self.mature(from, now);
                self.news.push(News::Heard(from.clone()));
                if std::mem::take(&mut self.is_alone) {
                    self.news.push(News::Together(from.clone()));
                }
                self.company.meet(now, self.me.interval);
                // The newcomer hears this node at once, and need not wait for its next report.
                self.tell_at.get_or_insert(now + TELL_WINDOW);
            }
            Some(peer) if peer.is_restarted(message) => {
                if peer.restart(message.incarnation) {
                    self.news.push(News::Heard(from.clone()));
                }
                self.tell_at.get_or_insert(now + TELL_WINDOW);
                self.mature(from, now);
            }
            Some(_) => {}
        }
    }

    /// Sets when a node that is heard anew gets endpoints to probe: with all others that are heard meanwhile, or later.
    fn mature(&mut self, node: &NodeName, now: Duration) {
        let time = if self.is_settled() { self.me.interval * MATURES_AFTER } else { Duration::ZERO };
        if let Some(peer) = self.peers.get_mut(node) {
            peer.matures_at = now + time;
        }
        self.sharing.is_stale = true;
    }

    /// When to call [`advance`](Self::advance) if nothing happens before.
    pub fn wake_at(&self, now: Duration) -> Option<Duration> {
        let settles_at = self.company.wake_at(now);
        let report_at = self.is_linked.then_some(self.report_at);
        let tell_at = self.tell_at.filter(|_| self.is_linked);
        let pass_at = self.reports.due().filter(|_| self.is_linked);
        let times =
            [pass_at, settles_at, self.forget_from, report_at, tell_at, self.matures_at(now), self.latencies_age_at()];
        times.into_iter().flatten().min()
    }

    /// Lets the opinions of others count from now on if it is time.
    pub fn settle(&mut self, now: Duration) {
        if self.company.advance(now) {
            self.changed = Changed::All;
            self.sharing.is_stale = true;
        }
    }

    /// Lets time pass. Returns the messages to send.
    pub fn advance(&mut self, now: Duration, wall: Duration) -> Vec<Letter> {
        if self.forget_from.is_some_and(|from| from <= now) {
            if self.peers.values().any(|peer| peer.forget_at() <= now) {
                self.forget_silent(now);
            }
            self.forget_from = self.peers.values().map(Peer::forget_at).min();
        }
        self.settle(now);
        self.sharing.is_stale |=
            self.peers.values().any(|peer| peer.matures_at > self.advanced && peer.matures_at <= now);
        self.advanced = now;
        self.age_latencies(now);
        self.share(now);
        let mut letters = Vec::new();
        if !self.is_linked {
            return letters;
        }
        if self.tell_at.take_if(|at| *at <= now).is_some() || self.report_at <= now {
            self.tell_at = None;
            self.report(now, wall, &mut letters);
        }
        let mut asked: Vec<_> = std::mem::take(&mut self.to_ask).into_iter().collect();
        while !asked.is_empty() {
            let rest = asked.split_off(asked.len().min(MAX_ASKED));
            let message = self.message(Body::Ask(std::mem::replace(&mut asked, rest)), wall);
            letters.push(Letter { to: None, message });
        }
        self.answer(now, wall, &mut letters);
        self.tell_reported(now, wall, &mut letters);
        letters
    }

    /// The last message, after which the others no longer count on this node; `None` without a link.
    pub fn farewell(&mut self, wall: Duration) -> Option<Letter> {
        let report = Report { leaves: true, ..self.bare_report() };
        self.is_linked.then(|| Letter { to: None, message: self.message(Body::Report(report), wall) })
    }

    /// The questions whose verdict may have changed since the last call.
    pub fn take_changed(&mut self) -> Changed {
        std::mem::take(&mut self.changed)
    }

    /// Returns the news for operators since the last call.
    pub fn take_news(&mut self) -> Vec<News> {
        std::mem::take(&mut self.news)
    }

    /// True if the opinions of others count by now.
    pub fn is_settled(&self) -> bool {
        self.company.is_settled()
    }

    /// True if this process has not agreed with others yet, and may still come to: what the fleet agreed before stands.
    pub fn is_arriving(&self) -> bool {
        self.company.is_arriving()
    }

    /// True if this process is about to hear others for the first time.
    pub fn expects_others(&self, now: Duration) -> bool {
        self.company.expects_others(now)
    }

    pub(super) fn tell(&mut self, id: QuestionId, now: Duration) {
        self.untold.insert(id);
        self.tell_soon(now);
    }

    /// Reports soon, together with other changes.
    pub(super) fn tell_soon(&mut self, now: Duration) {
        self.tell_at.get_or_insert(now + TELL_WINDOW);
    }

    pub(super) fn is_linked(&self) -> bool {
        self.is_linked
    }

    /// Forgets all nodes that are silent.
    fn forget_silent(&mut self, now: Duration) {
        let is_silent = |(_, peer): &(&NodeName, &Peer)| peer.is_silent(now);
        let silent: Vec<NodeName> = self.peers.iter().filter(is_silent).map(|(node, _)| node.clone()).collect();
        let lost: Vec<Peer> = silent.iter().filter_map(|node| self.peers.remove(node)).collect();
        self.sharing.is_stale = true;
        if self.peers.is_empty() {
            self.is_alone = true;
            self.company.part();
            self.changed = Changed::All;
            self.news.push(News::Alone(silent));
        } else {
            // Those that said that they stop were told of then.
            let told = silent.into_iter().zip(&lost).filter(|(_, peer)| peer.left.is_none());
            self.news.extend(told.map(|(node, _)| News::Silent(node)));
        }
        for peer in &lost {
            self.changed.add(Changed::Some(peer.table.iter().map(|(id, _)| id).collect()));
        }
        self.weigh();
    }
}
