//! `truenorth register`: runs a service, and registers it for as long as it runs.

use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::{LOOK, PATIENCE, Scene, Street, eventually, zone};

const OPEN: &str = "prefixes = [\"127.0.0.0/8\"]";

/// Starts `truenorth register` for a shell script.
fn register(scene: &Scene, options: &str, script: &str) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_truenorth"));
    command.args(["register", "--pool", "web", "--node", &scene.admin.to_string()]);
    command.args(options.split_whitespace()).args(["--", "sh", "-c", script]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary runs")
}

fn signal(child: &Child, name: &str) {
    let kill = format!("kill -s {name} {}", child.id());
    assert!(Command::new("sh").args(["-c", &kill]).status().expect("there is a shell").success());
}

/// Waits for the end; returns the exit code.
fn code(child: &mut Child) -> Option<i32> {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("it is a child of ours") {
            return status.code();
        }
        assert!(start.elapsed() < PATIENCE, "it does not end");
        thread::sleep(LOOK);
    }
}

fn scene(street: &Street) -> Scene {
    Scene::new(crate::SERVER, &zone(street.port, OPEN, ""))
}

#[test]
fn a_service_is_registered_while_it_runs_and_its_status_is_the_commands() {
    let street = Street::new([44, 1]);
    let scene = scene(&street);
    let one = street.address(1);
    let options = format!("--id svc --address {one} --lease 2s");
    let mut running = register(&scene, &options, "read line; exit 7");
    // The shell reads from /dev/null and ends at once: the endpoint leaves with it.
    assert_eq!(code(&mut running), Some(7));
    eventually(|| scene.pool()["registered"]["leases"] == 0);

    let mut running = register(&scene, &options, "trap 'exit 9' USR1; while :; do sleep 0.1; done");
    scene.comes_to_answer(&[one]);
    // It outlives its term because it is renewed.
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(4) {
        assert_eq!(scene.answer(), [one.to_string()]);
        thread::sleep(LOOK);
    }
    signal(&running, "USR1");
    assert_eq!(code(&mut running), Some(9), "the command got the signal");
    scene.comes_to_answer(&[]);
    let told = scene.lease_events();
    assert_eq!(told.iter().rev().take(2).rev().collect::<Vec<_>>(), ["registered svc", "released svc"], "{told:?}");
}

#[test]
fn a_service_that_is_told_to_end_is_drained_before_it_is_told() {
    let street = Street::new([44, 2]);
    let scene = scene(&street);
    let one = street.address(1);
    let options = format!("--id svc --address {one} --lease 5s --drain 2s");
    let mut running = register(&scene, &options, "trap 'echo told; exit 3' TERM; while :; do sleep 0.1; done");
    scene.comes_to_answer(&[one]);
    let start = Instant::now();
    signal(&running, "TERM");
    eventually(|| scene.state(one) == "draining");
    assert!(running.try_wait().expect("it is ours").is_none(), "the service still serves");
    assert_eq!(code(&mut running), Some(3));
    assert!(start.elapsed() >= Duration::from_secs(2), "the drain took its time");
    eventually(|| scene.pool()["registered"]["leases"] == 0);

    // A second signal does not wait for the drain.
    let options = options.replace("--drain 2s", "--drain 10m");
    let mut running = register(&scene, &options, "trap 'exit 4' TERM; while :; do sleep 0.1; done");
    scene.comes_to_answer(&[one]);
    signal(&running, "TERM");
    eventually(|| scene.state(one) == "draining");
    signal(&running, "TERM");
    assert_eq!(code(&mut running), Some(4));
}

#[test]
fn the_address_is_that_of_the_route_to_the_node_and_a_node_that_restarts_is_told_again() {
    let street = Street::new([44, 3]);
    // The node asks from loopback, so the route has the address 127.0.0.1.
    let scene = scene(&street);
    let mut running = register(&scene, "--id svc --lease 3s", "trap 'exit 0' TERM; while :; do sleep 0.1; done");
    eventually(|| !scene.state([127, 0, 0, 1].into()).is_empty());
    signal(&running, "TERM");
    assert_eq!(code(&mut running), Some(0));
    let mut missing = Command::new(env!("CARGO_BIN_EXE_truenorth"));
    missing.args(["register", "--pool", "web", "--node", &scene.admin.to_string(), "--", "/no/such/program"]);
    assert_eq!(missing.stderr(Stdio::null()).status().unwrap().code(), Some(127));
    eventually(|| scene.pool()["registered"]["leases"] == 0);
}
