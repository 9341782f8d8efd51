//! The way in, as a browser goes it.

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use plume_alert::accounts::Role;

use super::{Answer, Bureau};

async fn stranger(bureau: &Bureau, path: &str, form: &str, site: &str) -> Answer {
    let request = Request::post(path)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header("sec-fetch-site", site);
    bureau.read(request.body(Body::from(form.to_owned())).unwrap()).await
}

fn cookie_of(answer: &Answer) -> String {
    let cookie = answer.headers[header::SET_COOKIE].to_str().unwrap();
    cookie.split(';').next().unwrap().to_owned()
}

#[tokio::test]
async fn an_account_is_made_used_and_switched_off() {
    let bureau = Bureau::new().await;
    let made = bureau
        .post(
            Role::Admin,
            "/users/add",
            "login=qian&name=<b>钱</b>&role=read_only&scope=&phone=13900001234",
        )
        .await;
    assert_eq!(made.status, StatusCode::OK);
    assert!(made.text.contains("139****1234") && !made.text.contains("<b>钱"));
    let (_, link) = made.text.split_once("/invite/").unwrap();
    let link = format!("/invite/{}", link.chars().take(64).collect::<String>());
    let page = bureau.get(Role::ReadOnly, &link).await;
    assert!(page.text.contains("设置密码"));
    let short = stranger(&bureau, &link, "password=short", "same-origin").await;
    assert!(short.text.contains("密码至少 10 个字符"));
    let set = stranger(&bureau, &link, "password=correct+horse+battery", "same-origin").await;
    assert_eq!((set.status, set.location()), (StatusCode::SEE_OTHER, "/"));
    let used = stranger(&bureau, &link, "password=correct+horse+battery", "same-origin").await;
    assert_eq!(used.status, StatusCode::NOT_FOUND);

    let wrong = stranger(&bureau, "/login", "login=qian&password=wrong", "same-origin").await;
    assert!(wrong.text.contains("账号、密码或验证码不正确"));
    let forged = stranger(
        &bureau,
        "/login",
        "login=qian&password=correct+horse+battery",
        "cross-site",
    )
    .await;
    assert_eq!(forged.status, StatusCode::FORBIDDEN);
    let inside = stranger(
        &bureau,
        "/login",
        "login=qian&password=correct+horse+battery",
        "same-origin",
    )
    .await;
    assert_eq!(inside.status, StatusCode::SEE_OTHER);
    let cookie = cookie_of(&inside);
    let home = |cookie: &str| {
        let request = Request::get("/").header(header::COOKIE, cookie);
        request.body(Body::empty()).unwrap()
    };
    assert_eq!(bureau.read(home(&cookie)).await.status, StatusCode::OK);

    let users = bureau.get(Role::Admin, "/users").await.text;
    let (_, rest) = users.split_once("action=\"/users/").unwrap();
    let id: String = rest.chars().take(32).collect();
    let off = bureau.post(Role::Admin, &format!("/users/{id}/disable"), "").await;
    assert!(off.text.contains("已停用"));
    assert_eq!(bureau.read(home(&cookie)).await.status, StatusCode::UNAUTHORIZED);
    let log = bureau.get(Role::Audit, "/audit").await.text;
    for said in ["新增账号", "设置密码", "登录失败", "停用账号", "qian"] {
        assert!(log.contains(said), "{said}");
    }
}

#[tokio::test]
async fn a_stranger_learns_nothing_by_asking() {
    let bureau = Bureau::new().await;
    let asked = |enterprise: &'static str| format!("enterprise={enterprise}&name=李&phone=13900001234");
    let known = stranger(&bureau, "/register", &asked(super::seed::HEAT), "same-origin").await;
    let unknown = stranger(&bureau, "/register", &asked("91330100MA27X0ZZZZ"), "same-origin").await;
    assert_eq!(known.text, unknown.text);
    let bad = stranger(
        &bureau,
        "/register",
        "enterprise=x&name==1%2b1&phone=12ab",
        "same-origin",
    )
    .await;
    assert!(bad.text.contains("不符合要求"));
    let nobody = stranger(&bureau, "/login", "login=nobody&password=x", "same-origin").await;
    assert!(nobody.text.contains("账号、密码或验证码不正确"));
}

#[tokio::test]
async fn a_bad_table_is_shown_again_with_what_is_wrong() {
    let bureau = Bureau::new().await;
    let table = "login%2Cname%2Cphone%2Crole%2Cscope%0Ali%2C%3Dcmd()%2C%2Cread_only%2C%0A";
    let page = bureau.post(Role::Admin, "/users/import", &format!("csv={table}")).await;
    assert!(page.text.contains("第 2 行") && page.text.contains("login,name,phone,role,scope\nli,"));
    let page = bureau
        .post(Role::Branch, "/users/import", &format!("csv={table}"))
        .await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
}
