use super::*;
use crate::config::tests::fixture;
use crate::name::Name;

/// Compiles a node with these master files, following `previous`.
fn compiled(zones: &[(&str, &str)], previous: Option<&Snapshot>) -> Blueprint {
    let head = "$TTL 300\n@ SOA ns1 host 1 3600 600 604800 60\n@ NS ns1\nns1 A 192.0.2.1\n";
    let files = zones.iter().map(|(origin, records)| (format!("{origin}.zone"), format!("{head}{records}")));
    let files: Vec<(String, String)> = files.collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (&**name, &**text)).collect();
    let locations = previous.map_or_else(|| Arc::new(Locations::unknown()), |snapshot| snapshot.locations().clone());
    Blueprint::compile(fixture::world("", &files), locations, previous)
}

fn served(blueprint: &Blueprint, origin: &str) -> Arc<ServedZone> {
    let origin = Name::parse(origin, &Name::root()).unwrap();
    blueprint.zones().iter().find(|served| *served.zone.apex() == origin).unwrap().clone()
}

#[test]
fn a_reload_shares_the_zones_that_did_not_change() {
    let before = Arc::new(compiled(&[("a.test", "www A 192.0.2.2\n"), ("b.test", "www A 192.0.2.3\n")], None));
    let snapshot = Snapshot::new(before.clone(), |_, _| EndpointState::CALM, None);
    let after = compiled(&[("a.test", "www A 192.0.2.2\n"), ("b.test", "www A 192.0.2.4\n")], Some(&snapshot));
    let is_shared = |origin| Arc::ptr_eq(&served(&before, origin), &served(&after, origin));
    assert!(is_shared("a.test") && !is_shared("b.test"));
    assert!(Arc::ptr_eq(&before.world().zones[0].tree, &after.world().zones[0].tree));
}

#[test]
fn a_zone_with_records_of_the_run_is_made_anew() {
    let zones = [("a.test", "www A 192.0.2.2\n")];
    let before = compiled(&zones, None);
    let origin = Name::parse("a.test", &Name::root()).unwrap();
    let owner = Name::parse("_acme-challenge", &origin).unwrap();
    let extra = crate::zone::Record { owner: owner.clone(), rtype: Rtype::TXT, ttl: 5, rdata: (*b"\x01x").into() };
    let amended = Arc::new(before.amended(&origin, &[extra], None).unwrap());
    let snapshot = Snapshot::new(amended, |_, _| EndpointState::CALM, None);
    let after = compiled(&zones, Some(&snapshot));
    assert!(served(&after, "a.test").zone.node(&owner.to_key()).is_none(), "it is set again, by whoever knows it");
}
