//! The system clock is set while a node runs.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::Files;
use crate::http::{get, post};
use crate::{SERVER, Scene, TWO_PLACES, eventually};

const HOUR: i64 = 3600;

/// A node whose system clock can be set, while its monotonic clock is unaffected.
struct Clock {
    scene: Scene,
    file: PathBuf,
}

impl Clock {
    fn start(server: &str) -> Self {
        let files = Files::new(&format!("{SERVER}{server}"), &[("example.com.toml", TWO_PLACES)]);
        let file = files.path("clock");
        fs::write(&file, "+0").expect("the folder is writable");
        let environment = [
            ("LD_PRELOAD", library()),
            ("FAKETIME_TIMESTAMP_FILE", file.clone()),
            ("FAKETIME_NO_CACHE", "1".into()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".into()),
        ];
        let environment = environment.each_ref().map(|(name, value)| (*name, value.as_path()));
        let node = files.serve_under(&environment);
        Self { scene: Scene::with(files, node), file }
    }

    /// Sets the clock this many seconds off.
    fn set(&self, seconds: i64) {
        let beside = self.file.with_extension("new");
        fs::write(&beside, format!("{seconds:+}"))
            .and_then(|()| fs::rename(&beside, &self.file))
            .expect("it is writable");
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("it is later").as_secs();
        let is_set = |told: u64| told.abs_diff(now.saturating_add_signed(seconds)) < 60;
        eventually(|| is_set(self.overrides()["time"].as_u64().expect("a time")));
    }

    fn overrides(&self) -> Value {
        get(self.scene.admin, "/v1/overrides").json()
    }

    fn place(&self, order: &Value) {
        let placed = post(self.scene.admin, "/v1/overrides", &order.to_string());
        assert_eq!(placed.status, 200, "{placed:?}");
    }

    fn answers(&self) -> Vec<String> {
        self.scene.node.dig("www.example.com").data().iter().map(ToString::to_string).collect()
    }

    #[track_caller]
    fn comes_to_answer(&self, address: &str) {
        eventually(|| self.answers() == [address]);
    }
}

/// The library that is preloaded before the C library (Debian's `faketime`).
fn library() -> PathBuf {
    let folders = fs::read_dir("/usr/lib").expect("there are libraries").filter_map(Result::ok);
    let library = |folder: fs::DirEntry| folder.path().join("faketime/libfaketimeMT.so.1");
    folders.map(library).find(|path: &PathBuf| Path::exists(path)).expect("libfaketime: apt-get install faketime")
}

#[test]
fn an_order_for_a_time_is_taken_and_lasts_whichever_way_the_clock_was_set() {
    let clock = Clock::start("");
    for step in [HOUR, -HOUR] {
        clock.set(step);
        let begun = Instant::now();
        clock.place(&json!({"mode": "force-down", "target": "dc:fra", "for": "5s"}));
        clock.comes_to_answer("127.0.0.2");
        clock.comes_to_answer("127.0.0.1");
        assert!(begun.elapsed() >= Duration::from_secs(5), "{:?}", begun.elapsed());
    }
    // Setting the clock by parts of a second also changes the time, each time.
    for _ in 0..5 {
        clock.place(&json!({"mode": "force-down", "target": "dc:fra", "for": "500ms"}));
        clock.comes_to_answer("127.0.0.1");
        thread::sleep(Duration::from_millis(130));
    }
}

#[test]
fn what_has_a_date_keeps_it_and_what_takes_its_time_goes_on() {
    let at = |from_now: i64| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("it is later").as_secs();
        now.saturating_add_signed(from_now)
    };
    let clock = Clock::start("");
    clock.place(&json!({"mode": "force-down", "target": "dc:fra", "from": at(HOUR), "for": "2h"}));
    clock.place(&json!({"mode": "drain", "target": "dc:iad", "over": "1h"}));
    let ramp = || {
        let status = get(clock.scene.admin, "/v1/status?pool=web/iad").json();
        status["pools"][0]["endpoints"][0]["ramp"].as_f64().expect("a share")
    };
    assert_eq!(clock.answers(), ["127.0.0.1"]);
    clock.set(HOUR * 2);
    clock.comes_to_answer("127.0.0.2");
    assert!(ramp() > 0.9, "an hour has not passed: {}", ramp());
    clock.set(-HOUR);
    clock.comes_to_answer("127.0.0.1");
    assert!(ramp() > 0.9, "{}", ramp());
    clock.set(HOUR * 4);
    eventually(|| clock.overrides()["overrides"].as_array().is_some_and(|all| all.len() == 1));
    assert_eq!(clock.answers(), ["127.0.0.1"]);
    assert!(ramp() > 0.9, "{}", ramp());
}
