//! Messages to JSON and back, and what is refused.

use super::*;
use crate::geo::{Coordinates, CountryCode};
use crate::latency::{Rtt, Sample, VantageRtts};
use proptest::prelude::*;

fn report() -> Report {
    let sight = |opinion| Sight {
        opinion,
        turned: Duration::from_secs(61),
        seen: Duration::from_millis(420),
        took: Some(Duration::from_micros(3_100)),
    };
    Report {
        site: "fra".into(),
        interval: Duration::from_secs(2),
        doubts: true,
        leaves: false,
        digest: Digest { count: 3, sum: 0x9a0f },
        identity: Some(0x51),
        rtts: Some(0x52),
        parts: Some(std::array::from_fn(|number| number as u32 + 0xf0)),
        part: Some(Part { number: 1, of: 2 }),
        rows: vec![
            (QuestionId(7), Some(sight(Some(Share::from_thousandths(250))))),
            (QuestionId(8), Some(Sight { took: None, ..sight(None) })),
            (QuestionId(u128::MAX), None),
        ],
    }
}

fn identity() -> Identity {
    let zone = |origin: &str, keys: &[u16]| ZoneIdentity {
        origin: origin.into(),
        serial: 2_026_112_701,
        text: 0xab,
        keys: keys.into(),
    };
    Identity::new("0.1.0 (3f2a9c)", vec![zone("example.com.", &[]), zone("example.net.", &[9, 4711])])
}

fn sight() -> ZonesSight {
    ZonesSight { serves: Some((7, 0xab)), refuses: Some((8, "zones/a.toml:3:1: no".into())) }
}

fn rtts() -> VantageRtts {
    let site = Coordinates::try_new(50.11, -8.6812);
    let to = [("fra", 0.4), ("iad", 88.1)].map(|(place, ms)| (place.into(), Rtt::from_ms(ms)));
    VantageRtts::new(CountryCode::parse("DE"), site, to)
}

fn sample(client: &str, ms: f64) -> Sample {
    Sample::try_new(client.parse().unwrap(), "fra", ms).unwrap()
}

fn message(body: Body) -> Message {
    Message { incarnation: 1_764_266_400_000, sequence: 7, wall: Duration::from_millis(1_764_266_412_345), body }
}

#[test]
fn messages_come_back_as_they_were() {
    let name = |text| NodeName::try_new(text).unwrap();
    let bare = Report {
        doubts: false,
        leaves: true,
        identity: None,
        rtts: None,
        parts: None,
        part: None,
        rows: Vec::new(),
        ..report()
    };
    let asked = vec![name("ns1"), name("ns2")];
    let bodies = [
        Body::Report(report()),
        Body::Report(bare),
        Body::Identity(identity()),
        Body::Identity(Identity { observes: true, ..identity() }),
        Body::Identity(Identity { sight: Some(ZonesSight::default()), ..identity() }),
        Body::Identity(Identity { sight: Some(sight()), ..identity() }),
        Body::Rtts(rtts()),
        Body::Rtts(VantageRtts::default()),
        Body::Samples(vec![sample("198.51.100.0/24", 23.4), sample("2001:db8:7::/48", 0.25)]),
        Body::Ask(asked),
    ];
    for body in bodies {
        let message = message(body);
        assert_eq!(decode(&encode(&message)), Ok(message));
    }
}

#[test]
fn the_form_is_the_same_in_every_version() {
    let text = String::from_utf8(encode(&message(Body::Report(report())))).unwrap();
    assert_eq!(
        text,
        "{\"v\":1,\"run\":1764266400000,\"seq\":7,\"wall\":1764266412345,\"report\":{\"site\":\"fra\",\
         \"interval\":2000,\"doubts\":true,\"count\":3,\"digest\":\"0000000000009a0f\",\
         \"identity\":\"0000000000000051\",\"rtts\":\"0000000000000052\",\"parts\":\"000000f0000000f1000000f2000000f3000000f4000000f5000000f6000000f7\
         000000f8000000f9000000fa000000fb000000fc000000fd000000fe000000ff\",\"part\":[1,2],\"rows\":[\
         [\"00000000000000000000000000000007\",250,61000,420,3100],\
         [\"00000000000000000000000000000008\",null,61000,420,null],[\"ffffffffffffffffffffffffffffffff\"]]}}"
    );
}

#[test]
fn what_breaks_the_rules_is_malformed_and_another_version_is_foreign() {
    let good = String::from_utf8(encode(&message(Body::Report(report())))).unwrap();
    for (from, to) in [
        ("[1,2]", "[2,2]"),
        ("250", "1001"),
        ("250", "-1"),
        ("\"site\":\"fra\"", "\"site\":\"f\\nra\""),
        ("\"site\":\"fra\"", "\"site\":\"\u{202e}fra\""),
        ("0000000000009a0f", "9a0f"),
        ("000000f0", "f0"),
        ("000000f0", "\u{e4}0000f0"),
        ("00000000000000000000000000000007", "+0000000000000000000000000000007"),
        ("00000000000000000000000000000007", "7"),
        ("\"report\"", "\"rapport\""),
        ("\"seq\":7", "\"seq\":-7"),
        ("{\"v\":1", "{\"v\":1,\"ask\":[]"),
        ("}}", "}"),
    ] {
        let bad = good.replacen(from, to, 1);
        assert_ne!(bad, good);
        assert_eq!(decode(bad.as_bytes()), Err(Unreadable::Malformed), "{bad}");
    }
    assert_eq!(decode(b"{\"v\":2,\"all\":\"new\"}"), Err(Unreadable::Foreign));
    assert_eq!(decode(good.replacen("\"v\":1", "\"v\":9", 1).as_bytes()), Err(Unreadable::Foreign));
    assert_eq!(decode(&vec![b' '; MAX_PAYLOAD + 1]), Err(Unreadable::Malformed));
    let later = good.replacen("\"seq\"", "\"new\":{},\"seq\"", 1);
    assert!(decode(later.as_bytes()).is_ok(), "keys that are added later are no harm");
}

#[test]
fn an_identity_that_breaks_the_rules_is_malformed() {
    let good = String::from_utf8(encode(&message(Body::Identity(identity())))).unwrap();
    assert!(good.contains("\"zones\":[[\"example.com.\",2026112701,\"00000000000000ab\"],"), "{good}");
    for (from, to) in [
        ("0.1.0", "0.1.0\u{1b}[2J"),
        ("0.1.0", &"1".repeat(MAX_VERSION + 1)),
        ("example.com.", "example.org."),
        ("example.com.", "ex\u{e4}mple.com."),
        ("00000000000000ab", "ab"),
        ("2026112701", "-1"),
        ("[1,[9,4711]]", "[2,[9,4711]]"),
        ("[9,4711]", "[4711,9]"),
    ] {
        let bad = good.replacen(from, to, 1);
        assert_ne!(bad, good);
        assert_eq!(decode(bad.as_bytes()), Err(Unreadable::Malformed), "{bad}");
    }
    let zone = |number: usize| {
        let origin = format!("{number:03}{}", "a".repeat(MAX_ORIGIN - 3)).into();
        ZoneIdentity { origin, serial: u32::MAX, text: u64::MAX, keys: vec![u16::MAX; MAX_KEYS] }
    };
    let largest = message(Body::Identity(Identity::new("0.1.0", (0..MAX_ZONES).map(zone).collect())));
    assert!(encode(&largest).len() < MAX_PAYLOAD);
    assert_eq!(decode(&encode(&largest)), Ok(largest));
}

#[test]
fn round_trips_that_break_the_rules_are_malformed() {
    let good = String::from_utf8(encode(&message(Body::Rtts(rtts())))).unwrap();
    for (from, to) in [
        ("DE", "D"),
        ("50.11", "91"),
        ("\"fra\"", "\"\""),
        ("\"fra\"", "\"f\\u001b\""),
        (",4]", ",0]"),
        (",4]", ",65535]"),
    ] {
        let bad = good.replacen(from, to, 1);
        assert_ne!(bad, good, "{from}");
        assert_eq!(decode(bad.as_bytes()), Err(Unreadable::Malformed), "{bad}");
    }
    let many = vec![sample("198.51.100.0/24", 23.4); MAX_ROWS + 1];
    let good = String::from_utf8(encode(&message(Body::Samples(many[1..].to_vec())))).unwrap();
    assert!(decode(good.as_bytes()).is_ok());
    assert_eq!(decode(&encode(&message(Body::Samples(many)))), Err(Unreadable::Malformed));
    for (from, to) in [("198.51.100.0/24", "198.51.100.0/33"), ("fra", ""), ("23400", "0"), ("23400", "6000001")] {
        assert_eq!(decode(good.replacen(from, to, 1).as_bytes()), Err(Unreadable::Malformed), "{to}");
    }
    let long = "2001:0db8:ffff:ffff:ffff:ffff:ffff:ffff/128".parse().unwrap();
    let long = Sample::try_new(long, "d".repeat(63), 5999.999).unwrap();
    let octets = encode(&message(Body::Samples(vec![long; MAX_ROWS]))).len();
    assert!(octets < MAX_PAYLOAD, "{octets}");
}

#[test]
fn the_largest_message_is_far_below_what_servers_take() {
    let (_, row) = report().rows[0];
    let ages =
        row.map(|row| Sight { turned: Duration::from_secs(40_000_000), took: Some(Duration::from_secs(9)), ..row });
    let rows = vec![(QuestionId(u128::MAX), ages); MAX_ROWS];
    let octets = encode(&message(Body::Report(Report { rows, ..report() }))).len();
    assert!(octets < MAX_PAYLOAD / 2, "{octets}");
}

/// docs/fleet.md has these numbers.
#[test]
fn a_calm_fleet_of_a_hundred_nodes_needs_less_than_a_megabit() {
    let row = |number: u128| {
        let sight = Sight {
            opinion: Some(Share::FULL),
            turned: Duration::from_secs(86_400),
            seen: Duration::from_millis(2_417),
            took: Some(Duration::from_micros(13_208)),
        };
        (QuestionId(u128::MAX / 10_000 * number), Some(sight))
    };
    let size = |rows, part| {
        let digest = Digest { count: 10_000, sum: u64::MAX };
        let report = Report { doubts: false, digest, parts: None, part, rows, ..report() };
        encode(&Message { sequence: 1_000_000, ..message(Body::Report(report)) }).len()
    };
    let calm = size((0..16).map(row).collect(), None);
    let all: usize = (0..20)
        .map(|number| {
            let rows =
                (number * 512..(number * 512 + 512).min(10_000)).map(|row_number| row(row_number.into())).collect();
            size(rows, Some(Part { number, of: 20 }))
        })
        .sum();
    println!("a calm report has {calm} octets, all of 10,000 rows have {all}");
    // Two seconds, and 60 octets of NATS around each message.
    let bits = |nodes: usize| (calm + 60) * 8 * (nodes - 1) / 2;
    println!("10 nodes: {} bit/s, 100 nodes: {} bit/s", bits(10), bits(100));
    assert!(bits(100) < 1_000_000);
}

proptest! {
    #[test]
    fn any_octets_are_read_or_refused(octets in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = decode(&octets);
    }

    #[test]
    fn a_message_with_a_wrong_octet_is_read_or_refused(place in any::<prop::sample::Index>(), octet in any::<u8>()) {
        let mut octets = encode(&message(Body::Report(report())));
        let place = place.index(octets.len());
        octets[place] = octet;
        if let Ok(read) = decode(&octets) {
            prop_assert_eq!(decode(&encode(&read)), Ok(read));
        }
    }
}
