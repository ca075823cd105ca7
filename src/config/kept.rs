//! Finds files with secrets that others on this machine can read.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::disk::Disk;

use super::code::Code;
use super::fault::{Fault, Faults};
use super::source::Place;

/// The permission bit that lets others read (POSIX, `S_IROTH`).
const OTHERS_READ: u32 = 0o004;

/// Warns of a file with a secret that everybody on this machine can read. `what` names the secret. `place` is where the
/// file is named, or where the secret is written.
pub(super) fn check(file: &Path, what: &str, place: &Place, disk: &Disk, faults: &mut Faults) {
    let is_open = disk.metadata(file).is_ok_and(|metadata| metadata.is_file() && metadata.mode() & OTHERS_READ != 0);
    if is_open {
        let message = format!("everybody on this machine can read {what} in {}", file.display());
        let fault = Fault::warning(place, message, "").code(Code::Credentials);
        faults.push(fault.help("chmod o-r"));
    }
}
