//! The keys of signed zones in the status of a node.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::dnssec::{Part, SigningKey, ZoneKeys};
use crate::timestamp::rfc3339;

/// A key of a zone.
#[derive(Debug, Serialize, Deserialize)]
pub struct KeyStatus {
    /// Its tag.
    pub tag: u16,
    /// The state in the words of RFC 7583.
    pub state: String,
    /// When a roll-over begins by itself because the lifetime of the key ends, in Unix seconds; absent if none is to begin.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub rolls: Option<u64>,
}

impl KeyStatus {
    /// Returns all keys of a zone.
    pub(super) fn all(keys: &ZoneKeys) -> Vec<Self> {
        let turns = keys.turns();
        let status = |(number, (key, part)): (usize, (&Arc<SigningKey>, &Part))| Self {
            tag: key.public().tag(),
            state: part.state.as_str().to_owned(),
            rolls: turns.iter().find(|turn| turn.key == number).map(|turn| turn.begins),
        };
        keys.parts().enumerate().map(status).collect()
    }
}

impl fmt::Display for KeyStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tag, state, rolls } = self;
        write!(f, "{tag} {state}")?;
        rolls.map_or(Ok(()), |rolls| write!(f, ", rolls at {}", rfc3339(Duration::from_secs(rolls))))
    }
}
