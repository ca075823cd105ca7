//! The making of maps from round trips, and the news of it.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tracing::error;

use super::Event;
use super::latency::REMAP_RETRY;
use crate::duration::Written;
use crate::latency::LatencyTable;
use crate::snapshot::{Blueprint, Remapped};

/// How often a thread is asked for while the system has none.
const RETRY: Duration = Duration::from_secs(1);

/// The least time between two reports: on a busy node maps are made every few seconds.
const TELL_EVERY: Duration = Duration::from_secs(10 * 60);

/// The making of new maps, on a thread of its own.
#[derive(Default)]
pub(super) enum Remapping {
    /// No maps are wanted.
    #[default]
    Idle,
    /// Maps are wanted, but the system had no thread for them.
    Delayed(Arc<Blueprint>, LatencyTable),
    Running(oneshot::Receiver<(Arc<Blueprint>, Remapped, Duration)>),
}

impl Remapping {
    pub(super) fn begin(&mut self, blueprint: Arc<Blueprint>, table: LatencyTable) {
        let (done, maps) = oneshot::channel();
        let (of, with) = (blueprint.clone(), table.clone());
        let make = move || {
            let began = Instant::now();
            let maps = Remapped::new(&of, with);
            // Control may have ended meanwhile.
            let _ = done.send((of, maps, began.elapsed()));
        };
        let was_delayed = matches!(self, Self::Delayed(..));
        *self = match thread::Builder::new().name("maps".to_owned()).spawn(make) {
            Ok(_) => Self::Running(maps),
            Err(error) => {
                if !was_delayed {
                    error!(%error, retry = %Written(RETRY), "no thread for new latency maps: the old maps stay in use; trying again");
                }
                Self::Delayed(blueprint, table)
            }
        };
    }

    /// Tries again if there was no thread.
    pub(super) fn retry(&mut self) {
        if let Self::Delayed(blueprint, table) = self {
            let (blueprint, table) = (blueprint.clone(), table.clone());
            self.begin(blueprint, table);
        }
    }

    /// Waits until the maps are made, and notes it in the news. Never returns while none are being made.
    pub(super) async fn ended(&mut self, news: &mut RemapNews) -> Event {
        let Self::Running(maps) = self else { return std::future::pending().await };
        let ended = maps.await;
        *self = Self::Idle;
        if let Ok((blueprint, maps, took)) = ended {
            news.add(maps.made(), took);
            return Event::Remapped(blueprint, maps);
        }
        error!(retry = %Written(REMAP_RETRY), "the thread that makes latency maps panicked: the old maps stay in use; trying again");
        Event::NotRemapped
    }
}

/// The makings of maps since they were last reported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Remaps {
    /// How often.
    pub times: u64,
    /// Number of maps that were made, in all.
    pub maps: usize,
    /// The longest time that one making took.
    pub longest: Duration,
}

/// The makings of maps that are not reported yet.
#[derive(Debug, Default)]
pub(super) struct RemapNews {
    untold: Remaps,
    /// When they were last reported.
    told_at: Option<Duration>,
}

impl RemapNews {
    /// Adds the making of this number of maps.
    pub(super) fn add(&mut self, maps: usize, took: Duration) {
        let Remaps { times, maps: sum, longest } = &mut self.untold;
        *times += 1;
        *sum += maps;
        *longest = took.max(*longest);
    }

    /// Returns what is to be reported now.
    pub(super) fn take_due(&mut self, now: Duration) -> Option<Remaps> {
        let is_due = self.told_at.is_none_or(|told| now >= told + TELL_EVERY);
        if self.untold.times == 0 || !is_due {
            return None;
        }
        self.told_at = Some(now);
        Some(std::mem::take(&mut self.untold))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_making_is_told_at_once_and_the_next_ones_together() {
        let at = Duration::from_secs;
        let mut news = RemapNews::default();
        assert_eq!(news.take_due(at(1)), None);
        news.add(2, at(1));
        assert_eq!(news.take_due(at(2)), Some(Remaps { times: 1, maps: 2, longest: at(1) }));
        news.add(2, at(3));
        news.add(3, at(2));
        assert_eq!(news.take_due(at(2) + TELL_EVERY - at(1)), None);
        assert_eq!(news.take_due(at(2) + TELL_EVERY), Some(Remaps { times: 2, maps: 5, longest: at(3) }));
        assert_eq!(news.take_due(at(2) + TELL_EVERY * 3), None);
    }
}
