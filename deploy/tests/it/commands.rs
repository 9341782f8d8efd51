//! Commands as a person types them.

use crate::support::Site;

const CONFORMANT: &str =
    "##0101QN=20160801085857223;ST=32;CN=1062;PW=100000;MN=010000A8900016F000169DC0;Flag=5;CP=&&RtdInterval=30&&1C80";

#[test]
fn decode_says_what_a_packet_says() {
    let site = Site::new("");
    let (fine, text) = site.plume(&["decode", CONFORMANT]);
    assert!(fine, "{text}");
    for part in ["HJ 212-2017", "设置实时数据间隔", "1C80", "正确", "30"] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(!text.contains("100000"), "the password is masked: {text}");
}

#[test]
fn decode_explains_a_modbus_checksum() {
    let site = Site::new("");
    let (fine, text) = site.plume(&["decode", &CONFORMANT.replace("1C80", "0759")]);
    assert!(!fine, "{text}");
    assert!(text.contains("Modbus") && text.contains("1C80"), "{text}");
    let (_, english) = site.plume(&["decode", "--lang", "en", &CONFORMANT.replace("1C80", "0759")]);
    assert!(english.contains("Modbus") && english.contains("1C80"), "{english}");
}

#[test]
fn check_names_every_problem_with_its_line() {
    let site = Site::new("[ingest]\n");
    let path = site.dir.path().join("plume.toml");
    std::fs::write(
        &path,
        "[ingest]\nlisen = \"0.0.0.0:1\"\nrefuse_after = \"three\"\n\n[nonsense]\n",
    )
    .unwrap();
    let (fine, text) = site.plume(&["check", "--config", "plume.toml"]);
    assert!(!fine);
    insta::assert_snapshot!(text);
}

#[test]
fn check_names_the_line_of_the_registry() {
    let site = Site::new("");
    let path = site.dir.path().join("registry.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("value = \"50\"", "value = \"fifty\"")).unwrap();
    let (fine, text) = site.plume(&["check", "--config", "plume.toml"]);
    assert!(
        !fine && text.contains("registry.toml:") && text.contains("fifty"),
        "{text}"
    );
}

#[test]
fn help_and_config_are_there() {
    let site = Site::new("");
    for args in [&["--help"][..], &["simulate", "--help"], &["config"]] {
        let (fine, text) = site.plume(args);
        assert!(fine && text.len() > 200, "{text}");
    }
}
