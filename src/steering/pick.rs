//! Which of the endpoints that could answer do.

use super::chain::Pick;

impl Pick {
    /// What each endpoint is first in an answer in proportion to, over the answers to many askers.
    pub fn stakes(self, weights: &[u16]) -> Vec<u32> {
        match self {
            Self::Weighted if weights.iter().any(|&weight| weight > 0) => {
                weights.iter().copied().map(u32::from).collect()
            }
            Self::Rotate | Self::Random | Self::Weighted => vec![1; weights.len()],
        }
    }
}

/// Endpoints that an answer holds at most.
pub const MAX_ANSWERS: usize = 64;

/// The endpoints picked, by their place among those that could answer, in the order in which they stand in the answer.
#[derive(Clone, Debug)]
pub struct Picks {
    places: [u16; MAX_ANSWERS],
    count: u8,
}

impl Picks {
    /// Picks at most `answers` of `count` endpoints. `turn` counts the answers to one asker; `weight` is an endpoint's;
    /// `draw` gives a uniform random number below its argument.
    pub fn new(
        pick: Pick,
        count: usize,
        answers: u16,
        turn: u32,
        weight: impl Fn(usize) -> u16,
        draw: impl FnMut(u32) -> u32,
    ) -> Self {
        let wanted = count.min(usize::from(answers)).min(MAX_ANSWERS);
        let mut picks = Self { places: [0; MAX_ANSWERS], count: wanted as u8 };
        match pick {
            Pick::Rotate => {
                let first = if count == 0 { 0 } else { turn as usize % count };
                for (offset, place) in picks.places[..wanted].iter_mut().enumerate() {
                    *place = ((first + offset) % count) as u16;
                }
            }
            Pick::Random => picks.draw(count, |_| 1, draw),
            Pick::Weighted if (0..count).all(|place| weight(place) == 0) => picks.draw(count, |_| 1, draw),
            Pick::Weighted => picks.draw(count, |place| u32::from(weight(place)), draw),
        }
        picks
    }

    /// The places, first to last.
    pub fn iter(&self) -> impl Iterator<Item = usize> {
        self.places[..usize::from(self.count)].iter().map(|&place| usize::from(place))
    }

    /// Draws without replacement; ends early when nothing of a weight above 0 is left.
    fn draw(&mut self, count: usize, weight: impl Fn(usize) -> u32, mut draw: impl FnMut(u32) -> u32) {
        let wanted = usize::from(std::mem::take(&mut self.count));
        let mut left: u32 = (0..count).map(&weight).sum();
        while usize::from(self.count) < wanted && left > 0 {
            let mut drawn = draw(left);
            let is_drawn = |&place: &usize| {
                let here = drawn < weight(place);
                drawn = drawn.saturating_sub(weight(place));
                here
            };
            let picked = &self.places[..usize::from(self.count)];
            let Some(place) = (0..count).filter(|place| !picked.contains(&(*place as u16))).find(is_drawn) else {
                return;
            };
            self.places[usize::from(self.count)] = place as u16;
            self.count += 1;
            left -= weight(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(picks: &Picks) -> Vec<usize> {
        picks.iter().collect()
    }

    #[test]
    fn rotation_puts_each_first_in_turn() {
        let turn = |turn| places(&Picks::new(Pick::Rotate, 3, 2, turn, |_| 1, |_| 0));
        assert_eq!([turn(0), turn(1), turn(2), turn(3)], [[0, 1], [1, 2], [2, 0], [0, 1]]);
        assert!(places(&Picks::new(Pick::Rotate, 0, 2, 5, |_| 1, |_| 0)).is_empty());
    }

    #[test]
    fn a_weighted_draw_takes_none_twice_and_leaves_weight_0_out() {
        let weights = [3, 0, 1];
        let mut asked = Vec::new();
        let picks = Picks::new(
            Pick::Weighted,
            3,
            8,
            0,
            |place| weights[place],
            |below| {
                asked.push(below);
                0
            },
        );
        assert_eq!(places(&picks), [0, 2]);
        assert_eq!(asked, [4, 1]);
    }

    #[test]
    fn weight_0_serves_when_there_is_no_other() {
        assert_eq!(places(&Picks::new(Pick::Weighted, 2, 1, 0, |_| 0, |_| 1)), [1]);
    }

    #[test]
    fn a_random_order_holds_each_once() {
        let picks = Picks::new(Pick::Random, 4, 8, 0, |_| 9, |below| below - 1);
        assert_eq!(places(&picks), [3, 2, 1, 0]);
    }
}
