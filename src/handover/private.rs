//! A socket in the file system that only its owner can open.
//!
//! Its file can be removed while the process runs: by an operator, or with the folder that it is in. The socket still
//! exists then, but nobody can find it. So whoever listens looks from time to time, and listens again.

use std::fs::{self, Permissions};
use std::io::{self, ErrorKind};
use std::mem;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// Suffix of the file's name until only its owner can open it.
const UNFINISHED: &str = ".new";

/// The permissions of the file: only for its owner.
const PRIVATE: u32 = 0o600;

/// The file of a listening socket. Dropping it removes the file, unless another one has taken its place.
#[derive(Debug)]
pub struct PrivateSocket {
    path: PathBuf,
    /// Its device and inode; `None` if there was no file.
    identity: Option<(u64, u64)>,
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
        // A file that somebody named by mistake is not lost.
        if fs::symlink_metadata(path).is_ok_and(|there| !there.file_type().is_socket()) {
            return Err(io::Error::new(ErrorKind::AlreadyExists, "another file is there, which is not a socket"));
        }
        // Created under another name and renamed: nobody can open it before its permissions are set.
        let mut beside = path.as_os_str().to_owned();
        beside.push(UNFINISHED);
        let beside = PathBuf::from(beside);
        let _ = fs::remove_file(&beside);
        let listener = UnixListener::bind(&beside)?;
        let placed =
            fs::set_permissions(&beside, Permissions::from_mode(PRIVATE)).and_then(|()| fs::rename(&beside, path));
        placed.inspect_err(|_| _ = fs::remove_file(&beside))?;
        Ok((Self::inherit(path), listener))
    }

    /// Takes over the file of a socket that another process bound.
    pub fn inherit(path: &Path) -> Self {
        Self { path: path.to_owned(), identity: identity(path).ok() }
    }

    /// True if the file is still there. If the disk does not tell, it counts as there.
    pub fn is_in_place(&self) -> bool {
        match identity(&self.path) {
            Ok(found) => Some(found) == self.identity,
            Err(error) => !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory),
        }
    }

    /// Listens on the same path again, because the file is gone. Fails like [`bind`](Self::bind), and then changes
    /// nothing.
    pub fn renew(&mut self) -> io::Result<UnixListener> {
        let (file, listener) = Self::bind(&self.path)?;
        // Dropped, it would remove the new file.
        mem::replace(self, file).leave();
        Ok(listener)
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
        if identity(&self.path).is_ok_and(|found| Some(found) == self.identity) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let metadata = fs::symlink_metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
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
    fn a_file_that_was_removed_or_replaced_is_noticed_and_made_again() {
        let folder = tempfile::tempdir().unwrap();
        let sockets = folder.path().join("run");
        let path = sockets.join("admin.sock");
        fs::create_dir(&sockets).unwrap();
        let (mut socket, first) = PrivateSocket::bind(&path).unwrap();
        assert!(socket.is_in_place());
        fs::remove_dir_all(&sockets).unwrap();
        assert!(!socket.is_in_place());
        assert_eq!(socket.renew().unwrap_err().kind(), ErrorKind::NotFound, "the folder is gone");
        fs::create_dir(&sockets).unwrap();
        let second = socket.renew().unwrap();
        assert!(socket.is_in_place());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, PRIVATE);
        fs::remove_file(&path).unwrap();
        let (others, third) = PrivateSocket::bind(&path).unwrap();
        assert!(!socket.is_in_place());
        assert_eq!(socket.renew().unwrap_err().kind(), ErrorKind::AddrInUse, "it is another process's");
        drop((socket, first, second));
        assert!(others.is_in_place(), "what is another's is not removed");
        drop((others, third));
        assert!(!path.exists());
    }

    #[test]
    fn a_file_that_is_no_socket_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("zone.toml");
        fs::write(&path, "ttl = 30").unwrap();
        assert_eq!(PrivateSocket::bind(&path).unwrap_err().kind(), ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"ttl = 30");
        fs::remove_file(&path).unwrap();
        let (mut socket, _listener) = PrivateSocket::bind(&path).unwrap();
        fs::remove_file(&path).unwrap();
        fs::write(&path, "ttl = 30").unwrap();
        assert_eq!(socket.renew().unwrap_err().kind(), ErrorKind::AlreadyExists);
        drop(socket);
        assert!(path.exists());
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
