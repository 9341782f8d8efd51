//! What an administrator and an officer do on the desk of a plume that runs: the registry, and orders to devices.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::support::device::play;
use crate::support::{MN, Running, Site, Visit, location};

const OUTLET: &str = "91330100MA27X0AB1C:DA001";
const FACTOR: &str = "a21026";

fn visit(site: &Site, running: &Running, role: &str) -> Visit {
    let data = site.data();
    let enter = [
        "enter",
        "--data",
        data.to_str().unwrap(),
        "--role",
        role,
        "--name",
        "周管理",
    ];
    let (fine, link) = site.plume(&enter);
    assert!(fine, "{link}");
    running.visit(&link)
}

/// Looks until the page says so.
fn until(visit: &Visit, path: &str, says: &str) {
    let deadline = Instant::now() + Duration::from_mins(1);
    loop {
        let page = visit.get(path);
        if page.contains(says) {
            return;
        }
        assert!(Instant::now() < deadline, "{says}: {page}");
    }
}

/// A limit of SO2 as somebody fills the form.
fn limit<'a>(revision: &'a str, value: &'a str, from: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("kind", "limit"),
        ("of", OUTLET),
        ("n", "0"),
        ("revision", revision),
        ("outlet", OUTLET),
        ("factor", FACTOR),
        ("window", "hour"),
        ("value", value),
        ("basis", "concentration"),
        ("source", "permit"),
        ("clause", "排污许可证"),
        ("valid_from", from),
        ("valid_to", ""),
    ]
}

#[test]
fn an_edit_on_the_desk_outlives_a_restart_and_a_changed_file_replaces_it() {
    let site = Site::new("");
    let running = site.start();
    let admin = visit(&site, &running, "admin");
    assert!(admin.get("/registry").contains("版本 1"));
    let form = admin.get(&format!("/registry/edit?kind=limit&of={OUTLET}&n=0"));
    assert!(
        form.contains("value=\"35\"") && form.contains("name=\"revision\" value=\"1\""),
        "{form}"
    );

    let (head, _) = admin.post("/registry/edit", &limit("1", "30", "2030-01-01"));
    let draft = location(&head).to_owned();
    let page = admin.get(&draft);
    assert!(
        page.contains("新增 1 行，删除 0 行，修改 1 行") && page.contains("<ins>2030-01-01</ins>"),
        "{page}"
    );
    assert!(admin.get("/registry").contains("版本 1"), "a draft is not in force");
    let (head, page) = admin.post(&draft, &[]);
    assert_eq!(location(&head), "/registry", "{page}");
    assert!(admin.get("/registry").contains("版本 2"));
    // Whoever still has the form of revision 1 is told, and changes nothing.
    let (head, page) = admin.post("/registry/edit", &limit("1", "20", "2031-01-01"));
    assert!(
        head.starts_with("HTTP/1.1 422") && page.contains("已被他人更新"),
        "{page}"
    );
    drop(admin);
    assert!(running.stop());

    let running = site.start();
    let admin = visit(&site, &running, "admin");
    assert!(
        admin.get("/registry").contains("版本 2"),
        "a restart reads the same file"
    );
    let rows = admin.get(&format!("/registry/rows?of={OUTLET}"));
    assert!(rows.contains("2030-01-01") && rows.contains(">30</td>"), "{rows}");
    assert!(!rows.contains("123456"), "the device's password is shown: {rows}");
    let audit = visit(&site, &running, "audit").get("/audit");
    assert!(
        audit.contains("修改基础档案") && audit.contains("周管理") && audit.contains("1 → 2"),
        "{audit}"
    );

    running.signal("HUP");
    let file = site.dir.path().join("registry.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("1号锅炉烟囱", "主烟囱")).unwrap();
    running.signal("HUP");
    until(&admin, "/registry", "版本 3");
    assert!(admin.get("/registry").contains("主烟囱"));
    assert!(!admin.get(&format!("/registry/rows?of={OUTLET}")).contains("2030-01-01"));
    let (fine, log) = running.stop_with_log();
    assert!(fine && log.contains("was taken before"), "{log}");
    assert!(log.contains("replaces what was edited on the desk"), "{log}");
}

#[test]
fn files_are_checked_line_by_line_before_they_are_in_force() {
    let site = Site::new("");
    let running = site.start();
    let admin = visit(&site, &running, "admin");
    let good = std::fs::read_to_string(site.dir.path().join("registry.toml")).unwrap();
    let bad = good.replacen("value = \"35\"", "value = \"-35\"", 1);
    let line = bad.lines().position(|line| line.contains("-35")).unwrap() + 1;
    let (head, page) = admin.upload("/registry/upload", &[("registry.toml", bad.as_bytes())]);
    assert!(
        head.starts_with("HTTP/1.1 422") && page.contains("the limit is -35"),
        "{page}"
    );
    // The place of a limit is its table's head, a few lines above the value.
    let named = (line - 3..=line).any(|line| page.contains(&format!("registry.toml:{line}")));
    assert!(named, "line {line} is not named: {page}");
    let (_, page) = admin.upload("/registry/upload", &[("registry.toml", b"[[enterprise]]\nid = 5\n")]);
    assert!(page.contains("registry.toml:2"), "{page}");

    // The sheets as they are downloaded make no change; with one changed cell, that one.
    let names = [
        "enterprises",
        "contacts",
        "outlets",
        "stop_work",
        "factors",
        "limits",
        "sources",
    ];
    let names = names.map(|name| format!("{name}.csv"));
    let sheets: Vec<String> = names
        .iter()
        .map(|name| admin.get(&format!("/registry/sheets/{name}")))
        .collect();
    let send = |sheets: &[String]| {
        let files = names.iter().zip(sheets);
        let files: Vec<(&str, &[u8])> = files.map(|(name, text)| (name.as_str(), text.as_bytes())).collect();
        admin.upload("/registry/upload", &files)
    };
    let (_, page) = send(&sheets);
    assert!(page.contains("与现行档案一致"), "{page}");
    let mut changed = sheets.clone();
    changed[0] = changed[0].replace("滨江区", "钱塘区");
    let (head, page) = send(&changed);
    assert!(head.starts_with("HTTP/1.1 303"), "{page}");
    let draft = location(&head).to_owned();
    let page = admin.get(&draft);
    assert!(
        page.contains("修改 1 行") && page.contains("<del>滨江区</del>") && page.contains("钱塘区"),
        "{page}"
    );
    let mut wrong = sheets.clone();
    wrong[5] = wrong[5].replace("hour,50,", "hour,=50,").replace("hour,5,", "hour,0,");
    let (_, page) = send(&wrong);
    assert!(page.contains("limits.csv:3") && page.contains("is a formula"), "{page}");
    let mut columns = sheets;
    columns[5] = columns[5].replace("value", "限额");
    let (_, page) = send(&columns);
    assert!(
        page.contains("limits.csv:1") && page.contains("限额: unknown column"),
        "{page}"
    );
    let (head, _) = admin.post(&draft, &[]);
    assert_eq!(location(&head), "/registry");
    assert!(admin.get("/registry").contains("钱塘区"));
    assert!(running.stop());
}

#[test]
fn an_officer_orders_a_device_on_its_page() {
    let site = Site::new("");
    let running = site.start();
    let officer = visit(&site, &running, "city_duty");
    let path = format!("/devices/{MN}/orders");
    let page = officer.get(&path);
    assert!(
        page.contains("提取现场机时间") && !page.contains("设置实时数据间隔"),
        "{page}"
    );
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let device = scope.spawn(|| play(MN, running.devices, &stop));
        let (_, page) = officer.post(&path, &[("order", "read-time")]);
        assert!(page.contains("确认下达以下命令"), "nothing is given unasked: {page}");
        assert!(officer.get(&path).contains("暂无记录"));
        let (head, page) = officer.post(&path, &[("order", "read-time"), ("confirmed", "yes")]);
        assert!(location(&head).starts_with(&path), "{page}");
        until(&officer, &path, "ExeRtn=1");
        stop.store(true, Ordering::Relaxed);
        device.join().unwrap();
    });
    let page = officer.get(&path);
    assert!(page.contains("周管理") && page.contains("SystemTime=20"), "{page}");
    let (head, _) = officer.post(&path, &[("order", "set-password"), ("confirmed", "yes")]);
    assert!(head.starts_with("HTTP/1.1 400"), "{head}");
    let span = [
        ("order", "hours"),
        ("from", "2026-01-01T00:00"),
        ("to", "2026-02-01T00:00"),
    ];
    let (_, page) = officer.post(&path, &span);
    assert!(page.contains("最长 7 天"), "{page}");
    let auditor = visit(&site, &running, "audit");
    until(&auditor, "/audit", "设备命令结果");
    let audit = auditor.get("/audit");
    assert!(
        audit.contains("下达设备命令") && audit.contains("read-time → ExeRtn=1"),
        "{audit}"
    );
    assert!(running.stop());
}
