//! Every route of the table, asked as every role: who is let in is what the table says, and the table is this snapshot.

use std::fmt::Write as _;

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use plume_alert::accounts::Role;
use plume_alert::desk::routes::{Need, ROUTES};
use plume_schemas::rule::RuleCode;

use super::{Bureau, address};

/// How a role's request for a route ended: `yes`, `no` (401 or 403), `home` (sent to the role's own side).
async fn asked(bureau: &Bureau, role: Option<Role>, method: &str, path: &str) -> &'static str {
    let mut request = Request::builder().method(method).uri(path);
    if let Some(role) = role {
        request = request.header(header::COOKIE, bureau.cookie(role));
    }
    // A form without its token: a role that may is told that the form is bad, one that may not never gets that far.
    let request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    let response = bureau.send(request.body(Body::from("csrf=none")).unwrap()).await;
    match response.status() {
        StatusCode::UNAUTHORIZED => "no",
        StatusCode::FORBIDDEN if method == "GET" => "no",
        StatusCode::SEE_OTHER => "home",
        _ => "yes",
    }
}

#[tokio::test]
async fn who_may_open_what() {
    let bureau = Bureau::new().await;
    let case = bureau.case(RuleCode::NearHour).await.id.to_string();
    let problem = bureau.problem().await.id.to_string();
    let mut table = String::new();
    for route in ROUTES {
        let path = address(route.path, &case, &problem);
        let mut who = Vec::new();
        for &role in Role::ALL {
            let may = route.need.met_by(role);
            if may {
                who.push(role.code());
            }
            if route.method == "GET" && !matches!(route.path, "/enter/{token}" | "/a/{text}") {
                let answer = asked(&bureau, Some(role), "GET", &path).await;
                assert_eq!(answer == "yes", may, "{role} asked for {} and got {answer}", route.path);
            }
        }
        if route.need != Need::Nobody {
            assert_eq!(
                asked(&bureau, None, route.method, &path).await,
                "no",
                "a stranger at {}",
                route.path
            );
        }
        let who = if who.len() == Role::ALL.len() {
            "everybody".to_owned()
        } else {
            who.join(" ")
        };
        writeln!(table, "{:<5}{:<36}{who}", route.method, route.path).unwrap();
    }
    insta::assert_snapshot!(table);
}

#[tokio::test]
async fn no_form_works_for_a_role_that_may_not() {
    let bureau = Bureau::new().await;
    let case = bureau.case(RuleCode::NearHour).await.id.to_string();
    let problem = bureau.problem().await.id.to_string();
    for route in ROUTES
        .iter()
        .filter(|route| route.method == "POST" && route.need != Need::Nobody)
    {
        let path = address(route.path, &case, &problem);
        for &role in Role::ALL {
            let page = bureau
                .post_raw(role, &path, "csrf=none&text=x&kind=comment&measures=y", "same-origin")
                .await;
            // Files come in a form of another kind: who may send one is told that this is none.
            let has_files = path.ends_with("/photos") || path.ends_with("/upload");
            let refused = if has_files && route.need.met_by(role) {
                StatusCode::BAD_REQUEST
            } else {
                StatusCode::FORBIDDEN
            };
            assert_eq!(page.status, refused, "{role} at {path} without a token");
        }
        let mine = bureau.csrf(Role::ReadOnly).await;
        if !route.need.met_by(Role::ReadOnly) {
            let form = format!("csrf={mine}&text=x&kind=comment&measures=y");
            let page = bureau.post_raw(Role::ReadOnly, &path, &form, "same-origin").await;
            assert_eq!(
                page.status,
                StatusCode::FORBIDDEN,
                "a reader at {path} with a good token"
            );
        }
    }
}

#[tokio::test]
async fn each_side_is_led_to_its_own_pages() {
    let bureau = Bureau::new().await;
    assert_eq!(bureau.get(Role::Enterprise, "/").await.location(), "/m");
    assert_eq!(bureau.get(Role::CityDuty, "/m").await.location(), "/");
    let case = bureau.case(RuleCode::NearHour).await.id;
    assert_eq!(
        bureau
            .get(Role::Contractor, &format!("/alerts/{case}"))
            .await
            .location(),
        "/m"
    );
}

#[tokio::test]
async fn a_branch_sees_its_district_alone() {
    let bureau = Bureau::new().await;
    let page = bureau.get(Role::Branch, "/").await.text;
    assert!(page.contains("甲热电有限公司") && page.contains("丙环境能源"));
    assert!(
        !page.contains("乙水泥") && !page.contains("余杭区"),
        "another district's enterprise is on the page"
    );
    let foreign = bureau.case(RuleCode::ExceedHour).await.id;
    let path = format!("/alerts/{foreign}");
    assert_eq!(bureau.get(Role::Branch, &path).await.status, StatusCode::NOT_FOUND);
    assert_eq!(bureau.get(Role::CityDuty, &path).await.status, StatusCode::OK);
}
