//! Frame Streams, the framing of dnstap (<https://github.com/farsightsec/fstrm>).
//!
//! ```text
//!   to a file:                              START, data ..., STOP
//!   to a collector:  READY ─► ◄─ ACCEPT     START, data ..., STOP ─► ◄─ FINISH
//! ```
//!
//! A frame is its length in four octets, the highest first, and its content. Length 0 begins a control frame, which has a
//! length of its own.

use std::io::{self, Read};

/// The type of the content of frames.
const CONTENT_TYPE: &[u8] = b"protobuf:dnstap.Dnstap";

/// The field of a control frame that holds a type of content.
const CONTENT_TYPE_FIELD: u32 = 1;

/// Maximum length of a control frame (`FSTRM_CONTROL_FRAME_LENGTH_MAX`).
const MAX_CONTROL: u32 = 512;

/// A control frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Control {
    Accept = 1,
    Start = 2,
    Stop = 3,
    Ready = 4,
    Finish = 5,
}

/// Returns a control frame with all that it needs.
pub(super) fn control(kind: Control) -> Vec<u8> {
    let mut content = (kind as u32).to_be_bytes().to_vec();
    if matches!(kind, Control::Accept | Control::Start | Control::Ready) {
        content.extend(CONTENT_TYPE_FIELD.to_be_bytes());
        content.extend((CONTENT_TYPE.len() as u32).to_be_bytes());
        content.extend(CONTENT_TYPE);
    }
    [&0_u32.to_be_bytes(), &(content.len() as u32).to_be_bytes(), &content[..]].concat()
}

/// Reads control frames up to one of this kind. Fails if the collector sends anything else, or does not take dnstap.
pub(super) fn expect(kind: Control, from: &mut impl Read) -> io::Result<()> {
    let mut number = || {
        let mut octets = [0; 4];
        from.read_exact(&mut octets).map(|()| u32::from_be_bytes(octets))
    };
    let unexpected = |what: &'static str| io::Error::new(io::ErrorKind::InvalidData, what);
    let (escape, length) = (number()?, number()?);
    if escape != 0 || !(4..=MAX_CONTROL).contains(&length) {
        return Err(unexpected("it does not speak frame streams"));
    }
    let mut content = vec![0; length as usize];
    from.read_exact(&mut content)?;
    let (found, fields) = content.split_at(4);
    if found != (kind as u32).to_be_bytes() {
        return Err(unexpected("it sent another control frame than it should"));
    }
    if kind == Control::Accept && !takes_dnstap(fields) {
        return Err(unexpected("it does not accept dnstap"));
    }
    Ok(())
}

/// True if one of the fields names dnstap, or there is none: then any type is accepted.
fn takes_dnstap(mut fields: &[u8]) -> bool {
    let is_open = fields.is_empty();
    while let Some((head, rest)) = fields.split_first_chunk::<8>() {
        let (kind, length) = head.split_at(4);
        let length = u32::from_be_bytes(length.try_into().unwrap_or_default()) as usize;
        let Some((value, rest)) = rest.split_at_checked(length) else { return false };
        if kind == CONTENT_TYPE_FIELD.to_be_bytes() && value == CONTENT_TYPE {
            return true;
        }
        fields = rest;
    }
    is_open
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collector_accepts_dnstap_or_anything() {
        let accept = control(Control::Accept);
        assert!(expect(Control::Accept, &mut &accept[..]).is_ok());
        assert!(expect(Control::Accept, &mut &[0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 1][..]).is_ok());
        assert!(expect(Control::Finish, &mut &control(Control::Finish)[..]).is_ok());
    }

    #[test]
    fn anything_else_is_refused() {
        let mut other = control(Control::Accept);
        *other.last_mut().unwrap() = b'x';
        let told = |octets: &[u8]| expect(Control::Accept, &mut &octets[..]).unwrap_err().to_string();
        assert_eq!(told(&other), "it does not accept dnstap");
        assert_eq!(told(&control(Control::Finish)), "it sent another control frame than it should");
        assert_eq!(told(b"HTTP/1.1 400 Bad Request\r\n"), "it does not speak frame streams");
        assert_eq!(told(&[0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0]), "it does not speak frame streams");
        assert!(expect(Control::Accept, &mut &control(Control::Accept)[..20]).is_err());
    }
}
