//! What a report does to an outlet: its readings go into minutes and hours, then the rules that look at running data
//! look.

use plume_schemas::ids::FactorCode;
use plume_schemas::reading::{Basis, Flag, Reading, ReportKind, Statistic};
use plume_schemas::registry::LimitWindow;
use plume_schemas::report::{ComplaintCode, Report};
use plume_schemas::rule::Severity;
use plume_schemas::time::{HOUR_MS, MINUTE_MS, Time};

use crate::cycle;
use crate::engine::Ctx;
use crate::minutes::{Change, Made, MinuteStore, Slot, Why};
use crate::number;
use crate::outlet::Outlet;
use crate::plan::{FactorPlan, MAX_FACTORS, OutletPlan};
use crate::quality;
use crate::ring::{DeviceValue, Ring, Short};
use crate::rules::common_cause::CommonCause;
use crate::rules::constant::{self, Seen};
use crate::rules::exceed::Period;
use crate::rules::near_hour::{self, Running};
use crate::rules::{amount, clock_skew, drift};
use crate::samples::{Sample, Taken};
use crate::value::MINUTES;

/// Longest span one minute packet covers, minutes: the largest MinInterval of the standard is 30.
const MAX_INTERVAL: u8 = 60;

/// One factor's value in a report.
#[derive(Clone, Copy, Debug)]
struct Given {
    /// The value judged, or why it does not count.
    value: Result<i64, Why>,
    /// False where it still has to be corrected.
    judged: bool,
    /// As measured, for rules that look at the instrument.
    measured: Option<i64>,
    digits: u8,
    /// It was given beside a corrected value; or only a corrected one was given.
    pair: bool,
    only_corrected: bool,
    /// Of the instrument's reading, and its number whatever the flag.
    flag: Flag,
    stated: Option<i64>,
}

impl Given {
    /// As the rules of quality see it.
    fn seen(&self, place: Place) -> quality::Given {
        quality::Given {
            start: place.minute,
            end: place.minute + i64::from(place.covers),
            judged: self.value.ok(),
            measured: self.measured,
            pair: self.pair,
            only_corrected: self.only_corrected,
            flag: self.flag,
            stated: self.stated,
        }
    }
}

/// Where a report belongs in time, and who sent it.
#[derive(Clone, Copy, Debug)]
struct Place {
    rank: u8,
    /// First minute since 1970, and how many it covers.
    minute: i64,
    covers: u8,
    /// It says something of now: neither sent again nor long past.
    current: bool,
}

/// Takes a report. Data stamped too far ahead are left out and counted; of a packet that comes again only its coming
/// counts.
pub(crate) fn report(
    ctx: &mut Ctx<'_>,
    outlet: &mut Outlet,
    plan: &OutletPlan,
    common: &CommonCause,
    (report, repeat): (&Report, bool),
) {
    clock_skew::look(ctx, outlet, plan, report);
    let at = report.times.measured_at;
    if at.since(ctx.now) > ctx.settings.window.future_s * 1_000 {
        ctx.counts.future += 1;
        return;
    }
    let (rank, row) = plan.source(report.origin.mn, at);
    let covers = match report.kind {
        ReportKind::Minute => row.map_or(1, |row| row.minute_interval).min(MAX_INTERVAL),
        ReportKind::FiveMinute => 5,
        ReportKind::RealTime => {
            let minutes = row.map_or(1, |row| row.realtime_interval_s / 60);
            u8::try_from(minutes).unwrap_or(MAX_INTERVAL).clamp(1, MAX_INTERVAL)
        }
        _ => 60,
    };
    let minute = at.0.div_euclid(MINUTE_MS);
    let end = Time((minute + i64::from(covers)) * MINUTE_MS);
    let place = Place {
        rank,
        minute,
        covers,
        current: !report.backfill && !ctx.is_late(end),
    };
    heard(outlet, report, place, end);
    match report.kind {
        _ if repeat => ctx.counts.repeats += 1,
        ReportKind::Minute | ReportKind::FiveMinute => minutes(ctx, outlet, plan, report, place),
        ReportKind::RealTime => samples(ctx, outlet, plan, report, place),
        ReportKind::Hour => windows(ctx, outlet, plan, report, (Period::Hour, rank)),
        ReportKind::Day => windows(ctx, outlet, plan, report, (Period::Day, rank)),
        ReportKind::Calibration => drift::report(ctx, outlet, plan, report),
        _ => {}
    }
    // An hour packet may complete an hour; anything may show that a device has passed its end.
    outlet.close(ctx, plan);
    if outlet.miss.is_open() {
        outlet.look_for_silence(ctx, plan, common);
    }
}

/// What the report says of its device being alive.
fn heard(outlet: &mut Outlet, report: &Report, place: Place, end: Time) {
    let received_at = report.times.received_at;
    let Some(device) = outlet.device(report.origin.mn) else {
        return;
    };
    device.hear(report.origin.ingest, received_at);
    match report.kind {
        ReportKind::RealTime | ReportKind::Minute | ReportKind::FiveMinute => {
            device.progress = device.progress.max(end);
            if place.current {
                device.minutes_heard = device.minutes_heard.max(Some(received_at));
            }
        }
        ReportKind::Hour => {
            let end = Period::Hour.span(report.times.measured_at.0.div_euclid(HOUR_MS)).end;
            device.progress = device.progress.max(end);
            device.hour_end = device.hour_end.max(Some(end));
        }
        _ => {}
    }
}

/// Which readings of a report are of which factor: numbers of readings plus one, as measured and corrected; 0 for none.
struct Spread([[u16; 2]; MAX_FACTORS]);

impl Spread {
    /// Goes through the report once. Of several readings with one name the first counts.
    fn new(codes: &[FactorCode], report: &Report, statistic: Statistic) -> Self {
        let mut places = [[0; 2]; MAX_FACTORS];
        let mut last = 0;
        for (number, reading) in (1_u16..).zip(&report.readings) {
            if reading.statistic != statistic || reading.basis == Basis::Raw {
                continue;
            }
            // Readings of one factor stand together, and factors mostly come in the order of their codes.
            if codes.get(last) != Some(&reading.factor) {
                let Some(found) = codes.iter().position(|&code| code == reading.factor) else {
                    continue;
                };
                last = found;
            }
            let place = &mut places[last][usize::from(reading.basis == Basis::Corrected)];
            if *place == 0 {
                *place = number;
            }
        }
        Self(places)
    }

    /// The readings of the factor at `place`: as measured, and corrected.
    fn of<'a>(&self, place: usize, report: &'a Report) -> [Option<&'a Reading>; 2] {
        self.0[place].map(|number| report.readings.get(usize::from(number.checked_sub(1)?)))
    }
}

/// Finds the value of a factor: the corrected one where one is judged, else the measured one to be corrected.
fn given(ctx: &Ctx<'_>, report: &Report, spread: &Spread, (i, factor): (usize, &FactorPlan)) -> Option<Given> {
    let [standard, zs] = spread.of(i, report);
    let (code, basis) = (factor.code, factor.basis);
    let wants_corrected = basis == Basis::Corrected;
    let chosen = if wants_corrected { zs.or(standard) } else { standard }?;
    let fit = |reading: &Reading| match reading.flag {
        Flag::Normal => Ok(()),
        Flag::Missing if ctx.settings.window.missing_flag_is_normal => Ok(()),
        flag => Err(Why::Flag(flag)),
    };
    let sentinel = wants_corrected
        && report
            .complaints
            .iter()
            .any(|complaint| complaint.code == ComplaintCode::Sentinel && complaint.factor.is_none_or(|of| of == code));
    let number = |reading: &Reading| number::from_value(reading.value);
    let value = match fit(chosen) {
        Err(why) => Err(why),
        Ok(()) if sentinel => Err(Why::NoCorrection),
        Ok(()) => number(chosen).ok_or(Why::Unreadable),
    };
    let of_instrument = standard.unwrap_or(chosen);
    Some(Given {
        value,
        judged: !wants_corrected || zs.is_some(),
        measured: fit(of_instrument).ok().and_then(|()| number(of_instrument)),
        digits: chosen.value.decimal().map_or(number::SCALE, |decimal| decimal.scale),
        pair: wants_corrected && standard.is_some() && zs.is_some(),
        only_corrected: standard.is_none(),
        flag: of_instrument.flag,
        stated: number(of_instrument),
    })
}

fn minutes(ctx: &mut Ctx<'_>, outlet: &mut Outlet, plan: &OutletPlan, report: &Report, place: Place) {
    take_flow(outlet, plan, report, Statistic::Mean, place);
    quality::report(ctx, outlet, plan, report, (Statistic::Mean, place.current));
    let (hour, first) = (place.minute.div_euclid(60), place.minute.rem_euclid(60));
    let last = (first + i64::from(place.covers)).min(60);
    let mut changed = 0_u64;
    let spread = Spread::new(&plan.codes, report, Statistic::Mean);
    for (i, factor) in plan.factors.iter().enumerate() {
        let Some(given) = given(ctx, report, &spread, (i, factor)) else {
            continue;
        };
        let slot = match given.value {
            Ok(value) => Slot::Value {
                value,
                judged: given.judged,
                from: Made::Packet,
            },
            Err(why) => Slot::Excluded {
                why,
                from: Made::Packet,
            },
        };
        let store = outlet.factors[i].minutes.get_or_insert_with(MinuteStore::new);
        let puts = (first..last).map(|minute| store.put(hour, usize::try_from(minute).unwrap_or(0), slot, place.rank));
        let change = puts.max_by_key(|&change| weight(change)).unwrap_or(Change::Same);
        ctx.count(change);
        if cycle::hold(store, (place.minute, place.covers, place.rank), slot, factor.cycle_min) {
            outlet.touched(ctx, plan, i, hour + 1);
        }
        if matches!(change, Change::New | Change::Revised) {
            changed |= 1 << i;
        }
        // A packet for a minute that its samples filled is a revision: where samples do not count it is the first look
        // at it.
        if matches!(change, Change::New | Change::Revised) && place.current {
            let (start, end) = (place.minute, place.minute + i64::from(place.covers));
            let seen = Seen {
                value: given.measured,
                start,
                end,
                flow: outlet.flow,
                runs: outlet.runs(place.minute),
            };
            constant::look(ctx, plan, factor, &mut outlet.factors[i].series, seen);
            quality::minute(ctx, outlet, plan, i, given.seen(place));
            drift::minute(ctx, outlet, plan, factor, &given.seen(place));
        }
    }
    after_minutes(ctx, outlet, plan, place, changed, MINUTES);
}

/// The rules that look at running data, for the factors that changed; hours judged already are noted for revision.
/// Minutes of the hour from `limit` on are not complete yet.
fn after_minutes(ctx: &mut Ctx<'_>, outlet: &mut Outlet, plan: &OutletPlan, place: Place, changed: u64, limit: u8) {
    let hour = place.minute.div_euclid(60);
    for i in (0..plan.factors.len()).filter(|&i| changed >> i & 1 == 1) {
        outlet.touched(ctx, plan, i, hour);
        if !place.current || (place.minute + i64::from(place.covers)) % 5 == 0 {
            let day = Period::Day.number(Period::Hour.span(hour).start);
            outlet.look_at_furnace(ctx, plan, i, day);
        }
        if place.current && Period::Hour.span(hour).end > ctx.now {
            near(ctx, outlet, plan, i, place, limit);
        }
    }
}

/// Feeds the newest minutes to the noise and looks at the running hour.
fn near(ctx: &mut Ctx<'_>, outlet: &mut Outlet, plan: &OutletPlan, i: usize, place: Place, limit: u8) {
    let (factor, hour) = (&plan.factors[i], place.minute.div_euclid(60));
    let start = Period::Hour.span(hour).start;
    let in_force = factor.limit(LimitWindow::Hour, start);
    let Some(size) = in_force.or_else(|| factor.limit(LimitWindow::Day, start)) else {
        return;
    };
    let marked = outlet.marks.of_hour(factor.code, hour).any();
    let scan = outlet.minutes(plan, i).scan(hour, marked, limit, false);
    let end = hour * 60 + i64::from(scan.end);
    let series = &mut outlet.factors[i].series;
    let (Some(last), true) = (scan.last, end > series.noise.end()) else {
        return;
    };
    let size = number::to_f64(size.value);
    series.noise.take(number::to_f64(last), end, place.covers, size);
    let since = scan.end.saturating_sub(place.covers);
    near_hour::look(
        ctx,
        Running {
            plan,
            factor,
            scan,
            hour,
            since,
        },
        series,
    );
    let level = if series.near_hour == hour { series.near.level } else { 0 };
    let state = &mut outlet.factors[i].hourly;
    if level >= Severity::Attention.number() && state.near_at < hour * 60 {
        state.near_at = end - 1;
    }
}

fn samples(ctx: &mut Ctx<'_>, outlet: &mut Outlet, plan: &OutletPlan, report: &Report, place: Place) {
    take_flow(outlet, plan, report, Statistic::Sample, place);
    quality::report(ctx, outlet, plan, report, (Statistic::Sample, place.current));
    let by_samples = outlet
        .devices
        .iter()
        .all(|device| device.mn != report.origin.mn || device.hour_end.is_none());
    let mut changed = 0_u64;
    let spread = Spread::new(&plan.codes, report, Statistic::Sample);
    for (i, factor) in plan.factors.iter().enumerate() {
        let Some(given) = given(ctx, report, &spread, (i, factor)) else {
            continue;
        };
        let sample = Sample {
            at: report.times.measured_at,
            value: given.value,
            digits: given.digits,
            judged: given.judged,
        };
        let slot = match outlet.factors[i].series.samples.take(sample) {
            Taken::Repeat => {
                ctx.counts.repeats += 1;
                continue;
            }
            Taken::Minute(slot) | Taken::Alone(slot) => slot,
        };
        let change = put_sample(outlet, i, place, slot);
        ctx.count(change);
        if matches!(change, Change::New | Change::Revised) {
            changed |= 1 << i;
        }
        if by_samples && place.current && change == Change::New {
            let (start, end) = (place.minute, place.minute + i64::from(place.covers));
            let seen = Seen {
                value: given.measured,
                start,
                end,
                flow: outlet.flow,
                runs: outlet.runs(place.minute),
            };
            constant::look(ctx, plan, factor, &mut outlet.factors[i].series, seen);
            quality::minute(ctx, outlet, plan, i, given.seen(place));
        }
    }
    // More samples of this minute may come: it is looked at when the next one begins.
    let minute = u8::try_from(place.minute.rem_euclid(60)).unwrap_or(0);
    let limit = if place.covers > 1 {
        minute + place.covers
    } else {
        minute
    };
    after_minutes(ctx, outlet, plan, place, changed, limit);
}

/// Puts what samples make of a minute (and of the minutes until the next sample is due) into the store. A minute that
/// has a mean of samples is replaced by the newer mean.
fn put_sample(outlet: &mut Outlet, i: usize, place: Place, slot: Slot) -> Change {
    let (hour, first) = (place.minute.div_euclid(60), place.minute.rem_euclid(60));
    let last = (first + i64::from(place.covers)).min(60);
    let store = outlet.factors[i].minutes.get_or_insert_with(MinuteStore::new);
    let puts = (first..last).map(|minute| store.put(hour, usize::try_from(minute).unwrap_or(0), slot, place.rank));
    puts.max_by_key(|&change| weight(change)).unwrap_or(Change::Same)
}

/// Takes a device's hour or day values; windows judged already are judged again at once.
fn windows(ctx: &mut Ctx<'_>, outlet: &mut Outlet, plan: &OutletPlan, report: &Report, (period, rank): (Period, u8)) {
    let number = period.number(report.times.measured_at);
    if period == Period::Hour {
        amount::look(ctx, outlet, plan, report, number);
    }
    let mut changed = 0_u64;
    let spread = Spread::new(&plan.codes, report, Statistic::Mean);
    for (i, factor) in plan.factors.iter().enumerate() {
        let Some(given) = given(ctx, report, &spread, (i, factor)) else {
            continue;
        };
        let new = DeviceValue {
            value: Short::new(given.value.unwrap_or(0)),
            why: given.value.err().map_or(0, Why::number),
            to_correct: !given.judged,
            rank,
        };
        let series = &mut outlet.factors[i].series;
        let (old, put, reaches) = match period {
            Period::Hour => put(&mut series.hours, number, new),
            Period::Day => put(&mut series.days, number, new),
        };
        ctx.count(match (put, reaches, old == Some(new)) {
            (true, ..) if old.is_some() => Change::Revised,
            (true, ..) => Change::New,
            (false, false, _) => Change::TooOld,
            (false, true, true) => Change::Same,
            (false, true, false) => Change::Outranked,
        });
        changed |= u64::from(put) << i;
    }
    let oxygen_changed = plan.oxygen.is_some_and(|place| changed >> place & 1 == 1);
    for (i, factor) in plan.factors.iter().enumerate() {
        if changed >> i & 1 == 1 || (oxygen_changed && factor.reference_o2.is_some()) {
            match period {
                Period::Hour => outlet.revise(ctx, plan, i, number),
                Period::Day => outlet.revise_day(ctx, plan, i, number),
            }
        }
    }
}

/// What was there before, whether the new value went in, and whether the ring reaches the window.
fn put<const N: usize>(ring: &mut Ring<N>, number: i64, new: DeviceValue) -> (Option<DeviceValue>, bool, bool) {
    let old = ring.device(number);
    let put = ring.put_device(number, new);
    (old, put, ring.reaches(number))
}

/// Keeps the newest gas flow of the outlet.
fn take_flow(outlet: &mut Outlet, plan: &OutletPlan, report: &Report, statistic: Statistic, place: Place) {
    if place.minute < outlet.flow_minute {
        return;
    }
    for code in plan.flows {
        let flows = |reading: &&Reading| reading.factor == code && reading.statistic == statistic;
        let reading = report
            .readings
            .iter()
            .filter(flows)
            .find(|reading| reading.flag == Flag::Normal);
        if let Some(value) = reading.and_then(|reading| number::from_value(reading.value)) {
            (outlet.flow, outlet.flow_minute) = (Some(number::to_f64(value)), place.minute);
            return;
        }
    }
}

/// Of several minutes of one packet, the change that matters most.
fn weight(change: Change) -> u8 {
    match change {
        Change::TooOld => 0,
        Change::Same => 1,
        Change::Outranked => 2,
        Change::New => 3,
        Change::Revised => 4,
    }
}
