//! Backup and restore through the real binary, with devices sending all the while.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Link, MN, Running, Site, minute_packet};

/// Small segments and batches, so that log and archive turn over while they are copied.
const BUSY: &str = "[bus]\nsegment_bytes = 65536\nkeep_bytes = 65536\nmax_bytes = 67108864\n\
                    [archive]\nbatch_records = 50\nbatch_every_s = 1\npublish_every_s = 5\n";

/// A device that sends until it is told to stop.
struct Traffic {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicU32>,
    sender: JoinHandle<()>,
}

impl Traffic {
    fn start(running: &Running) -> Self {
        let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
        let mut link = Link::open(running.devices).unwrap();
        let (told, count) = (Arc::clone(&stop), Arc::clone(&answered));
        let sender = std::thread::spawn(move || {
            while !told.load(Ordering::Relaxed) {
                let n = count.load(Ordering::Relaxed);
                let at = format!("202601{:02}{:02}{:02}00", 1 + n / 1440, n / 60 % 24, n % 60);
                let packet = minute_packet(MN, &format!("20260201{n:09}"), &at, "21.5");
                link.send(packet.as_bytes()).unwrap();
                link.answer().unwrap();
                count.fetch_add(1, Ordering::Relaxed);
            }
        });
        Self { stop, answered, sender }
    }

    /// Packets answered so far.
    fn answered(&self) -> u32 {
        self.answered.load(Ordering::Relaxed)
    }

    fn until(&self, count: u32) {
        while self.answered() < count {
            assert!(!self.sender.is_finished(), "the sender has given up");
            std::thread::yield_now();
        }
    }

    fn stop(self) -> u32 {
        self.stop.store(true, Ordering::Relaxed);
        self.sender.join().unwrap();
        self.answered.load(Ordering::Relaxed)
    }
}

/// Makes a backup; its directory.
fn back_up(site: &Site, to: &str, more: &[&str]) -> PathBuf {
    let args = [&["backup", "--config", "plume.toml", "--to", to][..], more].concat();
    let (fine, text) = site.plume(&args);
    assert!(fine && text.contains("balanced"), "{text}");
    PathBuf::from(text.lines().find(|line| line.contains("plume-backup-")).unwrap())
}

fn stats(site: &Site, config: &str) -> Value {
    let (fine, text) = site.plume(&["stats", "--json", "--config", config]);
    assert!(fine, "{text}");
    serde_json::from_str(&text).unwrap()
}

/// A configuration like the site's for another data directory, which is the one of a new host.
fn move_to(site: &Site, conf: &str, data: &Path) -> String {
    let path = site.dir.path().join(conf).join("plume.toml");
    let text = fs::read_to_string(&path).unwrap();
    let old = site.data().display().to_string();
    assert!(text.contains(&old), "{text}");
    fs::write(&path, text.replacen(&old, &data.display().to_string(), 1)).unwrap();
    path.display().to_string()
}

#[test]
fn a_backup_under_traffic_restores_into_an_empty_host_and_balances() {
    let site = Site::new(BUSY);
    let running = site.start();
    let traffic = Traffic::start(&running);
    traffic.until(300);
    let before = traffic.answered();
    let first = site.dir.path().join(back_up(&site, "backups", &[]));
    traffic.until(before + 100);
    assert_eq!(running.get("/readyz"), "ready\n");
    let all = traffic.stop();

    let data = site.dir.path().join("new/data");
    let (backup, new) = (first.to_str().unwrap(), data.to_str().unwrap());
    let (fine, text) = site.plume(&["restore", backup, "--data", new, "--conf", "new/conf"]);
    assert!(fine && text.contains("data_dir"), "{text}");
    let config = move_to(&site, "new/conf", &data);
    let restored = stats(&site, &config);
    assert_eq!(restored["balanced"], true, "{restored}");

    // The other host goes on: what was answered before the backup is there, each packet once.
    let moved = Site {
        dir: tempfile::tempdir().unwrap(),
    };
    for name in ["plume.toml", "registry.toml"] {
        fs::copy(site.dir.path().join("new/conf").join(name), moved.dir.path().join(name)).unwrap();
    }
    fs::rename(&data, moved.data()).unwrap();
    let path = moved.dir.path().join("plume.toml");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replacen(new, moved.data().to_str().unwrap(), 1)).unwrap();
    let other = moved.start();
    let mut link = Link::open(other.devices).unwrap();
    link.send(minute_packet(MN, "20260301000000000", "20260228000000", "20").as_bytes())
        .unwrap();
    link.answer().unwrap();
    drop(link);
    // A stop that is pressed for time leaves to the next start what the archive has not read yet.
    let limit = Instant::now() + Duration::from_mins(1);
    loop {
        let now: Value = serde_json::from_str(&other.get("/stats")).unwrap();
        // Ticks go on coming: a few records wait at any time.
        if now["waiting"].as_u64().unwrap() < 30 {
            break;
        }
        assert!(Instant::now() < limit, "what was restored is not worked off: {now}");
    }
    assert!(other.stop());
    let went_on = stats(&moved, "plume.toml");
    assert_eq!(
        (&went_on["balanced"], &went_on["waiting"]),
        (&true.into(), &0.into()),
        "{went_on}"
    );
    let archived = went_on["archived"].as_u64().unwrap();
    assert!(
        archived > u64::from(before) && archived <= u64::from(all) + 1,
        "{before} {archived} {all}"
    );
    assert_eq!(went_on["repeats"], 0, "{went_on}");
    let (fine, text) = moved.plume(&["verify", "--config", "plume.toml"]);
    assert!(fine, "{text}");
    assert!(running.stop());
}

#[test]
fn the_desk_alone_is_restored_and_reads_on() {
    let site = Site::new("");
    let running = site.start();
    let backup = back_up(&site, "backups", &["--without-archive-files"]);
    let backup = backup.to_str().unwrap();
    let data = site.data();
    let data = data.to_str().unwrap();
    let (fine, text) = site.plume(&["restore", backup, "--data", data, "--only", "desk"]);
    assert!(!fine && text.contains("stop it first"), "{text}");
    running.kill();
    let desk = site.data().join("desk.db");
    fs::write(&desk, "not a database any more").unwrap();
    let (fine, text) = site.plume(&["restore", backup, "--data", data, "--only", "desk"]);
    assert!(fine && text.contains(".before-"), "{text}");
    let running = site.start();
    let (fine, text) = site.plume(&["cases", "--data", data]);
    assert!(fine, "{text}");
    assert!(running.stop());
}

#[test]
fn what_is_damaged_or_unfinished_is_never_restored() {
    let site = Site::new("");
    let running = site.start();
    // A backup that was cut short leaves nothing that looks like one, and is cleared by the next.
    fs::create_dir_all(
        site.dir
            .path()
            .join("backups/.plume-backup-20260101T000000.partial/data"),
    )
    .unwrap();
    let backup = back_up(&site, "backups", &[]);
    assert!(running.stop());
    let names: Vec<_> = fs::read_dir(site.dir.path().join("backups"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names.len(), 2, "the backup and the lock: {names:?}");
    let whole = site.dir.path().join(&backup);
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(whole.join("backup.json")).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    let backup = whole.to_str().unwrap();
    let target = site.dir.path().join("elsewhere");
    let new = target.to_str().unwrap();

    fs::create_dir(&target).unwrap();
    fs::write(target.join("something"), "").unwrap();
    let (fine, text) = site.plume(&["restore", backup, "--data", new]);
    assert!(!fine && text.contains("not empty"), "{text}");
    fs::remove_file(target.join("something")).unwrap();

    // Every file of the backup, changed by one byte, is noticed before anything is made.
    let card: Value = serde_json::from_slice(&fs::read(whole.join("backup.json")).unwrap()).unwrap();
    for file in card["files"].as_array().unwrap() {
        let path = whole.join(file["name"].as_str().unwrap());
        let good = fs::read(&path).unwrap();
        let mut bad = good.clone();
        match bad.first_mut() {
            Some(byte) => *byte ^= 1,
            None => bad.push(0),
        }
        fs::write(&path, bad).unwrap();
        let (fine, text) = site.plume(&["restore", backup, "--data", new]);
        assert!(
            !fine && text.contains("is not what was backed up"),
            "{}: {text}",
            path.display()
        );
        assert_eq!(fs::read_dir(&target).unwrap().count(), 0);
        fs::write(&path, good).unwrap();
    }
    // What an earlier, killed restore left is no obstacle.
    fs::create_dir_all(site.dir.path().join(".elsewhere.restoring/log")).unwrap();
    let (fine, text) = site.plume(&["restore", backup, "--data", new]);
    assert!(fine, "{text}");
    assert!(!site.dir.path().join(".elsewhere.restoring").exists());
    fs::remove_file(whole.join("backup.json")).unwrap();
    let (fine, text) = site.plume(&["restore", backup, "--data", "third"]);
    assert!(!fine && text.contains("no whole backup"), "{text}");
}
