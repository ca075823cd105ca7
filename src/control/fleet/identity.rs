//! The software and the configuration of this node, for the others to see; and the serials of zones, which follow theirs.

use std::time::Duration;

use crate::control::{Control, Effect};
use crate::health::{Identity, ZoneIdentity};
use crate::ledger::Followed;
use crate::snapshot::Blueprint;

impl Control {
    /// Tells the fleet the zones that are served from now on.
    pub(in crate::control) fn identify(&mut self, blueprint: &Blueprint, now: Duration) {
        let Some(fleet) = &mut self.fleet else { return };
        let zones = blueprint.zones().iter().zip(&blueprint.world().zones).map(|(served, spec)| ZoneIdentity {
            origin: spec.origin.to_string().into(),
            serial: served.serial(),
            text: spec.text,
            keys: served.key_tags(),
        });
        let identity = Identity::new(env!("TRUENORTH_VERSION"), zones.collect());
        let (observes, sight) = (fleet.vantages.me().observes, fleet.zones.clone());
        let identity = Identity { observes, sight, ..identity };
        fleet.identity = Some(identity.clone());
        fleet.vantages.identify(identity, now);
        fleet.compares_serials = true;
    }

    /// Tells the rest of the node of later serials, if this node or another one has told what it serves.
    pub(super) fn compare_serials(&mut self, effects: &mut Vec<Effect>) {
        let unix_time = self.now.wall.as_secs() as u32;
        let Some(fleet) = &mut self.fleet else { return };
        if !std::mem::take(&mut fleet.compares_serials) {
            return;
        }
        // A node that only observes answers with none.
        let serials = if fleet.vantages.me().observes { Vec::new() } else { fleet.vantages.later_serials(unix_time) };
        if !serials.is_empty() {
            effects.push(Effect::Follow(Followed { follows: Vec::new(), serials, words: fleet.words }));
        }
    }
}
