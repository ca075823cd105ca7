//! What lists the endpoints of a pool, as the files say it.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// What lists the endpoints of a pool.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// A file in the form of Prometheus' `file_sd`, JSON or YAML.
    File(Box<Path>),
    /// The A and AAAA records of this name, in lower case and without a final dot.
    Addresses(Box<str>),
    /// The SRV records of this name, and the addresses of their hosts.
    Services(Box<str>),
    /// The instances of a service in Consul.
    Consul(Arc<ConsulService>),
    /// A Service of Kubernetes.
    Kubernetes(Arc<KubernetesService>),
}

/// The way to a server with an HTTP API. Its files are read again for each request, because tokens and authorities
/// are replaced while the node runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ApiServer {
    /// An `http://` or `https://` URL without user, query and fragment; `None` for the usual server of the source.
    pub url: Option<Box<str>>,
    /// The file with the authorities that may sign its certificate, in PEM; `None` for those of the system, or for that
    /// of the cluster.
    pub ca_file: Option<Box<Path>>,
    /// The file with the token; `None` for none, or for that of the service account.
    pub token_file: Option<Box<Path>>,
}

/// A service in Consul.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ConsulService {
    /// The agent or the server; usually the agent of this machine.
    pub server: ApiServer,
    /// Its name.
    pub service: Box<str>,
    /// The tags that an instance must have, all of them.
    pub tags: Box<[Box<str>]>,
    /// The datacenter of Consul; `None` for that of the agent.
    pub datacenter: Option<Box<str>>,
    /// Which instances count.
    pub health: ConsulHealth,
    /// The tagged address of an instance that is handed out, such as `wan`; `None` for its address.
    pub tagged_address: Option<Box<str>>,
}

/// Which instances of a service in Consul count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ConsulHealth {
    /// Those whose checks all pass.
    #[default]
    Passing,
    /// All, whatever their checks say.
    Any,
}

/// A Service of Kubernetes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KubernetesService {
    /// The API server; usually that of the cluster that the node runs in.
    pub server: ApiServer,
    /// Its namespace.
    pub namespace: Box<str>,
    /// Its name.
    pub service: Box<str>,
    /// Its addresses that are handed out.
    pub addresses: KubernetesAddresses,
}

/// The addresses of a Service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum KubernetesAddresses {
    /// Those of its endpoints, from its EndpointSlices.
    #[default]
    Endpoints,
    /// Those of its load balancer, from its status.
    LoadBalancer,
}

impl Source {
    /// The way to its server, if it has one.
    pub fn server(&self) -> Option<&ApiServer> {
        match self {
            Self::Consul(service) => Some(&service.server),
            Self::Kubernetes(service) => Some(&service.server),
            Self::File(_) | Self::Addresses(_) | Self::Services(_) => None,
        }
    }

    /// The files that it needs while the node runs.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        let of_server = self.server().into_iter().flat_map(|server| [&server.ca_file, &server.token_file]).flatten();
        let own = match self {
            Self::File(path) => Some(path),
            _ => None,
        };
        own.into_iter().chain(of_server).map(|path| &**path)
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = |f: &mut fmt::Formatter<'_>, server: &ApiServer| match &server.url {
            Some(url) => write!(f, " at {}", url.trim_end_matches('/')),
            None => Ok(()),
        };
        match self {
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Addresses(name) => write!(f, "dns {name}"),
            Self::Services(name) => write!(f, "srv {name}"),
            Self::Consul(service) => {
                write!(f, "consul {}", service.service)?;
                if let Some(datacenter) = &service.datacenter {
                    write!(f, " of {datacenter}")?;
                }
                at(f, &service.server)
            }
            Self::Kubernetes(service) => {
                write!(f, "kubernetes {}/{}", service.namespace, service.service)?;
                at(f, &service.server)
            }
        }
    }
}
