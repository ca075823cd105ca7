//! The canonical order of names (RFC 4034, section 6.1).

use std::cmp::Ordering;

/// Maximum number of labels of a name, without the root: each has two octets at least.
const MAX_LABELS: usize = 127;

/// Compares two names in wire format and lower case: "by treating individual labels as unsigned left-justified octet
/// strings", from the rightmost label on.
pub(super) fn compare(one: &[u8], other: &[u8]) -> Ordering {
    let [mut ours, mut theirs] = [[0; MAX_LABELS]; 2];
    let (one_count, other_count) = (starts(one, &mut ours), starts(other, &mut theirs));
    let label = |name: &[u8], start: u8| {
        let start = usize::from(start);
        start + 1..start + 1 + usize::from(name[start])
    };
    for (&a, &b) in ours[..one_count].iter().rev().zip(theirs[..other_count].iter().rev()) {
        match one[label(one, a)].cmp(&other[label(other, b)]) {
            Ordering::Equal => {}
            unequal => return unequal,
        }
    }
    one_count.cmp(&other_count)
}

/// Writes where the labels of a name begin, and returns their number.
fn starts(name: &[u8], starts: &mut [u8; MAX_LABELS]) -> usize {
    let (mut at, mut count) = (0, 0);
    while name[at] != 0 && count < MAX_LABELS {
        starts[count] = at as u8;
        count += 1;
        at += 1 + usize::from(name[at]);
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::Name;

    /// The example of RFC 4034, section 6.1.
    #[test]
    fn names_are_in_canonical_order() {
        let names = [
            "example.",
            "a.example.",
            "yljkjljk.a.example.",
            "Z.a.example.",
            "zABC.a.EXAMPLE.",
            "z.example.",
            r"\001.z.example.",
            "*.z.example.",
            r"\200.z.example.",
        ];
        let keys = names.map(|text| Name::parse(text, &Name::root()).unwrap().to_key());
        for (number, one) in keys.iter().enumerate() {
            for (other_number, other) in keys.iter().enumerate() {
                assert_eq!(compare(one, other), number.cmp(&other_number));
            }
        }
    }
}
