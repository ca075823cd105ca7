//! Typed tables over octets: the types of a row's key and value, and batches of changes.

use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// A table: rows of one type, each with its own key.
///
/// Values are JSON, so a type may grow: a new field with a default can read old rows.
#[derive(Debug)]
pub struct StoreTable<K, V> {
    pub(super) name: &'static str,
    rows: PhantomData<fn() -> (K, V)>,
}

impl<K: Key, V: Serialize + DeserializeOwned> StoreTable<K, V> {
    /// Creates the table with this name. The name also identifies the type of rows: another type needs another name.
    pub const fn new(name: &'static str) -> Self {
        Self { name, rows: PhantomData }
    }

    /// Parses a row; `None` if it cannot be read.
    pub(super) fn row(key: &[u8], value: &[u8]) -> Option<(K, V)> {
        K::from_octets(key).zip(serde_json::from_slice(value).ok())
    }
}

/// The key of a row. Keys are ordered by their octets.
pub trait Key: Ord + Sized {
    /// The key as octets.
    fn to_octets(&self) -> Vec<u8>;
    /// Parses a key; `None` if the octets are not one.
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

/// Changes of any tables that belong together. After a crash either all of them are on disk, or none.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Batch(pub(super) Vec<Change>);

/// A change of one row: a new value, or its removal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) table: String,
    pub(super) key: Vec<u8>,
    pub(super) value: Option<Vec<u8>>,
}

impl Batch {
    /// Sets the row of this key. Replaces an earlier one.
    ///
    /// # Panics
    ///
    /// If JSON cannot represent the value, such as a map with keys that are not text.
    pub fn put<K: Key, V: Serialize + DeserializeOwned>(&mut self, table: &StoreTable<K, V>, key: &K, value: &V) {
        let value = serde_json::to_vec(value).expect("a record's shape has a form in JSON");
        self.0.push(Change { table: table.name.to_owned(), key: key.to_octets(), value: Some(value) });
    }

    /// Removes the row of this key, if it exists.
    pub fn delete<K: Key, V>(&mut self, table: &StoreTable<K, V>, key: &K) {
        self.delete_octets(table, &key.to_octets());
    }

    /// True if it contains no change.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Removes a row whose key may not be a valid one of the table.
    pub(super) fn delete_octets<K, V>(&mut self, table: &StoreTable<K, V>, key: &[u8]) {
        self.0.push(Change { table: table.name.to_owned(), key: key.to_owned(), value: None });
    }
}
