//! Archives that come and go.

use std::time::{Duration, Instant};

use plume_archive::Stats;

use crate::cluster::{Cluster, PARTITIONS, Part};
use crate::fleet::Device;
use crate::{brokers, conclude, fleet, talk, verdict};

/// Answers between two looks.
const SOME_ANSWERS: usize = 100;
/// An archive that has not begun with what became its own after so long never will.
const NOTICE_LIMIT: Duration = Duration::from_mins(5);

/// Two archives share the partitions, each with files of its own; one ends and its partitions go to the other, and come
/// back. Together their files hold everything once.
#[test]
fn what_two_archives_hold_together_is_everything_once() {
    let Some(brokers) = brokers("two archives") else {
        return;
    };
    let mut cluster = Cluster::start(&brokers, "archives", &Part::ONE_EACH);
    let mut devices = talk(fleet(), &mut cluster, SOME_ANSWERS);
    cluster.begin(Part::SecondArchive);
    devices = talk_until(devices, &mut cluster, Part::SecondArchive, |_| true);
    cluster.end(Part::Archive);
    let before = verdict::archive(cluster.site(Part::Archive)).stats();
    devices = talk_until(devices, &mut cluster, Part::SecondArchive, |stats| {
        let reports = stats.lines.iter().filter(|line| line.line.starts_with("reports/"));
        reports.count() == PARTITIONS as usize && stats.archived > 0
    });
    cluster.begin(Part::Archive);
    let records = before.counts.records;
    devices = talk_until(devices, &mut cluster, Part::Archive, |stats| {
        stats.counts.records > records
    });
    conclude(cluster, &devices);
}

/// Lets devices talk until an archive says so of itself.
fn talk_until(
    mut devices: Vec<Device>,
    cluster: &mut Cluster,
    part: Part,
    says: impl Fn(&Stats) -> bool,
) -> Vec<Device> {
    let deadline = Instant::now() + NOTICE_LIMIT;
    loop {
        devices = talk(devices, cluster, SOME_ANSWERS);
        if cluster.archives().any(|site| std::ptr::eq(site, cluster.site(part)))
            && says(&verdict::archive(cluster.site(part)).stats())
        {
            return devices;
        }
        assert!(Instant::now() < deadline, "{part:?} does not take what is its own");
    }
}
