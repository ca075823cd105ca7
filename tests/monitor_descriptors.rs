//! Probes that fail leave no descriptor open. The test has its own process, because it counts all descriptors of the
//! process.

mod endpoint;

use std::net::SocketAddr;
use std::num::NonZeroU8;
use std::sync::Arc;
use std::time::{Duration, Instant};

use endpoint::{ANY_PORT, Endpoint, Script, Step};
use truenorth::health::{BodyMatch, Check, HttpCheck, Monitor, Pace, StatusRange, Target, TlsCheck};
use truenorth::monitor::Prober;

const ROUNDS: usize = 40;
const TIMEOUT: Duration = Duration::from_millis(50);
/// Maximum time until the endpoints notice that the probes are gone.
const PATIENCE: Duration = Duration::from_secs(10);

fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

fn target(address: SocketAddr, tls: Option<TlsCheck>) -> Target {
    let http = HttpCheck {
        expect_status: vec![StatusRange { first: 200, last: 200 }],
        expect_body: Some(BodyMatch::Substring("needle".into())),
        ..HttpCheck::default()
    };
    let check = match tls {
        Some(tls) => Check::Https(http, tls),
        None => Check::Http(http),
    };
    let once = NonZeroU8::MIN;
    let monitor = Monitor {
        pace: Pace::try_new(TIMEOUT * 2, TIMEOUT).unwrap(),
        rise: once,
        fall: once,
        ..Monitor::new(check, address.port())
    };
    Target { address: address.into(), host: "www.example.com".into(), monitor: Arc::new(monitor) }
}

#[tokio::test]
async fn failing_probes_leave_no_descriptor_open() {
    let silent = Endpoint::start(ANY_PORT, Script::hang());
    let resetting = Endpoint::start(ANY_PORT, Script::answer([Step::Reset]));
    let head = Step::Say(b"HTTP/1.1 200 OK\r\n\r\n".to_vec());
    let stalling = Endpoint::start(ANY_PORT, Script::answer([head, Step::Hang]));
    let mut refusing = Endpoint::start(ANY_PORT, Script::hang());
    refusing.stop_listening();
    let targets = [
        target(silent.address(), None),
        target(silent.address(), Some(TlsCheck { verify: false, ..TlsCheck::default() })),
        target(resetting.address(), None),
        target(stalling.address(), None),
        target(refusing.address(), None),
    ];
    let prober = Prober::with_roots([]);

    let before = open_descriptors();
    for _ in 0..ROUNDS {
        let probes = targets.clone().map(|target| {
            let prober = prober.clone();
            tokio::spawn(async move { prober.probe(&target).await })
        });
        for probe in probes {
            assert!(!probe.await.unwrap().is_success());
        }
    }

    // The endpoints' sides of the connections are in this process too. They close when ours close.
    let deadline = Instant::now() + PATIENCE;
    while silent.connections() < 2 * ROUNDS || open_descriptors() > before {
        assert!(Instant::now() < deadline, "{before} descriptors before, {} after", open_descriptors());
        std::thread::sleep(Duration::from_millis(1));
    }
}
