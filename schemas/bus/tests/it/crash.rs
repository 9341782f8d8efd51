//! Crashes and disk errors at every single operation of a workload that appends, transacts, rolls and releases.
//!
//! After each: what was acknowledged is there, what was not is there whole or not at all, and work goes on.

use plume_bus::fs::{Fault, Loss, SimFs};
use plume_bus::{Bus, BusError, BusOptions, NewRecord, ReadLimit, TopicPartition};

use crate::support::{EVENTS, REPORTS, TINY, consumer, open_sim, read_all, record, text};

/// Zeros are written ahead for a step or two: some steps find room, some make it.
fn options() -> BusOptions {
    BusOptions {
        ahead_bytes: 700,
        ..crate::support::options()
    }
}

/// Steps of the workload. Each is one atomic call.
const STEPS: u64 = 30;

/// What the log holds after some steps: the state a test may find.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct State {
    reports: u64,
    events: u64,
    detect: Option<u64>,
    archive: Option<u64>,
}

impl State {
    /// The state after `steps`, and the call that step number `steps` makes.
    fn after(steps: u64) -> Self {
        let mut state = Self::default();
        for step in 0..steps {
            match step % 3 {
                0 => state.reports += 2,
                1 => {
                    state.events += 1;
                    state.detect = Some(state.reports);
                }
                _ => state.archive = Some(state.reports),
            }
        }
        state
    }

    async fn of(bus: &Bus) -> Result<Self, BusError> {
        Ok(Self {
            reports: bus.range(REPORTS).await?.end,
            events: bus.range(EVENTS).await?.end,
            detect: bus.committed(consumer("detect"), REPORTS).await?,
            archive: bus.committed(consumer("archive"), REPORTS).await?,
        })
    }
}

fn reports(from: u64) -> Vec<NewRecord> {
    vec![
        record(REPORTS, &format!("r{from}"), 150),
        record(REPORTS, &format!("r{}", from + 1), 150),
    ]
}

async fn step(bus: &Bus, step: u64) -> Result<(), BusError> {
    let at = State::after(step);
    match step % 3 {
        0 => bus.append(reports(at.reports)).await.map(drop),
        1 => {
            let output = vec![record(EVENTS, &format!("e{}", at.events), 90)];
            bus.transact(consumer("detect"), output, vec![(REPORTS, at.reports)])
                .await
                .map(drop)
        }
        _ => {
            bus.commit(consumer("archive"), vec![(REPORTS, at.reports), (EVENTS, at.events)])
                .await
        }
    }
}

/// Runs the steps from `from`; returns how many have been acknowledged in all, and the error that ended it.
async fn run(bus: &Bus, from: u64) -> (u64, Option<BusError>) {
    for number in from..STEPS {
        if let Err(error) = step(bus, number).await {
            return (number, Some(error));
        }
    }
    (STEPS, None)
}

async fn check_line(bus: &Bus, at: TopicPartition, prefix: &str) {
    let range = bus.range(at).await.unwrap();
    let all = read_all(bus, at, ReadLimit::records(5)).await.unwrap();
    let expected: Vec<_> = range.map(|offset| (offset, format!("{prefix}{offset}"))).collect();
    assert_eq!(all.iter().map(|r| (r.offset, text(r))).collect::<Vec<_>>(), expected);
}

/// The log holds `acked` steps, or one more; everything in it can be read; nothing unconsumed was released.
async fn check(bus: &Bus, acked: u64) -> u64 {
    let found = State::of(bus).await.unwrap();
    let steps = if found == State::after(acked) { acked } else { acked + 1 };
    assert_eq!(found, State::after(steps), "after {acked} acknowledged steps");
    check_line(bus, REPORTS, "r").await;
    check_line(bus, EVENTS, "e").await;
    let first = bus.range(REPORTS).await.unwrap().start;
    assert!(
        first <= found.archive.unwrap_or(0),
        "released before the archive had it"
    );
    steps
}

/// How many changing operations the workload makes on a healthy disk.
async fn operations() -> u64 {
    let fs = SimFs::new();
    let bus = open_sim(&fs, options()).await.unwrap();
    assert_eq!(run(&bus, 0).await.0, STEPS);
    let stats = bus.stats();
    assert!(
        stats.segments > 0 && stats.released_segments > 3,
        "the workload rolls and releases: {stats:?}"
    );
    fs.operations()
}

#[tokio::test]
async fn a_crash_at_every_operation() {
    let losses = [Loss::Process, Loss::Power]
        .into_iter()
        .chain((0..6).map(Loss::PowerPartly));
    let operations = operations().await;
    for loss in losses {
        for at in 0..operations {
            let fs = SimFs::new();
            fs.inject(at, Fault::Crash);
            let acked = match open_sim(&fs, options()).await {
                Ok(bus) => run(&bus, 0).await.0,
                Err(_) => 0,
            };
            fs.restart(loss);
            let bus = open_sim(&fs, options())
                .await
                .unwrap_or_else(|e| panic!("{loss:?} at {at}: {e}"));
            let steps = check(&bus, acked).await;
            assert_eq!(run(&bus, steps).await.0, STEPS, "{loss:?} at {at}: work goes on");
            check(&bus, STEPS).await;
        }
    }
}

/// What opening shows is durable from then on, even if the power goes right after.
#[tokio::test]
async fn what_a_killed_process_left_is_made_durable_by_opening() {
    for at in 0..operations().await {
        let fs = SimFs::new();
        fs.inject(at, Fault::Crash);
        if let Ok(bus) = open_sim(&fs, options()).await {
            run(&bus, 0).await;
        }
        fs.restart(Loss::Process);
        let shown = State::of(&open_sim(&fs, options()).await.unwrap()).await.unwrap();
        fs.restart(Loss::Power);
        let kept = State::of(&open_sim(&fs, options()).await.unwrap()).await.unwrap();
        assert_eq!(kept, shown, "operation {at}");
    }
}

/// A crash while recovering from a crash.
#[tokio::test]
async fn a_crash_at_every_operation_of_opening() {
    for first in (0..operations().await).step_by(3) {
        for second in 0.. {
            let fs = SimFs::new();
            fs.inject(first, Fault::Crash);
            let acked = match open_sim(&fs, options()).await {
                Ok(bus) => run(&bus, 0).await.0,
                Err(_) => 0,
            };
            fs.restart(Loss::PowerPartly(first));
            fs.inject(second, Fault::Crash);
            let done = open_sim(&fs, options()).await.is_ok();
            fs.restart(Loss::PowerPartly(second));
            check(&open_sim(&fs, options()).await.unwrap(), acked).await;
            if done {
                break;
            }
        }
    }
}

/// An error is fatal unless it says "no space" and is not a sync's: the step fails, later ones are refused, reading
/// goes on, and opening again goes on from what was acknowledged, with the failed step whole or not there.
#[tokio::test]
async fn an_error_at_every_operation() {
    for fault in [Fault::Error, Fault::NoSpace] {
        for at in 0..operations().await {
            let fs = SimFs::new();
            let Ok(bus) = open_sim(&fs, options()).await else {
                panic!()
            };
            fs.inject(at, fault);
            let (mut acked, mut error) = run(&bus, 0).await;
            while let Some(BusError::DiskFull { .. }) = error {
                assert_eq!(
                    State::of(&bus).await.unwrap(),
                    State::after(acked),
                    "nothing of the refused step is there"
                );
                (acked, error) = run(&bus, acked).await;
            }
            if let Some(error) = error {
                // Stopped already if it was the removal of a segment that failed, behind the step before.
                let named = matches!(error, BusError::WriteFailed { .. } | BusError::Stopped { .. });
                assert!(named, "{fault:?} at {at}: {error}");
                let next = step(&bus, acked).await.unwrap_err();
                assert!(matches!(next, BusError::Stopped { .. }), "{next}");
                assert!(matches!(bus.stopped().await, BusError::Stopped { .. }));
                assert!(bus.stats().stopped.is_some());
                assert_eq!(
                    State::of(&bus).await.unwrap(),
                    State::after(acked),
                    "readers see what was acknowledged"
                );
                check_line(&bus, REPORTS, "r").await;
            }
            drop(bus);
            fs.restart(Loss::Process);
            let bus = open_sim(&fs, options()).await.unwrap();
            let steps = check(&bus, acked).await;
            // A sync that failed proved nothing; opening has made sure.
            fs.restart(Loss::Power);
            let bus = open_sim(&fs, options()).await.unwrap();
            assert_eq!(check(&bus, steps).await, steps, "{fault:?} at {at}");
            assert_eq!(run(&bus, steps).await.0, STEPS);
        }
    }
}

/// Many segments become free at once. The names a power cut brings back never leave a hole.
#[tokio::test]
async fn a_power_cut_while_segments_are_released() {
    for at in 0..20 {
        for seed in 0..8 {
            let fs = SimFs::new();
            let bus = open_sim(&fs, options()).await.unwrap();
            for n in 0..15 {
                bus.append(reports(2 * n)).await.unwrap();
            }
            let segments = bus.stats().segments;
            fs.inject(at, Fault::Crash);
            let committed = bus.commit(consumer("archive"), vec![(REPORTS, 30)]).await.is_ok();
            assert!(at > 0 || !committed);
            fs.restart(Loss::PowerPartly(seed));
            let bus = open_sim(&fs, options())
                .await
                .unwrap_or_else(|e| panic!("{at} {seed}: {e}"));
            check_line(&bus, REPORTS, "r").await;
            assert!(segments > 4 && bus.range(REPORTS).await.unwrap().end == 30);
            assert_eq!(bus.read(REPORTS, 29, ReadLimit::records(1)).await.unwrap().len(), 1);
        }
    }
}

#[tokio::test]
async fn a_short_write_at_every_operation_is_not_noticed() {
    for at in 0..operations().await {
        let fs = SimFs::new();
        fs.inject(at, Fault::ShortWrite);
        let bus = open_sim(&fs, options()).await.unwrap();
        assert_eq!(run(&bus, 0).await.0, STEPS);
        check(&bus, STEPS).await;
    }
}

/// Several callers share a group when the power goes: each batch is there whole or not at all, acknowledged ones
/// surely.
#[tokio::test]
async fn callers_in_flight_when_the_power_goes() {
    const TASKS: usize = 5;
    for seed in 0..120 {
        let fs = SimFs::new();
        let roomy = BusOptions {
            segment_bytes: 8 * TINY,
            ..options()
        };
        let bus = open_sim(&fs, roomy.clone()).await.unwrap();
        fs.inject(3 + seed % 17, Fault::Crash);
        let one = |task: usize, bus: Bus| async move {
            let mut acked = Vec::new();
            for batch in 0..10 {
                let name = format!("t{task}b{batch}");
                let pair = vec![record(REPORTS, &name, 300), record(EVENTS, &name, 300)];
                match bus.append(pair).await {
                    Ok(offsets) => acked.push((name, offsets)),
                    Err(_) => break,
                }
            }
            acked
        };
        let tasks: Vec<_> = (0..TASKS).map(|task| tokio::spawn(one(task, bus.clone()))).collect();
        let mut acked = Vec::new();
        for task in tasks {
            acked.extend(task.await.unwrap());
        }
        drop(bus);
        fs.restart(Loss::PowerPartly(seed));
        let bus = open_sim(&fs, roomy).await.unwrap();
        let reports = read_all(&bus, REPORTS, ReadLimit::records(9)).await.unwrap();
        let events = read_all(&bus, EVENTS, ReadLimit::records(9)).await.unwrap();
        let texts: Vec<_> = reports.iter().map(text).collect();
        assert_eq!(
            texts,
            events.iter().map(text).collect::<Vec<_>>(),
            "seed {seed}: a batch was torn apart"
        );
        for (name, offsets) in acked {
            assert_eq!(texts[usize::try_from(offsets[0]).unwrap()], name, "seed {seed}");
        }
        let mut once = texts.clone();
        once.sort();
        once.dedup();
        assert_eq!(once.len(), texts.len(), "seed {seed}: something is there twice");
    }
}
