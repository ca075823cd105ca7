//! Lists the members that answers can hold, so that they can be signed before anybody asks.
//!
//! The order of addresses does not matter to their signature. So a rotation has as many sets as turns if an answer holds some of
//! the members, and one if it holds all; a draw of some members has as many as there are ways to choose them. The hints of an
//! HTTPS record are signed in their order.
//!
//! Members that keep only a share of their clients are left out of some answers at random. Such answers are not listed.

use arrayvec::ArrayVec;

use super::{Candidates, Chosen, Run};
use crate::snapshot::{Kind, Lists, Member};
use crate::steering::{DrawPath, MAX_ANSWERS, Pick, Set, first_outcomes};

/// Maximum number of members that something can be drawn from here: a [`Set`] has as many bits.
const MAX_DRAWN: usize = Set::BITS as usize;

/// Members of an answer.
pub(in super::super) type Listed<'s, T> = Vec<&'s Member<T>>;

/// The hints of an HTTPS record.
pub(in super::super) type Hints<'s> = (Listed<'s, [u8; 4]>, Listed<'s, [u8; 16]>);

impl<'s> Chosen<'s> {
    /// Returns the sets of members of this kind that answers can hold. If there are more than `most`, returns none: then no
    /// single one is likely.
    pub(in super::super) fn every<T: Clone + PartialEq>(
        &self,
        lists: impl Fn(&'s Kind) -> Option<&'s Lists<T>>,
        most: usize,
    ) -> Vec<Listed<'s, T>> {
        all(most, |lots| self.drawn(&lists, lots)?.set(lots))
    }

    /// Returns the hints that HTTPS records can hold, in their order, if these pools answer for IPv4 and IPv6. If there are more
    /// than `most`, returns none.
    pub(in super::super) fn every_hint(v4: Option<&Self>, v6: Option<&Self>, most: usize) -> Vec<Hints<'s>> {
        all(most, |lots| {
            let v4 = v4.map(|chosen| chosen.drawn(&Kind::v4, lots));
            let v6 = v6.map(|chosen| chosen.drawn(&Kind::v6, lots));
            let (v4, v6) = (v4.unwrap_or(Some(Candidates::NONE))?, v6.unwrap_or(Some(Candidates::NONE))?);
            // Both families have the same turn.
            let (a, b) = (v4.turns(), v6.turns());
            let turns = a / common_divisor(a, b) * b;
            let turn = if turns > 1 { lots.draw(below(turns)?, &[1; MAX_DRAWN]) } else { 0 };
            Some((v4.in_order(turn, lots)?, v6.in_order(turn, lots)?))
        })
    }

    /// Lists the candidates after the draws of pools that give one member each. `None` if there are too many to draw from.
    fn drawn<T: Clone + PartialEq>(
        &self,
        lists: &impl Fn(&'s Kind) -> Option<&'s Lists<T>>,
        lots: &mut DrawPath,
    ) -> Option<Candidates<'s, T>> {
        if self.more == 0 {
            return Some(Candidates::of_one(self, None, lists));
        }
        let mut is_drawn = true;
        let candidates = Candidates::gather(self, None, lists, |run| {
            let members = draw(run.members, lots);
            is_drawn &= members.is_some();
            Run { members: members.unwrap_or_default(), is_degraded: false }
        });
        is_drawn.then_some(candidates)
    }
}

impl<'s, T: Clone + PartialEq> Candidates<'s, T> {
    const NONE: Self =
        Self { key: None, pick: Pick::Rotate, answers: 0, first: Run::EMPTY, more: ArrayVec::new_const(), count: 0 };

    /// Returns the members that an answer can hold at all, and the number of those that it holds.
    fn eligible(&self) -> (Listed<'s, T>, usize) {
        let all: Listed<'s, T> = (0..self.count).map(|place| self.get(place)).collect();
        let weighs = |member: &&Member<T>| member.weight_for(self.pick) > 0;
        let goes_by_weight = matches!(self.pick, Pick::Weighted | Pick::Sticky | Pick::LeastLoad);
        // Those of weight 0 are drawn only if there are no others.
        let members =
            if goes_by_weight && all.iter().any(weighs) { all.into_iter().filter(weighs).collect() } else { all };
        let wanted = members.len().min(self.answers.into()).min(MAX_ANSWERS);
        (members, wanted)
    }

    /// Returns the number of turns after which a rotation begins again.
    fn turns(&self) -> usize {
        if self.pick == Pick::Rotate { self.count.max(1) } else { 1 }
    }

    /// Returns the set that an answer holds after these draws; `None` if there are too many members to draw from.
    fn set(&self, lots: &mut DrawPath) -> Option<Listed<'s, T>> {
        let (all, wanted) = self.eligible();
        if all.len() == wanted {
            return Some(all);
        }
        if self.pick == Pick::Rotate {
            let turn = lots.draw(below(all.len())?, &[1; MAX_DRAWN]);
            return Some(all.iter().cycle().skip(turn).take(wanted).copied().collect());
        }
        // In ascending order, so that each set is drawn once.
        let mut set = Vec::new();
        let mut next = 0;
        while set.len() < wanted {
            let last = all.len() - (wanted - set.len());
            let place = lots.draw(below(last + 1)? & !below(next)?, &[1; MAX_DRAWN]);
            set.push(all[place]);
            next = place + 1;
        }
        Some(set)
    }

    /// Returns the members of an answer at this turn and after these draws, in order; `None` if there are too many members to
    /// draw from.
    fn in_order(&self, turn: usize, lots: &mut DrawPath) -> Option<Listed<'s, T>> {
        let (all, wanted) = self.eligible();
        if self.pick == Pick::Rotate {
            return Some(all.iter().cycle().skip(turn).take(wanted).copied().collect());
        }
        let mut left = below(all.len())?;
        let mut drawn = Vec::new();
        while drawn.len() < wanted {
            let place = lots.draw(left, &[1; MAX_DRAWN]);
            left &= !(1 << place);
            drawn.push(all[place]);
        }
        Some(drawn)
    }
}

/// Returns all results of `list`, which must draw by the given lots only. Returns none if there are more than `most`, or if one
/// of them is `None`.
fn all<R>(most: usize, mut list: impl FnMut(&mut DrawPath) -> Option<R>) -> Vec<R> {
    let results = first_outcomes(most + 1, &mut list);
    if results.len() > most { Vec::new() } else { results.into_iter().collect::<Option<_>>().unwrap_or_default() }
}

/// Draws one of the members by weight, if there are any. Returns `None` if there are too many.
fn draw<'s, T>(members: &'s [Member<T>], lots: &mut DrawPath) -> Option<&'s [Member<T>]> {
    if members.is_empty() {
        return Some(members);
    }
    let weights: Vec<u32> = members.iter().map(|member| member.weight_for(Pick::Weighted).into()).collect();
    let place = lots.draw(below(members.len())?, &weights);
    Some(&members[place..=place])
}

/// Returns the set of the first `count` positions; `None` if there are more than a set can hold.
fn below(count: usize) -> Option<Set> {
    match count {
        MAX_DRAWN => Some(Set::MAX),
        _ => (count < MAX_DRAWN).then(|| (1 << count) - 1),
    }
}

fn common_divisor(a: usize, b: usize) -> usize {
    if b == 0 { a } else { common_divisor(b, a % b) }
}
