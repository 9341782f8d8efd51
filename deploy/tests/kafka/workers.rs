//! Judges that come and go while hours are open.

use std::time::{Duration, Instant};

use plume_bus::{ConsumerId, Topic, TopicPartition};

use crate::cluster::{Cluster, PARTITIONS, Part};
use crate::{brokers, conclude, fleet, round, talk};

/// A judge that did not notice after so long does not.
const NOTICE_LIMIT: Duration = Duration::from_mins(3);
/// Answers of a device by which it stands in the middle of an hour that is over the limit.
const MIDDLE_OF_AN_HOUR: usize = 90;

/// One judge, three, two: half of the devices talk while they become more, the other half while they become fewer.
#[test]
fn judges_become_three_and_two_in_the_middle_of_an_hour() {
    let Some(brokers) = brokers("1, 3, 2 judges") else {
        return;
    };
    let mut cluster = Cluster::start(&brokers, "judges", &Part::ONE_EACH);
    cluster.wait_for_shares(&[PARTITIONS]);
    let mut devices = fleet();
    let more = devices.len() * MIDDLE_OF_AN_HOUR;
    devices = talk(devices, &mut cluster, more);
    let waiting = devices.split_off(devices.len() / 2);
    devices = round(devices, &mut cluster, 1, |cluster| {
        cluster.begin(Part::SecondDetect);
        cluster.begin(Part::ThirdDetect);
        cluster.wait_for_shares(&[2, 1, 1]);
    });
    devices.extend(round(waiting, &mut cluster, 1, |cluster| {
        cluster.end(Part::Detect);
        cluster.wait_for_shares(&[2, 2]);
    }));
    devices = round(devices, &mut cluster, MIDDLE_OF_AN_HOUR as u64, |_| {});
    conclude(cluster, &devices);
}

/// Somebody else claims every line, as the brokers do with a transaction that they ended because it took too long. The
/// group knows nothing of it, so the partitions stay where they are: the judge begins anew with each.
#[test]
fn a_judge_that_was_refused_begins_anew() {
    let Some(brokers) = brokers("a judge that was refused") else {
        return;
    };
    let mut cluster = Cluster::start(&brokers, "refused", &Part::ONE_EACH);
    cluster.wait_for_shares(&[PARTITIONS]);
    let devices = fleet();
    let more = devices.len() * MIDDLE_OF_AN_HOUR;
    let mut devices = talk(devices, &mut cluster, more);
    for _ in 0..2 {
        let before = refusals(&cluster);
        claim_all(&cluster);
        devices = talk(devices, &mut cluster, MIDDLE_OF_AN_HOUR);
        let deadline = Instant::now() + NOTICE_LIMIT;
        while refusals(&cluster) == before {
            assert!(Instant::now() < deadline, "the judge is not refused");
        }
    }
    conclude(cluster, &devices);
}

/// How often this judge was refused.
fn refusals(cluster: &Cluster) -> u64 {
    let metrics = cluster.get(Part::Detect, "/metrics");
    let mut lines = metrics.lines();
    let count = lines.find_map(|line| line.strip_prefix("plume_deploy_judge_refusals_total "));
    count.unwrap().parse().unwrap()
}

fn claim_all(cluster: &Cluster) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let bus = cluster.bus().await;
        for partition in 0..PARTITIONS {
            let line = TopicPartition::new(Topic::Reports, partition);
            bus.claim(ConsumerId::new("detect").unwrap(), line).await.unwrap();
        }
        bus.close().await.unwrap();
    });
}
