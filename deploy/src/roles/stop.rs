//! Stopping in order: first whoever takes data in, then whoever works it off.

use tokio::sync::watch;

/// Tells everyone who holds a [`Stop`] to finish.
#[derive(Debug)]
pub(crate) struct Stopper(watch::Sender<bool>);

/// Hears that it is time to finish.
#[derive(Clone, Debug)]
pub(crate) struct Stop(watch::Receiver<bool>);

/// A pair of the two.
pub(crate) fn pair() -> (Stopper, Stop) {
    let (sender, receiver) = watch::channel(false);
    (Stopper(sender), Stop(receiver))
}

impl Stopper {
    /// Tells them.
    pub(crate) fn stop(&self) {
        self.0.send_replace(true);
    }
}

impl Stop {
    /// True once told.
    pub(crate) fn told(&self) -> bool {
        *self.0.borrow()
    }

    /// Resolves once told, or when the teller is gone.
    pub(crate) async fn wait(mut self) {
        // An error means the sender was dropped, which is as good as being told.
        drop(self.0.wait_for(|told| *told).await);
    }
}
