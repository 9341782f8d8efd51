//! Torn tails at every byte, flipped bits at every byte, missing and shortened segments: refused or repaired, never
//! wrong.

use std::ops::Range;
use std::path::PathBuf;

use plume_bus::fs::{Fs, Loss, SimFs};
use plume_bus::{Bus, BusError, BusOptions, Finding, FindingKind, ReadLimit, Recovery, TopicPartition};

use crate::support::{EVENTS, REPORTS, consumer, open_sim, options, read_all, record, segments, sim_dir, text};

/// Batches of the log under test: each one report, every third also an event; `desk` commits with every fourth.
pub(crate) const BATCHES: u64 = 14;

pub(crate) fn keep() -> BusOptions {
    BusOptions {
        pinning: Vec::new(),
        keep_bytes: 1 << 19,
        ..options()
    }
}

pub(crate) fn set_aside() -> BusOptions {
    BusOptions {
        recovery: Recovery::SetAside,
        ..keep()
    }
}

async fn write(bus: &Bus, batch: u64) {
    let mut batch_records = vec![record(REPORTS, &format!("r{batch}"), 60)];
    if batch.is_multiple_of(3) {
        batch_records.push(record(EVENTS, &format!("e{}", batch / 3), 40));
    }
    if batch.is_multiple_of(4) {
        bus.transact(consumer("desk"), batch_records, vec![(REPORTS, batch)])
            .await
            .unwrap();
    } else {
        bus.append(batch_records).await.unwrap();
    }
}

/// A log of some batches, cleanly closed or not, on a disk nobody has open.
pub(crate) async fn log(batches: u64, close: bool) -> SimFs {
    let fs = SimFs::new();
    let bus = open_sim(&fs, keep()).await.unwrap();
    for batch in 0..batches {
        write(&bus, batch).await;
    }
    if close {
        bus.close().await.unwrap();
    }
    drop(bus);
    fs.restart(Loss::Process);
    fs
}

/// Everything readable, as offsets and texts; the first damage found while reading ends it.
pub(crate) async fn content(bus: &Bus, at: TopicPartition) -> Result<Vec<(u64, String)>, BusError> {
    let all = read_all(bus, at, ReadLimit::records(100)).await?;
    Ok(all.iter().map(|r| (r.offset, text(r))).collect())
}

fn genuine(prefix: &str, all: &[(u64, String)]) -> bool {
    all.iter().all(|(offset, text)| *text == format!("{prefix}{offset}")) && all.windows(2).all(|w| w[0].0 < w[1].0)
}

#[tokio::test]
async fn a_tail_torn_at_every_byte_is_cut_off() {
    let before = log(7, false).await;
    let whole = log(8, false).await;
    let path = segments(&whole).pop().unwrap();
    let (start, full) = (before.content(&path).unwrap().len(), whole.content(&path).unwrap());
    assert!(full.len() > start + 50, "both lie in one segment");
    for (cut, filler) in (start..full.len()).flat_map(|cut| [(cut, 0), (cut, 1), (cut, 30), (cut, 700)]) {
        let fs = log(8, false).await;
        let mut torn = full[..cut].to_vec();
        torn.resize(cut + filler, 0); // A length that arrived before the bytes.
        fs.replace(&path, torn.clone());
        let bus = open_sim(&fs, keep()).await.unwrap();
        let complete = torn.starts_with(&full);
        let (batches, end) = if complete { (8, full.len()) } else { (7, start) };
        assert_eq!(content(&bus, REPORTS).await.unwrap().len(), batches, "cut at {cut}");
        match bus.findings() {
            [] => assert!(torn[end..].iter().all(|byte| *byte == 0), "cut at {cut}"),
            [
                Finding {
                    file,
                    offset,
                    bytes,
                    kind,
                    ..
                },
            ] => {
                assert_eq!((file, *offset, *bytes), (&path, end as u64, (torn.len() - end) as u64));
                // A frame's length of bytes is more than an interrupted write, unless more zeros end it than a frame.
                let head = start..start + 32;
                let head_whole = torn.get(head.clone()) == Some(&full[head]);
                let frame_end = if head_whole { full.len() } else { start + 32 };
                let written = torn.iter().rposition(|byte| *byte != 0).unwrap() + 1;
                let unsure = !complete && torn.len() >= frame_end && written + 16 > frame_end;
                assert_eq!(
                    *kind,
                    if unsure {
                        FindingKind::UnsureTail
                    } else {
                        FindingKind::TornTail
                    },
                    "cut at {cut}"
                );
            }
            other => panic!("{other:?}"),
        }
        if complete {
            continue;
        }
        write(&bus, 7).await;
        drop(bus);
        let bus = open_sim(&fs, keep()).await.unwrap();
        let all = content(&bus, REPORTS).await.unwrap();
        assert!(all.len() == 8 && genuine("r", &all) && bus.findings().is_empty());
    }
}

/// What one flipped bit did.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    RefusedToOpen,
    RefusedToRead,
    CutOff,
    Harmless,
}

/// Opens and reads everything; whatever comes out must be genuine.
async fn outcome(fs: &SimFs, batches: u64) -> Outcome {
    let bus = match open_sim(fs, keep()).await {
        Ok(bus) => bus,
        Err(error) => {
            assert!(matches!(error, BusError::Damaged { .. }), "{error}");
            return Outcome::RefusedToOpen;
        }
    };
    let (Ok(reports), Ok(events)) = (content(&bus, REPORTS).await, content(&bus, EVENTS).await) else {
        return Outcome::RefusedToRead;
    };
    assert!(genuine("r", &reports) && genuine("e", &events));
    match reports.len() as u64 {
        n if n == batches => Outcome::Harmless,
        n => {
            assert_eq!(n, batches - 1, "only the last batch can be in doubt");
            assert_eq!(bus.findings()[0].kind, FindingKind::UnsureTail);
            assert!(bus.findings()[0].kept_in.is_some());
            Outcome::CutOff
        }
    }
}

async fn flip_every_byte(close: bool) -> Vec<(PathBuf, usize, Outcome)> {
    let pristine = log(BATCHES, close).await;
    let mut outcomes = Vec::new();
    for path in segments(&pristine) {
        let content = pristine.content(&path).unwrap();
        for at in 0..content.len() {
            let fs = log_again(&pristine);
            let mut flipped = content.clone();
            flipped[at] ^= 1 << (at % 8);
            fs.replace(&path, flipped);
            outcomes.push((path.clone(), at, outcome(&fs, BATCHES).await));
        }
    }
    outcomes
}

/// A copy of a disk.
fn log_again(from: &SimFs) -> SimFs {
    let fs = SimFs::new();
    for path in segments(from) {
        fs.replace(&path, from.content(&path).unwrap());
    }
    fs
}

#[tokio::test]
async fn a_bit_flipped_anywhere_in_a_closed_log_is_refused() {
    let outcomes = flip_every_byte(true).await;
    let paths: Vec<_> = outcomes.iter().map(|(path, ..)| path.clone()).collect();
    let last = paths.last().unwrap().clone();
    let end = paths.iter().filter(|path| **path == last).count();
    assert_ne!(paths[0], last, "several segments");
    for (path, at, outcome) in outcomes {
        let closing_frame = path == last && at + 32 >= end;
        match outcome {
            Outcome::RefusedToOpen | Outcome::RefusedToRead => assert!(!closing_frame, "{path:?} {at}"),
            Outcome::Harmless => assert!(closing_frame, "{path:?} {at}"),
            Outcome::CutOff => panic!("{path:?} {at}: lost without a word"),
        }
    }
}

#[tokio::test]
async fn after_an_unclean_end_only_the_last_batch_can_be_in_doubt() {
    let outcomes = flip_every_byte(false).await;
    let last = outcomes.last().unwrap().0.clone();
    let in_doubt = outcomes
        .iter()
        .filter(|(_, _, outcome)| *outcome == Outcome::CutOff)
        .count();
    let bytes = outcomes.iter().filter(|(path, ..)| *path == last).count();
    let tail = &outcomes[outcomes.len() - in_doubt..];
    assert!(in_doubt > 50 && in_doubt < bytes);
    assert!(
        tail.iter().all(|(_, _, outcome)| *outcome == Outcome::CutOff),
        "the last batch, and nothing else"
    );
    assert!(outcomes.iter().all(|(_, _, outcome)| *outcome != Outcome::Harmless));
}

/// Offsets of `0..next` that are missing from `found`, as ranges.
fn missing(found: &[(u64, String)], next: u64) -> Vec<Range<u64>> {
    let mut gaps: Vec<Range<u64>> = Vec::new();
    for offset in (0..next).filter(|offset| found.iter().all(|(there, _)| there != offset)) {
        match gaps.last_mut() {
            Some(gap) if gap.end == offset => gap.end += 1,
            _ => gaps.push(offset..offset + 1),
        }
    }
    gaps
}

fn lost(bus: &Bus, at: TopicPartition) -> Vec<Range<u64>> {
    let all = bus
        .findings()
        .iter()
        .flat_map(|f| f.lost.iter().chain(&f.skipped).cloned());
    all.filter(|(line, _)| *line == at).map(|(_, range)| range).collect()
}

#[tokio::test]
async fn damage_anywhere_can_be_set_aside_and_what_is_lost_is_said() {
    let pristine = log(BATCHES, true).await;
    let paths = segments(&pristine);
    for path in &paths {
        let whole = pristine.content(path).unwrap();
        for at in 0..whole.len() {
            let fs = log_again(&pristine);
            let mut flipped = whole.clone();
            flipped[at] ^= 1 << (at % 8);
            fs.replace(path, flipped.clone());
            let bus = open_sim(&fs, set_aside())
                .await
                .unwrap_or_else(|e| panic!("{path:?} {at}: {e}"));
            let (reports, events) = (
                content(&bus, REPORTS).await.unwrap(),
                content(&bus, EVENTS).await.unwrap(),
            );
            assert!(genuine("r", &reports) && genuine("e", &events));
            assert!(
                reports.len() as u64 >= BATCHES - 1,
                "one flipped bit costs one batch at most"
            );
            let (range, event_range) = (bus.range(REPORTS).await.unwrap(), bus.range(EVENTS).await.unwrap());
            assert!(
                range.end >= BATCHES && event_range.end >= BATCHES.div_ceil(3),
                "no offset is handed out twice"
            );
            assert_eq!(missing(&reports, range.end), lost(&bus, REPORTS), "{path:?} {at}");
            assert_eq!(missing(&events, event_range.end), lost(&bus, EVENTS), "{path:?} {at}");
            let finding = &bus.findings()[0];
            assert_eq!(&finding.file, path);
            let kept = fs.content(finding.kept_in.as_ref().unwrap()).unwrap();
            let from = usize::try_from(finding.offset).unwrap();
            assert_eq!(
                kept[..],
                flipped[from..from + kept.len()],
                "the damaged bytes are kept as they were"
            );
            assert_eq!(kept.len() as u64, finding.bytes);
            // From here on it is a log like any other.
            let next = range.end;
            assert_eq!(
                bus.append(vec![record(REPORTS, &format!("r{next}"), 60)])
                    .await
                    .unwrap(),
                [next]
            );
            drop(bus);
            let bus = open_sim(&fs, keep()).await.unwrap();
            assert!(bus.findings().is_empty());
            let again = content(&bus, REPORTS).await.unwrap();
            assert!(again.len() == reports.len() + 1 && genuine("r", &again));
            for start in 0..=next {
                let some = bus.read(REPORTS, start, ReadLimit::records(1)).await.unwrap();
                assert_eq!(
                    some[0].offset,
                    again.iter().find(|(offset, _)| *offset >= start).unwrap().0
                );
            }
        }
    }
}

#[tokio::test]
async fn a_missing_or_shortened_segment_is_noticed_at_once() {
    let pristine = log(30, true).await;
    let paths = segments(&pristine);
    assert!(paths.len() >= 4);
    for victim in &paths[1..paths.len() - 1] {
        let bytes = pristine.content(victim).unwrap();
        for kept in [None, Some(0), Some(10), Some(bytes.len() - 1), Some(bytes.len() - 40)] {
            let fs = log_again(&pristine);
            match kept {
                None => fs.remove(victim).unwrap(),
                Some(kept) => fs.replace(victim, bytes[..kept].to_vec()),
            }
            match open_sim(&fs, keep()).await.unwrap_err() {
                BusError::Damaged { file, .. } => assert_eq!(&file, victim),
                other => panic!("{other}"),
            }
            fs.restart(Loss::Process);
            let bus = open_sim(&fs, set_aside()).await.unwrap();
            let reports = content(&bus, REPORTS).await.unwrap();
            assert!(genuine("r", &reports) && reports.len() < 30);
            assert_eq!(missing(&reports, 30), lost(&bus, REPORTS));
            bus.close().await.unwrap();
            let bus = open_sim(&fs, keep()).await.unwrap();
            assert!(bus.findings().is_empty(), "what was repaired stays repaired");
        }
    }
}

#[tokio::test]
async fn the_only_header_cannot_be_repaired() {
    let fs = log(2, true).await;
    let path = segments(&fs).pop().unwrap();
    let mut bytes = fs.content(&path).unwrap();
    bytes[0] ^= 1;
    fs.replace(&path, bytes.clone());
    let error = open_sim(&fs, set_aside()).await.unwrap_err();
    assert!(
        matches!(&error, BusError::Unrepairable { file, .. } if *file == path),
        "{error}"
    );
    assert_eq!(fs.content(&path).unwrap(), bytes, "nothing was touched");
}

/// A packet that quotes the log's own frames does not fool recovery: a frame knows its place.
#[tokio::test]
async fn a_payload_that_looks_like_frames_is_a_payload() {
    let donor = log(9, false).await;
    let quoted = segments(&donor)
        .into_iter()
        .flat_map(|path| donor.content(&path).unwrap())
        .collect::<Vec<_>>();
    let fs = SimFs::new();
    let roomy = BusOptions {
        segment_bytes: 1 << 14,
        ..keep()
    };
    let bus = open_sim(&fs, roomy.clone()).await.unwrap();
    write(&bus, 0).await;
    let path = segments(&fs).pop().unwrap();
    let start = fs.content(&path).unwrap().len();
    bus.append(vec![plume_bus::NewRecord::new(REPORTS, "quoting", quoted)])
        .await
        .unwrap();
    drop(bus);
    let full = fs.content(&path).unwrap();
    for cut in [full.len() - 1, start + (full.len() - start) / 2] {
        let fs = SimFs::new();
        let mut torn = full[..cut].to_vec();
        torn[start] ^= 1; // The quoting frame is no frame any more, so what it quotes is looked at.
        fs.replace(&path, torn);
        let bus = open_sim(&fs, roomy.clone()).await.unwrap();
        assert_eq!(content(&bus, REPORTS).await.unwrap(), [(0, "r0".to_owned())]);
    }
}

/// Left-overs of a crash while a segment was made, and files that are none of ours.
#[tokio::test]
async fn left_overs_are_removed_and_strangers_left_alone() {
    let fs = log(5, true).await;
    let (tmp, stranger) = (
        sim_dir().join("00000000000000000099.log.tmp"),
        sim_dir().join("notes.txt"),
    );
    fs.replace(&tmp, b"half a header".to_vec());
    fs.replace(&stranger, b"hello".to_vec());
    let bus = open_sim(&fs, keep()).await.unwrap();
    assert_eq!(content(&bus, REPORTS).await.unwrap().len(), 5);
    assert!(fs.content(&tmp).is_none() && fs.content(&stranger).is_some());
}
