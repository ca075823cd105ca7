//! Draw weights of a pool's endpoints, for `pick = "least-load"`.
//!
//! Endpoints are drawn in proportion to their headroom. An endpoint's load depends on how often it is drawn. Weights
//! therefore move towards that proportion gradually. The fuller the pool is, the smaller the gain: with little
//! headroom, a small part of the clients changes the proportion a lot. With the pool's `headroom / capacity` as the
//! factor, all pools reach equally full endpoints equally fast, and an endpoint whose reports do not react is
//! approached more slowly. Weights that have begun to move continue until they reach that proportion.
//!
//! If no endpoint reports its load, weights are inversely proportional to the response times of probes.

/// The weight of the endpoint that is drawn most often.
pub const FULL_WEIGHT: u16 = 1000;

/// The part of their distance to the aim by which weights move in a round.
const GAIN: f64 = 0.5;

/// The least distance at which weights begin to move, as a part of the greatest weight.
const BAND: f64 = 0.05;

/// The distance below which weights stop moving, as a part of the greatest weight.
const NEAR: f64 = 0.005;

/// The least change of a weight that is published while weights move, out of [`FULL_WEIGHT`]. A change to or from 0 is
/// always published.
const NOTICED: u16 = 5;

/// Shortest response time that counts, in seconds. Shorter times depend more on the prober than on the endpoint.
const NOTICEABLE: f64 = 0.001;

/// An endpoint that can be drawn, and its load.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DrawCandidate {
    /// True if the endpoint is in answers.
    pub is_open: bool,
    /// Its load and its capacity.
    pub load: Option<(f64, f64)>,
    /// Its response time in seconds.
    pub response: Option<f64>,
}

/// The draw weights of a pool's endpoints.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Draw {
    /// The parts of open endpoints, with a sum of 1; `None` for other endpoints. They stay until one of them is farther
    /// than [`BAND`] from the aim.
    parts: Vec<Option<f64>>,
    /// True while the parts are moving to the aim.
    moves: bool,
    weights: Vec<u16>,
}

/// The parts that weights move to.
struct Aim {
    /// Parts are proportional to these. `None` counts as the average of the others.
    stakes: Vec<Option<f64>>,
    /// Initial parts, in the same form.
    first: Vec<Option<f64>>,
    /// The part of the distance to the aim that is a real error. The rest is an effect of the weights themselves.
    slope: f64,
}

impl Draw {
    /// An endpoint's weight: at most [`FULL_WEIGHT`], 0 without headroom.
    pub fn weight(&self, place: usize) -> u16 {
        self.weights.get(place).copied().unwrap_or(FULL_WEIGHT)
    }

    /// Takes in the present loads of all endpoints. Returns true if weights changed.
    pub fn round(&mut self, candidates: &[DrawCandidate]) -> bool {
        let open: Vec<usize> = (0..candidates.len()).filter(|&place| candidates[place].is_open).collect();
        let aim = Aim::by_load(candidates, &open).or_else(|| Aim::by_response(candidates, &open));
        let mut parts = vec![None; candidates.len()];
        self.moves &= aim.is_some();
        if let Some(aim) = aim {
            let before = |&place: &usize| self.parts.get(place).copied().flatten();
            let (moved, moves) = aim.approach(&open.iter().map(before).collect::<Vec<_>>(), self.moves);
            self.moves = moves;
            open.iter().zip(moved).for_each(|(&place, part)| parts[place] = Some(part));
        }
        self.parts = parts;
        let most = self.parts.iter().flatten().copied().fold(0.0, f64::max);
        let weight = |part: &Option<f64>| match part {
            Some(part) if most > 0.0 => (part / most * f64::from(FULL_WEIGHT)).round() as u16,
            _ => FULL_WEIGHT,
        };
        let weights: Vec<u16> = self.parts.iter().map(weight).collect();
        let is_noticed = |place: usize| {
            let (now, before) = (weights[place], self.weight(place));
            let is_all_or_nothing = (now == 0) != (before == 0);
            now != before && (!self.moves || is_all_or_nothing || now.abs_diff(before) >= NOTICED)
        };
        let changed = (0..candidates.len()).any(is_noticed);
        if changed {
            self.weights = weights;
        }
        changed
    }
}

impl Aim {
    /// By headroom, if any open endpoint reports its load.
    fn by_load(candidates: &[DrawCandidate], open: &[usize]) -> Option<Self> {
        let of_open = |value: &dyn Fn((f64, f64)) -> f64| -> Vec<Option<f64>> {
            open.iter().map(|&place| candidates[place].load.map(value)).collect()
        };
        let rooms = of_open(&|(used, capacity)| (capacity - used).max(0.0));
        let capacities = of_open(&|(_, capacity)| capacity);
        let (room, capacity): (f64, f64) = (rooms.iter().flatten().sum(), capacities.iter().flatten().sum());
        (capacity > 0.0).then(|| Self { stakes: rooms, first: capacities, slope: room / capacity })
    }

    /// By response time, if any is known.
    fn by_response(candidates: &[DrawCandidate], open: &[usize]) -> Option<Self> {
        let speed = |&place: &usize| candidates[place].response.map(|response| 1.0 / (response + NOTICEABLE));
        let stakes: Vec<Option<f64>> = open.iter().map(speed).collect();
        stakes.iter().any(Option::is_some).then(|| Self { first: vec![None; stakes.len()], stakes, slope: 1.0 })
    }

    /// The parts after a round that began with `before`, and true if they are still moving. `moves` is true if they
    /// were moving before.
    fn approach(&self, before: &[Option<f64>], moves: bool) -> (Vec<f64>, bool) {
        let begun = before.iter().zip(in_proportion(&self.first)).map(|(part, first)| Some(part.unwrap_or(first)));
        let before = in_proportion(&begun.collect::<Vec<_>>());
        let aims = in_proportion(&self.stakes);
        let most = before.iter().copied().fold(0.0, f64::max);
        let is_to_vanish = |(&part, &aim): (&f64, &f64)| part > 0.0 && aim == 0.0 && self.slope > 0.0;
        let is_off = |parts: &[f64], by: f64| {
            parts.iter().zip(&aims).any(|(part, aim)| (aim - part).abs() >= by * most || is_to_vanish((part, aim)))
        };
        if self.slope == 0.0 || !is_off(&before, if moves { NEAR } else { BAND }) {
            return (before, false);
        }
        let moved = before.iter().zip(&aims).map(|(&part, &aim)| {
            if is_to_vanish((&part, &aim)) && part < BAND * most {
                0.0
            } else {
                part + GAIN * self.slope * (aim - part)
            }
        });
        let moved: Vec<f64> = moved.collect();
        let goes_on = is_off(&moved, NEAR);
        (moved, goes_on)
    }
}

/// Parts of 1, proportional to the known values. An unknown value counts as the average of the others.
fn in_proportion(stakes: &[Option<f64>]) -> Vec<f64> {
    let known = stakes.iter().flatten();
    let (count, sum) = (known.clone().count(), known.sum::<f64>());
    if sum <= 0.0 {
        return vec![1.0 / stakes.len() as f64; stakes.len()];
    }
    let mean = sum / count as f64;
    let all = mean * stakes.len() as f64;
    stakes.iter().map(|stake| stake.unwrap_or(mean) / all).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(load: Option<(f64, f64)>) -> DrawCandidate {
        DrawCandidate { is_open: true, load, response: None }
    }

    fn weights(draw: &Draw, count: usize) -> Vec<u16> {
        (0..count).map(|place| draw.weight(place)).collect()
    }

    /// Runs rounds in which clients use `demand` of the endpoints by weight, and others use a fixed load of each.
    fn run(draw: &mut Draw, demand: f64, endpoints: &[(f64, f64)], rounds: usize) -> Vec<Vec<u16>> {
        let mut seen = Vec::new();
        for _ in 0..rounds {
            let parts: Vec<f64> = (0..endpoints.len()).map(|place| f64::from(draw.weight(place))).collect();
            let sum: f64 = parts.iter().sum();
            let candidates: Vec<DrawCandidate> = endpoints
                .iter()
                .zip(parts)
                .map(|(&(capacity, besides), part)| candidate(Some((besides + demand * part / sum, capacity))))
                .collect();
            draw.round(&candidates);
            seen.push(weights(draw, endpoints.len()));
        }
        seen
    }

    #[test]
    fn all_are_equal_while_nothing_is_known() {
        let mut draw = Draw::default();
        assert!(!draw.round(&[candidate(None); 3]));
        assert_eq!(weights(&draw, 3), [FULL_WEIGHT; 3]);
    }

    #[test]
    fn endpoints_come_to_be_equally_full_and_stay_so() {
        for demand in [50.0, 150.0, 250.0, 290.0] {
            let mut draw = Draw::default();
            let seen = run(&mut draw, demand, &[(100.0, 0.0), (200.0, 0.0), (100.0, 50.0)], 100);
            assert!(seen[40..].windows(2).all(|pair| pair[0] == pair[1]), "{demand}: {:?}", &seen[40..]);
            for (found, expected) in seen[99].iter().zip([500, 1000, 250_u16]) {
                assert!(found.abs_diff(expected) <= 100, "{demand}: {:?}", seen[99]);
            }
        }
    }

    #[test]
    fn reports_that_do_not_follow_are_reached_however_full_the_pool_is() {
        for (used, expected) in [
            (&[90.0, 50.0, 10.0][..], &[0.0667, 0.3333, 0.6][..]),
            (&[99.0, 93.0], &[0.125, 0.875]),
            (&[99.9, 99.1], &[0.1, 0.9]),
            (&[10.0, 10.0, 40.0], &[0.375, 0.375, 0.25]),
        ] {
            let candidates: Vec<DrawCandidate> = used.iter().map(|&used| candidate(Some((used, 100.0)))).collect();
            let mut draw = Draw::default();
            (0..5000).for_each(|_| _ = draw.round(&candidates));
            let sum: f64 = (0..used.len()).map(|place| f64::from(draw.weight(place))).sum();
            for (place, expected) in expected.iter().enumerate() {
                let part = f64::from(draw.weight(place)) / sum;
                assert!((part - expected).abs() < 0.01, "{used:?}: {part} and not {expected}");
            }
            assert!((0..50).all(|_| !draw.round(&candidates)), "{used:?}: the aim is reached");
        }
    }

    #[test]
    fn an_overloaded_endpoint_is_drawn_less_and_less_and_comes_back() {
        let mut draw = Draw::default();
        let seen = run(&mut draw, 50.0, &[(100.0, 0.0), (100.0, 200.0)], 30);
        assert!(seen.windows(2).all(|pair| pair[1][1] <= pair[0][1]), "{seen:?}");
        assert!(seen[29][1] < 50, "{seen:?}");
        let seen = run(&mut draw, 50.0, &[(100.0, 0.0), (100.0, 0.0)], 30);
        assert!(seen[29][1] > 850, "{seen:?}");
    }

    #[test]
    fn one_that_says_nothing_counts_as_the_mean_of_the_others() {
        let mut draw = Draw::default();
        for _ in 0..50 {
            draw.round(&[candidate(Some((0.0, 100.0))), candidate(Some((0.0, 300.0))), candidate(None)]);
        }
        assert_eq!(weights(&draw, 3), [333, 1000, 667]);
    }

    #[test]
    fn without_reports_the_faster_are_drawn_more_often() {
        let responds = |seconds| DrawCandidate { is_open: true, load: None, response: Some(seconds) };
        let mut draw = Draw::default();
        let candidates = [responds(0.019), responds(0.039), candidate(None)];
        assert!(draw.round(&candidates));
        while draw.round(&candidates) {}
        for (found, expected) in weights(&draw, 3).into_iter().zip([1000, 500, 750_u16]) {
            assert!(found.abs_diff(expected) <= 75, "{:?}", weights(&draw, 3));
        }
        assert!(!draw.round(&[responds(0.0191), responds(0.0389), candidate(None)]));
        let mut draw = Draw::default();
        assert!(!draw.round(&[responds(0.000_1), responds(0.000_13)]), "the difference is below NOTICEABLE");
    }

    #[test]
    fn what_is_closed_takes_no_part_and_begins_anew() {
        let closed = DrawCandidate { is_open: false, ..candidate(Some((0.0, 100.0))) };
        let mut draw = Draw::default();
        draw.round(&[candidate(Some((90.0, 100.0))), closed, candidate(Some((50.0, 100.0)))]);
        let before = weights(&draw, 3);
        assert_eq!(before[2], FULL_WEIGHT);
        draw.round(&[candidate(Some((90.0, 100.0))), candidate(Some((0.0, 100.0))), candidate(Some((50.0, 100.0)))]);
        assert!(draw.weight(1) > draw.weight(0));
    }
}
