//! Any value of the types that go on the wire.

use plume_schemas::check::{Check, CheckPoint, CheckSource};
use plume_schemas::decimal::Decimal;
use plume_schemas::entry::{ClockStep, EntryBody, LogPosition, Mark, MarkKind, Presence, PresenceState, Tick};
use plume_schemas::event::{Edge, Event};
use plume_schemas::ids::{ContentId, FactorCode, IngestId, Inline, Mn, OutletId};
use plume_schemas::judgement::{Fact, FactKey, FactValue, Judgement, NotJudged, Pane, Verdict};
use plume_schemas::reading::{Basis, Flag, Reading, ReportKind, Statistic, Value};
use plume_schemas::recompute::{RecomputeCause, Recomputed, Revision, Turn};
use plume_schemas::registry::Registry;
use plume_schemas::report::{
    Complaint, ComplaintCode, Dialect, Evidence, Origin, QuarantineReason, Quarantined, Report, Times,
};
use plume_schemas::rule::{RuleCode, Severity};
use plume_schemas::time::{Span, Time};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

pub fn time() -> impl Strategy<Value = Time> {
    any::<i64>().prop_map(Time)
}

/// Text of at most `N` bytes in place, Chinese included.
pub fn inline<const N: usize>() -> impl Strategy<Value = Inline<N>> {
    "[ -~]{0,20}|[一-龟]{1,5}".prop_map(|text| {
        let mut kept = String::new();
        for c in text.chars() {
            if kept.len() + c.len_utf8() <= N {
                kept.push(c);
            }
        }
        Inline::new(&kept).unwrap()
    })
}

pub fn mn() -> impl Strategy<Value = Mn> {
    "[0-9A-F]{24}|[A-Za-z0-9_]{6,32}".prop_map(|text| Mn::new(&text).unwrap())
}

pub fn outlet() -> impl Strategy<Value = OutletId> {
    "[0-9A-Z]{18}:DA[0-9]{3}".prop_map(|text| OutletId::new(&text).unwrap())
}

pub fn factor() -> impl Strategy<Value = FactorCode> {
    "a[0-9]{5}|[A-Za-z0-9_-]{1,15}".prop_map(|text| FactorCode::new(&text).unwrap())
}

pub fn ingest() -> impl Strategy<Value = IngestId> {
    "[a-z0-9.-]{1,31}".prop_map(|text| IngestId::new(&text).unwrap())
}

pub fn content_id() -> impl Strategy<Value = ContentId> {
    any::<[u8; 16]>().prop_map(ContentId::from_bytes)
}

pub fn decimal() -> impl Strategy<Value = Decimal> {
    (any::<i64>(), 0..=18_u8).prop_map(|(mantissa, scale)| Decimal { mantissa, scale })
}

/// Any float but NaN, which equals nothing, itself included.
pub fn float() -> impl Strategy<Value = f64> {
    any::<f64>().prop_filter("NaN is not equal to itself", |value| !value.is_nan())
}

fn finite() -> impl Strategy<Value = f64> {
    any::<f64>().prop_filter("a check has numbers", |value| value.is_finite())
}

pub fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        decimal().prop_map(Value::Decimal),
        float().prop_map(Value::Float),
        inline().prop_map(Value::Text),
        Just(Value::Empty),
    ]
}

prop_compose! {
    pub fn reading()(
        factor in factor(),
        statistic in select(Statistic::ALL),
        basis in select(Basis::ALL),
        value in value(),
        flag in select(Flag::ALL),
        maker_flag in inline(),
    ) -> Reading {
        Reading { factor, statistic, basis, value, flag, maker_flag }
    }
}

prop_compose! {
    fn complaint()(code in select(ComplaintCode::ALL), factor in option::of(factor()), text in inline()) -> Complaint {
        Complaint { code, factor, text }
    }
}

prop_compose! {
    fn evidence()(
        packet in content_id(),
        raw in vec(any::<u8>(), 0..64),
        share: (u16, u16),
        cn: u16,
        qn in inline(),
        part: (u16, u16),
        key_id in option::of(inline()),
    ) -> Evidence {
        Evidence { packet, raw, share, cn, qn, part, key_id }
    }
}

prop_compose! {
    fn origin()(
        mn in mn(),
        st in inline(),
        dialect in select(Dialect::ALL),
        ingest in ingest(),
        peer in inline(),
        registry_revision: u64,
    ) -> Origin {
        Origin { mn, st, dialect, ingest, peer, registry_revision }
    }
}

prop_compose! {
    pub fn report()(
        outlet in outlet(),
        kind in select(ReportKind::ALL),
        (measured_at, sent_at, received_at) in (time(), option::of(time()), time()),
        origin in origin(),
        backfill: bool,
        readings in vec(reading(), 0..6),
        complaints in vec(complaint(), 0..3),
        evidence in evidence(),
    ) -> Report {
        let times = Times { measured_at, sent_at, received_at };
        Report { outlet, kind, times, origin, backfill, readings, complaints, evidence }
    }
}

prop_compose! {
    fn presence()(
        mn in mn(),
        outlet in outlet(),
        ingest in ingest(),
        state in select(PresenceState::ALL),
        epoch: u64,
        peer in inline(),
        received_at in time(),
    ) -> Presence {
        Presence { mn, outlet, ingest, state, epoch, peer, received_at }
    }
}

prop_compose! {
    fn mark()(
        id in content_id(),
        outlet in outlet(),
        factor in option::of(factor()),
        (start, end) in (time(), time()),
        kind in select(MarkKind::ALL),
        withdrawn: bool,
        (by, note) in (".{0,12}", ".{0,12}"),
        received_at in time(),
    ) -> Mark {
        Mark { id, outlet, factor, span: Span { start, end }, kind, withdrawn, by, note, received_at }
    }
}

prop_compose! {
    fn check()(
        (outlet, factor) in (outlet(), factor()),
        point in option::of(select(CheckPoint::ALL)),
        (at, received_at) in (time(), time()),
        (gas, before, after) in (finite(), finite(), option::of(finite())),
        adjusted: bool,
        source in select(CheckSource::ALL),
        (by, note) in (".{0,12}", ".{0,12}"),
    ) -> Check {
        Check { outlet, factor, point, at, gas, before, after, adjusted, source, by, note, received_at }
    }
}

pub fn entry() -> impl Strategy<Value = EntryBody> {
    prop_oneof![
        4 => report().prop_map(|report| EntryBody::Report(Box::new(report))),
        1 => (ingest(), time()).prop_map(|(ingest, received_at)| EntryBody::Tick(Tick { ingest, received_at })),
        1 => presence().prop_map(EntryBody::Presence),
        1 => (ingest(), time(), time()).prop_map(|(ingest, from, to)| {
            EntryBody::ClockStep(ClockStep { ingest, from, to })
        }),
        1 => any::<u64>().prop_map(|revision| {
            EntryBody::Registry(Box::new(Registry { revision, ..Registry::default() }))
        }),
        1 => mark().prop_map(EntryBody::Mark),
        1 => check().prop_map(|check| EntryBody::Check(Box::new(check))),
        1 => recomputed().prop_map(|recomputed| EntryBody::Recomputed(Box::new(recomputed))),
    ]
}

prop_compose! {
    pub fn quarantined()(
        reason in select(QuarantineReason::ALL),
        detail in ".{0,20}",
        received_at in time(),
        ingest in ingest(),
        peer in inline(),
        mn in option::of(mn()),
        cn in option::of(any::<u16>()),
        stream_offset: u64,
        raw in vec(any::<u8>(), 0..64),
    ) -> Quarantined {
        Quarantined { reason, detail, received_at, ingest, peer, mn, cn, stream_offset, raw }
    }
}

fn verdict() -> impl Strategy<Value = Verdict> {
    prop_oneof![
        Just(Verdict::Fine),
        select(Severity::ALL).prop_map(Verdict::Breach),
        select(NotJudged::ALL).prop_map(Verdict::NotJudged),
    ]
}

fn fact() -> impl Strategy<Value = Fact> {
    let value = prop_oneof![
        decimal().prop_map(FactValue::Decimal),
        float().prop_map(FactValue::Float),
        any::<i64>().prop_map(FactValue::Int),
        time().prop_map(FactValue::Time),
        inline().prop_map(FactValue::Text),
    ];
    (select(FactKey::ALL), value).prop_map(|(key, value)| Fact { key, value })
}

prop_compose! {
    pub fn judgement()(
        rule in select(RuleCode::ALL),
        (outlet, factor) in (outlet(), option::of(factor())),
        (start, end, judged_at) in (time(), time(), time()),
        pane in select(Pane::ALL),
        (verdict, previous) in (verdict(), option::of(verdict())),
        (partition, offset, ordinal, late) in any::<(u32, u64, u32, bool)>(),
        evidence in vec(fact(), 0..8),
    ) -> Judgement {
        Judgement {
            rule, outlet, factor, window: Span { start, end }, pane, verdict, previous,
            cause: LogPosition { partition, offset }, ordinal, judged_at, late, evidence,
        }
    }
}

fn revision() -> impl Strategy<Value = Revision> {
    let turn = (select(Edge::ALL), time()).prop_map(|(edge, first_window)| Turn { edge, first_window });
    (judgement(), vec(turn, 0..3)).prop_map(|(judgement, turns)| Revision { judgement, turns })
}

prop_compose! {
    fn recomputed()(
        outlet in outlet(),
        why in select(RecomputeCause::ALL),
        received_at in time(),
        revisions in vec(revision(), 0..4),
    ) -> Recomputed {
        Recomputed { outlet, why, received_at, revisions }
    }
}

prop_compose! {
    pub fn event()(
        (id, case) in (content_id(), content_id()),
        edge in select(Edge::ALL),
        at in time(),
        preliminary: bool,
        judgement in judgement(),
    ) -> Event {
        Event { id, case, edge, at, preliminary, judgement }
    }
}
