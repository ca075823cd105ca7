//! Guesses what was meant by a value that cannot be read.

use std::net::{IpAddr, SocketAddr};

use ipnet::{IpNet, ip_mask_to_prefix};

use crate::duration;
use crate::geo::{ClientMatch, Continent, CountryCode, Subdivision, countries};
use crate::steering::Step;

/// Words of other products, and ours for them. Of several, the first that is allowed in its place is suggested.
const SYNONYMS: &[(&str, &[&str])] = &[
    ("ping", &["icmp"]),
    ("ssl", &["tls"]),
    ("h2", &["grpc", "2"]),
    ("h2c", &["http"]),
    ("http2", &["http"]),
    ("web", &["http"]),
    ("connect", &["tcp"]),
    ("port", &["tcp"]),
    ("extfile", &["push"]),
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
    ("topology", &["region"]),
    ("asn", &["region"]),
    ("continent", &["region"]),
    ("priority", &["failover"]),
    ("primary", &["failover"]),
    ("active-passive", &["failover"]),
    ("global-availability", &["failover"]),
    ("availability", &["failover"]),
    ("order", &["failover"]),
    ("backup", &["failover"]),
    ("weighted", &["weight"]),
    ("ratio", &["weight", "weighted"]),
    ("weight", &["weighted"]),
    ("wrr", &["weight", "weighted"]),
    ("wrandom", &["weight", "weighted"]),
    ("hash", &["sticky"]),
    ("consistent", &["sticky"]),
    ("source", &["sticky"]),
    ("affinity", &["sticky"]),
    ("persistence", &["sticky"]),
    ("round-robin", &["rotate"]),
    ("round_robin", &["rotate"]),
    ("roundrobin", &["rotate"]),
    ("rr", &["rotate"]),
    ("multi", &["rotate"]),
    ("multivalue", &["rotate"]),
    ("cyclic", &["rotate"]),
    ("rand", &["random"]),
    ("shuffle", &["random"]),
    ("leastconn", &["least-load", "load"]),
    ("least-connections", &["least-load", "load"]),
    ("empty", &["nodata"]),
];

/// Our keys, and what other products call them. The first of ours that its table has is suggested.
const KEYS: &[(&str, &str)] = &[
    ("pools", "backend backends resource resources server servers pool_name origin_pools"),
    (
        "endpoints",
        "backend backends server servers member members address addresses addrs addrs_v4 addrs_v6 origin origins target targets node nodes ip ips",
    ),
    ("pool", "name backend resource origin"),
    ("address", "addr ip ip_address ipaddr host server target"),
    ("cname", "hostname fqdn name alias"),
    ("check_port", "port"),
    ("monitor", "monitors health healthcheck healthchecks health_check check checks probe service_type service_types"),
    ("datacenter", "dc location site"),
    ("datacenters", "dcs locations sites"),
    ("min_healthy", "up_thresh min_up threshold minimum_healthy min_members"),
    ("weight", "ratio"),
    ("capacity", "limit max_load max_connections"),
    (
        "steer",
        "policy method routing routing_policy filters filter lb_mode lb_method algorithm strategy steering_policy",
    ),
    ("pick", "lb_mode lb_method method algorithm alternate"),
    ("answers", "max_answers count limit max_addrs max_addrs_v4 max_addrs_v6 max_records"),
    ("fallback", "fallback_pool backup default last_resort"),
    ("prefer", "datacenters dcs order preference priority pools"),
    ("clients", "countries country networks network nets match prefixes prefix sources source ldns continents"),
    ("type", "kind proto protocol plugin"),
    ("interval", "period every frequency check_interval"),
    ("timeout", "check_timeout deadline time_limit"),
    (
        "fall",
        "retries failure_threshold unhealthy_threshold down_thresh down_threshold max_failures failures consecutive_down",
    ),
    ("rise", "success_threshold healthy_threshold ok_thresh up_thresh up_threshold consecutive_up"),
    ("path", "url uri url_path request_path resource_path query_path"),
    ("host", "hostname host_header http_host vhost fqdn server_name"),
    ("expect_status", "status statuses status_code status_codes codes ok_codes expected_codes"),
    ("expect_body", "body search_string expected_body receive recv match expect"),
    ("send", "request payload send_string"),
    ("expect", "receive recv response match"),
    ("command", "cmd program script args"),
    ("verify", "tls_verify verify_tls ssl_verify"),
    ("latitude", "lat"),
    ("longitude", "lon long lng"),
    ("country", "country_code cc"),
    ("ttl", "default_ttl"),
    ("ttl_min", "min_ttl"),
    ("origin", "zone domain"),
    ("names", "hosts hostnames services wideips wide_ips resources"),
    ("records", "rrsets rrs static"),
    ("monitors", "service_types healthchecks health_checks checks"),
    ("regions", "maps geo topology"),
    ("mname", "primary master"),
    ("rname", "email mail admin contact"),
    ("minimum", "ncache negative_ttl nxdomain_ttl"),
    ("databases", "database db mmdb geoip_db"),
];

/// Returns one of `known` that means the same as `written`, in another case or in another product's words.
pub(super) fn word<'a>(written: &str, known: &[&'a str]) -> Option<&'a str> {
    let same = |text: &str| known.iter().copied().find(|word| word.eq_ignore_ascii_case(text));
    let plain = |text: &str| text.to_ascii_lowercase().replace(['-', '_', ' '], "");
    let synonyms = SYNONYMS.iter().filter(|(other, _)| other.eq_ignore_ascii_case(written)).flat_map(|(_, ours)| *ours);
    // "tcp_connect", "TCP/80" and "gateway_icmp" hold the word.
    let parts = || written.split(|c: char| !c.is_ascii_alphanumeric()).filter(|part| part.len() < written.len());
    same(written)
        .or_else(|| known.iter().copied().find(|word| plain(word) == plain(written)))
        .or_else(|| synonyms.into_iter().find_map(|ours| same(ours)))
        .or_else(|| parts().find_map(same))
}

/// Returns one of `known` that means the same as the key `written` of another product.
pub(super) fn key<'a>(written: &str, known: &[&'a str]) -> Option<&'a str> {
    let plain = written.to_ascii_lowercase().replace('-', "_");
    let ours = KEYS.iter().filter(|(_, others)| others.split(' ').any(|other| other == plain)).map(|(ours, _)| ours);
    ours.into_iter().find_map(|ours| known.iter().copied().find(|word| word == ours))
}

/// Writes the value of a key that was given without the list around it: `"web"` becomes `["web"]`.
pub(super) fn list(key: &str, written: &str) -> String {
    // A command is a list of its words, as a shell would split it.
    let separator = if key == "command" { ' ' } else { ',' };
    let items = written.split(separator).map(str::trim).filter(|item| !item.is_empty());
    let steps = Step::ALL.map(|(step, _)| step);
    let items = items.map(|item| if key == "steer" { word(item, &steps).unwrap_or(item) } else { item });
    format!("[{}]", items.map(|item| format!("{item:?}")).collect::<Vec<_>>().join(", "))
}

/// Reads a duration and writes it our way: `5` and `5 sec` become `5s`, `1m30s` becomes `90s`.
pub(super) fn duration(written: &str) -> Option<String> {
    let text: String = written.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_ascii_lowercase();
    // The durations of ISO 8601, and numbers with a fraction of zero.
    let text = text.strip_prefix("pt").or(text.strip_suffix(".0")).unwrap_or(&text).to_owned();
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
    let text = written.trim().trim_start_matches('/').trim_end_matches(['%', ' ']).trim_end_matches(".0");
    let is_number = !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit());
    let seconds = || duration(text).and_then(|text| duration::parse(&text)).filter(|time| time.subsec_nanos() == 0);
    if is_number { Some(text.to_owned()) } else { seconds().map(|time| time.as_secs().to_string()) }
}

/// Reads a number between two limits that was written in quotes, or as a percentage.
pub(super) fn share(written: &str, is_in_range: impl Fn(f64) -> bool) -> Option<String> {
    let text = written.trim();
    let of_percent = |number: f64| number / 100.0;
    // A small number without the sign may be meant otherwise.
    let percent = || {
        let number = text.strip_suffix('%').unwrap_or(text).trim().parse().ok();
        number.filter(|&number: &f64| number > 10.0 || text.ends_with('%')).map(of_percent)
    };
    let number = text.parse().ok().filter(|&number| is_in_range(number)).or_else(percent);
    number.filter(|&number| is_in_range(number)).map(|number: f64| number.to_string())
}

/// Reads `true` or `false`, in quotes or in other words.
pub(super) fn boolean(written: &str) -> Option<bool> {
    match written.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Some(true),
        "false" | "no" | "off" | "0" => Some(false),
        _ => None,
    }
}

/// Reads an endpoint's address and writes it as for a list: without brackets, port, prefix length, zone, scheme or blanks.
/// Several addresses in one text become several. `with_port` writes an address with a port.
pub(super) fn address(written: &str, with_port: impl Fn(SocketAddr) -> String) -> Option<String> {
    let several = written.split([',', ';', ' ']).filter(|text| !text.is_empty());
    let several: Option<Vec<_>> = several.map(|text| Some(format!("\"{}\"", plain_address(text)?))).collect();
    if let Some(several) = several.filter(|several| several.len() > 1) {
        return Some(several.join(", "));
    }
    let text = written.trim();
    let text = text.split_once("://").map_or(text, |(_, rest)| rest);
    let text = text.split_once('/').map_or(text, |(address, _)| address);
    if let Some(address) = bare_address(text) {
        return Some(format!("\"{address}\""));
    }
    text.parse().ok().map(with_port)
}

/// Reads an address that may be in brackets, or have a zone (RFC 4007, section 11): no zone means anything to a client.
pub(super) fn bare_address(text: &str) -> Option<IpAddr> {
    let text = text.trim_start_matches('[').trim_end_matches(']');
    plain_address(text.split_once('%').map_or(text, |(address, _)| address))
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
    let digits = code.get(..2).filter(|front| front.eq_ignore_ascii_case("as")).map_or(code, |_| &code[2..]);
    let asn = digits.trim().parse().ok().map(ClientMatch::Asn).filter(|_| kind.is_none_or(|kind| kind == "asn"));
    let subdivision = Subdivision::parse(&code.replace('_', "-")).map(ClientMatch::Subdivision);
    let (continent, country) = (continent.map(ClientMatch::Continent), country.map(ClientMatch::Country));
    // Some codes belong to a continent and to a country. The written kind decides, otherwise the country wins.
    let candidates = match kind {
        Some("continent") => [continent, country, asn, subdivision],
        _ => [country, continent, asn, subdivision],
    };
    candidates.into_iter().flatten().next()
}

/// Guesses the clients that a text without a kind meant: a network with a netmask, an asterisk, brackets or a zone, or
/// everybody.
pub(super) fn clients(written: &str) -> Option<String> {
    if matches!(
        written.to_ascii_lowercase().as_str(),
        "*" | "any" | "all" | "default" | "world" | "everybody" | "others"
    ) {
        return Some("the region `default`, which is for all other clients".to_owned());
    }
    // Kinds of four hexadecimal digits at most could begin an address.
    if let Some((_, code)) =
        written.split_once(':').filter(|(kind, _)| kind.bytes().all(|octet| octet.is_ascii_lowercase()))
        && !code.contains(':')
    {
        return client(None, code).map(|meant| format!("`{meant}`"));
    }
    let (address, mask) = written.split_once('/').unwrap_or((written, ""));
    let asterisks = address.split('.').rev().take_while(|octet| *octet == "*").count();
    let net = if asterisks > 0 && mask.is_empty() {
        IpNet::new(address.replace('*', "0").parse().ok()?, 8 * (4 - u8::try_from(asterisks).ok()?)).ok()?
    } else if let Ok(mask) = mask.parse::<IpAddr>() {
        IpNet::new(bare_address(address)?, ip_mask_to_prefix(mask).ok()?).ok()?
    } else {
        IpNet::new(bare_address(address).filter(|_| address.contains(['[', '%']))?, mask.parse().ok()?).ok()?
    };
    Some(format!("\"{}\"", net.trunc()))
}

/// Writes each of several codes with its kind: `country:DE,FR` becomes two texts.
pub(super) fn several(kind: &str, codes: &str) -> Option<String> {
    let each = codes.split(',').map(|code| Some(format!("\"{}\"", client(Some(kind), code.trim())?)));
    each.collect::<Option<Vec<_>>>().map(|each| each.join(", "))
}

fn country_of(code: &str) -> Option<CountryCode> {
    match code.to_ascii_uppercase().as_str() {
        "UK" | "GBR" => CountryCode::parse("GB"),
        "EL" => CountryCode::parse("GR"),
        "USA" => CountryCode::parse("US"),
        "DEU" => CountryCode::parse("DE"),
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
        "antarctica" | "ant" => "AN",
        "asia" | "ap" | "asia pacific" => "AS",
        "europe" => "EU",
        "north america" | "nam" => "NA",
        "oceania" | "australia and oceania" => "OC",
        "south america" | "sam" => "SA",
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
            ("5.0", Some("5s")),
            ("PT5M", Some("5m")),
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
            ("2001:db8::1%eth0", Some("\"2001:db8::1\"")),
            ("[fe80::1%2]", Some("\"fe80::1\"")),
            ("198.51.100.1, 198.51.100.2", Some("\"198.51.100.1\", \"198.51.100.2\"")),
            ("198.51.100", None),
            ("www", None),
        ] {
            let with_port = |at: SocketAddr| format!("{{ address = \"{}\", check_port = {} }}", at.ip(), at.port());
            assert_eq!(address(written, with_port).as_deref(), meant, "{written}");
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
            (Some("country"), "276", None),
            (Some("country"), "A1", None),
            (Some("country"), "AP", Some("continent:AS")),
            (Some("continent"), "NAM", Some("continent:NA")),
            (None, "nowhere", None),
        ] {
            assert_eq!(client(kind, code).map(|client| client.to_string()).as_deref(), meant, "{kind:?} {code}");
        }
    }

    #[test]
    fn networks_are_found_in_other_notations() {
        for (written, meant) in [
            ("203.0.113.0/255.255.255.0", Some("\"203.0.113.0/24\"")),
            ("203.0.113.7/255.255.255.0", Some("\"203.0.113.0/24\"")),
            ("203.0.*.*", Some("\"203.0.0.0/16\"")),
            ("[2001:db8::]/32", Some("\"2001:db8::/32\"")),
            ("fe80::1%eth0/64", Some("\"fe80::/64\"")),
            ("cc:DE", Some("`country:DE`")),
            ("203.0.113.0/255.0.255.0", None),
            ("203.0.113.0/33", None),
            ("203.*.113.0", None),
            ("fe:80::1", None),
            ("www", None),
        ] {
            assert_eq!(clients(written).as_deref(), meant, "{written}");
        }
        assert!(clients("any").is_some_and(|meant| meant.contains("`default`")));
        assert_eq!(several("country", "DE, FR").as_deref(), Some("\"country:DE\", \"country:FR\""));
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
        assert_eq!(word("gateway_icmp", &known), Some("icmp"));
        assert_eq!(word("TCP/80", &["tcp"]), Some("tcp"));
        assert_eq!(word("some-thing", &known), None);
    }

    #[test]
    fn keys_of_others_are_known() {
        assert_eq!(key("backend", &["pools", "steer"]), Some("pools"));
        assert_eq!(key("Health-Check", &["monitor"]), Some("monitor"));
        assert_eq!(key("method", &["pick"]), Some("pick"));
        assert_eq!(key("backend", &["ttl"]), None);
        assert_eq!(list("pools", "a, b"), "[\"a\", \"b\"]");
        assert_eq!(list("command", "/bin/true -x"), "[\"/bin/true\", \"-x\"]");
        assert_eq!(share("50%", |number| number <= 1.0).as_deref(), Some("0.5"));
        assert_eq!(share("50", |number| number <= 1.0).as_deref(), Some("0.5"));
        assert_eq!(share("50.11", |number| number <= 90.0).as_deref(), Some("50.11"));
        assert_eq!(share("2", |number| number <= 1.0), None);
        assert_eq!(share("500", |number| number <= 1.0), None);
    }
}
