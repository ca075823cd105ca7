//! Typed tables over octets: what a row's key and value are, and changes to rows that belong together.

use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// A table: rows of one shape, each under a key of its own.
///
/// Values are written as JSON, so a shape may grow: a new field with a default reads rows that lack it.
#[derive(Debug)]
pub struct StoreTable<K, V> {
    pub(super) name: &'static str,
    rows: PhantomData<fn() -> (K, V)>,
}

impl<K: Key, V: Serialize + DeserializeOwned> StoreTable<K, V> {
    /// The table of this name, which stands for its shape as well: another shape takes another name.
    pub const fn new(name: &'static str) -> Self {
        Self { name, rows: PhantomData }
    }

    /// A row as it was written, if it can be read.
    pub(super) fn row(key: &[u8], value: &[u8]) -> Option<(K, V)> {
        K::from_octets(key).zip(serde_json::from_slice(value).ok())
    }
}

/// What rows are found by. The order of keys is that of their octets.
pub trait Key: Ord + Sized {
    /// The key as it is kept.
    fn to_octets(&self) -> Vec<u8>;
    /// The key that these octets stand for, if any.
    fn from_octets(octets: &[u8]) -> Option<Self>;
}

impl Key for String {
    fn to_octets(&self) -> Vec<u8> {
        self.as_bytes().to_owned()
    }

    fn from_octets(octets: &[u8]) -> Option<Self> {
        String::from_utf8(octets.to_owned()).ok()
    }
}

impl Key for u128 {
    fn to_octets(&self) -> Vec<u8> {
        self.to_be_bytes().to_vec()
    }

    fn from_octets(octets: &[u8]) -> Option<Self> {
        octets.try_into().ok().map(Self::from_be_bytes)
    }
}

/// Changes that are kept together, in any tables; after a crash all of them are there or none.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Batch(pub(super) Vec<Change>);

/// One row that is to hold another value, or is to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) table: String,
    pub(super) key: Vec<u8>,
    pub(super) value: Option<Vec<u8>>,
}

impl Batch {
    /// Puts a row in the place of the one under this key, if there is one.
    ///
    /// # Panics
    ///
    /// If the value's shape is one that JSON has no form for, such as a map with keys that are not text.
    pub fn put<K: Key, V: Serialize + DeserializeOwned>(&mut self, table: &StoreTable<K, V>, key: &K, value: &V) {
        let value = serde_json::to_vec(value).expect("a record's shape has a form in JSON");
        self.0.push(Change { table: table.name.to_owned(), key: key.to_octets(), value: Some(value) });
    }

    /// Takes away the row under this key, if there is one.
    pub fn delete<K: Key, V>(&mut self, table: &StoreTable<K, V>, key: &K) {
        self.delete_octets(table, &key.to_octets());
    }

    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes away a row whose key may be none of the table's.
    pub(super) fn delete_octets<K, V>(&mut self, table: &StoreTable<K, V>, key: &[u8]) {
        self.0.push(Change { table: table.name.to_owned(), key: key.to_owned(), value: None });
    }
}
