//! The row of a lease.

use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::health::PoolKey;
use crate::lease::{Claim, LeaseId, LeaseRow};
use crate::snapshot::Capacity;

/// A lease of a registered endpoint. Times are milliseconds; `until` counts from the Unix epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LeaseRecord {
    pool: String,
    /// The pool's name without its zone.
    name: Box<str>,
    id: String,
    address: IpAddr,
    weight: u16,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    capacity: Option<f64>,
    ttl: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    holder: Option<Box<str>>,
    until: u64,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    leaving: bool,
}

impl LeaseRecord {
    /// The key of the row of a lease.
    pub fn key(pool: &PoolKey, id: &LeaseId) -> String {
        // An id has no blanks.
        format!("{pool} {id}")
    }

    /// Returns the row of a lease.
    pub fn new(row: &LeaseRow) -> Self {
        let LeaseRow { pool, pool_name, id, claim, holder, until, is_leaving } = row;
        let Claim { address, weight, capacity, ttl } = claim;
        Self {
            pool: pool.to_string(),
            name: pool_name.clone(),
            id: id.to_string(),
            address: *address,
            weight: *weight,
            capacity: capacity.map(Capacity::get),
            ttl: ttl.as_millis() as u64,
            holder: holder.clone(),
            until: until.as_millis() as u64,
            leaving: *is_leaving,
        }
    }

    /// Returns the lease; `None` if the row cannot be read.
    pub fn into_row(self) -> Option<LeaseRow> {
        let Self { pool, name, id, address, weight, capacity, ttl, holder, until, leaving } = self;
        let capacity = match capacity {
            Some(load) => Some(Capacity::try_new(load)?),
            None => None,
        };
        Some(LeaseRow {
            pool: PoolKey::from_kept(pool),
            pool_name: name,
            id: id.parse().ok()?,
            claim: Claim { address, weight, capacity, ttl: Duration::from_millis(ttl) },
            holder,
            until: Duration::from_millis(until),
            is_leaving: leaving,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_comes_back_as_it_was() {
        let (ttl, until) = (Duration::from_millis(1500), Duration::from_millis(1_790_000_000_123));
        let capacity = Capacity::try_new(2.5);
        let claim = Claim { address: "2001:db8::1".parse().unwrap(), weight: 0, capacity, ttl };
        let row = LeaseRow {
            pool: PoolKey::new("example.com.", "web/fra"),
            pool_name: "web/fra".into(),
            id: "i-1".parse().unwrap(),
            claim,
            holder: Some("fleet".into()),
            until,
            is_leaving: true,
        };
        let text = serde_json::to_string(&LeaseRecord::new(&row)).unwrap();
        assert_eq!(serde_json::from_str::<LeaseRecord>(&text).unwrap().into_row(), Some(row));
    }
}
