//! TSIG (RFC 8945) for a server without keys: it rejects every key as unknown.

use super::Malformed;
use super::pointer::expand_name;
use super::{Rtype, read_u16};
use crate::name::MAX_NAME_LENGTH;

/// Class ANY, the class of TSIG records (RFC 8945, section 4.2).
const CLASS_ANY: u16 = 255;

/// "BADKEY" (RFC 8945, section 3).
const BADKEY: u16 = 17;

/// Length of Time Signed and Fudge in octets.
const TIME_AND_FUDGE: usize = 8;

/// Length of TYPE, CLASS, TTL and RDLENGTH in octets.
const FIXED_FIELDS: usize = 10;

/// Length of MAC Size, Original ID, Error and Other Len in octets, without MAC and Other Data.
const UNSIGNED: usize = 8;

/// A query's TSIG record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tsig<'a> {
    message: &'a [u8],
    /// Offset of the key's name in the message.
    owner: usize,
    /// The algorithm's name, in wire format.
    algorithm: &'a [u8],
    time_and_fudge: &'a [u8],
    original_id: u16,
}

impl<'a> Tsig<'a> {
    /// Reads a TSIG record. `owner` is the offset of its owner in the message.
    pub(super) fn parse(message: &'a [u8], owner: usize, rdata: &'a [u8]) -> Result<Self, Malformed> {
        let mut name = [0; MAX_NAME_LENGTH];
        expand_name(message, owner, &mut name)?;
        let algorithm = expand_name(rdata, 0, &mut name)?;
        let (algorithm, rest) = rdata.split_at_checked(algorithm).ok_or(Malformed)?;
        let (time_and_fudge, rest) = rest.split_at_checked(TIME_AND_FUDGE).ok_or(Malformed)?;
        let mac = usize::from(read_u16(rest, 0).ok_or(Malformed)?);
        let rest = rest.get(2 + mac..).ok_or(Malformed)?;
        let original_id = read_u16(rest, 0).ok_or(Malformed)?;
        let other = usize::from(read_u16(rest, 4).ok_or(Malformed)?);
        let is_whole = rest.len() == 6 + other;
        is_whole.then_some(Self { message, owner, algorithm, time_and_fudge, original_id }).ok_or(Malformed)
    }

    /// Writes the TSIG record of a response that rejects an unknown key: "This response MUST be unsigned" (RFC 8945,
    /// section 5.2.1). Returns its length. If there is no room, it writes nothing and returns 0.
    pub(super) fn write_bad_key(&self, out: &mut [u8]) -> usize {
        let mut name = [0; MAX_NAME_LENGTH];
        let Ok(length) = expand_name(self.message, self.owner, &mut name) else { return 0 };
        let rdata = self.algorithm.len() + self.time_and_fudge.len() + UNSIGNED;
        if length + FIXED_FIELDS + rdata > out.len() {
            return 0;
        }
        let numbers = |numbers: [u16; 4]| numbers.map(u16::to_be_bytes);
        let fields =
            [&Rtype::TSIG.0.to_be_bytes()[..], &CLASS_ANY.to_be_bytes(), &[0; 4], &(rdata as u16).to_be_bytes()];
        let tail = numbers([0, self.original_id, BADKEY, 0]);
        let parts = [&name[..length]].into_iter().chain(fields).chain([self.algorithm, self.time_and_fudge]);
        let mut at = 0;
        for part in parts.chain(tail.iter().map(<[u8; 2]>::as_slice)) {
            out[at..at + part.len()].copy_from_slice(part);
            at += part.len();
        }
        at
    }
}
