//! A node that is restarted or paused in the middle of an incident changes no answer, its own or that of others.

use std::time::{Duration, Instant};

use crate::fleet::{FRA, Fleet, IAD};
use crate::wait_until;

/// How the third node is started again.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// It is told to stop, and started.
    Stopped,
    /// It is killed, and started.
    Killed,
    /// Another process takes over from it.
    Replaced,
}

#[test]
fn a_restart_within_an_incident_flaps_nothing() {
    let Some(mut fleet) = Fleet::start() else { return };
    for node in ["ns1", "ns2"] {
        fleet.streets.lose(node, "fra", &FRA);
    }
    fleet.wait_for(&IAD, &[0, 1, 2]);
    // The third one sees Frankfurt up. What was agreed on is in its state folder within a second.
    wait_until("its own view is overruled", || fleet.status(2)["fleet"]["overruled"] == 2);
    std::thread::sleep(Duration::from_secs(2));
    let turns = |fleet: &mut Fleet| [0, 1].map(|node| fleet.told(node, "endpoint is"));
    let before = turns(&mut fleet);
    for way in [Way::Stopped, Way::Killed, Way::Replaced] {
        restart(&mut fleet, way);
        let began = Instant::now();
        // Longer than it takes to decide alone, and to hear the others.
        while began.elapsed() < Duration::from_secs(8) {
            for node in 0..3 {
                assert_eq!(fleet.ask(node), IAD, "{way:?}, node {node}");
            }
        }
        wait_until("all are in step again", || fleet.heard(2) == 3 && fleet.heard(0) == 3);
        wait_until("it agrees", || fleet.status(2)["fleet"]["overruled"] == 2);
        assert_eq!(fleet.told(2, "endpoint is"), 0, "{way:?}: {:#?}", fleet.nodes[2].1.log.lines());
        assert_eq!(turns(&mut fleet), before, "{way:?}");
    }
}

/// Longer than it takes to forget a silent node: four intervals of 2 s.
const PAUSE: Duration = Duration::from_secs(12);

#[test]
fn a_pause_within_an_incident_changes_no_answer() {
    let Some(mut fleet) = Fleet::start() else { return };
    for node in ["ns1", "ns2"] {
        fleet.streets.lose(node, "fra", &FRA);
    }
    fleet.wait_for(&IAD, &[0, 1, 2]);
    wait_until("its own view is overruled", || fleet.status(2)["fleet"]["overruled"] == 2);
    fleet.nodes[2].1.signal("STOP");
    std::thread::sleep(PAUSE);
    fleet.nodes[2].1.signal("CONT");
    let began = Instant::now();
    while began.elapsed() < PAUSE {
        for node in 0..3 {
            assert_eq!(fleet.ask(node), IAD, "node {node}: {:#?}", fleet.nodes[2].1.log.lines());
        }
    }
    let lines = fleet.nodes[2].1.log.lines();
    assert!(!lines.iter().any(|line| line.contains("no other node is heard")), "{lines:#?}");
    wait_until("all are in step again", || fleet.heard(2) == 3 && fleet.heard(0) == 3);
}

/// Starts the third node again.
fn restart(fleet: &mut Fleet, way: Way) {
    let namespace = fleet.streets.namespace("ns3");
    let (files, before) = fleet.nodes.pop().expect("there are three");
    let after = match way {
        Way::Stopped => {
            assert_eq!(before.terminate().code(), Some(0));
            files.serve_in(&namespace)
        }
        Way::Killed => {
            drop(before);
            files.serve_in(&namespace)
        }
        Way::Replaced => files.replace_in(&namespace),
    };
    fleet.nodes.push((files, after));
}
