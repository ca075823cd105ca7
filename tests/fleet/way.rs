//! The way of one node to its NATS server, which can be cut.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// A port that leads to a server.
pub(crate) struct Way {
    address: SocketAddr,
    state: Arc<State>,
}

struct State {
    server: SocketAddr,
    is_cut: AtomicBool,
    is_over: AtomicBool,
    streams: Mutex<Vec<TcpStream>>,
}

impl Way {
    pub(crate) fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("there is a port");
        let address = listener.local_addr().expect("it is bound");
        let state = Arc::new(State {
            server,
            is_cut: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
            streams: Mutex::default(),
        });
        let of_thread = state.clone();
        thread::spawn(move || of_thread.run(&listener));
        Self { address, state }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Breaks all connections, and refuses others.
    pub(crate) fn cut(&self) {
        self.state.is_cut.store(true, Ordering::SeqCst);
        for stream in self.state.streams.lock().expect("nothing panics with it").drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    pub(crate) fn mend(&self) {
        self.state.is_cut.store(false, Ordering::SeqCst);
    }
}

impl Drop for Way {
    fn drop(&mut self) {
        self.state.is_over.store(true, Ordering::SeqCst);
        self.cut();
        // Wakes the thread.
        let _ = TcpStream::connect(self.address);
    }
}

impl State {
    fn run(self: Arc<Self>, listener: &TcpListener) {
        for from in listener.incoming() {
            if self.is_over.load(Ordering::SeqCst) {
                return;
            }
            let Ok(from) = from else { continue };
            if self.is_cut.load(Ordering::SeqCst) {
                continue;
            }
            let Ok(to) = TcpStream::connect(self.server) else { continue };
            let mut streams = self.streams.lock().expect("nothing panics with it");
            for (mut here, mut there) in [(&from, &to), (&to, &from)].map(|(here, there)| {
                let copy = |stream: &TcpStream| stream.try_clone().expect("there are descriptors");
                (copy(here), copy(there))
            }) {
                thread::spawn(move || {
                    let _ = io::copy(&mut here, &mut there);
                    let _ = (here.shutdown(Shutdown::Both), there.shutdown(Shutdown::Both));
                });
            }
            streams.extend([from, to]);
        }
    }
}
