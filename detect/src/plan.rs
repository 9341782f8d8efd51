//! The registry made ready for judging: the outlets of this partition, sorted by id, with everything a rule asks about
//! resolved once. A plan is derived, never saved: a checkpoint keeps the registry and plans again.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::sync::Arc;

use plume_schemas::decimal::Decimal;
use plume_schemas::ids::{EnterpriseId, FactorCode, Inline, Mn, OutletId};
use plume_schemas::partition::partition_of;
use plume_schemas::reading::Basis;
use plume_schemas::registry::{
    Enterprise, FactorSetup, Limit, LimitBasis, LimitWindow, Outlet, Registry, Source, StopWork, Validity,
};
use plume_schemas::time::{Span, Time};

use crate::number;

/// Oxygen content of the gas (HJ 212-2017 annex B).
const OXYGEN: &str = "a19001";
/// Factors that show whether gas flows: exhaust flow and velocity. Their last value is kept per outlet.
const FLOWS: [&str; 2] = ["a00000", "a01011"];
/// Gas temperature.
const TEMPERATURE: &str = "a01012";
/// Factors judged per outlet. A stack has a dozen; the bound keeps state in proportion to what a permit can list.
pub(crate) const MAX_FACTORS: usize = 64;

/// What this judge knows of the world.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Plan {
    pub(crate) outlets: Vec<OutletPlan>,
}

/// One outlet.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct OutletPlan {
    pub(crate) id: OutletId,
    pub(crate) validity: Validity,
    pub(crate) district: Inline<47>,
    /// Industry of the enterprise, as the registry names it.
    pub(crate) industry: Arc<str>,
    pub(crate) trial_until: Option<Time>,
    pub(crate) stop_work: Vec<Validity>,
    pub(crate) sources: Vec<SourcePlan>,
    pub(crate) factors: Arc<[FactorPlan]>,
    /// Codes of the factors, close together for looking up.
    pub(crate) codes: Arc<[FactorCode]>,
    /// Place of the oxygen among the factors.
    pub(crate) oxygen: Option<usize>,
    /// Factors that show whether gas flows.
    pub(crate) flows: [FactorCode; 2],
    pub(crate) temperature: FactorCode,
    /// The chimney it shares with other outlets; empty where it has its own.
    pub(crate) shared_stack: Inline<63>,
}

/// One device of an outlet. The first of several rows is the one that counts where both report the same.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SourcePlan {
    pub(crate) mn: Mn,
    pub(crate) validity: Validity,
    pub(crate) minute_interval: u8,
    pub(crate) realtime_interval_s: u32,
    /// Only packets of this system code, if given, and only these factors, if any.
    pub(crate) st: Arc<str>,
    pub(crate) factors: Arc<[FactorCode]>,
}

/// One factor.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct FactorPlan {
    pub(crate) code: FactorCode,
    /// Which value is judged.
    pub(crate) basis: Basis,
    /// Reference oxygen, millionths of a percent.
    pub(crate) reference_o2: Option<i64>,
    /// Upper and lower end of the measuring range, millionths.
    pub(crate) range: Option<(i64, i64)>,
    pub(crate) limits: Vec<LimitPlan>,
    /// It is the oxygen content.
    pub(crate) is_oxygen: bool,
    /// It is of waste water, whose codes begin with `w` (HJ 212-2017 annex B).
    pub(crate) is_water: bool,
    /// Minutes of one analysis of a cycling analyser; 1 where it measures all the time.
    pub(crate) cycle_min: u8,
}

/// A longer cycle would leave an hour with a single value.
pub(crate) const LONGEST_CYCLE_MIN: u8 = 30;

/// One limit on a mean concentration.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct LimitPlan {
    pub(crate) window: LimitWindow,
    /// Millionths of the factor's unit.
    pub(crate) value: i64,
    /// As the permit writes it.
    pub(crate) typed: Decimal,
    /// Where it comes from: `permit`, a catalogue row.
    pub(crate) source: Inline<63>,
    /// The clause, where one is given.
    pub(crate) clause: Inline<63>,
    pub(crate) validity: Validity,
}

impl Plan {
    /// Plans the outlets of partition `index` of `count`. Of two rows with one id the first counts.
    pub(crate) fn new(registry: &Registry, index: u32, count: u32) -> Self {
        let mut sources: HashMap<OutletId, Vec<&Source>> = HashMap::new();
        for source in &registry.sources {
            sources.entry(source.outlet).or_default().push(source);
        }
        let enterprises = registry.enterprises.iter().rev();
        let enterprises: HashMap<EnterpriseId, &Enterprise> =
            enterprises.map(|enterprise| (enterprise.id, enterprise)).collect();
        let own = registry
            .outlets
            .iter()
            .filter(|outlet| partition_of(outlet.id, count) == index);
        let mut alike = Alike::default();
        let mut outlets: Vec<OutletPlan> = Vec::with_capacity(own.clone().count());
        for outlet in own {
            let sources = sources.get(&outlet.id).map_or(&[][..], Vec::as_slice);
            let enterprise = enterprises.get(&outlet.enterprise).copied();
            outlets.push(OutletPlan::new(outlet, sources, enterprise, &mut alike));
        }
        outlets.sort_by_key(|outlet| outlet.id);
        outlets.dedup_by_key(|outlet| outlet.id);
        Self { outlets }
    }
}

/// What outlets have alike is kept once: most stacks of a kind measure the same and have the same limits.
#[derive(Default)]
struct Alike {
    factors: HashSet<Arc<[FactorPlan]>>,
    codes: HashSet<Arc<[FactorCode]>>,
    texts: HashSet<Arc<str>>,
}

fn once<T: ?Sized + Eq + Hash>(known: &mut HashSet<Arc<T>>, one: Arc<T>) -> Arc<T> {
    if let Some(known) = known.get(&one) {
        return Arc::clone(known);
    }
    known.insert(Arc::clone(&one));
    one
}

impl OutletPlan {
    fn new(outlet: &Outlet, sources: &[&Source], enterprise: Option<&Enterprise>, alike: &mut Alike) -> Self {
        let mut factors: Vec<FactorPlan> = Vec::new();
        for setup in outlet.factors.iter().take(MAX_FACTORS - 1) {
            if !factors.iter().any(|known| known.code == setup.code) {
                factors.push(FactorPlan::new(setup));
            }
        }
        // Correction needs the oxygen, whether or not somebody listed it.
        let corrects = factors.iter().any(|factor| factor.reference_o2.is_some());
        if let (true, Ok(code)) = (corrects, FactorCode::new(OXYGEN))
            && !factors.iter().any(|factor| factor.code == code)
        {
            factors.push(FactorPlan::bare(code));
        }
        factors.sort_by_key(|factor| factor.code);
        let sources = sources.iter().map(|&source| SourcePlan::new(source, alike)).collect();
        Self {
            id: outlet.id,
            validity: outlet.validity(),
            // A district's name is a key here, nothing more: one that is too long counts as none.
            district: enterprise
                .and_then(|enterprise| Inline::new(&enterprise.district))
                .unwrap_or_default(),
            industry: once(
                &mut alike.texts,
                enterprise.map_or("", |enterprise| &enterprise.industry).into(),
            ),
            trial_until: outlet.trial_until,
            stop_work: outlet
                .stop_work
                .iter()
                .filter(|filed| filed.approved)
                .map(StopWork::validity)
                .collect(),
            sources,
            flows: FLOWS.map(|code| FactorCode::new(code).unwrap_or_default()),
            temperature: FactorCode::new(TEMPERATURE).unwrap_or_default(),
            shared_stack: short(&outlet.shared_stack),
            codes: once(&mut alike.codes, factors.iter().map(|factor| factor.code).collect()),
            oxygen: factors.iter().position(|factor| factor.code.as_str() == OXYGEN),
            factors: once(&mut alike.factors, factors.into()),
        }
    }

    /// Reads a little of each cache line of its own that a report touches.
    pub(crate) fn touch(&self) -> u64 {
        let ends = self
            .validity
            .valid_to
            .or(self.trial_until)
            .map_or(0, |at| at.0.unsigned_abs());
        ends ^ (self.stop_work.len() ^ self.sources.len() ^ self.factors.len() ^ self.codes.len()) as u64
    }

    /// The same of factors and devices.
    pub(crate) fn touch_factors(&self) -> u64 {
        let source = self.sources.first().map_or(0, |row| u64::from(row.realtime_interval_s));
        let code = self.codes.first().map_or(0, |code| u64::from(code.as_str().is_empty()));
        self.factors.iter().fold(source ^ code, |touched, factor| {
            let reference = factor.reference_o2.map_or(0, i64::unsigned_abs);
            touched ^ reference ^ factor.limits.len() as u64 ^ u64::from(factor.is_oxygen)
        })
    }

    /// The same of the limits.
    pub(crate) fn touch_limits(&self) -> u64 {
        let limits = self.factors.iter().flat_map(|factor| &factor.limits);
        limits.fold(0, |touched, limit| {
            touched ^ limit.value.unsigned_abs() ^ u64::from(limit.window == LimitWindow::Day)
        })
    }

    /// Rank and row of a device at a moment; lower ranks count first. Devices the registry does not (yet) know come
    /// last.
    pub(crate) fn source(&self, mn: Mn, at: Time) -> (u8, Option<&SourcePlan>) {
        let place = self
            .sources
            .iter()
            .position(|source| source.mn == mn && source.validity.covers(at))
            .or_else(|| self.sources.iter().position(|source| source.mn == mn));
        match place {
            Some(place) => (
                u8::try_from(place).unwrap_or(LAST_RANK).min(LAST_RANK),
                self.sources.get(place),
            ),
            None => (LAST_RANK, None),
        }
    }

    /// Whose readings of a factor are the outlet's at a moment: those of the chimney it shares, or those of a device.
    /// Two outlets of one origin are equal because the registry says so.
    pub(crate) fn origin(&self, factor: FactorCode, at: Time) -> Inline<63> {
        if !self.shared_stack.is_empty() {
            return self.shared_stack;
        }
        let serves = |source: &&SourcePlan| source.factors.is_empty() || source.factors.contains(&factor);
        let in_force = |source: &&SourcePlan| source.validity.covers(at);
        let source = self.sources.iter().filter(in_force).find(serves);
        source.map_or_else(Inline::default, |source| short(&format!("{}/{}", source.mn, source.st)))
    }

    /// True where filed and approved stop-work covers the whole of a window.
    pub(crate) fn stopped_over(&self, span: Span) -> bool {
        self.stopped_at(span.start) && self.stopped_at(span.end.plus(-1))
    }

    /// Why nobody is to be told, for now.
    pub(crate) fn inhibited(&self, now: Time) -> Option<&'static str> {
        self.trial_until.is_some_and(|until| now < until).then_some("trial_run")
    }

    /// Filed stop-work as spans; an open side is far away.
    pub(crate) fn stops(&self) -> impl Iterator<Item = Span> {
        self.stop_work.iter().map(|period| Span {
            start: period.valid_from.unwrap_or(Time(i64::MIN)),
            end: period.valid_to.unwrap_or(Time(i64::MAX)),
        })
    }

    /// True where filed and approved stop-work covers the moment.
    pub(crate) fn stopped_at(&self, at: Time) -> bool {
        self.stop_work.iter().any(|period| period.covers(at))
    }
}

/// Rank of the least trusted device; ranks fit four bits of an hour's note.
pub(crate) const LAST_RANK: u8 = 13;

impl SourcePlan {
    fn new(source: &Source, alike: &mut Alike) -> Self {
        // Intervals of the standard divide the hour (HJ 212-2017 table 5); anything else is read as one minute.
        let interval = source
            .minute_interval_min
            .filter(|&minutes| minutes > 0 && 60 % minutes == 0)
            .unwrap_or(1);
        Self {
            mn: source.mn,
            validity: source.validity(),
            minute_interval: interval,
            realtime_interval_s: source.realtime_interval_s.unwrap_or(60),
            st: once(&mut alike.texts, source.st.as_deref().unwrap_or_default().into()),
            factors: once(&mut alike.codes, source.factors.as_slice().into()),
        }
    }
}

impl FactorPlan {
    fn bare(code: FactorCode) -> Self {
        Self {
            code,
            basis: Basis::Standard,
            reference_o2: None,
            range: None,
            limits: Vec::new(),
            is_oxygen: code.as_str() == OXYGEN,
            is_water: code.as_str().starts_with('w'),
            cycle_min: 1,
        }
    }

    fn new(setup: &FactorSetup) -> Self {
        let reference_o2 = setup.reference_o2_pct.and_then(number::from_decimal);
        let high = setup.range_high.and_then(number::from_decimal);
        let low = setup.range_low.and_then(number::from_decimal).unwrap_or(0);
        let limits = setup
            .limits
            .iter()
            .filter(|limit| limit.basis == LimitBasis::Concentration);
        Self {
            basis: if reference_o2.is_some() {
                Basis::Corrected
            } else {
                Basis::Standard
            },
            reference_o2,
            range: high.filter(|&high| high > low).map(|high| (low, high)),
            limits: fitted(limits.filter_map(LimitPlan::new).collect()),
            cycle_min: setup.cycle_min.unwrap_or(1).clamp(1, LONGEST_CYCLE_MIN),
            ..Self::bare(setup.code)
        }
    }

    /// The limit in force at `at`, the strictest of several.
    pub(crate) fn limit(&self, window: LimitWindow, at: Time) -> Option<&LimitPlan> {
        let in_force = self
            .limits
            .iter()
            .filter(|limit| limit.window == window && limit.validity.covers(at));
        in_force.min_by_key(|limit| limit.value)
    }

    /// True when any limit on that mean is listed, in force or not.
    pub(crate) fn has_limit(&self, window: LimitWindow) -> bool {
        self.limits.iter().any(|limit| limit.window == window)
    }
}

impl LimitPlan {
    fn new(limit: &Limit) -> Option<Self> {
        Some(Self {
            window: limit.window,
            value: number::from_decimal(limit.value)?,
            typed: limit.value,
            source: short(&limit.source),
            clause: short(&limit.clause),
            validity: limit.validity(),
        })
    }
}

/// Without room to grow: a plan never does, and there are as many as outlets.
fn fitted<T>(mut rows: Vec<T>) -> Vec<T> {
    rows.shrink_to_fit();
    rows
}

/// A text as evidence keeps it: cut between characters where it is too long.
pub(crate) fn short(text: &str) -> Inline<63> {
    let mut end = text.len().min(63);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).and_then(Inline::new).unwrap_or_default()
}
