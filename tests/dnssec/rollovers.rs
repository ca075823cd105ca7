//! Keys roll while validators ask and everything else changes too: time is sped up by TTLs of seconds.
//!
//! Meanwhile endpoints fall and return, canaries run, TTLs change, and TXT records come and go.
//!
//! `TRUENORTH_QUESTIONS=200000` goes on with further roll-overs until so many questions are answered.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::endpoint::{ANY_PORT, Endpoint, Script};
use crate::family::{Scene, ZONES, ask_on, write_zones};
use crate::harness::Files;
use crate::validators::{Memory, Validator};
use crate::world::ds;

/// Time for one roll-over, on a busy machine. On an idle one it takes 30 s at most.
const ROLL: Duration = Duration::from_secs(120);

/// Pause between two changes of the world.
const CHANGE: Duration = Duration::from_millis(200);

/// Number of questions that are asked at least.
const QUESTIONS: usize = 20_000;

/// Changes everything but keys until it is told to stop: endpoints, canaries, TTLs and TXT records.
fn change_on(
    files: &Files,
    admin: SocketAddr,
    parent: SocketAddr,
    [fra, iad]: [&mut Endpoint; 2],
    is_done: &AtomicBool,
) {
    let addresses = [fra.address(), iad.address()];
    let mut turn = 0;
    while !is_done.load(Ordering::Relaxed) {
        turn += 1;
        match turn % 4 {
            1 => fra.stop_listening(),
            2 => fra.listen_again(),
            3 => iad.stop_listening(),
            _ => iad.listen_again(),
        }
        if turn % 8 == 0 {
            write_zones(files, parent, addresses, turn / 8);
        }
        for origin in ZONES {
            let (verb, value) = if turn % 2 == 1 { ("set", "token") } else { ("unset", "") };
            let ran = files.run(&format!("txt {verb} _acme-challenge.www.{origin} {value} --node {admin}"));
            assert_eq!(ran.code, Some(0), "{ran:?}");
        }
        thread::sleep(CHANGE);
    }
}

impl Scene {
    /// Begins roll-overs, and plays the parent until they are over.
    fn roll(&mut self, commands: &[&str]) {
        for words in commands {
            let ran = self.files.run(&format!("dnssec rollover {words}"));
            assert_eq!(ran.code, Some(0), "{ran:?}");
        }
        let end = Instant::now() + ROLL;
        loop {
            self.act_as_parent();
            let status = self.status();
            // The command reads the files; the node looks at the clock once a second.
            let is_over = !status.contains("next at") && !status.contains("waits since");
            let published = ZONES.map(|zone| self.keys(zone).len());
            if is_over && published == [1, 2] {
                return;
            }
            assert!(Instant::now() < end, "{published:?} {status}");
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// Checks that events and metrics tell what happened, and that the parent's word counts.
    fn tells(&self) {
        let admin = self.node.admin();
        let events = self.files.run(&format!("events --event key --node {admin}"));
        for said in
            ["is published", "is ready", "; it waits for its DS record at the parent", "is active", "is removed"]
        {
            assert!(events.stdout.contains(said), "{said}: {events:?}");
        }
        let metrics = self.node.metrics();
        let states = metrics.lines().filter(|line| line.starts_with("truenorth_key_state{"));
        let active: Vec<&str> = states.filter(|line| line.contains("state=\"active\"")).collect();
        assert_eq!(active.len(), 3, "{active:?}");
        let single = active.iter().find(|line| line.contains("single.example.")).unwrap();
        let tag = single.split("key=\"").nth(1).unwrap().split('"').next().unwrap();
        let seen = self.files.run(&format!("dnssec ds-seen single.example {tag}"));
        assert!(seen.code == Some(1) && seen.stderr.contains("not all nameservers of the parent"), "{seen:?}");
    }
}

/// Fails unless all keys of a zone are others.
#[track_caller]
fn are_others(before: &[String], after: &[String]) {
    assert!(!after.is_empty() && after.iter().all(|key| !before.contains(key)), "{before:?} {after:?}");
}

#[test]
fn validators_find_every_answer_authentic_while_all_keys_roll() {
    let [mut fra, mut iad] = [(); 2].map(|()| Endpoint::start(ANY_PORT, Script::status(200)));
    let mut scene = Scene::begin([fra.address(), iad.address()], "");
    let anchor = ds(&scene.parent_files, "example");
    let (parent, node) = (scene.parent.address(), scene.node.address());
    let zones: [(&str, SocketAddr); 3] = [("example", parent), (ZONES[0], node), (ZONES[1], node)];
    let validators = [
        Validator::unbound_for(&zones, &anchor, Memory::Long),
        Validator::named_for(&zones, &anchor, Memory::Long),
        Validator::kresd_for(&zones, &anchor, Memory::Long),
    ];
    let wanted = std::env::var("TRUENORTH_QUESTIONS").map_or(QUESTIONS, |count| count.parse().expect("a number"));
    let (is_done, asked) = (AtomicBool::new(false), AtomicUsize::new(0));
    let (files, admin) = (scene.files.clone(), scene.node.admin());
    let ends = thread::scope(|scope| {
        let changing = scope.spawn(|| change_on(&files, admin, parent, [&mut fra, &mut iad], &is_done));
        let asking: Vec<_> = validators
            .iter()
            .flat_map(|validator| [(validator, false), (validator, true)])
            .zip(1..)
            .map(|((validator, is_tcp), seed)| {
                let (is_done, asked) = (&is_done, &asked);
                scope.spawn(move || ask_on(validator, is_tcp, seed, is_done, asked))
            })
            .collect();
        // The askers end also if the story fails.
        let rolled = scope.spawn(|| {
            let [single, pair] = ZONES.map(|zone| scene.keys(zone));
            assert_eq!((single.len(), pair.len()), (1, 2), "{single:?} {pair:?}");
            // A CSK and a ZSK.
            scene.roll(&ZONES);
            let [first, second] = ZONES.map(|zone| scene.keys(zone));
            are_others(&single, &first);
            assert_eq!(second.iter().filter(|key| pair.contains(key)).count(), 1, "{pair:?} {second:?}");
            // An algorithm, and a KSK.
            scene.roll(&["single.example --algorithm ed25519", "pair.example --ksk"]);
            let [third, fourth] = ZONES.map(|zone| scene.keys(zone));
            are_others(&first, &third);
            assert!(third.iter().all(|key| key.starts_with("257 3 15 ")), "{third:?}");
            are_others(&pair, &fourth);
            scene.node.log.wait_for("the parent holds the DS record of the new key");
            scene.tells();
            while asked.load(Ordering::Relaxed) < wanted && !is_done.load(Ordering::Relaxed) {
                scene.roll(&ZONES);
            }
            let published = scene.node.count("truenorth_publications_total");
            assert!(published > 50, "{published}: the world has hardly changed");
        });
        let rolled = rolled.join();
        is_done.store(true, Ordering::Relaxed);
        let ends = asking.into_iter().chain([changing]).map(thread::ScopedJoinHandle::join);
        ends.chain([rolled]).collect::<Vec<_>>()
    });
    for end in ends {
        end.unwrap_or_else(|panic| {
            eprintln!("{}", scene.node.log.lines().join("\n"));
            std::panic::resume_unwind(panic)
        });
    }
    println!("{asked:?} questions");
}
