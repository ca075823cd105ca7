//! The GeoIP database that comes with truenorth.

use std::path::PathBuf;

use super::config_file::is_there;

/// The paths where it may be: in the repository, and in the Debian package. If it is at neither, the first path is
/// reported as missing.
pub(super) const PLACES: [&str; 2] = ["geoip/country.mmdb", "/usr/share/truenorth/country.mmdb"];

/// Returns its path, if it is on this machine.
pub(super) fn find() -> Option<PathBuf> {
    PLACES.iter().map(PathBuf::from).find(|path| is_there(path))
}
