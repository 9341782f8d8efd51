//! Zero and span checks: given to the log before the person is told; shown as whoever knows the archive drew them.

use axum::http::StatusCode;
use plume_alert::accounts::Role;
use plume_alert::desk::{CheckedFactor, CheckedRow, ChecksQuestion, ChecksQueue};
use plume_schemas::check::{Check, CheckPoint, CheckSource};
use plume_schemas::ids::FactorCode;
use tokio::sync::mpsc;

use super::{Bureau, seed};

fn page() -> String {
    format!("/outlets/{}/checks", seed::HEAT_OUTLET)
}

const FORM: &str = "time=2026-11-21T08:30&factor=a21026&point=zero&gas=0&before=4.8&after=0.1&adjusted=yes&note=滤芯";

fn checked() -> Vec<CheckedFactor> {
    vec![CheckedFactor {
        factor: FactorCode::new("a21026").unwrap(),
        svg: "<svg role=\"img\"><title>零点、跨度检查</title></svg>".to_owned(),
        standing: vec![["零点".to_owned(), "漂移 +2.70 %FS；需校准".to_owned()]],
        rows: vec![CheckedRow {
            at: seed::at("20261121083000"),
            point: "零点".to_owned(),
            gas: Some(0.0),
            before: Some(5.4),
            adjusted: "否".to_owned(),
            drift_pct: Some(2.7),
            is_over: true,
            standing: "需校准".to_owned(),
            finding: "向上漂移，建议校准".to_owned(),
            left: "已超出".to_owned(),
            source: "人工填报".to_owned(),
            ..CheckedRow::default()
        }],
    }]
}

/// A bureau with somebody who knows checks: shows these, gives on what is recorded.
async fn bureau() -> (Bureau, mpsc::UnboundedReceiver<Vec<Check>>) {
    let bureau = Bureau::new().await;
    let (queue, mut questions) = mpsc::channel(4);
    bureau.state.set_checks(ChecksQueue::new(queue));
    let (log, recorded) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Some(question) = questions.recv().await {
            match question {
                ChecksQuestion::Show { answer, .. } => answer.send(Ok(checked())).unwrap(),
                ChecksQuestion::Record { checks, answer } => {
                    let lost = checks.iter().any(|check| check.note == "磁盘已满");
                    log.send(checks).unwrap();
                    answer
                        .send(if lost { Err("disk full".to_owned()) } else { Ok(()) })
                        .unwrap();
                }
            }
        }
    });
    (bureau, recorded)
}

#[tokio::test]
async fn a_check_is_recorded_and_then_said_to_be() {
    let (bureau, mut recorded) = bureau().await;
    let said = bureau.post(Role::Contractor, &page(), FORM).await;
    assert_eq!(said.status, StatusCode::OK);
    assert!(said.text.contains("已记录 1 次检查"), "{}", said.text);
    let check = recorded.try_recv().unwrap().remove(0);
    assert_eq!((check.point, check.source), (Some(CheckPoint::Zero), CheckSource::Form));
    assert_eq!((check.before, check.after, check.adjusted), (4.8, Some(0.1), true));
    assert!(!check.by.is_empty() && check.note == "滤芯");
    assert!(
        bureau
            .get(Role::Audit, "/audit")
            .await
            .text
            .contains("填报零点跨度检查")
    );

    let failed = bureau
        .post(Role::Branch, &page(), &FORM.replace("滤芯", "磁盘已满"))
        .await;
    assert!(failed.text.contains("未能记录"), "{}", failed.text);
    let table = "csv=time%2Coutlet%0Ax%2Cy%0A";
    let refused = bureau
        .post(Role::Enterprise, &format!("{}/import", page()), table)
        .await;
    assert!(
        refused
            .text
            .contains("表头应为 time,outlet,factor,point,gas,before,after,adjusted,note")
    );
    let wrong = bureau
        .post(Role::Enterprise, &page(), &FORM.replace("a21026", "a05002"))
        .await;
    assert!(wrong.text.contains("该排放口已登记的因子编码"), "{}", wrong.text);
}

#[tokio::test]
async fn checks_stand_on_their_page_and_on_the_outlets() {
    let (bureau, _recorded) = bureau().await;
    for (role, path) in [
        (Role::CityDuty, page()),
        (Role::Enterprise, page()),
        (Role::CityDuty, format!("/outlets/{}", seed::HEAT_OUTLET)),
    ] {
        let shown = bureau.get(role, &path).await;
        assert_eq!(shown.status, StatusCode::OK, "{role} {path}");
        for part in [
            "<svg role=\"img\">",
            "向上漂移，建议校准",
            "需校准",
            "漂移 %FS",
            "已超出",
        ] {
            assert!(shown.text.contains(part), "{role} {path}: {part}");
        }
    }
    let english = bureau.get(Role::CityDuty, &format!("{}?lang=en", page())).await.text;
    for part in ["Zero and span checks of", "As found", "Days left", "Enter check"] {
        assert!(english.contains(part), "{part} in {english}");
    }
    // Whoever may look and not enter gets no form; what is not theirs is not there.
    let guest = bureau.get(Role::ReadOnly, &page()).await;
    assert!(guest.text.contains("<svg") && !guest.text.contains("<form method=\"post\" action=\"/outlets"));
    let foreign = bureau
        .get(Role::Enterprise, "/outlets/91330100MA27X0XY9Z:DA001/checks")
        .await;
    assert_eq!(foreign.status, StatusCode::NOT_FOUND);
    assert_eq!(
        bureau.post(Role::ReadOnly, &page(), FORM).await.status,
        StatusCode::FORBIDDEN
    );
}

#[tokio::test]
async fn a_desk_without_an_archive_still_shows_the_form() {
    let bureau = Bureau::new().await;
    let shown = bureau.get(Role::Contractor, &page()).await;
    assert_eq!(shown.status, StatusCode::OK);
    assert!(shown.text.contains("没有检查记录") && shown.text.contains("提交检查"));
}
