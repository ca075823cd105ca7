//! The rows that are to be on disk, and which of them may not be there yet.
//!
//! All rows are in memory, so a broken file is created again from them. Only the keys of unwritten changes are kept: a
//! row that changes often is written once, with its latest value. The number of waiting changes is bounded: beyond
//! [`MOST_UNWRITTEN_BESIDE`] more than the rows, the file is created again.

use std::collections::{BTreeMap, BTreeSet};

use super::table::Change;

/// Rows by table and key.
pub(super) type Rows = BTreeMap<String, BTreeMap<Vec<u8>, Vec<u8>>>;

/// Removed rows also wait to be written. If unwritten changes exceed the number of rows by this number, the file is
/// created again instead.
const MOST_UNWRITTEN_BESIDE: usize = 4096;

/// All rows, and the changes that are not in the file.
#[derive(Debug)]
pub(super) struct Contents {
    rows: Rows,
    /// The table and key of each changed row; `None` if there are too many, and the file must be created again.
    unwritten: Option<BTreeSet<(String, Vec<u8>)>>,
}

impl Default for Contents {
    fn default() -> Self {
        Self { rows: Rows::new(), unwritten: Some(BTreeSet::new()) }
    }
}

impl Contents {
    pub(super) fn table(&self, name: &str) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.rows.get(name).into_iter().flatten().map(|(key, value)| (&key[..], &value[..]))
    }

    pub(super) fn row(&self, table: &str, key: &[u8]) -> Option<&[u8]> {
        self.rows.get(table)?.get(key).map(Vec::as_slice)
    }

    /// Applies changes. Those that change nothing are not written.
    pub(super) fn change(&mut self, changes: Vec<Change>) {
        for Change { table, key, value } in changes {
            let rows = self.rows.entry(table.clone()).or_default();
            let before = match &value {
                Some(value) => rows.insert(key.clone(), value.clone()),
                None => rows.remove(&key),
            };
            if let Some(keys) = &mut self.unwritten
                && before != value
            {
                keys.insert((table, key));
            }
        }
        let most = self.rows.values().map(BTreeMap::len).sum::<usize>() + MOST_UNWRITTEN_BESIDE;
        self.unwritten.take_if(|keys| keys.len() > most);
    }

    /// Replaces all rows. The file must be created again.
    pub(super) fn replace(&mut self, rows: Rows) {
        *self = Self { rows, unwritten: None };
    }

    /// Adds the rows of an earlier process. A row that already exists is newer and stays.
    pub(super) fn merge(&mut self, earlier: Rows) {
        for (table, rows) in earlier {
            let here = self.rows.entry(table).or_default();
            for (key, value) in rows {
                here.entry(key).or_insert(value);
            }
        }
    }

    pub(super) fn is_unwritten(&self) -> bool {
        self.unwritten.as_ref().is_none_or(|keys| !keys.is_empty())
    }

    /// Returns the changes since the last call, with their latest values; `None` if there are so many that the file
    /// must be created again.
    pub(super) fn take_changes(&mut self) -> Option<Vec<Change>> {
        let keys = self.unwritten.replace(BTreeSet::new())?;
        Some(keys.into_iter().map(|key| self.as_it_is(key)).collect())
    }

    pub(super) fn rows(&self) -> &Rows {
        &self.rows
    }

    fn as_it_is(&self, (table, key): (String, Vec<u8>)) -> Change {
        let value = self.row(&table, &key).map(ToOwned::to_owned);
        Change { table, key, value }
    }
}

/// Returns rows as octets: each table, key and value behind its length.
pub(super) fn pack(rows: &Rows) -> Vec<u8> {
    let mut octets = Vec::new();
    let mut put = |part: &[u8]| {
        octets.extend((part.len() as u64).to_le_bytes());
        octets.extend(part);
    };
    for (table, rows) in rows {
        for (key, value) in rows {
            [table.as_bytes(), key, value].into_iter().for_each(&mut put);
        }
    }
    octets
}

/// Returns the rows in such octets; `None` if the octets are something else.
pub(super) fn unpack(mut octets: &[u8]) -> Option<Rows> {
    fn take<'o>(octets: &mut &'o [u8]) -> Option<&'o [u8]> {
        let length = octets.split_off(..8)?.try_into().ok().map(u64::from_le_bytes)?;
        octets.split_off(..usize::try_from(length).ok()?)
    }
    let mut rows = Rows::new();
    while !octets.is_empty() {
        let table = std::str::from_utf8(take(&mut octets)?).ok()?;
        let (key, value) = (take(&mut octets)?, take(&mut octets)?);
        if !rows.contains_key(table) {
            rows.insert(table.to_owned(), BTreeMap::new());
        }
        rows.get_mut(table)?.insert(key.to_owned(), value.to_owned());
    }
    Some(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packed_rows_are_the_same_and_torn_ones_are_none() {
        let table = |key: &str| BTreeMap::from([(key.into(), b"1".to_vec()), (Vec::new(), Vec::new())]);
        let rows = Rows::from([("one".to_owned(), table("a")), ("two".to_owned(), table("b"))]);
        let packed = pack(&rows);
        assert_eq!(unpack(&packed), Some(rows));
        assert_eq!(unpack(&[]), Some(Rows::new()));
        let torn = (1..packed.len()).filter(|&length| unpack(&packed[..length]).is_some()).count();
        // Octets that end between two rows are valid.
        assert_eq!(torn, 3);
    }

    fn change(key: &str, value: Option<&str>) -> Change {
        Change { table: "t".to_owned(), key: key.into(), value: value.map(Into::into) }
    }

    #[test]
    fn what_changed_is_told_once_and_as_it_is_then() {
        let mut contents = Contents::default();
        contents.change(vec![change("a", Some("1")), change("b", Some("1"))]);
        assert_eq!(contents.take_changes(), Some(vec![change("a", Some("1")), change("b", Some("1"))]));
        assert!(!contents.is_unwritten());
        contents.change(vec![change("a", Some("1")), change("c", None)]);
        assert!(!contents.is_unwritten(), "nothing changed");
        contents.change(vec![change("b", Some("2")), change("a", None), change("b", Some("3"))]);
        assert_eq!(contents.take_changes(), Some(vec![change("a", None), change("b", Some("3"))]));
    }

    #[test]
    fn what_was_left_does_not_take_the_place_of_what_is_newer() {
        let mut contents = Contents::default();
        contents.change(vec![change("a", Some("new"))]);
        let left = BTreeMap::from([("a".into(), "old".into()), ("b".into(), "2".into())]);
        contents.merge(Rows::from([("t".to_owned(), left)]));
        assert_eq!(contents.row("t", b"a"), Some(&b"new"[..]));
        assert_eq!(contents.row("t", b"b"), Some(&b"2"[..]));
    }

    #[test]
    fn however_much_comes_and_goes_what_waits_is_bounded() {
        let mut contents = Contents::default();
        let mut waited = 0;
        for number in 0..10 * MOST_UNWRITTEN_BESIDE {
            let key = number.to_string();
            contents.change(vec![change(&key, Some("1")), change(&key, None)]);
            waited = waited.max(contents.unwritten.as_ref().map_or(0, BTreeSet::len));
        }
        assert_eq!(waited, MOST_UNWRITTEN_BESIDE);
        assert!(contents.is_unwritten());
        assert_eq!(contents.take_changes(), None);
        assert!(!contents.is_unwritten());
    }
}
