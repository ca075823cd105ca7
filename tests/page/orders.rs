//! Orders from the page, with a token.

use crate::{SERVER, Scene, TOKEN, well};

/// The orders, as the page's own scripts get them.
fn get_orders(scene: &Scene) -> String {
    let script = "const answer = await fetch('v1/overrides', { headers: { Authorization: `Bearer ${sessionStorage.getItem('truenorth-token')}` } });
                  return JSON.stringify((await answer.json()).overrides)";
    scene.browser.text(script)
}

#[test]
fn a_datacenter_is_drained_with_the_token_and_opened_again() {
    let (fra, iad) = (well(), well());
    let scene = Scene::small(&format!("{SERVER}token = \"{TOKEN}\"\n"), &fra, &iad);
    let browser = &scene.browser;
    // The page itself needs no token, and shows nothing without one.
    browser.wait_for("document.getElementById('token-dialog').open");
    assert_eq!(browser.text("return document.getElementById('pools-table').textContent"), "");
    browser.write("#token-form [name=token]", "not-the-right-token\u{e007}");
    browser.wait_for_words("#token-why", "the token is unknown");
    browser.wait_for("document.getElementById('token-dialog').open");
    browser.write("#token-form [name=token]", &format!("{TOKEN}\u{e007}"));
    browser.wait_for_words("#verdict", "3 endpoints up");
    browser.wait_for_words("#live", "live");
    browser.complaints();

    assert_eq!(scene.node.dig("www.example.com").data(), ["127.0.0.1"]);
    browser.click("[data-target='dc:fra']");
    browser.wait_for("document.getElementById('order-dialog').open");
    assert_eq!(browser.text("return document.querySelector('#order-form [name=target]').value"), "dc:fra");
    browser.write("#order-form [name=for]", "2h");
    browser.write("#order-form [name=reason]", "new kernel <b>tonight</b>");
    browser.write("#order-form [name=who]", "ada");
    // The order can be given only after its effect was shown.
    browser.wait_for("document.getElementById('order-give').disabled");
    browser.click("#order-preview");
    browser.wait_for("!document.getElementById('order-give').disabled");
    browser.wait_for_words("#order-effect", "everybody: fra → iad for www.example.com");
    assert_eq!(get_orders(&scene), "[]", "a preview changes nothing");
    // Another order has another effect.
    browser.click("#order-form [value=force-down]");
    browser.wait_for("document.getElementById('order-give').disabled");
    browser.click("#order-form [value=drain]");
    browser.click("#order-preview");
    browser.wait_for_words("#order-effect", "everybody: fra → iad for www.example.com");
    browser.click("#order-give");
    browser.wait_for("!document.getElementById('order-dialog').open");
    browser.wait_for_words("#orders-table", "drain dc:fra");
    browser.wait_for_words("#orders-table", "new kernel <b>tonight</b>");
    browser.wait_for("document.querySelector('#orders-table b') === null");
    browser.wait_for_words("#verdict-list", "drain dc:fra is in force, 1 h 59 m left.");
    browser.wait_for_words("#verdict-list", "Clients of fra go to iad instead.");
    browser.wait_for_words("#events-list", "drain dc:fra placed, by ada: new kernel");
    browser.wait_for_words("#datacenters-table", "1 draining");
    assert!(get_orders(&scene).contains("new kernel"));
    assert_eq!(browser.run("return sessionStorage.length"), 1);
    // The page warns before an order leaves a name without a pool.
    browser.click("#order-new");
    browser.write("#order-form [name=target]", "pool:web/iad");
    browser.click("#order-preview");
    browser.wait_for_words("#order-effect .problem", "No usable pool is left for www.example.com.");
    browser.click("#order-cancel");

    browser.click("#orders-table [data-action=lift]");
    browser.wait_for("document.getElementById('change-dialog').open");
    browser.wait_for_words("#change-what", "drain dc:fra ends now");
    browser.wait_for_words("#change-effect", "everybody: iad → fra");
    browser.click("#change-give");
    browser.wait_for_words("#orders-table", "No order is in force");
    browser.wait_for_words("#verdict-head", "every client gets its usual datacenter");
    crate::assert_sound(browser);
}

#[test]
fn a_reader_may_look_and_not_order() {
    let (fra, iad) = (well(), well());
    let server =
        format!("{SERVER}token = \"{TOKEN}\"\n[admin.tokens.page]\ntoken = \"page-0123456789ab\"\nmay = [\"read\"]\n");
    let scene = Scene::small(&server, &fra, &iad);
    let browser = &scene.browser;
    browser.wait_for("document.getElementById('token-dialog').open");
    browser.write("#token-form [name=token]", "page-0123456789ab\u{e007}");
    browser.wait_for_words("#verdict", "3 endpoints up");
    browser.click("[data-target='dc:fra']");
    browser.click("#order-preview");
    browser.wait_for_words("#order-effect .problem", "this request needs a token that may order");
    browser.wait_for("document.getElementById('order-give').disabled");
}

#[test]
fn a_name_is_switched_and_a_canary_is_paused() {
    let zone = "[nameservers]\nns1 = [\"127.0.0.1\"]\n[pools.blue]\nendpoints = [\"127.0.0.1\"]\n[pools.green]\n\
                endpoints = [\"127.0.0.2\"]\n[names.shop]\npools = [\"blue\", \"green\"]\nactive = \"blue\"\n[names.api]\n\
                pools = [\"blue\", \"green\"]\ncanary = { pool = \"green\", steps = [5, 50, 100], hold = \"1h\" }\n";
    let scene = Scene::new(SERVER, &[("example.com.toml", zone)]);
    let browser = &scene.browser;
    browser.wait_for_words("#rollouts", "answers with blue");
    browser.wait_for_words("#rollouts", "5 % of the clients, running");
    assert_eq!(scene.node.dig("shop.example.com").data(), ["127.0.0.1"]);
    browser.run("document.querySelector('#rollouts select').value = 'green'");
    browser.click("#rollouts [data-action=switch]");
    browser.wait_for_words("#change-what", "Switch shop.example.com to green.");
    browser.wait_for_words("#change-effect", "everybody: pool:blue → pool:green for shop.example.com");
    browser.write("#change-form [name=reason]", "release 41");
    browser.click("#change-give");
    browser.wait_for_words("#rollouts", "answers with green");
    assert_eq!(scene.node.dig("shop.example.com").data(), ["127.0.0.2"]);
    browser.wait_for_words("#events-list", "release 41");
    browser.click("#rollouts [data-act=pause]");
    browser.wait_for_words("#change-what", "Pause the canary of api.example.com.");
    browser.click("#change-give");
    browser.wait_for_words("#rollouts", "5 % of the clients, paused");
}
