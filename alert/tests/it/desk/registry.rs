//! 基础档案 on the desk: files and rows become drafts, drafts are looked at and recorded, with who did it.

use axum::http::StatusCode;
use plume_alert::accounts::Role;
use plume_alert::desk::limits::REGISTRY_BYTES;
use plume_schemas::registry::RegistryIndex;

use super::photos::send;
use super::{Answer, Bureau, seed};

const EDIT: &str = "/registry/edit";

fn limit(revision: u64, value: &str, from: &str) -> String {
    format!(
        "kind=limit&of={outlet}&n=0&revision={revision}&outlet={outlet}&factor=a21026&window=hour&value={value}\
         &basis=concentration&source=permit&clause=GB+13223-2011&valid_from={from}&valid_to=",
        outlet = seed::HEAT_OUTLET
    )
}

async fn upload(bureau: &Bureau, name: &str, content: &[u8]) -> Answer {
    let csrf = bureau.csrf(Role::Admin).await;
    send(bureau, Role::Admin, "/registry/upload", &csrf, name, content).await
}

#[tokio::test]
async fn a_limit_is_edited_looked_at_and_recorded() {
    let bureau = Bureau::new().await;
    let page = bureau.get(Role::Admin, "/registry").await.text;
    assert!(page.contains("href=\"/registry/import\"") && page.contains("/registry/rows?of="));
    let page = bureau.get(Role::CityDuty, "/registry").await.text;
    assert!(
        !page.contains("/registry/import") && !page.contains("/registry/rows"),
        "an officer reads"
    );
    let rows = bureau
        .get(Role::Admin, &format!("/registry/rows?of={}", seed::HEAT_OUTLET))
        .await
        .text;
    assert!(
        rows.contains("kind=limit&#38;of=") && rows.contains("新增限值"),
        "{rows}"
    );
    let form = bureau
        .get(Role::Admin, &format!("{EDIT}?kind=limit&of={}&n=0", seed::HEAT_OUTLET))
        .await
        .text;
    assert!(
        form.contains("value=\"35\"") && form.contains("value=\"2026-11-22\""),
        "from tomorrow on: {form}"
    );

    let drafted = bureau.post(Role::Admin, EDIT, &limit(1, "30", "2027-01-01")).await;
    assert_eq!(drafted.status, StatusCode::SEE_OTHER, "{}", drafted.text);
    let draft = drafted.location().to_owned();
    let page = bureau.get(Role::Admin, &draft).await.text;
    insta::assert_snapshot!("what_a_new_limit_changes", main_of(&page));
    let done = bureau.post(Role::Admin, &draft, "").await;
    assert_eq!(done.location(), "/registry");
    let index = bureau.desk.registry();
    assert_eq!(index.registry().revision, 2);
    assert_eq!(
        bureau.get(Role::Admin, &draft).await.status,
        StatusCode::NOT_FOUND,
        "a draft is recorded once"
    );
    let audit = bureau.get(Role::Audit, "/audit").await.text;
    for part in [
        "修改基础档案",
        "系统管理员",
        "1 → 2",
        "失效时间 →2027-01-01",
        "新增限值",
    ] {
        assert!(audit.contains(part), "{part}: {audit}");
    }
}

/// What stands between head and foot of a page.
fn main_of(page: &str) -> String {
    let (_, rest) = page.split_once("<main").unwrap();
    let (main, _) = rest.split_once("</main>").unwrap();
    let lines = main
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.contains("csrf"));
    lines.collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn who_comes_second_is_told_and_changes_nothing() {
    let bureau = Bureau::new().await;
    let first = bureau.post(Role::Admin, EDIT, &limit(1, "30", "2027-01-01")).await;
    let second = bureau.post(Role::Admin, EDIT, &limit(1, "31", "2027-02-01")).await;
    assert_eq!(
        bureau.post(Role::Admin, first.location(), "").await.location(),
        "/registry"
    );
    let late = bureau.post(Role::Admin, second.location(), "").await;
    assert!(late.text.contains("已被他人更新"), "{}", late.text);
    assert_eq!(bureau.desk.registry().registry().revision, 2);
    let late = bureau.post(Role::Admin, EDIT, &limit(1, "31", "2027-02-01")).await;
    assert_eq!(late.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        late.text.contains("已被他人更新") && late.text.contains("value=\"31\""),
        "what was written is kept"
    );
    assert!(
        late.text.contains("name=\"revision\" value=\"2\""),
        "and may be sent once it was looked at"
    );
    let audit = bureau.get(Role::Audit, "/audit").await.text;
    assert!(audit.contains("基础档案修改未生效"), "{audit}");
}

#[tokio::test]
async fn a_row_that_is_wrong_names_its_cell() {
    let bureau = Bureau::new().await;
    for (value, from, says) in [
        ("low", "2027-01-01", "`low` is not a decimal number"),
        ("-3", "2027-01-01", "the limit is -3"),
        ("30", "soon", "`soon` is not a moment"),
        ("", "2027-01-01", "is empty"),
        ("%3D1", "2027-01-01", "is a formula"),
        ("35", "", "与现行档案一致"),
    ] {
        let mut form = limit(1, value, from);
        if says.starts_with('与') {
            form = form.replace("GB+13223-2011", "GB+13223-2011+%E8%A1%A82");
        }
        let page = bureau.post(Role::Admin, EDIT, &form).await;
        assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY, "{says}");
        assert!(page.text.contains(says), "{says}: {}", page.text);
    }
    let odd = bureau
        .post(Role::Admin, EDIT, &(limit(1, "30", "2027-01-01") + "&colour=red"))
        .await;
    assert_eq!(odd.status, StatusCode::BAD_REQUEST);
    assert_eq!(bureau.desk.registry().registry().revision, 1);
}

#[tokio::test]
async fn files_that_are_no_sheets_say_what_they_are() {
    let bureau = Bureau::new().await;
    let gbk = b"id,name\nE1,\xbc\xd7\xc8\xc8\xb5\xe7\n";
    for (name, content, says) in [
        ("enterprises.csv", &gbk[..], "可能为 GBK"),
        ("registry.xlsx", b"PK\x03\x04...", "Excel 工作簿"),
        ("registry.xls", b"\xd0\xcf\x11\xe0...", "Excel 工作簿"),
        ("outlets.csv", b"\xff\xfei\0d\0", "UTF-16"),
        ("outlets.csv", b"id\0name", "不是文本"),
        ("enterprises.csv", b"id,name\nE1,=1+1\n", "is a formula"),
        ("enterprises.csv", b"code,name\nE1,A\n", "unknown column"),
    ] {
        let page = upload(&bureau, name, content).await;
        assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY, "{says}");
        assert!(
            page.text.contains(says) && page.text.contains(name),
            "{says}: {}",
            page.text
        );
    }
    assert!(
        upload(&bureau, "enterprises.csv", gbk)
            .await
            .text
            .contains("enterprises.csv:2")
    );
    let large = upload(&bureau, "outlets.csv", &vec![b'x'; REGISTRY_BYTES + 1]).await;
    assert!(large.text.contains("16 MB"), "{}", large.status);
    let nothing = upload(&bureau, "", b"").await;
    assert!(nothing.text.contains("请选择文件"), "{}", nothing.text);
    assert_eq!(bureau.desk.registry().registry().revision, 1);
}

#[tokio::test]
async fn sheets_are_taken_changed_and_brought_again() {
    let bureau = Bureau::new().await;
    let sheet = bureau.get(Role::Admin, "/registry/sheets/sources.csv").await;
    assert!(
        sheet.text.starts_with("\u{feff}mn,password,st,outlet,"),
        "{}",
        sheet.text
    );
    assert_eq!(
        bureau.get(Role::CityDuty, "/registry/sheets/sources.csv").await.status,
        StatusCode::FORBIDDEN
    );
    assert_eq!(
        bureau.get(Role::Admin, "/registry/sheets/x.csv").await.status,
        StatusCode::NOT_FOUND
    );
    let sheet = bureau.get(Role::Admin, "/registry/sheets/enterprises.csv").await.text;
    let text = sheet
        .trim_start_matches('\u{feff}')
        .replace("甲热电有限公司", "甲热电集团");
    let page = upload(&bureau, "enterprises.csv", text.as_bytes()).await;
    let draft = bureau.get(Role::Admin, page.location()).await.text;
    // One sheet alone is a registry without outlets: what goes stands first, and is counted.
    assert!(
        draft.contains("class=\"nowrap over\"") && draft.contains("甲热电集团"),
        "{draft}"
    );
    let theirs = bureau.get(Role::CityDuty, page.location()).await;
    assert_eq!(theirs.status, StatusCode::FORBIDDEN);
    let english = bureau
        .get(Role::Admin, &format!("{}?lang=en", page.location()))
        .await
        .text;
    assert!(
        english.contains("removed outlet") && english.contains("Put in force"),
        "{english}"
    );
}

/// A script in a cell is text in the draft.
#[tokio::test]
async fn a_script_in_a_cell_is_text() {
    let bureau = Bureau::new().await;
    let page = upload(&bureau, "enterprises.csv", b"id,name\nE1,<script>alert(1)</script>\n").await;
    let draft = bureau.get(Role::Admin, page.location()).await.text;
    assert!(
        !draft.contains("<script>alert") && draft.contains("&#60;script&#62;alert(1)"),
        "{draft}"
    );
    let mut registry = seed::registry();
    registry.enterprises[0].name = "<b>".into();
    bureau
        .desk
        .set_registry(std::sync::Arc::new(RegistryIndex::new(registry)));
    let page = bureau
        .get(Role::Admin, &format!("/registry/rows?of={}", seed::HEAT))
        .await
        .text;
    assert!(!page.contains("<b>") && page.contains("&#60;b&#62;"));
}
