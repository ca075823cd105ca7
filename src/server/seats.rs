//! Who has a TCP connection: a bounded number of seats, in all and for each client.
//!
//! A newcomer is never turned away. Where there is no seat left, the connection that has been idle longest loses its own:
//! one that asks keeps it, one that only holds it does not.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::Notify;

/// Bits of an IPv6 address that tell one client from another: whoever has one address has its /64.
const CLIENT_PREFIX_V6: u32 = 64;

/// The seats of one server.
#[derive(Debug)]
pub(super) struct Seats {
    /// In all.
    count: usize,
    /// For each client.
    per_client: usize,
    /// Times count from here.
    opened: Instant,
    taken: Mutex<Vec<Arc<Occupant>>>,
}

#[derive(Debug)]
struct Occupant {
    client: IpAddr,
    /// When the last query came, in microseconds since the seats were opened.
    active: AtomicU64,
    evicted: Notify,
}

/// One connection's seat; free again when it is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    seats: Arc<Seats>,
    occupant: Arc<Occupant>,
}

impl Seats {
    pub(super) fn new(count: usize, per_client: usize) -> Self {
        Self { count, per_client, opened: Instant::now(), taken: Mutex::default() }
    }

    /// A seat for a connection from this address.
    pub(super) fn take(self: &Arc<Self>, address: IpAddr) -> Seat {
        let client = client_of(address);
        let occupant = Arc::new(Occupant { client, active: AtomicU64::new(self.now()), evicted: Notify::new() });
        let mut taken = self.lock();
        if taken.iter().filter(|other| other.client == client).count() >= self.per_client {
            evict_longest_idle(&mut taken, |other| other.client == client);
        } else if taken.len() >= self.count {
            evict_longest_idle(&mut taken, |_| true);
        }
        taken.push(occupant.clone());
        drop(taken);
        Seat { seats: self.clone(), occupant }
    }

    /// Takes the seat of the connection that has been idle longest.
    pub(super) fn free_one(&self) {
        evict_longest_idle(&mut self.lock(), |_| true);
    }

    /// Takes all seats.
    pub(super) fn free_all(&self) {
        for occupant in self.lock().drain(..) {
            occupant.evicted.notify_one();
        }
    }

    fn now(&self) -> u64 {
        self.opened.elapsed().as_micros() as u64
    }

    /// Nothing panics while it is locked.
    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Occupant>>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    /// A query came.
    pub(super) fn touch(&self) {
        self.occupant.active.store(self.seats.now(), Ordering::Relaxed);
    }

    /// Returns when the seat is another's.
    pub(super) async fn evicted(&self) {
        self.occupant.evicted.notified().await;
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.seats.lock().retain(|other| !Arc::ptr_eq(other, &self.occupant));
    }
}

fn evict_longest_idle(taken: &mut Vec<Arc<Occupant>>, may_go: impl Fn(&Occupant) -> bool) {
    let candidates = taken.iter().enumerate().filter(|(_, occupant)| may_go(occupant));
    let longest = candidates.min_by_key(|(_, occupant)| occupant.active.load(Ordering::Relaxed));
    if let Some((place, _)) = longest {
        taken.remove(place).evicted.notify_one();
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

    fn is_evicted(seat: &Seat) -> bool {
        !seat.seats.lock().iter().any(|other| Arc::ptr_eq(other, &seat.occupant))
    }

    fn take(seats: &Arc<Seats>, address: &str, active: u64) -> Seat {
        let seat = seats.take(address.parse().unwrap());
        seat.occupant.active.store(active, Ordering::Relaxed);
        seat
    }

    #[tokio::test]
    async fn beyond_a_clients_share_its_own_longest_idle_connection_goes() {
        let seats = Arc::new(Seats::new(10, 2));
        let other = take(&seats, "192.0.2.1", 1);
        let older = take(&seats, "2001:db8::1", 2);
        let newer = take(&seats, "2001:db8::2", 3);
        // By now more microseconds have gone by than the seats above count.
        std::thread::sleep(std::time::Duration::from_millis(1));
        older.touch();
        let newest = take(&seats, "2001:db8::3", 4);
        assert_eq!([&other, &older, &newer, &newest].map(is_evicted), [false, false, true, false]);
        newer.evicted().await;
    }

    #[test]
    fn beyond_all_seats_the_longest_idle_connection_of_all_goes() {
        let seats = Arc::new(Seats::new(2, 2));
        let first = take(&seats, "192.0.2.1", 2);
        let second = take(&seats, "192.0.2.2", 1);
        let third = take(&seats, "192.0.2.3", 3);
        assert_eq!([&first, &second, &third].map(is_evicted), [false, true, false]);
    }

    #[test]
    fn a_seat_that_is_left_is_free() {
        let seats = Arc::new(Seats::new(2, 1));
        let first = take(&seats, "192.0.2.1", 1);
        drop(take(&seats, "192.0.2.2", 2));
        let third = take(&seats, "192.0.2.3", 3);
        assert_eq!([&first, &third].map(is_evicted), [false, false]);
    }
}
