//! A monitor of type exec: the program that it runs.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::disk::Disk;
use crate::health::{ExecCheck, ExitCodes, Share};

use super::super::code::Code;
use super::super::decode::{Placed, TomlTable, Value};
use super::super::fault::{Fault, Faults};
use super::http::DEGRADED_SHARE;

/// Permissions that let someone run a file.
const ANYONE_RUNS: u32 = 0o111;

/// Takes `command` and `degraded` from a monitor's table. `None` if it is faulty, which was reported. `has_port` is true if `{port}`
/// has a value.
pub(super) fn read(table: &mut TomlTable<'_>, has_port: bool, disk: &Disk, faults: &mut Faults) -> Option<ExecCheck> {
    let degraded = table.take("degraded");
    let degraded = degraded.map_or_else(|| Some(ExitCodes::default()), |value| read_degraded(&value, faults));
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
    let arguments = arguments.iter().map(|argument| argument.value.as_str().into()).collect();
    Some(ExecCheck { program, arguments, degraded: degraded? })
}

/// Reads `degraded = { exit_codes = [1], share = 0.5 }`. No code is degraded if the list is empty.
fn read_degraded(value: &Value<'_>, faults: &mut Faults) -> Option<ExitCodes> {
    let mut table = value.table("`degraded`", faults)?;
    let codes = table.require("exit_codes", faults);
    let share = table.take("share").map(|value| value.number(0.0..=1.0, faults));
    table.finish(faults);
    let codes = codes?.each(faults, |item, faults| item.integer(1..=u8::MAX, faults));
    let share = share.map_or(Some(DEGRADED_SHARE), |share| Some(Share::from_part(share?.value)));
    Some(ExitCodes { codes: codes.iter().map(|code| code.value).collect(), share: share? })
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
