//! The page without JavaScript.

use serde_json::json;

use crate::{SERVER, Scene, TOKEN, assert_sound, well};

/// The text of everything that the browser renders, as a screen reader gets it.
fn rendered(scene: &Scene) -> String {
    let tree = scene.browser.devtools("Accessibility.getFullAXTree", &json!({}));
    let nodes = tree["nodes"].as_array().expect("a list of nodes");
    let told = nodes.iter().filter(|node| node["ignored"] == false && node["role"]["value"] == "StaticText");
    told.filter_map(|node| node["name"]["value"].as_str()).collect::<Vec<_>>().join("\n")
}

fn without_scripts(scene: &Scene) {
    scene.browser.devtools("Emulation.setScriptExecutionDisabled", &json!({"value": true}));
    scene.browser.open(&format!("http://{}/", scene.admin));
}

#[test]
fn tables_are_readable_without_javascript() {
    let (fra, iad) = (well(), well());
    let scene = Scene::small(SERVER, &fra, &iad);
    without_scripts(&scene);
    let told = rendered(&scene);
    for line in ["Datacenters", "fra", "Pools", "web/iad", "Endpoints", "127.0.0.9", "no monitor", "up", "1 of 1"] {
        assert!(told.lines().any(|told| told == line), "{line} is not told in:\n{told}");
    }
    assert!(!told.contains("Ask why"), "what needs scripts is hidden:\n{told}");
    let tree = scene.browser.devtools("Accessibility.getFullAXTree", &json!({}));
    let tables = tree["nodes"].as_array().unwrap().iter().filter(|node| node["role"]["value"] == "table");
    assert_eq!(tables.filter(|node| node["name"]["value"] != "").count(), 3);
    scene.browser.devtools("Emulation.setScriptExecutionDisabled", &json!({"value": false}));
    assert_sound(&scene.browser);
}

#[test]
fn without_a_token_the_tables_are_not_there() {
    let (fra, iad) = (well(), well());
    let scene = Scene::small(&format!("{SERVER}token = \"{TOKEN}\"\n"), &fra, &iad);
    without_scripts(&scene);
    let told = rendered(&scene);
    assert!(told.contains("truenorth status") && !told.contains("fra"), "{told}");
}
