//! Simulated devices of all editions against a running plume, through the same binary.

use crate::support::{MN, Site};

const KEY: &str = "0123456789abcdef";

/// Plays the device of the example registry for a second; the line that tells what it did.
fn play(site: &Site, to: &str, more: &[&str]) -> String {
    let (fine, text) = site.plume(
        &[
            &[
                "simulate",
                "--to",
                to,
                "--registry",
                "registry.toml",
                "--mn",
                MN,
                "--seconds",
                "1",
            ],
            more,
        ]
        .concat(),
    );
    assert!(fine, "{text}");
    text.lines().last().unwrap().to_owned()
}

#[test]
fn devices_of_all_editions_are_answered_and_the_books_balance() {
    let keys = format!("[[device]]\nmn = \"{MN}\"\nkey = \"{KEY}\"\n");
    let site = Site::new("");
    std::fs::write(site.dir.path().join("keys.toml"), keys).unwrap();
    let path = site.dir.path().join("plume.toml");
    let config = std::fs::read_to_string(&path).unwrap();
    std::fs::write(
        &path,
        config.replace("[ingest]\n", "[ingest]\nkeys_file = \"keys.toml\"\n"),
    )
    .unwrap();
    let running = site.start();
    let to = running.devices.to_string();
    for more in [
        &["--edition", "2005"][..],
        &["--edition", "2017"],
        &["--edition", "2025"],
        &["--edition", "2025", "--key", KEY],
        &["--misbehave", "halved", "--misbehave", "length_unpadded"],
    ] {
        // A busy machine may need more than a second for a first answer.
        let told = (0..10)
            .map(|_| play(&site, &to, more))
            .find(|told| !told.contains(" 0 answered"));
        assert!(told.is_some(), "{more:?} is never answered");
    }
    let metrics = running.get("/metrics");
    let counted = format!("plume_ingest_departures_total{{mn=\"{MN}\",reason=\"tolerated_short_length\"}}");
    assert!(metrics.contains(&counted), "{metrics}");
    assert!(!metrics.contains(KEY));
    // A device whose every checksum is stale is met with silence.
    let told = play(&site, &to, &["--misbehave", "crc_stale"]);
    assert!(told.contains(" 0 answered"), "{told}");
    assert!(running.stop());
    let (balanced, text) = site.plume(&["stats", "--config", "plume.toml"]);
    assert!(balanced, "{text}");
}

#[test]
fn every_misbehaviour_is_listed_and_others_are_refused() {
    let site = Site::new("");
    let (fine, help) = site.plume(&["simulate", "--help"]);
    assert!(
        fine && help.contains("crc_modbus_swapped") && help.contains("半包"),
        "{help}"
    );
    let (fine, text) = site.plume(&["simulate", "--mn", MN, "--misbehave", "no_such_habit"]);
    assert!(!fine && text.contains("no_such_habit"), "{text}");
    let (fine, text) = site.plume(&["simulate", "--mn", MN, "--key", "short"]);
    assert!(
        !fine && text.contains("16 characters") && !text.contains("short\""),
        "{text}"
    );
}
