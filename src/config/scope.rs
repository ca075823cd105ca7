//! Resolves the names in a file: to the file's own definitions first, then to the server file's.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use super::code::Code;
use super::decode::Placed;
use super::fault::{Fault, Faults};
use super::suggest::{did_you_mean, is_worth_comparing, list_of};

/// Maximum number of names that a fault lists if a name is not found. A longer list would hide the fault itself.
const MAX_LISTED: usize = 8;

/// The definitions of one kind in one file, in the order of the file.
#[derive(Clone, Debug)]
pub(super) struct Definitions<T> {
    /// The kind, such as "pool".
    kind: &'static str,
    entries: Vec<Definition<T>>,
    by_name: HashMap<String, usize>,
    /// The positions that were marked since the last [`Self::take_marks`], each once.
    marks: RefCell<Vec<usize>>,
}

/// One thing that a file defines.
#[derive(Clone, Debug)]
pub(super) struct Definition<T> {
    pub(super) name: Placed<String>,
    /// `None` if the definition is faulty, which was reported already. References to it are no faults.
    pub(super) value: Option<T>,
    is_used: Cell<bool>,
    /// True if its position is among the marks.
    is_marked: Cell<bool>,
}

impl<T> Definitions<T> {
    pub(super) fn new(kind: &'static str) -> Self {
        Self { kind, entries: Vec::new(), by_name: HashMap::new(), marks: RefCell::default() }
    }

    /// Adds a definition. TOML itself guarantees that names are unique.
    pub(super) fn push(&mut self, name: Placed<String>, value: Option<T>) {
        self.by_name.insert(name.value.clone(), self.entries.len());
        self.entries.push(Definition { name, value, is_used: Cell::new(false), is_marked: Cell::new(false) });
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Definition<T>> {
        self.entries.iter()
    }

    /// True if nothing is defined.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Definition<T>> {
        self.entries.iter_mut()
    }

    /// The definition with this name.
    pub(super) fn get(&self, name: &str) -> Option<&Definition<T>> {
        self.by_name.get(name).map(|&position| &self.entries[position])
    }

    /// The definition that a reference means. Marks it as used.
    pub(super) fn refer(&self, name: &str) -> Option<&Definition<T>> {
        let position = *self.by_name.get(name)?;
        self.mark(position);
        Some(&self.entries[position])
    }

    fn mark(&self, position: usize) {
        let definition = &self.entries[position];
        definition.is_used.set(true);
        if !definition.is_marked.replace(true) {
            self.marks.borrow_mut().push(position);
        }
    }

    /// Returns the positions that were marked since this was called last, each once.
    pub(super) fn take_marks(&self) -> Vec<usize> {
        let marks = self.marks.take();
        for &position in &marks {
            self.entries[position].is_marked.set(false);
        }
        marks
    }

    /// Records that something refers to the definitions at these positions.
    pub(super) fn mark_each(&self, positions: impl IntoIterator<Item = usize>) {
        for position in positions {
            self.mark(position);
        }
    }

    /// True if the file defines this name, faulty or not.
    pub(super) fn contains(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }

    /// Warns of every definition that nothing refers to.
    pub(super) fn warn_unused(&self, faults: &mut Faults) {
        for definition in self.entries.iter().filter(|definition| !definition.is_used.get()) {
            let message = format!("{} `{}` is never used", self.kind, definition.name.value);
            faults.push(Fault::warning(&definition.name.place, message, "nothing refers to it").code(Code::Unused));
        }
    }
}

impl<T> Definition<T> {
    /// Its name.
    pub(super) fn text(&self) -> &str {
        &self.name.value
    }
}

/// The definitions that are visible in a file.
pub(super) struct View<'a, T> {
    pub(super) own: &'a Definitions<T>,
    /// The definitions of the server file; only for a zone file.
    pub(super) shared: Option<&'a Definitions<T>>,
}

impl<T> Clone for View<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for View<'_, T> {}

impl<'a, T> View<'a, T> {
    /// All visible definitions: the file's own, then those of the server file that the file does not redefine.
    pub(super) fn visible(self) -> impl Iterator<Item = &'a Definition<T>> {
        let shared = self.shared.into_iter().flat_map(|shared| &shared.entries);
        let not_hidden = move |definition: &&Definition<T>| self.own.get(&definition.name.value).is_none();
        self.own.entries.iter().chain(shared.filter(not_hidden))
    }

    /// The definition that `name` refers to. Reports a fault if there is none.
    pub(super) fn find(self, name: &Placed<String>, faults: &mut Faults) -> Option<&'a Definition<T>> {
        let found = self.own.refer(&name.value).or_else(|| self.shared?.refer(&name.value));
        if found.is_none() {
            faults.push(self.missing(name, faults));
        }
        found
    }

    /// Records that something refers to all visible definitions with such names.
    pub(super) fn mark(self, is_meant: impl Fn(&str) -> bool) {
        let own = &self.own.entries;
        self.own.mark_each((0..own.len()).filter(|&position| is_meant(own[position].text())));
        if let Some(shared) = self.shared {
            let is_visible = |name: &str| is_meant(name) && !self.own.contains(name);
            let positions = 0..shared.entries.len();
            shared.mark_each(positions.filter(|&position| is_visible(shared.entries[position].text())));
        }
    }

    fn missing(self, name: &Placed<String>, faults: &Faults) -> Fault {
        let names: Vec<&str> = self.visible().map(Definition::text).collect();
        missing(self.own.kind, name, &names, faults)
    }
}

/// Returns the fault for a `name` that is not among `names`. `faults` holds the faults so far: after many of them, no
/// similar name is searched.
pub(super) fn missing(kind: &str, name: &Placed<String>, names: &[&str], faults: &Faults) -> Fault {
    let meant = is_worth_comparing(faults, names.len()).then(|| did_you_mean(&name.value, names.iter().copied()));
    let label = match meant.flatten() {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("not a {kind}"),
    };
    let fault =
        Fault::error(&name.place, format!("there is no {kind} `{}`", name.value), label).code(Code::UnknownName);
    match names.len() {
        0 => fault.help(format!("no {kind} is defined here or in the server file")),
        1..=MAX_LISTED => fault.help(format!("there is {}", list_of(names))),
        _ => fault,
    }
}
