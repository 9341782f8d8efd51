//! Rectification from both sides: answered on the phone, returned once with guidance, answered again, passed.

use axum::http::StatusCode;
use plume_alert::accounts::Role;
use plume_alert::problem::ProblemState;
use plume_alert::store::ProblemFilter;
use plume_schemas::rule::RuleCode;

use super::{Bureau, seed};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";

/// The version on a page: what its form gives back.
async fn version(bureau: &Bureau, role: Role, path: &str) -> String {
    let page = bureau.get(role, path).await.text;
    let (_, rest) = page.split_once("name=\"version\" value=\"").unwrap();
    rest.split('"').next().unwrap().to_owned()
}

async fn submit(bureau: &Bureau, path: &str, measures: &str) -> super::Answer {
    let version = version(bureau, Role::Enterprise, path).await;
    let form = format!("version={version}&cause=%E5%85%B6%E4%BB%96&measures={measures}");
    bureau.post(Role::Enterprise, &format!("{path}/submit"), &form).await
}

#[tokio::test]
async fn answered_returned_answered_passed() {
    let bureau = Bureau::new().await;
    let id = bureau.problem().await.id;
    let (phone, desk) = (format!("/m/problems/{id}"), format!("/problems/{id}"));
    let home = bureau.get(Role::Enterprise, "/m").await.text;
    assert!(
        home.contains("<b>1</b><span>待整改</span>") && home.contains("站房温度记录缺失"),
        "it is among 待办"
    );

    assert_eq!(
        submit(&bureau, &phone, "first").await.location(),
        format!("{phone}?done=submit")
    );
    let seen = version(&bureau, Role::CityDuty, &desk).await;
    let bare = format!("version={seen}&verdict=return&guidance=");
    let refused = bureau.post(Role::CityDuty, &format!("{desk}/review"), &bare).await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    assert!(
        refused.text.contains("退回补充须填写指导意见"),
        "who returns says what is missing"
    );
    let returned = format!("version={seen}&verdict=return&guidance=photo+please");
    let done = bureau.post(Role::CityDuty, &format!("{desk}/review"), &returned).await;
    assert_eq!(done.location(), format!("{desk}?done=review"));

    let home = bureau.get(Role::Enterprise, "/m").await.text;
    assert!(home.contains("<b>1</b><span>退回待补充</span>"), "it came back");
    assert!(
        bureau.get(Role::Enterprise, &phone).await.text.contains("photo please"),
        "with the guidance"
    );

    submit(&bureau, &phone, "second").await;
    let seen = version(&bureau, Role::CityDuty, &desk).await;
    let passed = format!("version={seen}&verdict=pass&guidance=");
    bureau.post(Role::CityDuty, &format!("{desk}/review"), &passed).await;
    assert_eq!(bureau.problem().await.state, ProblemState::Passed);
    let page = bureau.get(Role::CityDuty, &desk).await.text;
    assert!(
        page.contains("第 2 轮") && page.contains("复核通过") && !page.contains("verdict"),
        "nothing is left to review"
    );
    assert!(
        bureau.get(Role::CityDuty, "/problems").await.text.contains("100.0"),
        "the rate follows"
    );
}

#[tokio::test]
async fn a_silence_has_a_reason_an_author_and_an_end() {
    let bureau = Bureau::new().await;
    let case = bureau.case(RuleCode::Const).await.id;
    let path = format!("/alerts/{case}/silence");
    assert!(bureau.get(Role::CityDuty, &path).await.text.contains("数据质量"));
    assert_eq!(bureau.get(Role::LeadOfficer, &path).await.status, StatusCode::FORBIDDEN);
    for (form, status) in [
        ("hours=8&reason=", StatusCode::CONFLICT),
        ("hours=9000&reason=x", StatusCode::BAD_REQUEST),
        ("hours=8&reason=analyser+in+repair", StatusCode::SEE_OTHER),
    ] {
        assert_eq!(bureau.post(Role::CityDuty, &path, form).await.status, status, "{form}");
    }
    let page = bureau.get(Role::CityDuty, "/silences").await.text;
    assert!(
        page.contains("analyser in repair") && page.contains("王值班") && page.contains("14:42 至 22:42"),
        "{page}"
    );
    let (_, rest) = page.split_once("/silences/").unwrap();
    let end = format!("/silences/{}", rest.split('"').next().unwrap());
    assert_eq!(
        bureau.post(Role::LeadOfficer, &end, "").await.status,
        StatusCode::FORBIDDEN
    );
    assert_eq!(bureau.post(Role::CityDuty, &end, "").await.location(), "/silences");
    assert!(
        !bureau
            .get(Role::CityDuty, "/silences")
            .await
            .text
            .contains("analyser in repair")
    );
}

#[tokio::test]
async fn who_is_late_is_told() {
    let bureau = Bureau::new().await;
    let path = format!("/m/problems/{}", bureau.problem().await.id);
    let stale = "version=0&cause=a&measures=b";
    let page = bureau.post(Role::Enterprise, &format!("{path}/submit"), stale).await;
    assert_eq!(page.status, StatusCode::CONFLICT);
    assert!(page.text.contains("该问题刚刚被他人更新"));
    assert!(bureau.problem().await.rounds.is_empty(), "nothing was kept");
}

#[tokio::test]
async fn only_those_who_answer_for_it_review() {
    let bureau = Bureau::new().await;
    let id = bureau.problem().await.id;
    submit(&bureau, &format!("/m/problems/{id}"), "done").await;
    let version = bureau.problem().await.version;
    let form = format!("version={version}&verdict=pass&guidance=");
    let page = bureau
        .post(Role::LeadOfficer, &format!("/problems/{id}/review"), &form)
        .await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    assert_eq!(bureau.problem().await.state, ProblemState::Submitted);
}

/// The data of the hour that was over, and of the day since, stand beside the photos of what was done about it.
#[tokio::test]
async fn data_before_and_after_stand_beside_the_photo() {
    let bureau = Bureau::new().await;
    seed::confirm(&bureau.desk).await;
    let all = ProblemFilter::default();
    let problems = bureau.desk.store().problems(&seed::duty(), &all, 0, 9).await.unwrap();
    let id = problems.iter().find(|problem| problem.case.is_some()).unwrap().id;
    let (phone, desk) = (format!("/m/problems/{id}"), format!("/problems/{id}"));
    let csrf = bureau.csrf(Role::Enterprise).await;
    let photo = super::photos::send(
        &bureau,
        Role::Enterprise,
        &format!("{phone}/photos"),
        &csrf,
        "泵.png",
        PNG,
    )
    .await;
    assert_eq!(photo.status, StatusCode::SEE_OTHER);
    submit(&bureau, &phone, "pump").await;
    let page = bureau.get(Role::CityDuty, &desk).await.text;
    let (_, before) = page.split_once("整改前数据（判定时段）").unwrap();
    let (before, after) = before.split_once("整改后数据（近 24 小时）").unwrap();
    for (half, hour) in [(before, "08:00"), (after, "14:42")] {
        let (_, drawn) = half.split_once("<figure class=\"chart\"").unwrap();
        let (drawn, _) = drawn.split_once("</figure>").unwrap();
        assert!(
            drawn.contains("class=\"minutes\"") && drawn.contains("class=\"limit\""),
            "{drawn}"
        );
        assert!(half.contains(hour), "{hour}: {half}");
    }
    assert!(page.contains("<a href=\"/files/"), "the photo stands on the same page");
    let english = bureau.get(Role::CityDuty, &format!("{desk}?lang=en")).await.text;
    let rule = RuleCode::ExceedHour;
    assert!(english.contains(rule.en()) && !english.contains(rule.zh()), "{english}");
}
