//! What of a steered name does not depend on health.

use std::net::IpAddr;
use std::sync::Arc;

use crate::snapshot::{Family, PerFamily, PoolId};
use crate::steering::{AllDown, HashKey, Map, Pick, Placement, SelectionPolicy, Set, Split, members};
use crate::wire::SvcParams;

/// What of a steered name does not depend on health. Names with equal rules share it.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The name's pools; sets of them are [`Set`]s of places in this list.
    pub pools: Box<[PoolId]>,
    /// The ranking of slots for every client.
    pub map: Arc<Map>,
    /// From slots to pools.
    pub policy: SelectionPolicy,
    /// Which endpoints; `None` leaves it to each pool: where its weights differ, one is drawn by weight, else all take turns.
    pub pick: Option<Pick>,
    /// How many at most; `None` leaves it to what picks.
    pub answers: Option<u16>,
    /// Whether some address stands in several of the pools.
    pub shares_addresses: bool,
    /// Bits of a client's address of each family that its hash goes by, if pools or endpoints are chosen by hash.
    pub sticky: Option<PerFamily<u8>>,
    /// What its pools are hashed by for the step `load`, if the chain has it.
    pub load: Option<LoadKeys>,
    /// What answers when no pool can.
    pub fallback: Option<PoolId>,
    /// What is answered when that cannot either.
    pub all_down: AllDown,
    /// Seconds, while all is calm.
    pub ttl: u32,
    /// Seconds, while something is unconfirmed.
    pub ttl_min: u32,
    /// What its HTTPS record says besides addresses, if it has one.
    pub https: Option<SvcParams>,
    /// How its pools are divided as long as nobody says otherwise, if they are.
    pub split: Option<Split>,
}

/// What a rule's pools are hashed by for the step `load`. The two differ, so that who has to go goes to each of the others.
#[derive(Clone, Debug)]
pub struct LoadKeys {
    /// For whether a client stays.
    pub stay: Box<[HashKey]>,
    /// For where it goes otherwise.
    pub go: Box<[HashKey]>,
}

impl Rule {
    /// What picks where a single pool answers, or where the operator chose for all, and how many at most. `weighs` says whether
    /// that pool's weights differ.
    pub fn pick(&self, weighs: bool) -> (Pick, u16) {
        let pick = self.pick.unwrap_or(if weighs { Pick::Weighted } else { Pick::Rotate });
        (pick, self.answers.unwrap_or(pick.default_answers()))
    }

    /// The ranking for a client in the network whose lowest address this is, and the length of the shortest prefix around it on which
    /// that and the client's hash are the same, whatever the health.
    pub fn place(&self, client: IpAddr) -> Placement<'_> {
        let placement = self.map.look_up(client);
        match self.sticky_length(client).unwrap_or(0) {
            // Nothing that is known of a network makes a difference.
            0 if self.map.is_uniform() => Placement { scope: 0, is_unnamed: false, ..placement },
            // Who tells no place is hashed by the packet's source instead.
            _ if placement.is_unnamed => placement,
            hashed => Placement { scope: placement.scope.max(hashed), ..placement },
        }
    }

    /// Whether all clients are placed alike.
    pub fn is_uniform(&self) -> bool {
        self.sticky.is_none() && self.map.is_uniform()
    }

    /// Bits of this address that its client's hash goes by, if there is one.
    pub fn sticky_length(&self, client: IpAddr) -> Option<u8> {
        let family = if client.is_ipv4() { Family::V4 } else { Family::V6 };
        self.sticky.map(|lengths| lengths[family as usize])
    }

    /// What a client is hashed by for a name in wire format and lower case, if pools or endpoints are chosen by hash.
    pub fn client_key(&self, client: IpAddr, name: &[u8]) -> Option<HashKey> {
        self.sticky_length(client).map(|length| HashKey::of_client(client, length, name))
    }

    /// The pools of a set.
    pub fn pools_of(&self, set: Set) -> impl Iterator<Item = PoolId> + Clone {
        members(set).map(|place| self.pools[place])
    }
}
