//! Previews: they say what the order then does, and change nothing.

use proptest::prelude::*;
use tokio::sync::oneshot;

use super::*;
use crate::overrides::{Mode, Order, Selector};

/// Two pools: one slow to come back, one that `failback` holds back.
fn scene() -> Scene {
    let mut world = world(tcp(), &[&ADDRESSES, &["127.0.0.3", "127.0.0.4"]]);
    let recovery = |slow_start, failback| Recovery { slow_start, failback };
    Arc::make_mut(&mut world.pools[0]).recovery = recovery(at(60), crate::health::Failback::Auto);
    Arc::make_mut(&mut world.pools[1]).recovery = recovery(Duration::ZERO, crate::health::Failback::Manual);
    let mut scene = Scene::serving(world);
    // Pool 1 falls and is held back; one endpoint of pool 0 is down.
    scene.pass(at(30), |address| if address == "127.0.0.1" { WELL } else { REFUSED });
    scene.pass(at(60), but("127.0.0.2"));
    assert!(scene.pool(1).is_held(Family::V4));
    scene
}

/// The state of every endpoint, without what time changes by itself.
fn states(snapshot: &Snapshot) -> Vec<String> {
    let pools = snapshot.pools().iter();
    pools.flat_map(|pool| (0..pool.spec().members.len()).map(|at| format!("{:?}", pool.endpoint_state(at)))).collect()
}

fn order(mode: Mode, target: &str) -> Order {
    Order {
        mode,
        target: target.parse().unwrap(),
        from: None,
        until: None,
        over: None,
        reason: "".into(),
        who: "ada".into(),
    }
}

fn give(scene: &mut Scene, proposal: Proposal) {
    let (to, _answer) = oneshot::channel();
    let event = match proposal {
        Proposal::Place(order) => OverrideEvent::Place(order, to),
        Proposal::Lift(which) => OverrideEvent::Lift(which, "ada".into(), to),
        Proposal::Rollout(_) => panic!("no roll-outs here"),
    };
    scene.happen(Event::Override(event));
    scene.pass(scene.now + PUBLISH_WINDOW, |_| panic!("no probe is due this soon"));
}

fn any_proposal() -> impl Strategy<Value = Proposal> {
    let target = prop::sample::select(vec![
        "dc:0",
        "dc:1",
        "dc:*",
        "pool:web",
        "pool:web/0",
        "pool:web/1",
        "endpoint:127.0.0.1",
        "endpoint:127.0.0.3",
    ]);
    let mode = prop::sample::select(vec![Mode::Drain, Mode::Open, Mode::ForceUp, Mode::ForceDown]);
    (mode, target, any::<bool>()).prop_map(|(mode, target, lifts)| {
        if lifts {
            Proposal::Lift(Selector::Target(target.parse().unwrap()))
        } else {
            Proposal::Place(order(mode, target).into())
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn a_preview_is_what_then_is_served(proposals in prop::collection::vec(any_proposal(), 1..8)) {
        let mut scene = scene();
        for proposal in proposals {
            let served = scene.serving.clone().unwrap();
            let (generation, before) = (served.generation(), states(&served));
            let preview = scene.control.preview(&proposal, scene.now);
            prop_assert_eq!(&before, &states(scene.serving.as_ref().unwrap()));
            prop_assert!(!scene.control.will_publish());
            let was_held = scene.pool(1).is_held(Family::V4);
            give(&mut scene, proposal.clone());
            let after = scene.serving.clone().unwrap();
            match preview {
                Err(_) => prop_assert_eq!(generation, after.generation(), "what is refused changes nothing"),
                Ok(preview) => {
                    let publication = preview.publication.unwrap();
                    prop_assert_eq!(states(&publication.before), before);
                    prop_assert_eq!(states(&publication.after), states(&after), "{:?}, held: {}", proposal, was_held);
                }
            }
        }
    }
}

#[test]
fn an_order_for_later_and_a_slow_drain_are_previewed_as_they_end() {
    let scene = scene();
    let later = scene.now + at(3600);
    let slow = Order { over: Some(at(600)), ..order(Mode::Drain, "dc:0") };
    let dated = Order { from: Some(later), until: Some(later + at(60)), ..order(Mode::Drain, "dc:0") };
    let at_once = scene.control.preview(&Proposal::Place(order(Mode::Drain, "dc:0").into()), scene.now).unwrap();
    for proposal in [slow, dated] {
        let preview = scene.control.preview(&Proposal::Place(proposal.clone().into()), scene.now).unwrap();
        assert_eq!(preview.changes[0].item.order, proposal);
        let [expected, found] = [&at_once, &preview].map(|it| states(&it.publication.as_ref().unwrap().after));
        assert_eq!(found, expected);
    }
}
