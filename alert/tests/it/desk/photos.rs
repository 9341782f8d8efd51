//! Photos from a phone: kept, shown to those who may see the case, refused where they are none.

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use plume_alert::accounts::Role;
use plume_alert::desk::limits::PHOTO_BYTES;
use plume_schemas::rule::RuleCode;

use super::{Answer, Bureau};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";

pub(super) async fn send(bureau: &Bureau, role: Role, path: &str, csrf: &str, name: &str, content: &[u8]) -> Answer {
    let mut body = format!(
        "--x\r\nContent-Disposition: form-data; name=\"csrf\"\r\n\r\n{csrf}\r\n--x\r\nContent-Disposition: form-data; \
         name=\"photo\"; filename=\"{name}\"\r\nContent-Type: image/png\r\n\r\n"
    )
    .into_bytes();
    body.extend_from_slice(content);
    body.extend_from_slice(b"\r\n--x--\r\n");
    let request = Request::post(path)
        .header(header::COOKIE, bureau.cookie(role))
        .header("sec-fetch-site", "same-origin")
        .header(header::CONTENT_TYPE, "multipart/form-data; boundary=x");
    bureau.read(request.body(Body::from(body)).unwrap()).await
}

#[tokio::test]
async fn a_photo_is_seen_by_those_who_see_its_case() {
    let bureau = Bureau::new().await;
    let case = bureau.case(RuleCode::NearHour).await.id;
    let path = format!("/m/alerts/{case}/photos");
    let csrf = bureau.csrf(Role::Enterprise).await;
    let sent = send(&bureau, Role::Enterprise, &path, &csrf, "<b>泵.png", PNG).await;
    assert_eq!(sent.status, StatusCode::SEE_OTHER, "{}", sent.text);
    let office = bureau.get(Role::CityDuty, &format!("/alerts/{case}")).await.text;
    assert!(office.contains("上传照片") && !office.contains("<b>泵"));
    let (_, rest) = office.split_once("<a href=\"/files/").unwrap();
    let file = format!("/files/{}", rest.chars().take(32).collect::<String>());
    for (role, status) in [
        (Role::CityDuty, StatusCode::OK),
        (Role::Enterprise, StatusCode::OK),
        (Role::Security, StatusCode::FORBIDDEN),
    ] {
        assert_eq!(bureau.get(role, &file).await.status, status, "{role}");
    }
    let photo = bureau.get(Role::CityDuty, &file).await;
    assert_eq!(photo.headers[header::CONTENT_TYPE], "image/png");
    assert_eq!(photo.headers["x-content-type-options"], "nosniff");
    let other = bureau.case(RuleCode::ExceedHour).await.id;
    let foreign = send(
        &bureau,
        Role::Enterprise,
        &format!("/m/alerts/{other}/photos"),
        &csrf,
        "a.png",
        PNG,
    )
    .await;
    assert_eq!(foreign.status, StatusCode::NOT_FOUND);
    let forged = bureau
        .get(Role::Enterprise, &format!("/files/{}", "0".repeat(32)))
        .await;
    assert_eq!(forged.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn what_is_no_photo_is_refused() {
    let bureau = Bureau::new().await;
    let case = bureau.case(RuleCode::NearHour).await.id;
    let path = format!("/m/alerts/{case}/photos");
    let csrf = bureau.csrf(Role::Enterprise).await;
    let send = async |csrf: &str, content: &[u8]| send(&bureau, Role::Enterprise, &path, csrf, "a.png", content).await;
    let script = send(&csrf, b"<svg onload=alert(1)>").await;
    assert_eq!(script.status, StatusCode::CONFLICT);
    assert!(script.text.contains("JPEG"));
    let nothing = send(&csrf, b"").await;
    assert!(nothing.text.contains("请选择照片"));
    assert_eq!(send("none", PNG).await.status, StatusCode::FORBIDDEN);
    let large = send(&csrf, &vec![0xff; PHOTO_BYTES + 1]).await;
    assert!(large.text.contains("MB"), "{}", large.status);
    for n in 0..9_u8 {
        let photo = [PNG, &[n]].concat();
        assert_eq!(send(&csrf, &photo).await.status, StatusCode::SEE_OTHER, "{n}");
    }
    assert_eq!(send(&csrf, &[PNG, &[9]].concat()).await.status, StatusCode::CONFLICT);
}
