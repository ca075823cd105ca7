//! SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, OOPSLA 2014).
//!
//! Choices that must be the same on every node and in every version rest on it, so it never changes.

/// The distance of two states of the generator.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// Returns the number that the generator gives in this state: every bit of the state reaches every bit of it.
pub const fn mix(state: u64) -> u64 {
    let mut number = state.wrapping_add(STEP);
    number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first numbers of the generator with the seed 0, as its reference implementation gives them.
    #[test]
    fn numbers_are_those_of_the_reference() {
        let first = [0, STEP, STEP.wrapping_mul(2)].map(mix);
        assert_eq!(first, [0xe220_a839_7b1d_cdaf, 0x6e78_9e6a_a1b9_65f4, 0x06c4_5d18_8009_454f]);
    }
}
