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
async fn reports_of_hours_days_and_months() {
    let bureau = Bureau::new().await;
    let path = format!("/outlets/{}/report", seed::HEAT_OUTLET);
    for (period, date) in [("day", "2026-11-20"), ("month", "2026-11-05"), ("year", "2026-02-28")] {
        let report = csv(&bureau, Role::CityDuty, &format!("{path}?period={period}&date={date}")).await;
        insta::assert_snapshot!(format!("report_of_a_{period}"), report);
    }
    let page = bureau.get(Role::CityDuty, &format!("{path}?lang=en")).await.text;
    assert!(
        page.contains("Hours of a day 2026-11-21") && page.contains("SO₂ corrected mg/m³"),
        "{page}"
    );
    let damaged = bureau.get(Role::CityDuty, &format!("{path}?date=2019-01-01")).await;
    assert!(damaged.status == StatusCode::CONFLICT && damaged.text.contains("归档暂时无法读取"));
    let bad = bureau.get(Role::CityDuty, &format!("{path}?date=2026-13-01")).await;
    assert_eq!(bad.status, StatusCode::BAD_REQUEST);
    let foreign = bureau
        .get(Role::Branch, "/outlets/91330100MA27X0XY9Z:DA002/report")
        .await;
    assert_eq!(foreign.status, StatusCode::NOT_FOUND, "another district's outlet");
    assert!(!bureau.get(Role::Branch, "/reports").await.text.contains("乙水泥"));
}

#[tokio::test]
async fn a_report_is_a_workbook_too() {
    let bureau = Bureau::new().await;
    let path = format!(
        "/outlets/{}/report?period=day&date=2026-11-20&format=xlsx",
        seed::HEAT_OUTLET
    );
    let file = bureau.get(Role::CityDuty, &path).await;
    assert_eq!(file.status, StatusCode::OK);
    assert!(
        file.headers[header::CONTENT_TYPE]
            .to_str()
            .unwrap()
            .ends_with("spreadsheetml.sheet")
    );
    let name = file.headers[header::CONTENT_DISPOSITION].to_str().unwrap();
    assert!(name.ends_with("filename=\"report-DA001-2026-11-20.xlsx\""), "{name}");
    assert!(file.text.starts_with("PK"), "a ZIP");
}

#[tokio::test]
async fn a_month_of_a_case_comes_from_the_archive() {
    let bureau = Bureau::new().await;
    let case = bureau.case(RuleCode::NearHour).await.id;
    let series = bureau
        .get(Role::CityDuty, &format!("/api/series/{case}?span=30d"))
        .await;
    let series: serde_json::Value = serde_json::from_str(&series.text).unwrap();
    let hours = series["at"].as_array().unwrap();
    assert!(hours.len() > 600, "{} hours of a month", hours.len());
    assert_eq!(series["words"]["value"], "小时均值");
    assert_eq!(
        series["mean"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|mean| !mean.is_null())
            .count(),
        0
    );
    let page = bureau
        .get(Role::CityDuty, &format!("/alerts/{case}?span=7d"))
        .await
        .text;
    assert!(page.contains("<polyline class=\"minutes\"") && page.contains("aria-current=\"true\">7 天"));
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
