//! The fleet: the connection, the messages, and what the vantage points agree on.

use std::sync::atomic::Ordering::Relaxed;

use super::Metrics;
use super::exposition::{Exposition, Kind};

impl Metrics<'_> {
    /// Writes the families of the fleet. Gauges are absent without one.
    pub(super) fn fleet_families(&self, out: &mut Exposition) {
        let fleet = &self.node.fleet;
        let help = "1 if the node is connected to a NATS server, 0 if it is not. Absent without a fleet.";
        out.family("truenorth_fleet_connected", Kind::Gauge, help, |samples| {
            if fleet.is_on.load(Relaxed) {
                samples.push(&[], f64::from(u8::from(fleet.is_connected.load(Relaxed))));
            }
        });
        let help = "Attempts to connect to a NATS server, by result.";
        out.family("truenorth_fleet_connections", Kind::Counter, help, |samples| {
            samples.count(&[("result", "success")], fleet.connections.load(Relaxed));
            samples.count(&[("result", "failure")], fleet.failed_connections.load(Relaxed));
        });
        let help = "Messages for the fleet, by what became of them. The others ask for what was lost.";
        out.family("truenorth_fleet_sent_messages", Kind::Counter, help, |samples| {
            samples.count(&[("result", "sent")], fleet.sent.load(Relaxed));
            samples.count(&[("result", "lost")], fleet.lost.load(Relaxed));
        });
        out.counter(
            "truenorth_fleet_sent_bytes",
            "Octets of messages that were sent.",
            fleet.sent_octets.load(Relaxed),
        );
        let help = "Messages that came, those that were ignored included.";
        out.counter("truenorth_fleet_heard_messages", help, fleet.heard.load(Relaxed));
        out.counter("truenorth_fleet_heard_bytes", "Octets of messages that came.", fleet.heard_octets.load(Relaxed));
        let help = "Messages that were ignored, by reason: unreadable, of another version or a wrong node, late, more than allowed.";
        out.family("truenorth_fleet_ignored_messages", Kind::Counter, help, |samples| {
            samples.count(&[("reason", "malformed")], fleet.malformed.load(Relaxed));
            samples.count(&[("reason", "foreign")], fleet.foreign.load(Relaxed));
            samples.count(&[("reason", "stale")], fleet.stale.load(Relaxed));
            samples.count(&[("reason", "excessive")], fleet.excessive.load(Relaxed));
        });
        let help = "Round trips that clients pushed: to this node, to others, and those that others were not told.";
        out.family("truenorth_fleet_pushed_round_trips", Kind::Counter, help, |samples| {
            samples.count(&[("what", "here")], fleet.pushed_samples.load(Relaxed));
            samples.count(&[("what", "elsewhere")], fleet.heard_samples.load(Relaxed));
            samples.count(&[("what", "thinned")], fleet.thinned_samples.load(Relaxed));
        });
        let Some(survey) = &self.survey.fleet else { return };
        out.gauge("truenorth_fleet_nodes", "Other nodes that are heard.", fleet.peers.load(Relaxed) as f64);
        if survey.orders.is_some() {
            let help = "1 if the node reads the orders of its fleet, 0 if it cannot.";
            out.gauge("truenorth_fleet_orders_shared", help, f64::from(u8::from(fleet.is_sharing.load(Relaxed))));
            let help = "Orders of the fleet that were not taken back.";
            out.gauge("truenorth_fleet_orders", help, fleet.orders.load(Relaxed) as f64);
            let help = "Orders that were given at this node, and that the fleet does not have yet.";
            out.gauge("truenorth_fleet_waiting_orders", help, fleet.waiting_orders.load(Relaxed) as f64);
        }
        if fleet.takes_zones.load(Relaxed) {
            let help = "The number of the version of the zones: the one that is served, and the one that is to be served. 0: none.";
            out.family("truenorth_fleet_zones_version", Kind::Gauge, help, |samples| {
                samples.push(&[("what", "served")], fleet.zones_served.load(Relaxed) as f64);
                samples.push(&[("what", "wanted")], fleet.zones_wanted.load(Relaxed) as f64);
            });
        }
        let help =
            "Vantage points that are heard and do not count: they distrust their probes, or alone see everything down.";
        out.gauge("truenorth_fleet_uncounted_vantage_points", help, fleet.uncounted.load(Relaxed) as f64);
        let help = "Probes of this node that the other vantage points overrule.";
        out.gauge("truenorth_fleet_overruled_probes", help, fleet.overruled.load(Relaxed) as f64);
        let help = "Difference of a node's clock from this node's, above 0 if it is ahead.";
        out.family("truenorth_fleet_clock_skew_seconds", Kind::Gauge, help, |samples| {
            for point in &survey.vantage_points {
                if let Some(skew) = point.skew {
                    samples.push(&[("node", &point.node)], skew as f64 / 1000.0);
                }
            }
        });
        let help = "Probes that a vantage point sees down.";
        out.family("truenorth_fleet_down_probes", Kind::Gauge, help, |samples| {
            for point in &survey.vantage_points {
                samples.push(&[("node", &point.node)], point.down as f64);
            }
        });
    }
}
