//! The limits for connections of the admin server, by the kind of request. With these limits, no client can keep the
//! others out. A "room" is one of these limits.
//!
//! ```text
//!   connection ─► hall ─── head read, gate passed ──► a room by what is asked
//!                 256                                  ├─ health     64   /healthz
//!                                                      ├─ page       32   the files of the page, which need no token
//!                                                      ├─ reading    16   GET
//!                                                      ├─ leases     64   PUT and DELETE of registered endpoints
//!                                                      ├─ orders     16   POST and DELETE
//!                                                      │    └─ bulk   4   bodies above 64 KiB, and measurements
//!                                                      └─ followers  16   /v1/events
//! ```
//!
//! If the hall or a room is full, the connection there that has waited longest for its own client is closed for the new
//! one: its client does not send a head or a body, or does not read. A connection that the node is working for is never
//! closed. Of the hall and of the rooms for /healthz and the page, one client may hold only a part. Clients without a
//! token cannot enter other rooms, and a normal request passes these within milliseconds.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::http::{Method, StatusCode};
use tokio::sync::Notify;

use super::leases;
use super::page;
use super::refusal::ApiError;
use crate::limiter::{ConnectionLimiter, Permit};

/// Maximum number of connections whose head is not read yet. Each takes about 16 KiB.
const HALL: usize = 256;

/// Minimum size of the hall, however few descriptors there are.
const LEAST_HALL: usize = 16;

/// Maximum number of simultaneous requests for /healthz.
const HEALTH: usize = 64;

/// Maximum number of simultaneous requests for the page and its files. A browser sends six at a time.
const PAGE: usize = 32;

/// Maximum number of other simultaneous GET requests. An answer may be megabytes long, and is in memory until it is
/// read.
const READING: usize = 16;

/// Maximum number of simultaneous orders, with a body of up to 64 KiB each.
const ORDERS: usize = 16;

/// Maximum number of simultaneous claims and releases of leases: many endpoints may start at once, and each waits until
/// its lease is on disk.
const LEASES: usize = 64;

/// Maximum number of longer bodies at the same time, of up to 1 MiB each. Measured round trips are not kept in memory.
const BULK: usize = 4;

/// Maximum number of clients that follow events at the same time. Further ones are refused.
pub(super) const FOLLOWERS: usize = 16;

/// One client may hold the size of the hall divided by this number, and likewise of the rooms for /healthz and the
/// page.
const SHARE: usize = 2;

/// The room of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    Health,
    Page,
    Reading,
    Leases,
    Orders,
    Bulk,
    Followers,
}

impl Room {
    /// Returns the room for requests with this method and path.
    pub(super) fn of(method: &Method, path: &str) -> Self {
        match path {
            "/healthz" => Self::Health,
            _ if page::is_page(path) => Self::Page,
            "/v1/events" => Self::Followers,
            _ if method == Method::GET || method == Method::HEAD => Self::Reading,
            _ if leases::is_lease(path) => Self::Leases,
            _ => Self::Orders,
        }
    }
}

/// The hall and the rooms for one kind of listener.
#[derive(Debug)]
pub(super) struct Rooms {
    hall: Arc<ConnectionLimiter>,
    health: Arc<ConnectionLimiter>,
    page: Arc<ConnectionLimiter>,
    reading: Arc<ConnectionLimiter>,
    leases: Arc<ConnectionLimiter>,
    orders: Arc<ConnectionLimiter>,
    bulk: Arc<ConnectionLimiter>,
    followers: Arc<ConnectionLimiter>,
}

impl Rooms {
    /// Creates the rooms for about this number of connections in all.
    pub(super) fn new(connections: usize) -> Self {
        let rooms = HEALTH + PAGE + READING + LEASES + ORDERS + BULK + FOLLOWERS;
        let hall = connections.saturating_sub(rooms).clamp(LEAST_HALL, HALL);
        // All programs of a machine share the loopback address, so there is no limit for one address here. These rooms
        // are for clients that have permissions.
        let whole = |count| Arc::new(ConnectionLimiter::new(count, count));
        Self {
            hall: Arc::new(ConnectionLimiter::new(hall, hall / SHARE)),
            health: Arc::new(ConnectionLimiter::new(HEALTH, HEALTH / SHARE)),
            page: Arc::new(ConnectionLimiter::new(PAGE, PAGE / SHARE)),
            reading: whole(READING),
            leases: whole(LEASES),
            orders: whole(ORDERS),
            bulk: whole(BULK),
            followers: whole(FOLLOWERS),
        }
    }

    /// Admits a connection from this address to the hall. Returns `None` if the hall is full and no connection there
    /// may be closed.
    pub(super) fn admit(self: &Arc<Self>, client: IpAddr) -> Option<Arc<Visit>> {
        let evicted = Arc::new(Notify::new());
        let permit = self.hall.take_with(client, evicted.clone())?;
        let (permit, is_endless) = (Mutex::new(permit), AtomicBool::new(false));
        Some(Arc::new(Visit { rooms: self.clone(), client, evicted, permit, is_endless }))
    }

    /// Closes the connection in the hall that has waited longest.
    pub(super) fn free_one(&self) {
        self.hall.free_one();
    }

    /// Returns the number of connections that were closed for new ones.
    pub(super) fn evictions(&self) -> u64 {
        let Self { hall, health, page, reading, leases, orders, bulk, followers } = self;
        [hall, health, page, reading, leases, orders, bulk, followers]
            .into_iter()
            .map(|limiter| limiter.occupancy().evictions)
            .sum()
    }
}

/// A connection, and the room that it is in.
#[derive(Debug)]
pub(super) struct Visit {
    rooms: Arc<Rooms>,
    client: IpAddr,
    evicted: Arc<Notify>,
    permit: Mutex<Permit>,
    /// True if its answer has no end.
    is_endless: AtomicBool,
}

impl Visit {
    /// Moves the connection into a room. Fails if the node is working for every connection there.
    pub(super) fn enter(&self, room: Room) -> Result<(), ApiError> {
        let Rooms { health, page, reading, leases, orders, bulk, followers, .. } = &*self.rooms;
        let (limiter, why) = match room {
            Room::Health => (health, format!("{HEALTH} requests for /healthz are being answered already: try again")),
            Room::Page => (page, format!("{PAGE} requests for the page are being answered already: try again")),
            Room::Leases => (leases, format!("{LEASES} claims are being worked on already: try again")),
            Room::Reading => (reading, format!("{READING} requests are being answered already: try again")),
            Room::Orders => (orders, format!("{ORDERS} orders are being executed already: try again")),
            Room::Bulk => (bulk, format!("{BULK} long bodies are being read already: try again")),
            Room::Followers => (followers, format!("{FOLLOWERS} clients follow the events already")),
        };
        let permit = limiter.take_with(self.client, self.evicted.clone());
        let permit = permit.ok_or_else(|| ApiError::new(StatusCode::SERVICE_UNAVAILABLE, why))?;
        // This frees the permit of the room that it was in.
        *self.permit() = permit;
        Ok(())
    }

    /// Protects the connection from being closed for another one, because the node now works for its client.
    pub(super) fn hold(&self) {
        self.permit().hold();
    }

    /// Ends this protection, because the node now waits for the client to read its answer. Has no effect if the answer
    /// has no end.
    pub(super) fn release(&self) {
        if !self.is_endless() {
            self.permit().touch();
        }
    }

    /// Records that the answer has no end.
    pub(super) fn follow(&self) {
        self.is_endless.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_endless(&self) -> bool {
        self.is_endless.load(Ordering::Relaxed)
    }

    /// Returns when the connection must be closed for another.
    pub(super) async fn evicted(&self) {
        self.evicted.notified().await;
    }

    /// Locks the permit. No code panics while it holds the lock, so a poisoned lock cannot occur.
    fn permit(&self) -> MutexGuard<'_, Permit> {
        self.permit.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[test]
    fn whoever_waits_in_the_hall_keeps_nobody_from_a_room() {
        let rooms = Arc::new(Rooms::new(usize::MAX));
        let idle: Vec<_> = (0..10 * HALL).map(|_| rooms.admit(CLIENT).unwrap()).collect();
        let asks = rooms.admit(CLIENT).unwrap();
        asks.enter(Room::of(&Method::GET, "/healthz")).unwrap();
        assert_eq!(rooms.health.occupancy().taken, 1);
        assert_eq!(rooms.hall.occupancy().taken, HALL / SHARE - 1, "its share, without the one that went on");
        drop(idle);
        assert_eq!(rooms.hall.occupancy().taken, 0);
        assert!(rooms.evictions() > 0);
    }

    #[test]
    fn who_sends_no_body_gives_way_and_who_is_served_does_not() {
        let rooms = Arc::new(Rooms::new(usize::MAX));
        let enter = || {
            let visit = rooms.admit(CLIENT).unwrap();
            visit.enter(Room::of(&Method::POST, "/v1/txt")).map(|()| visit)
        };
        let slow: Vec<_> = (0..ORDERS).map(|_| enter().unwrap()).collect();
        let sound = enter().unwrap();
        assert_eq!(rooms.orders.occupancy().evictions, 1);
        sound.hold();
        for visit in &slow {
            visit.hold();
        }
        assert!(enter().is_err());
        sound.release();
        assert!(enter().is_ok());
    }

    #[test]
    fn a_machine_with_few_descriptors_has_a_small_hall() {
        assert_eq!(Rooms::new(128).hall.occupancy().count, LEAST_HALL);
        assert_eq!(Rooms::new(256).hall.occupancy().count, 256 - 212);
        assert_eq!(Rooms::new(usize::MAX).hall.occupancy().count, HALL);
    }
}
