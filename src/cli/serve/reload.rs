//! Reads a configuration while another one is served.

use std::time::Instant;

use tracing::{error, info};

use super::files::{count_load, judge_lost, warn_of_hosts};
use super::notifier::milliseconds;
use super::{Node, keys, query_log, told};
use crate::admin;
use crate::cli::load::NewMaps;
use crate::cli::{log_faults, systemd};
use crate::config::Severity;
use crate::report::{EventKind, Summary};

impl Node {
    /// Reads the configuration again, and serves it. If that fails, with these faults, the old configuration stays in
    /// use. A configuration without a zone, while zones are served, is accepted only if `may_be_empty`: the folder of
    /// the zones may only be not mounted.
    pub(super) async fn reload(&mut self, reason: &str, may_be_empty: bool) -> admin::Reloaded {
        systemd::reloading();
        let reloaded = self.try_to_reload(reason, may_be_empty).await;
        let failed = if reloaded.is_ok() { "" } else { "; the last reload failed, because the files have errors" };
        systemd::ready(&format!("{}{failed}", self.status()));
        reloaded
    }

    async fn try_to_reload(&mut self, reason: &str, may_be_empty: bool) -> admin::Reloaded {
        let (previous, began) = (self.published.load_full(), Instant::now());
        // Reading and compiling take a while. The node goes on with probes and answers in the meantime.
        let loaded = self.files.load(previous.clone(), &self.latest, &self.txt, &mut self.register).await;
        let loaded = loaded.and_then(|loaded| judge_lost(&previous, loaded, may_be_empty));
        let loaded = loaded.map(|loaded| warn_of_hosts(&previous, loaded));
        let faults = loaded.as_ref().map_or_else(|faults| faults, |loaded| &loaded.warnings);
        log_faults(faults);
        let (errors, warnings) = (faults.count(Severity::Error), faults.count(Severity::Warning));
        let taken = loaded.is_ok();
        count_load(&self.files.counters, began, taken);
        self.notifier.tell(EventKind::Reload { reason: reason.to_owned(), taken, errors, warnings });
        let loaded = loaded.inspect_err(|faults| {
            error!(reason, "configuration not reloaded: the old one stays in use");
            self.notifier.tell_all(self.certificates.fail(faults));
        });
        if loaded.is_err() {
            self.roller.pause();
            self.take_in_keys().await;
            // The bounds of the refused configuration may have been taken in.
            self.register.resume(&self.latest);
        }
        self.settle_leases().await;
        let loaded = loaded?;
        let (credentials, admin_tls) = (loaded.credentials, loaded.admin_tls);
        let exchanged = self.certificates.exchange(credentials.as_ref(), admin_tls.as_ref(), &self.files.counters);
        self.notifier.tell_all(exchanged);
        self.tell_maps(loaded.maps);
        if let Some(credentials) = credentials {
            self.running.show(credentials);
        }
        if let Some((running, admin)) = self.admin.as_ref().zip(loaded.server.admin.as_ref()) {
            running.admit(admin, admin_tls.as_ref());
        }
        self.files.resolver.ask_servers(&loaded.server.resolvers);
        let query_log = query_log::settings(&loaded.server, &loaded.blueprint);
        self.notifier.set_webhooks(loaded.server.webhooks, loaded.blueprint.world());
        self.parents.set(loaded.server.parents);
        self.roller.set(loaded.server.keys, loaded.server.is_roller, &loaded.blueprint);
        let summary = loaded.summary.unwrap_or_else(|| Box::new(Summary::of(loaded.blueprint.world())));
        let (zones, read, built) = (loaded.blueprint.zones().len(), loaded.read, loaded.built);
        info!(reason, zones, read, built, "configuration reloaded");
        told::tell_zones(&previous, &loaded.blueprint);
        self.notifier.tell_all(keys::tell_keys(self.latest.zones(), &loaded.blueprint));
        self.latest = loaded.blueprint;
        self.external_dns = loaded.server.external_dns;
        self.discovery.follow(self.latest.world());
        self.query_log.prepare(query_log.as_ref());
        let served = self.control.adopt(self.latest.clone()).await;
        self.query_log.use_settings(query_log);
        Ok(admin::Loaded { warnings: loaded.warnings, summary: *summary, served })
    }

    fn tell_maps(&self, maps: NewMaps) {
        if maps.count > 0 {
            let by = if maps.are_of_new_databases { "databases" } else { "configuration" }.to_owned();
            let took_ms = milliseconds(maps.took);
            self.notifier.tell(EventKind::Remap { by, times: 1, maps: maps.count, took_ms });
        }
    }
}
