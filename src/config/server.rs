//! `truenorth.toml`: paths, and the settings for all zones.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::sign::CertifiedKey;

use crate::disk::Disk;
use crate::overrides::Order;
use crate::snapshot::{Ecs, Probing, Protocol};

use super::admin::{self, Admin, AdminSection, AdminTls};
use super::connections::{self, Connections};
use super::decode::{Placed, TomlTable, Value};
use super::dnssec::{self, ParentSettings, ServerDnssec};
use super::external_dns::{self, ExternalDns};
use super::fault::Faults;
use super::fleet::{self, Fleet};
use super::listen::{self, Listen, ListenSection};
use super::log::{self, LogSettings};
use super::process::{self, Process};
use super::query_log::{self, QueryLog, QueryLogDraft};
use super::regions::{SharedRegions, resolve_shared};
use super::resolver;
use super::scope::View;
use super::sections::{Drafts, Sections};
use super::site::{self, Site};
use super::source::Place;
use super::webhooks::{self, Webhook};

/// Default folder of the zones.
pub(super) const ZONES: &str = "zones";

/// Default folder of run-time state.
const STATE: &str = "state";

/// Range of `hold`. Answers that follow no probe for more than an hour would be useless.
const HOLD: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(3600);

/// Range of the time that files must stay unchanged before they are read. Editors write in several steps, and a copy
/// over a network may pause.
const QUIET: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(60);

/// Paths and addresses of this process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// The folder of the zones' files.
    pub zones: PathBuf,
    /// The folder of run-time state.
    pub state: PathBuf,
    /// The addresses that serve DNS.
    pub listen: Listen,
    /// The limits of clients' connections.
    pub connections: Connections,
    /// The admin HTTP server, if it is configured.
    pub admin: Option<Admin>,
    /// The webhooks that events are posted to.
    pub webhooks: Vec<Webhook>,
    /// MMDB files. Later ones fill gaps of earlier ones.
    pub databases: Vec<PathBuf>,
    /// When changed files are read again.
    pub watching: Watching,
    /// The user of the process, and what it gives up.
    pub process: Process,
    /// The settings of the log.
    pub log: LogSettings,
    /// The query log, if there is one.
    pub query_log: Option<QueryLog>,
    /// The servers that are asked for the addresses of hosts; empty for those of the system.
    pub resolvers: Vec<SocketAddr>,
    /// The fleet that the node is part of, if it is.
    pub fleet: Option<Fleet>,
    /// The zones that external-dns keeps records in, if there are any.
    pub external_dns: Option<ExternalDns>,
    /// The signed zones whose parents are asked for their DS records.
    pub parents: Vec<ParentSettings>,
    /// The folder of keys.
    pub keys: PathBuf,
    /// True if this node begins roll-overs of keys by itself.
    pub is_roller: bool,
}

/// When files that change are read again without an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watching {
    /// True if the node watches its files.
    pub is_on: bool,
    /// How long the files must stay unchanged before they are read again.
    pub quiet: Duration,
}

impl Default for Watching {
    fn default() -> Self {
        Self { is_on: true, quiet: Duration::from_secs(1) }
    }
}

/// The contents of the server file.
pub(super) struct ServerFile {
    pub(super) server: Server,
    /// The certificate for encrypted transports, with its key.
    pub(super) credentials: Option<Arc<CertifiedKey>>,
    /// The certificates of the admin server.
    pub(super) admin_tls: Option<AdminTls>,
    /// The places that name the databases, in their order.
    pub(super) database_places: Vec<Place>,
    /// The place that names the zones folder.
    pub(super) zones_place: Option<Place>,
    pub(super) ecs: Ecs,
    pub(super) protocol: Protocol,
    pub(super) query_log: Option<QueryLogDraft>,
    pub(super) probing: Probing,
    /// The location of this node.
    pub(super) site: Option<Site>,
    pub(super) sections: Sections,
    /// The regions of `sections`, as zones without regions of their own use them.
    pub(super) regions: SharedRegions,
    pub(super) windows: Vec<Placed<Order>>,
    pub(super) dnssec: ServerDnssec,
    pub(super) external_dns: Option<external_dns::Section>,
}

/// Reads the server file. Relative paths are relative to `folder`. Reads the files that it names through `disk`.
pub(super) fn read(
    mut table: TomlTable<'_>,
    folder: &Path,
    disk: &Disk,
    drafts: &mut Drafts,
    faults: &mut Faults,
) -> ServerFile {
    let zones = table.take("zones").and_then(|value| value.string(faults));
    let state = state_folder(&mut table, folder, faults);
    let site = table.take("site").and_then(|value| site::read(&value, faults));
    let ListenSection { listen, credentials } = listen::read(table.take("listen"), folder, disk, faults);
    let connections = connections::read(table.take("connections"), faults);
    let admin = admin::read(table.take("admin"), folder, &listen, disk, faults);
    let admin = admin.filter(|section| section.admin.is_served());
    let admin_tls = admin.as_ref().and_then(|section| section.tls.as_ref()?.read(disk, faults));
    let admin = admin.map(|AdminSection { admin, tls: _ }| admin);
    let watching = read_reload(table.take("reload"), faults);
    let process = process::read(&mut table, faults);
    let log = log::read(&mut table, faults);
    let query_log = query_log::read(table.take("query_log"), folder, faults);
    let databases = read_databases(table.take("geoip"), folder, faults);
    let database_places = databases.iter().map(|database| database.place.clone()).collect();
    let databases = databases.into_iter().map(|database| database.value).collect();
    let ecs = read_ecs(table.take("ecs"), faults);
    let protocol = super::protocol::read(&mut table, disk, faults);
    let dnssec = dnssec::read_server(table.take("dnssec"), folder, faults);
    let probing = read_probes(table.take("probes"), faults);
    let fleet = fleet::read(table.take("fleet"), site.as_ref(), disk, faults);
    let probing = Probing { quorum: fleet.quorum.unwrap_or(probing.quorum), vantages: fleet.vantages, ..probing };
    let resolvers = resolver::read(table.take("resolver"), faults);
    let webhooks = webhooks::read(table.take("webhooks").as_ref(), disk, faults);
    let external_dns = external_dns::read(table.take("external_dns"), &state, faults);
    if let Some(section) = external_dns.as_ref().filter(|_| admin.is_none()) {
        section.warn_unreachable(faults);
    }
    let windows = super::windows::read(&mut table, folder, disk, faults);
    let sections = Sections::read(&mut table, None, None, disk, drafts, faults);
    let regions = resolve_shared(&sections.regions, faults);
    super::lints::check_matches(View { own: &sections.regions, shared: None }, ecs, faults);
    table.finish(faults);
    let zones_folder = folder.join(zones.as_ref().map_or(ZONES, |text| &text.value));
    let server = Server {
        zones: zones_folder,
        state,
        listen,
        connections,
        admin,
        webhooks,
        databases,
        watching,
        process,
        log,
        query_log: query_log.as_ref().map(|draft| draft.settings.clone()),
        resolvers,
        fleet: fleet.fleet,
        external_dns: external_dns.as_ref().map(|section| section.settings.clone()),
        // The zones say it too.
        parents: Vec::new(),
        keys: dnssec.folder().to_owned(),
        is_roller: dnssec.is_roller,
    };
    let zones_place = zones.map(|zones| zones.place);
    ServerFile {
        server,
        credentials,
        admin_tls,
        database_places,
        zones_place,
        ecs,
        protocol,
        query_log,
        probing,
        site,
        sections,
        regions,
        windows,
        dnssec,
        external_dns,
    }
}

fn read_reload(value: Option<Value<'_>>, faults: &mut Faults) -> Watching {
    let default = Watching::default();
    let Some(mut table) = value.and_then(|value| value.table("`[reload]`", faults)) else { return default };
    let watch = table.take("watch").and_then(|value| value.boolean(faults));
    let quiet = table.take("quiet").and_then(|value| value.duration(QUIET, faults));
    table.finish(faults);
    Watching {
        is_on: watch.map_or(default.is_on, |watch| watch.value),
        quiet: quiet.map_or(default.quiet, |quiet| quiet.value),
    }
}

/// Reads the folder of run-time state.
pub(super) fn state_folder(table: &mut TomlTable<'_>, folder: &Path, faults: &mut Faults) -> PathBuf {
    let state = table.take("state").and_then(|value| value.string(faults));
    folder.join(state.as_ref().map_or(STATE, |text| &text.value))
}

fn read_probes(value: Option<Value<'_>>, faults: &mut Faults) -> Probing {
    let default = Probing::default();
    let Some(mut table) = value.and_then(|value| value.table("`[probes]`", faults)) else { return default };
    let hold = table.take("hold").and_then(|value| value.duration(HOLD, faults));
    table.finish(faults);
    Probing { hold: hold.map_or(default.hold, |hold| hold.value), ..default }
}

fn read_databases(value: Option<Value<'_>>, folder: &Path, faults: &mut Faults) -> Vec<Placed<PathBuf>> {
    let Some(mut table) = value.and_then(|value| value.table("`[geoip]`", faults)) else { return Vec::new() };
    let databases = table.take("databases");
    table.finish(faults);
    let Some(databases) = databases else { return Vec::new() };
    databases.each(faults, |item, faults| {
        let text = item.string(faults)?;
        Some(text.with(folder.join(&text.value)))
    })
}

fn read_ecs(value: Option<Value<'_>>, faults: &mut Faults) -> Ecs {
    let default = Ecs::default();
    let Some(mut table) = value.and_then(|value| value.table("`[ecs]`", faults)) else { return default };
    let enabled = table.take("enabled").and_then(|value| value.boolean(faults));
    let v4 = table.take("max_source_v4").and_then(|value| value.integer(0..=32, faults));
    let v6 = table.take("max_source_v6").and_then(|value| value.integer(0..=128, faults));
    table.finish(faults);
    Ecs {
        enabled: enabled.map_or(default.enabled, |enabled| enabled.value),
        max_source_v4: v4.map_or(default.max_source_v4, |length| length.value),
        max_source_v6: v6.map_or(default.max_source_v6, |length| length.value),
    }
}
