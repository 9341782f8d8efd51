//! Marks: given to the log before the person is told that they are recorded.

use axum::http::StatusCode;
use plume_alert::accounts::Role;
use plume_alert::desk::{MarkBatch, MarkQueue};
use tokio::sync::mpsc;

use super::{Bureau, seed};

fn form(outlet: &str) -> String {
    format!("outlet={outlet}&factor=&start=2026-11-21T08:00&end=2026-11-21T10:00&kind=maintenance&note=更换滤芯")
}

/// A bureau whose marks come out here.
async fn bureau() -> (Bureau, mpsc::Receiver<MarkBatch>) {
    let bureau = Bureau::new().await;
    let (queue, marks) = mpsc::channel(1);
    bureau.state.set_mark_queue(MarkQueue::new(queue));
    (bureau, marks)
}

#[tokio::test]
async fn a_mark_is_recorded_and_then_said_to_be() {
    let (bureau, mut marks) = bureau().await;
    let log = tokio::spawn(async move {
        let batch = marks.recv().await.unwrap();
        let kinds: Vec<String> = batch
            .marks
            .iter()
            .map(|mark| format!("{} {}", mark.kind.code(), mark.by))
            .collect();
        batch.done.send(Ok(())).unwrap();
        let lost = marks.recv().await.unwrap();
        lost.done.send(Err("disk full".into())).unwrap();
        kinds
    });
    let page = bureau.post(Role::Enterprise, "/marks", &form(seed::HEAT_OUTLET)).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text.contains("已记录 1 条标记"), "{}", page.text);
    let failed = bureau.post(Role::Enterprise, "/marks", &form(seed::HEAT_OUTLET)).await;
    assert!(failed.text.contains("未能记录"));
    let kinds = log.await.unwrap();
    assert_eq!(kinds.len(), 1);
    assert!(kinds[0].starts_with("maintenance "));
    assert!(bureau.get(Role::Audit, "/audit").await.text.contains("人工标记"));
}

#[tokio::test]
async fn nobody_marks_what_is_not_theirs() {
    let (bureau, mut marks) = bureau().await;
    let foreign = bureau
        .post(Role::Enterprise, "/marks", &form("91330100MA27X0XY9Z:DA001"))
        .await;
    assert!(foreign.text.contains("须在本人范围内"));
    let table = "csv=outlet%2Cfactor%0Ax%2Cy%0A";
    let page = bureau.post(Role::Branch, "/marks/import", table).await;
    assert!(page.text.contains("表头应为 outlet,factor,start,end,kind,note"));
    for role in [Role::ReadOnly, Role::Contractor, Role::Audit] {
        assert_eq!(bureau.get(role, "/marks").await.status, StatusCode::FORBIDDEN, "{role}");
    }
    assert!(marks.try_recv().is_err(), "nothing was recorded");
}
