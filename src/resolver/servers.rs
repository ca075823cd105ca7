//! The recursive servers of the system.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::ResolveError;

/// The file that lists them (resolv.conf(5)).
const RESOLV_CONF: &str = "/etc/resolv.conf";

/// "Up to MAXNS (currently 3) name servers may be listed".
const MAX_SERVERS: usize = 3;

const DNS_PORT: u16 = 53;

/// Returns the servers of the system. Fails if its file cannot be read.
pub(super) fn of_system() -> Result<Vec<SocketAddr>, ResolveError> {
    match std::fs::read_to_string(RESOLV_CONF) {
        Ok(text) => Ok(listed(&text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(listed("")),
        Err(error) => Err(ResolveError::Io(format!("{RESOLV_CONF}: {error}"))),
    }
}

/// "If there are no nameserver entries, the default is to use the name server on the local machine."
fn listed(text: &str) -> Vec<SocketAddr> {
    let address = |line: &str| -> Option<IpAddr> {
        let rest = line.strip_prefix("nameserver")?;
        let word = rest.strip_prefix([' ', '\t'])?.split_whitespace().next()?;
        // An address of a link has a zone, which says nothing on another machine.
        word.split('%').next()?.parse().ok()
    };
    let listed: Vec<SocketAddr> =
        text.lines().filter_map(address).take(MAX_SERVERS).map(|ip| SocketAddr::new(ip, DNS_PORT)).collect();
    if listed.is_empty() { vec![SocketAddr::new(Ipv4Addr::LOCALHOST.into(), DNS_PORT)] } else { listed }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nameserver_lines_list_servers() {
        let texts = |text: &str| listed(text).iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(texts("# comment\nsearch example.com\n"), ["127.0.0.1:53"]);
        assert_eq!(
            texts("nameserver 192.0.2.1 # first\nnameserver\t2001:db8::1\nnameservers 192.0.2.7\nnameserver x\n"),
            ["192.0.2.1:53", "[2001:db8::1]:53"]
        );
        assert_eq!(texts(&"nameserver 192.0.2.1\n".repeat(5)).len(), MAX_SERVERS);
    }
}
