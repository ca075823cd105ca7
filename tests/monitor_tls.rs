//! Probes of type https and tls against endpoints with certificates of every kind.

mod endpoint;

use std::sync::Arc;
use std::time::Duration;

use endpoint::certificates::{Authority, authority, demanding, identity, params, prober, server_config};
use endpoint::probing::{IMPATIENCE, PATIENCE, failure, finding, target, tls_failure};
use endpoint::{ANY_PORT, Endpoint, Script, Step};
use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use truenorth::health::{BodyMatch, Certificates, Check, Failure, HttpCheck, Stage, Target, TlsCheck};
use truenorth::monitor::Prober;

/// 2021-01-01 since the Unix epoch.
const NEW_YEAR_2021: Duration = Duration::from_secs(1_609_459_200);

fn expecting_well() -> HttpCheck {
    HttpCheck { expect_body: Some(BodyMatch::Substring("well".into())), ..HttpCheck::default() }
}

fn endpoint_with(params: &CertificateParams, issuer: &Authority) -> Endpoint {
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, issuer).unwrap();
    Endpoint::start_tls(ANY_PORT, Script::respond(200, "secretly well"), server_config(certificate.into(), &key))
}

fn https(endpoint: &Endpoint, host: &str, sni: Option<&str>, verify: bool) -> Target {
    let tls = TlsCheck { sni: sni.map(Into::into), verify, ..TlsCheck::default() };
    let mut target = target(endpoint.address(), Check::Https(expecting_well(), tls), PATIENCE);
    target.host = host.into();
    target
}

#[tokio::test]
async fn accepts_a_certificate_that_a_root_vouches_for() {
    let authority = authority("Trusted");
    let endpoint = endpoint_with(&params("www.example.com"), &authority);
    let prober = prober(&authority);
    for _ in 0..2 {
        let outcome = prober.probe(&https(&endpoint, "www.example.com", None, true)).await;
        assert!(outcome.is_success(), "{outcome}");
    }
    assert_eq!(endpoint.server_names(), [Some("www.example.com".to_owned()), Some("www.example.com".to_owned())]);
    let field = format!("\r\nHost: www.example.com:{}\r\n", endpoint.address().port());
    assert!(endpoint.requests()[0].contains(&field));
}

#[tokio::test]
async fn asks_for_the_sni_apart_from_the_host() {
    let authority = authority("Trusted");
    let endpoint = endpoint_with(&params("edge.example.net"), &authority);
    let target = https(&endpoint, "www.example.com", Some("edge.example.net"), true);
    assert!(prober(&authority).probe(&target).await.is_success());
    assert_eq!(endpoint.server_names(), [Some("edge.example.net".to_owned())]);
    assert!(endpoint.requests()[0].contains("\r\nHost: www.example.com:"));
}

#[tokio::test]
async fn verifies_an_address_as_an_address() {
    let authority = authority("Trusted");
    let endpoint = endpoint_with(&params("127.0.0.1"), &authority);
    let prober = prober(&authority);
    assert!(prober.probe(&https(&endpoint, "127.0.0.1", None, true)).await.is_success());
    assert_eq!(endpoint.server_names(), [None]);
    let why = tls_failure(prober.probe(&https(&endpoint, "127.0.0.2", None, true)).await);
    assert_eq!(why, "certificate is not valid for name 127.0.0.2");
}

#[tokio::test]
async fn refuses_what_does_not_hold_unless_told_not_to_look() {
    let (trusted, foreign) = (authority("Trusted"), authority("Foreign"));
    let mut expired = params("www.example.com");
    (expired.not_before, expired.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1));
    let mut early = params("www.example.com");
    (early.not_before, early.not_after) = (date_time_ymd(4000, 1, 1), date_time_ymd(4001, 1, 1));
    let wrong_name = params("www.example.net");
    for (params, issuer, expected) in [
        (&expired, &trusted, "certificate expired"),
        (&early, &trusted, "certificate is not valid yet"),
        (&wrong_name, &trusted, "certificate is not valid for name www.example.com"),
        (&params("www.example.com"), &foreign, "unknown issuer"),
    ] {
        let endpoint = endpoint_with(params, issuer);
        let prober = prober(&trusted);
        let why = tls_failure(prober.probe(&https(&endpoint, "www.example.com", None, true)).await);
        assert_eq!(why, expected);
        assert_eq!(endpoint.requests(), [""; 0]);
        let unverified = prober.probe(&https(&endpoint, "www.example.com", None, false)).await;
        assert!(unverified.is_success(), "{expected}: {unverified}");
    }
}

#[tokio::test]
async fn refuses_a_certificate_that_vouches_for_itself() {
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(["www.example.com".to_owned()]).unwrap();
    let config = server_config(cert.into(), &signing_key);
    let endpoint = Endpoint::start_tls(ANY_PORT, Script::respond(200, "well"), config);
    let prober = Prober::new();
    let why = tls_failure(prober.probe(&https(&endpoint, "www.example.com", None, true)).await);
    assert_eq!(why, "unknown issuer: the certificate is self-signed and not trusted (`ca` may name it)");
    assert!(prober.probe(&https(&endpoint, "www.example.com", None, false)).await.is_success());
}

#[tokio::test]
async fn cannot_ask_for_what_is_no_name() {
    let authority = authority("Trusted");
    let endpoint = endpoint_with(&params("www.example.com"), &authority);
    for verify in [true, false] {
        let target = https(&endpoint, "www.example.com", Some("no name"), verify);
        assert_eq!(tls_failure(prober(&authority).probe(&target).await), "`no name` is not a host name");
    }
}

#[tokio::test]
async fn tells_what_the_endpoint_alerts_to() {
    let authority = authority("Trusted");
    let key = KeyPair::generate().unwrap();
    let certificate = params("www.example.com").signed_by(&key, &authority).unwrap();
    let mut config = Arc::unwrap_or_clone(server_config(certificate.into(), &key));
    config.alpn_protocols = vec![b"acme-tls/1".to_vec()];
    let endpoint = Endpoint::start_tls(ANY_PORT, Script::status(200), Arc::new(config));
    let why = tls_failure(prober(&authority).probe(&https(&endpoint, "www.example.com", None, true)).await);
    assert_eq!(why, "alert: no_application_protocol");
}

#[tokio::test]
async fn hears_of_a_missing_client_certificate_after_the_handshake() {
    let authority = authority("Trusted");
    let endpoint = Endpoint::start_tls(ANY_PORT, Script::status(200), demanding(&authority));
    let why = tls_failure(prober(&authority).probe(&https(&endpoint, "www.example.com", None, true)).await);
    assert_eq!(why, "alert: certificate_required");
}

#[tokio::test]
async fn is_not_spoken_by_every_endpoint() {
    let bad_request = Step::Say(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec());
    let endpoint = Endpoint::start(ANY_PORT, Script(vec![bad_request, Step::Hang]));
    let prober = prober(&authority("Trusted"));
    let why = tls_failure(prober.probe(&https(&endpoint, "www.example.com", None, true)).await);
    assert_eq!(why, "the answer is not TLS");
    endpoint.play(Script(vec![Step::Reset]));
    assert_eq!(failure(prober.probe(&https(&endpoint, "www.example.com", None, true)).await), Failure::Reset);
}

#[tokio::test]
async fn times_out_in_the_handshake() {
    let endpoint = Endpoint::start(ANY_PORT, Script::hang());
    let tls = TlsCheck { verify: false, ..TlsCheck::default() };
    let target = target(endpoint.address(), Check::Https(HttpCheck::default(), tls), IMPATIENCE);
    let outcome = prober(&authority("Trusted")).probe(&target).await;
    assert_eq!(failure(outcome), Failure::TimedOut(Stage::Handshake));
}

mod expiry {
    use super::*;

    #[tokio::test]
    async fn is_told_of_whatever_certificate_there_is() {
        let authority = authority("Trusted");
        let mut expired = params("www.example.com");
        (expired.not_before, expired.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1));
        let endpoint = endpoint_with(&expired, &authority);
        let unverified = finding(prober(&authority).probe(&https(&endpoint, "www.example.com", None, false)).await);
        assert_eq!(unverified.certificate_expires, Some(NEW_YEAR_2021));

        let mut valid = params("www.example.com");
        valid.not_after = date_time_ymd(4000, 1, 1);
        let endpoint = endpoint_with(&valid, &authority);
        let found = finding(prober(&authority).probe(&https(&endpoint, "www.example.com", None, true)).await);
        assert_eq!(found.certificate_expires, Some(Duration::from_secs(64_060_588_800)));
        assert!(found.times.handshake.is_some_and(|handshake| handshake <= found.took), "{found:?}");
    }
}

mod own_authority {
    use super::*;

    #[tokio::test]
    async fn is_trusted_instead_of_those_of_the_system() {
        let (system, own) = (authority("System"), authority("Own"));
        let by_own = endpoint_with(&params("www.example.com"), &own);
        let by_system = endpoint_with(&params("www.example.com"), &system);
        let trusting_own = |endpoint: &Endpoint| {
            let authorities = Some(Certificates::new([Box::from(&**own.der())]));
            let tls = TlsCheck { authorities, ..TlsCheck::default() };
            target(endpoint.address(), Check::Https(expecting_well(), tls), PATIENCE)
        };
        let prober = prober(&system);
        for _ in 0..2 {
            assert!(prober.probe(&trusting_own(&by_own)).await.is_success());
            assert_eq!(tls_failure(prober.probe(&trusting_own(&by_system)).await), "unknown issuer");
            assert!(prober.probe(&https(&by_system, "www.example.com", None, true)).await.is_success());
            let why = tls_failure(prober.probe(&https(&by_own, "www.example.com", None, true)).await);
            assert_eq!(why, "unknown issuer");
        }
    }
}

mod own_certificate {
    use super::*;

    async fn probe(tls: TlsCheck, trusted: &Authority) -> truenorth::health::Outcome {
        let endpoint = Endpoint::start_tls(ANY_PORT, Script::respond(200, "well"), demanding(trusted));
        prober(trusted).probe(&target(endpoint.address(), Check::Https(expecting_well(), tls), PATIENCE)).await
    }

    #[tokio::test]
    async fn is_shown_to_an_endpoint_that_demands_one() {
        let (trusted, foreign) = (authority("Trusted"), authority("Foreign"));
        let showing = |issuer| TlsCheck { identity: Some(identity(issuer)), ..TlsCheck::default() };
        assert!(probe(showing(&trusted), &trusted).await.is_success());
        let unverified = TlsCheck { verify: false, ..showing(&trusted) };
        assert!(probe(unverified, &trusted).await.is_success());
        let why = tls_failure(probe(showing(&foreign), &trusted).await);
        assert!(why.starts_with("alert: "), "{why}");
    }
}

mod bare {
    use super::*;

    fn bare(endpoint: &Endpoint, tls: TlsCheck, alpn: &[&str]) -> Target {
        let alpn = alpn.iter().map(|&protocol| protocol.into()).collect();
        target(endpoint.address(), Check::Tls(tls, alpn), PATIENCE)
    }

    #[tokio::test]
    async fn handshake_is_all_that_is_asked() {
        let authority = authority("Trusted");
        let endpoint = endpoint_with(&params("www.example.com"), &authority);
        let found = finding(prober(&authority).probe(&bare(&endpoint, TlsCheck::default(), &[])).await);
        assert_eq!(endpoint.requests(), [""; 0]);
        assert_eq!(endpoint.server_names(), [Some("www.example.com".to_owned())]);
        assert!(found.times.connect.is_some() && found.times.handshake.is_some(), "{found:?}");
        assert!(found.times.first_byte.is_none() && found.certificate_expires.is_some(), "{found:?}");
    }

    #[tokio::test]
    async fn handshake_verifies_as_https_does() {
        let (trusted, foreign) = (authority("Trusted"), authority("Foreign"));
        let mut expired = params("www.example.com");
        (expired.not_before, expired.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1));
        for (params, issuer, expected) in [
            (&expired, &trusted, "certificate expired"),
            (&params("www.example.net"), &trusted, "certificate is not valid for name www.example.com"),
            (&params("www.example.com"), &foreign, "unknown issuer"),
        ] {
            let endpoint = endpoint_with(params, issuer);
            let prober = prober(&trusted);
            assert_eq!(tls_failure(prober.probe(&bare(&endpoint, TlsCheck::default(), &[])).await), expected);
            let unverified = TlsCheck { verify: false, ..TlsCheck::default() };
            assert!(prober.probe(&bare(&endpoint, unverified, &[])).await.is_success(), "{expected}");
        }
    }

    #[tokio::test]
    async fn handshake_comes_to_a_protocol_if_some_are_named() {
        let authority = authority("Trusted");
        let key = KeyPair::generate().unwrap();
        let certificate = params("www.example.com").signed_by(&key, &authority).unwrap();
        let mut config = Arc::unwrap_or_clone(server_config(certificate.into(), &key));
        config.alpn_protocols = vec![b"dot".to_vec()];
        let endpoint = Endpoint::start_tls(ANY_PORT, Script::hang(), Arc::new(config));
        let prober = prober(&authority);
        assert!(prober.probe(&bare(&endpoint, TlsCheck::default(), &["h2", "dot"])).await.is_success());
        let why = tls_failure(prober.probe(&bare(&endpoint, TlsCheck::default(), &["h2"])).await);
        assert_eq!(why, "alert: no_application_protocol");
        // This server does not support ALPN, and ignores it.
        let ignorant = endpoint_with(&params("www.example.com"), &authority);
        let why = tls_failure(prober.probe(&bare(&ignorant, TlsCheck::default(), &["h2", "dot"])).await);
        assert_eq!(why, "no agreement on h2 or dot by ALPN");
    }

    #[tokio::test]
    async fn handshake_waits_for_what_the_endpoint_says_of_the_monitors_certificate() {
        let (trusted, foreign) = (authority("Trusted"), authority("Foreign"));
        let endpoint = Endpoint::start_tls(ANY_PORT, Script::hang(), demanding(&trusted));
        let showing = |identity| TlsCheck { identity, ..TlsCheck::default() };
        let prober = prober(&trusted);
        assert!(prober.probe(&bare(&endpoint, showing(Some(identity(&trusted))), &[])).await.is_success());
        let why = tls_failure(prober.probe(&bare(&endpoint, showing(None), &[])).await);
        assert_eq!(why, "alert: certificate_required");
        let why = tls_failure(prober.probe(&bare(&endpoint, showing(Some(identity(&foreign))), &[])).await);
        assert!(why.starts_with("alert: "), "{why}");
    }

    #[tokio::test]
    async fn handshake_fails_as_connections_do() {
        let endpoint = Endpoint::start(ANY_PORT, Script(vec![Step::Reset]));
        let prober = Prober::with_roots([]);
        assert_eq!(failure(prober.probe(&bare(&endpoint, TlsCheck::default(), &[])).await), Failure::Reset);
        endpoint.play(Script(vec![Step::Read, Step::Hang]));
        let target = target(endpoint.address(), Check::Tls(TlsCheck::default(), Vec::new()), IMPATIENCE);
        assert_eq!(failure(prober.probe(&target).await), Failure::TimedOut(Stage::Handshake));
    }
}

#[tokio::test]
async fn a_kept_connection_is_not_used_beyond_its_certificate() {
    let authority = authority("Trusted");
    let ok = Step::Say(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nwell".to_vec());
    let key = KeyPair::generate().unwrap();
    let mut short = params("www.example.com");
    short.not_after = (std::time::SystemTime::now() + Duration::from_secs(3)).into();
    let certificate = short.signed_by(&key, &authority).unwrap();
    let script = Script([Step::Read, ok].into_iter().cycle().take(6).collect());
    let endpoint = Endpoint::start_tls(ANY_PORT, script, server_config(certificate.into(), &key));
    let check = HttpCheck { reuse: true, ..expecting_well() };
    let target = target(endpoint.address(), Check::Https(check, TlsCheck::default()), PATIENCE);
    let prober = prober(&authority);
    assert!(prober.probe(&target).await.is_success());
    assert!(prober.probe(&target).await.is_success());
    assert_eq!(endpoint.connections(), 1);
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(tls_failure(prober.probe(&target).await), "certificate expired");
}

#[tokio::test]
async fn http_2_may_be_demanded() {
    let authority = authority("Trusted");
    let endpoint = endpoint_with(&params("www.example.com"), &authority);
    let check = HttpCheck { version: Some(truenorth::health::HttpVersion::Http2), ..expecting_well() };
    let target = target(endpoint.address(), Check::Https(check, TlsCheck::default()), PATIENCE);
    let why = tls_failure(prober(&authority).probe(&target).await);
    assert_eq!(why, "no agreement on h2 by ALPN");
}

/// Certificates with keys that ring cannot make, presented by OpenSSL.
mod keys {
    use std::io::{BufRead, BufReader, Read};
    use std::path::Path;
    use std::process::{Child, ChildStdout, Command, Stdio};

    use super::*;

    /// Settings for a self-signed certificate that is marked as an authority, as `openssl req -x509` makes it.
    const SELF_SIGNED: &str = "[req]\ndistinguished_name = dn\nx509_extensions = ext\nprompt = no\n\
                               [dn]\nCN = www.example.com\n\
                               [ext]\nsubjectAltName = DNS:www.example.com\nbasicConstraints = critical,CA:TRUE\n";

    struct Server {
        process: Child,
        certificate: Box<[u8]>,
        address: std::net::SocketAddr,
        /// It is kept open, because a process that writes to a pipe without a reader is killed.
        _output: BufReader<ChildStdout>,
        _folder: tempfile::TempDir,
    }

    fn openssl(folder: &Path, arguments: &[&str]) -> Vec<u8> {
        let output = Command::new("openssl").args(arguments).current_dir(folder).stdin(Stdio::null()).output();
        let output = output.unwrap_or_else(|error| panic!("openssl does not run ({error}): apt-get install openssl"));
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    impl Server {
        /// Starts an endpoint with a self-signed certificate. `key` are the arguments that make its key.
        fn start(key: &[&str]) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let here = folder.path();
            std::fs::write(here.join("config"), SELF_SIGNED).unwrap();
            openssl(here, &[&["genpkey", "-out", "key"], key].concat());
            openssl(
                here,
                &["req", "-x509", "-new", "-key", "key", "-config", "config", "-days", "30", "-out", "certificate"],
            );
            let certificate = openssl(here, &["x509", "-in", "certificate", "-outform", "DER"]).into();
            // SECLEVEL 0, or OpenSSL itself refuses the short keys.
            let arguments = ["s_server", "-accept", "127.0.0.1:0", "-www", "-cert", "certificate", "-key", "key"];
            let mut process = Command::new("openssl")
                .args(arguments)
                .args(["-cipher", "DEFAULT@SECLEVEL=0"])
                .current_dir(here)
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            let mut output = BufReader::new(process.stdout.take().unwrap());
            let mut told = output.by_ref().lines().map_while(Result::ok);
            let address = told.find_map(|line| line.strip_prefix("ACCEPT ")?.parse().ok());
            let address = address.expect("it says where it listens");
            Self { process, certificate, address, _output: output, _folder: folder }
        }

        /// A probe that trusts the certificate itself, and no other.
        async fn probe(&self, host: &str) -> truenorth::health::Outcome {
            let authorities = Some(Certificates::new([self.certificate.clone()]));
            let tls = TlsCheck { authorities, ..TlsCheck::default() };
            let mut target = target(self.address, Check::Https(HttpCheck::default(), tls), PATIENCE);
            target.host = host.into();
            Prober::with_roots([]).probe(&target).await
        }

        async fn probe_unverified(&self) -> truenorth::health::Outcome {
            let tls = TlsCheck { verify: false, ..TlsCheck::default() };
            let target = target(self.address, Check::Https(HttpCheck::default(), tls), PATIENCE);
            Prober::with_roots([]).probe(&target).await
        }
    }

    impl Drop for Server {
        fn drop(&mut self) {
            let _ = self.process.kill();
            let _ = self.process.wait();
        }
    }

    #[tokio::test]
    async fn that_can_be_verified_are_good_in_a_certificate_that_is_trusted_itself() {
        for key in [
            &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"][..],
            &["-algorithm", "RSA-PSS", "-pkeyopt", "rsa_keygen_bits:2048"],
            &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
            &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"],
            &["-algorithm", "ED25519"],
        ] {
            let server = Server::start(key);
            let outcome = server.probe("www.example.com").await;
            assert!(outcome.is_success(), "{key:?}: {outcome}");
            let why = tls_failure(server.probe("www.example.net").await);
            assert_eq!(why, "certificate is not valid for name www.example.net", "{key:?}");
            assert!(server.probe_unverified().await.is_success(), "{key:?}");
        }
    }

    #[tokio::test]
    async fn that_cannot_be_verified_are_told() {
        for (key, expected) in [
            (
                &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"][..],
                "certificate cannot be verified: its RSA key has 1024 bits, which is too short: 2048 are the least",
            ),
            (
                &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-521"],
                "certificate cannot be verified: its key is of type P-521, which this node cannot verify: \
                 use P-256, P-384, RSA or Ed25519",
            ),
            (&["-algorithm", "ED448"], "certificate cannot be verified: its key is of type "),
        ] {
            let server = Server::start(key);
            let why = tls_failure(server.probe("www.example.com").await);
            assert!(why.starts_with(expected), "{key:?}: {why}");
            let unverified = server.probe_unverified().await;
            assert!(unverified.is_success(), "{key:?}: {unverified}");
        }
    }

    #[tokio::test]
    async fn of_nobody_who_is_trusted_are_told_so() {
        let server = Server::start(&["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]);
        for prober in [Prober::with_roots([]), prober(&authority("Another"))] {
            let check = Check::Https(HttpCheck::default(), TlsCheck::default());
            let why = tls_failure(prober.probe(&target(server.address, check, PATIENCE)).await);
            assert_eq!(why, "unknown issuer: the certificate is self-signed and not trusted (`ca` may name it)");
        }
    }
}
