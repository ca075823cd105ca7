//! The orders of the fleet in control: those that are given here go out, and those of others count here too.
//!
//! Overrides and roll-outs belong to control. TXT records, leases and the version of the zones belong to the loop that reads
//! the configuration: what is ordered there comes as [`Event::Say`](crate::control::Event::Say), and what others order goes there as
//! [`Effect::Follow`].

use std::collections::BTreeMap;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::FleetTurn;
use crate::control::overrides::known_world;
use crate::control::{Control, Effect, Shared};
use crate::ledger::{
    Content, Follow, Followed, KeptLedger, Ledger, LedgerNews, Matter, Origin, Saying, StreamEvent, TargetOrders,
    Unfit, Word,
};
use crate::overrides::{Change, Override, TargetPattern};
use crate::vantage::Reported;

impl Control {
    /// The operator as all nodes name him: with this node, if it has a fleet.
    pub(in crate::control) fn signed(&self, who: Box<str>) -> Box<str> {
        match &self.fleet {
            Some(fleet) if who.is_empty() => format!("somebody at {}", fleet.vantages.me().node).into(),
            Some(fleet) => format!("{who} at {}", fleet.vantages.me().node).into(),
            None => who,
        }
    }

    /// A wall-clock time as it is told to others: without what is below a millisecond.
    pub(in crate::control) fn told_time(&self, wall: Duration) -> Duration {
        if self.fleet.is_some() { Duration::from_millis(wall.as_millis() as u64) } else { wall }
    }

    /// Tells the fleet what is placed now on the targets of these changes, which `who` ordered. `opened` is a target that an
    /// order opened.
    pub(in crate::control) fn say_overrides(&mut self, changes: &[Change], opened: Option<&TargetPattern>, who: &str) {
        if self.fleet.is_none() {
            return;
        }
        let changed = changes.iter().map(|change| &change.item.order.target).chain(opened);
        let targets: BTreeMap<String, TargetPattern> =
            changed.map(|target| (target.to_string(), target.clone())).collect();
        let mut words = Vec::new();
        for target in targets.into_values() {
            let placed: Vec<Override> =
                self.overrides.placed().filter(|item| item.order.target == target).cloned().collect();
            let orders = TargetOrders { placed, opens: opened == Some(&target) };
            let content = (!orders.placed.is_empty() || orders.opens).then_some(Content::Target(orders));
            words.push(Word { matter: Matter::Target(target), content, who: who.into(), saying: Saying::Order });
        }
        self.say_all(words);
    }

    fn say_all(&mut self, words: Vec<Word>) {
        if let Some(ledger) = self.ledger() {
            for word in words {
                ledger.say(word);
            }
        }
    }

    /// Takes in words about TXT records and leases.
    pub(in crate::control) fn say(&mut self, words: Vec<Word>) {
        let Some(fleet) = &mut self.fleet else { return };
        fleet.words += words.len() as u64;
        self.say_all(words);
    }

    /// Takes in words from before this node had a fleet.
    pub(in crate::control) fn remind(&mut self, words: Vec<Word>) {
        if let Some(ledger) = self.ledger() {
            let unknown: Vec<Word> = words.into_iter().filter(|word| !ledger.knows(&word.matter)).collect();
            self.say_all(unknown);
        }
    }

    /// Takes in what the last run knew of the fleet's orders. Overrides that were placed before this node had a fleet are
    /// told to it.
    pub(in crate::control) fn restore_ledger(&mut self, kept: KeptLedger) {
        if let Some(ledger) = self.ledger() {
            ledger.restore(kept);
        }
        let mut by_target: BTreeMap<String, Vec<Override>> = BTreeMap::new();
        for item in self.overrides.placed() {
            by_target.entry(item.order.target.to_string()).or_default().push(item.clone());
        }
        let word = |placed: Vec<Override>| {
            let first = placed.first()?;
            let (matter, who) = (Matter::Target(first.order.target.clone()), first.order.who.clone());
            let content = Some(Content::Target(TargetOrders { placed, opens: false }));
            Some(Word { matter, content, who, saying: Saying::Order })
        };
        self.remind(by_target.into_values().filter_map(word).collect());
    }

    /// Passes a report that counts here on to the others.
    pub(in crate::control) fn pass_on(&mut self, reported: Reported, now: Duration) {
        if let Some(fleet) = &mut self.fleet {
            fleet.vantages.pass_on(reported, now);
            fleet.counters.fleet.lost.fetch_add(fleet.vantages.take_lost_reports(), Relaxed);
        }
    }

    /// Takes in the reports that others passed on.
    pub(in crate::control) fn hear_reports(&mut self, now: Duration, effects: &mut Vec<Effect>) {
        let Some(fleet) = &mut self.fleet else { return };
        for reported in fleet.vantages.take_reported() {
            // Those that mean nothing to this node's files count elsewhere.
            match reported {
                Reported::Push(push) => _ = self.take_in(&push, now, effects),
                Reported::Requests(requests) => self.count_requests(&requests, now),
            }
        }
    }

    /// Takes in an event of the streams.
    pub(in crate::control) fn hear_stream(&mut self, event: StreamEvent) {
        let Some(fleet) = &mut self.fleet else { return };
        let Some(ledger) = &mut fleet.ledger else { return };
        if let Err(Unfit::TooMany) = ledger.hear(event) {
            fleet.counters.fleet.foreign.fetch_add(1, Relaxed);
        }
    }

    /// Lets what others ordered count, and sends what is due.
    pub(in crate::control) fn advance_ledger(&mut self, now: Duration, effects: &mut Vec<Effect>) {
        let Some(ledger) = self.ledger() else { return };
        let follows = ledger.take_follows();
        let mut elsewhere = Vec::new();
        for follow in follows {
            match follow.matter {
                Matter::Target(_) => self.follow_target(follow, now, effects),
                Matter::Rollout(_) => self.follow_rollout(follow, now, effects),
                Matter::Txt(..) | Matter::Lease(..) | Matter::Zones => elsewhere.push(follow),
            }
        }
        if !elsewhere.is_empty() {
            let words = self.fleet.as_ref().map_or(0, |fleet| fleet.words);
            effects.push(Effect::Follow(Followed { follows: elsewhere, serials: Vec::new(), words }));
        }
        let Some(ledger) = self.ledger() else { return };
        let due = ledger.advance(now);
        if !due.is_empty() {
            effects.push(Effect::Submit(due));
        }
        let (news, rows, streams) = (ledger.take_news(), ledger.take_rows(), ledger.take_streams());
        // It counts all orders.
        let view = (!rows.is_empty() || !news.is_empty()).then(|| ledger.view());
        if !rows.is_empty() || !streams.is_empty() {
            // At once, with the overrides that follow from them: a crash must not keep one without the other.
            self.keeping.note_ledger(rows, streams);
            self.keeping.note(self.ramps.take_changed());
            effects.extend(self.keeping.take().map(|keep| Effect::Keep(keep.timed(self.now))));
        }
        effects.extend(news.into_iter().map(|news| Effect::FleetTurn(FleetTurn::Orders(news))));
        self.tell_decisions(effects);
        if let (Some(view), Some(fleet)) = (view, &self.fleet) {
            let counters = &fleet.counters.fleet;
            counters.is_sharing.store(view.is_shared, Relaxed);
            counters.orders.store(view.orders as u64, Relaxed);
            counters.waiting_orders.store(view.waiting as u64, Relaxed);
        }
    }

    /// Lets the overrides of a target be those that another node placed.
    fn follow_target(&mut self, follow: Follow, now: Duration, effects: &mut Vec<Effect>) {
        let Follow { matter: Matter::Target(target), content, origin, is_live } = follow else { return };
        let TargetOrders { placed, opens } = match content {
            Some(Content::Target(orders)) => orders,
            _ => TargetOrders::default(),
        };
        let world = known_world(self.serving.as_ref(), self.next.as_ref());
        if let (Some(world), Some(origin)) = (world, &origin)
            && !placed.is_empty()
            && world.find(&target).is_err()
        {
            let news = LedgerNews::Meaningless(Matter::Target(target.clone()), origin.clone());
            effects.push(Effect::FleetTurn(FleetTurn::Orders(news)));
        }
        let changes = self.overrides.follow(&target, placed, &Origin::shown(origin.as_ref()), self.now.wall);
        effects.extend(self.tell(changes));
        if opens && is_live {
            self.release(&target, now);
        }
    }

    /// Whether the last order is known to the fleet; `None` while its confirmation is on its way.
    pub(in crate::control) fn shared(&self) -> Option<Shared> {
        let ledger = self.fleet.as_ref().and_then(|fleet| fleet.ledger.as_ref());
        let Some(ledger) = ledger else { return Some(Shared::NoFleet) };
        match ledger.has_last_word() {
            Some(Ok(())) => Some(Shared::Yes),
            Some(Err(why)) => Some(Shared::No(why)),
            None if ledger.is_shared() => None,
            None => Some(Shared::No(ledger.view().why)),
        }
    }

    pub(in crate::control) fn ledger(&mut self) -> Option<&mut Ledger> {
        self.fleet.as_mut()?.ledger.as_mut()
    }
}
