//! A network that can be cut: connections to the brokers' outer listeners go through here.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};

/// Bytes carried at a time.
const CARRIED: usize = 64 << 10;

/// Whether anything is carried.
#[derive(Default)]
struct Cable {
    cut: Mutex<bool>,
    changed: Condvar,
}

impl Cable {
    fn set(&self, cut: bool) {
        *self.cut.lock().unwrap() = cut;
        self.changed.notify_all();
    }

    fn wait(&self) {
        let held = self.cut.lock().unwrap();
        drop(self.changed.wait_while(held, |cut| *cut).unwrap());
    }
}

/// The way to the brokers.
pub(crate) struct Network {
    cable: Arc<Cable>,
    addresses: Vec<String>,
}

impl Network {
    /// From `127.0.0.1:1=127.0.0.1:2,…`: where clients think each broker is, and where it listens.
    pub(crate) fn open(ways: &str) -> Self {
        let cable = Arc::new(Cable::default());
        let mut addresses = Vec::new();
        for way in ways.split(',') {
            let (outer, inner) = way.split_once('=').unwrap();
            let listener = TcpListener::bind(outer).unwrap();
            let (cable, inner) = (Arc::clone(&cable), inner.parse().unwrap());
            std::thread::spawn(move || accept(&listener, inner, &cable));
            addresses.push(outer.to_owned());
        }
        Self { cable, addresses }
    }

    pub(crate) fn brokers(&self) -> String {
        self.addresses.join(",")
    }

    /// Nothing is carried from here on, in either direction; no connection ends.
    pub(crate) fn cut(&self) {
        self.cable.set(true);
    }

    /// Everything goes on where it was.
    pub(crate) fn mend(&self) {
        self.cable.set(false);
    }
}

fn accept(listener: &TcpListener, inner: SocketAddr, cable: &Arc<Cable>) {
    for client in listener.incoming().map_while(Result::ok) {
        cable.wait();
        let Ok(broker) = TcpStream::connect(inner) else {
            continue;
        };
        for (mut from, mut to) in [
            (client.try_clone().unwrap(), broker.try_clone().unwrap()),
            (broker, client),
        ] {
            let cable = Arc::clone(cable);
            std::thread::spawn(move || {
                let mut buffer = vec![0; CARRIED];
                while let Ok(count @ 1..) = from.read(&mut buffer) {
                    cable.wait();
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
