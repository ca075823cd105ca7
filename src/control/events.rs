//! Control's input (events) and output (effects).

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use super::remapping::Remaps;
use super::{
    FleetTurn, HoldTurn, Keep, OverrideEvent, OverrideReply, Overruled, Proposed, ProposedReply, PushRefusal,
    PushReply, RolloutEvent, RolloutReply, Turn, ZonesNews,
};
use crate::health::{Kept, KeptAgreement, Outcome, Push, RecoveryState, Target, ZonesSight};
use crate::latency::{LatencyTable, Record, Sample};
use crate::ledger::{Decision, Followed, KeptLedger, Publish, StreamEvent, Word};
use crate::overrides::Change;
use crate::rollout;
use crate::snapshot::{Blueprint, GroupName, GroupTurn, HostChange, Remapped, Snapshot};
use crate::vantage::{FleetEvent, Letter};
use crate::watch::{FailStaticEvent, TargetId};

/// Something that happened.
#[derive(Debug)]
pub enum Event {
    /// The targets' health that the last run kept, by fingerprint. It comes before the first configuration.
    Restore(HashMap<u128, Kept>),
    /// The agreements of the fleet when the last run ended, by the target's fingerprint. They come before the first
    /// configuration too.
    Recall(HashMap<u128, KeptAgreement>),
    /// The recovery states that the last run kept. They come before the first configuration too.
    Resume(HashMap<String, RecoveryState>),
    /// The pools and datacenters that the last run reported as down. They come before the first configuration too.
    Reported(BTreeSet<GroupName>),
    /// A new configuration was read and compiled.
    Adopt(Arc<Blueprint>),
    /// The configuration adopted last has other records: the result of [`Blueprint::amended`].
    Amend(Arc<Blueprint>),
    /// The configuration adopted last has other registered endpoints: the result of [`Blueprint::with_registered`].
    Register(Arc<Blueprint>),
    /// A probe ended.
    Outcome(TargetId, Outcome),
    /// A probe ended without an outcome.
    Lost(TargetId),
    /// A report of an endpoint. The reporter waits for the reply.
    Push(Push, PushReply),
    /// Round trips that clients, or datacenters, measured.
    Latency(Vec<Sample>),
    /// Measurements that an earlier run kept. They come after the first snapshot.
    KeptLatency(Vec<Record>),
    /// New maps were made for this configuration from a latency table.
    Remapped(Arc<Blueprint>, Remapped),
    /// No maps were made: the thread that makes them panicked.
    NotRemapped,
    /// An operator places or lifts overrides, or those of the last run are restored.
    Override(OverrideEvent),
    /// An order, a report or kept rows for roll-outs.
    Rollout(RolloutEvent),
    /// Something about the connection to the fleet.
    Fleet(FleetEvent),
    /// Something about the streams of the fleet's orders.
    Stream(StreamEvent),
    /// The orders of the fleet that the last run knew. They come after its overrides and roll-outs.
    RestoreLedger(KeptLedger),
    /// Orders about TXT records and leases, which are in force at this node.
    Say(Vec<Word>),
    /// TXT records that the last run kept. The fleet is told about those that it does not know.
    Remind(Vec<Word>),
    /// The version of the zones that is to be current in the fleet. Whoever proposes it waits for the decision.
    Propose(Box<Proposed>),
    /// The version of the zones that this node serves, and what operators are told about it.
    Sight(ZonesSight, Option<ZonesNews>),
    /// Time passed.
    Tick,
    /// The node stops, or pauses to be replaced: everything that waits to be kept is kept now.
    Stop,
}

/// Something to do.
#[derive(Debug)]
pub enum Effect {
    /// Probe this target now, and send the outcome as an event with its id.
    Probe(TargetId, Arc<Target>),
    /// Cancel the running probe of this target. It will have no outcome: its id may be given to
    /// another target.
    Stop(TargetId),
    /// Answer queries from this snapshot from now on.
    Publish(Arc<Snapshot>),
    /// Make maps from this table on another thread, and send them as an event.
    Remap(Arc<Blueprint>, LatencyTable),
    /// Tell the operator, once, that the state of an endpoint or of one of its probes changed.
    Report(Turn),
    /// Tell the operator that answers do not follow this node's own probes.
    Overruled(Overruled),
    /// Send these messages to the fleet. They may be lost.
    Letters(Vec<Letter>),
    /// Send these entries to the fleet's streams. If one is lost it is sent again.
    Submit(Vec<Publish>),
    /// Let these orders of the fleet about TXT records, leases and the version of the zones count at this node.
    Follow(Followed),
    /// Tell whoever proposed a version of the zones what became of it.
    Decided(ProposedReply, Decision),
    /// Tell the operator about the fleet.
    FleetTurn(FleetTurn),
    /// Tell the operator that the node began or stopped to distrust its own probes.
    FailStatic(FailStaticEvent),
    /// Tell the operator that the probes of a pool ask for another host than in the last run.
    Rehosted(HostChange),
    /// Send the reporter the result of its report.
    Pushed(PushReply, Result<usize, PushRefusal>),
    /// Tell the operator that a pool or a datacenter went down or came back as a whole.
    Group(GroupTurn),
    /// Tell the operator that failback holds a pool back after it was down, or no longer does.
    Hold(HoldTurn),
    /// Keep this for the next run.
    Keep(Keep),
    /// Keep these round trips for the next run, on another thread: there may be many.
    KeepLatency(LatencyTable),
    /// Tell the operator about a change of an override, and keep it for the next run or forget it.
    Overridden(Change),
    /// Reply to the sender of an override.
    Reply(OverrideReply),
    /// Tell the operator that a roll-out changed.
    RolledOut(rollout::Change),
    /// Keep these rows of roll-outs for the next run.
    KeepRollouts(rollout::Rows),
    /// Reply to the sender of an order or a report for roll-outs.
    RolloutReply(RolloutReply),
}

/// An event for subscribers of the node, such as webhooks.
#[derive(Clone, Debug)]
pub enum NodeEvent {
    /// An endpoint's state changed.
    Turn(Turn),
    /// An override was placed, began, ended or was lifted.
    Override(Change),
    /// Something happened to a roll-out.
    Rollout(rollout::Change),
    /// The node began or stopped to distrust its own probes.
    FailStatic(FailStaticEvent),
    /// Something about the fleet.
    Fleet(FleetTurn),
    /// Failback holds a pool back, or no longer does.
    Hold(HoldTurn),
    /// A pool or a datacenter went down or came back as a whole.
    Group(GroupTurn),
    /// A certificate that an endpoint presents expires soon.
    Certificate(Expiring),
    /// Maps were made anew from round trips.
    Remapped(Remaps),
}

/// A certificate that expires soon.
#[derive(Clone, Debug)]
pub struct Expiring {
    /// The target that presented it.
    pub target: Arc<Target>,
    /// The time that it is still valid; 0 if it has expired.
    pub left: Duration,
    /// When it expires, since the Unix epoch.
    pub expires: Duration,
}

/// Two snapshots of the same world: the one that answered queries until now, and the one that answers from now on.
#[derive(Clone, Debug)]
pub struct Publication {
    /// The snapshot until now.
    pub before: Arc<Snapshot>,
    /// The snapshot from now on.
    pub after: Arc<Snapshot>,
}
