//! 处罚公示: the city's desk keeps the table; of its rows only the enterprise itself and its own officers ever hear.

use axum::http::StatusCode;
use plume_alert::accounts::Role;

use super::{Bureau, seed};

const DOCUMENT: &str = "江环罚〔2026〕7号";

fn table() -> String {
    let rows = format!("{},{DOCUMENT},2026-08-25,2026-11-25,2027-08-25,", seed::HEAT);
    let text = format!("enterprise,document,published,minimum_until,maximum_until,ended\n{rows}\n");
    hex(&text)
}

#[tokio::test]
async fn a_penalty_is_entered_by_the_city_and_read_by_those_concerned_alone() {
    let bureau = Bureau::new().await;
    for role in [
        Role::Branch,
        Role::Admin,
        Role::ReadOnly,
        Role::Audit,
        Role::LeadOfficer,
    ] {
        for path in ["/tables?table=publicity", "/tables/publicity"] {
            assert_eq!(
                bureau.get(role, path).await.status,
                StatusCode::FORBIDDEN,
                "{role} {path}"
            );
        }
        assert!(
            !bureau.get(role, "/tables").await.text.contains("table=publicity"),
            "{role}"
        );
    }
    let form = format!("version=0&csv={}", table());
    let refused = bureau.post(Role::Admin, "/tables/publicity", &form).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    let wrong = form.replace(&hex(seed::HEAT), &hex("91330100MA27X0ZZZZ"));
    let page = bureau.post(Role::CityDuty, "/tables/publicity", &wrong).await.text;
    assert!(
        page.contains("未保存，原表仍然有效：第 2 行") && page.contains("示例：") && page.contains("MA27X0ZZZZ"),
        "{page}"
    );
    let done = bureau.post(Role::CityDuty, "/tables/publicity", &form).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER);
    let csv = bureau.get(Role::CityDuty, "/tables/publicity").await.text;
    assert!(csv.contains(DOCUMENT) && csv.contains("2026-11-25"), "{csv}");
    bureau.desk.daily(seed::at(seed::NOW)).await.unwrap();
    let mut told = Vec::new();
    for role in [Role::CityDuty, Role::Branch, Role::ReadOnly, Role::Audit, Role::Admin] {
        if bureau.get(role, "/reminders").await.text.contains(DOCUMENT) {
            told.push(role);
        }
    }
    assert_eq!(told, [Role::CityDuty, Role::Branch]);
    assert!(!bureau.get(Role::Contractor, "/m").await.text.contains(DOCUMENT));
}

fn hex(text: &str) -> String {
    text.bytes()
        .fold(String::new(), |text, byte| text + &format!("%{byte:02X}"))
}
