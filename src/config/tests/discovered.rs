//! `discover` of a pool.

use super::registered::pools_with;
use crate::snapshot::{Bounds, ConsulHealth, KubernetesAddresses, Source};

/// The bounds of a pool with this source.
fn bounds_of(keys: &str) -> Result<Bounds, Vec<String>> {
    let (pools, _) = pools_with(&format!("monitor = \"web\"\ndiscover = {{ prefixes = [\"10.0.0.0/8\"], {keys} }}\n"))?;
    Ok(pools[0].registration.clone().expect("it has a source").bounds)
}

fn source_of(keys: &str) -> Source {
    bounds_of(keys).unwrap_or_else(|faults| panic!("{faults:?}")).source.expect("a source")
}

#[test]
fn a_source_may_list_endpoints() {
    let file = source_of("file = \"web.json\"").to_string();
    assert!(file.starts_with("file ") && file.ends_with("/zones/web.json"), "{file}");
    let bounds = bounds_of("dns = \"Web.Example.NET.\", max = 7").unwrap();
    assert!(bounds.keep_last && bounds.by.is_none() && bounds.max == 7);
    assert_eq!(bounds.source.unwrap().to_string(), "dns web.example.net");
    assert_eq!(source_of("srv = \"_web._tcp.example.net\"").to_string(), "srv _web._tcp.example.net");
    for (keys, expected) in [
        ("max = 3", "`discover` needs `file`, `dns`, `srv`, `consul` or `kubernetes`"),
        ("file = \"a\", dns = \"b\"", "`discover` has one source"),
        ("dns = \"192.0.2.1\"", "`dns` takes a name in the DNS"),
        ("dns = \"a b\"", "`dns` takes an address or a host name"),
        ("consul = {}", "`consul` needs `service`"),
        ("consul = { service = \"a/b\" }", "`service` takes the name of a service"),
        ("consul = { service = \"..\" }", "`service` takes the name of a service"),
        ("consul = { service = \"web\", tags = [\"a b\"] }", "`tags` takes a tag"),
        ("consul = { service = \"web\", health = \"good\" }", "`health` takes one of `passing`, `any`"),
        ("consul = { service = \"web\", server = \"10.0.0.1:8500\" }", "`server` takes a URL that begins with"),
        ("consul = { service = \"web\", server = \"http://me:word@host\" }", "`server` takes a URL without user"),
        ("consul = { service = \"web\", token = \"a\" }", "`consul` has no key `token`"),
        ("kubernetes = { namespace = \"shop\" }", "`kubernetes` needs `service`"),
        ("kubernetes = { service = \"a,b\" }", "`service` takes the name of a Service"),
        ("kubernetes = { service = \"web\", namespace = \"-\" }", "`namespace` takes a namespace"),
        ("kubernetes = { service = \"web\", addresses = \"pods\" }", "`addresses` takes one of"),
        ("file = \"a\", by = [\"me\"]", "`discover` has no key `by`"),
    ] {
        let faults = bounds_of(keys).unwrap_err().join("\n");
        assert!(faults.contains(expected), "{keys}: {faults}");
    }
    let told = |keys: &str| pools_with(keys).unwrap_err().join("\n");
    let both = "monitor = \"web\"\nregistered = { prefixes = [\"10.0.0.0/8\"] }\n\
                discover = { dns = \"a.example\", prefixes = [\"10.0.0.0/8\"] }\n";
    assert!(told(both).contains("endpoints either register themselves or are discovered"), "{}", told(both));
    let by_place = "monitor = \"web\"\nendpoints.fra = []\nendpoints.iad = []\n\
                    discover = { dns = \"a.example\", prefixes = [\"10.0.0.0/8\"] }\n";
    assert!(
        told(by_place).contains("a source other than a file lists the endpoints of one datacenter"),
        "{}",
        told(by_place)
    );
}

#[test]
fn consul_and_kubernetes_have_keys_of_their_own() {
    let all = "consul = { server = \"https://consul.example.net:8501\", service = \"web\", datacenter = \"dc1\", tags = [\"v2\"], \
               health = \"any\", tagged_address = \"wan\", ca_file = \"ca.pem\", token_file = \"token\" }";
    let source = source_of(all);
    assert_eq!(source.to_string(), "consul web of dc1 at https://consul.example.net:8501");
    let Source::Consul(service) = &source else { panic!("{source:?}") };
    assert_eq!(
        (service.health, service.tagged_address.as_deref(), &*service.tags),
        (ConsulHealth::Any, Some("wan"), &["v2".into()][..])
    );
    let files: Vec<bool> = source.files().map(|path| path.to_string_lossy().contains("/zones/")).collect();
    assert_eq!(files, [true, true], "relative to the zone file");
    assert_eq!(source_of("consul = { service = \"web\" }").to_string(), "consul web");
    let all = "kubernetes = { server = \"https://gate.example.net/k8s/fra/\", service = \"web\", namespace = \"shop\", \
               addresses = \"load-balancer\" }";
    let source = source_of(all);
    assert_eq!(source.to_string(), "kubernetes shop/web at https://gate.example.net/k8s/fra");
    let Source::Kubernetes(service) = &source else { panic!("{source:?}") };
    assert_eq!(service.addresses, KubernetesAddresses::LoadBalancer);
    assert_eq!(source_of("kubernetes = { service = \"web\" }").to_string(), "kubernetes default/web");
}

#[test]
fn files_that_are_missing_are_told_and_one_that_is_there_is_not() {
    let warnings = |keys: &str| {
        let (_, warnings) =
            pools_with(&format!("monitor = \"web\"\ndiscover = {{ prefixes = [\"10.0.0.0/8\"], {keys} }}\n")).unwrap();
        warnings.into_iter().filter(|warning| warning.contains("cannot be read")).collect::<Vec<_>>()
    };
    let told = warnings("file = \"web.json\"");
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].contains("the source of pool `web` cannot be read: ") && told[0].contains("web.json: No such file")
    );
    let told = warnings("consul = { service = \"web\", ca_file = \"ca.pem\", token_file = \"token\" }");
    assert!(told[0].contains("ca.pem: No such file") && told[0].contains("token: No such file"), "{told:?}");
    assert!(warnings("file = \"example.com.toml\"").is_empty());
    assert!(warnings("kubernetes = { service = \"web\" }").is_empty());
    let token = "monitor = \"web\"\ndiscover = { prefixes = [\"10.0.0.0/8\"], consul = { service = \"web\", token_file = \"/etc/passwd\" } }\n";
    let (_, told) = pools_with(token).unwrap();
    assert!(told.iter().any(|warning| warning.contains("everybody on this machine can read the token in")), "{told:?}");
    let on_the_way = |server: &str| {
        let keys = format!(
            "monitor = \"web\"\ndiscover = {{ prefixes = [\"10.0.0.0/8\"], consul = {{ service = \"web\", server = \"{server}\", token_file = \"a\" }} }}\n"
        );
        pools_with(&keys).unwrap().1.iter().any(|warning| warning.contains("can read the token | not encrypted"))
    };
    assert_eq!(
        ["http://10.0.0.1:8500", "http://[::1]:8500", "https://10.0.0.1:8501"].map(on_the_way),
        [true, false, false]
    );
}

#[test]
fn each_datacenter_may_have_a_source() {
    let both = "discover.fra = { dns = \"fra.example.net\", prefixes = [\"10.1.0.0/16\"] }\n\
                discover.iad = { kubernetes = { service = \"web\" }, prefixes = [\"10.2.0.0/16\"], max = 3 }\n";
    let shown = |keys: &str| {
        let (pools, _) = pools_with(&format!("monitor = \"web\"\n{keys}")).unwrap();
        let source = |pool: &crate::snapshot::PoolSpec| {
            pool.registration
                .as_ref()
                .and_then(|it| it.bounds.source.as_ref())
                .map_or("none".to_owned(), ToString::to_string)
        };
        pools.iter().map(|pool| format!("{} {} {}", pool.name, pool.members.len(), source(pool))).collect::<Vec<_>>()
    };
    assert_eq!(shown(both), ["web/fra 0 dns fra.example.net", "web/iad 0 kubernetes default/web"]);
    let listed = format!("{both}endpoints.fra = [\"192.0.2.1\"]\n");
    assert_eq!(shown(&listed), ["web/fra 1 dns fra.example.net", "web/iad 0 kubernetes default/web"]);
    let one =
        "discover.fra = { dns = \"fra.example.net\", prefixes = [\"10.1.0.0/16\"] }\nendpoints.iad = [\"192.0.2.1\"]\n";
    assert_eq!(shown(one), ["web/iad 1 none", "web/fra 0 dns fra.example.net"]);
    for (keys, told) in [
        (format!("datacenter = \"fra\"\n{both}"), "`datacenter` is given twice"),
        (
            format!("endpoints = [\"192.0.2.1\"]\n{both}"),
            "`endpoints` is one list, and `discover` has a source for each",
        ),
        (both.replace("iad", "sin"), "there is no datacenter `sin`"),
        (format!("endpoints.iad = []\n{}", both.lines().next().unwrap()), "a pool needs endpoints"),
        (format!("{both}registered = {{ prefixes = [\"10.0.0.0/8\"] }}\n"), "endpoints either register themselves"),
        (both.replace("max = 3", "mex = 3"), "`discover` has no key `mex`"),
    ] {
        let faults = pools_with(&format!("monitor = \"web\"\n{keys}\n")).unwrap_err().join("\n");
        assert!(faults.contains(told), "{keys}: {faults}");
    }
}
