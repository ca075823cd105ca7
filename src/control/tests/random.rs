//! Whatever happens, the snapshot matches the state of the machine.

use proptest::prelude::*;

use super::*;
use crate::snapshot::{Kind, Selection};

const POOLS: &[&[&str]] = &[&["127.0.0.1", "127.0.0.2", "127.0.0.3"], &["127.0.0.3", "127.0.0.4"]];

fn outcome() -> impl Strategy<Value = Outcome> {
    let asks = Outcome::Success(Finding { share: Share::from_thousandths(250), ..Finding::full(Duration::ZERO) });
    prop_oneof![4 => Just(WELL), 1 => Just(asks), 2 => Just(REFUSED), 6 => Just(TIMED_OUT)]
}

/// Compares the snapshot with the state of the machine, once everything is published.
fn check(scene: &mut Scene) {
    scene.now += PUBLISH_WINDOW;
    scene.happen(Event::Tick);
    let snapshot = scene.serving.clone().unwrap();
    for (id, spec) in snapshot.world().pools.iter().enumerate() {
        let endpoint_state = |place| {
            let condition = spec.members.condition(place).map(|it| it.map(&mut |target| scene.id_of(target)));
            scene.control.watch.endpoint_state(condition.as_ref())
        };
        let pool = scene.pool(id);
        let Kind::Addresses(v4, _) = pool.kind() else { panic!("addresses") };
        let open: Vec<_> = v4.select(Selection::Open).iter().map(|member| IpAddr::from(member.value)).collect();
        let endpoint_states =
            (0..spec.members.len()).map(|place| (spec.members.address(place).unwrap(), endpoint_state(place)));
        let due =
            endpoint_states.filter(|(_, endpoint_state)| endpoint_state.share.is_some()).map(|(address, _)| address);
        assert_eq!(open, due.collect::<Vec<_>>());
        assert_eq!(pool.is_restless(), (0..spec.members.len()).any(|place| endpoint_state(place).restless));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn what_is_served_is_what_the_machine_says(rounds in prop::collection::vec([outcome(), outcome(), outcome(), outcome()], 1..40)) {
        let mut scene = Scene::serving(world(tcp(), POOLS));
        for round in rounds {
            let until = scene.now + INTERVAL;
            scene.pass(until, |address| round[usize::from(address.as_bytes()[8] - b'1')].clone());
            check(&mut scene);
        }
    }
}
