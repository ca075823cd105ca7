//! Loads: rounds, what they publish, and what a reload keeps.

use std::num::NonZeroU16;

use super::*;
use crate::geo::Regions;
use crate::health::Load;
use crate::health::Push;
use crate::load::{BELIEVED_FOR, FULL_WEIGHT};
use crate::name::Name;
use crate::snapshot::{Capacity, PoolList, PoolUse, SteeredName, Steering, Ttls, ZoneSpec};
use crate::steering::{Pick, Step};
use crate::wire::Rtype;
use crate::zone::{Record, Tree};

/// Seconds.
const TTL: u32 = 30;

/// A TTL and an interval of probes: a round takes at least as long.
const ROUND: Duration = Duration::from_secs(35);

const ONE: &str = "127.0.0.1";
const TWO: &str = "127.0.0.2";
const THREE: &str = "127.0.0.3";

/// Pools that a name uses with this chain and pick. Each has a capacity of 100.
fn named(pools: &[&[&str]], steer: &[Step], pick: Pick) -> World {
    let mut world = world(tcp(), pools);
    for pool in &mut world.pools {
        *pool = Arc::new(PoolSpec { capacity: Capacity::try_new(100.0), ..(**pool).clone() });
    }
    let origin = Name::parse("example.com.", &Name::root()).unwrap();
    let record = |rtype, rdata: &[u8]| Record { owner: origin.clone(), rtype, ttl: 300, rdata: rdata.into() };
    let uses = world.pool_ids().map(|pool| PoolUse { pool, weight: 1, order: pool.index() as u8, mode: None });
    let (pools, ttls) = (PoolList::try_new(uses.collect()).unwrap(), Ttls::try_new(TTL, 5).unwrap());
    let steering = Steering {
        steer: steer.into(),
        pick: Some(pick),
        answers: Some(NonZeroU16::MIN),
        sticky: Some([24, 56]),
        ..Steering::new(pools, ttls)
    };
    world.zones = vec![ZoneSpec {
        origin: origin.clone(),
        regions: Arc::new(Regions::new(Vec::new())),
        tree: Arc::new(
            Tree::build(&origin, &[record(Rtype::SOA, &[0; 22]), record(Rtype::NS, b"\x02ns\x00")], [&origin], [])
                .unwrap(),
        ),
        serial: 0,
        names: [SteeredName { owner: origin.clone(), steering: steering.into() }].into(),
        reflect: Arc::default(),
        counts_serial: false,
        contents: 0,
        text: 0,
        keys: None,
    }];
    world
}

fn failover(pools: &[&[&str]]) -> World {
    named(pools, &[Step::Failover, Step::Load], Pick::Rotate)
}

/// A probe that reports this load.
fn using(used: u64) -> Outcome {
    let load = Some(Load { used: used * 1000, capacity: None });
    Outcome::Success(Finding { load, ..Finding::full(Duration::ZERO) })
}

/// The kept share (in thousandths) and the headroom (in units) of each pool.
fn allowances(scene: &Scene) -> Vec<(u16, u64)> {
    let pools = scene.serving.as_ref().unwrap().pools();
    pools.iter().map(|pool| (pool.allowance().local_share.thousandths(), pool.allowance().headroom / 1000)).collect()
}

fn generation(scene: &Scene) -> u64 {
    scene.serving.as_ref().unwrap().generation()
}

#[test]
fn a_pool_over_capacity_is_published_with_the_share_that_it_keeps() {
    let mut scene = Scene::new();
    scene.happen(compile(failover(&[&[ONE], &[TWO], &[THREE]])));
    let outcome = |address: &str| using(if address == ONE { 125 } else { 60 });
    scene.pass(INTERVAL - Duration::from_millis(1), outcome);
    assert_eq!(allowances(&scene), [(1000, 0); 3], "before the first round nothing is known");
    scene.pass(INTERVAL + PUBLISH_WINDOW, outcome);
    assert_eq!(allowances(&scene), [(800, 0), (1000, 40), (1000, 40)]);
    let told = scene.pool(0).allowance().told;
    assert_eq!((told.used, told.demand, told.capacity), (Some(125_000), Some(125_000), Some(100_000)));
}

#[test]
fn what_stays_as_it_is_publishes_nothing() {
    let mut scene = Scene::new();
    scene.happen(compile(failover(&[&[ONE], &[TWO]])));
    scene.pass(INTERVAL + PUBLISH_WINDOW, |_| using(50));
    let before = generation(&scene);
    scene.pass(ROUND * 100, |_| using(51));
    assert_eq!(generation(&scene), before);
    scene.pass(ROUND * 110, |address| using(if address == ONE { 51 } else { 80 }));
    let after = generation(&scene);
    assert!(after > before && after - before < 10, "{after} {before}");
    assert_eq!(allowances(&scene)[0], (1000, 50));
}

#[test]
fn endpoints_that_say_nothing_leave_all_as_it_is() {
    let mut scene = Scene::new();
    scene.happen(compile(failover(&[&[ONE], &[TWO]])));
    scene.pass(ROUND * 10, |_| WELL);
    assert_eq!(allowances(&scene), [(1000, 0); 2]);
    assert!(scene.pool(0).allowance().told.used.is_none());
}

#[test]
fn a_dead_pool_keeps_nobody_and_gets_its_clients_back_a_part_at_a_time() {
    let mut scene = Scene::new();
    scene.happen(compile(failover(&[&[ONE], &[TWO]])));
    scene.pass(ROUND, |_| using(50));
    let dead = |address: &str| if address == ONE { REFUSED } else { using(50) };
    scene.pass(ROUND * 3, dead);
    assert_eq!(allowances(&scene)[0], (0, 0));
    let back = |address: &str| using(if address == ONE { 10 } else { 60 });
    let mut keeps = Vec::new();
    for round in 4..12 {
        scene.pass(ROUND * round, back);
        keeps.push(allowances(&scene)[0].0);
    }
    assert!(keeps.windows(2).all(|pair| pair[1] <= pair[0] + 250 && pair[1] >= pair[0]), "{keeps:?}");
    assert_eq!(keeps.last(), Some(&1000));
}

#[test]
fn loads_outlive_a_reload_and_go_with_their_pools() {
    let mut scene = Scene::new();
    let outcome = |address: &str| using(if address == ONE { 125 } else { 60 });
    scene.happen(compile(failover(&[&[ONE], &[TWO]])));
    scene.pass(INTERVAL + PUBLISH_WINDOW, outcome);
    let before = allowances(&scene);
    assert_eq!(before, [(800, 0), (1000, 40)]);
    scene.happen(compile(failover(&[&[ONE], &[TWO], &[THREE]])));
    scene.answer_probes(outcome);
    assert_eq!(allowances(&scene), [(800, 0), (1000, 40), (1000, 0)]);
    scene.pass(scene.now + ROUND + PUBLISH_WINDOW, outcome);
    assert_eq!(allowances(&scene)[2], (1000, 40));
    scene.happen(compile(named(&[&[ONE], &[TWO]], &[Step::Failover], Pick::Rotate)));
    assert_eq!(allowances(&scene), [(1000, 0); 2], "no name goes by it any more");
}

#[test]
fn others_may_report_loads_which_are_forgotten_when_they_cease() {
    let mut scene = Scene::new();
    scene.happen(compile(failover(&[&[ONE], &[TWO]])));
    scene.pass(at(1), |_| WELL);
    let push = |scene: &mut Scene, endpoint: &str, pool: Option<&str>, used| {
        let (reply, mut answer) = tokio::sync::oneshot::channel();
        let load = Some(Load { used, capacity: None });
        let push = Push { endpoint: endpoint.parse().unwrap(), pool: pool.map(Into::into), said: None, load };
        scene.happen(Event::Push(push, reply));
        answer.try_recv().unwrap()
    };
    assert_eq!(push(&mut scene, ONE, None, 200_000), Ok(1));
    assert_eq!(push(&mut scene, TWO, Some("web"), 10_000), Ok(1));
    let nobody = "127.0.0.9".parse().unwrap();
    assert_eq!(push(&mut scene, "127.0.0.9", None, 1), Err(PushRefusal::UnknownEndpoint(nobody)));
    let one: IpAddr = ONE.parse().unwrap();
    assert_eq!(push(&mut scene, ONE, Some("web/1"), 1), Err(PushRefusal::NotInPool(one, "web/1".into())));
    scene.pass(INTERVAL * 2, |_| WELL);
    assert_eq!(allowances(&scene), [(550, 0), (1000, 90)], "half of the excess has nowhere to go");
    scene.pass(scene.now + BELIEVED_FOR + ROUND * 4, |_| WELL);
    assert_eq!(allowances(&scene), [(1000, 0); 2]);
    scene.happen(compile(named(&[&[ONE], &[TWO]], &[Step::Failover], Pick::Rotate)));
    assert_eq!(push(&mut scene, ONE, None, 1), Err(PushRefusal::Unweighed(one)));
}

#[test]
fn least_load_draws_by_room_or_by_response_time() {
    let mut scene = Scene::new();
    scene.happen(compile(named(&[&[ONE, TWO]], &[], Pick::LeastLoad)));
    let room = |scene: &Scene, place| scene.pool(0).endpoint_state(place).room;
    scene.pass(ROUND * 12, |address| using(if address == ONE { 45 } else { 5 }));
    assert_eq!(room(&scene, 1), FULL_WEIGHT);
    assert!(room(&scene, 0) < 300, "5 of 50 as against 45: {}", room(&scene, 0));

    let took = |address: &str| {
        let millis = if address == ONE { 19 } else { 9 };
        Outcome::Success(Finding::full(Duration::from_millis(millis)))
    };
    let mut scene = Scene::new();
    scene.happen(compile(named(&[&[ONE, TWO]], &[], Pick::LeastLoad)));
    scene.pass(ROUND * 12, took);
    assert_eq!(room(&scene, 1), FULL_WEIGHT);
    assert!(room(&scene, 0).abs_diff(500) < 75, "half as fast: {}", room(&scene, 0));
    let before = generation(&scene);
    scene.pass(ROUND * 40, took);
    assert_eq!(generation(&scene), before);
}

#[test]
fn pools_that_no_name_connects_have_their_rounds_apart() {
    let mut scene = Scene::new();
    let mut world = failover(&[&[ONE], &[TWO], &[THREE]]);
    let names = Arc::get_mut(&mut world.zones[0].names).unwrap();
    let steering = Arc::make_mut(&mut names[0].steering);
    steering.pools = PoolList::try_new(steering.pools[..2].to_vec()).unwrap();
    scene.happen(compile(world));
    let outcome = |address: &str| using(if address == ONE { 125 } else { 10 });
    scene.pass(INTERVAL + PUBLISH_WINDOW, outcome);
    assert_eq!(allowances(&scene), [(800, 0), (1000, 90), (1000, 0)], "nobody goes by the third");
}
