//! The node's own certificates: that of encrypted DNS, and that of the admin server.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use rustls::sign::CertifiedKey;
use tracing::info;

use crate::config::{AdminTls, certificate_expires};
use crate::counters::NodeCounters;

/// The certificates that the node shows.
#[derive(Debug, Default)]
pub(super) struct OwnCertificates {
    dns: Option<Arc<CertifiedKey>>,
    admin: Option<Arc<CertifiedKey>>,
}

impl OwnCertificates {
    /// Takes the certificates of a configuration, and counts when they expire. Logs those that replace others.
    pub(super) fn exchange(
        &mut self,
        dns: Option<&Arc<CertifiedKey>>,
        admin: Option<&AdminTls>,
        counters: &NodeCounters,
    ) {
        let admin = admin.map(|tls| &tls.credentials);
        for (old, new, server, expires) in [
            (&mut self.dns, dns, "dns", &counters.certificate_expires),
            (&mut self.admin, admin, "admin", &counters.admin_certificate_expires),
        ] {
            expires.store(new.and_then(|new| certificate_expires(new)).unwrap_or_default(), Relaxed);
            if let Some((old, new)) = old.as_ref().zip(new)
                && old.cert != new.cert
            {
                info!(server, "certificate replaced");
            }
            *old = new.cloned();
        }
    }
}
