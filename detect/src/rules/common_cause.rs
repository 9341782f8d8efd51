//! COMMON_CAUSE
//!
//! What: many devices of the platform, of one listener or of one district fall silent within minutes of each other,
//! or plume
//! itself was not listening: one case instead of one per device.
//! What-zh: 平台、同一接入服务或同一区县的多台设备在数分钟内同时中断，或平台自身中断：合并为一件。
//! Why: a thousand device cases for one broken line bury everything else, and blame the wrong ones.
//! Why-zh: 一处线路故障若生成上千件设备预警，会淹没其他预警，也会错怪企业。
//! Fooled by: a power cut of a district that stops plants and loggers alike; groups of fewer devices than the least.
//! Fooled-zh: 区域停电使企业与设备同时停运；设备数少于下限的分组。
//! Parameter: common_cause.quiet_s | s | 300 | 60..3600 | a device is silent after so long without a packet
//! Parameter: common_cause.within_s | s | 300 | 60..3600 | how close together silences must begin
//! Parameter: common_cause.share | - | 0.2 | 0.01..1 | share of a group's devices that must fall silent
//! Parameter: common_cause.least_devices | devices | 5 | 2..1000 | fewest silent devices
//! Parameter: common_cause.clear_share | - | 0.1 | 0..1 | share still silent at which it is over
//! Parameter: clock.platform_gap_ms | ms | 120000 | 10000..3600000 | gap between Ticks that is the platform's own fault
//! Order: arrival
//! Source: project choice (who is told what). Seen per partition of the log; carriers are not known to the log.

use plume_schemas::event::Edge;
use plume_schemas::ids::{ContentId, Inline, OutletId};
use plume_schemas::judgement::{FactKey, Judgement, Pane, Verdict};
use plume_schemas::rule::{RuleCode, Severity};
use plume_schemas::time::{DAY_MS, MINUTE_MS, SECOND_MS, Span, Time};

use crate::clock::JudgeClock;
use crate::config::CommonCauseSettings;
use crate::engine::Ctx;
use crate::out::{Facts, Say, Subject};
use crate::outlet::Outlet;
use crate::plan::OutletPlan;
use crate::rules::miss::Device;
use crate::state::{Persist, Reader, RestoreError, persist};

/// Groups are looked at so often, by the judge's clock.
pub(crate) const LOOK_EVERY_MS: i64 = MINUTE_MS;
/// Silences that began so long ago are no longer sudden.
const SUDDEN_MIN: usize = 60;
/// A device that was last heard longer ago does not count as one of a group.
const ACTIVE_MS: i64 = DAY_MS;
/// Cases remembered after their end, so that what stays silent is counted from then.
const MAX_CASES: usize = 64;

/// A group of devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Group {
    kind: Kind,
    name: Inline<47>,
}
persist!(Group { kind, name });

/// Kinds of groups, the widest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// All devices of the partition.
    Platform,
    /// Those that one ingest serves.
    Listener,
    /// Those of one district.
    District,
    /// Nobody: plume's own Ticks were missing.
    Ticks,
}

impl Persist for Kind {
    fn save(&self, to: &mut Vec<u8>) {
        to.push(*self as u8);
    }
    fn load(from: &mut Reader<'_>) -> Result<Self, RestoreError> {
        let kinds = [Self::Platform, Self::Listener, Self::District, Self::Ticks];
        let number = usize::from(u8::load(from)?);
        kinds
            .get(number)
            .copied()
            .ok_or_else(|| from.damaged("a kind of group"))
    }
}

impl Group {
    fn new(kind: Kind, name: &str) -> Self {
        Self {
            kind,
            name: Inline::new(name).unwrap_or_default(),
        }
    }

    /// As evidence names it: `platform`, `listener:<id>`, `district:<name>`, `ticks`.
    fn text(&self) -> String {
        match self.kind {
            Kind::Platform => "platform".to_owned(),
            Kind::Listener => format!("listener:{}", self.name),
            Kind::District => format!("district:{}", self.name),
            Kind::Ticks => "ticks".to_owned(),
        }
    }
}

/// One case, open or over.
#[derive(Clone, Debug, PartialEq)]
struct Case {
    group: Group,
    start: Time,
    end: Option<Time>,
}
persist!(Case { group, start, end });

/// What groups are silent.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct CommonCause {
    cases: Vec<Case>,
    looked_at: Time,
    /// Gaps of the clock that were said, up to here.
    listening_since: Time,
    scratch: Groups,
}
persist!(CommonCause {
    cases,
    looked_at,
    listening_since,
    scratch
});

/// The groups of a device.
fn groups(device: &Device, plan: &OutletPlan) -> [Group; 3] {
    [
        Group::new(Kind::Platform, ""),
        Group::new(Kind::Listener, device.ingest.as_ref().map_or("", |id| id.as_str())),
        Group {
            kind: Kind::District,
            name: plan.district,
        },
    ]
}

/// Devices of a group: how many are active, how many silent, and in which minute silences began.
#[derive(Clone, Debug)]
struct Members {
    active: u32,
    silent: u32,
    began: [u32; SUDDEN_MIN],
}

impl Members {
    /// The greatest number of silences that began close together, and how many minutes ago the last minute of them was.
    fn together(&self, within_min: usize) -> (u32, usize) {
        let runs = self.began.windows(within_min.clamp(1, SUDDEN_MIN)).enumerate();
        let counted = runs.map(|(first, run)| (run.iter().sum::<u32>(), first + run.len()));
        counted
            .max_by_key(|&(sum, ago)| (sum, std::cmp::Reverse(ago)))
            .unwrap_or((0, 0))
    }
}

impl CommonCause {
    /// From when on the silence of a device counts as its own: `None` while a case of one of its groups explains it.
    pub(crate) fn answerable_since(&self, device: &Device, plan: &OutletPlan, heard: Time) -> Option<Time> {
        if self.cases.is_empty() {
            return Some(heard);
        }
        let groups = groups(device, plan);
        let mut since = heard;
        for case in self.cases.iter().filter(|case| groups.contains(&case.group)) {
            if heard >= case.start.plus(-SECOND_MS) && case.end.is_none() {
                return None;
            }
            if let Some(end) = case.end.filter(|&end| heard >= case.start && heard < end) {
                since = since.max(end);
            }
        }
        Some(since)
    }

    /// What the partition at `index` goes on with where partitions become others: its own cases, and those of the
    /// others as over, so that the silence of a device that comes from there counts from now on and not from before.
    pub(crate) fn regrouped(old: &[Self], index: usize, clock: &JudgeClock) -> Self {
        let own = old.get(index);
        let mut cases = own.map(|own| own.cases.clone()).unwrap_or_default();
        let others = old.iter().enumerate().filter(|(place, _)| *place != index);
        for case in others.flat_map(|(_, other)| &other.cases) {
            let over = Case {
                end: case.end.or(clock.now()),
                ..case.clone()
            };
            if !cases.contains(&over) && cases.len() < MAX_CASES {
                cases.push(over);
            }
        }
        Self {
            cases,
            looked_at: own.map_or(Time::default(), |own| own.looked_at),
            listening_since: clock.listening_since(),
            scratch: Groups::default(),
        }
    }

    /// Looks at all groups, once a minute of the judge's clock. True where a case began or ended.
    pub(crate) fn look(&mut self, ctx: &mut Ctx<'_>, partition: u32, outlets: &[Outlet], plans: &[OutletPlan]) -> bool {
        self.say_gap(ctx, partition);
        if ctx.now.since(self.looked_at) < LOOK_EVERY_MS {
            return false;
        }
        self.looked_at = ctx.now;
        let mut members = std::mem::take(&mut self.scratch);
        members.count(ctx, outlets, plans);
        let ended = self.end(ctx, partition, &members);
        let began = self.begin(ctx, partition, &members);
        self.scratch = members;
        let horizon = ctx.now.plus(-2 * DAY_MS);
        self.cases.retain(|case| case.end.is_none_or(|end| end > horizon));
        if self.cases.len() > MAX_CASES {
            self.cases.drain(..self.cases.len() - MAX_CASES);
        }
        ended || began
    }

    /// Ends the cases whose devices are back, but for a few.
    fn end(&mut self, ctx: &mut Ctx<'_>, partition: u32, members: &Groups) -> bool {
        let settings = &ctx.settings.common_cause;
        let mut ended = false;
        for case in self.cases.iter_mut().filter(|case| case.end.is_none()) {
            let (silent, active) = members
                .get(&case.group)
                .map_or((0, 0), |group| (group.silent, group.active));
            let few = f64::from(silent) <= settings.clear_share * f64::from(active);
            if !few && silent * 2 >= settings.least_devices {
                continue;
            }
            case.end = Some(ctx.now);
            ended = true;
            let span = Span {
                start: case.start,
                end: ctx.now,
            };
            let judgement = say(ctx, partition, case.group, span, Verdict::Fine, (silent, active));
            ctx.emit.happen(case.start, Edge::Cleared, false, judgement);
        }
        ended
    }

    /// Begins a case for the group that explains the silence best: the one with the greatest share of its devices
    /// silent. Silences that an open case explains already make no second one.
    fn begin(&mut self, ctx: &mut Ctx<'_>, partition: u32, members: &Groups) -> bool {
        let settings = &ctx.settings.common_cause;
        let candidates = members.0.iter().filter_map(|&(group, ref members)| {
            let (together, ago) = members.together(within_min(settings));
            let minutes = i64::try_from(ago).unwrap_or(0);
            let start = ctx.now.plus(-minutes * MINUTE_MS);
            let share = f64::from(together) / f64::from(members.active.max(1));
            let explained = |case: &Case| case.end.is_none() && case.start <= start.plus(settings.within_s * SECOND_MS);
            let enough = together >= settings.least_devices && share > settings.share;
            (enough && !self.cases.iter().any(explained)).then_some((share, together, group, start, members.active))
        });
        // Of equals the widest counts, then the name, so that the choice is always the same.
        let best = candidates.max_by(|a, b| a.0.total_cmp(&b.0).then(a.4.cmp(&b.4)).then(b.2.cmp(&a.2)));
        let Some((_, together, group, start, active)) = best else {
            return false;
        };
        self.cases.push(Case {
            group,
            start,
            end: None,
        });
        let span = Span { start, end: ctx.now };
        let breach = Verdict::Breach(Severity::Urgent);
        let judgement = say(ctx, partition, group, span, breach, (together, active));
        ctx.emit.happen(start, Edge::Opened, false, judgement);
        true
    }

    /// A gap of the clock is a case that is over when it is known.
    fn say_gap(&mut self, ctx: &mut Ctx<'_>, partition: u32) {
        let since = ctx.clock.listening_since();
        if since == self.listening_since {
            return;
        }
        self.listening_since = since;
        let Some(gap) = ctx.clock.last_gap() else { return };
        let breach = Verdict::Breach(Severity::Urgent);
        let judgement = say(ctx, partition, Group::new(Kind::Ticks, ""), gap, breach, (0, 0));
        ctx.emit.happen(gap.start, Edge::Opened, false, judgement.clone());
        let over = Judgement {
            verdict: Verdict::Fine,
            previous: Some(judgement.verdict),
            ..judgement
        };
        ctx.emit.happen(gap.start, Edge::Cleared, false, over);
    }
}

/// Devices by group, sorted. Kept between looks for its room only, so it is no part of the state.
#[derive(Clone, Debug, Default)]
struct Groups(Vec<(Group, Members)>);

impl PartialEq for Groups {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Persist for Groups {
    fn save(&self, _: &mut Vec<u8>) {}
    fn load(_: &mut Reader<'_>) -> Result<Self, RestoreError> {
        Ok(Self::default())
    }
}

impl Groups {
    fn get(&self, group: &Group) -> Option<&Members> {
        let place = self.0.binary_search_by_key(group, |(known, _)| *known).ok()?;
        self.0.get(place).map(|(_, members)| members)
    }

    fn of(&mut self, group: Group) -> &mut Members {
        let found = self.0.binary_search_by_key(&group, |(known, _)| *known);
        let place = found.unwrap_or_else(|place| {
            let none = Members {
                active: 0,
                silent: 0,
                began: [0; SUDDEN_MIN],
            };
            self.0.insert(place, (group, none));
            place
        });
        &mut self.0[place].1
    }

    /// Counts the devices of all outlets anew.
    fn count(&mut self, ctx: &Ctx<'_>, outlets: &[Outlet], plans: &[OutletPlan]) {
        let settings = &ctx.settings.common_cause;
        let listening = ctx.clock.listening_since();
        self.0.clear();
        for (outlet, plan) in outlets.iter().zip(plans) {
            if plan.stopped_at(ctx.now) || !plan.validity.covers(ctx.now) {
                continue;
            }
            for device in &outlet.devices {
                let Some(heard) = device.heard.filter(|&heard| ctx.now.since(heard) < ACTIVE_MS) else {
                    continue;
                };
                let silent_ms = ctx.now.since(heard.max(listening));
                let interval_ms = device.interval_ms(plan, ctx.now);
                let silent = silent_ms >= (settings.quiet_s * SECOND_MS).max(2 * interval_ms) && !device.spooling;
                for group in groups(device, plan) {
                    let group = self.of(group);
                    group.active += 1;
                    group.silent += u32::from(silent);
                    let ago = usize::try_from(silent_ms / MINUTE_MS).unwrap_or(SUDDEN_MIN);
                    if let Some(began) = group.began.get_mut(ago).filter(|_| silent) {
                        *began += 1;
                    }
                }
            }
        }
    }
}

fn within_min(settings: &CommonCauseSettings) -> usize {
    usize::try_from(settings.within_s / 60).unwrap_or(1).max(1)
}

/// The group's place in cases: no outlet of the registry, but an id of the same kind, `plume:p<partition>:<hash of the
/// group>`.
fn place(partition: u32, group: Group) -> OutletId {
    let hash = ContentId::of(&[group.text().as_bytes()]).to_string();
    let short: String = hash.chars().take(8).collect();
    OutletId::new(&format!("plume:p{partition}:{short}")).unwrap_or_default()
}

fn say(
    ctx: &mut Ctx<'_>,
    partition: u32,
    group: Group,
    window: Span,
    verdict: Verdict,
    (silent, active): (u32, u32),
) -> Judgement {
    let mut facts = Facts::with_capacity(5);
    facts
        .text(FactKey::Name, &group.text())
        .time(FactKey::Since, window.start)
        .int(
            FactKey::LastedMinutes,
            window.end.since(window.start).div_euclid(MINUTE_MS),
        );
    if active > 0 {
        facts
            .int(FactKey::Count, i64::from(silent))
            .int(FactKey::Of, i64::from(active));
    }
    let subject = Subject {
        rule: RuleCode::CommonCause,
        outlet: place(partition, group),
        factor: None,
        window,
    };
    let previous = (verdict == Verdict::Fine).then_some(Verdict::Breach(Severity::Urgent));
    let say = Say {
        pane: Pane::Early,
        verdict,
        previous,
        late: false,
        evidence: facts.0,
    };
    ctx.emit.say(subject, say)
}
