//! What the bureau sets up for itself: routes of its own, from one desk role to the next, said again until somebody
//! signs; tables changed on screen; silences in the log of operations.

use plume_alert::case::ActKind;
use plume_alert::duty::Roster;
use plume_alert::mute::silence::{Matcher, Silence};
use plume_alert::notify::Audience;
use plume_alert::store::{CaseFilter, Order, Page};
use plume_alert::tables::{TableError, TableKind};
use plume_schemas::event::Edge;
use plume_schemas::judgement::{FactKey, FactValue};
use plume_schemas::rule::{RuleCode, Severity};

use crate::world::{MINUTE, World, branch, config, duty, enterprise, event, exceed, near, second_duty};

const HEAD: &str = "family,when,audience,channel,delay_min,night,chain,rule,district,industry,enterprise,note\n";
const ROSTER: &str = "audience,district,start,end,name,phone,email\n\
                      branch,东区,2026-11-21T08:00,2026-11-22T08:00,周分局,13100000001,\n\
                      city,,2026-11-21T08:00,2026-11-22T08:00,钱值班,13100000002,\n";

/// A desk with these routes, and two officers on duty.
async fn with_routes(rows: &str) -> World {
    let world = World::new().await;
    let roster = Roster::from_csv(ROSTER).unwrap();
    world.desk.import_roster(&roster).await.unwrap();
    let table = format!("{HEAD}{rows}");
    world
        .desk
        .change_table(&duty(), TableKind::Routes, &table, 0)
        .await
        .unwrap();
    world
}

async fn after_minutes(world: &World, minutes: i64) -> String {
    world.pass_time(minutes * MINUTE);
    world.send_all().await;
    world.heard.text()
}

#[tokio::test]
async fn what_no_desk_acknowledges_climbs_to_the_next_role_and_then_calls() {
    let world = with_routes("exceed,any,branch,ring,0,now,yes,,,,,\n").await;
    world.apply(&exceed("20261121142500").from(1)).await;
    world.send_all().await;
    let count = |part: &str| world.heard.count(part);
    assert_eq!(
        (count("响铃 → 周分局"), count("响铃 → 钱值班")),
        (1, 0),
        "{}",
        world.heard.text()
    );
    // That the enterprise has signed does not mean that an officer has seen it.
    world.act(&enterprise(), ActKind::Acknowledge, "").await;
    let heard = after_minutes(&world, 5).await;
    assert_eq!((count("响铃 → 钱值班"), count("语音")), (1, 0), "{heard}");
    let heard = after_minutes(&world, 5).await;
    assert_eq!(count("语音 → 钱值班"), 1, "{heard}");
}

#[tokio::test]
async fn an_officer_who_acts_ends_the_climb() {
    let world = with_routes("exceed,any,branch,ring,0,now,yes,,,,,\n").await;
    world.apply(&exceed("20261121142500").from(1)).await;
    world.send_all().await;
    world.act(&branch("东区"), ActKind::Phone, "已致电中控室").await;
    let heard = after_minutes(&world, 30).await;
    assert_eq!(world.heard.count("响铃") + world.heard.count("语音"), 1, "{heard}");
}

#[tokio::test]
async fn the_shipped_routes_call_the_officer_who_does_not_hear_the_ring() {
    let world = World::new().await;
    world
        .desk
        .import_roster(&Roster::from_csv(ROSTER).unwrap())
        .await
        .unwrap();
    let grave = exceed("20261121142500").fact(FactKey::ExceedRatio, FactValue::Float(1.4));
    world.apply(&grave.from(1)).await;
    world.send_all().await;
    assert_eq!(world.heard.count("语音"), 0);
    let heard = after_minutes(&world, 5).await;
    assert_eq!(world.heard.count("语音 → 钱值班"), 1, "{heard}");
}

#[tokio::test]
async fn a_narrower_row_speaks_instead_of_the_wider_one() {
    let wide = "exceed,any,enterprise,sms,0,now,no,,,,,\nexceed,any,city,list,0,now,no,,,,,\n";
    let told = async |narrow: &str| {
        let world = with_routes(&format!("{wide}{narrow}\n")).await;
        world.apply(&exceed("20261121142500").from(1)).await;
        world.send_all().await;
        let filter = CaseFilter {
            listing: Some(world.desk.listing(Audience::City)),
            ..CaseFilter::default()
        };
        let page = Page {
            order: Order::Latest,
            offset: 0,
            limit: 10,
        };
        let listed = world.desk.store().cases(&duty(), &filter, page).await.unwrap().total;
        (world.heard.count("短信 → 张环保"), listed)
    };
    assert_eq!(told("").await, (1, 1));
    for narrow in [
        "exceed,any,enterprise,none,0,now,no,,,,91330100MA27X0AB1C,",
        "exceed,any,enterprise,none,0,now,no,,,thermal_power_coal,,",
        "exceed,any,enterprise,none,0,now,no,,东区,,,",
        "exceed,any,enterprise,none,0,now,no,EXCEED_HOUR,,,,",
    ] {
        assert_eq!(told(narrow).await, (0, 1), "{narrow}");
    }
    assert_eq!(told("exceed,any,city,none,0,now,no,,东区,,,").await, (1, 0));
    assert_eq!(told("exceed,any,city,none,0,now,no,,西区,,,").await, (1, 1));
    // Of two that fit, the enterprise's own counts.
    let both = "exceed,any,enterprise,none,0,now,no,,东区,,,\n\
                exceed,any,enterprise,sms,0,now,no,,,,91330100MA27X0AB1C,";
    assert_eq!(told(both).await, (1, 1));
}

#[tokio::test]
async fn calm_messages_to_one_address_keep_their_distance() {
    let mut config = config();
    config.notify.group_interval_s = 300;
    config.notify.group_wait_s = 0;
    let world = World::with(config).await;
    let stuck = |factor, offset| {
        event(RuleCode::Const, Edge::Opened, "20261121142500")
            .factor(Some(factor))
            .from(offset)
    };
    world.apply(&stuck("a21026", 1)).await;
    world.send_all().await;
    assert_eq!(world.heard.count("短信 → 张环保"), 1);
    for (offset, rule) in (2..).zip([RuleCode::Freq, RuleCode::Neg]) {
        let later = event(rule, Edge::Opened, "20261121142600").severity(Severity::Attention);
        world.apply(&later.factor(Some("a21002")).from(offset)).await;
    }
    let heard = after_minutes(&world, 2).await;
    assert_eq!(world.heard.count("短信 → 张环保"), 1, "{heard}");
    // An urgent warning does not wait for company.
    world
        .apply(&near("20261121142700").factor(Some("a34013")).from(9))
        .await;
    let heard = after_minutes(&world, 1).await;
    assert_eq!(world.heard.count("短信 → 张环保"), 2, "{heard}");
    let heard = after_minutes(&world, 6).await;
    assert_eq!(world.heard.count("等2条提醒"), 1, "{heard}");
}

#[tokio::test]
async fn what_nobody_signs_for_is_said_again_until_somebody_does() {
    let mut config = config();
    config.notify.repeat_h = 24;
    let world = World::with(config).await;
    let often = event(RuleCode::Freq, Edge::Opened, "20261121142500").severity(Severity::Attention);
    world.apply(&often.from(1)).await;
    after_minutes(&world, 1).await;
    assert_eq!(world.heard.count("短信 → 张环保"), 1);
    after_minutes(&world, 23 * 60).await;
    assert_eq!(world.heard.count("仍未签收"), 0);
    after_minutes(&world, 60).await;
    let heard = after_minutes(&world, 24 * 60).await;
    assert_eq!(world.heard.count("短信 → 张环保"), 3, "{heard}");
    assert!(
        world.heard.count("【仍未签收】【") >= 2,
        "the mark is not doubled: {heard}"
    );
    assert_eq!(world.heard.count("【仍未签收】【仍未签收】"), 0);
    world.act(&enterprise(), ActKind::Acknowledge, "").await;
    after_minutes(&world, 3 * 24 * 60).await;
    assert_eq!(world.heard.count("短信 → 张环保"), 3);
    let case = world.only_case().await;
    assert!(
        world
            .notices(case.id)
            .await
            .iter()
            .any(|line| line.ends_with("repeated/skipped/acknowledged"))
    );
}

#[tokio::test]
async fn a_table_is_changed_whole_or_not_at_all_and_outlives_a_restart() {
    let world = World::new().await;
    let guidance = |text: &str| {
        format!("rule,industry,factor,causes_zh,checks_zh,measures_zh,causes_en,checks_en,measures_en\n{text}\n")
    };
    let change =
        async |viewer, kind, text: String, version| world.desk.change_table(&viewer, kind, &text, version).await;
    let own = guidance("near,,,本地原因,检查,措施,cause,check,measure");
    let refused = change(branch("东区"), TableKind::Guidance, own.clone(), 0).await;
    assert!(matches!(refused, Err(TableError::NotAllowed { .. })));
    for (kind, text, wrong) in [
        (TableKind::Guidance, guidance("near,,,=cmd(),b,c,a,b,c"), "line 2"),
        (TableKind::Guidance, "a,b\n".to_owned(), "columns `a,b`"),
        (
            TableKind::Routes,
            format!("{HEAD}lead,any,enterprise,sms,0,now,no,,,,,\n"),
            "leads never go",
        ),
        (
            TableKind::Words,
            "rule,edge,zh,en\nNEAR_HOUR,breach,{open,x\n".to_owned(),
            "are closed",
        ),
        (
            TableKind::Holidays,
            "date,kind,name,source\n2026-13-01,holiday,x,y\n".to_owned(),
            "no date",
        ),
        (TableKind::Duty, format!("{ROSTER}city,,x,y,=cmd(),,\n"), "line 4"),
    ] {
        let error = change(duty(), kind, text, 0).await.unwrap_err();
        assert!(error.to_string().contains(wrong), "{kind}: {error}");
        assert!(!error.hint().is_empty());
    }
    assert_eq!(world.desk.tables().version, 0, "nothing was changed");
    // A byte-order mark, as spreadsheets write it, is no part of the table.
    change(duty(), TableKind::Guidance, format!("\u{feff}{own}"), 0)
        .await
        .unwrap();
    let taken = change(second_duty(), TableKind::Guidance, own.clone(), 0).await;
    assert!(
        matches!(taken, Err(TableError::Changed { expected: 0, found: 1 })),
        "{taken:?}"
    );
    change(duty(), TableKind::Duty, ROSTER.to_owned(), 0).await.unwrap();
    let words = "rule,edge,zh,en\n*,breach,请留意。,Look.\n";
    change(duty(), TableKind::Words, words.to_owned(), 0).await.unwrap();
    let beside = world.beside().await;
    assert_eq!(beside.roster().shifts().len(), 2);
    let world = world.reopened().await;
    let first = |desk: &plume_alert::Desk| {
        let tables = desk.tables();
        let lang = plume_alert::words::Lang::Zh;
        tables.guidance.of(RuleCode::NearHour, "", None, lang).unwrap().causes[0].clone()
    };
    assert_eq!(first(&world.desk), "本地原因");
    assert_eq!(first(&beside), "本地原因");
    world.apply(&near("20261121142500").from(1)).await;
    world.send_all().await;
    assert!(world.heard.count("请留意。") >= 2, "{}", world.heard.text());
    let log = world.desk.store().audit(0, 10).await.unwrap();
    let changed: Vec<_> = log
        .iter()
        .map(|line| (line.kind.code(), line.object.as_str(), line.detail.as_str()))
        .collect();
    assert_eq!(changed[2], ("table_changed", "guidance", "v1"), "{changed:?}");
}

#[tokio::test]
async fn a_silence_and_its_end_stand_in_the_log_of_operations() {
    let world = World::new().await;
    let matcher = Matcher {
        family: Some(plume_alert::case::Family::Quality),
        ..Matcher::default()
    };
    let now = world.now();
    let silence = Silence::new(&branch("东区"), matcher, "检修", now, now.plus(60 * MINUTE), now).unwrap();
    world.desk.silence(&silence).await.unwrap();
    let store = world.desk.store();
    store.end_silence(&duty(), silence.id, world.now()).await.unwrap();
    assert!(
        store.end_silence(&duty(), silence.id, world.now()).await.is_err(),
        "once"
    );
    let log = store.audit(0, 10).await.unwrap();
    let lines: Vec<_> = log
        .iter()
        .map(|line| format!("{} {} {} {}", line.kind, line.actor, line.object, line.detail))
        .collect();
    assert_eq!(
        lines,
        [
            "silence_ended 钱值班 quality 检修",
            "silenced 周分局 quality → 2026-11-21 15:25 · 检修"
        ]
    );
}

#[tokio::test]
async fn a_clock_that_jumps_delays_no_warning_and_doubles_none() {
    let world = World::new().await;
    // The desk's clock was set back an hour: the log's writers are ahead of it.
    world.go_to("20261121132500");
    world.apply(&near("20261121142500").from(1)).await;
    world.send_all().await;
    assert_eq!(world.heard.count("短信 → 张环保"), 1, "{}", world.heard.text());
    // Set forward two days at once: the chain's later contacts are not called of an hour long over.
    world.go_to("20261123132500");
    world.send_all().await;
    // And back again.
    world.go_to("20261121142600");
    world.send_all().await;
    assert_eq!(world.heard.count("短信 → 张环保"), 1, "{}", world.heard.text());
    assert_eq!(
        world.heard.count("李中控") + world.heard.count("语音"),
        0,
        "{}",
        world.heard.text()
    );
}
