//! Sending what is due. Each message is claimed in the store before it is tried and recorded after: a crash between
//! the two repeats one message, and nothing is ever lost.

use plume_schemas::ids::ContentId;
use plume_schemas::registry::RegistryIndex;
use plume_schemas::time::{HOUR_MS, SECOND_MS, Time};

use crate::config::NotifyConfig;
use crate::group::{Group, group};
use crate::mute::inhibit;
use crate::mute::silence::{Silence, Told};
use crate::notify::{Channel, Circumstances, Decision, Notice, NoticeState, Reason, decide, repeat};
use crate::signals::Signals;
use crate::sinks::{Outgoing, SendError, Sink, Taken};
use crate::store::outbox::{Due, PutOff};
use crate::store::{Store, StoreError};

/// What one pass over the outbox did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pass {
    /// Messages handed over.
    pub sent: usize,
    /// Notices put off.
    pub held: usize,
    /// Notices that will never be sent.
    pub skipped: usize,
    /// Attempts that failed.
    pub failed: usize,
}

impl Pass {
    /// True when nothing at all was due.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What a pass works with.
pub(crate) struct Sender<'a> {
    pub(crate) store: &'a Store,
    pub(crate) sinks: &'a [Sink],
    pub(crate) config: &'a NotifyConfig,
    pub(crate) registry: &'a RegistryIndex,
    pub(crate) signals: &'a Signals,
}

/// Pause before the attempt after `attempts` ones: doubled each time, up to a bound.
pub fn pause_ms(attempts: u32, config: &NotifyConfig) -> i64 {
    let doubled = i64::from(config.retry_first_s).saturating_mul(1_i64 << attempts.saturating_sub(1).min(30));
    doubled.min(i64::from(config.retry_max_s)) * SECOND_MS
}

impl Sender<'_> {
    /// Sends what is due at `now`.
    pub(crate) async fn pass(&self, now: Time) -> Result<Pass, StoreError> {
        let mut pass = Pass::default();
        let mut put_off: Vec<(ContentId, PutOff)> = Vec::new();
        let mut to_send = Vec::new();
        let silences = self.store.silences_in_force(now).await?;
        for due in self.store.due(now).await? {
            match self.decide(&due, &silences, now).await? {
                Decision::Send => to_send.push((due.notice, due.attempts)),
                Decision::Hold(until, reason) => {
                    pass.held += 1;
                    put_off.push((due.notice.id, PutOff::Until(until, reason)));
                }
                Decision::Skip(reason) => {
                    pass.skipped += 1;
                    self.signals.notice_decided(reason);
                    put_off.push((due.notice.id, PutOff::Never(NoticeState::Skipped, reason)));
                }
            }
        }
        self.store.put_off(&put_off).await?;
        let mut unreachable: Vec<Channel> = Vec::new();
        for group in group(to_send, now) {
            if unreachable.contains(&group.outgoing.channel) {
                // The way is down: knocking once per pass is enough, and does not count against the others.
                let later = PutOff::Until(now.plus(pause_ms(1, self.config)), Reason::Retry);
                let put_off: Vec<_> = group.ids().into_iter().map(|notice| (notice, later)).collect();
                self.store.put_off(&put_off).await?;
                pass.held += group.notices.len();
                continue;
            }
            match self.send(&group, now).await? {
                Ok(()) => pass.sent += 1,
                Err(error) => {
                    pass.failed += 1;
                    if let SendError::Unreachable { channel, .. } = error {
                        unreachable.push(channel);
                    }
                }
            }
        }
        Ok(pass)
    }

    async fn decide(&self, due: &Due, silences: &[Silence], now: Time) -> Result<Decision, StoreError> {
        let muted = match &due.case {
            None => None,
            Some(case) => {
                let others = self.store.open_cases_beside(case.open.outlet).await?;
                let told = Told {
                    enterprise: due.notice.enterprise.unwrap_or_default(),
                    district: case.open.district.clone(),
                    outlet: case.open.outlet,
                    factor: case.open.factor,
                    rule: case.rule,
                };
                let silenced = silences.iter().any(|silence| silence.covers(&told, now));
                inhibit::reason(&case.open, &others, self.registry, now).or(silenced.then_some(Reason::Silenced))
            }
        };
        let seen = Circumstances {
            state: due.case.as_ref().map(|case| case.state),
            acknowledged: due.case.as_ref().is_some_and(|case| {
                if due.notice.audience.is_site() {
                    case.acknowledged
                } else {
                    case.officer_acted
                }
            }),
            trial: due.case.as_ref().is_some_and(|case| case.trial),
            late: due.case.as_ref().is_some_and(|case| case.late),
            told_before: due.told_before,
            muted,
            sent_last_hour: due.sent_last_hour,
            last_sent: due.last_sent,
            has_channel: self.sink(due.notice.channel).is_some(),
        };
        Ok(decide(&due.notice, now, &seen, self.config))
    }

    fn sink(&self, channel: Channel) -> Option<&Sink> {
        self.sinks.iter().find(|sink| sink.carries(channel))
    }

    /// Claims, sends, records. The outer error is the store's: then nothing is known to be sent.
    async fn send(&self, group: &Group, now: Time) -> Result<Result<(), SendError>, StoreError> {
        let attempt = group.attempts + 1;
        let ids = group.ids();
        self.store.claim(&ids, now.plus(pause_ms(attempt, self.config))).await?;
        let sent = self.hand_over(&group.outgoing).await;
        match &sent {
            Ok(taken) => {
                let said_again = |notice| repeat(notice, now, self.config);
                let repeats: Vec<Notice> = group.notices.iter().filter_map(said_again).collect();
                // A gateway without an id of its own repeats the key that it was sent.
                let own = (!taken.receipt.is_empty()).then(|| taken.receipt.clone());
                let receipt = own.unwrap_or_else(|| group.outgoing.key.to_string());
                self.store.record_sent(&ids, now, &receipt, &repeats).await?;
                for _ in &group.notices {
                    self.signals.notice_decided(Reason::Due);
                }
            }
            Err(error) => {
                self.signals.attempt_failed(group.outgoing.channel, error);
                let end = match error {
                    SendError::Refused { .. } => Some(Reason::Refused),
                    _ if self.is_too_old(group, now) => Some(Reason::GaveUp),
                    _ => None,
                };
                self.store.record_failure(&ids, &error.to_string(), end).await?;
                if let Some(reason) = end {
                    for _ in &group.notices {
                        self.signals.notice_decided(reason);
                    }
                }
            }
        }
        Ok(sent.map(drop))
    }

    /// True once every notice of a message has been tried for as long as is sensible: a server that is away for a day
    /// or asks to wait for hours costs no notice.
    fn is_too_old(&self, group: &Group, now: Time) -> bool {
        let newest = group.notices.iter().map(|notice| notice.not_before).max();
        newest.is_none_or(|newest| now.since(newest) >= i64::from(self.config.give_up_h) * HOUR_MS)
    }

    async fn hand_over(&self, outgoing: &Outgoing) -> Result<Taken, SendError> {
        let Some(sink) = self.sink(outgoing.channel) else {
            return Err(SendError::Refused {
                channel: outgoing.channel,
                detail: "no channel set up".into(),
            });
        };
        let began = tokio::time::Instant::now();
        let sent = sink.send(outgoing).await;
        self.signals.sent(began.elapsed().as_secs_f64());
        sent
    }
}
