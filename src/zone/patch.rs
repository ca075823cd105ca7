//! The nodes of a zone that are not in its tree: those that differ from the tree's, and those of additional names.
//!
//! Extra records make names exist, and names that exist hide a wildcard (RFC 4592, section 3.3.1). So each additional
//! name, empty non-terminals included, gets a copy of the records of the wildcard that it hides. It also gets a
//! wildcard of its own for the names below it:
//!
//! ```text
//!   *.apps A          and extra  _acme.foo.apps TXT  make  foo.apps A, *.foo.apps A, _acme.foo.apps A and TXT, ...
//! ```

use std::collections::{BTreeMap, HashMap};

use foldhash::fast::RandomState;

use super::builder::render;
use super::names::Names;
use super::record::Record;
use super::rrset::{Rrset, TooLarge};
use super::tree::{NodeId, Rrsets, Stored, Tree, WILDCARD, ZoneError};
use crate::name::{MAX_NAME_LENGTH, suffixes};
use crate::wire::Rtype;

/// The nodes of a zone that are not its tree's.
#[derive(Debug)]
pub(super) struct Patch {
    /// Number of nodes of the tree. The nodes of additional names are numbered after them.
    own_nodes: u32,
    /// The additional names.
    names: Names,
    /// The nodes of the additional names.
    nodes: Vec<Stored>,
    /// The nodes that replace nodes of the tree.
    instead: HashMap<NodeId, Stored, RandomState>,
    /// True if the patch changes the apex only: it holds a serial and records of the apex, and no extra records.
    is_plain: bool,
}

impl Patch {
    /// Returns the patch for a serial; `None` if the tree has this serial already.
    pub(super) fn counted(tree: &Tree, serial: u32) -> Option<Self> {
        (tree.serial() != serial).then(|| Self::empty(tree).with_serial(tree, serial))
    }

    fn empty(tree: &Tree) -> Self {
        Self {
            own_nodes: tree.nodes.len() as u32,
            names: Names::default(),
            nodes: Vec::new(),
            instead: HashMap::default(),
            is_plain: true,
        }
    }

    fn with_serial(mut self, tree: &Tree, serial: u32) -> Self {
        let counted = |rrset: &Rrset| match rrset.rtype() {
            Rtype::SOA => rrset.with_serial(serial),
            _ => rrset.clone(),
        };
        let apex = self.node_mut(tree, NodeId::APEX);
        apex.rrsets = Rrsets::Many(apex.rrsets.as_slice().iter().map(counted).collect());
        self
    }

    /// Returns the patch for further records of the apex, extra records and a serial; `None` if they change nothing.
    pub(super) fn new(tree: &Tree, apex: &[Record], extra: &[Record], serial: u32) -> Result<Option<Self>, ZoneError> {
        let counted = Self::counted(tree, serial);
        if apex.is_empty() && extra.is_empty() {
            return Ok(counted);
        }
        let mut patch = Self { is_plain: extra.is_empty(), ..counted.unwrap_or_else(|| Self::empty(tree)) };
        // The extra records by owner, in their order.
        let mut by_owner: BTreeMap<Box<[u8]>, Vec<&Record>> = BTreeMap::new();
        for record in apex.iter().chain(extra) {
            by_owner.entry(record.owner.to_key()).or_default().push(record);
        }
        for owner in by_owner.keys() {
            patch.exist(tree, owner);
        }
        patch.spread(tree, &by_owner)?;
        Ok(Some(patch))
    }

    pub(super) fn is_plain(&self) -> bool {
        self.is_plain
    }

    /// Returns the number of changed and additional names.
    pub(super) fn len(&self) -> usize {
        self.nodes.len() + self.instead.len()
    }

    /// Returns the node of an additional name.
    pub(super) fn find(&self, key: &[u8]) -> Option<NodeId> {
        self.names.find(key).map(|number| self.numbered(number))
    }

    /// Returns the node with this number; `None` if the tree's own node is valid.
    #[inline]
    pub(super) fn node(&self, id: NodeId) -> Option<&Stored> {
        // A plain patch changes only the apex.
        if self.is_plain && id != NodeId::APEX {
            return None;
        }
        match self.new_index(id) {
            Some(new) => self.nodes.get(new),
            None => self.instead.get(&id),
        }
    }

    /// Returns the node of the additional name with this number.
    fn numbered(&self, number: u32) -> NodeId {
        NodeId::of_name(self.own_nodes + number)
    }

    /// Returns the index of an additional name's node; `None` for a node of the tree.
    fn new_index(&self, id: NodeId) -> Option<usize> {
        id.index().checked_sub(self.own_nodes as usize)
    }

    /// Returns the additional names with their nodes.
    pub(super) fn new_names(&self) -> impl Iterator<Item = (&[u8], &Stored)> {
        self.names.iter().zip(&self.nodes)
    }

    /// Makes a name and its ancestors exist. Each new name gets a copy of the records of the wildcard that it hides.
    fn exist(&mut self, tree: &Tree, key: &[u8]) {
        let mut new = Vec::new();
        let mut above = key;
        // The loop ends at the apex, which is in every tree.
        let encloser = loop {
            match tree.find(above) {
                Some(id) => break id,
                None => new.push(above),
            }
            above = &above[1 + usize::from(above[0])..];
        };
        let Stored { wildcard, end, .. } = *tree.node(encloser);
        let copied = wildcard.map_or_else(Stored::default, |id| tree.node(id).clone());
        let copied = Stored { wildcard: None, end, ..copied };
        for name in new.iter().rev() {
            self.insert(tree, name, &copied);
            let below = [WILDCARD, name].concat();
            if wildcard.is_some() && below.len() <= MAX_NAME_LENGTH {
                self.insert(tree, &below, &copied);
            }
        }
    }

    /// Adds a name whose parent exists, with a copy of the node `like`. Does nothing if the patch holds the name.
    fn insert(&mut self, tree: &Tree, key: &[u8], like: &Stored) {
        let (number, is_new) = self.names.insert(key);
        let id = self.numbered(number);
        if !is_new {
            return;
        }
        self.nodes.push(like.clone());
        let parent = &key[1 + usize::from(key[0])..];
        let parent = tree.find(parent).or_else(|| self.find(parent));
        if let Some(parent) = parent.filter(|_| key.starts_with(WILDCARD)) {
            self.node_mut(tree, parent).wildcard = Some(id);
        }
    }

    /// Returns a node that may be changed. A node of the tree is first copied to the patch.
    fn node_mut(&mut self, tree: &Tree, id: NodeId) -> &mut Stored {
        match self.new_index(id) {
            Some(new) => &mut self.nodes[new],
            None => self.instead.entry(id).or_insert_with(|| tree.node(id).clone()),
        }
    }

    /// Adds the extra records to their owners. Extra records of a wildcard are also added to the names that have a copy
    /// of its records. Fails if an RRset does not fit in a message.
    fn spread(&mut self, tree: &Tree, extra: &BTreeMap<Box<[u8]>, Vec<&Record>>) -> Result<(), ZoneError> {
        let mut ids: Vec<(NodeId, Vec<&Record>)> = Vec::new();
        for (owner, records) in extra {
            if let Some(id) = tree.find(owner) {
                ids.push((id, records.clone()));
            }
        }
        for (key, id) in self.names.iter().zip((self.own_nodes..).map(NodeId::of_name)) {
            let mut records: Vec<&Record> =
                hidden(tree, key).and_then(|hidden| extra.get(hidden)).cloned().unwrap_or_default();
            records.extend(extra.get(key).into_iter().flatten());
            if !records.is_empty() {
                ids.push((id, records));
            }
        }
        for (id, records) in ids {
            let owner = records[0].owner.clone();
            let node = self.node_mut(tree, id);
            let mut all: Vec<Record> =
                node.rrsets.as_slice().iter().flat_map(|rrset| rrset.contents(&owner, tree.apex())).collect();
            all.extend(records.into_iter().cloned());
            node.rrsets = render(&all.iter().collect::<Vec<_>>(), &owner, tree.apex())
                .map_err(|(rtype, TooLarge)| ZoneError::TooLarge(owner, rtype))?;
        }
        Ok(())
    }
}

/// Returns the wildcard of the tree that an additional name hides, in lower case.
fn hidden<'t>(tree: &'t Tree, key: &[u8]) -> Option<&'t [u8]> {
    let encloser = suffixes(key).find_map(|suffix| tree.find(suffix))?;
    let wildcard = tree.node(encloser).wildcard?;
    Some(tree.names.get(wildcard.name()))
}
