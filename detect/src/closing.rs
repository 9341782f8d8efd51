//! When windows of an outlet are judged: hours and days at their on-time pane, revisions once things are quiet, and the
//! mark deadline.

use plume_schemas::judgement::{NotJudged, Pane};
use plume_schemas::registry::LimitWindow;
use plume_schemas::time::{HOUR_MS, MINUTE_MS, SECOND_MS, Span, Time};

use crate::engine::Ctx;
use crate::minutes::HOURS;
use crate::number::to_f64;
use crate::outlet::Outlet;
use crate::plan::OutletPlan;
use crate::rules::exceed::{Period, unconfirmed};
use crate::rules::exceed_day::{Day, DaySum};
use crate::rules::exceed_hour::Hour;
use crate::rules::miss::Device;
use crate::rules::{exceed_day, exceed_hour, freq, furnace, near_day, near_hour, ratio, shift};
use crate::series::Series;
use crate::value::{HourFacts, MINUTES};

/// Hours remembered, as a difference of hour numbers.
const REACH: i64 = 48;
const _: () = assert!(HOURS == 48);

/// Bit of an hour in a mask of 48.
fn bit(hour: i64) -> u64 {
    1 << hour.rem_euclid(REACH)
}

impl Outlet {
    /// Everything about an hour of a factor.
    fn hour_facts(&self, ctx: &Ctx<'_>, plan: &OutletPlan, i: usize, hour: i64) -> HourFacts {
        let factor = &plan.factors[i];
        let oxygen = plan.oxygen.and_then(|place| self.factors.get(place));
        let device_oxygen = oxygen.and_then(|oxygen| oxygen.series.hours.device(hour));
        let marked = self.marks.of_hour(factor.code, hour);
        let deaf_ms = ctx.clock.deaf_ms(Period::Hour.span(hour));
        HourFacts {
            scan: self.minutes(plan, i).scan(hour, marked.any(), MINUTES, true),
            device: self.factors[i].series.hours.device(hour),
            device_oxygen: device_oxygen
                .filter(|device| device.why == 0)
                .map(|device| device.value.millionths()),
            reference_o2: factor.reference_o2,
            marked,
            deaf: u8::try_from(deaf_ms.div_euclid(MINUTE_MS)).unwrap_or(MINUTES),
            needed: ctx.settings.window.valid_minutes,
        }
    }

    fn hour<'a>(&self, ctx: &Ctx<'_>, plan: &'a OutletPlan, i: usize, number: i64) -> Hour<'a> {
        let factor = &plan.factors[i];
        Hour {
            plan,
            factor,
            facts: self.hour_facts(ctx, plan, i, number),
            mark: self.marks.kind_of_hour(factor.code, number),
            number,
        }
    }

    /// Adds up the first `ended` hours of a day.
    fn day_sum(&self, ctx: &Ctx<'_>, plan: &OutletPlan, i: usize, day: i64, ended: i64) -> DaySum {
        let first = Period::Hour.number(Period::Day.span(day).start);
        let mut sum = DaySum::default();
        for hour in first..first + ended {
            let span = Period::Hour.span(hour);
            sum.add(if plan.stopped_over(span) {
                Err(NotJudged::StopWork)
            } else {
                self.hour_facts(ctx, plan, i, hour)
                    .choose()
                    .map(|value| value.sum.mean())
            });
        }
        sum
    }

    fn day<'a>(&self, ctx: &Ctx<'_>, plan: &'a OutletPlan, i: usize, number: i64) -> Day<'a> {
        Day {
            plan,
            factor: &plan.factors[i],
            sum: self.day_sum(ctx, plan, i, number, 24),
            device: self.factors[i].series.days.device(number),
            number,
        }
    }

    /// Judges one hour of one factor, and what follows from it. Without a limit there is nothing to judge.
    fn judge_hour(&mut self, ctx: &mut Ctx<'_>, plan: &OutletPlan, i: usize, number: i64, pane: Pane) {
        let factor = &plan.factors[i];
        let is_share = ratio::is_share(factor.code) && pane == Pane::OnTime;
        if factor.limits.is_empty() && !is_share {
            return;
        }
        let hour = self.hour(ctx, plan, i, number);
        if is_share {
            self.quality_of_share(ctx, plan, i, &hour);
        }
        if factor.limits.is_empty() {
            return;
        }
        if factor.has_limit(LimitWindow::Hour) {
            let series = &mut self.factors[i].series;
            let outcome = exceed_hour::judge(ctx, hour, series, pane);
            if pane == Pane::OnTime {
                near_hour::finish(ctx, plan, factor, series, number, outcome);
            }
            self.quality_of_hour(ctx, plan, i, &hour, pane);
        }
        if pane == Pane::OnTime {
            let mean = hour.facts.choose().map(|value| value.sum.mean());
            if factor.has_limit(LimitWindow::Day) {
                self.look_at_day(ctx, plan, i, number, mean);
            }
            let stopped = plan.stopped_over(Period::Hour.span(number));
            let mean = if stopped { Err(NotJudged::StopWork) } else { mean };
            shift::take(ctx, plan, factor, &mut self.factors[i].series, (number, mean));
        }
        let newest = self.closing.map_or(number, |closing| number.max(closing - 1));
        freq::look(ctx, plan, factor, &mut self.factors[i].series, (newest, pane, false));
    }

    /// The day's outlook after an hour of it was judged.
    fn look_at_day(&mut self, ctx: &mut Ctx<'_>, plan: &OutletPlan, i: usize, hour: i64, mean: Result<i64, NotJudged>) {
        let start = Period::Hour.span(hour).start;
        let day = Period::Day.number(start);
        let ended = hour + 1 - Period::Hour.number(Period::Day.span(day).start);
        let valid = self.day_sum(ctx, plan, i, day, ended).valid;
        let series = &mut self.factors[i].series;
        if let Ok(mean) = mean {
            series.hour_means.take(to_f64(mean));
        }
        let running = near_day::Running {
            plan,
            factor: &plan.factors[i],
            valid,
            day,
            ended: u8::try_from(ended).unwrap_or(24),
        };
        near_day::look(ctx, running, series);
    }

    fn judge_day(&mut self, ctx: &mut Ctx<'_>, plan: &OutletPlan, i: usize, number: i64, pane: Pane) {
        let factor = &plan.factors[i];
        let day = self.day(ctx, plan, i, number);
        let series = &mut self.factors[i].series;
        let outcome = exceed_day::judge(ctx, day, series, pane);
        if pane == Pane::OnTime {
            near_day::finish(ctx, plan, factor, series, number, outcome);
        }
        let newest = self.closing.map_or(i64::MIN, |closing| closing - 1);
        freq::look(ctx, plan, factor, series, (newest, pane, false));
    }

    /// When to let time pass next for windows: the end of a grace time, of a lag, of a settling time, a deadline.
    pub(crate) fn windows_due(&self, ctx: &Ctx<'_>) -> Option<Time> {
        let window = &ctx.settings.window;
        let grace = self
            .closing
            .map(|hour| Period::Hour.span(hour).end.plus(window.grace_s * SECOND_MS));
        let lag = grace.map(|at| at.plus(window.source_lag_s * SECOND_MS));
        let day = self
            .closing_day
            .map(|day| Period::Day.span(day).end.plus(window.day_grace_s * SECOND_MS));
        let settled = self.settling_due(ctx);
        let deadline = Period::Hour.mark_deadline(self.confirming, window.mark_deadline_hour);
        let later = [grace, lag, day].into_iter().flatten().filter(|&at| at > ctx.now);
        later.chain(settled).chain([deadline]).min()
    }

    /// When changes to windows that are judged already have settled.
    pub(crate) fn settling_due(&self, ctx: &Ctx<'_>) -> Option<Time> {
        let touched = self.factors.iter().filter(|factor| factor.series.dirty != 0);
        let settle_ms = ctx.settings.window.settle_s * SECOND_MS;
        touched.map(|factor| factor.series.dirty_since.plus(settle_ms)).min()
    }

    /// Judges every window whose time has come, oldest first.
    pub(crate) fn close(&mut self, ctx: &mut Ctx<'_>, plan: &OutletPlan) {
        let Some(mut hour) = self.closing else { return };
        // Hours before the rings' reach are nobody's any more (a log that was asleep for days).
        hour = hour.max(Period::Hour.number(ctx.now) - REACH + 1);
        while self.hour_is_due(ctx, plan, hour) {
            self.closing = Some(hour + 1);
            for i in 0..plan.factors.len() {
                if plan.validity.touches(Period::Hour.span(hour)) {
                    self.factors[i].series.dirty &= !bit(hour);
                    self.judge_hour(ctx, plan, i, hour, Pane::OnTime);
                }
            }
            self.quality_of_outlet(ctx, plan, hour);
            hour += 1;
        }
        self.closing = Some(hour);
        self.close_days(ctx, plan);
    }

    fn close_days(&mut self, ctx: &mut Ctx<'_>, plan: &OutletPlan) {
        let (Some(mut day), Some(closing)) = (self.closing_day, self.closing) else {
            return;
        };
        day = day.max(Period::Day.number(ctx.now) - 2);
        while self.day_is_due(ctx, plan, day, closing) {
            self.closing_day = Some(day + 1);
            for i in 0..plan.factors.len() {
                let touches = plan.validity.touches(Period::Day.span(day));
                if plan.factors[i].has_limit(LimitWindow::Day) && touches {
                    self.judge_day(ctx, plan, i, day, Pane::OnTime);
                }
            }
            day += 1;
        }
        self.closing_day = Some(day);
    }

    /// An hour is judged when every factor has its device's hour value, or its grace time is over and no device is
    /// still delivering data of it.
    fn hour_is_due(&self, ctx: &Ctx<'_>, plan: &OutletPlan, hour: i64) -> bool {
        let end = Period::Hour.span(hour).end;
        let window = &ctx.settings.window;
        let grace = end.plus(window.grace_s * SECOND_MS);
        // Nearly always: the hour runs, and no device has sent it.
        let was_sent = |device: &Device| device.hour_end.is_some_and(|sent| sent >= end);
        if ctx.now < grace && !self.devices.iter().any(was_sent) {
            return false;
        }
        let limited = plan
            .factors
            .iter()
            .zip(self.factors.iter())
            .filter(|(plan, _)| !plan.limits.is_empty());
        let mut devices = limited
            .map(|(_, factor)| factor.series.hours.device(hour).is_some())
            .peekable();
        if devices.peek().is_some() && devices.all(|came| came) {
            return true;
        }
        if ctx.now < grace {
            return false;
        }
        let lag_ms = window.source_lag_s * SECOND_MS;
        // A device that was heard lately but whose data have not come to the hour's end lags; an idle one does not
        // count.
        let lags = |device: &Device| {
            device.progress < end
                && device.progress > end.plus(-HOUR_MS)
                && device.heard.is_some_and(|heard| ctx.now.since(heard) < lag_ms)
        };
        ctx.now >= grace.plus(lag_ms) || !self.devices.iter().any(lags)
    }

    /// A day is judged after its last hour, when every factor has its device's day value or its grace time is over.
    fn day_is_due(&self, ctx: &Ctx<'_>, plan: &OutletPlan, day: i64, closing: i64) -> bool {
        let end = Period::Day.span(day).end;
        if closing < Period::Hour.number(end) {
            return false;
        }
        let limited = plan.factors.iter().zip(self.factors.iter());
        let mut limited = limited.filter(|(plan, _)| plan.has_limit(LimitWindow::Day)).peekable();
        let reported = limited.peek().is_some() && limited.all(|(_, factor)| factor.series.days.device(day).is_some());
        reported || ctx.now >= end.plus(ctx.settings.window.day_grace_s * SECOND_MS)
    }

    /// Judges again what has changed since and is quiet now.
    pub(crate) fn settle(&mut self, ctx: &mut Ctx<'_>, plan: &OutletPlan) {
        let settle_ms = ctx.settings.window.settle_s * SECOND_MS;
        for i in 0..self.factors.len() {
            let series = &self.factors[i].series;
            if series.dirty == 0 || ctx.now.since(series.dirty_since) < settle_ms {
                continue;
            }
            let dirty = std::mem::take(&mut self.factors[i].series.dirty);
            let Some(closing) = self.closing else { return };
            for hour in closing - REACH..closing {
                if dirty & bit(hour) != 0 {
                    self.revise(ctx, plan, i, hour);
                }
            }
        }
    }

    /// Judges an hour again that was judged already, and its day, if they are still remembered.
    pub(crate) fn revise(&mut self, ctx: &mut Ctx<'_>, plan: &OutletPlan, i: usize, hour: i64) {
        let judged = self.closing.is_some_and(|closing| hour < closing);
        if judged && self.factors[i].series.hours.reaches(hour) {
            self.judge_hour(ctx, plan, i, hour, Pane::Late);
            self.revise_day(ctx, plan, i, Period::Day.number(Period::Hour.span(hour).start));
        }
    }

    /// Judges a day again that was judged already, while its hours are remembered.
    pub(crate) fn revise_day(&mut self, ctx: &mut Ctx<'_>, plan: &OutletPlan, i: usize, day: i64) {
        let judged = self.closing_day.is_some_and(|closing| day < closing);
        let series = &self.factors[i].series;
        let first = Period::Hour.number(Period::Day.span(day).start);
        if judged
            && plan.factors[i].has_limit(LimitWindow::Day)
            && series.days.reaches(day)
            && series.hours.reaches(first)
        {
            self.judge_day(ctx, plan, i, day, Pane::Late);
        }
    }

    /// Notes that data of an hour changed. Where it is judged already it will be judged again once things are quiet.
    pub(crate) fn touched(&mut self, ctx: &Ctx<'_>, plan: &OutletPlan, i: usize, hour: i64) {
        // An hour before those remembered has no bit of its own.
        let is_remembered = |closing: i64| (closing - REACH..closing).contains(&hour);
        if !self.closing.is_some_and(is_remembered) {
            return;
        }
        let touch = |series: &mut Series| {
            if series.dirty == 0 {
                series.dirty_since = ctx.now;
            }
            series.dirty |= bit(hour);
        };
        if plan.oxygen == Some(i) {
            let states = plan.factors.iter().zip(self.factors.iter_mut());
            let corrected = states.filter(|(plan, _)| plan.reference_o2.is_some());
            corrected.for_each(|(_, factor)| touch(&mut factor.series));
        }
        touch(&mut self.factors[i].series);
    }

    /// Confirms what still exceeds when its mark deadline passes.
    pub(crate) fn confirm(&mut self, ctx: &mut Ctx<'_>, plan: &OutletPlan) {
        let deadline_hour = ctx.settings.window.mark_deadline_hour;
        while Period::Hour.mark_deadline(self.confirming, deadline_hour) <= ctx.now {
            let hour = self.confirming;
            for i in 0..plan.factors.len() {
                if unconfirmed(&self.factors[i].series, Period::Hour, hour) {
                    let view = self.hour(ctx, plan, i, hour);
                    exceed_hour::confirm(ctx, view, &mut self.factors[i].series);
                }
            }
            let end = Period::Hour.span(hour).end;
            let day = Period::Day.number(end) - 1;
            if Period::Day.span(day).end == end {
                self.confirm_day(ctx, plan, day);
            }
            self.confirming = (hour + 1).max(Period::Hour.number(ctx.now) - REACH);
        }
    }

    fn confirm_day(&mut self, ctx: &mut Ctx<'_>, plan: &OutletPlan, day: i64) {
        for i in 0..plan.factors.len() {
            if unconfirmed(&self.factors[i].series, Period::Day, day) {
                let view = self.day(ctx, plan, i, day);
                exceed_day::confirm(ctx, view, &mut self.factors[i].series);
            }
            let (view, state) = self.furnace(plan, i, day);
            furnace::confirm(ctx, view, state);
        }
    }

    fn furnace<'a>(
        &'a mut self,
        plan: &'a OutletPlan,
        i: usize,
        day: i64,
    ) -> (furnace::View<'a>, &'a mut furnace::Furnace) {
        let state = &mut self.factors[i];
        let view = furnace::View {
            plan,
            factor: &plan.factors[i],
            store: state.minutes.as_ref(),
            marks: &self.marks,
            day,
        };
        (view, &mut state.series.furnace)
    }

    /// Counts a furnace's day again.
    pub(crate) fn look_at_furnace(&mut self, ctx: &mut Ctx<'_>, plan: &OutletPlan, i: usize, day: i64) {
        let (view, state) = self.furnace(plan, i, day);
        furnace::look(ctx, view, state);
    }

    /// Judges again the remembered windows of the factors chosen that `span` touches.
    pub(crate) fn revise_span(
        &mut self,
        ctx: &mut Ctx<'_>,
        plan: &OutletPlan,
        span: Span,
        chosen: impl Fn(usize) -> bool,
    ) {
        let Some(closing) = self.closing else { return };
        let first = Period::Hour.number(span.start).max(closing - REACH);
        let last = Period::Hour.number(span.end.plus(-1)).min(closing - 1);
        for i in (0..plan.factors.len()).filter(|&i| chosen(i)) {
            // What was never said is not revised.
            for hour in first..=last {
                if self.factors[i].series.said(Period::Hour, hour).verdict != 0 {
                    self.judge_hour(ctx, plan, i, hour, Pane::Late);
                }
            }
            let day_of = |hour| Period::Day.number(Period::Hour.span(hour).start);
            for day in day_of(first)..=day_of(last) {
                if self.factors[i].series.said(Period::Day, day).verdict != 0 {
                    self.revise_day(ctx, plan, i, day);
                }
            }
            let newest = Period::Day.number(ctx.now);
            let days =
                Period::Day.number(span.start).max(newest - 1)..=Period::Day.number(span.end.plus(-1)).min(newest);
            for day in days {
                self.look_at_furnace(ctx, plan, i, day);
            }
        }
    }
}
