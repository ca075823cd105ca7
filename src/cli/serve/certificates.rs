//! The events of the node's own certificates: that of encrypted DNS and that of the admin server.
//!
//! ```text
//!   valid ── a week before its end ──► expires soon ── its end ──► expired
//!     ▲                                                              │
//!     └───────────────────────── replaced ◄──────────────────────────┘
//! ```
//!
//! If new files cannot be used, there is one event, and another one as soon as they can be used.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use rustls::sign::CertifiedKey;
use tracing::{error, info, warn};

use crate::config::{AdminTls, CertificateOf, Faults, certificate_expires, ends_soon};
use crate::counters::NodeCounters;
use crate::report::{CertificateTurn, EventKind};
use crate::tls;

/// The certificates that the node shows, with their last events.
#[derive(Debug)]
pub(super) struct OwnCertificates([OwnCertificate; 2]);

/// A certificate of the node.
#[derive(Debug)]
struct OwnCertificate {
    of: CertificateOf,
    credentials: Option<Arc<CertifiedKey>>,
    /// When it expires, in Unix seconds.
    expires: Option<u64>,
    /// The last event about its end; `None` before the first one.
    told: Option<CertificateTurn>,
    /// The reason why the files on disk cannot be used; `None` if they can.
    broken: Option<String>,
}

impl OwnCertificates {
    /// Takes the certificates of the first configuration, and sets the metrics of their expiry.
    pub(super) fn new(dns: Option<&Arc<CertifiedKey>>, admin: Option<&AdminTls>, counters: &NodeCounters) -> Self {
        let mut own = Self([CertificateOf::Dns, CertificateOf::Admin].map(|of| OwnCertificate {
            of,
            credentials: None,
            expires: None,
            told: None,
            broken: None,
        }));
        // They replace no others, so there is no event.
        let _ = own.exchange(dns, admin, counters);
        own
    }

    /// Takes the certificates of a configuration, and sets the metrics of their expiry. Returns the events of those
    /// that replace others, or can be loaded again.
    pub(super) fn exchange(
        &mut self,
        dns: Option<&Arc<CertifiedKey>>,
        admin: Option<&AdminTls>,
        counters: &NodeCounters,
    ) -> Vec<EventKind> {
        let [of_dns, of_admin] = &mut self.0;
        let of_dns = of_dns.exchange(dns, &counters.certificate_expires);
        let of_admin = of_admin.exchange(admin.map(|tls| &tls.credentials), &counters.admin_certificate_expires);
        of_dns.into_iter().chain(of_admin).collect()
    }

    /// Looks for certificates among the faults of files that cannot be used. Returns an event for each new fault.
    pub(super) fn fail(&mut self, faults: &Faults) -> Vec<EventKind> {
        let fail = |own: &mut OwnCertificate| {
            let message = faults.error_of(own.of)?.message.clone();
            (own.broken.as_ref() != Some(&message)).then(|| own.fail(message))
        };
        self.0.iter_mut().filter_map(fail).collect()
    }

    /// Returns the events of certificates that expire soon or have expired at this time, in Unix seconds. There is one
    /// event of each kind for a certificate.
    pub(super) fn look(&mut self, now: u64) -> Vec<EventKind> {
        self.0.iter_mut().filter_map(|own| own.look(now)).collect()
    }
}

impl OwnCertificate {
    fn exchange(&mut self, new: Option<&Arc<CertifiedKey>>, counter: &AtomicU64) -> Option<EventKind> {
        let old = std::mem::replace(&mut self.credentials, new.cloned());
        self.expires = new.and_then(|new| certificate_expires(new));
        counter.store(self.expires.unwrap_or_default(), Relaxed);
        let was_broken = self.broken.take().is_some();
        let is_same = match (&old, new) {
            (Some(old), Some(new)) => old.cert == new.cert,
            (None, None) => true,
            _ => false,
        };
        if !is_same {
            self.told = None;
        }
        new?;
        let server = self.of.as_str();
        if old.is_some() && !is_same {
            info!(server, "certificate replaced");
            return Some(self.event(CertificateTurn::Replaced, None));
        }
        was_broken.then(|| {
            info!(server, "certificate can be loaded again");
            self.event(CertificateTurn::Loaded, None)
        })
    }

    fn fail(&mut self, message: String) -> EventKind {
        self.broken = Some(message.clone());
        self.event(CertificateTurn::NotLoaded, Some(message))
    }

    fn look(&mut self, now: u64) -> Option<EventKind> {
        let expires = self.expires?;
        let turn = if expires <= now {
            CertificateTurn::Expired
        } else if ends_soon(expires, now) {
            CertificateTurn::ExpiresSoon
        } else {
            return None;
        };
        if self.told == Some(turn) {
            return None;
        }
        self.told = Some(turn);
        let server = self.of.as_str();
        if turn == CertificateTurn::Expired {
            error!(server, "the node's own certificate has expired: clients refuse it");
        } else {
            warn!(server, "the node's own certificate expires soon");
        }
        Some(self.event(turn, None))
    }

    fn event(&self, happening: CertificateTurn, error: Option<String>) -> EventKind {
        let shown = self.credentials.as_ref().and_then(|credentials| credentials.end_entity_cert().ok());
        EventKind::OwnCertificate {
            server: self.of.as_str().to_owned(),
            happening,
            names: shown.map(tls::names).unwrap_or_default().iter().map(ToString::to_string).collect(),
            expires: self.expires,
            error,
        }
    }
}
