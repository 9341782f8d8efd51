//! A lead exists, and nothing an enterprise, its contractor or an ordinary officer can reach says so.

use axum::http::StatusCode;
use plume_alert::accounts::Role;
use plume_alert::desk::routes::ROUTES;
use plume_schemas::rule::RuleCode;

use super::{Bureau, address};

/// Words only a lead's page has, besides its id.
const TELLING: [&str; 4] = ["疑似封顶", "线索专员办理", "values capped", "CAP"];

#[tokio::test]
async fn the_lead_officer_sees_it() {
    let bureau = Bureau::new().await;
    let lead = bureau.case(RuleCode::Cap).await.id.to_string();
    assert!(bureau.get(Role::LeadOfficer, "/").await.text.contains(&lead));
    let page = bureau.get(Role::LeadOfficer, &format!("/alerts/{lead}")).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text.contains("疑似封顶"));
}

#[tokio::test]
async fn nobody_else_finds_it_on_any_page() {
    let bureau = Bureau::new().await;
    let lead = bureau.case(RuleCode::Cap).await.id.to_string();
    let others = bureau.case(RuleCode::NearHour).await.id.to_string();
    let problem = bureau.problem().await.id.to_string();
    for &role in Role::ALL.iter().filter(|&&role| role != Role::LeadOfficer) {
        for route in ROUTES
            .iter()
            .filter(|route| route.method == "GET" && route.need.met_by(role))
        {
            if route.path.ends_with("/events") {
                continue;
            }
            let of_lead = bureau.get(role, &address(route.path, &lead, &problem)).await;
            let of_a_case = address(route.path, &lead, &problem).contains(&lead);
            if of_a_case {
                assert_eq!(of_lead.status, StatusCode::NOT_FOUND, "{role} at {}", route.path);
            }
            let of_others = bureau.get(role, &address(route.path, &others, &problem)).await;
            let of_others_text = of_others.text.clone();
            for page in [of_lead, of_others] {
                let found = TELLING.iter().find(|word| page.text.contains(**word));
                assert_eq!(found, None, "{role} reads of a lead at {}", route.path);
            }
            // A page that is not there repeats the address it was asked by; any other must not know the id.
            assert!(
                !of_others_text.contains(&lead),
                "{role} finds the id of a lead at {}",
                route.path
            );
        }
    }
}

#[tokio::test]
async fn it_is_in_no_count_of_theirs() {
    let bureau = Bureau::new().await;
    let count = |text: String| text.matches("data-case=").count();
    let mine = count(bureau.get(Role::LeadOfficer, "/parts/list").await.text);
    let theirs = count(bureau.get(Role::CityDuty, "/parts/list").await.text);
    assert_eq!(mine, theirs + 1);
    for path in ["/statistics?format=csv", "/system?format=csv", "/rules?format=csv"] {
        let theirs = bureau.get(Role::CityDuty, path).await.text;
        let audit = bureau.get(Role::Audit, path).await.text;
        assert_eq!(theirs, audit, "{path}: two who see no leads see the same");
        assert_ne!(
            theirs,
            bureau.get(Role::LeadOfficer, path).await.text,
            "{path}: the lead officer sees one more"
        );
    }
}

#[tokio::test]
async fn the_site_is_not_told_how_many_minutes_are_valid() {
    let bureau = Bureau::new().await;
    let case = bureau.case(RuleCode::NearHour).await.id;
    let office = bureau.get(Role::CityDuty, &format!("/alerts/{case}")).await.text;
    assert!(office.contains("有效数据 38 分钟") && office.contains("有效分钟数"));
    for path in [
        format!("/m/alerts/{case}"),
        format!("/m/alerts/{case}?lang=en"),
        format!("/api/series/{case}"),
    ] {
        let page = bureau.get(Role::Enterprise, &path).await;
        assert_eq!(page.status, StatusCode::OK, "{path}");
        for telling in ["有效数据", "有效分钟数", "38 valid", "45 分钟", "45 min"] {
            let at = page
                .text
                .find(telling)
                .map(|at| page.text.split_at(at).1.chars().take(40).collect::<String>());
            assert_eq!(at, None, "{path} says `{telling}`");
        }
    }
}
