//! One outlet: its devices, its series, its marks. When its windows are judged is in `closing`.

use plume_schemas::entry::{Mark, Presence, PresenceState};
use plume_schemas::event::Edge;
use plume_schemas::ids::{FactorCode, IngestId, Mn};
use plume_schemas::judgement::{FactKey, NotJudged, Pane, Verdict};
use plume_schemas::rule::RuleCode;
use plume_schemas::time::{SECOND_MS, Span, Time};

use crate::engine::Ctx;
use crate::factors::Factors;
use crate::hold::Hold;
use crate::marks::Marks;
use crate::minutes::MinuteStore;
use crate::out::{Facts, Say, Subject};
use crate::plan::OutletPlan;
use crate::quality::{Hourly, OutletQuality, Quality};
use crate::rules::budget;
use crate::rules::common_cause::CommonCause;
use crate::rules::drift::Drift;
use crate::rules::exceed::Period;
use crate::rules::miss::{self, Device, Pause};
use crate::series::{HOT_CORE_LIMIT, Series};
use crate::state::persist;
use crate::value::Minutes;

/// Devices remembered per outlet; beyond it they are judged but their silence is not watched.
const MAX_DEVICES: usize = 16;

/// State of one factor: its hot core, and its minutes apart. What every minute touches stands together at the front, in
/// neighbouring cache lines: fetching them is most of what a minute costs.
#[derive(Clone, Debug, PartialEq)]
#[repr(C, align(64))]
pub(crate) struct Factor {
    pub(crate) minutes: Option<MinuteStore>,
    pub(crate) code: FactorCode,
    pub(crate) hourly: Hourly,
    pub(crate) quality: Quality,
    pub(crate) series: Series,
}
persist!(Factor {
    code,
    series,
    minutes,
    quality,
    hourly
});

/// The hot core of a factor (D10): all but its minutes.
const _: () = assert!(size_of::<Series>() + size_of::<Quality>() <= HOT_CORE_LIMIT);

/// State of one outlet.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Outlet {
    pub(crate) devices: Vec<Device>,
    /// In the order of the plan's factors.
    pub(crate) factors: Factors,
    pub(crate) marks: Marks,
    pub(crate) miss: Hold,
    /// Next hour and day to judge; none before the clock first showed a time.
    pub(crate) closing: Option<i64>,
    pub(crate) closing_day: Option<i64>,
    /// Next hour whose mark deadline is to pass.
    pub(crate) confirming: i64,
    /// Last gas flow, and the minute it was measured.
    pub(crate) flow: Option<f64>,
    pub(crate) flow_minute: i64,
    pub(crate) quality: OutletQuality,
    /// Analysers whose checks are known, in the order of their factors.
    pub(crate) drifts: Vec<Drift>,
}
persist!(Outlet {
    devices,
    factors,
    marks,
    miss,
    closing,
    closing_day,
    confirming,
    flow,
    flow_minute,
    quality,
    drifts,
});

impl Outlet {
    pub(crate) fn new() -> Self {
        Self {
            devices: Vec::new(),
            factors: Factors::default(),
            marks: Marks::default(),
            miss: Hold::default(),
            closing: None,
            closing_day: None,
            confirming: 0,
            flow: None,
            flow_minute: i64::MIN,
            quality: OutletQuality::default(),
            drifts: Vec::new(),
        }
    }

    /// Fits the state to a plan: new factors and devices begin empty; what is gone is given back.
    pub(crate) fn fit(&mut self, plan: &OutletPlan) -> Gone {
        let mut old = std::mem::take(&mut self.factors).into_own();
        let fitted = plan.factors.iter().map(|factor| {
            let known = old.iter().position(|known| known.code == factor.code);
            let state = known.map(|place| old.swap_remove(place));
            state.unwrap_or_else(|| Factor {
                code: factor.code,
                series: Series::new(),
                minutes: None,
                quality: Quality::default(),
                hourly: Hourly::default(),
            })
        });
        self.factors = Factors::Own(fitted.collect());
        self.devices
            .reserve_exact(plan.sources.len().saturating_sub(self.devices.len()));
        for source in &plan.sources {
            self.device(source.mn);
        }
        old.sort_by_key(|factor| factor.code);
        let drifts = std::mem::take(&mut self.drifts);
        let (kept, gone) = drifts.into_iter().partition(|drift| plan.codes.contains(&drift.factor));
        self.drifts = kept;
        Gone {
            factors: old,
            drifts: gone,
            ..Gone::default()
        }
    }

    /// All that is left of an outlet that is gone.
    pub(crate) fn gone(self) -> Gone {
        Gone {
            factors: self.factors.into_own(),
            miss: self.miss,
            quality: self.quality,
            drifts: self.drifts,
        }
    }

    /// The state of a device, made on first sight.
    pub(crate) fn device(&mut self, mn: Mn) -> Option<&mut Device> {
        let known = self.devices.iter().position(|device| device.mn == mn);
        let place = match known {
            Some(place) => place,
            None if self.devices.len() < MAX_DEVICES => {
                self.devices.push(Device::new(mn));
                self.devices.len() - 1
            }
            None => return None,
        };
        self.devices.get_mut(place)
    }

    /// Reads a little of each cache line of its own that a report touches.
    pub(crate) fn touch(&self) -> u64 {
        let windows = self.closing.unwrap_or(0) ^ self.confirming ^ self.flow_minute;
        windows.unsigned_abs() ^ self.quality.touch() ^ u64::from(self.miss.level)
    }

    /// The same of the factors and devices.
    pub(crate) fn touch_factors(&self) -> u64 {
        let device = self
            .devices
            .first()
            .map_or(0, |device| device.progress.0.unsigned_abs());
        self.factors.iter().fold(device, |touched, factor| {
            let store = factor.minutes.as_ref().map_or(0, MinuteStore::touch);
            touched ^ store ^ factor.hourly.touch() ^ factor.quality.touch() ^ factor.series.touch()
        })
    }

    /// The same of the factors' minutes, for a minute since 1970.
    pub(crate) fn touch_minute(&self, minute: i64) -> u64 {
        let stores = self.factors.iter().filter_map(|factor| factor.minutes.as_ref());
        stores.fold(0, |touched, store| touched ^ store.touch_minute(minute))
    }

    /// Starts the hours when the clock first shows a time.
    pub(crate) fn wake(&mut self, now: Time) {
        if self.closing.is_none() {
            let hour = Period::Hour.number(now);
            self.closing = Some(hour);
            self.closing_day = Some(Period::Day.number(now));
            self.confirming = hour;
        }
    }

    /// The minutes of a factor, with the oxygen to correct them.
    pub(crate) fn minutes(&self, plan: &OutletPlan, i: usize) -> Minutes<'_> {
        let oxygen = plan.oxygen.and_then(|place| self.factors.get(place));
        Minutes {
            own: self.factors[i].minutes.as_ref(),
            oxygen: oxygen.and_then(|oxygen| oxygen.minutes.as_ref()),
            reference_o2: plan.factors[i].reference_o2,
        }
    }

    /// Lets time pass: judges windows that are complete, revisions that have settled, deadlines and silences.
    pub(crate) fn pass_time(&mut self, ctx: &mut Ctx<'_>, plan: &OutletPlan, common: &CommonCause) {
        self.wake(ctx.now);
        self.close(ctx, plan);
        self.settle(ctx, plan);
        self.confirm(ctx, plan);
        self.look_for_silence(ctx, plan, common);
    }

    /// Looks at the silence of the outlet's devices.
    pub(crate) fn look_for_silence(&mut self, ctx: &mut Ctx<'_>, plan: &OutletPlan, common: &CommonCause) {
        let pause = Pause::new(plan, &self.marks, ctx.now);
        miss::look(ctx, plan, common, (pause, &self.devices), &mut self.miss);
    }

    /// When to let time pass next, if nothing comes before.
    pub(crate) fn due(&self, ctx: &Ctx<'_>, plan: &OutletPlan, common: &CommonCause) -> Time {
        let pause = Pause::new(plan, &self.marks, ctx.now);
        let silence = miss::next_look(ctx, plan, common, pause, &self.devices);
        let soonest = [self.windows_due(ctx), silence].into_iter().flatten().min();
        soonest.unwrap_or(ctx.now).max(ctx.now.plus(1))
    }

    /// The soonest moment that data just taken may want: the first at which something could be silent again, or has
    /// settled.
    pub(crate) fn soonest(&self, ctx: &Ctx<'_>) -> Time {
        let settings = &ctx.settings.miss;
        let least_s = settings.minute_gap_s.min(settings.hour_gap_s).min(settings.offline_s);
        let silent = ctx.now.plus(least_s * SECOND_MS);
        self.settling_due(ctx).map_or(silent, |settled| settled.min(silent))
    }

    /// True unless a sign of the stack says that nothing runs behind it in a minute since 1970.
    pub(crate) fn runs(&self, minute: i64) -> bool {
        let flow = self.flow.map(|flow| (flow, self.flow_minute));
        self.quality.runs(flow, minute)
    }

    /// Takes a device's coming, going or spooling.
    pub(crate) fn presence(&mut self, presence: &Presence) {
        let Some(device) = self.device(presence.mn) else { return };
        let at = Some(presence.received_at);
        match presence.state {
            PresenceState::Came => device.hear(presence.ingest, presence.received_at),
            PresenceState::Gone => {}
            PresenceState::Spooling => device.spooling = true,
            PresenceState::Drained => {
                device.spooling = false;
                device.hear(presence.ingest, presence.received_at);
                device.minutes_heard = device.minutes_heard.max(at);
            }
        }
    }

    /// Enters or withdraws a mark and judges again the windows it touches.
    pub(crate) fn mark(&mut self, ctx: &mut Ctx<'_>, plan: &OutletPlan, mark: &Mark) {
        let before = self.marks.exempt_ms(mark.span);
        if self.marks.apply(mark, ctx.now) {
            let change = self.marks.exempt_ms(mark.span) - before;
            budget::look(ctx, plan, mark, change, &mut self.quality.budget);
            self.revise_span(ctx, plan, mark.span, |i| {
                mark.factor.is_none_or(|only| only == plan.factors[i].code)
            });
            self.quality_of_mark(ctx, plan, mark.span);
        }
    }

    /// Judges again every remembered window: the registry changed.
    pub(crate) fn revise_all(&mut self, ctx: &mut Ctx<'_>, plan: &OutletPlan) {
        let all = Span {
            start: Time(i64::MIN / 2),
            end: ctx.now,
        };
        self.revise_span(ctx, plan, all, |_| true);
    }
}

/// What a new registry no longer has.
#[derive(Debug, Default)]
pub(crate) struct Gone {
    pub(crate) factors: Vec<Factor>,
    pub(crate) miss: Hold,
    pub(crate) quality: OutletQuality,
    pub(crate) drifts: Vec<Drift>,
}

impl Gone {
    /// True where nothing is gone of an outlet that stays.
    pub(crate) fn is_empty(&self) -> bool {
        self.factors.is_empty() && self.drifts.is_empty()
    }
}

/// Ends the open cases of factors that are no longer in the registry, and of the outlet's silence where it is gone
/// itself.
pub(crate) fn retire(ctx: &mut Ctx<'_>, plan: &OutletPlan, gone: Gone) {
    let mut ended: Vec<(RuleCode, Option<FactorCode>, Time)> = Vec::new();
    let Gone {
        factors,
        mut miss,
        mut quality,
        drifts,
    } = gone;
    ended.extend(miss.end().map(|_| (RuleCode::Miss, None, miss.first_window)));
    let oxygen = plan.oxygen.and_then(|place| plan.codes.get(place)).copied();
    let of_oxygen = |rule| oxygen.filter(|_| rule == RuleCode::O2Hi);
    ended.extend(quality.end().map(|(rule, first)| (rule, of_oxygen(rule), first)));
    for mut drift in drifts {
        let first = drift.hold.first_window;
        ended.extend(drift.hold.end().map(|_| (RuleCode::Drift, Some(drift.factor), first)));
    }
    for mut factor in factors {
        let both = factor.quality.end().chain(factor.hourly.end());
        ended.extend(both.map(|(rule, first)| (rule, Some(factor.code), first)));
        let (code, series) = (Some(factor.code), &mut factor.series);
        let mut end = |rule, hold: &mut Hold| ended.extend(hold.end().map(|_| (rule, code, hold.first_window)));
        end(RuleCode::NearHour, &mut series.near);
        end(RuleCode::NearDay, &mut series.near_day);
        end(RuleCode::Const, &mut series.constant);
        end(RuleCode::Freq, &mut series.freq_hold);
        if let Some(charted) = &mut series.charted {
            end(RuleCode::Shift, &mut charted.hold);
        }
        for period in [Period::Hour, Period::Day] {
            let case = series.case(period);
            if case.open {
                ended.push((period.rule(), code, period.span(case.first).start));
            }
        }
    }
    for (rule, factor, first) in ended {
        let subject = Subject {
            rule,
            outlet: plan.id,
            factor,
            window: Span {
                start: first,
                end: ctx.now,
            },
        };
        let mut facts = Facts::default();
        facts.text(FactKey::Reason, NotJudged::NotRegistered.code());
        let say = Say {
            pane: Pane::Late,
            verdict: Verdict::NotJudged(NotJudged::NotRegistered),
            previous: None,
            late: false,
            evidence: facts.0,
        };
        let judgement = ctx.emit.say(subject, say);
        ctx.emit.happen(first, Edge::Cleared, false, judgement);
    }
}

impl Device {
    /// Takes note that something came, and by whom.
    pub(crate) fn hear(&mut self, ingest: IngestId, at: Time) {
        if self.heard.is_none_or(|heard| at >= heard) {
            (self.heard, self.ingest) = (Some(at), Some(ingest));
        }
    }
}
