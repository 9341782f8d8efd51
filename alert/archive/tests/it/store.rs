//! The archive in an object store: the same as on a disk, with one writer, over HTTP too.

use std::path::Path;
use std::sync::Arc;

use object_store::memory::InMemory;
use plume_archive::{Archive, ArchiveConfig, ArchiveError, Location, Reader, S3Config, StoreFs};
use plume_bus::fs::{Fs, SimFs};

use crate::crash::{everything, records};
use crate::make::*;
use crate::s3_stub::{Refusal, Stub};

const ROOT: &str = "plume/archive";
/// Requests that are refused, each in a run of its own.
const POINTS: usize = 10;

fn memory() -> Arc<InMemory> {
    Arc::new(InMemory::new())
}

fn on(store: &Arc<InMemory>) -> Arc<dyn Fs> {
    Arc::new(StoreFs::new(Arc::clone(store) as _).unwrap())
}

/// From opening to closing.
fn run(fs: Arc<dyn Fs>) -> Result<Archive, ArchiveError> {
    let mut archive = open(Path::new(ROOT), fs, &config())?;
    drive(&mut archive, &records())?;
    archive.flush()?;
    Ok(archive)
}

fn on_disk() -> Archive {
    run(Arc::new(SimFs::new())).unwrap()
}

#[test]
fn an_archive_in_a_store_is_byte_by_byte_the_one_on_a_disk() {
    let (disk, store) = (on_disk(), memory());
    let archive = run(on(&store)).unwrap();
    // The head is a hash over the hashes of all files ever written.
    assert_eq!(archive.head(), disk.head());
    let reader = Reader::open(Path::new(ROOT), on(&store)).unwrap();
    assert!(reader.stats().balanced);
    assert_eq!(reader.verify().unwrap().problems, []);
    assert_eq!(everything(&reader), everything(&disk.reader().unwrap()));
}

#[test]
fn what_was_begun_in_a_store_is_finished_by_the_next_process() {
    let (disk, store) = (on_disk(), memory());
    let records = records();
    for cut in [1, records.len() / 2, records.len() - 1] {
        let mut archive = open(Path::new(ROOT), on(&store), &config()).unwrap();
        drive(&mut archive, &records[..cut]).unwrap();
    }
    let archive = run(on(&store)).unwrap();
    assert_eq!(
        everything(&archive.reader().unwrap()),
        everything(&disk.reader().unwrap())
    );
}

#[test]
fn of_two_writers_the_later_one_wins_and_the_first_touches_nothing_more() {
    let (records, store) = (records(), memory());
    let mut first = open(Path::new(ROOT), on(&store), &config()).unwrap();
    drive(&mut first, &records[..6]).unwrap();
    first.flush().unwrap();
    let mut second = open(Path::new(ROOT), on(&store), &config()).unwrap();
    let refused = drive(&mut first, &records).and_then(|_| first.flush()).unwrap_err();
    assert!(refused.hint().contains("another process"), "{refused:?}");
    drive(&mut second, &records).unwrap();
    second.flush().unwrap();
    assert!(first.flush().is_err(), "it must not come back");
    let reader = Reader::open(Path::new(ROOT), on(&store)).unwrap();
    assert_eq!(reader.verify().unwrap().problems, []);
    assert_eq!(everything(&reader), everything(&on_disk().reader().unwrap()));
}

fn located(stub: &Stub) -> Location {
    let config = ArchiveConfig {
        dir: format!("s3://bucket/{ROOT}").into(),
        s3: S3Config {
            endpoint: stub.endpoint(),
            region: "us-east-1".to_owned(),
            access_key_id: "key".to_owned(),
            secret_access_key: "secret".to_owned(),
        },
        ..config()
    };
    let location = Location::of(&config, Path::new("/unused")).unwrap();
    assert_eq!(location.root, Path::new(ROOT));
    location
}

#[test]
fn speaks_s3_over_http() {
    let stub = Stub::start();
    let archive = run(located(&stub).fs).unwrap();
    let disk = on_disk();
    assert_eq!(archive.head(), disk.head());
    let reader = Reader::open(Path::new(ROOT), located(&stub).fs).unwrap();
    assert_eq!(reader.verify().unwrap().problems, []);
    assert_eq!(everything(&reader), everything(&disk.reader().unwrap()));
    let names = stub.names();
    let minutes = format!("bucket/{ROOT}/readings/kind=minute/date=2026-11-21/part-0.parquet");
    assert!(names.contains(&minutes), "{names:#?}");
    assert!(
        !names
            .iter()
            .any(|name| name.contains("unfinished") || name.contains("/log/")),
        "{names:#?}"
    );
}

#[test]
fn a_store_that_refuses_any_request_loses_and_doubles_nothing() {
    let disk = everything(&on_disk().reader().unwrap());
    let stub = Stub::start();
    run(located(&stub).fs).unwrap();
    let requests = stub.requests();
    let mut failed = 0;
    // Every request would take minutes; these lie all over the run and are of all kinds.
    for point in 0..POINTS {
        let at = requests * point / POINTS + point % 5;
        let how = if at.is_multiple_of(2) {
            Refusal::Before
        } else {
            Refusal::After
        };
        let stub = Stub::start();
        stub.refuse(at, how);
        failed += usize::from(run(located(&stub).fs).is_err());
        let archive = run(located(&stub).fs).unwrap();
        let reader = archive.reader().unwrap();
        assert_eq!(reader.verify().unwrap().problems, [], "request {at} refused ({how:?})");
        assert_eq!(everything(&reader), disk, "request {at} refused ({how:?})");
    }
    assert!(failed > POINTS / 2, "only {failed} of the refusals were noticed");
}

#[test]
fn a_store_without_a_bucket_is_refused_with_a_hint() {
    let config = ArchiveConfig {
        dir: "s3://".into(),
        ..config()
    };
    let error = Location::of(&config, Path::new("/unused")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot use s3:// as the archive: no bucket is named: s3://BUCKET/PREFIX"
    );
    assert!(error.hint().contains("archive.s3"));
}
