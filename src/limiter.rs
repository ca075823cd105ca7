//! Who holds a connection: a bounded number of seats, in all and for each client.
//!
//! A newcomer is turned away only while all others are at work. Where there is no seat left, the connection that has been
//! idle longest loses its own: one that asks keeps it, one that only holds it does not. DNS and the admin server seat their
//! clients by this rule, each in seats of its own.

mod losses;

use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::Notify;

pub use losses::Losses;

/// Bits of an IPv6 address that tell one client from another: whoever has one address has its /64.
const CLIENT_PREFIX_V6: u32 = 64;

/// The time of an occupant that may not be evicted.
const AT_WORK: u64 = u64::MAX;

/// The seats of one way in.
#[derive(Debug)]
pub struct ConnectionLimiter {
    /// In all.
    count: usize,
    /// For each client.
    per_client: usize,
    /// Times count from here.
    opened: Instant,
    taken: Mutex<Vec<Arc<Occupant>>>,
    /// Connections that gave way to a newcomer so far.
    evictions: AtomicU64,
}

#[derive(Debug)]
struct Occupant {
    client: IpAddr,
    /// When the client was active last, in microseconds since the seats were opened; or [`AT_WORK`].
    active: AtomicU64,
    evicted: Arc<Notify>,
}

/// One connection's seat; free again when it is dropped.
#[derive(Debug)]
pub struct Permit {
    limiter: Arc<ConnectionLimiter>,
    occupant: Arc<Occupant>,
}

/// How many seats are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Occupancy {
    /// Connections at this moment.
    pub taken: usize,
    /// Connections at most.
    pub count: usize,
    /// Connections that gave way to a newcomer, since the start. If it grows, clients hold more connections than there is
    /// room for, or somebody attacks.
    pub evictions: u64,
}

impl ConnectionLimiter {
    /// So many seats in all, and so many for each client: an IPv4 address or an IPv6 /64.
    pub fn new(count: usize, per_client: usize) -> Self {
        Self { count, per_client, opened: Instant::now(), taken: Mutex::default(), evictions: AtomicU64::new(0) }
    }

    /// A seat for a connection from this address; `None` while all whose seat it could take are at work.
    pub fn take(self: &Arc<Self>, address: IpAddr) -> Option<Permit> {
        self.take_with(address, Arc::default())
    }

    /// The same for a connection that goes from one seat to another: `evicted` is notified when it loses any of them.
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

    /// Takes the seat of the connection that has been idle longest.
    pub fn free_one(&self) {
        self.evict_longest_idle(&mut self.lock(), |_| true);
    }

    /// Takes all seats.
    pub fn free_all(&self) {
        for occupant in self.lock().drain(..) {
            occupant.evicted.notify_one();
        }
    }

    /// How many are taken.
    pub fn occupancy(&self) -> Occupancy {
        let taken = self.lock().len();
        Occupancy { taken, count: self.count, evictions: self.evictions.load(Ordering::Relaxed) }
    }

    /// Whether somebody gave way.
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

    /// Nothing panics while it is locked.
    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Occupant>>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permit {
    /// The client was active: it counts as idle from now on.
    pub fn touch(&self) {
        self.occupant.active.store(self.limiter.now(), Ordering::Relaxed);
    }

    /// The server works for the client: nobody takes the seat until it is [touched](Self::touch).
    pub fn hold(&self) {
        self.occupant.active.store(AT_WORK, Ordering::Relaxed);
    }

    /// Returns when the seat is another's.
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
        // By now more microseconds have gone by than the seats above count.
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
