//! Zeros ahead of the log's end: there for most writes, gone where a length is promised, and never in the way.

use plume_bus::fs::{Loss, SimFs};
use plume_bus::{Bus, BusOptions, BusUrl, ReadLimit, whole_bytes};

use crate::support::{REPORTS, TINY, open_sim, options, read_all, record, segments};

const AHEAD: usize = 4 * 1024;

fn ahead() -> BusOptions {
    BusOptions {
        segment_bytes: 16 * TINY,
        ahead_bytes: AHEAD as u64,
        ..options()
    }
}

#[tokio::test]
async fn most_writes_find_the_file_as_long_as_it_was() {
    let fs = SimFs::new();
    let bus = open_sim(&fs, ahead()).await.unwrap();
    let path = segments(&fs).pop().unwrap();
    let mut lengths = Vec::new();
    for n in 0..60 {
        bus.append(vec![record(REPORTS, &format!("r{n}"), 100)]).await.unwrap();
        lengths.push(fs.content(&path).unwrap().len());
    }
    lengths.dedup();
    assert_eq!(
        lengths.len(),
        3,
        "60 writes of 150 bytes, room for 27 at a time: {lengths:?}"
    );
    bus.close().await.unwrap();
    let closed = fs.content(&path).unwrap();
    assert!(
        closed.len() < *lengths.last().unwrap() && closed.last() != Some(&0),
        "closing cuts the room off"
    );
}

#[tokio::test]
async fn a_sealed_segment_has_no_room_left() {
    let fs = SimFs::new();
    let bus = open_sim(&fs, ahead()).await.unwrap();
    while segments(&fs).len() < 3 {
        bus.append(vec![record(REPORTS, "r", 900)]).await.unwrap();
    }
    let sealed = segments(&fs);
    for path in &sealed[..2] {
        let bytes = fs.content(path).unwrap();
        assert!(
            !bytes.ends_with(&[0; 64]) && bytes.len() as u64 <= 16 * TINY,
            "{}",
            path.display()
        );
    }
    let end = bus.range(REPORTS).await.unwrap().end;
    drop(bus);
    fs.restart(Loss::Power);
    let bus = open_sim(&fs, ahead()).await.unwrap();
    assert_eq!(bus.range(REPORTS).await.unwrap(), 0..end);
    assert!(
        bus.findings().is_empty(),
        "room that a kill left is no finding: {:?}",
        bus.findings()
    );
}

#[tokio::test]
async fn without_room_on_the_disk_for_zeros_records_are_written_all_the_same() {
    let fs = SimFs::new();
    let bus = open_sim(&fs, ahead()).await.unwrap();
    let full = fs.used_bytes() + 1_500;
    fs.set_capacity(Some(full));
    for n in 0..8 {
        assert_eq!(bus.append(vec![record(REPORTS, "r", 100)]).await.unwrap(), [n]);
        assert!(fs.used_bytes() <= full);
    }
    assert_eq!(bus.stats().refused_full, 0);
    drop(bus);
    fs.restart(Loss::Power);
    let bus = open_sim(&fs, ahead()).await.unwrap();
    assert_eq!(read_all(&bus, REPORTS, ReadLimit::records(9)).await.unwrap().len(), 8);
}

#[tokio::test]
async fn what_is_copied_of_a_log_in_use_ends_with_a_whole_frame() {
    let home = tempfile::tempdir().unwrap();
    let bus = Bus::open(&BusUrl::File(home.path().to_owned()), ahead()).await.unwrap();
    for _ in 0..3 {
        bus.append(vec![record(REPORTS, "r", 100)]).await.unwrap();
    }
    let path = home.path().join("00000000000000000001.log");
    let whole = whole_bytes(&path).unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    let end = usize::try_from(whole).unwrap();
    assert!(
        bytes.len() > end && bytes[end..].iter().all(|byte| *byte == 0),
        "room ahead"
    );
    // A copy that read the room first, and what was written behind it later.
    bytes[end + 300..end + 304].copy_from_slice(b"PLFB");
    std::fs::write(&path, &bytes).unwrap();
    assert_eq!(whole_bytes(&path).unwrap(), whole);
    bytes[end - 1] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    assert!(whole_bytes(&path).unwrap() < whole, "the last frame is not whole");
    drop(bus);
}
