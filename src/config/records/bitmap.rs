//! Type bit maps of NSEC, NSEC3 and CSYNC records (RFC 4034, section 4.1.2).

use std::collections::BTreeSet;

use super::parse_rtype;
use super::reader::{Reader, Wrong};

/// Most octets of a window: 256 types.
const MAX_WINDOW: usize = 32;

/// Reads the remaining mnemonics.
pub(super) fn read(reader: &mut Reader<'_>) -> Result<(), Wrong> {
    let mut types = BTreeSet::new();
    while !reader.tokens.is_empty() {
        let text = reader.take("type")?.text;
        let rtype =
            parse_rtype(text).ok_or_else(|| Wrong { at: 0, reason: format!("`{text}` is not a record type") })?;
        types.insert(rtype.0);
    }
    let mut rest: &[u16] = &types.into_iter().collect::<Vec<_>>();
    while let Some(first) = rest.first() {
        let window = first >> 8;
        let (here, behind) = rest.split_at(rest.iter().take_while(|&&rtype| rtype >> 8 == window).count());
        let mut bits = [0_u8; MAX_WINDOW];
        let mut length = 0;
        for low in here.iter().map(|rtype| usize::from(rtype & 0xff)) {
            bits[low / 8] |= 0x80 >> (low % 8);
            length = low / 8 + 1;
        }
        reader.rdata.extend_from_slice(&[window as u8, length as u8]);
        reader.rdata.extend_from_slice(&bits[..length]);
        rest = behind;
    }
    Ok(())
}

/// True if octets are a bit map: windows in ascending order, none of them empty, "trailing zero octets in the bitmap
/// MUST be omitted".
pub(super) fn is_valid(mut octets: &[u8]) -> bool {
    let mut last = None;
    while let Some((&window, rest)) = octets.split_first() {
        let Some((&length, rest)) = rest.split_first() else { return false };
        let length = usize::from(length);
        if last.is_some_and(|last| window <= last) || !(1..=MAX_WINDOW).contains(&length) || rest.len() < length {
            return false;
        }
        if rest[length - 1] == 0 {
            return false;
        }
        last = Some(window);
        octets = &rest[length..];
    }
    true
}
