//! Probes against nginx, an endpoint that is not part of this project.

mod endpoint;

use std::fmt::Write as _;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use endpoint::certificates::{Authority, authority, identity, params};
use endpoint::probing::{IMPATIENCE, PATIENCE, failure, finding, target, tls_failure};
use rcgen::KeyPair;
use truenorth::health::{
    BodyMatch, Certificates, Check, Failure, Finding, HttpCheck, HttpVersion, Load, Stage, StatusRange, Target,
    TlsCheck,
};
use truenorth::monitor::Prober;

/// Maximum number of restarts of nginx because another process took a port in the meantime.
const ATTEMPTS: usize = 5;

/// nginx's answer over every protocol.
const LOCATIONS: &str = r#"
    add_header X-Protocol $server_protocol;
    location = /healthz { return 200 "$server_protocol $http_host all is well\n"; }
    location = /missing { return 404; }
    location = /broken { return 500; }
    location = /moved { return 302 /healthz; }
    location = /requests { add_header X-Load $connection_requests/1000; return 200 "ok"; }
    location = /orca { add_header endpoint-load-metrics "TEXT cpu_utilization=0.3,mem_utilization=0.8"; return 200 "ok"; }
    location = /json { return 200 '{"workers": {"busy": 17}}'; }
    location = /slow { proxy_pass http://SILENT; }
    location = /large { root .; }
"#;

/// A running nginx, which ends when it is dropped.
struct Nginx {
    process: Child,
    folder: tempfile::TempDir,
    addresses: [SocketAddr; 4],
    authority: Authority,
    /// Accepts the connections that `/slow` is passed to, and sends nothing.
    _silent: TcpListener,
}

impl Nginx {
    fn start() -> Self {
        let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let authority = authority("Private");
        let folder = tempfile::tempdir().unwrap();
        write_files(folder.path(), &authority);
        for _ in 0..ATTEMPTS {
            let addresses = free_addresses();
            let config = config(addresses, silent.local_addr().unwrap());
            fs::write(folder.path().join("nginx.conf"), config).unwrap();
            if let Some(process) = run(folder.path(), addresses) {
                return Self { process, folder, addresses, authority, _silent: silent };
            }
        }
        panic!("nginx does not start: {}", fs::read_to_string(folder.path().join("error.log")).unwrap_or_default());
    }

    fn stop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Starts nginx again on the same addresses.
    fn start_again(&mut self) {
        self.process = run(self.folder.path(), self.addresses).expect("its ports are still free");
    }

    /// Over plain TCP: HTTP/1.1, or HTTP/2 with prior knowledge.
    fn plain(&self, check: HttpCheck) -> Target {
        let [http, h2c, ..] = self.addresses;
        let address = if check.version == Some(HttpVersion::Http2) { h2c } else { http };
        target(address, Check::Http(check), PATIENCE)
    }

    /// Returns a TLS check that trusts its certificate.
    fn trusting(&self) -> TlsCheck {
        let authorities = Certificates::new([Box::from(&**self.authority.der())]);
        TlsCheck { authorities: Some(authorities), ..TlsCheck::default() }
    }

    fn secured(&self, check: HttpCheck) -> Target {
        target(self.addresses[2], Check::Https(check, self.trusting()), PATIENCE)
    }

    /// Returns a target at the address that requires a client certificate.
    fn mutual(&self, tls: TlsCheck) -> Target {
        target(self.addresses[3], Check::Https(get("/healthz"), tls), PATIENCE)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        self.stop();
    }
}

fn write_files(folder: &Path, authority: &Authority) {
    let key = KeyPair::generate().unwrap();
    let certificate = params("www.example.com").signed_by(&key, authority).unwrap();
    fs::write(folder.join("cert.pem"), certificate.pem()).unwrap();
    fs::write(folder.join("key.pem"), key.serialize_pem()).unwrap();
    fs::write(folder.join("ca.pem"), authority.pem()).unwrap();
    fs::write(folder.join("large"), "needle".repeat(100_000)).unwrap();
}

/// Ports that the kernel has just assigned, on an address that only this test uses, so that they stay free while nginx
/// is stopped.
fn free_addresses() -> [SocketAddr; 4] {
    static COUNT: AtomicU8 = AtomicU8::new(1);
    let [.., high, low] = std::process::id().to_be_bytes();
    let address = Ipv4Addr::new(127, 64 + COUNT.fetch_add(1, Ordering::Relaxed) % 128, high, low);
    let listeners = [(); 4].map(|()| TcpListener::bind((address, 0)).unwrap());
    listeners.map(|listener| listener.local_addr().unwrap())
}

fn config([http, h2c, https, mutual]: [SocketAddr; 4], silent: SocketAddr) -> String {
    let mut config = "daemon off; master_process off; pid nginx.pid; error_log error.log;\nevents {}\n\
                      http { access_log off; keepalive_requests 1000;\n"
        .to_owned();
    for kind in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"] {
        writeln!(config, "{kind}_temp_path {kind};").unwrap();
    }
    let locations = LOCATIONS.replace("SILENT", &silent.to_string());
    let certified = "ssl_certificate cert.pem; ssl_certificate_key key.pem;";
    for (listen, more) in [
        (http.to_string(), String::new()),
        (format!("{h2c} http2"), String::new()),
        (format!("{https} ssl http2"), certified.to_owned()),
        (format!("{mutual} ssl http2"), format!("{certified} ssl_client_certificate ca.pem; ssl_verify_client on;")),
    ] {
        writeln!(config, "server {{ listen {listen}; {more} {locations} }}").unwrap();
    }
    config + "}\n"
}

/// Runs nginx in this folder until it listens everywhere; `None` if it ends instead.
fn run(folder: &Path, addresses: [SocketAddr; 4]) -> Option<Child> {
    let mut process = Command::new("nginx")
        .args(["-p", folder.to_str().unwrap(), "-c", "nginx.conf", "-e", "error.log"])
        .env("PATH", format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default()))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("nginx is installed");
    let deadline = Instant::now() + PATIENCE;
    while process.try_wait().unwrap().is_none() {
        if addresses.iter().all(|address| TcpStream::connect(address).is_ok()) {
            return Some(process);
        }
        assert!(Instant::now() < deadline, "nginx does not listen");
        std::thread::sleep(Duration::from_millis(5));
    }
    None
}

fn get(path: &str) -> HttpCheck {
    HttpCheck { path: path.into(), ..HttpCheck::default() }
}

fn expecting(path: &str, text: &str) -> HttpCheck {
    HttpCheck { expect_body: Some(BodyMatch::Substring(text.into())), ..get(path) }
}

const VERSIONS: [Option<HttpVersion>; 3] = [None, Some(HttpVersion::Http1), Some(HttpVersion::Http2)];

#[tokio::test]
async fn speaks_the_version_that_is_agreed_on_or_forced() {
    let nginx = Nginx::start();
    let prober = Prober::with_roots([]);
    let port = |target: &Target| target.address.port();
    for (version, plain, secured) in
        [(None, "HTTP/1.1", "HTTP/2.0"), (VERSIONS[1], "HTTP/1.1", "HTTP/1.1"), (VERSIONS[2], "HTTP/2.0", "HTTP/2.0")]
    {
        for (expected, over) in [(plain, Nginx::plain as fn(&_, _) -> _), (secured, Nginx::secured)] {
            let port = port(&over(&nginx, HttpCheck { version, ..get("/") }));
            let text = format!("{expected} www.example.com:{port} all is well");
            let target = over(&nginx, HttpCheck { version, ..expecting("/healthz", &text) });
            finding(prober.probe(&target).await);
        }
    }
}

#[tokio::test]
async fn is_judged_by_its_status_in_every_version() {
    let nginx = Nginx::start();
    let prober = Prober::with_roots([]);
    for version in VERSIONS {
        for (path, status) in [("/healthz", None), ("/moved", None), ("/missing", Some(404)), ("/broken", Some(500))] {
            for target in
                [nginx.plain(HttpCheck { version, ..get(path) }), nginx.secured(HttpCheck { version, ..get(path) })]
            {
                let outcome = prober.probe(&target).await;
                match status {
                    None => assert!(outcome.is_success(), "{path}: {outcome}"),
                    Some(status) => assert_eq!(failure(outcome), Failure::Status(status)),
                }
            }
        }
        let only_404 =
            HttpCheck { expect_status: vec![StatusRange { first: 404, last: 404 }], version, ..get("/missing") };
        assert!(prober.probe(&nginx.secured(only_404)).await.is_success());
        let wrong = HttpCheck { version, ..expecting("/healthz", "all is ill") };
        assert_eq!(failure(prober.probe(&nginx.secured(wrong)).await), Failure::Body);
        let head = HttpCheck { method: "HEAD".into(), version, ..get("/healthz") };
        assert!(prober.probe(&nginx.secured(head)).await.is_success());
    }
}

#[tokio::test]
async fn may_say_more_than_is_looked_at() {
    let nginx = Nginx::start();
    let prober = Prober::with_roots([]);
    for version in VERSIONS {
        let large = |text| HttpCheck { version, ..expecting("/large", text) };
        assert!(prober.probe(&nginx.secured(large("needle"))).await.is_success());
        assert_eq!(failure(prober.probe(&nginx.secured(large("thread"))).await), Failure::Body);
    }
}

#[tokio::test]
async fn that_waits_for_a_silent_upstream_times_out() {
    let nginx = Nginx::start();
    let prober = Prober::with_roots([]);
    for version in VERSIONS {
        for target in
            [nginx.plain(HttpCheck { version, ..get("/slow") }), nginx.secured(HttpCheck { version, ..get("/slow") })]
        {
            let address = SocketAddr::new(target.address.ip().unwrap(), target.address.port());
            let slow = self::target(address, target.monitor.check.clone(), IMPATIENCE);
            let started = Instant::now();
            assert_eq!(failure(prober.probe(&slow).await), Failure::TimedOut(Stage::Response));
            assert!(started.elapsed() < PATIENCE, "{:?}", started.elapsed());
        }
    }
}

#[tokio::test]
async fn keeps_connections_between_probes_if_they_are_reused() {
    let mut nginx = Nginx::start();
    let prober = Prober::with_roots([]);
    let used = |found: &Finding| found.load.map(|load: Load| load.used / 1000);
    for version in VERSIONS {
        let reusing = HttpCheck { reuse: true, version, ..get("/requests") };
        for target in [nginx.plain(reusing.clone()), nginx.secured(reusing)] {
            for round in 1..=5 {
                let found = finding(prober.probe(&target).await);
                assert_eq!(used(&found), Some(round), "{version:?}");
                assert_eq!(found.times.connect.is_some(), round == 1);
                assert_eq!(found.certificate_expires.is_some(), matches!(target.monitor.check, Check::Https(..)));
            }
        }
        let anew = nginx.secured(HttpCheck { version, ..get("/requests") });
        for _ in 0..2 {
            assert_eq!(used(&finding(prober.probe(&anew).await)), Some(1));
        }
    }
    // The kept connection is dead now, but the new nginx answers.
    nginx.stop();
    nginx.start_again();
    for version in VERSIONS {
        let target = nginx.secured(HttpCheck { reuse: true, version, ..get("/requests") });
        assert_eq!(used(&finding(prober.probe(&target).await)), Some(1), "{version:?}");
    }
    nginx.stop();
    for version in VERSIONS {
        let target = nginx.secured(HttpCheck { reuse: true, version, ..get("/requests") });
        assert_eq!(failure(prober.probe(&target).await), Failure::Refused);
    }
    nginx.start_again();
}

#[tokio::test]
async fn tells_its_load() {
    let nginx = Nginx::start();
    let prober = Prober::with_roots([]);
    for version in VERSIONS {
        let orca = finding(prober.probe(&nginx.secured(HttpCheck { version, ..get("/orca") })).await);
        assert_eq!(orca.load, Some(Load { used: 300, capacity: Some(1000) }));
        let json = HttpCheck { load_json: Some("/workers/busy".into()), version, ..get("/json") };
        let json = finding(prober.probe(&nginx.secured(json)).await);
        assert_eq!(json.load, Some(Load { used: 17_000, capacity: None }));
    }
}

#[tokio::test]
async fn is_trusted_by_its_own_authority_alone() {
    let nginx = Nginx::start();
    let prober = Prober::with_roots([]);
    let found = finding(prober.probe(&nginx.secured(get("/healthz"))).await);
    assert!(found.certificate_expires.is_some() && found.times.handshake.is_some(), "{found:?}");
    let https = nginx.addresses[2];
    let untrusting = target(https, Check::Https(get("/healthz"), TlsCheck::default()), PATIENCE);
    assert_eq!(tls_failure(prober.probe(&untrusting).await), "unknown issuer");
    let bare = |alpn: &str| target(https, Check::Tls(nginx.trusting(), vec![alpn.into()]), PATIENCE);
    assert!(prober.probe(&bare("h2")).await.is_success());
    assert_eq!(tls_failure(prober.probe(&bare("imap")).await), "alert: no_application_protocol");
}

#[tokio::test]
async fn demands_a_certificate_of_its_authority() {
    let nginx = Nginx::start();
    let prober = Prober::with_roots([]);
    let showing = |issuer| TlsCheck { identity: Some(identity(issuer)), ..nginx.trusting() };
    assert!(prober.probe(&nginx.mutual(showing(&nginx.authority))).await.is_success());
    // nginx answers with its own status; other servers end the handshake.
    assert_eq!(failure(prober.probe(&nginx.mutual(nginx.trusting())).await), Failure::Status(400));
    let foreign = authority("Foreign");
    assert_eq!(failure(prober.probe(&nginx.mutual(showing(&foreign))).await), Failure::Status(400));
}

#[tokio::test]
async fn that_is_stopped_refuses_until_it_is_started_again() {
    let mut nginx = Nginx::start();
    let prober = Prober::with_roots([]);
    let (plain, secured) = (nginx.plain(get("/healthz")), nginx.secured(get("/healthz")));
    for target in [&plain, &secured] {
        assert!(prober.probe(target).await.is_success());
    }
    nginx.stop();
    for target in [&plain, &secured] {
        assert_eq!(failure(prober.probe(target).await), Failure::Refused);
    }
    nginx.start_again();
    for target in [&plain, &secured] {
        assert!(prober.probe(target).await.is_success());
    }
}
