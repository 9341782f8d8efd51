//! The worker: sends what is due, settles what the clock decides, sweeps what is no longer needed.

use std::future::Future;
use std::sync::atomic::Ordering;
use std::time::Duration;

use plume_schemas::ids::ContentId;
use plume_schemas::time::{DAY_MS, HOUR_MS, SECOND_MS, Time};

use super::{Desk, TryError, sinks_of};
use crate::config::AlertConfig;
use crate::notify::Channel;
use crate::outbox::{Pass, Sender};
use crate::sinks::{Outgoing, SendError, Sink, Taken};
use crate::store::{StoreError, log};
use crate::words::{Lang, Message, test_message};

/// How long the active desk keeps its lease without renewing: longer than a slow disk's pause, short enough that a
/// second desk takes over within the minutes a warning has.
const LEASE_MS: i64 = 15 * SECOND_MS;
/// Pause between looks at the lease: several in each half of it.
const LEASE_LOOK: Duration = Duration::from_secs(2);

impl Desk {
    /// One pass over the outbox at `now`.
    pub async fn send_due(&self, now: Time) -> Result<Pass, StoreError> {
        let registry = self.registry();
        let sender = Sender {
            store: &self.0.store,
            sinks: &self.0.sinks,
            config: &self.0.config.notify,
            registry: &registry,
            signals: &self.0.signals,
        };
        let pass = sender.pass(now).await?;
        let (_, waiting) = self.0.store.outbox_state().await?;
        self.0.signals.outbox_length(waiting);
        Ok(pass)
    }

    /// Sends a test message by a channel of a configuration, without a desk: for `plume notify test`.
    pub async fn try_channel(config: &AlertConfig, channel: Channel, address: &str, now: Time) -> Result<(), TryError> {
        let sinks = sinks_of(config)?;
        let outgoing = at_once(
            channel,
            address,
            test_message(now, config.language),
            config.language,
            now,
        );
        Ok(hand_over(&sinks, &outgoing).await.map(drop)?)
    }

    /// Sends a message at once, past the outbox: what is worth nothing a minute later.
    pub(super) async fn send_now(&self, channel: Channel, address: &str, message: Message) -> Result<(), SendError> {
        let outgoing = at_once(channel, address, message, self.language(), self.now());
        hand_over(&self.0.sinks, &outgoing).await.map(drop)
    }

    /// Sends, settles and sweeps until `shutdown` is done. Errors of the store are logged and tried again: a notice is
    /// late then, not lost.
    pub async fn run_outbox(&self, shutdown: impl Future<Output = ()>) {
        // The lease is kept beside the work: a slow mail server must not make a second desk take over.
        tokio::select! {
            () = self.work(shutdown) => {}
            () = self.keep_lease() => {}
            () = self.keep_days() => {}
        }
    }

    /// Makes reminders and digests as long as it is polled: beside the sending, since counting a day's rates from the
    /// archive may take longer than a warning may wait.
    async fn keep_days(&self) {
        let poll = Duration::from_millis(u64::from(self.0.config.notify.poll_ms));
        loop {
            tokio::time::sleep(poll).await;
            if !self.is_active() {
                continue;
            }
            if let Err(error) = self.daily(self.now()).await {
                tracing::error!(%error, hint = error.hint(), "digests and reminders failed");
            }
        }
    }

    async fn work(&self, shutdown: impl Future<Output = ()>) {
        let poll = Duration::from_millis(u64::from(self.0.config.notify.poll_ms));
        let mut shutdown = std::pin::pin!(shutdown);
        let mut swept_at = self.now();
        loop {
            let now = self.now();
            let mut quiet = true;
            if let Err(error) = self.reload_tables().await {
                tracing::error!(%error, hint = error.hint(), "the tables could not be looked at");
            }
            if !self.lease(now).await {
                // Another desk is active; this one serves pages and looks again.
                tokio::select! {
                    biased;
                    () = &mut shutdown => return,
                    () = tokio::time::sleep(poll) => continue,
                }
            }
            match self.send_due(now).await {
                Ok(pass) => quiet = pass.is_empty(),
                Err(error) => tracing::error!(%error, hint = error.hint(), "outbox pass failed"),
            }
            if let Err(error) = self.settle().await {
                tracing::error!(%error, hint = error.hint(), "settling failed");
            }
            if now.since(swept_at) > HOUR_MS {
                swept_at = now;
                if let Err(error) = self.sweep(now).await {
                    tracing::error!(%error, hint = error.hint(), "sweeping failed");
                }
            }
            let pause = async {
                // After work there may be more at once; after none, wait to be woken.
                if quiet {
                    tokio::select! {
                        () = self.0.wake.notified() => {}
                        () = tokio::time::sleep(poll) => {}
                    }
                }
            };
            tokio::select! {
                biased;
                () = &mut shutdown => return,
                () = pause => {}
            }
        }
    }

    /// Renews the lease as long as it is polled.
    async fn keep_lease(&self) {
        loop {
            tokio::time::sleep(LEASE_LOOK).await;
            if self.is_active() {
                self.lease(self.now()).await;
            }
        }
    }

    /// Takes the lease of the active desk, or keeps it; renewed when half of it is over. False while another holds it.
    async fn lease(&self, now: Time) -> bool {
        let held_until = Time(self.0.lease_until.load(Ordering::Relaxed));
        if now.plus(LEASE_MS / 2) < held_until {
            return true;
        }
        let holder = self.0.holder.get().map_or("desk", String::as_str);
        match self.0.store.hold_lease("desk", holder, now, LEASE_MS).await {
            Ok(true) => {
                self.0.lease_until.store(now.plus(LEASE_MS).0, Ordering::Relaxed);
                true
            }
            Ok(false) => {
                self.0.lease_until.store(i64::MIN, Ordering::Relaxed);
                false
            }
            Err(error) => {
                tracing::error!(%error, hint = error.hint(), "cannot renew the lease");
                // It still stands until it ends.
                now < held_until
            }
        }
    }

    /// Forgets what is no longer needed to know a repeat.
    async fn sweep(&self, now: Time) -> Result<(), StoreError> {
        let before = now.plus(-i64::from(self.0.config.book.keep_applied_days) * DAY_MS);
        let mut tx = self.0.store.begin().await?;
        log::forget_applied(&mut tx, before).await?;
        tx.commit().await
    }
}

fn at_once(channel: Channel, address: &str, message: Message, lang: Lang, at: Time) -> Outgoing {
    Outgoing {
        key: ContentId::of(&[b"now", address.as_bytes(), &at.0.to_le_bytes()]),
        channel,
        receiver: address.to_owned(),
        address: address.to_owned(),
        lang,
        message,
        at,
    }
}

async fn hand_over(sinks: &[Sink], outgoing: &Outgoing) -> Result<Taken, SendError> {
    let Some(sink) = sinks.iter().find(|sink| sink.carries(outgoing.channel)) else {
        return Err(SendError::Refused {
            channel: outgoing.channel,
            detail: "no channel is set up for it".into(),
        });
    };
    sink.send(outgoing).await
}
