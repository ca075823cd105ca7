//! The admin server's socket in the file system, for the command on the same machine.
//!
//! Who may open the file may do everything: so it is its owner's alone, and no token is asked for.

use std::fs::{self, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// What stands behind the name of the file until it may be opened by its owner alone.
const UNFINISHED: &str = ".new";

/// Permissions of the file: its owner's alone.
const PRIVATE: u32 = 0o600;

/// A socket that is listened on. Its file goes with it.
#[derive(Debug)]
pub(super) struct Socket {
    path: PathBuf,
}

/// Listens on a path. A file that an earlier process left there is replaced.
pub(super) fn bind(path: &Path) -> io::Result<(Socket, UnixListener)> {
    if UnixStream::connect(path).is_ok() {
        return Err(io::Error::new(ErrorKind::AddrInUse, "another process listens there"));
    }
    // Made beside and moved: nobody finds it while its permissions are those that the process makes files with.
    let mut beside = path.as_os_str().to_owned();
    beside.push(UNFINISHED);
    let beside = PathBuf::from(beside);
    let _ = fs::remove_file(&beside);
    let listener = UnixListener::bind(&beside)?;
    let placed = fs::set_permissions(&beside, Permissions::from_mode(PRIVATE)).and_then(|()| fs::rename(&beside, path));
    placed.inspect_err(|_| _ = fs::remove_file(&beside))?;
    listener.set_nonblocking(true)?;
    Ok((Socket { path: path.to_owned() }, listener))
}

impl Socket {
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_its_owners_alone_and_goes_with_the_socket() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin.sock");
        let (socket, listener) = bind(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, PRIVATE);
        assert_eq!(bind(&path).unwrap_err().kind(), ErrorKind::AddrInUse);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        drop((socket, listener));
        assert!(!path.exists());
    }

    #[test]
    fn what_a_process_left_that_was_killed_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin.sock");
        let (socket, listener) = bind(&path).unwrap();
        drop(listener);
        std::mem::forget(socket);
        assert!(path.exists());
        assert!(bind(&path).is_ok());
    }
}
