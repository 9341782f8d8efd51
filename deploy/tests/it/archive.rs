//! The archive's commands through the real binary: what is asked for is found while plume runs, after a kill and after
//! a stop; damage is named; evidence can be checked by anybody.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use plume_bus::fs::RealFs;
use plume_schemas::time::{HOUR_MS, Span};

use crate::make;
use crate::support::{Link, MN, Running, Site, frame, minute_packet};

const DAY: &str = "2026-11-20";
const OUTLET: &str = "91330100MA27X0AB1C:DA001";

/// A site whose virtual clock has seen six hours, two of them over the limit of 35 mg/m³, and what came of it. A packet
/// in ten minutes, as in deploy/examples/turbine-map.toml: each is a step of the clock that the log names.
fn played() -> Site {
    let site = Site::new("");
    let dir = site.dir.path();
    let hours = "hour,so2\n0,20\n1,50.5\n2,52.5\n3,20\n4,20\n5,20\n";
    std::fs::write(dir.join("hours.csv"), hours).unwrap();
    std::fs::write(
        dir.join("map.toml"),
        format!(
            "[time]\nstart = \"{DAY} 08:00\"\n\
             [[factor]]\ncolumn = \"so2\"\ncode = \"a21026\"\nunit = \"mg/m3\"\n\
             [minutes]\ninterval_min = 10\nphi = 0.5\nnoise_share = 0.01\nseed = 1\n"
        ),
    )
    .unwrap();
    // An hour is judged at once where every factor with a limit has its hour value: one factor is enough here.
    let registry = format!(
        "[[enterprise]]\nid = \"91330100MA27X0AB1C\"\nname = \"示例热电有限公司\"\ndistrict = \"滨江区\"\n\
         [[enterprise.contact]]\nrole = \"environment_officer\"\nname = \"李主管\"\nphone = \"13900001234\"\n\
         [[outlet]]\nid = \"{OUTLET}\"\nenterprise = \"91330100MA27X0AB1C\"\nnumber = \"DA001\"\n\
         [[outlet.factor]]\ncode = \"a21026\"\n\
         [[outlet.factor.limit]]\nwindow = \"hour\"\nvalue = \"35\"\nsource = \"permit\"\nclause = \"排污许可证\"\n\
         [[source]]\nmn = \"{MN}\"\npassword = \"123456\"\nst = \"31\"\noutlet = \"{OUTLET}\"\n"
    );
    std::fs::write(dir.join("registry.toml"), registry).unwrap();
    let play = [
        "simulate",
        "--registry",
        "registry.toml",
        "--from",
        "hours.csv",
        "--map",
        "map.toml",
    ];
    let (fine, text) = site.plume(&[&play[..], &["--data", "data"]].concat());
    assert!(fine, "{text}");
    site
}

/// A site with an archive of one packet, one hour over the limit, and the event of it.
fn breached() -> Site {
    let site = Site::new("");
    std::fs::create_dir_all(site.data().join("state")).unwrap();
    let noon = make::at("20261121120000");
    let judged = make::judgement(1, Span::hour_of(noon), 1);
    let mut archive = make::open(&site.data().join("archive"), Arc::new(RealFs), &make::config()).unwrap();
    let records = [
        make::entry(0, &make::registry(1, noon)),
        make::of_report(1, make::minute(1, noon, 5)),
        make::of_judgement(0, &judged),
        make::of_event(0, judged),
    ];
    make::drive(&mut archive, &records).unwrap();
    archive.flush().unwrap();
    site
}

fn rows(site: &Site, args: &[&str]) -> Vec<serde_json::Value> {
    let (fine, text) = site.plume(&[&["query"][..], args, &["--data", "data", "--format", "json"]].concat());
    assert!(fine, "{text}");
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn readings_are_grouped_and_tables_joined() {
    let site = played();
    let minutes = [
        "readings",
        "--kind",
        "minute",
        "--factor",
        "a21026",
        "--statistic",
        "avg",
        "--by",
        "hour",
    ];
    let groups = rows(&site, &minutes);
    assert_eq!(groups[0]["count"], 6, "{groups:?}");
    assert_eq!(groups[0]["valid_share"], 1.0, "{groups:?}");
    // The minutes are drawn so that their mean is the hour's value.
    assert!((groups[1]["mean"].as_f64().unwrap() - 50.5).abs() < 0.01, "{groups:?}");

    let (fine, table) = site.plume(&["query", "--data", "data", "--day", DAY]);
    assert!(fine && table.contains("exceed_ratio"), "{table}");
    let (fine, joined) = site.plume(&["query", "outlets", "--data", "data"]);
    assert!(
        fine && joined.contains("示例热电有限公司") && joined.contains("滨江区"),
        "{joined}"
    );
    let (fine, text) = site.plume(&["query", "hours", "--data", "data", "--columns", "price"]);
    assert!(
        !fine && text.contains("limit_value"),
        "an unknown column names those there are: {text}"
    );
}

#[test]
fn the_rate_of_a_day_is_counted() {
    let site = played();
    let judged = rows(&site, &["hours", "--day", DAY]).len();
    let (fine, text) = site.plume(&["rate", "--data", "data", "--day", DAY, "--json"]);
    assert!(fine, "{text}");
    let lines: Vec<serde_json::Value> = text
        .lines()
        .filter(|line| line.starts_with('{'))
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let (one, all) = (&lines[0], lines.last().unwrap());
    assert_eq!(
        (one["outlet"].as_str(), one["factor"].as_str()),
        (Some(OUTLET), Some("a21026")),
        "{text}"
    );
    assert_eq!(all["hours"]["due"], judged, "{text}");
    assert!(
        all["hours"]["completed_received"].as_u64() >= all["hours"]["immediate_received"].as_u64(),
        "{text}"
    );
    let (fine, table) = site.plume(&["rate", "--data", "data", "--month", "2026-11"]);
    assert!(
        fine && table.contains("传输有效率") && table.contains(OUTLET),
        "{table}"
    );
    let (fine, text) = site.plume(&["rate", "--data", "data", "--quarter", "2026Q1"]);
    assert!(!fine && text.contains("nothing was judged"), "{text}");
    let (fine, text) = site.plume(&["rate", "--data", "data", "--month", "2026-13"]);
    assert!(
        !fine && text.contains("2026-11"),
        "what is no month is told how one is written: {text}"
    );
}

#[test]
fn exports_are_whole_files() {
    let site = played();
    let dir = site.dir.path();
    let export = |extra: &[&str]| {
        let day = [
            "export", "readings", "--kind", "minute", "--outlet", OUTLET, "--day", DAY, "--data", "data",
        ];
        let (fine, text) = site.plume(&[&day[..], extra].concat());
        assert!(fine, "{text}");
    };
    export(&[]);
    let csv = std::fs::read(dir.join(format!("readings-{}-{DAY}.csv", OUTLET.replace(':', "_")))).unwrap();
    let text = String::from_utf8(csv).unwrap();
    assert!(
        text.starts_with("\u{feff}kind,factor,outlet"),
        "{}",
        text.lines().next().unwrap()
    );
    let lines = text.lines().count() - 1;
    assert!(lines >= 6 * 6, "{lines}");
    export(&["--format", "xlsx", "--out", "day.xlsx"]);
    let book = std::fs::read(dir.join("day.xlsx")).unwrap();
    let parts = plume_archive::read_zip(&book).unwrap();
    let (_, sheet) = parts
        .iter()
        .find(|(name, _)| name == "xl/worksheets/sheet1.xml")
        .unwrap();
    assert_eq!(String::from_utf8_lossy(sheet).matches("<row ").count(), lines + 1);
    export(&["--float64", "--columns", "value", "--out", "float64.csv"]);
    let plain = std::fs::read_to_string(dir.join("float64.csv")).unwrap();
    assert_eq!(plain.lines().count() - 1, lines);
    for value in plain.lines().skip(1) {
        assert_eq!(
            value.parse::<f64>().unwrap().to_string(),
            value,
            "a double as it is printed"
        );
    }
    export(&["--format", "parquet", "--out", "day.parquet"]);
    assert!(std::fs::read(dir.join("day.parquet")).unwrap().starts_with(b"PAR1"));
    let (fine, text) = site.plume(&["query", "readings", "--data", "data", "--format", "xlsx"]);
    assert!(!fine && text.contains("--out"), "{text}");
}

fn a_part(dir: &Path) -> PathBuf {
    dir.join(format!("data/archive/packets/date={DAY}/part-0.parquet"))
}

#[test]
fn verify_names_what_was_changed() {
    let site = played();
    let (fine, text) = site.plume(&["verify", "--data", "data", "--json"]);
    assert!(fine, "{text}");
    let report: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(report["sound"], true, "{report}");
    let head = report["head"].as_str().unwrap();
    let (fine, text) = site.plume(&["verify", "--archive", "data/archive", "--head", head]);
    assert!(fine && text.contains("完好"), "{text}");
    let (fine, text) = site.plume(&["verify", "--data", "data", "--head", &"0".repeat(64)]);
    assert!(!fine && text.contains("chain"), "{text}");

    let part = a_part(site.dir.path());
    let mut bytes = std::fs::read(&part).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&part, bytes).unwrap();
    let (fine, text) = site.plume(&["verify", "--data", "data"]);
    assert!(!fine && text.contains("part-0.parquet was changed"), "{text}");
}

#[test]
fn evidence_stands_by_itself_and_hides_the_password() {
    let site = breached();
    let hours = rows(&site, &["hours", "--archived-only"]);
    assert_eq!(
        (&hours[0]["verdict"], &hours[0]["limit_value"]),
        (&"breach".into(), &50.0.into()),
        "{hours:?}"
    );
    assert_eq!(hours[0]["status"], "preliminary", "{hours:?}");
    let opened = &rows(&site, &["events", "--columns", "event_id,edge", "--archived-only"])[0];
    let id = opened["event_id"].as_str().unwrap();
    let (fine, text) = site.plume(&["evidence", id, "--data", "data", "--archived-only", "--out", "e.zip"]);
    assert!(fine && text.contains("packets"), "{text}");
    let path = site.dir.path().join("e.zip");
    let bundle = plume_archive::read_zip(&std::fs::read(&path).unwrap()).unwrap();
    let parts = bundle.iter();
    let parts = parts.flat_map(|(name, bytes)| [name.as_str().into(), String::from_utf8_lossy(bytes)]);
    let shown: String = parts.collect();
    for part in [
        "event.json",
        "judgements.jsonl",
        "PW=******",
        "readings.csv",
        "SHA256SUMS.sig",
        "甲热电",
    ] {
        assert!(shown.contains(part), "{part}");
    }
    assert!(!shown.contains("PW=123456"), "no password");

    let (fine, text) = site.plume(&["evidence", "--check", "e.zip", "--data", "data"]);
    assert!(fine && text.contains("key of this data directory"), "{text}");
    checked_by_openssl(site.dir.path());
    // A packet changed, in a ZIP file that is whole: the hash tells.
    let mut forged = bundle.clone();
    let masked = |bytes: &[u8]| bytes.windows(9).position(|window| window == b"PW=******");
    let (packet, at) = forged
        .iter_mut()
        .find_map(|(_, bytes)| masked(bytes).map(|at| (bytes, at)))
        .unwrap();
    packet[at + 3] = b'7';
    std::fs::write(&path, plume_archive::write_zip(&forged).unwrap()).unwrap();
    let (fine, text) = site.plume(&["evidence", "--check", "e.zip"]);
    assert!(!fine, "{text}");
    let (fine, text) = site.plume(&["evidence", &"0".repeat(32), "--data", "data"]);
    assert!(!fine && text.contains("plume query events"), "{text}");
}

/// The three commands that the bundle's README names, but for unpacking.
fn checked_by_openssl(dir: &Path) {
    let script = "import zipfile; zipfile.ZipFile('e.zip').extractall('unpacked')";
    let unpacked = Command::new("python3").args(["-c", script]).current_dir(dir).status();
    if !unpacked.is_ok_and(|status| status.success()) {
        println!("SKIPPED: no python3 to unpack the bundle with");
        return;
    }
    let unpacked = dir.join("unpacked");
    let sums = Command::new("sha256sum")
        .args(["-c", "SHA256SUMS"])
        .current_dir(&unpacked)
        .output()
        .unwrap();
    assert!(sums.status.success(), "{}", String::from_utf8_lossy(&sums.stdout));
    let verify = "pkeyutl -verify -pubin -inkey public.pem -rawin -in SHA256SUMS -sigfile SHA256SUMS.sig";
    match Command::new("openssl")
        .args(verify.split(' '))
        .current_dir(&unpacked)
        .output()
    {
        Ok(output) => assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr)),
        Err(error) => println!("SKIPPED: no openssl to check the signature with: {error}"),
    }
}

#[test]
fn what_just_came_is_seen_while_plume_runs_and_after_a_kill() {
    let site = Site::new("");
    let running = site.start();
    let mut link = Link::open(running.devices).unwrap();
    let mut send = |minute: u32, value: &str| {
        let (qn, at) = (
            format!("2026011708{minute:02}30000"),
            format!("2026011708{minute:02}00"),
        );
        link.send(minute_packet(MN, &qn, &at, value).as_bytes()).unwrap();
        link.answer().unwrap();
    };
    let ask = || {
        let args = [
            "query",
            "readings",
            "--config",
            "plume.toml",
            "--factor",
            "a21026",
            "--format",
            "json",
        ];
        let (fine, text) = site.plume(&[&args[..], &["--columns", "measured_at,value"]].concat());
        assert!(fine, "{text}");
        text
    };
    send(1, "21.50");
    assert_eq!(ask(), "{\"measured_at\":\"2026-01-17 08:01:00\",\"value\":21.50}\n");
    send(2, "22.75");
    running.kill();
    let both = ask();
    assert!(both.contains("21.50") && both.contains("22.75"), "{both}");
    let again = site.start();
    assert!(again.stop(), "what a query archived is taken over");
    assert_eq!(ask(), both);
}

/// A publication is under way: it is planned, so many files have been replaced, and the manifest does not say so yet.
fn is_compacting(archive: &Path, replaced: usize) -> bool {
    let (plan, manifest) = (archive.join("plan.json"), archive.join("manifest.jsonl"));
    let (Ok(text), Ok(lines)) = (std::fs::read(&plan), std::fs::read_to_string(manifest)) else {
        return false;
    };
    let Ok(begun) = serde_json::from_slice::<serde_json::Value>(&text) else {
        return false;
    };
    let since = std::fs::metadata(&plan).and_then(|file| file.modified()).unwrap();
    let days = std::fs::read_dir(archive.join("readings/kind=minute"));
    let parts = days.into_iter().flatten().flatten();
    let new = parts.filter(|day| {
        let part = std::fs::metadata(day.path().join("part-0.parquet"));
        part.and_then(|file| file.modified()).is_ok_and(|at| at >= since)
    });
    begun["op"] == "publish" && begun["seq"] == lines.lines().count() && new.count() >= replaced
}

#[test]
fn a_kill_in_the_middle_of_compaction_loses_and_doubles_nothing() {
    const DAYS: u32 = 28;
    let site = Site::new("");
    let archive = site.data().join("archive");
    let (mut rounds, mut killed) = (0, 0);
    // At its beginning, and with some of the days replaced; a kill that comes too late is tried again.
    for replaced in [0, 3, 9] {
        let middle = killed + 1;
        while killed < middle {
            assert!(rounds < 20, "no kill came in the middle of a compaction");
            let mut running = site.start();
            let mut link = Link::open(running.devices).unwrap();
            for day in 1..=DAYS {
                let (qn, at) = (
                    format!("202601{day:02}08{rounds:02}30000"),
                    format!("202601{day:02}08{rounds:02}00"),
                );
                let value = format!("{}.{day:02}", 20 + rounds);
                link.send(minute_packet(MN, &qn, &at, &value).as_bytes()).unwrap();
                link.answer().unwrap();
            }
            rounds += 1;
            running.signal("TERM");
            while !is_compacting(&archive, replaced) && !running.has_ended() {
                std::thread::yield_now();
            }
            running.kill();
            killed += u32::from(is_compacting(&archive, replaced));
        }
    }
    assert!(site.start().stop(), "what was begun is finished");
    assert!(!is_compacting(&archive, 0));
    let (fine, text) = site.plume(&["verify", "--data", "data"]);
    assert!(fine, "{text}");
    let found = rows(&site, &["readings", "--columns", "measured_at,value,revision"]);
    let seen: std::collections::BTreeSet<String> = found.iter().map(ToString::to_string).collect();
    assert_eq!(
        (found.len(), seen.len()),
        ((DAYS * rounds) as usize, (DAYS * rounds) as usize)
    );
    // Rows that are not published yet have no revision.
    assert!(
        found.iter().all(|row| row["revision"].as_u64().unwrap_or(0) == 0),
        "{found:?}"
    );
}

#[test]
fn every_command_shows_examples() {
    let site = Site::new("");
    for command in ["query", "export", "verify", "evidence"] {
        let (fine, text) = site.plume(&[command, "--help"]);
        assert!(
            fine && text.contains("Examples") && text.contains(&format!("plume {command}")),
            "{text}"
        );
    }
}

/// What the terminal counts and what a program is told are the same: one hour of the real clock, received and valid.
#[test]
fn the_rates_of_the_api_are_those_of_the_command() {
    let site = Site::new("");
    let registry = std::fs::read_to_string(site.dir.path().join("registry.toml")).unwrap();
    let parsed: toml::Value = toml::from_str(&registry).unwrap();
    let running = site.start();
    let hour = crate::editions::now().floor(HOUR_MS).plus(-2 * HOUR_MS);
    let factors = parsed["outlet"][0]["factor"].as_array().unwrap();
    let values: Vec<String> = factors
        .iter()
        .map(|factor| factor["code"].as_str().unwrap())
        .map(|code| format!("{code}-Avg=20.5,{code}-Flag=N"))
        .collect();
    let mut link = Link::open(running.devices).unwrap();
    let (qn, at) = (crate::editions::now().stamp14() + "000", hour.stamp14());
    let values = values.join(";");
    link.send(
        frame(&format!(
            "QN={qn};ST=31;CN=2061;PW=123456;MN={MN};Flag=5;CP=&&DataTime={at};{values}&&"
        ))
        .as_bytes(),
    )
    .unwrap();
    link.answer().unwrap();
    let day = hour.date();
    let (_, enter) = site.plume(&["enter", "--data", site.data().to_str().unwrap(), "--name", "程序"]);
    // The judge closes one factor's hour after the other: what both say is compared when all are there.
    let deadline = std::time::Instant::now() + Duration::from_mins(1);
    loop {
        let (told, api) = (by_command(&site, &day), by_api(&running, &enter, &day));
        if told == api && told.len() > factors.len() / 2 {
            break;
        }
        assert!(std::time::Instant::now() < deadline, "{told:#?}\n{api:#?}");
    }
}

/// Outlet, factor, and completed counts of a day, the sum of all last, as `plume rate` says.
fn by_command(site: &Site, day: &str) -> Vec<[serde_json::Value; 6]> {
    let (_, text) = site.plume(&["rate", "--config", "plume.toml", "--day", day, "--json"]);
    let lines = text
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    lines
        .map(|line| {
            let all = |part: &str| line["all"][part].clone();
            [
                line["outlet"].clone(),
                line["factor"].clone(),
                all("due"),
                all("completed_received"),
                all("completed_valid"),
                all("completed_pct"),
            ]
        })
        .collect()
}

/// The same, as a program is told.
fn by_api(running: &Running, enter: &str, day: &str) -> Vec<[serde_json::Value; 6]> {
    let api = running.api(enter, &format!("/api/v1/rates?day={day}"));
    let rates = api["rates"].as_array().into_iter().flatten();
    let total = api.get("total");
    rates
        .chain(total)
        .map(|rate| {
            let completed = |part: &str| rate["completed"][part].clone();
            [
                rate.get("outlet").unwrap_or(&"*".into()).clone(),
                rate.get("factor").unwrap_or(&"*".into()).clone(),
                completed("due"),
                completed("received"),
                completed("valid"),
                completed("effective_pct"),
            ]
        })
        .collect()
}
