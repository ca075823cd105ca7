//! `truenorth.toml`: where things are, and what holds for all zones.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::sign::CertifiedKey;

use crate::overrides::Order;
use crate::snapshot::{Ecs, Probing, Protocol};

use super::admin::{self, Admin, AdminSection};
use super::decode::{Placed, Table, Value};
use super::fault::Faults;
use super::listen::{self, Listen, ListenSection};
use super::scope::View;
use super::sections::{Drafts, Sections};
use super::site::{self, Site};
use super::source::Place;
use super::webhooks::{self, Webhook};

/// The folder of the zones, if the file does not say.
pub(super) const ZONES: &str = "zones";

/// The folder of run-time state, if the file does not say.
const STATE: &str = "state";

/// What `hold` may be: a node that doubts itself for longer than an hour is no use.
const HOLD: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(3600);

/// Where this process finds and keeps its files, and where it listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// The folder of the zones' files.
    pub zones: PathBuf,
    /// The folder of run-time state.
    pub state: PathBuf,
    /// Where DNS is served.
    pub listen: Listen,
    /// The admin HTTP server, if there is to be one.
    pub admin: Option<Admin>,
    /// Where what happens is posted.
    pub webhooks: Vec<Webhook>,
    /// MMDB files; later ones fill in what earlier ones lack.
    pub databases: Vec<PathBuf>,
}

/// What the server file says.
pub(super) struct ServerFile {
    pub(super) server: Server,
    /// The certificate for encrypted ways, with its key.
    pub(super) credentials: Option<Arc<CertifiedKey>>,
    /// The files it stands in, and the admin server's token.
    pub(super) credential_files: Vec<PathBuf>,
    /// Where the databases are named, in their order.
    pub(super) database_places: Vec<Place>,
    /// Where the zones' folder is named.
    pub(super) zones_place: Option<Place>,
    pub(super) ecs: Ecs,
    pub(super) protocol: Protocol,
    pub(super) probing: Probing,
    /// Where this node stands.
    pub(super) site: Option<Site>,
    pub(super) sections: Sections,
    pub(super) windows: Vec<Placed<Order>>,
}

/// Reads the server file. Relative paths continue `folder`.
pub(super) fn read(mut table: Table<'_>, folder: &Path, drafts: &mut Drafts, faults: &mut Faults) -> ServerFile {
    let mut path = |key| table.take(key).and_then(|value| value.string(faults));
    let (zones, state) = (path("zones"), path("state"));
    let site = table.take("site").and_then(|value| site::read(&value, faults));
    let ListenSection { listen, credentials, mut files } = listen::read(table.take("listen"), folder, faults);
    let AdminSection { admin, files: token_files } = admin::read(table.take("admin"), folder, &listen, faults);
    files.extend(token_files);
    let databases = read_databases(table.take("geoip"), folder, faults);
    let database_places = databases.iter().map(|database| database.place.clone()).collect();
    let databases = databases.into_iter().map(|database| database.value).collect();
    let ecs = read_ecs(table.take("ecs"), faults);
    let protocol = super::protocol::read(&mut table, faults);
    let probing = read_probes(table.take("probes"), faults);
    let webhooks = webhooks::read(table.take("webhooks").as_ref(), faults);
    let windows = super::windows::read(table.take("windows"), faults);
    let sections = Sections::read(&mut table, None, None, drafts, faults);
    super::regions::check_own(&sections.regions, faults);
    super::critic::check_matches(View { own: &sections.regions, shared: None }, ecs, faults);
    table.finish(faults);
    let path = |text: Option<&Placed<String>>, default: &str| folder.join(text.map_or(default, |text| &text.value));
    let (zones_folder, state) = (path(zones.as_ref(), ZONES), path(state.as_ref(), STATE));
    let server = Server { zones: zones_folder, state, listen, admin, webhooks, databases };
    let zones_place = zones.map(|zones| zones.place);
    ServerFile {
        server,
        credentials,
        credential_files: files,
        database_places,
        zones_place,
        ecs,
        protocol,
        probing,
        site,
        sections,
        windows,
    }
}

fn read_probes(value: Option<Value<'_>>, faults: &mut Faults) -> Probing {
    let default = Probing::default();
    let Some(mut table) = value.and_then(|value| value.table("`[probes]`", faults)) else { return default };
    let hold = table.take("hold").and_then(|value| value.duration(HOLD, faults));
    table.finish(faults);
    Probing { hold: hold.map_or(default.hold, |hold| hold.value) }
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
