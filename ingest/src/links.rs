//! Open links by their epoch, so that orders reach them.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use plume_schemas::ids::Mn;
use tokio::sync::mpsc;

use crate::hj212::intake::Newcomer;

/// Orders waiting to be written to one link: each of its devices has one at a time, and most links have one device.
const MAX_WAITING: usize = 16;

/// Loggers without an MN kept in mind: more than are installed on one day. Beyond it the next ones ask again, as they
/// do until they are activated.
const MAX_NEWCOMERS: usize = 1_000;

/// The open links of an ingest. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Links(Arc<Mutex<Open>>);

#[derive(Debug, Default)]
struct Open {
    /// By epoch; a link whose sender is dropped ends.
    links: HashMap<u64, mpsc::Sender<Vec<u8>>>,
    /// Epochs of the links on which a registered device was seen.
    by_mn: HashMap<Mn, BTreeSet<u64>>,
    /// Loggers that ask to be activated, by serial number, with the newest link of each.
    newcomers: HashMap<String, (u64, Newcomer)>,
}

impl Links {
    /// Gives a frame to the link with this epoch. False where it is not open, or takes no more: the order is then sent
    /// again later, or on another link.
    pub fn send(&self, epoch: u64, frame: Vec<u8>) -> bool {
        let open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.links.get(&epoch).is_some_and(|link| link.try_send(frame).is_ok())
    }

    /// A link was opened; what it is to write comes out here.
    pub(crate) fn open(&self, epoch: u64) -> mpsc::Receiver<Vec<u8>> {
        let (sender, receiver) = mpsc::channel(MAX_WAITING);
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .links
            .insert(epoch, sender);
        receiver
    }

    /// A device was seen on a link for the first time. Where it then has more than `most`, its oldest ones are told to
    /// end: behind a gateway that drops links without a word each would live until its timeout.
    pub(crate) fn met(&self, mn: Mn, epoch: u64, most: usize) {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Open { links, by_mn, .. } = &mut *open;
        let epochs = by_mn.entry(mn).or_default();
        epochs.insert(epoch);
        while epochs.len() > most {
            let Some(oldest) = epochs.pop_first() else { return };
            links.remove(&oldest);
        }
    }

    /// A logger without an MN asks to be activated on a link.
    pub(crate) fn asks(&self, newcomer: Newcomer, epoch: u64) {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if open.newcomers.len() < MAX_NEWCOMERS || open.newcomers.contains_key(&newcomer.serial) {
            open.newcomers.insert(newcomer.serial.clone(), (epoch, newcomer));
        }
    }

    /// The logger with this serial number and its link, while it asks to be activated.
    pub fn newcomer(&self, serial: &str) -> Option<(u64, Newcomer)> {
        let open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.newcomers.get(serial).cloned()
    }

    /// Serial numbers of the loggers that ask to be activated.
    pub fn newcomers(&self) -> BTreeSet<String> {
        let open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.newcomers.keys().cloned().collect()
    }

    /// A logger has been activated.
    pub fn settled(&self, serial: &str) {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.newcomers.remove(serial);
    }

    /// A link has ended, on which these devices were seen.
    pub(crate) fn close(&self, epoch: u64, mns: &[Mn]) {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.links.remove(&epoch);
        open.newcomers.retain(|_, (link, _)| *link != epoch);
        for mn in mns {
            if let Some(epochs) = open.by_mn.get_mut(mn) {
                epochs.remove(&epoch);
                if epochs.is_empty() {
                    open.by_mn.remove(mn);
                }
            }
        }
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
        links.close(7, &[]);
        assert!(!links.send(7, Vec::new()));
    }

    #[test]
    fn who_asks_to_be_activated_is_known_while_its_link_is_open() {
        let links = Links::default();
        let newcomer = |number: usize| Newcomer {
            serial: format!("S{number}"),
            ..Newcomer::default()
        };
        for number in 0..MAX_NEWCOMERS + 5 {
            links.asks(newcomer(number), 1);
        }
        assert_eq!(links.newcomers().len(), MAX_NEWCOMERS, "no more are kept in mind");
        links.asks(newcomer(0), 2);
        assert_eq!(links.newcomer("S0"), Some((2, newcomer(0))), "its newest link counts");
        links.close(1, &[]);
        assert_eq!(links.newcomers(), BTreeSet::from(["S0".to_owned()]));
        links.settled("S0");
        assert_eq!(links.newcomer("S0"), None);
    }

    #[test]
    fn a_device_keeps_its_newest_links_and_nothing_is_left_of_those_that_ended() {
        let (links, mn) = (Links::default(), Mn::new("M1").unwrap());
        let mut open: Vec<_> = (1..=4).map(|epoch| links.open(epoch)).collect();
        for epoch in 1..=4 {
            links.met(mn, epoch, 2);
        }
        assert!(
            !links.send(1, Vec::new()) && !links.send(2, Vec::new()),
            "the oldest two are told to end"
        );
        assert!(links.send(3, Vec::new()) && links.send(4, Vec::new()));
        assert!(matches!(
            open[0].try_recv(),
            Err(mpsc::error::TryRecvError::Disconnected)
        ));
        for epoch in 1..=4 {
            links.close(epoch, &[mn]);
        }
        let left = links.0.lock().unwrap();
        assert!(left.links.is_empty() && left.by_mn.is_empty());
    }
}
