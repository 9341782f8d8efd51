//! How good NEAR_HOUR is on stacks nobody steers, over seeds it was not tuned on. The generator knows the level to
//! come and can say which breaches were to be foreseen at minute 50; the judge knows only what it sees.
//!
//! Warnings are counted where they are urgent, the level that rings: at 0.9 one in ten may be wrong.

use plume_detect::{Engine, Out};
use plume_schemas::decimal::Decimal;
use plume_schemas::entry::{EntryBody, Tick};
use plume_schemas::event::Edge;
use plume_schemas::ids::{FactorCode, IngestId, Inline, Mn};
use plume_schemas::judgement::{FactKey, Verdict};
use plume_schemas::reading::{Basis, Flag, Reading, ReportKind, Statistic, Value};
use plume_schemas::rule::{RuleCode, Severity};
use plume_schemas::time::{HOUR_MS, MINUTE_MS, SECOND_MS, Time};

use crate::cases::engine;
use crate::script;

const LIMIT: f64 = 35.0;
/// Memory of the noise over a minute.
const PHI: f64 = 0.9;

/// Chance from a seed (splitmix64, G. Steele et al. 2014).
struct Chance(u64);

impl Chance {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.uniform()
    }

    fn normal(&mut self) -> f64 {
        let (a, b) = (self.uniform().max(1e-300), self.uniform());
        (-2.0 * a.ln()).sqrt() * (std::f64::consts::TAU * b).cos()
    }
}

/// A stack's minutes: the level, what is measured, and the deviation at the end of each minute.
struct Stack {
    share: f64,
    level: Vec<f64>,
    deviation: Vec<f64>,
    shown: Vec<f64>,
}

impl Stack {
    /// Levels of 55 to 97 % of the limit, two upsets a day of 20 to 150 minutes, an analyser of 40 s, samples every 5
    /// s.
    fn new(chance: &mut Chance, minutes: usize) -> Self {
        let base = LIMIT * chance.between(0.55, 0.97);
        let share = chance.between(0.015, 0.08);
        let (swing, phase) = (chance.between(0.0, 0.04), chance.between(0.0, std::f64::consts::TAU));
        let mut target = vec![(1.0, 300.0); minutes];
        let upsets = (0..4).filter(|_| chance.uniform() < minutes as f64 / 2_880.0).count();
        for _ in 0..upsets {
            let (start, lasts) = (chance.between(0.0, minutes as f64), chance.between(20.0, 150.0));
            let upset = (
                chance.between(1.1_f64.ln(), 2.2_f64.ln()).exp(),
                chance.between(60.0, 900.0),
            );
            let within = |minute: usize| minute as f64 >= start && (minute as f64) < start + lasts;
            (0..minutes)
                .filter(|&minute| within(minute))
                .for_each(|minute| target[minute] = upset);
        }
        let phi: f64 = PHI.powf(1.0 / 12.0);
        let (mut deviation, mut penetration, mut shown) = (chance.normal() * share, 1.0, base);
        let mut stack = Self {
            share,
            level: Vec::new(),
            deviation: Vec::new(),
            shown: Vec::new(),
        };
        for (minute, (height, lag)) in target.into_iter().enumerate() {
            let (mut sum, mut level) = (0.0, 0.0);
            for sample in 0..12 {
                let second = (minute * 60 + sample * 5) as f64;
                deviation = phi * deviation + (1.0 - phi * phi).sqrt() * share * chance.normal();
                penetration += (height - penetration) * (1.0 - (-5.0_f64 / lag).exp());
                let day = std::f64::consts::TAU * second / 86_400.0 - phase;
                level = base * (1.0 + swing * day.cos()) * penetration;
                let truth = level * (deviation - share * share / 2.0).exp();
                shown += (truth - shown) * (1.0 - (-5.0_f64 / 40.0).exp());
                sum += shown + 0.15 * chance.normal();
            }
            stack.level.push(level);
            stack.deviation.push(deviation);
            stack.shown.push((sum / 12.0 * 100.0).round() / 100.0);
        }
        stack
    }

    fn exceeds(&self, hour: usize) -> bool {
        self.shown[hour * 60..hour * 60 + 60].iter().sum::<f64>() / 60.0 > LIMIT
    }

    /// True where one who knows the level to come and the noise's state expects the hour to exceed, at minute 50.
    fn foreseen(&self, hour: usize) -> bool {
        let now = hour * 60 + 50;
        let so_far: f64 = self.shown[hour * 60..now].iter().sum();
        let ahead =
            |k: i32| self.level[now - 1 + usize::try_from(k).unwrap()] * (self.deviation[now - 1] * PHI.powi(k)).exp();
        so_far + (1..=10).map(ahead).sum::<f64>() > LIMIT * 60.0 && self.share > 0.0
    }
}

/// What was said of one hour.
#[derive(Default, Clone)]
struct Warned {
    /// Minute of the hour at which it became urgent, and at which anything was said.
    urgent: Option<usize>,
    any: Option<usize>,
}

/// Judges a stack and gives what was said, hour by hour.
fn judge(stack: &Stack, hours: usize) -> Vec<Warned> {
    let mut engine: Engine = engine();
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/any");
    let registry = EntryBody::Registry(Box::new(script::registry(&folder, "registry.toml")));
    let (start, ingest) = (script::time("01T00:00"), IngestId::new("i1").unwrap());
    let mut bodies = vec![
        registry,
        EntryBody::Tick(Tick {
            ingest,
            received_at: start,
        }),
    ];
    for (minute, &value) in (0_i64..).zip(&stack.shown) {
        let at = start.plus(minute * MINUTE_MS);
        let reading = Reading {
            factor: FactorCode::new("a21026").unwrap(),
            statistic: Statistic::Mean,
            basis: Basis::Corrected,
            value: Value::Decimal(Decimal::from_f64(value, 2).unwrap()),
            flag: Flag::Normal,
            maker_flag: Inline::default(),
        };
        let received_at = at.plus(MINUTE_MS + SECOND_MS);
        let mn = Mn::new("M1").unwrap();
        let report = script::make(ReportKind::Minute, at, received_at, mn, ingest, vec![reading]);
        bodies.push(EntryBody::Report(Box::new(report)));
    }
    let mut out = Out::default();
    for entry in script::entries(bodies) {
        engine.step(&entry, &mut out);
    }
    let mut said = vec![Warned::default(); hours];
    let near = out
        .events
        .iter()
        .filter(|event| event.judgement.rule == RuleCode::NearHour);
    for event in near.filter(|event| matches!(event.edge, Edge::Opened | Edge::Worsened)) {
        let window: Time = event.judgement.window.start;
        let place = |ms: i64, unit: i64| usize::try_from(ms / unit).unwrap();
        let (hour, minute) = (
            place(window.since(start), HOUR_MS),
            place(event.at.since(window), MINUTE_MS),
        );
        assert!(event.judgement.number(FactKey::Headroom).is_some());
        if event.judgement.verdict == Verdict::Breach(Severity::Urgent) {
            said[hour].urgent.get_or_insert(minute);
        }
        said[hour].any.get_or_insert(minute);
    }
    said
}

#[test]
fn near_warns_in_time_and_is_mostly_right() {
    let (stacks, hours) = (100, 24);
    let mut chance = Chance(2_026_112_107);
    let (mut foreseen, mut in_time, mut urgent, mut wrong, mut any, mut any_wrong) = (0, 0, 0, 0, 0, 0);
    let (mut exceeding, mut warned, mut leads) = (0, 0, Vec::new());
    for _ in 0..stacks {
        let stack = Stack::new(&mut chance, hours * 60);
        let said = judge(&stack, hours);
        for (hour, said) in said.iter().enumerate().skip(1) {
            let exceeds = stack.exceeds(hour);
            exceeding += u32::from(exceeds);
            warned += u32::from(exceeds && said.any.is_some());
            if exceeds && stack.foreseen(hour) {
                foreseen += 1;
                in_time += u32::from(said.urgent.is_some_and(|minute| minute <= 50));
            }
            urgent += u32::from(said.urgent.is_some());
            wrong += u32::from(said.urgent.is_some() && !exceeds);
            any += u32::from(said.any.is_some());
            any_wrong += u32::from(said.any.is_some() && !exceeds);
            leads.extend(said.urgent.filter(|_| exceeds).map(|minute| 60 - minute));
        }
    }
    leads.sort_unstable();
    let share = |part: u32, whole: u32| f64::from(part) / f64::from(whole.max(1));
    let (recall, false_share) = (share(in_time, foreseen), share(wrong, urgent));
    println!(
        "NEAR_HOUR: {exceeding} exceeding hours, {foreseen} to be foreseen at minute 50; urgent in time {recall:.3}, \
         urgent and wrong {false_share:.3} of {urgent}; any level: recall {:.3}, \
         wrong {:.3} of {any}; median lead {} min",
        share(warned, exceeding),
        share(any_wrong, any),
        leads.get(leads.len() / 2).copied().unwrap_or(0),
    );
    assert!(
        recall >= 0.9,
        "urgent in time for {recall:.3} of the foreseeable breaches"
    );
    assert!(
        false_share <= 0.1,
        "{false_share:.3} of the urgent warnings were not followed by exceedance"
    );
}
