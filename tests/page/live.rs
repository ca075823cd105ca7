//! The contents of the page, and that it follows changes without being loaded again.

use crate::endpoint::Script;
use crate::{SERVER, Scene, assert_sound, well};

#[test]
fn three_endpoints_and_what_clients_get() {
    let (fra, iad) = (well(), well());
    let scene = Scene::small(SERVER, &fra, &iad);
    let browser = &scene.browser;
    browser.wait_for_words("#verdict-head", "All 3 endpoints up, and every client gets its usual datacenter");
    browser.wait_for_words("#live", "live");
    browser.wait_for_words("#decisions-table", "www.example.com");
    browser.wait_for_words("#datacenters-table", "fra");
    browser.wait_for_words("#latency-table", "ms");
    browser.wait_for_words("#events-list", "began to answer");
    // The map has the countries and the two datacenters.
    browser.wait_for("document.querySelectorAll('#map .land').length > 150");
    browser.wait_for("document.querySelectorAll('#map .mark').length === 2");
    browser.wait_for("document.querySelectorAll('#map .land.place-0').length > 150");
    // So few endpoints are all listed, with their history.
    browser.wait_for("document.querySelectorAll('#pools-table .endpoint').length === 3");
    browser.wait_for("document.querySelectorAll('#pools-table .strip .good').length >= 2");
    assert_eq!(
        browser.text("return document.title"),
        format!("{} · truenorth", browser.text("return document.getElementById('node').textContent"))
    );
    assert_sound(browser);
}

#[test]
fn a_failover_is_shown_as_it_happens() {
    let (fra, iad) = (well(), well());
    let scene = Scene::small(SERVER, &fra, &iad);
    let browser = &scene.browser;
    browser.run("window.isSame = true");
    fra.play(Script::status(503));
    browser.wait_for_words("#verdict-head", "1 endpoint of 3 down");
    browser.wait_for_words("#verdict-list", "fra is down: all 1 endpoint.");
    browser.wait_for_words("#verdict-list", "status 503");
    browser.wait_for_words("#verdict-list", "Clients of fra go to iad instead. For everybody, at www.example.com.");
    browser.wait_for("document.querySelector('#verdict').dataset.rank === 'bad'");
    browser.wait_for_words("#decisions-table", "iad usually fra");
    browser.wait_for("document.querySelectorAll('#map .land.place-1').length > 150");
    browser.wait_for("document.querySelector('#map .mark.bad title').textContent === 'fra: 0 of 1 endpoints answer'");
    browser.wait_for_words("#events-list", "of web/fra is down (monitor web): status 503");
    browser.wait_for_words("#events-list", "everybody: fra → iad");
    browser.wait_for("document.querySelector('#announcement').textContent.includes('is down')");
    browser.wait_for("document.title.startsWith('▼')");
    browser.wait_for_words("#pools-table .endpoint .state-down", "down");
    fra.play(Script::status(200));
    browser.wait_for_words("#verdict-head", "every client gets its usual datacenter");
    browser.wait_for("document.querySelectorAll('#map .land.place-0').length > 150");
    assert_eq!(browser.run("return window.isSame"), true, "the page was not loaded again");
    assert_sound(browser);
}

#[test]
fn a_client_and_a_name_are_explained() {
    let (fra, iad) = (well(), well());
    let scene = Scene::small(SERVER, &fra, &iad);
    let browser = &scene.browser;
    browser.write("#ask-form [name=name]", "www.example.com");
    browser.write("#ask-form [name=client]", "192.0.2.0/24\u{e007}");
    browser.wait_for_words("#ask-result .answer", "127.0.0.1");
    for told in ["default", "Step region", "web/fra then web/iad", "1 of 1 A open", "no change is expected"] {
        browser.wait_for_words("#ask-result", told);
    }
    // The answer if fra were down.
    browser.write("#ask-form [name=down]", "dc:fra\u{e007}");
    browser.wait_for_words("#ask-result", "as if dc:fra were down");
    browser.wait_for_words("#ask-result", "0 of 1 A open");
    browser.wait_for("JSON.parse(document.querySelector('#ask-result pre').textContent).hops.length === 1");
    // The page itself shows an error in the question, not only the console.
    browser.write("#ask-form [name=client]", "nobody\u{e007}");
    browser.wait_for_words("#ask-result .problem", "`client`");
    let complaints = browser.complaints();
    assert!(complaints.iter().all(|complaint| complaint.contains("/v1/explain")), "{complaints:?}");
}

#[test]
fn a_node_that_is_gone_is_told_and_found_again() {
    let (fra, iad) = (well(), well());
    let scene = Scene::small(SERVER, &fra, &iad);
    let Scene { browser, node, .. } = scene;
    assert!(node.terminate().success());
    browser.wait_for_words("#live", "no connection to the node");
    browser.wait_for("document.body.dataset.state === 'lost'");
}
