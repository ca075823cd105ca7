//! Control with a clock, a channel and tasks.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tokio::task::{self, AbortHandle, JoinError, JoinSet};
use tracing::{error, warn};

use super::expiry::Expiries;
use super::handle::Inbox;
use super::remapping::{RemapNews, Remapping};
use super::{
    Control, Effect, Event, Keep, Message, NodeEvent, Now, OverrideReply, PauseRequest, Publication, RolloutReply,
    Shared, told,
};
use crate::clock::wall;
use crate::health::{Outcome, Target};
use crate::latency::LatencyTable;
use crate::snapshot::{Blueprint, Snapshot};
use crate::watch::{TargetId, TargetMap};

/// Replaced snapshots that workers may still hold. Control frees them here; otherwise the last worker would have to.
#[derive(Debug, Default)]
struct Retired(Vec<Arc<Snapshot>>);

impl Retired {
    fn free_unused(&mut self) {
        self.0.retain(|snapshot| Arc::strong_count(snapshot) > 1);
    }
}

/// Maximum time until control wakes up if nothing happens.
const SWEEP: Duration = Duration::from_secs(1);

/// The same while there are retired snapshots. Workers hold them for milliseconds, and after a reload they may be large.
const RETIRED_SWEEP: Duration = Duration::from_millis(20);

/// A wake-up that is later than this means that the process was stopped, not only busy.
const NOTICEABLE_PAUSE: Duration = Duration::from_millis(250);

/// Probes in flight, each in a task of its own.
#[derive(Default)]
struct Probes {
    tasks: JoinSet<Outcome>,
    targets: HashMap<task::Id, (TargetId, Arc<Target>)>,
    running: TargetMap<AbortHandle>,
}

impl Probes {
    fn start(&mut self, id: TargetId, target: Arc<Target>, probe: impl Future<Output = Outcome> + Send + 'static) {
        let task = self.tasks.spawn(probe);
        self.targets.insert(task.id(), (id, target));
        self.running.insert(id, task);
    }

    /// Cancels a probe and closes its socket. A result that it has just found is dropped too.
    fn stop(&mut self, id: TargetId) {
        if let Some(task) = self.running.remove(id) {
            self.targets.remove(&task.id());
            task.abort();
        }
    }

    /// Waits for the end of a probe. Never returns while none runs.
    async fn next(&mut self) -> Event {
        loop {
            let Some(ended) = self.tasks.join_next_with_id().await else { return std::future::pending().await };
            let task = ended.as_ref().map_or_else(JoinError::id, |(task, _)| *task);
            let Some((id, target)) = self.targets.remove(&task) else { continue };
            self.running.remove(id);
            match ended {
                Ok((_, outcome)) => return Event::Outcome(id, outcome),
                Err(error) => {
                    error!(endpoint = %target, %error, "a probe ended without a result: the endpoint is probed again");
                    return Event::Lost(id);
                }
            }
        }
    }
}

/// The reply to the sender of an order.
enum Answer {
    Override(OverrideReply),
    Rollout(RolloutReply),
}

impl Answer {
    fn send(self) {
        match self {
            Self::Override(reply) => reply.send(),
            Self::Rollout(reply) => reply.send(),
        }
    }
}

/// The callers that wait for a configuration to be served.
#[derive(Debug, Default)]
struct Waiting(Vec<(Arc<Blueprint>, oneshot::Sender<Arc<Snapshot>>)>);

impl Waiting {
    /// Tells those who waited for this configuration. Drops those who waited for an earlier one, which will never be
    /// served.
    fn tell(&mut self, snapshot: &Arc<Snapshot>) {
        let Some(last) = self.0.iter().rposition(|(blueprint, _)| snapshot.is_of(blueprint)) else { return };
        for (blueprint, reply) in self.0.drain(..=last) {
            if snapshot.is_of(&blueprint) {
                // The caller may be gone.
                let _ = reply.send(snapshot.clone());
            }
        }
    }
}

/// Questions that cannot be answered at once.
#[derive(Debug, Default)]
struct Asked {
    /// Callers that wait for a configuration to be served.
    configurations: Waiting,
    /// Callers that wait until earlier events are published.
    publication: Vec<oneshot::Sender<()>>,
    /// Callers that wait until the fleet has earlier orders.
    sharing: Vec<oneshot::Sender<Shared>>,
    /// A pause that begins once everything is kept.
    pause: Option<PauseRequest>,
}

impl Asked {
    /// Answers a question at once or keeps it for later. Returns the event for control to process. The caller of a
    /// question may be gone.
    fn take_in(&mut self, message: Message, control: &Control, now: Now) -> Event {
        match message {
            Message::Event(event) => return event,
            Message::Serve(event, blueprint, reply) => {
                self.configurations.0.push((blueprint, reply));
                return event;
            }
            Message::Published(reply) => self.publication.push(reply),
            Message::Shared(reply) => self.sharing.push(reply),
            Message::Survey(reply) => _ = reply.send(control.survey()),
            Message::Rollouts(reply) => _ = reply.send(control.rollouts(now)),
            Message::Preview(proposal, reply) => _ = reply.send(control.preview(&proposal, now)),
            Message::Overrides(reply) => {
                let store = control.overrides();
                let _ = reply.send(store.all().map(|item| (item.clone(), store.is_in_force(item.id))).collect());
            }
            Message::Pause(request) => {
                self.pause = Some(request);
                return Event::Stop;
            }
        }
        Event::Tick
    }

    /// Tells those who wait whether the fleet has earlier orders, once that is known.
    fn tell_shared(&mut self, control: &Control) {
        if self.sharing.is_empty() {
            return;
        }
        if let Some(shared) = control.shared() {
            for reply in self.sharing.drain(..) {
                let _ = reply.send(shared.clone());
            }
        }
    }

    /// Tells those who wait for a publication that it has come, and the others about the fleet.
    fn tell(&mut self, control: &Control, is_published: bool) {
        self.tell_shared(control);
        if is_published || !control.will_publish() {
            self.tell_published();
        }
    }

    fn tell_published(&mut self) {
        for reply in self.publication.drain(..) {
            let _ = reply.send(());
        }
    }
}

/// The wall clock, and elapsed time. Elapsed time begins with the wall-clock time at the start of the process.
#[derive(Clone, Copy, Debug)]
struct Clock {
    start: Instant,
    /// The wall-clock time of `start`, since the Unix epoch.
    epoch: Duration,
}

impl Clock {
    fn new() -> Self {
        Self { start: Instant::now(), epoch: wall() }
    }

    fn now(self) -> Now {
        Now { elapsed: self.epoch + self.start.elapsed(), wall: wall() }
    }

    fn instant(self, time: Duration) -> Instant {
        self.start + time.saturating_sub(self.epoch)
    }
}

/// Runs until a `Stop` event comes or all handles are gone.
///
/// * `probe` probes a target and ends with the outcome.
/// * `publish` makes a snapshot, which took this time to make, the one that queries are answered from, and returns the one
///   before.
/// * `keep` stores rows for the next run. It gets all rows that one event changes in one call, and does not wait for a
///   disk.
/// * `keep_latency` does the same with round trips that were measured up to the given time.
/// * `tell` gets the events once answers show them, with the snapshots before and after if they were published.
pub async fn run<P: Future<Output = Outcome> + Send + 'static>(
    mut control: Control,
    mut inbox: Inbox,
    probe: impl Fn(Arc<Target>) -> P,
    mut publish: impl FnMut(Arc<Snapshot>, Duration) -> Option<Arc<Snapshot>>,
    keep: impl Fn(Keep),
    keep_latency: impl Fn(LatencyTable, Now),
    tell: impl Fn(Vec<NodeEvent>, Option<Publication>),
) {
    let clock = Clock::new();
    let mut retired = Retired::default();
    let mut probes = Probes::default();
    let mut remapping = Remapping::default();
    let mut asked = Asked::default();
    let mut expiries = Expiries::default();
    let mut remaps = RemapNews::default();
    let mut untold = Vec::new();
    let mut awake = clock.now().elapsed;
    loop {
        inbox.beat();
        remapping.retry();
        let sweep_at = awake + if retired.0.is_empty() { SWEEP } else { RETIRED_SWEEP };
        let wake_at = control.wake_at().map_or(sweep_at, |at| at.min(sweep_at));
        let message = tokio::select! {
            message = inbox.receive() => match message {
                Some(message) => message,
                None => return,
            },
            event = probes.next() => Message::Event(event),
            event = remapping.ended(&mut remaps) => Message::Event(event),
            () = tokio::time::sleep_until(clock.instant(wake_at).into()) => Message::Event(Event::Tick),
        };
        let now = clock.now();
        let event = asked.take_in(message, &control, now);
        let pause = now.elapsed.saturating_sub(awake);
        awake += pause;
        if pause > SWEEP + NOTICEABLE_PAUSE {
            control.sleep(pause);
        }
        let is_last = matches!(event, Event::Stop) && asked.pause.is_none();
        let certificate = expiries.hear(&event, &control, now.wall).map(NodeEvent::Certificate);
        untold.extend(remaps.take_due(now.elapsed).map(NodeEvent::Remapped).into_iter().chain(certificate));
        let (mut kept, mut replies, mut is_published) = (Keep::default(), Vec::new(), false);
        let (effects, took) = timed(|| control.step(event, now));
        for effect in effects {
            match effect {
                Effect::Probe(id, target) => probes.start(id, target.clone(), probe(target)),
                Effect::Stop(id) => probes.stop(id),
                Effect::Publish(snapshot) => {
                    let before = publish(snapshot.clone(), took);
                    asked.configurations.tell(&snapshot);
                    is_published = true;
                    // Events are only compared between snapshots of the same world: other records, other maps or
                    // another world would hide their effect.
                    if !untold.is_empty()
                        && let Some(before) = before.clone().filter(|before| before.shares_world(&snapshot))
                    {
                        tell(std::mem::take(&mut untold), Some(Publication { before, after: snapshot }));
                    }
                    retired.0.extend(before);
                }
                Effect::Remap(blueprint, table) => remapping.begin(blueprint, table),
                Effect::Group(turn) => untold.push(NodeEvent::Group(turn)),
                Effect::Hold(turn) => untold.push(told::hold(turn)),
                Effect::Report(turn) => untold.extend(told::turn(turn)),
                Effect::FailStatic(fail_static) => untold.push(told::fail_static(fail_static)),
                Effect::Overruled(overruled) => told::overruled(&overruled),
                Effect::Letters(letters) => (inbox.posts().letters)(letters),
                Effect::Submit(entries) => (inbox.posts().entries)(entries),
                Effect::Follow(follows) => (inbox.posts().follows)(follows),
                Effect::FleetTurn(turn) => untold.push(told::fleet(turn)),
                Effect::Rehosted(change) => warn!("{change}"),
                // The reporter may be gone.
                Effect::Pushed(reply, result) => _ = reply.send(result),
                Effect::Decided(reply, decision) => _ = reply.send(decision),
                Effect::Keep(rows) => kept.extend(rows),
                Effect::KeepLatency(table) => keep_latency(table, now),
                Effect::Overridden(change) => {
                    told::override_change(&change);
                    kept.overrides.push(change.clone());
                    untold.push(NodeEvent::Override(change));
                }
                Effect::Reply(reply) => replies.push(Answer::Override(reply)),
                Effect::RolledOut(change) => {
                    told::rollout(&change);
                    untold.push(NodeEvent::Rollout(change));
                }
                Effect::KeepRollouts(rows) => kept.rollouts.extend(rows),
                Effect::RolloutReply(reply) => replies.push(Answer::Rollout(reply)),
            }
        }
        if !kept.is_empty() {
            keep(kept);
        }
        // The sender of an order gets the reply after the change is kept.
        replies.into_iter().for_each(Answer::send);
        asked.tell(&control, is_published);
        if !untold.is_empty() && (is_last || !control.will_publish()) {
            tell(std::mem::take(&mut untold), None);
        }
        if is_last {
            (inbox.posts().letters)(control.farewell().into_iter().collect());
            return;
        }
        if let Some(pause) = asked.pause.take()
            && pause.hold().await
        {
            return;
        }
        retired.free_unused();
    }
}

/// Does some work, and returns the time that it took.
fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let began = Instant::now();
    let done = work();
    (done, began.elapsed())
}
