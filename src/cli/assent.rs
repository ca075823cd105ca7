//! Finds out the effect of an order before it is given. If the order would leave a name without a usable pool, asks the
//! operator first.

use std::io::{self, BufRead, IsTerminal, Write};

use clap::Args;

use super::ask::AskError;
use crate::report::{OrderEffect, OverrideList, RolloutList, Shape};

/// The options of an order that may move clients.
#[derive(Debug, Args)]
pub(super) struct Assent {
    /// Show what the order would change, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Give the order without asking, even if it leaves a name without a usable pool
    #[arg(long, short)]
    yes: bool,
}

/// An answer to an order, with its effect.
pub(super) trait Ordered: Shape {
    /// Returns the effect, if it is known.
    fn effect(&self) -> Option<&OrderEffect>;
}

impl Ordered for OverrideList {
    fn effect(&self) -> Option<&OrderEffect> {
        self.effect.as_ref()
    }
}

impl Ordered for RolloutList {
    fn effect(&self) -> Option<&OrderEffect> {
        self.effect.as_ref()
    }
}

impl Assent {
    /// Sends an order with `send`, which takes true for a dry run. If a dry run finds that the order leaves a name
    /// without a usable pool, asks the operator first. Fails if there is no terminal to ask on, or the answer is no.
    pub(super) fn give<T: Ordered>(&self, send: impl Fn(bool) -> Result<T, AskError>) -> Result<T, AskError> {
        if !self.dry_run && !self.yes {
            let foreseen = send(true)?;
            if let Some(effect) = foreseen.effect()
                && let Some(warning) = effect.warning()
            {
                ask(effect, &warning)?;
            }
        }
        send(self.dry_run)
    }
}

/// Asks on the terminal. Fails unless the answer is yes.
fn ask(effect: &OrderEffect, warning: &str) -> Result<(), AskError> {
    if !io::stdin().is_terminal() {
        return Err(AskError::Refused(format!(
            "{warning}; nothing was changed (with --yes the order is given without asking)"
        )));
    }
    let told = OrderEffect { dry_run: false, ..effect.clone() };
    let mut line = String::new();
    let mut terminal = io::stderr().lock();
    let asked = write!(terminal, "{told}\nGo on? [y/N] ").and_then(|()| terminal.flush());
    drop(terminal);
    let answered = asked.and_then(|()| io::stdin().lock().read_line(&mut line));
    match line.trim() {
        "y" | "Y" | "yes" if answered.is_ok() => Ok(()),
        _ => Err(AskError::Refused("nothing was changed".to_owned())),
    }
}
