//! Slow drains and slow starts, also over a `kill -9`: the real command in real time.

use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::endpoint::{Endpoint, Script};
use crate::harness::{Files, probed_zone};
use crate::http::get;
use crate::{SERVER, Scene, eventually, well};

/// The state is on disk a second after a change at the latest, unless the machine is busy.
const KEPT: Duration = Duration::from_secs(3);

/// A pool in fra with these recovery settings, and one in iad.
fn scene(fra: &Endpoint, iad: &Endpoint, recovery: &str) -> Scene {
    let zone = probed_zone(fra.address(), iad.address(), recovery);
    Scene::of(Files::new(SERVER, &[("example.com.toml", &zone)]))
}

impl Scene {
    fn first_endpoint(&self) -> Value {
        get(self.admin, "/v1/status").json()["pools"][0]["endpoints"][0].clone()
    }

    fn state(&self) -> String {
        self.first_endpoint()["state"].as_str().expect("a word").to_owned()
    }

    fn ramp(&self) -> f64 {
        self.first_endpoint()["ramp"].as_f64().expect("a number")
    }

    /// The next run on the same files, after `kill -9`.
    fn killed(self) -> Self {
        thread::sleep(KEPT);
        let Self { files, node, .. } = self;
        drop(node);
        Self::of(files)
    }

    fn command(&self, words: &str) -> String {
        let ran = self.files.run(&format!("{words} --node {}", self.admin));
        assert_eq!(ran.code, Some(0), "{ran:?}");
        ran.stdout
    }
}

#[test]
fn a_drain_goes_on_after_a_kill() {
    let (fra, iad) = (well(), well());
    let scene = scene(&fra, &iad, "");
    assert!(scene.command("drain dc:fra --over 2h").contains("drain over 2 h"));
    let scene = scene.killed();
    assert!(scene.command("overrides").contains("drain over 2 h"));
    scene.command("drain dc:fra --over 6s");
    eventually(|| (0.1..0.9).contains(&scene.ramp()));
    let scene = scene.killed();
    eventually(|| scene.state() == "draining");
    let scene = scene.killed();
    // The drain holds from the first answer on.
    assert_eq!(scene.node.dig("www.example.com").data(), [iad.address().ip().to_string()]);
    assert_eq!(scene.state(), "draining");
    scene.command("open dc:fra");
    eventually(|| scene.state() == "up" && scene.ramp() >= 1.0);
}

#[test]
fn what_is_held_back_stays_so_after_a_kill_until_it_is_opened_and_starts_slowly_then() {
    let (fra, iad) = (well(), well());
    let mut scene = scene(&fra, &iad, "slow_start = \"12s\"\nfailback = \"manual\"\n");
    assert_eq!((scene.state().as_str(), scene.ramp()), ("up", 1.0));
    fra.play(Script::status(503));
    eventually(|| scene.state() == "down");
    fra.play(Script::status(200));
    scene.node.log.wait_for("pool is usable again, but failback holds it back");
    eventually(|| scene.state() == "held back");
    let mut scene = scene.killed();
    assert_eq!(scene.state(), "held back");
    assert_eq!(scene.node.dig("www.example.com").data(), [iad.address().ip().to_string()]);
    let told = scene.command("explain www.example.com --client 192.0.2.1");
    assert!(told.contains("web/fra: 0 of 1 A open, weight 1, held back by failback"), "{told}");
    let moves = "name www.example.com.: iad -> fra for everybody";
    for (words, effect) in
        [("open pool:web/fra --dry-run", "effect (dry run, nothing is changed): "), ("open pool:web/fra", "effect: ")]
    {
        assert_eq!(scene.command(words), format!("failback no longer holds back web/fra\n\n{effect}{moves}\n"));
    }
    eventually(|| scene.state() == "up" && scene.ramp() < 0.5);
    let told = scene.command("explain www.example.com --client 192.0.2.1");
    assert!(told.contains("while it ramps") && told.contains("an endpoint comes back or leaves slowly"), "{told}");
    scene.node.log.wait_for(&format!("clients move: {moves} because=\"hold web/fra\""));
    let events = get(scene.admin, "/v1/events?since=1h").json();
    let released = events["events"].as_array().unwrap().iter().find(|event| event["held"] == false).unwrap();
    assert_eq!((&released["pool"], &released["impact"][0]["to"]), (&"web/fra".into(), &["fra"].into()), "{events}");
    let told = scene.command("open pool:web/fra");
    assert!(
        told.starts_with(
            "there is nothing to open: no override is in force for the target, and failback holds nothing back\n"
        ),
        "{told}"
    );
    eventually(|| scene.ramp() >= 1.0);
    assert_eq!(scene.node.dig("www.example.com").data(), [fra.address().ip().to_string()]);
}
