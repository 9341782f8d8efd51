//! The pages as they are sent, word for word, in both languages.

use axum::http::{StatusCode, header};
use plume_alert::accounts::Role;
use plume_alert::desk::DeskOptions;
use plume_alert::desk::routes::ROUTES;
use plume_schemas::rule::RuleCode;

use super::{Bureau, address};

/// desk.md: a page weighs less than this before its charts.
const PAGE_BYTES: usize = 300_000;

#[tokio::test]
async fn duty_board() {
    let bureau = Bureau::new().await;
    let page = bureau.get(Role::CityDuty, "/").await;
    assert_eq!(page.status, StatusCode::OK);
    insta::assert_snapshot!(page.steady());
}

#[tokio::test]
async fn only_a_virtual_clock_makes_a_demonstration_of_it() {
    for virtual_clock in [false, true] {
        let bureau = Bureau::with(DeskOptions::new(false, virtual_clock)).await;
        let page = bureau.get(Role::CityDuty, "/").await;
        assert_eq!(page.text.contains("演示环境"), virtual_clock);
    }
}

#[tokio::test]
async fn duty_board_of_the_closed_in_english() {
    let bureau = Bureau::new().await;
    insta::assert_snapshot!(bureau.get(Role::ReadOnly, "/?state=closed&lang=en").await.steady());
}

#[tokio::test]
async fn case_that_can_still_be_saved() {
    let bureau = Bureau::new().await;
    let case = bureau.case(RuleCode::NearHour).await.id;
    insta::assert_snapshot!(bureau.get(Role::CityDuty, &format!("/alerts/{case}")).await.steady());
}

#[tokio::test]
async fn case_of_an_hour_over_its_limit_in_english() {
    let bureau = Bureau::new().await;
    let case = bureau.case(RuleCode::ExceedHour).await.id;
    insta::assert_snapshot!(
        bureau
            .get(Role::CityDuty, &format!("/alerts/{case}?lang=en"))
            .await
            .steady()
    );
}

#[tokio::test]
async fn phone_home_and_case() {
    let bureau = Bureau::new().await;
    insta::assert_snapshot!("phone_home", bureau.get(Role::Enterprise, "/m").await.steady());
    let case = bureau.case(RuleCode::NearHour).await.id;
    insta::assert_snapshot!(
        "phone_case",
        bureau
            .get(Role::Enterprise, &format!("/m/alerts/{case}"))
            .await
            .steady()
    );
}

#[tokio::test]
async fn numbers_of_a_chart() {
    let bureau = Bureau::new().await;
    let case = bureau.case(RuleCode::NearHour).await.id;
    let page = bureau.get(Role::CityDuty, &format!("/api/series/{case}?span=6h")).await;
    let numbers: serde_json::Value = serde_json::from_str(&page.text).unwrap();
    let rows = numbers["at"].as_array().unwrap().len();
    for column in ["value", "flagged", "mean", "projection", "low", "high"] {
        assert_eq!(numbers[column].as_array().unwrap().len(), rows, "{column}");
    }
    assert_eq!(numbers["limit"], 35.0);
    let flags = numbers["flags"].as_array().unwrap();
    assert_eq!(flags.len(), 1, "one calibration: {flags:?}");
    assert_eq!(flags[0][1].as_i64().unwrap() - flags[0][0].as_i64().unwrap(), 15 * 60);
}

#[tokio::test]
async fn every_page_is_light_and_safe() {
    let bureau = Bureau::new().await;
    let case = bureau.case(RuleCode::NearHour).await.id.to_string();
    let problem = bureau.problem().await.id.to_string();
    for role in [Role::CityDuty, Role::Enterprise] {
        for route in ROUTES
            .iter()
            .filter(|route| route.method == "GET" && route.need.met_by(role))
        {
            if route.path.ends_with("/events") {
                continue;
            }
            let path = address(route.path, &case, &problem);
            let page = bureau.get(role, &path).await;
            assert!(page.text.len() < PAGE_BYTES, "{path} weighs {} bytes", page.text.len());
            let policy = page.headers["content-security-policy"].to_str().unwrap();
            assert!(
                policy.contains("default-src 'none'") && !policy.contains("unsafe"),
                "{path}: {policy}"
            );
            assert_eq!(page.headers["x-content-type-options"], "nosniff", "{path}");
            assert!(page.headers.contains_key(header::CACHE_CONTROL), "{path}");
        }
    }
}

#[tokio::test]
async fn files_of_a_page_are_all_there_and_kept() {
    let bureau = Bureau::new().await;
    let case = bureau.case(RuleCode::NearHour).await.id;
    let page = bureau.get(Role::CityDuty, &format!("/alerts/{case}")).await.text;
    let mut seen = 0;
    for part in page.split("\"/assets/").skip(1) {
        let path = format!("/assets/{}", part.split('"').next().unwrap());
        let file = bureau.get(Role::CityDuty, &path).await;
        assert_eq!(file.status, StatusCode::OK, "{path}");
        let keep = file.headers[header::CACHE_CONTROL].to_str().unwrap();
        assert!(keep.contains("immutable"), "{path}: {keep}");
        seen += 1;
    }
    assert_eq!(seen, 6, "stylesheets, scripts and the icon");
    let old = bureau.get(Role::CityDuty, "/assets/0000000000000000/desk.css").await;
    assert_eq!(old.headers[header::CACHE_CONTROL], "no-cache");
}

#[tokio::test]
async fn the_language_is_remembered() {
    let bureau = Bureau::new().await;
    let page = bureau.get(Role::CityDuty, "/?lang=en").await;
    let cookie = page.headers[header::SET_COOKIE].to_str().unwrap();
    assert!(cookie.starts_with("plume_lang=en;"), "{cookie}");
    assert!(page.text.contains("<html lang=\"en\">") && page.text.contains("Duty board"));
}

#[tokio::test]
async fn strangers_and_wrong_links_are_told_what_to_do() {
    let bureau = Bureau::new().await;
    let stranger = axum::http::Request::get("/").body(axum::body::Body::empty()).unwrap();
    let page = bureau.read(stranger).await;
    assert_eq!(page.status, StatusCode::UNAUTHORIZED);
    assert!(page.text.contains("请登录"));
    for bad in ["/enter/x", "/a/x", &format!("/enter/{}", "ab".repeat(32))] {
        let page = bureau.get(Role::CityDuty, bad).await;
        assert_eq!(page.status, StatusCode::NOT_FOUND);
        assert!(page.text.contains("链接无效或已过期"));
    }
    for bad in [
        "/alerts/nothing",
        "/alerts/00000000000000000000000000000000",
        "/no/such/page",
    ] {
        assert_eq!(
            bureau.get(Role::CityDuty, bad).await.status,
            StatusCode::NOT_FOUND,
            "{bad}"
        );
    }
}

#[tokio::test]
async fn a_link_becomes_a_session() {
    let bureau = Bureau::new().await;
    let token = bureau.tokens[&Role::Enterprise].reveal();
    let request = axum::http::Request::get(format!("/enter/{token}"))
        .body(axum::body::Body::empty())
        .unwrap();
    let page = bureau.read(request).await;
    assert_eq!((page.status, page.location()), (StatusCode::SEE_OTHER, "/m"));
    let cookie = page.headers[header::SET_COOKIE].to_str().unwrap();
    assert!(
        cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax") && !cookie.contains("Secure"),
        "{cookie}"
    );
}
