//! What is looked at once an hour, when it is judged: the hour against its minutes, and the leads.

use plume_schemas::judgement::Pane;
use plume_schemas::registry::LimitWindow;
use plume_schemas::time::{MINUTE_MS, Span};

use crate::engine::Ctx;
use crate::outlet::{Factor, Outlet};
use crate::plan::OutletPlan;
use crate::rules::exceed::Period;
use crate::rules::exceed_hour::Hour;
use crate::rules::{calgap, cap, hourmin, mark_abuse, near_mark, ratio, smooth, twin};
use crate::value::Minutes;

/// Hours before a mark's arrival that it may still say something new of.
const REACH_H: i64 = 48;

impl Outlet {
    /// Looks at an hour of the factor at `i` after it was judged.
    pub(crate) fn quality_of_hour(
        &mut self,
        ctx: &mut Ctx<'_>,
        plan: &OutletPlan,
        i: usize,
        hour: &Hour<'_>,
        pane: Pane,
    ) {
        if !hour.factor.has_limit(LimitWindow::Hour) || (hour.factor.is_water && !ctx.settings.window.water) {
            return;
        }
        let Some(mut hourly) = self.factors.get(i).map(|factor| factor.hourly) else {
            return;
        };
        let minutes: Minutes<'_> = self.minutes(plan, i);
        hourmin::look(ctx, hour, &minutes, &mut hourly.hourmin);
        if pane == Pane::OnTime {
            near_mark::look(ctx, hour, &minutes, hourly.near_at, &mut hourly.near_mark);
            cap::look(ctx, hour, &minutes, &mut hourly.cap);
            smooth::look(ctx, hour, &minutes, &mut hourly.smooth);
            if !ratio::is_share(hour.factor.code) {
                ratio::look(ctx, hour, &minutes, &mut hourly.ratio);
            }
            twin::look(ctx, hour, &minutes, &self.marks);
            if let Some(Factor { series, .. }) = self.factors.get(i) {
                calgap::look(ctx, hour, &minutes, &series.hours, &mut hourly.calgap);
            }
        }
        if let Some(factor) = self.factors.get_mut(i) {
            factor.hourly = hourly;
        }
    }

    /// Looks at what NO2 is of NOx, when an hour of it has ended.
    pub(crate) fn quality_of_share(&mut self, ctx: &mut Ctx<'_>, plan: &OutletPlan, i: usize, hour: &Hour<'_>) {
        let (Some(whole), Some(mut state)) = (
            ratio::whole(plan),
            self.factors.get(i).map(|factor| factor.hourly.ratio),
        ) else {
            return;
        };
        let (share, whole) = (self.minutes(plan, i), self.minutes(plan, whole));
        ratio::look_at_share(ctx, hour, (&share, &whole), &mut state);
        if let Some(factor) = self.factors.get_mut(i) {
            factor.hourly.ratio = state;
        }
    }

    /// Looks at an hour of the outlet as a whole when it has ended.
    pub(crate) fn quality_of_outlet(&mut self, ctx: &mut Ctx<'_>, plan: &OutletPlan, hour: i64) {
        mark_abuse::look(ctx, self, plan, hour);
    }

    /// Looks at what a mark that just came covers of the past.
    pub(crate) fn quality_of_mark(&mut self, ctx: &mut Ctx<'_>, plan: &OutletPlan, span: Span) {
        let now = Period::Hour.number(ctx.now);
        let first = Period::Hour.number(span.start).max(now - REACH_H);
        let last = Period::Hour.number(span.end.plus(-MINUTE_MS)).min(now - 1);
        for hour in first..=last {
            mark_abuse::look(ctx, self, plan, hour);
        }
    }
}
