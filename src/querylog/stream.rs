//! The query log to a collector, over a socket in the file system or TCP.
//!
//! No call waits long: the collector may be stopped, or swamped. What it does not take in time, it gets after the next
//! connection.

use std::io::{self, Write};
use std::mem::MaybeUninit;
use std::time::{Duration, Instant};

use socket2::{Domain, SockAddr, Socket, Type};

use crate::config::{QueryLogFormat, QueryLogSink};

use super::Ending;
use super::frames::{Control, control, expect};
use super::sink::Unwritten;

/// Maximum time to connect, and to wait for a control frame.
const GREETING: Duration = Duration::from_secs(2);

/// Maximum time without progress of a collector.
const STALLED: Duration = Duration::from_secs(5);

/// Maximum time of one system call that writes, between two looks at the time.
const STEP: Duration = Duration::from_millis(100);

/// Maximum time that the end of a stream waits for the collector's last control frame.
const FAREWELL: Duration = Duration::from_millis(500);

/// A connection to a collector.
#[derive(Debug)]
pub(super) struct Stream {
    socket: Socket,
    format: QueryLogFormat,
}

impl Stream {
    /// Connects, and agrees on dnstap if that is the format.
    pub(super) fn open(sink: &QueryLogSink, format: QueryLogFormat) -> io::Result<Self> {
        let (domain, address) = match sink {
            QueryLogSink::Tcp(address) => (Domain::for_address(*address), SockAddr::from(*address)),
            QueryLogSink::File { path, .. } | QueryLogSink::Unix(path) => (Domain::UNIX, SockAddr::unix(path)?),
        };
        let socket = Socket::new(domain, Type::STREAM, None)?;
        if domain == Domain::UNIX {
            // With a full queue of connections, the call would wait until the collector accepts one.
            socket.set_nonblocking(true)?;
            socket.connect(&address)?;
            socket.set_nonblocking(false)?;
        } else {
            socket.connect_timeout(&address, GREETING)?;
            socket.set_tcp_nodelay(true)?;
        }
        socket.set_read_timeout(Some(GREETING))?;
        socket.set_write_timeout(Some(STEP))?;
        let mut stream = Self { socket, format };
        if format == QueryLogFormat::Dnstap {
            stream.greet().map_err(|error| match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                    io::Error::new(io::ErrorKind::TimedOut, "the collector does not answer")
                }
                io::ErrorKind::UnexpectedEof => io::Error::new(error.kind(), "the collector closed the connection"),
                _ => error,
            })?;
        }
        Ok(stream)
    }

    fn greet(&mut self) -> io::Result<()> {
        self.socket.write_all(&control(Control::Ready))?;
        expect(Control::Accept, &mut self.socket)?;
        self.socket.write_all(&control(Control::Start))
    }

    /// Writes whole entries.
    pub(super) fn write(&mut self, octets: &[u8], ending: &Ending) -> Result<(), Unwritten> {
        let mut written = 0;
        let failed = |octets, error| Err(Unwritten { octets, error, is_open: false });
        if self.is_closed() {
            return failed(0, io::Error::new(io::ErrorKind::ConnectionReset, "the collector closed the connection"));
        }
        let mut progress = Instant::now();
        while written < octets.len() {
            match self.socket.write(&octets[written..]) {
                Ok(0) => return failed(written, io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    written += count;
                    progress = Instant::now();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                    if ending.is_over() || progress.elapsed() >= STALLED {
                        let stalled = io::Error::new(io::ErrorKind::TimedOut, "the collector does not read");
                        return failed(written, stalled);
                    }
                }
                Err(error) => return failed(written, error),
            }
        }
        Ok(())
    }

    /// True if the collector has closed the connection. Otherwise the kernel would take one more piece of the log, and lose
    /// it.
    fn is_closed(&self) -> bool {
        let mut octet = [MaybeUninit::uninit()];
        match self.socket.recv_with_flags(&mut octet, libc::MSG_PEEK | libc::MSG_DONTWAIT) {
            Ok(count) => count == 0,
            Err(error) => !matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted),
        }
    }

    /// Ends the stream, and waits a moment until the collector has taken it.
    pub(super) fn close(mut self) {
        // A collector that is gone needs no farewell.
        if self.format == QueryLogFormat::Dnstap && self.socket.write_all(&control(Control::Stop)).is_ok() {
            let _ = self.socket.set_read_timeout(Some(FAREWELL));
            let _ = expect(Control::Finish, &mut self.socket);
        }
    }
}
