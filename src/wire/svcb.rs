//! HTTPS records (RFC 9460) in ServiceMode whose target is their owner: `1 . alpn=h2 ipv4hint=192.0.2.10`.
//!
//! The configured parameters are rendered once. The address hints differ between answers, so each answer inserts them.

use super::{RrsetWriter, Truncated};

/// SvcPriority 1 and the TargetName `.`, which means the owner (RFC 9460, section 2.5.2).
const SERVICE_AT_OWNER: [u8; 3] = [0, 1, 0];

/// Length in octets of a SvcParamKey and the length field after it.
const PARAM_HEADER: usize = 4;

/// Maximum length of the configured parameters in octets. Parameters of this length and hints fit in every message over
/// a stream, and no real record is that long.
const MAX_CHOSEN: usize = 32 * 1024;

/// SvcParamKeys (RFC 9460, section 14.3.2; `ech` by RFC 9848).
const ALPN: u16 = 1;
const NO_DEFAULT_ALPN: u16 = 2;
const PORT: u16 = 3;
const IPV4_HINT: u16 = 4;
const ECH: u16 = 5;
const IPV6_HINT: u16 = 6;

/// The SvcParams that all HTTPS records of a name have in common, in wire format.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SvcParams {
    /// RDATA before `ipv4hint`: "SvcParamKeys SHALL appear in increasing numeric order" (section 2.2).
    before_ipv4: Box<[u8]>,
    /// RDATA between the two hints.
    before_ipv6: Box<[u8]>,
}

/// The reason why parameters do not form a valid record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadSvcParams {
    /// The protocol name at this position is empty, or longer than 255 octets (RFC 7301, section 3.1).
    AlpnLength(usize),
    /// The protocol at this position is a duplicate.
    AlpnTwice(usize),
    /// `no-default-alpn` without `alpn`: "alpn must also be specified in order for the RR to be self-consistent"
    /// (section 7.1.1).
    NothingButDefaultAlpn,
    /// `ech` is not an ECHConfigList (RFC 9849, section 4).
    Ech,
    /// The parameters are longer than the maximum.
    TooLong,
}

impl SvcParams {
    /// Makes parameters as RFC 9460, section 7, defines them. Leaves out `alpn` if there are no protocols, and `ech` if
    /// it is empty. Fails if the parameters do not form a valid record.
    pub fn try_new(alpn: &[&[u8]], no_default_alpn: bool, port: Option<u16>, ech: &[u8]) -> Result<Self, BadSvcParams> {
        let mut before_ipv4 = SERVICE_AT_OWNER.to_vec();
        let mut ids = Vec::new();
        for (place, id) in alpn.iter().enumerate() {
            if alpn[..place].contains(id) {
                return Err(BadSvcParams::AlpnTwice(place));
            }
            let length = u8::try_from(id.len()).ok().filter(|&length| length > 0);
            ids.push(length.ok_or(BadSvcParams::AlpnLength(place))?);
            ids.extend_from_slice(id);
        }
        if no_default_alpn && alpn.is_empty() {
            return Err(BadSvcParams::NothingButDefaultAlpn);
        }
        if !ech.is_empty() && !is_ech_config_list(ech) {
            return Err(BadSvcParams::Ech);
        }
        if ids.len() + ech.len() > MAX_CHOSEN {
            return Err(BadSvcParams::TooLong);
        }
        if !ids.is_empty() {
            push(&mut before_ipv4, ALPN, &ids);
        }
        if no_default_alpn {
            push(&mut before_ipv4, NO_DEFAULT_ALPN, &[]);
        }
        if let Some(port) = port {
            push(&mut before_ipv4, PORT, &port.to_be_bytes());
        }
        let mut before_ipv6 = Vec::new();
        if !ech.is_empty() {
            push(&mut before_ipv6, ECH, ech);
        }
        Ok(Self { before_ipv4: before_ipv4.into(), before_ipv6: before_ipv6.into() })
    }

    /// Returns the length of the RDATA in octets, with this many hints of each family.
    pub fn length(&self, ipv4: usize, ipv6: usize) -> usize {
        let param = |octets: usize| if octets == 0 { 0 } else { PARAM_HEADER + octets };
        self.before_ipv4.len() + param(4 * ipv4) + self.before_ipv6.len() + param(16 * ipv6)
    }

    /// Writes the RDATA. Fails if there is no room. A family without addresses has no hint: "An empty list of addresses
    /// is invalid" (section 7.3).
    pub fn write<'h>(
        &self,
        rrset: &mut RrsetWriter<'_, '_>,
        ipv4: impl Iterator<Item = &'h [u8; 4]> + Clone,
        ipv6: impl Iterator<Item = &'h [u8; 16]> + Clone,
    ) -> Result<(), Truncated> {
        rrset.octets(&self.before_ipv4)?;
        write_hints(rrset, IPV4_HINT, ipv4)?;
        rrset.octets(&self.before_ipv6)?;
        write_hints(rrset, IPV6_HINT, ipv6)
    }
}

fn push(params: &mut Vec<u8>, key: u16, value: &[u8]) {
    params.extend_from_slice(&header(key, value.len()));
    params.extend_from_slice(value);
}

fn header(key: u16, length: usize) -> [u8; PARAM_HEADER] {
    let ([key_high, key_low], [length_high, length_low]) = (key.to_be_bytes(), (length as u16).to_be_bytes());
    [key_high, key_low, length_high, length_low]
}

fn write_hints<'h, const LENGTH: usize>(
    rrset: &mut RrsetWriter<'_, '_>,
    key: u16,
    mut addresses: impl Iterator<Item = &'h [u8; LENGTH]> + Clone,
) -> Result<(), Truncated> {
    let count = addresses.clone().count();
    if count == 0 {
        return Ok(());
    }
    rrset.octets(&header(key, LENGTH * count))?;
    addresses.try_for_each(|address| rrset.octets(address))
}

/// True if the octets are an ECHConfigList (RFC 9849, section 4): a length, and then configurations of that total
/// length. Each has a version, a length and contents of that length. Only clients interpret the contents.
pub fn is_ech_config_list(octets: &[u8]) -> bool {
    let Some((length, mut rest)) = octets.split_first_chunk() else { return false };
    if usize::from(u16::from_be_bytes(*length)) != rest.len() || rest.is_empty() {
        return false;
    }
    while let [_, _, high, low, behind @ ..] = rest {
        let Some((_, next)) = behind.split_at_checked(usize::from(u16::from_be_bytes([*high, *low]))) else {
            return false;
        };
        rest = next;
    }
    rest.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A configuration of version 0xfe0d with two octets.
    const ECH_LIST: &[u8] = &[0, 6, 0xfe, 0x0d, 0, 2, 7, 7];

    #[test]
    fn parameters_stand_in_ascending_order_with_room_for_hints_between() {
        let params = SvcParams::try_new(&[b"h2", b"h3"], true, Some(8443), ECH_LIST).unwrap();
        let before = [&[0, 1, 0, 0, 1, 0, 6, 2][..], b"h2\x02h3", &[0, 2, 0, 0, 0, 3, 0, 2, 0x20, 0xfb]].concat();
        assert_eq!(*params.before_ipv4, before);
        assert_eq!(*params.before_ipv6, [&[0, 5, 0, 8], ECH_LIST].concat());
        assert_eq!(params.length(0, 0), before.len() + 12);
        assert_eq!(params.length(2, 1), before.len() + 12 + 4 + 8 + 4 + 16);
        assert_eq!(SvcParams::try_new(&[], false, None, &[]).unwrap().length(0, 0), 3);
    }

    #[test]
    fn what_is_no_parameter_is_told() {
        let alpn = |ids: &[&[u8]], alone| SvcParams::try_new(ids, alone, None, &[]).unwrap_err();
        assert_eq!(alpn(&[b"h2", b""], false), BadSvcParams::AlpnLength(1));
        assert_eq!(alpn(&[&[b'h'; 256]], false), BadSvcParams::AlpnLength(0));
        assert_eq!(alpn(&[b"h2", b"h3", b"h2"], false), BadSvcParams::AlpnTwice(2));
        assert_eq!(alpn(&[], true), BadSvcParams::NothingButDefaultAlpn);
        for ech in [&ECH_LIST[..7], &[0, 0], &[0, 3, 0xfe, 0x0d, 0], &[0, 4, 0xfe, 0x0d, 0, 1], &[7]] {
            assert_eq!(SvcParams::try_new(&[], false, None, ech), Err(BadSvcParams::Ech), "{ech:?}");
        }
        let mut long = [&[0x7f, 0xfe, 0xfe, 0x0d, 0x7f, 0xfa][..], &vec![0; 0x7ffa]].concat();
        assert!(SvcParams::try_new(&[], false, None, &long).is_ok());
        assert_eq!(SvcParams::try_new(&[b"h2"], false, None, &long), Err(BadSvcParams::TooLong));
        long.push(0);
        assert_eq!(SvcParams::try_new(&[], false, None, &long), Err(BadSvcParams::Ech));
    }
}
