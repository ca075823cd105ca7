//! Actions of other sites that browsers prevent.

use std::io::Read as _;
use std::io::Write as _;
use std::net::TcpListener;
use std::thread;

use crate::{SERVER, Scene, well};

/// A page of another site that tries to read and to order.
const HOSTILE: &str = r#"<!DOCTYPE html><title>other</title><iframe id="frame" src="http://ADMIN/"></iframe><script>
const tried = {};
const body = JSON.stringify({ mode: "drain", target: "dc:fra" });
const all = [
    fetch("http://ADMIN/v1/status").then(() => { tried.read = true; }, () => {}),
    fetch("http://ADMIN/v1/overrides", { method: "POST", mode: "no-cors", body }).catch(() => {}),
    fetch("http://ADMIN/v1/overrides", { method: "POST", body }).then(() => { tried.order = true; }, () => {}),
];
Promise.allSettled(all).then(() => { tried.done = true; document.title = JSON.stringify(tried); });
</script>"#;

#[test]
fn a_page_of_another_site_neither_reads_nor_orders_nor_frames() {
    let (fra, iad) = (well(), well());
    let scene = Scene::small(SERVER, &fra, &iad);
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
    let other = listener.local_addr().expect("it is bound");
    let page = HOSTILE.replace("ADMIN", &scene.admin.to_string());
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut head = [0; 4096];
            let _ = stream.read(&mut head);
            let length = page.len();
            let _ = write!(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{page}"
            );
        }
    });
    let browser = &scene.browser;
    browser.open(&format!("http://{other}/"));
    browser.wait_for("document.title.includes('done')");
    assert_eq!(browser.text("return document.title"), r#"{"done":true}"#);
    assert_eq!(scene.node.dig("www.example.com").data(), ["127.0.0.1"], "nothing was ordered");
    // A link from another site still leads to the page, which works.
    browser.run(&format!("location.href = 'http://{}/'", scene.admin));
    browser.wait_for_words("#verdict", "3 endpoints up");
    browser.wait_for_words("#orders-table", "No order is in force");
}
