//! Who is told, when, and what keeps it quiet.

use plume_alert::case::ActKind;
use plume_schemas::event::Edge;
use plume_schemas::judgement::{FactKey, FactValue, Pane, Verdict};
use plume_schemas::rule::{RuleCode, Severity};

use plume_alert::case::Family;
use plume_alert::duty::Roster;
use plume_alert::links::LinkError;
use plume_alert::mute::silence::{Matcher, Silence};

use crate::world::{MINUTE, World, branch, duty, enterprise, event, exceed, near};

#[tokio::test]
async fn an_urgent_warning_climbs_the_chain_until_somebody_signs() {
    let world = World::new().await;
    world.apply(&near("20261121142500").from(1)).await;
    world.send_all().await;
    assert_eq!(
        world.heard.count("短信 → 张环保 139****1234"),
        1,
        "{}",
        world.heard.text()
    );
    assert_eq!(world.heard.count("短信 → 孙运维"), 1);
    assert_eq!(world.heard.count("李中控"), 0);
    world.pass_time(5 * MINUTE);
    world.send_all().await;
    assert_eq!(world.heard.count("短信 → 李中控"), 1);
    world.act(&enterprise(), ActKind::Acknowledge, "").await;
    world.pass_time(10 * MINUTE);
    world.send_all().await;
    let case = world.only_case().await;
    insta::assert_debug_snapshot!(world.notices(case.id).await);
    let notices = world.desk.store().notices(&duty(), case.id).await.unwrap();
    let signed: Vec<_> = notices
        .iter()
        .filter(|n| n.acknowledged_at.is_some())
        .map(|n| n.receiver.as_str())
        .collect();
    assert_eq!(signed, ["张环保"]);
}

#[tokio::test]
async fn what_is_over_is_told_only_to_those_who_heard() {
    let world = World::new().await;
    world.apply(&near("20261121142500").from(1)).await;
    world.send_all().await;
    let over = near("20261121142500")
        .verdict(Verdict::Fine)
        .edge(Edge::Cleared, "20261121142700");
    world.apply(&over.from(2)).await;
    world.pass_time(30 * MINUTE);
    world.send_all().await;
    let case = world.only_case().await;
    insta::assert_debug_snapshot!(world.notices(case.id).await);
}

#[tokio::test]
async fn a_warning_is_not_sent_after_its_hour() {
    let world = World::new().await;
    world.apply(&near("20261121142500").from(1)).await;
    world.go_to("20261121150000");
    world.send_all().await;
    assert_eq!(world.heard.text(), "");
    let case = world.only_case().await;
    assert!(
        world
            .notices(case.id)
            .await
            .iter()
            .all(|line| line.ends_with("skipped/stale"))
    );
}

#[tokio::test]
async fn attention_rings_nobody_and_data_quality_waits_for_the_morning() {
    let world = World::new().await;
    world.go_to("20261121230000");
    world
        .apply(&near("20261121230000").severity(Severity::Attention).from(1))
        .await;
    world.send_all().await;
    assert_eq!(world.heard.text(), "");
    let stuck = event(RuleCode::Const, Edge::Opened, "20261121230000").severity(Severity::Attention);
    world.apply(&stuck.from(2)).await;
    world.pass_time(MINUTE);
    world.send_all().await;
    assert_eq!(world.heard.text(), "");
    world.go_to("20261122073000");
    world.send_all().await;
    assert_eq!(world.heard.count("数据恒值"), 4, "{}", world.heard.text());
}

#[tokio::test]
async fn leads_reach_nobody_outside_by_any_way() {
    let world = World::new().await;
    let mut offset = 0;
    for &rule in RuleCode::ALL {
        if rule.stream() == plume_schemas::rule::Stream::Lead {
            offset += 1;
            world
                .apply(
                    &event(rule, Edge::Opened, "20261121100000")
                        .severity(Severity::Exceeded)
                        .from(offset),
                )
                .await;
        }
    }
    assert_eq!(offset, 8);
    world.pass_time(24 * 60 * MINUTE);
    world.send_all().await;
    assert_eq!(world.heard.text(), "");
}

#[tokio::test]
async fn a_grave_exceedance_rings_and_a_small_one_does_not() {
    let world = World::new().await;
    world.apply(&exceed("20261121142500").from(1)).await;
    world.send_all().await;
    assert_eq!(world.heard.count("响铃"), 0);
    let world = World::new().await;
    let twice = event(RuleCode::ExceedHour, Edge::Opened, "20261121142500")
        .severity(Severity::Exceeded)
        .preliminary()
        .pane(Pane::OnTime)
        .fact(FactKey::ExceedRatio, FactValue::Float(1.0));
    world.apply(&twice.from(1)).await;
    world.send_all().await;
    assert_eq!(world.heard.count("响铃"), 1, "{}", world.heard.text());
}

#[tokio::test]
async fn calm_notices_to_one_address_go_as_one_message() {
    let world = World::new().await;
    for (offset, factor) in ["a21026", "a21002", "a34013"].into_iter().enumerate() {
        let stuck = event(RuleCode::Const, Edge::Opened, "20261121142500").severity(Severity::Attention);
        world.apply(&stuck.factor(Some(factor)).from(offset as u64)).await;
    }
    world.send_all().await;
    assert_eq!(world.heard.text(), "", "they wait for each other");
    world.pass_time(30_000);
    world.send_all().await;
    assert_eq!(world.heard.count("短信 → 张环保"), 1, "{}", world.heard.text());
    assert_eq!(world.heard.count("等3条提醒"), 2);
}

#[tokio::test]
async fn an_exceedance_mutes_its_warning_and_late_data_is_no_news() {
    let world = World::new().await;
    world.apply(&exceed("20261121142500").late().from(1)).await;
    world.send_all().await;
    assert_eq!(world.heard.text(), "");
    let case = world.only_case().await;
    assert!(
        world
            .notices(case.id)
            .await
            .iter()
            .all(|line| line.ends_with("skipped/late"))
    );
}

#[tokio::test]
async fn a_flood_to_one_address_is_capped() {
    let mut config = crate::world::config();
    config.notify.rate_per_hour = 2;
    config.notify.group_wait_s = 0;
    let world = World::with(config).await;
    for hour in 0..5_u64 {
        let stamp = format!("202611211{hour}2500");
        let often = event(RuleCode::Freq, Edge::Opened, &stamp).severity(Severity::Attention);
        let factor = ["a21026", "a21002", "a34013", "a21005", "a20043"][usize::try_from(hour).unwrap()];
        world.apply(&often.factor(Some(factor)).from(hour)).await;
        world.send_all().await;
    }
    assert_eq!(world.heard.count("短信 → 张环保"), 2, "{}", world.heard.text());
    for _ in 0..3 {
        world.pass_time(60 * MINUTE);
        world.send_all().await;
    }
    let mut sent = 0;
    for case in world.cases().await {
        sent += world
            .notices(case.id)
            .await
            .iter()
            .filter(|line| line.ends_with("sent/due"))
            .count();
    }
    assert_eq!(sent, 5);
}

#[tokio::test]
async fn a_restart_sends_nothing_twice() {
    let mut world = World::new().await;
    world.apply(&near("20261121142500").from(1)).await;
    world.send_all().await;
    let before = world.heard.text();
    for _ in 0..3 {
        world = world.reopened().await;
        world.apply(&near("20261121142500").from(1)).await;
        world.send_all().await;
    }
    assert_eq!(world.heard.text(), before);
}

#[tokio::test]
async fn a_silence_keeps_quiet_while_it_lasts_and_says_so() {
    let world = World::new().await;
    let matcher = Matcher {
        family: Some(Family::Quality),
        ..Matcher::default()
    };
    let until = world.now().plus(60 * MINUTE);
    let silence = Silence::new(&branch("东区"), matcher, "停炉检修", world.now(), until, world.now()).unwrap();
    world.desk.silence(&silence).await.unwrap();
    let stuck = event(RuleCode::Const, Edge::Opened, "20261121142500");
    world.apply(&stuck.from(1)).await;
    world.apply(&near("20261121142500").from(2)).await;
    world.send_all().await;
    assert_eq!(world.heard.count("数据恒值"), 0);
    assert_eq!(world.heard.count("小时均值可能超标"), 2);
    let quality = world
        .cases()
        .await
        .into_iter()
        .find(|case| case.family == Family::Quality)
        .unwrap();
    assert!(
        world
            .notices(quality.id)
            .await
            .iter()
            .all(|line| line.ends_with("skipped/silenced"))
    );
    // Seen by officers of the district, ended by one of them, absent for others.
    let store = world.desk.store();
    assert_eq!(store.silences(&branch("东区"), world.now()).await.unwrap().len(), 1);
    assert!(store.silences(&branch("西区"), world.now()).await.unwrap().is_empty());
    assert!(store.silences(&enterprise(), world.now()).await.unwrap().is_empty());
    assert!(
        store
            .end_silence(&branch("西区"), silence.id, world.now())
            .await
            .is_err()
    );
    store.end_silence(&duty(), silence.id, world.now()).await.unwrap();
    world.pass_time(2 * MINUTE);
    world
        .apply(
            &stuck
                .factor(Some("a21002"))
                .edge(Edge::Opened, "20261121142700")
                .outlet(crate::world::OUTLET)
                .from(3),
        )
        .await;
    world.send_all().await;
    assert_eq!(world.heard.count("NOx 数据恒值"), 2, "{}", world.heard.text());
}

#[tokio::test]
async fn a_ring_goes_to_whoever_is_on_duty() {
    let world = World::new().await;
    let roster = "audience,district,start,end,name,phone,email\n\
                  city,,2026-11-21T08:00,2026-11-21T20:00,钱值班,13100000001,\n\
                  city,,2026-11-21T20:00,2026-11-22T08:00,夜班,13100000002,\n";
    world
        .desk
        .import_roster(&Roster::from_csv(roster).unwrap())
        .await
        .unwrap();
    let grave = exceed("20261121142500").fact(FactKey::ExceedRatio, FactValue::Float(1.4));
    world.apply(&grave.from(1)).await;
    world.send_all().await;
    assert_eq!(world.heard.count("响铃 → 钱值班"), 1, "{}", world.heard.text());
    // The calendar survives a restart.
    let world = world.reopened().await;
    assert_eq!(world.desk.roster().shifts().len(), 2);
}

#[tokio::test]
async fn a_one_time_link_acknowledges_its_case_and_nothing_else() {
    let mut config = crate::world::config();
    config.notify.link_base_url = "https://desk.example.com".into();
    let world = World::with(config).await;
    world.desk.set_up_links([7; 32]).await.unwrap();
    world.apply(&near("20261121142500").from(1)).await;
    world.send_all().await;
    world
        .apply(&exceed("20261121142500").factor(Some("a21002")).from(2))
        .await;
    world.send_all().await;
    let heard = world.heard.text();
    let links: Vec<&str> = heard
        .lines()
        .filter_map(|line| line.trim().strip_prefix("签收：https://desk.example.com/a/"))
        .collect();
    assert_eq!(links.len(), 3, "{heard}");
    let near_link = links[0];
    let peeked = world.desk.peek_link(near_link, world.now()).await.unwrap();
    assert_eq!(peeked.acknowledged, None, "looking is not signing");
    // After a restart the secret is the same, whatever chance says.
    let world = world.reopened().await;
    world.desk.set_up_links([9; 32]).await.unwrap();
    let row = world.desk.follow_link(near_link, world.now()).await.unwrap();
    assert!(row.acknowledged.is_some());
    let again = world.desk.follow_link(near_link, world.now()).await;
    assert!(matches!(again, Err(LinkError::Used)), "{again:?}");
    let forged = near_link.replace(|c: char| c.is_ascii_digit(), "f");
    assert!(matches!(
        world.desk.follow_link(&forged, world.now()).await,
        Err(LinkError::Unknown)
    ));
    world.pass_time(24 * 60 * MINUTE);
    let late = world.desk.follow_link(links[2], world.now()).await;
    assert!(matches!(late, Err(LinkError::Expired)), "{late:?}");
}
