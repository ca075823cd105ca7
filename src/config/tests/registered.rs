//! `registered` of a pool.

use super::*;
use crate::health::ProbeHost;
use crate::snapshot::{Bounds, PoolSpec};

/// Pools, and lines of warnings or of all faults.
pub(super) type Read = Result<(Vec<Arc<PoolSpec>>, Vec<String>), Vec<String>>;

/// Reads the pools of a zone whose pool `web` has these keys.
pub(super) fn pools_with(keys: &str) -> Read {
    let zone = format!(
        "[nameservers]\nns1 = [\"192.0.2.53\"]\n[datacenters]\nfra = {{ latitude = 50, longitude = 8 }}\n\
         iad = {{ latitude = 38, longitude = -77 }}\n[monitors.web]\ntype = \"tcp\"\nport = 80\n\
         [pools.web]\n{keys}[names.www]\npools = [\"web\"]\nsteer = []\n"
    );
    let files = [("truenorth.toml", &b""[..]), ("zones/example.com.toml", zone.as_bytes())];
    let config = load_files(&files).map_err(|faults| lines(&faults))?;
    Ok((config.world.pools, lines(&config.warnings)))
}

fn bounds(max: u16, prefixes: &[&str]) -> Bounds {
    let prefixes = prefixes.iter().map(|prefix| prefix.parse().unwrap()).collect();
    Bounds { max, prefixes, keep_last: true, by: None, source: None }
}

#[test]
fn a_pool_says_who_may_register_in_it() {
    let whole = Bounds { keep_last: false, by: Some(["fleet".into()].into()), ..bounds(7, &["10.0.0.0/8", "::/0"]) };
    for (keys, expected) in [
        ("registered = { prefixes = [\"10.0.0.0/8\"] }\n", bounds(100, &["10.0.0.0/8"])),
        ("endpoints = []\nregistered = { prefixes = [\"10.0.0.0/8\"] }\n", bounds(100, &["10.0.0.0/8"])),
        (
            "registered = { max = 7, prefixes = [\"10.0.0.0/8\", \"::/0\"], keep_last = false, by = [\"fleet\"] }\n",
            whole,
        ),
    ] {
        let (pools, warnings) = pools_with(&format!("monitor = \"web\"\n{keys}")).unwrap();
        let [pool] = &pools[..] else { panic!("{pools:?}") };
        let registration = pool.registration.as_ref().expect("it takes registered endpoints");
        assert_eq!((&registration.bounds, pool.members.len()), (&expected, 0), "{keys}");
        let at = registration
            .template
            .as_ref()
            .expect("it has a monitor")
            .at(Some(&ProbeHost::Ip([10, 0, 0, 1].into())), None);
        let mut targets = Vec::new();
        at.unwrap().each_target(&mut |target| targets.push(target.to_string()));
        assert_eq!(targets, ["10.0.0.1:80"], "{keys}");
        // This pool is in no datacenter.
        assert!(warnings.iter().all(|warning| warning.contains("is never used")), "{keys} {warnings:?}");
    }
    let by_place = "monitor = \"web\"\nregistered = { prefixes = [\"10.0.0.0/8\"] }\n\
                    endpoints.fra = []\nendpoints.iad = [\"192.0.2.1\"]\n";
    let (pools, _) = pools_with(by_place).unwrap();
    let counts: Vec<_> = pools.iter().map(|pool| (&*pool.name, pool.members.len())).collect();
    assert_eq!(counts, [("web/fra", 0), ("web/iad", 1)]);
    assert!(pools.iter().all(|pool| pool.registration.is_some()));
}

#[test]
fn what_is_wrong_with_that_is_told() {
    let network = "takes prefixes such as 192.0.2.0/24 or 2001:db8::/32";
    for (keys, told) in [
        ("registered = {}\n", "error: `registered` needs `prefixes`".to_owned()),
        ("registered = { prefixes = [] }\n", "error: the pool needs the networks".to_owned()),
        ("registered = { prefixes = [\"10\"] }\n", format!("error: `prefixes` {network}")),
        ("registered = { prefixes = [\"10.0.0.1/8\"] }\n", "error: `10.0.0.1/8` has host bits set".to_owned()),
        ("registered = { max = 0, prefixes = [\"::/0\"] }\n", "error: `max`".to_owned()),
        ("registered = { max = 1025, prefixes = [\"::/0\"] }\n", "error: `max`".to_owned()),
        ("registered = { prefixs = [\"::/0\"] }\n", "error: `registered` has no key `prefixs`".to_owned()),
        ("registered = { by = [], prefixes = [\"::/0\"] }\n", "error: `by` names the tokens".to_owned()),
        (
            "registered = { prefixes = [\"::/0\"] }\nendpoints = [{ cname = \"a.example.\", check_address = \"192.0.2.1\" }]\n",
            "error: endpoints register themselves by address, so the pool cannot hold a CNAME".to_owned(),
        ),
        ("endpoints = []\n", "error: a pool needs endpoints".to_owned()),
        ("", "error: a pool needs `endpoints`".to_owned()),
    ] {
        let faults = pools_with(&format!("monitor = \"web\"\n{keys}")).unwrap_err();
        let without_place = |fault: &String| fault.split_once(' ').map(|(_, fault)| fault.to_owned()).unwrap();
        assert!(faults.iter().map(without_place).any(|fault| fault.starts_with(&told)), "{keys} {faults:?}");
    }
    let (_, warnings) = pools_with("registered = { prefixes = [\"10.0.0.0/8\"] }\n").unwrap();
    let unprobed = "registered endpoints are handed out unprobed: the pool has no monitor";
    assert!(warnings.iter().any(|warning| warning.contains(unprobed)), "{warnings:?}");
}
