//! State that outlives a node's process.

use super::*;

/// The kept rows of a node whose second endpoint is down, a while after its start.
fn kept_with_the_second_down() -> Scene {
    let mut scene = Scene::new();
    scene.happen(adopt(&ADDRESSES));
    scene.answer_probes(|_| WELL);
    scene.pass(INTERVAL * 4, but("127.0.0.2"));
    assert_eq!(scene.open(), ["127.0.0.1"]);
    scene.happen(Event::Stop);
    scene
}

#[test]
fn a_node_that_was_restarted_answers_at_once_and_as_before() {
    let before = kept_with_the_second_down();
    let mut scene = Scene::restarted(before.kept, before.now + BELIEVED_FOR - CONFIRM_EVERY);
    scene.happen(adopt(&ADDRESSES));
    assert_eq!(scene.open(), ["127.0.0.1"], "no probe has ended");
    assert_eq!(scene.probes.len(), 2, "all are probed at once");
    scene.answer_probes(|_| WELL);
    scene.pass(scene.now + PUBLISH_WINDOW, |_| WELL);
    assert_eq!(scene.open(), ["127.0.0.1"], "one success is no rise");
    scene.pass(scene.now + INTERVAL, |_| WELL);
    assert_eq!(scene.open(), ADDRESSES);
    let second: IpAddr = "127.0.0.2".parse().unwrap();
    assert_eq!(scene.turns, [(second, State::Up)]);
}

#[test]
fn what_is_too_old_or_from_the_future_is_not_believed() {
    let before = kept_with_the_second_down();
    let oldest = before.kept.values().map(|kept| kept.confirmed).max().unwrap();
    for now in [oldest + BELIEVED_FOR + KEEP_EVERY, Duration::ZERO] {
        let mut kept = before.kept.clone();
        if now.is_zero() {
            for kept in kept.values_mut() {
                kept.confirmed += BELIEVED_FOR;
            }
        }
        let mut scene = Scene::restarted(kept, now);
        scene.happen(adopt(&ADDRESSES));
        assert!(scene.serving.is_none());
        scene.answer_probes(|_| WELL);
        assert_eq!(scene.open(), ADDRESSES, "the first outcome sets the state");
    }
}

#[test]
fn what_is_kept_is_what_changed_and_each_minute_what_was_confirmed() {
    let mut scene = Scene::new();
    scene.happen(adopt(&ADDRESSES));
    scene.pass(CONFIRM_EVERY * 10, |_| WELL);
    // Each of two targets, whose probes drift apart, is confirmed ten times in ten minutes.
    assert!((10..=22).contains(&scene.kept_at.len()), "{:?}", scene.kept_at);
    assert!(scene.kept_at.windows(2).all(|pair| pair[1] - pair[0] >= KEEP_EVERY), "{:?}", scene.kept_at);
    let is_recent = |kept: &Kept| scene.now - kept.confirmed <= CONFIRM_EVERY + INTERVAL;
    assert!(scene.kept.values().all(|kept| kept.state == State::Up && is_recent(kept)), "{:?}", scene.kept);

    // A failure that is not confirmed does not confirm the state either. A confirmed failure is kept within a second.
    let died = scene.now;
    scene.pass(died + INTERVAL * 2, |_| REFUSED);
    assert!(scene.kept.values().all(|kept| kept.state == State::Up && kept.confirmed <= died), "{:?}", scene.kept);
    scene.pass(died + INTERVAL * 3 + KEEP_EVERY, |_| REFUSED);
    assert!(scene.kept.values().all(|kept| kept.state == State::Down && kept.confirmed > died), "{:?}", scene.kept);
}

#[test]
fn rows_of_targets_that_are_gone_and_of_yesterday_are_removed() {
    let before = kept_with_the_second_down();
    assert_eq!(before.kept.len(), 2);
    let mut scene = Scene::restarted(before.kept.clone(), before.now);
    scene.happen(adopt(&["127.0.0.1"]));
    scene.happen(Event::Stop);
    assert_eq!(scene.kept.len(), 1);

    let mut scene = Scene::restarted(before.kept, before.now + KEPT_FOR * 2);
    scene.happen(adopt(&ADDRESSES));
    // No probe ends, so there are no new outcomes.
    scene.now += FIRST_ROUND;
    scene.happen(Event::Tick);
    assert_eq!(scene.kept.len(), 0);
}

#[test]
fn what_is_kept_and_told_has_the_time_of_the_clock_on_the_wall() {
    for (elapsed, wall) in [(at(1000), at(9000)), (at(9000), at(1000))] {
        let hold_down = at(60);
        let mut scene = Scene { now: elapsed, ..Scene::new() };
        scene.happen(compile(world(Monitor { hold_down, ..tcp() }, &[&ADDRESSES])));
        scene.answer_probes(|_| WELL);
        scene.pass(elapsed + INTERVAL * 4, but("127.0.0.2"));
        let set = Now { elapsed: scene.now, wall };
        let effects = scene.control.step(Event::Stop, set);
        let kept: HashMap<u128, Kept> = effects
            .into_iter()
            .filter_map(|effect| if let Effect::Keep(rows) = effect { Some(rows.health) } else { None })
            .flatten()
            .filter_map(|(key, kept)| Some((key, kept?)))
            .collect();
        let survey = scene.control.survey();
        let near = |time: Duration| time <= wall && wall - time <= INTERVAL * 4;
        assert!(survey.last_probes.values().all(|last_probe| near(last_probe.since)), "{survey:?}");
        for (key, before) in scene.kept.clone() {
            scene.kept.insert(key, kept.get(&key).cloned().unwrap_or(before.timed(&|time| set.to_wall(time))));
        }
        let mut again = Scene::restarted(scene.kept, wall + at(1));
        again.happen(compile(world(Monitor { hold_down, ..tcp() }, &[&ADDRESSES])));
        assert_eq!(again.open(), ["127.0.0.1"], "it is believed, and held down");
        again.pass(wall + at(40), |_| WELL);
        assert_eq!(again.open(), ["127.0.0.1"]);
        again.pass(wall + at(70), |_| WELL);
        assert_eq!(again.open(), ADDRESSES);
    }
}

#[test]
fn a_stop_hands_over_what_waits() {
    let mut scene = Scene::new();
    scene.happen(adopt(&ADDRESSES));
    scene.answer_probes(|_| WELL);
    scene.happen(Event::Stop);
    assert_eq!(scene.kept.len(), 2);
}

#[test]
fn a_hold_outlives_a_restart_however_long_ago_the_fall_was() {
    let hold_down = at(3600);
    let held = || world(Monitor { hold_down, ..tcp() }, &[&ADDRESSES]);
    let mut before = Scene::serving(held());
    before.pass(at(60), but("127.0.0.2"));
    assert_eq!(before.open(), ["127.0.0.1"]);
    before.happen(Event::Stop);
    let fell_by = before.now;
    // Without the hold, its state would be too old to count.
    let mut scene = Scene::restarted(before.kept.clone(), fell_by + BELIEVED_FOR * 3);
    scene.happen(compile(held()));
    scene.answer_probes(|_| WELL);
    scene.pass(at(3600), |_| WELL);
    assert_eq!(scene.open(), ["127.0.0.1"]);
    scene.pass(fell_by + hold_down + INTERVAL * 2, |_| WELL);
    assert_eq!(scene.open(), ADDRESSES);

    // The same with an edit of `rise` and `fall` while the node is down. An edit of the question is different.
    let edited = Monitor { hold_down, rise: 1.try_into().unwrap(), fall: 9.try_into().unwrap(), ..tcp() };
    for (monitor, open) in [(edited, 1), (tcp(), 2)] {
        let mut scene = Scene::restarted(before.kept.clone(), fell_by + at(30));
        scene.happen(compile(world(monitor, &[&ADDRESSES])));
        assert_eq!(scene.open(), ["127.0.0.1"], "what is known to be dead is not handed out");
        scene.pass(fell_by + at(300), |_| WELL);
        assert_eq!(scene.open().len(), open);
    }
}

#[test]
fn an_edit_of_the_tempo_hands_out_nothing_that_is_known_to_be_dead() {
    let edits: [fn(Monitor) -> Monitor; 5] = [
        |monitor| Monitor { rise: 5.try_into().unwrap(), ..monitor },
        |monitor| Monitor { fall: 5.try_into().unwrap(), ..monitor },
        |monitor| Monitor { pace: pace(INTERVAL * 2), ..monitor },
        |monitor| Monitor { pace: Pace::try_new(INTERVAL, at(1)).unwrap(), ..monitor },
        |monitor| Monitor { hold_down: at(60), ..monitor },
    ];
    for edit in edits {
        let mut scene = Scene::serving(world(tcp(), &[&ADDRESSES]));
        scene.pass(at(30), but("127.0.0.2"));
        assert_eq!(scene.open(), ["127.0.0.1"]);
        let since = scene.control.survey().last_probes.values().map(|last_probe| last_probe.since).max();
        let generation = scene.serving.as_ref().unwrap().generation();
        scene.happen(compile(world(edit(tcp()), &[&ADDRESSES])));
        assert_eq!(scene.serving.as_ref().unwrap().generation(), generation + 1, "nobody is waited for");
        assert_eq!(scene.open(), ["127.0.0.1"]);
        let survey = scene.control.survey();
        assert_eq!(survey.last_probes.len(), 2);
        assert!(survey.last_probes.values().all(|last_probe| last_probe.seen.is_some()));
        assert_eq!(survey.last_probes.values().map(|last_probe| last_probe.since).max(), since);
        // Another question is a different case.
        scene.happen(compile(world(Monitor { port: 81, ..tcp() }, &[&ADDRESSES])));
        assert_eq!(scene.serving.as_ref().unwrap().generation(), generation + 1, "first it is probed");
    }
}

/// A world whose probes ask for this host.
fn hosted(host: &str) -> World {
    let mut world = world(tcp(), &[&ADDRESSES]);
    for pool in &mut world.pools {
        let Members::Addresses(endpoints) = &mut Arc::make_mut(pool).members else { unreachable!() };
        endpoints.edit(|endpoints| {
            for endpoint in endpoints {
                let Some(Condition::Probe(target)) = &mut endpoint.condition else { unreachable!() };
                target.host = host.into();
            }
        });
    }
    world
}

#[test]
fn another_host_changes_no_state_until_its_probes_confirm_another() {
    let mut scene = Scene::serving(hosted("192.0.2.1"));
    scene.pass(at(30), but("127.0.0.2"));
    assert_eq!(scene.open(), ["127.0.0.1"]);
    // A failure for the old host is no step towards a fall for the new one.
    scene.pass(at(30) + INTERVAL, |_| TIMED_OUT);
    assert_eq!(scene.open(), ["127.0.0.1"]);
    let generation = scene.serving.as_ref().unwrap().generation();
    scene.happen(compile(hosted("www.example.com")));
    assert_eq!(scene.serving.as_ref().unwrap().generation(), generation + 1, "nobody is waited for");
    assert_eq!(scene.open(), ["127.0.0.1"], "what is known to be dead is not handed out");
    assert!(scene.control.survey().last_probes.values().all(|last_probe| last_probe.seen.is_some()));
    scene.turns.clear();
    // The endpoint that was up refuses the new host, and the other one accepts it.
    let (fall, begun) = (u64::from(tcp().fall.get()), scene.now);
    scene.pass(begun + at(1), but("127.0.0.1"));
    let rows = |address: &str| {
        let mut probes = scene.control.survey().last_probes.into_iter();
        let (_, probe) =
            probes.find(|(target, _)| &*target.host != "192.0.2.1" && target.address.host() == address).unwrap();
        probe.health.in_a_row()
    };
    assert_eq!((rows("127.0.0.1"), rows("127.0.0.2")), ((1, 0), (0, 1)));
    assert_eq!(scene.open(), ["127.0.0.1"], "one failure is no fall, and one success no rise");
    scene.pass(begun + INTERVAL * fall as u32 + at(1), but("127.0.0.1"));
    assert_eq!(scene.open(), ["127.0.0.2"]);
    let [first, second] = ADDRESSES.map(|address| address.parse::<IpAddr>().unwrap());
    for turn in [(first, State::Down), (second, State::Up)] {
        assert_eq!(scene.turns.iter().filter(|seen| **seen == turn).count(), 1, "{:?}", scene.turns);
    }
    assert_eq!(scene.turns.len(), 2);
}

#[test]
fn a_pool_with_another_host_takes_no_state_from_another_pool() {
    let mut scene = Scene::serving(hosted("a.example.com"));
    scene.pass(at(30), but("127.0.0.2"));
    let mut both = hosted("a.example.com");
    let mut other = hosted("b.example.com").pools.remove(0);
    Arc::make_mut(&mut other).name = "other".into();
    both.pools.push(other);
    let generation = scene.serving.as_ref().unwrap().generation();
    scene.happen(compile(both));
    assert_eq!(scene.serving.as_ref().unwrap().generation(), generation, "the new pool is probed first");
}

#[test]
fn another_host_at_a_restart_is_told_and_changes_no_state_until_its_probes_confirm_another() {
    let mut before = Scene::serving(hosted("www.example.com"));
    before.pass(at(30), but("127.0.0.2"));
    before.happen(Event::Stop);
    let mut scene = Scene::restarted(before.kept.clone(), at(31));
    scene.happen(compile(hosted("192.0.2.1")));
    assert_eq!(scene.open(), ["127.0.0.1"], "nobody is waited for");
    let told = "probes of pool `web/0` now ask for the host 192.0.2.1 instead of www.example.com; its endpoints keep \
                their states until these probes confirm others";
    assert_eq!(scene.rehosted, [told]);
    let fall = u32::from(tcp().fall.get());
    scene.pass(at(31) + INTERVAL * (fall - 2), |_| REFUSED);
    assert_eq!(scene.open(), ["127.0.0.1"], "one refusal is no fall");
    scene.pass(at(31) + INTERVAL * (fall + 1), |_| REFUSED);
    assert!(scene.open().is_empty());

    // The next restart has its own rows.
    scene.happen(Event::Stop);
    let mut again = Scene::restarted(scene.kept, scene.now);
    again.happen(compile(hosted("192.0.2.1")));
    assert!(again.open().is_empty() && again.rehosted.is_empty(), "{:?}", again.rehosted);

    // While something still asks for the old host, the new one is another endpoint.
    let mut both = hosted("www.example.com");
    let mut other = hosted("b.example.com").pools.remove(0);
    Arc::make_mut(&mut other).name = "other".into();
    both.pools.push(other);
    let mut scene = Scene::restarted(before.kept, at(31));
    scene.happen(compile(both));
    assert!(scene.serving.is_none() && scene.rehosted.is_empty(), "the new one is probed first");
}

#[test]
fn a_hold_outlives_a_restart_after_an_edit_too() {
    let held = |rise: u8| Monitor { hold_down: at(3600), rise: rise.try_into().unwrap(), ..tcp() };
    let serve = |rise| compile(world(held(rise), &[&ADDRESSES]));
    let mut before = Scene::serving(world(held(2), &[&ADDRESSES]));
    before.pass(at(60), but("127.0.0.2"));
    assert_eq!(before.open(), ["127.0.0.1"]);
    // Its probes succeed again, which contradicts the state and does not confirm it.
    before.pass(at(120), |_| WELL);
    before.happen(serve(3));
    before.pass(at(130), |_| WELL);
    before.happen(Event::Stop);
    let mut scene = Scene::restarted(before.kept.clone(), at(140));
    scene.happen(serve(3));
    scene.pass(at(600), |_| WELL);
    assert_eq!(scene.open(), ["127.0.0.1"], "edited before the restart");
    // Edited while the node was down, and restarted once more.
    let mut scene = Scene::restarted(before.kept, at(140));
    scene.happen(serve(4));
    scene.pass(at(200), |_| WELL);
    scene.happen(Event::Stop);
    let mut scene = Scene::restarted(scene.kept, at(210));
    scene.happen(serve(4));
    scene.pass(at(600), |_| WELL);
    assert_eq!(scene.open(), ["127.0.0.1"], "edited during the restart");
    scene.pass(at(60) + at(3600) + INTERVAL * 5, |_| WELL);
    assert_eq!(scene.open(), ADDRESSES);
}
