//! Answers before the brokers have the records: the spool keeps them, and their order.

use std::time::{Duration, Instant};

use crate::cluster::{Cluster, Part};
use crate::proxy::Network;
use crate::{brokers, conclude, fleet, setting, talk};

/// Answers between two events.
const SOME_ANSWERS: usize = 300;
/// A spool that is not empty after so long is stuck.
const DRAIN_LIMIT: Duration = Duration::from_mins(3);

/// While no broker can be reached devices are answered all the same; the ingest is killed in the middle of it. When the
/// brokers are there again everything arrives, once and in order.
#[test]
fn a_spool_answers_without_brokers_and_loses_nothing() {
    let Some(_) = brokers("answers by the spool") else {
        return;
    };
    let network = Network::open(&setting("KAFKA_OUTSIDE").unwrap());
    let more = "ack = \"local\"\n";
    let mut cluster = Cluster::start_with(&network.brokers(), "spool", &Part::ONE_EACH, more);
    let mut devices = talk(fleet(), &mut cluster, SOME_ANSWERS);
    network.cut();
    devices = talk(devices, &mut cluster, SOME_ANSWERS);
    println!("{SOME_ANSWERS} answers while nothing is carried");
    cluster.kill_for_now(Part::Ingest);
    network.mend();
    cluster.begin(Part::Ingest);
    devices = talk(devices, &mut cluster, SOME_ANSWERS);
    let deadline = Instant::now() + DRAIN_LIMIT;
    while spooled(&cluster) > 0 {
        assert!(
            Instant::now() < deadline,
            "{} records stay in the spool",
            spooled(&cluster)
        );
    }
    conclude(cluster, &devices);
}

/// Records in the spool.
fn spooled(cluster: &Cluster) -> u64 {
    let metrics = cluster.get(Part::Ingest, "/metrics");
    let lines = metrics
        .lines()
        .filter(|line| line.starts_with("plume_deploy_spooled_records{"));
    lines
        .map(|line| line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap())
        .sum()
}
