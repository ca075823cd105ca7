//! Metrics about the keys of signed zones.

use super::Metrics;
use super::exposition::{Exposition, Kind};
use crate::clock::unix_time;
use crate::dnssec::{Wait, ZoneKeys};
use crate::zone::Chain;

impl Metrics<'_> {
    pub(super) fn signing_families(&self, out: &mut Exposition) {
        let signed: Vec<(String, &ZoneKeys)> = self
            .snapshot
            .zones()
            .iter()
            .filter_map(|served| Some((served.zone.apex().to_string(), &**served.keys.as_ref()?)))
            .collect();
        let help = "1 for the state of each key of a signed zone. Absent without signed zones.";
        out.family("truenorth_key_state", Kind::Gauge, help, |samples| {
            for (zone, keys) in &signed {
                for (key, part) in keys.parts() {
                    let (tag, state) = (key.public().tag().to_string(), part.state.as_str());
                    samples.push(&[("zone", zone), ("key", &tag), ("state", state)], 1.0);
                }
            }
        });
        let help = "When the time of a key ends that no other key follows. Absent if no key of a zone ends so.";
        out.family("truenorth_key_expiry_timestamp_seconds", Kind::Gauge, help, |samples| {
            for (zone, keys) in &signed {
                if let Some((key, end)) = keys.end() {
                    samples.push(&[("zone", zone), ("key", &key.public().tag().to_string())], end as f64);
                }
            }
        });
        let help = "When a roll-over of a key begins by itself, because its lifetime ends. Absent without lifetimes, and while a roll-over is under way.";
        out.family("truenorth_key_rolls_timestamp_seconds", Kind::Gauge, help, |samples| {
            for (zone, keys) in &signed {
                for turn in keys.turns() {
                    if let Some((key, _)) = keys.parts().nth(turn.key) {
                        let tag = key.public().tag().to_string();
                        samples.push(&[("zone", zone), ("key", &tag)], turn.begins as f64);
                    }
                }
            }
        });
        let help = "When the first signature of a zone expires that its file has signed. Absent without such zones.";
        out.family("truenorth_zone_signatures_expiry_timestamp_seconds", Kind::Gauge, help, |samples| {
            for served in self.snapshot.zones() {
                if let Some(validity) = served.zone.tree().chain().map(Chain::validity) {
                    let zone = served.zone.apex().to_string();
                    samples.push(&[("zone", &zone)], validity.end_at(unix_time()) as f64);
                }
            }
        });
        let help = "Since when a key waits for an event that no time brings about. Absent if it waits for none.";
        out.family("truenorth_key_waiting_since_timestamp_seconds", Kind::Gauge, help, |samples| {
            for (zone, keys) in &signed {
                for (key, part) in keys.parts() {
                    let event = match part.wait {
                        Some(Wait::Ds) => "ds",
                        Some(Wait::NoDs) => "no_ds",
                        Some(Wait::Successor) => "successor",
                        None => continue,
                    };
                    let tag = key.public().tag().to_string();
                    samples.push(&[("zone", zone), ("key", &tag), ("event", event)], part.waits_since as f64);
                }
            }
        });
    }
}
