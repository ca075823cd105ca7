//! The identity of targets: the same on every machine, in every version, after every restart.
//!
//! Each field is written out by hand, with its length where it has one, and hashed by SipHash-2-4-128. Nothing depends
//! on the order of a struct's fields, on an index or on a derived hash. The golden vectors in the tests below must
//! never change, because kept health is found by its fingerprint.

use std::hash::Hasher;
use std::net::SocketAddr;
use std::time::Duration;

use siphasher::sip128::{Hasher128, SipHasher24};

use super::{
    BodyMatch, Certificates, Check, ClientIdentity, DEFAULT_CLEAR, Degraded, DnsCheck, DnsTransport, ExecCheck,
    ExitCodes, ExpectedRecord, GrpcCheck, HttpCheck, HttpVersion, Monitor, Pattern, ProbeAddress, Quorum, StatusRange,
    Target, TcpCheck, TlsCheck,
};

/// The key of the hash. It need not be secret: only the operator writes targets.
const KEY: &[u8; 16] = b"truenorth target";

impl Target {
    /// The identity of the target. Two identities are equal only if the targets are equal.
    pub fn fingerprint(&self) -> u128 {
        let mut identity = self.identify_question();
        let Monitor { check: _, pace, rise, fall, clear, hold_down, quorum, vantages, port } = &*self.monitor;
        for time in [pace.interval(), pace.timeout(), *hold_down] {
            identity.duration(time);
        }
        identity.number(u64::from(rise.get()));
        identity.number(u64::from(fall.get()));
        identity.number(u64::from(*port));
        // Identities of monitors without a quorum are those of the time before fleets.
        if let Some(quorum) = quorum {
            identity.quorum(*quorum);
        }
        if let Some(vantages) = vantages {
            // No quorum begins with this number.
            identity.number(3);
            identity.number(u64::from(vantages.get()));
        }
        if *clear != DEFAULT_CLEAR {
            identity.number(4);
            identity.number(u64::from(clear.get()));
        }
        identity.finish()
    }

    /// The identity of what is asked of which endpoint: the same for targets that differ in `interval`, `timeout`, `rise`, `fall`,
    /// `clear` and `hold_down` only.
    pub fn question_fingerprint(&self) -> u128 {
        self.identify_question().finish()
    }

    /// The same without the host of the request: equal also for targets that differ in their host.
    pub fn hostless_fingerprint(&self) -> u128 {
        let mut identity = self.identify_address();
        identity.check(&self.monitor.check);
        identity.finish()
    }

    fn identify_question(&self) -> Identity {
        let mut identity = self.identify_address();
        identity.text(&self.host);
        identity.check(&self.monitor.check);
        identity
    }

    fn identify_address(&self) -> Identity {
        let mut identity = Identity(SipHasher24::new_with_key(KEY));
        match &self.address {
            ProbeAddress::Ip(SocketAddr::V4(address)) => identity.octets(&address.ip().octets()),
            ProbeAddress::Ip(SocketAddr::V6(address)) => identity.octets(&address.ip().octets()),
            ProbeAddress::Name(name, _) => {
                // No address has this length.
                identity.number(1);
                identity.text(name);
            }
        }
        identity.number(u64::from(self.address.port()));
        identity
    }
}

/// Hashes the fields of an identity one after the other.
struct Identity(SipHasher24);

impl Identity {
    fn finish(&self) -> u128 {
        self.0.finish128().as_u128()
    }

    fn number(&mut self, number: u64) {
        self.0.write(&number.to_be_bytes());
    }

    fn octets(&mut self, octets: &[u8]) {
        self.number(octets.len() as u64);
        self.0.write(octets);
    }

    fn text(&mut self, text: &str) {
        self.octets(text.as_bytes());
    }

    fn flag(&mut self, flag: bool) {
        self.number(u64::from(flag));
    }

    fn quorum(&mut self, quorum: Quorum) {
        let (kind, value) = match quorum {
            Quorum::Majority => (0, 0),
            Quorum::Number(number) => (1, number.get()),
            Quorum::Share(share) => (2, share.thousandths()),
        };
        self.number(kind);
        self.number(u64::from(value));
    }

    fn duration(&mut self, duration: Duration) {
        self.number(duration.as_secs());
        self.number(u64::from(duration.subsec_nanos()));
    }

    fn option<T>(&mut self, value: Option<&T>, write: impl FnOnce(&mut Self, &T)) {
        self.flag(value.is_some());
        if let Some(value) = value {
            write(self, value);
        }
    }

    fn list<T>(&mut self, list: &[T], write: impl Fn(&mut Self, &T)) {
        self.number(list.len() as u64);
        for item in list {
            write(self, item);
        }
    }

    /// Each kind of check begins with its name in a zone file.
    fn check(&mut self, check: &Check) {
        self.text(check.as_str());
        match check {
            Check::Tcp(TcpCheck { send, expect }) => {
                self.octets(send);
                self.option(expect.as_ref(), Self::body);
            }
            Check::Http(http) => self.http(http),
            Check::Https(http, tls) => {
                self.http(http);
                self.tls(tls);
            }
            Check::Tls(tls, protocols) => {
                self.tls(tls);
                self.list(protocols, |identity, protocol| identity.text(protocol));
            }
            Check::Dns(dns) => self.dns(dns),
            Check::Grpc(GrpcCheck { service, tls }) => {
                self.text(service);
                self.option(tls.as_ref(), Self::tls);
            }
            Check::Exec(ExecCheck { program, arguments, degraded }) => {
                self.octets(program.as_os_str().as_encoded_bytes());
                self.list(arguments, |identity, argument| identity.text(argument));
                // Identities of programs with the usual exit codes are those of the time before there were others.
                if *degraded != ExitCodes::default() {
                    self.octets(&degraded.codes);
                    self.number(u64::from(degraded.share.thousandths()));
                }
            }
            Check::Icmp | Check::Push => {}
        }
    }

    fn http(&mut self, check: &HttpCheck) {
        let HttpCheck {
            version,
            method,
            path,
            headers,
            expect_status,
            expect_body,
            degraded,
            weight_header,
            load_json,
            reuse,
        } = check;
        self.option(version.as_ref(), |identity, version| {
            identity.number(match version {
                HttpVersion::Http1 => 1,
                HttpVersion::Http2 => 2,
            });
        });
        self.text(method);
        self.text(path);
        self.list(headers, |identity, (name, value)| {
            identity.text(name);
            identity.text(value);
        });
        self.list(expect_status, |identity, range| identity.range(*range));
        self.option(expect_body.as_ref(), Self::body);
        self.option(degraded.as_ref(), |identity, Degraded { expect_status, above, share }| {
            identity.list(expect_status, |identity, range| identity.range(*range));
            identity.option(above.as_ref(), |identity, above| identity.duration(*above));
            identity.number(u64::from(share.thousandths()));
        });
        for text in [weight_header, load_json] {
            self.option(text.as_ref(), |identity, text| identity.text(text));
        }
        self.flag(*reuse);
    }

    fn range(&mut self, StatusRange { first, last }: StatusRange) {
        self.number(u64::from(first));
        self.number(u64::from(last));
    }

    fn body(&mut self, expected: &BodyMatch) {
        match expected {
            BodyMatch::Substring(text) => {
                self.number(0);
                self.text(text);
            }
            BodyMatch::Pattern(Pattern(pattern)) => {
                self.number(1);
                self.text(pattern.as_str());
            }
        }
    }

    fn tls(&mut self, check: &TlsCheck) {
        // The time of the warning is not part of the question: a certificate that expires soon does not change the
        // outcome.
        let TlsCheck { sni, verify, authorities, identity: client, expiry_warning: _ } = check;
        self.option(sni.as_ref(), |identity, sni| identity.text(sni));
        self.flag(*verify);
        self.option(authorities.as_ref(), Self::certificates);
        self.option(client.as_ref(), |identity, ClientIdentity { chain, key }| {
            identity.certificates(chain);
            identity.octets(key.der());
        });
    }

    fn certificates(&mut self, certificates: &Certificates) {
        let list: Vec<&[u8]> = certificates.iter().collect();
        self.list(&list, |identity, certificate| identity.octets(certificate));
    }

    fn dns(&mut self, check: &DnsCheck) {
        let DnsCheck { query, qtype, transport, recursion, expect_rcode, expect } = check;
        self.octets(query);
        self.number(u64::from(*qtype));
        self.number(match transport {
            DnsTransport::Udp => 0,
            DnsTransport::Tcp => 1,
        });
        self.flag(*recursion);
        self.octets(expect_rcode);
        self.list(expect, |identity, ExpectedRecord { text: _, rdata }| identity.octets(rdata));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::{DEFAULT_TIMEOUT, Pace, Share};

    fn target(address: &str, monitor: Monitor) -> Target {
        Target {
            address: address.parse::<SocketAddr>().unwrap().into(),
            host: "www.example.com".into(),
            monitor: monitor.into(),
        }
    }

    fn pace(interval: u64) -> Pace {
        Pace::try_new(Duration::from_secs(interval), DEFAULT_TIMEOUT).unwrap()
    }

    fn checks() -> Vec<Check> {
        let body = |text: &str| Some(BodyMatch::Substring(text.into()));
        let pattern = Some(BodyMatch::Pattern(Pattern(regex::bytes::Regex::new("ok|fine").unwrap())));
        let tls = TlsCheck { sni: Some("a".into()), verify: false, ..TlsCheck::default() };
        let http = HttpCheck { expect_body: pattern, headers: vec![("a".into(), "b".into())], ..HttpCheck::default() };
        vec![
            Check::Tcp(TcpCheck::default()),
            Check::Tcp(TcpCheck { send: b"ping".as_slice().into(), expect: body("pong") }),
            Check::Http(HttpCheck::default()),
            Check::Http(http.clone()),
            Check::Https(http, TlsCheck::default()),
            Check::Tls(tls.clone(), vec!["h2".into()]),
            Check::Grpc(GrpcCheck { service: "s".into(), tls: Some(tls) }),
            Check::Icmp,
            Check::Exec(ExecCheck {
                program: std::path::Path::new("/bin/true").into(),
                arguments: vec!["{host}".into()],
                degraded: ExitCodes::default(),
            }),
            Check::Push,
        ]
    }

    #[test]
    fn a_fingerprint_tells_targets_apart() {
        let mut seen = std::collections::HashSet::new();
        for check in checks() {
            for (address, interval) in
                [("192.0.2.1:80", 5), ("[2001:db8::1]:80", 5), ("192.0.2.1:81", 5), ("192.0.2.1:80", 6)]
            {
                let monitor = Monitor { pace: pace(interval), ..Monitor::new(check.clone(), 80) };
                let target = target(address, monitor);
                assert!(seen.insert(target.fingerprint()), "{target:?}");
                assert_eq!(target.fingerprint(), target.clone().fingerprint());
            }
        }
        let cleared = Monitor { clear: 2.try_into().unwrap(), ..Monitor::new(Check::Icmp, 80) };
        assert!(seen.insert(target("192.0.2.1:80", cleared).fingerprint()));
        let strict = ExecCheck {
            program: std::path::Path::new("/bin/true").into(),
            arguments: vec!["{host}".into()],
            degraded: ExitCodes { codes: [].into(), share: Share::FULL },
        };
        assert!(seen.insert(target("192.0.2.1:80", Monitor::new(Check::Exec(strict), 80)).fingerprint()));
        // The fingerprint of the question does not depend on the interval.
        let question = |interval| {
            let monitor = Monitor { pace: pace(interval), ..Monitor::new(Check::Icmp, 0) };
            target("192.0.2.1:0", monitor).question_fingerprint()
        };
        assert_eq!(question(5), question(6));
        // Without the host it does not depend on the host either.
        let hosted = |host: &str| {
            let target = Target { host: host.into(), ..target("192.0.2.1:0", Monitor::new(Check::Icmp, 0)) };
            (target.question_fingerprint(), target.hostless_fingerprint())
        };
        let (one, other) = (hosted("a"), hosted("b"));
        assert!(one.0 != other.0 && one.1 == other.1);
        // A name is not the address with the same octets.
        let named = |name: &str| {
            let address = ProbeAddress::Name(name.into(), 80);
            Target { address, ..target("192.0.2.1:80", Monitor::new(Check::Icmp, 80)) }.fingerprint()
        };
        assert!(seen.insert(named("db")) && seen.insert(named("abcd")));
        assert_ne!(named("abcd"), target("97.98.99.100:80", Monitor::new(Check::Icmp, 80)).fingerprint());
    }

    #[test]
    fn fingerprints_are_the_same_on_every_machine_and_in_every_version() {
        let golden: Vec<String> = checks()
            .into_iter()
            .map(|check| format!("{:032x}", target("192.0.2.1:80", Monitor::new(check, 80)).fingerprint()))
            .collect();
        assert_eq!(golden, GOLDEN);
    }

    const GOLDEN: [&str; 10] = [
        "a9d80dd89d0bae5ddf3d486ef5e138aa",
        "74412ac7094165434526cc9afa56f3ea",
        "95cbdfa5af18f3a326a62198a0302133",
        "fc70ead72213a3981c7a1493be11c952",
        "375779845ff22c393e628364fe849d89",
        "eb8989f0ae2f00d992b057cccf8c68de",
        "91ca1e328c5e8c14b320103b8b917cbe",
        "2a3428df1f398b5e7b9474799652ff2b",
        "950e53f6fcaf3cab2afecd0aecd154eb",
        "780a1d6264c3ebb6e8815efa3c443fdb",
    ];
}
