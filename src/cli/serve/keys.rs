//! Follows the times of key files: a running node takes each step of a roll-over by itself.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tracing::{error, info, warn};

use super::Node;
use crate::clock::unix_time;
use crate::dnssec::{Part, SigningKey, Wait, ZoneKeys};
use crate::duration::Written;
use crate::report::{EventKind, Signs};
use crate::snapshot::{Blueprint, ServedZone};

impl Node {
    /// Serves the keys that are due now, if they are others. The wall clock decides, so nodes that share key files agree.
    pub(super) async fn follow_keys(&mut self) {
        if let Some(blueprint) = self.latest.with_keys_at(unix_time()) {
            self.serve_keys(&blueprint).await;
        }
    }

    /// Serves other keys, although the rest of the files has errors: the other nodes of the zones serve them too.
    pub(super) async fn take_in_keys(&mut self) {
        let mut changed = std::mem::take(&mut self.files.changed_keys);
        let new = |keys: &ZoneKeys| {
            let position = changed.iter().position(|new| new.apex() == keys.apex())?;
            Some(changed.swap_remove(position))
        };
        if let Some(blueprint) = self.latest.with_keys(new) {
            warn!("key files changed: they are used, although other files have errors");
            self.serve_keys(&blueprint).await;
        }
    }

    async fn serve_keys(&mut self, blueprint: &Blueprint) {
        let (blueprint, left_out) = self.txt.apply(blueprint);
        for (name, error) in left_out {
            error!(%name, %error, "TXT records are not served after a step of a roll-over");
        }
        let before = std::mem::replace(&mut self.latest, Arc::new(blueprint));
        self.notifier.tell_all(tell_keys(before.zones(), &self.latest));
        // It is served as soon as control has published it.
        drop(self.control.amend(self.latest.clone()).await);
    }
}

/// Logs the keys that came to another state, and returns their events.
pub(super) fn tell_keys(before: &[Arc<ServedZone>], after: &Blueprint) -> Vec<EventKind> {
    let keys = |zone: &Arc<ServedZone>| zone.keys.clone();
    let before: HashMap<_, Arc<ZoneKeys>> =
        before.iter().filter_map(keys).map(|keys| (keys.apex().clone(), keys)).collect();
    let mut events = Vec::new();
    for after in after.zones().iter().filter_map(keys) {
        // A zone that is new, or newly signed, has no news.
        let Some(before) = before.get(after.apex()) else { continue };
        if Arc::ptr_eq(before, &after) {
            continue;
        }
        for (key, part) in after.parts() {
            let old = before.parts().find(|(old, _)| old.public() == key.public()).map(|(_, old)| old);
            if old.is_none() {
                warn_if_late(&after, key, part);
            }
            if old.is_none_or(|old| said(old) != said(part)) {
                events.push(event(&after, key, part));
            }
        }
        for (key, part) in before.parts().filter(|(key, _)| !after.parts().any(|(own, _)| own.public() == key.public()))
        {
            if let EventKind::Key { zone, tag, algorithm, .. } = event(before, key, part) {
                let (to, signs) = ("gone".to_owned(), Signs::Nothing.as_str().to_owned());
                events.push(EventKind::Key { zone, tag, algorithm, to, signs, waits_for: None });
            }
        }
    }
    for event in &events {
        if let EventKind::Key { waits_for: Some(_), .. } = event {
            warn!("{event}");
        } else {
            info!("{event}");
        }
    }
    events
}

/// Warns of a key that is new here, and that all nodes were to publish already: caches hold DNSKEY records without it for longer
/// than the times of its files allow for.
fn warn_if_late(keys: &ZoneKeys, key: &SigningKey, part: &Part) {
    let timing = key.timing();
    let Some(publish) = timing.publish.or(timing.activate).filter(|_| part.is_published) else { return };
    let late = Duration::from_secs(unix_time().saturating_sub(publish));
    let propagation = Duration::from_secs(keys.delays().propagation);
    if late > propagation {
        warn!(
            zone = %keys.apex(),
            key = key.public().tag(),
            late = %Written(late),
            propagation = %Written(propagation),
            "a key comes later than its files say, so that resolvers may find its signatures bogus: copy key files sooner, or make `propagation` longer"
        );
    }
}

/// Returns the facts of an event.
fn said(part: &Part) -> (crate::dnssec::State, Signs, Option<Wait>) {
    (part.state, Signs::of(part), part.wait)
}

fn event(keys: &ZoneKeys, key: &SigningKey, part: &Part) -> EventKind {
    let waits_for = part.wait.map(|wait| match wait {
        Wait::Ds => "ds",
        Wait::NoDs => "no_ds",
        Wait::Successor => "successor",
    });
    EventKind::Key {
        zone: keys.apex().to_string(),
        tag: key.public().tag(),
        algorithm: key.public().algorithm().to_string(),
        to: part.state.as_str().to_owned(),
        signs: Signs::of(part).as_str().to_owned(),
        waits_for: waits_for.map(str::to_owned),
    }
}
