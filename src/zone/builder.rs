//! Builds a tree: first the names, with their empty non-terminals, then the records at them.

use super::names::Names;
use super::record::Record;
use super::rrset::{Rrset, TooLarge, distinct};
use super::tree::{End, Local, NodeId, Rrsets, Stored, Tree, WILDCARD, ZoneError};
use crate::name::{MAX_NAME_LENGTH, Name, key_of, suffixes};
use crate::wire::Rtype;

/// The names of a zone whose records are not yet checked, and the records of each name.
#[derive(Debug)]
pub struct Builder {
    apex: Name,
    names: Names,
    nodes: Vec<Stored>,
    /// The node of each record, by the record's index.
    of_record: Vec<NodeId>,
    /// The indices of records, grouped by node.
    order: Vec<u32>,
    /// For each node, the index in `order` of its first record. One more entry is the end of the last node's records.
    bounds: Vec<u32>,
    steered: u32,
    reflects: bool,
}

impl Builder {
    /// Begins a tree with the owners of these records. All must be at or below `apex`.
    pub fn new<R: AsRef<Record>>(apex: &Name, records: &[R]) -> Self {
        let mut builder = Self {
            apex: apex.clone(),
            names: Names::default(),
            nodes: Vec::new(),
            of_record: Vec::with_capacity(records.len()),
            order: Vec::new(),
            bounds: Vec::new(),
            steered: 0,
            reflects: false,
        };
        builder.node(apex);
        for record in records {
            let id = builder.node(&record.as_ref().owner);
            builder.of_record.push(id);
        }
        builder.sort();
        builder
    }

    /// Adds a steered name. Steered names are numbered in the order of these calls.
    pub fn steer(&mut self, name: &Name) {
        let id = self.node(name);
        self.nodes[id.index()].dynamic = Local::Steered(self.steered);
        self.steered += 1;
    }

    /// Adds a reflecting name.
    pub fn reflect(&mut self, name: &Name) {
        let id = self.node(name);
        self.nodes[id.index()].dynamic = Local::Reflect;
        self.reflects = true;
    }

    /// Returns the node of a name that exists; empty non-terminals exist.
    pub fn find(&self, name: &Name) -> Option<NodeId> {
        let mut key = [0; MAX_NAME_LENGTH];
        self.find_key(key_of(name.as_wire(), &mut key))
    }

    /// Returns the node of a name in lower case, if the name exists.
    pub fn find_key(&self, key: &[u8]) -> Option<NodeId> {
        self.names.find(key).map(NodeId::of_name)
    }

    /// Returns the number of names.
    pub fn node_count(&self) -> usize {
        self.nodes.len()
    }

    /// Returns the node of the record with this index.
    pub fn of_record(&self, record: usize) -> NodeId {
        self.of_record[record]
    }

    /// Returns the indices of a node's records, in their order.
    pub fn records_of(&self, node: NodeId) -> &[u32] {
        // A name that was added after the records has none.
        let bounds = |id: usize| self.bounds.get(id).map_or(self.order.len(), |&at| at as usize);
        &self.order[bounds(node.index())..bounds(node.index() + 1)]
    }

    /// Renders the records, which must be those given to `new`, and returns the tree. Fails if they do not form a zone.
    pub fn finish<R: AsRef<Record>>(mut self, records: &[R]) -> Result<Tree, ZoneError> {
        let mut sorted: Vec<&Record> = Vec::new();
        for index in 0..self.nodes.len() {
            let id = NodeId::from_index(index);
            sorted.clear();
            sorted.extend(self.records_of(id).iter().map(|&number| records[number as usize].as_ref()));
            let owner = sorted.first().map_or(&self.apex, |record| &record.owner);
            self.nodes[index].rrsets = render(&sorted, owner, &self.apex)
                .map_err(|(rtype, TooLarge)| ZoneError::TooLarge(self.name(id), rtype))?;
        }
        self.mark_ends();
        let soa = self.nodes[0].rrsets.as_slice().iter().find(|rrset| rrset.rtype() == Rtype::SOA);
        if soa.is_none_or(|soa| soa.len() != 1) {
            return Err(ZoneError::NoSoa);
        }
        self.names.shrink();
        Ok(Tree {
            apex: self.apex,
            names: self.names,
            nodes: self.nodes.into(),
            records: records.len(),
            is_static: self.steered == 0 && !self.reflects,
            chain: None,
        })
    }

    fn name(&self, id: NodeId) -> Name {
        Name::from_wire(self.names.get(id.name()))
    }

    /// Returns the node of a name. Adds the node, and the empty non-terminals above it, if they are missing.
    fn node(&mut self, name: &Name) -> NodeId {
        let mut key = [0; MAX_NAME_LENGTH];
        let mut key = key_of(name.as_wire(), &mut key);
        let (id, mut is_new) = self.insert(key);
        let mut child = id;
        while is_new && key.len() > self.apex.as_wire().len() {
            let above = &key[1 + usize::from(key[0])..];
            let parent;
            (parent, is_new) = self.insert(above);
            if key.starts_with(WILDCARD) {
                self.nodes[parent.index()].wildcard = Some(child);
            }
            (child, key) = (parent, above);
        }
        id
    }

    fn insert(&mut self, key: &[u8]) -> (NodeId, bool) {
        let (number, is_new) = self.names.insert(key);
        if is_new {
            self.nodes.push(Stored::default());
        }
        (NodeId::of_name(number), is_new)
    }

    /// Groups the records by node.
    fn sort(&mut self) {
        let mut bounds = vec![0; self.nodes.len() + 1];
        for &id in &self.of_record {
            bounds[id.index() + 1] += 1;
        }
        for id in 1..bounds.len() {
            bounds[id] += bounds[id - 1];
        }
        self.order = vec![0; self.of_record.len()];
        // During the loop, each bound is the position for the next record of its node.
        for (number, &id) in (0..).zip(&self.of_record) {
            let at = &mut bounds[id.index()];
            self.order[*at as usize] = number;
            *at += 1;
        }
        bounds.rotate_right(1);
        bounds[0] = 0;
        self.bounds = bounds;
    }

    /// Sets at every node the topmost cut or DNAME at or above it.
    fn mark_ends(&mut self) {
        let apex = self.apex.as_wire().len();
        let end = |id: usize, node: &Stored, length: usize| {
            let has = |rtype| node.rrsets.as_slice().iter().any(|rrset| rrset.rtype() == rtype);
            let is_cut = id != 0 && has(Rtype::NS);
            let is_end = is_cut || has(Rtype::DNAME);
            is_end.then_some(End { node: NodeId::from_index(id), length: length as u8, is_dname: !is_cut })
        };
        let own: Vec<Option<End>> =
            self.nodes.iter().enumerate().map(|(id, node)| end(id, node, self.names.get(id as u32).len())).collect();
        if own.iter().all(Option::is_none) {
            return;
        }
        for id in 0..self.nodes.len() {
            let in_zone = suffixes(self.names.get(id as u32)).take_while(|suffix| suffix.len() >= apex);
            let ends = in_zone.filter_map(|suffix| own[self.find_key(suffix)?.index()]);
            self.nodes[id].end = ends.last();
        }
    }
}

impl Tree {
    /// Builds a tree from records at or below `apex`, steered names and reflecting names. Fails if the records do not
    /// form a zone.
    pub fn build<'n, R: AsRef<Record>>(
        apex: &Name,
        records: &[R],
        steered: impl IntoIterator<Item = &'n Name>,
        reflect: impl IntoIterator<Item = &'n Name>,
    ) -> Result<Self, ZoneError> {
        let mut builder = Builder::new(apex, records);
        steered.into_iter().for_each(|name| builder.steer(name));
        reflect.into_iter().for_each(|name| builder.reflect(name));
        builder.finish(records)
    }
}

/// Returns the RRsets of one node's records, in the order of their first records. Fails with the type of an RRset that
/// does not fit in a message.
pub(super) fn render(records: &[&Record], owner: &Name, apex: &Name) -> Result<Rrsets, (Rtype, TooLarge)> {
    let rrset = |records: &[&Record]| {
        let rtype = records[0].rtype;
        let rendered = match records {
            [only] => Rrset::render(rtype, &[(only.ttl, &only.rdata)], owner, apex),
            several => Rrset::render(rtype, &distinct(rtype, several), owner, apex),
        };
        rendered.map_err(|error| (rtype, error))
    };
    match records {
        [] => return Ok(Rrsets::None),
        [only] => return rrset(&[only]).map(Rrsets::One),
        [first, rest @ ..] if rest.iter().all(|other| other.rtype == first.rtype) => {
            return rrset(records).map(Rrsets::One);
        }
        _ => {}
    }
    let mut numbered: Vec<(usize, &Record)> = records.iter().copied().enumerate().collect();
    numbered.sort_by_key(|(_, record)| record.rtype);
    let mut groups: Vec<&[(usize, &Record)]> = numbered.chunk_by(|a, b| a.1.rtype == b.1.rtype).collect();
    groups.sort_by_key(|group| group[0].0);
    let rrsets = groups.into_iter().map(|group| rrset(&group.iter().map(|&(_, record)| record).collect::<Vec<_>>()));
    rrsets.collect::<Result<Vec<_>, _>>().map(|rrsets| Rrsets::Many(rrsets.into()))
}
