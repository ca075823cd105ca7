//! Targets of overrides: `dc:fra`, `pool:web/fra`, `endpoint:192.0.2.10`, `name:www.gslb.example.com`,
//! `pool:web/fra@www.gslb.example.com`.
//!
//! ```text
//!   dc:fra                  every endpoint in that datacenter
//!   pool:web/fra            that pool; pool:web is all of its datacenters
//!   endpoint:192.0.2.10     that address in every pool; endpoint:www.example.net is a CNAME's target
//!   name:www.example.com    that steered name; a wildcard's owner is written name:\*.apps.example.com
//!   pool:web/fra@www.example.com   that pool in the answers of that name only
//! ```
//!
//! `*` matches any text, dots and slashes too, and `?` any single character; a backslash before them makes them
//! literal. Several zones may have pools of the same name: the target means all of them.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use crate::glob::Glob;
use crate::name::{Name, NameError};

/// Maximum number of octets of a target's text. A domain name has up to 255 octets, and each is written with four
/// characters at most. Longer globs would take memory and time for each override and each name.
const MAX_TEXT: usize = 1024;

/// The kind of a target, the least specific first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TargetKind {
    /// All endpoints in a datacenter.
    Datacenter,
    /// A pool.
    Pool,
    /// An endpoint, by its address or canonical name.
    Endpoint,
    /// A steered name. It is never compared with the others, because it does not concern endpoints.
    Name,
    /// A pool in the answers of a steered name. It is compared only with targets of the same kind.
    PoolInName,
}

impl TargetKind {
    const WORDS: [(&'static str, Self); 4] =
        [("dc", Self::Datacenter), ("pool", Self::Pool), ("endpoint", Self::Endpoint), ("name", Self::Name)];

    /// The text before the colon.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Datacenter => "dc",
            Self::Pool | Self::PoolInName => "pool",
            Self::Endpoint => "endpoint",
            Self::Name => "name",
        }
    }

    /// True if it concerns endpoints, wherever they are answered.
    pub fn is_of_endpoints(self) -> bool {
        matches!(self, Self::Datacenter | Self::Pool | Self::Endpoint)
    }
}

/// A pattern for targets of one kind.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TargetPattern {
    kind: TargetKind,
    /// Addresses as [`IpAddr`] writes them; names in lower case and without the final dot.
    text: Box<str>,
    glob: Glob,
    /// The name whose answers the target concerns; only for [`TargetKind::PoolInName`].
    name: Option<Box<TargetPattern>>,
}

/// The exactness of a pattern, the least exact first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Exactness {
    Glob,
    /// A pool without its datacenter.
    Whole,
    Exact,
}

/// Why a text is not a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetPatternError {
    /// It does not begin with a kind and a colon.
    NoKind,
    /// There is nothing after the colon.
    Empty,
    /// It is longer than any name.
    TooLong,
    /// It looks like an address but is not valid.
    BadAddress(Box<str>),
    /// It is not a domain name.
    BadName(Box<str>, NameError),
}

impl fmt::Display for TargetPatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoKind => {
                f.write_str("a target is dc:NAME, pool:NAME, endpoint:ADDRESS, name:NAME or pool:NAME@NAME")
            }
            Self::Empty => f.write_str("a target needs text after its colon"),
            Self::TooLong => write!(f, "a target has at most {MAX_TEXT} octets"),
            Self::BadAddress(text) => write!(f, "`{text}` is not an address"),
            Self::BadName(text, error) => write!(f, "`{text}` is not a name: {error}"),
        }
    }
}

impl std::error::Error for TargetPatternError {}

impl FromStr for TargetPattern {
    type Err = TargetPatternError;

    fn from_str(text: &str) -> Result<Self, TargetPatternError> {
        let (kind, text) = text.split_once(':').ok_or(TargetPatternError::NoKind)?;
        let known = TargetKind::WORDS.iter().find(|(word, _)| *word == kind);
        let &(_, kind) = known.ok_or(TargetPatternError::NoKind)?;
        if text.len() > MAX_TEXT {
            return Err(TargetPatternError::TooLong);
        }
        // No pool has an `@` in its name.
        let (text, name) = match text.split_once('@').filter(|_| kind == TargetKind::Pool) {
            Some((pool, name)) => (pool, Some(Box::new(format!("name:{name}").parse::<Self>()?))),
            None => (text, None),
        };
        let kind = if name.is_some() { TargetKind::PoolInName } else { kind };
        if text.is_empty() {
            return Err(TargetPatternError::Empty);
        }
        let is_glob = !Glob::new(text).is_literal();
        let text = match kind {
            TargetKind::Datacenter | TargetKind::Pool | TargetKind::PoolInName => text.to_owned(),
            TargetKind::Endpoint | TargetKind::Name if is_glob => without_final_dot(text).to_ascii_lowercase(),
            TargetKind::Endpoint => endpoint_text(text)?,
            TargetKind::Name => name_text(text)?,
        };
        Ok(Self { kind, glob: Glob::new(&text), text: text.into(), name })
    }
}

impl fmt::Display for TargetPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind.as_str(), self.text)?;
        self.name.as_ref().map_or(Ok(()), |name| write!(f, "@{}", name.text))
    }
}

impl TargetPattern {
    /// Returns the target of a pool, or of an entry in all of its datacenters, in the answers of exactly this name.
    pub fn pool_in_name(pool: &str, name: &Name) -> Self {
        let of_kind = |kind, text: String, name| Self { kind, glob: Glob::new(&text), text: text.into(), name };
        let name = of_kind(TargetKind::Name, literal(name), None);
        of_kind(TargetKind::PoolInName, pool.to_owned(), Some(Box::new(name)))
    }

    /// The kind of the target.
    pub fn kind(&self) -> TargetKind {
        self.kind
    }

    /// The text after the colon, without the part after `@`.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The name whose answers the target concerns; only for [`TargetKind::PoolInName`].
    pub fn name(&self) -> Option<&Self> {
        self.name.as_deref()
    }

    /// True if it contains `*` or `?`, so that it may match several things.
    pub fn is_glob(&self) -> bool {
        !self.glob.is_literal() || self.name.as_ref().is_some_and(|name| !name.glob.is_literal())
    }

    /// True if the pattern matches: a datacenter or pool by its name, an address as [`IpAddr`] writes it, a domain name
    /// by its [`canonical`] text. For a pool in a name, only the pool is compared.
    pub fn means(&self, text: &str) -> bool {
        let whole_pool = || {
            let pool = text.split_once('/').map(|(pool, _)| pool);
            self.names_no_datacenter() && pool.is_some_and(|pool| self.glob.matches(pool))
        };
        let is_pool = matches!(self.kind, TargetKind::Pool | TargetKind::PoolInName);
        self.glob.matches(text) || (is_pool && whole_pool())
    }

    /// The one text that the pattern matches, apart from a pool's name that means all of its datacenters; `None` for a
    /// pattern with `*` or `?`. For a pool in a name, the pool's.
    pub fn literal(&self) -> Option<String> {
        self.glob.literal()
    }

    pub(super) fn exactness(&self) -> Exactness {
        match self.kind {
            _ if self.is_glob() => Exactness::Glob,
            TargetKind::Pool | TargetKind::PoolInName if self.names_no_datacenter() => Exactness::Whole,
            _ => Exactness::Exact,
        }
    }

    fn names_no_datacenter(&self) -> bool {
        !self.text.contains('/')
    }
}

/// A name in the form that patterns use: in lower case and without its final dot.
pub fn canonical(name: &Name) -> String {
    without_final_dot(&name.to_string()).to_ascii_lowercase()
}

fn without_final_dot(text: &str) -> &str {
    match text.strip_suffix('.') {
        Some(rest) if !rest.is_empty() && !rest.ends_with(['\\', '.']) => rest,
        _ => text,
    }
}

fn endpoint_text(text: &str) -> Result<String, TargetPatternError> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(address.to_string());
    }
    let is_like_address =
        |text: &str| text.contains(':') || text.bytes().all(|octet| octet.is_ascii_digit() || octet == b'.');
    if is_like_address(text) {
        return Err(TargetPatternError::BadAddress(text.into()));
    }
    // Escapes, and `@` for the root, may have hidden it.
    let name = name_text(text)?;
    if is_like_address(&name) { Err(TargetPatternError::BadAddress(text.into())) } else { Ok(name) }
}

/// A name without globs. `*` and `?` in it are escaped, as they were written.
fn name_text(text: &str) -> Result<String, TargetPatternError> {
    let name = Name::parse(text, &Name::root()).map_err(|error| TargetPatternError::BadName(text.into(), error))?;
    Ok(literal(&name))
}

/// A name as the text of a pattern that matches nothing else.
fn literal(name: &Name) -> String {
    canonical(name).replace('*', "\\*").replace('?', "\\?")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pattern(text: &str) -> TargetPattern {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn a_pool_in_a_name_is_the_target_that_operators_write() {
        for (pool, name, text) in [
            ("web/fra", "www.Example.com.", "pool:web/fra@www.example.com"),
            ("web", "*.apps.example.com.", r"pool:web@\*.apps.example.com"),
            ("web", r"a\.b.example.com.", r"pool:web@a\.b.example.com"),
        ] {
            let target = TargetPattern::pool_in_name(pool, &Name::parse(name, &Name::root()).unwrap());
            assert_eq!((&target, &*target.to_string()), (&pattern(text), text));
        }
    }

    #[test]
    fn what_is_meant() {
        for (target, text, is_meant) in [
            ("dc:fra", "fra", true),
            ("dc:fra", "fra2", false),
            ("dc:fra*", "fra2", true),
            ("dc:fr?", "fra", true),
            ("dc:fr?", "fr", false),
            ("pool:web/fra", "web/fra", true),
            ("pool:web/fra", "web/iad", false),
            ("pool:web", "web/iad", true),
            ("pool:web", "web", true),
            ("pool:web", "webs/iad", false),
            ("pool:we?", "web/iad", true),
            ("pool:web/*", "web/iad", true),
            ("pool:web/*", "web", false),
            ("pool:*/fra", "web/fra", true),
            ("pool:web@www.example.com", "web/iad", true),
            ("pool:web/fra@www.example.com", "web/iad", false),
            ("endpoint:192.0.2.*", "192.0.2.10", true),
            ("endpoint:192.0.2.*", "192.0.20.1", false),
            ("endpoint:2001:DB8:0::1", "2001:db8::1", true),
            ("endpoint:Status.Example.net.", "status.example.net", true),
            ("name:www.Example.com.", "www.example.com", true),
            ("name:*.example.com", "a.b.example.com", true),
            ("name:*.example.com", "example.com", false),
            (r"name:\*.example.com", "*.example.com", true),
            (r"name:\*.example.com", "a.example.com", false),
            (r"name:a\.b.example.com", r"a\.b.example.com", true),
            ("name:*a*b*", "xaxxbxb", true),
            ("name:*a*b", "xaxxbx", false),
        ] {
            assert_eq!(pattern(target).means(text), is_meant, "{target} {text}");
        }
    }

    #[test]
    fn a_wildcards_owner_is_written_out_with_a_backslash() {
        assert!(!pattern(r"name:\*.example.com").is_glob());
        assert_eq!(pattern(r"name:\*.Example.com").to_string(), r"name:\*.example.com");
    }

    #[test]
    fn what_is_no_target() {
        for (text, told) in [
            ("fra", "a target is dc:NAME, pool:NAME, endpoint:ADDRESS, name:NAME or pool:NAME@NAME"),
            ("datacenter:fra", "a target is dc:NAME, pool:NAME, endpoint:ADDRESS, name:NAME or pool:NAME@NAME"),
            ("dc:", "a target needs text after its colon"),
            ("pool:@www.example.com", "a target needs text after its colon"),
            ("pool:web@", "a target needs text after its colon"),
            ("pool:web@a..b", "`a..b` is not a name: a label may not be empty"),
            ("endpoint:192.0.2.300", "`192.0.2.300` is not an address"),
            ("endpoint:2001:db8::g", "`2001:db8::g` is not an address"),
            ("endpoint:@", "`@` is not an address"),
            (r"endpoint:\049", r"`\049` is not an address"),
            (r"endpoint:a\058b", r"`a\058b` is not an address"),
            ("name:a..b", "`a..b` is not a name: a label may not be empty"),
        ] {
            assert_eq!(text.parse::<TargetPattern>().map_err(|error| error.to_string()), Err(told.to_owned()));
        }
    }

    #[test]
    fn a_pool_in_a_name_is_a_kind_of_its_own() {
        let target = pattern("pool:web/fra@WWW.Example.com.");
        assert_eq!((target.kind(), target.text()), (TargetKind::PoolInName, "web/fra"));
        assert!(target.name().is_some_and(|name| name.means("www.example.com")));
        assert_eq!(target.to_string(), "pool:web/fra@www.example.com");
        assert!(!target.is_glob() && pattern("pool:web@*.example.com").is_glob() && pattern("pool:*@a.b").is_glob());
    }

    #[test]
    fn dots_that_end_a_glob_are_one_or_all_left() {
        for (text, told) in
            [("endpoint:*.", "endpoint:*"), ("endpoint:*..", "endpoint:*.."), ("name:a*\\.", "name:a*\\.")]
        {
            let target: TargetPattern = text.parse().unwrap();
            assert_eq!(target.to_string(), told);
            assert_eq!(told.parse(), Ok(target));
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(text in r"(dc|pool|endpoint|name):([a-z0-9*?./\\:@]|\\[012][0-9]{2}){0,12}") {
            if let Ok(target) = text.parse::<TargetPattern>() {
                prop_assert_eq!(target.to_string().parse::<TargetPattern>(), Ok(target));
            }
        }
    }
}
