//! The destination of a client, and the other clients for which the answer is valid.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hickory_proto::rr::RecordType;
use ipnet::IpNet;

use crate::harness::{Asker, Files, Node, SERVER, addresses, scope, shipped_database};

/// Each region has a first datacenter of its own: clients with another ranking get another answer.
const ZONE: &str = r#"
[nameservers]
ns1 = ["127.0.0.1"]

[datacenters]
fra = { latitude = 50.11, longitude = 8.68 }
jnb = { latitude = -26.2, longitude = 28.04 }
iad = { latitude = 38.95, longitude = -77.45 }
gru = { latitude = -23.43, longitude = -46.47 }
sin = { latitude = 1.35, longitude = 103.99 }
nrt = { latitude = 35.77, longitude = 140.39 }
syd = { latitude = -33.95, longitude = 151.18 }
ams = { latitude = 52.31, longitude = 4.76 }

[regions.europe]
clients = ["continent:EU"]
prefer  = ["fra"]
[regions.africa]
clients = ["continent:AF"]
prefer  = ["jnb"]
[regions.north]
clients = ["continent:NA"]
prefer  = ["iad"]
[regions.south]
clients = ["continent:SA"]
prefer  = ["gru"]
[regions.asia]
clients = ["continent:AS"]
prefer  = ["sin"]
[regions.japan]
clients = ["country:JP"]
prefer  = ["nrt"]
[regions.oceania]
clients = ["continent:OC"]
prefer  = ["syd"]
[regions.near]
clients = ["127.0.0.0/25"]
prefer  = ["ams"]
[regions.default]
prefer  = ["iad"]

[pools.web]
endpoints.fra = ["192.0.2.1", "2001:db8::1"]
endpoints.jnb = ["192.0.2.2", "2001:db8::2"]
endpoints.iad = ["192.0.2.3", "2001:db8::3"]
endpoints.gru = ["192.0.2.4", "2001:db8::4"]
endpoints.sin = ["192.0.2.5", "2001:db8::5"]
endpoints.nrt = ["192.0.2.6", "2001:db8::6"]
endpoints.syd = ["192.0.2.7", "2001:db8::7"]
endpoints.ams = ["192.0.2.8", "2001:db8::8"]

[names.www]
pools = ["web"]
steer = ["region"]
"#;

const DATACENTERS: [&str; 8] = ["fra", "jnb", "iad", "gru", "sin", "nrt", "syd", "ams"];

/// Networks that the shipped database places in these countries.
const CLIENTS: [(&str, &str, &str); 18] = [
    ("193.0.6.0/24", "NL", "fra"),
    ("81.2.69.0/24", "GB", "fra"),
    ("196.25.1.0/24", "ZA", "jnb"),
    ("41.90.0.0/24", "KE", "jnb"),
    ("8.8.8.0/24", "US", "iad"),
    ("24.48.0.0/24", "CA", "iad"),
    ("200.160.2.0/24", "BR", "gru"),
    ("200.45.0.0/24", "AR", "gru"),
    ("49.44.0.0/24", "IN", "sin"),
    ("203.116.0.0/24", "SG", "sin"),
    ("133.11.0.0/24", "JP", "nrt"),
    ("139.130.4.0/24", "AU", "syd"),
    ("2001:200::/56", "JP", "nrt"),
    ("2400:4000::/56", "JP", "nrt"),
    ("2001:4860::/56", "CA", "iad"),
    ("2800:3f0::/56", "AR", "gru"),
    ("2c0f:fb50::/56", "KE", "jnb"),
    ("2401:a400::/56", "AU", "syd"),
];

/// The defaults of `max_source_v4` and `max_source_v6`.
const MAX_SOURCE: [u8; 2] = [24, 56];

fn serve() -> Node {
    let server = format!("{SERVER}[geoip]\ndatabases = [\"{}\"]\n", shipped_database().display());
    Files::new(&server, &[("example.com.toml", ZONE)]).serve()
}

fn datacenter(address: &str) -> &'static str {
    let (_, number) = address.rsplit_once(['.', ':']).expect("an address");
    DATACENTERS[number.parse::<usize>().expect("a number of one digit") - 1]
}

#[test]
fn clients_in_ten_countries_get_the_datacenter_that_the_zone_file_says() {
    let node = serve();
    for (client, country, expected) in CLIENTS {
        for rtype in ["A", "AAAA"] {
            let reply = node.dig(&format!("www.example.com {rtype} +subnet={client}"));
            assert_eq!(reply.status, "NOERROR");
            assert_eq!(reply.data().len(), 1, "{reply:?}");
            assert_eq!(datacenter(reply.data()[0]), expected, "{client} in {country}: {reply:?}");
            let (prefix, _) = reply.subnet.expect("an option in the query, one in the reply");
            assert_eq!(prefix.parse::<IpNet>().unwrap(), client.parse::<IpNet>().unwrap());
        }
    }
}

#[test]
fn a_scope_holds_nobody_who_would_get_another_answer_and_is_as_short_as_that_allows() {
    const STRANGERS: usize = 40;
    let node = serve();
    let mut asker = node.asker();
    let mut maximal = 0;
    for (client, ..) in CLIENTS {
        let client = client.parse().unwrap();
        let (place, prefix) = ask(&mut asker, client);
        for _ in 0..STRANGERS {
            let stranger = Network::of(prefix).random();
            let got = ask(&mut asker, stranger);
            assert_eq!(got, (place, prefix), "{stranger} lies in {prefix}, the scope of {client}");
        }
        let cap = MAX_SOURCE[usize::from(client.addr().is_ipv6())];
        assert!(prefix.prefix_len() <= cap, "{prefix}");
        if (1..cap).contains(&prefix.prefix_len()) {
            let other = Network::of(prefix).sibling();
            assert!(other.holds_another(&mut asker, place), "{prefix}, the scope of {client}, could be shorter");
            maximal += 1;
        }
    }
    assert!(maximal >= CLIENTS.len() / 2, "only {maximal} scopes between 0 and the cap");
}

#[test]
fn without_client_subnet_the_source_address_decides() {
    let node = serve();
    for (source, expected) in [("127.0.0.5", "ams"), ("127.0.0.127", "ams"), ("127.0.0.128", "iad")] {
        let reply = node.dig(&format!("www.example.com A -b {source}"));
        assert_eq!(reply.data().iter().map(|address| datacenter(address)).collect::<Vec<_>>(), [expected], "{source}");
        assert_eq!(reply.subnet, None, "no option in the query, none in the reply");
        // With a source prefix length of 0 the client asks not to be located.
        let reply = node.dig(&format!("www.example.com A -b {source} +subnet=0/0"));
        assert_eq!((datacenter(reply.data()[0]), reply.scope()), (expected, Some(0)), "{source}");
        // With a longer one the option decides, whatever the source.
        let reply = node.dig(&format!("www.example.com A -b {source} +subnet=133.11.0.0/24"));
        assert_eq!(datacenter(reply.data()[0]), "nrt", "{source}");
    }
}

/// Returns the address that a network gets, and the prefix for which the answer is valid.
fn ask(asker: &mut Asker, client: IpNet) -> (IpAddr, IpNet) {
    let reply = asker.ask("www.example.com.", RecordType::A, Some(client));
    let scope = scope(&reply).expect("an option in the query, one in the reply");
    let prefix = IpNet::new(client.addr(), scope).expect("a scope is no longer than an address").trunc();
    match addresses(&reply)[..] {
        [address] => (address, prefix),
        ref others => panic!("{client} gets {others:?}"),
    }
}

/// A network as numbers.
#[derive(Clone, Copy)]
struct Network {
    first: u128,
    last: u128,
    /// True if the other half of the network of twice its size is below it.
    is_upper: bool,
    is_v4: bool,
}

impl Network {
    fn of(net: IpNet) -> Self {
        let bits = |address| match address {
            IpAddr::V4(address) => u128::from(u32::from(address)),
            IpAddr::V6(address) => u128::from(address),
        };
        let (first, last) = (bits(net.network()), bits(net.broadcast()));
        let size = last.wrapping_sub(first).wrapping_add(1);
        Self { first, last, is_upper: first & size != 0, is_v4: net.addr().is_ipv4() }
    }

    /// The network of a resolver's client with this address.
    fn at(self, bits: u128) -> IpNet {
        let address = if self.is_v4 {
            IpAddr::V4(Ipv4Addr::from(u32::try_from(bits).expect("it lies in a network of IPv4")))
        } else {
            IpAddr::V6(Ipv6Addr::from(bits))
        };
        IpNet::new(address, MAX_SOURCE[usize::from(!self.is_v4)]).expect("a length that fits").trunc()
    }

    fn random(self) -> IpNet {
        self.at(fastrand::u128(self.first..=self.last))
    }

    /// The other half of the network that is twice as large.
    fn sibling(self) -> Self {
        let size = self.last - self.first + 1;
        let (first, last) =
            if self.is_upper { (self.first - size, self.first - 1) } else { (self.last + 1, self.last + size) };
        Self { first, last, is_upper: !self.is_upper, is_v4: self.is_v4 }
    }

    /// True if a client in it gets another answer. The search begins beside the sibling, and goes from scope to scope.
    fn holds_another(self, asker: &mut Asker, place: IpAddr) -> bool {
        let mut at = if self.is_upper { self.first } else { self.last };
        loop {
            let (found, prefix) = ask(asker, self.at(at));
            if found != place {
                return true;
            }
            let leap = Self::of(prefix);
            if leap.first <= self.first && self.is_upper && leap.last >= self.last {
                return false;
            }
            let next = if self.is_upper { leap.last.checked_add(1) } else { leap.first.checked_sub(1) };
            match next.filter(|next| (self.first..=self.last).contains(next)) {
                Some(next) => at = next,
                None => return false,
            }
        }
    }
}
