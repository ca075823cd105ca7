//! The answers to the questions of `truenorth init`. They have the same form in the dialogue and as flags.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use crate::name::Name;

/// A zone's origin in lower case, without its final dot. It can be the name of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Origin(String);

/// A nameserver of the zone, with its addresses if it is in the zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Nameserver {
    /// The name as the operator wrote it, in lower case and without a final dot.
    name: String,
    pub(super) addresses: Vec<IpAddr>,
}

/// A datacenter and its location in degrees.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Datacenter {
    pub(super) name: String,
    pub(super) latitude: f64,
    pub(super) longitude: f64,
}

/// The addresses of the service in one datacenter; at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Endpoints {
    pub(super) datacenter: String,
    pub(super) addresses: Vec<IpAddr>,
}

/// The probe of the endpoints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Probe {
    Http { tls: bool, port: u16, path: String },
    Tcp { port: u16 },
    None,
}

/// All answers. They are consistent with each other.
#[derive(Debug)]
pub(super) struct Answers {
    pub(super) origin: Origin,
    pub(super) nameservers: Vec<Nameserver>,
    pub(super) datacenters: Vec<Datacenter>,
    pub(super) endpoints: Vec<Endpoints>,
    pub(super) probe: Probe,
}

impl Origin {
    /// Returns the name of the zone that delegates this one.
    pub(super) fn parent(&self) -> &str {
        self.0.split_once('.').map_or(".", |(_, parent)| parent)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Origin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let plain = text.trim().trim_end_matches('.').to_ascii_lowercase();
        if !is_host_name(&plain) || Name::parse(&format!("{plain}."), &Name::root()).is_err() {
            return Err(format!("`{}` is not a zone such as gslb.example.com", text.trim()));
        }
        Ok(Self(plain))
    }
}

impl Nameserver {
    /// Returns its name relative to the zone; `None` if it is not in the zone.
    pub(super) fn inside<'a>(&'a self, origin: &Origin) -> Option<&'a str> {
        match self.name.strip_suffix(&origin.0) {
            Some(front) => front.strip_suffix('.'),
            // A name with a dot is absolute here: many people forget the final dot, and a nameserver two labels below
            // the zone is unlikely.
            None => (!self.name.contains('.')).then_some(&self.name),
        }
    }

    /// Returns its absolute name, with the final dot.
    pub(super) fn absolute(&self, origin: &Origin) -> String {
        self.inside(origin).map_or_else(|| format!("{}.", self.name), |inside| format!("{inside}.{origin}."))
    }
}

impl FromStr for Nameserver {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, addresses) = text.split_once('=').unwrap_or((text, ""));
        let name = name.trim().trim_end_matches('.').to_ascii_lowercase();
        if !is_host_name(&name) {
            return Err(format!("`{name}` is not the name of a nameserver, such as in ns1=192.0.2.53"));
        }
        let addresses = if addresses.is_empty() { Vec::new() } else { read_addresses(addresses)? };
        Ok(Self { name, addresses })
    }
}

impl FromStr for Datacenter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not a datacenter with its latitude and longitude, such as fra=50.11,8.68");
        let (name, place) = text.split_once('=').ok_or_else(wrong)?;
        let (latitude, longitude) = place.split_once(',').ok_or_else(wrong)?;
        let degrees = |text: &str, most: f64| {
            let number: f64 = text.trim().parse().ok()?;
            (number.abs() <= most).then_some(number)
        };
        let latitude = degrees(latitude, 90.0).ok_or_else(|| {
            format!("{name}: the latitude `{latitude}` is not a number of degrees north, from -90 to 90")
        })?;
        let longitude = degrees(longitude, 180.0).ok_or_else(|| {
            format!("{name}: the longitude `{longitude}` is not a number of degrees east, from -180 to 180")
        })?;
        Ok(Self { name: read_word(name)?, latitude, longitude })
    }
}

impl FromStr for Endpoints {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (datacenter, addresses) = text.split_once('=').ok_or_else(|| {
            format!("`{text}` is not a datacenter with addresses, such as fra=198.51.100.10,198.51.100.11")
        })?;
        Ok(Self { datacenter: read_word(datacenter)?, addresses: read_addresses(addresses)? })
    }
}

impl FromStr for Probe {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let wrong = || format!("`{text}` is not a check: write http:80/healthz, https:443/healthz, tcp:443 or none");
        let (at, path) = text.find('/').map_or((text, ""), |slash| text.split_at(slash));
        let (kind, port) = at.split_once(':').map_or((at, None), |(kind, port)| (kind, Some(port)));
        let port = match port.map(str::parse::<u16>) {
            None => None,
            Some(Ok(port)) if port > 0 => Some(port),
            Some(_) => return Err(wrong()),
        };
        let path_or_root = if path.is_empty() { "/" } else { path };
        match (kind, port) {
            // A request line ends at a blank, and quotes would end the string of the file.
            _ if !path.bytes().all(|octet| octet.is_ascii_graphic() && !b"\"\\#".contains(&octet)) => Err(wrong()),
            ("http" | "https", _) => {
                let tls = kind == "https";
                let port = port.unwrap_or(if tls { 443 } else { 80 });
                Ok(Self::Http { tls, port, path: path_or_root.to_owned() })
            }
            ("tcp", Some(port)) if path.is_empty() => Ok(Self::Tcp { port }),
            ("none", None) if path.is_empty() => Ok(Self::None),
            _ => Err(wrong()),
        }
    }
}

/// Fails with the reason if these cannot be the nameservers of the zone.
pub(super) fn check_nameservers(origin: &Origin, nameservers: &[Nameserver]) -> Result<(), String> {
    for (position, nameserver) in nameservers.iter().enumerate() {
        let name = nameserver.absolute(origin);
        if nameservers[..position].iter().any(|other| other.absolute(origin) == name) {
            return Err(format!("the nameserver {name} is given twice"));
        }
        match (nameserver.inside(origin), nameserver.addresses.is_empty()) {
            (Some(inside), true) => {
                return Err(format!("{name} is in the zone, so it needs its addresses: {inside}=192.0.2.53"));
            }
            (None, false) => {
                return Err(format!("{name} is not in the zone, so it takes no addresses: leave them out"));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Fails if a datacenter is given twice.
pub(super) fn check_datacenters(datacenters: &[Datacenter]) -> Result<(), String> {
    let twice = datacenters
        .iter()
        .enumerate()
        .find(|(position, datacenter)| datacenters[..*position].iter().any(|other| other.name == datacenter.name));
    twice.map_or(Ok(()), |(_, twice)| Err(format!("the datacenter {} is given twice", twice.name)))
}

/// Fails with the reason if these cannot be the endpoints in those datacenters.
pub(super) fn check_endpoints(datacenters: &[Datacenter], endpoints: &[Endpoints]) -> Result<(), String> {
    for (position, Endpoints { datacenter, addresses: _ }) in endpoints.iter().enumerate() {
        if !datacenters.iter().any(|known| known.name == *datacenter) {
            let known: Vec<&str> = datacenters.iter().map(|known| known.name.as_str()).collect();
            return Err(format!("there is no datacenter {datacenter}, only {}", known.join(", ")));
        }
        if endpoints[..position].iter().any(|other| other.datacenter == *datacenter) {
            return Err(format!("the addresses of {datacenter} are given twice"));
        }
    }
    let without = datacenters.iter().find(|known| !endpoints.iter().any(|given| given.datacenter == known.name));
    without.map_or(Ok(()), |without| Err(format!("the datacenter {} has no addresses", without.name)))
}

/// Reads a word that can be a bare key of TOML and a part of a pool's name, such as `web/fra`. Fails with the reason.
pub(super) fn read_word(text: &str) -> Result<String, String> {
    let text = text.trim();
    let is_word = !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"-_".contains(&octet));
    if is_word { Ok(text.to_owned()) } else { Err(format!("`{text}` is not a word of letters, digits, `-` and `_`")) }
}

fn read_addresses(text: &str) -> Result<Vec<IpAddr>, String> {
    let read = |part: &str| part.trim().parse().map_err(|_| format!("`{}` is not an address", part.trim()));
    text.split(',').map(read).collect()
}

/// True for labels of letters, digits, hyphens and underscores.
fn is_host_name(text: &str) -> bool {
    let is_part = |octet: u8| octet.is_ascii_alphanumeric() || b"-_".contains(&octet);
    text.split('.').all(|label| !label.is_empty() && label.bytes().all(is_part))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<T: FromStr<Err = String>>(text: &str) -> T {
        text.parse().unwrap_or_else(|why| panic!("{text}: {why}"))
    }

    fn refused<T: FromStr<Err = String> + fmt::Debug>(texts: &[&str]) {
        for text in texts {
            text.parse::<T>().expect_err(text);
        }
    }

    #[test]
    fn answers_are_read_as_they_are_meant() {
        assert_eq!(read::<Origin>(" GSLB.example.com. ").to_string(), "gslb.example.com");
        assert_eq!(read::<Origin>("gslb.example.com").parent(), "example.com");
        let fra = Datacenter { name: "fra".to_owned(), latitude: 50.11, longitude: -8.68 };
        assert_eq!(read::<Datacenter>("fra=50.11,-8.68"), fra);
        let endpoints = read::<Endpoints>("fra=192.0.2.1,2001:db8::1");
        assert_eq!((endpoints.datacenter.as_str(), endpoints.addresses.len()), ("fra", 2));
        let http = |tls, port, path: &str| Probe::Http { tls, port, path: path.to_owned() };
        for (text, probe) in [
            ("http", http(false, 80, "/")),
            ("http:8080/healthz?deep=1", http(false, 8080, "/healthz?deep=1")),
            ("https/healthz", http(true, 443, "/healthz")),
            ("tcp:443", Probe::Tcp { port: 443 }),
            ("none", Probe::None),
        ] {
            assert_eq!(read::<Probe>(text), probe, "{text}");
        }
    }

    #[test]
    fn what_no_file_could_hold_is_refused() {
        refused::<Origin>(&["", ".", "a..b", "*.example.com", "a/b", "exämple.com", &"a".repeat(64)]);
        refused::<Nameserver>(&["", "=192.0.2.1", "ns1=192.0.2.256", "ns1=192.0.2.1,", "n s=192.0.2.1"]);
        refused::<Datacenter>(&[
            "fra",
            "fra=50.11",
            "fra=91,0",
            "fra=0,181",
            "fra=x,y",
            "f\"a=1,1",
            "=1,1",
            "fra=NaN,1",
        ]);
        refused::<Endpoints>(&["fra", "fra=", "fra=www.example.com", "fra=192.0.2.1,,192.0.2.2"]);
        refused::<Probe>(&["", "ftp", "http:0", "http:x", "tcp", "tcp:80/", "http:80/a b", "http:80/\"", "none:1"]);
    }

    #[test]
    fn a_nameserver_is_in_the_zone_by_its_name() {
        let origin: Origin = read("gslb.example.com");
        let names = |text: &str| {
            let nameserver: Nameserver = read(text);
            (nameserver.inside(&origin).map(str::to_owned), nameserver.absolute(&origin))
        };
        let inside = (Some("ns1".to_owned()), "ns1.gslb.example.com.".to_owned());
        assert_eq!(names("ns1=192.0.2.53"), inside);
        assert_eq!(names("NS1.gslb.example.com.=192.0.2.53"), inside);
        assert_eq!(names("ns1.example.net"), (None, "ns1.example.net.".to_owned()));
        assert_eq!(names("ns1.othergslb.example.com"), (None, "ns1.othergslb.example.com.".to_owned()));
        assert_eq!(check_nameservers(&origin, &[read("ns1=192.0.2.53"), read("ns2.example.net.")]), Ok(()));
        for wrong in
            [&["ns1"][..], &["ns1.example.net=192.0.2.1"], &["ns1=192.0.2.1", "ns1.gslb.example.com=192.0.2.2"]]
        {
            let nameservers: Vec<Nameserver> = wrong.iter().map(|text| read(text)).collect();
            check_nameservers(&origin, &nameservers).expect_err(wrong[0]);
        }
    }

    #[test]
    fn each_datacenter_has_its_endpoints_once() {
        let datacenters: Vec<Datacenter> = vec![read("fra=50,8"), read("iad=38,-77")];
        let check = |texts: &[&str]| {
            let endpoints: Vec<Endpoints> = texts.iter().map(|text| read(text)).collect();
            check_endpoints(&datacenters, &endpoints)
        };
        assert_eq!(check(&["iad=192.0.2.1", "fra=192.0.2.2"]), Ok(()));
        check(&["fra=192.0.2.2"]).expect_err("iad is missing");
        check(&["iad=192.0.2.1", "fra=192.0.2.2", "fra=192.0.2.3"]).expect_err("fra is there twice");
        check(&["iad=192.0.2.1", "fra=192.0.2.2", "sin=192.0.2.3"]).expect_err("there is no sin");
        check_datacenters(&[read("fra=50,8"), read("fra=50,8")]).expect_err("fra is there twice");
    }
}
