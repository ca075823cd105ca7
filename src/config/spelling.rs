//! Names that are valid in a zone but rarely meant: a forgotten final dot, letters that DNS does not carry, a URL, an
//! asterisk within a label, an address.

use std::net::IpAddr;

use url::Host;

use crate::name::{Name, labels, suffixes};
use crate::zone::Builder;

use super::code::Code;
use super::fault::{Fault, Faults};
use super::master::Located;
use super::names::Owner;
use super::source::Place;

/// Minimum number of labels of a domain that an owner probably repeats by mistake. Without this minimum, every owner
/// that ends in `com` would count.
const MIN_DOMAIN: usize = 2;

/// Last labels of origins that come from copies of files. No top-level domain has such a name.
const COPIES: [&[u8]; 9] = [b"bak", b"backup", b"copy", b"old", b"orig", b"save", b"tmp", b"disabled", b"off"];

/// An oddity of a name.
pub(super) struct Odd {
    /// The end of a sentence that begins with the name: "has a blank in its label `a b`".
    pub(super) what: String,
    /// The label of the fault: the probable meaning of the name, or the reason why it is odd.
    pub(super) label: String,
}

/// Warns of odd owner names in a zone, once for each kind of oddity. `names` holds all names of the zone.
pub(super) fn check_owners(origin: &Name, records: &[Located], owners: &[Owner], names: &Builder, faults: &mut Faults) {
    let of_records = records.iter().map(|located| (&located.record.owner, &located.place));
    let of_owners = owners.iter().map(|owner| (&owner.name, &owner.place));
    let filter = OwnerFilter::new(origin);
    let mut seen = vec![false; names.node_count()];
    let mut odd: Vec<(String, Fault, usize)> = Vec::new();
    for (name, place) in of_owners.chain(of_records).filter(|(name, _)| filter.may_be_odd(name)) {
        let node = names.find(name);
        if node.is_some_and(|node| std::mem::replace(&mut seen[node.index()], true)) {
            continue;
        }
        let Some(relative) = relative(name, origin) else { continue };
        let found = forgotten_dot(&relative, origin).or_else(|| address_as_name(name, origin));
        let Some(Odd { what, label }) = found.or_else(|| oddity(&relative)) else { continue };
        // The same mistake is often made in many lines. One warning is enough.
        let kind: String = what.split('`').next().unwrap_or_default().to_owned();
        match odd.iter_mut().find(|(other, ..)| *other == kind) {
            Some((_, _, more)) => *more += 1,
            None => {
                odd.push((kind, Fault::warning(place, format!("{name} {what}"), label).code(Code::DoubtfulName), 0));
            }
        }
    }
    for (_, fault, more) in odd {
        faults.push(if more == 0 {
            fault
        } else {
            fault.help(format!("{more} more names in this file have the same problem"))
        });
    }
}

/// Decides quickly which owners of a zone need a closer look.
struct OwnerFilter<'a> {
    origin: usize,
    /// The origin and its ancestors, without the root.
    domains: Vec<&'a [u8]>,
}

impl<'a> OwnerFilter<'a> {
    fn new(origin: &'a Name) -> Self {
        let domains = suffixes(origin.as_wire()).filter(|domain| labels(domain).count() >= MIN_DOMAIN);
        Self { origin: origin.as_wire().len(), domains: domains.map(|domain| &domain[..domain.len() - 1]).collect() }
    }

    fn may_be_odd(&self, name: &Name) -> bool {
        let relative = &name.as_wire()[..name.as_wire().len().saturating_sub(self.origin)];
        let repeats = |domain: &&[u8]| {
            let at = relative.len().checked_sub(domain.len());
            at.is_some_and(|at| relative[at..].eq_ignore_ascii_case(domain))
        };
        !is_plain(name) || self.domains.iter().any(repeats) || has_form_of_ipv4(relative)
    }
}

/// True if a name, without its root label, is four numbers.
fn has_form_of_ipv4(relative: &[u8]) -> bool {
    let mut rest = relative;
    for _ in 0..4 {
        let Some((label, behind)) = rest.split_first().and_then(|(&length, rest)| rest.split_at_checked(length.into()))
        else {
            return false;
        };
        if !label.iter().all(u8::is_ascii_digit) {
            return false;
        }
        rest = behind;
    }
    rest.is_empty()
}

/// True if all octets are usual in the names of hosts and services. Such a name is not odd.
fn is_plain(name: &Name) -> bool {
    let is_plain = |octet: &u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_');
    let is_host = |label: &[u8]| label.first() != Some(&b'-') && label.last() != Some(&b'-');
    name.labels().all(|label| label.iter().all(is_plain) && is_host(label))
}

/// Warns of an odd name of the zone itself.
pub(super) fn check_origin(origin: &Name, place: &Place, faults: &mut Faults) {
    let last = origin.labels().last().unwrap_or_default().to_ascii_lowercase();
    let is_copy = COPIES.contains(&last.as_slice()) || last.contains(&b'(') || last.contains(&b'~');
    let found = if is_copy {
        let label = "is it the copy of a zone?".to_owned();
        Some(Odd { what: "is not likely to be the name of a zone".to_owned(), label })
    } else {
        oddity(origin)
    };
    if let Some(Odd { what, label }) = found {
        let fault = Fault::warning(place, format!("{origin} {what}"), label).code(Code::DoubtfulName);
        faults.push(
            fault.help("every file in the zones folder that ends in .toml or .zone is a zone: move others elsewhere"),
        );
    }
}

/// The part of a name in front of `origin`, as a name of its own. `None` for the origin and for names that are not
/// below it.
pub(super) fn relative(name: &Name, origin: &Name) -> Option<Name> {
    let length = name.as_wire().len().checked_sub(origin.as_wire().len()).filter(|&length| length > 0)?;
    name.is_at_or_below(origin).then(|| Name::from_wire(&[&name.as_wire()[..length], &[0]].concat()))
}

/// The oddity of a name whose final dot was forgotten: the part in front of the origin ends in the origin, or in an
/// ancestor of it.
fn forgotten_dot(relative: &Name, origin: &Name) -> Option<Odd> {
    let mut domains =
        suffixes(origin.as_wire()).map(Name::from_wire).filter(|domain| domain.label_count() >= MIN_DOMAIN);
    let domain = domains.find(|domain| relative.is_at_or_below(domain))?;
    let what = format!("repeats the domain `{domain}`");
    let label = format!("did you mean `{relative}`, with a final dot?");
    Some(Odd { what, label })
}

/// The oddity of an owner that has the form of an address. In a reverse zone, such names are usual.
fn address_as_name(name: &Name, origin: &Name) -> Option<Odd> {
    let is_reverse = origin.labels().last().is_some_and(|last| last.eq_ignore_ascii_case(b"arpa"));
    let address = address(name, origin).filter(|_| !is_reverse)?;
    let what = format!("has the form of an address, `{address}`");
    Some(Odd { what, label: "a name is expected here".to_owned() })
}

/// The oddity of a name that does not depend on its zone.
pub(super) fn oddity(name: &Name) -> Option<Odd> {
    if is_plain(name) {
        return None;
    }
    let text = |label: &[u8]| String::from_utf8_lossy(label).escape_debug().to_string();
    let is_service = name.labels().any(|label| label.starts_with(b"_"));
    for (position, label) in name.labels().enumerate() {
        let shown = text(label);
        if let Some((scheme, rest)) = shown.split_once(':').filter(|(_, rest)| rest.starts_with("//") || *rest == "/") {
            let what = format!("begins as a URL does, with `{scheme}:`");
            let meant = rest.trim_matches('/');
            let label =
                if meant.is_empty() { "a name has no scheme".to_owned() } else { format!("did you mean `{meant}`?") };
            return Some(Odd { what, label });
        }
        if label.iter().any(|octet| !octet.is_ascii()) {
            let what = format!("has letters that DNS does not carry in its label `{shown}`");
            let label = a_label(&String::from_utf8_lossy(label));
            let label =
                label.map_or("write its A-label (RFC 5890)".to_owned(), |meant| format!("did you mean `{meant}`?"));
            return Some(Odd { what, label });
        }
        // The names of service instances are written for people (RFC 6763, section 4.1.1).
        if !is_service && label.iter().any(|octet| octet.is_ascii_whitespace() || octet.is_ascii_control()) {
            let what = format!("has a blank in its label `{shown}`");
            return Some(Odd { what, label: "no host has such a name".to_owned() });
        }
        if let Some((host, port)) = shown.split_once(':').filter(|(_, port)| port.parse::<u16>().is_ok()) {
            let what = format!("has a port `:{port}` in its label `{shown}`");
            return Some(Odd { what, label: format!("did you mean `{host}`?") });
        }
        if !is_service && label.contains(&b'/') && !is_classless(label) {
            let what = format!("has a slash in its label `{shown}`");
            return Some(Odd {
                what,
                label: format!("did you mean `{}`?", shown.split('/').next().unwrap_or_default()),
            });
        }
        // RFC 1123, section 2.1, and RFC 952: a label of a host begins and ends with a letter or a digit.
        if !is_service && label.len() > 1 && (label.starts_with(b"-") || label.ends_with(b"-")) {
            let what = format!("has a hyphen at an end of its label `{shown}`");
            return Some(Odd { what, label: format!("did you mean `{}`?", shown.trim_matches('-')) });
        }
        if label.contains(&b'*') && (label.len() > 1 || position > 0) {
            let what = format!("is not a wildcard in spite of its `{shown}`");
            return Some(Odd {
                what,
                label: "only a whole first label `*` is one (RFC 4592, section 2.1.1)".to_owned(),
            });
        }
    }
    None
}

/// True for a range of a reverse zone that is delegated, such as `0/25` (RFC 2317, section 4).
fn is_classless(label: &[u8]) -> bool {
    label.iter().all(|octet| octet.is_ascii_digit() || *octet == b'/')
}

/// The address that a name of a zone was probably meant to be: the part in front of the origin, or the whole name, has
/// the form of an address.
pub(super) fn address(name: &Name, origin: &Name) -> Option<String> {
    // Addresses begin with a digit, or hold a colon.
    let first = name.labels().next()?;
    if !first.first().is_some_and(u8::is_ascii_digit) && !first.contains(&b':') {
        return None;
    }
    let name = relative(name, origin).unwrap_or_else(|| name.clone());
    let labels: Vec<_> = name.labels().map(String::from_utf8_lossy).collect();
    let text = labels.join(".");
    text.parse::<IpAddr>().is_ok().then_some(text)
}

/// The A-labels of a label or a name (RFC 5891); `None` if it is not valid in IDNA.
pub(super) fn a_label(text: &str) -> Option<String> {
    match Host::parse(text) {
        Ok(Host::Domain(domain)) if domain != text => Some(domain),
        _ => None,
    }
}
