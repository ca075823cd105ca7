//! TXT records and leases of a fleet: what is ordered at this node goes to control, and what others ordered comes from it.

use std::collections::HashMap;
use std::sync::Arc;

use tracing::{debug, warn};

use super::Node;
use super::fleet::Follows;
use super::orders::{kept_txt, names, rows};
use super::serials::put_serials;
use crate::clock::{self, unix_time};
use crate::control::TxtValue;
use crate::lease::LeaseRow;
use crate::ledger::{Content, Follow, Followed, Matter, MatterKey, Origin, Saying, Word};
use crate::name::Name;
use crate::snapshot::Blueprint;
use crate::store::{Batch, Store};

/// Waits for orders of others.
pub(super) async fn next(follows: &mut Follows) -> Followed {
    match follows.recv().await {
        Some(follows) => follows,
        // Control is gone: the node stops.
        None => std::future::pending().await,
    }
}

/// The word on a TXT record: it is set until this Unix time in seconds, or removed.
pub(super) fn word_on_txt(name: &Name, value: &str, until: Option<u64>, who: &str) -> Word {
    let (matter, content) = (Matter::Txt(name.clone(), value.into()), until.map(Content::Txt));
    Word { matter, content, who: who.into(), saying: Saying::Order }
}

/// The words on the TXT records that the last run kept.
pub(super) fn words_on_txt(store: &Store) -> Vec<Word> {
    let word = |TxtValue { name, value, until }: &TxtValue| word_on_txt(name, value, Some(*until), "");
    kept_txt(store).values().iter().map(word).collect()
}

/// The words of this part of the node that the ledger was told.
#[derive(Default)]
pub(super) struct Words {
    said: u64,
    /// The number of the last word on each matter that the ledger may not have taken in.
    latest: HashMap<MatterKey, u64>,
}

impl Node {
    /// Tells the fleet what was ordered at this node.
    pub(super) async fn say(&mut self, words: Vec<Word>) {
        if self.files.server.fleet.is_none() {
            return;
        }
        for word in &words {
            self.words.said += 1;
            self.words.latest.insert(word.matter.key(), self.words.said);
        }
        self.control.say(words).await;
    }

    /// Lets orders of others count at this node.
    pub(super) async fn follow(&mut self, Followed { follows, serials, words }: Followed) {
        self.words.latest.retain(|_, number| *number > words);
        let mut txt = Vec::new();
        let mut zones = None;
        for Follow { matter, content, origin, is_live } in follows {
            if self.words.latest.contains_key(&matter.key()) {
                // The ledger does not know yet what was ordered here since then.
                continue;
            }
            let by = Origin::shown(origin.as_ref());
            match (matter, content) {
                (Matter::Txt(name, value), Some(Content::Txt(until))) => txt.push((name, value, Some(until), by)),
                (Matter::Txt(name, value), _) => txt.push((name, value, None, by)),
                (Matter::Lease(..), Some(Content::Lease(row))) => self.follow_lease(row, is_live, &by),
                (Matter::Lease(pool, id), _) => self.register.follow_end(&pool, &id, &by),
                (Matter::Zones, content) => zones = Some(content),
                // Control keeps the others itself.
                (Matter::Target(_) | Matter::Rollout(_), _) => {}
            }
        }
        self.settle_leases().await;
        self.follow_txt(txt).await;
        if let (Some(versions), Some(content)) = (&mut self.versions, zones) {
            versions.follow(content);
        }
        self.follow_serials(serials).await;
    }

    /// Gives zones the later serials that other nodes serve with the same files.
    async fn follow_serials(&mut self, serials: Vec<(Box<str>, u32)>) {
        let (mut blueprint, mut counted) = (None, Vec::new());
        for (origin, serial) in serials {
            let Ok(origin) = Name::parse(&origin, &Name::root()) else { continue };
            let before: &Blueprint = blueprint.as_ref().unwrap_or(&self.latest);
            if let Some(amended) = self.txt.count_on(before, &origin, serial) {
                debug!(zone = %origin, serial, "serial of another node taken");
                blueprint = Some(amended);
                counted.push(origin);
            }
        }
        let Some(blueprint) = blueprint else { return };
        self.latest = Arc::new(blueprint);
        let mut batch = Batch::default();
        let zones = counted.iter().filter_map(|origin| self.latest.zone_of(origin));
        put_serials(&self.latest, zones, &self.files.store, &mut batch);
        self.files.store.write(batch);
        self.control.amend(self.latest.clone()).await;
    }

    fn follow_lease(&mut self, row: LeaseRow, is_live: bool, by: &str) {
        // One that was not renewed for long ended while nobody could say so.
        let is_over = row.until + row.claim.ttl < clock::wall();
        if is_live || !is_over {
            self.register.follow_claim(row, is_live, by);
        }
    }

    /// Sets and removes TXT records that others set and removed.
    async fn follow_txt(&mut self, orders: Vec<(Name, Box<str>, Option<u64>, String)>) {
        let before = self.txt.clone();
        let (mut set, mut gone, mut told) = (Vec::new(), Vec::new(), Vec::new());
        for (name, value, until, by) in orders {
            let Some(until) = until else {
                let removed = self.txt.unset(&name, Some(&value));
                told.extend(removed.iter().map(|value| (value.clone(), false, by.clone())));
                gone.extend(removed);
                continue;
            };
            let new = TxtValue { name, value: value.into(), until };
            // Those that are over are removed like all others.
            if until <= unix_time() || self.txt.values().contains(&new) {
                continue;
            }
            match self.txt.set(new.clone()) {
                Ok(is_new) => {
                    if is_new {
                        self.tell_if_unfit(&new, &by);
                        told.push((new.clone(), true, by));
                    }
                    set.push(new);
                }
                Err(error) => warn!(name = %new.name, by, %error, "a TXT record of the fleet is not set here"),
            }
        }
        let changed: Vec<TxtValue> = told.iter().map(|(value, ..)| value.clone()).collect();
        let batch = rows(&set, &gone);
        if changed.is_empty() {
            self.files.store.write(batch);
            return;
        }
        if let Err(error) = self.amend(&names(&changed), batch).await {
            self.txt = before;
            warn!(%error, "TXT records of the fleet are not set here");
            return;
        }
        for (value, is_set, by) in told {
            self.tell_txt(&value, is_set, &by);
        }
    }

    fn tell_if_unfit(&self, TxtValue { name, .. }: &TxtValue, by: &str) {
        if let Err(unfit) = self.latest.place_for_txt(name) {
            warn!(%name, by, %unfit, "a TXT record of the fleet does nothing here; it is kept");
        }
    }
}
