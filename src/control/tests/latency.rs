//! From measured round trips to maps.

use ipnet::IpNet;

use super::*;
use crate::control::latency::FADE_INTERVAL;
use crate::geo::{Coordinates, CountryCode, Location, Regions};
use crate::health::Times;
use crate::latency::{MIN_SAMPLES, Rtt};
use crate::snapshot::{Addresses, Datacenter, PoolId, PoolList, PoolUse, SteeredName, Steering, Ttls, ZoneSpec};
use crate::steering::{Pick, Step};
use crate::wire::Rtype;
use crate::zone::{Record as ZoneRecord, Tree};

const NETWORK: &str = "198.51.100.0/24";

/// A name that is steered by `steer`, with a pool without monitor in each of these datacenters.
fn steered(datacenters: &[&str], steer: Step) -> Arc<Blueprint> {
    Arc::new(Blueprint::compile(draft(datacenters, steer), Arc::new(Locations::unknown()), None))
}

fn draft(datacenters: &[&str], steer: Step) -> World {
    let origin = crate::name::Name::parse("example.com.", &crate::name::Name::root()).unwrap();
    let pool = |(id, name): (u8, &&str)| {
        let endpoint =
            Endpoint { value: IpAddr::from([127, 0, 0, id]), weight: 1, capacity: None, condition: None, lease: None };
        let members = Members::Addresses(Addresses::try_new(vec![endpoint]).unwrap());
        let datacenter = Some(DatacenterId::from_index(id.into()));
        Arc::new(PoolSpec { datacenter, ..PoolSpec::new(*name, members) })
    };
    let record = |rtype, rdata: Vec<u8>| ZoneRecord { owner: origin.clone(), rtype, ttl: 300, rdata: rdata.into() };
    let soa = [origin.as_wire(), origin.as_wire(), &[0; 20]].concat();
    let uses =
        (0..datacenters.len()).map(|pool| PoolUse { pool: PoolId::from_index(pool), weight: 1, order: 0, mode: None });
    let (pools, ttls) = (PoolList::try_new(uses.collect()).unwrap(), Ttls::try_new(30, 5).unwrap());
    let steering = Steering { steer: vec![steer], pick: Some(Pick::Rotate), ..Steering::new(pools, ttls) };
    let place = |name: &&str| Datacenter {
        name: (*name).into(),
        coordinates: Coordinates::try_new(0.0, 0.0).unwrap(),
        country: None,
    };
    let zone = ZoneSpec {
        origin: origin.clone(),
        regions: Arc::new(Regions::new(Vec::new())),
        tree: Arc::new(
            Tree::build(
                &origin,
                &[record(Rtype::SOA, soa), record(Rtype::NS, origin.as_wire().to_vec())],
                [&origin],
                [],
            )
            .unwrap(),
        ),
        serial: 0,
        names: [SteeredName { owner: origin.clone(), steering: steering.into() }].into(),
        reflect: Arc::default(),
        counts_serial: false,
        contents: 0,
        text: 0,
        keys: None,
    };
    World {
        datacenters: datacenters.iter().map(place).collect(),
        pools: (0..).zip(datacenters).map(pool).collect(),
        zones: vec![zone],
        ..World::default()
    }
}

fn samples(datacenter: &str, ms: f64, count: u16) -> Event {
    let client: IpNet = NETWORK.parse().unwrap();
    let sample = crate::latency::Sample::try_new(client, datacenter, ms).unwrap();
    Event::Latency(vec![sample; usize::from(count)])
}

/// Measures both datacenters: `fra` at this many milliseconds and `iad` at 100.
fn measure(scene: &mut Scene, fra_ms: f64) {
    scene.happen(samples("fra", fra_ms, 300));
    scene.happen(samples("iad", 100.0, MIN_SAMPLES));
}

/// Makes the maps that were asked for, after a while.
fn remap(scene: &mut Scene, takes: Duration) {
    let (_, blueprint, table) = scene.remaps.pop().expect("maps are to be made");
    let maps = Remapped::new(&blueprint, table);
    scene.now += takes;
    scene.happen(Event::Remapped(blueprint, maps));
}

impl Scene {
    /// The tiers of pools for a client in the network.
    fn ranking(&self) -> Vec<u64> {
        let snapshot = self.serving.as_ref().expect("something is served");
        let placement = snapshot.plans()[0].rule().map.look_up("198.51.100.7".parse().unwrap());
        placement.ranking.tiers().to_vec()
    }
}

const FRA_FIRST: [u64; 2] = [0b01, 0b10];
const IAD_FIRST: [u64; 2] = [0b10, 0b01];
const TIE: [u64; 1] = [0b11];

#[test]
fn what_settles_is_mapped_beside_and_published() {
    let mut scene = Scene::new();
    scene.happen(Event::Adopt(steered(&["fra", "iad"], Step::Latency)));
    assert_eq!(scene.ranking(), TIE);
    let before = scene.serving.clone().unwrap();

    scene.happen(samples("fra", 20.0, MIN_SAMPLES - 1));
    assert!(scene.remaps.is_empty(), "nothing is settled");
    scene.happen(samples("fra", 20.0, 1));
    scene.happen(samples("iad", 100.0, MIN_SAMPLES));
    assert_eq!(scene.remaps.len(), 1, "one at a time");
    assert_eq!(scene.ranking(), TIE, "the old maps go on");

    remap(&mut scene, Duration::from_millis(300));
    // The table was fed while the first maps were made from its earlier content: `fra` alone.
    assert_eq!(scene.serving.as_ref().unwrap().generation(), before.generation() + 1);
    assert!(scene.remaps.is_empty());
    scene.pass(scene.now + REMAP_INTERVAL, |_| WELL);
    remap(&mut scene, Duration::ZERO);
    assert_eq!(scene.ranking(), FRA_FIRST);
    let after = scene.serving.clone().unwrap();
    assert!(Arc::ptr_eq(before.blueprint(), after.blueprint()));
    assert!(before.pools().iter().zip(after.pools()).all(|(one, other)| Arc::ptr_eq(one, other)));
    assert_eq!(scene.control.wake_at(), Some(FADE_INTERVAL), "nothing else is due soon");
}

#[test]
fn however_often_round_trips_change_maps_are_made_every_5_seconds_at_most() {
    let mut scene = Scene::new();
    scene.happen(Event::Adopt(steered(&["fra", "iad"], Step::Latency)));
    let mut made = Vec::new();
    for second in 0..60 {
        scene.pass(Duration::from_secs(second), |_| WELL);
        measure(&mut scene, if second % 2 == 0 { 20.0 } else { 500.0 });
        while let Some((at, ..)) = scene.remaps.last() {
            made.push(*at);
            remap(&mut scene, Duration::from_millis(500));
        }
    }
    assert!(made.len() >= 10, "{made:?}");
    assert!(made.windows(2).all(|pair| pair[1] - pair[0] >= REMAP_INTERVAL), "{made:?}");
    scene.pass(scene.now + REMAP_INTERVAL, |_| WELL);
    remap(&mut scene, Duration::ZERO);
    assert_eq!(scene.ranking(), IAD_FIRST, "the last word counts");
}

#[test]
fn maps_that_another_configuration_overtook_are_thrown_away() {
    let mut scene = Scene::new();
    scene.happen(Event::Adopt(steered(&["fra", "iad"], Step::Latency)));
    measure(&mut scene, 20.0);
    // Other numbers for the same datacenters.
    scene.happen(Event::Adopt(steered(&["iad", "fra"], Step::Latency)));
    remap(&mut scene, Duration::ZERO);
    assert_eq!(scene.ranking(), TIE);
    scene.pass(scene.now + REMAP_INTERVAL, |_| WELL);
    remap(&mut scene, Duration::ZERO);
    assert_eq!(scene.ranking(), IAD_FIRST, "slots are by datacenter, and fra is the second now");
}

#[test]
fn a_reload_takes_over_maps_and_measures() {
    let mut scene = Scene::new();
    scene.happen(Event::Adopt(steered(&["fra", "iad"], Step::Latency)));
    measure(&mut scene, 20.0);
    remap(&mut scene, Duration::ZERO);
    scene.pass(scene.now + REMAP_INTERVAL, |_| WELL);
    remap(&mut scene, Duration::ZERO);
    let before = scene.serving.clone().unwrap();
    let locations = before.locations().clone();
    let again = Blueprint::compile(before.world().clone(), locations, Some(&before));
    scene.happen(Event::Adopt(Arc::new(again)));
    let after = scene.serving.clone().unwrap();
    assert!(Arc::ptr_eq(&before.plans()[0].rule().map, &after.plans()[0].rule().map));
    assert!(scene.remaps.is_empty());
}

#[test]
fn nobody_asks_so_nothing_is_mapped_but_it_is_known_when_somebody_does() {
    let mut scene = Scene::new();
    scene.happen(Event::Adopt(steered(&["fra", "iad"], Step::Distance)));
    measure(&mut scene, 20.0);
    assert!(scene.remaps.is_empty());
    scene.happen(Event::Adopt(steered(&["fra", "iad"], Step::Latency)));
    remap(&mut scene, Duration::ZERO);
    assert_eq!(scene.ranking(), FRA_FIRST);
}

#[test]
fn a_probes_connection_is_a_round_trip_for_the_country_of_the_site() {
    let monitor = Arc::new(tcp());
    let mut world = draft(&["fra", "iad"], Step::Latency);
    for pool in &mut world.pools {
        let Members::Addresses(endpoints) = &mut Arc::make_mut(pool).members else { panic!("no addresses") };
        endpoints.edit(|list| list[0].condition = Some(Condition::Probe(target(list[0].value, &monitor))));
    }
    world.site_country = CountryCode::parse("DE");
    let here = Location { country: world.site_country, ..Location::default() };
    let locations = Locations { table: [here].into(), ..Locations::unknown() };
    let mut scene = Scene::new();
    scene.happen(Event::Adopt(Arc::new(Blueprint::compile(world, Arc::new(locations), None))));
    // If a probe did not time its connection, no other time is used.
    scene.answer_probes(|_| WELL);
    for round in 1..=u32::from(MIN_SAMPLES) {
        scene.now = INTERVAL * round;
        scene.happen(Event::Tick);
        for (id, target) in std::mem::take(&mut scene.probes) {
            let ms = if target.address.host() == "127.0.0.0" { 90 } else { 3 };
            let connect = Some(Duration::from_millis(ms));
            let finding = Finding::full(Duration::from_secs(1));
            let finding = Finding { times: Times { connect, ..Times::UNKNOWN }, ..finding };
            scene.happen(Event::Outcome(id, Outcome::Success(finding)));
        }
    }
    remap(&mut scene, Duration::ZERO);
    scene.pass(scene.now + REMAP_INTERVAL, |_| WELL);
    remap(&mut scene, Duration::ZERO);
    assert_eq!(scene.ranking(), IAD_FIRST);
}

#[test]
fn what_was_fed_is_kept_now_and_then_and_in_the_end() {
    let mut scene = Scene::new();
    scene.happen(Event::Adopt(steered(&["fra", "iad"], Step::Distance)));
    scene.pass(KEEP_LATENCY_EVERY * 2, |_| WELL);
    assert!(scene.kept_tables.is_empty(), "there is nothing to be kept");
    let fed = scene.now;
    measure(&mut scene, 20.0);
    measure(&mut scene, 20.0);
    scene.pass(fed + KEEP_LATENCY_EVERY * 3, |_| WELL);
    assert_eq!(scene.kept_tables.len(), 1);
    assert_eq!(scene.kept_tables[0].0, fed + KEEP_LATENCY_EVERY);
    assert_eq!(scene.kept_tables[0].1.len(), 2);
    scene.happen(Event::Stop);
    assert_eq!(scene.kept_tables.len(), 1, "that is on disk already");
    scene.happen(samples("fra", 20.0, 1));
    scene.happen(Event::Stop);
    assert_eq!(scene.kept_tables.len(), 2);
}

#[test]
fn what_an_earlier_run_kept_counts_and_what_is_old_is_forgotten() {
    let mut earlier = Scene::new();
    earlier.happen(Event::Adopt(steered(&["fra", "iad"], Step::Latency)));
    measure(&mut earlier, 20.0);
    let (.., table) = earlier.remaps.pop().unwrap();
    let records: Vec<Record> = table.records(Duration::ZERO).collect();
    assert_eq!(records[0].measured.mean, Rtt::from_ms(20.0));

    let mut scene = Scene::new();
    scene.happen(Event::Adopt(steered(&["fra", "iad"], Step::Latency)));
    scene.happen(Event::KeptLatency(records));
    scene.happen(samples("iad", 100.0, MIN_SAMPLES));
    remap(&mut scene, Duration::ZERO);
    scene.pass(REMAP_INTERVAL, |_| WELL);
    remap(&mut scene, Duration::ZERO);
    assert_eq!(scene.ranking(), FRA_FIRST);

    scene.pass(Duration::from_secs(8 * 24 * 60 * 60), |_| WELL);
    remap(&mut scene, Duration::ZERO);
    assert_eq!(scene.ranking(), TIE);
}

#[test]
fn maps_that_could_not_be_made_are_tried_again_after_a_while() {
    let mut scene = Scene::new();
    scene.happen(Event::Adopt(steered(&["fra", "iad"], Step::Latency)));
    measure(&mut scene, 20.0);
    assert_eq!(scene.remaps.drain(..).count(), 1);
    scene.happen(Event::NotRemapped);
    scene.pass(scene.now + REMAP_RETRY - Duration::from_millis(1), |_| WELL);
    assert!(scene.remaps.is_empty());
    scene.pass(scene.now + Duration::from_millis(1), |_| WELL);
    assert_eq!(scene.remaps.len(), 1);
    remap(&mut scene, Duration::ZERO);
    assert_eq!(scene.ranking(), FRA_FIRST);
}
