//! The other tasks' way to control: they send events, and questions that control answers between two events.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{mpsc, oneshot};

use super::pulse::Pulse;
use super::{
    Event, OrderRefusal, OverrideEvent, Preview, Proposal, Proposed, PushRefusal, RequestsRefusal, RolloutEvent,
};
use crate::health::{Push, Requests, Survey};
use crate::ledger::{Decision, Followed, Publish, Word};
use crate::overrides::{Change, Override, OverrideRefusal, Placement, Selector};
use crate::rollout::{self, View};
use crate::snapshot::{Blueprint, Snapshot};
use crate::vantage::Letter;
use crate::versions::Releases;

/// The most messages that wait for control. Tests and attacks stay below it. When it is reached, senders wait.
const QUEUE: usize = 1024;

/// A message to control.
#[derive(Debug)]
pub enum Message {
    /// Something happened.
    Event(Event),
    /// An event with a new blueprint. The receiver gets the first snapshot of this blueprint that is published.
    Serve(Event, Arc<Blueprint>, oneshot::Sender<Arc<Snapshot>>),
    /// Asks to be told when answers show everything that happened before this message.
    Published(oneshot::Sender<()>),
    /// Asks for the state of all targets.
    Survey(oneshot::Sender<Survey>),
    /// Asks for all overrides and windows, each with true if it is in force.
    Overrides(oneshot::Sender<Vec<(Override, bool)>>),
    /// Asks for the state of all roll-outs.
    Rollouts(oneshot::Sender<Vec<View>>),
    /// Asks what would follow from an order.
    Preview(Proposal, oneshot::Sender<Result<Preview, OrderRefusal>>),
    /// Asks to be told when the fleet has the orders of before, or if it cannot have them now.
    Shared(oneshot::Sender<Shared>),
    /// Asks control to keep everything and then to pause.
    Pause(PauseRequest),
}

/// The end of a [`Pause`] where control waits.
#[derive(Debug)]
pub struct PauseRequest {
    began: oneshot::Sender<()>,
    over: oneshot::Receiver<End>,
}

/// Tells control to end.
#[derive(Debug)]
struct End;

/// A pause of control: it has handed over everything to be kept, and does nothing until this is dropped. Messages wait
/// meanwhile.
#[derive(Debug)]
pub struct Pause(oneshot::Sender<End>);

impl Pause {
    /// Ends control. Messages that waited are lost, and their senders learn that.
    pub fn end(self) {
        // Control may have ended before.
        let _ = self.0.send(End);
    }
}

impl PauseRequest {
    /// Pauses. Returns true if control is to end then.
    pub(super) async fn hold(self) -> bool {
        // The caller may be gone. It has dropped the pause then.
        let _ = self.began.send(());
        self.over.await.is_ok()
    }
}

/// Sends messages to control; cheap to clone. Its methods return `None` when control is gone, as it is while a node
/// stops.
#[derive(Clone, Debug)]
pub struct Handle {
    messages: mpsc::Sender<Message>,
    pulse: Pulse,
}

/// Whether the fleet has the orders that were given at this node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shared {
    /// The node has no fleet.
    NoFleet,
    /// The stream of the fleet has them: all nodes that read it follow.
    Yes,
    /// They count at this node alone, for this reason. They go out as soon as they can.
    No(Box<str>),
}

/// Functions that take what control has for others, and do not wait until it has left.
pub struct Posts {
    /// Takes messages for the fleet.
    pub letters: Box<dyn Fn(Vec<Letter>) + Send>,
    /// Takes entries for the fleet's streams.
    pub entries: Box<dyn Fn(Vec<Publish>) + Send>,
    /// Takes orders of the fleet about TXT records and leases.
    pub follows: Box<dyn Fn(Followed) + Send>,
}

/// The end where [`run`](super::run) receives its messages and gives signs of life.
pub struct Inbox {
    messages: mpsc::Receiver<Message>,
    pulse: Pulse,
    posts: Posts,
}

impl Inbox {
    /// The next message; `None` when all handles are gone.
    pub async fn receive(&mut self) -> Option<Message> {
        self.messages.recv().await
    }

    /// The same, with these functions. Without them what control has for others is dropped.
    pub fn posting(self, posts: Posts) -> Self {
        Self { posts, ..self }
    }

    /// The functions that take what control has for others.
    pub(super) fn posts(&self) -> &Posts {
        &self.posts
    }

    /// Tells the handles that control is alive.
    pub(super) fn beat(&self) {
        self.pulse.beat(Instant::now());
    }
}

impl Handle {
    /// A handle, and the inbox from which [`run`](super::run) receives its messages.
    pub fn new() -> (Self, Inbox) {
        let (messages, received) = mpsc::channel(QUEUE);
        let pulse = Pulse::new(Instant::now());
        let posts = Posts { letters: Box::new(drop), entries: Box::new(drop), follows: Box::new(drop) };
        (Self { messages, pulse: pulse.clone() }, Inbox { messages: received, pulse, posts })
    }

    /// The reason why control counts as dead; `None` while it is alive. The check does not wait for control.
    pub fn ailment(&self) -> Option<String> {
        if self.messages.is_closed() {
            return Some("control has ended: endpoint states no longer change".to_owned());
        }
        let now = Instant::now();
        let silence = self.pulse.silence(now).as_secs();
        (!self.pulse.is_steady(now)).then(|| format!("control was silent for too long, now for {silence} s"))
    }

    /// Sends an event.
    pub async fn tell(&self, event: Event) {
        // Control is gone only when the node stops.
        let _ = self.messages.send(Message::Event(event)).await;
    }

    /// Asks for a configuration to be served. The receiver gets its first snapshot, or nothing if another configuration
    /// came first.
    pub async fn adopt(&self, blueprint: Arc<Blueprint>) -> oneshot::Receiver<Arc<Snapshot>> {
        self.serve(Event::Adopt(blueprint.clone()), blueprint).await
    }

    /// Asks for the configuration that was adopted last to be served with other records. The receiver is as for
    /// [`Handle::adopt`].
    pub async fn amend(&self, blueprint: Arc<Blueprint>) -> oneshot::Receiver<Arc<Snapshot>> {
        self.serve(Event::Amend(blueprint.clone()), blueprint).await
    }

    /// Asks for the configuration that was adopted last to be served with other registered endpoints. The receiver is as
    /// for [`Handle::adopt`].
    pub async fn register(&self, blueprint: Arc<Blueprint>) -> oneshot::Receiver<Arc<Snapshot>> {
        self.serve(Event::Register(blueprint.clone()), blueprint).await
    }

    /// Returns when answers show everything that control was told before, at the latest after
    /// [`PUBLISH_WINDOW`](super::PUBLISH_WINDOW). `None` if control is gone.
    pub async fn published(&self) -> Option<()> {
        let (reply, published) = oneshot::channel();
        self.messages.send(Message::Published(reply)).await.ok()?;
        published.await.ok()
    }

    /// Tells the fleet what was ordered about TXT records and leases, and is in force at this node.
    pub async fn say(&self, words: Vec<Word>) {
        if !words.is_empty() {
            self.tell(Event::Say(words)).await;
        }
    }

    /// Proposes what is to be current of the versions of the zones, which were `based_on` what was current before. Returns the
    /// decision of the fleet. `None` if control is gone, or the node takes no versions.
    pub async fn propose(&self, releases: Releases, based_on: Option<Releases>, who: Box<str>) -> Option<Decision> {
        let (reply, decided) = oneshot::channel();
        self.tell(Event::Propose(Box::new(Proposed { releases, based_on, who, reply }))).await;
        decided.await.ok()
    }

    /// Returns when the fleet has all orders that were given before, or when it is known that it cannot have them now.
    /// `None` if control is gone.
    pub async fn shared(&self) -> Option<Shared> {
        let (reply, shared) = oneshot::channel();
        self.messages.send(Message::Shared(reply)).await.ok()?;
        shared.await.ok()
    }

    /// Pauses control, after everything that it was told before is kept. The process then seems to have been stopped: no
    /// endpoint counts as silent because of the pause. `None` if control is gone.
    pub async fn pause(&self) -> Option<Pause> {
        // Callers that wait for the publication of an earlier order are told first.
        self.published().await?;
        let (began, begun) = oneshot::channel();
        let (pause, over) = oneshot::channel();
        self.messages.send(Message::Pause(PauseRequest { began, over })).await.ok()?;
        begun.await.ok()?;
        Some(Pause(pause))
    }

    /// The state of all targets.
    pub async fn survey(&self) -> Option<Survey> {
        let (reply, answer) = oneshot::channel();
        self.messages.send(Message::Survey(reply)).await.ok()?;
        answer.await.ok()
    }

    /// All overrides and windows, each with true if it is in force.
    pub async fn overrides(&self) -> Option<Vec<(Override, bool)>> {
        let (reply, answer) = oneshot::channel();
        self.messages.send(Message::Overrides(reply)).await.ok()?;
        answer.await.ok()
    }

    /// Returns the changes that would follow from an order, or why it would be refused. `None` if control has ended.
    pub async fn preview(&self, proposal: Proposal) -> Option<Result<Preview, OrderRefusal>> {
        let (reply, answer) = oneshot::channel();
        self.messages.send(Message::Preview(proposal, reply)).await.ok()?;
        answer.await.ok()
    }

    /// Places an override. Returns all changes that follow from it, or why it was refused.
    pub async fn place(&self, placement: Placement) -> Option<Result<Vec<Change>, OverrideRefusal>> {
        let (reply, answer) = oneshot::channel();
        self.tell(Event::Override(OverrideEvent::Place(placement, reply))).await;
        answer.await.ok()
    }

    /// Lifts overrides on behalf of `who`. Returns all changes that follow from it, or why it was refused.
    pub async fn lift(&self, which: Selector, who: Box<str>) -> Option<Result<Vec<Change>, OverrideRefusal>> {
        let (reply, answer) = oneshot::channel();
        self.tell(Event::Override(OverrideEvent::Lift(which, who, reply))).await;
        answer.await.ok()
    }

    /// The state of all roll-outs.
    pub async fn rollouts(&self) -> Option<Vec<View>> {
        let (reply, answer) = oneshot::channel();
        self.messages.send(Message::Rollouts(reply)).await.ok()?;
        answer.await.ok()
    }

    /// Gives an order to a roll-out.
    pub async fn roll_out(&self, order: rollout::Order) -> Option<Result<rollout::Change, rollout::RolloutRefusal>> {
        let (reply, answer) = oneshot::channel();
        self.tell(Event::Rollout(RolloutEvent::Order(order, reply))).await;
        answer.await.ok()
    }

    /// Reports counts of requests and errors. Returns for how many roll-outs the report counts.
    pub async fn report(&self, requests: Requests) -> Option<Result<usize, RequestsRefusal>> {
        let (reply, answer) = oneshot::channel();
        self.tell(Event::Rollout(RolloutEvent::Requests(requests, reply))).await;
        answer.await.ok()
    }

    /// Hands in a report of an endpoint. Returns for how many monitors it counts, or why it counts for none.
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
