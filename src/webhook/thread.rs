//! The thread of all webhooks.
//!
//! A receiver may send anything. hyper parses interim responses as long as they come, for seconds in one turn of a
//! task. A thread of its own keeps health, control and the admin server from waiting for that.

use std::thread;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;
use tracing::warn;

/// A thread that runs tasks. It ends when this is dropped.
#[derive(Debug)]
pub(super) struct WebhookThread {
    handle: Handle,
    _end: Option<oneshot::Sender<()>>,
}

impl WebhookThread {
    /// Starts the thread. If the system refuses it, tasks run on the current tokio runtime.
    pub(super) fn start() -> Self {
        let (end, ended) = oneshot::channel::<()>();
        let started = Builder::new_current_thread().enable_all().build().and_then(|runtime| {
            let handle = runtime.handle().clone();
            let run = move || {
                // An error means that the sender was dropped: the thread is to end.
                let _ = runtime.block_on(ended);
                // A resolver may hang in a thread of the runtime.
                runtime.shutdown_background();
            };
            thread::Builder::new().name("webhooks".to_owned()).spawn(run).map(|_| handle)
        });
        match started {
            Ok(handle) => Self { handle, _end: Some(end) },
            Err(error) => {
                warn!(%error, "cannot start a thread for webhooks: they share the threads of the node");
                Self { handle: Handle::current(), _end: None }
            }
        }
    }

    pub(super) fn handle(&self) -> &Handle {
        &self.handle
    }
}
