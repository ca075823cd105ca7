//! `[fleet]`: the other nodes, the NATS servers between them, and how many of them must agree.

use std::fmt;
use std::num::NonZeroU16;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::sign::CertifiedKey;
use url::Url;

use crate::disk::{Contents, Disk};
use crate::health::{Quorum, Share};
use crate::vantage::NodeName;

use super::certificate;
use super::code::Code;
use super::decode::{Placed, TomlTable, Value};
use super::fault::{Fault, Faults};
use super::kept;
use super::site::Site;

/// The default name of a fleet.
const NAME: &str = "main";

/// Range of `interval`, and its default. A node that is cut off decides alone after four intervals.
const INTERVAL: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(60);
const DEFAULT_INTERVAL: Duration = Duration::from_secs(2);

/// Most servers that keep a stream (NATS allows no more), and the default.
const MAX_REPLICAS: u16 = 5;
const REPLICAS: usize = 1;

/// Most nodes that probe an endpoint, if not all do.
const MAX_VANTAGES: u16 = 64;

/// The port of NATS.
const PORT: u16 = 4222;

/// The first lines of the two parts of a `.creds` file.
const CREDENTIALS: [&str; 2] = ["-----BEGIN NATS USER JWT-----", "-----BEGIN USER NKEY SEED-----"];

/// The fleet of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fleet {
    /// The name of the fleet, the same on all of its nodes.
    pub name: Box<str>,
    /// The name of this node, which no other node has.
    pub node: NodeName,
    /// Where the node stands: the datacenter or the country of its `site`; empty if it has none.
    pub site: Box<str>,
    /// The URLs of NATS servers, `nats://` or `tls://`, with ports; at least one.
    pub servers: Vec<Box<str>>,
    /// How the node shows who it is.
    pub login: FleetLogin,
    /// The authorities of the servers' certificates; `None` for those of the system.
    pub authorities: Option<Vec<CertificateDer<'static>>>,
    /// The certificate that the node shows.
    pub identity: Option<FleetIdentity>,
    /// Longest time between two reports of this node.
    pub interval: Duration,
    /// Number of NATS servers that keep each stream of orders that this node creates.
    pub replicas: usize,
    /// True if the node serves the versions of the zones that are pushed to the fleet, and not the files of its zones folder.
    pub takes_zones: bool,
    /// The JetStream domain of the servers that keep the streams; `None` for that of the server that the node is connected to.
    pub jetstream_domain: Option<Box<str>>,
}

/// The certificate that the node shows to NATS servers, with its key.
#[derive(Clone, Debug)]
pub struct FleetIdentity(pub Arc<CertifiedKey>);

impl PartialEq for FleetIdentity {
    fn eq(&self, other: &Self) -> bool {
        self.0.cert == other.0.cert
    }
}

impl Eq for FleetIdentity {}

/// How a node shows to NATS servers who it is.
#[derive(Clone, PartialEq, Eq)]
pub enum FleetLogin {
    /// Not at all, or by its certificate.
    Open,
    /// By the contents of a `.creds` file.
    Credentials(Box<str>),
    /// By the seed of an nkey.
    Nkey(Box<str>),
    /// By a user's name and password.
    Password(Box<str>, Box<str>),
}

/// Does not print secrets.
impl fmt::Debug for FleetLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "Open",
            Self::Credentials(_) => "Credentials(..)",
            Self::Nkey(_) => "Nkey(..)",
            Self::Password(..) => "Password(..)",
        })
    }
}

/// `[fleet]` as it was read.
pub(super) struct FleetSection {
    /// `None` if it is faulty, which was reported.
    pub(super) fleet: Option<Fleet>,
    pub(super) quorum: Option<Quorum>,
    pub(super) vantages: Option<NonZeroU16>,
}

/// Reads `[fleet]`.
pub(super) fn read(value: Option<Value<'_>>, site: Option<&Site>, disk: &Disk, faults: &mut Faults) -> FleetSection {
    let Some(mut table) = value.and_then(|value| value.table("`[fleet]`", faults)) else {
        return FleetSection { fleet: None, quorum: None, vantages: None };
    };
    let expected = "a name of up to 63 letters, digits, `-` and `_`";
    let name = table.take("name").map(|value| value.parsed(expected, faults, NodeName::try_new));
    let node = table.require("node", faults).and_then(|value| value.parsed(expected, faults, NodeName::try_new));
    let servers = table.require("servers", faults).map(|value| {
        let items = value.items("`servers` needs the URL of a NATS server", faults);
        items.iter().filter_map(|item| read_server(item, faults)).collect::<Vec<_>>()
    });
    let login = read_login(&mut table, disk, faults);
    let authorities = table.take("ca").map(|value| {
        let file = value.path(faults)?;
        certificate::read_authorities(&file, disk, faults)
    });
    let identity = match (table.take("certificate"), table.take("key")) {
        (None, None) => Some(None),
        (Some(certificate), Some(key)) => {
            let files = certificate.path(faults).zip(key.path(faults));
            let credentials = files.and_then(|(certificate, key)| certificate::read(&certificate, &key, disk, faults));
            credentials.map(|credentials| Some(FleetIdentity(credentials.certified)))
        }
        (Some(alone), None) => lone(&alone, "key", faults),
        (None, Some(alone)) => lone(&alone, "certificate", faults),
    };
    let interval = table.take("interval").and_then(|value| value.duration(INTERVAL, faults));
    let replicas = table.take("replicas").and_then(|value| value.integer(1..=MAX_REPLICAS, faults));
    let domain = table.take("jetstream_domain").and_then(|value| {
        value.parsed("a JetStream domain: up to 63 letters, digits, `-` and `_`", faults, NodeName::try_new)
    });
    let takes_zones = table.take("zones").and_then(|value| value.boolean(faults));
    let quorum = table.take("quorum").and_then(|value| read_quorum(&value, faults));
    let vantages = table.take("vantages").and_then(|value| read_vantages(&value, faults));
    table.finish(faults);
    let secret = !matches!(login, None | Some(FleetLogin::Open)) || matches!(identity, Some(Some(_)));
    if let Some(servers) = servers.as_ref().filter(|_| secret) {
        warn_of_plain_text(servers, faults);
    }
    let fleet = || {
        Some(Fleet {
            name: name.map_or(Some(NAME.into()), |name| Some(name?.value.as_str().into()))?,
            node: node?.value,
            site: site.map(Site::text).unwrap_or_default().into(),
            servers: servers?.into_iter().map(|server| server.value).collect(),
            login: login?,
            authorities: authorities.map_or(Some(None), |read| read.map(Some))?,
            identity: identity?,
            interval: interval.map_or(DEFAULT_INTERVAL, |interval| interval.value),
            replicas: replicas.map_or(REPLICAS, |replicas| replicas.value.into()),
            takes_zones: takes_zones.is_some_and(|takes| takes.value),
            jetstream_domain: domain.map(|domain| domain.value.as_str().into()),
        })
    };
    FleetSection { fleet: fleet().filter(|fleet| !fleet.servers.is_empty()), quorum, vantages }
}

/// Reads `"majority"`, a number of vantage points, or a share of them.
pub(super) fn read_quorum(value: &Value<'_>, faults: &mut Faults) -> Option<Quorum> {
    if value.text().is_some() {
        return value.word(&[("majority", Quorum::Majority)], faults).map(|word| word.value);
    }
    if value.float().is_some() {
        let share = value.number(0.001..=1.0, faults)?;
        return Some(Quorum::Share(Share::from_part(share.value)));
    }
    let number = value.integer(1..=u16::MAX, faults)?;
    NonZeroU16::new(number.value).map(Quorum::Number)
}

/// Reads the number of nodes that probe each endpoint.
pub(super) fn read_vantages(value: &Value<'_>, faults: &mut Faults) -> Option<NonZeroU16> {
    let number = value.integer(1..=MAX_VANTAGES, faults)?;
    NonZeroU16::new(number.value)
}

fn read_server(item: &Value<'_>, faults: &mut Faults) -> Option<Placed<Box<str>>> {
    let expected = "URLs of NATS servers, such as \"tls://nats.example.net:4222\", without a user or a password";
    let parse = |text: &str| {
        let text = if text.contains("://") { text.to_owned() } else { format!("nats://{text}") };
        let mut url = Url::parse(&text).ok()?;
        let is_plain = url.username().is_empty() && url.password().is_none() && matches!(url.path(), "" | "/");
        if !matches!(url.scheme(), "nats" | "tls") || !is_plain || url.host_str().is_none_or(str::is_empty) {
            return None;
        }
        if url.port().is_none() {
            url.set_port(Some(PORT)).ok()?;
        }
        Some(Box::from(url.as_str().trim_end_matches('/')))
    };
    item.parsed(expected, faults, parse)
}

fn warn_of_plain_text(servers: &[Placed<Box<str>>], faults: &mut Faults) {
    for server in servers.iter().filter(|server| !server.value.starts_with("tls://")) {
        let message = format!("{} is used without TLS if the server does not ask for it", server.value);
        let fault = Fault::warning(&server.place, message, "who listens on the way learns the credentials");
        faults.push(fault.code(Code::Credentials).help("write tls:// to insist on TLS"));
    }
}

/// Reads how the node shows who it is. `None` if that is faulty, which was reported.
fn read_login(table: &mut TomlTable<'_>, disk: &Disk, faults: &mut Faults) -> Option<FleetLogin> {
    let ways = ["credentials", "nkey_file", "user"];
    let [credentials, nkey, user] = ways.map(|key| table.take(key));
    let password = table.take("password_file");
    let given: Vec<&Value<'_>> = [&credentials, &nkey, &user].into_iter().flatten().collect();
    if let [first, second, ..] = given[..] {
        let message = format!("`{}` and `{}` both say how the node logs in", first.key, second.key);
        let fault = Fault::error(&second.anchor(), message, "the second one").code(Code::Conflict);
        faults.push(fault.related(&first.anchor(), "the first one"));
        return None;
    }
    let what = "the credentials of the fleet";
    match (credentials, nkey, user, password) {
        (Some(file), ..) => {
            let is_whole = |text: &str| CREDENTIALS.iter().all(|begins| text.contains(begins));
            read_secret(
                &file,
                what,
                "a user's JWT and nkey, as `nsc generate creds` writes them",
                is_whole,
                disk,
                faults,
            )
            .map(FleetLogin::Credentials)
        }
        (_, Some(file), ..) => {
            let is_seed =
                |text: &str| text.starts_with("SU") && text.bytes().all(|octet| octet.is_ascii_alphanumeric());
            let expected = "the seed of a user's nkey, as `nsc generate nkey --user` writes it";
            read_secret(&file, what, expected, is_seed, disk, faults).map(FleetLogin::Nkey)
        }
        (.., Some(user), Some(file)) => {
            let user = user.string(faults)?;
            let is_password = |text: &str| !text.is_empty() && !text.contains(char::is_control);
            let password = read_secret(&file, what, "a password on one line", is_password, disk, faults)?;
            Some(FleetLogin::Password(user.value.into(), password))
        }
        (.., Some(alone), None) => lone(&alone, "password_file", faults),
        (.., None, Some(alone)) => lone(&alone, "user", faults),
        (None, None, None, None) => Some(FleetLogin::Open),
    }
}

fn read_secret(
    value: &Value<'_>,
    what: &str,
    expected: &str,
    is_right: impl Fn(&str) -> bool,
    disk: &Disk,
    faults: &mut Faults,
) -> Option<Box<str>> {
    let path: Placed<PathBuf> = value.path(faults)?;
    let Contents { octets, .. } = match disk.read(&path.value) {
        Ok(contents) => contents,
        Err(error) => {
            let message = format!("cannot read {}: {error}", path.value.display());
            faults.push(Fault::error(&path.place, message, "").code(Code::File));
            return None;
        }
    };
    kept::check(Path::new(&path.value), what, &path.place, disk, faults);
    let text = str::from_utf8(&octets).ok().map(str::trim).filter(|text| is_right(text));
    if text.is_none() {
        let message = format!("{} does not hold {expected}", path.value.display());
        faults.push(Fault::error(&path.place, message, "").code(Code::Credentials));
    }
    text.map(Box::from)
}

fn lone<T>(value: &Value<'_>, other: &str, faults: &mut Faults) -> Option<T> {
    let message = format!("`{}` needs `{other}`", value.key);
    faults.push(Fault::error(&value.anchor(), message, format!("`{other}` is missing here")).code(Code::MissingKey));
    None
}
