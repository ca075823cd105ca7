//! Two thousand endpoints, all of them probed.

use std::fmt::Write as _;

use crate::endpoint::{Endpoint, Script};
use crate::{SERVER, Scene, assert_sound};

/// 40 pools with 50 endpoints each, in four datacenters. One socket answers for all of 127.0.0.0/8.
const POOLS: usize = 40;
const ENDPOINTS: usize = 50;

/// Maximum number of elements of the document: the page does not grow with the node.
const MOST_ELEMENTS: u64 = 8000;

/// Longest time in milliseconds that the page may take to draw everything again, on a busy machine.
const LONGEST_DRAWING: f64 = 1500.0;

fn zone(port: u16) -> String {
    let mut zone = "[nameservers]\nns1 = [\"127.0.0.1\"]\n[datacenters]\n".to_owned();
    let datacenters = [("fra", 50.11, 8.68), ("iad", 38.95, -77.45), ("sin", 1.35, 103.99), ("gru", -23.43, -46.47)];
    for (name, latitude, longitude) in datacenters {
        writeln!(zone, "{name} = {{ latitude = {latitude}, longitude = {longitude} }}").unwrap();
    }
    zone.push_str("[regions.default]\nprefer = [\"fra\", \"iad\", \"sin\", \"gru\"]\n[monitors.web]\ntype = \"tcp\"\n");
    writeln!(zone, "port = {port}\ninterval = \"30s\"\ntimeout = \"5s\"").unwrap();
    for pool in 0..POOLS {
        let addresses: Vec<String> = (1..=ENDPOINTS).map(|endpoint| format!("\"127.1.{pool}.{endpoint}\"")).collect();
        let datacenter = datacenters[pool % datacenters.len()].0;
        writeln!(zone, "[pools.p{pool}]\nmonitor = \"web\"\ndatacenter = \"{datacenter}\"").unwrap();
        writeln!(zone, "endpoints = [{}]\n[names.n{pool}]\npools = [\"p{pool}\"]", addresses.join(", ")).unwrap();
    }
    zone
}

#[test]
fn two_thousand_endpoints_are_shown_within_bounds() {
    let all = Endpoint::start("0.0.0.0:0".parse().unwrap(), Script::hang());
    let scene = Scene::new(SERVER, &[("example.com.toml", &zone(all.address().port()))]);
    let browser = &scene.browser;
    browser.wait_for_words("#tiles", "2000/2000");
    browser.wait_for_words("#pools-note", "40 pools with 2000 endpoints");
    browser.wait_for("document.querySelectorAll('#decisions-table tbody tr').length >= 40");
    let elements = browser.run("return document.getElementsByTagName('*').length").as_u64().unwrap();
    assert!(elements < MOST_ELEMENTS, "the document has {elements} elements");
    // One pool is found, and opened.
    browser.write("#pools-filter", "p17");
    browser.wait_for_words("#pools-note", "1 pool with 50 endpoints");
    browser.click("#pools-table [data-action=open-pool]");
    browser.wait_for("document.querySelectorAll('#pools-table .endpoint').length === 50");
    browser.wait_for_words("#pools-table .endpoint", "127.1.17.");
    browser.wait_for("document.querySelectorAll('#pools-table .strip .good').length >= 50");
    browser.write("#pools-filter", "nothing");
    browser.wait_for_words("#pools-note", "0 pools");
    // A filter draws the whole table within one task.
    let script = "const field = document.getElementById('pools-filter'); const before = performance.now();
                  field.value = ''; field.dispatchEvent(new Event('input')); return performance.now() - before";
    let took = browser.run(script).as_f64().unwrap();
    assert!(took < LONGEST_DRAWING, "drawing takes {took} ms");
    browser.wait_for_words("#pools-note", "40 pools");
    assert_sound(browser);
}
