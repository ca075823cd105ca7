//! Finds pools and datacenters that go down or come back as a whole. If fifty endpoints fail together, an operator
//! wants to read that their datacenter is down.
//!
//! Only probes and reports count. A pool is down when, in every address family that it has, fewer of its endpoints in
//! service are up than `min_healthy` asks for. A datacenter is down when none of its endpoints in service is up.
//! Endpoints that operators took out of service do not count: a pool without clients because of overrides is not down.
//!
//! A group without any endpoint in service keeps its state. If an operator drains a datacenter that is down, it is
//! still down, and the end of the drain is not another failure.

use std::collections::BTreeSet;

use super::{AdminState, EndpointState, Pool, PoolId, Snapshot, World};
use crate::geo::DatacenterId;
use crate::health::PoolKey;

/// A pool or a datacenter that went down or came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupTurn {
    /// Its name.
    pub group: GroupName,
    /// True if it is down now.
    pub is_down: bool,
    /// The pool itself, or the pools of the datacenter that have a monitor.
    pub pools: Vec<PoolId>,
    /// Their names, such as `web/fra`.
    pub names: Vec<String>,
    /// Number of its endpoints in service that are down.
    pub down: usize,
    /// Number of its endpoints in service.
    pub endpoints: usize,
}

/// The name of a pool or a datacenter in events. Pools of several zones may have the same name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum GroupName {
    /// A datacenter.
    Datacenter(Box<str>),
    /// A pool, such as `web/fra`.
    Pool(Box<str>),
}

/// The pools and datacenters that are down.
#[derive(Debug, Default)]
pub struct DownGroups {
    /// The groups that an earlier run reported as down. Empty once the first configuration is served.
    reported: BTreeSet<GroupName>,
    datacenters: BTreeSet<Box<str>>,
    pools: BTreeSet<PoolKey>,
}

impl DownGroups {
    /// Takes over the groups that an earlier run reported as down. The first [adoption](Self::adopt) reports only those
    /// that came back in the meantime.
    pub fn restore(&mut self, reported: BTreeSet<GroupName>) {
        self.reported = reported;
    }

    /// Returns the groups that went down or came back with a new configuration, and forgets those that it no longer
    /// has.
    pub fn adopt(&mut self, snapshot: &Snapshot) -> Vec<GroupTurn> {
        let world = snapshot.world();
        if !self.pools.is_empty() {
            let keys: BTreeSet<PoolKey> = world.pools.iter().map(|spec| spec.key()).collect();
            self.pools.retain(|key| keys.contains(key));
        }
        let names: BTreeSet<&str> = world.datacenters.iter().map(|datacenter| &*datacenter.name).collect();
        self.datacenters.retain(|name| names.contains(&**name));
        let turns = self.observe(snapshot, &world.pool_ids().collect());
        self.reported.clear();
        turns
    }

    /// Returns the pools and datacenters that went down or came back because the endpoints of these pools changed; the
    /// datacenters first.
    pub fn observe(&mut self, snapshot: &Snapshot, changed: &BTreeSet<PoolId>) -> Vec<GroupTurn> {
        let world = snapshot.world();
        let datacenters: BTreeSet<DatacenterId> =
            changed.iter().filter_map(|id| world.pools[id.index()].datacenter).collect();
        let mut members = vec![Vec::new(); world.datacenters.len()];
        for (id, spec) in world.pools_by_id().filter(|(_, spec)| !spec.members.targets().is_empty()) {
            if let Some(datacenter) = spec.datacenter.filter(|id| datacenters.contains(id)) {
                members[datacenter.index()].push(id);
            }
        }
        let mut turns = Vec::new();
        for datacenter in datacenters.into_iter().map(DatacenterId::index) {
            let (name, pools) = (&world.datacenters[datacenter].name, std::mem::take(&mut members[datacenter]));
            let counts = pools.iter().map(|id| Count::of(&snapshot.pools()[id.index()]));
            let count = counts.fold(Count::default(), Count::and);
            let group = GroupName::Datacenter(name.clone());
            let was_reported = self.reported.contains(&group);
            let turn = turn(&mut self.datacenters, name.clone(), was_reported, count.is_dead());
            turns.extend(turn.map(|is_down| GroupTurn::new(group, is_down, pools, count, world)));
        }
        for &id in changed {
            let (spec, pool) = (&world.pools[id.index()], &snapshot.pools()[id.index()]);
            // Nothing was down and nothing is: the usual case.
            if self.pools.is_empty() && self.reported.is_empty() && is_down(pool) != Some(true) {
                continue;
            }
            let group = GroupName::Pool(spec.name.clone());
            let was_reported = self.reported.contains(&group);
            let turn = turn(&mut self.pools, spec.key(), was_reported, is_down(pool));
            turns.extend(turn.map(|is_down| GroupTurn::new(group, is_down, vec![id], Count::of(pool), world)));
        }
        turns
    }
}

impl GroupTurn {
    fn new(group: GroupName, is_down: bool, pools: Vec<PoolId>, count: Count, world: &World) -> Self {
        let names = pools.iter().map(|id| world.pools[id.index()].name.to_string()).collect();
        let Count { in_service: endpoints, up } = count;
        Self { group, is_down, pools, names, down: endpoints - up, endpoints }
    }
}

/// Records the state of a group, and returns it if it changed. If `is_down` is `None`, because the group has no
/// endpoint in service, the state stays as it was.
fn turn<K: Ord>(down: &mut BTreeSet<K>, key: K, was_reported: bool, is_down: Option<bool>) -> Option<bool> {
    let was_down = was_reported || down.contains(&key);
    let is_down = is_down.unwrap_or(was_down);
    if is_down {
        down.insert(key);
    } else {
        down.remove(&key);
    }
    (was_down != is_down).then_some(is_down)
}

/// The number of endpoints in service, and how many of them are up.
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

    /// True if no endpoint is up; `None` if none is in service.
    fn is_dead(self) -> Option<bool> {
        (self.in_service > 0).then_some(self.up == 0)
    }
}

/// Counts the endpoints at the positions for which `holds` is true.
fn states(pool: &Pool, holds: impl Fn(usize) -> bool) -> Count {
    let places = (0..pool.spec().members.len()).filter(|&place| holds(place));
    let is_in_service = |state: &EndpointState| matches!(state.admin_state, AdminState::On | AdminState::Held);
    places.map(|place| pool.endpoint_state(place)).filter(is_in_service).fold(Count::default(), |count, state| Count {
        in_service: count.in_service + 1,
        up: count.up + usize::from(state.share.is_some()),
    })
}

/// True if too few endpoints are up in every family that has endpoints in service; `None` if none is in service.
fn is_down(pool: &Pool) -> Option<bool> {
    let is_v6 = |place: usize| pool.spec().members.address(place).is_some_and(|address| address.is_ipv6());
    let families = [states(pool, |place| !is_v6(place)), states(pool, is_v6)];
    let mut families = families.into_iter().filter(|count| count.in_service > 0).peekable();
    families.peek()?;
    Some(families.all(|count| !pool.spec().min_healthy.is_met(count.up, count.in_service)))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::config::tests::fixture;
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

    fn text(GroupTurn { group, is_down, names, down, endpoints, .. }: GroupTurn) -> String {
        let group = match group {
            GroupName::Datacenter(name) => format!("dc {name} of {}", names.join("+")),
            GroupName::Pool(name) => name.into(),
        };
        format!("{group} {} {down}/{endpoints}", if is_down { "down" } else { "up" })
    }

    /// Returns the turns of each step: a snapshot in which these addresses are down. The first one is a new
    /// configuration, after a run that reported these groups as down.
    fn turns(reported: &[GroupName], steps: &[(&[&str], AdminState)]) -> Vec<Vec<String>> {
        let world = fixture::world("", &[("example.com.toml", ZONE)]);
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
        let mut groups = DownGroups::default();
        groups.restore(reported.iter().cloned().collect());
        let mut told = Vec::new();
        for (number, step) in steps.iter().enumerate() {
            let after = snapshot(step, &before);
            let turns = if number == 0 {
                groups.adopt(&after)
            } else {
                groups.observe(&after, &after.world().pool_ids().collect())
            };
            told.push(turns.into_iter().map(text).collect());
            before = after;
        }
        told
    }

    const ALL_OF_FRA: &[&str] = &["127.0.0.1", "127.0.0.2", "::1", "127.0.0.4"];

    #[test]
    fn a_pool_is_down_when_no_family_has_enough_and_a_datacenter_when_nothing_is_up() {
        let on = AdminState::On;
        let told = turns(
            &[],
            &[
                (&["127.0.0.1"], on),
                (&["127.0.0.1", "127.0.0.2"], on),
                (&["127.0.0.1", "127.0.0.2", "::1"], on),
                (ALL_OF_FRA, on),
                (&["127.0.0.1", "127.0.0.2", "127.0.0.4"], on),
                (&[], on),
            ],
        );
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
        let told = turns(&[], &[(ALL_OF_FRA, AdminState::Off), (ALL_OF_FRA, AdminState::Draining)]);
        assert_eq!(told, [[""; 0], [""; 0]]);
    }

    #[test]
    fn orders_do_not_mend_a_dead_datacenter_and_their_end_is_no_failure() {
        let on = AdminState::On;
        let told = turns(&[], &[(ALL_OF_FRA, on), (ALL_OF_FRA, AdminState::Draining), (ALL_OF_FRA, on), (&[], on)]);
        let group = "dc fra of web/fra+api/fra";
        let down = [format!("{group} down 4/4"), "web/fra down 3/3".into(), "api/fra down 1/1".into()];
        let up = [format!("{group} up 0/4"), "web/fra up 0/3".into(), "api/fra up 0/1".into()];
        assert_eq!(told, [&down[..], &[], &[], &up[..]]);
        // A datacenter that failed while it was out of service is down as soon as it is in service again.
        let told = turns(&[], &[(&[], on), (ALL_OF_FRA, AdminState::Draining), (ALL_OF_FRA, on)]);
        assert_eq!(told, [&[], &[], &down[..]]);
    }

    #[test]
    fn a_new_run_reports_only_what_turned_meanwhile() {
        let reported =
            [GroupName::Datacenter("fra".into()), GroupName::Pool("web/fra".into()), GroupName::Pool("web/iad".into())];
        let told = turns(&reported, &[(ALL_OF_FRA, AdminState::On), (ALL_OF_FRA, AdminState::On)]);
        assert_eq!(told, [&["web/iad up 0/1", "api/fra down 1/1"][..], &[]]);
    }
}
