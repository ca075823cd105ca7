//! A service in Consul, by blocking queries of its health API.
//!
//! ```text
//!   index 0 ── asks ──► answer, index N ── asks with N, waits ──► answer as soon as something changed, index M ── ...
//!      ▲                                                              │
//!      └── the index went backwards, or the request failed ───────────┘
//! ```

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;
use reqwest::header::HeaderMap;
use serde::Deserialize;

use super::api::{self, Api, PATIENCE, Place, TokenHeader, Trouble};
use super::{Sight, Watcher};
use crate::backoff::Backoff;
use crate::lease::Discovered;
use crate::snapshot::{ConsulHealth, ConsulService};

/// The agent of this machine.
const AGENT: &str = "http://127.0.0.1:8500";

/// The time for which a query waits for a change. Consul adds a random sixteenth.
const WAIT: Duration = Duration::from_secs(30);

/// The least time from an answer to the next query: "a rate limit is recommended", because a busy service changes all the
/// time.
const PAUSE: Duration = Duration::from_millis(250);

/// Beginnings of the ids of checks. Instances in maintenance have such a check.
const MAINTENANCE: [&str; 2] = ["_service_maintenance:", "_node_maintenance"];

pub(super) struct ConsulSource {
    service: Arc<ConsulService>,
    /// Fails if the URL cannot be used.
    api: Result<Api, String>,
    /// The index of the last answer; 0 asks without waiting.
    index: u64,
    backoff: Backoff,
}

/// An instance of a service, as `/v1/health/service/` has it. Other members are ignored.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Instance {
    node: Node,
    service: Service,
    #[serde(default)]
    checks: Option<Vec<Check>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Node {
    #[serde(default)]
    address: String,
    #[serde(default)]
    tagged_addresses: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Service {
    #[serde(default)]
    address: String,
    #[serde(default)]
    tagged_addresses: Option<BTreeMap<String, TaggedAddress>>,
    #[serde(default)]
    weights: Option<Weights>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TaggedAddress {
    address: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Weights {
    passing: u32,
    warning: u32,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Check {
    #[serde(rename = "CheckID", default)]
    id: String,
    #[serde(default)]
    status: String,
}

impl ConsulSource {
    pub(super) fn new(service: Arc<ConsulService>) -> Self {
        let server = &service.server;
        let url = Url::parse(server.url.as_deref().unwrap_or(AGENT)).map_err(|error| error.to_string());
        let file = |path: &Option<Box<std::path::Path>>| path.as_deref().map(Into::into);
        let (ca_file, token_file) = (file(&server.ca_file), file(&server.token_file));
        let api = url.map(|url| Api::new(Place { url, ca_file, token_file }, TokenHeader::Consul));
        Self { service, api, index: 0, backoff: Backoff::default() }
    }

    async fn ask(&mut self) -> Result<Vec<Discovered>, Trouble> {
        let service = &*self.service;
        let (index, wait) = (self.index.to_string(), format!("{}s", WAIT.as_secs()));
        let mut query: Vec<(&str, &str)> = service.tags.iter().map(|tag| ("tag", &**tag)).collect();
        query.extend(service.datacenter.as_deref().map(|datacenter| ("dc", datacenter)));
        if service.health == ConsulHealth::Passing {
            query.push(("passing", "true"));
        }
        let mut patience = PATIENCE;
        if self.index > 0 {
            query.extend([("index", index.as_str()), ("wait", &wait)]);
            patience += WAIT + WAIT / 16;
        }
        let api = self.api.as_mut().map_err(|why| Trouble::new(why.clone()))?;
        let response = api.get(&["v1", "health", "service", &service.service], &query, patience).await?;
        let index = next_index(self.index, response.headers())?;
        // A part of the instances would take the others out of the answers.
        if response.headers().get("x-consul-results-filtered-by-acls").is_some_and(|is| is == "true") {
            return Err(Trouble::new("its ACLs hide instances from this token: allow `node` and `service` to be read"));
        }
        let instances: Vec<Instance> = api::json(response).await?;
        self.index = index;
        endpoints(&instances, service).map_err(Trouble::new)
    }
}

impl Watcher for ConsulSource {
    async fn look(&mut self) -> Sight {
        match self.ask().await {
            Ok(endpoints) => {
                self.backoff = Backoff::default();
                Sight { endpoints: Ok(endpoints), again_after: PAUSE }
            }
            Err(trouble) => {
                // The next query does not wait, so that it is told at once when the agent is back.
                self.index = 0;
                trouble.sight(&mut self.backoff)
            }
        }
    }
}

/// Returns the index of the next query. Consul: "Reset the index if it goes backwards", and "sanity check index is greater
/// than zero".
fn next_index(before: u64, headers: &HeaderMap) -> Result<u64, Trouble> {
    let index = headers.get("x-consul-index").and_then(|index| index.to_str().ok()?.parse::<u64>().ok());
    match index {
        None => Err(Trouble::new("it sent no X-Consul-Index: is it Consul?")),
        Some(0) => Err(Trouble::new("it sent the index 0, with which nothing can be waited for")),
        Some(index) if index < before => Ok(0),
        Some(index) => Ok(index),
    }
}

/// Returns the endpoints of a service. Instances at one address are one endpoint: answers have no ports. Fails if the
/// address of an instance cannot be handed out.
fn endpoints(instances: &[Instance], service: &ConsulService) -> Result<Vec<Discovered>, String> {
    let mut found: Vec<Discovered> = Vec::new();
    for instance in instances {
        let address = instance.address(service.tagged_address.as_deref())?;
        let (weight, is_leaving) = (instance.weight(), instance.is_in_maintenance());
        match found.iter_mut().find(|known| known.address == address) {
            None => found.push(Discovered { address, weight, capacity: None, is_leaving }),
            // One in maintenance takes no clients from the others at its address.
            Some(known) if known.is_leaving => (known.weight, known.is_leaving) = (weight, is_leaving),
            Some(known) if !is_leaving => known.weight = known.weight.saturating_add(weight),
            Some(_) => {}
        }
    }
    Ok(found)
}

impl Instance {
    /// Its address, or that of its node, which Consul means if an instance has none.
    fn address(&self, tagged: Option<&str>) -> Result<IpAddr, String> {
        let own = Some(self.service.address.as_str()).filter(|own| !own.is_empty()).unwrap_or(&self.node.address);
        let text = match tagged {
            None => own,
            Some(tag) => {
                let of_service =
                    self.service.tagged_addresses.as_ref().and_then(|tagged| Some(&tagged.get(tag)?.address));
                let of_node = || self.node.tagged_addresses.as_ref().and_then(|tagged| tagged.get(tag));
                of_service.or_else(of_node).ok_or_else(|| "an instance has no such `tagged_address`".to_owned())?
            }
        };
        text.parse().map_err(|_| "the address of an instance is a name: a pool holds addresses".to_owned())
    }

    /// Its weight for its state.
    fn weight(&self) -> u16 {
        let Some(Weights { passing, warning }) = self.service.weights else { return 1 };
        let weight = if self.has_check(|check| check.status == "warning") { warning } else { passing };
        u16::try_from(weight).unwrap_or(u16::MAX)
    }

    fn is_in_maintenance(&self) -> bool {
        self.has_check(|check| MAINTENANCE.iter().any(|id| check.id.starts_with(id)))
    }

    fn has_check(&self, is_meant: impl Fn(&Check) -> bool) -> bool {
        self.checks.iter().flatten().any(is_meant)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(json: &str, tagged: Option<&str>) -> Result<Vec<String>, String> {
        let instances: Vec<Instance> = serde_json::from_str(json).unwrap();
        let service = ConsulService {
            server: crate::snapshot::ApiServer::default(),
            service: "web".into(),
            tags: Box::default(),
            datacenter: None,
            health: ConsulHealth::Any,
            tagged_address: tagged.map(Into::into),
        };
        let shown = |found: Discovered| {
            format!("{} x{}{}", found.address, found.weight, if found.is_leaving { " leaving" } else { "" })
        };
        Ok(endpoints(&instances, &service)?.into_iter().map(shown).collect())
    }

    #[test]
    fn instances_have_the_address_of_their_node_and_weights_of_their_state() {
        let json = r#"[
            {"Node": {"Node": "a", "Address": "10.0.0.1"}, "Service": {"ID": "web", "Address": "", "Port": 80},
             "Checks": [{"CheckID": "serfHealth", "Status": "passing"}]},
            {"Node": {"Address": "10.0.0.9"}, "Checks": [{"CheckID": "c", "Status": "warning"}],
             "Service": {"Address": "2001:db8::1", "Weights": {"Passing": 10, "Warning": 2}}},
            {"Node": {"Address": "10.0.0.9"}, "Checks": null,
             "Service": {"Address": "10.0.0.2", "Weights": {"Passing": 70000, "Warning": 1}}},
            {"Node": {"Address": "10.0.0.1"}, "Service": {"Address": "", "Port": 81}},
            {"Node": {"Address": "10.0.0.3"}, "Service": {"Address": ""},
             "Checks": [{"CheckID": "_service_maintenance:web", "Status": "critical"}]}
        ]"#;
        let expected = ["10.0.0.1 x2", "2001:db8::1 x2", "10.0.0.2 x65535", "10.0.0.3 x1 leaving"];
        assert_eq!(shown(json, None).unwrap(), expected);
        assert_eq!(shown("[]", None).unwrap(), [""; 0]);
        let name = r#"[{"Node": {"Address": "a.example"}, "Service": {}}]"#;
        assert!(shown(name, None).unwrap_err().contains("is a name"));
    }

    #[test]
    fn an_instance_has_several_addresses() {
        let json = r#"[
            {"Node": {"Address": "10.0.0.1", "TaggedAddresses": {"wan": "192.0.2.1"}}, "Service": {"Address": "10.1.0.1",
             "TaggedAddresses": {"wan": {"Address": "192.0.2.7", "Port": 80}}}},
            {"Node": {"Address": "10.0.0.2", "TaggedAddresses": {"wan": "192.0.2.2"}}, "Service": {"TaggedAddresses": {}}}
        ]"#;
        assert_eq!(shown(json, Some("wan")).unwrap(), ["192.0.2.7 x1", "192.0.2.2 x1"]);
        assert!(shown(json, Some("lan")).is_err());
    }

    #[test]
    fn an_index_that_goes_backwards_begins_anew_and_zero_is_refused() {
        let next = |before, index: &str| {
            next_index(before, &HeaderMap::from_iter([("x-consul-index".parse().unwrap(), index.parse().unwrap())]))
                .ok()
        };
        assert_eq!([next(0, "5"), next(5, "5"), next(5, "9")], [Some(5), Some(5), Some(9)]);
        assert_eq!([next(5, "4"), next(5, "0"), next(0, "x")], [Some(0), None, None]);
        assert!(next_index(0, &HeaderMap::new()).is_err());
    }
}
