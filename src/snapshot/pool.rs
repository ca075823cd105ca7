//! A pool and what of it can be handed out now.

use std::net::IpAddr;
use std::sync::Arc;

use super::world::{Endpoint, Members, PoolSpec};
use crate::health::Share;
use crate::name::Name;

/// An address family, as an index into pairs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// IPv4, asked for by type A.
    V4 = 0,
    /// IPv6, asked for by type AAAA.
    V6 = 1,
}

/// Something for each address family, indexed by [`Family`].
pub type PerFamily<T> = [T; 2];

/// What health says of one endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The share of its clients that it keeps; answers may hold it if that is anything.
    pub share: Share,
    /// Whether an unconfirmed outcome speaks against that.
    pub restless: bool,
}

impl Standing {
    /// Of an endpoint that nobody watches.
    pub const CALM: Self = Self { share: Share::FULL, restless: false };

    /// Of an endpoint that is surely down.
    pub const DOWN: Self = Self { share: Share::NONE, restless: false };
}

/// One thing that can be handed out, with its weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member<T> {
    /// An address, or the canonical name.
    pub value: T,
    /// For draws; 0 only when no other is left.
    pub weight: u16,
}

/// A pool's members of one kind: all, those open now, and those that were open last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lists<T> {
    all: Arc<[Member<T>]>,
    open: Arc<[Member<T>]>,
    recent: Arc<[Member<T>]>,
}

/// Which of a pool's members answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Selection {
    /// Those open now.
    Open,
    /// All, whatever their health.
    All,
    /// Those that were open last.
    Recent,
}

impl<T: Clone> Lists<T> {
    fn new(members: Vec<(Member<T>, Standing)>, previous: Option<&Self>) -> Self {
        let open: Arc<[_]> =
            members.iter().filter(|(_, standing)| standing.share.is_some()).map(|(member, _)| member.clone()).collect();
        let all: Arc<[_]> = members.into_iter().map(|(member, _)| member).collect();
        let recent = match previous {
            _ if !open.is_empty() => open.clone(),
            Some(previous) => previous.recent.clone(),
            None => all.clone(),
        };
        Self { all, open, recent }
    }

    /// The members that answer.
    pub fn select(&self, selection: Selection) -> &[Member<T>] {
        match selection {
            Selection::Open => &self.open,
            Selection::All => &self.all,
            Selection::Recent => &self.recent,
        }
    }

    /// Whether the share of open members suffices.
    fn is_usable(&self, min_healthy: f64) -> bool {
        !self.open.is_empty() && self.open.len() as f64 >= self.all.len() as f64 * min_healthy
    }
}

/// A pool's state: immutable, replaced when the health of an endpoint changes.
#[derive(Clone, Debug)]
pub struct Pool {
    spec: Arc<PoolSpec>,
    kind: Kind,
    /// By the endpoints' places in the spec.
    standings: Box<[Standing]>,
    restless: bool,
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

/// [`Pool::last_open`] of a pool that is open.
pub const OPEN_NOW: u64 = u64::MAX;

impl Pool {
    /// The pool with endpoints in these standings, in the order of its spec. `generation` is that of the snapshot it is
    /// made for; `previous` is the same pool as it was, if it was there.
    pub fn new(
        spec: Arc<PoolSpec>,
        standing: impl Fn(usize) -> Standing,
        generation: u64,
        previous: Option<&Self>,
    ) -> Self {
        let standings: Box<[Standing]> = (0..spec.members.len()).map(standing).collect();
        let standing = |endpoint: usize| standings[endpoint];
        let kind = match &spec.members {
            Members::Addresses(endpoints) => addresses(endpoints, &standing, previous),
            Members::Cname(endpoint) => {
                let member = Member { value: endpoint.value.clone(), weight: endpoint.weight };
                let before = previous.and_then(|pool| match &pool.kind {
                    Kind::Cname(lists) => Some(lists),
                    Kind::Addresses(..) => None,
                });
                Kind::Cname(Lists::new(vec![(member, standing(0))], before))
            }
        };
        let restless = standings.iter().any(|standing| standing.restless);
        let mut pool = Self { spec, kind, standings, restless, last_open: [0; 2] };
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

    /// Whether an unconfirmed outcome speaks against one of its endpoints' states.
    pub fn is_restless(&self) -> bool {
        self.restless
    }

    /// The generation that last had an endpoint of this family open: [`OPEN_NOW`] for the current one, 0 for none yet.
    pub fn last_open(&self, family: Family) -> u64 {
        self.last_open[family as usize]
    }

    /// How many endpoints of the family are open, and of how many.
    pub fn counts(&self, family: Family) -> (usize, usize) {
        (self.count(family, Selection::Open), self.count(family, Selection::All))
    }

    /// Whether it has endpoints of the family, whatever their health.
    pub fn is_given(&self, family: Family) -> bool {
        self.count(family, Selection::All) > 0
    }

    /// Whether any endpoint of the family is open.
    pub fn is_open(&self, family: Family) -> bool {
        self.count(family, Selection::Open) > 0
    }

    /// Whether so many endpoints of the family are open as `min_healthy` asks for.
    pub fn is_usable(&self, family: Family) -> bool {
        let share = self.spec.min_healthy;
        match (&self.kind, family) {
            (Kind::Addresses(v4, _), Family::V4) => v4.is_usable(share),
            (Kind::Addresses(_, v6), Family::V6) => v6.is_usable(share),
            (Kind::Cname(name), _) => name.is_usable(share),
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

fn addresses(endpoints: &[Endpoint<IpAddr>], standing: &impl Fn(usize) -> Standing, previous: Option<&Pool>) -> Kind {
    let (mut v4, mut v6) = (Vec::new(), Vec::new());
    for (number, endpoint) in endpoints.iter().enumerate() {
        let (weight, standing) = (endpoint.weight, standing(number));
        match endpoint.value {
            IpAddr::V4(address) => v4.push((Member { value: address.octets(), weight }, standing)),
            IpAddr::V6(address) => v6.push((Member { value: address.octets(), weight }, standing)),
        }
    }
    let (before_v4, before_v6) = match previous.map(|pool| &pool.kind) {
        Some(Kind::Addresses(v4, v6)) => (Some(v4), Some(v6)),
        _ => (None, None),
    };
    Kind::Addresses(Lists::new(v4, before_v4), Lists::new(v6, before_v6))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(min_healthy: f64) -> Arc<PoolSpec> {
        let endpoint = |text: &str| Endpoint { value: text.parse().unwrap(), weight: 1, condition: None };
        let members = ["192.0.2.1", "192.0.2.2", "192.0.2.3", "2001:db8::1"].map(endpoint);
        Arc::new(PoolSpec {
            name: "web".into(),
            zone: None,
            datacenter: None,
            min_healthy,
            members: Members::Addresses(members.into()),
        })
    }

    fn with_open(open: &[usize], min_healthy: f64, previous: Option<&Pool>) -> Pool {
        let share = |endpoint| if open.contains(&endpoint) { Share::FULL } else { Share::NONE };
        let standing = |endpoint| Standing { share: share(endpoint), restless: false };
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
    fn what_was_open_last_is_remembered() {
        let first = with_open(&[1, 2], 0.0, None);
        let second = with_open(&[2], 0.0, Some(&first));
        let third = with_open(&[], 0.0, Some(&second));
        let Kind::Addresses(v4, v6) = third.kind() else { panic!("no addresses") };
        assert_eq!(v4.select(Selection::Recent), [Member { value: [192, 0, 2, 3], weight: 1 }]);
        assert_eq!(v6.select(Selection::Recent).len(), 1);
        assert_eq!((second.last_open(Family::V4), third.last_open(Family::V4)), (OPEN_NOW, 9));
        assert_eq!(third.last_open(Family::V6), 0);
    }
}
