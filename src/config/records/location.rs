//! LOC records (RFC 1876).

use super::reader::{Reader, Wrong};

/// Octets of the data of version 0, the only version (section 2).
pub(super) const LENGTH: usize = 16;

/// The equator and the prime meridian, in thousandths of a second of arc.
const ZERO: i64 = 1 << 31;

/// Thousandths of a second of arc in a degree.
const DEGREE: i64 = 3_600_000;

/// Depth below sea level at which altitudes begin, in centimetres.
const ALTITUDE_BASE: i64 = 10_000_000;

/// Default size, horizontal and vertical precision, in centimetres (section 3): 1 m, 10 km and 10 m.
const DEFAULTS: [u64; 3] = [100, 1_000_000, 1000];

/// The largest size and precision, in centimetres: 9e9.
const MAX_SIZE: u64 = 9_000_000_000;

/// Reads `d1 [m1 [s1]] {N|S} d2 [m2 [s2]] {E|W} alt[m] [siz[m] [hp[m] [vp[m]]]]`.
pub(super) fn read(reader: &mut Reader<'_>) -> Result<(), Wrong> {
    let latitude = angle(reader, "latitude", 90, ["N", "S"])?;
    let longitude = angle(reader, "longitude", 180, ["E", "W"])?;
    let wrong = |reason: &str| Wrong { at: 0, reason: reason.to_owned() };
    let altitude = centimetres(reader.take("altitude")?.text)
        .map(|altitude| altitude + ALTITUDE_BASE)
        .and_then(|altitude| u32::try_from(altitude).ok())
        .ok_or_else(|| wrong("the altitude is metres, from -100000.00 to 42849672.95"))?;
    let mut sizes = [0; 3];
    for (octet, default) in sizes.iter_mut().zip(DEFAULTS) {
        let size = match reader.tokens.split_first() {
            None => Some(default),
            Some((token, behind)) => {
                reader.tokens = behind;
                centimetres(token.text).and_then(|size| u64::try_from(size).ok())
            }
        };
        let size = size.filter(|&size| size <= MAX_SIZE);
        *octet = size.map(exponential).ok_or_else(|| wrong("sizes and precisions are metres, up to 90000000.00"))?;
    }
    let [size, horizontal, vertical] = sizes;
    reader.rdata.extend_from_slice(&[0, size, horizontal, vertical]);
    for value in [latitude, longitude, altitude] {
        reader.rdata.extend_from_slice(&value.to_be_bytes());
    }
    Ok(())
}

fn angle(reader: &mut Reader<'_>, name: &str, most: i64, [plus, minus]: [&str; 2]) -> Result<u32, Wrong> {
    let wrong = || Wrong {
        at: 0,
        reason: format!("the {name} is degrees up to {most}, minutes, seconds and {plus} or {minus}"),
    };
    let mut parts = Vec::new();
    let sign = loop {
        match reader.take(name)?.text {
            text if text.eq_ignore_ascii_case(plus) => break 1,
            text if text.eq_ignore_ascii_case(minus) => break -1,
            text if parts.len() < 3 => parts.push(text),
            _ => return Err(wrong()),
        }
    };
    let whole = |text: &str, most: i64| decimal(text, 0).filter(|value| (0..=most).contains(value));
    let degrees = parts.first().and_then(|text| whole(text, most)).ok_or_else(wrong)?;
    let minutes = parts.get(1).map_or(Some(0), |text| whole(text, 59)).ok_or_else(wrong)?;
    let seconds = parts.get(2).map_or(Some(0), |text| decimal(text, 3)).filter(|value| (0..60_000).contains(value));
    let angle = degrees * DEGREE + minutes * 60_000 + seconds.ok_or_else(wrong)?;
    if angle > most * DEGREE {
        return Err(wrong());
    }
    Ok((ZERO + sign * angle) as u32)
}

/// Reads metres, with or without their unit, as centimetres.
fn centimetres(text: &str) -> Option<i64> {
    decimal(text.strip_suffix(['m', 'M']).unwrap_or(text), 2)
}

/// Reads a decimal number and multiplies it by ten to the power of `places`. It must not have more decimal places.
fn decimal(text: &str, places: usize) -> Option<i64> {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let are_digits = whole.bytes().chain(fraction.bytes()).all(|octet| octet.is_ascii_digit());
    if whole.is_empty() || !are_digits || fraction.len() > places {
        return None;
    }
    format!("{whole}{fraction:0<places$}").parse::<i64>().ok().map(|value| sign * value)
}

/// Returns a digit and the power of ten that it is multiplied with (section 2).
fn exponential(mut size: u64) -> u8 {
    let mut exponent = 0;
    while size > 9 {
        size /= 10;
        exponent += 1;
    }
    (size as u8) << 4 | exponent
}

/// True if octets are a location. Any data is valid for an unknown version.
pub(super) fn is_valid(octets: &[u8]) -> bool {
    let Some((&version, rest)) = octets.split_first() else { return false };
    if version != 0 {
        return true;
    }
    let Ok(rest) = <&[u8; LENGTH - 1]>::try_from(rest) else { return false };
    let is_size = |octet: &u8| octet >> 4 <= 9 && octet & 0xf <= 9 && (octet >> 4 > 0 || *octet == 0);
    let within = |at: usize, most: i64| {
        let value = u32::from_be_bytes([rest[at], rest[at + 1], rest[at + 2], rest[at + 3]]);
        (i64::from(value) - ZERO).abs() <= most * DEGREE
    };
    rest[..3].iter().all(is_size) && within(3, 90) && within(7, 180)
}
