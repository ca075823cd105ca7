//! Datagrams in batches: one system call receives many queries, one sends all their answers.
//!
//! Nothing is allocated after a batch is made, and the headers for the kernel are made only once. A header leads to the
//! same address and the same control message for a query and for its answer:
//!
//! ```text
//!   header ─┬─► source:   where the query came from, where its answer goes
//!           ├─► control:  the address that was asked, and that answers
//!           └─► vector ─► the query while it is received, the answer while it is sent
//! ```
//!
//! The kernel overwrites the lengths in a header. They are set again before it receives the next query, because a
//! shortened one would truncate that query's address or control message.

#![allow(unsafe_code, reason = "recvmmsg, sendmmsg and the control messages that go with them have no safe interface")]

use std::io;
use std::mem;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::{self, NonNull};

use crate::wire::{HEADER_LENGTH, MAX_UDP_PAYLOAD};

/// Maximum number of datagrams that one call receives or sends. Above about thirty the cost of the call itself hardly
/// matters.
pub(super) const BATCH: usize = 32;

/// Maximum length of a received query in octets. Valid queries, with every option and a name of 255 octets, are much
/// shorter.
const QUERY_SIZE: usize = 4096;

/// Maximum length of an answer in octets.
const ANSWER_SIZE: usize = MAX_UDP_PAYLOAD as usize;

/// The way to receive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    /// Wait for a first datagram, up to the socket's receive time-out.
    ForOne,
    /// Do not wait.
    Not,
}

/// Buffers for queries and their answers, with the headers that lead the kernel to them.
pub(super) struct Batch {
    /// The memory of the slots, which belongs to the batch. It is reached by pointers derived from this one alone, so the
    /// headers may hold some.
    slots: NonNull<[Slot]>,
    headers: Box<[libc::mmsghdr]>,
    /// Number of slots that hold a query.
    received: usize,
    /// Number of these queries that are answered, or whose answer is lost.
    done: usize,
}

/// A query, its source and destination, and its answer.
struct Slot {
    query: [u8; QUERY_SIZE],
    answer: [u8; ANSWER_SIZE],
    source: libc::sockaddr_storage,
    control: Control,
    /// The room for a query, or an answer. An answer of length 0 is not sent.
    vector: libc::iovec,
}

// SAFETY: its pointers lead to the slots, which belong to it and which nothing else reaches.
unsafe impl Send for Batch {}

/// The only control message that is requested: a header and, where `CMSG_DATA` expects it, the host address that a
/// datagram is sent to or from.
#[repr(C)]
struct Control {
    header: libc::cmsghdr,
    content: PacketInfo,
}

#[repr(C)]
union PacketInfo {
    v4: libc::in_pktinfo,
    v6: libc::in6_pktinfo,
}

/// Sets socket options for UDP that socket2 does not offer.
pub(super) fn set_options(socket: BorrowedFd<'_>, address: SocketAddr) -> io::Result<()> {
    // Path MTU discovery is left to TCP: no response needs fragments, and forged ICMP messages must not cause any (RFC
    // 9715, section 3.1).
    let (level, discover, omit, destination) = match address {
        SocketAddr::V4(_) => (libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_OMIT, libc::IP_PKTINFO),
        SocketAddr::V6(_) => {
            (libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, libc::IPV6_PMTUDISC_OMIT, libc::IPV6_RECVPKTINFO)
        }
    };
    set_option(socket, level, discover, omit)?;
    // A socket that is bound to all addresses must learn which one was asked, and answer from it.
    if address.ip().is_unspecified() {
        set_option(socket, level, destination, 1)?;
    }
    Ok(())
}

/// Allows clients to send a query with their first segment (RFC 7413), this many at the same time.
pub(super) fn accept_fast_open(listener: BorrowedFd<'_>, queue: libc::c_int) -> io::Result<()> {
    set_option(listener, libc::IPPROTO_TCP, libc::TCP_FASTOPEN, queue)
}

fn set_option(socket: BorrowedFd<'_>, level: i32, name: i32, value: libc::c_int) -> io::Result<()> {
    let length = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the descriptor is open while it is borrowed; the value is an int of this frame with its own length.
    let result = unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, (&raw const value).cast(), length) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

impl Batch {
    pub(super) fn new() -> Self {
        let slots: Box<[Slot]> = (0..BATCH).map(|_| Slot::new()).collect();
        // SAFETY: an mmsghdr consists of integers and pointers; zero is valid for each.
        let headers = (0..BATCH).map(|_| unsafe { mem::zeroed::<libc::mmsghdr>() }).collect();
        let mut batch = Self { slots: NonNull::from(Box::leak(slots)), headers, received: 0, done: 0 };
        for number in 0..BATCH {
            let slot = batch.slot(number);
            let header = &mut batch.headers[number].msg_hdr;
            // SAFETY: the slot is in the memory of the batch. Nothing is read.
            unsafe {
                header.msg_name = (&raw mut (*slot).source).cast();
                header.msg_iov = &raw mut (*slot).vector;
                header.msg_control = (&raw mut (*slot).control).cast();
            }
            header.msg_iovlen = 1;
            batch.offer(number);
        }
        batch
    }

    /// Returns a slot. Its number must be below [`BATCH`].
    #[inline]
    fn slot(&self, number: usize) -> *mut Slot {
        debug_assert!(number < BATCH);
        // SAFETY: there are BATCH slots.
        unsafe { self.slots.cast::<Slot>().as_ptr().add(number) }
    }

    /// Offers a slot to the kernel for a query.
    #[inline]
    fn offer(&mut self, number: usize) {
        let slot = self.slot(number);
        // SAFETY: the slot is in the memory of the batch, and no reference to it exists.
        unsafe { (*slot).vector = libc::iovec { iov_base: (&raw mut (*slot).query).cast(), iov_len: QUERY_SIZE } };
        let header = &mut self.headers[number].msg_hdr;
        header.msg_namelen = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
        // Lengths and flags have other types in musl than in glibc.
        header.msg_controllen = size_of::<Control>() as _;
    }

    /// Receives the queries that have arrived, at least one unless the call fails. Replaces those of the last call.
    pub(super) fn receive(&mut self, socket: BorrowedFd<'_>, wait: Wait) -> io::Result<()> {
        for number in 0..self.received {
            self.offer(number);
        }
        (self.received, self.done) = (0, 0);
        let flags = match wait {
            Wait::ForOne => libc::MSG_WAITFORONE,
            Wait::Not => libc::MSG_DONTWAIT,
        };
        // SAFETY: the descriptor is open while it is borrowed. There are BATCH headers; each points at the name, the vector and
        // the control buffer of its own slot with their sizes, and no reference to a slot exists. Null is no time-out.
        let count = unsafe {
            libc::recvmmsg(socket.as_raw_fd(), self.headers.as_mut_ptr(), BATCH as u32, flags as _, ptr::null_mut())
        };
        self.received = usize::try_from(count).map_err(|_| io::Error::last_os_error())?.min(BATCH);
        Ok(())
    }

    /// Returns how many queries the last call received.
    pub(super) fn len(&self) -> usize {
        self.received
    }

    /// True if the last call received nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.received == 0
    }

    /// Returns the queries that are left, each with the address that it came from.
    pub(super) fn queries(&self) -> impl Iterator<Item = (&[u8], IpAddr)> {
        (self.done..self.received).filter_map(|number| {
            // SAFETY: the slot is in the memory of the batch. It is only read, as long as the batch is borrowed.
            let slot = unsafe { &*self.slot(number) };
            Some((&slot.query[..self.query_length(number)], source_address(&slot.source)?))
        })
    }

    /// Returns the length of a query as far as it can be understood: of a truncated one only the header is kept, which gets
    /// FORMERR because it has no question.
    #[inline]
    fn query_length(&self, number: usize) -> usize {
        let header = &self.headers[number];
        let is_cut = header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0;
        if is_cut { HEADER_LENGTH } else { (header.msg_len as usize).min(QUERY_SIZE) }
    }

    /// Answers every query that is left: `answer` takes it and room for its answer, and returns the answer's length, or 0
    /// for no answer. If `answer` panics, that query gets no answer, and the next call goes on with the query after it.
    #[inline]
    pub(super) fn answer_rest(&mut self, mut answer: impl FnMut(Datagram<'_>, &mut [u8]) -> usize) {
        while self.done < self.received {
            // SAFETY: the slot is in the memory of the batch, and this is the only reference to it.
            let slot = unsafe { &mut *self.slot(self.done) };
            let length = self.query_length(self.done);
            let header = &mut self.headers[self.done];
            self.done += 1;
            slot.vector = libc::iovec { iov_base: slot.answer.as_mut_ptr().cast(), iov_len: 0 };
            let control_length = slot.control.turn_round(header.msg_hdr.msg_controllen as _);
            header.msg_hdr.msg_controllen = control_length as _;
            if let Some(address) = source_address(&slot.source) {
                let Slot { query, source, control, .. } = slot;
                let datagram = Datagram { octets: &query[..length], address, source, control, control_length };
                slot.vector.iov_len = answer(datagram, &mut slot.answer).min(ANSWER_SIZE);
            }
        }
    }

    /// Sends all answers. An answer that cannot be sent now is lost, like any datagram: the worker never waits for
    /// room.
    pub(super) fn send(&mut self, socket: BorrowedFd<'_>) {
        let mut unsent = 0;
        while unsent < self.done {
            let answers = (unsent..self.done).take_while(|&number| self.has_answer(number)).count();
            if answers == 0 {
                unsent += 1;
                continue;
            }
            let headers = &mut self.headers[unsent..unsent + answers];
            // SAFETY: the descriptor is open while it is borrowed. `headers` holds so many headers; each points at the name, the
            // vector and the control buffer of its own slot with lengths within them, and no reference to a slot exists.
            let sent = unsafe {
                libc::sendmmsg(socket.as_raw_fd(), headers.as_mut_ptr(), answers as u32, libc::MSG_DONTWAIT as _)
            };
            unsent += match usize::try_from(sent) {
                Ok(sent) => sent,
                Err(_) if io::Error::last_os_error().kind() == io::ErrorKind::Interrupted => 0,
                // The first unsent answer failed; it is skipped.
                Err(_) => 1,
            };
        }
    }

    #[inline]
    fn has_answer(&self, number: usize) -> bool {
        // SAFETY: the slot is in the memory of the batch, and no reference to it exists.
        unsafe { (*self.slot(number)).vector.iov_len > 0 }
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        // SAFETY: the memory was that of a box, and the headers that point into it are not used again.
        drop(unsafe { Box::from_raw(self.slots.as_ptr()) });
    }
}

impl Slot {
    fn new() -> Self {
        Self {
            query: [0; QUERY_SIZE],
            answer: [0; ANSWER_SIZE],
            // SAFETY: it consists of integers; zero is valid for each.
            source: unsafe { mem::zeroed() },
            // SAFETY: as above.
            control: unsafe { mem::zeroed() },
            vector: libc::iovec { iov_base: ptr::null_mut(), iov_len: 0 },
        }
    }
}

/// A query, with the addresses at both ends of its way.
#[derive(Clone, Copy)]
pub(super) struct Datagram<'a> {
    pub(super) octets: &'a [u8],
    /// The address that it came from.
    pub(super) address: IpAddr,
    source: &'a libc::sockaddr_storage,
    control: &'a Control,
    /// Length of the control message, or 0 if there is none.
    control_length: usize,
}

impl Datagram<'_> {
    /// Returns the address and the port that it came from.
    pub(super) fn source(&self) -> SocketAddr {
        let source = &raw const *self.source;
        // SAFETY: a sockaddr_storage is as large and as aligned as any address. Those of both families have the port at the
        // same place, behind the family.
        let source = unsafe { &*source.cast::<libc::sockaddr_in>() };
        SocketAddr::new(self.address, u16::from_be(source.sin_port))
    }

    /// Returns the address that it was sent to; `None` if the socket is bound to one, and the kernel does not tell it.
    pub(super) fn destination(&self) -> Option<IpAddr> {
        if self.control_length == 0 {
            return None;
        }
        match self.control.header.cmsg_level {
            // SAFETY: the content consists of integers, for which all octets are valid.
            libc::IPPROTO_IP => {
                Some(Ipv4Addr::from_bits(u32::from_be(unsafe { self.control.content.v4.ipi_addr.s_addr })).into())
            }
            // SAFETY: as above.
            _ => Some(Ipv6Addr::from(unsafe { self.control.content.v6.ipi6_addr.s6_addr }).into()),
        }
    }
}

/// Returns the address of a datagram's sender; `None` if it is of an unknown family.
#[inline]
fn source_address(source: &libc::sockaddr_storage) -> Option<IpAddr> {
    let any = &raw const *source;
    match i32::from(source.ss_family) {
        libc::AF_INET => {
            // SAFETY: a sockaddr_storage is as large and as aligned as any address; by its family this is a sockaddr_in.
            let source = unsafe { &*any.cast::<libc::sockaddr_in>() };
            Some(Ipv4Addr::from_bits(u32::from_be(source.sin_addr.s_addr)).into())
        }
        libc::AF_INET6 => {
            // SAFETY: as above; by its family this is a sockaddr_in6.
            let source = unsafe { &*any.cast::<libc::sockaddr_in6>() };
            Some(Ipv6Addr::from(source.sin6_addr.s6_addr).into())
        }
        _ => None,
    }
}

impl Control {
    /// Turns the control message of the query, which holds its destination address, into that of the answer, which sets
    /// its source address. The address is already in the right field. Returns the length of the control message, or 0
    /// if there is none.
    ///
    /// The interface is cleared, so that the answer is routed like any other packet; only a link-local address needs
    /// it.
    #[inline]
    fn turn_round(&mut self, length: usize) -> usize {
        if length < size_of::<libc::cmsghdr>() {
            return 0;
        }
        match (self.header.cmsg_level, self.header.cmsg_type) {
            (libc::IPPROTO_IP, libc::IP_PKTINFO) => self.content.v4.ipi_ifindex = 0,
            (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                // SAFETY: the content consists of integers, for which all octets are valid.
                let address = unsafe { self.content.v6.ipi6_addr.s6_addr };
                if !Ipv6Addr::from(address).is_unicast_link_local() {
                    self.content.v6.ipi6_ifindex = 0;
                }
            }
            _ => return 0,
        }
        length
    }
}

/// Returns the number of datagrams that the kernel has dropped at a socket, because its buffer was full, since the
/// socket was made. The count wraps around.
pub(super) fn drops(socket: BorrowedFd<'_>) -> io::Result<u32> {
    // SK_MEMINFO_* of linux/sock_diag.h.
    const COUNTERS: usize = 9;
    const DROPS: usize = 8;
    let mut counters = [0_u32; COUNTERS];
    let mut length = size_of_val(&counters) as libc::socklen_t;
    // SAFETY: the descriptor is open while it is borrowed; the kernel writes no more than `length` octets to
    // `counters`, whose elements may have any value.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_MEMINFO,
            (&raw mut counters).cast(),
            &raw mut length,
        )
    };
    if result == 0 { Ok(counters[DROPS]) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests;
