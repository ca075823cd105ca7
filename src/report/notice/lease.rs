//! Events of leases.

use super::EventKind;
use crate::lease::{LeaseHappening, LeaseNews};

impl EventKind {
    /// Makes a notice about leases.
    pub fn lease(news: LeaseNews) -> Self {
        match news {
            LeaseNews::Silence { pool, began, leases, why } => {
                Self::Register { pool: pool.into(), silent: began, leases, why: why.map(Into::into) }
            }
            LeaseNews::Lease { pool, id, address, who, happening } => Self::Lease {
                happening: happening.as_str().to_owned(),
                pool: pool.into(),
                lease: id.to_string(),
                address: address.map(|address| address.to_string()),
                who: who.map(|who| who.trim_end_matches(char::is_control).to_owned()),
                reason: match happening {
                    LeaseHappening::Refused(refusal) => Some(refusal.to_string()),
                    _ => None,
                },
            },
        }
    }
}
