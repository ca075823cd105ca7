//! The way to control for everybody else: events, and questions that it answers between two of them.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{mpsc, oneshot};

use super::pulse::Pulse;
use super::{Event, OverrideEvent, Push, PushRefusal, Requests, RequestsRefusal, RolloutEvent};
use crate::health::Survey;
use crate::overrides::{Change, Order, Override, OverrideRefusal, Selector};
use crate::rollout::{self, View};
use crate::snapshot::{Blueprint, Snapshot};

/// Messages that wait for control at most: more than it can be behind by in any test or attack; senders wait then.
const QUEUE: usize = 1024;

/// What control is sent.
#[derive(Debug)]
pub enum Message {
    /// Something happened.
    Event(Event),
    /// The same; the receiver is told of the first snapshot that is published of this blueprint.
    Serve(Event, Arc<Blueprint>, oneshot::Sender<Arc<Snapshot>>),
    /// Tell when answers show all that happened before this.
    Published(oneshot::Sender<()>),
    /// How do all targets stand?
    Survey(oneshot::Sender<Survey>),
    /// Which overrides and windows are there, and is each in force?
    Overrides(oneshot::Sender<Vec<(Override, bool)>>),
    /// How do all roll-outs stand?
    Rollouts(oneshot::Sender<Vec<View>>),
}

/// Sends messages to control; cheap to clone. What is asked is `None` when control is gone, as it is while a node stops.
#[derive(Clone, Debug)]
pub struct Handle {
    messages: mpsc::Sender<Message>,
    pulse: Pulse,
}

/// Where [`run`](super::run) receives its messages, and gives signs of life.
#[derive(Debug)]
pub struct Inbox {
    messages: mpsc::Receiver<Message>,
    pulse: Pulse,
}

impl Inbox {
    /// The next message; `None` when all handles are gone.
    pub async fn receive(&mut self) -> Option<Message> {
        self.messages.recv().await
    }

    /// Tells the handles that control lives.
    pub(super) fn beat(&self) {
        self.pulse.beat(Instant::now());
    }
}

impl Handle {
    /// A handle, and what [`run`](super::run) receives its messages from.
    pub fn new() -> (Self, Inbox) {
        let (messages, received) = mpsc::channel(QUEUE);
        let pulse = Pulse::new(Instant::now());
        (Self { messages, pulse: pulse.clone() }, Inbox { messages: received, pulse })
    }

    /// Why control counts as dead; `None` while it lives. It is asked by looking: control is not waited for.
    pub fn ailment(&self) -> Option<String> {
        if self.messages.is_closed() {
            return Some("control has ended: health moves no longer".to_owned());
        }
        let now = Instant::now();
        let silence = self.pulse.silence(now).as_secs();
        (!self.pulse.is_steady(now)).then(|| format!("control was silent for too long, now for {silence} s"))
    }

    /// Tells that something happened.
    pub async fn tell(&self, event: Event) {
        // Control is gone only when the node stops.
        let _ = self.messages.send(Message::Event(event)).await;
    }

    /// Has a configuration served. What is received is the first snapshot of it; nothing if another configuration came first.
    pub async fn adopt(&self, blueprint: Arc<Blueprint>) -> oneshot::Receiver<Arc<Snapshot>> {
        self.serve(Event::Adopt(blueprint.clone()), blueprint).await
    }

    /// Has the configuration adopted last served with other records; the rest is as for [`Handle::adopt`].
    pub async fn amend(&self, blueprint: Arc<Blueprint>) -> oneshot::Receiver<Arc<Snapshot>> {
        self.serve(Event::Amend(blueprint.clone()), blueprint).await
    }

    /// Returns when answers show all that control was told before; at the latest after
    /// [`PUBLISH_WINDOW`](super::PUBLISH_WINDOW). `None` if control is gone.
    pub async fn published(&self) -> Option<()> {
        let (reply, published) = oneshot::channel();
        self.messages.send(Message::Published(reply)).await.ok()?;
        published.await.ok()
    }

    /// How all targets stand.
    pub async fn survey(&self) -> Option<Survey> {
        let (reply, answer) = oneshot::channel();
        self.messages.send(Message::Survey(reply)).await.ok()?;
        answer.await.ok()
    }

    /// All overrides and windows, and whether each is in force.
    pub async fn overrides(&self) -> Option<Vec<(Override, bool)>> {
        let (reply, answer) = oneshot::channel();
        self.messages.send(Message::Overrides(reply)).await.ok()?;
        answer.await.ok()
    }

    /// Places an override; all that follows from it is told.
    pub async fn place(&self, order: Order) -> Option<Result<Vec<Change>, OverrideRefusal>> {
        let (reply, answer) = oneshot::channel();
        self.tell(Event::Override(OverrideEvent::EndpointRef(order, reply))).await;
        answer.await.ok()
    }

    /// Lifts overrides, and says who does; all that follows from it is told.
    pub async fn lift(&self, which: Selector, who: Box<str>) -> Option<Result<Vec<Change>, OverrideRefusal>> {
        let (reply, answer) = oneshot::channel();
        self.tell(Event::Override(OverrideEvent::Lift(which, who, reply))).await;
        answer.await.ok()
    }

    /// All roll-outs, as they stand.
    pub async fn rollouts(&self) -> Option<Vec<View>> {
        let (reply, answer) = oneshot::channel();
        self.messages.send(Message::Rollouts(reply)).await.ok()?;
        answer.await.ok()
    }

    /// Does something with a roll-out.
    pub async fn roll_out(&self, order: rollout::Order) -> Option<Result<rollout::Change, rollout::RolloutRefusal>> {
        let (reply, answer) = oneshot::channel();
        self.tell(Event::Rollout(RolloutEvent::Order(order, reply))).await;
        answer.await.ok()
    }

    /// Tells how requests went; for how many roll-outs that counts.
    pub async fn report(&self, requests: Requests) -> Option<Result<usize, RequestsRefusal>> {
        let (reply, answer) = oneshot::channel();
        self.tell(Event::Rollout(RolloutEvent::Requests(requests, reply))).await;
        answer.await.ok()
    }

    /// Hands in a report; how many monitors it counts for is told, or why for none.
    pub async fn push(&self, push: Push) -> Option<Result<usize, PushRefusal>> {
        let (reply, answer) = oneshot::channel();
        self.tell(Event::Push(push, reply)).await;
        answer.await.ok()
    }

    async fn serve(&self, event: Event, blueprint: Arc<Blueprint>) -> oneshot::Receiver<Arc<Snapshot>> {
        let (reply, served) = oneshot::channel();
        let _ = self.messages.send(Message::Serve(event, blueprint, reply)).await;
        served
    }
}
