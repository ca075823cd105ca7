//! How long answers take at a steady rate, at rest and while the node publishes snapshots and reads its database anew.

use std::fmt;
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::UdpSocket;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use fastrand::Rng;
use rustix::thread::{CpuSet, sched_setaffinity};

use crate::contestants::DATABASE;
use crate::questions::{With, question};
use crate::server::Server;

/// The processor of whoever asks.
const PROCESSOR: usize = 1;

/// Time of each measurement.
const SPAN: Duration = Duration::from_secs(15);

/// Time between two publications.
const PUBLICATION: Duration = Duration::from_millis(100);

/// Time to wait for the last answers.
const PATIENCE: Duration = Duration::from_millis(300);

/// Times from question to answer.
pub(crate) struct Times {
    /// In ascending order.
    sorted: Vec<Duration>,
    lost: usize,
}

impl Times {
    fn quantile(&self, part: f64) -> Duration {
        let last = self.sorted.len().saturating_sub(1);
        self.sorted.get((last as f64 * part) as usize).copied().unwrap_or_default()
    }
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |part| self.quantile(part).as_micros();
        let Self { sorted, lost } = self;
        write!(f, "{:>9} {:>8} {:>8} {:>8} {lost:>6} of {}", of(0.5), of(0.99), of(0.999), of(1.0), sorted.len() + lost)
    }
}

/// Asks for the steered name at this rate, in questions a second.
pub(crate) fn at_rest(server: &Server, rate: f64) -> Times {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    socket.connect(("127.0.0.1", server.ports.dns)).expect("loopback");
    socket.set_nonblocking(true).expect("an ordinary socket");
    let mut random = Rng::with_seed(1);
    let questions: Vec<Vec<u8>> = (0..1000).map(|_| question("www.example.com", With::Subnet, &mut random)).collect();
    // The server has the other processor.
    let mut processors = CpuSet::new();
    processors.set(PROCESSOR);
    sched_setaffinity(None, &processors).expect("there are two processors");
    let (begun, every) = (Instant::now(), Duration::from_secs_f64(1.0 / rate));
    let (mut sent, mut times, mut lost) = (0_u32, Vec::new(), 0);
    // When the question with each ID was due, until its answer comes. An ID that is used again was lost before.
    let mut open: Vec<Option<Instant>> = vec![None; 1 << 16];
    let mut answer = [0; 1500];
    while begun.elapsed() < SPAN + PATIENCE {
        while begun.elapsed() < SPAN && begun + every * sent <= Instant::now() {
            let mut query = questions[sent as usize % questions.len()].clone();
            let id = sent as u16;
            query[..2].copy_from_slice(&id.to_be_bytes());
            // A question counts from the time at which it was due, however late this program is.
            lost += usize::from(open[usize::from(id)].replace(begun + every * sent).is_some());
            sent += 1;
            match socket.send(&query) {
                Err(error) if error.kind() != ErrorKind::WouldBlock => panic!("{error}"),
                Ok(_) | Err(_) => {}
            }
        }
        while let Ok(length) = socket.recv(&mut answer) {
            let id = usize::from(u16::from_be_bytes([answer[0], answer[1]]));
            times.extend(open[id].take().filter(|_| length > 12).map(|due| due.elapsed()));
        }
    }
    lost += open.iter().flatten().count();
    times.sort_unstable();
    Times { sorted: times, lost }
}

/// The same while records are set at run time, each of which publishes a snapshot, and while the database is replaced.
pub(crate) fn while_it_changes(server: &Server, rate: f64, folder: &Path, socket: &Path) -> Times {
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let begun = Instant::now();
            let mut is_replaced = false;
            for number in 0_u32.. {
                if is_over.load(Ordering::Relaxed) {
                    return;
                }
                change_record(socket, number);
                if !is_replaced && begun.elapsed() > SPAN / 3 {
                    is_replaced = true;
                    let new = folder.join("new");
                    fs::copy(folder.join(DATABASE), &new).expect("a copy");
                    fs::rename(new, folder.join(DATABASE)).expect("both are in one folder");
                }
                thread::sleep((begun + PUBLICATION * (number + 1)).saturating_duration_since(Instant::now()));
            }
        });
        let times = at_rest(server, rate);
        is_over.store(true, Ordering::Relaxed);
        times
    })
}

/// Sets a record, or removes it again: either publishes a snapshot.
fn change_record(socket: &Path, number: u32) {
    let method = if number.is_multiple_of(2) { "POST" } else { "DELETE" };
    let body = "{\"name\": \"_acme-challenge.example.com\", \"value\": \"token\"}";
    let request = format!(
        "{method} /v1/txt HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = UnixStream::connect(socket).expect("the admin server's socket");
    stream.write_all(request.as_bytes()).expect("it reads");
    let mut response = String::new();
    stream.read_to_string(&mut response).expect("it answers");
    assert!(response.starts_with("HTTP/1.1 2"), "{response}");
}
