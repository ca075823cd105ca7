//! Limits connections: in all, and for each client.
//!
//! If the limit is reached, a new connection replaces the connection that has been idle longest. A client that asks
//! keeps its connection; a client that only holds it loses it. A new connection is refused only if the server is
//! working for all other connections. DNS and the admin server use this rule, each with its own limits.

mod losses;

use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::Notify;

pub use losses::Losses;

/// Bits of an IPv6 address that identify a client: a client usually has a whole /64.
const CLIENT_PREFIX_V6: u32 = 64;

/// The time of a connection that must not be evicted.
const AT_WORK: u64 = u64::MAX;

/// The connections of one listener type, and their limits.
#[derive(Debug)]
pub struct ConnectionLimiter {
    /// Limit in all.
    count: usize,
    /// Limit for each client.
    per_client: usize,
    /// The zero of all times.
    opened: Instant,
    taken: Mutex<Vec<Arc<Occupant>>>,
    /// Connections that were closed for newcomers.
    evictions: AtomicU64,
}

#[derive(Debug)]
struct Occupant {
    client: IpAddr,
    /// Time of the client's last activity, in microseconds since `opened`; or [`AT_WORK`].
    active: AtomicU64,
    evicted: Arc<Notify>,
}

/// The permit of one connection. Dropping it makes room for another.
#[derive(Debug)]
pub struct Permit {
    limiter: Arc<ConnectionLimiter>,
    occupant: Arc<Occupant>,
}

/// The use of a limiter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Occupancy {
    /// Present number of connections.
    pub taken: usize,
    /// Limit of connections.
    pub count: usize,
    /// Connections that were closed for newcomers, since the start. If it grows, clients hold more connections than the
    /// limit, or there is an attack.
    pub evictions: u64,
}

impl ConnectionLimiter {
    /// Creates a limiter with a limit in all, and one for each client: an IPv4 address or an IPv6 /64.
    pub fn new(count: usize, per_client: usize) -> Self {
        Self { count, per_client, opened: Instant::now(), taken: Mutex::default(), evictions: AtomicU64::new(0) }
    }

    /// Returns a permit for a connection from this address. Returns `None` if the server is working for all connections
    /// that the new one could replace.
    pub fn take(self: &Arc<Self>, address: IpAddr) -> Option<Permit> {
        self.take_with(address, Arc::default())
    }

    /// Does the same for a connection that exchanges one permit for another: `evicted` is notified when it loses any of
    /// them.
    pub fn take_with(self: &Arc<Self>, address: IpAddr, evicted: Arc<Notify>) -> Option<Permit> {
        let client = client_of(address);
        let occupant = Arc::new(Occupant { client, active: AtomicU64::new(self.now()), evicted });
        let mut taken = self.lock();
        let is_room = if taken.iter().filter(|other| other.client == client).count() >= self.per_client {
            self.evict_longest_idle(&mut taken, |other| other.client == client)
        } else if taken.len() >= self.count {
            self.evict_longest_idle(&mut taken, |_| true)
        } else {
            true
        };
        is_room.then(|| {
            taken.push(occupant.clone());
            Permit { limiter: self.clone(), occupant }
        })
    }

    /// Evicts the connection that has been idle longest.
    pub fn free_one(&self) {
        self.evict_longest_idle(&mut self.lock(), |_| true);
    }

    /// Evicts all connections.
    pub fn free_all(&self) {
        for occupant in self.lock().drain(..) {
            occupant.evicted.notify_one();
        }
    }

    /// The present use.
    pub fn occupancy(&self) -> Occupancy {
        let taken = self.lock().len();
        Occupancy { taken, count: self.count, evictions: self.evictions.load(Ordering::Relaxed) }
    }

    /// Evicts the idlest connection that may go. Returns true if there was one.
    fn evict_longest_idle(&self, taken: &mut Vec<Arc<Occupant>>, may_go: impl Fn(&Occupant) -> bool) -> bool {
        let active = |occupant: &Occupant| occupant.active.load(Ordering::Relaxed);
        let candidates = taken.iter().enumerate().filter(|(_, other)| may_go(other) && active(other) != AT_WORK);
        let longest = candidates.min_by_key(|(_, occupant)| active(occupant)).map(|(place, _)| place);
        if let Some(place) = longest {
            taken.remove(place).evicted.notify_one();
            self.evictions.fetch_add(1, Ordering::Relaxed);
        }
        longest.is_some()
    }

    fn now(&self) -> u64 {
        self.opened.elapsed().as_micros() as u64
    }

    /// No code panics while it holds the lock.
    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Occupant>>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permit {
    /// Records that the client was active: it counts as idle from now on.
    pub fn touch(&self) {
        self.occupant.active.store(self.limiter.now(), Ordering::Relaxed);
    }

    /// Protects the connection while the server works for the client, until it is [touched](Self::touch).
    pub fn hold(&self) {
        self.occupant.active.store(AT_WORK, Ordering::Relaxed);
    }

    /// Returns when the connection was evicted.
    pub async fn evicted(&self) {
        self.occupant.evicted.notified().await;
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.limiter.lock().retain(|other| !Arc::ptr_eq(other, &self.occupant));
    }
}

fn client_of(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => {
            Ipv6Addr::from_bits(v6.to_bits() >> (128 - CLIENT_PREFIX_V6) << (128 - CLIENT_PREFIX_V6)).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_evicted(permit: &Permit) -> bool {
        !permit.limiter.lock().iter().any(|other| Arc::ptr_eq(other, &permit.occupant))
    }

    fn take(limiter: &Arc<ConnectionLimiter>, address: &str, active: u64) -> Permit {
        let permit = limiter.take(address.parse().unwrap()).unwrap();
        permit.occupant.active.store(active, Ordering::Relaxed);
        permit
    }

    #[tokio::test]
    async fn beyond_a_clients_share_its_own_longest_idle_connection_goes() {
        let limiter = Arc::new(ConnectionLimiter::new(10, 2));
        let other = take(&limiter, "192.0.2.1", 1);
        let older = take(&limiter, "2001:db8::1", 2);
        let newer = take(&limiter, "2001:db8::2", 3);
        // More microseconds have passed by now than the times above count.
        std::thread::sleep(std::time::Duration::from_millis(1));
        older.touch();
        let newest = take(&limiter, "2001:db8::3", 4);
        assert_eq!([&other, &older, &newer, &newest].map(is_evicted), [false, false, true, false]);
        newer.evicted().await;
        assert_eq!(limiter.occupancy(), Occupancy { taken: 3, count: 10, evictions: 1 });
    }

    #[test]
    fn beyond_all_seats_the_longest_idle_connection_of_all_goes() {
        let limiter = Arc::new(ConnectionLimiter::new(2, 2));
        let first = take(&limiter, "192.0.2.1", 2);
        let second = take(&limiter, "192.0.2.2", 1);
        let third = take(&limiter, "192.0.2.3", 3);
        assert_eq!([&first, &second, &third].map(is_evicted), [false, true, false]);
    }

    #[test]
    fn whoever_is_served_keeps_its_seat_until_the_work_is_done() {
        let limiter = Arc::new(ConnectionLimiter::new(2, 2));
        let (first, second) = (take(&limiter, "192.0.2.1", 1), take(&limiter, "192.0.2.2", 2));
        first.hold();
        let third = take(&limiter, "192.0.2.3", 3);
        assert_eq!([&first, &second, &third].map(is_evicted), [false, true, false]);
        third.hold();
        assert!(limiter.take("192.0.2.4".parse().unwrap()).is_none());
        assert!(!is_evicted(&first) && !is_evicted(&third));
        first.touch();
        assert!(limiter.take("192.0.2.4".parse().unwrap()).is_some());
        assert!(is_evicted(&first));
    }

    #[test]
    fn a_seat_that_is_left_is_free() {
        let limiter = Arc::new(ConnectionLimiter::new(2, 1));
        let first = take(&limiter, "192.0.2.1", 1);
        drop(take(&limiter, "192.0.2.2", 2));
        let third = take(&limiter, "192.0.2.3", 3);
        assert_eq!([&first, &third].map(is_evicted), [false, false]);
    }

    #[tokio::test]
    async fn a_connection_that_changes_seats_hears_of_the_loss_of_either() {
        let (hall, room) = (Arc::new(ConnectionLimiter::new(1, 1)), Arc::new(ConnectionLimiter::new(1, 1)));
        let evicted = Arc::new(Notify::new());
        let address = "192.0.2.1".parse().unwrap();
        let waiting = hall.take_with(address, evicted.clone()).unwrap();
        let served = room.take_with(address, evicted.clone()).unwrap();
        drop(waiting);
        assert_eq!((hall.occupancy().taken, room.occupancy().taken), (0, 1));
        let other = room.take(address).unwrap();
        evicted.notified().await;
        assert!(is_evicted(&served) && !is_evicted(&other));
    }
}
