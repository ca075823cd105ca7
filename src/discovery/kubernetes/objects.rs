//! The objects of a Service: EndpointSlices, or the Service itself with its load balancer.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Deserialize;

use crate::discovery::api::Trouble;
use crate::lease::Discovered;

/// Maximum number of objects. A slice usually has a hundred endpoints, and a pool a thousand at most.
const MAX_OBJECTS: usize = 1024;

/// A list of objects.
#[derive(Debug, Deserialize)]
pub(super) struct List {
    metadata: ListMetadata,
    /// `null` if there are none.
    #[serde(default)]
    items: Option<Vec<Object>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListMetadata {
    #[serde(default)]
    resource_version: String,
}

/// An EndpointSlice of `discovery.k8s.io/v1`, or a Service of `v1`. Other members are ignored.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Object {
    metadata: Metadata,
    /// Of an EndpointSlice: `IPv4`, `IPv6` or `FQDN`.
    #[serde(default)]
    address_type: Option<String>,
    #[serde(default)]
    endpoints: Option<Vec<Endpoint>>,
    /// Of a Service.
    #[serde(default)]
    spec: Option<Spec>,
    #[serde(default)]
    status: Option<Status>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    name: String,
    resource_version: String,
    #[serde(default)]
    deletion_timestamp: Option<String>,
}

#[derive(Debug, PartialEq, Deserialize)]
struct Endpoint {
    addresses: Vec<String>,
    #[serde(default)]
    conditions: Option<Conditions>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
struct Conditions {
    ready: Option<bool>,
    serving: Option<bool>,
    terminating: Option<bool>,
}

#[derive(Debug, PartialEq, Deserialize)]
struct Spec {
    #[serde(default)]
    r#type: String,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    #[serde(default)]
    load_balancer: Option<LoadBalancer>,
}

#[derive(Debug, PartialEq, Deserialize)]
struct LoadBalancer {
    #[serde(default)]
    ingress: Option<Vec<Ingress>>,
}

#[derive(Debug, PartialEq, Deserialize)]
struct Ingress {
    #[serde(default)]
    ip: Option<String>,
}

/// The endpoints in each object of a Service, by the object's name.
#[derive(Debug, Default)]
pub(super) struct Objects(BTreeMap<String, Result<Vec<Discovered>, String>>);

impl List {
    /// The version to watch from.
    pub(super) fn version(&self) -> Result<&str, Trouble> {
        let version = &self.metadata.resource_version;
        if version.is_empty() { Err(Trouble::new("its list has no resourceVersion")) } else { Ok(version) }
    }

    pub(super) fn into_items(self) -> Vec<Object> {
        self.items.unwrap_or_default()
    }
}

impl Object {
    pub(super) fn version(&self) -> &str {
        &self.metadata.resource_version
    }

    /// Fails if one of the addresses cannot be handed out: the others alone would take it out of the answers.
    fn endpoints(&self) -> Result<Vec<Discovered>, String> {
        if let Some(kind) = &self.address_type {
            // Deprecated, and no source of addresses.
            let are_names = kind == "FQDN";
            return self.endpoints.iter().flatten().filter(|_| !are_names).filter_map(Endpoint::discovered).collect();
        }
        let Some(spec) = &self.spec else { return Err("an object of its answer is no EndpointSlice".to_owned()) };
        if spec.r#type != "LoadBalancer" {
            return Err("the Service is not of type LoadBalancer".to_owned());
        }
        let balancer = self.status.as_ref().and_then(|status| status.load_balancer.as_ref());
        let ingress = balancer.and_then(|balancer| balancer.ingress.as_ref());
        let is_leaving = self.metadata.deletion_timestamp.is_some();
        let discovered = |ingress: &Ingress| {
            let Some(ip) = &ingress.ip else {
                return Err("its load balancer has a host name and no address: use `dns` with that name".to_owned());
            };
            Ok(Discovered { address: address(ip)?, weight: 1, capacity: None, is_leaving })
        };
        ingress.into_iter().flatten().map(discovered).collect()
    }
}

impl Endpoint {
    /// `None` if it takes no clients. An endpoint is answered if it is ready, and drained if it is about to end and still
    /// serves.
    fn discovered(&self) -> Option<Result<Discovered, String>> {
        let Conditions { ready, serving, terminating } = self.conditions.unwrap_or_default();
        // The API says: "A nil value should be interpreted as "true"" of `ready`, "should be used" of `ready` if there is no
        // `serving`, and "false" of `terminating`.
        let is_ready = ready.unwrap_or(true);
        let is_leaving = terminating.unwrap_or(false);
        let is_serving = serving.unwrap_or(is_ready);
        if if is_leaving { !is_serving } else { !is_ready } {
            return None;
        }
        // All addresses of an endpoint are fungible, and clients use the first.
        let text = self.addresses.first()?;
        Some(address(text).map(|address| Discovered { address, weight: 1, capacity: None, is_leaving }))
    }
}

impl Objects {
    /// Takes in an object that is new or changed.
    pub(super) fn put(&mut self, object: &Object) -> Result<(), Trouble> {
        self.0.insert(object.metadata.name.clone(), object.endpoints());
        if self.0.len() > MAX_OBJECTS {
            return Err(Trouble::new(format!("the Service has more than {MAX_OBJECTS} objects")));
        }
        Ok(())
    }

    /// Takes in that an object was removed.
    pub(super) fn remove(&mut self, object: &Object) {
        self.0.remove(&object.metadata.name);
    }

    /// Returns the endpoints of all objects. Slices may have the same endpoint while it moves from one to another; it
    /// leaves only if all say so.
    pub(super) fn endpoints(&self) -> Result<Vec<Discovered>, String> {
        let mut found: BTreeMap<IpAddr, Discovered> = BTreeMap::new();
        for listed in self.0.values() {
            for endpoint in listed.as_ref().map_err(Clone::clone)? {
                let known = found.entry(endpoint.address).or_insert_with(|| endpoint.clone());
                known.is_leaving &= endpoint.is_leaving;
            }
        }
        Ok(found.into_values().collect())
    }
}

fn address(text: &str) -> Result<IpAddr, String> {
    text.parse().map_err(|_| "an object of its answer has a malformed address".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(objects: &[&str]) -> Result<Vec<String>, String> {
        let mut all = Objects::default();
        for object in objects {
            all.put(&serde_json::from_str(object).unwrap()).unwrap();
        }
        let shown = |found: Discovered| format!("{}{}", found.address, if found.is_leaving { " leaving" } else { "" });
        Ok(all.endpoints()?.into_iter().map(shown).collect())
    }

    fn slice(name: &str, kind: &str, endpoints: &str) -> String {
        format!(
            r#"{{"metadata": {{"name": "{name}", "resourceVersion": "1"}}, "addressType": "{kind}", "endpoints": {endpoints}}}"#
        )
    }

    #[test]
    fn ready_endpoints_are_in_and_serving_ones_that_end_are_drained() {
        let four = slice(
            "web-a",
            "IPv4",
            r#"[{"addresses": ["10.0.0.1"], "conditions": {"ready": true, "serving": true, "terminating": false}},
                {"addresses": ["10.0.0.2"], "conditions": {"ready": false, "serving": false}},
                {"addresses": ["10.0.0.3"], "conditions": {"ready": false, "serving": true, "terminating": true}},
                {"addresses": ["10.0.0.4"], "conditions": {"ready": false, "serving": false, "terminating": true}},
                {"addresses": ["10.0.0.5", "10.0.0.6"], "conditions": {}},
                {"addresses": ["10.0.0.7"]},
                {"addresses": []}]"#,
        );
        let six = slice("web-b", "IPv6", r#"[{"addresses": ["2001:db8::1"]}]"#);
        let names = slice("web-c", "FQDN", r#"[{"addresses": ["a.example"]}]"#);
        let expected = ["10.0.0.1", "10.0.0.3 leaving", "10.0.0.5", "10.0.0.7", "2001:db8::1"];
        assert_eq!(shown(&[&four, &six, &names, &slice("web-d", "IPv4", "null")]).unwrap(), expected);
        // It moves to another slice.
        let again = slice("web-e", "IPv4", r#"[{"addresses": ["10.0.0.3"]}]"#);
        assert_eq!(shown(&[&four, &again]).unwrap()[1], "10.0.0.3");
        assert!(shown(&[&slice("web-f", "IPv4", r#"[{"addresses": ["x"]}]"#)]).is_err());
    }

    #[test]
    fn a_service_has_the_addresses_of_its_load_balancer() {
        let service = |kind: &str, deleted: &str, status: &str| {
            format!(
                r#"{{"metadata": {{"name": "web", "resourceVersion": "1"{deleted}}}, "spec": {{"type": "{kind}"}}, "status": {status}}}"#
            )
        };
        let both = r#"{"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}, {"ip": "2001:db8::1", "ipMode": "VIP"}]}}"#;
        assert_eq!(shown(&[&service("LoadBalancer", "", both)]).unwrap(), ["192.0.2.1", "2001:db8::1"]);
        let deleted = r#", "deletionTimestamp": "2026-01-01T00:00:00Z""#;
        let leaving = shown(&[&service("LoadBalancer", deleted, both)]).unwrap();
        assert_eq!(leaving, ["192.0.2.1 leaving", "2001:db8::1 leaving"]);
        for status in [r#"{"loadBalancer": {}}"#, "{}", "null"] {
            assert_eq!(shown(&[&service("LoadBalancer", "", status)]).unwrap(), [""; 0]);
        }
        let name = r#"{"loadBalancer": {"ingress": [{"hostname": "lb.example.net"}]}}"#;
        assert!(shown(&[&service("LoadBalancer", "", name)]).unwrap_err().contains("host name"));
        assert!(shown(&[&service("ClusterIP", "", both)]).unwrap_err().contains("type LoadBalancer"));
    }
}
