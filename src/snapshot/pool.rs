//! A pool and what of it can be handed out now.

use std::net::IpAddr;
use std::sync::Arc;

use super::world::{Endpoint, Members, PoolSpec};
use crate::health::Share;
use crate::load::{Allowance, FULL_WEIGHT};
use crate::name::Name;
use crate::overrides::Mode;
use crate::steering::{HashKey, Pick};

/// An address family, as an index into pairs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Family {
    /// IPv4, asked for by type A.
    V4 = 0,
    /// IPv6, asked for by type AAAA.
    V6 = 1,
}

/// Something for each address family, indexed by [`Family`].
pub type PerFamily<T> = [T; 2];

/// What probes and the operator say of one endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The share of its clients that it keeps; answers may hold it if that is anything.
    pub share: Share,
    /// Whether an unconfirmed outcome speaks against that.
    pub restless: bool,
    /// Whether it is to answer at all.
    pub duty: Duty,
    /// How often `least-load` draws it, as against others of its pool: at most [`FULL_WEIGHT`], 0 while it is full.
    pub room: u16,
    /// How far it has come on its way back, or on its way out: above nothing. What it keeps is the share of that share.
    pub ramp: Share,
}

/// Whether an endpoint is to answer, as the operator will have it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Duty {
    /// Yes.
    #[default]
    On,
    /// Only while no pool that is not held back has any: its pool was down, and `failback` holds it back.
    Held,
    /// Only while no other is left.
    Draining,
    /// Never, whatever is ignored besides.
    Off,
}

impl Standing {
    /// Of an endpoint that nobody watches.
    pub const CALM: Self =
        Self { share: Share::FULL, restless: false, duty: Duty::On, room: FULL_WEIGHT, ramp: Share::FULL };

    /// What probes say, with what the operator says of it. What is forced is calm: no outcome will change it.
    pub fn under(self, mode: Option<Mode>) -> Self {
        match mode {
            None | Some(Mode::Open) => self,
            Some(Mode::Drain) => Self { duty: Duty::Draining, ..self },
            Some(Mode::ForceUp) => Self { room: self.room, ..Self::CALM },
            Some(Mode::ForceDown) => Self { share: Share::NONE, duty: Duty::Off, ..Self::CALM },
        }
    }

    fn is_open(self) -> bool {
        self.duty == Duty::On && self.share.is_some()
    }

    /// The share among others of which the one that has come farthest has come so far: as much less as it has come less far.
    /// How far they all are is the pool's business.
    fn share_beside(self, highest: Share) -> Share {
        let part = u32::from(self.share.thousandths()) * u32::from(self.ramp.thousandths());
        // A share above nothing is not rounded to nothing.
        Share::from_thousandths(part.div_ceil(u32::from(highest.thousandths()).max(1)) as u16)
    }
}

/// One thing that can be handed out, with its weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member<T> {
    /// An address, or the canonical name.
    pub value: T,
    /// For draws; 0 only when no other is left.
    pub weight: u16,
    /// How much of what its weight gives it; never nothing.
    pub share: Share,
    /// What it is hashed by.
    pub key: HashKey,
    /// Its weight by load, where `least-load` picks.
    pub room: u16,
}

impl<T> Member<T> {
    /// What it is drawn in proportion to.
    pub fn weight_for(&self, pick: Pick) -> u16 {
        match pick {
            // Weight 0 is the operator's word, and room is not.
            Pick::LeastLoad if self.weight > 0 => self.room,
            Pick::LeastLoad => 0,
            Pick::Rotate | Pick::Weighted | Pick::Random | Pick::Sticky => self.weight,
        }
    }
}

/// A pool's members of one kind, as the rungs of the ladder take them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lists<T> {
    /// How many the operator wrote.
    given: usize,
    /// How many of them are on duty, held back or not.
    on_duty: usize,
    open: Arc<[Member<T>]>,
    held: Arc<[Member<T>]>,
    draining: Arc<[Member<T>]>,
    all: Arc<[Member<T>]>,
    recent: Arc<[Member<T>]>,
    /// What was open last, those included that are off duty now and may come back.
    remembered: Arc<[Member<T>]>,
    is_degraded: bool,
}

/// Which of a pool's members answer. None holds what is forced down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Selection {
    /// Those on duty that are up.
    Open,
    /// Those held back that are up.
    Held,
    /// Those draining that are up.
    Draining,
    /// Those on duty, whatever probes say; those draining, if no other is left.
    All,
    /// Those that were open last; all, if none of them is left.
    Recent,
}

impl<T: Clone + PartialEq> Lists<T> {
    fn new(members: &[(Member<T>, Standing)], previous: Option<&Self>) -> Self {
        let list = |holds: &dyn Fn(&Standing) -> bool, share: &dyn Fn(&Standing) -> Share| -> Arc<[Member<T>]> {
            let held = members.iter().filter(|(_, standing)| holds(standing));
            held.map(|(member, standing)| Member { share: share(standing), room: standing.room, ..member.clone() })
                .collect()
        };
        let is_up = |duty: Duty| move |standing: &Standing| standing.duty == duty && standing.share.is_some();
        let probed = |standing: &Standing| standing.share;
        let highest = highest_ramp(members.iter().map(|(_, standing)| standing));
        let full = |_: &Standing| Share::FULL;
        let open = list(&is_up(Duty::On), &|standing| standing.share_beside(highest));
        let held = list(&is_up(Duty::Held), &probed);
        let draining = list(&is_up(Duty::Draining), &probed);
        let on_duty = list(&|standing| matches!(standing.duty, Duty::On | Duty::Held), &full);
        let remembered = match previous {
            _ if !open.is_empty() => list(&is_up(Duty::On), &full),
            Some(previous) => previous.remembered.clone(),
            None => list(&|_| true, &full),
        };
        let is_degraded = open.iter().chain(&*held).chain(&*draining).any(|member| !member.share.is_full());
        let count = on_duty.len();
        let all = if on_duty.is_empty() { list(&|standing| standing.duty == Duty::Draining, &full) } else { on_duty };
        let is_off =
            |value: &T| members.iter().any(|(member, standing)| standing.duty == Duty::Off && member.value == *value);
        let any_off = members.iter().any(|(_, standing)| standing.duty == Duty::Off);
        let recent: Arc<[_]> = if any_off {
            remembered.iter().filter(|member| !is_off(&member.value)).cloned().collect()
        } else {
            remembered.clone()
        };
        let recent = if recent.is_empty() { all.clone() } else { recent };
        Self { given: members.len(), on_duty: count, open, held, draining, all, recent, remembered, is_degraded }
    }

    /// The members that answer.
    pub fn select(&self, selection: Selection) -> &[Member<T>] {
        match selection {
            Selection::Open => &self.open,
            Selection::Held => &self.held,
            Selection::Draining => &self.draining,
            Selection::All => &self.all,
            Selection::Recent => &self.recent,
        }
    }

    /// Whether a member that answers keeps only a share of its clients.
    pub fn is_degraded(&self) -> bool {
        self.is_degraded
    }

    /// Whether the share of open members suffices. What the operator took off duty is not missed: to drain one of two does
    /// not topple the pool.
    fn is_usable(&self, spec: &PoolSpec) -> bool {
        spec.is_enough(self.open.len(), self.on_duty)
    }
}

/// A pool's state: immutable, replaced when the health of an endpoint changes.
#[derive(Clone, Debug)]
pub struct Pool {
    spec: Arc<PoolSpec>,
    kind: Kind,
    /// By the endpoints' places in the spec.
    standings: Box<[Standing]>,
    share: Share,
    allowance: Allowance,
    ramp: Share,
    restless: bool,
    draining: bool,
    ramping: bool,
    last_open: PerFamily<u64>,
}

/// What a pool hands out.
#[derive(Clone, Debug)]
pub enum Kind {
    /// Addresses of either family.
    Addresses(Lists<[u8; 4]>, Lists<[u8; 16]>),
    /// A canonical name, for every type.
    Cname(Lists<Name>),
}

impl Kind {
    /// The IPv4 addresses, if it is addresses.
    pub fn v4(&self) -> Option<&Lists<[u8; 4]>> {
        match self {
            Self::Addresses(v4, _) => Some(v4),
            Self::Cname(_) => None,
        }
    }

    /// The IPv6 addresses, if it is addresses.
    pub fn v6(&self) -> Option<&Lists<[u8; 16]>> {
        match self {
            Self::Addresses(_, v6) => Some(v6),
            Self::Cname(_) => None,
        }
    }

    /// The canonical name, if it is one.
    pub fn cname(&self) -> Option<&Lists<Name>> {
        match self {
            Self::Addresses(..) => None,
            Self::Cname(name) => Some(name),
        }
    }
}

/// [`Pool::last_open`] of a pool that is open.
pub const OPEN_NOW: u64 = u64::MAX;

impl Pool {
    /// The pool with endpoints in these standings, in the order of its spec. `generation` is that of the snapshot it is
    /// made for; `previous` is the same pool as it was, if it was there. Of its load nothing is known.
    pub fn new(
        spec: Arc<PoolSpec>,
        standing: impl Fn(usize) -> Standing,
        generation: u64,
        previous: Option<&Self>,
    ) -> Self {
        let standings: Box<[Standing]> = (0..spec.members.len()).map(standing).collect();
        let kind = match &spec.members {
            Members::Addresses(endpoints) => addresses(endpoints, &standings, previous),
            Members::Cname(endpoint) => {
                let key = HashKey::of_candidate(endpoint.value.as_wire());
                let (value, weight) = (endpoint.value.clone(), endpoint.weight);
                let member = Member { value, weight, share: Share::FULL, key, room: FULL_WEIGHT };
                let before = previous.and_then(|pool| pool.kind.cname());
                Kind::Cname(Lists::new(&[(member, standings[0])], before))
            }
        };
        let draining = standings.iter().any(|standing| standing.duty == Duty::Draining);
        let ramping = standings.iter().any(|standing| standing.is_open() && !standing.ramp.is_full());
        let restless = draining || ramping || standings.iter().any(|standing| standing.restless);
        let (share, ramp) = (share(&spec.members, &standings), highest_ramp(&standings));
        let (allowance, last_open) = (Allowance::UNKNOWN, [0; 2]);
        let mut pool = Self { spec, kind, standings, share, allowance, ramp, restless, draining, ramping, last_open };
        pool.last_open = [Family::V4, Family::V6].map(|family| {
            let was_open = previous.map_or(0, |pool| pool.last_open[family as usize]);
            match was_open {
                _ if pool.is_open(family) => OPEN_NOW,
                OPEN_NOW => generation,
                earlier => earlier,
            }
        });
        pool
    }

    /// The same pool with another load.
    pub(super) fn loaded(self, allowance: Allowance) -> Self {
        Self { allowance, ..self }
    }

    /// How many of its clients it keeps, and what it can take of others'.
    pub fn allowance(&self) -> &Allowance {
        &self.allowance
    }

    /// What the operator wrote.
    pub fn spec(&self) -> &Arc<PoolSpec> {
        &self.spec
    }

    /// What it hands out.
    pub fn kind(&self) -> &Kind {
        &self.kind
    }

    /// What answers make of the endpoint in this place of the spec.
    pub fn standing(&self, endpoint: usize) -> Standing {
        self.standings[endpoint]
    }

    /// Whether an unconfirmed outcome speaks against one of its endpoints' states, or one drains or ramps: what is answered
    /// now may soon be wrong.
    pub fn is_restless(&self) -> bool {
        self.restless
    }

    /// Whether the operator drains one of its endpoints.
    pub fn has_draining(&self) -> bool {
        self.draining
    }

    /// Whether one of its endpoints comes back slowly, or leaves slowly.
    pub fn is_ramping(&self) -> bool {
        self.ramping
    }

    /// The mean share of its open endpoints by weight, ramps apart: how much of what the step `weight` gives it. Above
    /// nothing; all, if none is open.
    pub fn share(&self) -> Share {
        self.share
    }

    /// How far the pool has come on its way back or out: as far as the endpoint that takes most. Above nothing.
    pub fn ramp(&self) -> Share {
        self.ramp
    }

    /// The generation that last had an endpoint of this family open: [`OPEN_NOW`] for the current one, 0 for none yet.
    pub fn last_open(&self, family: Family) -> u64 {
        self.last_open[family as usize]
    }

    /// How many endpoints of the family are open, and of how many that the operator wrote.
    pub fn counts(&self, family: Family) -> (usize, usize) {
        let given = match (&self.kind, family) {
            (Kind::Addresses(v4, _), Family::V4) => v4.given,
            (Kind::Addresses(_, v6), Family::V6) => v6.given,
            (Kind::Cname(name), _) => name.given,
        };
        (self.count(family, Selection::Open), given)
    }

    /// Whether it has endpoints of the family, as the operator wrote it.
    pub fn is_given(&self, family: Family) -> bool {
        self.counts(family).1 > 0
    }

    /// Whether any endpoint of the family is open.
    pub fn is_open(&self, family: Family) -> bool {
        self.count(family, Selection::Open) > 0
    }

    /// Whether any endpoint of the family is up and held back.
    pub fn is_held(&self, family: Family) -> bool {
        self.count(family, Selection::Held) > 0
    }

    /// Whether any endpoint of the family drains and is up.
    pub fn is_draining(&self, family: Family) -> bool {
        self.count(family, Selection::Draining) > 0
    }

    /// Whether any endpoint of the family is not forced down.
    pub fn is_left(&self, family: Family) -> bool {
        self.count(family, Selection::All) > 0
    }

    /// Whether any endpoint of the family is neither forced down nor draining.
    pub fn is_on_duty(&self, family: Family) -> bool {
        let on_duty = match (&self.kind, family) {
            (Kind::Addresses(v4, _), Family::V4) => v4.on_duty,
            (Kind::Addresses(_, v6), Family::V6) => v6.on_duty,
            (Kind::Cname(name), _) => name.on_duty,
        };
        on_duty > 0
    }

    /// Whether so many endpoints of the family are open as `min_healthy` asks for.
    pub fn is_usable(&self, family: Family) -> bool {
        match (&self.kind, family) {
            (Kind::Addresses(v4, _), Family::V4) => v4.is_usable(&self.spec),
            (Kind::Addresses(_, v6), Family::V6) => v6.is_usable(&self.spec),
            (Kind::Cname(name), _) => name.is_usable(&self.spec),
        }
    }

    /// What this picks the endpoints of a family in proportion to, and their shares, of those that answer.
    pub(super) fn weights(&self, family: Family, selection: Selection, pick: Pick) -> Vec<(u16, Share)> {
        fn of<T>(members: &[Member<T>], pick: Pick) -> Vec<(u16, Share)> {
            members.iter().map(|member| (member.weight_for(pick), member.share)).collect()
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

fn addresses(endpoints: &[Endpoint<IpAddr>], standings: &[Standing], previous: Option<&Pool>) -> Kind {
    let (mut v4, mut v6) = (Vec::new(), Vec::new());
    for (endpoint, &standing) in endpoints.iter().zip(standings) {
        let weight = endpoint.weight;
        match endpoint.value {
            IpAddr::V4(address) => v4.push((address_member(address.octets(), weight), standing)),
            IpAddr::V6(address) => v6.push((address_member(address.octets(), weight), standing)),
        }
    }
    let before = previous.map(|pool| &pool.kind);
    Kind::Addresses(Lists::new(&v4, before.and_then(Kind::v4)), Lists::new(&v6, before.and_then(Kind::v6)))
}

fn address_member<const LENGTH: usize>(value: [u8; LENGTH], weight: u16) -> Member<[u8; LENGTH]> {
    Member { value, weight, share: Share::FULL, key: HashKey::of_candidate(&value), room: FULL_WEIGHT }
}

/// The mean share of open endpoints of both families; evenly if none has a weight. Ramps are left out: that an endpoint comes
/// back is no reason to send less to those that were there.
fn share(members: &Members, standings: &[Standing]) -> Share {
    let weight = |place: usize| match members {
        Members::Addresses(endpoints) => endpoints[place].weight,
        Members::Cname(endpoint) => endpoint.weight,
    };
    let mean = |is_even: bool| {
        let open = standings.iter().enumerate().filter(|(_, standing)| standing.is_open());
        let (sum, kept) = open.fold((0, 0), |(sum, kept), (place, standing)| {
            let weight = if is_even { 1 } else { u64::from(weight(place)) };
            (sum + weight, kept + weight * u64::from(standing.share.thousandths()))
        });
        // A share above nothing is not rounded to nothing.
        (sum > 0).then(|| Share::from_thousandths(kept.div_ceil(sum) as u16))
    };
    mean(false).or_else(|| mean(true)).unwrap_or(Share::FULL)
}

/// How far the open endpoint has come that has come farthest; all, if none is open.
fn highest_ramp<'a>(standings: impl IntoIterator<Item = &'a Standing>) -> Share {
    let open = standings.into_iter().filter(|standing| standing.is_open());
    open.map(|standing| standing.ramp).max().unwrap_or(Share::FULL)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(min_healthy: f64) -> Arc<PoolSpec> {
        let endpoint =
            |text: &str| Endpoint { value: text.parse().unwrap(), weight: 1, capacity: None, condition: None };
        let members = ["192.0.2.1", "192.0.2.2", "192.0.2.3", "2001:db8::1"].map(endpoint);
        Arc::new(PoolSpec {
            name: "web".into(),
            zone: None,
            datacenter: None,
            min_healthy,
            capacity: None,
            recovery: crate::health::Recovery::default(),
            members: Members::Addresses(members.into()),
        })
    }

    fn with_open(open: &[usize], min_healthy: f64, previous: Option<&Pool>) -> Pool {
        let share = |endpoint| if open.contains(&endpoint) { Share::FULL } else { Share::NONE };
        let standing = |endpoint| Standing { share: share(endpoint), ..Standing::CALM };
        Pool::new(spec(min_healthy), standing, 9, previous)
    }

    #[test]
    fn min_healthy_is_a_share_of_each_family() {
        assert!(with_open(&[0, 1], 0.5, None).is_usable(Family::V4));
        assert!(!with_open(&[0, 3], 0.5, None).is_usable(Family::V4));
        assert!(with_open(&[0, 3], 0.5, None).is_usable(Family::V6));
        assert!(with_open(&[0], 0.0, None).is_usable(Family::V4));
        assert!(!with_open(&[], 0.0, None).is_usable(Family::V4));
    }

    #[test]
    fn min_healthy_is_reckoned_in_whole_endpoints() {
        for percent in 0..=100_usize {
            let spec = spec(percent as f64 / 100.0);
            for on_duty in 1..=1024 {
                let needed = (on_duty * percent).div_ceil(100).max(1);
                assert!(spec.is_enough(needed, on_duty), "{needed} of {on_duty} at {percent} %");
                assert!(!spec.is_enough(needed - 1, on_duty), "{} of {on_duty} at {percent} %", needed - 1);
            }
        }
        // Written with as many digits as anybody has.
        let third = spec(0.333_333_333_3);
        assert!(third.is_enough(1, 3) && !third.is_enough(0, 3));
        assert!(spec(0.666_666_666_67).is_enough(2, 3));
        assert!(!spec(0.67).is_enough(2, 3));
    }

    #[test]
    fn what_was_open_last_is_remembered() {
        let first = with_open(&[1, 2], 0.0, None);
        let second = with_open(&[2], 0.0, Some(&first));
        let third = with_open(&[], 0.0, Some(&second));
        let Kind::Addresses(v4, v6) = third.kind() else { panic!("no addresses") };
        assert_eq!(v4.select(Selection::Recent), [address_member([192, 0, 2, 3], 1)]);
        assert_eq!(v6.select(Selection::Recent).len(), 1);
        assert_eq!((second.last_open(Family::V4), third.last_open(Family::V4)), (OPEN_NOW, 9));
        assert_eq!(third.last_open(Family::V6), 0);
    }
}
