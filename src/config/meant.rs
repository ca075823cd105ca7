//! Guesses the meaning of a value that cannot be read.

#[cfg(test)]
mod tests;
mod words;

use std::net::{IpAddr, SocketAddr};

use ipnet::{IpNet, ip_mask_to_prefix};

use crate::duration;
use crate::geo::{ClientMatch, Continent, CountryCode, Subdivision, countries};
use crate::steering::Step;
pub(super) use words::{key, word};

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
