//! `[edns]`, `[cookies]`, `[identity]`, `[rate_limit]` and `[transfer]` of the server file.

use std::num::NonZeroU32;

use crate::disk::Disk;
use crate::snapshot::{Cookies, Identity, MAX_IDENTITY, MAX_SECRETS, MAX_WINDOW, Protocol, RateLimit, Transfers};
use crate::wire::{CookieSecret, MAX_PLAIN_UDP, MAX_UDP_PAYLOAD};

use super::code::Code;
use super::decode::{Placed, TomlTable, Value};
use super::fault::{Fault, Faults};
use super::kept;
use super::prefix::read_network;

/// Reads the sections.
pub(super) fn read(table: &mut TomlTable<'_>, disk: &Disk, faults: &mut Faults) -> Protocol {
    let default = Protocol::default();
    Protocol {
        payload: read_payload(table.take("edns"), faults).unwrap_or(default.payload),
        cookies: read_cookies(table.take("cookies"), disk, faults),
        identity: read_identity(table.take("identity"), faults),
        rate_limit: read_rate_limit(table.take("rate_limit"), faults),
        transfers: read_transfers(table.take("transfer"), faults),
        // It names zones, which are read later.
        query_log: None,
        // `[dnssec]` has it.
        signing: default.signing,
    }
}

fn read_payload(value: Option<Value<'_>>, faults: &mut Faults) -> Option<u16> {
    let mut table = value?.table("`[edns]`", faults)?;
    let payload = table.take("payload");
    table.finish(faults);
    payload?.integer(MAX_PLAIN_UDP as u16..=MAX_UDP_PAYLOAD, faults).map(|payload| payload.value)
}

fn read_cookies(value: Option<Value<'_>>, disk: &Disk, faults: &mut Faults) -> Cookies {
    let Some(mut table) = value.and_then(|value| value.table("`[cookies]`", faults)) else { return Cookies::default() };
    let secrets = table.take("secrets").map(|secrets| {
        let place = secrets.anchor();
        kept::check(&place.source.path, "the secrets of cookies", &place, disk, faults);
        read_secrets(&secrets, faults)
    });
    let required = table.take("require").and_then(|value| value.boolean(faults));
    table.finish(faults);
    Cookies { secrets: secrets.unwrap_or_default(), are_required: required.is_some_and(|required| required.value) }
}

fn read_secrets(value: &Value<'_>, faults: &mut Faults) -> Vec<CookieSecret> {
    let mut secrets: Vec<Placed<CookieSecret>> = Vec::new();
    for item in value.items("`secrets` needs a secret; without the key a random one is made", faults) {
        let expected = "secrets of 32 hexadecimal digits, such as `openssl rand -hex 16` makes";
        let Some(secret) = item.parsed(expected, faults, parse_secret) else { continue };
        match secrets.iter().find(|other| other.value == secret.value) {
            Some(first) => {
                let fault =
                    Fault::error(&secret.place, "`secrets` has the same secret twice", "again").code(Code::Duplicate);
                faults.push(fault.related(&first.place, "first here"));
            }
            None => secrets.push(secret),
        }
    }
    if let Some(surplus) = secrets.get(MAX_SECRETS) {
        faults.push(
            Fault::error(&surplus.place, format!("`secrets` takes at most {MAX_SECRETS}"), "one too many")
                .code(Code::Limit),
        );
    }
    secrets.into_iter().map(|secret| secret.value).collect()
}

fn parse_secret(text: &str) -> Option<CookieSecret> {
    let is_hex = text.len() == 2 * CookieSecret::LENGTH && text.bytes().all(|digit| digit.is_ascii_hexdigit());
    let number = u128::from_str_radix(text, 16).ok().filter(|_| is_hex)?;
    Some(CookieSecret::new(number.to_be_bytes()))
}

fn read_identity(value: Option<Value<'_>>, faults: &mut Faults) -> Identity {
    let Some(mut table) = value.and_then(|value| value.table("`[identity]`", faults)) else {
        return Identity::default();
    };
    let mut text = |key| {
        let expected = format!("1 to {MAX_IDENTITY} octets of text");
        let accept = |text: &str| (text.len() <= MAX_IDENTITY).then(|| Box::from(text));
        table.take(key)?.parsed(&expected, faults, accept).map(|text| text.value)
    };
    let identity = Identity { nsid: text("nsid"), id: text("id"), version: text("version") };
    table.finish(faults);
    identity
}

/// Default window in seconds, as in BIND: a client may receive at once as many responses as it may receive in this
/// time.
const DEFAULT_WINDOW: NonZeroU32 = NonZeroU32::new(15).unwrap();

/// Default `slip`, as in BIND, Knot and NSD: every other response over the limit is truncated instead of dropped.
const DEFAULT_SLIP: u32 = 2;

/// Default prefix lengths: the smallest networks that providers give to one customer.
const DEFAULT_PREFIX_V4: u8 = 24;
const DEFAULT_PREFIX_V6: u8 = 56;

/// Reads `[rate_limit]`. There is no limit without `responses_per_second`.
fn read_rate_limit(value: Option<Value<'_>>, faults: &mut Faults) -> Option<RateLimit> {
    let value = value?;
    let anchor = value.anchor();
    let mut table = value.table("`[rate_limit]`", faults)?;
    let mut number = |key, range| table.take(key).and_then(|value| value.integer(range, faults)).map(|it| it.value);
    let [all, nxdomains, errors] =
        ["responses_per_second", "nxdomains_per_second", "errors_per_second"].map(|key| number(key, 1..=u32::MAX));
    let window = number("window", 1..=MAX_WINDOW);
    let slip = number("slip", 0..=u32::MAX);
    let v4 = table.take("prefix_v4").and_then(|value| value.integer(1..=32, faults));
    let v6 = table.take("prefix_v6").and_then(|value| value.integer(1..=128, faults));
    let exempt = table.take("exempt").map(|list| list.each(faults, read_network)).unwrap_or_default();
    table.finish(faults);
    let Some(responses_per_second) = all.and_then(NonZeroU32::new) else {
        let message = "`[rate_limit]` needs `responses_per_second`";
        faults.push(
            Fault::error(&anchor, message, "responses per second of each class to a client's network")
                .code(Code::MissingKey),
        );
        return None;
    };
    Some(RateLimit {
        responses_per_second,
        nxdomains_per_second: nxdomains.and_then(NonZeroU32::new),
        errors_per_second: errors.and_then(NonZeroU32::new),
        window: window.and_then(NonZeroU32::new).unwrap_or(DEFAULT_WINDOW),
        slip: slip.unwrap_or(DEFAULT_SLIP),
        prefix_v4: v4.map_or(DEFAULT_PREFIX_V4, |length| length.value),
        prefix_v6: v6.map_or(DEFAULT_PREFIX_V6, |length| length.value),
        exempt,
    })
}

fn read_transfers(value: Option<Value<'_>>, faults: &mut Faults) -> Transfers {
    let Some(mut table) = value.and_then(|value| value.table("`[transfer]`", faults)) else {
        return Transfers::default();
    };
    let allow = table.take("allow").map(|allow| allow.each(faults, read_network));
    table.finish(faults);
    Transfers { allow: allow.unwrap_or_default() }
}
