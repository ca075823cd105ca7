//! The messages of nodes to each other.
//!
//! A message is soft state: it may be lost, come twice or late. Times in it are ages, so that the clocks of two nodes
//! need not agree.

use std::time::Duration;

use super::reported::Reported;
use super::{Digest, NodeName, Parts, QuestionId};
use crate::health::{Identity, Opinion};
use crate::latency::{Sample, VantageRtts};

/// Most rows in one message, so that it stays far below the 1 MiB that a NATS server takes.
pub const MAX_ROWS: usize = 512;

/// A message of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The run of the process that sent it: a later run has a greater number.
    pub incarnation: u64,
    /// Increases from message to message of one run.
    pub sequence: u64,
    /// The sender's wall clock, since the Unix epoch. It is only used to find wrong clocks.
    pub wall: Duration,
    /// The contents.
    pub body: Body,
}

/// The contents of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// The observations of the sender.
    Report(Report),
    /// The software and the configuration of the sender.
    Identity(Identity),
    /// The round trips that the probes of the sender measure.
    Rtts(VantageRtts),
    /// Round trips that clients pushed to the sender, at most [`MAX_ROWS`].
    Samples(Vec<Sample>),
    /// Reports that came to the sender, at most [`MAX_ROWS`].
    Reported(Vec<Reported>),
    /// Asks these nodes for all that they see, and for what they run.
    Ask(Vec<NodeName>),
}

/// The observations of a node: rows that changed, a part of all rows, or only that it is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Where it stands: a datacenter, or coordinates.
    pub site: Box<str>,
    /// Longest time between two of its reports.
    pub interval: Duration,
    /// True if it distrusts its own probes (fail-static): its opinions do not count.
    pub doubts: bool,
    /// True if it stops: this is its last message.
    pub leaves: bool,
    /// The digest of all that it sees, these rows included.
    pub digest: Digest,
    /// [`Identity::digest`] of what it runs; `None` while it serves nothing yet.
    pub identity: Option<u64>,
    /// The digest of its round trips; `None` while it serves nothing yet.
    pub rtts: Option<u64>,
    /// The digests of the questions that are shared among few nodes; `None` if all nodes ask all questions.
    pub parts: Option<Parts>,
    /// The place of these rows among the parts of an answer to an [`Body::Ask`].
    pub part: Option<Part>,
    /// The rows.
    pub rows: Vec<(QuestionId, Option<Sight>)>,
}

/// One of several messages that hold all rows together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its position, from 0.
    pub number: u32,
    /// Number of parts.
    pub of: u32,
}

/// The observation of one endpoint, with ages at the time of sending. A row without it: no longer watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sight {
    /// The state that its probes confirmed.
    pub opinion: Opinion,
    /// Time since it came to this opinion.
    pub turned: Duration,
    /// Time since its last probe ended.
    pub seen: Duration,
    /// How long its last successful probe took.
    pub took: Option<Duration>,
}

/// An event of the connection to the fleet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FleetEvent {
    /// The node is connected to this server.
    Connected(Box<str>),
    /// The connection is lost, or cannot be made, for this reason.
    Disconnected(Box<str>),
    /// A message of a node came.
    Heard(NodeName, Box<Message>),
}

/// A message to send, and who is to hear it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// `None`: all nodes.
    pub to: Option<NodeName>,
    /// The message.
    pub message: Message,
}
