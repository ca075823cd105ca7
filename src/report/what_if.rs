//! The endpoint states that `explain` and `simulate` assume if some targets were down.

use crate::health::Share;
use crate::overrides::{OverrideRefusal, TargetPattern};
use crate::snapshot::{Dirty, EndpointState, PoolId, Snapshot, World};

/// Returns the endpoint states of a world in which everything is up except what these targets mean. Fails if a target
/// means nothing.
pub fn endpoint_state_without<'a>(
    down: &'a [TargetPattern],
    world: &'a World,
) -> Result<impl Fn(PoolId, usize) -> EndpointState + 'a, String> {
    check_meant(down, world)?;
    Ok(|id, endpoint| without(down, world, id, endpoint, EndpointState::CALM))
}

/// Returns the snapshot that would be served if everything that these targets mean went down now. Fails if a target
/// means nothing.
pub(super) fn snapshot_without(down: &[TargetPattern], snapshot: &Snapshot) -> Result<Snapshot, String> {
    let world = snapshot.world();
    check_meant(down, world)?;
    let dirty = Dirty { pools: down.iter().flat_map(|target| world.pools_meant(target)).collect(), ..Dirty::default() };
    let mut state = snapshot.state().clone();
    for &id in &dirty.pools {
        let pool = &snapshot.pools()[id.index()];
        state.set_endpoint_states(id, |endpoint| without(down, world, id, endpoint, pool.endpoint_state(endpoint)));
    }
    Ok(snapshot.next(state, &dirty))
}

/// Fails if a target means nothing, or no endpoints.
fn check_meant(down: &[TargetPattern], world: &World) -> Result<(), String> {
    for target in down {
        if !target.kind().is_of_endpoints() {
            return Err(format!("{target} is not probed: only dc:NAME, pool:NAME or endpoint:ADDRESS can be down"));
        }
        world.find(target).map_err(|meant| OverrideRefusal::Unknown(target.clone(), meant).to_string())?;
    }
    Ok(())
}

/// Returns the state of an endpoint: down if one of the targets means it, else `otherwise`.
fn without(
    down: &[TargetPattern],
    world: &World,
    id: PoolId,
    endpoint: usize,
    otherwise: EndpointState,
) -> EndpointState {
    let pool = &world.pools[id.index()];
    let is_down = down.iter().any(|target| world.is_meant(target, pool, endpoint));
    if is_down { EndpointState { share: Share::NONE, restless: false, ..otherwise } } else { otherwise }
}
