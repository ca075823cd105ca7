//! Compressed names in messages (RFC 1035, section 4.1.4).

use super::{Malformed, read_u16};
use crate::name::{MAX_LABEL_LENGTH, MAX_NAME_LENGTH};

/// The two upper bits of a pointer's first octet (RFC 1035, section 4.1.4).
pub(super) const POINTER: u8 = 0xc0;

/// The bits of a compression pointer that hold its target.
pub(super) const POINTER_TARGET: u16 = 0x3fff;

/// Writes the name at offset `at` of `message` into `name`, without compression pointers, and returns its length in
/// octets. Fails if the name is malformed. A pointer must point backwards, so pointers never form a loop.
pub(super) fn expand_name(message: &[u8], mut at: usize, name: &mut [u8; MAX_NAME_LENGTH]) -> Result<usize, Malformed> {
    let (mut length, mut front) = (0, at);
    loop {
        let label = usize::from(*message.get(at).ok_or(Malformed)?);
        if label >= usize::from(POINTER) {
            let target = usize::from(read_u16(message, at).ok_or(Malformed)? & POINTER_TARGET);
            if target >= front {
                return Err(Malformed);
            }
            (at, front) = (target, target);
            continue;
        }
        if label > MAX_LABEL_LENGTH {
            return Err(Malformed);
        }
        let octets = message.get(at..=at + label).ok_or(Malformed)?;
        name.get_mut(length..length + octets.len()).ok_or(Malformed)?.copy_from_slice(octets);
        length += octets.len();
        at += octets.len();
        if label == 0 {
            return Ok(length);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_lead_towards_the_front() {
        let mut name = [0; MAX_NAME_LENGTH];
        let message = b"\x03key\x00\x01a\xc0\x00\xc0\x05\xc0\x0b\xc0\x0f\x00";
        assert_eq!(expand_name(message, 5, &mut name), Ok(7));
        assert_eq!(&name[..7], b"\x01a\x03key\x00");
        assert_eq!(expand_name(message, 9, &mut name), Ok(7), "a pointer at a pointer");
        assert_eq!(expand_name(message, 11, &mut name), Err(Malformed), "at itself");
        assert_eq!(expand_name(message, 13, &mut name), Err(Malformed), "ahead");
        assert_eq!(expand_name(message, 14, &mut name), Err(Malformed), "cut");
    }
}
