//! Drives a connection's I/O, but only while a caller waits for something on it.
//!
//! hyper wants its connections polled beside the requests, and HTTP/2 wants tasks of its own. Both are polled as a part
//! of the waiting caller, and the connection owns them: dropping it closes its socket at once.

use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::Context;

use hyper::rt::Executor;

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;
/// Tasks that were spawned and not polled yet.
type Queue = Mutex<Vec<Task>>;

/// The tasks of one connection.
#[derive(Default)]
pub(super) struct Driver {
    queue: Arc<Queue>,
    running: Vec<Task>,
}

/// Passes tasks to a driver. The tasks hold a `Spawner` too, so a `Spawner` must not keep the driver's queue alive.
#[derive(Clone)]
pub(super) struct Spawner(Weak<Queue>);

impl Driver {
    /// The spawner for its tasks.
    pub(super) fn spawner(&self) -> Spawner {
        Spawner(Arc::downgrade(&self.queue))
    }

    /// Runs the tasks until the future has its output.
    pub(super) async fn along<F: Future>(&mut self, future: F) -> F::Output {
        let mut future = pin!(future);
        std::future::poll_fn(|context| {
            // The future is polled first: the tasks wake it when they have done something for it.
            let polled = future.as_mut().poll(context);
            if polled.is_pending() {
                self.run(context);
            }
            polled
        })
        .await
    }

    fn run(&mut self, context: &mut Context<'_>) {
        let mut tasks = std::mem::take(&mut self.running);
        tasks.append(&mut lock(&self.queue));
        while !tasks.is_empty() {
            tasks.retain_mut(|task| task.as_mut().poll(context).is_pending());
            self.running.append(&mut tasks);
            // A task may have spawned others.
            tasks.append(&mut lock(&self.queue));
        }
    }
}

impl<F> Executor<F> for Spawner
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, task: F) {
        if let Some(queue) = self.0.upgrade() {
            lock(&queue).push(Box::pin(task));
        }
    }
}

fn lock(queue: &Queue) -> MutexGuard<'_, Vec<Task>> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}
