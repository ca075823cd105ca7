//! `[process]`: the user of the process, and what it gives up.

use super::decode::{TomlTable, Value};
use super::fault::Faults;

/// The user of the process, and what it gives up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Process {
    /// The user that a process of root becomes; `None` if it does not change its user.
    pub user: Option<Box<str>>,
    /// True if the process and its programs change no files but their own, and gain no privileges.
    pub sandbox: bool,
}

/// Reads `[process]`.
pub(super) fn read(table: &mut TomlTable<'_>, faults: &mut Faults) -> Process {
    let value: Option<Value<'_>> = table.take("process");
    let Some(mut table) = value.and_then(|value| value.table("`[process]`", faults)) else {
        return Process::default();
    };
    let user = table.take("user").and_then(|value| value.string(faults));
    let sandbox = table.take("sandbox").and_then(|value| value.boolean(faults));
    table.finish(faults);
    Process { user: user.map(|user| user.value.into()), sandbox: sandbox.is_some_and(|sandbox| sandbox.value) }
}
