//! A real browser without a window: Debian's Chromium, driven by its chromedriver (W3C WebDriver).
//!
//! chromedriver listens on a port that the kernel chooses. The browser has a profile of its own, and both end when the
//! test ends.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use data_encoding::BASE64;
use serde_json::{Value, json};
use tempfile::TempDir;

/// Maximum time of anything that the page does, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Time between two looks at the page.
const POLL: Duration = Duration::from_millis(50);

/// The key of an element in WebDriver (section 12).
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// Chromium's sandbox does not work as root, and tests may run as root. The other options prevent requests to Google.
const OPTIONS: [&str; 12] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
];

/// Maximum number of starts of chromedriver. It takes a port that is free for IPv4, and ends if that is not free for IPv6.
const STARTS: usize = 5;

/// Starts chromedriver, and returns it with its port; `None` if it ends at once.
fn start_driver() -> Option<(Child, u16)> {
    let mut driver = Command::new("chromedriver")
        .arg("--port=0")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("chromedriver is installed: tests/run installs it");
    let output = BufReader::new(driver.stdout.take().expect("it is piped"));
    let mut lines = output.lines().map_while(Result::ok);
    let port = lines.find_map(|line| {
        let (_, port) = line.split_once("started successfully on port ")?;
        port.trim_end_matches('.').parse().ok()
    });
    let Some(port) = port else {
        driver.wait().expect("it has ended");
        return None;
    };
    // Reads the output, so that chromedriver does not block on a full pipe.
    thread::spawn(move || lines.for_each(drop));
    Some((driver, port))
}

/// A browser with one tab.
pub(crate) struct Browser {
    driver: Child,
    runtime: tokio::runtime::Runtime,
    client: reqwest::Client,
    session: String,
    /// The folder of everything that the browser keeps.
    profile: TempDir,
}

impl Browser {
    /// Starts a browser with a tab of this size in pixels.
    pub(crate) fn start(width: u32, height: u32) -> Self {
        let (driver, port) = (0..STARTS).find_map(|_| start_driver()).expect("chromedriver says its port");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("there is a runtime");
        let profile = tempfile::tempdir().expect("there is room for a folder");
        let mut browser = Self { driver, runtime, client: client(), session: String::new(), profile };
        let profile = format!("--user-data-dir={}", browser.profile.path().display());
        let arguments: Vec<&str> = OPTIONS.into_iter().chain([profile.as_str()]).collect();
        let options = json!({"args": arguments, "binary": chromium()});
        let capabilities = json!({"capabilities": {"alwaysMatch": {
            // Nodes over HTTPS have certificates of their own.
            "acceptInsecureCerts": true,
            "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL"},
        }}});
        let base = format!("http://127.0.0.1:{port}/session");
        let begun = browser.send("POST", &base, Some(&capabilities)).expect("a session begins");
        browser.session = format!("{base}/{}", begun["sessionId"].as_str().expect("a session has an id"));
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        browser.devtools("Emulation.setDeviceMetricsOverride", &size);
        browser
    }

    /// Loads a page.
    pub(crate) fn open(&self, url: &str) {
        self.post("/url", &json!({"url": url}));
    }

    /// Runs a script, and returns what it returns.
    #[track_caller]
    pub(crate) fn run(&self, script: &str) -> Value {
        self.post("/execute/sync", &json!({"script": script, "args": []}))
    }

    /// Runs a script and returns the text that it returns.
    #[track_caller]
    pub(crate) fn text(&self, script: &str) -> String {
        let value = self.run(script);
        value.as_str().unwrap_or_else(|| panic!("{script} returns {value}, not a text")).to_owned()
    }

    /// Waits until an expression is true.
    #[track_caller]
    pub(crate) fn wait_for(&self, expression: &str) {
        let start = Instant::now();
        while self.run(&format!("return Boolean({expression})")) != Value::Bool(true) {
            let shown = || self.text("return document.body.innerText");
            assert!(start.elapsed() < PATIENCE, "{expression} does not become true; the page shows:\n{}", shown());
            thread::sleep(POLL);
        }
    }

    /// Waits until the text of an element has these words, with any blanks and line breaks between them.
    #[track_caller]
    pub(crate) fn wait_for_words(&self, selector: &str, words: &str) {
        let (selector, words) = (json!(selector), json!(words));
        self.wait_for(&format!(
            "document.querySelector({selector})?.innerText.replace(/\\s+/g, ' ').includes({words})"
        ));
    }

    /// Clicks an element as a mouse does.
    #[track_caller]
    pub(crate) fn click(&self, selector: &str) {
        let element = self.find(selector);
        self.post(&format!("/element/{element}/click"), &json!({}));
    }

    /// Types into an element.
    #[track_caller]
    pub(crate) fn write(&self, selector: &str, text: &str) {
        let element = self.find(selector);
        self.post(&format!("/element/{element}/clear"), &json!({}));
        self.post(&format!("/element/{element}/value"), &json!({"text": text}));
    }

    /// Presses a key, whatever has the focus. `\u{e004}` is the tabulator, `\u{e007}` Enter, `\u{e00c}` Escape.
    pub(crate) fn press(&self, key: char) {
        let actions =
            json!([{"type": "keyDown", "value": key.to_string()}, {"type": "keyUp", "value": key.to_string()}]);
        self.post("/actions", &json!({"actions": [{"type": "key", "id": "keyboard", "actions": actions}]}));
    }

    /// Sends a command to the browser's developer tools.
    #[track_caller]
    pub(crate) fn devtools(&self, command: &str, parameters: &Value) -> Value {
        self.post("/goog/cdp/execute", &json!({"cmd": command, "params": parameters}))
    }

    /// Makes pages see that the user prefers `light` or `dark`.
    pub(crate) fn prefer(&self, scheme: &str) {
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        self.devtools("Emulation.setEmulatedMedia", &json!({"features": features}));
    }

    /// Fails if the page wrote a warning or an error to the console, or if a request failed.
    #[track_caller]
    pub(crate) fn assert_silent(&self) {
        assert_eq!(self.complaints(), [""; 0]);
    }

    /// Returns the warnings and errors of the console since the last call.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let entries = self.post("/se/log", &json!({"type": "browser"}));
        let is_bad = |entry: &&Value| matches!(entry["level"].as_str(), Some("WARNING" | "SEVERE"));
        let entries = entries.as_array().expect("a list of entries");
        entries.iter().filter(is_bad).map(|entry| entry["message"].to_string()).collect()
    }

    /// Writes the visible part of the page to a PNG file.
    pub(crate) fn screenshot(&self, file: &Path) {
        let taken = self.devtools("Page.captureScreenshot", &json!({"format": "png"}));
        let octets = BASE64.decode(taken["data"].as_str().expect("an image").as_bytes()).expect("it is in Base64");
        fs::write(file, octets).expect("the folder is writable");
    }

    #[track_caller]
    fn find(&self, selector: &str) -> String {
        let found = self.post("/element", &json!({"using": "css selector", "value": selector}));
        found[ELEMENT].as_str().unwrap_or_else(|| panic!("{selector}: {found}")).to_owned()
    }

    #[track_caller]
    fn post(&self, path: &str, body: &Value) -> Value {
        match self.send("POST", &format!("{}{path}", self.session), Some(body)) {
            Ok(value) => value,
            Err(why) => panic!("{path} {body}: {why}"),
        }
    }

    /// Sends a command to chromedriver.
    fn send(&self, method: &str, url: &str, body: Option<&Value>) -> Result<Value, String> {
        let method = method.parse().expect("a method");
        let request = self.client.request(method, url).timeout(2 * PATIENCE);
        let request = body.map_or(request.try_clone().expect("it has no body"), |body| request.body(body.to_string()));
        let answered = self.runtime.block_on(async {
            let response = request.send().await?;
            let is_good = response.status().is_success();
            Ok::<_, reqwest::Error>((is_good, response.text().await?))
        });
        let (is_good, text) = answered.map_err(|error| error.to_string())?;
        let value: Value = serde_json::from_str(&text).map_err(|error| format!("{error}: {text}"))?;
        if is_good { Ok(value["value"].clone()) } else { Err(text) }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // chromedriver ends the browser with the session.
        let _ = self.send("DELETE", &self.session, None);
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

/// The path of the browser.
fn chromium() -> String {
    let found = Command::new("sh").args(["-c", "command -v chromium"]).output().expect("there is a shell");
    assert!(found.status.success(), "chromium is installed: tests/run installs it");
    String::from_utf8(found.stdout).expect("a path in UTF-8").trim().to_owned()
}

/// An HTTP client for plain HTTP, which trusts no certificate.
fn client() -> reqwest::Client {
    let tls = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider has all of them")
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    reqwest::Client::builder().tls_backend_preconfigured(tls).no_proxy().build().expect("a client")
}
