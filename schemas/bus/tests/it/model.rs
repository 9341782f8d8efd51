//! Random calls, reopenings, kills and power cuts against a model that is a few vectors.

use std::collections::BTreeMap;

use plume_bus::fs::{Loss, SimFs};
use plume_bus::{Bus, BusError, BusOptions, NewRecord, ReadLimit, Topic, TopicPartition};
use proptest::prelude::*;

use crate::support::{TINY, consumer, open_sim, options, pin, read_all, record, text};

const LINES: [TopicPartition; 3] = [
    TopicPartition::new(Topic::Reports, 0),
    TopicPartition::new(Topic::Reports, 1),
    TopicPartition::new(Topic::Events, 0),
];
const CONSUMERS: [&str; 3] = ["archive", "detect", "desk"];
const ARCHIVE: usize = 0;
const DETECT: usize = 1;

/// One thing that happens to the log.
#[derive(Clone, Debug)]
enum Operation {
    /// Records for these lines, each this long.
    Append(Vec<(usize, usize)>),
    /// The same, with a commit of a consumer on a line at a share (of 100) of what is there.
    Transact(Vec<(usize, usize)>, usize, usize, u64),
    /// A read of a line from a share of its range, with these limits.
    Read(usize, u64, usize, usize),
    /// A clean close and another opening.
    Reopen,
    /// The process dies; the system keeps what was written.
    Kill,
    /// The power goes.
    PowerCut(u64),
}

fn operation() -> impl Strategy<Value = Operation> {
    let batch = || prop::collection::vec((0..LINES.len(), 0_usize..400), 1..5);
    prop_oneof![
        6 => batch().prop_map(Operation::Append),
        4 => (batch(), 0..CONSUMERS.len(), 0..LINES.len(), 0..=100_u64)
            .prop_map(|(batch, who, line, share)| Operation::Transact(batch, who, line, share)),
        4 => (0..LINES.len(), 0..=100_u64, 0_usize..6, 0_usize..900)
            .prop_map(|(line, share, records, bytes)| Operation::Read(line, share, records, bytes)),
        1 => Just(Operation::Reopen),
        1 => Just(Operation::Kill),
        1 => any::<u64>().prop_map(Operation::PowerCut),
    ]
}

/// What the log must hold: every call is awaited, so everything is acknowledged.
#[derive(Debug, Default)]
struct Model {
    lines: [Vec<String>; LINES.len()],
    committed: BTreeMap<(usize, usize), u64>,
    /// The farthest that all pinning consumers together have ever been on a line: what may have been released.
    consumed: [u64; LINES.len()],
    written: usize,
}

impl Model {
    /// New records and the offsets they must get.
    fn batch(&mut self, batch: &[(usize, usize)]) -> (Vec<NewRecord>, Vec<u64>) {
        let mut records = Vec::new();
        let mut offsets = Vec::new();
        for &(line, bytes) in batch {
            let name = format!("n{}", self.written);
            self.written += 1;
            records.push(record(LINES[line], &name, bytes));
            offsets.push(self.lines[line].len() as u64);
            self.lines[line].push(name);
        }
        (records, offsets)
    }

    fn commit(&mut self, who: usize, line: usize, offset: u64) {
        self.committed.insert((who, line), offset);
        let of = |who| self.committed.get(&(who, line)).copied().unwrap_or(0);
        let detect_reads = LINES[line].topic == Topic::Reports;
        let both = if detect_reads {
            of(ARCHIVE).min(of(DETECT))
        } else {
            of(ARCHIVE)
        };
        self.consumed[line] = self.consumed[line].max(both);
    }

    fn expected(&self, line: usize, from: u64) -> Vec<(u64, String)> {
        (0..)
            .zip(self.lines[line].iter().cloned())
            .filter(|(offset, _)| *offset >= from)
            .collect()
    }

    async fn check(&self, bus: &Bus) {
        for (line, at) in LINES.into_iter().enumerate() {
            let range = bus.range(at).await.unwrap();
            assert_eq!(range.end, self.lines[line].len() as u64);
            assert!(range.start <= self.consumed[line], "released before everybody had it");
            let all = read_all(bus, at, ReadLimit { records: 7, bytes: 700 }).await.unwrap();
            let found: Vec<_> = all.iter().map(|r| (r.offset, text(r))).collect();
            assert_eq!(found, self.expected(line, range.start));
            for (who, name) in CONSUMERS.into_iter().enumerate() {
                let committed = bus.committed(consumer(name), at).await.unwrap();
                assert_eq!(committed, self.committed.get(&(who, line)).copied());
            }
        }
    }

    async fn read(&self, bus: &Bus, line: usize, share: u64, limit: ReadLimit) {
        let range = bus.range(LINES[line]).await.unwrap();
        let from = range.start + (range.end - range.start) * share / 100;
        let some = bus.read(LINES[line], from, limit).await.unwrap();
        let found: Vec<_> = some.iter().map(|r| (r.offset, text(r))).collect();
        let expected = self.expected(line, from);
        assert_eq!(found[..], expected[..found.len()]);
        let bytes: usize = some.iter().map(|r| r.key.len() + r.payload.len()).sum();
        assert!(found.len() <= limit.records && (bytes <= limit.bytes || found.len() == 1));
        assert!(
            !found.is_empty() || expected.is_empty() || limit.records == 0,
            "it moves on"
        );
        if from > 0 && range.start > 0 {
            let expired = bus.read(LINES[line], range.start - 1, limit).await;
            assert!(matches!(expired, Err(BusError::Expired { .. })));
        }
    }
}

fn keeping((keep_bytes, ahead_bytes): (u64, u64)) -> BusOptions {
    BusOptions {
        keep_bytes,
        ahead_bytes,
        pinning: vec![pin("archive", &Topic::ALL), pin("detect", &[Topic::Reports])],
        ..options()
    }
}

async fn run(operations: Vec<Operation>, kept: (u64, u64)) {
    let fs = SimFs::new();
    let mut model = Model::default();
    let mut bus = open_sim(&fs, keeping(kept)).await.unwrap();
    for operation in operations {
        let reopened = match operation {
            Operation::Append(batch) => {
                let (records, offsets) = model.batch(&batch);
                assert_eq!(bus.append(records).await.unwrap(), offsets);
                false
            }
            Operation::Transact(batch, who, line, share) => {
                let (records, offsets) = model.batch(&batch);
                let commit = model.lines[line].len() as u64 * share / 100;
                model.commit(who, line, commit);
                let commits = vec![(LINES[line], commit)];
                assert_eq!(
                    bus.transact(consumer(CONSUMERS[who]), records, commits).await.unwrap(),
                    offsets
                );
                false
            }
            Operation::Read(line, share, records, bytes) => {
                model.read(&bus, line, share, ReadLimit { records, bytes }).await;
                false
            }
            Operation::Reopen => {
                bus.close().await.unwrap();
                true
            }
            Operation::Kill => {
                fs.restart(Loss::Process);
                true
            }
            Operation::PowerCut(seed) => {
                fs.restart(Loss::PowerPartly(seed));
                true
            }
        };
        if reopened {
            bus = open_sim(&fs, keeping(kept)).await.unwrap();
            assert!(bus.findings().is_empty(), "nothing was in flight: {:?}", bus.findings());
            model.check(&bus).await;
        }
    }
    model.check(&bus).await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn the_log_does_what_the_model_does(
        operations in prop::collection::vec(operation(), 1..60),
        keep_bytes in prop_oneof![Just(0), Just(4 * TINY)],
        ahead_bytes in prop_oneof![Just(0), Just(500), Just(TINY)],
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(run(operations, (keep_bytes, ahead_bytes)));
    }
}
