//! Faults of regions, steps, weights and roll-outs.

use super::*;

#[test]
fn clients_are_told_apart() {
    assert_told(
        &changed(r#"["continent:EU"]"#, r#"["192.0.2.1/24"]"#),
        &["10:12 error: `192.0.2.1/24` has host bits set | bits after the prefix | help: the network is 192.0.2.0/24"],
    );
    assert_told(
        &changed(r#"["continent:EU"]"#, r#"["192.0.2.1"]"#),
        &[
            "10:12 error: `192.0.2.1` does not name clients | not a prefix | help: one address is the prefix 192.0.2.1/32",
        ],
    );
    assert_told(
        &changed(r#"["continent:EU"]"#, r#"["2001:db8::1/32"]"#),
        &[
            "10:12 error: `2001:db8::1/32` has host bits set | bits after the prefix | help: the network is 2001:db8::/32",
        ],
    );
    assert_told(
        &changed(r#"["continent:EU"]"#, r#"["country:XX", "subdivision:EL-I", "country:DEU"]"#),
        &[
            "10:12 error: `XX` is not the code of a country | not in ISO 3166-1",
            "10:26 error: `EL` is not the code of a country | not in ISO 3166-1 | help: Greece is `GR`",
            "10:46 error: `country:` takes two letters of ISO 3166-1, such as DE | did you mean `country:DE`?",
        ],
    );
    assert_told(
        &changed(r#"["continent:EU"]"#, r#"["continet:EU"]"#),
        &["10:12 error: `continet:EU` does not name clients | did you mean `continent:EU`?"],
    );
    assert_told(
        &changed(r#"["continent:EU"]"#, r#"["asn:AS4713"]"#),
        &["10:12 error: `asn:` takes the number of an autonomous system, such as 4713 | did you mean `asn:4713`?"],
    );
    assert_told(
        &changed(r#"["continent:EU"]"#, r#"["Europe"]"#),
        &["10:12 error: `Europe` does not name clients | did you mean `continent:EU`?"],
    );
    assert_told(&changed(r#"["continent:EU"]"#, "[]"), &["10:11 error: a region needs clients | none"]);
    assert_told(
        &changed(r#"["continent:EU"]"#, r#"["continent:EU", "continent:EU"]"#),
        &["10:28 error: the clients continent:EU are named twice | again | 10:12 first named here"],
    );
    assert_told(
        &changed(
            "[regions.default]",
            "[regions.other]\nclients = [\"continent:EU\"]\nprefer = [\"fra\"]\n[regions.default]",
        ),
        &["14:12 error: the clients continent:EU are named twice | again | 10:12 first named here"],
    );
    assert_told(
        &changed(r#"prefer = ["fra"]"#, r#"prefer = ["fra", ["iad", "fra"]]"#),
        &["11:26 error: `prefer` names `fra` twice | again | 11:11 first named here"],
    );
    assert_told(
        &changed("[regions.default]", "[regions.other]\nclients = [\"continent:AS\"]"),
        &[
            "32:8 warning: there is no `[regions.default]` | steers by region | help: clients that are in no region are sent to any datacenter",
        ],
    );
}

#[test]
fn steps_that_decide_nothing_are_told() {
    assert_told(
        &changed(r#"fallback = "sorry""#, "fallback = \"sorry\"\nsteer = [\"weight\", \"region\"]"),
        &["34:20 warning: step `region` has no effect | never decides anything | 34:10 leaves no ties"],
    );
    assert_told(
        &changed(r#"fallback = "sorry""#, "fallback = \"sorry\"\nsteer = [\"region\", \"region\"]"),
        &["34:20 warning: step `region` is given twice | changes nothing | 34:10 first here"],
    );
    assert_told(
        &changed(r#"fallback = "sorry""#, "fallback = \"sorry\"\nsteer = [\"region\", \"failover\"]"),
        &["34:9 warning: step `failover` has no effect: `pools` has a single entry | nothing to order"],
    );
    assert_told(
        &changed(
            r#"fallback = "sorry""#,
            "fallback = \"sorry\"\nsteer = [\"distance\"]\nprefer = { europe = [\"fra\"] }",
        ),
        &["35:1 warning: `prefer` has no effect: `steer` has no step `region`"],
    );
    assert_told(
        &changed(r#"fallback = "sorry""#, "fallback = \"sorry\"\nlatency_tolerance = \"10ms\""),
        &["34:1 warning: `latency_tolerance` has no effect: `steer` has no step `latency`"],
    );
    assert_told(
        &changed("[regions.default]\nprefer = [\"iad\"]\n", ""),
        &[
            "29:8 warning: there is no `[regions.default]` | steers by region | help: clients that are in no region are sent to any datacenter",
        ],
    );
}

#[test]
fn a_tolerance_is_a_share_or_a_time() {
    let told = |tolerance: &str, told: &[&str]| {
        let name = format!("fallback = \"sorry\"\nsteer = [\"region\", \"latency\"]\nlatency_tolerance = {tolerance}");
        let zone = ZONE.replace("longitude = 8.68 }", "longitude = 8.68, country = \"DE\" }");
        assert_told(&lines(&super::told(load_zone(&zone.replace(r#"fallback = "sorry""#, &name)))), told);
    };
    for good in [r#""20%""#, r#""7.5%""#, r#""0ms""#, r#""1000ms""#, r#"["100%", "2.5ms"]"#] {
        told(good, &[]);
    }
    let expected = "error: `latency_tolerance` takes a share such as \"20%\" or a time such as \"10ms\"";
    for bad in [r#""101%""#, r#""1001ms""#, r#""-1ms""#, r#""1.25ms""#, r#"".5ms""#, r#""5s""#] {
        told(bad, &[&format!("35:21 {expected}")]);
    }
    for (bad, meant) in
        [(r#""20""#, "20%"), (r#""20 %""#, "20%"), ("15", "15%"), ("0.075", "7.5%"), (r#""5 ms""#, "5ms")]
    {
        told(bad, &[&format!("35:21 {expected} | did you mean \"{meant}\"?")]);
    }
    told("1500", &[&format!("35:21 {expected} | 1500")]);
    told("[]", &["35:21 error: a tolerance needs a share or a time | none"]);
    told(r#"["20%", "10%"]"#, &["35:29 error: `latency_tolerance` takes at most one share and one time | again"]);
}

#[test]
fn matches_that_never_decide_are_told() {
    let europe = |clients: &str| changed(r#"clients = ["continent:EU"]"#, &format!("clients = [{clients}]"));
    assert_eq!(
        europe(r#""192.0.2.0/24", "192.0.2.0/25", "192.0.2.128/25""#),
        [
            "10:12 warning: 192.0.2.0/24 has no effect: longer prefixes cover all of it | shadowed",
            "10:28 warning: 192.0.2.0/25 is longer than `max_source_v4` (24) | longer than the prefixes of Client Subnet that are used | help: the lowest address of a client's network decides for all of it: lengthen the maximum or shorten this",
            "10:44 warning: 192.0.2.128/25 is longer than `max_source_v4` (24) | longer than the prefixes of Client Subnet that are used | help: the lowest address of a client's network decides for all of it: lengthen the maximum or shorten this",
        ]
    );
    assert_eq!(
        europe(r#""continent:AN", "country:AQ", "country:BV", "country:GS", "country:HM", "country:TF""#),
        ["10:12 warning: `continent:AN` has no effect: all its countries are named | shadowed"]
    );
    assert_eq!(europe(r#""continent:AN", "country:AQ""#), [""; 0]);
}

#[test]
fn weights_without_effect_are_told() {
    let pools = r#"pools = [{ pool = "web/fra", weight = 3 }, "web/iad"]"#;
    assert_eq!(
        changed(r#"pools = ["web"]"#, &format!("{pools}\nsteer = [\"region\"]")),
        ["31:8 warning: the weights of www.example.com.'s pools have no effect | no step of `steer` uses weights"]
    );
    assert_eq!(
        changed(r#"pools = ["web"]"#, pools),
        [
            "31:8 warning: the weights of www.example.com.'s pools have no effect | no region leaves a tie between them | help: an inner list in a region's `prefer` is a tie, which weights break"
        ]
    );
    assert_eq!(changed(r#"pools = ["web"]"#, &format!("{pools}\nsteer = [\"weight\"]")), [""; 0]);
    let weighted = r#"endpoints.fra = ["198.51.100.10", { address = "198.51.100.11", weight = 3 }]"#;
    assert_eq!(changed(r#"endpoints.fra = ["198.51.100.10"]"#, weighted), [""; 0]);
    let zone = ZONE.replace(r#"endpoints.fra = ["198.51.100.10"]"#, weighted);
    assert_eq!(
        lines(&told(load_zone(&zone.replace("fallback = \"sorry\"", "fallback = \"sorry\"\npick = \"rotate\"")))),
        [
            "20:8 warning: the weights of the endpoints of pool `web/fra` have no effect | no name's `pick` uses weights | help: set `pick = \"weighted\"` in a name that uses it"
        ]
    );
}

#[test]
fn sticky_is_no_finer_than_clients_are_looked_at() {
    let with = |keys: &str| changed(r#"fallback = "sorry""#, &format!("fallback = \"sorry\"\n{keys}"));
    assert_told(&with("steer = [\"sticky\"]\nsticky_v4 = 24\nsticky_v6 = 56"), &[]);
    assert_told(&with("pick = \"sticky\"\nsticky_v4 = 0\nsticky_v6 = 0"), &[]);
    assert_told(
        &with("steer = [\"sticky\"]\nsticky_v4 = 25\nsticky_v6 = 57"),
        &[
            "35:13 error: `sticky_v4` (25) is longer than `max_source_v4` (24) | longer than any client's prefix | help: `max_source_v4` is set in the server file, in `[ecs]`",
            "36:13 error: `sticky_v6` (57) is longer than `max_source_v6` (56) | longer than any client's prefix | help: `max_source_v6` is set in the server file, in `[ecs]`",
        ],
    );
    assert_told(
        &with("steer = [\"sticky\"]\nsticky_v4 = 33"),
        &["35:13 error: `sticky_v4` takes a whole number from 0 to 32 | 33"],
    );
    assert_told(
        &with("sticky_v4 = 20"),
        &["34:1 warning: `sticky_v4` has no effect: neither `steer` nor `pick` uses a hash"],
    );
    assert_told(
        &with("steer = [\"sticky\", \"weight\", \"region\"]"),
        &[
            "34:20 warning: step `weight` has no effect | never decides anything | 34:10 leaves no ties",
            "34:30 warning: step `region` has no effect | never decides anything | 34:10 leaves no ties",
        ],
    );
    let shorter = format!("{SERVER}[ecs]\nmax_source_v4 = 20\nmax_source_v6 = 48\n");
    let zone = format!("{ZONE}[names.near]\npools = [\"web\"]\nsteer = [\"region\", \"sticky\"]\n");
    let files = [("truenorth.toml", shorter.as_bytes()), ("zones/example.com.toml", zone.as_bytes())];
    let world = load_files(&files).unwrap().world;
    assert_eq!(world.zones[0].names[2].steering.sticky, Some([20, 48]), "the default is no finer either");
    assert_eq!(world.zones[0].names[0].steering.sticky, None);
}

#[test]
fn a_spare_needs_a_place_to_spare() {
    let with = |keys: &str| changed(r#"fallback = "sorry""#, &format!("fallback = \"sorry\"\n{keys}"));
    assert_told(&with("take = 2\nspare = true"), &[]);
    assert_told(&with("spare = false"), &[]);
    let fault = "34:1 error: `spare` keeps the last of several datacenters, but `take` is 1 | has no effect | help: `take = 2` is the nearest datacenter and a spare one";
    assert_told(&with("spare = true"), &[fault]);
    assert_told(&with("spare = true\ntake = 1"), &[fault]);
}

#[test]
fn weights_have_an_effect_where_a_hash_or_a_spare_goes_by_them() {
    let pools = "pools = [{ pool = \"web/fra\", weight = 3 }, \"web/iad\"]";
    let with = |keys: &str| changed("pools = [\"web\"]\nfallback", &format!("{pools}\n{keys}\nfallback"));
    assert_told(&with("steer = [\"sticky\"]"), &[]);
    assert_told(&with("steer = [\"region\"]\ntake = 2\nspare = true"), &[]);
    assert_eq!(with("steer = [\"failover\"]").len(), 1);
    let endpoints = "endpoints.fra = [{ address = \"198.51.100.10\", weight = 2 }, { address = \"198.51.100.11\" }]";
    let with = |pick: &str| {
        let zone = ZONE.replace("endpoints.fra = [\"198.51.100.10\"]", endpoints);
        lines(&told(load_zone(&zone.replace("fallback =", &format!("pick = \"{pick}\"\nfallback =")))))
    };
    assert_told(&with("sticky"), &[]);
    assert_eq!(with("rotate").len(), 1);
}

#[test]
fn roll_outs_are_told_where_they_cannot_be() {
    const NEXT: &str = "[pools.next]\nendpoints = [\"192.0.2.77\"]\n[names.api]\npools = [\"web/fra\", \"next\"]\n";
    for (keys, expected) in [
        ("active = \"next\"", &[][..]),
        (
            "canary = { pool = \"next\", steps = [5, 100], hold = \"1s\", rollback = { healthy = 1, errors = 0, latency = \"150%\" } }",
            &[],
        ),
        (
            "active = \"nxt\"",
            &[
                "5:10 error: there is no pool `nxt` | did you mean `next`? | help: there is `web`, `sorry`, `elsewhere`, `next`",
            ],
        ),
        ("active = \"sorry\"", &["5:10 error: the name's `pools` do not hold `sorry` | add it there"]),
        (
            "active = \"next\"\ncanary = { pool = \"next\", steps = [5] }",
            &[
                "6:1 error: `canary` and `active` exclude each other | also moves clients | 5:1 sets the pool for all clients",
            ],
        ),
        ("canary = { pool = \"next\" }", &["5:1 error: a canary needs `steps` | `steps` is missing here"]),
        ("canary = { pool = \"next\", steps = [] }", &["5:35 error: a canary needs at least one step"]),
        (
            "canary = { pool = \"next\", steps = [\"5%\", \"x\"] }",
            &[
                "5:36 error: `steps` takes a whole number from 1 to 100 | did you mean `5`?",
                "5:42 error: `steps` takes a whole number from 1 to 100 | a string",
            ],
        ),
        (
            "canary = { pool = \"next\", steps = [5, 5] }",
            &["5:39 error: each step must be greater than the one before it"],
        ),
        (
            "canary = { pool = \"next\", steps = [5, 101] }",
            &["5:39 error: `steps` takes a whole number from 1 to 100 | 101"],
        ),
        (
            "canary = { pool = \"next\", steps = [5], hold = \"10ms\" }",
            &["5:47 error: `hold` takes a duration such as \"5s\", from 1s to 7d"],
        ),
        (
            "canary = { pool = \"next\", steps = [5], rollback = { latency = \"50%\" } }",
            &[
                "5:63 error: `latency` takes a duration such as \"250ms\", from 1ms to 1m, or a share such as \"150%\", from 100% to 1000%",
            ],
        ),
        (
            "canary = { pool = \"next\", steps = [5], rollback = { helthy = 0.9 } }",
            &["5:53 error: a canary's rollback has no key `helthy` | did you mean `healthy`?"],
        ),
    ] {
        assert_told(&added(&format!("{NEXT}{keys}\n")), expected);
    }
    let alone = "[names.api]\npools = [\"web\"]\n";
    assert_told(
        &added(&format!("{alone}canary = {{ pool = \"web\", steps = [5] }}\n")),
        &["3:19 error: `pools` holds only the canary's pool | no pool is left for the other clients"],
    );
    assert_told(
        &added(&format!("{alone}active = \"web\"\n")),
        &["3:10 warning: `active` has no effect: it names all of `pools` | no pool is left to switch to"],
    );
}

#[test]
fn maps_of_names_are_checked_each_for_itself() {
    let with = |name: &str| {
        let maps = "[maps.wide.all]\nclients = [\"continent:EU\"]\nprefer = [\"iad\"]\n[maps.wide.default]\nprefer = [\"fra\"]";
        added(&format!("{maps}\n[names.other]\npools = [\"web\"]\n{name}\n"))
    };
    // The same match in another map is no fault.
    assert_told(&with("map = \"wide\"\nonly = false\nttl = 60\nttl_min = 60"), &[]);
    assert_told(
        &with("map = \"wid\"")[..1],
        &["8:7 error: there is no map `wid` | did you mean `wide`? | help: there is `wide`"],
    );
    assert_told(
        &with("map = \"wide\"\nprefer = { al = [\"fra\"] }"),
        &[
            "9:12 error: there is no region `wide/al` | did you mean `wide/all`? | help: there is `europe`, `default`, `wide/all`, `wide/default`",
        ],
    );
    assert_told(
        &with("map = \"wide\"\nsteer = [\"distance\"]"),
        &[
            "1:12 warning: region `wide/all` is never used | nothing refers to it",
            "4:12 warning: region `wide/default` is never used | nothing refers to it",
            "8:1 warning: `map` has no effect: `steer` has no step `region`",
        ],
    );
    assert_told(
        &with("map = \"wide\"\nttl = 10\nttl_min = 20"),
        &["10:11 error: `ttl_min` (20) is above `ttl` (10) | never above `ttl`"],
    );
    assert_told(
        &added("[maps.wide.all]\nclients = [\"continent:EU\", \"continent:EU\"]\nprefer = [\"iad\"]\n")[..1],
        &["2:28 error: the clients continent:EU are named twice | again | 2:12 first named here"],
    );
}
