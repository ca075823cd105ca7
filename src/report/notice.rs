//! What happens on a node, for whoever follows it.

use serde::{Deserialize, Serialize};

use super::{OverrideShape, RolloutChange};
use crate::health::{Outcome, State, Target};

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Notice {
    /// Grows from notice to notice, over restarts too.
    pub id: u64,
    /// Unix time in seconds.
    pub time: u64,
    /// What it was.
    #[serde(flatten)]
    pub news: News,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum News {
    /// The node began to answer.
    Start {
        /// What it calls itself.
        node: String,
        /// How many zones it serves.
        zones: usize,
    },
    /// The state of an endpoint changed.
    Endpoint {
        /// What was probed.
        endpoint: String,
        /// The pools that hold it, as `web/fra`.
        pools: Vec<String>,
        /// What it was: `unknown`, `up`, `degraded` or `down`.
        from: String,
        /// What it is.
        to: String,
        /// What was seen last.
        seen: String,
    },
    /// The files were read again.
    Reload {
        /// Why.
        reason: String,
        /// Whether their content is served now, or about to be. If not, the old configuration goes on.
        taken: bool,
        /// How many errors they have.
        errors: usize,
        /// How many warnings.
        warnings: usize,
    },
    /// Everything stopped answering at once, and last states are held; or they are no longer.
    Hold {
        /// Whether it began.
        began: bool,
    },
    /// Something happened to an override.
    Override(OverrideShape),
    /// Something happened to a roll-out.
    Rollout(RolloutChange),
    /// A TXT record was set, or went.
    Txt {
        /// Its owner.
        name: String,
        /// What it says.
        value: String,
        /// Whether it is there now.
        set: bool,
    },
    /// The node is about to end.
    Stop {},
}

impl News {
    /// A turn of a target's state.
    pub fn endpoint(target: &Target, pools: &[Box<str>], from: State, to: State, seen: &Outcome) -> Self {
        Self::Endpoint {
            endpoint: target.address.to_string(),
            pools: pools.iter().map(ToString::to_string).collect(),
            from: word(from).to_owned(),
            to: word(to).to_owned(),
            seen: seen.to_string(),
        }
    }

    /// The word that stands for its kind in JSON.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Start { .. } => "start",
            Self::Endpoint { .. } => "endpoint",
            Self::Reload { .. } => "reload",
            Self::Hold { .. } => "hold",
            Self::Override(_) => "override",
            Self::Rollout(_) => "rollout",
            Self::Txt { .. } => "txt",
            Self::Stop {} => "stop",
        }
    }
}

/// A state in a word.
pub(super) fn word(state: State) -> &'static str {
    match state {
        State::Unknown => "unknown",
        State::Up => "up",
        State::Degraded(_) => "degraded",
        State::Down => "down",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_is_one_flat_object() {
        let notice = Notice { id: 7, time: 8, news: News::Txt { name: "a.".into(), value: "b".into(), set: true } };
        let json = serde_json::to_value(&notice).unwrap();
        let expected = serde_json::json!({"id": 7, "time": 8, "event": "txt", "name": "a.", "value": "b", "set": true});
        assert_eq!(json, expected);
        assert_eq!(json["event"], notice.news.kind());
        assert_eq!(serde_json::from_value::<Notice>(json).unwrap(), notice);
    }
}
