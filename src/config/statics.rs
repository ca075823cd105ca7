//! Static records: `[nameservers]`, `[soa]`, `[records]`, and the records of the zone's master file.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use crate::name::Name;
use crate::wire::Rtype;
use crate::zone::Record;

use super::addresses;
use super::code::Code;
use super::decode::{Placed, TomlTable, Value, entries};
use super::fault::{Fault, Faults};
use super::master::Located;
use super::meant;
use super::owners::{parse_name, read_owner};
use super::records::{parse_rdata, parse_rtype, txt_rdata, unknown};
use super::source::Place;
use super::ttls::MAX_TTL;

/// Default TTL of static records, in seconds.
pub(super) const RECORD_TTL: u32 = 300;

/// Default TTL of NS records, in seconds.
const NS_TTL: u32 = 3600;

/// TTL of the SOA record, in seconds.
const SOA_TTL: u32 = 3600;

/// Defaults of `[soa]`, in seconds.
const REFRESH: u32 = 3600;
const RETRY: u32 = 600;
const EXPIRE: u32 = 604_800;
const MINIMUM: u32 = 60;

/// Default mailbox of the person responsible for the zone.
const RNAME: &str = "hostmaster";

/// Maximum number of items of a list that are tried as the parts of one record. A longer list holds records.
const MAX_PARTS: usize = 16;

/// Keys that only steered names have.
const NAME_KEYS: [&str; 6] = ["pools", "steer", "fallback", "answers", "pick", "reflect"];

/// Reads `[nameservers]`: the NS RRset of the apex, and the addresses of the nameservers inside the zone.
pub(super) fn read_nameservers(section: Option<&Value<'_>>, origin: &Name, faults: &mut Faults) -> Vec<Located> {
    let mut records = Vec::new();
    let mut defined = HashMap::new();
    for value in entries(section, "`[nameservers]`", faults) {
        if let Some(quoted) = unquoted_name(&value) {
            let message = format!("`{quoted}` without quotes is a table in a table");
            let fault = Fault::error(&value.anchor(), message, "a name with a dot needs quotes").code(Code::BadName);
            faults.push(fault.help(format!("write \"{quoted}\" = [...]")));
            continue;
        }
        let Some(name) = parse_name(&value.name(), origin, faults) else { continue };
        if let Some(first) = defined.insert(name.clone(), value.anchor()) {
            let message = format!("nameserver {name} is given twice");
            faults.push(
                Fault::error(&value.anchor(), message, "again")
                    .code(Code::Duplicate)
                    .related(&first, "first named here"),
            );
            continue;
        }
        let ns = Record { owner: origin.clone(), rtype: Rtype::NS, ttl: NS_TTL, rdata: name.as_wire().into() };
        records.push(Located { record: ns, place: value.anchor() });
        let addresses = value.each(faults, |item, faults| {
            let address = read_address(item, faults)?;
            addresses::check(address.value, &address.place, faults).then_some(address)
        });
        if !name.is_at_or_below(origin) && !addresses.is_empty() {
            let message = format!("{name} is not in this zone, so it takes no addresses from here");
            faults.push(Fault::error(&value.place(), message, "").code(Code::OutOfZone).help("write [] for it"));
            continue;
        }
        records.extend(addresses.into_iter().map(|address| address_record(&name, &address)));
    }
    records
}

fn read_address(item: &Value<'_>, faults: &mut Faults) -> Option<Placed<IpAddr>> {
    let of_port = |at: SocketAddr| format!("\"{}\"", at.ip());
    let is_wrong = |text: &&str| text.parse::<IpAddr>().is_err();
    match item.text().filter(is_wrong).and_then(|text| meant::address(text, of_port)) {
        Some(meant) => item.misread("addresses", Some(meant), faults),
        None => item.parsed("addresses", faults, |text| text.parse::<IpAddr>().ok()),
    }
}

/// The name that `ns1.example.net = []` was meant to define; `None` if the value is not a table.
fn unquoted_name(value: &Value<'_>) -> Option<String> {
    let mut name = value.key.to_owned();
    let mut inner = value.clone();
    while inner.is_table() {
        inner = inner.table("a name", &mut Faults::default())?.into_values().into_iter().next()?;
        name = format!("{name}.{}", inner.key);
    }
    value.is_table().then_some(name)
}

fn address_record(owner: &Name, address: &Placed<IpAddr>) -> Located {
    let (rtype, rdata): (_, Box<[u8]>) = match address.value {
        IpAddr::V4(address) => (Rtype::A, address.octets().into()),
        IpAddr::V6(address) => (Rtype::AAAA, address.octets().into()),
    };
    let record = Record { owner: owner.clone(), rtype, ttl: RECORD_TTL, rdata };
    Located { record, place: address.place.clone() }
}

/// The values of the SOA record that do not come from `[soa]`.
pub(super) struct SoaDefaults<'a> {
    pub(super) origin: &'a Name,
    /// The first nameserver.
    pub(super) mname: Option<Name>,
    pub(super) serial: u32,
    /// The place of the SOA record if there is no `[soa]`.
    pub(super) place: Place,
}

/// Reads `[soa]`. The second value is true if it gives a serial.
pub(super) fn read_soa(
    section: Option<&Value<'_>>,
    defaults: SoaDefaults<'_>,
    faults: &mut Faults,
) -> (Option<Located>, bool) {
    let SoaDefaults { origin, mname, serial, place } = defaults;
    let place = section.map_or(place, Value::anchor);
    let mut table = section.and_then(|section| section.table("`[soa]`", faults));
    let mut take = |key| table.as_mut().and_then(|table| table.take(key));
    let written_mname = take("mname").map(|value| read_name(&value, origin, faults));
    let rname = match take("rname") {
        Some(value) => read_mailbox(&value, origin, faults),
        None => parse_name(&Placed { value: RNAME.to_owned(), place: place.clone() }, origin, faults),
    };
    let written_serial = take("serial").map(|value| value.integer(0..=u32::MAX, faults));
    let mut seconds = |key, default| match take(key) {
        Some(value) => value.integer(0..=MAX_TTL, faults).map(|seconds| seconds.value),
        None => Some(default),
    };
    let times =
        [seconds("refresh", REFRESH), seconds("retry", RETRY), seconds("expire", EXPIRE), seconds("minimum", MINIMUM)];
    if let Some(table) = table {
        table.finish(faults);
    }
    let has_serial = written_serial.is_some();
    let serial = written_serial.map_or(Some(serial), |written| written.map(|written| written.value));
    let record = (|| {
        let (mname, rname) = (written_mname.unwrap_or(mname)?, rname?);
        let mut rdata = [mname.as_wire(), rname.as_wire()].concat();
        rdata.extend_from_slice(&serial?.to_be_bytes());
        for time in times {
            rdata.extend_from_slice(&time?.to_be_bytes());
        }
        let record = Record { owner: origin.clone(), rtype: Rtype::SOA, ttl: SOA_TTL, rdata: rdata.into() };
        Some(Located { record, place })
    })();
    (record, has_serial)
}

fn read_name(value: &Value<'_>, origin: &Name, faults: &mut Faults) -> Option<Name> {
    parse_name(&value.string(faults)?, origin, faults)
}

/// Reads a mailbox as a name: its first label is the part before the `@` (RFC 1035, section 3.3.13).
fn read_mailbox(value: &Value<'_>, origin: &Name, faults: &mut Faults) -> Option<Name> {
    let text = value.string(faults)?;
    if let Some((local, domain)) = text.value.split_once('@').filter(|(local, _)| !local.is_empty()) {
        let help = format!("write \"{}.{domain}.\"", local.replace('.', "\\\\."));
        let fault = Fault::error(&text.place, "`rname` is a mailbox written as a name", "a dot in place of the `@`")
            .code(Code::BadName);
        faults.push(fault.help(help));
        return None;
    }
    parse_name(&text, origin, faults)
}

/// Reads `[records]`.
pub(super) fn read_records(file: &mut TomlTable<'_>, origin: &Name, faults: &mut Faults) -> Vec<Located> {
    let mut records = Vec::new();
    let mut defined = HashMap::new();
    file.each("records", faults, &mut |section, faults| {
        for value in entries(Some(section), "`[records]`", faults) {
            let owner = read_owner(&value, origin, &mut defined, faults);
            let Some(mut table) = value.table("an owner's records", faults) else { continue };
            let ttl = table.take("ttl").and_then(|value| value.integer(0..=MAX_TTL, faults));
            let ttl = ttl.map(|ttl| ttl.value);
            let Some(owner) = owner else { continue };
            let reader = RrsetReader { owner: &owner, ttl, origin };
            for rrset in table.into_values() {
                reader.read(&value, &rrset, &mut records, faults);
            }
        }
    });
    records
}

struct RrsetReader<'a> {
    owner: &'a Name,
    ttl: Option<u32>,
    origin: &'a Name,
}

impl RrsetReader<'_> {
    /// `MX = ["10 mail.example.com."]`
    fn read(&self, owner: &Value<'_>, rrset: &Value<'_>, records: &mut Vec<Located>, faults: &mut Faults) {
        let Some(rtype) = parse_rtype(rrset.key) else {
            faults.push(unknown_type(owner, rrset));
            return;
        };
        if let Some(reason) = self.refused(rtype) {
            faults.push(Fault::error(&rrset.anchor(), reason, "not here").code(Code::Apex));
            return;
        }
        let default_ttl = if rtype == Rtype::NS { NS_TTL } else { RECORD_TTL };
        let ttl = self.ttl.unwrap_or(default_ttl);
        // A single record may be written without a list.
        let items = if rrset.is_list() { rrset.list(faults).unwrap_or_default() } else { vec![rrset.clone()] };
        if let Some(fault) = self.parts(rtype, rrset, &items) {
            faults.push(fault);
            return;
        }
        for item in items {
            let Some(text) = item.string(faults) else { continue };
            let rdata = if rtype == Rtype::TXT {
                warn_quoted(&text, faults);
                Ok(txt_rdata(&text.value))
            } else {
                parse_rdata(rtype, &text.value, self.origin)
            };
            match rdata {
                Ok(rdata) => {
                    let record = Record { owner: self.owner.clone(), rtype, ttl, rdata };
                    records.push(Located { record, place: text.place });
                }
                Err(error) => faults.push(error.at(&text.place)),
            }
        }
    }

    /// The fault for a list whose items are the parts of one record, such as `["10", "mail"]`. `None` if each item is a
    /// record, or if they do not form a record together.
    fn parts(&self, rtype: Rtype, rrset: &Value<'_>, items: &[Value<'_>]) -> Option<Fault> {
        if rtype == Rtype::TXT || items.len() > MAX_PARTS {
            return None;
        }
        let texts: Vec<&str> = items.iter().map(Value::word_or_number).collect::<Option<_>>()?;
        let is_record = |text: &str| parse_rdata(rtype, text, self.origin).is_ok();
        if texts.iter().all(|text| is_record(text)) {
            return None;
        }
        let mut whole = Some(texts.join(" ")).filter(|text| is_record(text)).map_or_else(Vec::new, |text| vec![text]);
        if whole.is_empty() {
            let mut part = String::new();
            for text in texts {
                let joined = if part.is_empty() { text.to_owned() } else { format!("{part} {text}") };
                part = if is_record(&joined) { String::new() } else { joined.clone() };
                whole.extend(Some(joined).filter(|_| part.is_empty()));
            }
            if !part.is_empty() {
                return None;
            }
        }
        let message = format!("these are the parts of {rtype} data, but each record is one text");
        let quoted: Vec<String> = whole.iter().map(|text| format!("\"{text}\"")).collect();
        let fault = Fault::error(&rrset.place(), message, "");
        Some(fault.code(Code::BadData).help(format!("write {rtype} = [{}]", quoted.join(", "))))
    }

    /// The reason why records of this type are not allowed in `[records]`; `None` if they are.
    fn refused(&self, rtype: Rtype) -> Option<&'static str> {
        match rtype {
            Rtype::SOA => Some("the SOA record belongs in `[soa]`"),
            Rtype::NS if self.owner == self.origin => Some("the zone's nameservers belong in `[nameservers]`"),
            // RFC 6895, section 3.1: zones cannot hold question types and meta types.
            Rtype(0 | 41 | 128..=255) => Some("no zone holds records of this type"),
            _ => None,
        }
    }
}

/// Warns of a text that holds the quotes which only a master file needs.
fn warn_quoted(text: &Placed<String>, faults: &mut Faults) {
    let written = &text.value;
    if written.len() > 1 && written.starts_with('"') && written.ends_with('"') {
        let fault = Fault::warning(&text.place, "the quotes inside this text are served as part of it", "")
            .code(Code::DoubtfulData);
        faults.push(fault.help("leave them out: a TXT text is taken as it is, whatever its length and its characters"));
    }
}

fn unknown_type(owner: &Value<'_>, rrset: &Value<'_>) -> Fault {
    let fault = Fault::error(&rrset.anchor(), format!("`{}` is not a record type", rrset.key), "not a record type")
        .code(Code::UnknownName);
    if rrset.is_table() {
        fault.help(format!("a name with a dot needs quotes: [records.\"{}.{}\"]", owner.key, rrset.key))
    } else if NAME_KEYS.contains(&rrset.key) {
        fault.help(format!("a steered name belongs in [names.{}]", owner.key))
    } else {
        fault.help(unknown::help(rrset.key))
    }
}
