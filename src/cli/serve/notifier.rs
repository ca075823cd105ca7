//! Tells what happens: to the journal that `/v1/events` reads, and to webhooks.
//!
//! ```text
//!   control ─► turns, with what was published ─┐          ┌─► journal
//!   the loop of reloads and orders ────────────┴─► herald ┴─► webhooks
//!                                                   │  ▲
//!                                     what it moves └──┘ on a thread of its own
//! ```
//!
//! One task tells all, so everybody hears everything in one order. Nobody who tells it something ever waits for it.

use std::sync::Arc;
use std::thread;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tracing::{error, warn};

use crate::admin::Journal;
use crate::config::Webhook;
use crate::control::{Expiring, NodeEvent, Part, Publication, Turn};
use crate::report::{Changes, EventKind, OverrideShape};
use crate::vital;
use crate::watch::FailStaticEvent;
use crate::webhook::Hooks;

/// Publications that wait for their impact at most. Each keeps two snapshots in memory; what happens beyond is told without.
const IMPACTS: usize = 8;

const SECONDS_A_DAY: u64 = 86_400;

/// What the task is told.
enum Message {
    EventKind(Box<EventKind>),
    NodeEvent(Vec<NodeEvent>, Option<(Publication, OwnedSemaphorePermit)>),
    Webhooks(Vec<Webhook>, Box<str>),
    CaughtUp(oneshot::Sender<()>),
    Stop(oneshot::Sender<()>),
}

/// The way to the task. It ends by [`stop`](Herald::stop), or when all ways to it are gone.
pub(super) struct Notifier {
    messages: mpsc::UnboundedSender<Message>,
    impacts: Arc<Semaphore>,
}

impl Notifier {
    /// Begins to tell as a part of the node, on the tokio runtime that this is called in.
    pub(super) fn new(journal: Arc<Journal>, part: vital::Part) -> Self {
        let (messages, received) = mpsc::unbounded_channel();
        tokio::spawn(part.run(run(received, journal)));
        Self { messages, impacts: Arc::new(Semaphore::new(IMPACTS)) }
    }

    /// Tells this, behind all that was told so far.
    pub(super) fn tell(&self, kind: EventKind) {
        self.send(Message::EventKind(Box::new(kind)));
    }

    /// Tells by these webhooks from now on. Those that there were keep what they have not delivered yet.
    pub(super) fn set_webhooks(&self, webhooks: Vec<Webhook>, node: &str) {
        self.send(Message::Webhooks(webhooks, node.into()));
    }

    /// What control tells.
    pub(super) fn teller(&self) -> impl Fn(Vec<NodeEvent>, Option<Publication>) + use<> {
        let (messages, impacts) = (self.messages.clone(), self.impacts.clone());
        move |told, publication| {
            let publication = publication.zip(impacts.clone().try_acquire_owned().ok());
            // The task is gone only when the node stops.
            let _ = messages.send(Message::NodeEvent(told, publication));
        }
    }

    /// Returns when all that was told so far stands in the journal.
    pub(super) async fn catch_up(&self) {
        let (done, caught_up) = oneshot::channel();
        self.send(Message::CaughtUp(done));
        let _ = caught_up.await;
    }

    /// Gives webhooks a second for what waits, and ends.
    pub(super) async fn stop(&self) {
        let (done, stopped) = oneshot::channel();
        self.send(Message::Stop(done));
        let _ = stopped.await;
    }

    fn send(&self, message: Message) {
        // The task is gone only when the node stops.
        let _ = self.messages.send(message);
    }
}

async fn run(mut messages: mpsc::UnboundedReceiver<Message>, journal: Arc<Journal>) {
    let mut hooks = Hooks::new();
    while let Some(message) = messages.recv().await {
        let kind = match message {
            Message::EventKind(kind) => vec![*kind],
            Message::NodeEvent(told, None) => all_news(&told, None),
            Message::NodeEvent(told, Some((publication, permit))) => news_with_impact(told, publication, permit).await,
            Message::Webhooks(webhooks, node) => {
                hooks.set(webhooks, &node);
                continue;
            }
            Message::CaughtUp(done) => {
                let _ = done.send(());
                continue;
            }
            Message::Stop(done) => {
                hooks.stop().await;
                let _ = done.send(());
                return;
            }
        };
        for kind in kind {
            hooks.tell(&journal.tell(kind));
        }
    }
}

/// What happened, with what it moves. That is found out on a thread of its own; where there is none, or it panics, what
/// happened is told all the same.
async fn news_with_impact(
    told: Vec<NodeEvent>,
    publication: Publication,
    permit: OwnedSemaphorePermit,
) -> Vec<EventKind> {
    let told = Arc::new(told);
    let (done, found) = oneshot::channel();
    let of = told.clone();
    let find = move || {
        let kind = all_news(&of, Changes::new(&publication.before, &publication.after).as_mut());
        drop(permit);
        // The node may have stopped meanwhile.
        let _ = done.send(kind);
    };
    match thread::Builder::new().name("impact".to_owned()).spawn(find) {
        Ok(_) => found.await.unwrap_or_else(|_| {
            error!("what an event moves is not told: finding it out panicked");
            all_news(&told, None)
        }),
        Err(error) => {
            warn!(%error, "what an event moves is not told: there is no thread to find it out");
            all_news(&told, None)
        }
    }
}

/// What happened, with what it moves as far as that is known.
fn all_news(told: &[NodeEvent], mut changes: Option<&mut Changes<'_>>) -> Vec<EventKind> {
    let kind = |told: &NodeEvent| match told {
        NodeEvent::Turn(Turn { target, of, pools, from, to, seen }) => {
            let impact = changes.as_mut().map(|changes| changes.impact_of_target(target));
            EventKind::endpoint(target, *of == Part::Whole, pools, [*from, *to], seen, impact)
        }
        NodeEvent::FailStatic(doubted) => {
            EventKind::FailStatic { began: matches!(doubted, FailStaticEvent::Began { .. } | FailStaticEvent::Resumed) }
        }
        NodeEvent::Override(change) => {
            let impact = changes.as_mut().map(|changes| changes.impact());
            EventKind::Override { change: OverrideShape::from(change), impact }
        }
        NodeEvent::Rollout(change) => {
            let impact = changes.as_mut().map(|changes| changes.impact());
            EventKind::Rollout { change: change.into(), impact }
        }
        NodeEvent::Certificate(Expiring { target, left, expires }) => EventKind::Certificate {
            endpoint: target.address.to_string(),
            host: target.host.to_string(),
            days: left.as_secs() / SECONDS_A_DAY,
            expires: expires.as_secs(),
        },
    };
    told.iter().map(kind).collect()
}
