//! What external-dns learns of the zones that it may change.

use serde::Serialize;

/// The domain filter: `include` is what external-dns reads, `filters` what its OpenAPI document says.
#[derive(Debug, Serialize)]
pub struct DomainFilter {
    filters: Vec<String>,
    include: Vec<String>,
}

impl DomainFilter {
    /// Makes the filter of these zones.
    pub fn new(zones: Vec<String>) -> Self {
        Self { filters: zones.clone(), include: zones }
    }
}
