//! The page without a mouse, without eyes, and in both colour schemes.

use std::collections::HashSet;

use serde_json::{Value, json};

use crate::{SERVER, Scene, assert_sound, well};

const TAB: char = '\u{e004}';
const ENTER: char = '\u{e007}';
const ESCAPE: char = '\u{e00c}';

/// Roles of controls (WAI-ARIA 1.2).
const CONTROLS: [&str; 9] =
    ["button", "link", "textbox", "searchbox", "combobox", "radio", "checkbox", "spinbutton", "DisclosureTriangle"];

/// Least contrast of text (WCAG 2.2, success criterion 1.4.3).
const CONTRAST: f64 = 4.5;

/// Returns the texts with too little contrast to their background, each with its contrast.
const FAINT: &str = r#"
const parts = (colour) => { const canvas = parts.canvas ??= Object.assign(document.createElement("canvas"), { width: 1, height: 1 }).getContext("2d", { willReadFrequently: true });
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); return [...canvas.getImageData(0, 0, 1, 1).data]; };
const light = (colour) => { const [r, g, b] = colour.map((part) => { const share = part / 255; return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4; });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
const ground = (element) => { for (let at = element; at; at = at.parentElement) { const colour = parts(getComputedStyle(at).backgroundColor); if (colour[3] === 255) return colour; } return [255, 255, 255, 255]; };
const faint = [];
let count = 0;
for (const element of document.querySelectorAll("body *:not(svg *)")) {
    const text = [...element.childNodes].filter((node) => node.nodeType === 3).map((node) => node.data.trim()).join("");
    if (!text || !element.checkVisibility() || element.closest(":disabled, .unseen, .skip, [aria-hidden], svg, option")) continue;
    count += 1;
    const [one, other] = [light(parts(getComputedStyle(element).color)), light(ground(element))];
    const contrast = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    if (contrast < LEAST) faint.push(`${text}: ${contrast.toFixed(2)}`);
}
if (count < 60) faint.push(`only ${count} texts were looked at`);
return faint;
"#;

#[test]
fn every_control_has_a_name_and_is_reached_by_the_keyboard() {
    let (fra, iad) = (well(), well());
    let scene = Scene::small(SERVER, &fra, &iad);
    let browser = &scene.browser;
    browser.wait_for("document.querySelectorAll('#pools-table .endpoint').length === 3");
    let tree = browser.devtools("Accessibility.getFullAXTree", &json!({}));
    let mut count = 0;
    for node in tree["nodes"].as_array().expect("a list of nodes") {
        let role = node["role"]["value"].as_str().unwrap_or_default();
        if node["ignored"] == false && CONTROLS.contains(&role) {
            let name = node["name"]["value"].as_str().unwrap_or_default();
            assert!(!name.trim().is_empty(), "a {role} has no name: {node}");
            count += 1;
        }
    }
    assert!(count > 25, "only {count} controls were found");
    // The first stop is the link that skips the header. All controls follow in the order of the page.
    browser.press(TAB);
    assert_eq!(browser.text("return document.activeElement.textContent"), "Skip to what is wrong");
    let mut seen = HashSet::new();
    let mut last = -1.0;
    loop {
        browser.press(TAB);
        let place = "const all = [...document.querySelectorAll('*')]; const at = document.activeElement;
                     return at === document.body ? -1 : all.indexOf(at)";
        let place = browser.run(place).as_f64().expect("a number");
        if place < 0.0 || seen.len() > 100 {
            break;
        }
        assert!(place > last, "the focus jumps back");
        last = place;
        let id = "const at = document.activeElement; return at.id || at.name || at.dataset.action || at.closest('[id]')?.id || at.textContent";
        seen.insert(browser.text(id));
    }
    for stop in [
        "theme",
        "token",
        "map-name",
        "events-kind",
        "ask-name",
        "client",
        "order-new",
        "pools-filter",
        "open-pool",
        "order",
    ] {
        assert!(seen.contains(stop), "{stop} is not reached: {seen:?}");
    }
}

#[test]
fn dialogs_and_pools_are_worked_by_keys() {
    let (fra, iad) = (well(), well());
    let scene = Scene::small(SERVER, &fra, &iad);
    let browser = &scene.browser;
    browser.wait_for("document.querySelectorAll('#pools-table .endpoint').length === 3");
    browser.run("document.querySelector('#pools-table [data-action=open-pool]').focus()");
    browser.press(ENTER);
    browser.wait_for("document.querySelectorAll('#pools-table .endpoint').length === 2");
    // The page updates itself, and the focus stays.
    browser.wait_for("document.activeElement.getAttribute('aria-expanded') === 'false'");
    browser.press(ENTER);
    browser.wait_for("document.activeElement.getAttribute('aria-expanded') === 'true'");
    browser.run("document.getElementById('order-new').focus()");
    browser.press(ENTER);
    browser.wait_for("document.getElementById('order-dialog').open");
    browser.wait_for("document.activeElement.name === 'target'");
    browser.press(ESCAPE);
    browser.wait_for("!document.getElementById('order-dialog').open");
    browser.wait_for("document.activeElement.id === 'order-new'");
    assert_sound(browser);
}

#[test]
fn text_is_readable_in_light_and_dark() {
    let (mut fra, iad) = (well(), well());
    let scene = Scene::small(SERVER, &fra, &iad);
    let browser = &scene.browser;
    fra.stop_listening();
    browser.wait_for_words("#verdict-head", "1 endpoint of 3 down");
    browser.wait_for_words("#pools-table .endpoint .state-down", "down");
    let faint = FAINT.replace("LEAST", &CONTRAST.to_string());
    for (scheme, is_dark) in [("light", false), ("dark", true)] {
        browser.prefer(scheme);
        browser.wait_for(&format!("matchMedia('(prefers-color-scheme: {scheme})').matches"));
        let script = "const [r, g, b] = getComputedStyle(document.body).backgroundColor.match(/[\\d.]+/g).map(Number); return r + g + b";
        let ground = browser.run(script).as_f64().expect("a colour");
        assert_eq!(ground < 200.0, is_dark, "{scheme}: the ground is {ground}");
        assert_eq!(browser.run(&faint), Value::Array(Vec::new()), "{scheme}");
    }
    // The button overrides the system.
    browser.click("#theme");
    browser.click("#theme");
    browser.wait_for_words("#theme", "Theme: dark");
    browser.prefer("light");
    browser.wait_for("getComputedStyle(document.documentElement).colorScheme === 'dark'");
    assert_sound(browser);
}
