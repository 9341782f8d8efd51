//! More partitions while devices talk.

use crate::cluster::{Cluster, PARTITIONS, Part};
use crate::fleet::Chance;
use crate::{brokers, conclude, fleet, number, round, talk};

/// Answers of a device by which it stands in the middle of an hour that is over the limit.
const MIDDLE_OF_AN_HOUR: usize = 90;
/// Lines that the command says at least before it makes other topics.
const LINES: u64 = 4;

/// Twice as many partitions in the middle of hours over their limits, while devices talk, at the third attempt:
/// the first is interrupted and changes nothing, the second is killed at any of its steps. Nothing is lost or said
/// twice, what is judged goes on, and the log of the new partitions, judged again from what was moved to them, says the
/// same to the byte.
#[test]
fn partitions_become_more_in_the_middle_of_an_hour() {
    let Some(brokers) = brokers("more partitions") else {
        return;
    };
    let seed = number("KAFKA_SEED", 20_260_118);
    let lines = 1 + Chance(seed).below(LINES);
    println!("KAFKA_SEED={seed}: killed after line {lines}");
    let mut cluster = Cluster::start(&brokers, "grow", &Part::TWO_JUDGES);
    let devices = fleet();
    let more = devices.len() * MIDDLE_OF_AN_HOUR;
    let mut devices = talk(devices, &mut cluster, more / 2);
    devices = round(devices, &mut cluster, 1, |cluster| {
        let said = cluster.grow_cut_off(2 * PARTITIONS, 1, "INT");
        assert!(said.contains("nothing was changed"), "{said}");
    });
    devices = talk(devices, &mut cluster, more / 2);
    devices = round(devices, &mut cluster, 1, |cluster| {
        let said = cluster.grow_cut_off(2 * PARTITIONS, usize::try_from(lines).unwrap(), "KILL");
        assert!(!said.contains("nothing was changed"), "{said}");
        cluster.grow(2 * PARTITIONS);
    });
    cluster.wait_for_shares(&[PARTITIONS, PARTITIONS]);
    devices = talk(devices, &mut cluster, more);
    conclude(cluster, &devices);
}
