//! Faults of pools, their endpoints and their probes.

use super::*;

#[test]
fn pools_are_of_one_kind() {
    assert_told(
        &changed(r#"{ cname = "example.net." }"#, r#"{ cname = "example.net." }, "192.0.2.1""#),
        &["29:14 error: a pool holds addresses or exactly one CNAME | a CNAME | 29:42 an address"],
    );
    assert_told(
        &changed(r#"{ cname = "example.net." }"#, r#"{ cname = "example.net." }, { cname = "example.org." }"#),
        &["29:42 error: a pool holds exactly one CNAME | another one | 29:14 the first one"],
    );
    assert_told(
        &changed(r#"{ cname = "example.net." }"#, r#"{ cname = "example..net." }"#),
        &["29:24 error: this is not a domain name: a label may not be empty"],
    );
    assert_told(
        &changed(r#"{ cname = "example.net." }"#, r#"{ cname = "example.net.", address = "192.0.2.1" }"#),
        &["29:14 error: an endpoint has either `address` or `cname`"],
    );
    assert_told(
        &changed(
            r#"endpoints = [{ cname = "example.net." }]"#,
            "monitor = \"web\"\nendpoints = [{ cname = \"example.net.\" }]",
        ),
        &[
            "30:14 error: a CNAME in a pool with a monitor needs `check_address` or `check_name` | where should it be probed?",
        ],
    );
    assert_told(
        &changed(r#"["192.0.2.99"]"#, r#"["192.0.2.99", "192.0.2.99"]"#),
        &[
            "26:28 error: the pool holds 192.0.2.99 twice | again | 26:14 first named here | help: give it once, with a higher `weight` if it is to answer more often",
        ],
    );
    assert_told(
        &changed(r#"["192.0.2.99"]"#, r#"[{ address = "192.0.2.99", check_port = 80 }]"#),
        &[
            "26:14 warning: the endpoint is not probed: the pool has no monitor that probes its endpoints | says where to probe",
        ],
    );
    assert_told(
        &changed(r#"pools = ["elsewhere"]"#, r#"pools = ["elsewhere", "sorry"]"#),
        &[
            "36:23 error: a name's pools must be all of one kind | addresses | 36:10 a CNAME | help: only `fallback` may be of another kind",
        ],
    );
    assert_told(
        &changed(r#"pools = ["web"]"#, r#"pools = ["web", "web/fra"]"#),
        &["32:17 error: pool `web/fra` is used twice | again | 32:10 first used here"],
    );
    assert_told(
        &changed(r#"fallback = "sorry""#, r#"fallback = "web""#),
        &["33:12 error: `fallback` is one pool, `web` is 2 | which one? | help: choose one of `web/fra`, `web/iad`"],
    );
}

#[test]
fn probes_of_a_site_without_a_country_measure_for_nobody() {
    assert_told(
        &changed(r#"fallback = "sorry""#, "fallback = \"sorry\"\nsteer = [\"latency\"]"),
        &[
            "2:8 warning: datacenter `fra` has no `country` | the round trips that its probes measure are not used | help: set `country`: round trips of this node's own probes count for the clients of that country",
        ],
    );
}

#[test]
fn probes_ask_for_a_host() {
    assert_told(&changed(r#"host = "example.com""#, ""), &[]);
    assert_told(
        &changed(r#"host = "example.com""#, "[names.eu]\npools = [\"web/fra\"]"),
        &[
            "21:8 error: probes of pool `web/fra` need a host name, but several names use the pool | used by eu.example.com., www.example.com. | help: give its monitor a host, such as host = \"eu.example.com\"",
        ],
    );
    assert_told(
        &changed("type = \"http\"\nhost = \"example.com\"", "type = \"https\"\n[names.eu]\npools = [\"web/fra\"]"),
        &[
            "21:8 error: probes of pool `web/fra` need a host name, but several names use the pool | used by eu.example.com., www.example.com. | help: give its monitor a host, such as host = \"eu.example.com\"",
        ],
    );
    assert_told(
        &changed(
            "type = \"http\"\nhost = \"example.com\"",
            "type = \"https\"\nsni = \"example.com\"\n[names.eu]\npools = [\"web/fra\"]",
        ),
        &[
            "22:8 error: probes of pool `web/fra` need a host name, but several names use the pool | used by eu.example.com., www.example.com. | help: give its monitor a host, such as host = \"eu.example.com\"",
        ],
    );
    assert_told(
        &changed(
            "type = \"http\"\nhost = \"example.com\"",
            "type = \"tcp\"\nport = 22\n[names.eu]\npools = [\"web/fra\"]",
        ),
        &[],
    );
    assert_told(
        &changed("type = \"http\"\nhost = \"example.com\"", "type = \"tcp\"\npath = \"/\""),
        &[
            "16:11 error: a monitor needs `port` | `port` is missing here",
            "18:1 error: `path` is for monitors of type http and https",
        ],
    );
}

#[test]
fn pools_that_nobody_is_sent_to_are_told() {
    let zone = ZONE
        .replace("prefer = [\"fra\"]", "prefer = [\"fra\"]\nonly = true")
        .replace("prefer = [\"iad\"]", "prefer = [\"fra\"]\nonly = true");
    assert_eq!(
        lines(&told(load_zone(&zone))),
        [
            "33:8 warning: no client of www.example.com. is ever sent to pool `web/iad` | every region has `only`, and none lists them",
            // No region lists a pool without a datacenter.
            "37:8 warning: no client of alias.example.com. is ever sent to pool `elsewhere` | every region has `only`, and none lists them"
        ]
    );
}

#[test]
fn families_that_differ_are_told() {
    assert_eq!(
        changed(r#"endpoints.fra = ["198.51.100.10"]"#, r#"endpoints.fra = ["198.51.100.10", "2001:db8::10"]"#),
        [
            "31:8 warning: pool `web/iad` of www.example.com. has no IPv6 addresses | its other pools have some | help: clients that are sent there get no IPv6 address at all"
        ]
    );
}

#[test]
fn capacities_are_numbers_above_nothing_that_somebody_looks_at() {
    assert_told(
        &changed("monitor = \"web\"\n", "monitor = \"web\"\ncapacity = 0\n"),
        &["22:12 error: `capacity` takes a number from 0.001 to 1000000000000 | 0"],
    );
    assert_told(
        &changed("[\"198.51.100.10\"]", "[{ address = \"198.51.100.10\", capacity = \"many\" }]"),
        &["22:58 error: `capacity` takes a number from 0.001 to 1000000000000 | a string"],
    );
    let ineffective = "the capacity of pool `web/fra` has no effect | no name that uses it steers or picks by load | help: use \
                       the step `load`, or `pick = \"least-load\"`, in a name";
    for written in ["monitor = \"web\"\ncapacity = 100\n", "monitor = \"web\"\ncapacity = 0.5\n"] {
        let told = changed("monitor = \"web\"\n", written);
        assert_eq!(told, [format!("20:8 warning: {ineffective}")]);
    }
    for key in ["steer = [\"region\", \"load\"]", "pick = \"least-load\""] {
        let zone = ZONE.replace("monitor = \"web\"\n", "monitor = \"web\"\ncapacity = 100\n");
        let zone = zone.replace("fallback = \"sorry\"", &format!("fallback = \"sorry\"\n{key}"));
        assert!(load_zone(&zone).unwrap().warnings.0.is_empty(), "{key}");
    }
    let dead = changed("fallback = \"sorry\"", "fallback = \"sorry\"\nsteer = [\"weight\", \"load\"]");
    assert_eq!(dead, ["34:20 warning: step `load` has no effect | never decides anything | 34:10 leaves no ties"]);
}
