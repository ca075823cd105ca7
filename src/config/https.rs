//! `https = { alpn = ["h2", "h3"] }`: the parameters of a steered name's HTTPS record other than its addresses.

use data_encoding::BASE64;

use crate::wire::{BadSvcParams, SvcParams};

use super::code::Code;
use super::decode::{Placed, Value};
use super::fault::{Fault, Faults};
use super::suggest::list_of;

/// The protocols that browsers speak, by their IANA names (RFC 9112, 9113 and 9114).
const PROTOCOLS: [&str; 3] = ["http/1.1", "h2", "h3"];

/// Reads the table. `None` if it is faulty, which was reported.
pub(super) fn read(value: &Value<'_>, faults: &mut Faults) -> Option<SvcParams> {
    let before = faults.0.len();
    let mut table = value.table("`https`", faults)?;
    let alpn_value = table.take("alpn");
    let alpn = alpn_value.as_ref().map(|value| read_alpn(value, faults)).unwrap_or_default();
    let no_default = table.take("no_default_alpn").and_then(|value| value.boolean(faults));
    let port = table.take("port").and_then(|value| value.integer(1..=u16::MAX, faults));
    let ech = table.take("ech").and_then(|value| {
        let expected = "an ECHConfigList in Base64 (RFC 9848)";
        value.parsed(expected, faults, |text| BASE64.decode(text.as_bytes()).ok().filter(|octets| !octets.is_empty()))
    });
    table.finish(faults);
    if faults.has_errors_since(before) {
        return None;
    }
    let ids: Vec<&[u8]> = alpn.iter().map(|id| id.value.as_bytes()).collect();
    let is_alone = no_default.as_ref().is_some_and(|word| word.value);
    let octets = ech.as_ref().map_or(&[][..], |ech| &ech.value);
    let error = match SvcParams::try_new(&ids, is_alone, port.map(|port| port.value), octets) {
        Ok(params) => return Some(params),
        Err(error) => error,
    };
    let (place, message, label) = match error {
        BadSvcParams::AlpnLength(id) => (&alpn[id].place, "a protocol's name has 1 to 255 octets", ""),
        BadSvcParams::AlpnTwice(id) => (&alpn[id].place, "`alpn` names a protocol twice", "again"),
        BadSvcParams::NothingButDefaultAlpn => {
            let place = &no_default.as_ref()?.place;
            (place, "`no_default_alpn` without `alpn` leaves no protocol at all", "needs `alpn`")
        }
        BadSvcParams::Ech => (&ech.as_ref()?.place, "this is not an ECHConfigList (RFC 9849, section 4)", ""),
        BadSvcParams::TooLong => (&value.anchor(), "this does not fit into an HTTPS record", "too long"),
    };
    faults.push(Fault::error(place, message, label).code(Code::BadData));
    None
}

/// Reads the protocols. Warns of those that no browser speaks: a client that knows none of the protocols ignores the
/// record.
fn read_alpn(value: &Value<'_>, faults: &mut Faults) -> Vec<Placed<String>> {
    let items = value.items("`alpn` needs a protocol", faults);
    let ids: Vec<Placed<String>> = items.iter().filter_map(|item| item.string(faults)).collect();
    for id in ids.iter().filter(|id| !id.value.is_empty() && !PROTOCOLS.contains(&id.value.as_str())) {
        let message = format!("`{}` is no protocol that browsers speak", id.value);
        let fault = Fault::warning(&id.place, message, "not one of IANA's names").code(Code::DoubtfulData);
        faults.push(fault.help(format!("they speak {}", list_of(&PROTOCOLS))));
    }
    ids
}
