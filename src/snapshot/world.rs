//! The operator's configuration, valid and with every reference resolved.
//!
//! The room `config` makes a [`World`]; a snapshot is compiled from it. A world is always consistent: every id is in
//! range, and no name has a CNAME record beside other records.

use std::collections::HashSet;
use std::net::IpAddr;
use std::num::{NonZeroU8, NonZeroU16};
use std::sync::Arc;
use std::time::Duration;

use crate::dnssec::ZoneKeys;
use crate::geo::{Caps, Coordinates, CountryCode, DatacenterId, Regions};
use crate::health::{Condition, ConditionProbe, EndpointKey, PoolKey, Quorum, Recovery, Target};
use crate::latency::Tolerance;
use crate::name::Name;
use crate::overrides::{Mode, Order};
use crate::rollout;
use crate::steering::{AllDown, Pick, Step};
use crate::wire::SvcParams;
use crate::zone::Tree;

use super::Protocol;
use super::family::PerFamily;
use super::ids::PoolId;
use super::registration::{LeaseMark, Registration};
use super::values::{Addresses, Capacity, MinHealthy, PoolList, Ttls};

/// Everything that is served, and its settings.
#[derive(Clone, Debug, Default)]
pub struct World {
    /// All datacenters, at most 255. Their names and coordinates are unique.
    pub datacenters: Vec<Datacenter>,
    /// All pools of all zones, by [`PoolId`].
    pub pools: Vec<Arc<PoolSpec>>,
    /// All zones; origins are unique.
    pub zones: Vec<ZoneSpec>,
    /// Maintenance windows, as orders with a beginning and an end, and the orders of zone files for pools in names.
    pub windows: Vec<Order>,
    /// Settings for EDNS Client Subnet.
    pub ecs: Ecs,
    /// Settings for messages.
    pub protocol: Protocol,
    /// Settings for all probes.
    pub probing: Probing,
    /// The node's name: its `site`, else its host name.
    pub node: Box<str>,
    /// The country of its `site`. Its own probes measure round trips for the clients of this country only.
    pub site_country: Option<CountryCode>,
    /// The coordinates of its `site`: the fleet's clients near it are measured from there.
    pub site_coordinates: Option<Coordinates>,
}

impl World {
    /// Returns the ids of all pools, in order.
    pub fn pool_ids(&self) -> impl Iterator<Item = PoolId> + use<> {
        (0..self.pools.len()).map(PoolId::from_index)
    }

    /// Returns all pools with their ids, in order.
    pub fn pools_by_id(&self) -> impl Iterator<Item = (PoolId, &Arc<PoolSpec>)> {
        self.pool_ids().zip(&self.pools)
    }
}

/// Settings for EDNS Client Subnet (RFC 7871).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ecs {
    /// True if the option is used and answered.
    pub enabled: bool,
    /// Number of leading bits of an IPv4 client address that are used, 0-32.
    pub max_source_v4: u8,
    /// Number of leading bits of an IPv6 client address that are used, 0-128.
    pub max_source_v6: u8,
}

impl Ecs {
    /// Returns the number of leading bits by which networks are looked up; all bits if the option is disabled.
    pub fn caps(&self) -> Caps {
        if self.enabled { Caps { v4: self.max_source_v4, v6: self.max_source_v6 } } else { Caps::NONE }
    }
}

impl Default for Ecs {
    /// Uses 24 and 56 bits, the most that RFC 7871, section 11.1, recommends resolvers to send.
    fn default() -> Self {
        Self { enabled: true, max_source_v4: 24, max_source_v6: 56 }
    }
}

/// Settings for all probes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probing {
    /// Maximum time for which the last states are kept when everything seems to fail at once (fail-static); zero
    /// disables it.
    pub hold: Duration,
    /// How many vantage points of a fleet must see an endpoint down.
    pub quorum: Quorum,
    /// How many nodes of a fleet probe each endpoint; `None` if all do.
    pub vantages: Option<NonZeroU16>,
}

impl Default for Probing {
    /// Returns 60 seconds: enough for a network switch to restart, and not too long if the endpoints really are down.
    fn default() -> Self {
        Self { hold: Duration::from_secs(60), quorum: Quorum::Majority, vantages: None }
    }
}

/// A datacenter.
#[derive(Clone, Debug, PartialEq)]
pub struct Datacenter {
    /// Its name, such as `fra`.
    pub name: Box<str>,
    /// Its coordinates.
    pub coordinates: Coordinates,
    /// Its country.
    pub country: Option<CountryCode>,
}

/// Endpoints in one datacenter that serve the same thing.
#[derive(Clone, Debug, PartialEq)]
pub struct PoolSpec {
    /// `green`, or `web/fra` for one of several datacenters.
    pub name: Box<str>,
    /// The zone whose file defines it; `None` if the server file does.
    pub zone: Option<Name>,
    /// Its datacenter.
    pub datacenter: Option<DatacenterId>,
    /// The endpoints of a family that must be open for the pool to be usable.
    pub min_healthy: MinHealthy,
    /// For names without a pick: true if one endpoint is drawn by weight, false if all rotate. `None` draws if the
    /// weights differ.
    pub draws: Option<bool>,
    /// The maximum load of the whole pool.
    pub capacity: Option<Capacity>,
    /// The pool's behaviour after it was down.
    pub recovery: Recovery,
    /// Its endpoints.
    pub members: Members,
    /// The names of its monitors, in the order of each endpoint's targets. Several targets of an endpoint may have the
    /// same protocol and port, and people tell them apart by these names.
    pub monitors: Box<[Box<str>]>,
    /// Which endpoints may register themselves in it; `None` if none may.
    pub registration: Option<Registration>,
}

impl PoolSpec {
    /// Returns a pool of the server file that is in no datacenter and has no limits and no monitors.
    pub fn new(name: impl Into<Box<str>>, members: Members) -> Self {
        Self {
            name: name.into(),
            zone: None,
            datacenter: None,
            min_healthy: MinHealthy::default(),
            draws: None,
            capacity: None,
            recovery: Recovery::default(),
            members,
            monitors: [].into(),
            registration: None,
        }
    }

    /// Returns the entry of the file that the pool is a part of: `web` for `web/fra`. `None` for a pool that is an entry
    /// itself.
    pub fn entry(&self) -> Option<&str> {
        // Neither the names of entries nor those of datacenters have a slash.
        self.name.split_once('/').map(|(entry, _)| entry)
    }

    /// Returns the references that mean this pool: its entry, if it is a part of one, and its name.
    pub fn references(&self) -> impl Iterator<Item = &str> {
        self.entry().into_iter().chain([&*self.name])
    }

    /// Returns the pool's identity.
    pub fn key(&self) -> PoolKey {
        PoolKey::new(&self.zone.as_ref().map(ToString::to_string).unwrap_or_default(), &self.name)
    }

    /// True if a reference means this pool: `web` means all of `web/fra` and `web/iad`.
    pub fn is_referred_to(&self, reference: &str) -> bool {
        self.references().any(|known| known == reference)
    }

    /// Returns the probes of the endpoint at this position, each with the name of its monitor. Empty without a monitor.
    pub fn probes(&self, place: usize) -> Vec<(&str, ConditionProbe<&Target>)> {
        let mut probes = Vec::new();
        if let Some(condition) = self.members.condition(place) {
            condition.each_probe(&mut |probe| probes.push(probe));
        }
        self.monitors.iter().map(|name| &**name).zip(probes).collect()
    }

    /// Returns the identity of the endpoint at this position.
    pub fn key_of(&self, place: usize) -> EndpointKey {
        self.key().endpoint(&self.members.text(place))
    }

    /// Returns the maximum load of the whole pool.
    pub fn capacity(&self) -> Option<f64> {
        self.capacity.map(Capacity::get)
    }
}

/// The endpoints of a pool: addresses, or exactly one CNAME.
#[derive(Clone, Debug, PartialEq)]
pub enum Members {
    /// Addresses of either family.
    Addresses(Addresses),
    /// The canonical name.
    Cname(Endpoint<Name>),
}

impl Members {
    /// Returns the maximum time between the first and the last endpoint that is found down when all of them fail at
    /// once: the time that the slowest monitor needs to confirm a failure. Zero without monitors.
    pub fn outage(&self) -> Duration {
        self.targets().iter().map(|target| target.monitor.detection()).max().unwrap_or_default()
    }

    /// Returns the number of endpoints.
    #[allow(clippy::len_without_is_empty, reason = "only a pool that takes registered endpoints is ever empty")]
    pub fn len(&self) -> usize {
        match self {
            Self::Addresses(endpoints) => endpoints.len(),
            Self::Cname(_) => 1,
        }
    }

    /// Returns the address at this position; `None` if the pool holds a CNAME.
    pub fn address(&self, place: usize) -> Option<IpAddr> {
        match self {
            Self::Addresses(endpoints) => endpoints.get(place).map(|endpoint| endpoint.value),
            Self::Cname(_) => None,
        }
    }

    /// Returns all targets that are probed for this pool. A target that several endpoints depend on is repeated.
    pub fn targets(&self) -> Vec<&Target> {
        let mut targets = Vec::with_capacity(self.len());
        for condition in (0..self.len()).filter_map(|place| self.condition(place)) {
            condition.each_target(&mut |target| targets.push(target));
        }
        targets
    }

    /// Returns the targets that probe the endpoints themselves, without what they depend on.
    pub fn own_targets(&self) -> Vec<&Target> {
        let mut targets = Vec::with_capacity(self.len());
        for condition in (0..self.len()).filter_map(|place| self.condition(place)) {
            condition.each_probe(&mut |probe| targets.extend(probe.is_own().then_some(probe.target)));
        }
        targets
    }

    /// Returns the address at which the endpoint at this position is probed; `None` if it is not, or at a name.
    pub fn probed_address(&self, place: usize) -> Option<IpAddr> {
        let mut address = None;
        self.condition(place)?.each_probe(&mut |probe| {
            if !probe.is_dependency {
                address = address.or(probe.target.address.ip());
            }
        });
        address
    }

    /// Returns the configured weight of the endpoint at this position.
    pub fn weight(&self, place: usize) -> u16 {
        match self {
            Self::Addresses(endpoints) => endpoints[place].weight,
            Self::Cname(endpoint) => endpoint.weight,
        }
    }

    /// Returns the configured capacity of the endpoint at this position.
    pub fn capacity(&self, place: usize) -> Option<f64> {
        let capacity = match self {
            Self::Addresses(endpoints) => endpoints.get(place)?.capacity,
            Self::Cname(endpoint) => endpoint.capacity,
        };
        capacity.map(Capacity::get)
    }

    /// Returns the lease of the endpoint at this position; `None` if it is an endpoint of the files.
    pub fn lease(&self, place: usize) -> Option<&LeaseMark> {
        match self {
            Self::Addresses(endpoints) => endpoints.get(place)?.lease.as_deref(),
            Self::Cname(_) => None,
        }
    }

    /// Returns the condition for the endpoint at this position to be up; `None` if it always is.
    pub fn condition(&self, place: usize) -> Option<&Condition> {
        match self {
            Self::Addresses(endpoints) => endpoints.get(place)?.condition.as_ref(),
            Self::Cname(endpoint) => endpoint.condition.as_ref(),
        }
    }
}

/// True if several of these pools have an address in common.
pub(super) fn share_addresses<'a>(pools: impl Iterator<Item = &'a Members>) -> bool {
    let mut seen = HashSet::new();
    let mut addresses = pools.flat_map(|members| match members {
        Members::Addresses(endpoints) => &**endpoints,
        Members::Cname(_) => &[],
    });
    // Each address is unique within its pool, so a repeated one is in two pools.
    addresses.any(|endpoint| !seen.insert(endpoint.value))
}

/// One address or canonical name that can be handed out.
#[derive(Clone, Debug, PartialEq)]
pub struct Endpoint<T> {
    /// An address or a canonical name.
    pub value: T,
    /// Weight for `weighted` draws; 0 means that it is drawn only if no other is left.
    pub weight: u16,
    /// Its maximum load.
    pub capacity: Option<Capacity>,
    /// The condition for it to be up; `None` means always up.
    pub condition: Option<Condition>,
    /// The lease of a registered endpoint; `None` for an endpoint of the files.
    pub lease: Option<Arc<LeaseMark>>,
}

/// One zone.
#[derive(Clone, Debug)]
pub struct ZoneSpec {
    /// The apex.
    pub origin: Name,
    /// Which clients are in which region. Zones with equal regions share the value.
    pub regions: Arc<Regions>,
    /// Its names and static records, among them exactly one SOA and at least one NS at the apex, and the addresses of
    /// in-zone nameservers. It was built with `names` as its steered names, in this order, and `reflect` as its
    /// reflecting ones.
    pub tree: Arc<Tree>,
    /// The SERIAL of the SOA; that of the tree is not used.
    pub serial: u32,
    /// Names whose addresses are chosen for each client. Worlds share them if none of them changed.
    pub names: Arc<[SteeredName]>,
    /// Names that answer TXT with the facts that the node knows about the client.
    pub reflect: Arc<[Name]>,
    /// True if truenorth counts the SERIAL, because the operator gave none.
    pub counts_serial: bool,
    /// A fingerprint of the contents of its files, without the serial. If an operator gives the serial, only records count.
    pub contents: u64,
    /// A fingerprint of the text of its files, without the serial.
    pub text: u64,
    /// The keys that sign its answers; `None` if the zone is not signed.
    pub keys: Option<Arc<ZoneKeys>>,
}

/// A name whose addresses are chosen for each client.
#[derive(Clone, Debug, PartialEq)]
pub struct SteeredName {
    /// The owner, at or below the zone's origin; may be a wildcard.
    pub owner: Name,
    /// The rules for its addresses. Worlds share them if the name did not change.
    pub steering: Arc<Steering>,
}

/// The rules by which a name's addresses are chosen. Names of one zone with equal steering get equal answers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Steering {
    /// Its pools, all of one kind.
    pub pools: PoolList,
    /// The chain, as configured.
    pub steer: Vec<Step>,
    /// The map whose regions the step `region` uses; empty for the zone's `[regions]`.
    pub map: Box<str>,
    /// Whether clients of a region may be sent to datacenters that it does not list; `None` leaves it to each region.
    pub only: Option<bool>,
    /// The difference up to which the step `latency` considers round trips equal.
    pub latency_tolerance: Tolerance,
    /// How endpoints of its pools are picked; `None` leaves it to each pool's weights.
    pub pick: Option<Pick>,
    /// Maximum number of addresses in an answer; `None` leaves it to the pick.
    pub answers: Option<NonZeroU16>,
    /// Number of datacenters whose best pools answer.
    pub take: NonZeroU8,
    /// True if the last of at least two datacenters is drawn from all others.
    pub spare: bool,
    /// Number of leading bits of a client's address that hashes use, for each family; `None` without a step or pick
    /// that hashes. Not above the maxima of [`Ecs`].
    pub sticky: Option<PerFamily<u8>>,
    /// This name's own tiers for a region, instead of the region's: `prefer = { europe = [...] }`, with the region's
    /// whole name.
    pub prefer: Vec<(Box<str>, Vec<Vec<DatacenterId>>)>,
    /// The pool that answers if no other can.
    pub fallback: Option<PoolId>,
    /// The answer if `fallback` cannot answer either.
    pub all_down: AllDown,
    /// The TTLs of its answers.
    pub ttls: Ttls,
    /// The parameters of the name's HTTPS record, if it has one; the addresses are added for each answer.
    pub https: Option<SvcParams>,
    /// The roll-out that moves its clients to other pools; `None` without one.
    pub rollout: Option<Box<rollout::Spec>>,
}

impl Steering {
    /// Returns the rules of a name that uses these pools, without steps and with the default for every other key.
    pub fn new(pools: PoolList, ttls: Ttls) -> Self {
        Self {
            pools,
            steer: Vec::new(),
            map: "".into(),
            only: None,
            latency_tolerance: Tolerance::default(),
            pick: None,
            answers: None,
            take: NonZeroU8::MIN,
            spare: false,
            sticky: None,
            prefer: Vec::new(),
            fallback: None,
            all_down: AllDown::All,
            ttls,
            https: None,
            rollout: None,
        }
    }

    /// Returns the steps that rank, up to the first one that leaves no ties.
    pub fn ranked_steps(&self) -> impl Iterator<Item = Step> + Clone {
        self.steer.iter().copied().take_while(|step| !step.draws())
    }

    /// True if its pools take over each other's clients by load.
    pub fn spills(&self) -> bool {
        self.ranked_steps().any(|step| step == Step::Load)
    }

    /// True if its answers depend on load, by the step `load` or by `pick = "least-load"`.
    pub fn goes_by_load(&self) -> bool {
        self.spills() || self.pick == Some(Pick::LeastLoad)
    }
}

/// An entry of a name's `pools`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PoolUse {
    /// The pool.
    pub pool: PoolId,
    /// Weight for the step `weight`.
    pub weight: u16,
    /// Position in the list, for the step `failover`. The pools of an inner list, and those of one name in several
    /// datacenters, have the same one.
    pub order: u8,
    /// The order of the zone file for the pool in the answers of this name: a drain, or forced down. The world has it among
    /// its windows too.
    pub mode: Option<Mode>,
}
