//! Records that are about to expire unread.

use std::fmt::Write as _;
use std::process::Command;
use std::time::{Duration, Instant};

use plume_schemas::ids::{IngestId, Inline};
use plume_schemas::report::{QuarantineReason, Quarantined};
use plume_schemas::time::HOUR_MS;
use plume_schemas::wire;

use crate::cluster::{Cluster, Part};
use crate::{brokers, now, readers};

/// A process looks when it starts, and each minute; after so long it does not notice.
const NOTICE_LIMIT: Duration = Duration::from_mins(5);
/// Of the seven days that records are kept: over 50 %, and over 80 %.
const LATE_HOURS: i64 = 4 * 24;
const VERY_LATE_HOURS: i64 = 6 * 24;

/// A record that a role has left unread for more than half of the retention is warned of. Over 80 % it takes the ingest
/// out of readiness, so that a load balancer sends devices elsewhere, and `plume bus lag` fails. It ends with the lag.
#[test]
fn records_about_to_expire_unread_take_the_ingest_out_of_readiness() {
    let Some(brokers) = brokers("records about to expire") else {
        return;
    };
    let mut cluster = Cluster::start(&brokers, "lag", &[Part::Desk]);
    if !write_old(&brokers, &cluster, 0, LATE_HOURS) {
        return;
    }
    let (fine, said) = lag(&cluster);
    assert!(fine && said.contains(" 50 %") && !said.contains(" 80 %"), "{said}");
    cluster.begin(Part::Ingest);
    wait(&cluster, |metrics, ready| {
        metrics.contains("plume_deploy_unread_age_percent 50") && !ready.contains("lag: ")
    });

    assert!(write_old(&brokers, &cluster, 1, VERY_LATE_HOURS));
    let (fine, said) = lag(&cluster);
    assert!(!fine && said.contains(" 80 %"), "{said}");
    cluster.kill(Part::Ingest);
    wait(&cluster, |metrics, ready| {
        metrics.contains("plume_deploy_unread_age_percent 80")
            && ready.contains("lag: archive has left 1 record(s) of quarantine/1 unread for over 80 %")
    });

    cluster.begin(Part::Archive);
    let deadline = Instant::now() + NOTICE_LIMIT;
    while !lag(&cluster).0 {
        assert!(Instant::now() < deadline, "the archive does not come to its end");
    }
    cluster.kill(Part::Ingest);
    wait(&cluster, |metrics, ready| {
        metrics.contains("plume_deploy_unread_age_percent 0") && !ready.contains("lag: ")
    });
}

fn lag(cluster: &Cluster) -> (bool, String) {
    let site = cluster.site(Part::Desk);
    site.plume(&["bus", "lag", "--config", "plume.toml"])
}

/// Waits until the ingest says so: its metrics, and whether it is ready.
fn wait(cluster: &Cluster, says: impl Fn(&str, &str) -> bool) {
    let deadline = Instant::now() + NOTICE_LIMIT;
    loop {
        let (metrics, ready) = (
            cluster.get(Part::Ingest, "/metrics"),
            cluster.get(Part::Ingest, "/readyz"),
        );
        if says(&metrics, &ready) {
            return;
        }
        assert!(Instant::now() < deadline, "{ready}");
    }
}

/// Puts bytes that were set aside so many hours ago into a partition of the quarantine; false where that cannot be run.
fn write_old(brokers: &str, cluster: &Cluster, partition: u32, hours: i64) -> bool {
    let set_aside = wire::encode_quarantined(&Quarantined {
        reason: QuarantineReason::Garbage,
        detail: String::new(),
        received_at: now().plus(-hours * HOUR_MS),
        ingest: IngestId::new("ingest-1").unwrap(),
        peer: Inline::default(),
        mn: None,
        cn: None,
        stream_offset: 0,
        raw: b"noise".to_vec(),
    });
    let hex = set_aside.iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").unwrap();
        hex
    });
    let days = (hours / 24).to_string();
    let written = Command::new(readers::crate_file("tests/kafka/old_record.py"))
        .args([
            brokers,
            &cluster.topic("quarantine"),
            &partition.to_string(),
            &days,
            &hex,
        ])
        .output()
        .unwrap();
    if written.status.code() == Some(readers::NOT_RUN) {
        println!("SKIPPED: an old record: {}", String::from_utf8_lossy(&written.stderr));
        return false;
    }
    assert!(written.status.success(), "{written:?}");
    true
}
