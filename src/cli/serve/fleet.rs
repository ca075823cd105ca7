//! Connects control to the fleet.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tracing::warn;

use super::files::Files;
use crate::clock::wall;
use crate::config;
use crate::control::{Control, Event, Handle, Posts};
use crate::counters::NodeCounters;
use crate::fleet::{self, Job, Mail, Told};
use crate::ledger::{Book, Followed, StreamEvent};
use crate::vantage::{Letter, Me};

/// Batches of messages that wait to be sent. Further ones are lost, and the other nodes ask for what they miss.
const QUEUE: usize = 256;

/// Longest time that the last messages may take when the node stops.
const LAST_LETTERS: Duration = Duration::from_secs(1);

/// The orders of the fleet about TXT records and leases, as control passes them on.
pub(super) type Follows = mpsc::UnboundedReceiver<Followed>;

/// The way from control to others.
pub(super) struct Post {
    /// Letters and entries for the fleet; `None` once a task sends them.
    mail: Option<Mail>,
    /// Orders of others for the loop of the node.
    pub(super) follows: Follows,
    /// Versions of the zones to store and to fetch.
    pub(super) jobs: mpsc::Sender<Job>,
    /// Tells that the stream of the versions was opened.
    opening: mpsc::Sender<()>,
    opened: Option<mpsc::Receiver<()>>,
}

impl Post {
    /// Returns the receiver that is told when the stream of the versions was opened. Of several calls only the first one is told.
    pub(super) fn opened(&mut self) -> mpsc::Receiver<()> {
        self.opened.take().unwrap_or_else(|| mpsc::channel(1).1)
    }
}

/// Makes control part of the fleet. `observes` is true for a node that answers nothing.
pub(super) fn join(control: &mut Control, fleet: &config::Fleet, observes: bool, counters: &Arc<NodeCounters>) {
    let config::Fleet { node, site, interval, .. } = fleet;
    let me = Me { node: node.clone(), site: site.clone(), interval: *interval, observes };
    let incarnation = u64::try_from(wall().as_millis()).unwrap_or(u64::MAX);
    control.join(me, incarnation, fleet.takes_zones, counters.clone());
}

/// Returns the functions that control hands over what it has for others with, and where that arrives.
pub(super) fn posts(counters: Arc<NodeCounters>) -> (Posts, Post) {
    let (letters, sent) = mpsc::channel(QUEUE);
    let (entries, submitted) = mpsc::channel(QUEUE);
    let (follows, followed) = mpsc::unbounded_channel();
    let (jobs, queued) = mpsc::channel(QUEUE);
    let (opening, opened) = mpsc::channel(1);
    let send = move |batch: Vec<Letter>| {
        let count = batch.len() as u64;
        // A node without a fleet has none to send.
        if count > 0 && letters.try_send(batch).is_err() {
            counters.fleet.lost.fetch_add(count, Relaxed);
        }
    };
    let posts = Posts {
        letters: Box::new(send),
        // Control sends entries again that do not fit in.
        entries: Box::new(move |batch| _ = entries.try_send(batch)),
        // Nobody takes them if the node only observes, or stops.
        follows: Box::new(move |batch| _ = follows.send(batch)),
    };
    let mail = Some(Mail { letters: sent, entries: submitted, jobs: queued });
    (posts, Post { mail, follows: followed, jobs, opening, opened: Some(opened) })
}

/// Starts the task that talks to the fleet, if the node has one and the messages are still there. With
/// `observes` it reads no orders but the version of the zones. DNS does not depend on it: if it ends by itself, which is a bug, the node goes on
/// alone.
pub(super) fn start(files: &Files, post: &mut Post, observes: bool, control: Handle) -> Option<JoinHandle<()>> {
    let (fleet, mail) = (files.server.fleet.clone()?, post.mail.take()?);
    let (counters, opening) = (files.counters.clone(), post.opening.clone());
    let books = Book::read_by(observes, fleet.takes_zones);
    Some(tokio::spawn(async move {
        let told = control.clone();
        let tell = move |event| {
            let (control, opening) = (told.clone(), opening.clone());
            async move {
                if matches!(event, Told::Stream(StreamEvent::Read(Book::Zones))) {
                    // One is enough if nobody has read it yet.
                    let _ = opening.try_send(());
                }
                let event = match event {
                    Told::Fleet(event) => Event::Fleet(event),
                    Told::Stream(event) => Event::Stream(event),
                };
                control.tell(event).await;
            }
        };
        let running = tokio::spawn(fleet::run(fleet, mail, books, counters, tell));
        if let Err(error) = running.await {
            warn!(%error, "the connection to the fleet ended, which is a bug of truenorth: this node goes on alone");
            let why = "its task ended".into();
            control.tell(Event::Fleet(crate::vantage::FleetEvent::Disconnected(why))).await;
        }
    }))
}

/// Waits until the last messages are sent.
pub(super) async fn finish(task: Option<JoinHandle<()>>) {
    if let Some(task) = task {
        // The others notice the silence if the messages do not leave.
        let _ = tokio::time::timeout(LAST_LETTERS, task).await;
    }
}
