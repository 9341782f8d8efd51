//! Devices whose packets wait in a spool of ours are not absent.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use plume_archive::{Field, QuerySpec, Reader, Table};

use crate::cluster::{Cluster, PARTITIONS, Part};
use crate::fleet::DEVICES;
use crate::proxy::Network;
use crate::{brokers, conclude_with, fleet, setting, spool, talk};

/// Answers between two events.
const SOME_ANSWERS: usize = 300;
/// A device is missed after so long without anything, seconds: sooner than what waits is late.
const OFFLINE_S: u64 = 8;
/// Ticks of an ingest a second, one to each partition.
const TICKS_A_SECOND: u64 = 5;
/// What waits is late after 10 s; the cut lasts for longer, by the Ticks that wait.
const LATE_TICKS: u64 = 13 * TICKS_A_SECOND * PARTITIONS as u64;
/// The edge of a case that is over, as the archive writes it.
const CLOSED: &str = "cleared";
/// A spool that does not fill or is not emptied after so long is stuck.
const SPOOL_LIMIT: Duration = Duration::from_mins(5);

/// One of two ingests is cut off from the brokers and answers by its spool; the other one's Ticks go on, so the
/// judge's clock does too, and the devices of the first are missed. When the brokers can be reached again, their
/// spooling is said before anything of them: what was missed is over at once, nothing is missed while the spool
/// empties, and they are said to be drained behind the last record that waited.
#[test]
fn devices_of_a_spooling_ingest_are_not_missed() {
    let Some(brokers) = brokers("devices of a spooling ingest") else {
        return;
    };
    let network = Network::open(&setting("KAFKA_OUTSIDE").unwrap());
    let more = format!("ack = \"local\"\n[detect.miss]\noffline_s = {OFFLINE_S}\n");
    let mut cluster = Cluster::start_with(&network.brokers(), "spooling", &Part::ONE_EACH, &more);
    cluster.begin_by(Part::SecondIngest, &brokers, "");
    let mut devices = talk(fleet(), &mut cluster, SOME_ANSWERS);
    network.cut();
    devices = talk(devices, &mut cluster, SOME_ANSWERS);
    let by_now = spool::spooled(&cluster);
    wait_for_spool(&cluster, |spooled| spooled > by_now + LATE_TICKS);
    network.mend();
    wait_for_spool(&cluster, |spooled| spooled == 0);
    cluster.end(Part::SecondIngest);
    conclude_with(cluster, &devices, |archives| {
        let spools = spools(archives);
        assert_eq!(
            spools.len(),
            DEVICES,
            "outlets that were said to be spooling: {spools:?}"
        );
        let misses = misses(archives);
        let mut ended = 0;
        for (outlet, &(partition, from, to)) in &spools {
            let edges = misses.get(outlet).into_iter().flatten();
            let edges = edges.filter(|(at, ..)| *at == partition);
            let (before, since): (Vec<_>, Vec<_>) = edges.partition(|(_, offset, _)| *offset < from);
            let is_missed = before.last().is_some_and(|(.., edge)| edge != CLOSED);
            let meanwhile: Vec<_> = since.into_iter().filter(|(_, offset, _)| *offset < to).collect();
            let wanted = if is_missed { &[CLOSED][..] } else { &[] };
            let found: Vec<&str> = meanwhile.iter().map(|(.., edge)| edge.as_str()).collect();
            assert_eq!(
                found, wanted,
                "{outlet}, spooling from {from} to {to}: {before:?}, {meanwhile:?}"
            );
            ended += usize::from(is_missed);
        }
        assert!(ended > 0, "nobody was missed before: {misses:?}");
        println!("{ended} devices were missed until their spooling was said");
    });
}

fn wait_for_spool(cluster: &Cluster, is_so: impl Fn(u64) -> bool) {
    let deadline = Instant::now() + SPOOL_LIMIT;
    loop {
        let spooled = spool::spooled(cluster);
        if is_so(spooled) {
            return;
        }
        assert!(Instant::now() < deadline, "{spooled} records are in the spool");
    }
}

pub(crate) fn rows(readers: &[Reader], table: Table, columns: &[&str]) -> Vec<Vec<Field>> {
    let mut spec = QuerySpec::all(table);
    spec.columns = columns.iter().map(|&column| column.to_owned()).collect();
    let rows = readers.iter().flat_map(|reader| reader.query(&spec).unwrap());
    rows.map(Result::unwrap).collect()
}

pub(crate) fn int(field: &Field) -> i64 {
    match field {
        Field::Int(number) => *number,
        other => panic!("{other:?} is no number"),
    }
}

/// Partition and offsets at which each outlet's device was first said to be spooling, and then to be drained.
fn spools(readers: &[Reader]) -> BTreeMap<String, (i64, i64, i64)> {
    let columns = ["outlet", "state", "log_partition", "log_offset"];
    let mut said: BTreeMap<String, Vec<(i64, i64, bool)>> = BTreeMap::new();
    for row in rows(readers, Table::Entries, &columns) {
        let is_end = match row[1].to_string().as_str() {
            "spooling" => false,
            "drained" => true,
            _ => continue,
        };
        let one = (int(&row[3]), int(&row[2]), is_end);
        said.entry(row[0].to_string()).or_default().push(one);
    }
    let spools = said.into_iter().filter_map(|(outlet, mut said)| {
        said.sort_unstable();
        let begun = said.iter().skip_while(|(.., is_end)| *is_end);
        let &(from, partition, _) = begun.clone().next()?;
        let end = begun.clone().find(|(.., is_end)| *is_end);
        let &(to, ..) = end.unwrap_or_else(|| panic!("{outlet} is spooling from {from} on, and never drained"));
        Some((outlet, (partition, from, to)))
    });
    spools.collect()
}

/// Partition, offset of the cause and edge of each outlet's MISS, in their order.
fn misses(readers: &[Reader]) -> BTreeMap<String, Vec<(i64, i64, String)>> {
    let columns = ["outlet", "rule", "edge", "cause_partition", "cause_offset"];
    let mut misses: BTreeMap<String, Vec<(i64, i64, String)>> = BTreeMap::new();
    for row in rows(readers, Table::Events, &columns) {
        if row[1].to_string() == "MISS" {
            let edge = (int(&row[3]), int(&row[4]), row[2].to_string());
            misses.entry(row[0].to_string()).or_default().push(edge);
        }
    }
    for edges in misses.values_mut() {
        edges.sort();
    }
    misses
}
