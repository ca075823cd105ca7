//! Key files in the form of BIND, which Knot and PowerDNS read and write too:
//!
//! ```text
//!   Kexample.com.+013+55648.key        example.com. 3600 IN DNSKEY 257 3 13 GojIhhXU...
//!   Kexample.com.+013+55648.private    Private-key-format: v1.3
//!                                      Algorithm: 13 (ECDSAP256SHA256)
//!                                      PrivateKey: GU6SnQ/Ou+xC5RumuIUI...
//!                                      Created: 20260101000000
//!                                      Publish: 20260101000000
//!                                      Activate: 20260101000000
//! ```
//!
//! The names of the files tell zone, algorithm and key tag. The times say from when and until when a key is published
//! and signs; without one, it always does. `DSPublish` records that the parent holds the key's DS record. Other fields are
//! ignored.

use std::fmt;
use std::time::Duration;

use data_encoding::BASE64;

use super::private::{self, Mismatch, PRIVATE, PrivateKey};
use super::time::Timing;
use super::{Algorithm, PublicKey, Role, SigningKey};
use crate::name::Name;
use crate::timestamp::{Civil, digits};

/// TTL of DNSKEY, CDS and CDNSKEY records, in seconds, if key files give none.
pub const KEY_TTL: u32 = 3600;

/// The names of times in the files of private keys, in the order in which BIND writes them.
const TIMES: [&str; 7] = ["Publish", "Activate", "Inactive", "Delete", "DSPublish", "SyncPublish", "SyncDelete"];

/// The reason why files do not hold a key that can sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadKeyFile {
    /// There is no DNSKEY record.
    NoRecord,
    /// The DNSKEY record is of this other name.
    OtherZone(Box<str>),
    /// The DNSKEY record's fields are not those of a key that zones can be signed with here.
    Unfit,
    /// A field of the private key is missing or cannot be read.
    Field(&'static str),
    /// The private key does not belong to the public one.
    Mismatch,
}

impl fmt::Display for BadKeyFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRecord => f.write_str("holds no DNSKEY record"),
            Self::OtherZone(owner) => write!(f, "holds the key of another zone, {owner}"),
            Self::Unfit => f.write_str(
                "holds no key of a zone that can sign here; algorithms 13 (ECDSAP256SHA256) and 15 (ED25519) can",
            ),
            Self::Field(field) => write!(f, "has no readable field `{field}`"),
            Self::Mismatch => f.write_str("does not belong to the public key beside it"),
        }
    }
}

impl std::error::Error for BadKeyFile {}

/// The two files of one key.
pub struct KeyFiles {
    /// The names of both files without their extensions: `Kexample.com.+013+55648`.
    pub stem: String,
    /// The contents of the file with the extension `key`, which is public.
    pub public: String,
    /// The contents of the file with the extension `private`, which is secret.
    pub private: String,
}

/// Returns the stem of a key's file names. `None` if the zone's name holds characters that file names cannot.
pub fn stem(zone: &Name, algorithm: u8, tag: u16) -> Option<String> {
    Some(format!("{}+{algorithm:03}+{tag:05}", prefix(zone)?))
}

/// Returns the beginning of the file names of a zone's keys, before the first plus sign.
fn prefix(zone: &Name) -> Option<String> {
    let name = Name::from_wire(&zone.to_key()).to_string();
    name.bytes().all(|octet| octet.is_ascii_graphic() && !b"/\\".contains(&octet)).then(|| format!("K{name}"))
}

/// Returns algorithm and tag if these are the name of a file with the public key of this zone.
pub fn is_key_of(file: &str, zone: &Name) -> Option<(u8, u16)> {
    let rest = file.strip_suffix(".key")?.strip_prefix(&prefix(zone)?)?;
    let (algorithm, tag) = rest.strip_prefix('+')?.split_once('+')?;
    Some((algorithm.parse().ok()?, tag.parse().ok()?))
}

/// Reads a key of a zone from the contents of its two files.
pub fn read(zone: &Name, public: &str, private: &str) -> Result<SigningKey, BadKeyFile> {
    let (public, ttl) = read_public(zone, public)?;
    let octets = field(private, "PrivateKey").and_then(|text| BASE64.decode(text.as_bytes()).ok());
    let octets = octets.and_then(|octets| padded(&octets)).ok_or(BadKeyFile::Field("PrivateKey"))?;
    let algorithm = field(private, "Algorithm").and_then(|text| text.split_whitespace().next()?.parse().ok());
    if algorithm != Some(public.algorithm().number()) {
        return Err(BadKeyFile::Field("Algorithm"));
    }
    let parse = |text| Some(Civil::parse_digits(text)?.since_epoch()?.as_secs());
    let mut times = [None; TIMES.len()];
    for (time, name) in times.iter_mut().zip(TIMES) {
        if let Some(text) = field(private, name) {
            *time = Some(parse(text).ok_or(BadKeyFile::Field(name))?);
        }
    }
    let [publish, activate, inactive, delete, ds_publish, sync_publish, sync_delete] = times;
    let timing = Timing { publish, activate, inactive, delete, sync_publish, sync_delete, ds_publish };
    // It only tells the age of a key without other times.
    let created = field(private, "Created").and_then(parse);
    let private = PrivateKey::new(&octets, &public).map_err(|Mismatch| BadKeyFile::Mismatch)?;
    Ok(SigningKey::new(public, private, timing, created, ttl))
}

/// Returns the octets of a private key in their full length. BIND leaves out zeros at the beginning of the number that is an
/// ECDSA key. `None` if there are too many octets, or none.
fn padded(octets: &[u8]) -> Option<[u8; PRIVATE]> {
    let mut padded = [0; PRIVATE];
    let start = PRIVATE.checked_sub(octets.len()).filter(|_| !octets.is_empty())?;
    padded[start..].copy_from_slice(octets);
    Some(padded)
}

/// Returns the contents of a private key's file with these times instead of its own. Nothing else changes.
pub fn with_times(private: &str, timing: Timing) -> String {
    let is_time = |line: &&str| line.split_once(':').is_some_and(|(name, _)| TIMES.contains(&name.trim()));
    let kept = private.lines().filter(|line| !is_time(line)).flat_map(|line| [line, "\n"]);
    kept.collect::<String>() + &lines(timing)
}

/// Returns the lines of times.
fn lines(timing: Timing) -> String {
    let Timing { publish, activate, inactive, delete, sync_publish, sync_delete, ds_publish } = timing;
    let times = [publish, activate, inactive, delete, ds_publish, sync_publish, sync_delete];
    let line = |(name, time): (&str, Option<u64>)| Some(format!("{name}: {}\n", digits(Duration::from_secs(time?))));
    TIMES.into_iter().zip(times).filter_map(line).collect()
}

/// Reads the DNSKEY record of a zone from the contents of a file, and its TTL, if there is one.
fn read_public(zone: &Name, text: &str) -> Result<(PublicKey, Option<u32>), BadKeyFile> {
    let lines = text.lines().map(|line| line.split(';').next().unwrap_or_default());
    let mut lines = lines.map(|line| line.split_whitespace().collect::<Vec<_>>());
    let (owner, ttl, fields) = lines
        .find_map(|words| {
            let at = words.iter().position(|word| word.eq_ignore_ascii_case("DNSKEY")).filter(|&at| at > 0)?;
            let ttl = words[1..at].iter().find_map(|word| word.parse().ok());
            Some((words[0].to_owned(), ttl, words[at + 1..].iter().map(|&word| word.to_owned()).collect::<Vec<_>>()))
        })
        .ok_or(BadKeyFile::NoRecord)?;
    if Name::parse(&owner, &Name::root()).is_ok_and(|owner| owner != *zone) {
        return Err(BadKeyFile::OtherZone(owner.into()));
    }
    let [flags, protocol, algorithm, key @ ..] = &fields[..] else { return Err(BadKeyFile::NoRecord) };
    let key = BASE64.decode(key.concat().as_bytes()).map_err(|_| BadKeyFile::Unfit)?;
    let algorithm = algorithm.parse().ok().or_else(|| Algorithm::from_mnemonic(algorithm).map(Algorithm::number));
    let fields = flags.parse().ok().zip(protocol.parse().ok()).zip(algorithm);
    let key =
        fields.and_then(|((flags, protocol), algorithm)| PublicKey::from_fields(flags, protocol, algorithm, &key));
    key.map(|key| (key, ttl)).ok_or(BadKeyFile::Unfit)
}

fn field<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    text.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(key, _)| key.trim() == name)
        .map(|(_, value)| value.trim())
}

/// The facts of a key that is made.
#[derive(Clone, Copy, Debug)]
pub struct NewKey {
    /// Its role.
    pub role: Role,
    /// Its algorithm.
    pub algorithm: Algorithm,
    /// TTL of its DNSKEY record in seconds.
    pub ttl: u32,
    /// When it is made, in Unix seconds.
    pub created: u64,
    /// Its times.
    pub timing: Timing,
}

impl NewKey {
    /// Returns a key that signs all records of a zone (CSK) from the time `now` on, in Unix seconds.
    pub fn first(algorithm: Algorithm, ttl: u32, now: u64) -> Self {
        let timing = Timing { publish: Some(now), activate: Some(now), ..Timing::default() };
        Self { role: Role::Csk, algorithm, ttl, created: now, timing }
    }

    /// Makes the key, and returns its files. Returns `None` if the system has no random octets, or if no file name can
    /// hold the zone's name.
    pub fn create(self, zone: &Name) -> Option<KeyFiles> {
        let Self { role, algorithm, ttl, created, timing } = self;
        let (private, public) = private::generate(algorithm)?;
        let public = PublicKey::new(algorithm, role.is_entry(), &public)?;
        let stem = stem(zone, algorithm.number(), public.tag())?;
        let (name, tag, time) = (Name::from_wire(&zone.to_key()), public.tag(), digits(Duration::from_secs(created)));
        let record = format!(
            "{name} {ttl} IN DNSKEY {} 3 {} {}",
            public.flags(),
            algorithm.number(),
            BASE64.encode(public.octets())
        );
        let public = format!("; {role} of {name}, keyid {tag}.\n; Created: {time}\n{record}\n");
        let private = format!(
            "Private-key-format: v1.3\nAlgorithm: {} ({algorithm})\nPrivateKey: {}\nCreated: {time}\n{}",
            algorithm.number(),
            BASE64.encode(&private),
            lines(timing)
        );
        Some(KeyFiles { stem, public, private })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 6605, section 6.1, as BIND writes it.
    const PUBLIC: &str = "; This is a key-signing key, keyid 55648, for example.net.\n\
        Example.net. 3600 IN DNSKEY 257 3 13 \
        GojIhhXUN/u4v54ZQqGSnyhWJwaubCvTmeexv7bR6edb krSqQpF64cYbcB7wNcP+e+MAnLr+Wi9xMWyQLc8NAA== ; comment\n";
    const PRIVATE: &str = "Private-key-format: v1.2\nAlgorithm: 13 (ECDSAP256SHA256)\n\
        PrivateKey: GU6SnQ/Ou+xC5RumuIUIuJZteXT2z0O/ok1s38Et6mQ=\nActivate: 20260102030405\n";

    fn zone(text: &str) -> Name {
        Name::parse(text, &Name::root()).unwrap()
    }

    #[test]
    fn the_rfcs_key_is_read() {
        let key = read(&zone("example.net."), PUBLIC, PRIVATE).unwrap();
        assert_eq!((key.public().tag(), key.public().flags()), (55648, 257));
        assert_eq!(key.timing().activate, Some(1_767_323_045));
        assert_eq!(key.timing().publish, None);
    }

    #[test]
    fn what_is_no_key_of_the_zone_is_told() {
        let fault = |public: &str, private: &str| read(&zone("example.net."), public, private).unwrap_err();
        assert_eq!(fault("; nothing\n", PRIVATE), BadKeyFile::NoRecord);
        assert_eq!(fault(&PUBLIC.replace(" 13 ", " 8 "), PRIVATE), BadKeyFile::Unfit);
        assert_eq!(fault(&PUBLIC.replace("GojI", "Goj!"), PRIVATE), BadKeyFile::Unfit);
        assert_eq!(
            fault(&PUBLIC.replace("Example.net", "example.org"), PRIVATE),
            BadKeyFile::OtherZone("example.org.".into())
        );
        assert_eq!(fault(PUBLIC, &PRIVATE.replace("GU6S", "GU6T")), BadKeyFile::Mismatch);
        assert_eq!(fault(PUBLIC, &PRIVATE.replace("PrivateKey", "PublicKey")), BadKeyFile::Field("PrivateKey"));
        assert_eq!(fault(PUBLIC, &PRIVATE.replace("13 (", "15 (")), BadKeyFile::Field("Algorithm"));
        assert_eq!(fault(PUBLIC, &PRIVATE.replace("20260102030405", "soon")), BadKeyFile::Field("Activate"));
    }

    #[test]
    fn new_keys_are_read_back() {
        for algorithm in Algorithm::ALL {
            let zone = zone("Gslb.Example.com.");
            let files = NewKey::first(algorithm, 300, 1_767_225_600).create(&zone).unwrap();
            let key = read(&zone, &files.public, &files.private).unwrap();
            let expected = (algorithm.number(), key.public().tag());
            assert_eq!(is_key_of(&format!("{}.key", files.stem), &zone), Some(expected));
            assert!(files.stem.starts_with("Kgslb.example.com.+0"), "{}", files.stem);
            assert!(files.private.contains("Created: 20260101000000\n"));
            assert_eq!(key.ttl(), 300);
        }
    }

    #[test]
    fn times_are_replaced_and_nothing_else() {
        let timing = Timing { publish: Some(1_767_323_045), ds_publish: Some(0), ..Timing::default() };
        let written = with_times(PRIVATE, timing);
        assert_eq!(
            written,
            PRIVATE.replace("Activate: ", "Publish: ") + "DSPublish: 19700101000000\n",
            "Activate is gone"
        );
        let key = read(&zone("example.net."), PUBLIC, &written).unwrap();
        assert_eq!((key.timing(), key.ttl()), (timing, 3600));
        assert_eq!(with_times(&written, timing), written);
    }

    #[test]
    fn a_number_without_its_first_zeros_is_the_same_key() {
        let zone = zone("example.net.");
        let octets = |files: &KeyFiles| BASE64.decode(field(&files.private, "PrivateKey").unwrap().as_bytes()).unwrap();
        let create = || NewKey::first(Algorithm::EcdsaP256Sha256, 300, 0).create(&zone).unwrap();
        // One of 256 keys begins with a zero.
        let files = std::iter::repeat_with(create).find(|files| octets(files)[0] == 0).unwrap();
        let whole = field(&files.private, "PrivateKey").unwrap();
        let short = files.private.replace(whole, &BASE64.encode(&octets(&files)[1..]));
        let key = read(&zone, &files.public, &short).unwrap();
        assert_eq!(key.public(), read(&zone, &files.public, &files.private).unwrap().public());
        assert_eq!((padded(&[]), padded(&[1; private::PRIVATE + 1])), (None, None));
    }

    #[test]
    fn file_names_tell_zone_algorithm_and_tag() {
        let of = |file: &str| is_key_of(file, &zone("example.com."));
        assert_eq!(of("Kexample.com.+013+00042.key"), Some((13, 42)));
        for other in
            ["Kexample.com.+013+00042.private", "Kexample.org.+013+00042.key", "Kexample.com.+013.key", "K.key"]
        {
            assert_eq!(of(other), None, "{other}");
        }
        assert_eq!(stem(&zone("a/b.example."), 13, 1), None);
    }
}
