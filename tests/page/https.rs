//! The page over HTTPS.

use std::fs;

use rcgen::generate_simple_self_signed;

use crate::harness::probed_zone;
use crate::{Scene, Script, TOKEN, assert_sound, well};

#[test]
fn the_page_works_over_https() {
    let folder = tempfile::tempdir().unwrap();
    let made = generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let (certificate, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    fs::write(&certificate, made.cert.pem()).unwrap();
    fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    // An unspecified address is not on loopback.
    let server = format!(
        "[listen]\ndns = [\"127.0.0.1:0\"]\n[admin]\nlisten = \"0.0.0.0:0\"\ntoken = \"{TOKEN}\"\ncertificate = \"{}\"\nkey = \"{}\"\n",
        certificate.display(),
        key.display()
    );
    let (fra, iad) = (well(), well());
    let zone = probed_zone(fra.address(), iad.address(), "");
    let scene = Scene::by("https", &server, &[("example.com.toml", &zone)]);
    let browser = &scene.browser;
    browser.wait_for("document.getElementById('token-dialog').open");
    browser.write("#token-form [name=token]", &format!("{TOKEN}\u{e007}"));
    browser.wait_for_words("#verdict", "2 endpoints up");
    browser.wait_for_words("#live", "live");
    assert_eq!(browser.text("return location.protocol"), "https:");
    // The first request had no token.
    browser.complaints();
    fra.play(Script::status(503));
    browser.wait_for_words("#events-list", "of web/fra is down (monitor web): status 503");
    assert_sound(browser);
}
