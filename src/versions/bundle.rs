//! A version as octets, the same on every node.
//!
//! ```text
//!   "truenorth zones 1\n"
//!   number of files   u32      then for each, in ascending order:  path length u16, path, contents length u32, contents
//!   number of zones   u32      then for each, in ascending order:  origin length u16, origin, serial u32, contents u64
//! ```
//!
//! Numbers are big-endian. There is one way to write a version, so that one version has one digest.

use std::fmt;

use ring::digest::{SHA256, digest};

use super::files::{FilePath, Files, FilesError, MAX_OCTETS};
use crate::name::Name;

/// The first octets.
const HEAD: &[u8] = b"truenorth zones 1\n";

/// Octets of a part: with its subject and headers well below what a NATS server takes.
pub const PART: usize = 96 * 1024;

/// Most octets of a version: those of its files, and of what is said of them and of its zones.
pub(super) const MAX_ENCODED: usize = 2 * MAX_OCTETS;

/// SHA-256 of a version, or of its files.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

/// A zone in a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZoneLine {
    /// Its origin.
    pub origin: Name,
    /// The serial that it is served with, unless its files give one.
    pub serial: u32,
    /// A fingerprint of its contents without the serial.
    pub contents: u64,
}

/// A version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle {
    files: Files,
    /// By their origins in lower case.
    zones: Vec<ZoneLine>,
}

/// Why octets are no version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BundleError {
    /// They are of a form that this program does not know, or end too early.
    Malformed,
    /// Their digest is another one than was ordered.
    Damaged,
    /// Their files cannot be a version.
    Files(FilesError),
}

impl fmt::Display for BundleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed => f.write_str("it has a form that this program does not know"),
            Self::Damaged => f.write_str("it is damaged: its digest is another one than that of the order"),
            Self::Files(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for BundleError {}

impl Digest {
    /// The digest of these octets.
    pub fn of(octets: &[u8]) -> Self {
        let mut sum = [0; 32];
        sum.copy_from_slice(digest(&SHA256, octets).as_ref());
        Self(sum)
    }

    /// Reads 64 hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.as_bytes();
        if digits.len() != 64 || !digits.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f')) {
            return None;
        }
        let mut sum = [0; 32];
        for (octet, pair) in sum.iter_mut().zip(text.as_bytes().chunks(2)) {
            *octet = u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok()?;
        }
        Some(Self(sum))
    }

    /// Its first octets as a number, for messages that compare versions.
    pub fn short(&self) -> u64 {
        self.0.iter().take(8).fold(0, |number, octet| number << 8 | u64::from(*octet))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Number of parts of a version with so many octets.
pub fn parts_of(octets: usize) -> usize {
    octets.div_ceil(PART)
}

impl Bundle {
    /// A version of these files, whose zones are served with these serials. Of two lines for a zone the first one counts.
    pub fn new(files: Files, mut zones: Vec<ZoneLine>) -> Self {
        zones.sort_by_key(|zone| key(&zone.origin));
        zones.dedup_by(|later, first| later.origin == first.origin);
        Self { files, zones }
    }

    /// The files.
    pub fn files(&self) -> &Files {
        &self.files
    }

    /// The zones.
    pub fn zones(&self) -> &[ZoneLine] {
        &self.zones
    }

    /// The digest of the files alone: two versions with the same files have the same one.
    pub fn digest_of_files(files: &Files) -> Digest {
        let mut octets = Vec::new();
        put_files(files, &mut octets);
        Digest::of(&octets)
    }

    /// The version as octets.
    pub fn encode(&self) -> Vec<u8> {
        let mut octets = HEAD.to_vec();
        put_files(&self.files, &mut octets);
        octets.extend((self.zones.len() as u32).to_be_bytes());
        for ZoneLine { origin, serial, contents } in &self.zones {
            put_text(&key(origin), &mut octets);
            octets.extend(serial.to_be_bytes());
            octets.extend(contents.to_be_bytes());
        }
        octets
    }

    /// Reads the version with this digest.
    pub fn decode(octets: &[u8], expected: Digest) -> Result<Self, BundleError> {
        if Digest::of(octets) != expected {
            return Err(BundleError::Damaged);
        }
        let mut reader = Reader(octets.strip_prefix(HEAD).ok_or(BundleError::Malformed)?);
        let bundle = reader.bundle().ok_or(BundleError::Malformed)??;
        // There is one way to write it.
        if octets.len() > MAX_ENCODED || bundle.encode() != octets {
            return Err(BundleError::Malformed);
        }
        Ok(bundle)
    }
}

fn key(origin: &Name) -> String {
    origin.to_string().to_ascii_lowercase()
}

fn put_files(files: &Files, octets: &mut Vec<u8>) {
    octets.extend((files.len() as u32).to_be_bytes());
    for (path, contents) in files.iter() {
        put_text(path.as_str(), octets);
        octets.extend((contents.len() as u32).to_be_bytes());
        octets.extend(contents);
    }
}

fn put_text(text: &str, octets: &mut Vec<u8>) {
    octets.extend((text.len() as u16).to_be_bytes());
    octets.extend(text.as_bytes());
}

/// The octets that are left to read. Its methods return `None` at a place where something else is than there should be.
struct Reader<'o>(&'o [u8]);

impl<'o> Reader<'o> {
    fn take(&mut self, length: usize) -> Option<&'o [u8]> {
        let (taken, left) = self.0.split_at_checked(length)?;
        self.0 = left;
        Some(taken)
    }

    fn number<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn text(&mut self) -> Option<&'o str> {
        let length = u16::from_be_bytes(self.number()?);
        str::from_utf8(self.take(length.into())?).ok()
    }

    fn bundle(&mut self) -> Option<Result<Bundle, BundleError>> {
        let mut files = Vec::new();
        for _ in 0..u32::from_be_bytes(self.number()?) {
            let path = match FilePath::try_new(self.text()?) {
                Ok(path) => path,
                Err(error) => return Some(Err(BundleError::Files(error))),
            };
            let length = u32::from_be_bytes(self.number()?);
            files.push((path, self.take(usize::try_from(length).ok()?)?.into()));
        }
        let files = match Files::try_new(files) {
            Ok(files) => files,
            Err(error) => return Some(Err(BundleError::Files(error))),
        };
        let mut zones = Vec::new();
        for _ in 0..u32::from_be_bytes(self.number()?) {
            let origin = Name::parse(self.text()?, &Name::root()).ok()?;
            let (serial, contents) = (u32::from_be_bytes(self.number()?), u64::from_be_bytes(self.number()?));
            zones.push(ZoneLine { origin, serial, contents });
        }
        self.0.is_empty().then(|| Ok(Bundle::new(files, zones)))
    }
}
