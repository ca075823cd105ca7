//! A name in the DNS that lists endpoints: by its addresses, or by its SRV records.

use std::time::Duration;

use super::{Sight, Watcher};
use crate::lease::Discovered;
use crate::resolver::{Answer, RETRY_AFTER, ResolveError, Resolver, Service};

/// The name is asked for again when its TTL is over, but within these bounds: an endpoint that went is in the answers for
/// no longer than the upper one.
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);

/// Maximum number of hosts that the SRV records of a name lead to.
const MAX_HOSTS: usize = 256;

/// The A and AAAA records of a name.
pub(super) struct AddressSource {
    name: Box<str>,
    resolver: Resolver,
}

/// The SRV records of a name (RFC 2782), and the addresses of their hosts.
pub(super) struct ServiceSource {
    name: Box<str>,
    resolver: Resolver,
}

impl AddressSource {
    pub(super) fn new(name: Box<str>, resolver: Resolver) -> Self {
        Self { name, resolver }
    }
}

impl ServiceSource {
    pub(super) fn new(name: Box<str>, resolver: Resolver) -> Self {
        Self { name, resolver }
    }

    async fn find(&self) -> Result<Answer<Discovered>, ResolveError> {
        let Answer { values, mut ttl } = self.resolver.services(&self.name).await?;
        let mut found: Vec<Discovered> = Vec::new();
        for (host, weight) in best(values).into_iter().take(MAX_HOSTS) {
            // One host without an address would take its endpoint out of the answers, so the whole look fails.
            let addresses = self.resolver.addresses(&host).await?;
            ttl = ttl.min(addresses.ttl);
            for address in addresses.values {
                if !found.iter().any(|known| known.address == address) {
                    found.push(Discovered { address, weight, capacity: None, is_leaving: false });
                }
            }
        }
        Ok(Answer { values: found, ttl })
    }
}

/// Returns the hosts of the lowest priority number, each with its weight. RFC 2782: "A client MUST attempt to contact the
/// target host with the lowest-numbered priority it can reach". If all weights are 0, "no server selection is to be
/// done", so all hosts have the same.
fn best(services: Vec<Service>) -> Vec<(Box<str>, u16)> {
    let Some(first) = services.iter().map(|service| service.priority).min() else { return Vec::new() };
    let best: Vec<Service> = services.into_iter().filter(|service| service.priority == first).collect();
    let is_weighted = best.iter().any(|service| service.weight > 0);
    let host = |service: Service| Some((service.target?, if is_weighted { service.weight } else { 1 }));
    best.into_iter().filter_map(host).collect()
}

impl Watcher for AddressSource {
    async fn look(&mut self) -> Sight {
        let found = self.resolver.addresses(&self.name).await;
        sight(found.map(|Answer { values, ttl }| {
            let endpoint = |address| Discovered { address, weight: 1, capacity: None, is_leaving: false };
            Answer { values: values.into_iter().map(endpoint).collect(), ttl }
        }))
    }
}

impl Watcher for ServiceSource {
    async fn look(&mut self) -> Sight {
        sight(self.find().await)
    }
}

fn sight(found: Result<Answer<Discovered>, ResolveError>) -> Sight {
    match found {
        Ok(Answer { values, ttl }) => Sight { endpoints: Ok(values), again_after: ttl.clamp(SHORTEST, LONGEST) },
        Err(why) => Sight { endpoints: Err(why.to_string()), again_after: RETRY_AFTER },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(priority: u16, weight: u16, target: Option<&str>) -> Service {
        Service { priority, weight, port: 80, target: target.map(Into::into) }
    }

    #[test]
    fn the_hosts_of_the_lowest_priority_count_with_their_weights() {
        let texts = |services: Vec<Service>| {
            best(services).into_iter().map(|(host, weight)| format!("{host} x{weight}")).collect::<Vec<_>>()
        };
        let services = vec![service(20, 9, Some("c")), service(10, 3, Some("a")), service(10, 0, Some("b"))];
        assert_eq!(texts(services), ["a x3", "b x0"]);
        assert_eq!(texts(vec![service(0, 0, Some("a")), service(0, 0, Some("b"))]), ["a x1", "b x1"]);
        // "A Target of "." means that the service is decidedly not available at this domain."
        assert_eq!(texts(vec![service(0, 0, None)]), [""; 0]);
        assert_eq!(texts(Vec::new()), [""; 0]);
    }

    #[test]
    fn a_name_is_asked_for_again_by_its_ttl_within_bounds() {
        let after = |ttl| sight(Ok(Answer { values: Vec::new(), ttl: Duration::from_secs(ttl) })).again_after.as_secs();
        assert_eq!([0, 30, 86_400].map(after), [1, 30, 60]);
        assert_eq!(sight(Err(ResolveError::NoData)).again_after, RETRY_AFTER);
    }
}
