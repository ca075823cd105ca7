use std::net::IpAddr;
use std::sync::Arc;

use super::*;
use crate::config::tests::fixture;
use crate::geo::{CountryCode, Location, Locations, RunsBuilder, countries::country};
use crate::health::Share;
use crate::overrides::{Mode, Order, OverrideStore};
use crate::snapshot::{Blueprint, Dirty, EndpointState, Members};

const HEAD: &str = r#"
[nameservers]
ns1 = ["192.0.2.53"]
[datacenters]
fra = { latitude = 50.11, longitude = 8.68 }
iad = { latitude = 38.95, longitude = -77.45 }
sin = { latitude = 1.35, longitude = 103.99 }
[monitors.web]
type = "tcp"
port = 80
[pools.web]
monitor = "web"
endpoints.fra = ["127.0.0.1"]
endpoints.iad = ["127.0.0.2"]
endpoints.sin = ["127.0.0.3"]
[pools.sorry]
endpoints = ["127.0.0.9"]
"#;

const REGIONS: &str = r#"
[regions.europe]
clients = ["continent:EU"]
prefer = ["fra", "iad"]
[regions.default]
prefer = ["iad", "fra"]
"#;

/// Returns a database with a few countries.
fn locations() -> Arc<Locations> {
    let mut table = vec![Location::default()];
    let mut runs = RunsBuilder::default();
    for (first, code) in
        [(0_u32, None), (1 << 24, Some("DE")), (2 << 24, Some("US")), (3 << 24, Some("JP")), (4 << 24, None)]
    {
        let number = code.map_or(0, |code| {
            let country = country(CountryCode::parse(code).unwrap()).unwrap();
            let (continent, coordinates) = (Some(country.continent), Some(country.point));
            table.push(Location { continent, country: Some(country.code), coordinates, ..Location::default() });
            table.len() as u32 - 1
        });
        runs.push(first, number);
    }
    let v4 = runs.finish();
    Arc::new(Locations { v4, ..Locations { table: table.into(), ..Locations::unknown() } })
}

fn compile(zone: &str) -> Arc<Blueprint> {
    let world = fixture::world("", &[("example.com.toml", &format!("{HEAD}{zone}"))]);
    Arc::new(Blueprint::compile(world, locations(), None))
}

fn endpoint_state(snapshot: &Snapshot, down: &[&str]) -> impl Fn(PoolId, usize) -> EndpointState {
    let members: Vec<Members> = snapshot.world().pools.iter().map(|pool| pool.members.clone()).collect();
    let down: Vec<IpAddr> = down.iter().map(|text| text.parse().unwrap()).collect();
    move |pool, place| {
        let is_down = members[pool.index()].address(place).is_some_and(|address| down.contains(&address));
        EndpointState { share: if is_down { Share::NONE } else { Share::FULL }, ..EndpointState::CALM }
    }
}

fn with_pools(
    before: &Snapshot,
    pools: &[PoolId],
    endpoint_state: impl Fn(PoolId, usize) -> EndpointState,
) -> Snapshot {
    let mut state = before.state().clone();
    for &id in pools {
        state.set_endpoint_states(id, |place| endpoint_state(id, place));
    }
    before.next(state, &Dirty { pools: pools.iter().copied().collect(), ..Dirty::default() })
}

/// Returns the impact of each step; in each step these endpoints go down.
fn falls(zone: &str, steps: &[&[&str]]) -> Vec<Impact> {
    let mut before = Snapshot::new(compile(zone), |_, _| EndpointState::CALM, None);
    let mut impacts = Vec::new();
    for down in steps {
        let pools: Vec<PoolId> = before.world().pool_ids().collect();
        let after = with_pools(&before, &pools, endpoint_state(&before, down));
        impacts.push(Changes::new(&before, &after).expect("it is one world").impact());
        before = after;
    }
    impacts
}

fn told(zone: &str, down: &[&str]) -> String {
    falls(zone, &[down])[0].to_string()
}

#[test]
fn names_that_move_alike_are_told_together_for_their_region() {
    let zone = format!(
        "{REGIONS}[names.www]\npools = [\"web\"]\nsteer = [\"region\"]\n[names.api]\npools = [\"web\"]\n\
                        steer = [\"region\"]\nttl = 60\n[names.far]\npools = [\"web/sin\"]\n"
    );
    let impacts = falls(&zone, &[&["127.0.0.1"], &["127.0.0.1"], &[]]);
    let names = vec!["api.example.com.".to_owned(), "www.example.com.".to_owned()];
    let mut shift = impacts[0].moves[0].clone();
    shift.names.sort();
    let place = |name: &str| vec![name.to_owned()];
    let (from, to, clients) = (place("fra"), place("iad"), place("europe"));
    assert_eq!(shift, Shift { names, more: 0, from, to, clients });
    assert_eq!(impacts[0].moves.len(), 1);
    assert_eq!(impacts[1].to_string(), "no client is sent elsewhere");
    assert!(impacts[2].to_string().ends_with(": iad -> fra for europe"), "{}", impacts[2]);
}

#[test]
fn without_regions_it_is_continents_and_their_parts() {
    let zone = "[names.www]\npools = [\"web\"]\nsteer = [\"distance\"]\n";
    let told = told(zone, &["127.0.0.3"]);
    assert!(told.starts_with("name www.example.com.: sin -> fra for "), "{told}");
    assert!(told.contains("Asia (") && told.contains("Oceania"), "{told}");
    assert!(!told.contains("Europe"), "{told}");
}

#[test]
fn a_draw_loses_a_share_to_all_others_and_everybody_is_told_as_such() {
    let zone = "[names.www]\npools = [{ pool = \"web/fra\", weight = 5 }, { pool = \"web/iad\", weight = 3 }, \
                { pool = \"web/sin\", weight = 2 }]\nsteer = [\"weight\"]\n";
    assert_eq!(told(zone, &["127.0.0.1"]), "name www.example.com.: fra -> iad, sin for everybody");
}

#[test]
fn the_last_rungs_are_told_too() {
    let names = "[names.www]\npools = [\"web/fra\"]\nfallback = \"sorry\"\n[names.bare]\npools = [\"web/fra\"]\n\
                 all_down = \"nodata\"\n[names.stubborn]\npools = [\"web/fra\"]\n";
    let told = told(names, &["127.0.0.1"]);
    assert!(told.contains("name www.example.com.: fra -> pool:sorry for everybody"), "{told}");
    assert!(told.contains("name bare.example.com.: fra -> nowhere for everybody"), "{told}");
    assert!(!told.contains("stubborn"), "it goes on to be sent to what is down: {told}");
}

#[test]
fn a_target_has_the_impact_of_the_pools_that_hold_it() {
    let zone = "[names.one]\npools = [\"web/fra\", \"web/sin\"]\nsteer = [\"failover\"]\n\
                [names.two]\npools = [\"web/iad\", \"web/sin\"]\nsteer = [\"failover\"]\n";
    let before = Snapshot::new(compile(zone), |_, _| EndpointState::CALM, None);
    let pools: Vec<PoolId> = before.world().pool_ids().collect();
    let after = with_pools(&before, &pools, endpoint_state(&before, &["127.0.0.1", "127.0.0.2"]));
    let mut changes = Changes::new(&before, &after).unwrap();
    let target = |name: &str| {
        let pool = after.world().pools.iter().find(|pool| &*pool.name == name).unwrap();
        pool.members.targets()[0].clone()
    };
    let told = ["web/fra", "web/iad"].map(|pool| changes.impact_of_target(&target(pool)).to_string());
    let expected =
        ["name one.example.com.: fra -> sin for everybody", "name two.example.com.: iad -> sin for everybody"];
    assert_eq!(told, expected);
}

#[test]
fn what_is_said_of_a_name_moves_that_name_alone() {
    let zone = "[names.one]\npools = [\"web/fra\"]\nfallback = \"sorry\"\n[names.two]\npools = [\"web/fra\"]\n\
                fallback = \"sorry\"\n";
    let blueprint = compile(zone);
    let before = Snapshot::new(blueprint.clone(), |_, _| EndpointState::CALM, None);
    let mut book = OverrideStore::default();
    let order = Order {
        mode: Mode::Drain,
        target: "name:one.example.com".parse().unwrap(),
        from: None,
        until: None,
        over: None,
        reason: "".into(),
        who: "".into(),
    };
    book.place(order, std::time::Duration::ZERO, |_| false).unwrap();
    let mut state = before.state().clone();
    state.set_name_orders(&blueprint, book.effective_overrides());
    let after = before.next(state, &Dirty { names: true, ..Dirty::default() });
    let told = Changes::new(&before, &after).unwrap().impact().to_string();
    assert_eq!(told, "name one.example.com.: fra -> pool:sorry for everybody");
}

#[test]
fn ten_thousand_names_are_counted_and_few_are_told() {
    use std::fmt::Write;
    let mut zone = REGIONS.to_owned();
    for number in 0..10_000 {
        let ttl = 31 + number % 5_000;
        write!(zone, "[names.n{number}]\npools = [\"web\"]\nsteer = [\"region\"]\nttl = {ttl}\n").unwrap();
    }
    let impact = &falls(&zone, &[&["127.0.0.1"]])[0];
    assert_eq!((impact.moves.len(), impact.more), (1, 0));
    assert_eq!((impact.moves[0].names.len(), impact.moves[0].more), (MAX_NAMES, 10_000 - MAX_NAMES));
}

#[test]
fn what_would_cost_too_much_is_counted_and_not_looked_at() {
    let zone = "[names.one]\npools = [\"web\"]\n[names.two]\npools = [\"web\"]\n";
    let before = Snapshot::new(compile(zone), |_, _| EndpointState::CALM, None);
    let pools: Vec<PoolId> = before.world().pool_ids().collect();
    let after = with_pools(&before, &pools, endpoint_state(&before, &["127.0.0.1"]));
    let mut changes = Changes::new(&before, &after).unwrap();
    changes.budget = 2;
    let impact = changes.impact();
    assert_eq!((impact.moves.len(), impact.more), (0, 2));
    assert_eq!(impact.to_string(), "2 more names were not looked at");
}

#[test]
fn other_worlds_are_not_compared() {
    let zone = "[names.www]\npools = [\"web\"]\n";
    let snapshot = || Snapshot::new(compile(zone), |_, _| EndpointState::CALM, None);
    assert!(Changes::new(&snapshot(), &snapshot()).is_none());
}
