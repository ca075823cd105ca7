//! A pool, and the endpoints of it that can be handed out now.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::endpoint_state::{AdminState, EndpointState, PoolState, highest_ramp};
use super::family::Family;
use super::members::{Lists, Member, Selection};
use super::world::{Endpoint, Members, PoolSpec};
use crate::health::Share;
use crate::load::{Allowance, FULL_WEIGHT};
use crate::name::Name;
use crate::steering::{HashKey, Pick};

/// A pool's state: immutable, and replaced when the state of an endpoint changes.
#[derive(Clone, Debug)]
pub struct Pool {
    spec: Arc<PoolSpec>,
    kind: Kind,
    /// By the endpoints' positions in the spec.
    endpoint_states: Arc<[EndpointState]>,
    // The methods that return the following fields explain them.
    share: Share,
    allowance: Allowance,
    ramp: Share,
    restless: bool,
    draining: bool,
    ramping: bool,
    outage: Duration,
}

/// The kind of records that a pool gives, with its members.
#[derive(Clone, Debug)]
pub enum Kind {
    /// Addresses of either family.
    Addresses(Lists<[u8; 4]>, Lists<[u8; 16]>),
    /// A canonical name, which answers every type.
    Cname(Lists<Name>),
}

impl Kind {
    /// Returns the IPv4 addresses; `None` if the pool holds a CNAME.
    pub fn v4(&self) -> Option<&Lists<[u8; 4]>> {
        match self {
            Self::Addresses(v4, _) => Some(v4),
            Self::Cname(_) => None,
        }
    }

    /// Returns the IPv6 addresses; `None` if the pool holds a CNAME.
    pub fn v6(&self) -> Option<&Lists<[u8; 16]>> {
        match self {
            Self::Addresses(_, v6) => Some(v6),
            Self::Cname(_) => None,
        }
    }

    /// Returns the canonical name; `None` if the pool holds addresses.
    pub fn cname(&self) -> Option<&Lists<Name>> {
        match self {
            Self::Addresses(..) => None,
            Self::Cname(name) => Some(name),
        }
    }
}

impl Pool {
    /// Makes the pool in this state. `first` is the number of its first endpoint, counted over the pools of the world.
    pub(super) fn new(spec: Arc<PoolSpec>, state: &PoolState, first: u32) -> Self {
        let PoolState { endpoint_states, allowance } = state.clone();
        let is_any_down = endpoint_states.iter().any(|endpoint_state| endpoint_state.last_up < Duration::MAX);
        let outage = if is_any_down { spec.members.outage() } else { Duration::ZERO };
        let kind = match &spec.members {
            Members::Addresses(endpoints) => addresses(endpoints, &endpoint_states, (outage, spec.draws), first),
            Members::Cname(endpoint) => {
                let key = HashKey::of_candidate(endpoint.value.as_wire());
                let (value, weight) = (endpoint.value.clone(), endpoint.weight);
                let member = Member { value, weight, share: Share::FULL, key, room: FULL_WEIGHT, number: first };
                Kind::Cname(Lists::new(&[(member, endpoint_states[0])], outage, None))
            }
        };
        let draining = endpoint_states.iter().any(|endpoint_state| endpoint_state.admin_state == AdminState::Draining);
        let ramping =
            endpoint_states.iter().any(|endpoint_state| endpoint_state.is_open() && !endpoint_state.ramp.is_full());
        let restless = draining || ramping || endpoint_states.iter().any(|endpoint_state| endpoint_state.restless);
        let (share, ramp) = (share(&spec.members, &endpoint_states), highest_ramp(&*endpoint_states));
        Self { spec, kind, endpoint_states, share, allowance, ramp, restless, draining, ramping, outage }
    }

    /// Returns the share of its clients that the pool keeps, and its room for others.
    pub fn allowance(&self) -> &Allowance {
        &self.allowance
    }

    /// Returns the pool's configuration.
    pub fn spec(&self) -> &Arc<PoolSpec> {
        &self.spec
    }

    /// Returns the members.
    pub fn kind(&self) -> &Kind {
        &self.kind
    }

    /// Returns the state of the endpoint at this position of the spec.
    pub fn endpoint_state(&self, endpoint: usize) -> EndpointState {
        self.endpoint_states[endpoint]
    }

    /// True if the present answer may soon change: an unconfirmed outcome contradicts the state of an endpoint, or an
    /// endpoint is drained or ramps.
    pub fn is_restless(&self) -> bool {
        self.restless
    }

    /// True if an operator drains one of its endpoints.
    pub fn has_draining(&self) -> bool {
        self.draining
    }

    /// True if one of its endpoints comes back or leaves slowly.
    pub fn is_ramping(&self) -> bool {
        self.ramping
    }

    /// Returns the mean share of its open endpoints by weight, without ramps: the part of the clients that the step
    /// `weight` gives it. Above 0; full if no endpoint is open.
    pub fn share(&self) -> Share {
        self.share
    }

    /// Returns the pool's ramp: the highest one of its endpoints. Above 0.
    pub fn ramp(&self) -> Share {
        self.ramp
    }

    /// Returns when an endpoint of the family that is in service was up last, on the clock of control:
    /// [`Duration::MAX`] while one is up, zero if none ever was.
    pub fn last_up(&self, family: Family) -> Duration {
        let is_meant = |place: usize| match self.spec.members.address(place) {
            Some(address) => address.is_ipv6() == (family == Family::V6),
            None => true,
        };
        let endpoint_states = self.endpoint_states.iter().enumerate();
        let in_service =
            endpoint_states.filter(|&(place, endpoint_state)| endpoint_state.is_in_service() && is_meant(place));
        in_service.map(|(_, endpoint_state)| endpoint_state.last_up).max().unwrap_or_default()
    }

    /// Returns the maximum time between the first and the last endpoint that is found down when all of them fail at
    /// once; zero while all are up.
    pub fn outage(&self) -> Duration {
        self.outage
    }

    /// Returns how many endpoints of the family are open, and how many the operator wrote.
    pub fn counts(&self, family: Family) -> (usize, usize) {
        let given = match (&self.kind, family) {
            (Kind::Addresses(v4, _), Family::V4) => v4.given,
            (Kind::Addresses(_, v6), Family::V6) => v6.given,
            (Kind::Cname(name), _) => name.given,
        };
        (self.count(family, Selection::Open), given)
    }

    /// True if the operator wrote endpoints of the family.
    pub fn is_given(&self, family: Family) -> bool {
        self.counts(family).1 > 0
    }

    /// True if an endpoint of the family is open.
    pub fn is_open(&self, family: Family) -> bool {
        self.count(family, Selection::Open) > 0
    }

    /// True if an endpoint of the family is up and held back.
    pub fn is_held(&self, family: Family) -> bool {
        self.count(family, Selection::Held) > 0
    }

    /// True if an endpoint of the family is up and drained.
    pub fn is_draining(&self, family: Family) -> bool {
        self.count(family, Selection::Draining) > 0
    }

    /// True if an endpoint of the family is not forced down.
    pub fn is_left(&self, family: Family) -> bool {
        self.count(family, Selection::All) > 0
    }

    /// True if an endpoint of the family is neither forced down nor drained.
    pub fn is_in_service(&self, family: Family) -> bool {
        let in_service = match (&self.kind, family) {
            (Kind::Addresses(v4, _), Family::V4) => v4.in_service,
            (Kind::Addresses(_, v6), Family::V6) => v6.in_service,
            (Kind::Cname(name), _) => name.in_service,
        };
        in_service > 0
    }

    /// True if enough endpoints of the family are open for `min_healthy`.
    pub fn is_usable(&self, family: Family) -> bool {
        match (&self.kind, family) {
            (Kind::Addresses(v4, _), Family::V4) => v4.is_usable(&self.spec),
            (Kind::Addresses(_, v6), Family::V6) => v6.is_usable(&self.spec),
            (Kind::Cname(name), _) => name.is_usable(&self.spec),
        }
    }

    /// True if one of its endpoints of a family is drawn by weight for names without a pick.
    pub(super) fn weighs(&self, family: Family) -> bool {
        match (&self.kind, family) {
            (Kind::Addresses(v4, _), Family::V4) => v4.weighs,
            (Kind::Addresses(_, v6), Family::V6) => v6.weighs,
            (Kind::Cname(_), _) => false,
        }
    }

    /// Returns the weight with which this pick draws each endpoint of a selection, and its share. The key identifies
    /// the endpoint: an address that is in several pools has the same key in all of them.
    pub(super) fn weights(&self, family: Family, selection: Selection, pick: Pick) -> Vec<(HashKey, (u16, Share))> {
        fn of<T>(members: &[Member<T>], pick: Pick) -> Vec<(HashKey, (u16, Share))> {
            members.iter().map(|member| (member.key, (member.weight_for(pick), member.share))).collect()
        }
        match (&self.kind, family) {
            (Kind::Addresses(v4, _), Family::V4) => of(v4.select(selection), pick),
            (Kind::Addresses(_, v6), Family::V6) => of(v6.select(selection), pick),
            (Kind::Cname(name), _) => of(name.select(selection), pick),
        }
    }

    fn count(&self, family: Family, selection: Selection) -> usize {
        match (&self.kind, family) {
            (Kind::Addresses(v4, _), Family::V4) => v4.select(selection).len(),
            (Kind::Addresses(_, v6), Family::V6) => v6.select(selection).len(),
            (Kind::Cname(name), _) => name.select(selection).len(),
        }
    }
}

/// `outage` and `draws` are those of [`Lists::new`].
fn addresses(
    endpoints: &[Endpoint<IpAddr>],
    endpoint_states: &[EndpointState],
    (outage, draws): (Duration, Option<bool>),
    first: u32,
) -> Kind {
    let (mut v4, mut v6) = (Vec::new(), Vec::new());
    for ((endpoint, &endpoint_state), number) in endpoints.iter().zip(endpoint_states).zip(first..) {
        let weight = endpoint.weight;
        match endpoint.value {
            IpAddr::V4(address) => v4.push((address_member(address.octets(), weight, number), endpoint_state)),
            IpAddr::V6(address) => v6.push((address_member(address.octets(), weight, number), endpoint_state)),
        }
    }
    Kind::Addresses(Lists::new(&v4, outage, draws), Lists::new(&v6, outage, draws))
}

fn address_member<const LENGTH: usize>(value: [u8; LENGTH], weight: u16, number: u32) -> Member<[u8; LENGTH]> {
    Member { value, weight, share: Share::FULL, key: HashKey::of_candidate(&value), room: FULL_WEIGHT, number }
}

/// Returns the mean share of the open endpoints of both families, weighted, or the plain mean if all weights are 0.
/// Ramps do not count, because the other endpoints can serve as many clients as before.
fn share(members: &Members, endpoint_states: &[EndpointState]) -> Share {
    let mean = |is_even: bool| {
        let open = endpoint_states.iter().enumerate().filter(|(_, endpoint_state)| endpoint_state.is_open());
        let (sum, kept) = open.fold((0, 0), |(sum, kept), (place, endpoint_state)| {
            let weight = if is_even { 1 } else { u64::from(members.weight(place)) };
            (sum + weight, kept + weight * u64::from(endpoint_state.share.thousandths()))
        });
        // Rounding never turns a share above 0 into 0.
        (sum > 0).then(|| Share::from_thousandths(kept.div_ceil(sum) as u16))
    };
    mean(false).or_else(|| mean(true)).unwrap_or(Share::FULL)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::{Check, Condition, Monitor, Target, TcpCheck};
    use crate::snapshot::{Addresses, MinHealthy};

    fn spec(min_healthy: f64) -> Arc<PoolSpec> {
        let monitor = Monitor::new(Check::Tcp(TcpCheck::default()), 80);
        let target = Target {
            address: std::net::SocketAddr::from(([192, 0, 2, 1], 80)).into(),
            host: "a".into(),
            monitor: monitor.into(),
        };
        let condition = Some(Condition::Probe(target));
        let endpoint = |text: &str| Endpoint {
            value: text.parse().unwrap(),
            weight: 1,
            capacity: None,
            condition: condition.clone(),
            lease: None,
        };
        let members = ["192.0.2.1", "192.0.2.2", "192.0.2.3", "2001:db8::1"].map(endpoint);
        let members = Members::Addresses(Addresses::try_new(members.into()).unwrap());
        let min_healthy = MinHealthy::try_new(min_healthy).unwrap();
        Arc::new(PoolSpec { min_healthy, ..PoolSpec::new("web", members) })
    }

    /// Returns a pool whose listed endpoints fell at these seconds; the others are up.
    fn with_down(down: &[(usize, u64)], min_healthy: f64) -> Pool {
        let endpoint_state = |endpoint| match down.iter().find(|(place, _)| *place == endpoint) {
            Some(&(_, fell)) => {
                EndpointState { share: Share::NONE, last_up: Duration::from_secs(fell), ..EndpointState::CALM }
            }
            None => EndpointState::CALM,
        };
        let spec = spec(min_healthy);
        let endpoint_states = (0..spec.members.len()).map(endpoint_state).collect();
        Pool::new(spec, &PoolState { endpoint_states, allowance: Allowance::UNKNOWN }, 0)
    }

    #[test]
    fn min_healthy_is_a_share_of_each_family() {
        assert!(with_down(&[(2, 9), (3, 9)], 0.5).is_usable(Family::V4));
        assert!(!with_down(&[(1, 9), (2, 9)], 0.5).is_usable(Family::V4));
        assert!(with_down(&[(1, 9), (2, 9)], 0.5).is_usable(Family::V6));
        assert!(with_down(&[(1, 9), (2, 9)], 0.0).is_usable(Family::V4));
        assert!(!with_down(&[(0, 9), (1, 9), (2, 9)], 0.0).is_usable(Family::V4));
    }

    #[test]
    fn what_was_up_when_the_outage_began_is_remembered() {
        // The monitor takes at most 17 s to confirm a fall: 5 s * 3 + 2 s.
        let recent = |fell: [u64; 3]| {
            let pool = with_down(&[(0, fell[0]), (1, fell[1]), (2, fell[2])], 0.0);
            let Kind::Addresses(v4, v6) = pool.kind() else { panic!("no addresses") };
            assert_eq!(v6.select(Selection::Recent).len(), 1);
            assert_eq!(pool.last_up(Family::V4), Duration::from_secs(fell.into_iter().max().unwrap()));
            assert_eq!(pool.last_up(Family::V6), Duration::MAX);
            let recent = v4.select(Selection::Recent).iter().map(|member| member.value[3]);
            recent.collect::<Vec<_>>()
        };
        assert_eq!(recent([100, 105, 110]), [1, 2, 3], "all of them died at once, whichever probe came last");
        assert_eq!(recent([50, 105, 110]), [2, 3], "one was dead before");
        assert_eq!(recent([50, 60, 110]), [3]);
        assert_eq!(recent([93, 92, 110]), [1, 3]);
        assert_eq!(recent([0, 0, 8]), [3], "what was never up was not up then");
        assert_eq!(recent([0, 0, 0]), [1, 2, 3]);
    }
}
