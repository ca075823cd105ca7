//! Echoes on loopback, and in network namespaces that are silent or that forbid sockets of one kind or both.
//!
//! A test that needs a namespace runs this program again, inside a namespace, with only one part.

use std::fs;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::process::{Command, Output, Stdio};
use std::time::Instant;

use truenorth::health::{Check, DnsCheck, DnsTransport, Failure, Outcome, Stage, TcpCheck};
use truenorth::monitor::icmp_is_allowed;

use crate::skip::cannot;
use crate::{IMPATIENCE, PATIENCE, failure, probe};

/// The loopback addresses that this system has.
fn addresses() -> Vec<IpAddr> {
    let all: [IpAddr; 3] = ["127.0.0.1", "127.9.8.7", "::1"].map(|address| address.parse().unwrap());
    all.into_iter().filter(|&address| UdpSocket::bind((address, 0)).is_ok()).collect()
}

async fn ping(address: IpAddr) -> Outcome {
    probe(SocketAddr::new(address, 0), Check::Icmp, PATIENCE).await
}

async fn every_address_answers() {
    for address in addresses() {
        let outcome = ping(address).await;
        assert!(outcome.is_success(), "{address}: {outcome}");
    }
}

async fn every_address_is_forbidden() {
    assert!(!icmp_is_allowed());
    for address in addresses() {
        let found = failure(ping(address).await);
        assert!(matches!(&found, Failure::Local(why) if why.contains("not permitted")), "{address}: {found}");
    }
}

#[tokio::test]
async fn loopback_answers_or_forbids() {
    if icmp_is_allowed() { every_address_answers().await } else { every_address_is_forbidden().await }
}

#[tokio::test]
async fn many_at_once_have_each_its_own_reply() {
    if !icmp_is_allowed() {
        return every_address_is_forbidden().await;
    }
    let pings: Vec<_> = (0..100).flat_map(|_| addresses()).map(|address| tokio::spawn(ping(address))).collect();
    for ping in pings {
        let outcome = ping.await.unwrap();
        assert!(outcome.is_success(), "{outcome}");
    }
}

/// Without `CAP_NET_RAW`, even for root.
const WITHOUT_RAW: &str = "setpriv --bounding-set=-net_raw --inh-caps=-net_raw";
const PING_SOCKETS: &str = "echo 0 2147483647 > /proc/sys/net/ipv4/ping_group_range";
const NO_PING_SOCKETS: &str = "echo 1 0 > /proc/sys/net/ipv4/ping_group_range";
const SILENCE: &str = "echo 1 > /proc/sys/net/ipv4/icmp_echo_ignore_all";

/// Runs `setup` and then a program in a new network namespace. Returns `None` if the system forbids it and tests may be
/// skipped.
fn in_namespace(setup: &str, command: &str, arguments: &[&str]) -> Option<Output> {
    let shell = |script: String| {
        let mut unshare = Command::new("unshare");
        unshare.args(["-n", "sh", "-c", &script, "sh"]).args(arguments).stdin(Stdio::null());
        unshare.env("PATH", format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default()));
        unshare.output().expect("util-linux and a shell are installed")
    };
    let setup = format!("ip link set lo up && {setup}");
    if !shell(format!("{setup} && {WITHOUT_RAW} true")).status.success() {
        cannot("network namespaces, and what is set up in them, need root and iproute2");
        return None;
    }
    Some(shell(format!("{setup} && exec {command} \"$@\"")))
}

/// Runs one of the tests of [`inside`] in a new network namespace.
fn run_inside(setup: &str, command: &str, test: &str) {
    let program = std::env::current_exe().unwrap();
    let test = format!("icmp::inside::{test}");
    let arguments = [program.to_str().unwrap(), "--ignored", "--exact", &test];
    let Some(output) = in_namespace(setup, command, &arguments) else { return };
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && told.contains("1 passed"), "{told}{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_silent_address_times_out_on_either_socket() {
    run_inside(&format!("{NO_PING_SOCKETS} && {SILENCE}"), "", "silence");
    run_inside(&format!("{PING_SOCKETS} && {SILENCE}"), WITHOUT_RAW, "silence");
}

#[test]
fn either_socket_suffices() {
    run_inside(NO_PING_SOCKETS, "", "replies");
    run_inside(PING_SOCKETS, WITHOUT_RAW, "replies");
}

#[test]
fn where_no_route_leads_is_unreachable() {
    run_inside(PING_SOCKETS, "", "no_route");
}

#[test]
fn what_the_kernel_says_without_a_packet_from_outside_may_be_this_nodes_own_fault() {
    let routes =
        "ip route add blackhole 192.0.2.1 && ip route add prohibit 192.0.2.2 && ip route add unreachable 192.0.2.3";
    run_inside(&format!("{PING_SOCKETS} && {routes}"), "", "forbidden_routes");
}

#[test]
fn a_process_that_may_not_is_told_so() {
    run_inside(NO_PING_SOCKETS, WITHOUT_RAW, "refusal");
}

#[test]
fn serve_does_not_begin_where_it_may_not_ping_and_check_warns() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("zones")).unwrap();
    let config = folder.path().join("truenorth.toml");
    fs::write(&config, "[listen]\ndns = [\"127.0.0.1:0\"]\n").unwrap();
    let zone = "[nameservers]\nns1 = [\"127.0.0.1\"]\n[datacenters]\nfra = { latitude = 50, longitude = 8 }\n\
                [monitors.gateway]\ntype = \"icmp\"\n\
                [pools.web]\ndatacenter = \"fra\"\nmonitor = \"gateway\"\nendpoints = [\"127.0.0.1\"]\n\
                [names.www]\npools = [\"web\"]\nsteer = []\n";
    fs::write(folder.path().join("zones/example.com.toml"), zone).unwrap();
    let run = |command: &str| {
        let arguments = [env!("CARGO_BIN_EXE_truenorth"), command, "--config", config.to_str().unwrap()];
        let output = in_namespace(NO_PING_SOCKETS, WITHOUT_RAW, &arguments)?;
        Some((output.status.code(), String::from_utf8(output.stderr).unwrap()))
    };
    let Some((code, told)) = run("serve") else { return };
    assert_eq!(code, Some(1), "{told}");
    for part in ["monitor `gateway` sends ICMP echoes", "example.com.toml:5:11", "CAP_NET_RAW", "ping_group_range"] {
        assert!(told.contains(part), "{part} in {told}");
    }
    let (code, told) = run("check").unwrap();
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("warning") && told.contains("monitor `gateway` sends ICMP echoes"), "{told}");
}

/// The parts of the tests above that run in namespaces.
mod inside {
    use super::*;

    #[tokio::test]
    #[ignore = "runs in a namespace that another test makes"]
    async fn silence() {
        let started = Instant::now();
        let outcome = probe("127.0.0.1:0".parse().unwrap(), Check::Icmp, IMPATIENCE).await;
        assert_eq!(failure(outcome), Failure::TimedOut(Stage::Response));
        assert!(started.elapsed() >= IMPATIENCE && started.elapsed() < PATIENCE);
    }

    #[tokio::test]
    #[ignore = "runs in a namespace that another test makes"]
    async fn replies() {
        assert!(icmp_is_allowed());
        every_address_answers().await;
    }

    #[tokio::test]
    #[ignore = "runs in a namespace that another test makes"]
    async fn no_route() {
        assert_eq!(failure(ping("192.0.2.1".parse().unwrap()).await), Failure::Unreachable);
    }

    #[tokio::test]
    #[ignore = "runs in a namespace that another test makes"]
    async fn forbidden_routes() {
        let query = DnsCheck {
            query: (*b"\x03www\0").into(),
            qtype: 1,
            transport: DnsTransport::Udp,
            recursion: false,
            expect_rcode: vec![0],
            expect: Vec::new(),
        };
        for last in 1..=4 {
            for check in [Check::Icmp, Check::Tcp(TcpCheck::default()), Check::Dns(query.clone())] {
                let kind = check.as_str();
                let address = SocketAddr::from(([192, 0, 2, last], if kind == "icmp" { 0 } else { 53 }));
                let failure = failure(probe(address, check, PATIENCE).await);
                assert!(failure.may_be_ours(), "{kind} to 192.0.2.{last}: {failure}");
                assert!(
                    matches!(failure, Failure::Local(_) | Failure::Unreachable),
                    "{kind} to 192.0.2.{last}: {failure}"
                );
            }
        }
    }

    #[tokio::test]
    #[ignore = "runs in a namespace that another test makes"]
    async fn refusal() {
        every_address_is_forbidden().await;
    }
}
