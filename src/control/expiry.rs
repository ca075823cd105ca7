//! Remembers which certificates that expire soon were reported to the operator.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use tracing::warn;

use super::{Control, Event, Expiring};
use crate::health::{Finding, Outcome, ProbeAddress, Target};

/// The number of certificates that are remembered for each endpoint: more than it usually has probed names. An endpoint
/// that presents a new certificate at every handshake is reported again and again, but does not fill memory.
const REMEMBERED: usize = 16;

const SECONDS_A_DAY: u64 = 86_400;

/// The expiry times of the reported certificates, since the Unix epoch, by endpoint.
#[derive(Debug, Default)]
pub(super) struct Expiries(HashMap<ProbeAddress, Vec<Duration>>);

impl Expiries {
    /// Warns of a certificate that expires soon, and returns it. `now` is the wall-clock time.
    pub(super) fn hear(&mut self, event: &Event, control: &Control, now: Duration) -> Option<Expiring> {
        match event {
            Event::Outcome(id, outcome) => {
                let target = control.target(*id)?;
                let left = self.observe(target, outcome, now)?;
                let Outcome::Success(Finding { certificate_expires: Some(expires), .. }) = outcome else { return None };
                let days = left.as_secs() / SECONDS_A_DAY;
                warn!(endpoint = %target.address, host = target.server_name(), days, "certificate expires soon");
                Some(Expiring { target: target.clone(), left, expires: *expires })
            }
            Event::Adopt(blueprint) => {
                let targets = blueprint.world().pools.iter().flat_map(|pool| pool.members.targets());
                let addresses: HashSet<&ProbeAddress> = targets.map(|target| &target.address).collect();
                self.retain(|address| addresses.contains(address));
                None
            }
            _ => None,
        }
    }

    /// Returns how long the certificate that a probe met is still valid; 0 if it has expired. Returns this once for
    /// each certificate, and only if less time is left than the monitor's warning time. `now` is the time since the
    /// Unix epoch.
    fn observe(&mut self, target: &Target, outcome: &Outcome, now: Duration) -> Option<Duration> {
        let tls = target.monitor.check.tls()?;
        let Outcome::Success(Finding { certificate_expires: Some(expires), .. }) = outcome else { return None };
        let left = expires.saturating_sub(now);
        if left >= tls.expiry_warning {
            return None;
        }
        let told = self.0.entry(target.address.clone()).or_default();
        if told.contains(expires) {
            return None;
        }
        if told.len() == REMEMBERED {
            told.remove(0);
        }
        told.push(*expires);
        Some(left)
    }

    /// Forgets the endpoints that `keep` rejects.
    fn retain(&mut self, keep: impl Fn(&ProbeAddress) -> bool) {
        self.0.retain(|address, _| keep(address));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::{Check, Failure, HttpCheck, Monitor, TcpCheck, TlsCheck};
    use std::net::SocketAddr;

    const DAY: Duration = Duration::from_secs(86_400);
    const NOW: Duration = Duration::from_secs(20_000 * 86_400);

    fn target(check: Check) -> Target {
        Target {
            address: SocketAddr::from(([127, 0, 0, 1], 443)).into(),
            host: "a".into(),
            monitor: Monitor::new(check, 443).into(),
        }
    }

    fn met(expires: Duration) -> Outcome {
        Outcome::Success(Finding { certificate_expires: Some(expires), ..Finding::full(Duration::ZERO) })
    }

    #[test]
    fn a_certificate_is_told_once_when_its_end_is_near() {
        let mut expiries = Expiries::default();
        let target = target(Check::Tls(TlsCheck::default(), Vec::new()));
        let end = NOW + DAY * 20;
        assert_eq!(expiries.observe(&target, &met(end), NOW), None);
        assert_eq!(expiries.observe(&target, &met(end), NOW + DAY * 7), Some(DAY * 13));
        assert_eq!(expiries.observe(&target, &met(end), NOW + DAY * 8), None);
        assert_eq!(expiries.observe(&target, &met(end + DAY), NOW + DAY * 8), Some(DAY * 13), "another one");
        assert_eq!(expiries.observe(&target, &met(NOW), NOW + DAY), Some(Duration::ZERO), "one that has expired");
        expiries.retain(|_| false);
        assert_eq!(expiries.observe(&target, &met(end), NOW + DAY * 9), Some(DAY * 11));
    }

    #[test]
    fn what_shows_no_certificate_is_told_nothing_of_and_0_is_never() {
        let mut expiries = Expiries::default();
        let never = TlsCheck { expiry_warning: Duration::ZERO, ..TlsCheck::default() };
        for (check, outcome) in [
            (Check::Tcp(TcpCheck::default()), met(NOW)),
            (Check::Https(HttpCheck::default(), never), met(NOW)),
            (Check::Tls(TlsCheck::default(), Vec::new()), Outcome::Failure(Failure::Refused)),
            (Check::Tls(TlsCheck::default(), Vec::new()), Outcome::Success(Finding::full(DAY))),
        ] {
            assert_eq!(expiries.observe(&target(check), &outcome, NOW), None, "{outcome}");
        }
    }

    #[test]
    fn an_endpoint_with_ever_new_certificates_fills_no_memory() {
        let mut expiries = Expiries::default();
        let target = target(Check::Tls(TlsCheck::default(), Vec::new()));
        for second in 0..100 {
            assert!(expiries.observe(&target, &met(NOW + Duration::from_secs(second)), NOW).is_some());
        }
        assert_eq!(expiries.0[&target.address].len(), REMEMBERED);
    }
}
