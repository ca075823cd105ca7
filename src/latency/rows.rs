//! Measures in the order of their keys, in chunks that copies share.
//!
//! A copy is a list of pointers. A chunk is copied when it is written while another copy holds it. A table of millions
//! of measures can therefore be handed to another thread in microseconds, and still be fed. The order allows one sweep
//! over the address space. The measures are packed because there are millions: a measure of an IPv4 network takes 16
//! octets.

use std::sync::Arc;

use super::measure::Measure;
use crate::geo::DatacenterId;

/// Maximum number of measures in a chunk. Copying one takes well below a microsecond.
const MAX_CHUNK: usize = 512;

/// Measures in rows; a row is all measures with one key.
#[derive(Clone, Debug)]
pub(super) struct Rows<K> {
    /// No chunk is empty. Each is sorted by key and datacenter, and sorts before the next one.
    chunks: Vec<Arc<Vec<Cell<K>>>>,
    count: usize,
}

/// One measure of a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Cell<K> {
    pub(super) key: K,
    pub(super) measure: Measure,
}

impl<K: Copy + Ord> Cell<K> {
    fn position(&self) -> (K, DatacenterId) {
        (self.key, self.measure.place)
    }
}

impl<K> Default for Rows<K> {
    fn default() -> Self {
        Self { chunks: Vec::new(), count: 0 }
    }
}

impl<K: Copy + Ord> Rows<K> {
    /// The number of measures.
    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// All measures, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Cell<K>> {
        self.chunks.iter().flat_map(|chunk| chunk.iter())
    }

    /// The measures of one row, by datacenter.
    pub(super) fn row(&self, key: K) -> impl Iterator<Item = &Measure> {
        let first = self.chunks.partition_point(|chunk| chunk.last().is_some_and(|cell| cell.key < key));
        let cells = self.chunks[first..].iter().flat_map(move |chunk| {
            let from = chunk.partition_point(|cell| cell.key < key);
            &chunk[from..]
        });
        cells.take_while(move |cell| cell.key == key).map(|cell| &cell.measure)
    }

    /// Changes the measure of a row for a datacenter, or adds a new measure. Returns what `change` returns.
    pub(super) fn update<T>(
        &mut self,
        key: K,
        place: DatacenterId,
        new: impl FnOnce() -> Measure,
        change: impl FnOnce(&mut Measure) -> T,
    ) -> T {
        let position = (key, place);
        let behind = self.chunks.partition_point(|chunk| chunk.first().is_some_and(|cell| cell.position() <= position));
        let chunk = behind.saturating_sub(1);
        let found = self.chunks.get(chunk).map(|cells| cells.binary_search_by_key(&position, Cell::position));
        if let Some(Ok(at)) = found {
            return change(&mut Arc::make_mut(&mut self.chunks[chunk])[at].measure);
        }
        let mut measure = new();
        let result = change(&mut measure);
        let cells = self.with_room(chunk, position);
        let at = cells.partition_point(|cell| cell.position() < position);
        cells.insert(at, Cell { key, measure });
        self.count += 1;
        result
    }

    /// This chunk if it has space for one more measure at this position, otherwise a new chunk after it.
    fn with_room(&mut self, chunk: usize, position: (K, DatacenterId)) -> &mut Vec<Cell<K>> {
        let is_last = chunk + 1 >= self.chunks.len();
        let mut chosen = chunk;
        match self.chunks.get_mut(chunk) {
            None => self.chunks.push(Arc::default()),
            Some(full) if full.len() == MAX_CHUNK => {
                // Rows that come in order fill whole chunks.
                let is_behind_all = is_last && full.last().is_some_and(|cell| cell.position() < position);
                let at = if is_behind_all { MAX_CHUNK } else { MAX_CHUNK / 2 };
                let upper = Arc::make_mut(full).split_off(at);
                let is_upper = upper.first().is_none_or(|cell| cell.position() <= position);
                self.chunks.insert(chunk + 1, Arc::new(upper));
                chosen += usize::from(is_upper);
            }
            Some(_) => {}
        }
        Arc::make_mut(&mut self.chunks[chosen])
    }

    /// Replaces each measure by the result of `change`, or removes it if that is `None`. Chunks without changes stay
    /// shared.
    pub(super) fn edit(&mut self, mut change: impl FnMut(&Cell<K>) -> Option<Measure>) {
        for chunk in &mut self.chunks {
            let mut edited: Option<Vec<Cell<K>>> = None;
            for (at, cell) in chunk.iter().enumerate() {
                let measure = change(cell);
                if edited.is_none() && measure == Some(cell.measure) {
                    continue;
                }
                let edited = edited.get_or_insert_with(|| chunk[..at].to_vec());
                edited.extend(measure.map(|measure| Cell { measure, ..*cell }));
            }
            if let Some(edited) = edited {
                *chunk = Arc::new(edited);
            }
        }
        self.chunks.retain(|chunk| !chunk.is_empty());
        self.count = self.chunks.iter().map(|chunk| chunk.len()).sum();
    }

    /// Renumbers the datacenters of all rows. Measures of datacenters without a new number are removed.
    pub(super) fn renumber(&mut self, number: impl Fn(DatacenterId) -> Option<DatacenterId>) {
        let renumbered = self.iter().filter_map(|cell| {
            let mut cell = *cell;
            cell.measure.place = number(cell.measure.place)?;
            Some(cell)
        });
        let mut cells: Vec<Cell<K>> = renumbered.collect();
        cells.sort_unstable_by_key(Cell::position);
        self.count = cells.len();
        self.chunks = cells.chunks(MAX_CHUNK).map(|chunk| Arc::new(chunk.to_vec())).collect();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::latency::measure::{Minute, NETWORK_MEMORY};

    fn feed(rows: &mut Rows<u32>, key: u32, place: u8, ms: f32) {
        let (place, now) = (DatacenterId::from_index(place.into()), Minute::default());
        rows.update(key, place, || Measure::new(place, now), |measure| measure.feed(ms, NETWORK_MEMORY, now));
    }

    fn samples(rows: &Rows<u32>) -> Vec<(u32, u8, u16)> {
        let told = |cell: &Cell<u32>| {
            (cell.key, cell.measure.place.index() as u8, cell.measure.told(Minute::default()).samples)
        };
        rows.iter().map(told).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

        #[test]
        fn rows_are_a_sorted_map(feeds in proptest::collection::vec((0u32..2000, 0u8..3), 0..6000), gone in 0u8..3) {
            let (mut rows, mut map) = (Rows::default(), BTreeMap::new());
            for &(key, place) in &feeds {
                feed(&mut rows, key, place, 1.0);
                *map.entry((key, place)).or_insert(0u16) += 1;
            }
            let expected = |map: &BTreeMap<(u32, u8), u16>| -> Vec<_> {
                map.iter().map(|(&(key, place), &samples)| (key, place, samples)).collect()
            };
            prop_assert_eq!(samples(&rows), expected(&map));
            prop_assert_eq!(rows.len(), map.len());
            for key in 0..2000 {
                let places: Vec<_> = rows.row(key).map(|measure| measure.place.index() as u8).collect();
                prop_assert_eq!(places, map.range((key, 0)..=(key, 255)).map(|((_, place), _)| *place).collect::<Vec<_>>());
            }
            let before = rows.clone();
            rows.edit(|cell| (cell.measure.place.index() != usize::from(gone)).then_some(cell.measure));
            prop_assert_eq!(samples(&before), expected(&map), "a copy stays as it was");
            map.retain(|&(_, place), _| place != gone);
            prop_assert_eq!(samples(&rows), expected(&map));
            prop_assert_eq!(rows.len(), map.len());
            rows.renumber(|place| (place.index() != 1).then(|| DatacenterId::from_index(2 - place.index())));
            let map = map.into_iter().filter(|&((_, place), _)| place != 1).map(|((key, place), n)| ((key, 2 - place), n)).collect();
            prop_assert_eq!(samples(&rows), expected(&map));
        }
    }

    #[test]
    fn a_copy_shares_what_is_not_written() {
        let mut rows = Rows::default();
        for key in 0..10_000 {
            feed(&mut rows, key, 0, 1.0);
        }
        assert_eq!(rows.chunks.len(), 10_000_usize.div_ceil(MAX_CHUNK), "in order, chunks are full");
        let copy = rows.clone();
        feed(&mut rows, 5000, 0, 1.0);
        let shared = rows.chunks.iter().zip(&copy.chunks).filter(|(one, other)| Arc::ptr_eq(one, other)).count();
        assert_eq!(shared, copy.chunks.len() - 1);
    }
}
