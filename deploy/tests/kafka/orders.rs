//! Orders given in one process, for a device whose link another holds.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::brokers;
use crate::cluster::{Cluster, Part};
use crate::fleet::mn;
use crate::support::device::play;

/// The desk's process gives the order; the ingest that holds the link sends it, and the other one leaves it alone. Then
/// the device connects to that other one.
#[test]
fn orders_reach_the_process_that_holds_the_link() {
    let Some(brokers) = brokers("orders across processes") else {
        return;
    };
    let cluster = Cluster::start(&brokers, "orders", &[Part::Desk, Part::Ingest, Part::SecondIngest]);
    let (site, device) = (cluster.site(Part::Desk), mn(0));
    for holder in [Part::SecondIngest, Part::Ingest] {
        let (to, stop) = (cluster.devices_of(holder), AtomicBool::new(false));
        std::thread::scope(|scope| {
            let playing = scope.spawn(|| play(&device, to, &stop));
            let words = [
                "command",
                "read-time",
                "--mn",
                &device,
                "--by",
                "王工",
                "--config",
                "plume.toml",
            ];
            let (fine, text) = site.plume(&words);
            stop.store(true, Ordering::Relaxed);
            playing.join().unwrap();
            assert!(fine && text.contains("SystemTime = 20"), "{holder:?}: {text}");
        });
    }
    let (fine, listed) = site.plume(&["command", "--list", "--json", "--config", "plume.toml"]);
    assert!(fine, "{listed}");
    let of_time = listed.lines().filter(|line| line.contains("\"cn\":1011"));
    let ended: Vec<&str> = of_time.filter(|line| line.contains("\"outcome\"")).collect();
    assert_eq!(ended.len(), 2, "each order is carried out once: {listed}");
    assert!(
        ended.iter().all(|line| line.contains("\"outcome\":\"done\"")),
        "{listed}"
    );
}
