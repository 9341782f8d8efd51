//! 一键建档: a device that nobody registered is listed, looked at, and registered by an administrator.

use axum::http::StatusCode;
use plume_alert::accounts::Role;

use super::seed::WAITING_MN;
use super::{Bureau, seed};

fn path() -> String {
    format!("/waiting/{WAITING_MN}")
}

/// The form as somebody fills it who takes a limit of the catalogue.
fn filled(more: &str) -> String {
    format!(
        "industry=thermal_power_coal&enterprise={}&outlet=DA009&outlet_name=9%E5%8F%B7%E7%82%89&password=keep&{more}",
        seed::HEAT
    )
}

#[tokio::test]
async fn a_waiting_device_is_listed_and_registered_with_a_limit_of_the_catalogue() {
    let bureau = Bureau::new().await;
    let registry = bureau.get(Role::Admin, "/registry").await.text;
    assert!(registry.contains("href=\"/waiting\""), "{registry}");
    let list = bureau.get(Role::Admin, "/waiting").await.text;
    for part in [WAITING_MN, "HJ 212-2017", "2011×1 2051×3", "待建档设备", "一键建档"] {
        assert!(list.contains(part), "{part}: {list}");
    }
    let form = bureau.get(Role::Admin, &path()).await.text;
    assert!(
        form.contains("10 min") && form.contains("name=\"limit-a21026\""),
        "{form}"
    );
    assert!(!form.contains("L010"), "no industry is chosen yet: {form}");
    let form = bureau
        .get(Role::Admin, &(path() + "?industry=thermal_power_coal"))
        .await
        .text;
    for part in [
        "燃煤电厂",
        "L010 Ultra-low",
        "小时均值 35",
        "O₂ 6 %",
        "from memory",
        "name=\"value-a21026\"",
    ] {
        assert!(form.contains(part), "{part}: {form}");
    }
    assert!(
        !form.contains("name=\"value-a19001\"") && form.contains("name=\"limit-a19001\""),
        "oxygen is registered, and has no limit: {form}"
    );

    let done = bureau
        .post(Role::Admin, &path(), &filled("limit-a21026=L010&limit-a01012=none"))
        .await;
    let to = format!("/waiting?done={WAITING_MN}&taken=3&still=1");
    assert_eq!(done.location(), to, "{}", done.text);
    let page = bureau.get(Role::Admin, &to).await.text;
    assert!(page.contains("已接收 3 包，仍隔离 1 包"), "{page}");
    let index = bureau.desk.registry();
    assert_eq!(index.registry().revision, 2, "the pages follow at once");
    let outlets = &index.registry().outlets;
    let outlet = outlets
        .iter()
        .find(|row| row.name.starts_with("DA009 9号炉 by "))
        .unwrap();
    assert!(outlet.name.ends_with("password true"), "{}", outlet.name);
    let codes: Vec<&str> = outlet.factors.iter().map(|factor| factor.code.as_str()).collect();
    assert_eq!(codes, ["a19001", "a21026"], "what is left out is left out");
    let sulphur = &outlet.factors[1];
    assert_eq!(sulphur.reference_o2_pct.unwrap().to_string(), "6");
    assert_eq!(
        (sulphur.limits[0].source.as_str(), sulphur.limits[0].value.to_string()),
        ("L010", "35".into())
    );
    assert_eq!(bureau.get(Role::Admin, &path()).await.status, StatusCode::NOT_FOUND);
    let audit = bureau.get(Role::Audit, "/audit").await.text;
    for part in ["修改基础档案", WAITING_MN, "一键建档", "a19001 a21026"] {
        assert!(audit.contains(part), "{part}: {audit}");
    }
}

#[tokio::test]
async fn a_limit_of_the_permit_is_written_and_what_is_wrong_is_said() {
    let bureau = Bureau::new().await;
    for (form, says) in [
        (filled("limit-a21026=permit"), "a21026 的限值或基准氧不是数值"),
        (
            filled("limit-a21026=permit&value-a21026=low"),
            "a21026 的限值或基准氧不是数值",
        ),
        (
            filled("limit-a21026=permit&value-a21026=35&o2-a21026=six"),
            "a21026 的限值或基准氧不是数值",
        ),
        (filled("limit-a21026=L013x"), "a21026 的限值或基准氧不是数值"),
        // A row of another factor is none of this one's.
        (filled("limit-a21026=L009"), "a21026 的限值或基准氧不是数值"),
        (
            filled("").replace(seed::HEAT, "9133"),
            "enterprise 9133 is not in the registry",
        ),
        (filled("").replace(seed::HEAT, ""), "未建档："),
    ] {
        let page = bureau.post(Role::Admin, &path(), &form).await;
        assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY, "{form}: {}", page.text);
        assert!(page.text.contains(says), "{says}: {}", page.text);
        assert!(page.text.contains("value=\"DA009\""), "what was written is kept");
    }
    assert_eq!(bureau.desk.registry().registry().revision, 1);
    let audit = bureau.get(Role::Audit, "/audit").await.text;
    assert!(audit.contains("基础档案修改未生效"), "{audit}");
    let form = filled("limit-a21026=permit&value-a21026=32.5&o2-a21026=6");
    let done = bureau.post(Role::Admin, &path(), &form).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.text);
    let index = bureau.desk.registry();
    let outlets = index.registry().outlets.iter();
    let outlet = outlets.into_iter().find(|row| row.name.starts_with("DA009")).unwrap();
    let sulphur = outlet
        .factors
        .iter()
        .find(|factor| factor.code.as_str() == "a21026")
        .unwrap();
    assert_eq!(
        (sulphur.limits[0].source.as_str(), sulphur.limits[0].value.to_string()),
        ("permit", "32.5".into())
    );
}

#[tokio::test]
async fn only_an_administrator_registers() {
    let bureau = Bureau::new().await;
    let registry = bureau.get(Role::CityDuty, "/registry").await.text;
    assert!(!registry.contains("/waiting"), "{registry}");
    for role in [
        Role::CityDuty,
        Role::Branch,
        Role::ReadOnly,
        Role::Audit,
        Role::Enterprise,
    ] {
        let page = bureau.get(role, &path()).await;
        assert!(!page.text.contains("a21026"), "{role}: {}", page.text);
        if role != Role::Audit {
            let done = bureau.post(role, &path(), &filled("")).await;
            assert_ne!(done.status, StatusCode::OK, "{role}");
        }
    }
    assert_eq!(bureau.desk.registry().registry().revision, 1);
    let english = bureau.get(Role::Admin, &(path() + "?lang=en")).await.text;
    assert!(
        english.contains("Permit&#39;s limit") || english.contains("Permit's limit"),
        "{english}"
    );
}
