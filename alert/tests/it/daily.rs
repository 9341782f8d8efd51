//! Once a day: reminders of dates, and digests.

use std::sync::Arc;

use plume_alert::accounts::{Role, Scope, Viewer};
use plume_alert::case::ActKind;
use plume_alert::duty::Roster;
use plume_alert::rates::{RateRow, RateSource, Share};
use plume_alert::remind::Kind;
use plume_alert::tables::TableKind;
use plume_alert::words::Lang;
use plume_schemas::event::Edge;
use plume_schemas::ids::{FactorCode, OutletId};
use plume_schemas::judgement::Verdict;
use plume_schemas::reading::{Basis, Flag, ReportKind};
use plume_schemas::registry::{
    CsvFile, CsvFiles, FactorSetup, Limit, LimitBasis, LimitWindow, Registry, RegistryIndex,
};
use plume_schemas::rule::{RuleCode, Severity};
use plume_schemas::time::{DAY_MS, HOUR_MS, MINUTE_MS};

use crate::series::report;
use crate::world::{
    OTHER_OUTLET, OUTLET, World, at, branch, contractor, duty, enterprise, event, exceed, near, other_enterprise,
    registry,
};

const PENALTY: &str = "enterprise,document,published,minimum_until,maximum_until,ended\n\
                       91330100MA27X0AB1C,杭环罚〔2026〕1号,2026-08-01,2026-12-01,2029-08-01,\n";

/// The registry with a permit of 甲 that ends on 2027-03-01 and a limit for SO₂ at its outlet.
fn dated_registry() -> Arc<RegistryIndex> {
    let mut registry = registry().registry().clone();
    registry.enterprises[0].permit_valid_to = Some(at("20270301"));
    registry.enterprises[0].permit_number = "91330100MA27X0AB1C001P".into();
    registry.outlets[0].factors.push(FactorSetup {
        code: FactorCode::new("a21026").unwrap(),
        unit: None,
        range_low: None,
        range_high: None,
        reference_o2_pct: None,
        cycle_min: None,
        limits: vec![Limit {
            window: LimitWindow::Hour,
            value: plume_schemas::decimal::Decimal::parse(b"35").unwrap(),
            basis: LimitBasis::Concentration,
            source: "permit".into(),
            clause: String::new(),
            valid_from: None,
            valid_to: None,
        }],
    });
    Arc::new(RegistryIndex::new(registry))
}

async fn days(world: &World, stamps: &[&str]) {
    for stamp in stamps {
        world.go_to(stamp);
        world.desk.daily(world.now()).await.unwrap();
        world.send_all().await;
    }
}

#[tokio::test]
async fn a_permit_is_reminded_of_once_a_stage() {
    let world = World::new().await;
    world.desk.set_registry(dated_registry());
    days(
        &world,
        &[
            "20261130100000",
            "20261201060000",
            "20261201100000",
            "20261201110000",
            "20261202100000",
        ],
    )
    .await;
    // 91 days before: on the page. 90 days before: sent, not before the quiet hours end, and once.
    assert_eq!(
        world.heard.count("排污许可证有效期至 2027-03-01（剩余 90 天）"),
        1,
        "{}",
        world.heard.text()
    );
    let world = world.reopened().await;
    world.desk.set_registry(dated_registry());
    days(&world, &["20261202110000", "20261230100000"]).await;
    assert_eq!(
        world.heard.count("最迟于 2026-12-30（含当日）"),
        2,
        "{}",
        world.heard.text()
    );
    days(&world, &["20261231100000"]).await;
    let seen = world.desk.store().reminders(&enterprise()).await.unwrap();
    let stages: Vec<i64> = seen.iter().map(|row| row.reminder.stage_days).collect();
    assert_eq!(stages, [60, 61, 90, 120]);
}

#[tokio::test]
async fn a_penalty_is_seen_by_its_enterprise_and_its_officers_only() {
    let world = World::new().await;
    world
        .desk
        .change_table(&duty(), TableKind::Publicity, PENALTY, 0)
        .await
        .unwrap();
    days(&world, &["20261124100000"]).await;
    assert_eq!(world.heard.count("可申请信用修复"), 1, "{}", world.heard.text());
    assert!(!world.heard.text().contains("失信"));
    let of = |role| Viewer {
        name: "某人".into(),
        role,
        scope: Scope::All,
    };
    let seen = async |viewer: Viewer| {
        let rows = world.desk.store().reminders(&viewer).await.unwrap();
        rows.iter().filter(|row| row.reminder.kind == Kind::Publicity).count()
    };
    for viewer in [enterprise(), branch("东区"), duty()] {
        assert_eq!(seen(viewer.clone()).await, 1, "{viewer:?}");
    }
    let others = [
        other_enterprise(),
        branch("西区"),
        contractor(),
        of(Role::ReadOnly),
        of(Role::Audit),
        of(Role::Admin),
    ];
    for viewer in others {
        assert_eq!(seen(viewer.clone()).await, 0, "{viewer:?}");
    }
}

#[tokio::test]
async fn the_digest_says_what_was_abnormal_and_is_made_once() {
    let world = World::new().await;
    world.desk.set_registry(dated_registry());
    let roster = "audience,district,start,end,name,phone,email\n\
                  branch,东区,2026-11-21T08:00,2026-12-01T08:00,周值班,,zhou@example.com\n\
                  city,,2026-11-21T08:00,2026-12-01T08:00,钱值班,,qian@example.com\n";
    world
        .desk
        .import_roster(&Roster::from_csv(roster).unwrap())
        .await
        .unwrap();
    // Twenty-two hours of data on the 21st, and a stuck value for two of them; a lead that nobody hears of.
    for minute in 0..1_320 {
        let at = at("20261121000000").plus(minute * MINUTE_MS);
        world.desk.observe(&report(
            ReportKind::Minute,
            at,
            &[(Basis::Standard, "20", Flag::Normal)],
        ));
    }
    let stuck = event(RuleCode::Const, Edge::Opened, "20261121091000").severity(Severity::Attention);
    world.apply(&stuck.from(1)).await;
    world
        .apply(
            &stuck
                .verdict(Verdict::Fine)
                .edge(Edge::Cleared, "20261121112000")
                .from(2),
        )
        .await;
    world
        .apply(&event(RuleCode::Cap, Edge::Opened, "20261121100000").from(3))
        .await;
    world.go_to("20261122083000");
    assert_eq!(world.desk.daily(world.now()).await.unwrap(), 3);
    assert_eq!(world.desk.daily(world.now()).await.unwrap(), 0);
    let world = world.reopened().await;
    world.desk.set_registry(dated_registry());
    assert_eq!(world.desk.daily(world.now()).await.unwrap(), 0);
    world.send_all().await;
    let heard = world.heard.text();
    assert!(!heard.contains("疑似"), "{heard}");
    let mut digests: Vec<&str> = heard
        .lines()
        .filter(|line| line.contains("【日报】"))
        .map(str::trim)
        .collect();
    digests.sort_unstable();
    assert_eq!(
        digests,
        [
            "【日报】东区 2026-11-21 预警 1 条",
            "【日报】全市 2026-11-21 预警 1 条",
            "【日报】甲热电有限公司 2026-11-21 异常 2 项",
        ]
    );
    assert!(heard.contains("DA001 SO₂：有效数据 1320/1440 分钟（91.7%）"), "{heard}");
    assert!(
        heard.contains("DA001 SO₂ 数据恒值（关注）09:10—11:20：已恢复"),
        "{heard}"
    );
}

#[tokio::test]
async fn a_quiet_day_is_one_line_and_an_unknown_one_is_silence() {
    let world = World::new().await;
    world.desk.set_registry(dated_registry());
    for minute in 0..1_440 {
        let at = at("20261121000000").plus(minute * MINUTE_MS);
        world.desk.observe(&report(
            ReportKind::Minute,
            at,
            &[(Basis::Standard, "20", Flag::Normal)],
        ));
    }
    days(&world, &["20261122090000"]).await;
    assert!(
        world
            .heard
            .text()
            .contains("【日报】甲热电有限公司 2026-11-21 数据正常"),
        "{}",
        world.heard.text()
    );
    assert!(!world.heard.text().contains("乙水泥"));
    world.apply(&near("20261122090000").from(1)).await;
}

#[tokio::test]
async fn a_permit_by_sheet_is_reminded_of_at_every_stage() {
    let sheet = "统一社会信用代码,企业名称,区县,排污许可证编号,许可证有效期至\n\
                 91330100MA27X0AB1C,甲热电有限公司,东区,91330100MA27X0AB1C001P,2027-03-01\n";
    let files = CsvFiles {
        enterprises: Some(CsvFile {
            name: "enterprises.csv",
            text: sheet,
        }),
        ..CsvFiles::default()
    };
    let registry = Arc::new(RegistryIndex::new(Registry::from_csv(&files).unwrap()));
    let world = World::new().await;
    world.desk.set_registry(Arc::clone(&registry));
    // The day before each stage, its first day, and the day after: 180, 120, 90, 75, 61, 60 and 0 days before the end.
    let ends = at("20270301");
    for stage in [180, 120, 90, 75, 61, 60, 0] {
        for days in [stage + 1, stage, stage - 1] {
            let morning = ends.plus(-days * DAY_MS + 10 * HOUR_MS);
            days_of(&world, morning).await;
        }
    }
    let seen = world.desk.store().reminders(&enterprise()).await.unwrap();
    let mut stages: Vec<i64> = seen.iter().map(|row| row.reminder.stage_days).collect();
    stages.sort_unstable();
    assert_eq!(stages, [0, 60, 61, 75, 90, 120, 180]);
    for row in &seen {
        let text = &row.reminder.text.0;
        let (before, after) = (
            text.contains("《排污许可管理条例》第十四条"),
            text.contains("不得排放污染物"),
        );
        assert!(before != after, "what to do, and by which article: {text}");
    }
}

/// `receiver: subject` of each mail.
fn mails(world: &World) -> Vec<String> {
    let heard = world.heard.text();
    let lines: Vec<&str> = heard.lines().collect();
    lines
        .windows(2)
        .filter_map(|pair| {
            let receiver = pair[0].strip_prefix("邮件 → ")?.split(' ').next()?;
            Some(format!("{receiver}: {}", pair[1].trim()))
        })
        .collect()
}

async fn days_of(world: &World, now: plume_schemas::time::Time) {
    world.go_to(&now.stamp14());
    world.desk.daily(now).await.unwrap();
}

#[tokio::test]
async fn a_penalty_is_reminded_of_thirty_and_seven_days_before_and_on_the_day() {
    let world = World::new().await;
    let change = async |viewer, text: &str, version| {
        let changed = world.desk.change_table(&viewer, TableKind::Publicity, text, version);
        changed.await.map_err(|error| error.said(Lang::Zh))
    };
    let wrong = PENALTY.replace("91330100MA27X0AB1C", "91330100MA27X0ZZZZ");
    let refused = change(duty(), &wrong, 0).await.unwrap_err();
    assert!(
        refused.contains("第 2 行") && refused.contains("已登记企业"),
        "{refused}"
    );
    let refused = change(branch("东区"), PENALTY, 0).await.unwrap_err();
    assert!(refused.contains("无权"), "{refused}");
    assert!(world.desk.store().publicity().await.unwrap().is_empty());
    change(duty(), PENALTY, 0).await.unwrap();
    let (shortest, longest) = (at("20261201"), at("20290801"));
    for end in [shortest, longest] {
        for days in [31, 30, 29, 7, 1, 0, -1] {
            days_of(&world, end.plus(-days * DAY_MS + 10 * HOUR_MS)).await;
        }
    }
    let seen = world.desk.store().reminders(&enterprise()).await.unwrap();
    let mut stages: Vec<(String, i64)> = seen
        .iter()
        .map(|row| (row.reminder.due_on.date(), row.reminder.stage_days))
        .collect();
    stages.sort();
    let expected = |date: &str| [0, 7, 30].map(|stage| (date.to_owned(), stage));
    assert_eq!(stages, [expected("2026-12-01"), expected("2029-08-01")].concat());
    assert!(
        seen.iter()
            .all(|row| row.reminder.text.0.contains("《信用修复管理办法》")),
        "each cites what it goes by"
    );
    // Taken down: the table says so, and nothing more is said.
    let ended = PENALTY.replace("2029-08-01,", "2029-08-01,2026-10-01");
    change(duty(), &ended, 1).await.unwrap();
    let kept = world.desk.store().publicity().await.unwrap();
    assert_eq!(kept[0].ended_at, Some(at("20261001")));
}

#[tokio::test]
async fn what_the_routes_put_off_stands_in_the_digest_they_name() {
    let world = World::new().await;
    // A device's clock that is off: the contractor hears daily, the enterprise weekly, nobody at once.
    let clock = event(RuleCode::Clock, Edge::Opened, "20261121100000")
        .severity(Severity::Attention)
        .factor(None);
    world.apply(&clock.from(1)).await;
    let made = async |stamp: &str| {
        world.go_to(stamp);
        world.desk.daily(world.now()).await.unwrap();
        world.send_all().await;
        mails(&world)
    };
    // Sunday: yesterday's to the contractor, none to the enterprise, whose day was otherwise unknown.
    assert_eq!(
        made("20261122083000").await,
        ["孙运维: 【日报】甲热电有限公司 2026-11-21 待处理 1 项"]
    );
    // Monday, not before half past eight: the week of the 16th to the 22nd to the enterprise.
    assert_eq!(made("20261123082900").await.len(), 1);
    let mails = made("20261123083000").await;
    assert_eq!(
        mails.iter().filter(|mail| mail.contains("周报")).collect::<Vec<_>>(),
        ["张环保: 【周报】甲热电有限公司 2026-11-16 至 2026-11-22 待处理 1 项"]
    );
    assert_eq!(made("20261123200000").await, mails, "once");
    assert!(!mails.iter().any(|mail| mail.contains("张环保: 【日报】")), "{mails:?}");
}

#[tokio::test]
async fn the_digest_says_the_rate_and_the_cause_that_the_enterprise_gave() {
    let world = World::new().await;
    let row = |outlet: &str, valid| RateRow {
        outlet: OutletId::new(outlet).unwrap(),
        factor: FactorCode::new("a21026").unwrap(),
        immediate: Share::default(),
        completed: Share {
            due: 48,
            received: 47,
            valid,
        },
        stopped: 0,
        forecast: None,
    };
    let rows = vec![row(OUTLET, 45), row(OTHER_OUTLET, 47)];
    world.desk.set_rates(RateSource::new(move |_, _| Ok(rows.clone())));
    world.apply(&exceed("20261121142500").from(1)).await;
    world.act(&enterprise(), ActKind::Answer, "脱硫塔浆液泵跳停").await;
    days(&world, &["20261122083000"]).await;
    let heard = world.heard.text();
    assert!(
        heard.contains("传输有效率 93.75%（应传 48，收到 47，有效 45）"),
        "{heard}"
    );
    assert!(heard.contains("；原因：脱硫塔浆液泵跳停"), "{heard}");
}
