//! What the operator wrote, valid and with every name resolved.
//!
//! Configuration makes a [`World`]; a snapshot is compiled from it. A world that exists is consistent: every id points at
//! something, no name has CNAME beside other data, and so on.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::geo::{Caps, Coordinates, CountryCode, DatacenterId, Regions};
use crate::health::{Condition, Recovery, Target};
use crate::latency::Tolerance;
use crate::name::Name;
use crate::overrides::Order;
use crate::rollout;
use crate::steering::{AllDown, Pick, Step};
use crate::wire::SvcParams;
use crate::zone::Tree;

use super::Protocol;
use super::family::PerFamily;

/// Pools that a name uses at most, so that a set of them fits one machine word. `web/fra` and `web/iad` are two.
pub const MAX_POOLS: usize = 64;

/// Endpoints of one address family that a pool holds at most.
pub const MAX_ENDPOINTS: usize = 1024;

/// Everything that is served and what it depends on.
#[derive(Clone, Debug, Default)]
pub struct World {
    /// All places, at most 255. Names and places are unique.
    pub datacenters: Vec<Datacenter>,
    /// All pools of all zones.
    pub pools: Vec<Arc<PoolSpec>>,
    /// All zones; origins are unique.
    pub zones: Vec<ZoneSpec>,
    /// What the operator wrote of times at which something is to drain, or the like.
    pub windows: Vec<Order>,
    /// How EDNS Client Subnet is used.
    pub ecs: Ecs,
    /// How messages are exchanged.
    pub protocol: Protocol,
    /// What holds for all probes.
    pub probing: Probing,
    /// What this node calls itself: its `site`, else its host name.
    pub node: Box<str>,
    /// The country of its `site`: its own probes measure round trips for the clients there, and for no others.
    pub site_country: Option<CountryCode>,
}

/// How EDNS Client Subnet (RFC 7871) is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ecs {
    /// Whether the option is looked at, and answered, at all.
    pub enabled: bool,
    /// Bits of an IPv4 client address that count, 0-32.
    pub max_source_v4: u8,
    /// Bits of an IPv6 client address that count, 0-128.
    pub max_source_v6: u8,
}

impl Ecs {
    /// Bits of addresses that networks are looked up by: all of them where nobody tells networks.
    pub fn caps(&self) -> Caps {
        if self.enabled { Caps { v4: self.max_source_v4, v6: self.max_source_v6 } } else { Caps::NONE }
    }
}

impl Default for Ecs {
    /// RFC 7871, section 11.1, recommends 24 and 56 as what resolvers send at most.
    fn default() -> Self {
        Self { enabled: true, max_source_v4: 24, max_source_v6: 56 }
    }
}

/// What holds for all probes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probing {
    /// How long the last states are held when everything seems to fail at once; zero for not at all.
    pub hold: Duration,
}

impl Default for Probing {
    /// Long enough for a switch to start again, short enough for a datacenter whose neighbours died with it.
    fn default() -> Self {
        Self { hold: Duration::from_secs(60) }
    }
}

/// A place with endpoints.
#[derive(Clone, Debug, PartialEq)]
pub struct Datacenter {
    /// `fra`.
    pub name: Box<str>,
    /// Where it stands.
    pub coordinates: Coordinates,
    /// In which country.
    pub country: Option<CountryCode>,
}

/// A pool by its place in [`World::pools`].
pub type PoolId = u32;

/// Endpoints in one datacenter that serve the same thing.
#[derive(Clone, Debug, PartialEq)]
pub struct PoolSpec {
    /// `green`, or `web/fra` for one of several datacenters.
    pub name: Box<str>,
    /// The file's entry that it is a part of: `web` for `web/fra`. `None` for a pool of its own.
    pub entry: Option<Box<str>>,
    /// The zone whose file defines it; `None` for one of the server file.
    pub zone: Option<Name>,
    /// Where it stands.
    pub datacenter: Option<DatacenterId>,
    /// The share of a family's endpoints, 0-1, that must be open for the pool to be usable; 0 asks for any.
    pub min_healthy: f64,
    /// The most that all of it can take, in a unit of the operator's, above 0.
    pub capacity: Option<f64>,
    /// How it comes back after it was down.
    pub recovery: Recovery,
    /// What it hands out.
    pub members: Members,
}

/// Two numbers of endpoints closer than this are one: a decimal share such as 0.28 is no exact binary fraction, so 25 times it is a
/// little more than 7. One endpoint of [`MAX_ENDPOINTS`] is a million times as much.
const ROUNDING: f64 = 1e-9;

impl PoolSpec {
    /// What the pool is known by from world to world, and from run to run. Names of pools have no blanks in them.
    pub fn key(&self) -> String {
        let zone = self.zone.as_ref().map(ToString::to_string).unwrap_or_default();
        format!("{zone} {}", self.name)
    }

    /// Whether a reference means this pool: `web` means all of `web/fra` and `web/iad`.
    pub fn is_referred_to(&self, reference: &str) -> bool {
        [Some(&self.name), self.entry.as_ref()].into_iter().flatten().any(|name| **name == *reference)
    }

    /// The same of the endpoint in this place.
    pub fn key_of(&self, place: usize) -> String {
        format!("{} {}", self.key(), self.members.text(place))
    }

    /// Whether `open` of a family's `in_service` endpoints are as many as `min_healthy` asks for: one at least, and in whole endpoints.
    pub fn is_enough(&self, open: usize, in_service: usize) -> bool {
        let needed = (in_service as f64 * self.min_healthy - ROUNDING).ceil() as usize;
        open >= needed.max(1)
    }
}

/// A pool holds addresses or exactly one CNAME.
#[derive(Clone, Debug, PartialEq)]
pub enum Members {
    /// One or more addresses of either family, each once.
    Addresses(Vec<Endpoint<IpAddr>>),
    /// The canonical name.
    Cname(Endpoint<Name>),
}

impl Members {
    /// How long it may take from the first fall to the last when all endpoints die at once: as long as the slowest monitor takes
    /// to confirm it.
    pub fn outage(&self) -> Duration {
        let confirmed = |target: &&Target| {
            let monitor = &target.monitor;
            monitor.interval * u32::from(monitor.fall.get()) + monitor.timeout
        };
        self.targets().iter().map(confirmed).max().unwrap_or_default()
    }

    /// How many endpoints there are.
    #[allow(clippy::len_without_is_empty, reason = "a pool is never empty")]
    pub fn len(&self) -> usize {
        match self {
            Self::Addresses(endpoints) => endpoints.len(),
            Self::Cname(_) => 1,
        }
    }

    /// The address in this place, if the pool holds addresses.
    pub fn address(&self, place: usize) -> Option<IpAddr> {
        match self {
            Self::Addresses(endpoints) => endpoints.get(place).map(|endpoint| endpoint.value),
            Self::Cname(_) => None,
        }
    }

    /// All that is probed for this pool. What several endpoints depend on comes several times.
    pub fn targets(&self) -> Vec<&Target> {
        let mut targets = Vec::with_capacity(self.len());
        for condition in (0..self.len()).filter_map(|place| self.condition(place)) {
            condition.each_target(&mut |target| targets.push(target));
        }
        targets
    }

    /// What the endpoint in this place can take, if the operator says it.
    pub fn capacity(&self, place: usize) -> Option<f64> {
        match self {
            Self::Addresses(endpoints) => endpoints.get(place)?.capacity,
            Self::Cname(endpoint) => endpoint.capacity,
        }
    }

    /// What tells whether the endpoint in this place is up, if anything does.
    pub fn condition(&self, place: usize) -> Option<&Condition> {
        match self {
            Self::Addresses(endpoints) => endpoints.get(place)?.condition.as_ref(),
            Self::Cname(endpoint) => endpoint.condition.as_ref(),
        }
    }
}

/// One thing that can be handed out.
#[derive(Clone, Debug, PartialEq)]
pub struct Endpoint<T> {
    /// An address or a canonical name.
    pub value: T,
    /// For `weighted` draws; 0 only when no other is left.
    pub weight: u16,
    /// What it can take, in a unit of the operator's, above 0.
    pub capacity: Option<f64>,
    /// What tells whether it is up; without one it always is.
    pub condition: Option<Condition>,
}

/// One zone.
#[derive(Clone, Debug)]
pub struct ZoneSpec {
    /// The apex.
    pub origin: Name,
    /// Who belongs to which region. Zones with equal regions share them.
    pub regions: Arc<Regions>,
    /// Its names and static records, exactly one SOA and at least one NS at the apex among them; addresses of in-zone
    /// nameservers too. `names` were steered in their order when it was built, and `reflect` reflects.
    pub tree: Arc<Tree>,
    /// The SOA's serial, whatever the tree's is.
    pub serial: u32,
    /// Names whose addresses are chosen for each client.
    pub names: Vec<SteeredName>,
    /// Names that answer TXT with what is known of the asker.
    pub reflect: Vec<Name>,
    /// Whether the SOA's serial is truenorth's to count: the operator gave none.
    pub counts_serial: bool,
    /// A fingerprint of what its files say, the serial apart.
    pub contents: u64,
}

/// A name whose addresses are chosen for each client.
#[derive(Clone, Debug, PartialEq)]
pub struct SteeredName {
    /// At or below the zone's origin; may be a wildcard.
    pub owner: Name,
    /// How.
    pub steering: Steering,
}

/// How a name's addresses are chosen. Names of one zone with equal steering are answered alike.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Steering {
    /// 1 to [`MAX_POOLS`], each once, all of one kind.
    pub pools: Vec<PoolUse>,
    /// The chain, as written.
    pub steer: Vec<Step>,
    /// What the step `latency` takes for a tie.
    pub latency_tolerance: Tolerance,
    /// Which endpoints of its pools; `None` leaves it to each pool's weights.
    pub pick: Option<Pick>,
    /// How many addresses an answer holds at most, at least 1; `None` leaves it to what picks.
    pub answers: Option<u16>,
    /// From the best pools of how many different datacenters; at least 1.
    pub take: u8,
    /// Whether the last of them, of two at least, is drawn from all others.
    pub spare: bool,
    /// Bits of a client's address of each family that `sticky` goes by, if a step or `pick` goes by a hash; not above
    /// [`Ecs`]'s maxima.
    pub sticky: Option<PerFamily<u8>>,
    /// This name's own tiers for a region, in place of the region's: `prefer = { europe = [...] }`. `only` stays the region's.
    pub prefer: Vec<(Box<str>, Vec<Vec<DatacenterId>>)>,
    /// What answers when no pool can.
    pub fallback: Option<PoolId>,
    /// What is answered when that cannot either.
    pub all_down: AllDown,
    /// Seconds, while all is calm.
    pub ttl: u32,
    /// Seconds, while something is unconfirmed; not above `ttl`.
    pub ttl_min: u32,
    /// What the name's HTTPS record says besides addresses, if it has one.
    pub https: Option<SvcParams>,
    /// How its clients move from some of its pools to others, if they do.
    pub rollout: Option<Box<rollout::Spec>>,
}

impl Steering {
    /// The steps that rank, up to the first that leaves no ties.
    pub fn ranked_steps(&self) -> impl Iterator<Item = Step> + Clone {
        self.steer.iter().copied().take_while(|step| !step.draws())
    }

    /// Whether its pools take one another's clients by load.
    pub fn spills(&self) -> bool {
        self.ranked_steps().any(|step| step == Step::Load)
    }

    /// Whether it makes a difference how full its pools are.
    pub fn goes_by_load(&self) -> bool {
        self.spills() || self.pick == Some(Pick::LeastLoad)
    }
}

/// A pool in a name's `pools`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PoolUse {
    /// Which one.
    pub pool: PoolId,
    /// For the `weight` step.
    pub weight: u16,
    /// For the `failover` step: its place in the list; an inner list's pools, and those of one name's datacenters, share one.
    pub order: u8,
}
