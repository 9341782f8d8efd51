//! More comes in than can be put away: answers stop, plume says why, and goes on by itself when there is room again.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use plume_schemas::time::{MINUTE_MS, Time};

use crate::support::{Link, MN, Running, Site, minute_packet};

/// A device that has no answer after so long here will not get one before something changes.
const NO_ANSWER: Duration = Duration::from_secs(3);
/// Packets after which a log of a megabyte must have been full.
const MOST_PACKETS: i64 = 10_000;
/// How long a complaint, or its end, may take to show.
const SHOWN_WITHIN: Duration = Duration::from_secs(30);

fn packet(number: i64) -> String {
    let at = Time::parse_stamp(b"20260116000000").unwrap().plus(number * MINUTE_MS);
    minute_packet(MN, &at.plus(59_000).stamp17(), &at.stamp14(), "21.5")
}

fn answered(link: &mut Link, number: i64) -> bool {
    link.send(packet(number).as_bytes()).unwrap();
    !link.is_unanswered(NO_ANSWER)
}

/// Waits until `look` sees what it should.
fn wait_until(what: &str, mut look: impl FnMut() -> (bool, String)) {
    let began = Instant::now();
    loop {
        let (seen, text) = look();
        if seen {
            return;
        }
        assert!(began.elapsed() < SHOWN_WITHIN, "{what} never shows:\n{text}");
    }
}

fn says(running: &Running, path: &str, word: &str) {
    wait_until(word, || {
        let text = running.get(path);
        (text.contains(word), text)
    });
}

/// The archive is the slow consumer, the log's limit the full disk.
#[test]
fn a_stuck_archive_fills_the_log_and_all_goes_on_when_it_is_mended() {
    let site =
        Site::new("[bus]\nsegment_bytes = 65536\nkeep_bytes = 0\nmax_bytes = 1048576\n[archive]\nbatch_every_s = 1\n");
    let running = site.start();
    let (_, desk) = site.plume(&["enter", "--data", "data"]);
    let mut link = Link::open(running.devices).unwrap();
    assert!(answered(&mut link, 0));
    assert!(running.get("/readyz").contains("ready"));
    let calm = running.page(&desk, "/");
    assert!(calm.contains("</html>") && !calm.contains("暂停接收"), "{calm}");

    // The archive's directory is a file now: nothing can be written below it.
    let (archive, away) = (site.data().join("archive"), site.data().join("archive.away"));
    std::fs::rename(&archive, &away).unwrap();
    std::fs::write(&archive, b"in the way").unwrap();
    let refused = (1..MOST_PACKETS).find(|&number| !answered(&mut link, number));
    let refused = refused.expect("the log never fills");
    says(&running, "/readyz", "log: has no room");
    says(&running, "/readyz", "archive: cannot write and tries again");
    wait_until("the desk's word", || {
        let page = running.page(&desk, "/");
        (page.contains("暂停接收") && page.contains("归档暂时无法写入"), page)
    });
    let used: u64 = std::fs::read_dir(site.data().join("log"))
        .unwrap()
        .map(|file| file.unwrap().metadata().unwrap().len())
        .sum();
    assert!(used <= 1_048_576, "the log keeps its limit: {used}");

    // Mended. Nobody touches plume or the device: the answer it waits for comes.
    std::fs::remove_file(&archive).unwrap();
    std::fs::rename(&away, &archive).unwrap();
    assert!(
        !link.is_unanswered(SHOWN_WITHIN),
        "no answer after the archive was mended"
    );
    says(&running, "/readyz", "ready");
    wait_until("calm", || {
        let page = running.page(&desk, "/");
        (!page.contains("暂停接收") && page.contains("</html>"), page)
    });
    for number in refused + 1..refused + 100 {
        assert!(answered(&mut link, number), "packet {number}");
    }
    assert!(running.stop());

    let (fine, text) = site.plume(&["stats", "--json", "--data", "data"]);
    assert!(fine, "{text}");
    let stats: serde_json::Value = serde_json::from_str(&text).unwrap();
    for (key, expected) in [
        ("archived", refused + 100),
        ("repeats", 0),
        ("quarantined", 0),
        ("waiting", 0),
    ] {
        assert_eq!(stats[key], expected, "{key} of {stats}");
    }
    assert_eq!(stats["balanced"], true, "{stats}");
}

/// The library that makes a disk slow, made by the C compiler; none where there is no compiler.
fn slow_disk(dir: &Path) -> Option<std::path::PathBuf> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../benches/slow_sync.c");
    let library = dir.join("slow_sync.so");
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-O1", "-o"]);
    compiler.arg(&library).arg(source).arg("-ldl");
    match compiler.status() {
        Ok(status) => {
            assert!(status.success(), "slow_sync.c does not compile");
            Some(library)
        }
        Err(error) => {
            println!("SKIPPED: no C compiler to make a slow disk with: {error}");
            None
        }
    }
}

/// Every sync of the process takes as long as a file says.
#[test]
fn a_slow_disk_makes_answers_late_the_desk_says_so_and_all_goes_on() {
    let site = Site::new("");
    let Some(library) = slow_disk(site.dir.path()) else {
        return;
    };
    let wait_us = site.dir.path().join("wait_us");
    std::fs::write(&wait_us, "0").unwrap();
    let running = site.start_in(&[("LD_PRELOAD", &library), ("SLOW_SYNC_FILE", &wait_us)]);
    let (_, desk) = site.plume(&["enter", "--data", "data"]);
    let mut link = Link::open(running.devices).unwrap();
    assert!(answered(&mut link, 0));
    let calm = running.page(&desk, "/system");
    assert!(calm.contains("</html>") && !calm.contains("磁盘写入缓慢"), "{calm}");

    std::fs::write(&wait_us, "2000000").unwrap();
    let began = Instant::now();
    link.send(packet(1).as_bytes()).unwrap();
    link.answer().unwrap();
    assert!(began.elapsed() >= Duration::from_secs(2), "an answer before the sync");
    wait_until("the desk's word", || {
        let page = running.page(&desk, "/system");
        (page.contains("磁盘写入缓慢"), page)
    });

    // Fast again, and nobody touched plume.
    std::fs::write(&wait_us, "0").unwrap();
    wait_until("calm", || {
        let page = running.page(&desk, "/system");
        (!page.contains("磁盘写入缓慢") && page.contains("</html>"), page)
    });
    for number in 2..50 {
        link.send(packet(number).as_bytes()).unwrap();
        link.answer().unwrap();
    }
    assert!(running.stop());
    let (fine, text) = site.plume(&["stats", "--json", "--data", "data"]);
    assert!(fine, "{text}");
    let stats: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (&stats["archived"], &stats["balanced"]),
        (&50.into(), &true.into()),
        "{stats}"
    );
}
