//! Delivers events to the journal, which `/v1/events` reads, and to webhooks.
//!
//! ```text
//!   control ─► events, with the publication ─┐            ┌─► journal
//!   the loop of reloads and orders ──────────┴─► notifier ┴─► webhooks
//!                                                  │  ▲
//!                                       its impact └──┘ on a separate thread
//! ```
//!
//! One task delivers all events, so all receivers get them in the same order. Senders never wait for it.

use std::collections::HashSet;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tracing::{error, info, warn};

use crate::admin::Journal;
use crate::config::Webhook;
use crate::control::{Expiring, FleetTurn, HoldTurn, NodeEvent, Part, Publication, Remaps, Turn};
use crate::counters::NodeCounters;
use crate::printable::Printable;
use crate::report::{Changed, Changes, EventKind, Impact, OverrideShape};
use crate::snapshot::World;
use crate::vital;
use crate::watch::FailStaticEvent;
use crate::webhook::Hooks;

/// Maximum number of publications that wait for the calculation of their impact. Each keeps two snapshots in memory.
/// Events beyond the limit are delivered without an impact.
const IMPACTS: usize = 8;

const SECONDS_A_DAY: u64 = 86_400;

/// A message to the task.
enum Message {
    Event(Box<EventKind>),
    NodeEvents(Vec<NodeEvent>, Option<(Publication, OwnedSemaphorePermit)>),
    Webhooks { webhooks: Vec<Webhook>, node: Box<str>, pools: HashSet<Box<str>> },
    CaughtUp(oneshot::Sender<()>),
    Stop(oneshot::Sender<()>),
}

/// A handle to the task. The task ends with [`stop`](Notifier::stop), or when all handles are dropped.
pub(super) struct Notifier {
    messages: mpsc::UnboundedSender<Message>,
    impacts: Arc<Semaphore>,
}

impl Notifier {
    /// Starts the task as a part of the node, on the current tokio runtime.
    pub(super) fn new(journal: Arc<Journal>, counters: Arc<NodeCounters>, part: vital::Part) -> Self {
        let (messages, received) = mpsc::unbounded_channel();
        tokio::spawn(part.run(run(received, journal, counters)));
        Self { messages, impacts: Arc::new(Semaphore::new(IMPACTS)) }
    }

    /// Queues an event after all earlier ones.
    pub(super) fn tell(&self, kind: EventKind) {
        self.send(Message::Event(Box::new(kind)));
    }

    /// Queues several events.
    pub(super) fn tell_all(&self, kinds: Vec<EventKind>) {
        for kind in kinds {
            self.tell(kind);
        }
    }

    /// Replaces the webhooks by those for this world. The old ones keep their undelivered events.
    pub(super) fn set_webhooks(&self, webhooks: Vec<Webhook>, world: &World) {
        let pools = world.pools.iter().map(|pool| pool.name.clone()).collect();
        self.send(Message::Webhooks { webhooks, node: world.node.clone(), pools });
    }

    /// Returns the function that control calls with its events.
    pub(super) fn teller(&self) -> impl Fn(Vec<NodeEvent>, Option<Publication>) + use<> {
        let (messages, impacts) = (self.messages.clone(), self.impacts.clone());
        move |events, publication| {
            let publication = publication.zip(impacts.clone().try_acquire_owned().ok());
            // The task ends only when the node stops.
            let _ = messages.send(Message::NodeEvents(events, publication));
        }
    }

    /// Returns when all queued events are in the journal.
    pub(super) async fn catch_up(&self) {
        let (done, caught_up) = oneshot::channel();
        self.send(Message::CaughtUp(done));
        let _ = caught_up.await;
    }

    /// Ends the task. Webhooks have a second for the events that still wait.
    pub(super) async fn stop(&self) {
        let (done, stopped) = oneshot::channel();
        self.send(Message::Stop(done));
        let _ = stopped.await;
    }

    fn send(&self, message: Message) {
        // The task ends only when the node stops.
        let _ = self.messages.send(message);
    }
}

async fn run(mut messages: mpsc::UnboundedReceiver<Message>, journal: Arc<Journal>, counters: Arc<NodeCounters>) {
    let mut hooks = Hooks::new(counters);
    while let Some(message) = messages.recv().await {
        let kinds = match message {
            Message::Event(kind) => vec![*kind],
            Message::NodeEvents(events, None) => kinds(&events, None),
            Message::NodeEvents(events, Some((publication, permit))) => {
                kinds_with_impact(events, publication, permit).await
            }
            Message::Webhooks { webhooks, node, pools } => {
                hooks.set(webhooks, &node, &pools);
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
        for kind in kinds {
            tell_impact(&kind);
            hooks.tell(&journal.tell(kind));
        }
    }
}

/// Makes the events for the journal, with their impact. A separate thread calculates it. If no thread can be started,
/// or it panics, the events have no impact.
async fn kinds_with_impact(
    events: Vec<NodeEvent>,
    publication: Publication,
    permit: OwnedSemaphorePermit,
) -> Vec<EventKind> {
    let events = Arc::new(events);
    let (done, found) = oneshot::channel();
    let of = events.clone();
    let find = move || {
        let kinds = kinds(&of, Changes::new(&publication.before, &publication.after).as_mut());
        drop(permit);
        // The node may have stopped in the meantime.
        let _ = done.send(kinds);
    };
    match thread::Builder::new().name("impact".to_owned()).spawn(find) {
        Ok(_) => found.await.unwrap_or_else(|_| {
            error!(
                "an event is reported without its impact on clients: the calculation panicked, \
                 which is a bug of truenorth"
            );
            kinds(&events, None)
        }),
        Err(error) => {
            warn!(%error, "an event is reported without its impact on clients: cannot start a thread");
            kinds(&events, None)
        }
    }
}

/// Makes the events for the journal, with their impact if `changes` is given.
fn kinds(events: &[NodeEvent], mut changes: Option<&mut Changes<'_>>) -> Vec<EventKind> {
    let kind = |event: &NodeEvent| match event {
        NodeEvent::Turn(Turn { target, of, is_inverted, pools, monitors, from, to, seen, witnesses }) => {
            let impact = changes.as_mut().map(|changes| changes.impact_of_target(target));
            let is_inverted = *is_inverted;
            let changed = match *of {
                Part::Only | Part::One => Changed::Probed,
                Part::Whole => Changed::Calculated { is_inverted },
                Part::Dependents(count) => Changed::Dependents { count, is_inverted },
            };
            EventKind::endpoint(target, changed, [pools, monitors], [*from, *to], seen.as_ref(), impact)
                .with_fleet(witnesses.as_ref().map(ToString::to_string))
        }
        NodeEvent::Fleet(turn) => fleet_kind(turn),
        NodeEvent::FailStatic(event) => {
            EventKind::FailStatic { began: matches!(event, FailStaticEvent::Began { .. } | FailStaticEvent::Resumed) }
        }
        NodeEvent::Override(change) => {
            let impact = changes.as_mut().map(|changes| changes.impact());
            EventKind::Override { change: OverrideShape::from(change), impact }
        }
        NodeEvent::Rollout(change) => {
            let impact = changes.as_mut().map(|changes| changes.impact());
            EventKind::Rollout { change: change.into(), impact }
        }
        NodeEvent::Group(turn) => {
            let impact = changes.as_mut().map(|changes| changes.impact_of_pools(&turn.pools));
            EventKind::of_group(turn, impact)
        }
        NodeEvent::Remapped(Remaps { times, maps, longest }) => EventKind::Remap {
            by: "round trips".to_owned(),
            times: *times,
            maps: *maps,
            took_ms: milliseconds(*longest),
        },
        NodeEvent::Hold(HoldTurn { id, pool, is_held }) => {
            let impact = changes.as_mut().map(|changes| changes.impact_of_pools(&[*id]));
            EventKind::Hold { pool: pool.to_string(), held: *is_held, impact }
        }
        NodeEvent::Certificate(Expiring { target, left, expires }) => EventKind::Certificate {
            endpoint: target.address.to_string(),
            host: target.server_name().to_owned(),
            days: left.as_secs() / SECONDS_A_DAY,
            expires: expires.as_secs(),
        },
    };
    events.iter().map(kind).collect()
}

fn fleet_kind(turn: &FleetTurn) -> EventKind {
    let (happening, nodes, detail) = match turn {
        FleetTurn::Connected(server) => ("connected", &[][..], format!("connected to the fleet, by {server}")),
        FleetTurn::Disconnected(why) => ("disconnected", &[][..], format!("not connected to the fleet: {why}")),
        FleetTurn::News(news) => (news.as_str(), news.nodes(), news.to_string()),
        FleetTurn::Orders(news) => (news.as_str(), news.nodes(), Printable(news).to_string()),
        FleetTurn::Zones(news) => (news.as_str(), &[][..], news.to_string()),
    };
    let nodes = nodes.iter().map(ToString::to_string).collect();
    EventKind::Fleet { happening: happening.to_owned(), nodes, detail }
}

/// Returns a time in milliseconds.
pub(super) fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Logs which clients an event moves. The event itself was logged when it happened.
fn tell_impact(kind: &EventKind) {
    match (kind, kind.impact()) {
        (EventKind::Pool { .. } | EventKind::Datacenter { .. }, _) if kind.is_good() => info!("{kind}"),
        (EventKind::Pool { .. } | EventKind::Datacenter { .. }, _) => warn!("{kind}"),
        (_, Some(impact)) if *impact != Impact::default() => {
            info!(because = kind.subject(), "clients move: {impact}");
        }
        _ => {}
    }
}
