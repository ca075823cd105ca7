//! Rankings, and the compiled chains that they depend on.
//!
//! A name's pools fall into *candidate classes*: pools in one datacenter that the chain cannot distinguish are in one
//! class. A [`Ranking`] is a weak order of classes: tiers, best first, each of them a set. It does not depend on
//! health, so it changes only when the world does.
//!
//! A [`CompiledChain`] is a chain prepared for one set of classes. It refines: at first all classes are one tier, and
//! each step splits every tier that the steps before it left. This gives the lexicographic order of the steps. Names
//! with equal compiled chains rank all clients equally, so they share one map.

use std::borrow::Borrow;
use std::sync::Arc;

use crate::geo::{Coordinates, DatacenterId, RegionId, Regions};
use crate::latency::{Rtt, Tolerance};

/// A set of up to 64 candidate classes, or of a name's pools: bit `n` is the `n`th.
pub type Set = u64;

/// The members of a set, in ascending order.
pub fn members(set: Set) -> impl Iterator<Item = usize> + Clone {
    let mut rest = set;
    std::iter::from_fn(move || {
        let lowest = (rest != 0).then(|| rest.trailing_zeros() as usize)?;
        rest &= rest - 1;
        Some(lowest)
    })
}

/// A weak order of candidate classes, best first. Classes that the client must never be sent to are absent.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Ranking {
    tiers: Box<[Set]>,
}

impl Ranking {
    /// The tiers: disjoint sets that are not empty. If the chain has the step `load`, an empty set marks the end of
    /// each group of tiers that the steps before `load` leave tied.
    pub fn tiers(&self) -> &[Set] {
        &self.tiers
    }

    pub(super) fn of(tiers: &[Set]) -> Self {
        Self { tiers: tiers.into() }
    }

    /// Returns the home tiers of these clients, and the tiers after them. Home is the first group of tiers that the
    /// steps before `load` leave tied, and in which any tier `counts`. A chain without `load` has no home tiers.
    #[inline]
    pub fn by_home(&self, counts: impl Fn(Set) -> bool) -> (&[Set], &[Set]) {
        let mut rest = &*self.tiers;
        // With that step the last tier ends a group.
        if rest.last() != Some(&TIE_ENDS) {
            return (&[], rest);
        }
        while let Some(end) = rest.iter().position(|&tier| tier == TIE_ENDS) {
            let (home, behind) = (&rest[..end], &rest[end + 1..]);
            if home.iter().any(|&tier| counts(tier)) {
                return (home, behind);
            }
            rest = behind;
        }
        (&[], &self.tiers)
    }
}

/// Marks the end of tiers that the steps before `load` leave tied.
const TIE_ENDS: Set = 0;

/// Rankings can be looked up by their tiers: both have the same hash.
impl Borrow<[Set]> for Ranking {
    fn borrow(&self) -> &[Set] {
        &self.tiers
    }
}

/// The facts about a client that rankings depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Client<'a> {
    /// Its region, or [`RegionId::NOWHERE`].
    pub region: RegionId,
    /// Its coordinates, if a step needs them.
    pub coordinates: Option<Coordinates>,
    /// Its round trip times by datacenter, if a step needs them; otherwise empty.
    pub rtts: &'a [Rtt],
}

/// One step of a chain, prepared for a set of candidate classes. Steps that draw are not among them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum CompiledStep {
    /// The tiers of each region, by [`RegionId`].
    Region(Arc<Regions>, Box<[RegionTiers]>),
    /// The datacenter of each class (`None` ranks after all others), and the tolerance within which classes are tied.
    Latency(Box<[Option<DatacenterId>]>, Tolerance),
    /// The coordinates of each class; `None` for a class without a datacenter, which ranks after all others.
    Distance(Box<[Option<Coordinates>]>),
    /// Tiers that are the same for every client.
    Failover(Box<[Set]>),
    /// Ranks by loads at the time of the query, so it splits no tier here. The steps before it determine a client's
    /// home pools.
    Load,
}

/// A region's tiers, as sets of candidate classes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RegionTiers {
    /// Best first.
    pub tiers: Box<[Set]>,
    /// True if classes in none of the tiers are excluded; otherwise they are the last tier.
    pub only: bool,
}

/// Everything that a ranking depends on, apart from the client.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CompiledChain {
    classes: u8,
    steps: Box<[CompiledStep]>,
}

impl CompiledChain {
    /// A chain over classes `0..classes`, at most 64. Steps after one that leaves no ties for any client have no
    /// effect, and are left out.
    pub fn new(classes: u8, steps: Vec<CompiledStep>) -> Self {
        let mut kept = Vec::new();
        let mut settled = false;
        for step in steps {
            // `load` has an effect even on a single pool in the first tier: it may have too many clients.
            if !settled || step == CompiledStep::Load {
                settled |= step.settles(classes);
                kept.push(step);
            }
        }
        Self { classes, steps: kept.into() }
    }

    /// The regions that the chain uses, if it does.
    pub fn regions(&self) -> Option<&Arc<Regions>> {
        self.steps.iter().find_map(|step| match step {
            CompiledStep::Region(regions, _) => Some(regions),
            CompiledStep::Latency(..) | CompiledStep::Distance(_) | CompiledStep::Failover(_) | CompiledStep::Load => {
                None
            }
        })
    }

    /// True if the chain uses distances.
    pub fn measures_distance(&self) -> bool {
        self.steps.iter().any(|step| matches!(step, CompiledStep::Distance(_)))
    }

    /// True if the chain uses round trip times.
    pub fn measures_latency(&self) -> bool {
        self.steps.iter().any(|step| matches!(step, CompiledStep::Latency(..)))
    }

    /// The steps that have an effect, in order.
    pub fn steps(&self) -> &[CompiledStep] {
        &self.steps
    }

    /// The ranking for a client.
    pub fn rank(&self, client: &Client<'_>) -> Ranking {
        let mut tiers = Vec::new();
        self.rank_into(client, &mut tiers, &mut Vec::new());
        Ranking { tiers: tiers.into() }
    }

    /// The same as tiers, written to `tiers`; `spare` is scratch space.
    pub(super) fn rank_into(&self, client: &Client<'_>, tiers: &mut Vec<Set>, spare: &mut Vec<Set>) {
        tiers.clear();
        tiers.push(if self.classes == 64 { Set::MAX } else { (1 << self.classes) - 1 });
        let mut ties = None;
        for step in &self.steps {
            if *step == CompiledStep::Load && ties.is_none() {
                ties = Some(tiers.clone());
            }
            spare.clear();
            for &tier in &*tiers {
                step.split(tier, client, spare);
            }
            std::mem::swap(tiers, spare);
        }
        let Some(ties) = ties else { return };
        std::mem::swap(tiers, spare);
        tiers.clear();
        let mut rest = &**spare;
        for tie in ties {
            let (tied, behind) = rest.split_at(rest.iter().take_while(|&tier| tier & tie != 0).count());
            tiers.extend_from_slice(tied);
            tiers.push(TIE_ENDS);
            rest = behind;
        }
    }
}

impl CompiledStep {
    /// Splits one tier of the steps before, and appends the resulting tiers to `tiers`.
    pub fn split(&self, tier: Set, client: &Client<'_>, tiers: &mut Vec<Set>) {
        match self {
            Self::Region(_, regions) => match regions.get(client.region.index()) {
                Some(region) => split_by(tier, &region.tiers, region.only, tiers),
                None => tiers.push(tier),
            },
            Self::Latency(places, tolerance) => split_by_latency(tier, places, *tolerance, client.rtts, tiers),
            Self::Distance(places) => match client.coordinates {
                Some(here) => split_by_distance(tier, places, here, tiers),
                None => tiers.push(tier),
            },
            Self::Failover(order) => split_by(tier, order, false, tiers),
            Self::Load => tiers.push(tier),
        }
    }

    /// True if this step leaves no ties for any client.
    fn settles(&self, classes: u8) -> bool {
        match self {
            Self::Failover(tiers) => tiers.len() == usize::from(classes),
            Self::Region(..) | Self::Latency(..) | Self::Distance(_) | Self::Load => false,
        }
    }
}

fn split_by(tier: Set, order: &[Set], only: bool, tiers: &mut Vec<Set>) {
    let listed = order.iter().map(|set| tier & set);
    let rest = if only { 0 } else { order.iter().fold(tier, |rest, set| rest & !set) };
    tiers.extend(listed.chain([rest]).filter(|&set| set != 0));
}

/// Groups classes from the lowest round trip time up: all within the tolerance of a group's lowest are tied.
fn split_by_latency(
    tier: Set,
    places: &[Option<DatacenterId>],
    tolerance: Tolerance,
    rtts: &[Rtt],
    tiers: &mut Vec<Set>,
) {
    let rtt = |class: usize| places[class].and_then(|place| rtts.get(place.index()));
    let mut rest = tier;
    while let Some(lowest) = members(rest).filter_map(rtt).min() {
        let limit = tolerance.limit(*lowest);
        let as_good = members(rest).filter(|&class| rtt(class).is_some_and(|rtt| *rtt <= limit));
        let group = as_good.fold(0, |set, class| set | 1 << class);
        tiers.push(group);
        rest &= !group;
    }
    tiers.extend((rest != 0).then_some(rest));
}

fn split_by_distance(tier: Set, places: &[Option<Coordinates>], here: Coordinates, tiers: &mut Vec<Set>) {
    /// Farther than any two points on Earth, in metres.
    const NOWHERE: u64 = u64::MAX;
    let metres = |place: Coordinates| (here.distance_km(place) * 1000.0).round() as u64;
    let mut classes: Vec<(u64, usize)> =
        members(tier).map(|class| (places[class].map_or(NOWHERE, metres), class)).collect();
    classes.sort_unstable();
    let tied = classes.chunk_by(|nearer, farther| nearer.0 == farther.0);
    tiers.extend(tied.map(|tied| tied.iter().fold(0, |set: Set, (_, class)| set | 1 << class)));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nowhere() -> Client<'static> {
        Client { region: RegionId::NOWHERE, coordinates: None, rtts: &[] }
    }

    fn at(latitude: f64, longitude: f64) -> Client<'static> {
        Client { coordinates: Coordinates::try_new(latitude, longitude), ..nowhere() }
    }

    fn places() -> CompiledStep {
        let frankfurt = Coordinates::try_new(50.11, 8.68);
        let ashburn = Coordinates::try_new(38.95, -77.45);
        let suva = Coordinates::try_new(-18.1, 178.4);
        CompiledStep::Distance([frankfurt, ashburn, suva, None].into())
    }

    #[test]
    fn nearer_is_better_and_pools_without_a_place_are_last() {
        let compiled_chain = CompiledChain::new(4, vec![places()]);
        assert_eq!(compiled_chain.rank(&at(48.9, 2.3)).tiers(), [0b0001, 0b0010, 0b0100, 0b1000]);
        // Samoa is across the antimeridian from Fiji.
        assert_eq!(compiled_chain.rank(&at(-13.8, -172.0)).tiers()[0], 0b0100);
    }

    #[test]
    fn a_step_that_knows_nothing_of_the_client_ties_all() {
        assert_eq!(CompiledChain::new(4, vec![places()]).rank(&nowhere()).tiers(), [0b1111]);
    }

    #[test]
    fn later_steps_only_break_ties() {
        let failover = CompiledStep::Failover([0b1100, 0b0011].into());
        let compiled_chain = CompiledChain::new(4, vec![failover, places()]);
        assert_eq!(compiled_chain.rank(&at(48.9, 2.3)).tiers(), [0b0100, 0b1000, 0b0001, 0b0010]);
    }

    #[test]
    fn a_step_behind_one_that_leaves_no_ties_is_left_out() {
        let failover = CompiledStep::Failover([0b10, 0b01].into());
        let compiled_chain = CompiledChain::new(2, vec![failover, CompiledStep::Distance([None, None].into())]);
        assert!(!compiled_chain.measures_distance());
    }

    #[test]
    fn steps_before_load_say_whose_clients_are_whose() {
        let failover = CompiledStep::Failover([0b1100, 0b0011].into());
        let home = |steps: &[&CompiledStep]| {
            let compiled_chain = CompiledChain::new(4, steps.iter().copied().cloned().collect());
            let ranking = compiled_chain.rank(&at(48.9, 2.3));
            let (home, rest) = ranking.by_home(|_| true);
            let sets = |tiers: &[Set]| tiers.iter().copied().filter(|&tier| tier != 0).collect::<Vec<_>>();
            (sets(home), sets(rest))
        };
        let (load, distance) = (CompiledStep::Load, places());
        assert_eq!(home(&[&failover, &load]), (vec![0b1100], vec![0b0011]));
        assert_eq!(home(&[&failover, &load, &distance]), (vec![0b0100, 0b1000], vec![0b0001, 0b0010]));
        assert_eq!(home(&[&load, &failover]), (vec![0b1100, 0b0011], vec![]));
        assert_eq!(home(&[&failover]), (vec![], vec![0b1100, 0b0011]));
        let settled = CompiledStep::Failover([0b1, 0b10, 0b100, 0b1000].into());
        assert_eq!(home(&[&settled, &load]).0, [0b1]);
        let compiled_chain = CompiledChain::new(4, vec![settled, load]);
        let ranking = compiled_chain.rank(&nowhere());
        assert_eq!(ranking.by_home(|tier| tier > 0b10).0, [0b100], "the first group with a tier that counts");
        assert_eq!(ranking.by_home(|_| false).0, [0; 0]);
    }

    #[test]
    fn unlisted_slots_are_the_last_tier_or_out() {
        let split = |tier, order: &[Set], only| {
            let mut tiers = Vec::new();
            split_by(tier, order, only, &mut tiers);
            tiers
        };
        assert_eq!(split(0b1111, &[0b0010, 0b0001], false), [0b0010, 0b0001, 0b1100]);
        assert_eq!(split(0b1111, &[0b0010, 0b0001], true), [0b0010, 0b0001]);
        assert_eq!(split(0b1000, &[0b0010], true), Vec::<Set>::new());
    }

    fn by_latency(tolerance: Tolerance, ms: &[f64]) -> Vec<Set> {
        let rtts: Vec<Rtt> = ms.iter().map(|&ms| if ms.is_nan() { Rtt::UNKNOWN } else { Rtt::from_ms(ms) }).collect();
        let places = (0..4).map(DatacenterId::from_index).map(Some).chain([None]).collect();
        let compiled_chain = CompiledChain::new(5, vec![CompiledStep::Latency(places, tolerance)]);
        compiled_chain.rank(&Client { rtts: &rtts, ..nowhere() }).tiers().to_vec()
    }

    #[test]
    fn what_is_as_good_as_a_groups_lowest_is_one_tie() {
        let tolerance = Tolerance::default();
        assert_eq!(by_latency(tolerance, &[100.0, 30.0, 34.9, 115.0]), [0b00110, 0b01001, 0b10000]);
        // Counted from the lowest, not from neighbour to neighbour.
        assert_eq!(by_latency(tolerance, &[20.0, 24.0, 28.0, 32.0]), [0b00011, 0b01100, 0b10000]);
        let none = Tolerance::try_new(0, 0).unwrap();
        assert_eq!(by_latency(none, &[20.0, 20.0, 20.1, 19.9]), [0b01000, 0b00011, 0b00100, 0b10000]);
    }

    #[test]
    fn places_of_which_nothing_is_known_tie_and_pools_without_a_place_are_last() {
        assert_eq!(by_latency(Tolerance::default(), &[f64::NAN; 4]), [0b01111, 0b10000]);
        assert_eq!(by_latency(Tolerance::default(), &[]), [0b11111], "nothing is known of the client");
    }
}
