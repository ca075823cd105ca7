//! The pool of a blue-green name that answers.
//!
//! An operator's choice takes precedence over the file, until the file changes.

use std::time::Duration;

/// The pool that answers (as in `pools`), and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Switch {
    /// The active pool in the file.
    file: Box<str>,
    chosen: Option<KeptSwitch>,
}

/// An operator's choice, as it is kept for the next run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptSwitch {
    /// The active pool in the file at that time.
    pub file: Box<str>,
    /// The pool that answers.
    pub active: Box<str>,
    /// The pool that answered before.
    pub before: Box<str>,
    /// When it was chosen, since the Unix epoch.
    pub since: Duration,
}

impl Switch {
    pub(super) fn new(file: Box<str>, kept: Option<KeptSwitch>) -> Self {
        let chosen = kept.filter(|kept| kept.file == file);
        Self { file, chosen }
    }

    /// Takes in the active pool of the file after a reload. If it is another one, `kept` counts, which was chosen at
    /// another node with that file.
    pub(super) fn follow(&mut self, file: &str, kept: Option<KeptSwitch>) {
        if *self.file != *file {
            *self = Self::new(file.into(), kept);
        }
    }

    /// Takes in an operator's choice at another node. Returns false if that node had another file.
    pub(super) fn take_over(&mut self, kept: KeptSwitch) -> bool {
        let is_same_file = kept.file == self.file;
        if is_same_file {
            self.chosen = Some(kept);
        }
        is_same_file
    }

    pub(super) fn active(&self) -> &str {
        self.chosen.as_ref().map_or(&self.file, |chosen| &chosen.active)
    }

    pub(super) fn file(&self) -> &str {
        &self.file
    }

    pub(super) fn kept(&self) -> Option<&KeptSwitch> {
        self.chosen.as_ref()
    }

    /// Makes another pool answer from now on. Returns false if it answers already.
    pub(super) fn to(&mut self, active: &str, now: Duration) -> bool {
        if self.active() == active {
            return false;
        }
        let before = self.active().into();
        self.chosen = Some(KeptSwitch { file: self.file.clone(), active: active.into(), before, since: now });
        true
    }

    /// Makes the pool answer that answered before an operator's last switch. Returns false if there was none.
    pub(super) fn back(&mut self, now: Duration) -> bool {
        let before = self.chosen.as_ref().map(|chosen| chosen.before.clone());
        before.is_some_and(|before| self.to(&before, now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(9);

    #[test]
    fn an_operator_goes_before_the_file_until_the_file_changes() {
        let mut switch = Switch::new("blue".into(), None);
        assert!(!switch.back(NOW), "nobody switched");
        assert!(!switch.to("blue", NOW), "it answers already");
        assert!(switch.to("green", NOW));
        switch.follow("blue", None);
        assert_eq!(switch.active(), "green");
        let kept = switch.kept().cloned();
        assert_eq!(Switch::new("blue".into(), kept.clone()), switch, "over a restart");
        assert_eq!(Switch::new("red".into(), kept).active(), "red", "the file changed meanwhile");
        assert!(switch.back(NOW) && switch.active() == "blue");
        assert!(switch.back(NOW) && switch.active() == "green");
        switch.follow("red", None);
        assert_eq!((switch.active(), switch.kept()), ("red", None));
    }
}
