//! Network namespaces that a test makes for itself.

use std::process::{Command, id};
use std::sync::atomic::{AtomicU32, Ordering};

use super::cannot;

/// Network namespaces, each with the short name of a place. They vanish with it.
pub(crate) struct Namespaces {
    stem: String,
    places: Vec<String>,
}

impl Namespaces {
    /// Returns none yet. `scene` is a part of the names of all of them.
    pub(crate) fn new(scene: &str) -> Self {
        // Several tests of this process make some at the same time.
        static MADE: AtomicU32 = AtomicU32::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        Self { stem: format!("truenorth-{scene}-{}-{number}", id()), places: Vec::new() }
    }

    /// Makes the namespace of a place. Returns false if the system forbids it.
    pub(crate) fn add(&mut self, place: &str) -> bool {
        self.places.push(place.to_owned());
        ip(&format!("netns add {}", self.name(place)))
    }

    /// Returns the whole name of a place's namespace.
    pub(crate) fn name(&self, place: &str) -> String {
        format!("{}-{place}", self.stem)
    }
}

impl Drop for Namespaces {
    fn drop(&mut self) {
        for place in &self.places {
            ip(&format!("netns delete {}", self.name(place)));
        }
    }
}

/// Runs `ip` with these words. Returns false if it fails.
pub(crate) fn ip(words: &str) -> bool {
    Command::new("ip").args(words.split(' ')).output().is_ok_and(|output| output.status.success())
}

/// Returns `made` if the namespaces could be made. `None` if not, and tests may be skipped.
pub(crate) fn if_permitted<T>(is_permitted: bool, made: T) -> Option<T> {
    if !is_permitted {
        cannot("network namespaces need root and iproute2");
    }
    is_permitted.then_some(made)
}
