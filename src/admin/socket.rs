//! The admin server's socket in the file system, for commands on the same machine.
//!
//! The mode of the file lets only its owner open it. So the server accepts every request from there without a token.

use std::fs::{self, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// Suffix of the file's name until only its owner can open it.
const UNFINISHED: &str = ".new";

/// The permissions of the file: only for its owner.
const PRIVATE: u32 = 0o600;

/// A listening socket. Dropping it removes its file.
#[derive(Debug)]
pub(super) struct Socket {
    path: PathBuf,
}

/// Listens on a path. Replaces a file that an earlier process left there. Fails if another process listens there.
pub(super) fn bind(path: &Path) -> io::Result<(Socket, UnixListener)> {
    if UnixStream::connect(path).is_ok() {
        return Err(io::Error::new(ErrorKind::AddrInUse, "another process listens there"));
    }
    // Created under another name and renamed: nobody can open it before its permissions are set.
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
