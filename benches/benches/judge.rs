//! Readings a second the judge takes, at 8,000 series: 2,000 outlets with four factors, three of them with an hour
//! limit, corrected.

use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use plume_benches::reports::Stack;
use plume_detect::{Engine, Out, Partition, Settings};
use plume_schemas::entry::{Entry, EntryBody, LogPosition};

/// Outlets of the bench.
const OUTLETS: usize = 2_000;
/// Readings in one report: four means, three corrected means.
const READINGS: u64 = 7;

/// The judge with all its outlets, and the log it reads.
struct Judged {
    engine: Engine,
    stack: Stack,
    out: Out,
    offset: u64,
    minute: i64,
}

impl Judged {
    fn new() -> Option<Self> {
        let settings: Settings = toml::from_str(include_str!("../../detect/tests/settings.toml")).ok()?;
        let stack = Stack::new(OUTLETS)?;
        let registry = stack.registry()?;
        let mut judged = Self {
            engine: Engine::new(settings, Partition { index: 0, count: 1 }),
            stack,
            out: Out::default(),
            offset: 0,
            minute: 0,
        };
        judged.step(vec![EntryBody::Registry(Box::new(registry))]);
        // Two hours of history, so that noise, hours and minute stores are full as in daily running.
        for _ in 0..120 {
            judged.next_minute();
        }
        Some(judged)
    }

    fn next_minute(&mut self) -> Duration {
        let bodies = self.stack.minute(self.minute);
        self.minute += 1;
        self.step(bodies)
    }

    /// Steps over the bodies; only the judge's own time counts.
    fn step(&mut self, bodies: Vec<EntryBody>) -> Duration {
        let entries: Vec<Entry> = (self.offset..)
            .zip(bodies)
            .map(|(offset, body)| Entry {
                at: LogPosition { partition: 0, offset },
                body,
            })
            .collect();
        self.offset += entries.len() as u64;
        let began = Instant::now();
        for entry in &entries {
            self.engine.step(entry, &mut self.out);
            self.out.clear();
        }
        began.elapsed()
    }
}

fn judge(c: &mut Criterion) {
    let Some(mut judged) = Judged::new() else {
        panic!("the bench's own registry or settings are wrong");
    };
    assert_eq!(judged.engine.outlet_count(), OUTLETS);
    let mut group = c.benchmark_group("judge/8000_series");
    group.throughput(Throughput::Elements(OUTLETS as u64 * READINGS));
    group.sample_size(10);
    group.bench_function("step_one_minute", |b| {
        b.iter_custom(|iterations| (0..iterations).map(|_| judged.next_minute()).sum());
    });
    group.finish();
}

criterion_group!(benches, judge);
criterion_main!(benches);
