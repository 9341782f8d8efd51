//! Once a day: reminders of dates, and digests.

use std::sync::Arc;

use plume_alert::accounts::{Role, Scope, Viewer};
use plume_alert::duty::Roster;
use plume_alert::remind::{Kind, Publicity};
use plume_schemas::event::Edge;
use plume_schemas::ids::{EnterpriseId, FactorCode};
use plume_schemas::judgement::Verdict;
use plume_schemas::reading::{Basis, Flag, ReportKind};
use plume_schemas::registry::{FactorSetup, Limit, LimitBasis, LimitWindow, RegistryIndex};
use plume_schemas::rule::{RuleCode, Severity};
use plume_schemas::time::MINUTE_MS;

use crate::series::report;
use crate::world::{World, at, branch, contractor, duty, enterprise, event, near, other_enterprise, registry};

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
    let penalty = Publicity {
        enterprise: EnterpriseId::new("91330100MA27X0AB1C").unwrap(),
        district: "东区".into(),
        document: "杭环罚〔2026〕1号".into(),
        published_at: at("20260801"),
        minimum_until: at("20261201"),
        maximum_until: at("20290801"),
        ended_at: None,
    };
    world.desk.store().set_publicity(&penalty).await.unwrap();
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
