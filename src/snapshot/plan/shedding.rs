//! The step `load`: the loads of a plan's pools, and the pools for the clients that a full pool does not keep.

use std::sync::Arc;

use super::{FULL, Plan, Rule};
use crate::health::Share;
use crate::load::Allowance;
use crate::snapshot::Pool;
use crate::steering::{HashKey, Ranking, Set, Spill, by_hash, is_among, members};

/// The loads of a rule's pools.
#[derive(Debug)]
pub(super) struct Loads {
    /// The share of its clients that each pool keeps.
    keep: Box<[Share]>,
    /// Pools that do not keep all of their clients.
    shedding: Set,
    /// The room of each pool for clients of others, in a unit in which the sum fits in 32 bits.
    rooms: Box<[u32]>,
    /// Pools with any room.
    roomy: Set,
}

impl Loads {
    pub(super) fn new(rule: &Rule, pools: &[Arc<Pool>]) -> Arc<Self> {
        let allowances = || rule.pools.iter().map(|&id| pools[id.index()].allowance());
        let set = |holds: fn(&Allowance) -> bool| {
            let held = allowances().enumerate().filter(|(_, allowance)| holds(allowance));
            held.fold(0, |set: Set, (place, _)| set | 1 << place)
        };
        let total = allowances().fold(0_u64, |sum, allowance| sum.saturating_add(allowance.headroom));
        // One of the 32 bits is spare, because rounding a room up to 1 makes the sum larger.
        let surplus = (u64::BITS - total.leading_zeros()).saturating_sub(u32::BITS - 1);
        let room =
            |allowance: &Allowance| ((allowance.headroom >> surplus) as u32).max(u32::from(allowance.headroom > 0));
        Arc::new(Self {
            keep: allowances().map(|allowance| allowance.local_share).collect(),
            shedding: set(|allowance| !allowance.local_share.is_full()),
            rooms: allowances().map(room).collect(),
            roomy: set(|allowance| allowance.headroom > 0),
        })
    }
}

impl Plan {
    /// Calls `choose` with the order of pools that the loads give the client with this key, and returns its result.
    #[inline]
    pub fn spill<T>(&self, key: Option<HashKey>, choose: impl FnOnce(&Spill<'_>) -> T) -> T {
        let next;
        let mut spill = Spill::NONE;
        if let (Some(loads), Some(keys), Some(client)) = (&self.loads, &self.rule.load, key) {
            let stays = |&pool: &usize| is_among(client, keys.stay[pool], loads.keep[pool].thousandths());
            let keep = members(loads.shedding).filter(stays).fold(!loads.shedding, |keep, pool| keep | 1 << pool);
            next = move |pools| by_hash(client, &keys.go)(pools, &loads.rooms);
            spill = Spill { keep, roomy: loads.roomy, next: &next, ..spill };
        }
        choose(&spill)
    }

    /// Calls `choose` with the order of pools that the loads give a client of this part, and returns its result. `draw`
    /// decides instead of a hash, so that all orders of many clients can be computed.
    pub(in super::super) fn spill_by<T>(
        &self,
        ranking: &Ranking,
        part: Set,
        draw: impl Fn(Set, &[u32]) -> usize,
        choose: impl FnOnce(&Spill<'_>) -> T,
    ) -> T {
        let Some(loads) = &self.loads else { return choose(&Spill::NONE) };
        let stays = |&pool: &usize| {
            let share = u32::from(loads.keep[pool].thousandths());
            share > 0 && draw(0b11, &[share, u32::from(FULL) - share]) == 0
        };
        let asked = members(loads.shedding & self.rule.policy.home(ranking, part));
        let keep = asked.filter(stays).fold(!loads.shedding, |keep, pool| keep | 1 << pool);
        choose(&Spill { keep, roomy: loads.roomy, next: &|pools| draw(pools, &loads.rooms), ..Spill::NONE })
    }
}
