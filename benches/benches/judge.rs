//! Readings a second the judge takes on one core, and bytes a series, from 8,000 to 1,000,000 series: outlets with four
//! factors, three of them with an hour limit, corrected, a packet a minute.
//!
//! `cargo bench -p plume-benches --bench judge -- 8000` measures one size alone, any number of them may be named.
//! Each is watched for an hour, then measured for the next: the median minute, and the whole hour with its judging.
//! Processor time of this thread counts, so that others on the machine disturb little.

use std::time::Duration;

use plume_benches::reports::Stack;
use plume_detect::{Engine, Out, Partition, Settings};
use plume_schemas::entry::{Entry, EntryBody, LogPosition};
use rustix::time::{ClockId, clock_gettime};

/// Factors of an outlet, each a series.
const FACTORS: usize = 4;
/// Readings in one report: four means, three corrected means.
const READINGS: usize = 7;
/// Sizes measured where none is named, in series.
const SIZES: [usize; 4] = [8_000, 64_000, 250_000, 1_000_000];
/// Minutes watched before, and measured.
const HOUR: usize = 60;
/// Reports made at once: as many as the log gives the judge in one read, and few enough to stay in the cache.
const BATCH: usize = 500;
/// Memory a series takes, with what the bench itself needs, KiB: sizes beyond the machine's free memory are left out.
const SERIES_KIB: usize = 11;

/// Processor time of this thread.
fn processor_time() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(now).unwrap_or_default()
}

/// The judge with all its outlets, and the log it reads.
struct Judged {
    engine: Engine,
    stack: Stack,
    out: Out,
    offset: u64,
    minute: i64,
    said: usize,
}

impl Judged {
    fn new(series: usize) -> Option<Self> {
        let settings: Settings = toml::from_str(include_str!("../../detect/tests/settings.toml")).ok()?;
        let stack = Stack::new(series / FACTORS)?;
        let registry = stack.registry()?;
        let mut judged = Self {
            engine: Engine::new(settings, Partition { index: 0, count: 1 }),
            stack,
            out: Out::default(),
            offset: 0,
            minute: 0,
            said: 0,
        };
        judged.step(vec![EntryBody::Registry(Box::new(registry))]);
        (judged.engine.outlet_count() == series / FACTORS).then_some(judged)
    }

    /// The next minute of all outlets.
    fn next_minute(&mut self) -> Duration {
        let outlets = self.engine.outlet_count();
        let mut took = Duration::ZERO;
        for first in (0..outlets).step_by(BATCH) {
            let bodies = self.stack.minute_of(self.minute, first..(first + BATCH).min(outlets));
            took += self.step(bodies);
        }
        self.minute += 1;
        took
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
        let began = processor_time();
        self.engine.steps(&entries, &mut self.out);
        let took = processor_time().saturating_sub(began);
        self.said += self.out.judgements.len();
        self.out.clear();
        took
    }

    /// One line of the table.
    fn measure(&mut self) -> String {
        for _ in 0..HOUR {
            self.next_minute();
        }
        self.said = 0;
        let mut minutes: Vec<Duration> = (0..HOUR).map(|_| self.next_minute()).collect();
        minutes.sort_unstable();
        let readings = self.engine.outlet_count() * READINGS;
        let rate = |readings: usize, took: Duration| readings as f64 / took.as_secs_f64() / 1e6;
        let memory = self.engine.memory();
        let per = |bytes: usize| bytes / memory.series.max(1);
        format!(
            "{:>9} {:>9.2} {:>9.2} {:>9.2} {:>9} {:>9} {:>9} {:>9} {:>12.4}",
            memory.series,
            rate(readings, minutes[HOUR / 2]),
            rate(readings, minutes[0]),
            rate(readings * HOUR, minutes.iter().sum()),
            per(memory.hot_core_bytes),
            per(memory.minute_store_bytes),
            per(memory.chart_bytes),
            per(self.engine.repeat_bytes()),
            self.said as f64 / (readings * HOUR) as f64,
        )
    }
}

/// Free memory, KiB.
fn free_kib() -> Option<usize> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}

#[expect(clippy::print_stdout, reason = "a bench prints what it measured")]
fn main() {
    let named: Vec<usize> = std::env::args().filter_map(|arg| arg.parse().ok()).collect();
    let sizes = if named.is_empty() { SIZES.to_vec() } else { named };
    println!("millions of readings per second of processor time, bytes a series");
    println!(
        "{:>9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>12}",
        "series", "median", "best", "hour", "core", "minutes", "charts", "repeats", "said/reading"
    );
    for series in sizes {
        if free_kib().is_some_and(|free| free < series * SERIES_KIB) {
            println!("{series:>9} left out: it takes {} MiB", series * SERIES_KIB / 1_024);
            continue;
        }
        let Some(mut judged) = Judged::new(series) else {
            panic!("the bench's own registry or settings are wrong");
        };
        println!("{}", judged.measure());
    }
}
