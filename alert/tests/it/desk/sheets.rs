//! The tables: what stands in them, for whom, and as CSV.

use axum::http::{StatusCode, header};
use plume_alert::accounts::Role;
use plume_schemas::rule::RuleCode;

use super::{Bureau, seed};

async fn csv(bureau: &Bureau, role: Role, path: &str) -> String {
    let join = if path.contains('?') { '&' } else { '?' };
    let page = bureau.get(role, &format!("{path}{join}format=csv")).await;
    assert_eq!(page.status, StatusCode::OK, "{path}");
    assert_eq!(page.headers[header::CONTENT_TYPE], "text/csv; charset=utf-8");
    page.text
        .strip_prefix('\u{feff}')
        .map(|text| text.replace("\r\n", "\n"))
        .unwrap()
}

#[tokio::test]
async fn an_outlets_hours() {
    let bureau = Bureau::new().await;
    insta::assert_snapshot!(csv(&bureau, Role::CityDuty, &format!("/outlets/{}", seed::HEAT_OUTLET)).await);
}

#[tokio::test]
async fn what_the_warnings_led_to() {
    let bureau = Bureau::new().await;
    insta::assert_snapshot!(csv(&bureau, Role::CityDuty, "/statistics?days=1&lang=en").await);
    let page = bureau.get(Role::CityDuty, "/statistics?days=1").await.text;
    assert!(
        page.contains("预警后达标率<span class=\"small\">（1 / 2）</span>"),
        "one of two warned hours complied"
    );
}

#[tokio::test]
async fn a_shift_is_handed_over() {
    let bureau = Bureau::new().await;
    insta::assert_snapshot!(csv(&bureau, Role::CityDuty, "/handover").await);
}

#[tokio::test]
async fn devices_and_districts() {
    let bureau = Bureau::new().await;
    insta::assert_snapshot!("devices", csv(&bureau, Role::CityDuty, "/devices").await);
    insta::assert_snapshot!("overview", csv(&bureau, Role::CityDuty, "/overview").await);
}

#[tokio::test]
async fn the_last_packets_of_a_device_and_our_answers() {
    let bureau = Bureau::new().await;
    bureau
        .state
        .set_answerer(|raw| raw.starts_with(b"##").then(|| b"##0087PW=secret-pw;CN=9014".to_vec()));
    let path = format!("/devices/{}", seed::HEAT_MN);
    let page = bureau.get(Role::CityDuty, &path).await.text;
    assert_eq!(
        page.matches("PW=*********;MN=88888880000001000101A1").count(),
        50,
        "{page}"
    );
    assert_eq!(page.matches("##0087PW=*********;CN=9014").count(), 50);
    assert!(!page.contains("secret-pw"));
    let elsewhere = bureau.get(Role::Branch, "/devices/88888880000002000101B2").await;
    assert_eq!(elsewhere.status, StatusCode::NOT_FOUND, "another district's device");
    assert_eq!(
        bureau.get(Role::CityDuty, "/devices/none").await.status,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn the_counts_a_bureau_publishes() {
    let bureau = Bureau::new().await;
    insta::assert_snapshot!("bulletin", csv(&bureau, Role::CityDuty, "/bulletin?days=30").await);
    let own = csv(&bureau, Role::Branch, "/bulletin?days=30").await;
    assert!(
        own.contains("江北区") && own.lines().count() < 6,
        "a branch sees its own district: {own}"
    );
}

#[tokio::test]
async fn reminders_of_all_kinds_stand_in_one_list() {
    let bureau = Bureau::new().await;
    bureau.desk.daily(seed::at(seed::NOW)).await.unwrap();
    insta::assert_snapshot!("reminders", csv(&bureau, Role::CityDuty, "/reminders").await);
    let phone = bureau.get(Role::Enterprise, "/m").await.text;
    let lead = bureau.case(RuleCode::Cap).await;
    assert!(
        !csv(&bureau, Role::CityDuty, "/reminders")
            .await
            .contains(&lead.id.to_string())
            && !phone.contains("疑似")
    );
}

#[tokio::test]
async fn passwords_and_whole_numbers_are_nowhere() {
    let bureau = Bureau::new().await;
    for path in ["/registry".to_owned(), format!("/enterprises/{}", seed::HEAT)] {
        let page = bureau.get(Role::CityDuty, &path).await;
        assert_eq!(page.status, StatusCode::OK, "{path}");
        assert!(
            !page.text.contains("13900001234") && !page.text.contains("zhang@example.com"),
            "{path}"
        );
        assert!(!page.text.contains("secret-pw"), "{path} shows a device's password");
    }
    assert!(
        bureau
            .get(Role::CityDuty, &format!("/enterprises/{}", seed::HEAT))
            .await
            .text
            .contains("139****1234")
    );
}

#[tokio::test]
async fn another_districts_outlet_is_not_there() {
    let bureau = Bureau::new().await;
    let foreign = bureau.case(RuleCode::ExceedHour).await;
    for path in [
        format!("/outlets/{}", foreign.outlet),
        format!("/enterprises/{}", foreign.tags.enterprise),
    ] {
        assert_eq!(
            bureau.get(Role::Branch, &path).await.status,
            StatusCode::NOT_FOUND,
            "{path}"
        );
        assert_eq!(bureau.get(Role::CityDuty, &path).await.status, StatusCode::OK, "{path}");
    }
    for path in ["/registry", "/devices", "/overview"] {
        let page = bureau.get(Role::Branch, path).await.text;
        assert!(
            !page.contains("乙水泥") && !page.contains("余杭区"),
            "{path} shows another district"
        );
    }
    for path in ["/outlets/nothing", "/outlets/%E4%B8%AD", "/enterprises/nothing"] {
        assert_eq!(
            bureau.get(Role::CityDuty, path).await.status,
            StatusCode::NOT_FOUND,
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_packet_is_taken_apart_and_shown_as_text() {
    let bureau = Bureau::new().await;
    let page = bureau.post(Role::CityDuty, "/decode", "packet=%3Ci%3E%23%230004").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(
        page.text.contains("9 bytes") && page.text.contains("&#60;i&#62;##0004") && page.text.contains("&#60;b&#62;")
    );
    let long = format!("packet={}", "x".repeat(plume_alert::desk::limits::PACKET_BYTES + 1));
    assert_eq!(
        bureau.post(Role::CityDuty, "/decode", &long).await.status,
        StatusCode::BAD_REQUEST
    );
}
