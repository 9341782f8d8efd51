//! Brokers that end, start again and cannot be reached: answers stop, resume by themselves, and nothing is lost.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::cluster::{Cluster, Part};
use crate::fleet::Chance;
use crate::proxy::Network;
use crate::support::Link;
use crate::{brokers, conclude, fleet, number, round, setting, talk};

/// Answers between two events.
const SOME_ANSWERS: usize = 500;
/// How long the network is cut, seconds: longer than a session; `.ci/soak.d/kafka` asks for 30.
const USUAL_CUT_S: u64 = 10;

/// The brokers' directory, as `dev-broker` names it.
fn place() -> PathBuf {
    setting("KAFKA_DIR").unwrap().into()
}

fn dev_broker(action: &str, node: Option<u64>) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("kafka/dev-broker");
    let mut command = Command::new(script);
    command.arg(action).arg(place()).args(node.map(|node| node.to_string()));
    assert!(command.output().unwrap().status.success(), "dev-broker {action}");
}

/// With one broker: it is stopped and started again under load. With several: one after the other is killed, answers go
/// on under other leaders, and it comes back.
#[test]
fn answers_resume_when_brokers_end_and_come_back() {
    let Some(brokers) = brokers("brokers that end") else {
        return;
    };
    let count = brokers.split(',').count() as u64;
    let seed = number("KAFKA_SEED", 20_260_118);
    println!("KAFKA_SEED={seed}, {count} broker(s)");
    let mut chance = Chance(seed);
    let mut cluster = Cluster::start(&brokers, "ends", &Part::ONE_EACH);
    let mut devices = talk(fleet(), &mut cluster, SOME_ANSWERS);
    for _ in 0..count {
        let (node, wanted) = (1 + chance.below(count), chance.below(SOME_ANSWERS as u64));
        println!("broker {node} ends after {wanted} answers");
        if count > 1 {
            devices = round(devices, &mut cluster, wanted, |_| dev_broker("kill", Some(node)));
            devices = talk(devices, &mut cluster, SOME_ANSWERS);
            devices = round(devices, &mut cluster, wanted, |_| dev_broker("start", None));
        } else {
            devices = round(devices, &mut cluster, wanted, |_| {
                dev_broker("stop", Some(node));
                dev_broker("start", None);
            });
        }
        devices = talk(devices, &mut cluster, SOME_ANSWERS);
    }
    conclude(cluster, &devices);
}

/// Everything between plume's processes and the brokers stands still for a while, and then goes on.
#[test]
fn answers_resume_when_the_network_does() {
    let Some(_) = brokers("a network that is cut") else {
        return;
    };
    let network = Network::open(&setting("KAFKA_OUTSIDE").unwrap());
    let cut = Duration::from_secs(number("KAFKA_CUT_S", USUAL_CUT_S));
    let mut cluster = Cluster::start(&network.brokers(), "cut", &Part::TWO_JUDGES);
    let mut devices = talk(fleet(), &mut cluster, SOME_ANSWERS);
    network.cut();
    let mut link = Link::open(cluster.devices()).unwrap();
    link.send(devices[0].packet().as_bytes()).unwrap();
    assert!(link.is_unanswered(cut), "an answer before any broker had the record");
    println!("no answer for {} s while nothing is carried", cut.as_secs());
    network.mend();
    drop(link);
    devices = talk(devices, &mut cluster, SOME_ANSWERS);
    conclude(cluster, &devices);
}
