//! A Service of Kubernetes: its EndpointSlices, or the addresses of its load balancer, by a list and a watch.
//!
//! ```text
//!   list ──► objects, version ──► watch from that version ──► an event ──► objects, version
//!    ▲                               │  the watch ended in order: from the latest version again
//!    └── 410, or a failure ──────────┘
//! ```
//!
//! The API concepts of Kubernetes: a watch begins at the `resourceVersion` of the list. A bookmark moves it on without a
//! change. If the version is too old, the server says 410, and everything is listed again.

mod objects;
mod watch;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;
use tokio::time::{Instant, timeout_at};

use super::api::{self, Api, PATIENCE, Place, TokenHeader, Trouble};
use super::{Sight, Watcher};
use crate::backoff::Backoff;
use crate::lease::Discovered;
use crate::snapshot::{KubernetesAddresses, KubernetesService};
use objects::{List, Objects};
use watch::{Event, Watch};

/// The folder of the service account in a pod.
const ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// The time after which the server ends a watch.
const WATCH: Duration = Duration::from_secs(240);

/// The time for which further changes are gathered after the first: a roll-out makes many.
const GATHER: Duration = Duration::from_millis(100);

/// The time from the end of a watch to the next one.
const REST: Duration = Duration::from_secs(1);

/// The status for a version that is too old.
const GONE: u16 = 410;

pub(super) struct KubernetesSource {
    service: Arc<KubernetesService>,
    /// `None` until the server is known.
    api: Option<Api>,
    objects: Objects,
    /// The version of the objects; `None` if they must be listed.
    version: Option<String>,
    watch: Option<Watch>,
    /// Waits after failures.
    backoff: Backoff,
    /// Waits after versions that were too old: a server that says so of each must not be asked without pause.
    renewals: Backoff,
}

impl KubernetesSource {
    pub(super) fn new(service: Arc<KubernetesService>) -> Self {
        let objects = Objects::default();
        let (backoff, renewals) = (Backoff::default(), Backoff::default());
        Self { service, api: None, objects, version: None, watch: None, backoff, renewals }
    }

    /// Returns the endpoints as soon as they are known to be others than at the last call, or after some minutes.
    async fn follow(&mut self) -> Result<(Vec<Discovered>, Duration), Trouble> {
        if self.version.is_none() {
            self.list().await?;
            // A watch that is refused is told now, and not in turn with the list.
            self.begin_watch().await?;
            return Ok((self.endpoints()?, Duration::ZERO));
        }
        if self.watch.is_none() {
            self.begin_watch().await?;
        }
        let before = self.endpoints();
        let mut gathers_until: Option<Instant> = None;
        while let Some(watch) = &mut self.watch {
            let next = watch.next(WATCH + PATIENCE);
            let event = match gathers_until {
                None => next.await?,
                Some(until) => match timeout_at(until, next).await {
                    Ok(event) => event?,
                    Err(_) => break,
                },
            };
            match event {
                Some(Event::Put(object)) => {
                    self.version = Some(object.version().to_owned());
                    self.objects.put(&object)?;
                }
                Some(Event::Removed(object)) => {
                    self.version = Some(object.version().to_owned());
                    self.objects.remove(&object);
                }
                Some(Event::Bookmark(version)) => self.version = Some(version),
                Some(Event::Failed(GONE)) => {
                    return Err(Trouble { status: Some(GONE), ..Trouble::new("its watch is too old") });
                }
                Some(Event::Failed(code)) => return Err(Trouble::new(format!("its watch failed with status {code}"))),
                None => {
                    self.watch = None;
                    return Ok((self.endpoints()?, REST));
                }
            }
            self.renewals = Backoff::default();
            if gathers_until.is_none() && self.endpoints() != before {
                gathers_until = Some(Instant::now() + GATHER);
            }
        }
        Ok((self.endpoints()?, Duration::ZERO))
    }

    async fn list(&mut self) -> Result<(), Trouble> {
        let selector = self.selector();
        let response = self.get(&[selector], PATIENCE).await?;
        let list: List = api::json(response).await?;
        self.version = None;
        self.objects = Objects::default();
        let version = list.version()?.to_owned();
        for object in list.into_items() {
            self.objects.put(&object)?;
        }
        self.version = Some(version);
        Ok(())
    }

    async fn begin_watch(&mut self) -> Result<(), Trouble> {
        let (selector, seconds) = (self.selector(), WATCH.as_secs().to_string());
        let version = self.version.clone().unwrap_or_default();
        let query = [
            selector,
            ("watch", "true".to_owned()),
            ("allowWatchBookmarks", "true".to_owned()),
            ("resourceVersion", version),
            ("timeoutSeconds", seconds),
        ];
        let response = self.get(&query, PATIENCE).await?;
        self.watch = Some(Watch::new(response));
        Ok(())
    }

    /// Which objects belong to the service.
    fn selector(&self) -> (&'static str, String) {
        let service = &self.service.service;
        match self.service.addresses {
            KubernetesAddresses::Endpoints => ("labelSelector", format!("kubernetes.io/service-name={service}")),
            KubernetesAddresses::LoadBalancer => ("fieldSelector", format!("metadata.name={service}")),
        }
    }

    async fn get(
        &mut self,
        query: &[(&'static str, String)],
        patience: Duration,
    ) -> Result<reqwest::Response, Trouble> {
        let namespace = &*self.service.namespace;
        let path: &[&str] = match self.service.addresses {
            KubernetesAddresses::Endpoints => {
                &["apis", "discovery.k8s.io", "v1", "namespaces", namespace, "endpointslices"]
            }
            KubernetesAddresses::LoadBalancer => &["api", "v1", "namespaces", namespace, "services"],
        };
        let query: Vec<(&str, &str)> = query.iter().map(|(key, value)| (*key, value.as_str())).collect();
        let api = match &mut self.api {
            Some(api) => api,
            none => none.insert(Api::new(place(&self.service)?, TokenHeader::Bearer)),
        };
        api.get(path, &query, patience).await
    }

    fn endpoints(&self) -> Result<Vec<Discovered>, Trouble> {
        self.objects.endpoints().map_err(Trouble::new)
    }
}

impl Watcher for KubernetesSource {
    async fn look(&mut self) -> Sight {
        let trouble = match self.follow().await {
            Ok((endpoints, again_after)) => {
                self.backoff = Backoff::default();
                return Sight { endpoints: Ok(endpoints), again_after };
            }
            Err(trouble) => trouble,
        };
        (self.version, self.watch) = (None, None);
        if trouble.status != Some(GONE) {
            return trouble.sight(&mut self.backoff);
        }
        // That is no failure: what was listed last is as good as before.
        let sight = trouble.sight(&mut self.renewals);
        Sight { endpoints: self.endpoints().map_err(|trouble| trouble.why), ..sight }
    }
}

/// Returns the way to the API server: the one of the files, or that of the cluster that the node runs in. Fails if it
/// runs in none.
fn place(service: &KubernetesService) -> Result<Place, Trouble> {
    let server = &service.server;
    let file = |path: &Option<Box<Path>>| path.as_deref().map(PathBuf::from);
    let (ca_file, token_file) = (file(&server.ca_file), file(&server.token_file));
    if let Some(url) = &server.url {
        let url = Url::parse(url).map_err(|error| Trouble::new(error.to_string()))?;
        return Ok(Place { url, ca_file, token_file });
    }
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let Some(host) = variable("KUBERNETES_SERVICE_HOST") else {
        let why = "the node runs in no cluster: KUBERNETES_SERVICE_HOST is not set, and `server` is missing";
        return Err(Trouble::new(why));
    };
    let host = if host.contains(':') { format!("[{host}]") } else { host };
    let port = variable("KUBERNETES_SERVICE_PORT").unwrap_or_else(|| "443".to_owned());
    let url = Url::parse(&format!("https://{host}:{port}"));
    let of_account = |name: &str| Some(Path::new(ACCOUNT).join(name));
    Ok(Place {
        url: url.map_err(|error| Trouble::new(format!("KUBERNETES_SERVICE_HOST and _PORT: {error}")))?,
        ca_file: ca_file.or_else(|| of_account("ca.crt")),
        token_file: token_file.or_else(|| of_account("token")),
    })
}
