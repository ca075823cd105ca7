//! Serial numbers, which begin again after the greatest one (RFC 1982, section 3.2).

/// True if the serial number `a` is later than `b`.
pub fn is_later(a: u32, b: u32) -> bool {
    a.wrapping_sub(b).cast_signed() > 0
}

/// Returns the later of two serial numbers.
pub fn later(a: u32, b: u32) -> u32 {
    if is_later(a, b) { a } else { b }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serials_compare_around_their_end() {
        assert_eq!([later(5, 7), later(u32::MAX, 3), later(3, u32::MAX), later(7, 7)], [7, 3, 3, 7]);
        assert!(is_later(3, u32::MAX) && !is_later(u32::MAX, 3) && !is_later(7, 7));
    }
}
