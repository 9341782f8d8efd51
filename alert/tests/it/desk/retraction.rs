//! 待确认撤回 on the pages: who is asked, with which buttons, and what is shown to the enterprise meanwhile.

use axum::http::StatusCode;
use plume_alert::accounts::Role;
use plume_schemas::entry::LogPosition;
use plume_schemas::event::{Edge, Event};
use plume_schemas::judgement::{Judgement, Pane, Verdict};
use plume_schemas::rule::{RuleCode, Severity};

use super::Bureau;

/// The hour that was warned of went over its limit, and was then sent again within it.
async fn corrected() -> (Bureau, String) {
    let bureau = Bureau::new().await;
    let near = bureau.case(RuleCode::NearHour).await.judgement;
    let id = Event::case_id(near.outlet, near.factor, RuleCode::ExceedHour, near.window.start);
    let says = async |number: u64, edge: Edge, verdict: Verdict| {
        let at = LogPosition {
            partition: 0,
            offset: near.cause.offset + 1_000_000 + number,
        };
        let judgement = Judgement {
            rule: RuleCode::ExceedHour,
            verdict,
            pane: Pane::Late,
            cause: at,
            judged_at: near.window.end,
            ..near.clone()
        };
        let event = Event {
            id: Event::event_id(id, edge, at),
            case: id,
            edge,
            at: judgement.judged_at,
            preliminary: edge == Edge::Opened,
            judgement,
        };
        bureau.desk.apply(at, &event).await.unwrap();
    };
    says(0, Edge::Opened, Verdict::Breach(Severity::Exceeded)).await;
    says(1, Edge::Retracted, Verdict::Fine).await;
    (bureau, id.to_string())
}

#[tokio::test]
async fn the_officer_is_asked_on_the_board_and_answers_with_a_button() {
    let (bureau, id) = corrected().await;
    let board = bureau.get(Role::CityDuty, "/?state=retracting").await.text;
    assert!(
        board.contains("待确认撤回") && board.contains(&id),
        "it is on the list to confirm"
    );
    let page = bureau.get(Role::CityDuty, &format!("/alerts/{id}")).await.text;
    assert!(page.contains("value=\"confirm_retraction\"") && page.contains("value=\"reject_retraction\""));
    assert!(!page.contains("value=\"close_false\""), "one question at a time");

    let write = format!("/alerts/{id}/acts/write");
    let silent = bureau
        .post(Role::CityDuty, &write, "text=&kind=confirm_retraction")
        .await;
    assert_eq!(silent.status, StatusCode::CONFLICT, "not without a reason");
    let done = bureau
        .post(
            Role::CityDuty,
            &write,
            "text=%E6%A0%B8%E5%AE%9E&kind=confirm_retraction",
        )
        .await;
    assert_eq!(done.location(), format!("/alerts/{id}?done=confirm_retraction"));
    let page = bureau.get(Role::CityDuty, done.location()).await.text;
    assert!(page.contains("已确认撤回") && page.contains("核实") && page.contains("王值班"));
    assert!(!page.contains("confirm_retraction\""), "and it is not asked twice");
    let board = bureau.get(Role::CityDuty, "/").await.text;
    assert!(!board.contains("待确认撤回"));
}

#[tokio::test]
async fn the_enterprise_sees_that_it_stands_and_has_no_such_button() {
    let (bureau, id) = corrected().await;
    let page = bureau.get(Role::Enterprise, &format!("/m/alerts/{id}")).await.text;
    assert!(page.contains("仍然有效"), "{page}");
    assert!(!page.contains("confirm_retraction") && !page.contains("提醒撤回"));
    let refused = bureau
        .post(
            Role::Enterprise,
            &format!("/alerts/{id}/acts/write"),
            "text=x&kind=confirm_retraction",
        )
        .await;
    assert!(
        matches!(refused.status, StatusCode::FORBIDDEN | StatusCode::NOT_FOUND),
        "{}",
        refused.status
    );
}
