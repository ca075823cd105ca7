//! The immutable compiled state that queries are answered from, and what it is compiled from.

mod world;

pub use world::{
    Datacenter, Ecs, Endpoint, MAX_ENDPOINTS, MAX_POOLS, Members, PoolId, PoolSpec, PoolUse, SteeredName, World,
    ZoneSpec,
};
