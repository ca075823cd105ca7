//! Control with a clock, a channel and tasks.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::mpsc;
use tracing::{info, warn};

use super::{Control, Effect, Event, Turn};
use crate::health::{State, Target};
use crate::snapshot::Snapshot;

/// Snapshots that workers may still hold. They are freed here, not by whichever worker lets go last.
#[derive(Debug, Default)]
struct Retired(Vec<Arc<Snapshot>>);

impl Retired {
    fn free_unused(&mut self) {
        self.0.retain(|snapshot| Arc::strong_count(snapshot) > 1);
    }
}

/// How often retired snapshots are looked through, if nothing else happens.
const SWEEP: std::time::Duration = std::time::Duration::from_secs(1);

/// Runs until all senders of events are gone. `probe` starts a probe whose outcome comes back as an event; `publish`
/// makes a snapshot the one that queries are answered from, and gives back the one before.
pub async fn run(
    mut control: Control,
    mut events: mpsc::Receiver<Event>,
    probe: impl Fn(Arc<Target>),
    mut publish: impl FnMut(Arc<Snapshot>) -> Option<Arc<Snapshot>>,
) {
    let start = Instant::now();
    let mut retired = Retired::default();
    loop {
        let sweep_at = start.elapsed() + SWEEP;
        let wake_at = control.wake_at().map_or(sweep_at, |at| at.min(sweep_at));
        let event = tokio::select! {
            event = events.recv() => match event {
                Some(event) => event,
                None => return,
            },
            () = tokio::time::sleep_until((start + wake_at).into()) => Event::Tick,
        };
        for effect in control.step(event, start.elapsed()) {
            match effect {
                Effect::Probe(target) => probe(target),
                Effect::Publish(snapshot) => retired.0.extend(publish(snapshot)),
                Effect::Report(turn) => report(&turn),
            }
        }
        retired.free_unused();
    }
}

fn report(turn: &Turn) {
    let Turn { target, pools, to, seen, .. } = turn;
    let pools = pools.join(", ");
    match to {
        State::Down => warn!(endpoint = %target, %pools, %seen, "endpoint is down"),
        State::Degraded(share) => warn!(endpoint = %target, %pools, %seen, %share, "endpoint is degraded"),
        State::Up | State::Unknown => info!(endpoint = %target, %pools, %seen, "endpoint is up"),
    }
}
