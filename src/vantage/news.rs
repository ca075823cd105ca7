//! News of the fleet for operators.

use std::fmt;

use super::NodeName;

/// Something about the nodes of the fleet, as this one hears them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// A node is heard for the first time, or again.
    Heard(NodeName),
    /// A node said that it stops.
    Left(NodeName),
    /// A node was silent for too long, and no longer counts. Others are still heard.
    Silent(NodeName),
    /// No other node is heard any more: this one decides alone.
    Alone(Vec<NodeName>),
    /// After a time alone, another node is heard: this one.
    Together(NodeName),
    /// A vantage point sees everything down, and another one does not: it no longer counts.
    Discounted(NodeName),
    /// A vantage point that saw everything down counts again.
    Counted(NodeName),
    /// A node's clock differs from this node's by this number of milliseconds; above 0 if it is ahead.
    WrongClock(NodeName, i64),
    /// A node's clock is right again.
    RightClock(NodeName),
    /// Another process uses this node's name.
    NameTaken(NodeName),
}

impl News {
    /// The kind as one word, for events.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Heard(_) => "heard",
            Self::Left(_) => "left",
            Self::Silent(_) => "silent",
            Self::Alone(_) => "alone",
            Self::Together(_) => "together",
            Self::Discounted(_) => "discounted",
            Self::Counted(_) => "counted",
            Self::WrongClock(..) => "wrong_clock",
            Self::RightClock(_) => "right_clock",
            Self::NameTaken(_) => "name_taken",
        }
    }

    /// The nodes that it is about.
    pub fn nodes(&self) -> &[NodeName] {
        match self {
            Self::Alone(nodes) => nodes,
            Self::Heard(node)
            | Self::Silent(node)
            | Self::Together(node)
            | Self::Left(node)
            | Self::Discounted(node)
            | Self::Counted(node)
            | Self::WrongClock(node, _)
            | Self::RightClock(node)
            | Self::NameTaken(node) => std::slice::from_ref(node),
        }
    }

    /// True if nothing is wrong, or no longer.
    pub fn is_good(&self) -> bool {
        matches!(self, Self::Heard(_) | Self::Left(_) | Self::Together(_) | Self::Counted(_) | Self::RightClock(_))
    }
}

impl fmt::Display for News {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Heard(node) => write!(f, "node {node} is heard"),
            Self::Left(node) => write!(f, "node {node} left: it stops"),
            Self::Silent(node) => write!(f, "node {node} is silent, and is no longer counted"),
            Self::Alone(nodes) => {
                let names: Vec<&str> = nodes.iter().map(NodeName::as_str).collect();
                let names = names.join(", ");
                write!(f, "no other node is heard any more ({names}): this one decides by its own probes")
            }
            Self::Together(node) => {
                write!(f, "node {node} is heard: this node no longer decides by its own probes alone")
            }
            Self::Discounted(node) => {
                write!(f, "node {node} sees everything down, and others do not: its probes are not counted")
            }
            Self::Counted(node) => {
                write!(f, "node {node} no longer sees everything down: its probes are counted again")
            }
            Self::WrongClock(node, milliseconds) => {
                let (seconds, side) = (
                    milliseconds.unsigned_abs() as f64 / 1000.0,
                    if *milliseconds > 0 { "ahead of" } else { "behind" },
                );
                write!(f, "the clock of node {node} is {seconds:.1} s {side} this node's: one of them is wrong")
            }
            Self::RightClock(node) => write!(f, "the clocks of node {node} and this node agree again"),
            Self::NameTaken(node) => {
                write!(f, "another process in the fleet uses the name of this node, {node}: give each node its own")
            }
        }
    }
}
