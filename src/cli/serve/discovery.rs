//! The sources of endpoints of a running node: one task for each pool with a source.

use std::collections::HashMap;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tracing::{info, warn};

use super::Node;
use crate::discovery::{self, Found};
use crate::health::PoolKey;
use crate::resolver::Resolver;
use crate::snapshot::{Source, World};

/// A source that is looked at.
struct Task {
    source: Source,
    /// The datacenter of its pool.
    datacenter: Option<Box<str>>,
    /// Why it could not be used at the last look.
    problem: Option<String>,
    looking: JoinHandle<()>,
}

/// The tasks, and what they find.
pub(super) struct Discovery {
    resolver: Resolver,
    tasks: HashMap<PoolKey, Task>,
    found: mpsc::Receiver<Found>,
    finds: mpsc::Sender<Found>,
}

impl Discovery {
    /// Begins with the sources of this world.
    pub(super) fn begin(world: &World, resolver: Resolver) -> Self {
        let (finds, found) = mpsc::channel(discovery::WAITING);
        let mut discovery = Self { resolver, tasks: HashMap::new(), found, finds };
        discovery.follow(world);
        discovery
    }

    /// Looks at the sources of this world from now on, and no longer at others.
    pub(super) fn follow(&mut self, world: &World) {
        let mut wanted: HashMap<PoolKey, (Source, Option<Box<str>>)> = HashMap::new();
        for pool in &world.pools {
            if let Some(source) = pool.registration.as_ref().and_then(|registration| registration.bounds.source.clone())
            {
                wanted.insert(pool.key(), (source, world.datacenter_of(pool).map(Into::into)));
            }
        }
        self.tasks.retain(|pool, task| {
            let stays = wanted.get(pool).is_some_and(|(source, at)| *source == task.source && *at == task.datacenter);
            if stays {
                wanted.remove(pool);
            } else {
                task.looking.abort();
            }
            stays
        });
        for (pool, (source, datacenter)) in wanted {
            let (resolver, finds) = (self.resolver.clone(), self.finds.clone());
            let looking =
                tokio::spawn(discovery::run(pool.clone(), datacenter.clone(), source.clone(), resolver, finds));
            self.tasks.insert(pool, Task { source, datacenter, problem: None, looking });
        }
    }

    /// Waits until a source says something.
    pub(super) async fn next(&mut self) -> Found {
        match self.found.recv().await {
            Some(found) => found,
            // This holds a sender itself.
            None => std::future::pending().await,
        }
    }
}

impl Node {
    /// Takes in what a source said of a pool.
    pub(super) async fn take_in_found(&mut self, Found { pool, source, endpoints }: Found) {
        // It may have been said before a reload.
        let Some(task) = self.discovery.tasks.get_mut(&pool).filter(|task| task.source == source) else { return };
        let problem = endpoints.as_ref().err().cloned();
        if task.problem != problem {
            if let Some(why) = &problem {
                warn!(%pool, %source, why, "endpoints cannot be discovered: the last ones are kept");
            } else {
                info!(%pool, %source, "endpoints can be discovered again");
            }
            task.problem = problem;
        }
        self.register.discover(&pool, endpoints);
        self.settle_leases().await;
    }
}
