//! A backup and a restore are killed again and again: nothing half-done ever looks whole, and the next try succeeds.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use crate::support::{Link, MN, Site, command, minute_packet};

/// Runs a command and kills it as soon as `count` files stand below `seen`; false when it ended before that.
fn killed_at(site: &Site, args: &[&str], seen: &Path, count: usize) -> bool {
    let mut child = command()
        .args(args)
        .current_dir(site.dir.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    while files_below(seen) < count {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        std::thread::yield_now();
    }
    let running = child.try_wait().unwrap().is_none();
    child.kill().unwrap();
    child.wait().unwrap();
    running
}

/// Files below a directory that others write in: what vanishes while it is listed counts as not there.
fn files_below(dir: &Path) -> usize {
    let Ok(entries) = fs::read_dir(dir) else { return 0 };
    entries
        .flatten()
        .map(|entry| match entry.path() {
            path if path.is_dir() => files_below(&path),
            _ => 1,
        })
        .sum()
}

/// Whole backups in a directory.
fn whole(dir: &Path) -> Vec<String> {
    let names = fs::read_dir(dir).unwrap().flatten();
    let names = names.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| name.starts_with("plume-backup-")).collect()
}

#[test]
fn a_killed_backup_or_restore_leaves_nothing_that_looks_whole() {
    let site = Site::new("[archive]\nbatch_records = 5\nbatch_every_s = 1\npublish_every_s = 1\n");
    let running = site.start();
    let mut link = Link::open(running.devices).unwrap();
    for n in 0..30 {
        let packet = minute_packet(MN, &format!("20260201{n:09}"), &format!("2026020100{n:02}00"), "21.5");
        link.send(packet.as_bytes()).unwrap();
        link.answer().unwrap();
    }
    drop(link);
    let backups = site.dir.path().join("backups");
    let make = ["backup", "--config", "plume.toml", "--to", "backups"];
    // The lock is the first file; the card of what the backup holds is the last.
    let mut cut = 0;
    for count in 2..40 {
        if !killed_at(&site, &make, &backups, count) {
            break;
        }
        cut += 1;
        assert_eq!(whole(&backups), [""; 0], "after {count} files");
    }
    assert!(cut > 3, "{cut}");
    for name in whole(&backups) {
        fs::remove_dir_all(backups.join(name)).unwrap();
    }
    let (fine, text) = site.plume(&make);
    assert!(fine && text.contains("balanced"), "{text}");
    let names = whole(&backups);
    let [name] = names.as_slice() else { panic!("{names:?}") };
    assert!(running.stop());

    let backup = backups.join(name);
    let new = site.dir.path().join("new");
    let (from, data, conf) = (backup.to_str().unwrap(), new.join("data"), new.join("conf"));
    let restore = [
        "restore",
        from,
        "--data",
        data.to_str().unwrap(),
        "--conf",
        conf.to_str().unwrap(),
    ];
    let mut cut = 0;
    for count in 1..60 {
        if !killed_at(&site, &restore, &new, count) {
            break;
        }
        cut += 1;
        assert!(
            !data.exists() || files_below(&data) >= files_below(&backup.join("data")),
            "after {count} files"
        );
        if data.exists() {
            break;
        }
    }
    assert!(cut > 3, "{cut}");
    if !data.exists() {
        let (fine, text) = site.plume(&restore);
        assert!(fine, "{text}");
    }
    assert_eq!(files_below(&data), files_below(&backup.join("data")));
    assert_eq!(files_below(&conf), files_below(&backup.join("conf")));
}
