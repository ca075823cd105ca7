//! The two messages of `grpc.health.v1.Health/Check`, and the frame that gRPC puts around each.
//!
//! ```text
//!   frame:                compressed? (1 octet) | length (4 octets) | message
//!   HealthCheckRequest:   string service = 1;
//!   HealthCheckResponse:  ServingStatus status = 1;
//! ```

/// Octets of the frame before the message.
const PREFIX: usize = 5;

/// The tag of the only field of each message: its number and, in the lower three bits, its wire type.
const SERVICE: u8 = 1 << 3 | LENGTH_DELIMITED as u8;
const STATUS: u64 = 1 << 3 | VARINT;

/// Wire types of protocol buffers.
const VARINT: u64 = 0;
const FIXED_64: u64 = 1;
const LENGTH_DELIMITED: u64 = 2;
const FIXED_32: u64 = 5;

/// `ServingStatus` as the service defines it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Unknown,
    Serving,
    NotServing,
    ServiceUnknown,
    /// A number that the service does not define.
    Undefined,
}

impl Status {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "UNKNOWN",
            Self::Serving => "SERVING",
            Self::NotServing => "NOT_SERVING",
            Self::ServiceUnknown => "SERVICE_UNKNOWN",
            Self::Undefined => "an undefined status",
        }
    }
}

/// The framed request for a service's health.
pub(super) fn request(service: &str) -> Vec<u8> {
    let mut message = Vec::new();
    // A field with its default value is omitted.
    if !service.is_empty() {
        message.push(SERVICE);
        write_varint(&mut message, service.len() as u64);
        message.extend_from_slice(service.as_bytes());
    }
    [&[0][..], &(message.len() as u32).to_be_bytes(), &message].concat()
}

/// The status in a framed response, or why there is none.
pub(super) fn response(body: &[u8]) -> Result<Status, &'static str> {
    let (prefix, message) = body.split_first_chunk::<PREFIX>().ok_or("no message came")?;
    let [compressed, length @ ..] = prefix;
    if *compressed != 0 {
        return Err("the message is compressed, which was not asked for");
    }
    if u32::from_be_bytes(*length) as usize != message.len() {
        return Err("the message is not as long as it says");
    }
    status(message).ok_or("the message is not a HealthCheckResponse")
}

fn status(mut message: &[u8]) -> Option<Status> {
    // An omitted field has its default value. Of a repeated field, the last value counts.
    let mut status = 0;
    while !message.is_empty() {
        match read_varint(&mut message)? {
            STATUS => status = read_varint(&mut message)?,
            // Fields of later versions.
            other => skip(&mut message, other & 7)?,
        }
    }
    Some(match status {
        0 => Status::Unknown,
        1 => Status::Serving,
        2 => Status::NotServing,
        3 => Status::ServiceUnknown,
        _ => Status::Undefined,
    })
}

fn skip(message: &mut &[u8], wire_type: u64) -> Option<()> {
    let length = match wire_type {
        VARINT => return read_varint(message).map(drop),
        FIXED_64 => 8,
        FIXED_32 => 4,
        LENGTH_DELIMITED => usize::try_from(read_varint(message)?).ok()?,
        _ => return None,
    };
    *message = message.get(length..)?;
    Some(())
}

/// Seven bits in each octet, the least significant first. The highest bit means that more octets follow.
fn write_varint(octets: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        octets.push(value as u8 | 0x80);
        value >>= 7;
    }
    octets.push(value as u8);
}

fn read_varint(octets: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..u64::BITS).step_by(7) {
        let (&octet, rest) = octets.split_first()?;
        *octets = rest;
        value |= u64::from(octet & 0x7F) << shift;
        if octet & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framed(message: &[u8]) -> Vec<u8> {
        [&[0][..], &(message.len() as u32).to_be_bytes(), message].concat()
    }

    #[test]
    fn requests_name_their_service() {
        assert_eq!(request(""), [0; 5]);
        assert_eq!(request("ab"), b"\0\0\0\0\x04\x0a\x02ab");
        let long = request(&"a".repeat(200));
        assert_eq!(long[..8], [0, 0, 0, 0, 203, 0x0A, 0xC8, 1]);
    }

    #[test]
    fn responses_hold_a_status_among_what_else_there_may_be() {
        for (message, status) in [
            (&b""[..], Status::Unknown),
            (b"\x08\x01", Status::Serving),
            (b"\x08\x02", Status::NotServing),
            (b"\x08\x03", Status::ServiceUnknown),
            (b"\x08\x04", Status::Undefined),
            // A negative enum value has ten octets.
            (b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", Status::Undefined),
            (b"\x08\x02\x08\x01", Status::Serving),
            (b"\x12\x03abc\x08\x01\x1d1234\x2112345678\x28\x96\x01", Status::Serving),
        ] {
            assert_eq!(response(&framed(message)), Ok(status), "{message:?}");
        }
    }

    #[test]
    fn what_is_no_response_is_told() {
        for broken in
            [&b""[..], b"\0\0\0\0", b"\x01\0\0\0\x02\x08\x01", b"\0\0\0\0\x01\x08\x01", b"\0\xff\xff\xff\xff\x08\x01"]
        {
            assert!(response(broken).is_err(), "{broken:?}");
        }
        for broken in [&b"\x08"[..], b"\x08\x80", b"\x12\x05ab", b"\x0b", b"\x1d12", &[0xFF; 12]] {
            assert_eq!(response(&framed(broken)), Err("the message is not a HealthCheckResponse"), "{broken:?}");
        }
    }
}
