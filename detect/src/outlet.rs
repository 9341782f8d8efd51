//! One outlet: its devices, its series, its marks, and the hours that are still to be judged.

use plume_schemas::entry::{Mark, Presence, PresenceState};
use plume_schemas::ids::{FactorCode, Mn};
use plume_schemas::judgement::Pane;
use plume_schemas::registry::LimitWindow;
use plume_schemas::time::{HOUR_MS, MINUTE_MS, Time};

use crate::engine::Ctx;
use crate::hold::Hold;
use crate::marks::Marks;
use crate::minutes::{HOURS, MinuteStore, Why};
use crate::plan::OutletPlan;
use crate::rules::exceed_hour::{Hour, mark_deadline, span_of};
use crate::rules::miss::Device;
use crate::rules::{exceed_hour, miss, near_hour};
use crate::series::Series;
use crate::state::persist;
use crate::value::{HourFacts, MINUTES, Minutes};

/// Devices remembered per outlet that are not in the registry; beyond it they are judged but their silence is not
/// watched.
const MAX_DEVICES: usize = 16;

/// State of one factor: its hot core, and its minutes apart.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Factor {
    pub(crate) code: FactorCode,
    pub(crate) series: Series,
    pub(crate) minutes: Option<MinuteStore>,
}
persist!(Factor { code, series, minutes });

/// State of one outlet.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Outlet {
    pub(crate) devices: Vec<Device>,
    /// In the order of the plan's factors.
    pub(crate) factors: Vec<Factor>,
    pub(crate) marks: Marks,
    pub(crate) miss: Hold,
    /// Next hour to judge; none before the clock first showed a time.
    pub(crate) closing: Option<i64>,
    /// Next hour whose mark deadline is to pass.
    pub(crate) confirming: i64,
    /// Last gas flow, and the minute it was measured.
    pub(crate) flow: Option<f64>,
    pub(crate) flow_minute: i64,
}
persist!(Outlet {
    devices,
    factors,
    marks,
    miss,
    closing,
    confirming,
    flow,
    flow_minute
});

impl Outlet {
    pub(crate) fn new() -> Self {
        Self {
            devices: Vec::new(),
            factors: Vec::new(),
            marks: Marks::default(),
            miss: Hold::default(),
            closing: None,
            confirming: 0,
            flow: None,
            flow_minute: 0,
        }
    }

    /// Fits the state to a plan: new factors and devices begin empty, gone ones are forgotten.
    pub(crate) fn fit(&mut self, plan: &OutletPlan) {
        let mut old = std::mem::take(&mut self.factors);
        self.factors = plan
            .factors
            .iter()
            .map(|factor| {
                let known = old
                    .iter()
                    .position(|known| known.code == factor.code)
                    .map(|place| old.swap_remove(place));
                known.unwrap_or_else(|| Factor {
                    code: factor.code,
                    series: Series::new(),
                    minutes: None,
                })
            })
            .collect();
        for source in &plan.sources {
            self.device(source.mn);
        }
    }

    /// The state of a device, made on first sight.
    pub(crate) fn device(&mut self, mn: Mn) -> Option<&mut Device> {
        let place = match self.devices.iter().position(|device| device.mn == mn) {
            Some(place) => place,
            None if self.devices.len() < MAX_DEVICES => {
                self.devices.push(Device::new(mn));
                self.devices.len() - 1
            }
            None => return None,
        };
        self.devices.get_mut(place)
    }

    /// Starts the hours when the clock first shows a time.
    pub(crate) fn wake(&mut self, now: Time) {
        if self.closing.is_none() {
            let hour = now.0.div_euclid(HOUR_MS);
            self.closing = Some(hour);
            self.confirming = hour;
        }
    }

    /// Everything about an hour of a factor.
    pub(crate) fn hour<'a>(&'a self, ctx: &Ctx<'_>, plan: &'a OutletPlan, place: usize, hour: i64) -> Hour<'a> {
        let factor = &plan.factors[place];
        let state = &self.factors[place];
        let oxygen = plan.oxygen.and_then(|place| self.factors.get(place));
        let marked = self.marks.of_hour(factor.code, hour);
        let device_oxygen = oxygen.and_then(|oxygen| oxygen.series.hours.device(hour));
        let deaf_ms = ctx.clock.deaf_ms(span_of(hour));
        Hour {
            plan,
            factor,
            facts: HourFacts {
                scan: self.minutes(plan, place).scan(hour, marked.any(), MINUTES),
                device: state.series.hours.device(hour),
                device_oxygen: device_oxygen
                    .filter(|device| device.why == 0)
                    .map(|device| device.value.millionths()),
                reference_o2: factor.reference_o2,
                marked,
                deaf: u8::try_from(deaf_ms.div_euclid(MINUTE_MS)).unwrap_or(60),
                needed: ctx.settings.window.valid_minutes,
            },
            mark: self.marks.kind_of_hour(factor.code, hour),
            number: hour,
        }
    }

    /// The minutes of a factor, with the oxygen to correct them.
    pub(crate) fn minutes(&self, plan: &OutletPlan, place: usize) -> Minutes<'_> {
        let oxygen = plan
            .oxygen
            .and_then(|place| self.factors.get(place))
            .and_then(|oxygen| oxygen.minutes.as_ref());
        Minutes {
            own: self.factors[place].minutes.as_ref(),
            oxygen,
            reference_o2: plan.factors[place].reference_o2,
        }
    }

    /// Judges one hour of one factor and takes note of it.
    fn judge(&mut self, ctx: &mut Ctx<'_>, plan: &OutletPlan, place: usize, hour: i64, pane: Pane) {
        // The series is lent out of the outlet while its rules write to it; the hour's facts are read first.
        let view = self.hour(ctx, plan, place, hour);
        let (facts, mark) = (view.facts, view.mark);
        let view = Hour {
            plan,
            factor: &plan.factors[place],
            facts,
            mark,
            number: hour,
        };
        let series = &mut self.factors[place].series;
        let outcome = exceed_hour::judge(ctx, view, series, pane);
        if pane == Pane::OnTime {
            near_hour::finish(ctx, plan, &plan.factors[place], series, hour, outcome);
        }
    }

    /// Lets time pass: judges hours that are complete, revisions that have settled, deadlines and silences.
    pub(crate) fn pass_time(&mut self, ctx: &mut Ctx<'_>, plan: &OutletPlan) {
        self.wake(ctx.now);
        self.close_hours(ctx, plan);
        self.settle(ctx, plan);
        self.confirm(ctx, plan);
        miss::look(ctx, plan, &self.devices, &mut self.miss);
    }

    /// When to let time pass next, if nothing comes before.
    pub(crate) fn due(&self, ctx: &Ctx<'_>, plan: &OutletPlan) -> Time {
        let window = &ctx.settings.window;
        let grace = self.closing.map(|hour| span_of(hour).end.plus(window.grace_s * 1_000));
        let lag = grace.map(|at| at.plus(window.source_lag_s * 1_000));
        let settled = self.factors.iter().filter(|factor| factor.series.dirty != 0);
        let settled = settled.map(|factor| factor.series.dirty_since.plus(window.settle_s * 1_000));
        let silence = miss::next_look(
            plan,
            &self.devices,
            ctx.clock.listening_since(),
            ctx.now,
            &ctx.settings.miss,
        );
        let deadline = mark_deadline(self.confirming, window.mark_deadline_hour);
        let closing = [grace, lag].into_iter().flatten().filter(|&at| at > ctx.now);
        let times = closing.chain(settled).chain(silence).chain([deadline]);
        times.min().unwrap_or(ctx.now).max(ctx.now.plus(1))
    }

    /// Judges every hour whose time has come, oldest first.
    pub(crate) fn close_hours(&mut self, ctx: &mut Ctx<'_>, plan: &OutletPlan) {
        let Some(mut hour) = self.closing else { return };
        // Hours before the ring's reach are nobody's any more (a log that was asleep for days).
        let oldest = ctx.now.0.div_euclid(HOUR_MS) - i64::try_from(HOURS).unwrap_or(48) + 1;
        hour = hour.max(oldest);
        while self.is_due(ctx, plan, hour) {
            for place in 0..plan.factors.len() {
                if plan.factors[place].has_limit(LimitWindow::Hour) && plan.validity.touches(span_of(hour)) {
                    self.factors[place].series.dirty &= !bit(hour);
                    self.judge(ctx, plan, place, hour, Pane::OnTime);
                }
            }
            hour += 1;
        }
        self.closing = Some(hour);
    }

    /// An hour is judged when every factor has its device's hour value, or its grace time is over and no device is
    /// still delivering data of it.
    fn is_due(&self, ctx: &Ctx<'_>, plan: &OutletPlan, hour: i64) -> bool {
        let end = span_of(hour).end;
        let window = &ctx.settings.window;
        let limited = plan
            .factors
            .iter()
            .zip(&self.factors)
            .filter(|(plan, _)| plan.has_limit(LimitWindow::Hour));
        let mut devices = limited
            .map(|(_, factor)| factor.series.hours.device(hour).is_some())
            .peekable();
        if devices.peek().is_some() && devices.all(|came| came) {
            return true;
        }
        let grace = end.plus(window.grace_s * 1_000);
        if ctx.now < grace {
            return false;
        }
        let lag_ms = window.source_lag_s * 1_000;
        // A device that was heard lately but whose data have not come to the hour's end lags; an idle one does not
        // count.
        let lags = |device: &Device| {
            device.progress < end
                && device.progress > end.plus(-HOUR_MS)
                && device.heard.is_some_and(|heard| ctx.now.since(heard) < lag_ms)
        };
        ctx.now >= grace.plus(lag_ms) || !self.devices.iter().any(lags)
    }

    /// Judges again what has changed since and is quiet now.
    fn settle(&mut self, ctx: &mut Ctx<'_>, plan: &OutletPlan) {
        let settle_ms = ctx.settings.window.settle_s * 1_000;
        for place in 0..self.factors.len() {
            let series = &self.factors[place].series;
            if series.dirty == 0 || ctx.now.since(series.dirty_since) < settle_ms {
                continue;
            }
            self.rejudge_dirty(ctx, plan, place);
        }
    }

    fn rejudge_dirty(&mut self, ctx: &mut Ctx<'_>, plan: &OutletPlan, place: usize) {
        let dirty = std::mem::take(&mut self.factors[place].series.dirty);
        let Some(closing) = self.closing else { return };
        let reach = i64::try_from(HOURS).unwrap_or(48);
        for hour in closing - reach..closing {
            if dirty & bit(hour) != 0 {
                self.revise(ctx, plan, place, hour);
            }
        }
    }

    /// Judges an hour again that was judged already, if it is still remembered.
    pub(crate) fn revise(&mut self, ctx: &mut Ctx<'_>, plan: &OutletPlan, place: usize, hour: i64) {
        let judged = self.closing.is_some_and(|closing| hour < closing);
        if judged && plan.factors[place].has_limit(LimitWindow::Hour) && self.factors[place].series.hours.reaches(hour)
        {
            self.judge(ctx, plan, place, hour, Pane::Late);
        }
    }

    /// Notes that data of an hour changed. Where it is judged already it will be judged again once things are quiet.
    pub(crate) fn touched(&mut self, ctx: &Ctx<'_>, plan: &OutletPlan, place: usize, hour: i64) {
        if self.closing.is_none_or(|closing| hour >= closing) {
            return;
        }
        let touch = |series: &mut Series| {
            if series.dirty == 0 {
                series.dirty_since = ctx.now;
            }
            series.dirty |= bit(hour);
        };
        if plan.oxygen == Some(place) {
            let corrected = plan
                .factors
                .iter()
                .zip(&mut self.factors)
                .filter(|(plan, _)| plan.reference_o2.is_some());
            corrected.for_each(|(_, factor)| touch(&mut factor.series));
        }
        touch(&mut self.factors[place].series);
    }

    /// Confirms what still exceeds when its mark deadline passes.
    fn confirm(&mut self, ctx: &mut Ctx<'_>, plan: &OutletPlan) {
        let deadline_hour = ctx.settings.window.mark_deadline_hour;
        while mark_deadline(self.confirming, deadline_hour) <= ctx.now {
            let hour = self.confirming;
            for place in 0..plan.factors.len() {
                let view = self.hour(ctx, plan, place, hour);
                let (facts, mark) = (view.facts, view.mark);
                let view = Hour {
                    plan,
                    factor: &plan.factors[place],
                    facts,
                    mark,
                    number: hour,
                };
                exceed_hour::confirm(ctx, view, &mut self.factors[place].series);
            }
            let oldest = ctx.now.0.div_euclid(HOUR_MS) - i64::try_from(HOURS).unwrap_or(48);
            self.confirming = (hour + 1).max(oldest);
        }
    }

    /// Takes a device's coming, going or spooling.
    pub(crate) fn presence(&mut self, presence: &Presence) {
        if let Some(device) = self.device(presence.mn) {
            match presence.state {
                PresenceState::Came => device.heard = device.heard.max(Some(presence.received_at)),
                PresenceState::Gone => {}
                PresenceState::Spooling => device.spooling = true,
                PresenceState::Drained => {
                    device.spooling = false;
                    device.heard = device.heard.max(Some(presence.received_at));
                    device.minutes_heard = device.minutes_heard.max(Some(presence.received_at));
                }
            }
        }
    }

    /// Enters or withdraws a mark and judges again the hours it touches.
    pub(crate) fn mark(&mut self, ctx: &mut Ctx<'_>, plan: &OutletPlan, mark: &Mark) {
        if !self.marks.apply(mark, ctx.now) {
            return;
        }
        let Some(closing) = self.closing else { return };
        let reach = i64::try_from(HOURS).unwrap_or(48);
        let first = mark.span.start.0.div_euclid(HOUR_MS).max(closing - reach);
        let last = (mark.span.end.0 - 1).div_euclid(HOUR_MS).min(closing - 1);
        for hour in first..=last {
            for place in 0..plan.factors.len() {
                if mark.factor.is_none_or(|only| only == plan.factors[place].code) {
                    self.revise(ctx, plan, place, hour);
                }
            }
        }
    }

    /// Judges again every remembered hour: the registry changed.
    pub(crate) fn revise_all(&mut self, ctx: &mut Ctx<'_>, plan: &OutletPlan) {
        let Some(closing) = self.closing else { return };
        let reach = i64::try_from(HOURS).unwrap_or(48);
        for hour in closing - reach..closing {
            for place in 0..plan.factors.len() {
                if self.factors[place].series.hours.said(hour).verdict != 0 {
                    self.revise(ctx, plan, place, hour);
                }
            }
        }
    }
}

/// Bit of an hour in a mask of 48.
fn bit(hour: i64) -> u64 {
    1 << hour.rem_euclid(48)
}

/// The value's reason as the hour ring keeps it.
pub(crate) fn why_number(value: Result<i64, Why>) -> u8 {
    value.err().map_or(0, Why::number)
}
