//! TLS on the admin server: certificates of the node and of its clients, as curl and the commands meet them.

mod commands;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rcgen::{CertificateParams, DnType, KeyPair, SanType, date_time_ymd};
use serde_json::Value;

use crate::endpoint::certificates::{Authority, authority, params};
use crate::harness::{Files, Ran};
use crate::http::PATIENCE;
use crate::{Scene, TOKEN, ZONE, eventually};

/// The name in the certificates of nodes here.
const NAME: &str = "ns1.example.test";

/// A server file with TLS. An unspecified address is not on loopback, and can be reached there.
const SERVER: &str = "[listen]\ndns = [\"127.0.0.1:0\"]\n[admin]\nlisten = \"0.0.0.0:0\"\n\
                      hosts = [\"ns1.example.test\"]\ncertificate = \"node.pem\"\nkey = \"node.key\"\n";

/// Writes a certificate that this authority signs, and its key.
fn write_identity(files: &Files, stem: &str, issuer: &Authority, params: &CertificateParams) {
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, issuer).unwrap();
    files.write(&format!("{stem}.pem"), certificate.pem());
    files.write(&format!("{stem}.key"), key.serialize_pem());
    fs::set_permissions(files.path(&format!("{stem}.key")), fs::Permissions::from_mode(0o600)).unwrap();
}

/// A node's certificate: for its name and for loopback.
fn of_node() -> CertificateParams {
    let mut params = params(NAME);
    params.subject_alt_names.push(SanType::IpAddress("127.0.0.1".parse().unwrap()));
    params
}

/// A scene with TLS, and the authority of the node's certificate in `ca.pem`.
struct Secure {
    scene: Scene,
    authority: Authority,
}

impl Secure {
    fn new(more: &str) -> Self {
        let (files, authority) = files(more);
        Self { scene: Scene::of(files), authority }
    }

    /// Runs curl on a path of the node with these words.
    fn curl(&self, words: &str, path: &str) -> Ran {
        curl(&self.scene.files, self.port(), words, path)
    }

    fn port(&self) -> u16 {
        self.scene.admin.port()
    }

    /// Starts curl on the stream of events, and waits for its beginning.
    fn follow(&self) -> Stream {
        let words = format!("--cacert ca.pem --no-buffer --include --oauth2-bearer {TOKEN} --max-time 300");
        let mut command = curl_command(&self.scene.files, self.port(), &words, "/v1/events");
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        lines.read_line(&mut line).unwrap();
        assert!(line.starts_with("HTTP/1.1 200"), "{line}");
        Stream { child, lines }
    }
}

fn files(more: &str) -> (Files, Authority) {
    let files = Files::new(&format!("{SERVER}{more}"), &[("example.com.toml", ZONE)]);
    let authority = authority("test authority");
    files.write("ca.pem", authority.pem());
    write_identity(&files, "node", &authority, &of_node());
    (files, authority)
}

struct Stream {
    child: Child,
    lines: BufReader<std::process::ChildStdout>,
}

impl Stream {
    /// Reads up to an event of this kind.
    fn wait_for(&mut self, event: &str) {
        let mut line = String::new();
        while !line.starts_with(&format!("event: {event}")) {
            line.clear();
            assert!(self.lines.read_line(&mut line).unwrap() > 0, "the stream ended without {event}");
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn curl_command(files: &Files, port: u16, words: &str, path: &str) -> Command {
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--max-time", "60", "--noproxy", "*"]);
    command.args(["--resolve", &format!("{NAME}:{port}:127.0.0.1")]).args(words.split_whitespace());
    command.arg(format!("https://{NAME}:{port}{path}")).current_dir(files.path("")).stdin(Stdio::null());
    command
}

fn curl(files: &Files, port: u16, words: &str, path: &str) -> Ran {
    let output = curl_command(files, port, words, path).output().expect("curl is installed");
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    Ran { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
}

/// The exit codes of curl for a certificate that it does not accept, and for handshakes that the server ends.
const NOT_TRUSTED: Option<i32> = Some(60);

fn is_refused(ran: &Ran) -> bool {
    matches!(ran.code, Some(35 | 52 | 55 | 56)) && ran.stdout.is_empty()
}

#[test]
fn curl_gets_what_it_asks_for_from_the_authority_that_it_trusts() {
    let secure = Secure::new(&format!("token = \"{TOKEN}\"\n"));
    let ran = secure.curl("--cacert ca.pem", "/healthz");
    assert_eq!((ran.code, ran.stdout.contains("\"ok\": true")), (Some(0), true), "{ran:?}");
    let ran = secure.curl("--cacert ca.pem --write-out %{http_version}:%{http_code}", "/v1/status");
    assert!(ran.stdout.ends_with("1.1:401"), "{ran:?}");
    let command = curl_command(&secure.scene.files, secure.port(), "--cacert ca.pem", "/v1/status")
        .args(["-H", &format!("Authorization: Bearer {TOKEN}")])
        .output()
        .unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&command.stdout).unwrap()["names"][0]["usable"], 1);
    // Another authority did not sign the certificate.
    secure.scene.files.write("other.pem", authority("another authority").pem());
    assert_eq!(secure.curl("--cacert other.pem", "/healthz").code, NOT_TRUSTED);
    // Plain HTTP gets no answer at this port.
    assert!(crate::http::send(secure.scene.admin, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").is_none());
    let page = secure.curl("--cacert ca.pem --include", "/");
    let head = page.stdout.to_ascii_lowercase();
    assert!(head.contains("content-security-policy: default-src 'none'") && head.contains("<html"), "{page:?}");
    for (field, status) in [
        ("Sec-Fetch-Site:same-origin", "200"),
        ("Sec-Fetch-Site:cross-site", "403"),
        ("Origin:https://evil.example", "403"),
        ("Host:evil.example", "421"),
    ] {
        let words = format!("--cacert ca.pem --output /dev/null --write-out %{{http_code}} -H {field}");
        assert_eq!(secure.curl(&words, "/healthz").stdout, status, "{field}");
    }
    let own = format!(
        "--cacert ca.pem --output /dev/null --write-out %{{http_code}} -H Origin:https://{NAME}:{}",
        secure.port()
    );
    assert_eq!(secure.curl(&own, "/healthz").stdout, "200");
}

#[test]
fn a_certificate_that_has_expired_is_told_and_shown() {
    let (files, authority) = files(&format!("token = \"{TOKEN}\"\n"));
    let mut expired = of_node();
    (expired.not_before, expired.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1));
    write_identity(&files, "node", &authority, &expired);
    let ran = files.run("check");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stderr.contains("node.pem has expired"), "{ran:?}");
    let scene = Scene::of(files);
    let ran = curl(&scene.files, scene.admin.port(), "--cacert ca.pem", "/healthz");
    assert_eq!(ran.code, NOT_TRUSTED, "{ran:?}");
    let ran = curl(&scene.files, scene.admin.port(), "--insecure", "/healthz");
    assert_eq!(ran.code, Some(0), "{ran:?}");
}

/// Files whose clients need a certificate of the authority in `clients.pem`; with certificates `me` and `foreign`.
fn files_for_clients(more: &str) -> Files {
    let (files, _) = files(&format!("client_ca = \"clients.pem\"\n{more}"));
    let (clients, foreign) = (authority("authority of clients"), authority("another authority"));
    files.write("clients.pem", clients.pem());
    write_identity(&files, "me", &clients, &params("ada.example.test"));
    write_identity(&files, "foreign", &foreign, &params("ada.example.test"));
    let mut named = CertificateParams::default();
    named.distinguished_name.push(DnType::CommonName, "Grace");
    write_identity(&files, "named", &clients, &named);
    let mut expired = params("ada.example.test");
    (expired.not_before, expired.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1));
    write_identity(&files, "expired", &clients, &expired);
    files
}

#[test]
fn clients_without_the_right_certificate_do_not_come_in() {
    let scene = Scene::of(files_for_clients(""));
    let ask =
        |words: &str, path: &str| curl(&scene.files, scene.admin.port(), &format!("--cacert ca.pem {words}"), path);
    for wrong in ["", "--cert foreign.pem --key foreign.key", "--cert expired.pem --key expired.key"] {
        for path in ["/healthz", "/", "/v1/status"] {
            let ran = ask(wrong, path);
            assert!(is_refused(&ran), "{wrong} {path}: {ran:?}");
        }
    }
    let ran = ask("--cert me.pem --key me.key", "/v1/status");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    // Without tokens and clients, the certificate is good for everything, and orders have its name.
    let ran =
        ask("--cert me.pem --key me.key -d {\"mode\":\"drain\",\"target\":\"endpoint:127.0.0.1\"}", "/v1/overrides");
    let told: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran:?}"));
    assert_eq!(told["overrides"][0]["who"], "ada.example.test", "{told}");
}

#[test]
fn a_certificate_or_a_token_says_what_its_client_may_do() {
    let clients = "[admin.clients.\"ada.example.test\"]\nmay = [\"read\"]\n[admin.clients.grace]\nnames = [\"Grace\"]\nmay = [\"order\"]\n";
    let tokens = format!("[admin.tokens.txt]\ntoken = \"{TOKEN}\"\nmay = [\"txt\"]\n");
    let scene = Scene::of(files_for_clients(clients));
    let status = |who: &str, words: &[&str], path: &str| {
        let certificate =
            format!("--cacert ca.pem --cert {who}.pem --key {who}.key --output body --write-out %{{http_code}}");
        let mut command = curl_command(&scene.files, scene.admin.port(), &certificate, path);
        String::from_utf8(command.args(words).output().unwrap().stdout).unwrap()
    };
    let body = || fs::read_to_string(scene.files.path("body")).unwrap();
    let post = ["-X", "POST"];
    assert_eq!(status("me", &[], "/v1/status"), "200");
    assert_eq!(status("me", &post, "/v1/reload"), "403");
    assert!(body().contains("needs a certificate that may order; this one may read"), "{}", body());
    assert_eq!(status("named", &post, "/v1/reload"), "200");
    assert_eq!(status("named", &[], "/v1/status"), "403");
    scene.files.write(
        "truenorth.toml",
        format!("{SERVER}client_ca = \"clients.pem\"\n[admin.clients.grace]\nnames = [\"Grace\"]\nmay = [\"order\"]\n"),
    );
    assert_eq!(status("named", &post, "/v1/reload"), "200");
    assert_eq!(status("me", &[], "/v1/status"), "403");
    assert!(
        body().contains("no client of [admin.clients] has a name of this certificate: ada.example.test"),
        "{}",
        body()
    );
    assert_eq!(status("me", &[], "/healthz"), "200");
    // A token opens more, but not without a certificate.
    scene.files.write("truenorth.toml", format!("{SERVER}client_ca = \"clients.pem\"\n{tokens}[admin.clients.grace]\nnames = [\"Grace\"]\nmay = [\"order\"]\n"));
    assert_eq!(status("named", &post, "/v1/reload"), "200");
    let bearer = format!("Authorization: Bearer {TOKEN}");
    assert_eq!(status("named", &["-H", &bearer], "/v1/txt"), "200");
    assert_eq!(status("me", &["-H", &bearer], "/v1/txt"), "200");
    assert_eq!(status("me", &[], "/v1/txt"), "401");
    let without =
        curl(&scene.files, scene.admin.port(), &format!("--cacert ca.pem --oauth2-bearer {TOKEN}"), "/v1/txt");
    assert!(is_refused(&without), "{without:?}");
}

#[test]
fn a_reload_changes_the_certificate_and_streams_go_on() {
    let mut secure = Secure::new(&format!("token = \"{TOKEN}\"\n"));
    let mut stream = secure.follow();
    let new = authority("new authority");
    secure.scene.files.write("new.pem", new.pem());
    write_identity(&secure.scene.files, "node", &new, &of_node());
    secure.scene.node.log.wait_for("certificate replaced server=\"admin\"");
    assert_eq!(secure.curl("--cacert new.pem", "/healthz").code, Some(0));
    assert_eq!(secure.curl("--cacert ca.pem", "/healthz").code, NOT_TRUSTED);
    stream.wait_for("reload");
    let told = |secure: &Secure| {
        let list = secure.curl(&format!("--cacert new.pem --oauth2-bearer {TOKEN}"), "/v1/events?since=1h").stdout;
        let list: Value = serde_json::from_str(&list).unwrap();
        let own = list["events"].as_array().unwrap().iter().filter(|event| event["event"] == "own_certificate");
        own.map(|event| event["happening"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(told(&secure), ["replaced"]);

    secure.scene.files.write("node.pem", "no certificate");
    secure.scene.node.log.wait_for("node.pem holds no certificate in PEM");
    secure.scene.node.log.wait_for("configuration not reloaded: the old one stays in use");
    assert_eq!(secure.curl("--cacert new.pem", "/healthz").code, Some(0), "the old one stays in use");
    stream.wait_for("reload");
    stream.wait_for("own_certificate");
    assert_eq!(told(&secure), ["replaced", "not_loaded"]);
    let mut soon = of_node();
    let today = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    soon.not_after = date_time_ymd(1970, 1, 1) + today + Duration::from_secs(3 * 86_400);
    write_identity(&secure.scene.files, "node", &new, &soon);
    stream.wait_for("own_certificate");
    eventually(|| told(&secure) == ["replaced", "not_loaded", "replaced", "expires_soon"]);
}

#[test]
fn files_that_are_mended_are_told_though_the_certificate_is_the_same() {
    let mut secure = Secure::new(&format!("token = \"{TOKEN}\"\n"));
    let good = fs::read(secure.scene.files.path("node.pem")).unwrap();
    secure.scene.files.write("node.pem", "no certificate");
    secure.scene.node.log.wait_for("configuration not reloaded");
    secure.scene.files.write("node.pem", good);
    secure.scene.node.log.wait_for("certificate can be loaded again server=\"admin\"");
    let events = secure.curl(&format!("--cacert ca.pem --oauth2-bearer {TOKEN}"), "/v1/events?since=1h").stdout;
    assert!(events.contains("\"not_loaded\"") && events.contains("node.pem holds no certificate in PEM"), "{events}");
}

#[test]
fn the_certificate_and_its_end_are_metrics() {
    let mut secure = Secure::new(&format!("token = \"{TOKEN}\"\n"));
    let mut until_2100 = of_node();
    until_2100.not_after = date_time_ymd(2100, 1, 1);
    write_identity(&secure.scene.files, "node", &secure.authority, &until_2100);
    secure.scene.node.log.wait_for("certificate replaced");
    let metrics = secure.curl(&format!("--cacert ca.pem --oauth2-bearer {TOKEN}"), "/metrics").stdout;
    let line = "truenorth_certificate_expiry_timestamp_seconds{server=\"admin\"} 4102444800\n";
    assert!(metrics.contains(line), "{metrics}");
}

/// Number of clients that hold a connection without going on.
const HELD: usize = 500;

#[track_caller]
fn holds_against(octets: &[u8]) {
    let secure = Secure::new(&format!("token = \"{TOKEN}\"\n"));
    let begin = || {
        let mut stream = TcpStream::connect(secure.scene.admin).unwrap();
        let _ = stream.write_all(octets);
        stream
    };
    let held: Vec<TcpStream> = (0..HELD).map(|_| begin()).collect();
    for number in 0..10 {
        let ran = secure.curl("--cacert ca.pem", "/healthz");
        assert_eq!(ran.code, Some(0), "{number}: {ran:?}");
        assert!(ran.stdout.contains("\"ok\": true"), "{number}: {ran:?}");
    }
    assert_eq!(secure.scene.node.dig("www.example.com").data(), ["127.0.0.1"]);
    drop(held);
}

#[test]
fn idle_connections_before_their_handshake_keep_nobody_from_health() {
    holds_against(b"");
}

#[test]
fn slow_handshakes_keep_nobody_from_health() {
    // The beginning of a record with a ClientHello.
    holds_against(&[22, 3, 1, 2, 0, 1, 0, 1]);
}

#[test]
fn a_handshake_has_a_deadline() {
    let secure = Secure::new(&format!("token = \"{TOKEN}\"\n"));
    let mut stream = TcpStream::connect(secure.scene.admin).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(&[22, 3, 1]).unwrap();
    let begun = Instant::now();
    assert_eq!(stream.read(&mut [0]).unwrap_or(0), 0);
    assert!((Duration::from_secs(2)..PATIENCE).contains(&begun.elapsed()), "{:?}", begun.elapsed());
}
