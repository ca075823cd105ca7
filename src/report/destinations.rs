//! Destinations of clients, and the moves between them.

use std::collections::BTreeMap;
use std::fmt;

use crate::snapshot::{Family, PoolId, Shares, Snapshot};

/// Shares that differ by less than this are equal; the difference is a rounding error.
const ROUNDING: f64 = 1e-12;

/// The families of clients that ask for IPv4 addresses and, if there are none, for IPv6 addresses.
pub(super) const EITHER: &[Family] = &[Family::V4, Family::V6];

/// The destination of a client: a datacenter, or a pool without a datacenter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Destination<'a> {
    Datacenter(&'a str),
    Pool(&'a str),
    /// The client gets no endpoint.
    Nowhere,
}

/// The share of clients for each destination; the sum is 1.
pub(super) type Placed<'a> = BTreeMap<Destination<'a>, f64>;

/// A share of clients that moves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Flow<'a> {
    pub(super) from: Destination<'a>,
    pub(super) to: Destination<'a>,
    pub(super) share: f64,
}

impl<'a> Destination<'a> {
    /// Returns the destination of a pool's clients.
    pub(super) fn of(snapshot: &'a Snapshot, pool: Option<PoolId>) -> Self {
        let Some(pool) = pool else { return Self::Nowhere };
        let world = snapshot.world();
        let pool = &world.pools[pool.index()];
        match pool.datacenter {
            Some(id) => Self::Datacenter(&world.datacenters[id.index()].name),
            None => Self::Pool(&pool.name),
        }
    }
}

/// Displays `fra`, or `pool:sorry` as in `--down`.
impl fmt::Display for Destination<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Datacenter(name) => f.write_str(name),
            Self::Pool(name) => write!(f, "pool:{name}"),
            Self::Nowhere => f.write_str("nowhere"),
        }
    }
}

/// Adds up the shares of pools by destination.
pub(super) fn placed<'a>(snapshot: &'a Snapshot, shares: &Shares) -> Placed<'a> {
    let mut placed = Placed::new();
    for (&pool, share) in &shares.by_pool {
        *placed.entry(Destination::of(snapshot, pool)).or_default() += share;
    }
    placed
}

/// Returns the moves from one distribution to the other. Their sum is the smallest possible one: half the sum of the
/// absolute differences. The clients that a destination loses go to all destinations that gain, in proportion to their
/// gains.
pub(super) fn flows<'a>(before: &Placed<'a>, after: &Placed<'a>) -> Vec<Flow<'a>> {
    let surplus = |more: &Placed<'a>, less: &Placed<'a>| -> Vec<(Destination<'a>, f64)> {
        let differences = more.iter().map(|(&place, share)| (place, share - less.get(&place).unwrap_or(&0.0)));
        differences.filter(|(_, difference)| *difference > ROUNDING).collect()
    };
    let (lost, gained) = (surplus(before, after), surplus(after, before));
    let sum: f64 = gained.iter().map(|(_, gain)| gain).sum();
    let from = |(from, loss): (Destination<'a>, f64)| {
        gained.clone().into_iter().map(move |(to, gain)| Flow { from, to, share: loss * (gain / sum) })
    };
    lost.into_iter().flat_map(from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRA: Destination<'_> = Destination::Datacenter("fra");
    const IAD: Destination<'_> = Destination::Datacenter("iad");
    const SIN: Destination<'_> = Destination::Datacenter("sin");

    fn told(before: &[(Destination<'static>, f64)], after: &[(Destination<'static>, f64)]) -> Vec<String> {
        let placed = |shares: &[(Destination<'static>, f64)]| shares.iter().copied().collect::<Placed<'_>>();
        let flows = flows(&placed(before), &placed(after));
        flows.iter().map(|Flow { from, to, share }| format!("{from} {to} {share:.3}")).collect()
    }

    #[test]
    fn what_one_place_loses_others_gain_in_proportion() {
        assert_eq!(told(&[(FRA, 1.0)], &[(IAD, 1.0)]), ["fra iad 1.000"]);
        assert_eq!(told(&[(FRA, 0.9), (IAD, 0.1)], &[(FRA, 0.5), (IAD, 0.5)]), ["fra iad 0.400"]);
        let spread = [(IAD, 0.5), (SIN, 0.3), (Destination::Nowhere, 0.2)];
        assert_eq!(told(&[(FRA, 0.5), (IAD, 0.5)], &spread), ["fra sin 0.300", "fra nowhere 0.200"]);
    }

    #[test]
    fn equal_shares_move_nothing() {
        assert_eq!(told(&[(FRA, 0.1 + 0.2), (IAD, 0.7)], &[(FRA, 0.3), (IAD, 0.7)]), [""; 0]);
        assert_eq!(told(&[(Destination::Pool("sorry"), 1.0)], &[(Destination::Pool("sorry"), 1.0)]), [""; 0]);
    }

    #[test]
    fn a_pool_of_a_datacenters_name_is_another_place() {
        assert_eq!(told(&[(FRA, 1.0)], &[(Destination::Pool("fra"), 1.0)]), ["fra pool:fra 1.000"]);
    }
}
