//! A monitor of type dns: its question, and the answers that it accepts.

use domain::base::iana;

use crate::health::{DnsCheck, DnsTransport, ExpectedRecord};
use crate::name::Name;
use crate::wire::{Rcode, Rtype};

use super::super::decode::{TomlTable, Value};
use super::super::fault::Faults;
use super::super::meant;
use super::super::records::{parse_rdata, parse_rtype, txt_rdata};
use super::super::suggest::did_you_mean;

/// The keys that this module reads. It also reads `expect`, which other types have too.
pub(super) const KEYS: [&str; 5] = ["query", "qtype", "transport", "recursion", "expect_rcode"];

/// The response codes of nameservers, for suggestions.
const RCODES: [&str; 7] = ["NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "NOTAUTH"];

/// Takes the keys of the question and the answer from a monitor's table. `None` if one is faulty, which was reported.
pub(super) fn read(table: &mut TomlTable<'_>, faults: &mut Faults) -> Option<DnsCheck> {
    let query = table.require("query", faults).and_then(|value| {
        // A monitor has no origin, so the name is absolute.
        value.parsed("a name such as \"www.example.com\"", faults, |text| Name::parse(text, &Name::root()).ok())
    });
    let qtype = match table.take("qtype") {
        None => Some(Rtype::A),
        Some(value) => value.parsed("a record type such as \"A\"", faults, parse_rtype).map(|rtype| rtype.value),
    };
    let transport = match table.take("transport") {
        None => Some(DnsTransport::Udp),
        Some(value) => {
            let transports = [("udp", DnsTransport::Udp), ("tcp", DnsTransport::Tcp)];
            value.word(&transports, faults).map(|transport| transport.value)
        }
    };
    let recursion = table.take("recursion").and_then(|value| value.boolean(faults));
    let expect_rcode = match table.take("expect_rcode") {
        None => vec![Rcode::NoError as u8],
        Some(value) => read_rcodes(&value, faults),
    };
    let expect = table.take("expect");
    // The format of the data depends on the type, which must be valid.
    let qtype = qtype?;
    let expect = expect.map_or_else(Vec::new, |value| read_records(&value, qtype, faults));
    Some(DnsCheck {
        query: query?.value.as_wire().into(),
        qtype: qtype.0,
        transport: transport?,
        recursion: recursion.is_some_and(|recursion| recursion.value),
        expect_rcode,
        expect,
    })
}

/// Reads one response code or a list of them.
fn read_rcodes(value: &Value<'_>, faults: &mut Faults) -> Vec<u8> {
    one_or_more(value, "`expect_rcode` needs a response code", faults, |item, faults| {
        let expected = "a response code such as \"NOERROR\"";
        let text = item.text().unwrap_or_default();
        if let Ok(rcode) = text.parse() {
            return Some(iana::Rcode::to_int(rcode));
        }
        match meant::word(text, &RCODES).or_else(|| did_you_mean(text, RCODES.into_iter())) {
            Some(rcode) => item.misread(expected, Some(format!("\"{rcode}\"")), faults),
            None => item.parsed(expected, faults, |_| None).map(|rcode| rcode.value),
        }
    })
}

fn read_records(value: &Value<'_>, qtype: Rtype, faults: &mut Faults) -> Vec<ExpectedRecord> {
    one_or_more(value, "`expect` needs the data of a record", faults, |item, faults| {
        let text = item.string(faults)?;
        let rdata = match qtype {
            Rtype::TXT => Ok(txt_rdata(&text.value)),
            _ => parse_rdata(qtype, &text.value, &Name::root()),
        };
        match rdata {
            Ok(rdata) => Some(ExpectedRecord { text: text.value.into(), rdata }),
            Err(error) => {
                faults.push(error.at(&text.place));
                None
            }
        }
    })
}

/// Reads each value of a list with `read`, or a single value without a list.
fn one_or_more<T>(
    value: &Value<'_>,
    needed: &str,
    faults: &mut Faults,
    mut read: impl FnMut(&Value<'_>, &mut Faults) -> Option<T>,
) -> Vec<T> {
    let items = if value.is_list() { value.items(needed, faults) } else { vec![value.clone()] };
    items.iter().filter_map(|item| read(item, faults)).collect()
}
