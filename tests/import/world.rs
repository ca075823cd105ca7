//! The clients of the tests, and the database that locates them.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use fastrand::Rng;
use ipnet::IpNet;
use maxminddb_writer::Database;
use maxminddb_writer::metadata::IpVersion;
use maxminddb_writer::paths::IpAddrWithMask;
use serde_json::json;

use crate::networks::{address_in, in_ipv6, network};

/// Continents, countries, and points in them.
const COUNTRIES: [(&str, &str, f64, f64); 14] = [
    ("EU", "DE", 51.2, 10.4),
    ("EU", "FR", 46.6, 2.4),
    ("EU", "GB", 54.1, -2.8),
    ("EU", "PL", 52.1, 19.3),
    ("NA", "US", 39.5, -98.4),
    ("NA", "CA", 56.2, -106.1),
    ("SA", "BR", -10.8, -53.1),
    ("SA", "CL", -35.4, -71.5),
    ("AF", "ZA", -29.1, 25.1),
    ("AS", "JP", 36.7, 139.3),
    ("AS", "IN", 21.1, 78.9),
    ("AS", "SG", 1.36, 103.8),
    ("AS", "TR", 39.1, 35.2),
    ("OC", "AU", -25.6, 134.4),
];

/// Networks in the database, for each family.
const NETWORKS: usize = 1500;

/// Lengths of IPv4 networks in the database.
const LENGTHS: RangeInclusive<u8> = 10..=24;

/// What is known of the networks of clients.
pub(crate) struct World {
    networks: Vec<(IpNet, usize)>,
}

impl World {
    pub(crate) fn draw(random: &mut Rng) -> Self {
        let networks = (0..2 * NETWORKS)
            .map(|number| (network(random, number < NETWORKS, LENGTHS), random.usize(..COUNTRIES.len())));
        Self { networks: networks.collect() }
    }

    /// Returns the database. Longer prefixes come after the shorter ones that they lie in.
    pub(crate) fn database(&self) -> Vec<u8> {
        let mut database = Database::default();
        database.metadata.ip_version = IpVersion::V6;
        "GeoLite2-City".clone_into(&mut database.metadata.database_type);
        database.metadata.binary_format_major_version = 2;
        // libmaxminddb regards a file without a build time as broken.
        database.metadata.build_epoch = 1;
        let mut networks: Vec<_> = self.networks.iter().map(|&(net, country)| (in_ipv6(net), country)).collect();
        networks.sort_by_key(|(net, _)| net.prefix_len());
        for (net, country) in networks {
            let (continent, country, latitude, longitude) = COUNTRIES[country];
            // PowerDNS takes no location without a radius.
            let record = json!({
                "continent": { "code": continent },
                "country": { "iso_code": country },
                "location": { "latitude": latitude, "longitude": longitude, "accuracy_radius": 100 },
            });
            let record = database.insert_value(record).expect("a record");
            database.insert_node(net.to_string().parse::<IpAddrWithMask>().expect("a prefix"), record);
        }
        let mut octets = Vec::new();
        database.write_to(&mut octets).expect("memory");
        octets
    }

    /// Returns a client's network, as resolvers send it: mostly in the database, some anywhere, some in `others`.
    pub(crate) fn client(&self, random: &mut Rng, others: &[&str]) -> IpNet {
        let net = match random.u8(..8) {
            0 => {
                let is_v4 = random.bool();
                network(random, is_v4, LENGTHS)
            }
            1 if !others.is_empty() => others[random.usize(..others.len())].parse().expect("a network"),
            _ => self.networks[random.usize(..self.networks.len())].0,
        };
        let length = if net.addr().is_ipv4() { random.u8(16..=24) } else { random.u8(32..=56) };
        IpNet::new(address_in(random, net), length).expect("a length that fits").trunc()
    }
}

impl World {
    /// Returns a client that the database locates.
    pub(crate) fn located(&self, random: &mut Rng) -> IpNet {
        let (net, _) = self.networks[random.usize(..self.networks.len())];
        let length = net.prefix_len().max(if net.addr().is_ipv4() { 24 } else { 56 });
        IpNet::new(address_in(random, net), length).expect("a length that fits").trunc()
    }

    /// Returns a client on this continent.
    pub(crate) fn client_on(&self, random: &mut Rng, continent: &str) -> IpNet {
        loop {
            let client = self.located(random);
            if self.country_of(client.addr()).is_some_and(|country| COUNTRIES[country].0 == continent) {
                return client;
            }
        }
    }

    /// Returns a client in this country.
    pub(crate) fn client_in(&self, random: &mut Rng, code: &str) -> IpNet {
        loop {
            let client = self.located(random);
            if self.country_of(client.addr()).is_some_and(|country| COUNTRIES[country].1 == code) {
                return client;
            }
        }
    }

    /// Returns addresses in Germany, the United States and Singapore.
    pub(crate) fn far_apart(&self) -> Vec<String> {
        let of = |code: &str| {
            let networks = self.networks.iter().map(|(net, _)| net.network()).filter(IpAddr::is_ipv4);
            let mut inside = networks
                .filter(|address| self.country_of(*address).is_some_and(|country| COUNTRIES[country].1 == code));
            inside.next().expect("each country has networks").to_string()
        };
        ["DE", "US", "SG"].map(of).into()
    }

    /// The country of the longest network around an address.
    fn country_of(&self, address: IpAddr) -> Option<usize> {
        let around = self.networks.iter().filter(|(net, _)| net.contains(&address));
        // The last one of the same length is in the database.
        around.max_by_key(|(net, _)| net.prefix_len()).map(|(_, country)| *country)
    }
}

/// An address that the kernel has just given for both transports: other servers cannot ask for one themselves.
pub(crate) fn free_address() -> SocketAddr {
    loop {
        let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has free ports");
        let address = udp.local_addr().expect("a bound socket has an address");
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}

/// Endpoints that answer HTTP requests, all at one port. They end when this is dropped.
pub(crate) struct Living {
    threads: Vec<(SocketAddr, JoinHandle<()>)>,
    is_over: Arc<AtomicBool>,
    pub(crate) port: u16,
}

impl Living {
    /// Listens at all these addresses of loopback.
    pub(crate) fn at(addresses: &[&str]) -> Self {
        'ports: loop {
            let port = free_address().port();
            let mut listeners = Vec::new();
            for address in addresses {
                match TcpListener::bind((*address, port)) {
                    Ok(listener) => listeners.push(listener),
                    Err(_) => continue 'ports,
                }
            }
            let is_over = Arc::new(AtomicBool::new(false));
            let serve = |listener: TcpListener| {
                let address = listener.local_addr().expect("a bound socket has an address");
                let is_over = is_over.clone();
                (address, thread::spawn(move || serve(&listener, &is_over)))
            };
            let threads = listeners.into_iter().map(serve).collect();
            return Self { threads, is_over, port };
        }
    }
}

impl Drop for Living {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        for (address, thread) in self.threads.drain(..) {
            // This wakes it.
            let _ = TcpStream::connect(address);
            let _ = thread.join();
        }
    }
}

/// Answers each connection, whatever it asks for.
fn serve(listener: &TcpListener, is_over: &AtomicBool) {
    for stream in listener.incoming() {
        if is_over.load(Ordering::SeqCst) {
            return;
        }
        let Ok(mut stream) = stream else { continue };
        let _ = stream.set_read_timeout(Some(Duration::from_millis(200)));
        // A probe that only connects sends nothing.
        let mut request = [0; 1024];
        if stream.read(&mut request).is_ok_and(|length| length > 0) {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nfine");
        }
    }
}
