//! The names of nodes.

use std::fmt;
use std::sync::Arc;

/// Most octets in a name, as in a DNS label.
pub const MAX_NAME: usize = 63;

/// The name of a node in its fleet: 1 to 63 ASCII letters, digits, `-` and `_`, so that it is one token of a NATS
/// subject. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeName(Arc<str>);

impl NodeName {
    /// Returns `None` if the text cannot be a name.
    pub fn try_new(text: &str) -> Option<Self> {
        let is_token = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_');
        ((1..=MAX_NAME).contains(&text.len()) && text.bytes().all(is_token)).then(|| Self(text.into()))
    }

    /// The name as text that is cheap to clone.
    pub fn shared(&self) -> Arc<str> {
        self.0.clone()
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_token_of_a_subject() {
        for good in ["ns1-fra", "NS_1", "7", &"a".repeat(MAX_NAME)] {
            assert_eq!(NodeName::try_new(good).map(|name| name.to_string()).as_deref(), Some(good));
        }
        for bad in ["", "ns1.fra", "a b", ">", "*", "é", "a\n", &"a".repeat(MAX_NAME + 1)] {
            assert_eq!(NodeName::try_new(bad), None, "{bad:?}");
        }
    }
}
