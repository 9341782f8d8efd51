//! What an officer may do with a device: have it examined.

use axum::http::StatusCode;
use plume_alert::accounts::Role;

use super::{Bureau, seed};

fn path(page: &str) -> String {
    format!("/devices/{}{page}", seed::HEAT_MN)
}

#[tokio::test]
async fn an_officer_reads_what_a_device_must_change() {
    let bureau = Bureau::new().await;
    let door = format!("href=\"{}\"", path("/conformance"));
    assert!(bureau.get(Role::Branch, &path("")).await.text.contains(&door));
    let guest = bureau.get(Role::ReadOnly, &path("")).await;
    assert!(guest.status == StatusCode::OK && !guest.text.contains(&door));

    let csv = bureau.get(Role::CityDuty, &path("/conformance?format=csv")).await;
    let text = csv.text.strip_prefix('\u{feff}').unwrap().replace("\r\n", "\n");
    insta::assert_snapshot!("conformance_of_a_device", text);
    let page = bureau.get(Role::CityDuty, &path("/conformance?lang=en")).await.text;
    for words in [
        "Packets of the last 24 hours",
        "the flow looks like m³/h",
        "send m³/s",
        "31.0",
    ] {
        assert!(page.contains(words), "{words}: {page}");
    }
    assert!(!page.contains("<b>"), "a packet's bytes are text: {page}");
}

#[tokio::test]
async fn a_device_of_another_district_is_not_examined() {
    let bureau = Bureau::new().await;
    let foreign = format!("/devices/{}/conformance", seed::CEMENT_MN);
    assert_eq!(bureau.get(Role::CityDuty, &foreign).await.status, StatusCode::OK);
    assert_eq!(bureau.get(Role::Branch, &foreign).await.status, StatusCode::NOT_FOUND);
    let nobody = bureau.get(Role::CityDuty, "/devices/FFFF/conformance").await;
    assert_eq!(nobody.status, StatusCode::NOT_FOUND);
}
