//! Metrics about the node itself: configuration, snapshots, state folder, webhooks, log and process.

use std::sync::atomic::Ordering::Relaxed;

use super::Metrics;
use super::exposition::{Exposition, Kind};

impl Metrics<'_> {
    pub(super) fn node_families(&self, out: &mut Exposition) {
        let world = self.snapshot.world();
        out.family("truenorth_node", Kind::Info, "The node and its version.", |samples| {
            samples.push(&[("node", &world.node), ("version", env!("TRUENORTH_VERSION"))], 1.0);
        });
        self.configuration_families(out);
        let help = "Generation of the snapshot that queries are answered from. It starts at 1.";
        out.gauge("truenorth_snapshot_generation", help, self.snapshot.generation() as f64);
        let help = "When that snapshot was published.";
        out.gauge("truenorth_snapshot_timestamp_seconds", help, self.node.published_at.load(Relaxed) as f64);
        let help = "Snapshots that were published.";
        out.counter("truenorth_publications", help, self.node.publications.load(Relaxed));
        let help = "Times to make a snapshot that was published.";
        out.family("truenorth_snapshot_build_duration_seconds", Kind::Histogram, help, |samples| {
            samples.histogram(&[], &self.node.build_times);
        });
        let help = "When the node's own certificates expire. Absent without encrypted connections.";
        out.family("truenorth_certificate_expiry_timestamp_seconds", Kind::Gauge, help, |samples| {
            let of = [("dns", &self.node.certificate_expires), ("admin", &self.node.admin_certificate_expires)];
            for (server, expires) in of {
                let expires = expires.load(Relaxed);
                if expires > 0 {
                    samples.push(&[("server", server)], expires as f64);
                }
            }
        });
        let help =
            "1 if the last attempt to write the state file succeeded, 0 otherwise: orders may be lost by a restart.";
        out.gauge("truenorth_state_writable", help, f64::from(u8::from(self.store.is_writing)));
        let help = "Changes of state that are not on disk yet.";
        out.gauge("truenorth_state_unwritten_changes", help, self.store.unwritten as f64);
        let help = "Events for webhooks, by result. A failed delivery is repeated.";
        out.family("truenorth_webhook_deliveries", Kind::Counter, help, |samples| {
            samples.count(&[("result", "delivered")], self.node.delivered.load(Relaxed));
            samples.count(&[("result", "failed")], self.node.failed_deliveries.load(Relaxed));
            samples.count(&[("result", "lost")], self.node.lost_deliveries.load(Relaxed));
        });
        let help = "Log lines that were lost, because nobody read the log or it could not be written.";
        out.counter("truenorth_lost_log_lines", help, self.node.lost_log_lines.load(Relaxed));
        self.query_log_families(out);
        self.fleet_families(out);
        self.signing_families(out);
        self.process_families(out);
    }

    fn query_log_families(&self, out: &mut Exposition) {
        let log = &self.node.query_log;
        let help = "1 if the sink of the query log works, 0 if it does not. Absent without a query log.";
        out.family("truenorth_query_log_up", Kind::Gauge, help, |samples| {
            if log.is_on.load(Relaxed) {
                samples.push(&[], f64::from(u8::from(log.is_written.load(Relaxed))));
            }
        });
        let help = "Answers for the query log, by what became of them.";
        out.family("truenorth_query_log_entries", Kind::Counter, help, |samples| {
            samples.count(&[("result", "written")], log.written.load(Relaxed));
            let unlogged = self.totals.traffic.unlogged();
            samples.count(&[("result", "lost")], unlogged + log.lost.load(Relaxed));
        });
        let help = "Octets of the query log that were written.";
        out.counter("truenorth_query_log_written_bytes", help, log.octets.load(Relaxed));
        let help = "How often the sink of the query log was opened.";
        out.counter("truenorth_query_log_openings", help, log.openings.load(Relaxed));
    }

    fn configuration_families(&self, out: &mut Exposition) {
        let (node, world) = (self.node, self.snapshot.world());
        let help = "Configurations that were read, by result. After a failure the old one goes on.";
        out.family("truenorth_configuration_loads", Kind::Counter, help, |samples| {
            samples.count(&[("result", "success")], node.loads.load(Relaxed));
            samples.count(&[("result", "failure")], node.failed_loads.load(Relaxed));
        });
        let help = "1 if the configuration that was read last has no errors, 0 otherwise.";
        out.gauge(
            "truenorth_configuration_last_load_successful",
            help,
            f64::from(u8::from(!node.is_last_load_bad.load(Relaxed))),
        );
        let help = "When a configuration was read last.";
        out.gauge("truenorth_configuration_load_timestamp_seconds", help, node.loaded_at.load(Relaxed) as f64);
        let help = "When a configuration without errors was read last.";
        let name = "truenorth_configuration_success_timestamp_seconds";
        out.gauge(name, help, node.loaded_well_at.load(Relaxed) as f64);
        let help = "Times to read and compile a configuration.";
        out.family("truenorth_configuration_load_duration_seconds", Kind::Histogram, help, |samples| {
            samples.histogram(&[], &node.load_times);
        });
        out.gauge("truenorth_zones", "Zones that are served.", world.zones.len() as f64);
        let help = "SERIAL of a zone as it is served.";
        out.family("truenorth_zone_serial", Kind::Gauge, help, |samples| {
            for served in self.snapshot.zones() {
                samples.push(&[("zone", &served.zone.apex().to_string())], f64::from(served.serial()));
            }
        });
    }

    /// Writes the families that Prometheus' conventions define for every process.
    fn process_families(&self, out: &mut Exposition) {
        let process = self.process;
        let help = "When the process began.";
        out.gauge("process_start_time_seconds", help, process.started);
        out.family("process_cpu_seconds", Kind::Counter, "Time on processors.", |samples| {
            samples.push(&[], process.processor);
        });
        out.gauge("process_resident_memory_bytes", "Resident memory.", process.resident as f64);
        out.gauge("process_open_fds", "Open file descriptors.", process.descriptors as f64);
        out.gauge("process_max_fds", "Maximum number of open file descriptors.", process.most_descriptors as f64);
    }
}
