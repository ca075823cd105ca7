//! Notices in JSON and in words.

use serde_json::json;

use super::*;
use crate::health::{Check, Failure, Monitor, Share, TcpCheck};
use crate::report::Shift;

#[test]
fn a_notice_is_one_flat_object() {
    let notice =
        Notice { id: 7, time: 8, kind: EventKind::Txt { name: "a.".into(), value: "b".into(), set: true, who: None } };
    let json = serde_json::to_value(&notice).unwrap();
    let expected = serde_json::json!({"id": 7, "time": 8, "event": "txt", "name": "a.", "value": "b", "set": true});
    assert_eq!(json, expected);
    assert_eq!(json["event"], notice.kind.kind());
    assert_eq!(serde_json::from_value::<Notice>(json).unwrap(), notice);
}

#[test]
fn a_turn_tells_what_was_seen_and_what_it_moves_and_is_read_again() {
    let target = Target {
        address: std::net::SocketAddr::from(([127, 0, 0, 1], 80)).into(),
        host: "a".into(),
        monitor: Monitor::new(Check::Tcp(TcpCheck::default()), 80).into(),
    };
    let shift = Shift {
        names: vec!["www.".into()],
        more: 1,
        from: vec!["fra".into()],
        to: vec!["iad".into()],
        clients: vec!["europe".into()],
    };
    let impact = Some(Impact { moves: vec![shift], more: 0 });
    let seen = Outcome::Failure(Failure::Status(500));
    let kind = EventKind::endpoint(
        &target,
        Changed::Probed,
        [&["web/fra".into()], &["web".into()]],
        [State::Up, State::Down],
        Some(&seen),
        impact,
    );
    let expected =
        "127.0.0.1:80 of web/fra is down (monitor web): status 500; names www. and 1 more: fra -> iad for europe";
    assert_eq!(kind.to_string(), expected);
    assert_eq!((kind.severity(), kind.is_good()), (Severity::Error, false));
    let notice = Notice { id: 1, time: 2, kind };
    let json = serde_json::to_value(&notice).unwrap();
    assert_eq!(
        (&json["seen"], &json["outcome"], &json["status"]),
        (&json!("status 500"), &json!("status"), &json!(500))
    );
    assert_eq!(json["impact"][0]["clients"], json!(["europe"]));
    assert_eq!(serde_json::from_value::<Notice>(json).unwrap(), notice);
    let unknown =
        EventKind::endpoint(&target, Changed::Probed, [&[], &[]], [State::Down, State::Up], Some(&seen), None);
    assert_eq!(unknown.subject(), "endpoint 127.0.0.1:80 ");
    let json = serde_json::to_value(&unknown).unwrap();
    assert!(unknown.is_good() && json.get("impact").is_none());
    assert_eq!(serde_json::from_value::<EventKind>(json).unwrap(), unknown);
    let one_of_several = EventKind::endpoint(
        &target,
        Changed::Calculated { is_inverted: false },
        [&["web/fra".into()], &["web".into()]],
        [State::Up, State::Down],
        Some(&seen),
        None,
    );
    let expected = "127.0.0.1 of web/fra is down (monitor web): tcp 127.0.0.1:80: status 500";
    assert_eq!(one_of_several.to_string(), expected);
    for (count, is_inverted, expected) in [
        (3, false, "3 endpoints of web/fra, web/iad are down (monitor db): tcp 127.0.0.1:80: status 500"),
        (1, true, "1 endpoint of web/fra, web/iad is down (monitor db): tcp 127.0.0.1:80, inverted: status 500"),
    ] {
        let pools = ["web/fra".into(), "web/iad".into()];
        let changed = Changed::Dependents { count, is_inverted };
        let of = [&pools[..], &["db".into()]];
        let kind = EventKind::endpoint(&target, changed, of, [State::Up, State::Down], Some(&seen), None);
        assert_eq!(kind.to_string(), expected);
        let json = serde_json::to_value(&kind).unwrap();
        assert_eq!((&json["endpoint"], &json["dependents"]), (&json!("127.0.0.1:80"), &json!(count)));
    }
    let drained = [State::Up, State::Degraded(Share::NONE)];
    let drained = EventKind::endpoint(&target, Changed::Probed, [&["web/fra".into()], &[]], drained, Some(&seen), None);
    assert_eq!(drained.severity(), Severity::Warning);
    assert!(drained.to_string().contains("is drained"), "{drained}");
}

#[test]
fn what_happens_to_the_node_itself_is_told_in_sentences() {
    let own = |happening, error: Option<&str>| EventKind::OwnCertificate {
        server: "admin".into(),
        happening,
        names: vec!["ns1.example.com".into()],
        expires: Some(0),
        error: error.map(Into::into),
    };
    let store = |kept, error: Option<&str>| EventKind::Store { kept, error: error.map(Into::into) };
    let remap = |by: &str, times, maps, took_ms| EventKind::Remap { by: by.into(), times, maps, took_ms };
    for (kind, severity, is_good, told) in [
        (
            own(CertificateTurn::ExpiresSoon, None),
            Severity::Warning,
            false,
            "the certificate of the admin server (ns1.example.com) expires soon: it is valid until 1970-01-01T00:00:00Z",
        ),
        (
            own(CertificateTurn::Expired, None),
            Severity::Critical,
            false,
            "the certificate of the admin server (ns1.example.com) has expired: it was valid until 1970-01-01T00:00:00Z",
        ),
        (
            own(CertificateTurn::Replaced, None),
            Severity::Info,
            true,
            "the certificate of the admin server (ns1.example.com) was replaced by one that is valid until \
             1970-01-01T00:00:00Z",
        ),
        (
            own(CertificateTurn::NotLoaded, Some("a.pem is not PEM")),
            Severity::Error,
            false,
            "the certificate of the admin server (ns1.example.com) stays in use, because the new one cannot be loaded: \
             a.pem is not PEM",
        ),
        (
            own(CertificateTurn::Loaded, None),
            Severity::Info,
            true,
            "the certificate of the admin server (ns1.example.com) can be loaded again",
        ),
        (
            store(false, Some("disk full")),
            Severity::Error,
            false,
            "state is not kept, so a restart would lose orders: disk full",
        ),
        (store(true, None), Severity::Info, true, "state is kept again"),
        (
            remap("databases", 1, 1, 20),
            Severity::Info,
            true,
            "1 map rebuilt after a change of the databases, in 20ms at most",
        ),
        (
            remap("round trips", 3, 6, 1500),
            Severity::Info,
            true,
            "6 maps rebuilt after a change of the round trips, 3 times, in 1.5s at most",
        ),
    ] {
        assert_eq!((kind.severity(), kind.is_good(), kind.to_string().as_str()), (severity, is_good, told));
        let json = serde_json::to_value(&kind).unwrap();
        assert_eq!(serde_json::from_value::<EventKind>(json).unwrap(), kind);
    }
}

#[test]
fn what_happens_to_a_lease_is_read_again() {
    let news = crate::lease::LeaseNews::Lease {
        pool: "web".into(),
        id: "one".parse().unwrap(),
        address: Some([10, 0, 0, 1].into()),
        who: Some("fleet".into()),
        happening: crate::lease::LeaseHappening::Registered,
    };
    let notice = Notice { id: 7, time: 8, kind: EventKind::lease(news) };
    let json = serde_json::to_value(&notice).unwrap();
    let expected = json!({"id": 7, "time": 8, "event": "lease", "happening": "registered", "pool": "web", "lease": "one",
        "address": "10.0.0.1", "who": "fleet"});
    assert_eq!(json, expected);
    assert_eq!(notice.kind.to_string(), "one (10.0.0.1) registered itself in pool web, asked for by fleet");
    assert_eq!(serde_json::from_value::<Notice>(json).unwrap(), notice);
}
