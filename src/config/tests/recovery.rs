//! `slow_start` and `failback` of a pool.

use std::time::Duration;

use super::*;
use crate::health::{Failback, Recovery};

const MINUTE: Duration = Duration::from_secs(60);

/// The faults of a zone whose pool has these keys, and the pool's recovery.
fn pool_with(keys: &str) -> Result<(Recovery, Vec<String>), Vec<String>> {
    let zone = format!(
        "[nameservers]\nns1 = [\"192.0.2.53\"]\n[monitors.web]\ntype = \"tcp\"\nport = 80\n\
         [pools.web]\nendpoints = [\"192.0.2.1\"]\n{keys}[names.www]\npools = [\"web\"]\nsteer = []\n"
    );
    let files = [("truenorth.toml", &b""[..]), ("zones/example.com.toml", zone.as_bytes())];
    let config = load_files(&files).map_err(|faults| lines(&faults))?;
    Ok((config.world.pools[0].recovery, lines(&config.warnings)))
}

#[test]
fn a_pool_says_how_it_comes_back() {
    let at_once = Recovery::default();
    for (keys, recovery) in [
        ("", at_once),
        ("slow_start = \"0s\"\nfailback = \"auto\"\n", at_once),
        ("slow_start = \"60s\"\n", Recovery { slow_start: MINUTE, ..at_once }),
        ("failback = \"manual\"\n", Recovery { failback: Failback::Manual, ..at_once }),
        ("failback = \"10m\"\n", Recovery { failback: Failback::After(MINUTE * 10), ..at_once }),
    ] {
        assert_eq!(pool_with(&format!("monitor = \"web\"\n{keys}")), Ok((recovery, Vec::new())), "{keys}");
    }
}

#[test]
fn what_is_wrong_with_that_is_told() {
    let failback = "9:12 error: `failback` takes \"auto\", \"manual\" or a duration such as \"10m\", from 1s to 30d";
    for (keys, told) in [
        ("slow_start = \"2d\"\n", "9:14 error: `slow_start` takes a duration such as \"5s\", from 0s to 1d"),
        ("failback = \"never\"\n", failback),
        ("failback = \"0s\"\n", failback),
        ("failback = 5\n", &format!("{failback} | 5")),
    ] {
        assert_eq!(pool_with(&format!("monitor = \"web\"\n{keys}")), Err(vec![told.to_owned()]), "{keys}");
    }
    let why = "the pool has no monitor, so its endpoints never go down and never come back | has no effect";
    let unused = "3:11 warning: monitor `web` is never used | nothing refers to it".to_owned();
    let warnings = vec![unused, format!("8:1 warning: {why}"), format!("9:1 warning: {why}")];
    let recovery = Recovery { slow_start: MINUTE, failback: Failback::Manual };
    assert_eq!(pool_with("slow_start = \"1m\"\nfailback = \"manual\"\n"), Ok((recovery, warnings)));
}

#[test]
fn each_datacenter_of_a_pool_may_come_back_in_its_own_way() {
    let load = |keys: &str| {
        let zone = format!(
            "[nameservers]\nns1 = [\"192.0.2.53\"]\n[datacenters]\nfra = {{ latitude = 50, longitude = 8 }}\n\
             iad = {{ latitude = 38, longitude = -77 }}\n[regions.default]\nprefer = [\"fra\", \"iad\"]\n\
             [monitors.web]\ntype = \"tcp\"\nport = 80\n\
             [pools.web]\nmonitor = \"web\"\nendpoints.fra = [\"192.0.2.1\"]\nendpoints.iad = [\"192.0.2.2\"]\n{keys}\
             [names.www]\npools = [\"web\"]\nsteer = [\"region\"]\n"
        );
        let config = load_files(&[("truenorth.toml", &b""[..]), ("zones/example.com.toml", zone.as_bytes())]);
        config.map(|config| config.world.pools.iter().map(|pool| pool.recovery).collect::<Vec<_>>())
    };
    let at_once = Recovery::default();
    let manual = Recovery { failback: Failback::Manual, ..at_once };
    let slow = Recovery { slow_start: MINUTE, failback: Failback::After(MINUTE * 10) };
    for (keys, fra, iad) in [
        ("failback.fra = \"manual\"\n", manual, at_once),
        ("failback = { iad = \"manual\" }\n", at_once, manual),
        ("failback = { fra = \"10m\", iad = \"auto\" }\nslow_start.fra = \"1m\"\n", slow, at_once),
        ("failback = \"10m\"\nslow_start = \"1m\"\n", slow, slow),
    ] {
        assert_eq!(load(keys).unwrap(), [fra, iad], "{keys}");
    }
    let faults = lines(&load("failback.frq = \"manual\"\n").unwrap_err());
    assert_eq!(
        faults,
        ["15:10 error: the pool has no endpoints in `frq`, so its `failback` has no effect | no endpoints there"]
    );
}
