//! MISS
//!
//! What: an outlet from which nothing comes: no minute or finer data (提示), no hour packet though its hour is long
//! over (关注), or
//! nothing at all (紧急). A device that sends hours and has never sent anything finer is held to its hours alone.
//! What-zh: 排放口数据缺失：无分钟或更细数据（提示）；小时结束后久无小时数据（关注）；完全无数据（紧急）。只上传小时数据的设备只看小时数据。
//! Why: what does not come cannot be judged, and hours that are lost count against the outlet.
//! Why-zh: 数据缺失则无法判定，且影响有效传输率。
//! Fooled by: a device that sends only on change; one that sends hours only, before its first hour; a line that
//! is down for everyone (that is one case, COMMON_CAUSE).
//! Fooled-zh: 仅在变化时上传的设备；只上传小时数据的设备在首个小时数据之前；整条线路故障（合并为一件“平台或线路故障”）。
//! Parameter: miss.minute_gap_s | s | 1800 | 120..86400 | no minute or finer data for so long
//! Parameter: miss.hour_gap_s | s | 3600 | 300..86400 | no hour packet for so long after its hour's end
//! Parameter: miss.offline_s | s | 14400 | 600..604800 | nothing at all for so long
//! Order: arrival
//! Source: project choice (detection notes, table of default rules). Silence is measured on the judge's clock and
//! never counts
//! time in which plume itself was not listening.

use plume_schemas::ids::{IngestId, Mn};
use plume_schemas::judgement::{FactKey, Pane, Verdict};
use plume_schemas::rule::{RuleCode, Severity};
use plume_schemas::time::{HOUR_MS, MINUTE_MS, SECOND_MS, Span, Time};

use crate::engine::Ctx;
use crate::hold::Hold;
use crate::marks::Marks;
use crate::out::{Facts, Say, Subject};
use crate::plan::OutletPlan;
use crate::rules::common_cause::CommonCause;
use crate::state::persist;

/// What was last heard of one device of an outlet.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Device {
    pub(crate) mn: Mn,
    /// Through which ingest it was heard last.
    pub(crate) ingest: Option<IngestId>,
    /// When anything came.
    pub(crate) heard: Option<Time>,
    /// When current minute or finer data came.
    pub(crate) minutes_heard: Option<Time>,
    /// End of the newest hour for which an hour packet came.
    pub(crate) hour_end: Option<Time>,
    /// How far its data have come, in time of measuring: its watermark.
    pub(crate) progress: Time,
    /// Its packets wait in a spool of ours: silence is not its own.
    pub(crate) spooling: bool,
}
persist!(Device {
    mn,
    ingest,
    heard,
    minutes_heard,
    hour_end,
    progress,
    spooling,
});

impl Device {
    pub(crate) fn new(mn: Mn) -> Self {
        Self {
            mn,
            ingest: None,
            heard: None,
            minutes_heard: None,
            hour_end: None,
            progress: Time(i64::MIN),
            spooling: false,
        }
    }

    /// True where its hours have come and never anything finer: between two of them it is not silent.
    fn sends_hours_only(&self) -> bool {
        self.hour_end.is_some() && self.minutes_heard.is_none()
    }

    /// Time between two of its packets, milliseconds: what the registry says of its minutes, or an hour where it sends
    /// nothing finer.
    pub(crate) fn interval_ms(&self, plan: &OutletPlan, now: Time) -> i64 {
        if self.sends_hours_only() {
            return HOUR_MS;
        }
        let row = plan.source(self.mn, now).1;
        row.map_or(1, |row| i64::from(row.minute_interval)) * MINUTE_MS
    }
}

/// The silence of a device: how grave, and since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Silence {
    level: u8,
    since: Time,
    threshold_s: i64,
    what: &'static str,
    mn: Mn,
}

/// When an outlet has no duty to send: filed or marked stops, and time outside the registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Pause {
    /// It has none now.
    pub(crate) now: bool,
    /// When the last such time ended, or the registry began to know it.
    pub(crate) began: Option<Time>,
    /// When the one that holds now will end.
    pub(crate) until: Option<Time>,
}

impl Pause {
    /// From all times that end or hold.
    pub(crate) fn new(plan: &OutletPlan, marks: &Marks, now: Time) -> Self {
        let mut pause = Self {
            now: !plan.validity.covers(now),
            began: plan.validity.valid_from.filter(|&from| from <= now),
            until: plan.validity.valid_from.filter(|&from| from > now),
        };
        for stop in plan.stops().chain(marks.stops()) {
            if stop.contains(now) {
                pause.now = true;
                pause.until = Some(pause.until.map_or(stop.end, |until| until.max(stop.end)));
            } else if stop.end <= now {
                pause.began = pause.began.max(Some(stop.end));
            }
        }
        pause
    }
}

/// The times at which a device's silence becomes graver. Silence counts from when plume listened and no common cause
/// explained it; none while one does.
fn thresholds(
    ctx: &Ctx<'_>,
    plan: &OutletPlan,
    common: &CommonCause,
    pause: Pause,
    device: &Device,
) -> [Option<(Time, Silence)>; 3] {
    let listening = ctx.clock.listening_since();
    let listening = pause.began.map_or(listening, |began| listening.max(began));
    let settings = &ctx.settings.miss;
    let from = |heard: Option<Time>| {
        let heard = heard.unwrap_or(listening).max(listening);
        common.answerable_since(device, plan, heard)
    };
    let silence = |severity: Severity, since: Time, threshold_s: i64, what| {
        let silence = Silence {
            level: severity.number(),
            since,
            threshold_s,
            what,
            mn: device.mn,
        };
        (since.plus(threshold_s * SECOND_MS), silence)
    };
    // The next hour packet is due when the hour after the last one ends.
    let hour_due = device.hour_end.and_then(|end| from(Some(end.plus(HOUR_MS))));
    // A device that sends every 20 or 30 minutes is silent only when two of its packets are missing.
    let interval_s = device.interval_ms(plan, ctx.now).div_euclid(SECOND_MS);
    let minute_gap_s = settings.minute_gap_s.max(2 * interval_s);
    let finer = from(device.minutes_heard).filter(|_| !device.sends_hours_only());
    [
        from(device.heard).map(|since| silence(Severity::Urgent, since, settings.offline_s, "offline")),
        hour_due.map(|since| silence(Severity::Attention, since, settings.hour_gap_s, "hour")),
        finer.map(|since| silence(Severity::Notice, since, minute_gap_s, "minute")),
    ]
}

/// When to look again: the next moment at which some silence becomes graver, or a pause ends.
pub(crate) fn next_look(
    ctx: &Ctx<'_>,
    plan: &OutletPlan,
    common: &CommonCause,
    pause: Pause,
    devices: &[Device],
) -> Option<Time> {
    let heard = devices.iter().filter(|device| !device.spooling);
    let times = heard.flat_map(|device| thresholds(ctx, plan, common, pause, device));
    let graver = times.flatten().map(|(at, _)| at);
    graver.chain(pause.until).filter(|&at| at > ctx.now).min()
}

/// Looks at the silence of an outlet's devices: the gravest counts.
pub(crate) fn look(
    ctx: &mut Ctx<'_>,
    plan: &OutletPlan,
    common: &CommonCause,
    (pause, devices): (Pause, &[Device]),
    hold: &mut Hold,
) {
    let now = ctx.now;
    let in_force = |device: &&Device| {
        let row = plan.source(device.mn, now).1;
        row.is_some_and(|row| row.validity.covers(now)) && !device.spooling
    };
    let excused = pause.now;
    let silences = devices
        .iter()
        .filter(in_force)
        .flat_map(|device| thresholds(ctx, plan, common, pause, device));
    let gravest = silences
        .flatten()
        .filter(|&(at, _)| at <= now && !excused)
        .map(|(_, silence)| silence)
        .max_by_key(|silence| (silence.level, std::cmp::Reverse(silence.since)));
    let before = hold.severity();
    let edge = match gravest {
        Some(silence) if silence.level >= hold.level => hold.raise(silence.level, now, silence.since),
        // Less grave than before: data come again in part. The case stays until all of it is over.
        Some(_) => None,
        None => hold.end(),
    };
    let Some(edge) = edge else { return };
    let mut facts = Facts::with_capacity(5);
    let start = gravest.map_or(hold.first_window, |silence| silence.since);
    if let Some(silence) = gravest {
        facts
            .text(FactKey::Name, silence.mn.as_str())
            .text(FactKey::Reason, silence.what)
            .int(FactKey::LastedMinutes, now.since(silence.since).div_euclid(MINUTE_MS))
            .int(FactKey::Threshold, silence.threshold_s / 60);
    } else {
        facts.text(FactKey::Reason, if excused { "excused" } else { "data_again" });
    }
    facts.time(FactKey::Since, start);
    let window = Span { start, end: now };
    let say = Say {
        pane: Pane::Early,
        verdict: hold.severity().map_or(Verdict::Fine, Verdict::Breach),
        previous: before.map(Verdict::Breach),
        late: false,
        evidence: facts.0,
    };
    let subject = Subject {
        rule: RuleCode::Miss,
        outlet: plan.id,
        factor: None,
        window,
    };
    let judgement = ctx.emit.say(subject, say);
    ctx.emit.happen(hold.first_window, edge, false, judgement);
}
