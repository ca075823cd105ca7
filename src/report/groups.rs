//! Pools and datacenters that go down or come back as a whole: what fifty endpoints that fail together amount to.
//!
//! Only probes and reports count. A pool is down when, in every address family that it has, fewer of its endpoints in
//! service are up than `min_healthy` asks for. A datacenter is down when none of its endpoints in service is up. What
//! operators took out of service is not missed: a pool that only overrides have emptied is not down.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::notice::word;
use super::{EventKind, Impact};
use crate::geo::DatacenterId;
use crate::health::State;
use crate::snapshot::{AdminState, EndpointState, Pool, PoolId, Snapshot};

/// A pool or a datacenter that went down or came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupTurn {
    /// The datacenter; `None` if it is a pool that turned.
    pub datacenter: Option<String>,
    /// True if it is down now.
    pub is_down: bool,
    /// Its pools that probes or reports decide about.
    pub pools: Vec<PoolId>,
    /// Their names, such as `web/fra`.
    pub names: Vec<String>,
    /// Number of its endpoints in service that are down.
    pub down: usize,
    /// Number of its endpoints in service.
    pub endpoints: usize,
}

/// Returns the pools and datacenters that went down or came back between two snapshots of one world; a datacenter
/// before its pools.
pub fn group_turns(before: &Snapshot, after: &Snapshot) -> Vec<GroupTurn> {
    if !before.shares_world(after) {
        return Vec::new();
    }
    let pools = after.world().pool_ids().zip(before.pools().iter().zip(after.pools()));
    let changed: Vec<PoolId> = pools.filter(|(_, (one, other))| !Arc::ptr_eq(one, other)).map(|(id, _)| id).collect();
    let pool = |snapshot: &'_ Snapshot, id: PoolId| snapshot.pools()[id.index()].clone();
    let datacenters: BTreeSet<DatacenterId> =
        changed.iter().filter_map(|id| after.world().pools[id.index()].datacenter).collect();
    let of_datacenters = datacenters.into_iter().filter_map(|id| {
        let pools: Vec<PoolId> = after
            .world()
            .pools_by_id()
            .filter(|(_, spec)| spec.datacenter == Some(id) && !spec.members.targets().is_empty())
            .map(|(id, _)| id)
            .collect();
        let count = |snapshot: &Snapshot| {
            pools.iter().fold(Count::default(), |count, &id| count.and(Count::of(&pool(snapshot, id))))
        };
        let datacenter = Some(after.world().datacenters[id.index()].name.to_string());
        turn(datacenter, pools.clone(), after, [count(before), count(after)].map(|count| (count.is_dead(), count)))
    });
    let of_pools = changed.iter().filter_map(|&id| {
        let states = [before, after].map(|snapshot| {
            let pool = pool(snapshot, id);
            (is_down(&pool), Count::of(&pool))
        });
        turn(None, vec![id], after, states)
    });
    of_datacenters.chain(of_pools).collect()
}

fn turn(
    datacenter: Option<String>,
    pools: Vec<PoolId>,
    after: &Snapshot,
    [(was_down, _), (is_down, count)]: [(bool, Count); 2],
) -> Option<GroupTurn> {
    let names = pools.iter().map(|id| after.world().pools[id.index()].name.to_string()).collect();
    let Count { in_service: endpoints, up } = count;
    (was_down != is_down).then(|| GroupTurn { datacenter, is_down, pools, names, down: endpoints - up, endpoints })
}

/// Endpoints in service, and those of them that are up.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    in_service: usize,
    up: usize,
}

impl Count {
    fn of(pool: &Pool) -> Self {
        states(pool, |_| true)
    }

    fn and(self, other: Self) -> Self {
        Self { in_service: self.in_service + other.in_service, up: self.up + other.up }
    }

    fn is_dead(self) -> bool {
        self.in_service > 0 && self.up == 0
    }
}

fn states(pool: &Pool, holds: impl Fn(usize) -> bool) -> Count {
    let places = (0..pool.spec().members.len()).filter(|&place| holds(place));
    let is_in_service = |state: &EndpointState| matches!(state.admin_state, AdminState::On | AdminState::Held);
    places.map(|place| pool.endpoint_state(place)).filter(is_in_service).fold(Count::default(), |count, state| Count {
        in_service: count.in_service + 1,
        up: count.up + usize::from(state.share.is_some()),
    })
}

/// True if too few endpoints are up in every family that has endpoints in service.
fn is_down(pool: &Pool) -> bool {
    let is_v6 = |place: usize| pool.spec().members.address(place).is_some_and(|address| address.is_ipv6());
    let families = [states(pool, |place| !is_v6(place)), states(pool, is_v6)];
    let mut families = families.into_iter().filter(|count| count.in_service > 0).peekable();
    families.peek().is_some() && families.all(|count| !pool.spec().min_healthy.is_met(count.up, count.in_service))
}

impl EventKind {
    /// Makes the event of a pool or a datacenter that went down or came back.
    pub fn of_group(turn: &GroupTurn, impact: Option<Impact>) -> Self {
        let GroupTurn { datacenter, is_down, pools: _, names, down, endpoints } = turn;
        let to = word(if *is_down { State::Down } else { State::Up }).to_owned();
        let (down, endpoints) = (*down, *endpoints);
        match datacenter {
            None => Self::Pool { pool: names.join(", "), to, down, endpoints, impact },
            Some(datacenter) => {
                Self::Datacenter { datacenter: datacenter.clone(), pools: names.clone(), to, down, endpoints, impact }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geo::Locations;
    use crate::health::Share;
    use crate::snapshot::Blueprint;

    const ZONE: &str = r#"
[nameservers]
ns1 = ["192.0.2.53"]
[datacenters]
fra = { latitude = 50.11, longitude = 8.68 }
iad = { latitude = 38.95, longitude = -77.45 }
[monitors.web]
type = "tcp"
port = 80
[pools.web]
monitor = "web"
min_healthy = 0.5
endpoints.fra = ["127.0.0.1", "127.0.0.2", "::1"]
endpoints.iad = ["127.0.0.3"]
[pools.api]
monitor = "web"
endpoints.fra = ["127.0.0.4"]
[names.www]
pools = ["web", "api"]
"#;

    /// The snapshots while these addresses are down, one after the other.
    fn turns(steps: &[(&[&str], AdminState)]) -> Vec<Vec<String>> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("zones")).unwrap();
        std::fs::write(folder.path().join("truenorth.toml"), "").unwrap();
        std::fs::write(folder.path().join("zones/example.com.toml"), ZONE).unwrap();
        let path = folder.path().join("truenorth.toml");
        let world = crate::config::load(&path, &crate::disk::Disk::new(), &|_| None).unwrap().world;
        let blueprint = Arc::new(Blueprint::compile(world, Arc::new(Locations::unknown()), None));
        let snapshot = |(down, admin_state): &(&[&str], AdminState), previous: &Snapshot| {
            let state = |id: PoolId, place: usize| {
                let address = previous.world().pools[id.index()].members.text(place);
                let is_down = down.contains(&&*address);
                let (share, admin_state) =
                    if is_down { (Share::NONE, *admin_state) } else { (Share::FULL, AdminState::On) };
                EndpointState { share, admin_state, ..EndpointState::CALM }
            };
            Snapshot::new(blueprint.clone(), state, Some(previous))
        };
        let mut before = Snapshot::new(blueprint.clone(), |_, _| EndpointState::CALM, None);
        let mut told = Vec::new();
        for step in steps {
            let after = snapshot(step, &before);
            let turns = group_turns(&before, &after).into_iter();
            let text = |turn: GroupTurn| {
                let GroupTurn { datacenter, is_down, names, down, endpoints, .. } = turn;
                let group = datacenter.map_or_else(String::new, |name| format!("dc {name} of "));
                format!("{group}{} {} {down}/{endpoints}", names.join("+"), if is_down { "down" } else { "up" })
            };
            told.push(turns.map(text).collect());
            before = after;
        }
        told
    }

    #[test]
    fn a_pool_is_down_when_no_family_has_enough_and_a_datacenter_when_nothing_is_up() {
        let on = AdminState::On;
        let told = turns(&[
            (&["127.0.0.1"], on),
            (&["127.0.0.1", "127.0.0.2"], on),
            (&["127.0.0.1", "127.0.0.2", "::1"], on),
            (&["127.0.0.1", "127.0.0.2", "::1", "127.0.0.4"], on),
            (&["127.0.0.1", "127.0.0.2", "127.0.0.4"], on),
            (&[], on),
        ]);
        let expected: [&[&str]; 6] = [
            &[],
            &[],
            &["web/fra down 3/3"],
            &["dc fra of web/fra+api/fra down 4/4", "api/fra down 1/1"],
            &["dc fra of web/fra+api/fra up 3/4", "web/fra up 2/3"],
            &["api/fra up 0/1"],
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn what_operators_take_out_is_not_missed() {
        let all: &[&str] = &["127.0.0.1", "127.0.0.2", "::1", "127.0.0.4"];
        assert_eq!(turns(&[(all, AdminState::Off), (all, AdminState::Draining)]), [[""; 0], [""; 0]]);
    }
}
