//! The zones that most tests serve.

use std::net::SocketAddr;

/// The top of a zone with two datacenters, `fra` and `iad`. More datacenters may follow, then other tables. It is a
/// literal, for `concat!`.
macro_rules! places {
    () => {
        r#"
[nameservers]
ns1 = ["127.0.0.1"]
[datacenters]
fra = { latitude = 50.11, longitude = 8.68 }
iad = { latitude = 38.95, longitude = -77.45 }
"#
    };
}
pub(crate) use places;

/// A zone whose `www` has an endpoint in each of two datacenters; all clients go to `fra`. The endpoints are probed
/// every second over HTTP; `pool` is further lines for their pool.
pub(crate) fn probed_zone(fra: SocketAddr, iad: SocketAddr, pool: &str) -> String {
    let [fra, iad] = [fra, iad].map(member);
    format!(
        "{}[regions.default]\nprefer = [\"fra\", \"iad\"]\n[monitors.web]\ntype = \"http\"\ninterval = \"1s\"\n\
         timeout = \"900ms\"\n[pools.web]\nmonitor = \"web\"\n{pool}endpoints.fra = [{fra}]\nendpoints.iad = [{iad}]\n\
         [names.www]\npools = [\"web\"]\n",
        places!()
    )
}

/// An endpoint as a pool lists it: probed at the port that the kernel gave it.
pub(crate) fn member(at: SocketAddr) -> String {
    format!("{{ address = \"{}\", check_port = {} }}", at.ip(), at.port())
}
