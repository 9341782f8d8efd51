//! Zero and span checks through the whole plume: sent by a device, imported from a sheet, entered on the desk; judged,
//! shown, remembered over a restart, replayed to the byte.

use std::sync::Arc;
use std::time::{Duration, Instant};

use plume_archive::{QuerySpec, Reader, Table};
use plume_bus::fs::RealFs;
use plume_schemas::rule::RuleCode;
use plume_schemas::time::{DAY_MS, MINUTE_MS, Time};

use crate::support::device::now;
use crate::support::{Link, MN, Running, Site, Visit, frame};

const OUTLET: &str = "91330100MA27X0AB1C:DA001";

/// Longest wait for the judge and the archive, on a machine that does much else.
const PATIENCE: Duration = Duration::from_mins(2);

fn visit(site: &Site, running: &Running, role: &str) -> Visit {
    let data = site.data();
    let data = data.to_str().unwrap();
    let (fine, link) = site.plume(&["enter", "--data", data, "--role", role, "--name", "王运维"]);
    assert!(fine, "{link}");
    running.visit(&link)
}

/// Looks until the page says so.
fn until(visit: &Visit, path: &str, says: &str) -> String {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let page = visit.get(path);
        if page.contains(says) {
            return page;
        }
        assert!(Instant::now() < deadline, "{says}: {page}");
    }
}

/// A check of HJ 212-2025: what the analyser showed on the gas.
fn packet(at: Time, shown: &str) -> String {
    let (qn, data_time) = (now().stamp17(), at.stamp14());
    frame(&format!(
        "QN={qn};ST=31;CN=2062;PW=123456;MN={MN};Flag=9;CP=&&DataTime={data_time};a21026-SampleRd={shown},\
         a21026-StandardValue=0.0,a21026-ResultType=1&&"
    ))
}

fn moment(at: Time) -> String {
    format!("{}T{}", at.date(), at.hour_minute())
}

fn edges(site: &Site) -> Vec<String> {
    let reader = Reader::open(&site.data().join("archive"), Arc::new(RealFs)).unwrap();
    let spec = QuerySpec {
        rule: Some(RuleCode::Drift),
        columns: vec!["edge".to_owned(), "severity".to_owned()],
        ..QuerySpec::all(Table::Events)
    };
    let rows = reader.query(&spec).unwrap().map(Result::unwrap);
    rows.map(|row| format!("{} {}", row[0], row[1])).collect()
}

/// A sheet of span checks, all or none; told twice they count once.
fn import(site: &Site, begin: Time) {
    let data = site.data();
    let data = data.to_str().unwrap();
    let sheet = |rows: &str| {
        let head = "time,outlet,factor,point,gas,before,after,adjusted\n";
        std::fs::write(site.dir.path().join("checks.csv"), format!("{head}{rows}")).unwrap();
        site.plume(&["checks", "import", "checks.csv", "--data", data])
    };
    let row = |hours: i64, shown: &str| {
        let at = moment(begin.plus(-hours * DAY_MS / 24));
        format!("{at},{OUTLET},a21026,span,160,{shown},,\n")
    };
    let (fine, text) = sheet(&format!(
        "{}{},{OUTLET},a99999,span,1,1,,\n",
        row(3, "160.4"),
        moment(begin)
    ));
    assert!(!fine && text.contains("checks:3: factor"), "{text}");
    for _ in 0..2 {
        let (fine, text) = sheet(&format!("{}{}", row(2, "160.6"), row(3, "160.4")));
        assert!(fine && text.contains("2 check(s) recorded"), "{text}");
    }
}

#[test]
fn checks_are_judged_shown_remembered_and_replayed() {
    let site = Site::new("");
    let data = site.data();
    let data = data.to_str().unwrap();
    let begin = now();
    let running = site.start();
    let page = format!("/outlets/{OUTLET}/checks");

    // The device's own checks: good twenty hours ago, 3 % of full scale half an hour ago.
    let mut link = Link::open(running.devices).unwrap();
    for (back_ms, shown) in [(20 * DAY_MS / 24, "0.4"), (30 * MINUTE_MS, "6.0")] {
        link.send(packet(begin.plus(-back_ms), shown).as_bytes()).unwrap();
        link.answer().unwrap();
    }
    let officer = visit(&site, &running, "city_duty");
    let shown = until(&officer, &page, "需校准");
    for part in ["<svg", "设备上报", "+2.5%", "3.00", "校准前漂移"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    until(&officer, &format!("/outlets/{OUTLET}"), "零点/量程漂移");

    import(&site, begin);
    until(&officer, &page, "表格导入");

    // What is remembered survives: out of control is said of the same case, from the last good check on.
    running.kill();
    let running = site.start();
    let mut link = Link::open(running.devices).unwrap();
    link.send(packet(begin.plus(-20 * MINUTE_MS), "12.0").as_bytes())
        .unwrap();
    link.answer().unwrap();
    let officer = visit(&site, &running, "city_duty");
    until(&officer, &page, "失控，数据无效，自");
    let entered = [
        ("time", &*moment(begin)),
        ("factor", "a21026"),
        ("point", "zero"),
        ("gas", "0"),
        ("before", "12.2"),
        ("after", "0.1"),
        ("adjusted", "yes"),
        ("note", "更换零气滤芯"),
    ];
    let (head, said) = officer.post(&page, &entered);
    assert!(
        head.starts_with("HTTP/1.1 200") && said.contains("已记录 1 次检查"),
        "{said}"
    );
    let shown = until(&officer, &page, "恢复受控");
    assert_eq!(shown.matches("人工填报").count(), 1, "{shown}");
    assert_eq!(
        shown.matches("表格导入").count(),
        2,
        "told twice, counted once: {shown}"
    );
    assert!(running.stop());

    assert_eq!(
        edges(&site),
        ["opened attention", "worsened urgent", "cleared "],
        "one case from end to end"
    );
    for source in ["log", "archive"] {
        let (same, text) = site.plume(&["replay", "--data", data, "--source", source]);
        assert!(same && text.contains("identical to the byte"), "{source}: {text}");
    }
}
