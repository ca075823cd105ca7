//! The inputs of the recovery of endpoints and pools.

use crate::overrides::EffectiveOverrides;
use crate::snapshot::{AdminState, EndpointState, PoolId, World};

/// The inputs of endpoint states: what probes find, without overrides; and the overrides in effect.
pub(in crate::control) struct StateInputs<'a, P> {
    pub(in crate::control) world: &'a World,
    pub(in crate::control) effective_overrides: &'a EffectiveOverrides,
    pub(in crate::control) probed: P,
}

impl<P: Fn(PoolId, usize) -> EndpointState> StateInputs<'_, P> {
    /// True if, in some address family, enough of the endpoints that overrides leave in service are up. `None` if
    /// overrides leave no endpoint in service.
    pub(super) fn is_usable(&self, id: PoolId) -> Option<bool> {
        let pool = &*self.world.pools[id.index()];
        // Endpoints in service and those of them that are up, by address family.
        let mut counts = [(0_usize, 0_usize); 2];
        for place in 0..pool.members.len() {
            let mode = self
                .world
                .effective_override(self.effective_overrides, pool, place)
                .map(|effective_override| effective_override.order.mode);
            let endpoint_state = (self.probed)(id, place).under(mode);
            let family = usize::from(pool.members.address(place).is_some_and(|address| address.is_ipv6()));
            if endpoint_state.admin_state == AdminState::On {
                counts[family].0 += 1;
                counts[family].1 += usize::from(endpoint_state.share.is_some());
            }
        }
        let is_enough = |&(in_service, up): &(usize, usize)| pool.min_healthy.is_met(up, in_service);
        counts.iter().any(|(in_service, _)| *in_service > 0).then(|| counts.iter().any(is_enough))
    }
}
