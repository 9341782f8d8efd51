//! A network that can be cut: connections to the brokers' outer listeners go through here.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;

/// Bytes carried at a time.
const CARRIED: usize = 64 << 10;

/// What is carried.
#[derive(Default)]
struct State {
    cut: bool,
    /// Behind so many bytes to the brokers at once nothing comes back.
    deaf_behind: Option<usize>,
    deaf: bool,
}

/// Which way bytes go.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    ToBrokers,
    Back,
}

#[derive(Default)]
struct Cable {
    state: Mutex<State>,
    changed: Condvar,
}

impl Cable {
    fn set(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap());
        self.changed.notify_all();
    }

    /// Waits until so many bytes may go on that way.
    fn wait(&self, way: Way, count: usize) {
        let held = self.state.lock().unwrap();
        let holds = |state: &mut State| state.cut || (state.deaf && way == Way::Back);
        let mut state = self.changed.wait_while(held, holds).unwrap();
        state.deaf |= way == Way::ToBrokers && state.deaf_behind.is_some_and(|limit| count > limit);
    }
}

/// The way to the brokers; its addresses are free again once it is dropped.
pub(crate) struct Network {
    cable: Arc<Cable>,
    closed: Arc<AtomicBool>,
    ways: Vec<(String, JoinHandle<()>)>,
}

impl Drop for Network {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::Release);
        self.mend();
        for (address, accepting) in self.ways.drain(..) {
            // Wakes the one who accepts, so that it sees that it is over.
            drop(TcpStream::connect(address));
            drop(accepting.join());
        }
    }
}

impl Network {
    /// From `127.0.0.1:1=127.0.0.1:2,…`: where clients think each broker is, and where it listens.
    pub(crate) fn open(ways: &str) -> Self {
        let (cable, closed) = (Arc::new(Cable::default()), Arc::new(AtomicBool::new(false)));
        let mut open = Vec::new();
        for way in ways.split(',') {
            let (outer, inner) = way.split_once('=').unwrap();
            let listener = TcpListener::bind(outer).unwrap();
            let inner = inner.parse().unwrap();
            let (cable, closed) = (Arc::clone(&cable), Arc::clone(&closed));
            let accepting = std::thread::spawn(move || accept(&listener, inner, &cable, &closed));
            open.push((outer.to_owned(), accepting));
        }
        Self {
            cable,
            closed,
            ways: open,
        }
    }

    pub(crate) fn brokers(&self) -> String {
        let addresses: Vec<&str> = self.ways.iter().map(|(address, _)| address.as_str()).collect();
        addresses.join(",")
    }

    /// Nothing is carried from here on, in either direction; no connection ends.
    pub(crate) fn cut(&self) {
        self.cable.set(|state| state.cut = true);
    }

    /// Once more than so many bytes went to the brokers at once, what they say is not carried any more.
    pub(crate) fn deafen_behind(&self, bytes: usize) {
        self.cable.set(|state| state.deaf_behind = Some(bytes));
    }

    /// True once what they say is not carried any more.
    pub(crate) fn is_deaf(&self) -> bool {
        self.cable.state.lock().unwrap().deaf
    }

    /// Everything goes on where it was.
    pub(crate) fn mend(&self) {
        self.cable.set(|state| *state = State::default());
    }
}

fn accept(listener: &TcpListener, inner: SocketAddr, cable: &Arc<Cable>, closed: &AtomicBool) {
    for client in listener.incoming().map_while(Result::ok) {
        cable.wait(Way::ToBrokers, 0);
        if closed.load(Ordering::Acquire) {
            return;
        }
        let Ok(broker) = TcpStream::connect(inner) else {
            continue;
        };
        for (way, mut from, mut to) in [
            (Way::ToBrokers, client.try_clone().unwrap(), broker.try_clone().unwrap()),
            (Way::Back, broker, client),
        ] {
            let cable = Arc::clone(cable);
            std::thread::spawn(move || {
                let mut buffer = vec![0; CARRIED];
                while let Ok(count @ 1..) = from.read(&mut buffer) {
                    cable.wait(way, count);
                    if to.write_all(&buffer[..count]).is_err() {
                        break;
                    }
                }
                // The other side hears of the end; one that has ended already needs no telling.
                drop(to.shutdown(std::net::Shutdown::Both));
            });
        }
    }
}
