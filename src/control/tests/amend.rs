//! Other records of the same configuration, and what a survey shows of targets.

use super::*;

#[test]
fn other_records_are_served_at_once_and_health_stays() {
    let mut scene = Scene::new();
    let first = blueprint(world(tcp(), &[&ADDRESSES]));
    scene.happen(Event::Adopt(first.clone()));
    scene.answer_probes(but(ADDRESSES[1]));
    let before = scene.serving.clone().unwrap();
    let amended = Arc::new(Blueprint::clone(&first));
    scene.happen(Event::Amend(amended.clone()));
    let after = scene.serving.clone().unwrap();
    assert!(after.is_of(&amended) && !after.is_of(&first));
    assert_eq!(after.generation(), before.generation() + 1);
    assert!(Arc::ptr_eq(&after.pools()[0], &before.pools()[0]));
}

#[test]
fn other_records_of_what_waits_wait_with_it_and_no_longer() {
    let mut scene = Scene::new();
    let first = blueprint(world(tcp(), &[&ADDRESSES]));
    scene.happen(Event::Adopt(first.clone()));
    scene.now += FIRST_ROUND / 2;
    let amended = Arc::new(Blueprint::clone(&first));
    scene.happen(Event::Amend(amended.clone()));
    assert!(scene.serving.is_none());
    scene.now += FIRST_ROUND / 2;
    scene.happen(Event::Tick);
    assert!(scene.serving.as_ref().is_some_and(|snapshot| snapshot.is_of(&amended)));
}

#[test]
fn a_survey_tells_since_when_and_what_was_seen() {
    let mut scene = Scene::new();
    scene.now = Duration::from_secs(1);
    scene.happen(Event::Adopt(blueprint(world(tcp(), &[&ADDRESSES]))));
    assert!(scene.control.survey().last_probes.is_empty());
    let (id, target) = scene.probes[0].clone();
    scene.happen(Event::Outcome(id, WELL));
    scene.now = Duration::from_secs(2);
    scene.happen(Event::Outcome(id, REFUSED));
    let survey = scene.control.survey().last_probes;
    assert_eq!(survey.len(), 1);
    let last_probe = &survey[&target];
    assert_eq!((last_probe.health.state(), last_probe.health.in_a_row()), (State::Up, (1, 0)));
    assert_eq!(last_probe.since, Duration::from_secs(1));
    assert_eq!(last_probe.seen, Some((REFUSED, Duration::from_secs(2))));
    // A target that is removed is forgotten.
    scene.happen(Event::Adopt(blueprint(world(tcp(), &[&[]]))));
    assert!(scene.control.survey().last_probes.is_empty());
    // A target that an earlier run knew is in the survey before any outcome.
    let kept = HashMap::from([(
        target.fingerprint(),
        Kept {
            state: State::Down,
            confirmed: scene.now,
            fell: Duration::ZERO,
            hold: None,
            question: 0,
            hostless: 0,
            host: "".into(),
        },
    )]);
    let mut restarted = Scene::restarted(kept, scene.now);
    restarted.happen(Event::Adopt(blueprint(world(tcp(), &[&ADDRESSES]))));
    let last_probe = &restarted.control.survey().last_probes[&target];
    assert_eq!((last_probe.health.state(), &last_probe.seen), (State::Down, &None));
}
