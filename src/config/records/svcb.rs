//! SvcParams of SVCB and HTTPS records (RFC 9460): reads their text and checks their rules.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};

use data_encoding::BASE64;

use super::reader::{Reader, Wrong};
use crate::config::presentation;
use crate::config::suggest::did_you_mean;
use crate::wire::is_ech_config_list;

/// SvcParamKeys (RFC 9460, section 14.3.2; `ech` by RFC 9848, `dohpath` by RFC 9461, `ohttp` by RFC 9540).
const MANDATORY: u16 = 0;
const ALPN: u16 = 1;
const NO_DEFAULT_ALPN: u16 = 2;
const PORT: u16 = 3;
const IPV4_HINT: u16 = 4;
const ECH: u16 = 5;
const IPV6_HINT: u16 = 6;
const DOHPATH: u16 = 7;
const OHTTP: u16 = 8;

const KEYS: [(&str, u16); 9] = [
    ("mandatory", MANDATORY),
    ("alpn", ALPN),
    ("no-default-alpn", NO_DEFAULT_ALPN),
    ("port", PORT),
    ("ipv4hint", IPV4_HINT),
    ("ech", ECH),
    ("ipv6hint", IPV6_HINT),
    ("dohpath", DOHPATH),
    ("ohttp", OHTTP),
];

/// Returns the key as texts write it.
fn key_name(key: u16) -> String {
    KEYS.iter().find(|(_, number)| *number == key).map_or_else(|| format!("key{key}"), |(name, _)| (*name).to_owned())
}

/// Reads a key by its name, or by its number: "the number without leading zeros" (RFC 9460, section 2.1).
fn key(name: &str) -> Option<u16> {
    if let Some((_, key)) = KEYS.iter().find(|(known, _)| *known == name) {
        return Some(*key);
    }
    let number = name.strip_prefix("key")?;
    let is_plain = number.bytes().all(|octet| octet.is_ascii_digit()) && (number == "0" || !number.starts_with('0'));
    number.parse().ok().filter(|_| is_plain)
}

fn unknown_key(name: &str) -> String {
    match did_you_mean(name, KEYS.iter().map(|(known, _)| *known)) {
        Some(known) => format!("`{name}` is no SvcParamKey; did you mean `{known}`?"),
        None => format!("`{name}` is no SvcParamKey; write a key without a name as key and its number, as in key667"),
    }
}

/// Reads the remaining parameters, and writes them in ascending order of their keys.
pub(super) fn read(reader: &mut Reader<'_>) -> Result<(), Wrong> {
    let wrong = |reason: String| Wrong { at: 0, reason };
    let mut params: BTreeMap<u16, Vec<u8>> = BTreeMap::new();
    while !reader.tokens.is_empty() {
        let token = reader.take("parameter")?;
        let (name, mut text) = token.text.split_once('=').map_or((token.text, None), |(name, text)| (name, Some(text)));
        // A quoted value is a token of its own, directly after the equals sign (section 2.1).
        if let Some((value, behind)) = reader.tokens.split_first()
            && value.glued
            && value.quoted
            && text == Some("")
        {
            text = Some(value.text);
            reader.tokens = behind;
        }
        let key = key(name).ok_or_else(|| wrong(unknown_key(name)))?;
        // "The value of a key that is written as a number is the wire format" (section 2.1).
        let value = if name.starts_with("key") {
            presentation::unescape(text.unwrap_or_default()).map_err(|error| error.to_string())
        } else {
            value(key, text)
        };
        let value = value.map_err(|reason| wrong(format!("{name}: {reason}")))?;
        if value.len() > usize::from(u16::MAX) {
            return Err(wrong(format!("{name} is longer than 65535 octets")));
        }
        check_value(key, &value).map_err(|reason| wrong(format!("{name}: {reason}")))?;
        // "Keys MUST NOT be repeated" (section 2.1).
        if params.insert(key, value).is_some() {
            return Err(wrong(format!("{} is given twice", key_name(key))));
        }
    }
    for (key, value) in params {
        reader.rdata.extend_from_slice(&key.to_be_bytes());
        reader.rdata.extend_from_slice(&(value.len() as u16).to_be_bytes());
        reader.rdata.extend_from_slice(&value);
    }
    Ok(())
}

/// Returns the wire format of a known key's value.
fn value(key: u16, text: Option<&str>) -> Result<Vec<u8>, String> {
    let Some(text) = text else { return Ok(Vec::new()) };
    let octets = presentation::unescape(text).map_err(|error| error.to_string())?;
    let items = || split_list(&octets);
    let text_items = || items().into_iter().map(|item| String::from_utf8_lossy(&item).into_owned());
    match key {
        MANDATORY => {
            let keys = text_items().map(|name| self::key(&name).ok_or_else(|| unknown_key(&name)));
            let mut keys: Vec<u16> = keys.collect::<Result<_, _>>()?;
            keys.sort_unstable();
            Ok(keys.into_iter().flat_map(u16::to_be_bytes).collect())
        }
        ALPN => {
            let mut ids = Vec::new();
            for id in items() {
                ids.push(u8::try_from(id.len()).map_err(|_| "a protocol has 1 to 255 octets".to_owned())?);
                ids.extend(id);
            }
            Ok(ids)
        }
        PORT => {
            let text = String::from_utf8_lossy(&octets);
            let port = text.parse().ok().filter(|_| text.bytes().all(|octet| octet.is_ascii_digit()));
            port.map(|port: u16| port.to_be_bytes().into()).ok_or_else(|| "a port is a number up to 65535".to_owned())
        }
        IPV4_HINT => addresses(text_items(), "an IPv4 address", |address: Ipv4Addr| address.octets().to_vec()),
        IPV6_HINT => addresses(text_items(), "an IPv6 address", |address: Ipv6Addr| address.octets().to_vec()),
        ECH => BASE64.decode(&octets).map_err(|_| "this is not Base64".to_owned()),
        _ => Ok(octets),
    }
}

fn addresses<T: std::str::FromStr>(
    items: impl Iterator<Item = String>,
    what: &str,
    octets: impl Fn(T) -> Vec<u8>,
) -> Result<Vec<u8>, String> {
    let read =
        items.map(|item| item.parse().map(&octets).map_err(|_| format!("`{}` is not {what}", item.escape_default())));
    read.collect::<Result<Vec<_>, _>>().map(|addresses| addresses.concat())
}

/// Splits a comma-separated list, in which a backslash escapes a comma or a backslash (RFC 9460, appendix A.1).
fn split_list(octets: &[u8]) -> Vec<Vec<u8>> {
    let mut items = vec![Vec::new()];
    let mut rest = octets.iter();
    while let Some(&octet) = rest.next() {
        if octet == b',' {
            items.push(Vec::new());
            continue;
        }
        let hidden = if octet == b'\\' { rest.next().copied() } else { None };
        if let Some(item) = items.last_mut() {
            item.push(hidden.unwrap_or(octet));
        }
    }
    items
}

/// Fails with the reason why octets are not a value of this key.
fn check_value(key: u16, value: &[u8]) -> Result<(), &'static str> {
    let fault = match key {
        // "The value MUST be ... a non-empty list" (section 8). `check` looks at the whole list.
        MANDATORY if value.is_empty() || !value.len().is_multiple_of(2) => "a list of keys is expected",
        ALPN if !are_protocols(value) => "a list of protocols of 1 to 255 octets each is expected, such as h2,h3",
        // "The presentation and wire-format values MUST be empty" (section 7.1.1; RFC 9540, section 4).
        NO_DEFAULT_ALPN | OHTTP if !value.is_empty() => "it takes no value",
        PORT if value.len() != 2 => "a port is expected",
        // "An empty list of addresses is invalid" (section 7.3).
        IPV4_HINT if value.is_empty() || !value.len().is_multiple_of(4) => "one IPv4 address or more are expected",
        IPV6_HINT if value.is_empty() || !value.len().is_multiple_of(16) => "one IPv6 address or more are expected",
        DOHPATH if !is_template(value) => "a path with the variable dns is expected, such as /dns-query{?dns}",
        _ => return Ok(()),
    };
    Err(fault)
}

/// True for protocols with a length octet each, none of them empty (section 7.1.1).
fn are_protocols(mut value: &[u8]) -> bool {
    if value.is_empty() {
        return false;
    }
    while let Some((&length, rest)) = value.split_first() {
        if length == 0 || rest.len() < usize::from(length) {
            return false;
        }
        value = &rest[usize::from(length)..];
    }
    true
}

/// "The URI Template MUST be relative, ... MUST contain a "dns" variable" (RFC 9461, section 5).
fn is_template(value: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(value) else { return false };
    let mut expressions = text.split('{').skip(1).filter_map(|rest| rest.split_once('}').map(|(inside, _)| inside));
    let has_dns = expressions.any(|inside| {
        inside.trim_start_matches(['?', '&', '/', '+', '#', '.', ';']).split(',').any(|variable| variable == "dns")
    });
    text.starts_with('/') && has_dns
}

/// Fails with the reason why octets are not SvcParams.
pub(super) fn check(octets: &[u8]) -> Result<(), String> {
    let Some(params) = split(octets) else {
        return Err("the parameters do not end where their lengths say".to_owned());
    };
    // "SvcParamKeys SHALL appear in increasing numeric order" (section 2.2).
    if params.windows(2).any(|pair| pair[0].0 >= pair[1].0) {
        return Err("the keys of the parameters are not in ascending order, or one is repeated".to_owned());
    }
    for (key, value) in &params {
        check_value(*key, value).map_err(|reason| format!("{}: {reason}", key_name(*key)))?;
    }
    let has = |key| params.iter().any(|(other, _)| *other == key);
    // "When no-default-alpn is specified in an RR, alpn must also be specified" (section 7.1.1).
    if has(NO_DEFAULT_ALPN) && !has(ALPN) {
        return Err("no-default-alpn without alpn leaves no protocol at all".to_owned());
    }
    let Some((_, mandatory)) = params.iter().find(|(key, _)| *key == MANDATORY) else { return Ok(()) };
    let listed: Vec<u16> = mandatory.chunks_exact(2).map(|key| u16::from_be_bytes([key[0], key[1]])).collect();
    // "The keys are ... in strictly increasing numeric order"; "automatically mandatory keys MUST NOT appear" (section 8).
    if listed.windows(2).any(|pair| pair[0] >= pair[1]) {
        return Err("mandatory: the keys must be in ascending order, each only once".to_owned());
    }
    match listed.iter().find(|&&key| key == MANDATORY || !has(key)) {
        Some(&MANDATORY) => Err("mandatory: it must not name itself".to_owned()),
        Some(&key) => Err(format!("mandatory: {} is not among the parameters", key_name(key))),
        None => Ok(()),
    }
}

/// Returns the reason why valid parameters are doubtful; `None` if they are not.
pub(super) fn doubt(priority: u16, octets: &[u8]) -> Option<String> {
    let params = split(octets)?;
    // "In AliasMode, the SvcParams ... MUST be ignored by recipients" (section 2.4.2).
    if priority == 0 && !params.is_empty() {
        return Some("clients ignore the parameters of a record with priority 0, which is an alias".to_owned());
    }
    for (key, value) in params {
        match key {
            ALPN => {
                let ids = protocols(value);
                if let Some(twice) = ids.iter().enumerate().find(|(place, id)| ids[..*place].contains(id)) {
                    return Some(format!("alpn: `{}` is given twice", twice.1.escape_ascii()));
                }
            }
            ECH if !is_ech_config_list(value) => {
                return Some("ech: this is not an ECHConfigList (RFC 9849, section 4)".to_owned());
            }
            _ => {}
        }
    }
    None
}

fn protocols(mut value: &[u8]) -> Vec<&[u8]> {
    let mut ids = Vec::new();
    while let Some((&length, rest)) = value.split_first() {
        let Some((id, behind)) = rest.split_at_checked(usize::from(length)) else { break };
        ids.push(id);
        value = behind;
    }
    ids
}

/// Splits the parameters from their keys. Returns `None` if the last one does not have the length that it announces.
fn split(mut octets: &[u8]) -> Option<Vec<(u16, &[u8])>> {
    let mut params = Vec::new();
    while !octets.is_empty() {
        let (head, rest) = octets.split_first_chunk::<4>()?;
        let (value, behind) = rest.split_at_checked(usize::from(u16::from_be_bytes([head[2], head[3]])))?;
        params.push((u16::from_be_bytes([head[0], head[1]]), value));
        octets = behind;
    }
    Some(params)
}
