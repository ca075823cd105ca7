//! Facts about the node that are not counted for each query.

use std::sync::atomic::{AtomicBool, AtomicU64};

use super::{FleetCounters, Histogram};

/// Facts about the node since its start. The code that causes a change writes it here. Times are Unix times in seconds;
/// 0 stands for never.
#[derive(Debug, Default)]
pub struct NodeCounters {
    /// Configurations that were read and served, the first one included. The number grows by one for each reload.
    pub loads: AtomicU64,
    /// Configurations with errors. The old configuration went on; the log has the errors.
    pub failed_loads: AtomicU64,
    /// True if the last configuration that was read had errors: a restart with these files would fail.
    pub is_last_load_bad: AtomicBool,
    /// When a configuration was last read, with or without errors.
    pub loaded_at: AtomicU64,
    /// When a configuration was last read without errors.
    pub loaded_well_at: AtomicU64,
    /// The time from the first file that was read to the compiled blueprint. If it grows, reloads take effect later.
    pub load_times: Histogram,
    /// Snapshots that were published, each with a change of health, orders, loads or the configuration.
    pub publications: AtomicU64,
    /// The time from a change, or from several that are published together, to the snapshot with it. If it grows,
    /// answers follow health later.
    pub build_times: Histogram,
    /// When the present snapshot was published. It may be long ago on a calm node.
    pub published_at: AtomicU64,
    /// When the certificate of encrypted DNS expires.
    pub certificate_expires: AtomicU64,
    /// When the certificate of the admin server expires.
    pub admin_certificate_expires: AtomicU64,
    /// Events that were delivered to webhooks.
    pub delivered: AtomicU64,
    /// Attempts to deliver an event that failed. They are repeated.
    pub failed_deliveries: AtomicU64,
    /// Events that were lost, because a webhook's queue was full. If the number grows, a receiver is dead or too slow.
    pub lost_deliveries: AtomicU64,
    /// Log lines that were lost, because nobody read the log or it could not be written.
    pub lost_log_lines: AtomicU64,
    /// The query log.
    pub query_log: QueryLogCounters,
    /// The fleet.
    pub fleet: FleetCounters,
}

/// Facts about the query log since the node's start. The workers count the entries for which a ring had no room.
#[derive(Debug, Default)]
pub struct QueryLogCounters {
    /// True if there is a query log.
    pub is_on: AtomicBool,
    /// True if its sink works: it took everything so far, or takes entries again after a failure.
    pub is_written: AtomicBool,
    /// Answers that were written.
    pub written: AtomicU64,
    /// Octets that were written.
    pub octets: AtomicU64,
    /// Answers that were recorded, and lost because the log was closed while its sink did not work.
    pub lost: AtomicU64,
    /// How often a sink was opened. If the number grows, a collector closes its connections, or does not read.
    pub openings: AtomicU64,
}
