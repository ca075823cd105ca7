//! Guesses what was meant by a word in the place of a record type.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::parse_rtype;
use crate::config::suggest::did_you_mean;
use crate::wire::Rtype;

/// Types of gdnsd, PowerDNS and hosted services whose answers are steered.
const STEERED: [&str; 6] = ["DYNA", "DYNC", "ALIAS", "ANAME", "LUA", "GEO"];

/// The last type with a mnemonic that is of use in zones.
const LAST_MNEMONIC: u16 = 262;

/// Suggests a record type in place of `text`, for `[records]` and master files.
pub(in crate::config) fn help(text: &str) -> String {
    if STEERED.iter().any(|word| word.eq_ignore_ascii_case(text)) {
        return "a name whose answers depend on the client or on health belongs in a zone file: [names.www], \
                pools = [\"web\"]"
            .to_owned();
    }
    if text.parse::<Ipv4Addr>().is_ok() {
        return format!("did you mean `A {text}`?");
    }
    if text.parse::<Ipv6Addr>().is_ok() {
        return format!("did you mean `AAAA {text}`?");
    }
    if text.starts_with(|first: char| first.is_ascii_digit()) {
        return "write a TTL in seconds or with the units s, m, h, d and w, as in 1h30m".to_owned();
    }
    let mnemonics: Vec<String> = (1..=LAST_MNEMONIC).map(|number| Rtype(number).to_string()).collect();
    let known = mnemonics.iter().map(String::as_str).filter(|word| !word.starts_with("TYPE"));
    match did_you_mean(&text.to_ascii_uppercase(), known.filter(|word| parse_rtype(word).is_some())) {
        Some(known) => format!("did you mean `{known}`?"),
        None => "write a type without a mnemonic as TYPE and its number, as in TYPE65280".to_owned(),
    }
}
