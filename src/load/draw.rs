//! Which of a pool's endpoints is drawn how often, for `pick = "least-load"`.
//!
//! Endpoints are drawn in proportion to their room. What an endpoint uses follows from how often it is drawn, so weights move
//! towards that proportion and not to it: with a gain that is the smaller the fuller the pool is, for the less room is left,
//! the more a part of the clients changes the proportion. With `room / capacity` of the pool as the factor all pools come
//! equally fast to where all endpoints are equally full, and one whose reports do not follow comes there all the more slowly.
//! Weights that have begun to move go on until they are there.
//!
//! Where no endpoint reports, their response times to probes are taken in inverse proportion.

/// The weight of the endpoint that is drawn most often.
pub const FULL_WEIGHT: u16 = 1000;

/// How much of what they are off by weights move in a round.
const GAIN: f64 = 0.5;

/// What a weight is off by at least for weights to begin to move, as a part of the largest.
const BAND: f64 = 0.05;

/// What all are off by at most for weights to stop, in the same way.
const NEAR: f64 = 0.005;

/// What a weight changes by at least to be published while weights move, out of [`FULL_WEIGHT`]; to nothing it always may.
const NOTICED: u16 = 5;

/// Below this, in seconds, response times say more of the prober than of the endpoint.
const NOTICEABLE: f64 = 0.001;

/// What is known of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DrawCandidate {
    /// Whether it is answered.
    pub is_open: bool,
    /// What it uses, and of what.
    pub load: Option<(f64, f64)>,
    /// Its response time in seconds.
    pub response: Option<f64>,
}

/// How often each endpoint of a pool is drawn.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Draw {
    /// Of open endpoints, together 1. They stay as they are until what one is off by leaves the band.
    parts: Vec<Option<f64>>,
    /// They have left the band, and are not there yet.
    moves: bool,
    weights: Vec<u16>,
}

/// Where parts are to go.
struct Aim {
    /// In proportion to these; `None` for endpoints that are as good as the others.
    stakes: Vec<Option<f64>>,
    /// What parts begin at, in the same way.
    first: Vec<Option<f64>>,
    /// How much of the way is what parts are off by: the rest is what they bring about themselves.
    slope: f64,
}

impl Draw {
    /// An endpoint's weight: at most [`FULL_WEIGHT`], 0 for one without room.
    pub fn weight(&self, place: usize) -> u16 {
        self.weights.get(place).copied().unwrap_or(FULL_WEIGHT)
    }

    /// Takes in what is known of all endpoints; whether weights are others now.
    pub fn round(&mut self, seats: &[DrawCandidate]) -> bool {
        let open: Vec<usize> = (0..seats.len()).filter(|&place| seats[place].is_open).collect();
        let aim = Aim::by_load(seats, &open).or_else(|| Aim::by_response(seats, &open));
        let mut parts = vec![None; seats.len()];
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
        let changed = (0..seats.len()).any(is_noticed);
        if changed {
            self.weights = weights;
        }
        changed
    }
}

impl Aim {
    /// By room, if any open endpoint reports.
    fn by_load(seats: &[DrawCandidate], open: &[usize]) -> Option<Self> {
        let of_open = |value: &dyn Fn((f64, f64)) -> f64| -> Vec<Option<f64>> {
            open.iter().map(|&place| seats[place].load.map(value)).collect()
        };
        let rooms = of_open(&|(used, capacity)| (capacity - used).max(0.0));
        let capacities = of_open(&|(_, capacity)| capacity);
        let (room, capacity): (f64, f64) = (rooms.iter().flatten().sum(), capacities.iter().flatten().sum());
        (capacity > 0.0).then(|| Self { stakes: rooms, first: capacities, slope: room / capacity })
    }

    /// By response time, if any is known.
    fn by_response(seats: &[DrawCandidate], open: &[usize]) -> Option<Self> {
        let speed = |&place: &usize| seats[place].response.map(|response| 1.0 / (response + NOTICEABLE));
        let stakes: Vec<Option<f64>> = open.iter().map(speed).collect();
        stakes.iter().any(Option::is_some).then(|| Self { first: vec![None; stakes.len()], stakes, slope: 1.0 })
    }

    /// The parts after a round that began with these, and whether they go on to move; `moves` is whether they did.
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

/// Parts of 1 in proportion to what is known; what is not known counts as the mean of the others.
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

    fn seat(load: Option<(f64, f64)>) -> DrawCandidate {
        DrawCandidate { is_open: true, load, response: None }
    }

    fn weights(draw: &Draw, count: usize) -> Vec<u16> {
        (0..count).map(|place| draw.weight(place)).collect()
    }

    /// Runs rounds in which endpoints use what they are drawn for of `demand`, and what others use of them besides.
    fn run(draw: &mut Draw, demand: f64, endpoints: &[(f64, f64)], rounds: usize) -> Vec<Vec<u16>> {
        let mut seen = Vec::new();
        for _ in 0..rounds {
            let parts: Vec<f64> = (0..endpoints.len()).map(|place| f64::from(draw.weight(place))).collect();
            let sum: f64 = parts.iter().sum();
            let seats: Vec<DrawCandidate> = endpoints
                .iter()
                .zip(parts)
                .map(|(&(capacity, besides), part)| seat(Some((besides + demand * part / sum, capacity))))
                .collect();
            draw.round(&seats);
            seen.push(weights(draw, endpoints.len()));
        }
        seen
    }

    #[test]
    fn all_are_equal_while_nothing_is_known() {
        let mut draw = Draw::default();
        assert!(!draw.round(&[seat(None); 3]));
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
            let seats: Vec<DrawCandidate> = used.iter().map(|&used| seat(Some((used, 100.0)))).collect();
            let mut draw = Draw::default();
            (0..5000).for_each(|_| _ = draw.round(&seats));
            let sum: f64 = (0..used.len()).map(|place| f64::from(draw.weight(place))).sum();
            for (place, expected) in expected.iter().enumerate() {
                let part = f64::from(draw.weight(place)) / sum;
                assert!((part - expected).abs() < 0.01, "{used:?}: {part} and not {expected}");
            }
            assert!((0..50).all(|_| !draw.round(&seats)), "{used:?}: it is there");
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
            draw.round(&[seat(Some((0.0, 100.0))), seat(Some((0.0, 300.0))), seat(None)]);
        }
        assert_eq!(weights(&draw, 3), [333, 1000, 667]);
    }

    #[test]
    fn without_reports_the_faster_are_drawn_more_often() {
        let responds = |seconds| DrawCandidate { is_open: true, load: None, response: Some(seconds) };
        let mut draw = Draw::default();
        let seats = [responds(0.019), responds(0.039), seat(None)];
        assert!(draw.round(&seats));
        while draw.round(&seats) {}
        for (found, expected) in weights(&draw, 3).into_iter().zip([1000, 500, 750_u16]) {
            assert!(found.abs_diff(expected) <= 75, "{:?}", weights(&draw, 3));
        }
        assert!(!draw.round(&[responds(0.0191), responds(0.0389), seat(None)]));
        let mut draw = Draw::default();
        assert!(!draw.round(&[responds(0.000_1), responds(0.000_13)]), "less than is noticeable");
    }

    #[test]
    fn what_is_closed_takes_no_part_and_begins_anew() {
        let closed = DrawCandidate { is_open: false, ..seat(Some((0.0, 100.0))) };
        let mut draw = Draw::default();
        draw.round(&[seat(Some((90.0, 100.0))), closed, seat(Some((50.0, 100.0)))]);
        let before = weights(&draw, 3);
        assert_eq!(before[2], FULL_WEIGHT);
        draw.round(&[seat(Some((90.0, 100.0))), seat(Some((0.0, 100.0))), seat(Some((50.0, 100.0)))]);
        assert!(draw.weight(1) > draw.weight(0));
    }
}
