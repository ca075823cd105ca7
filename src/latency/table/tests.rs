use super::*;
use crate::geo::{Continent, Locations, Prefix, nest};
use crate::latency::{ClientRtts, MIN_SAMPLES, VantageRtts};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Frankfurt, Ashburn, Singapore.
fn sites() -> Vec<Coordinates> {
    [(50.11, 8.68), (38.95, -77.45), (1.35, 103.99)].map(|(n, e)| Coordinates::try_new(n, e).unwrap()).into()
}

fn table() -> LatencyTable {
    let mut table = LatencyTable::default();
    table.adopt(["fra", "iad", "sin"], Widths::default());
    table
}

fn berlin() -> Location {
    Location {
        continent: Some(Continent::Europe),
        country: CountryCode::parse("DE"),
        asn: Some(3320),
        coordinates: Coordinates::try_new(52.5, 13.4),
        ..Location::default()
    }
}

fn push(table: &mut LatencyTable, client: &str, location: &Location, datacenter: &str, ms: f64, times: u16) {
    let client = client.parse::<IpNet>().unwrap();
    let sample = Sample::try_new(client, datacenter, ms).unwrap();
    for _ in 0..times {
        table.feed(&sample, location, Duration::ZERO);
    }
}

/// The reading for `fra`.
fn read(table: &LatencyTable, client: &str, location: &Location) -> (f64, String) {
    let reading = table.readings(client.parse().unwrap(), location, &sites()).remove(0);
    let source = match reading.source {
        ReadingSource::Measured(clients, _) => clients.to_string(),
        ReadingSource::Probed(node, country) => format!("{node}, for {country}"),
        ReadingSource::Corrected(node) => format!("corrected by {node}"),
        other => format!("{other:?}"),
    };
    (reading.rtt.ms(), source)
}

#[test]
fn a_reading_goes_from_the_network_outwards() {
    let mut table = table();
    let (berlin, mut elsewhere) = (berlin(), berlin());
    push(&mut table, "198.51.100.7/32", &berlin, "fra", 20.0, MIN_SAMPLES);
    assert_eq!(read(&table, "198.51.100.200", &berlin), (20.0, "198.51.100.0/24".into()));
    assert_eq!(read(&table, "198.51.101.1", &berlin), (20.0, "AS3320 in DE".into()));
    elsewhere.asn = Some(680);
    assert_eq!(read(&table, "198.51.101.1", &elsewhere), (20.0, "DE".into()));
    elsewhere.country = CountryCode::parse("FR");
    assert_eq!(read(&table, "198.51.101.1", &elsewhere), (20.0, "EU".into()));
    elsewhere.continent = None;
    assert_eq!(read(&table, "198.51.101.1", &elsewhere).1, "Estimated");
    elsewhere.coordinates = None;
    assert_eq!(read(&table, "198.51.101.1", &elsewhere).1, "Unknown");
}

#[test]
fn own_probes_tell_of_their_country_alone_and_less_than_its_clients() {
    let mut table = table();
    let country = CountryCode::parse("DE").unwrap();
    for _ in 0..MIN_SAMPLES {
        table.feed_probe(Some(country), DatacenterId::from_index(0), Duration::from_millis(2), Duration::ZERO);
    }
    assert_eq!(read(&table, "198.51.100.7", &berlin()), (2.0, "own probes, for DE".into()));
    let austrian = Location { country: CountryCode::parse("AT"), ..berlin() };
    assert_eq!(read(&table, "198.51.100.7", &austrian).1, "Estimated");
    push(&mut table, "203.0.113.0/24", &berlin(), "fra", 30.0, MIN_SAMPLES);
    assert_eq!(read(&table, "198.51.100.7", &Location { asn: None, ..berlin() }), (30.0, "DE".into()));
}

#[test]
fn vantage_points_tell_of_their_country_and_correct_the_estimates_around_them() {
    let mut table = table();
    let country = CountryCode::parse("DE");
    for _ in 0..MIN_SAMPLES {
        table.feed_probe(country, DatacenterId::from_index(0), Duration::from_millis(2), Duration::ZERO);
    }
    let own: Vec<_> = table.probed(country).collect();
    assert_eq!(own, [("fra".into(), Rtt::from_ms(2.0))]);
    let munich = Coordinates::try_new(48.1, 11.6);
    let told = |coordinates, ms| {
        Arc::new(VantageRtts::new(
            country,
            coordinates,
            [("fra".into(), Rtt::from_ms(ms)), ("moon".into(), Rtt::from_ms(1.0))],
        ))
    };
    let vantage_points = |ms| vec![("ns1".into(), told(Some(sites()[0]), 2.0)), ("ns2".into(), told(munich, ms))];
    table.set_vantage_points(vantage_points(7.0));
    let generation = table.generation();
    table.set_vantage_points(vantage_points(7.0));
    assert_eq!(table.generation(), generation, "nothing changed");
    // Frankfurt is nearer to Berlin than Munich is, by 65 km.
    let in_berlin = berlin();
    assert_eq!(read(&table, "198.51.100.7", &in_berlin), (2.0, "ns1, for DE".into()));
    let in_munich = Location { coordinates: munich, ..berlin() };
    assert_eq!(read(&table, "198.51.100.7", &in_munich), (7.0, "ns2, for DE".into()));
    let salzburg =
        Location { country: CountryCode::parse("AT"), coordinates: Coordinates::try_new(47.8, 13.0), ..berlin() };
    let (near, source) = read(&table, "198.51.100.7", &salzburg);
    assert_eq!(source, "corrected by ns2");
    table.set_vantage_points(vantage_points(47.0));
    let (detour, _) = read(&table, "198.51.100.7", &salzburg);
    assert!((26.0..38.0).contains(&(detour - near)), "{near} {detour}");
    // What clients measured comes first, and datacenters that come later are known at once.
    push(&mut table, "203.0.113.0/24", &salzburg, "fra", 30.0, MIN_SAMPLES);
    assert_eq!(read(&table, "198.51.100.7", &Location { asn: None, ..salzburg }), (30.0, "AT".into()));
    table.adopt(["moon", "fra", "sin"], Widths::default());
    assert_eq!(read(&table, "198.51.100.7", &in_munich), (1.0, "ns2, for DE".into()));
}

#[test]
fn without_coordinates_an_unmeasured_place_is_as_good_as_the_median() {
    let mut table = table();
    let nowhere = Location::default();
    push(&mut table, "198.51.100.0/24", &nowhere, "iad", 20.0, MIN_SAMPLES);
    push(&mut table, "198.51.100.0/24", &nowhere, "sin", 40.0, MIN_SAMPLES);
    assert_eq!(read(&table, "198.51.100.7", &nowhere), (30.0, "Median".into()));
}

#[test]
fn longer_prefixes_count_for_their_network_and_wider_ones_for_their_area() {
    let mut table = table();
    for host in 0..MIN_SAMPLES {
        push(&mut table, &format!("198.51.100.{host}/32"), &berlin(), "fra", 20.0, 1);
        push(&mut table, &format!("2001:db8:7:{host}::/64"), &berlin(), "fra", 30.0, 1);
    }
    assert_eq!(read(&table, "198.51.100.99", &berlin()), (20.0, "198.51.100.0/24".into()));
    assert_eq!(read(&table, "2001:db8:7:ffff::1", &berlin()), (30.0, "2001:db8:7::/48".into()));
    let cells = table.len();
    push(&mut table, "198.51.0.0/16", &berlin(), "fra", 20.0, MIN_SAMPLES);
    assert_eq!(table.len(), cells, "its areas have their rows already");
}

#[test]
fn widths_follow_what_is_used_of_an_address() {
    let mut table = table();
    table.adopt(["fra", "iad", "sin"], Widths::new(20, 56));
    push(&mut table, "198.51.100.0/24", &berlin(), "fra", 20.0, MIN_SAMPLES);
    assert_eq!(read(&table, "198.51.96.1", &berlin()).1, "198.51.96.0/20");
    table.adopt(["fra", "iad", "sin"], Widths::new(24, 56));
    assert_eq!(read(&table, "198.51.96.1", &berlin()).1, "AS3320 in DE", "rows of another width are forgotten");
}

#[test]
fn measures_stay_with_their_datacenter_when_the_world_changes() {
    let mut table = table();
    push(&mut table, "198.51.100.0/24", &berlin(), "fra", 20.0, MIN_SAMPLES);
    push(&mut table, "198.51.100.0/24", &berlin(), "iad", 90.0, MIN_SAMPLES);
    let before = table.generation();
    table.adopt(["fra", "iad", "sin"], Widths::default());
    assert_eq!(table.generation(), before, "nothing changed");
    table.adopt(["gru", "fra"], Widths::default());
    assert_ne!(table.generation(), before);
    let records: Vec<Record> = table.records(Duration::ZERO).collect();
    assert!(records.iter().all(|record| &*record.datacenter == "fra" && record.measured.mean == Rtt::from_ms(20.0)));
    assert_eq!(records.len(), 4, "network, ASN, country, continent");
}

#[test]
fn only_what_is_settled_makes_a_new_generation() {
    let mut table = table();
    push(&mut table, "198.51.100.0/24", &berlin(), "fra", 20.0, MIN_SAMPLES - 1);
    let few = table.generation();
    push(&mut table, "198.51.100.0/24", &berlin(), "fra", 20.0, 1);
    let settled = table.generation();
    assert_eq!(settled, few + 4);
    push(&mut table, "198.51.100.0/24", &berlin(), "fra", 22.0, 100);
    push(&mut table, "198.51.100.0/24", &berlin(), "nowhere", 22.0, 100);
    assert_eq!(table.generation(), settled);
    table.fade(DAY);
    assert_eq!(table.generation(), settled);
    table.fade(DAY * 5);
    assert_ne!(table.generation(), settled, "the network does not count any more");
    table.fade(DAY * 8);
    assert!(table.is_empty());
}

#[test]
fn a_full_table_forgets_what_was_fed_least_recently() {
    const CAPACITY: usize = 1600;
    let mut table = LatencyTable::with_capacity(CAPACITY);
    table.adopt(["fra"], Widths::default());
    let nowhere = Location::default();
    let feed = |table: &mut LatencyTable, number: u32, minute: u64| {
        let client = IpNet::new(Ipv4Addr::from_bits(number << 8).into(), 24).unwrap();
        let sample = Sample::try_new(client, "fra", 20.0).unwrap();
        table.feed(&sample, &nowhere, Duration::from_secs(60 * minute));
    };
    for number in 0..800 {
        feed(&mut table, number, 0);
    }
    for number in 800..10_000 {
        feed(&mut table, number, 1);
        // Measures that are fed again stay.
        feed(&mut table, 7, 1);
        assert!(table.len() <= CAPACITY);
        if number == 1700 {
            let old = table.v4.iter().filter(|cell| cell.measure.age(Minute::of(Duration::from_secs(60))) == 1);
            assert!(old.count() < 800, "the old ones went first");
            assert_eq!(table.v4.row(7 << 8).count(), 1);
        }
    }
    assert!(table.len() > CAPACITY * 9 / 10);
    assert!(table.v4.row(10).next().is_none());
}

#[test]
fn what_is_kept_comes_back() {
    let mut before = table();
    push(&mut before, "198.51.100.0/24", &berlin(), "fra", 20.0, 40);
    push(&mut before, "2001:db8::/48", &berlin(), "sin", 200.0, 40);
    before.fade(DAY);
    let mut after = table();
    after.restore(before.records(DAY), DAY * 3);
    assert_eq!(after.records(DAY * 3).collect::<Vec<_>>(), before.records(DAY).collect::<Vec<_>>());
    assert_eq!(read(&after, "198.51.100.7", &berlin()), (20.0, "198.51.100.0/24".into()));
    let mut wider = LatencyTable::default();
    wider.adopt(["sin"], Widths::new(16, 32));
    wider.restore(before.records(DAY), DAY * 3);
    assert_eq!(wider.len(), 3, "areas alone, of the datacenter that is still there");
}

#[test]
fn vantages_are_the_readings_of_every_address() {
    let french = Location { country: CountryCode::parse("FR"), asn: None, coordinates: None, ..berlin() };
    let prefix =
        |text: &str, length, value| Prefix { first: text.parse::<Ipv4Addr>().unwrap().to_bits(), length, value };
    let locations = Locations {
        // A boundary within a /24.
        v4: nest(vec![prefix("198.51.0.0", 16, 1), prefix("198.51.100.128", 25, 2)], 0),
        v6: crate::geo::Runs::uniform(2),
        table: [Location::default(), berlin(), french].into(),
    };
    let mut table = table();
    push(&mut table, "198.51.100.0/24", &berlin(), "fra", 20.0, MIN_SAMPLES);
    push(&mut table, "255.255.255.0/24", &Location::default(), "sin", 20.0, MIN_SAMPLES);
    push(&mut table, "2001:db8::/48", &french, "iad", 70.0, MIN_SAMPLES);
    let client_rtts = ClientRtts::new(table.clone(), sites().into(), &locations);
    for client in [
        "0.0.0.0",
        "198.51.99.255",
        "198.51.100.0",
        "198.51.100.127",
        "198.51.100.128",
        "198.51.101.0",
        "255.255.255.255",
        "::",
        "2001:db8::7",
        "2001:db8:0:ffff:ffff:ffff:ffff:ffff",
        "2001:db8:1::",
    ] {
        let client: IpAddr = client.parse().unwrap();
        let expected = table.readings(client, &locations.look_up(client), &sites());
        let expected: Vec<Rtt> = expected.into_iter().map(|reading| reading.rtt).collect();
        assert_eq!(client_rtts.look_up(client), expected, "{client}");
    }
}
