//! Guesses what was meant by a value that cannot be read.

use std::net::{IpAddr, SocketAddr};

use crate::duration;
use crate::geo::{ClientMatch, Continent, CountryCode, Subdivision, countries};

/// Words of other products, and ours for them. Of several, the first that is allowed in its place is suggested.
const SYNONYMS: [(&str, &[&str]); 41] = [
    ("ping", &["icmp"]),
    ("ssl", &["tls"]),
    ("h2", &["grpc", "2"]),
    ("http/1.1", &["1.1"]),
    ("http/2", &["2"]),
    ("1", &["1.1"]),
    ("script", &["exec"]),
    ("command", &["exec"]),
    ("external", &["exec"]),
    ("extmon", &["exec"]),
    ("program", &["exec"]),
    ("passive", &["push"]),
    ("report", &["push"]),
    ("heartbeat", &["push"]),
    ("and", &["all"]),
    ("or", &["any"]),
    ("quorum", &["at_least"]),
    ("geo", &["region"]),
    ("geoip", &["region"]),
    ("geolocation", &["region"]),
    ("country", &["region"]),
    ("proximity", &["distance"]),
    ("geoproximity", &["distance"]),
    ("nearest", &["distance"]),
    ("rtt", &["latency"]),
    ("performance", &["latency"]),
    ("priority", &["failover"]),
    ("order", &["failover"]),
    ("backup", &["failover"]),
    ("weighted", &["weight"]),
    ("ratio", &["weight", "weighted"]),
    ("weight", &["weighted"]),
    ("hash", &["sticky"]),
    ("persistence", &["sticky"]),
    ("round-robin", &["rotate"]),
    ("round_robin", &["rotate"]),
    ("roundrobin", &["rotate"]),
    ("rr", &["rotate"]),
    ("multi", &["rotate"]),
    ("least_load", &["least-load"]),
    ("empty", &["nodata"]),
];

/// Returns one of `known` that means the same as `written`, in another case or in another product's words.
pub(super) fn word<'a>(written: &str, known: &[&'a str]) -> Option<&'a str> {
    let same = |text: &str| known.iter().copied().find(|word| word.eq_ignore_ascii_case(text));
    let plain = |text: &str| text.to_ascii_lowercase().replace(['-', '_', ' '], "");
    let synonyms = SYNONYMS.iter().filter(|(other, _)| other.eq_ignore_ascii_case(written)).flat_map(|(_, ours)| *ours);
    same(written)
        .or_else(|| known.iter().copied().find(|word| plain(word) == plain(written)))
        .or_else(|| synonyms.into_iter().find_map(|ours| same(ours)))
}

/// Reads a duration and writes it our way: `5` and `5 sec` become `5s`, `1m30s` becomes `90s`.
pub(super) fn duration(written: &str) -> Option<String> {
    let text: String = written.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_ascii_lowercase();
    if !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit()) {
        return Some(format!("{text}s"));
    }
    let (mut total, mut rest, mut finest) = (std::time::Duration::ZERO, text.as_str(), "s");
    let mut parts = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).filter(|&digits| digits > 0)?;
        let unit_end = rest[digits..].find(|c: char| c.is_ascii_digit()).map_or(rest.len(), |end| digits + end);
        let unit = match &rest[digits..unit_end] {
            "ms" | "msec" | "millis" | "milliseconds" => "ms",
            "s" | "sec" | "secs" | "second" | "seconds" => "s",
            "m" | "min" | "mins" | "minute" | "minutes" => "m",
            "h" | "hr" | "hrs" | "hour" | "hours" => "h",
            "d" | "day" | "days" => "d",
            _ => return None,
        };
        let part = format!("{}{unit}", &rest[..digits]);
        total = total.checked_add(duration::parse(&part)?)?;
        parts += 1;
        if parts == 1 && unit_end == rest.len() {
            return Some(part);
        }
        if unit == "ms" {
            finest = "ms";
        }
        rest = &rest[unit_end..];
    }
    (parts > 0).then(|| match finest {
        "ms" => format!("{}ms", total.as_millis()),
        _ => format!("{}s", total.as_secs()),
    })
}

/// Reads a whole number of seconds, or a number in quotes.
pub(super) fn number(written: &str) -> Option<String> {
    let text = written.trim();
    let is_number = !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit());
    let seconds = || duration(text).and_then(|text| duration::parse(&text)).filter(|time| time.subsec_nanos() == 0);
    if is_number { Some(text.to_owned()) } else { seconds().map(|time| time.as_secs().to_string()) }
}

/// Reads `true` or `false`, in quotes or in other words.
pub(super) fn boolean(written: &str) -> Option<bool> {
    match written.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Some(true),
        "false" | "no" | "off" | "0" => Some(false),
        _ => None,
    }
}

/// Reads an endpoint's address and writes it as for a list: without brackets, port, prefix length, scheme or blanks.
pub(super) fn address(written: &str) -> Option<String> {
    let text = written.trim();
    let text = text.split_once("://").map_or(text, |(_, rest)| rest);
    let text = text.split_once('/').map_or(text, |(address, _)| address);
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    if let Some(address) = plain_address(bare) {
        return Some(format!("\"{address}\""));
    }
    let socket: SocketAddr = text.parse().ok()?;
    Some(format!("{{ address = \"{}\", check_port = {} }}", socket.ip(), socket.port()))
}

/// Reads an address. Removes leading zeros of IPv4 octets, which some programs read as octal (RFC 6943, section 3.1.1).
fn plain_address(text: &str) -> Option<IpAddr> {
    let without_zeros = || {
        let octets = text.split('.').map(|octet| octet.parse::<u8>().ok().map(|octet| octet.to_string()));
        Some(octets.collect::<Option<Vec<_>>>()?.join("."))
    };
    text.parse().ok().or_else(|| without_zeros()?.parse().ok())
}

/// Reads an address with a port if one of the two is missing or malformed.
pub(super) fn socket(written: &str, port: u16) -> Option<String> {
    let text = written.trim();
    let text = text.split_once("://").map_or(text, |(_, rest)| rest).trim_end_matches('/');
    let with = |address: IpAddr, port: u16| format!("\"{}\"", SocketAddr::new(address, port));
    if let Some(address) = plain_address(text.trim_start_matches('[').trim_end_matches(']')) {
        // The last group of an IPv6 address without brackets may be a port.
        return match (address, text.rsplit_once(':')) {
            (IpAddr::V6(_), Some((front, last))) if !text.starts_with('[') && last.parse() == Ok(port) => {
                plain_address(front).map(|address| with(address, port)).or(Some(with(address, port)))
            }
            _ => Some(with(address, port)),
        };
    }
    if let Ok(port) = text.parse::<u16>() {
        return Some(format!("\"0.0.0.0:{port}\""));
    }
    let (host, port) = text.rsplit_once(':')?;
    let port: u16 = port.parse().ok()?;
    match host {
        "" | "*" => Some(format!("\"0.0.0.0:{port}\"")),
        "localhost" => Some(format!("\"127.0.0.1:{port}\"")),
        _ => plain_address(host).map(|address| with(address, port)),
    }
}

/// Guesses the client match that a region's `clients` meant: a code without its kind, with another kind, or in words.
pub(super) fn client(kind: Option<&str>, code: &str) -> Option<ClientMatch> {
    let code = code.trim();
    let continent = Continent::parse(&code.to_ascii_uppercase()).or_else(|| continent_of(code));
    let country = country_of(code);
    let digits = code.trim_start_matches(['a', 'A']).trim_start_matches(['s', 'S']);
    let asn = digits.parse().ok().map(ClientMatch::Asn);
    let subdivision = Subdivision::parse(code).map(ClientMatch::Subdivision);
    let (continent, country) = (continent.map(ClientMatch::Continent), country.map(ClientMatch::Country));
    // Some codes belong to a continent and to a country. The written kind decides, otherwise the country wins.
    let candidates = match kind {
        Some("continent") => [continent, country, asn, subdivision],
        _ => [country, continent, asn, subdivision],
    };
    candidates.into_iter().flatten().next()
}

fn country_of(code: &str) -> Option<CountryCode> {
    match code.to_ascii_uppercase().as_str() {
        "UK" => CountryCode::parse("GB"),
        "EL" => CountryCode::parse("GR"),
        "USA" => CountryCode::parse("US"),
        _ => {
            let by_code = CountryCode::parse(code).filter(|code| countries::country(*code).is_some());
            by_code.or_else(|| {
                countries::countries()
                    .find(|country| country.name.eq_ignore_ascii_case(code))
                    .map(|country| country.code)
            })
        }
    }
}

fn continent_of(name: &str) -> Option<Continent> {
    let code = match name.to_ascii_lowercase().replace(['-', '_'], " ").as_str() {
        "africa" => "AF",
        "antarctica" => "AN",
        "asia" => "AS",
        "europe" => "EU",
        "north america" => "NA",
        "oceania" | "australia and oceania" => "OC",
        "south america" => "SA",
        _ => return None,
    };
    Continent::parse(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_with_one_unit() {
        for (written, meant) in [
            ("5", Some("5s")),
            ("5 s", Some("5s")),
            ("5S", Some("5s")),
            ("5sec", Some("5s")),
            ("2 minutes", Some("2m")),
            ("1m30s", Some("90s")),
            ("1s500ms", Some("1500ms")),
            ("soon", None),
            ("5x", None),
            ("", None),
            ("-5s", None),
        ] {
            assert_eq!(duration(written).as_deref(), meant, "{written}");
        }
        assert_eq!(number("30s").as_deref(), Some("30"));
        assert_eq!(number("5m").as_deref(), Some("300"));
        assert_eq!(number(" 30 ").as_deref(), Some("30"));
        assert_eq!(number("500ms"), None);
    }

    #[test]
    fn addresses_are_found_in_what_is_around_them() {
        for (written, meant) in [
            ("[2001:db8::1]", Some("\"2001:db8::1\"")),
            ("198.51.100.1:80", Some("{ address = \"198.51.100.1\", check_port = 80 }")),
            ("[2001:db8::1]:443", Some("{ address = \"2001:db8::1\", check_port = 443 }")),
            ("198.51.100.1/32", Some("\"198.51.100.1\"")),
            ("http://198.51.100.1/", Some("\"198.51.100.1\"")),
            (" 198.51.100.1", Some("\"198.51.100.1\"")),
            ("198.051.100.001", Some("\"198.51.100.1\"")),
            ("198.51.100", None),
            ("www", None),
        ] {
            assert_eq!(address(written).as_deref(), meant, "{written}");
        }
    }

    #[test]
    fn ports_stand_behind_addresses() {
        for (written, meant) in [
            ("192.0.2.53", Some("\"192.0.2.53:53\"")),
            ("2001:db8::53", Some("\"[2001:db8::53]:53\"")),
            ("2001:db8::1:53", Some("\"[2001:db8::1]:53\"")),
            ("2001:db8::1", Some("\"[2001:db8::1]:53\"")),
            ("[::1]", Some("\"[::1]:53\"")),
            (":53", Some("\"0.0.0.0:53\"")),
            ("53", Some("\"0.0.0.0:53\"")),
            ("localhost:53", Some("\"127.0.0.1:53\"")),
            ("udp://192.0.2.53:53", Some("\"192.0.2.53:53\"")),
            ("ns1.example.com:53", None),
        ] {
            assert_eq!(socket(written, 53).as_deref(), meant, "{written}");
        }
    }

    #[test]
    fn clients_are_told_by_their_kind() {
        for (kind, code, meant) in [
            (None, "TR", Some("country:TR")),
            (None, "EU", Some("continent:EU")),
            (Some("country"), "EU", Some("continent:EU")),
            (Some("country"), "UK", Some("country:GB")),
            (Some("country"), "Germany", Some("country:DE")),
            (Some("continent"), "europe", Some("continent:EU")),
            (Some("continent"), "DE", Some("country:DE")),
            (None, "AS4713", Some("asn:4713")),
            (Some("asn"), "AS4713", Some("asn:4713")),
            (None, "4713", Some("asn:4713")),
            (None, "US-HI", Some("subdivision:US-HI")),
            (Some("country"), "US-HI", Some("subdivision:US-HI")),
            (None, "nowhere", None),
        ] {
            assert_eq!(client(kind, code).map(|client| client.to_string()).as_deref(), meant, "{kind:?} {code}");
        }
    }

    #[test]
    fn words_of_others_are_known() {
        let known = ["http", "https", "tls", "icmp", "exec"];
        assert_eq!(word("HTTP", &known), Some("http"));
        assert_eq!(word("ping", &known), Some("icmp"));
        assert_eq!(word("Script", &known), Some("exec"));
        assert_eq!(word("geo", &known), None);
        assert_eq!(word("least_load", &["rotate", "least-load"]), Some("least-load"));
        assert_eq!(word("weight", &["weight"]), Some("weight"));
    }
}
