//! What an officer may do with a device: have it examined.

use axum::http::StatusCode;
use plume_alert::accounts::Role;
use plume_alert::desk::{KeyStanding, KeyView};

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
async fn an_officer_orders_confirms_and_reads_the_result() {
    let bureau = Bureau::new().await;
    let orders = path("/orders");
    let door = format!("href=\"{orders}\"");
    assert!(bureau.get(Role::Branch, &path("")).await.text.contains(&door));
    assert!(!bureau.get(Role::ReadOnly, &path("")).await.text.contains(&door));
    let page = bureau.get(Role::CityDuty, &orders).await.text;
    assert!(
        page.contains("value=\"hours\"") && page.contains("plume (gaps)") && page.contains("等待结果"),
        "{page}"
    );
    let span = "order=hours&from=2026-11-21T10%3A00&to=2026-11-21T12%3A00";
    let asked = bureau.post(Role::CityDuty, &orders, span).await.text;
    assert!(
        asked.contains("确认下达以下命令") && asked.contains("取小时数据"),
        "{asked}"
    );
    assert!(
        !bureau.get(Role::CityDuty, &orders).await.text.contains("王值班</td>"),
        "nothing is given unasked"
    );
    let done = bureau
        .post(Role::CityDuty, &orders, &format!("{span}&confirmed=yes"))
        .await;
    assert_eq!(done.location(), format!("{orders}?done=ended"), "{}", done.text);
    let page = bureau.get(Role::CityDuty, done.location()).await.text;
    assert!(
        page.contains("命令已执行完毕") && page.contains("ExeRtn=1 执行成功") && page.contains("王值班"),
        "{page}"
    );
    let audit = bureau.get(Role::Audit, "/audit").await.text;
    assert!(
        audit.contains("下达设备命令") && audit.contains("hours 2026-11-21T10:00"),
        "{audit}"
    );
    assert!(audit.contains("→ ExeRtn=1"), "{audit}");
    for (form, says) in [
        ("order=hours&from=2026-11-01T10%3A00&to=2026-11-21T12%3A00", "最长 7 天"),
        ("order=hours&from=2026-11-21T12%3A00&to=2026-11-21T10%3A00", "最长 7 天"),
        ("order=hours", "最长 7 天"),
        ("order=calibrate&confirmed=yes", "请求有误"),
    ] {
        let page = bureau.post(Role::CityDuty, &orders, form).await.text;
        assert!(page.contains(says), "{form}: {page}");
    }
    let foreign = format!("/devices/{}/orders", seed::CEMENT_MN);
    assert_eq!(bureau.get(Role::Branch, &foreign).await.status, StatusCode::NOT_FOUND);
    let form = "order=read-time&confirmed=yes";
    assert_eq!(
        bureau.post(Role::Branch, &foreign, form).await.status,
        StatusCode::NOT_FOUND
    );
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

#[tokio::test]
async fn a_device_page_says_how_old_its_key_is() {
    for (days, changing, wanted, says) in [
        (83, false, false, "余 7 天，满 90 天须更换"),
        (90, true, false, "已满 90 天，须立即更换；正在更换"),
        (95, false, true, "已满 90 天，须立即更换；设备请求更换，尚无许可"),
    ] {
        let bureau = Bureau::new().await;
        let page = bureau.get(Role::CityDuty, &path("")).await.text;
        assert!(!page.contains("密钥"), "plume keeps none: {page}");
        bureau.state.set_keys(KeyView::new(move |mn| {
            (mn.as_str() == seed::HEAT_MN).then_some(KeyStanding {
                days,
                limit_days: 90,
                changing,
                wanted,
            })
        }));
        let page = bureau.get(Role::CityDuty, &path("")).await.text;
        assert!(page.contains("密钥已用") && page.contains(says), "{says}: {page}");
        let other = format!("/devices/{}", seed::CEMENT_MN);
        assert!(!bureau.get(Role::CityDuty, &other).await.text.contains("密钥"));
    }
}
