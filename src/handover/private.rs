//! A socket in the file system that only its owner can open.

use std::fs::{self, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// Suffix of the file's name until only its owner can open it.
const UNFINISHED: &str = ".new";

/// The permissions of the file: only for its owner.
const PRIVATE: u32 = 0o600;

/// The file of a listening socket. Dropping it removes the file.
#[derive(Debug)]
pub struct PrivateSocket {
    path: PathBuf,
}

impl PrivateSocket {
    /// Listens on a path. Replaces a file that an earlier process left there. Fails if another process listens there.
    pub fn bind(path: &Path) -> io::Result<(Self, UnixListener)> {
        if UnixStream::connect(path).is_ok() {
            return Err(io::Error::new(ErrorKind::AddrInUse, "another process listens there"));
        }
        Self::bind_over(path)
    }

    /// Does the same in the place of a process that still listens there, and replaces its file.
    pub fn bind_over(path: &Path) -> io::Result<(Self, UnixListener)> {
        // Created under another name and renamed: nobody can open it before its permissions are set.
        let mut beside = path.as_os_str().to_owned();
        beside.push(UNFINISHED);
        let beside = PathBuf::from(beside);
        let _ = fs::remove_file(&beside);
        let listener = UnixListener::bind(&beside)?;
        let placed =
            fs::set_permissions(&beside, Permissions::from_mode(PRIVATE)).and_then(|()| fs::rename(&beside, path));
        placed.inspect_err(|_| _ = fs::remove_file(&beside))?;
        Ok((Self { path: path.to_owned() }, listener))
    }

    /// Takes over the file of a socket that another process bound.
    pub fn inherit(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Leaves the file to another process.
    pub fn leave(mut self) {
        self.path = PathBuf::new();
    }
}

impl Drop for PrivateSocket {
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
        let (socket, listener) = PrivateSocket::bind(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, PRIVATE);
        assert_eq!(PrivateSocket::bind(&path).unwrap_err().kind(), ErrorKind::AddrInUse);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        drop((socket, listener));
        assert!(!path.exists());
    }

    #[test]
    fn what_a_process_left_that_was_killed_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin.sock");
        let (socket, listener) = PrivateSocket::bind(&path).unwrap();
        drop(listener);
        socket.leave();
        assert!(path.exists());
        assert!(PrivateSocket::bind(&path).is_ok());
    }
}
