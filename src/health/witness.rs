//! The opinions of a fleet's vantage points, for display.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::{Health, Identity, Opinion};

/// Most names that a sentence lists.
const MAX_LISTED: usize = 8;

/// Whether the opinions of a vantage point count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// They count.
    Counts,
    /// It distrusts its own probes (fail-static).
    Doubts,
    /// It sees everything down, and others do not.
    Discounted,
}

impl Weight {
    /// The weight of a vantage point that distrusts its own probes, or sees everything down alone.
    pub fn of(doubts: bool, is_discounted: bool) -> Self {
        match (doubts, is_discounted) {
            (true, _) => Self::Doubts,
            (false, true) => Self::Discounted,
            (false, false) => Self::Counts,
        }
    }

    /// The weight as one word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counts => "counts",
            Self::Doubts => "doubts",
            Self::Discounted => "discounted",
        }
    }
}

/// A node of the fleet, as this one hears it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VantagePoint {
    /// Its name.
    pub node: Arc<str>,
    /// Where it stands: a datacenter, or coordinates.
    pub site: Box<str>,
    /// Its software and configuration; `None` until it has told.
    pub identity: Option<Arc<Identity>>,
    /// When it was heard last; `None` for this node itself.
    pub heard: Option<Duration>,
    /// Whether its opinions count.
    pub weight: Weight,
    /// True if it said that it stops.
    pub leaves: bool,
    /// True if this node knows all that it sees.
    pub is_in_step: bool,
    /// Number of probes that it has an opinion of.
    pub probes: usize,
    /// Number of those that it sees down.
    pub down: usize,
    /// The difference of its clock in milliseconds, above 0 if it is ahead; `None` for this node itself, and before its
    /// first messages.
    pub skew: Option<i64>,
    /// The round trips that its probes measure, by the datacenters' names.
    pub rtts: Vec<(Box<str>, Duration)>,
}

/// One vantage point's opinion of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witness {
    /// The node.
    pub node: Arc<str>,
    /// Its opinion.
    pub opinion: Opinion,
    /// Since when.
    pub turned: Duration,
    /// How long its last successful probe took.
    pub took: Option<Duration>,
    /// Whether the opinion counts.
    pub weight: Weight,
}

/// The opinions of the vantage points on one target, and the health that they agree on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agreement {
    /// The health that answers follow.
    pub health: Health,
    /// Since when it is in this state.
    pub since: Duration,
    /// The number of vantage points that must see it down.
    pub needed: usize,
    /// The opinions, by the nodes' names.
    pub witnesses: Vec<Witness>,
    /// The nodes that are to probe it, the best first; `None` if all are.
    pub assigned: Option<Vec<Arc<str>>>,
}

/// This node's place in its fleet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FleetSurvey {
    /// The name of this node.
    pub node: Arc<str>,
    /// True if messages can be sent and heard.
    pub is_connected: bool,
    /// The server that it is connected to, or why it is not.
    pub link: Box<str>,
    /// Since when it is connected, or is not.
    pub since: Duration,
    /// All nodes that are heard, and this one, by name.
    pub vantage_points: Vec<VantagePoint>,
    /// Number of this node's targets for which answers follow the others and not its own probes.
    pub overruled: usize,
    /// True if what was agreed on before this process began stands, because it has not agreed with others yet.
    pub is_arriving: bool,
    /// The orders of the fleet; `None` if this node only observes.
    pub orders: Option<OrdersSurvey>,
}

/// The orders of a fleet, as this node knows them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrdersSurvey {
    /// Why they are not shared; `None` if they are.
    pub apart: Option<Box<str>>,
    /// Number of orders that were not taken back.
    pub known: usize,
    /// Number of orders of this node that the others do not know yet.
    pub waiting: usize,
}

/// The opinions in a sentence, such as `2 of 3 vantage points see it down: ns1, ns2`. Without any: those before a restart
/// stand.
#[derive(Clone, Copy, Debug)]
pub struct Opinions<'a>(pub &'a [Witness]);

impl fmt::Display for Opinions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("as the fleet agreed before this node was restarted");
        }
        let counted = || self.0.iter().filter(|witness| witness.weight == Weight::Counts);
        let down: Vec<&str> = counted().filter(|witness| witness.opinion.is_none()).map(|it| &*it.node).collect();
        let left_out: Vec<&str> = self.0.iter().filter(|it| it.weight != Weight::Counts).map(|it| &*it.node).collect();
        write!(f, "{} of {} vantage points see it down", down.len(), counted().count())?;
        list(f, ": ", &down)?;
        if !left_out.is_empty() {
            list(f, "; not counted: ", &left_out)?;
        }
        Ok(())
    }
}

fn list(f: &mut fmt::Formatter<'_>, before: &str, names: &[&str]) -> fmt::Result {
    if names.is_empty() {
        return Ok(());
    }
    let listed = &names[..names.len().min(MAX_LISTED)];
    write!(f, "{before}{}", listed.join(", "))?;
    match names.len() - listed.len() {
        0 => Ok(()),
        more => write!(f, " and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::Share;

    fn witness(node: &str, opinion: Opinion, weight: Weight) -> Witness {
        Witness { node: node.into(), opinion, turned: Duration::ZERO, took: None, weight }
    }

    #[test]
    fn opinions_are_one_sentence() {
        let up = Some(Share::FULL);
        let mut all = vec![witness("a", None, Weight::Counts), witness("b", up, Weight::Counts)];
        assert_eq!(Opinions(&all).to_string(), "1 of 2 vantage points see it down: a");
        all.push(witness("c", None, Weight::Discounted));
        assert_eq!(Opinions(&all).to_string(), "1 of 2 vantage points see it down: a; not counted: c");
        all = (0..11).map(|number| witness(&format!("n{number}"), None, Weight::Counts)).collect();
        let told = "11 of 11 vantage points see it down: n0, n1, n2, n3, n4, n5, n6, n7 and 3 more";
        assert_eq!(Opinions(&all).to_string(), told);
        assert_eq!(Opinions(&[]).to_string(), "as the fleet agreed before this node was restarted");
    }
}
