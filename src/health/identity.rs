//! The software and the configuration of a node, so that operators see whether all nodes of a fleet run the same.

use std::hash::Hasher;

use siphasher::sip::SipHasher24;

/// Most zones that are told one by one.
pub const MAX_ZONES: usize = 256;

/// Most keys of a zone that are told.
pub const MAX_KEYS: usize = 16;

/// Longest name of a zone that is told, in octets of its presentation format.
pub const MAX_ORIGIN: usize = 255;

/// The program of a node, and its zones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The version of the program.
    pub version: Box<str>,
    /// A fingerprint of the files of all its zones, the same on nodes with the same files.
    pub configuration: u64,
    /// The zones by their names, up to [`MAX_ZONES`].
    pub zones: Vec<ZoneIdentity>,
    /// Number of further zones.
    pub more_zones: u32,
    /// True if it only observes, and answers nothing.
    pub observes: bool,
    /// The version of the zones that it serves; `None` if it takes none from its fleet.
    pub sight: Option<ZonesSight>,
}

/// Which version of the zones a node serves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ZonesSight {
    /// The number and the short digest of the version that is served; `None` if none came yet.
    pub serves: Option<(u32, u64)>,
    /// The number of a version that it is to serve and does not, and why.
    pub refuses: Option<(u32, Box<str>)>,
}

/// A zone of a node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ZoneIdentity {
    /// Its name.
    pub origin: Box<str>,
    /// The serial that it is served with.
    pub serial: u32,
    /// A fingerprint of the text of its files.
    pub text: u64,
    /// The tags of the keys that it publishes, in ascending order, up to [`MAX_KEYS`]; none if it is not signed.
    pub keys: Vec<u16>,
}

impl Identity {
    /// A node with this program and these zones, in any order.
    pub fn new(version: &str, mut zones: Vec<ZoneIdentity>) -> Self {
        zones.sort_unstable();
        let mut hasher = SipHasher24::new();
        for ZoneIdentity { origin, text, .. } in &zones {
            write_text(&mut hasher, origin);
            hasher.write(&text.to_be_bytes());
        }
        let count = zones.len();
        zones.retain(|zone| zone.origin.len() <= MAX_ORIGIN);
        zones.truncate(MAX_ZONES);
        for zone in &mut zones {
            zone.keys.truncate(MAX_KEYS);
        }
        Self {
            version: version.into(),
            configuration: hasher.finish(),
            more_zones: u32::try_from(count - zones.len()).unwrap_or(u32::MAX),
            zones,
            observes: false,
            sight: None,
        }
    }

    /// A number that differs if anything differs. It is the same in every version of truenorth.
    pub fn digest(&self) -> u64 {
        let Self { version, configuration, zones, more_zones, observes, sight } = self;
        let mut hasher = SipHasher24::new();
        write_text(&mut hasher, version);
        hasher.write(&configuration.to_be_bytes());
        hasher.write(&more_zones.to_be_bytes());
        for ZoneIdentity { origin, serial, text, keys } in zones {
            write_text(&mut hasher, origin);
            hasher.write(&serial.to_be_bytes());
            hasher.write(&text.to_be_bytes());
            for key in keys {
                hasher.write(&key.to_be_bytes());
            }
        }
        if *observes {
            hasher.write_u8(1);
        }
        if let Some(ZonesSight { serves, refuses }) = sight {
            hasher.write_u8(2);
            let (number, id) = serves.unwrap_or_default();
            hasher.write(&number.to_be_bytes());
            hasher.write(&id.to_be_bytes());
            if let Some((number, why)) = refuses {
                hasher.write(&number.to_be_bytes());
                write_text(&mut hasher, why);
            }
        }
        hasher.finish()
    }

    /// Its zone with this name.
    pub fn zone(&self, origin: &str) -> Option<&ZoneIdentity> {
        self.zones.binary_search_by(|zone| (*zone.origin).cmp(origin)).ok().map(|place| &self.zones[place])
    }
}

/// The length keeps neighbouring texts apart.
fn write_text(hasher: &mut SipHasher24, text: &str) {
    hasher.write(&(text.len() as u64).to_be_bytes());
    hasher.write(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(origin: &str, serial: u32, text: u64) -> ZoneIdentity {
        ZoneIdentity { origin: origin.into(), serial, text, keys: Vec::new() }
    }

    #[test]
    fn the_configuration_is_of_files_and_the_digest_of_everything() {
        let one = Identity::new("0.1.0", vec![zone("b.example.", 7, 2), zone("a.example.", 7, 1)]);
        let other = Identity::new("0.1.0", vec![zone("a.example.", 7, 1), zone("b.example.", 7, 2)]);
        assert_eq!(one, other);
        assert_eq!(one.zone("b.example."), Some(&zone("b.example.", 7, 2)));
        assert_eq!(one.zone("c.example."), None);
        let counted = Identity::new("0.1.0", vec![zone("a.example.", 8, 1), zone("b.example.", 7, 2)]);
        assert_eq!(counted.configuration, one.configuration);
        assert_ne!(counted.digest(), one.digest());
        let signed = ZoneIdentity { keys: vec![9, 4711], ..zone("a.example.", 7, 1) };
        let signed = Identity::new("0.1.0", vec![signed, zone("b.example.", 7, 2)]);
        assert_eq!(signed.configuration, one.configuration);
        assert_ne!(signed.digest(), one.digest());
        let edited = Identity::new("0.1.0", vec![zone("a.example.", 7, 3), zone("b.example.", 7, 2)]);
        assert_ne!(edited.configuration, one.configuration);
        assert_ne!(Identity::new("0.2.0", one.zones.clone()).digest(), one.digest());
        assert_ne!(Identity { observes: true, ..one.clone() }.digest(), one.digest());
    }

    #[test]
    fn zones_beyond_the_bound_are_counted_and_belong_to_the_configuration() {
        let many = |last: u64| {
            let zones = (0..MAX_ZONES as u64 + 2).map(|number| zone(&format!("z{number:04}.example."), 1, number));
            let long = zone(&"a".repeat(MAX_ORIGIN + 1), 1, last);
            Identity::new("0.1.0", zones.chain([long]).collect())
        };
        let one = many(1);
        assert_eq!((one.zones.len(), one.more_zones), (MAX_ZONES, 3));
        assert_ne!(many(2).configuration, one.configuration);
    }
}
