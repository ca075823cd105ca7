//! Broken configurations: what is told of each, and where.

use super::*;

/// A zone without fault, to which the cases add one.
const ZONE: &str = r#"
[nameservers]
ns1 = ["192.0.2.53"]

[datacenters]
fra = { latitude = 50.11, longitude = 8.68 }
iad = { latitude = 38.95, longitude = -77.45 }

[regions.europe]
clients = ["continent:EU"]
prefer = ["fra"]

[regions.default]
prefer = ["iad"]

[monitors.web]
type = "http"
host = "example.com"

[pools.web]
monitor = "web"
endpoints.fra = ["198.51.100.10"]
endpoints.iad = ["192.0.2.10"]

[pools.sorry]
endpoints = ["192.0.2.99"]

[pools.elsewhere]
endpoints = [{ cname = "example.net." }]

[names.www]
pools = ["web"]
fallback = "sorry"

[names.alias]
pools = ["elsewhere"]
"#;

/// Replaces what stands in [`ZONE`] and tells what is told; lines are those of the changed zone.
fn changed(from: &str, to: &str) -> Vec<String> {
    assert_eq!(ZONE.matches(from).count(), 1, "{from}");
    lines(&told(load_zone(&ZONE.replace(from, to))))
}

/// Adds to the end of [`ZONE`]; lines count from the first one added.
fn added(text: &str) -> Vec<String> {
    let mut faults = told(load_zone(&format!("{ZONE}{text}")));
    let head = ZONE.len();
    for fault in &mut faults.0 {
        let related = fault.related.as_mut().map(|(place, _)| place);
        for place in fault.place.as_mut().into_iter().chain(related).filter(|place| place.span.start >= head) {
            let source = Source { path: place.source.path.clone(), text: place.source.text[head..].to_owned() };
            place.span = place.span.start - head..place.span.end - head;
            place.source = Arc::new(source);
        }
    }
    lines(&faults)
}

#[track_caller]
fn assert_told(found: &[String], expected: &[&str]) {
    assert_eq!(found, expected, "\n{}", found.join("\n"));
}

#[test]
fn the_zone_of_the_cases_is_without_fault() {
    assert_told(&added(""), &[]);
}

#[test]
fn syntax_errors_of_all_files_are_told() {
    let faults = told(load_files(&[
        ("truenorth.toml", b"zones = \"zones\"\nsite = \n"),
        ("zones/a.example.toml", b"ttl = 30\n[names.www\npools = [\"web\"]\n"),
        ("zones/b.example.toml", b"x = 'ok'\nx = 'ok'\n"),
    ]));
    assert_told(&lines(&faults), &["?"]);
}

#[test]
fn print_everything() {
    for (from, to) in [
        ("[names.www]", "[names.www.eu]"),
        ("pools = [\"web\"]", "pools = [\"wbe\"]"),
        ("pools = [\"web\"]", "pools = [\"web/sin\"]"),
        ("pools = [\"web\"]", "pool = [\"web\"]"),
        ("monitor = \"web\"", "monitor = \"wbe\"\nslow_start = \"1m\""),
        (
            "clients = [\"continent:EU\"]",
            "clients = [\"continent:EU\", \"192.0.2.1/24\", \"country:UK\", \"contry:DE\", \"192.0.2.1\", \"continent:EU\"]",
        ),
        ("prefer = [\"fra\"]", "prefer = [\"fra\", \"fra\", \"farr\"]"),
        ("host = \"example.com\"", "intervall = \"5s\"\ntimeout = \"5s\"\npath = \"x y\""),
        ("fallback = \"sorry\"", "fallback = \"web\""),
        ("fallback = \"sorry\"", "fallback = \"elsewhere\"\nsteer = [\"latency\", \"weight\", \"region\", \"regoin\"]"),
        ("pools = [\"elsewhere\"]", "pools = [\"elsewhere\", \"sorry\"]"),
        ("latitude = 50.11", "latitude = 95"),
        (
            "endpoints = [\"192.0.2.99\"]",
            "endpoints = [\"www.example.com\", { address = \"192.0.2.1\", weight = 70000 }]",
        ),
        ("ns1 = [\"192.0.2.53\"]", "ns1 = []\nns2.x = []"),
    ] {
        println!("---- {to}\n{}", changed(from, to).join("\n"));
    }
    for text in [
        "[records.www]\nA = \"192.0.2.1\"\n",
        "[records.alias]\nTXT = \"x\"\n",
        "[records.a.b]\nTXT = \"x\"\n",
        "[records.x]\nMX = [\"10 alias\", \"foo\"]\nCNAME = \"y\"\n",
        "[records.sub]\nNS = [\"ns.sub\"]\n[records.\"a.sub\"]\nTXT = \"x\"\n",
        "[names.\"@\"]\npools = [\"elsewhere\"]\n",
        "[names.\"www.example.com.\"]\npools = [\"web\"]\n",
        "[names.\"www.example.org.\"]\npools = [\"web\"]\n",
        "[names.x]\npools = [\"web\"]\nsteer = [\"failover\"]\nsticky_v4 = 24\n",
        "[soa]\nrname = \"host.master@example.com\"\nserial = -1\n",
        "[pools.unused]\nendpoints = [\"192.0.2.1\"]\n[monitors.unused]\ntype = \"dns\"\n[datacenters.unused]\nlatitude = 1\nlongitude = 1\n",
    ] {
        println!("---- {text}\n{}", added(text).join("\n"));
    }
    let faults = told(load_zone(&ZONE.replace("pools = [\"web\"]", "pools = [\"web\", \"web/fra\", \"wbe\"]")));
    println!("{}", faults.render(false));
}
