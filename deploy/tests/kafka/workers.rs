//! Judges that come and go while hours are open.

use crate::cluster::{Cluster, PARTITIONS, Part};
use crate::{brokers, conclude, fleet, round, talk};

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
