//! The least that a nameserver can do: it takes datagrams in batches and sends each back as a response.
//!
//! On loopback most of this is the kernel's work. A server's cost beyond it is that of the server itself.

#![allow(unsafe_code, reason = "std has no system calls for batches of datagrams")]

use std::mem::zeroed;
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::AsRawFd;
use std::ptr;

/// Datagrams in a batch, as many as truenorth takes.
const BATCH: usize = 32;

/// Longest query that it returns whole.
const LONGEST: usize = 512;

/// The flag of a response in the third octet of a message (RFC 1035, section 4.1.1).
const QR: u8 = 0x80;

/// Answers on this port of loopback until the process is killed.
pub(crate) fn serve(port: u16) {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).expect("the port is free");
    let mut buffers = [[0_u8; LONGEST]; BATCH];
    // SAFETY: all zeros are valid values of these structures of plain integers and pointers.
    let (mut peers, mut parts, mut headers): (
        [libc::sockaddr_in; BATCH],
        [libc::iovec; BATCH],
        [libc::mmsghdr; BATCH],
    ) = unsafe { (zeroed(), zeroed(), zeroed()) };
    for index in 0..BATCH {
        parts[index].iov_base = (&raw mut buffers[index]).cast();
        headers[index].msg_hdr.msg_name = (&raw mut peers[index]).cast();
        headers[index].msg_hdr.msg_iov = &raw mut parts[index];
        headers[index].msg_hdr.msg_iovlen = 1;
    }
    loop {
        for (header, part) in headers.iter_mut().zip(&mut parts) {
            header.msg_hdr.msg_namelen = size_of::<libc::sockaddr_in>() as libc::socklen_t;
            part.iov_len = LONGEST;
        }
        // SAFETY: the headers point to buffers and addresses that live as long as this function, with their lengths.
        let received = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                headers.as_mut_ptr(),
                BATCH as u32,
                libc::MSG_WAITFORONE,
                ptr::null_mut(),
            )
        };
        let received = usize::try_from(received).expect("it can receive");
        for ((header, part), buffer) in headers.iter().zip(&mut parts).zip(&mut buffers).take(received) {
            part.iov_len = header.msg_len as usize;
            buffer[2] |= QR;
        }
        let mut sent = 0;
        while sent < received {
            // SAFETY: as above; the headers from `sent` to `received` describe datagrams that came.
            let taken = unsafe {
                libc::sendmmsg(socket.as_raw_fd(), headers[sent..].as_mut_ptr(), (received - sent) as u32, 0)
            };
            sent += usize::try_from(taken).expect("it can send");
        }
    }
}
