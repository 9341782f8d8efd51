//! Wake-ups: one watch per line, so that a durable record wakes only those who wait for its line.

use tokio::sync::watch;

#[derive(Clone, Copy, Debug)]
struct Mark {
    next: u64,
    closed: bool,
}

/// Next durable offset of each line, to be waited on.
#[derive(Debug)]
pub(crate) struct Marks(Vec<watch::Sender<Mark>>);

impl Marks {
    pub(crate) fn new(next: &[u64]) -> Self {
        let mark = |&next| watch::Sender::new(Mark { next, closed: false });
        Self(next.iter().map(mark).collect())
    }

    /// Publishes the next offset of a line, waking its waiters if it moved.
    pub(crate) fn publish(&self, slot: usize, next: u64) {
        if let Some(sender) = self.0.get(slot) {
            sender.send_if_modified(|mark| {
                let moved = next > mark.next;
                mark.next = mark.next.max(next);
                moved
            });
        }
    }

    /// Wakes everyone for good.
    pub(crate) fn close(&self) {
        for sender in &self.0 {
            sender.send_modify(|mark| mark.closed = true);
        }
    }

    /// Resolves once `offset` is durable or the bus is closed.
    pub(crate) async fn wait(&self, slot: usize, offset: u64) {
        if let Some(sender) = self.0.get(slot) {
            let woken = sender
                .subscribe()
                .wait_for(|mark| mark.next > offset || mark.closed)
                .await
                .is_ok();
            debug_assert!(woken, "the sender lives as long as self");
        }
    }
}
