//! `discover` of a pool: what lists endpoints of it while the node runs.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use url::{Host, Url};

use super::PoolDraft;
use super::registered::{read_bounds, warn_unprobed};
use crate::config::code::Code;
use crate::config::decode::{Placed, TomlTable, Value};
use crate::config::fault::{Fault, Faults};
use crate::config::kept;
use crate::config::monitors::read_probe_host;
use crate::disk::Disk;
use crate::health::ProbeHost;
use crate::name::Name;
use crate::snapshot::{ApiServer, Bounds, ConsulHealth, ConsulService, KubernetesAddresses, KubernetesService, Source};

/// The keys that name a source.
const SOURCES: [&str; 5] = ["file", "dns", "srv", "consul", "kubernetes"];

/// The longest name of a service, a tag or a datacenter in octets. Consul and Kubernetes allow less.
const MAX_NAME: usize = 253;

/// The namespace that Kubernetes takes if none is named.
const NAMESPACE: &str = "default";

/// Reads `discover = { file = ..., max = ..., prefixes = [...] }`, or another source in place of `file`. `probed` is true
/// if the pool has a monitor. `None` if it has a fault, which was reported.
pub(super) fn read(value: &Value<'_>, probed: bool, faults: &mut Faults) -> Option<Bounds> {
    let mut table = value.table("`discover`", faults)?;
    let sources = SOURCES.map(|key| table.take(key));
    let bounds = read_bounds(table, faults);
    warn_unprobed(value, probed, faults);
    let mut given = sources.into_iter().flatten();
    let Some(source) = given.next() else {
        let message = "`discover` needs `file`, `dns`, `srv`, `consul` or `kubernetes`";
        faults.push(Fault::error(&value.anchor(), message, "what lists the endpoints?").code(Code::MissingKey));
        return None;
    };
    if let Some(other) = given.next() {
        let fault = Fault::error(&other.anchor(), "`discover` has one source", "another one").code(Code::Conflict);
        faults.push(fault.related(&source.anchor(), "the first one").help("give each source a pool of its own"));
        return None;
    }
    let source = match source.key {
        "file" => Source::File(source.path(faults)?.value.into()),
        "dns" => Source::Addresses(read_name(&source, faults)?),
        "srv" => Source::Services(read_name(&source, faults)?),
        "consul" => Source::Consul(read_consul(&source, faults)?.into()),
        _ => Source::Kubernetes(read_kubernetes(&source, faults)?.into()),
    };
    Some(Bounds { source: Some(source), ..bounds? })
}

/// Returns the sources of `discover.fra = { ... }`, one for each datacenter. `None` if `discover` is one source.
pub(super) fn by_datacenter<'d>(value: &Value<'d>, faults: &mut Faults) -> Option<Vec<Value<'d>>> {
    if !value.is_table() {
        return None;
    }
    let sources = value.table("`discover`", faults)?.into_values();
    let is_of_datacenter = |source: &Value<'_>| source.is_table() && !SOURCES.contains(&source.key);
    (!sources.is_empty() && sources.iter().all(is_of_datacenter)).then_some(sources)
}

/// Warns of files of sources that are missing, and of tokens that everybody can read. The node starts without the files,
/// and looks for them again and again.
pub(in crate::config) fn check_files(drafts: &[Arc<PoolDraft>], disk: &Disk, faults: &mut Faults) {
    let mut seen: HashSet<&Source> = HashSet::new();
    for draft in drafts {
        let Some(source) = draft.registered.as_ref().and_then(|bounds| bounds.source.as_ref()) else { continue };
        if !seen.insert(source) {
            continue;
        }
        if let Some(token) = source.server().and_then(|server| server.token_file.as_ref()) {
            kept::check(token, "the token", &draft.place, disk, faults);
        }
        let missing = source.files().filter_map(|path| Some((path, disk.metadata(path).err()?)));
        let missing: Vec<String> = missing.map(|(path, error)| format!("{}: {error}", path.display())).collect();
        if !missing.is_empty() {
            let message = format!("the source of pool `{}` cannot be read: {}", draft.name, missing.join("; "));
            let fault = Fault::warning(&draft.place, message, "no endpoint is discovered").code(Code::File);
            faults.push(fault.help("the node looks for it again and again, and needs no reload then"));
        }
    }
}

/// Reads a name that is looked up. Names of services begin with an underscore, which no host has.
fn read_name(value: &Value<'_>, faults: &mut Faults) -> Option<Box<str>> {
    let text = value.text().unwrap_or_default();
    let is_service = text.starts_with('_') && Name::parse(text.trim_end_matches('.'), &Name::root()).is_ok();
    if is_service {
        return Some(text.trim_end_matches('.').to_ascii_lowercase().into());
    }
    match read_probe_host(value, faults)? {
        ProbeHost::Name(name) => Some(name),
        ProbeHost::Ip(address) => {
            let message = format!("`{}` takes a name in the DNS", value.key);
            let label = format!("{address} is an address");
            faults.push(Fault::error(&value.place(), message, label).code(Code::BadValue));
            None
        }
    }
}

/// Reads `consul = { service = ..., ... }`.
fn read_consul(value: &Value<'_>, faults: &mut Faults) -> Option<ConsulService> {
    let before = faults.0.len();
    let mut table = value.table("`consul`", faults)?;
    let server = read_server(&mut table, faults);
    let mut word = |key: &'static str, faults: &mut Faults| {
        let value = table.take(key)?;
        read_word(&value, "a name", is_consul_name, faults)
    };
    let datacenter = word("datacenter", faults);
    let tagged_address = word("tagged_address", faults);
    let service = table.require("service", faults);
    let service = service.and_then(|value| read_word(&value, "the name of a service", is_consul_name, faults));
    let tags =
        table.take("tags").map(|tags| tags.each(faults, |tag, faults| read_word(tag, "a tag", is_consul_name, faults)));
    let health = [("passing", ConsulHealth::Passing), ("any", ConsulHealth::Any)];
    let health = table.take("health").and_then(|value| value.word(&health, faults));
    table.finish(faults);
    (!faults.has_errors_since(before)).then_some(ConsulService {
        server,
        service: service?,
        tags: tags.unwrap_or_default().into(),
        datacenter,
        health: health.map(|health| health.value).unwrap_or_default(),
        tagged_address,
    })
}

/// Reads `kubernetes = { service = ..., ... }`.
fn read_kubernetes(value: &Value<'_>, faults: &mut Faults) -> Option<KubernetesService> {
    let before = faults.0.len();
    let mut table = value.table("`kubernetes`", faults)?;
    let server = read_server(&mut table, faults);
    let service = table.require("service", faults);
    let service = service.and_then(|value| read_word(&value, "the name of a Service", is_kubernetes_name, faults));
    let namespace = table.take("namespace");
    let namespace = namespace.and_then(|value| read_word(&value, "a namespace", is_kubernetes_name, faults));
    let words = [("endpoints", KubernetesAddresses::Endpoints), ("load-balancer", KubernetesAddresses::LoadBalancer)];
    let addresses = table.take("addresses").and_then(|value| value.word(&words, faults));
    table.finish(faults);
    (!faults.has_errors_since(before)).then_some(KubernetesService {
        server,
        namespace: namespace.unwrap_or_else(|| NAMESPACE.into()),
        service: service?,
        addresses: addresses.map(|addresses| addresses.value).unwrap_or_default(),
    })
}

/// Reads `server`, `ca_file` and `token_file`.
fn read_server(table: &mut TomlTable<'_>, faults: &mut Faults) -> ApiServer {
    let url = table.take("server").and_then(|value| read_url(&value, faults));
    let mut file = |key| Some(table.take(key)?.path(faults)?.value.into());
    let (ca_file, token_file): (_, Option<Box<Path>>) = (file("ca_file"), file("token_file"));
    if let Some(url) = url.as_ref().filter(|url| token_file.is_some() && is_readable(&url.value)) {
        let fault =
            Fault::warning(&url.place, "whoever is on the way to the server can read the token", "not encrypted");
        faults.push(fault.code(Code::Credentials).help("use https://, and `ca_file` for an authority of your own"));
    }
    ApiServer { url: url.map(|url| url.value.as_str().into()), ca_file, token_file }
}

/// True if others can read what is sent to this URL.
fn is_readable(url: &Url) -> bool {
    let is_here = match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    };
    url.scheme() == "http" && !is_here
}

/// Reads the URL of a server, which may have a path, as behind a gateway of several clusters.
fn read_url(value: &Value<'_>, faults: &mut Faults) -> Option<Placed<Url>> {
    let parse = |text: &str| Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    let url = value.parsed("a URL that begins with http:// or https://", faults, parse)?;
    let is_bare = url.value.username().is_empty()
        && url.value.password().is_none()
        && url.value.query().is_none()
        && url.value.fragment().is_none();
    if !is_bare {
        let message = "`server` takes a URL without user, password and parameters";
        let fault = Fault::error(&url.place, message, "").code(Code::BadValue);
        faults.push(fault.help("`token_file` names a file with the token"));
        return None;
    }
    Some(url)
}

fn read_word(value: &Value<'_>, what: &str, is_fit: fn(&str) -> bool, faults: &mut Faults) -> Option<Box<str>> {
    let parse = |text: &str| (text.len() <= MAX_NAME && is_fit(text)).then(|| text.into());
    value.parsed(what, faults, parse).map(|word| word.value)
}

/// True for a name in Consul: any visible characters, but none that would be another path.
fn is_consul_name(text: &str) -> bool {
    text.bytes().all(|octet| octet.is_ascii_graphic() && octet != b'/') && !text.bytes().all(|octet| octet == b'.')
}

/// True for the name of an object in Kubernetes: a subdomain of RFC 1123.
fn is_kubernetes_name(text: &str) -> bool {
    let is_label = |label: &str| {
        let is_fit = |octet: u8| octet.is_ascii_lowercase() || octet.is_ascii_digit() || octet == b'-';
        !label.is_empty() && label.bytes().all(is_fit) && !label.starts_with('-') && !label.ends_with('-')
    };
    text.split('.').all(is_label)
}
