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

#[test]
fn check_names_a_channel_that_cannot_work() {
    let site = Site::new("");
    let path = site.dir.path().join("plume.toml");
    let channel = "[[alert.channel]]\ntype = \"webhook\"\nname = \"x\"\nurl = \"ftp://x\"\nsecret = \"\"\n\
                   carries = [\"sms\"]\ntimeout_ms = 1000\n[alert.notify]\ngive_up_h = 0\n";
    std::fs::write(&path, channel).unwrap();
    let (fine, text) = site.plume(&["check", "--config", "plume.toml"]);
    assert!(!fine, "{text}");
    for said in [
        "`alert.channel`",
        "not an http or https address",
        "`alert.notify.give_up_h`",
    ] {
        assert!(text.contains(said), "{said} in {text}");
    }
}

#[test]
fn a_channel_is_tried_from_the_terminal() {
    let site = Site::new("");
    let test = ["notify", "test", "--config", "plume.toml", "--to", "zhang@example.com"];
    let (fine, text) = site.plume(&test);
    assert!(!fine && text.contains("no channel is set up"), "{text}");
    let (fine, text) = site.plume(&[&test[..], &["--channel", "pigeon"]].concat());
    assert!(!fine && text.contains("mail, sms, voice or ring"), "{text}");
}

#[test]
fn cases_are_read_in_the_terminal() {
    let site = Site::new("");
    let data = site.data();
    let data = data.to_str().unwrap();
    let (fine, text) = site.plume(&["cases", "--data", data]);
    assert!(!fine && text.contains("no plume has run"), "{text}");
    let running = site.start();
    let (fine, text) = site.plume(&["cases", "--data", data]);
    assert!(fine && text.trim() == "0 / 0", "{text}");
    let (fine, text) = site.plume(&["cases", "--data", data, "--role", "boss"]);
    assert!(!fine && text.contains("city_duty"), "{text}");
    let (fine, text) = site.plume(&["cases", "show", "zz", "--data", data]);
    assert!(!fine && text.contains("no case id"), "{text}");
    let (fine, text) = site.plume(&["cases", "show", "abcdef", "--data", data]);
    assert!(!fine && text.contains("none of the latest"), "{text}");
    // What is refused says what to try.
    let unknown = "0".repeat(32);
    for (act, hint) in [
        (["act", unknown.as_str(), "acknowledge"], "no such"),
        (["act", unknown.as_str(), "sign"], "no such"),
    ] {
        let (fine, text) = site.plume(&[&["cases"][..], &act, &["--data", data]].concat());
        assert!(!fine && text.contains(hint) && text.contains("hint: "), "{text}");
    }
    let (fine, text) = site.plume(&["cases", "--data", data, "--lang", "fr"]);
    assert!(!fine && text.contains("zh"), "{text}");
    drop(running);
}

/// A small bureau for a day: the whole way from minute values to the officers' lists. `.ci/run` holds a larger one to
/// its baseline.
#[test]
fn the_desk_is_scored() {
    let site = Site::new("");
    let (fine, text) = site.plume(&["score", "--desk", "--outlets", "60", "--days", "1", "--json"]);
    assert!(fine, "{text}");
    let score: serde_json::Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert!(score["cases"].as_u64().unwrap() > 0, "{score}");
    assert_eq!(score["device_cases_of_the_stop"], 0);
}
