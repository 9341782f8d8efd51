//! The decision about one notice, just before it would be sent. Pure: everything it depends on is an argument.

use plume_schemas::rule::{Severity, Stream};
use plume_schemas::time::{HOUR_MS, SECOND_MS, Time};

use super::{Channel, Notice, Reason};
use crate::book::Purpose;
use crate::case::State;
use crate::config::NotifyConfig;
use crate::mute::quiet;

/// What to do with a notice now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Hand it over.
    Send,
    /// Look again then.
    Hold(Time, Reason),
    /// Never send it.
    Skip(Reason),
}

/// What is so at the moment of the decision.
#[expect(clippy::struct_excessive_bools, reason = "each is one independent fact")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Circumstances {
    /// Where the case stands; `None` for a notice without one.
    pub state: Option<State>,
    /// Somebody has signed for it: for the site anybody, for a desk an officer who did anything about it.
    pub acknowledged: bool,
    /// The outlet was on trial when the case opened.
    pub trial: bool,
    /// The case came of late data.
    pub late: bool,
    /// The same address has heard of the case.
    pub told_before: bool,
    /// Something keeps it quiet.
    pub muted: Option<Reason>,
    /// Messages sent to this address within the last hour.
    pub sent_last_hour: u64,
    /// When the last message went to this address.
    pub last_sent: Option<Time>,
    /// A channel is set up that can carry it.
    pub has_channel: bool,
}

/// Decides. The first reason that holds is given; reasons never to send come before reasons to wait.
pub fn decide(notice: &Notice, now: Time, seen: &Circumstances, config: &NotifyConfig) -> Decision {
    if let Some(reason) = never(notice, now, seen, config) {
        return Decision::Skip(reason);
    }
    if now < notice.not_before {
        return Decision::Hold(notice.not_before, Reason::NotYet);
    }
    if notice.waits_for_morning
        && let Some(morning) = quiet::ends(now, config.quiet_from_min, config.quiet_to_min)
    {
        return Decision::Hold(morning, Reason::QuietHours);
    }
    let calm = notice.severity < Severity::Urgent && !matches!(notice.channel, Channel::Ring | Channel::Voice);
    let interval = i64::from(config.group_interval_s) * SECOND_MS;
    if let Some(next) = seen
        .last_sent
        .map(|last| last.plus(interval))
        .filter(|&next| calm && now < next)
    {
        // What comes after a message waits for company, and goes with it as one.
        return Decision::Hold(next, Reason::GroupInterval);
    }
    if notice.severity < Severity::Urgent && seen.sent_last_hour >= u64::from(config.rate_per_hour.max(1)) {
        // An hour's share at a time: a flood drains evenly instead of in bursts.
        let share = HOUR_MS / i64::from(config.rate_per_hour.max(1));
        return Decision::Hold(now.plus(share.max(1_000)), Reason::RateCap);
    }
    Decision::Send
}

fn never(notice: &Notice, now: Time, seen: &Circumstances, config: &NotifyConfig) -> Option<Reason> {
    let begins = matches!(
        notice.purpose,
        Purpose::First | Purpose::Worsened | Purpose::Reopened | Purpose::Escalated | Purpose::Repeated
    );
    let asks_again = notice.step > 0 || notice.purpose == Purpose::Repeated;
    let checks = [
        (
            notice.stream == Stream::Lead && notice.audience.is_site(),
            Reason::LeadNeverToSite,
        ),
        (!config.enabled, Reason::Off),
        (seen.trial, Reason::Trial),
        (seen.late && begins, Reason::Late),
        (
            begins && seen.state.is_some_and(|state| state != State::Open),
            Reason::Over,
        ),
        (
            matches!(
                notice.purpose,
                Purpose::Confirmed | Purpose::Overdue | Purpose::Returned
            ) && matches!(seen.state, Some(State::Retracted | State::Retracting)),
            Reason::Over,
        ),
        (asks_again && seen.acknowledged, Reason::Acknowledged),
        (notice.stale_at.is_some_and(|stale| stale <= now), Reason::Stale),
        (
            matches!(notice.purpose, Purpose::Cleared | Purpose::Retracted) && !seen.told_before,
            Reason::NeverTold,
        ),
    ];
    let found = checks.into_iter().find(|(holds, _)| *holds).map(|(_, reason)| reason);
    let found = found.or(seen.muted);
    let unreachable = [
        (notice.address.is_empty(), Reason::NoAddress),
        (!seen.has_channel, Reason::NoChannel),
    ];
    found.or_else(|| {
        unreachable
            .into_iter()
            .find(|(holds, _)| *holds)
            .map(|(_, reason)| reason)
    })
}
