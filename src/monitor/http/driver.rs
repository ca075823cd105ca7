//! Moves a connection's octets, but only while somebody waits for something on it.
//!
//! hyper wants its connections polled beside the requests, and HTTP/2 wants tasks of its own. They are polled as a part of
//! whatever waits and are owned by the connection: dropping it closes its socket there and then.

use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::Context;

use hyper::rt::Executor;

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;
/// Tasks that have come and were not polled yet.
type Queue = Mutex<Vec<Task>>;

/// The tasks of one connection.
#[derive(Default)]
pub(super) struct Driver {
    queue: Arc<Queue>,
    running: Vec<Task>,
}

/// Hands tasks to a driver. They hold it themselves, and must not keep each other alive.
#[derive(Clone)]
pub(super) struct Spawner(Weak<Queue>);

impl Driver {
    /// Where its tasks come from.
    pub(super) fn spawner(&self) -> Spawner {
        Spawner(Arc::downgrade(&self.queue))
    }

    /// Runs the tasks until the future has its output.
    pub(super) async fn along<F: Future>(&mut self, future: F) -> F::Output {
        let mut future = pin!(future);
        std::future::poll_fn(|context| {
            // The future first: what the tasks do for it wakes it.
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
            // A task may have brought others.
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
