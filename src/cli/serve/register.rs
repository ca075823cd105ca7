//! Registered endpoints of a running node: gives orders and time to the state machine of leases, and makes its endpoints a
//! part of what is served.
//!
//! A change of leases goes the way of a reload, from the blueprint on: a blueprint with other endpoints, prepared here and
//! adopted by control. That costs time in proportion to the size of the configuration. So changes are gathered, and a
//! publication is followed by a pause within [`SHORTEST_PAUSE`] and [`LONGEST_PAUSE`] that is [`PAUSES`] times as long as
//! it took. A renewal that changes nothing publishes nothing.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::{debug, info, warn};

use super::Node;
use crate::admin::{LeaseDone, LeaseOrder};
use crate::clock;
use crate::health::PoolKey;
use crate::lease::{Discovered, LeaseId, LeaseNews, LeaseRefusal, LeaseRow, LeaseWord, Leases, Saying};
use crate::ledger::{Content, Matter, Word};
use crate::printable::Printable;
use crate::report::{EventKind, Severity};
use crate::snapshot::Blueprint;
use crate::store::{Batch, LEASES, LeaseRecord, Store};

/// Bounds of the time from one publication of leases to the next. Answers follow a change within the longest.
const SHORTEST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Within these bounds a pause is this many times as long as the publication took, which then takes a tenth of the time.
const PAUSES: u32 = 9;

/// The leases of the node, and when they are published.
pub(super) struct Register {
    leases: Leases,
    /// The zero of the clock of leases.
    base: Instant,
    /// When changes are published that are not yet; `None` if there are none.
    publish_at: Option<Instant>,
    /// The earliest time of the next publication.
    not_before: Instant,
}

impl Register {
    /// Takes in the leases of an earlier run.
    pub(super) fn restore(store: &Store) -> Self {
        let now = Instant::now();
        let mut leases = Leases::default();
        let rows = store.all(&LEASES).into_values().filter_map(LeaseRecord::into_row);
        leases.restore(rows, Duration::ZERO, clock::wall());
        Self { leases, base: now, publish_at: None, not_before: now }
    }

    /// Takes in that the node answers requests from now on.
    pub(super) fn begin(&mut self) {
        self.leases.pause(self.now());
        if self.leases.count() > 0 {
            info!(leases = self.leases.count(), "leases of an earlier run continue");
        }
    }

    /// Takes in a configuration that was read. Returns it with the registered endpoints.
    pub(super) fn adopt(&mut self, blueprint: Blueprint) -> Blueprint {
        self.leases.adopt(blueprint.world(), self.now());
        self.leases.take_changed();
        self.publish_at = None;
        blueprint.with_registered(|spec| self.leases.of(spec), |spec| self.leases.problem(spec)).unwrap_or(blueprint)
    }

    /// Takes in that the configuration that is served stays in use.
    pub(super) fn resume(&mut self, served: &Blueprint) {
        self.leases.adopt(served.world(), self.now());
    }

    /// Waits until something is to be done.
    pub(super) async fn due(&self) {
        let wake_at = self.leases.wake_at().map(|at| self.base + at);
        match wake_at.into_iter().chain(self.publish_at).min() {
            Some(at) => tokio::time::sleep_until(at.into()).await,
            None => std::future::pending().await,
        }
    }

    /// Keeps the rows that changed; with `last`, those of renewals too.
    pub(super) fn keep(&mut self, store: &Store, last: bool) {
        let mut batch = Batch::default();
        for (pool, id, row) in self.leases.take_rows(self.now(), clock::wall(), last) {
            let key = LeaseRecord::key(&pool, &id);
            match row {
                Some(row) => batch.put(&LEASES, &key, &LeaseRecord::new(&row)),
                None => batch.delete(&LEASES, &key),
            }
        }
        if !batch.is_empty() {
            store.write(batch);
        }
    }

    /// Takes in what the source of a pool lists.
    pub(super) fn discover(&mut self, pool: &PoolKey, found: Result<Vec<Discovered>, String>) {
        let now = self.now();
        self.leases.discover(pool, found, now);
    }

    /// Returns what the fleet is to be told.
    fn words(&mut self) -> Vec<Word> {
        let said = self.leases.take_said(self.now(), clock::wall()).into_iter();
        let word = |(LeaseWord { pool, id, who, saying }, row): (_, Option<LeaseRow>)| {
            // It may be gone again.
            let is_stale = saying == Saying::Claim && row.is_none();
            let (matter, content) = (Matter::Lease(pool, id), row.map(Content::Lease));
            (!is_stale).then(|| Word { matter, content, who: who.unwrap_or_default(), saying })
        };
        said.filter_map(word).collect()
    }

    /// Takes in a lease that an endpoint claimed at another node.
    pub(super) fn follow_claim(&mut self, row: LeaseRow, is_live: bool, by: &str) {
        let now = self.now();
        self.leases.follow_claim(row, is_live, by, now, clock::wall());
    }

    /// Takes in that a lease ended at another node.
    pub(super) fn follow_end(&mut self, pool: &PoolKey, id: &LeaseId, by: &str) {
        self.leases.follow_end(pool, id, by);
    }

    fn now(&self) -> Duration {
        self.base.elapsed()
    }
}

impl Node {
    /// Executes an order about leases. Fails if it is refused.
    pub(super) async fn obey_lease(&mut self, order: LeaseOrder) -> Result<LeaseDone, LeaseRefusal> {
        let now = self.register.now();
        let leases = &mut self.register.leases;
        let done = match order {
            LeaseOrder::List(choice) => Ok(LeaseDone { leases: leases.list(choice.as_ref(), now), claimed: None }),
            LeaseOrder::Show(choice, id) => {
                leases.get(&choice, &id, now).map(|lease| LeaseDone { leases: vec![lease], claimed: None })
            }
            LeaseOrder::Claim(choice, id, claim, asker) => {
                let claimed = leases.claim(&choice, &id, claim, &asker, now);
                claimed.map(|claimed| LeaseDone {
                    leases: leases.get(&choice, &id, now).into_iter().collect(),
                    claimed: Some(claimed),
                })
            }
            LeaseOrder::Release(choice, id, drain, asker) => {
                let released = leases.release(&choice, &id, drain, &asker, now);
                released
                    .map(|()| LeaseDone { leases: leases.get(&choice, &id, now).into_iter().collect(), claimed: None })
            }
        };
        self.settle_leases().await;
        done
    }

    /// Takes in that time has passed: ends leases, and publishes changes that are due. Claims that wait already come
    /// first.
    pub(super) async fn advance_leases(&mut self) {
        while let Some(order) = self.orders.next_about_leases() {
            self.obey(order).await;
        }
        let now = self.register.now();
        self.register.leases.advance(now);
        self.settle_leases().await;
        if self.register.publish_at.is_some_and(|at| at <= Instant::now()) {
            self.publish_leases().await;
        }
    }

    /// Tells what happened to leases, keeps it, and schedules its publication.
    pub(super) async fn settle_leases(&mut self) {
        for news in self.register.leases.take_news() {
            self.tell_lease(news);
        }
        self.register.keep(&self.files.store, false);
        let words = self.register.words();
        self.say(words).await;
        if self.register.leases.take_changed() {
            let at = self.register.not_before.max(Instant::now());
            self.register.publish_at.get_or_insert(at);
        }
    }

    fn tell_lease(&self, news: LeaseNews) {
        let event = EventKind::lease(news);
        if event.severity() == Severity::Info {
            info!("{}", Printable(&event));
        } else {
            warn!("{}", Printable(&event));
        }
        self.notifier.tell(event);
    }

    /// Publishes the registered endpoints.
    async fn publish_leases(&mut self) {
        let began = Instant::now();
        self.register.publish_at = None;
        let leases = &self.register.leases;
        let changed = self.latest.with_registered(|spec| leases.of(spec), |spec| leases.problem(spec));
        if let Some(blueprint) = changed {
            self.latest = Arc::new(blueprint.counted(self.files.tallies.traffic()));
            self.control.register(self.latest.clone()).await;
            // The next change waits until this one is served, so that the pause follows from the whole cost.
            self.control.published().await;
        }
        let took = began.elapsed();
        debug!(leases = self.register.leases.count(), ?took, "registered endpoints published");
        self.register.not_before = Instant::now() + (took * PAUSES).clamp(SHORTEST_PAUSE, LONGEST_PAUSE);
    }
}
