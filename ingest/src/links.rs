//! Open links by their epoch, so that orders reach them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc;

/// Orders waiting to be written to one link: each of its devices has one at a time, and most links have one device.
const MAX_WAITING: usize = 16;

/// The open links of an ingest. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Links(Arc<Mutex<HashMap<u64, mpsc::Sender<Vec<u8>>>>>);

impl Links {
    /// Gives a frame to the link with this epoch. False where it is not open, or takes no more: the order is then sent
    /// again later, or on another link.
    pub fn send(&self, epoch: u64, frame: Vec<u8>) -> bool {
        let links = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        links.get(&epoch).is_some_and(|link| link.try_send(frame).is_ok())
    }

    /// A link was opened; what it is to write comes out here.
    pub(crate) fn open(&self, epoch: u64) -> mpsc::Receiver<Vec<u8>> {
        let (sender, receiver) = mpsc::channel(MAX_WAITING);
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(epoch, sender);
        receiver
    }

    /// A link has ended.
    pub(crate) fn close(&self, epoch: u64) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&epoch);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_takes_so_many_orders_and_none_once_closed() {
        let links = Links::default();
        assert!(!links.send(7, Vec::new()));
        let mut orders = links.open(7);
        let taken = (0..MAX_WAITING + 5).filter(|_| links.send(7, b"x".to_vec())).count();
        assert_eq!(taken, MAX_WAITING);
        assert_eq!(orders.try_recv().unwrap(), b"x");
        links.close(7);
        assert!(!links.send(7, Vec::new()));
    }
}
