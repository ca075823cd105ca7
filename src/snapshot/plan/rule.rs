//! The part of a steered name's configuration that health does not change.

use std::net::IpAddr;
use std::num::NonZeroU16;
use std::sync::Arc;

use crate::geo::Regions;
use crate::snapshot::{Family, PerFamily, PoolId, Ttls};
use crate::steering::{AllDown, HashKey, Map, Pick, Placement, SelectionPolicy, Set, Split, members};
use crate::wire::SvcParams;

/// The part of a steered name's configuration that health does not change. Names with equal rules share it.
///
/// Only the compiler makes rules (`snapshot/compile.rs`): the positions in them fit together. Everybody else has them by
/// shared reference, so the fields are public to be read.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The name's pools. A [`Set`] of pools holds positions in this list.
    pub pools: Box<[PoolId]>,
    /// The ranking of candidate classes for every client.
    pub map: Arc<Map>,
    /// How a ranking of candidate classes leads to pools.
    pub policy: SelectionPolicy,
    /// How endpoints are picked; `None` leaves it to each pool: one is drawn by weight, or all rotate.
    pub pick: Option<Pick>,
    /// Maximum number of endpoints in an answer; `None` leaves it to the pick.
    pub answers: Option<NonZeroU16>,
    /// True if an address of the files is in several of the pools.
    pub shares_addresses: bool,
    /// Number of leading bits of a client's address of each family that hashes use; `None` if neither pools nor
    /// endpoints are chosen by hash.
    pub sticky: Option<PerFamily<u8>>,
    /// The keys of its pools for the step `load`; `None` if the chain lacks it.
    pub load: Option<LoadKeys>,
    /// The pool that answers if no other can.
    pub fallback: Option<PoolId>,
    /// The answer if `fallback` cannot answer either.
    pub all_down: AllDown,
    /// The TTLs of its answers.
    pub ttls: Ttls,
    /// The parameters of its HTTPS record, if it has one.
    pub https: Option<SvcParams>,
    /// The split of its pools before a roll-out or an operator changes it; `None` without a roll-out.
    pub split: Option<Split>,
}

/// The keys of a rule's pools for the step `load`. The two lists differ, so that the clients that leave a pool are
/// spread over all others.
#[derive(Clone, Debug)]
pub struct LoadKeys {
    /// Keys that decide whether a client stays.
    pub stay: Box<[HashKey]>,
    /// Keys that decide where it goes otherwise.
    pub go: Box<[HashKey]>,
}

impl Rule {
    /// Returns the pick and the maximum number of endpoints. It applies if one pool answers, or if the operator set a
    /// pick. `weighs` is true if that pool draws by weight.
    pub fn pick(&self, weighs: bool) -> (Pick, u16) {
        let pick = self.pick.unwrap_or(if weighs { Pick::Weighted } else { Pick::Rotate });
        (pick, self.answers.map_or(pick.default_answers(), NonZeroU16::get))
    }

    /// Returns the regions that rank clients, or those of `[regions]` if no step ranks by region.
    pub fn regions<'a>(&'a self, of_zone: &'a Arc<Regions>) -> &'a Arc<Regions> {
        self.map.compiled_chain().regions().unwrap_or(of_zone)
    }

    /// Returns the ranking of a client, and the length of the shortest prefix around its address for which the ranking
    /// and the client's hash are the same, in any state of health. `client` is the client's address, or the lowest one
    /// of its network.
    pub fn place(&self, client: IpAddr) -> Placement<'_> {
        let placement = self.map.look_up(client);
        match self.sticky_length(client).unwrap_or(0) {
            // No property of the network matters.
            0 if self.map.is_uniform() => Placement { scope: 0, is_unnamed: false, ..placement },
            // A network that tells no place is not hashed: the source address of the packet is hashed instead.
            _ if placement.is_unnamed => placement,
            hashed => Placement { scope: placement.scope.max(hashed), ..placement },
        }
    }

    /// True if all clients have the same placement.
    pub fn is_uniform(&self) -> bool {
        self.sticky.is_none() && self.map.is_uniform()
    }

    /// Returns the number of leading bits of this address that its hash uses; `None` if nothing is hashed.
    pub fn sticky_length(&self, client: IpAddr) -> Option<u8> {
        let family = if client.is_ipv4() { Family::V4 } else { Family::V6 };
        self.sticky.map(|lengths| lengths[family as usize])
    }

    /// Returns the key of a client for a name, which is in wire format and lower case; `None` if nothing is hashed.
    pub fn client_key(&self, client: IpAddr, name: &[u8]) -> Option<HashKey> {
        self.sticky_length(client).map(|length| HashKey::of_client(client, length, name))
    }

    /// Returns the pools of a set.
    pub fn pools_of(&self, set: Set) -> impl Iterator<Item = PoolId> + Clone {
        members(set).map(|place| self.pools[place])
    }
}
