//! The serials of served zones, kept from one run to the next.

use std::sync::Arc;

use crate::config::LastServed;
use crate::name::Name;
use crate::snapshot::{Blueprint, ServedZone};
use crate::store::{Batch, CONTENTS, SERIALS, Store};

/// Adds the serials and the contents of zones to a batch, if the store has other values. The serial of a zone that is
/// no longer served stays in the store, because the zone may come back.
pub(super) fn put_serials<'z>(
    blueprint: &Blueprint,
    zones: impl IntoIterator<Item = &'z Arc<ServedZone>>,
    store: &Store,
    batch: &mut Batch,
) {
    for served in zones {
        let Some(spec) = blueprint.spec(served.zone.apex()) else { continue };
        let (origin, serial) = (spec.origin.to_string(), served.serial());
        if store.get(&SERIALS, &origin) != Some(serial) {
            batch.put(&SERIALS, &origin, &serial);
        }
        if store.get(&CONTENTS, &origin) != Some(spec.contents) {
            batch.put(&CONTENTS, &origin, &spec.contents);
        }
    }
}

/// Returns the function that reads the serial and contents a zone was last served with.
pub(super) fn last_served(store: &Store) -> impl Fn(&Name) -> Option<LastServed> {
    |origin| {
        let origin = origin.to_string();
        Some(LastServed { serial: store.get(&SERIALS, &origin)?, contents: store.get(&CONTENTS, &origin) })
    }
}
