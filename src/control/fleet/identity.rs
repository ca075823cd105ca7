//! The software and the configuration of this node, for the others to see.

use std::time::Duration;

use crate::control::Control;
use crate::health::{Identity, ZoneIdentity};
use crate::snapshot::Blueprint;

impl Control {
    /// Tells the fleet the zones that are served from now on.
    pub(in crate::control) fn identify(&mut self, blueprint: &Blueprint, now: Duration) {
        let Some(fleet) = &mut self.fleet else { return };
        let zones = blueprint.zones().iter().zip(&blueprint.world().zones).map(|(served, spec)| ZoneIdentity {
            origin: spec.origin.to_string().into(),
            serial: served.serial(),
            text: spec.text,
        });
        let identity = Identity::new(env!("TRUENORTH_VERSION"), zones.collect());
        let (observes, sight) = (fleet.vantages.me().observes, fleet.zones.clone());
        let identity = Identity { observes, sight, ..identity };
        fleet.identity = Some(identity.clone());
        fleet.vantages.identify(identity, now);
    }
}
