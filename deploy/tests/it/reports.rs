//! The desk's report of a day, from a packet to the page.

use std::time::{Duration, Instant};

use plume_schemas::time::HOUR_MS;

use crate::support::{Link, MN, Site, frame};

const OUTLET: &str = "91330100MA27X0AB1C:DA001";

#[test]
fn an_hour_that_a_device_reports_stands_in_the_report_of_its_day() {
    let site = Site::new("[archive]\nbatch_every_s = 1\n");
    let running = site.start();
    let now = crate::editions::now();
    let hour = now.floor(HOUR_MS).plus(-2 * HOUR_MS);
    let mut link = Link::open(running.devices).unwrap();
    let (qn, at) = (now.stamp14() + "000", hour.stamp14());
    let values = "a21002-Avg=23.4,a21002-Flag=N;a19001-Avg=6.5,a19001-Flag=N";
    let packet = frame(&format!(
        "QN={qn};ST=31;CN=2061;PW=123456;MN={MN};Flag=5;CP=&&DataTime={at};{values}&&"
    ));
    link.send(packet.as_bytes()).unwrap();
    link.answer().unwrap();
    let (_, enter) = site.plume(&["enter", "--data", site.data().to_str().unwrap()]);
    let path = format!("/outlets/{OUTLET}/report?period=day&date={}", hour.date());
    let deadline = Instant::now() + Duration::from_mins(1);
    loop {
        let page = running.page(&enter, &path);
        if page.contains("23.4") {
            assert!(page.contains("NOx 实测"), "{page}");
            break;
        }
        assert!(Instant::now() < deadline, "{page}");
    }
    assert!(running.stop());
}
