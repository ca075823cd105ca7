//! Webhooks: events are posted to URLs.
//!
//! ```text
//!   notice ─► gather ─► queue of each hook ─► one task a hook ─► POST ─► 2xx: the next one
//!               5 s     256, oldest dropped     in order          └───► 5xx, 429, no answer: again, later each time
//! ```
//!
//! All of it runs in [a thread of its own](thread). A sender of notices never waits. A slow or dead receiver fills only its
//! own queue, and holds a connection only for the time of an attempt. Lost notices are counted, logged, and reported with
//! the next notice that arrives.

mod gather;
mod post;
mod queue;
mod thread;

use std::collections::HashSet;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::Client;
use tokio::sync::Notify;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;
use tracing::{error, warn};

use crate::backoff::Backoff;
use crate::config::Webhook;
use crate::counters::NodeCounters;
use crate::duration::Written;
use crate::report::{Delivery, Notice};
use crate::vital;
use gather::Gather;
use post::{PostResult, client, post};
use queue::Queue;
use thread::WebhookThread;

/// How long a stop waits for undelivered notices.
const GRACE: Duration = Duration::from_secs(1);

/// Pause of a hook after a panic, so that one that panics each time does not fill the log.
const AFTER_PANIC: Duration = Duration::from_secs(1);

/// All hooks. Dropping it stops all deliveries.
#[derive(Debug)]
pub struct Hooks {
    list: Vec<Hook>,
    /// Created for the first hook: reading the system's certificate authorities takes a while.
    client: Option<Client>,
    counters: Arc<NodeCounters>,
    /// Created for the first hook.
    thread: Option<WebhookThread>,
}

/// A hook and the task that delivers for it.
#[derive(Debug)]
struct Hook {
    mailbox: Arc<Mailbox>,
    task: JoinHandle<()>,
}

/// The state that a hook and its task share.
#[derive(Debug)]
struct Mailbox {
    state: Mutex<State>,
    /// Notified when something in the mailbox changes.
    wake: Notify,
    counters: Arc<NodeCounters>,
    /// Times of `gather` count from here.
    started: Instant,
}

#[derive(Debug)]
struct State {
    webhook: Arc<Webhook>,
    node: Box<str>,
    gather: Gather,
    queue: Queue,
    is_closing: bool,
}

impl Hooks {
    /// Creates a list without hooks. Deliveries are counted in `counters`.
    pub fn new(counters: Arc<NodeCounters>) -> Self {
        Self { list: Vec::new(), client: None, thread: None, counters }
    }

    /// Replaces the hooks. A hook with the same destination as before keeps its undelivered notices. `pools` are the names
    /// of all pools of the new configuration.
    pub fn set(&mut self, webhooks: Vec<Webhook>, node: &str, pools: &HashSet<Box<str>>) {
        let mut before = std::mem::take(&mut self.list);
        for webhook in webhooks {
            let same = before.iter().position(|hook| hook.mailbox.leads_to(webhook.url()));
            if let Some(place) = same {
                let hook = before.remove(place);
                hook.mailbox.exchange(webhook, node, pools);
                self.list.push(hook);
            } else {
                let client = self.client.get_or_insert_with(client).clone();
                let mailbox = Arc::new(Mailbox::new(webhook, node, self.counters.clone()));
                let thread = self.thread.get_or_insert_with(WebhookThread::start);
                let task = thread.handle().spawn(keep_delivering(mailbox.clone(), client));
                self.list.push(Hook { mailbox, task });
            }
        }
        for hook in before {
            hook.mailbox.tell_left("a webhook was removed");
        }
    }

    /// Queues a notice for every hook that wants its kind.
    pub fn tell(&self, notice: &Arc<Notice>) {
        for hook in &self.list {
            hook.mailbox.put(notice);
        }
    }

    /// Waits at most a second for the delivery of queued notices. The rest is lost.
    pub async fn stop(&mut self) {
        for hook in &self.list {
            hook.mailbox.close();
        }
        let deadline = Instant::now() + GRACE;
        for hook in &mut self.list {
            // The task ends when its queue is empty. If it does not, it is dropped with its request.
            let _ = tokio::time::timeout_at(deadline, &mut hook.task).await;
        }
        self.list
            .drain(..)
            .for_each(|hook| hook.mailbox.tell_left("a webhook did not accept all notices before the node stopped"));
    }
}

impl Drop for Hook {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Mailbox {
    fn new(webhook: Webhook, node: &str, counters: Arc<NodeCounters>) -> Self {
        let state = State {
            webhook: webhook.into(),
            node: node.into(),
            gather: Gather::default(),
            queue: Queue::default(),
            is_closing: false,
        };
        Self { state: Mutex::new(state), wake: Notify::new(), counters, started: Instant::now() }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn leads_to(&self, url: &str) -> bool {
        self.state().webhook.url() == url
    }

    fn exchange(&self, webhook: Webhook, node: &str, pools: &HashSet<Box<str>>) {
        let mut state = self.state();
        state.gather.retain(pools, self.started.elapsed(), webhook.gather);
        (state.webhook, state.node) = (webhook.into(), node.into());
        drop(state);
        self.wake.notify_one();
    }

    fn put(&self, notice: &Arc<Notice>) {
        let mut state = self.state();
        if !state.webhook.events.contains(&notice.kind.kind()) {
            return;
        }
        let time = state.webhook.gather;
        let ready = state.gather.take_in(notice, self.started.elapsed(), time);
        self.queue(&mut state, ready);
        drop(state);
        self.wake.notify_one();
    }

    /// Queues notices for delivery.
    fn queue(&self, state: &mut State, notices: impl IntoIterator<Item = Arc<Notice>>) {
        for notice in notices {
            if state.queue.put(notice) {
                self.counters.lost_deliveries.fetch_add(1, Relaxed);
                // Logged once. The next notice that arrives reports the number.
                if state.queue.lost() == 1 {
                    warn!(webhook = state.webhook.label(), "a webhook's queue is full: the oldest notices are lost");
                }
            }
        }
    }

    fn close(&self) {
        self.state().is_closing = true;
        self.wake.notify_one();
    }

    fn tell_left(&self, why: &str) {
        let state = self.state();
        if let notices @ 1.. = state.queue.len() {
            warn!(webhook = state.webhook.label(), notices, "{why}: notices are lost");
        }
    }

    /// Waits for the oldest notice, which stays in the queue. `None` if the mailbox is closed and empty.
    async fn next(&self) -> Option<Arc<Notice>> {
        loop {
            let due = {
                let mut state = self.state();
                // When the node stops, all waiting falls are due.
                let now = if state.is_closing { Duration::MAX } else { self.started.elapsed() };
                let ready = state.gather.take_due(now);
                self.queue(&mut state, ready);
                if let Some(notice) = state.queue.first() {
                    return Some(notice.clone());
                }
                if state.is_closing {
                    return None;
                }
                state.gather.due()
            };
            let wait = due.map_or(Duration::MAX, |due| due.saturating_sub(self.started.elapsed()));
            // The wait ends when the task is woken, or when a fall is due.
            let _ = tokio::time::timeout(wait, self.wake.notified()).await;
        }
    }

    /// Returns the webhook, the data to post for a notice, and the number of lost notices that the data reports.
    fn delivery(&self, notice: &Arc<Notice>) -> (Arc<Webhook>, Delivery, u64) {
        let state = self.state();
        let lost = state.queue.lost();
        (state.webhook.clone(), Delivery::new(notice, &state.node, lost), lost)
    }
}

/// Delivers until the mailbox is closed and empty. After a panic it continues with the queued notices. A notice that
/// causes a panic each time is lost in the end, as the oldest of the queue.
async fn keep_delivering(mailbox: Arc<Mailbox>, client: Client) {
    loop {
        // Dropped with this task, so that the inner task ends too.
        let mut delivering = JoinSet::new();
        delivering.spawn(deliver_all(mailbox.clone(), client.clone()));
        match delivering.join_next().await {
            Some(Err(error)) if error.is_panic() => {
                let label = mailbox.state().webhook.label();
                error!(webhook = label, "a webhook's task panicked, which is a bug of truenorth; it is restarted");
                tokio::time::sleep(AFTER_PANIC).await;
            }
            _ => return,
        }
    }
}

async fn deliver_all(mailbox: Arc<Mailbox>, client: Client) {
    while let Some(notice) = mailbox.next().await {
        vital::breaking_point("a webhook's task");
        deliver(&mailbox, &notice, &client).await;
    }
}

/// Posts a notice until it is accepted, or further attempts are useless.
async fn deliver(mailbox: &Mailbox, notice: &Arc<Notice>, client: &Client) {
    let mut backoff = Backoff::default();
    loop {
        let (webhook, delivery, lost) = mailbox.delivery(notice);
        let verdict = post(client, &webhook, &delivery).await;
        let label = webhook.label();
        let is_taken = matches!(verdict, PostResult::Taken);
        let counters = &mailbox.counters;
        let counter = if is_taken { &counters.delivered } else { &counters.failed_deliveries };
        counter.fetch_add(1, Relaxed);
        match verdict {
            PostResult::Taken => {
                mailbox.state().queue.taken(notice, lost);
                if lost > 0 {
                    warn!(webhook = label, lost, "a webhook accepts notices again; some were lost");
                }
                return;
            }
            PostResult::Again { why, after } if backoff.attempts() < webhook.retries => {
                let wait = backoff.next(after, fastrand::f64());
                warn!(
                    webhook = label,
                    id = notice.id,
                    why,
                    wait = %Written(wait),
                    "a webhook did not accept a notice: it will be sent again"
                );
                tokio::time::sleep(wait).await;
            }
            PostResult::Again { why, .. } | PostResult::Refused { why } => {
                warn!(webhook = label, id = notice.id, why, "a webhook did not accept a notice: the notice is lost");
                mailbox.state().queue.give_up(notice);
                counters.lost_deliveries.fetch_add(1, Relaxed);
                return;
            }
        }
        // The queue may have dropped this notice in the meantime.
        if !mailbox.state().queue.holds(notice) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{EVENTS, FIELDS};
    use crate::report::{CertificateTurn, EventKind, Impact, OverrideShape, RolloutChange};

    /// One event of each kind.
    fn all() -> Vec<EventKind> {
        let text = String::new;
        let change = OverrideShape {
            number: text(),
            mode: text(),
            target: text(),
            from: None,
            until: None,
            over: None,
            reason: text(),
            who: text(),
            happening: Some("placed".to_owned()),
            in_force: None,
        };
        let rollout = RolloutChange {
            name: text(),
            pool: Some(text()),
            happening: text(),
            from: text(),
            to: text(),
            who: text(),
            reason: text(),
        };
        let impact = Some(Impact { moves: Vec::new(), more: 1 });
        let sight = crate::report::Seen {
            outcome: text(),
            status: Some(1),
            error: Some(text()),
            took_ms: Some(1.0),
            connect_ms: Some(1.0),
            handshake_ms: Some(1.0),
            first_byte_ms: Some(1.0),
        };
        let (endpoint, pools, monitors) = (text(), Vec::new(), Vec::new());
        let (from, to, seen) = (text(), text(), text());
        vec![
            EventKind::Start { node: text(), zones: 1 },
            EventKind::Endpoint {
                endpoint,
                dependents: None,
                pools,
                monitors,
                from,
                to,
                seen,
                sight,
                fleet: Some(text()),
                impact: impact.clone(),
            },
            EventKind::Pool { pool: text(), to: text(), down: 1, endpoints: 1, impact: impact.clone() },
            EventKind::Datacenter {
                datacenter: text(),
                pools: Vec::new(),
                to: text(),
                down: 1,
                endpoints: 1,
                impact: impact.clone(),
            },
            EventKind::Hold { pool: text(), held: true, impact: None },
            EventKind::Reload { reason: text(), taken: true, errors: 0, warnings: 0 },
            EventKind::FailStatic { began: true },
            EventKind::Override { change, impact: impact.clone() },
            EventKind::Rollout { change: rollout, impact },
            EventKind::Certificate { endpoint: text(), host: text(), days: 1, expires: 1 },
            EventKind::OwnCertificate {
                server: text(),
                happening: CertificateTurn::Expired,
                names: Vec::new(),
                expires: Some(1),
                error: Some(text()),
            },
            EventKind::Store { kept: true, error: None },
            EventKind::Remap { by: text(), times: 1, maps: 1, took_ms: 1 },
            EventKind::Fleet { happening: text(), nodes: Vec::new(), detail: text() },
            EventKind::Lease {
                happening: text(),
                pool: text(),
                lease: text(),
                address: Some(text()),
                who: Some(text()),
                reason: Some(text()),
            },
            EventKind::Key {
                zone: text(),
                tag: 1,
                algorithm: text(),
                to: text(),
                signs: text(),
                waits_for: Some(text()),
            },
            EventKind::Register { pool: text(), silent: true, leases: 1, why: None },
            EventKind::Txt { name: text(), value: text(), set: true, who: None },
            EventKind::Stop {},
        ]
    }

    #[test]
    fn the_server_files_words_are_those_of_notices() {
        let all = all();
        for kind in &all {
            assert_eq!(serde_json::to_value(kind).unwrap()["event"], kind.kind());
        }
        let mut kinds: Vec<&str> = all.iter().map(EventKind::kind).collect();
        let mut events = EVENTS.map(|(_, event)| event).to_vec();
        kinds.sort_unstable();
        events.sort_unstable();
        assert_eq!(kinds, events);
        let notices = all.into_iter().map(|kind| Arc::new(Notice { id: 1, time: 1, kind }));
        let all: String = notices.map(|notice| Delivery::new(&notice, "fra", 0).to_json()).collect();
        for field in FIELDS.into_iter().filter(|field| *field != "notice") {
            assert!(all.contains(&format!("\"{field}\":")), "no notice has {field}");
        }
    }
}
