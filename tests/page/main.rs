//! The page as people see it: the real binary, and a real browser that loads the page, clicks and types.
//!
//! With `TRUENORTH_IMAGES=FOLDER`, the test `the_world_is_drawn` writes the images of README and docs/page.md there.

#[path = "../endpoint/mod.rs"]
mod endpoint;
#[path = "../harness/mod.rs"]
mod harness;

mod access;
mod browser;
mod https;
mod keyboard;
mod live;
mod many;
mod orders;
mod plain;
mod world;

use std::net::{Ipv4Addr, SocketAddr};

use browser::Browser;
use endpoint::{ANY_PORT, Endpoint, Script};
use harness::{Files, Node, probed_zone};

/// A valid token.
const TOKEN: &str = "0123456789abcdef";

/// A server file with an admin server on loopback, at a port that the kernel chooses.
const SERVER: &str = "[listen]\ndns = [\"127.0.0.1:0\"]\n[admin]\nlisten = \"127.0.0.1:0\"\n";

/// The size of the tab in pixels.
const WIDTH: u32 = 1400;
const HEIGHT: u32 = 900;

/// A node, and a browser that shows its page.
struct Scene {
    // Dropped first, so that the node has no followers left.
    browser: Browser,
    node: Node,
    admin: SocketAddr,
    _files: Files,
}

impl Scene {
    /// Starts both, and loads the page.
    fn new(server: &str, zones: &[(&str, &str)]) -> Self {
        Self::by("http", server, zones)
    }

    fn by(scheme: &str, server: &str, zones: &[(&str, &str)]) -> Self {
        let files = Files::new(server, zones);
        let mut node = files.serve();
        let mut admin = node.wait_for_admin();
        if admin.ip().is_unspecified() {
            admin.set_ip(Ipv4Addr::LOCALHOST.into());
        }
        let browser = Browser::start(WIDTH, HEIGHT);
        browser.open(&format!("{scheme}://{admin}/"));
        Self { browser, node, admin, _files: files }
    }

    /// A zone with an endpoint in each of two datacenters, which are probed every second, and a third without a probe.
    fn small(server: &str, fra: &Endpoint, iad: &Endpoint) -> Self {
        let zone = probed_zone(fra.address(), iad.address(), "");
        let zone = zone
            .replace("[names.www]", "[pools.sorry]\nendpoints = [\"127.0.0.9\"]\n[names.www]\nfallback = \"sorry\"");
        let scene = Self::new(server, &[("example.com.toml", &zone)]);
        if !server.contains("token") {
            scene.browser.wait_for_words("#verdict", "3 endpoints up");
        }
        scene
    }
}

fn well() -> Endpoint {
    Endpoint::start(ANY_PORT, Script::status(200))
}

/// Everything that must hold of a page at any time: it is not wider than the window, and the console is empty.
#[track_caller]
fn assert_sound(browser: &Browser) {
    let width = browser.run("return document.documentElement.scrollWidth").as_u64();
    assert!(width.is_some_and(|width| width <= u64::from(WIDTH)), "the page is {width:?} pixels wide");
    browser.assert_silent();
}
