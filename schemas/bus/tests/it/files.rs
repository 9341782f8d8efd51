//! The simulated disk does what the real one does, as far as both can be asked; and what the real one cannot be asked.

use std::io;
use std::path::Path;

use plume_bus::fs::{Fault, Fs, FsFile, Loss, RealFs, SimFs};

/// Runs on both disks; the same answers are expected.
fn behaves(fs: &dyn Fs, dir: &Path) {
    fs.create_dir_all(dir).unwrap();
    fs.create_dir_all(dir).unwrap();
    let (one, two) = (dir.join("one"), dir.join("two"));
    assert_eq!(fs.open(&one).unwrap_err().kind(), io::ErrorKind::NotFound);
    let file = fs.create(&one).unwrap();
    assert_eq!(file.write_at(b"hello", 3).unwrap(), 5);
    assert_eq!(file.size().unwrap(), 8, "a gap is zeros");
    assert_eq!(read(&*file), b"\0\0\0hello");
    assert_eq!(file.read_at(&mut [0; 4], 8).unwrap(), 0, "the end");
    assert_eq!(file.read_at(&mut [0; 4], 99).unwrap(), 0);
    file.set_len(5).unwrap();
    file.write_at(b"HE", 3).unwrap();
    file.sync().unwrap();
    assert_eq!(read(&*fs.open(&one).unwrap()), b"\0\0\0HE");
    fs.rename(&one, &two).unwrap();
    fs.sync_dir(dir).unwrap();
    assert_eq!(fs.list(dir).unwrap(), ["two"]);
    fs.remove(&two).unwrap();
    assert_eq!(fs.remove(&two).unwrap_err().kind(), io::ErrorKind::NotFound);
    assert_eq!(read(&*file), b"\0\0\0HE", "an open file outlives its name");
    let again = fs.create(&two).unwrap();
    again.write_at(b"x", 0).unwrap();
    assert_eq!(fs.create(&two).unwrap().size().unwrap(), 0, "creating empties");
    let lock = fs.lock(&dir.join("LOCK")).unwrap();
    assert_eq!(
        fs.lock(&dir.join("LOCK")).unwrap_err().kind(),
        io::ErrorKind::WouldBlock
    );
    drop(lock);
    drop(fs.lock(&dir.join("LOCK")).unwrap());
}

fn read(file: &dyn FsFile) -> Vec<u8> {
    let mut bytes = vec![0; 64];
    let count = file.read_at(&mut bytes, 0).unwrap();
    bytes.truncate(count);
    bytes
}

#[test]
fn both_disks_behave_alike() {
    let home = tempfile::tempdir().unwrap();
    behaves(&RealFs, &home.path().join("a/b/c"));
    behaves(&SimFs::new(), Path::new("/a/b/c"));
}

fn sim(name: &str) -> (SimFs, std::path::PathBuf, std::sync::Arc<dyn FsFile>) {
    let fs = SimFs::new();
    let path = Path::new("/d").join(name);
    let file = fs.create(&path).unwrap();
    (fs, path, file)
}

#[test]
fn a_power_cut_takes_what_was_not_synced() {
    let (fs, path, file) = sim("f");
    file.write_at(b"synced", 0).unwrap();
    file.sync().unwrap();
    fs.restart(Loss::Power);
    assert_eq!(fs.content(&path), None, "the name was not");
    let (fs, path, file) = sim("f");
    fs.sync_dir(Path::new("/d")).unwrap();
    file.write_at(b"synced", 0).unwrap();
    file.sync().unwrap();
    file.write_at(b"not", 0).unwrap();
    assert_eq!(fs.content(&path).unwrap(), b"notced");
    fs.restart(Loss::Power);
    assert_eq!(fs.content(&path).unwrap(), b"synced");
    assert!(file.sync().is_err(), "handles die with the machine");
}

#[test]
fn a_partial_loss_differs_by_seed_and_repeats_by_seed() {
    let outcome = |seed| {
        let (fs, path, file) = sim("f");
        fs.sync_dir(Path::new("/d")).unwrap();
        for sector in 0..8 {
            file.write_at(&[7; 512], sector * 512).unwrap();
        }
        fs.restart(Loss::PowerPartly(seed));
        fs.content(&path).unwrap()
    };
    let all: std::collections::BTreeSet<_> = (0..32).map(outcome).collect();
    assert!(all.len() > 10, "{}", all.len());
    assert_eq!(outcome(5), outcome(5));
}

#[test]
fn a_failed_sync_drops_what_reading_still_shows() {
    let (fs, path, file) = sim("f");
    fs.sync_dir(Path::new("/d")).unwrap();
    file.write_at(b"doubtful", 0).unwrap();
    fs.inject(0, Fault::Error);
    file.sync().unwrap_err();
    file.sync().unwrap();
    assert_eq!(fs.content(&path).unwrap(), b"doubtful");
    fs.restart(Loss::Power);
    assert_eq!(fs.content(&path).unwrap(), [0; 8], "the second sync proved nothing");
}

#[test]
fn room_ends_in_the_middle_of_a_write() {
    let (fs, path, file) = sim("f");
    fs.set_capacity(Some(6));
    assert_eq!(file.write_at(b"12345678", 0).unwrap(), 6);
    assert_eq!(file.write_at(b"78", 6).unwrap_err().kind(), io::ErrorKind::StorageFull);
    assert_eq!(file.write_at(b"ab", 1).unwrap(), 2, "overwriting needs no room");
    assert_eq!((fs.content(&path).unwrap(), fs.used_bytes()), (b"1ab456".to_vec(), 6));
    fs.inject(0, Fault::ShortWrite);
    assert_eq!(file.write_at(b"wxyz", 0).unwrap(), 2);
    fs.inject(1, Fault::NoSpace);
    file.write_at(b"k", 0).unwrap();
    assert_eq!(file.write_at(b"k", 0).unwrap_err().kind(), io::ErrorKind::StorageFull);
}
