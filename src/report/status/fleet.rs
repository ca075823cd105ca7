//! The fleet as a node hears it, and what its vantage points say of a probe.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use serde::{Deserialize, Serialize};

use super::Status;
use crate::health::{Agreement, FleetSurvey, Opinion, Opinions, OrdersSurvey, State, VantagePoint, Weight, Witness};
use crate::printable::Printable;
use crate::report::notice::word;
use crate::report::table::{RED, TextTable, YELLOW, span};
use crate::report::zones::{ZonesOfNode, ZonesRefusal};

/// From this difference on, in milliseconds, the table shows that a clock is wrong.
const SHOWN_SKEW: i64 = 1_000;

/// Most datacenters in the table of round trips.
const SHOWN_PLACES: usize = 12;

/// Hexadecimal digits of a fingerprint that tables show.
const SHOWN_DIGITS: usize = 8;

/// This node's place in its fleet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FleetStatus {
    /// The name of this node in the fleet.
    pub node: String,
    /// True if it is connected to a NATS server.
    pub connected: bool,
    /// The server, or why there is no connection.
    pub link: String,
    /// Since when it is connected, or is not: Unix time in seconds.
    pub since: u64,
    /// True if this process has not agreed with others yet: what was agreed on before stands.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub arriving: bool,
    /// Number of probes about which answers follow the other vantage points, against those of this node.
    pub overruled: usize,
    /// The orders of the fleet; absent if this node only observes.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub orders: Option<OrdersStatus>,
    /// All nodes that are heard, and this one, by name.
    pub vantage_points: Vec<VantagePointStatus>,
}

/// The orders of a fleet: overrides, TXT records, leases and roll-outs, whichever node they were given at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrdersStatus {
    /// True if this node reads them.
    pub shared: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub why: Option<String>,
    /// Number of orders that were not taken back.
    pub known: usize,
    /// Number of orders of this node that the others do not know yet.
    pub waiting: usize,
}

/// A node of the fleet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VantagePointStatus {
    /// Its name.
    pub node: String,
    /// Where it stands: a datacenter or a country; empty if that is unknown.
    pub site: String,
    /// The version of its program; absent until it has told.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub version: Option<String>,
    /// A fingerprint of the files of its zones; absent until it has told.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub configuration: Option<String>,
    /// When it was heard last: Unix time in seconds; absent for this node itself.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub heard: Option<u64>,
    /// Whether its opinions count: `counts`, `doubts` (it distrusts its own probes) or `discounted` (it sees everything
    /// down, and others do not).
    pub weight: String,
    /// The version of the zones that it serves; absent if it takes none from the fleet.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub zones: Option<ZonesOfNode>,
    /// True if it only observes, and answers nothing.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub observes: bool,
    /// True if it said that it stops.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub leaves: bool,
    /// True if this node knows all that it sees.
    pub in_step: bool,
    /// Number of probes that it has an opinion of.
    pub probes: usize,
    /// Number of those that it sees down.
    pub down: usize,
    /// The difference of its clock in milliseconds, above 0 if it is ahead; absent if that is unknown.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub skew_ms: Option<i64>,
    /// The round trips that its probes measure, in milliseconds, by datacenter.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub rtts_ms: BTreeMap<String, f64>,
}

/// The agreement of the vantage points on a probe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AgreementStatus {
    /// The state that answers follow: `up`, `degraded`, `drained` or `down`.
    pub state: String,
    /// Number of vantage points that must see it down.
    pub quorum: usize,
    /// The opinions in a sentence.
    pub text: String,
    /// The opinions, by the nodes' names.
    pub witnesses: Vec<WitnessStatus>,
    /// The nodes that are to probe it, the best first; absent if all are.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub assigned: Option<Vec<String>>,
}

/// The opinion of a vantage point.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WitnessStatus {
    /// The node.
    pub node: String,
    /// `up`, `degraded`, `drained` or `down`.
    pub state: String,
    /// Since when: Unix time in seconds.
    pub since: u64,
    /// How long its last successful probe took, in milliseconds; absent if there was none.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub took_ms: Option<f64>,
    /// Whether the opinion counts: `counts`, `doubts` or `discounted`.
    pub weight: String,
}

impl From<&FleetSurvey> for FleetStatus {
    fn from(survey: &FleetSurvey) -> Self {
        let FleetSurvey { node, is_connected, link, since, vantage_points, overruled, is_arriving, orders } = survey;
        Self {
            node: node.to_string(),
            connected: *is_connected,
            link: link.to_string(),
            since: since.as_secs(),
            arriving: *is_arriving,
            overruled: *overruled,
            orders: orders.as_ref().map(|OrdersSurvey { apart, known, waiting }| OrdersStatus {
                shared: apart.is_none(),
                why: apart.as_ref().map(ToString::to_string),
                known: *known,
                waiting: *waiting,
            }),
            vantage_points: vantage_points.iter().map(VantagePointStatus::from).collect(),
        }
    }
}

impl From<&VantagePoint> for VantagePointStatus {
    fn from(point: &VantagePoint) -> Self {
        let VantagePoint { node, site, identity, heard, weight, leaves, is_in_step, probes, down, skew, rtts } = point;
        Self {
            node: node.to_string(),
            site: site.to_string(),
            version: identity.as_ref().map(|identity| identity.version.to_string()),
            configuration: identity.as_ref().map(|identity| fingerprint(identity.configuration)),
            heard: heard.map(|heard| heard.as_secs()),
            weight: weight.as_str().to_owned(),
            zones: identity.as_ref().and_then(|identity| identity.sight.as_ref()).map(|sight| ZonesOfNode {
                node: node.to_string(),
                serves: sight.serves.map(|(number, _)| number),
                refuses: sight
                    .refuses
                    .as_ref()
                    .map(|(version, why)| ZonesRefusal { version: *version, why: why.to_string() }),
            }),
            observes: identity.as_ref().is_some_and(|identity| identity.observes),
            leaves: *leaves,
            in_step: *is_in_step,
            probes: *probes,
            down: *down,
            skew_ms: *skew,
            rtts_ms: rtts.iter().map(|(place, rtt)| (place.to_string(), rtt.as_secs_f64() * 1000.0)).collect(),
        }
    }
}

impl From<&Agreement> for AgreementStatus {
    fn from(agreement: &Agreement) -> Self {
        let Agreement { health, since: _, needed, witnesses, assigned } = agreement;
        Self {
            state: word(health.state()).to_owned(),
            quorum: *needed,
            text: Opinions(witnesses).to_string(),
            witnesses: witnesses.iter().map(WitnessStatus::from).collect(),
            assigned: assigned.as_ref().map(|nodes| nodes.iter().map(ToString::to_string).collect()),
        }
    }
}

impl AgreementStatus {
    /// True if vantage points differ about it.
    pub(in crate::report) fn is_disputed(&self) -> bool {
        self.witnesses.windows(2).any(|pair| pair[0].state != pair[1].state)
    }

    /// True if a vantage point that counts sees it down.
    pub(super) fn is_noteworthy(&self) -> bool {
        let down = word(State::Down);
        self.witnesses.iter().any(|witness| witness.state == down && witness.weight == Weight::Counts.as_str())
    }
}

impl From<&Witness> for WitnessStatus {
    fn from(witness: &Witness) -> Self {
        let Witness { node, opinion, turned, took, weight } = witness;
        Self {
            node: node.to_string(),
            state: word(state(*opinion)).to_owned(),
            since: turned.as_secs(),
            took_ms: took.map(|took| took.as_secs_f64() * 1000.0),
            weight: weight.as_str().to_owned(),
        }
    }
}

fn state(opinion: Opinion) -> State {
    match opinion {
        None => State::Down,
        Some(share) if share.is_full() => State::Up,
        Some(share) => State::Degraded(share),
    }
}

/// A fingerprint as text.
fn fingerprint(number: u64) -> String {
    format!("{number:016x}")
}

impl FleetStatus {
    /// Returns the lines about the fleet at this Unix time, and a table of its nodes. `with_identities` adds what they run.
    pub(in crate::report) fn text(&self, time: u64, with_identities: bool, for_terminal: bool) -> String {
        let Self { node, connected, link, since, arriving, overruled, orders, vantage_points } = self;
        let mut out = String::new();
        let since_then = span(time.saturating_sub(*since));
        let _ = match connected {
            true => writeln!(out, "fleet: {node} is connected to {link} for {since_then}"),
            false if *since == 0 => writeln!(out, "fleet: {node} is not connected: {link}"),
            false => writeln!(out, "fleet: {node} is not connected for {since_then}: {link}"),
        };
        if *arriving {
            out.push_str(
                "fleet: this process has just begun: what was agreed on before it stands until others are heard\n",
            );
        }
        if *overruled > 0 {
            let _ = writeln!(out, "fleet: the others overrule this node's own view of {overruled} probes");
        }
        match orders {
            Some(OrdersStatus { why: Some(why), waiting, .. }) => {
                let _ = writeln!(out, "fleet: orders are not shared, {waiting} wait: {why}");
            }
            Some(OrdersStatus { waiting, .. }) if *waiting > 0 => {
                let _ = writeln!(out, "fleet: {waiting} orders of this node wait for the stream");
            }
            _ => {}
        }
        let own_zones =
            vantage_points.iter().find(|point| point.heard.is_none()).and_then(|point| point.zones.as_ref());
        if let Some(ZonesRefusal { version, why }) = own_zones.and_then(|zones| zones.refuses.as_ref()) {
            let _ = writeln!(out, "fleet: version {version} of the zones is not served here: {}", Printable(why));
        }
        let mut heads = vec!["NODE", "SITE", "HEARD", "PROBES", "DOWN", "CLOCK"];
        if with_identities {
            heads.extend(["VERSION", "ZONES"]);
        }
        let takes_zones = with_identities && vantage_points.iter().any(|point| point.zones.is_some());
        if takes_zones {
            heads.push("SERVES");
        }
        heads.push("COUNTS");
        let mut table = TextTable::new(&heads);
        let own = vantage_points.iter().find(|point| point.heard.is_none());
        let own = own.and_then(|point| point.configuration.as_ref());
        for point in vantage_points {
            let is_other = with_identities && point.configuration.as_ref().is_some_and(|of| Some(of) != own);
            let is_wrong = point.skew_ms.is_some_and(|skew| skew.abs() >= SHOWN_SKEW);
            let (counts, color) = match point.weight.as_str() {
                "counts" if point.leaves => ("for now: it stops", YELLOW),
                "counts" => {
                    let counts = if point.observes { "yes, it only observes" } else { "yes" };
                    (counts, if is_wrong || is_other { YELLOW } else { "" })
                }
                "doubts" => ("no, it distrusts its own probes", RED),
                _ => ("no, it alone sees everything down", RED),
            };
            let heard = point
                .heard
                .map_or_else(|| "here".to_owned(), |heard| format!("{} ago", span(time.saturating_sub(heard))));
            let clock = point.skew_ms.map_or_else(String::new, |skew| format!("{:+.1} s", skew as f64 / 1000.0));
            let (probes, down) = (point.probes.to_string(), point.down.to_string());
            let mut row = vec![point.node.clone(), point.site.clone(), heard, probes, down, clock];
            if with_identities {
                let configuration = point.configuration.as_deref().unwrap_or_default();
                row.extend([
                    point.version.clone().unwrap_or_default(),
                    configuration.chars().take(SHOWN_DIGITS).collect(),
                ]);
            }
            let refuses = point.zones.as_ref().is_some_and(|zones| zones.refuses.is_some());
            if takes_zones {
                row.push(point.zones.as_ref().map_or_else(|| "its own files".to_owned(), ZonesOfNode::told));
            }
            let color = if refuses { RED } else { color };
            row.push(counts.to_owned());
            table.push(row, color);
        }
        out.push_str(&table.text(for_terminal));
        out
    }

    /// Returns the round trips from the nodes to the datacenters as a table; empty if none are known.
    pub(in crate::report) fn latency_lines(&self, for_terminal: bool) -> String {
        let measured = || self.vantage_points.iter().filter(|point| !point.rtts_ms.is_empty());
        let places: BTreeSet<&str> = measured().flat_map(|point| point.rtts_ms.keys().map(String::as_str)).collect();
        if places.is_empty() {
            return String::new();
        }
        let shown: Vec<&str> = places.iter().copied().take(SHOWN_PLACES).collect();
        let heads: Vec<&str> = ["NODE"].into_iter().chain(shown.iter().copied()).collect();
        let mut table = TextTable::new(&heads);
        for point in measured() {
            let rtt = |place: &&str| point.rtts_ms.get(*place).map_or_else(String::new, |rtt| format!("{rtt:.1}"));
            table.push([point.node.clone()].into_iter().chain(shown.iter().map(rtt)).collect(), "");
        }
        let mut out = format!("\nlatency: milliseconds from each node\n{}", table.text(for_terminal));
        if places.len() > shown.len() {
            let _ = writeln!(out, "and {} more datacenters", places.len() - shown.len());
        }
        out
    }
}

impl Status {
    /// Returns the lines about the fleet; empty without one.
    pub(super) fn fleet_lines(&self, for_terminal: bool) -> String {
        self.fleet.as_ref().map_or_else(String::new, |fleet| fleet.text(self.time, false, for_terminal))
    }
}
