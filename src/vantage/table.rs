//! Everything that one vantage point sees, with a digest by which two nodes find out whether they know the same.

use std::collections::BTreeMap;
use std::hash::Hasher;
use std::ops::Bound::{Excluded, Unbounded};
use std::time::Duration;

use siphasher::sip::SipHasher24;

use crate::health::{Opinion, Share, Target};

/// The key of the digest's hash. It need not be secret: it finds losses, not forgeries.
const KEY: &[u8; 16] = b"truenorth digest";

/// Up to this part of a table's rows is looked up one by one.
const LOOKED_UP: usize = 16;

/// The question and the endpoint: [`Target::question_fingerprint`]. It is the same on every node whose files ask the
/// same, wherever they list it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct QuestionId(pub u128);

impl From<&Target> for QuestionId {
    fn from(target: &Target) -> Self {
        Self(target.question_fingerprint())
    }
}

/// The observation of one endpoint by a vantage point. Times are on the clock of the node that holds the row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// The state that its probes confirmed, by its own `rise` and `fall`.
    pub opinion: Opinion,
    /// When it came to this opinion.
    pub turned: Duration,
    /// When its last probe ended.
    pub seen: Duration,
    /// How long its last successful probe took; `None` if there was none.
    pub took: Option<Duration>,
}

/// Number of rows, and the sum of the hashes of their questions and opinions. Tables with equal digests hold the same
/// opinions; times do not belong to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Digest {
    /// Number of rows.
    pub count: u32,
    /// Sum of their hashes, modulo 2^64.
    pub sum: u64,
}

/// The rows of one vantage point.
#[derive(Clone, Debug, Default)]
pub struct Table {
    rows: BTreeMap<QuestionId, Row>,
    sum: u64,
    down: usize,
}

impl Table {
    /// The row for a question.
    pub fn get(&self, id: QuestionId) -> Option<&Row> {
        self.rows.get(&id)
    }

    /// Sets a row. Returns true if the opinion is new.
    pub fn put(&mut self, id: QuestionId, row: Row) -> bool {
        let before = self.rows.insert(id, row);
        if before.is_some_and(|before| before.opinion == row.opinion) {
            return false;
        }
        if let Some(before) = before {
            self.discount(id, before.opinion);
        }
        self.sum = self.sum.wrapping_add(hash(id, row.opinion));
        self.down += usize::from(row.opinion.is_none());
        true
    }

    /// Removes a row. Returns true if there was one.
    pub fn remove(&mut self, id: QuestionId) -> bool {
        let before = self.rows.remove(&id);
        if let Some(before) = before {
            self.discount(id, before.opinion);
        }
        before.is_some()
    }

    fn discount(&mut self, id: QuestionId, opinion: Opinion) {
        self.sum = self.sum.wrapping_sub(hash(id, opinion));
        self.down -= usize::from(opinion.is_none());
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// True if there are no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// True if there are rows, and all of them say down.
    pub fn is_all_down(&self) -> bool {
        self.down == self.rows.len() && !self.rows.is_empty()
    }

    /// Number of rows that say down.
    pub fn down(&self) -> usize {
        self.down
    }

    /// The digest of all rows.
    pub fn digest(&self) -> Digest {
        Digest { count: u32::try_from(self.rows.len()).unwrap_or(u32::MAX), sum: self.sum }
    }

    /// The questions on which two tables have different opinions, or only one has any.
    pub fn differences(&self, other: &Self) -> Vec<QuestionId> {
        let opinion = |table: &Self, id| table.get(id).map(|row| row.opinion);
        let here = self.iter().map(|(id, _)| id).filter(|&id| opinion(self, id) != opinion(other, id));
        let only_there = other.iter().map(|(id, _)| id).filter(|&id| self.get(id).is_none());
        here.chain(only_there).collect()
    }

    /// All rows, by question.
    pub fn iter(&self) -> impl Iterator<Item = (QuestionId, &Row)> {
        self.rows.iter().map(|(&id, row)| (id, row))
    }

    /// Calls `visit` with the position and the opinion of each of these questions that has a row. The questions are in
    /// ascending order. For many of them the table is read once from end to end, which is much faster than to look each up.
    pub fn each_of(&self, ids: &[QuestionId], mut visit: impl FnMut(usize, Opinion)) {
        if ids.len() < self.rows.len() / LOOKED_UP {
            for (place, id) in ids.iter().enumerate() {
                if let Some(row) = self.rows.get(id) {
                    visit(place, row.opinion);
                }
            }
            return;
        }
        let mut asked = ids.iter().enumerate().peekable();
        for (id, row) in &self.rows {
            while asked.next_if(|(_, asked)| *asked < id).is_some() {}
            if let Some((place, _)) = asked.next_if(|(_, asked)| *asked == id) {
                visit(place, row.opinion);
            }
        }
    }

    /// Up to `count` rows after this one, or from the first one on.
    pub fn page(&self, after: Option<QuestionId>, count: usize) -> impl Iterator<Item = (QuestionId, &Row)> {
        let from = after.map_or(Unbounded, Excluded);
        self.rows.range((from, Unbounded)).take(count).map(|(&id, row)| (id, row))
    }
}

fn hash(id: QuestionId, opinion: Opinion) -> u64 {
    let mut hasher = SipHasher24::new_with_key(KEY);
    hasher.write(&id.0.to_be_bytes());
    // No share is as large as the number that stands for down.
    hasher.write(&opinion.map_or(u16::MAX, Share::thousandths).to_be_bytes());
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    const UP: Opinion = Some(Share::FULL);

    fn row(opinion: Opinion) -> Row {
        Row { opinion, turned: Duration::ZERO, seen: Duration::ZERO, took: None }
    }

    fn table(rows: &[(u128, Opinion)]) -> Table {
        let mut table = Table::default();
        for &(id, opinion) in rows {
            table.put(QuestionId(id), row(opinion));
        }
        table
    }

    #[test]
    fn the_digest_is_of_opinions_and_does_not_depend_on_how_they_came() {
        let mut one = table(&[(1, UP), (2, None), (3, UP)]);
        let other = table(&[(3, UP), (2, UP), (1, UP), (2, None)]);
        assert_eq!(one.digest(), other.digest());
        let later = Row { seen: Duration::from_secs(9), took: Some(Duration::from_millis(3)), ..row(UP) };
        assert!(!one.put(QuestionId(1), later), "the opinion is the same");
        assert_eq!(one.digest(), other.digest());
        assert!(one.put(QuestionId(1), row(None)));
        assert_ne!(one.digest(), other.digest());
        assert_ne!(table(&[(1, UP)]).digest(), table(&[(2, UP)]).digest());
        assert_ne!(table(&[(1, Some(Share::NONE))]).digest(), table(&[(1, None)]).digest());
    }

    #[test]
    fn the_hash_is_the_same_in_every_version() {
        assert_eq!(table(&[(1, UP), (2, None)]).digest(), Digest { count: 2, sum: GOLDEN });
    }

    /// It must never change: nodes of two versions would ask each other for everything all the time.
    const GOLDEN: u64 = 0xc69b_4b6a_e639_7c23;

    #[test]
    fn differences_are_of_opinions() {
        let one = table(&[(1, UP), (2, UP), (3, UP)]);
        let other = table(&[(1, UP), (2, None), (4, UP)]);
        assert_eq!(one.differences(&other), [2, 3, 4].map(QuestionId));
        assert_eq!(other.differences(&one), [2, 4, 3].map(QuestionId));
        assert!(one.differences(&one.clone()).is_empty());
    }

    #[test]
    fn few_and_many_questions_have_the_same_opinions() {
        let rows: Vec<(u128, Opinion)> = (0..100).map(|id| (id * 3, if id % 4 == 0 { None } else { UP })).collect();
        let table = table(&rows);
        let all: Vec<QuestionId> = (0..310).map(QuestionId).collect();
        let found = |ids: &[QuestionId]| {
            let mut found = Vec::new();
            table.each_of(ids, |place, opinion| found.push((ids[place], opinion)));
            found
        };
        let expected: Vec<_> = rows.iter().map(|&(id, opinion)| (QuestionId(id), opinion)).collect();
        assert_eq!(found(&all), expected);
        let few: Vec<_> = all.chunks(5).flat_map(found).collect();
        assert_eq!(few, expected);
    }

    #[test]
    fn rows_are_counted_and_paged() {
        let mut table = table(&[(1, None), (2, None), (5, UP)]);
        assert!(!table.is_all_down() && table.down() == 2);
        assert!(table.remove(QuestionId(5)) && !table.remove(QuestionId(5)));
        assert!(table.is_all_down());
        let ids = |after, count| table.page(after, count).map(|(id, _)| id.0).collect::<Vec<_>>();
        assert_eq!((ids(None, 1), ids(Some(QuestionId(1)), 5)), (vec![1], vec![2]));
        assert!(table.remove(QuestionId(1)) && table.remove(QuestionId(2)));
        assert!(!table.is_all_down() && table.is_empty() && table.digest() == Digest::default());
    }
}
