//! Measured round trips as rows, with a block of networks in each. A row for each measurement would need more memory
//! than its contents.
//!
//! ```text
//!   198.51.0.0/16 ─► width 24, datacenters fra iad, [(100, fra, 234, 812, 3), ...]      the network 198.51.100.0/24, 23.4 ms
//!   asn:DE        ─► [(3320, fra, ...), ...]
//! ```

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::table::StoreTable;
use crate::geo::{Continent, CountryCode};
use crate::latency::{Area, Clients, Measured, Record, Rtt};

/// Measured round trips by block.
pub const LATENCY: StoreTable<String, LatencyRecord> = StoreTable::new("latency");

/// Number of leading bits that the networks of one block share.
const BLOCK_V4: u8 = 16;
const BLOCK_V6: u8 = 32;

/// The measurements of one block.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LatencyRecord {
    /// Prefix length of its networks in bits; 0 for areas.
    width: u8,
    /// The datacenters of the measurements.
    datacenters: Vec<String>,
    /// Unix minutes of the last sample in the block.
    minute: u64,
    measures: Vec<Row>,
}

/// The number of the clients in the block, the index of the datacenter, the round trip in tenths of a millisecond, and
/// the number of samples. Then the minutes from its last sample to the block's last sample.
type Row = (u64, u8, u16, u16, u64);

impl LatencyRecord {
    /// Packs records into blocks. Their ages count back from `now`, the time since the Unix epoch.
    pub fn pack(records: impl IntoIterator<Item = Record>, now: Duration) -> BTreeMap<String, Self> {
        let mut blocks: BTreeMap<String, (Self, Vec<u64>)> = BTreeMap::new();
        for Record { clients, datacenter, measured } in records {
            let (block, number) = number_of(clients);
            let (record, minutes) = blocks.entry(block).or_default();
            if let Clients::Network(net) = clients {
                record.width = net.prefix_len();
            }
            let known = record.datacenters.iter().position(|name| **name == *datacenter);
            let place = known.unwrap_or_else(|| {
                record.datacenters.push(datacenter.into_string());
                record.datacenters.len() - 1
            });
            minutes.push(minutes_of(now.saturating_sub(measured.age)));
            record.measures.push((number, place as u8, measured.mean.to_tenths(), measured.samples, 0));
        }
        let finish = |(block, (mut record, minutes)): (String, (Self, Vec<u64>))| {
            record.minute = minutes.iter().copied().max().unwrap_or(0);
            for (row, minute) in record.measures.iter_mut().zip(minutes) {
                row.4 = record.minute - minute;
            }
            (block, record)
        };
        blocks.into_iter().map(finish).collect()
    }

    /// Unpacks the records of a block, with ages that count back from `now`. Ignores invalid data.
    pub fn unpack(&self, block: &str, now: Duration) -> impl Iterator<Item = Record> {
        let until = minutes_of(now);
        self.measures.iter().filter_map(move |&(number, place, tenths, samples, before)| {
            let age = until.saturating_sub(self.minute.checked_sub(before)?);
            Some(Record {
                clients: clients_of(block, number, self.width)?,
                datacenter: self.datacenters.get(usize::from(place))?.as_str().into(),
                measured: Measured { mean: Rtt::from_tenths(tenths)?, samples, age: Duration::from_secs(age * 60) },
            })
        })
    }
}

fn minutes_of(time: Duration) -> u64 {
    time.as_secs() / 60
}

/// The key of the block of these clients, and their number in it.
fn number_of(clients: Clients) -> (String, u64) {
    let letters =
        |country: CountryCode| country.as_str().bytes().fold(0, |number, letter| number << 8 | u64::from(letter));
    match clients {
        Clients::Network(net) => {
            let (bits, width, block) = match net.network() {
                IpAddr::V4(address) => (u128::from(address.to_bits()), 32, BLOCK_V4),
                IpAddr::V6(address) => (address.to_bits(), 128, BLOCK_V6),
            };
            let block = IpNet::new_assert(net.network(), block).trunc();
            let within = bits & (u128::MAX >> (128 - width + u32::from(block.prefix_len())));
            // Host bits are cut off.
            let number = within.checked_shr(width - u32::from(net.prefix_len())).unwrap_or(0);
            (block.to_string(), number as u64)
        }
        Clients::Area(Area::Asn(asn, country)) => (format!("asn:{country}"), u64::from(asn)),
        Clients::Area(Area::Country(country)) => ("country".to_owned(), letters(country)),
        Clients::Area(Area::Probed(country)) => ("probed".to_owned(), country.map_or(0, letters)),
        Clients::Area(Area::Continent(continent)) => ("continent".to_owned(), continent as u64),
    }
}

/// The clients with this number in a block.
fn clients_of(block: &str, number: u64, width: u8) -> Option<Clients> {
    let country = |number: u64| {
        let letters = [u8::try_from(number >> 8).ok()?, number as u8];
        CountryCode::parse(std::str::from_utf8(&letters).ok()?)
    };
    let area = match block {
        "country" => Area::Country(country(number)?),
        "probed" if number == 0 => Area::Probed(None),
        "probed" => Area::Probed(Some(country(number)?)),
        "continent" => Area::Continent(Continent::ALL.get(usize::try_from(number).ok()?)?.1),
        _ => match block.strip_prefix("asn:") {
            Some(code) => Area::Asn(u32::try_from(number).ok()?, CountryCode::parse(code)?),
            None => return network_of(block.parse().ok()?, number, width).map(Clients::Network),
        },
    };
    Some(Clients::Area(area))
}

fn network_of(block: IpNet, number: u64, width: u8) -> Option<IpNet> {
    let address = match block.network() {
        IpAddr::V4(first) => {
            let within = u32::try_from(number).ok()?.checked_shl(32_u32.checked_sub(width.into())?).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from_bits(first.to_bits() | within))
        }
        IpAddr::V6(first) => {
            let within = u128::from(number).checked_shl(128_u32.checked_sub(width.into())?).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from_bits(first.to_bits() | within))
        }
    };
    IpNet::new(address, width).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1_790_000_040);

    fn record(clients: Clients, datacenter: &str, ms: f64, minutes: u64) -> Record {
        let measured = Measured { mean: Rtt::from_ms(ms), samples: 812, age: Duration::from_secs(60 * minutes) };
        Record { clients, datacenter: datacenter.into(), measured }
    }

    fn network(text: &str) -> Clients {
        Clients::Network(text.parse().unwrap())
    }

    #[test]
    fn records_come_back_as_they_were_and_older() {
        let germany = CountryCode::parse("DE").unwrap();
        let areas = [
            Area::Asn(3320, germany),
            Area::Continent(Continent::SouthAmerica),
            Area::Country(germany),
            Area::Probed(Some(germany)),
            Area::Probed(None),
        ];
        let networks = [
            "0.0.0.0/24",
            "198.51.100.0/24",
            "198.51.255.0/24",
            "255.255.255.0/24",
            "2001:db8::/48",
            "2001:db8:ffff::/48",
        ];
        let clients = networks.map(network).into_iter().chain(areas.map(Clients::Area));
        let records: Vec<Record> = clients
            .zip(0..)
            .flat_map(|(clients, age)| [record(clients, "fra", 23.4, age), record(clients, "iad", 101.0, 2 * age)])
            .collect();
        let blocks = LatencyRecord::pack(records.clone(), NOW);
        let keys: Vec<&str> = blocks.keys().map(String::as_str).collect();
        assert_eq!(
            keys,
            [
                "0.0.0.0/16",
                "198.51.0.0/16",
                "2001:db8::/32",
                "255.255.0.0/16",
                "asn:DE",
                "continent",
                "country",
                "probed"
            ]
        );
        let json: BTreeMap<String, LatencyRecord> =
            serde_json::from_str(&serde_json::to_string(&blocks).unwrap()).unwrap();
        let later = NOW + Duration::from_secs(600);
        let mut back: Vec<Record> =
            json.iter().flat_map(|(block, record)| record.unpack(block, later).collect::<Vec<_>>()).collect();
        let mut expected = records;
        for record in &mut expected {
            record.measured.age += Duration::from_secs(600);
        }
        let order = |record: &Record| (record.clients.to_string(), record.datacenter.clone());
        back.sort_by_key(order);
        expected.sort_by_key(order);
        assert_eq!(back, expected);
    }

    #[test]
    fn networks_that_are_wider_than_a_block_are_kept_too() {
        let records = [record(network("198.0.0.0/8"), "fra", 1.0, 0), record(network("0.0.0.0/0"), "fra", 1.0, 0)];
        for record in records {
            let blocks = LatencyRecord::pack([record.clone()], NOW);
            let (block, packed) = blocks.first_key_value().unwrap();
            assert_eq!(packed.unpack(block, NOW).collect::<Vec<_>>(), [record]);
        }
    }

    #[test]
    fn what_makes_no_sense_is_left_out() {
        let measures =
            vec![(u64::MAX, 0, 10, 16, 0), (1, 7, 10, 16, 0), (1, 0, 0, 16, 0), (1, 0, 10, 16, 99), (1, 0, 10, 16, 1)];
        for (block, width, sound) in
            [("198.51.0.0/16", 24, 1), ("198.51.0.0/16", 99, 0), ("country", 0, 0), ("x", 24, 0)]
        {
            let record =
                LatencyRecord { width, datacenters: vec!["fra".into()], minute: 5, measures: measures.clone() };
            assert_eq!(record.unpack(block, NOW).count(), sound, "{block}");
        }
    }
}
