//! Acts as forms: what they change, and what is refused.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use plume_alert::accounts::Role;
use plume_alert::links::Links;
use plume_schemas::rule::RuleCode;

use super::{Bureau, LINK_SECRET, seed};

#[tokio::test]
async fn acknowledging_shows_at_once_and_can_be_taken_back() {
    let bureau = Bureau::new().await;
    let path = format!("/alerts/{}", bureau.case(RuleCode::NearHour).await.id);
    let done = bureau
        .post(Role::CityDuty, &format!("{path}/acts/acknowledge"), "")
        .await;
    assert_eq!(
        (done.status, done.location()),
        (StatusCode::SEE_OTHER, format!("{path}?done=acknowledge").as_str())
    );

    let page = bureau.get(Role::CityDuty, done.location()).await.text;
    assert!(
        page.contains("已签收。") && page.contains("王值班签收"),
        "the act is on the page"
    );
    assert!(
        page.contains("data-undo=\"10\"") && page.contains("acts/withdraw"),
        "and can be taken back"
    );
    assert!(!page.contains("acts/acknowledge\""), "and not be done twice");
    let colleague = bureau.get(Role::LeadOfficer, done.location()).await.text;
    assert!(!colleague.contains("data-undo"), "but not by somebody else");

    let undone = bureau.post(Role::CityDuty, &format!("{path}/acts/withdraw"), "").await;
    assert_eq!(undone.status, StatusCode::SEE_OTHER);
    let page = bureau.get(Role::CityDuty, undone.location()).await.text;
    assert!(page.contains("已撤销签收。") && page.contains("acts/acknowledge\""));
}

#[tokio::test]
async fn the_second_officer_is_told_who_was_first() {
    let bureau = Bureau::new().await;
    let path = format!("/alerts/{}/acts/acknowledge", bureau.case(RuleCode::NearHour).await.id);
    assert_eq!(
        bureau.post(Role::CityDuty, &path, "").await.status,
        StatusCode::SEE_OTHER
    );
    let second = bureau.post(Role::LeadOfficer, &path, "").await;
    assert_eq!(second.status, StatusCode::CONFLICT);
    assert!(second.text.contains("已由王值班签收"), "{}", second.text);
}

#[tokio::test]
async fn a_note_is_kept_as_text() {
    let bureau = Bureau::new().await;
    let path = format!("/alerts/{}", bureau.case(RuleCode::Const).await.id);
    let note = "text=%3Cscript%3Ealert(1)%3C%2Fscript%3E+%26+%22x%22&kind=comment";
    let done = bureau.post(Role::CityDuty, &format!("{path}/acts/write"), note).await;
    assert_eq!(done.location(), format!("{path}?done=comment"));
    let page = bureau.get(Role::CityDuty, &path).await.text;
    assert!(!page.contains("<script>alert"), "a note is no script");
    assert!(
        page.contains("&#60;script&#62;alert(1)&#60;/script&#62; &#38; &#34;x&#34;"),
        "but it is there"
    );
}

/// Names come from a registry that others fill: on no page are they more than text.
#[tokio::test]
async fn a_script_in_a_name_is_text_on_every_page() {
    const SCRIPT: &str = "<script>alert(1)</script>\"'";
    let bureau = Bureau::new().await;
    let mut registry = seed::registry();
    for enterprise in &mut registry.enterprises {
        enterprise.name = SCRIPT.into();
        enterprise.officer = SCRIPT.into();
        enterprise.industry = SCRIPT.into();
        for contact in &mut enterprise.contacts {
            contact.name = SCRIPT.into();
        }
    }
    for outlet in &mut registry.outlets {
        outlet.name = SCRIPT.into();
    }
    let index = plume_schemas::registry::RegistryIndex::new(registry);
    bureau.desk.set_registry(std::sync::Arc::new(index));
    let case = bureau.case(RuleCode::NearHour).await;
    let mut shown = 0;
    for (role, path) in [
        (Role::CityDuty, "/".to_owned()),
        (Role::CityDuty, "/parts/list".to_owned()),
        (Role::CityDuty, format!("/alerts/{}", case.id)),
        (Role::CityDuty, format!("/outlets/{}", case.outlet)),
        (Role::CityDuty, format!("/enterprises/{}", seed::HEAT)),
        (Role::CityDuty, "/registry".to_owned()),
        (Role::CityDuty, "/reminders".to_owned()),
        (Role::CityDuty, "/handover".to_owned()),
        (Role::CityDuty, "/problems".to_owned()),
        (Role::CityDuty, "/devices".to_owned()),
        (Role::Enterprise, "/m".to_owned()),
        (Role::Enterprise, format!("/m/alerts/{}", case.id)),
    ] {
        let page = bureau.get(role, &path).await;
        assert_eq!(page.status, StatusCode::OK, "{path}");
        assert!(!page.text.contains("<script>alert"), "{path}");
        shown += usize::from(page.text.contains("&#60;script&#62;alert(1)"));
    }
    assert!(shown >= 6, "the name stands on most of them, as text: {shown}");
}

#[tokio::test]
async fn forms_from_elsewhere_are_refused() {
    let bureau = Bureau::new().await;
    let path = format!("/alerts/{}/acts/acknowledge", bureau.case(RuleCode::NearHour).await.id);
    let theirs = bureau.csrf(Role::LeadOfficer).await;
    for form in ["", "csrf=", "csrf=00", &format!("csrf={theirs}")] {
        let page = bureau.post_raw(Role::CityDuty, &path, form, "same-origin").await;
        assert!(
            matches!(page.status, StatusCode::FORBIDDEN | StatusCode::BAD_REQUEST),
            "{form}: {}",
            page.status
        );
    }
    let mine = format!("csrf={}", bureau.csrf(Role::CityDuty).await);
    for site in ["cross-site", "same-site"] {
        assert_eq!(
            bureau.post_raw(Role::CityDuty, &path, &mine, site).await.status,
            StatusCode::FORBIDDEN,
            "{site}"
        );
    }
    assert!(
        bureau.case(RuleCode::NearHour).await.acknowledged.is_none(),
        "nothing was done"
    );
    assert_eq!(
        bureau
            .post_raw(Role::CityDuty, &path, &mine, "same-origin")
            .await
            .status,
        StatusCode::SEE_OTHER
    );
}

#[tokio::test]
async fn nobody_is_led_to_another_host() {
    let bureau = Bureau::new().await;
    let id = bureau.case(RuleCode::NearHour).await.id;
    let path = format!("/alerts/{id}/acts/acknowledge");
    let done = bureau.post(Role::CityDuty, &path, "back=%2F%2Fevil.example").await;
    assert_eq!(done.location(), format!("/alerts/{id}?done=acknowledge"));
}

#[tokio::test]
async fn too_much_is_refused_and_nothing_is_lost() {
    let bureau = Bureau::new().await;
    let path = format!("/alerts/{}/acts/write", bureau.case(RuleCode::Const).await.id);
    let long = format!("kind=comment&text={}", "%E5%AD%97".repeat(2_001));
    let page = bureau.post(Role::CityDuty, &path, &long).await;
    assert_eq!(page.status, StatusCode::CONFLICT, "longer than an act may be");
    assert!(page.text.contains("内容不能超过 2000 字"));
    let fits = format!("kind=comment&text={}", "%E5%AD%97".repeat(2_000));
    assert_eq!(
        bureau.post(Role::CityDuty, &path, &fits).await.status,
        StatusCode::SEE_OTHER
    );
    let huge = format!(
        "kind=comment&text={}",
        "x".repeat(plume_alert::desk::limits::BODY_BYTES)
    );
    assert_eq!(
        bureau.post(Role::CityDuty, &path, &huge).await.status,
        StatusCode::BAD_REQUEST,
        "longer than a form may be"
    );
    for bad in ["kind=reopen&text=x", "kind=nothing&text=x", "text=x"] {
        assert_eq!(
            bureau.post(Role::CityDuty, &path, bad).await.status,
            StatusCode::BAD_REQUEST,
            "{bad}"
        );
    }
}

#[tokio::test]
async fn the_enterprise_answers_on_its_phone() {
    let bureau = Bureau::new().await;
    let path = format!("/m/alerts/{}", bureau.case(RuleCode::NearHour).await.id);
    let form = bureau.get(Role::Enterprise, &format!("{path}/answer")).await.text;
    assert!(form.contains("生产负荷或原料变化"));
    let empty = bureau
        .post(Role::Enterprise, &format!("{path}/answer"), "text=&measures=x")
        .await;
    assert!(
        empty.text.contains("请选择原因并填写措施。") && empty.text.contains(">x</textarea>"),
        "what was typed is kept"
    );
    let answer = "text=%E5%85%B6%E4%BB%96&measures=load+down";
    let done = bureau.post(Role::Enterprise, &format!("{path}/answer"), answer).await;
    assert_eq!(done.location(), format!("{path}?done=answer"));
    let page = bureau.get(Role::Enterprise, done.location()).await.text;
    assert!(page.contains("原因与措施已提交。") && page.contains("load down"));
}

#[tokio::test]
async fn a_reported_fault_has_a_number() {
    let bureau = Bureau::new().await;
    let path = format!("/m/alerts/{}", bureau.case(RuleCode::NearHour).await.id);
    let done = bureau
        .post(Role::Enterprise, &format!("{path}/fault"), "text=probe+blocked")
        .await;
    assert_eq!(done.location(), "/faults/1?done=fault");
    let receipt = bureau.get(Role::Enterprise, done.location()).await.text;
    for part in [
        "YC20261121-0001",
        "probe blocked",
        "甲热电有限公司",
        "张环保",
        "已 0 分钟，未修复",
        "下次采样不晚于",
    ] {
        assert!(receipt.contains(part), "{part} is missing: {receipt}");
    }
    let page = bureau.get(Role::Enterprise, &path).await.text;
    assert!(
        page.contains("YC20261121-0001：probe blocked") && page.contains("href=\"/faults/1\""),
        "{page}"
    );
}

#[tokio::test]
async fn samples_are_entered_until_it_is_repaired() {
    let bureau = Bureau::new().await;
    let path = format!("/m/alerts/{}", bureau.case(RuleCode::NearHour).await.id);
    bureau
        .post(Role::Enterprise, &format!("{path}/fault"), "text=probe+blocked")
        .await;
    let enter = async |role, value: &str| {
        let form = format!("factor=a21026&taken_at=2026-11-21T13%3A30&value={value}");
        bureau.post(role, "/faults/1/samples", &form).await
    };
    let refused = enter(Role::Enterprise, "%3D1%2B1").await;
    assert!(refused.text.contains("“=1+1”无法识别"), "{}", refused.text);
    assert_eq!(enter(Role::CityDuty, "28.5").await.status, StatusCode::FORBIDDEN);
    let done = enter(Role::Enterprise, "28.5").await;
    let page = bureau.get(Role::Enterprise, done.location()).await.text;
    assert!(
        page.contains("28.5 mg/m³") && page.contains("2026-11-21 13:30"),
        "{page}"
    );
    // Officers read it, and enter nothing.
    let office = bureau.get(Role::Branch, "/faults/1").await.text;
    assert!(
        office.contains("28.5 mg/m³") && !office.contains("/faults/1/samples"),
        "{office}"
    );
    let done = bureau.post(Role::Enterprise, "/faults/1/repaired", "").await;
    let page = bureau.get(Role::Enterprise, done.location()).await.text;
    assert!(
        page.contains("张环保 报告修复") && !page.contains("下次采样不晚于"),
        "{page}"
    );
    let late = enter(Role::Enterprise, "27.0").await;
    assert!(late.text.contains("该设备已报告修复"));
    let trace = bureau.get(Role::Branch, &path.replace("/m/", "/")).await.text;
    assert!(trace.contains("设备异常 YC20261121-0001 已修复"));
    assert_eq!(
        bureau.get(Role::Enterprise, "/faults/99").await.status,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn the_bureau_changes_its_tables_on_screen() {
    let bureau = Bureau::new().await;
    let page = bureau.get(Role::CityDuty, "/tables?table=routes").await.text;
    assert!(
        page.contains("当前为随软件提供的默认表") && page.contains("exceed"),
        "{page}"
    );
    let form = "version=0&csv=rule%2Cindustry%2Cfactor%2Ccauses_zh%2Cchecks_zh%2Cmeasures_zh%2Ccauses_en%2Cchecks_en\
                %2Cmeasures_en%0Anear%2C%2C%2C%3Cb%3E%E5%86%B7%E5%87%9D%E6%B0%B4%2C%E7%9C%8B%2C%E5%81%9A%2Ca%2Cb%2Cc";
    let done = bureau.post(Role::CityDuty, "/tables/guidance", form).await;
    let page = bureau.get(Role::CityDuty, done.location()).await.text;
    assert!(page.contains("第 1 版，王值班 于 2026-11-21"), "{page}");
    let again = bureau.post(Role::CityDuty, "/tables/guidance", form).await;
    assert!(
        again.text.contains("未保存，原表仍然有效") && again.text.contains("冷凝水"),
        "the text is not lost"
    );
    let id = bureau.case(RuleCode::NearHour).await.id;
    for (role, path) in [
        (Role::Branch, format!("/alerts/{id}")),
        (Role::Enterprise, format!("/m/alerts/{id}")),
    ] {
        let page = bureau.get(role, &path).await.text;
        assert!(
            page.contains("冷凝水") && !page.contains("<b>冷"),
            "a script in a table is text: {page}"
        );
    }
    let csv = bureau.get(Role::Branch, "/tables/guidance").await.text;
    assert!(csv.starts_with('\u{feff}') && csv.contains("冷凝水"));
    assert_eq!(
        bureau.get(Role::Branch, "/tables/none").await.status,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn the_officer_is_asked_to_call() {
    let bureau = Bureau::new().await;
    let path = format!("/m/alerts/{}/officer", bureau.case(RuleCode::NearHour).await.id);
    let page = bureau.get(Role::Enterprise, &path).await.text;
    assert!(page.contains("陈片区") && page.contains("tel:0571-85550101"));
    let done = bureau.post(Role::Enterprise, &path, "").await;
    assert!(
        bureau
            .get(Role::Enterprise, done.location())
            .await
            .text
            .contains("已通知片区负责人")
    );
}

#[tokio::test]
async fn a_one_time_link_signs_by_a_press_and_not_by_a_look() {
    let bureau = Bureau::new().await;
    let case = bureau.case(RuleCode::NearHour).await.id;
    let notices = bureau.desk.store().notices(&seed::duty(), case).await.unwrap();
    let notice = notices.iter().find(|notice| notice.audience == "enterprise").unwrap();
    let address = Links::new("", LINK_SECRET).address(notice.id);

    // No cookie: the link is all there is.
    let look = bureau.read(Request::get(&address).body(Body::empty()).unwrap()).await;
    assert_eq!(look.status, StatusCode::OK);
    assert!(
        look.text.contains("甲热电有限公司") && look.text.contains("签收</button>"),
        "{}",
        look.text
    );
    assert!(
        bureau.case(RuleCode::NearHour).await.acknowledged.is_none(),
        "looking is not signing"
    );
    let pressed = bureau.read(Request::post(&address).body(Body::empty()).unwrap()).await;
    assert!(
        pressed.text.contains("已签收。") && !pressed.text.contains("签收</button>"),
        "{}",
        pressed.text
    );
    assert!(bureau.case(RuleCode::NearHour).await.acknowledged.is_some());
    let again = bureau.read(Request::post(&address).body(Body::empty()).unwrap()).await;
    assert_eq!(again.status, StatusCode::CONFLICT);
    assert!(again.text.contains("未能完成"), "{}", again.text);
    let forged = bureau
        .read(
            Request::post(address.replace(['1', '2', '3'], "0"))
                .body(Body::empty())
                .unwrap(),
        )
        .await;
    assert_eq!(forged.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn leaving_takes_the_cookie() {
    let bureau = Bureau::new().await;
    let left = bureau.post(Role::CityDuty, "/leave", "").await;
    let cookie = left.headers["set-cookie"].to_str().unwrap();
    assert!(
        cookie.starts_with("plume_session=;") && cookie.contains("Max-Age=0"),
        "{cookie}"
    );
}
