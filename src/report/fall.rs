//! Falls and returns of endpoints, pools and datacenters, and which of them belong together.

use std::collections::{BTreeSet, HashSet};

use super::notice::word;
use super::{EventKind, Impact};
use crate::health::State;
use crate::snapshot::{GroupName, GroupTurn};

/// A fall of an endpoint, a pool or a datacenter, or its return.
#[derive(Clone, Copy, Debug)]
pub struct Fall<'a> {
    size: Size,
    /// The pools that it concerns.
    pools: Pools<'a>,
    /// True if this is the return.
    pub is_over: bool,
}

/// The size of a fall, the smallest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Size {
    /// An endpoint.
    Endpoint,
    /// A pool.
    Pool,
    /// A datacenter.
    Datacenter,
}

#[derive(Clone, Copy, Debug)]
enum Pools<'a> {
    One(&'a str),
    Many(&'a [String]),
}

impl<'a> Pools<'a> {
    fn list(self) -> impl Iterator<Item = &'a str> {
        let (one, many) = match self {
            Self::One(pool) => (Some(pool), &[][..]),
            Self::Many(pools) => (None, pools),
        };
        one.into_iter().chain(many.iter().map(String::as_str))
    }
}

impl Fall<'_> {
    /// Returns the size. A fall can cover only smaller ones.
    pub fn size(&self) -> Size {
        self.size
    }

    /// True if it concerns one of these pools.
    pub fn is_of_any(&self, pools: &HashSet<Box<str>>) -> bool {
        self.pools.list().any(|pool| pools.contains(pool))
    }

    /// True if this fall is larger and concerns all pools of the other one. Then a notice about the other one says
    /// nothing new.
    pub fn covers(&self, other: &Fall<'_>) -> bool {
        self.size > other.size && other.pools.list().all(|pool| self.pools.list().any(|of_this| of_this == pool))
    }
}

impl EventKind {
    /// Makes the event of a pool or a datacenter that went down or came back.
    pub fn of_group(turn: &GroupTurn, impact: Option<Impact>) -> Self {
        let GroupTurn { group, is_down, pools: _, names, down, endpoints } = turn;
        let to = word(if *is_down { State::Down } else { State::Up }).to_owned();
        let (down, endpoints) = (*down, *endpoints);
        match group {
            GroupName::Pool(pool) => Self::Pool { pool: pool.to_string(), to, down, endpoints, impact },
            GroupName::Datacenter(datacenter) => Self::Datacenter {
                datacenter: datacenter.to_string(),
                pools: names.clone(),
                to,
                down,
                endpoints,
                impact,
            },
        }
    }

    /// Returns the pools and datacenters that are down after these events.
    pub fn groups_down<'a>(events: impl IntoIterator<Item = &'a Self>) -> BTreeSet<GroupName> {
        let mut groups = BTreeSet::new();
        for event in events {
            let group = match event {
                Self::Pool { pool, .. } => GroupName::Pool(pool.as_str().into()),
                Self::Datacenter { datacenter, .. } => GroupName::Datacenter(datacenter.as_str().into()),
                _ => continue,
            };
            if event.fall().is_some_and(|fall| fall.is_over) {
                groups.remove(&group);
            } else {
                groups.insert(group);
            }
        }
        groups
    }

    /// Returns the fall or the return that this event is; `None` for other events.
    pub fn fall(&self) -> Option<Fall<'_>> {
        let (size, pools, to) = match self {
            Self::Endpoint { pools, to, .. } if !pools.is_empty() => (Size::Endpoint, Pools::Many(pools), to),
            Self::Pool { pool, to, .. } => (Size::Pool, Pools::One(pool), to),
            Self::Datacenter { pools, to, .. } => (Size::Datacenter, Pools::Many(pools), to),
            _ => return None,
        };
        let is_over = match to.as_str() {
            to if to == word(State::Down) => false,
            to if to == word(State::Up) => true,
            _ => return None,
        };
        Some(Fall { size, pools, is_over })
    }
}
