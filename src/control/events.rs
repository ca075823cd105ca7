//! What control takes in, and what it says is to be done.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::{
    HoldTurn, Keep, OverrideEvent, OverrideReply, Push, PushRefusal, PushReply, RolloutEvent, RolloutReply, Turn,
};
use crate::health::{Kept, Outcome, RecoveryState, Target};
use crate::latency::{LatencyTable, Record, Sample};
use crate::overrides::Change;
use crate::rollout;
use crate::snapshot::{Blueprint, Remapped, Snapshot};
use crate::watch::FailStaticEvent;

/// Something that happened.
#[derive(Debug)]
pub enum Event {
    /// What the last run kept of its targets' health, by fingerprint. It comes before the first configuration.
    Restore(HashMap<u128, Kept>),
    /// What the last run kept of what was coming back. It comes before the first configuration too.
    Resume(HashMap<String, RecoveryState>),
    /// A new configuration was read and compiled.
    Adopt(Arc<Blueprint>),
    /// The configuration adopted last has other records: what [`Blueprint::amended`] made of it.
    Amend(Arc<Blueprint>),
    /// A probe ended.
    Outcome(Arc<Target>, Outcome),
    /// A probe ended without an outcome.
    Lost(Arc<Target>),
    /// Somebody reports an endpoint, and waits to be told what became of that.
    Push(Push, PushReply),
    /// Clients, or their datacenters, measured round trips.
    Latency(Vec<Sample>),
    /// Measures that an earlier run kept. They are told after the first snapshot.
    KeptLatency(Vec<Record>),
    /// Maps were made of a latency table, for this configuration.
    Remapped(Arc<Blueprint>, Remapped),
    /// No maps were made: whoever made them broke off.
    NotRemapped,
    /// The operator says what is to answer.
    Override(OverrideEvent),
    /// Something is said of roll-outs.
    Rollout(RolloutEvent),
    /// Time passed.
    Tick,
    /// The node stops: what waits to be kept is kept now.
    Stop,
}

/// Something to do.
#[derive(Debug)]
pub enum Effect {
    /// Probe this target now, and tell the outcome.
    Probe(Arc<Target>),
    /// The probe of this target that runs is of no interest any more; there will be no outcome.
    Stop(Arc<Target>),
    /// Answer queries from this snapshot from now on.
    Publish(Arc<Snapshot>),
    /// Make maps of this table, beside, and tell them.
    Remap(Arc<Blueprint>, LatencyTable),
    /// Tell the operator that an endpoint, or one of its probes, went up or down, once.
    Report(Turn),
    /// Tell the operator that the node began, or ceased, to doubt its own probes.
    FailStatic(FailStaticEvent),
    /// Tell whoever reported what became of that.
    Pushed(PushReply, Result<usize, PushRefusal>),
    /// Tell the operator that a pool is held back after it was down, or is no longer.
    Hold(HoldTurn),
    /// Keep this for the next run.
    Keep(Keep),
    /// Keep these round trips as well, beside: they may be many.
    KeepLatency(LatencyTable),
    /// Tell the operator what became of an override, and keep it over a restart or forget it.
    Overridden(Change),
    /// Tell whoever asked for an override.
    Reply(OverrideReply),
    /// Tell the operator that clients are sent elsewhere.
    RolledOut(rollout::Change),
    /// Keep this of roll-outs for the next run.
    KeepRollouts(rollout::Rows),
    /// Tell whoever spoke of roll-outs.
    RolloutReply(RolloutReply),
}

/// What whoever follows the node may want to hear.
#[derive(Clone, Debug)]
pub enum NodeEvent {
    /// An endpoint's state changed.
    Turn(Turn),
    /// An override was placed, began, ended or was lifted.
    Override(Change),
    /// Something happened to a roll-out.
    Rollout(rollout::Change),
    /// The node began, or ceased, to doubt its own probes.
    FailStatic(FailStaticEvent),
    /// A certificate that an endpoint shows ends soon.
    Certificate(Expiring),
}

/// A certificate that ends soon.
#[derive(Clone, Debug)]
pub struct Expiring {
    /// Whose it is.
    pub target: Arc<Target>,
    /// How long it is still valid; 0 if it has expired.
    pub left: Duration,
    /// When it ends, since the Unix epoch.
    pub expires: Duration,
}

/// What queries were answered from, and what they are answered from now: one world in two states.
#[derive(Clone, Debug)]
pub struct Publication {
    /// Until now.
    pub before: Arc<Snapshot>,
    /// From now on.
    pub after: Arc<Snapshot>,
}
