//! A monitor of type exec: the program that it runs.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::disk::Disk;
use crate::health::ExecCheck;

use super::super::code::Code;
use super::super::decode::{Placed, TomlTable, Value};
use super::super::fault::{Fault, Faults};

/// Permissions that let someone run a file.
const ANYONE_RUNS: u32 = 0o111;

/// Takes `command` from a monitor's table. `None` if it is faulty, which was reported. `has_port` is true if `{port}`
/// has a value.
pub(super) fn read(table: &mut TomlTable<'_>, has_port: bool, disk: &Disk, faults: &mut Faults) -> Option<ExecCheck> {
    let command = table.require("command", faults)?;
    let items = command.items("`command` needs a program", faults);
    // Reads all words first, so that each fault is reported. A faulty word is not left out, because the others would
    // shift.
    let words: Vec<_> = items.iter().map(|item| item.string(faults)).collect();
    let words = words.into_iter().collect::<Option<Vec<_>>>()?;
    let (program, arguments) = words.split_first()?;
    for word in words.iter().filter(|word| word.value.contains('\0')) {
        faults.push(Fault::error(&word.place, "an argument cannot hold the character U+0000", "").code(Code::BadValue));
    }
    for argument in arguments.iter().filter(|argument| argument.value.contains("{port}") && !has_port) {
        let fault =
            Fault::error(&argument.place, "`{port}` has no value", "the monitor has no `port`").code(Code::Monitor);
        faults.push(fault);
    }
    let program = read_program(&items[0], program, disk, faults)?;
    Some(ExecCheck { program, arguments: arguments.iter().map(|argument| argument.value.as_str().into()).collect() })
}

/// Returns the program's path, relative to the folder of the file that names it.
fn read_program(item: &Value<'_>, program: &Placed<String>, disk: &Disk, faults: &mut Faults) -> Option<Box<Path>> {
    // A search in PATH could find different programs at different times.
    if !program.value.contains('/') {
        let fault =
            Fault::error(&program.place, format!("`{}` is not the path of a program", program.value), "no slash")
                .code(Code::Monitor);
        faults
            .push(fault.help("write an absolute path, or one relative to the folder of this file, as in \"./check\""));
        return None;
    }
    let path = item.path(faults)?.value;
    // The program may be installed later, so this is only a warning.
    let problem = match disk.metadata(&path) {
        Err(error) => Some(error.to_string()),
        Ok(metadata) if !metadata.is_file() => Some("it is not a file".to_owned()),
        Ok(metadata) if metadata.permissions().mode() & ANYONE_RUNS == 0 => Some("it is not executable".to_owned()),
        Ok(_) => None,
    };
    if let Some(problem) = problem {
        faults.push(
            Fault::warning(&program.place, format!("`{}` cannot be run", program.value), problem).code(Code::Monitor),
        );
    }
    Some(path.into())
}
