//! Rules for a type's data that its layout does not express, and reasons to doubt data.
//!
//! Data that BIND rejects is an error: a secondary that runs BIND rejects the whole zone because of one record. Data
//! that BIND and NSD load is a warning at most.

use regex::bytes::RegexBuilder;

use super::octets::host_length;
use super::svcb;
use crate::config::suggest::did_you_mean;
use crate::name::suffixes;
use crate::wire::Rtype;

/// Length of the digests of DS records in octets by their type: SHA-1, SHA-256 and SHA-384 (RFC 3658, 4509 and 6605).
const DS_DIGESTS: [(u8, usize); 3] = [(1, 20), (2, 32), (4, 48)];

/// The same for types whose length BIND does not check: GOST R 34.11-94, GOST R 34.11-2012 and SM3 (RFC 5933, 9558 and
/// 9563).
const OTHER_DS_DIGESTS: [(u8, usize); 3] = [(3, 32), (5, 32), (6, 32)];

/// Octets of fingerprints by their type: SHA-1 and SHA-256 (RFC 4255, RFC 6594).
const FINGERPRINTS: [(u8, usize); 2] = [(1, 20), (2, 32)];

/// Octets of ZONEMD digests by their hash algorithm: SHA-384 and SHA-512 (RFC 8976, section 2.2.3).
const ZONE_DIGESTS: [(u8, usize); 2] = [(1, 48), (2, 64)];

/// "Digests MUST NOT be shorter than 12 octets" (RFC 8976, section 2.2.4).
const MIN_ZONE_DIGEST: usize = 12;

/// Octets of certificate associations by their matching type: SHA-256 and SHA-512 (RFC 6698, section 7.4).
const ASSOCIATIONS: [(u8, usize); 2] = [(1, 32), (2, 64)];

/// Octets of public keys by their algorithm: ECDSA, Ed25519 and Ed448 (RFC 6605, section 4; RFC 8080, section 3).
const PUBLIC_KEYS: [(u8, usize); 4] = [(13, 64), (14, 96), (15, 32), (16, 57)];

/// Octets of the hashes in the names of NSEC3 records: SHA-1 (RFC 5155, section 11).
const NSEC3_HASHES: [(u8, usize); 1] = [(1, 20)];

/// The two highest bits of a KEY record's flags.
const NO_KEY: u8 = 0xc0;

/// The property tags of IANA's registry.
const TAGS: [&str; 7] = ["issue", "issuewild", "iodef", "issuemail", "issuevmc", "contactemail", "contactphone"];

/// The data of a CDS and of a CDNSKEY record that asks the parent zone to remove its DS records (RFC 8078, section 4).
const DELETE_DS: &[u8] = &[0, 0, 0, 0, 0];
const DELETE_KEY: &[u8] = &[0, 0, 3, 0, 0];

/// Returns the reason why a digest does not have the length of its type; `None` if it does, or if the type is unknown.
fn measure(lengths: &[(u8, usize)], digest_type: u8, digest: &[u8], what: &str) -> Option<String> {
    let &(_, length) = lengths.iter().find(|(known, length)| *known == digest_type && *length != digest.len())?;
    Some(format!("a {what} of type {digest_type} has {length} octets, not {}", digest.len()))
}

/// Fails with the reason why data with the right layout is not valid for its type.
pub(super) fn check(rtype: Rtype, rdata: &[u8]) -> Result<(), String> {
    let fault = match (rtype.0, rdata) {
        (43 | 59 | 32_768 | 32_769, [_, _, _, digest_type, digest @ ..]) => {
            measure(&DS_DIGESTS, *digest_type, digest, "digest")
        }
        (44, [_, fingerprint_type, fingerprint @ ..]) => {
            measure(&FINGERPRINTS, *fingerprint_type, fingerprint, "fingerprint")
        }
        (63, [_, _, _, _, _, algorithm, digest @ ..]) => {
            let short =
                (digest.len() < MIN_ZONE_DIGEST).then(|| format!("a digest has at least {MIN_ZONE_DIGEST} octets"));
            measure(&ZONE_DIGESTS, *algorithm, digest, "digest").or(short)
        }
        (50, [algorithm, _, _, _, salt_length, rest @ ..]) => {
            let hash = rest.get(1 + usize::from(*salt_length)..).unwrap_or_default();
            let length = rest.get(usize::from(*salt_length)).map_or(0, |&length| usize::from(length));
            measure(&NSEC3_HASHES, *algorithm, hash.get(..length).unwrap_or_default(), "hash")
        }
        (35, [_, _, _, _, rest @ ..]) => strings(rest).nth(2).and_then(regexp_fault),
        (55, [0, ..]) => Some("the host identity tag is missing".to_owned()),
        (55, [_, _, 0, 0, ..]) => Some("the public key is missing".to_owned()),
        // "If both are set, there is no key" (RFC 2535, section 3.1.2).
        (25, [high, _, _, _]) if high & NO_KEY != NO_KEY => Some("the public key is missing".to_owned()),
        _ => None,
    };
    fault.map_or(Ok(()), Err)
}

/// Returns the reason why valid data is doubtful; `None` if it is not.
pub(super) fn doubt(rtype: Rtype, rdata: &[u8]) -> Option<String> {
    match (rtype.0, rdata) {
        (45, [_, gateway, 0, rest @ ..]) if host_length(*gateway, rest) == Some(rest.len()) => {
            Some("BIND refuses a zone that has an IPSECKEY record without a key, though RFC 4025 permits it".to_owned())
        }
        (3 | 4, _) => Some(format!("{rtype} is obsolete (RFC 1035, section 3.3.4): use MX")),
        (59, [_, _, 0, ..]) if rdata != DELETE_DS => {
            Some("a CDS record with algorithm 0 must be 0 0 0 00 (RFC 8078, section 4)".to_owned())
        }
        (43 | 59, [_, _, _, digest_type, digest @ ..]) => measure(&OTHER_DS_DIGESTS, *digest_type, digest, "digest"),
        (60, [_, _, _, 0, ..]) if rdata != DELETE_KEY => {
            Some("a CDNSKEY record with algorithm 0 must be 0 3 0 AA== (RFC 8078, section 4)".to_owned())
        }
        (48 | 60, [_, _, protocol, ..]) if *protocol != 3 => {
            Some("the protocol of a key must be 3 (RFC 4034, section 2.1.2)".to_owned())
        }
        (48 | 60, [_, _, _, algorithm @ (5 | 7 | 8 | 10), key @ ..]) => {
            (!is_rsa_key(key)).then(|| format!("a public key of algorithm {algorithm} is an exponent and a modulus"))
        }
        (48 | 60, [_, _, _, algorithm, key @ ..]) => measure(&PUBLIC_KEYS, *algorithm, key, "public key"),
        (52 | 53, [usage, selector, matching, association @ ..]) => {
            let unassigned = [(*usage, 3, "usage"), (*selector, 1, "selector"), (*matching, 2, "matching type")]
                .into_iter()
                .find(|(value, last, _)| value > last && *value != u8::MAX)
                .map(|(value, last, what)| format!("{value} is no {what}: they go from 0 to {last}"));
            unassigned.or_else(|| measure(&ASSOCIATIONS, *matching, association, "certificate association"))
        }
        (64 | 65, [high, low, rest @ ..]) => {
            let name: usize =
                suffixes(rest).map(|suffix| if suffix[0] == 0 { 1 } else { 1 + usize::from(suffix[0]) }).sum();
            svcb::doubt(u16::from_be_bytes([*high, *low]), &rest[name..])
        }
        (35, [_, _, _, _, rest @ ..]) => {
            let fields: Vec<&[u8]> = strings(rest).take(3).collect();
            let has_replacement = rest.get(fields.iter().map(|field| 1 + field.len()).sum::<usize>()..)? != [0];
            (!fields.get(2)?.is_empty() && has_replacement)
                .then(|| "a NAPTR record has a regexp or a replacement, not both (RFC 3403, section 4.1)".to_owned())
        }
        (256, [_, _, _, _]) => Some("the target of a URI record is not empty (RFC 7553, section 4.5)".to_owned()),
        (257, [_, length, rest @ ..]) => {
            let tag = std::str::from_utf8(rest.get(..usize::from(*length))?).ok()?;
            if TAGS.iter().any(|known| known.eq_ignore_ascii_case(tag)) {
                return None;
            }
            let known = did_you_mean(&tag.to_ascii_lowercase(), TAGS.into_iter())?;
            Some(format!("no certificate authority knows the tag `{tag}`; did you mean `{known}`?"))
        }
        _ => None,
    }
}

/// Returns consecutive character strings, up to the first invalid one.
fn strings(mut octets: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (&length, rest) = octets.split_first()?;
        let (string, behind) = rest.split_at_checked(usize::from(length))?;
        octets = behind;
        Some(string)
    })
}

/// True for an exponent after its length of one or three octets, and a modulus (RFC 3110, section 2).
fn is_rsa_key(key: &[u8]) -> bool {
    let exponent = match key {
        [0, high, low, rest @ ..] => Some((usize::from(u16::from_be_bytes([*high, *low])), rest)),
        [length, rest @ ..] => Some((usize::from(*length), rest)),
        [] => None,
    };
    exponent.is_some_and(|(length, rest)| length > 0 && rest.len() > length)
}

/// Returns the fault of a regexp. "subst-expr = delim-char ere delim-char repl delim-char *flags" (RFC 3402, section
/// 3.2). An empty one is valid.
fn regexp_fault(expression: &[u8]) -> Option<String> {
    let (&delimiter, rest) = expression.split_first()?;
    // "A numeral, or the flag"; a backslash would escape the character that it is to delimit.
    if delimiter.is_ascii_digit() || matches!(delimiter, b'i' | b'\\' | 0) {
        return Some("a regexp must begin with its delimiter, such as !".to_owned());
    }
    let mut parts: Vec<Vec<u8>> = vec![Vec::new()];
    let mut octets = rest.iter();
    while let Some(&octet) = octets.next() {
        let part = parts.last_mut()?;
        match octet {
            b'\\' => {
                part.push(octet);
                part.extend(octets.next());
            }
            _ if octet == delimiter => parts.push(Vec::new()),
            _ => part.push(octet),
        }
    }
    let [pattern, replacement, flags] = &parts[..] else {
        let delimiter = (delimiter as char).escape_default();
        return Some(format!(
            "a regexp is {delimiter}pattern{delimiter}replacement{delimiter}, optionally followed by i"
        ));
    };
    if !matches!(&flags[..], b"" | b"i") {
        return Some("the only flag of a regexp is i".to_owned());
    }
    let pattern =
        std::str::from_utf8(pattern).ok().and_then(|text| RegexBuilder::new(text).unicode(false).build().ok());
    let Some(pattern) = pattern.filter(|pattern| !pattern.as_str().is_empty()) else {
        return Some("the pattern of the regexp is no extended regular expression".to_owned());
    };
    let references = replacement.windows(2).filter(|pair| pair[0] == b'\\' && pair[1].is_ascii_digit());
    let highest = references.map(|pair| usize::from(pair[1] - b'0')).max().unwrap_or(0);
    (highest >= pattern.captures_len()).then(|| format!("the regexp has no group {highest}"))
}
